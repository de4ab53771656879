"""Property-based tests of field types and of JSON encoding."""

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import assume, example, given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from healthcare.api.json import brackets, encode
from healthcare.fields import phone_of_cell
from patients.serializers import PatientSerializer

ANYTHING = st.text(st.characters())
SEPARATORS = st.text(" -.()\u00a0\u202f\u2010\u2011\u2013\u2212\u200e\u202a\u2069", max_size=3)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def accepted(field, value):
    """Return the value as cleaned by a field of a patient; None if it is refused."""
    try:
        return PatientSerializer().fields[field].run_validation(value)
    except ValidationError:
        return None


@given(st.sampled_from(["", "+"]), st.lists(st.tuples(SEPARATORS, st.sampled_from("0123456789")), max_size=20))
@example("", [("", digit) for digit in "9876543210"] + [(".", "0")])
@example("+", [("", "4"), ("", "4"), ("(", "0"), (")", "1")] + [("", "2")] * 6)
def test_a_phone_is_7_to_15_digits_with_any_separators(plus, parts):
    digits = plus + "".join(digit for _, digit in parts)
    text = plus + "".join(separator + digit for separator, digit in parts)
    visible = re.sub(r"[^0-9+.()]", "", text)
    # The two texts whose digits are not the phone.
    assume(not re.fullmatch(r"[0-9]{7,15}\.00?", text.strip()))
    assume(not re.match(r"\+[0-9]{1,3}\(0\)", visible))

    phone = accepted("phone", text)

    assert phone == (digits if 7 <= len(parts) <= 15 else "" if not parts and not plus else None)


@given(st.integers(1, 999), st.from_regex(r"[1-9][0-9]{5,10}", fullmatch=True), SEPARATORS)
def test_the_trunk_prefix_behind_a_country_code_is_dropped(code, number, separators):
    separators = re.sub(r"[()]", "", separators)

    phone = accepted("phone", f"+{code}{separators}(0){separators}{number}")

    assert phone == f"+{code}{number}"


@given(st.from_regex(r"[0-9]{7,15}", fullmatch=True), st.sampled_from([".0", ".00", ",0"]))
def test_a_phone_with_decimals_is_accepted_only_in_files(digits, decimals):
    assert accepted("phone", digits + decimals) is None
    assert phone_of_cell(digits + decimals) == phone_of_cell(digits) == digits


@given(ANYTHING | st.text("+0123456789٣۴५ -.()\n", max_size=20))
@example("٩٨٧٦٥٤٣٢١٠")
@example("9876543210\n")
@example("98+76543210")
@example("++9876543210")
def test_an_accepted_phone_is_ascii_digits_and_is_accepted_unchanged(text):
    phone = accepted("phone", text)

    assert not phone or re.fullmatch(r"\+?[0-9]{7,15}", phone, re.ASCII)
    assert phone is None or accepted("phone", phone) == phone


@given(ANYTHING | st.text(st.characters(categories=["L", "Zs", "Cf", "Cc"]), max_size=120))
@example("\u200b\u200d")
@example("a\u2028b")
@example("a\u2029b")
@example("a\ud800")
@example("\x1cAlice")
@example("👩🏽\u200d⚕️")
@example("x" * 101)
def test_an_accepted_name_is_one_visible_line_and_returned_unchanged(text):
    name = accepted("name", text)

    categories = {unicodedata.category(character) for character in text.strip()}
    visible = any(category[0] not in "CZ" for category in categories)
    sound = visible and not categories & {"Cc", "Cs", "Zl", "Zp"} and len(text.strip()) <= 100
    sound = sound and not set(text) & {"\ufffe", "\uffff"}
    assert name == (text.strip() if sound else None)


@given(st.text("aAbBeElLmMfFoOtThHrRuUnNkKwW ", max_size=8) | st.sampled_from(["Male", "FEMALE", "otheR", "unknown"]))
@example("male\n")
@example("ﬁ")
def test_a_gender_is_a_spelling_of_one_of_four_in_any_case_and_stored_as_sent(text):
    known = text.strip().lower() in {"male", "female", "other", "unknown", "m", "f", "o", "u"}

    assert accepted("gender", text) == (text.strip() if known else None)


@given(st.integers())
@example(-1)
@example(0)
@example(150)
@example(151)
def test_an_age_is_a_whole_number_from_0_to_150(age):
    assert accepted("age", age) == accepted("age", str(age)) == (age if 0 <= age <= 150 else None)


@given(JSON)
@example(10**400)
def test_what_is_encoded_reads_back_the_same(value):
    assert json.loads(encode(value)) == value


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters()), max_size=3))
@example({"\ud800": "\udfff"})
def test_whatever_text_is_encoded_is_utf8(value):
    decoded = json.loads(encode(value).decode())

    assert str(decoded).count("\ufffd") >= any(unicodedata.category(c) == "Cs" for text in value for c in text)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1), timezones=ZONES))
@example(datetime(2025, 9, 20, 21, 19, 32, 0, UTC))
def test_a_timestamp_is_encoded_in_utc_with_microseconds(instant):
    text = json.loads(encode(instant))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert datetime.fromisoformat(text) == instant


@given(JSON)
def test_the_brackets_of_a_body_are_not_those_in_its_text(value):
    def expected(value):
        if isinstance(value, dict):
            return "{" + "".join(map(expected, value.values())) + "}"
        return "[" + "".join(map(expected, value)) + "]" if isinstance(value, list) else ""

    assert brackets(json.dumps(value).encode()).decode() == expected(value)

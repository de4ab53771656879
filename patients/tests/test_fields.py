"""The valid and invalid values of each field of a patient."""

import json

import pytest
from django.urls import reverse

from conftest import PATIENT
from patients.models import Patient

PATIENTS = reverse("patients-list")
BLANK = "This field may not be blank."
INTEGER = "Must be a whole number from 0 to 150."
CONTROL = "Control characters"
NUMBER = "A spreadsheet turned this phone number into a decimal number. Send it as text,"
PHONE = "Enter 7 to 15 digits, with or without a + in front."


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        ("name", "A", "A"),
        ("name", "N" * 100, "N" * 100),
        ("name", f"  {'N' * 100}\t", "N" * 100),
        ("name", "Łukasz O'Brien-李 <b>&amp;</b>", "Łukasz O'Brien-李 <b>&amp;</b>"),
        ("age", 0, 0),
        ("age", 150, 150),
        ("age", "30", 30),
        ("age", 30.0, 30),
        ("gender", "male", "male"),
        ("gender", "OTHER", "OTHER"),
        ("gender", "uNknown", "uNknown"),
        *(("gender", letter, letter) for letter in "MmFfOoUu"),
        ("phone", "1234567", "1234567"),
        ("phone", "+123456789012345", "+123456789012345"),
        ("phone", "+1 (987) 654-32.10", "+19876543210"),
        ("phone", "\u202a+34\u00a0612\u2011345\u2013678\u202c", "+34612345678"),
        ("phone", "+44 (0)20 7946 0000", "+442079460000"),
        ("phone", "+49( 0 )30\u2212123456", "+4930123456"),
        ("phone", "(0)20 7946 0000", "02079460000"),
        ("phone", "555.0100", "5550100"),
        ("phone", "01.23.45.67.00", "0123456700"),
        ("phone", "", ""),
        ("phone", 9876543210, "9876543210"),
        ("phone", 10**15 - 1, "9" * 15),
        ("email", "", ""),
        ("email", "UPPER.Case@Example.COM", "UPPER.Case@Example.COM"),
        ("address", "", ""),
        ("address", "1 Main St\nFlat 2\r\n\tTown ", "1 Main St\nFlat 2\n\tTown "),
        ("address", "x" * 1000, "x" * 1000),
    ],
)
def test_a_valid_value_is_stored(owner, field, sent, stored):
    response = owner.post(PATIENTS, {**PATIENT, field: sent})

    assert response.status_code == 201, response.json()
    assert response.json()[field] == stored
    assert Patient.objects.values_list(field, flat=True).get() == stored


BAD = [
    ("name", "", BLANK),
    ("name", " \t ", BLANK),
    ("name", "\u200b\u2060", BLANK),
    ("name", None, "This field may not be null."),
    ("name", 5, "Not a valid string: send a JSON string in double quotes."),
    ("name", ["Alice"], "Not a valid string: send a JSON string in double quotes."),
    ("name", "N" * 101, "Ensure this field has no more than 100 characters."),
    ("name", "Ali\nce", CONTROL),
    ("name", "Ali\x1bce", CONTROL),
    ("name", "Ali\u2028ce", CONTROL),
    ("name", "Ali\ufffece", "U+FFFE and U+FFFF are not allowed."),
    ("name", "Ali\uffffce", "U+FFFE and U+FFFF are not allowed."),
    ("address", "street\uffff", "U+FFFE and U+FFFF are not allowed."),
    ("name", "Ali\x00ce", "Null characters are not allowed."),
    ("age", -1, INTEGER),
    ("age", 151, INTEGER),
    ("age", 2147483648, INTEGER),
    ("age", 10**400, INTEGER),
    ("age", True, INTEGER),
    ("age", 30.5, INTEGER),
    ("age", "thirty", INTEGER),
    ("age", "1_000", INTEGER),
    ("age", "٣", INTEGER),
    ("age", "30\n", INTEGER),
    ("age", "", INTEGER),
    ("age", [30], INTEGER),
    ("age", None, "This field may not be null."),
    ("gender", "robot", "Must be one of male, female, other, unknown, or its first letter, in any case."),
    ("gender", "", "Must be one of male, female, other, unknown, or its first letter, in any case."),
    ("gender", "female\n\x00", "Null characters are not allowed."),
    ("phone", "123456", PHONE),
    ("phone", "9876543210.0", f"{NUMBER} without the “.0”."),
    ("phone", " 9876543210.00 ", f"{NUMBER} without the “.00”."),
    ("phone", "9876543210,0", f"{NUMBER} without the “,0”."),
    ("phone", "9.87654E+09", "A spreadsheet shortened this phone number."),
    ("phone", "987654/3210", PHONE),
    ("phone", "1234567890123456", PHONE),
    ("phone", "+", PHONE),
    ("phone", "98765+43210", PHONE),
    ("phone", "98765x43210", PHONE),
    ("phone", "٩٨٧٦٥٤٣٢١٠", PHONE),
    ("phone", 9876543210.0, "This is a number with decimals. Send the phone number as text, or as a whole number."),
    ("phone", 123456, PHONE),
    ("phone", -9876543210, PHONE),
    ("phone", 10**15, PHONE),
    ("phone", 10**400, PHONE),
    ("phone", True, PHONE),
    ("phone", ["9876543210"], PHONE),
    ("email", "alice", "Enter a valid email address, such as name@example.com."),
    ("email", "alice@gmail", "Enter a valid email address, such as name@example.com."),
    ("email", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.com", "no more than 254 characters."),
    ("address", "x" * 1001, "Ensure this field has no more than 1000 characters."),
    ("address", "street\x07", CONTROL),
    ("address", "street\x00", "Null characters are not allowed."),
]


@pytest.mark.parametrize(("field", "value", "message"), BAD)
def test_an_invalid_value_is_refused_on_its_field(owner, field, value, message):
    response = owner.post(PATIENTS, {**PATIENT, field: value})

    assert response.status_code == 400
    assert list(response.json()) == [field]
    assert message in " ".join(response.json()[field])
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("field", "raw"), [("age", "1e400"), ("name", r'"\ud800"'), ("address", r'"street \ud800"'), ("phone", r'"\ud83d"')]
)
def test_a_value_that_only_raw_json_can_express_is_refused_on_its_field(owner, field, raw):
    body = json.dumps({**PATIENT, field: "here"}).replace('"here"', raw)

    response = owner.post(PATIENTS, raw=body.encode())

    assert (response.status_code, list(response.json())) == (400, [field])
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    "text", ["Zoe\u0308", "Zo\u00eb", "名前 🏥", "\u202bعلي\u202c", 'a"b\\c/d', "&lt;i&gt;", "ﬁ Å"]
)
def test_text_is_returned_unchanged(owner, text):
    created = owner.post(PATIENTS, {**PATIENT, "name": text, "address": text})

    answers = [created.json(), owner.get(created.headers["Location"]).json(), *owner.get(PATIENTS).json()]
    assert [(answer["name"], answer["address"]) for answer in answers] == [(text, text)] * 3


@pytest.mark.parametrize(("field", "value", "message"), [row for row in BAD if row[0] in ("age", "phone")])
def test_patch_follows_the_same_rules(owner, patient, field, value, message):
    response = owner.patch(reverse("patients-detail", args=[patient.pk]), {field: value})

    assert (response.status_code, list(response.json())) == (400, [field])
    assert message in " ".join(response.json()[field])
    patient.refresh_from_db()
    assert (patient.age, patient.phone) == (30, "9876543210")

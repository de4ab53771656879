"""The values that patients, doctors and users share: each rule is defined once, for the API, the admin and imports.

Genders are codes of FHIR's AdministrativeGender (https://hl7.org/fhir/valueset-administrative-gender.html) or of HL7 v2
table 0001 (https://terminology.hl7.org/CodeSystem-v2-0001.html); phone numbers have at most the 15 digits of E.164.
"""

import re
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

# ASCII digits, and no more of them than a 64-bit id holds; nothing else is looked for.
ID = "[0-9]{1,18}"
GENDERS = ("male", "female", "other", "unknown")
# {spelling: gender}: each gender, and its first letter.
GENDER_SPELLINGS = {spelling: gender for gender in GENDERS for spelling in (gender, gender[0])}
# [Mm][Aa][Ll][Ee] and so on: a pattern of OpenAPI has no flags.
GENDER = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in spelling) for spelling in GENDER_SPELLINGS)
MAX_PHONE_DIGITS = 15
PHONE = r"^\+?[0-9]{7,15}\Z"
LONGEST_ADDRESS = 1000

# Of Unicode's categories: spaces, dashes, and invisible characters such as direction marks.
SEPARATOR_CATEGORIES = {"Zs", "Pd", "Cf"}
# In ASCII, and the minus sign and hyphen bullet, which are in other categories.
SEPARATORS = frozenset(" -.\u2212\u2043")
ASCII_SEPARATORS = str.maketrans("", "", " -.")
PARENTHESES = str.maketrans("", "", "()")
# The national prefix that is not dialled behind a country code: +44 (0)20 is +4420.
TRUNK_PREFIX = re.compile(r"^(\+[0-9]{1,3})\(0\)")
# How a spreadsheet writes a phone number that it took for a number: 9876543210.0, or 9.87654E+09.
SPREADSHEET_NUMBER = re.compile(r"\s*([0-9]{7,15})[.,]00?\s*")
SCIENTIFIC_NUMBER = re.compile(r"\s*[0-9]([.,][0-9]+)?E\+?[0-9]+\s*", re.IGNORECASE)

PHONE_MESSAGE = "Enter 7 to 15 digits, with or without a + in front."
NUMBER_MESSAGE = "This is a number as a spreadsheet writes it. Send the phone number as text, without the “{}”."
SHORTENED_MESSAGE = "A spreadsheet shortened this phone number. Format the column as text and enter all digits again."
ADDRESS_MESSAGE = f"Must have at most {LONGEST_ADDRESS} characters."
GENDER_MESSAGE = f"Must be one of {', '.join(GENDERS)}, or its first letter, in any case."


class PhoneValidator(RegexValidator):
    """Accept the digits of a phone number; explain what spreadsheets make of them."""

    regex = PHONE
    message = PHONE_MESSAGE

    def __call__(self, value: str) -> None:
        if SPREADSHEET_NUMBER.fullmatch(value):
            raise ValidationError(NUMBER_MESSAGE.format(value.strip().lstrip("0123456789")), code="number")
        if SCIENTIFIC_NUMBER.fullmatch(value):
            raise ValidationError(SHORTENED_MESSAGE, code="number")
        super().__call__(value)


validate_phone = PhoneValidator()
validate_gender = RegexValidator(rf"^({GENDER})\Z", GENDER_MESSAGE, code="invalid")


def validate_line(value: str) -> None:
    """Refuse text that is not one visible line: control characters, line separators, only invisible characters."""
    categories = [unicodedata.category(character) for character in value]
    if any(category in {"Cc", "Cs", "Zl", "Zp"} for category in categories):
        raise ValidationError(
            "Control characters, such as tabs and line ends, are not allowed.", code="control_characters"
        )
    if all(category[0] in "CZ" for category in categories):
        raise ValidationError("This field may not be blank.", code="blank")
    validate_characters(value)


def validate_text(value: str) -> None:
    """Refuse control characters in text of several lines, except tabs and line ends."""
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in value):
        raise ValidationError(
            "Control characters other than tabs and line ends are not allowed.", code="control_characters"
        )
    validate_characters(value)


def validate_characters(value: str) -> None:
    """Refuse the two characters that XML, and so an XLSX, cannot hold (https://www.w3.org/TR/xml/#charsets)."""
    if "\ufffe" in value or "\uffff" in value:
        raise ValidationError("The characters U+FFFE and U+FFFF are not allowed.", code="noncharacters")


def plain_phone(value: str) -> str:
    """Return a phone number without separators: `+44 (0)20 7946-0000` is `+442079460000`.

    A number as a spreadsheet writes it is returned as it is, for `validate_phone` to refuse.
    """
    if SPREADSHEET_NUMBER.fullmatch(value) or SCIENTIFIC_NUMBER.fullmatch(value):
        return value
    if value.isascii():
        joined = value.translate(ASCII_SEPARATORS)
    else:
        joined = "".join(character for character in value if not is_separator(character))
    return TRUNK_PREFIX.sub(r"\1", joined).translate(PARENTHESES)


def is_separator(character: str) -> bool:
    """Return whether people write it between digits; parentheses, which may mean something, are left out."""
    return character in SEPARATORS or (
        not character.isascii() and unicodedata.category(character) in SEPARATOR_CATEGORIES
    )


def phone_of_cell(value: str) -> str:
    """Return the text of a spreadsheet's cell with a phone number, without the decimals of `9876543210.0`."""
    number = SPREADSHEET_NUMBER.fullmatch(value)
    return number[1] if number else value


def gender_spellings(value: str) -> list[str]:
    """Return all spellings, in lower case, of the gender that `value` is a spelling of; none if it is not."""
    gender = GENDER_SPELLINGS.get(value.lower())
    return [spelling for spelling, meant in GENDER_SPELLINGS.items() if meant == gender]


def plain_lines(value: str) -> str:
    """Return a text whose lines end in a line feed; browsers send a carriage return before it."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


class LineField(models.CharField):
    """A name or a title: one line of 1 to 100 characters."""

    default_validators = [validate_line]

    def __init__(self, *, max_length: int = 100, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class PhoneField(models.CharField):
    """A phone number, stored as its digits with or without a + in front."""

    default_validators = [validate_phone]

    def __init__(self, *, max_length: int = 16, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return plain_phone(value) if value else value

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # Django's own CharField has this signature
        # The form's limit counts before the separators are dropped, the column's after.
        return super().formfield(**{"max_length": 40, **kwargs})


class AddressField(models.TextField):
    """A text of several lines and at most 1000 characters."""

    default_validators = [validate_text]

    def __init__(self, *, max_length: int = LONGEST_ADDRESS, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        # Django's own limits the text area of a form only.
        self.validators.append(MaxLengthValidator(max_length))

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return plain_lines(value) if value else value

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # Django's own TextField has this signature
        return super().formfield(**{"form_class": LinesField, **kwargs})


class LinesField(forms.CharField):
    """The form's side of AddressField."""

    def to_python(self, value: Any) -> str:
        return plain_lines(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return plain_lines(initial or "") != self.to_python(data)


class GenderField(models.CharField):
    """An administrative gender in one of its spellings, in any case, kept as it was written."""

    default_validators = [validate_gender]

    def __init__(self, *, max_length: int = 7, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


def gender_condition(blank: bool = False) -> models.Q:
    """Return the condition of a check constraint that `gender` is a spelling of one of GENDERS (or blank)."""
    return models.Q(gender__fold__in=[*GENDER_SPELLINGS, *([""] if blank else [])])


def phone_condition() -> models.Q:
    """Return the condition of a check constraint that `phone` is blank or a phone number without separators."""
    return models.Q(phone="") | models.Q(phone__regex=PHONE)


def age_condition(lowest: int, highest: int) -> models.Q:
    return models.Q(age__range=(lowest, highest))


def address_condition() -> models.Q:
    return models.Q(LessThanOrEqual(Length("address"), LONGEST_ADDRESS))

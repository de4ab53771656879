"""Field types shared by patients, doctors and users: each rule is defined once, for the API, the admin and imports.

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

# At most 18 ASCII digits, which always fit into a 64-bit id.
ID = "[0-9]{1,18}"
GENDERS = ("male", "female", "other", "unknown")
# {spelling: gender}
GENDER_SPELLINGS = {spelling: gender for gender in GENDERS for spelling in (gender, gender[0])}
# [Mm][Aa][Ll][Ee] and so on, because patterns in OpenAPI have no flags.
GENDER = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in spelling) for spelling in GENDER_SPELLINGS)
MAX_PHONE_DIGITS = 15
PHONE = r"^\+?[0-9]{7,15}\Z"
LONGEST_ADDRESS = 1000

# Unicode categories of spaces, dashes, and invisible characters such as direction marks.
SEPARATOR_CATEGORIES = {"Zs", "Pd", "Cf"}
# ASCII separators, and the minus sign and hyphen bullet, which are in other categories.
SEPARATORS = frozenset(" -.\u2212\u2043")
ASCII_SEPARATORS = str.maketrans("", "", " -.")
PARENTHESES = str.maketrans("", "", "()")
# The national prefix that is not dialled behind a country code: +44 (0)20 is +4420.
TRUNK_PREFIX = re.compile(r"^(\+[0-9]{1,3})\(0\)")
# How spreadsheets write phone numbers that they treat as numbers: 9876543210.0 or 9.87654E+09.
SPREADSHEET_NUMBER = re.compile(r"\s*([0-9]{7,15})[.,]00?\s*")
SCIENTIFIC_NUMBER = re.compile(r"\s*[0-9]([.,][0-9]+)?E\+?[0-9]+\s*", re.IGNORECASE)

PHONE_MESSAGE = "Enter 7 to 15 digits, with or without a + in front."
NUMBER_MESSAGE = "A spreadsheet turned this phone number into a decimal number. Send it as text, without the “{}”."
SHORTENED_MESSAGE = "A spreadsheet shortened this phone number. Format the column as text and enter all digits again."
ADDRESS_MESSAGE = f"Must have at most {LONGEST_ADDRESS} characters."
GENDER_MESSAGE = f"Must be one of {', '.join(GENDERS)}, or its first letter, in any case."


class PhoneValidator(RegexValidator):
    """Validate a phone number, with separate messages for numbers that a spreadsheet reformatted."""

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
    """Refuse control characters, line separators, and text of invisible characters only."""
    categories = [unicodedata.category(character) for character in value]
    if any(category in {"Cc", "Cs", "Zl", "Zp"} for category in categories):
        raise ValidationError(
            "Control characters, such as tabs and line ends, are not allowed.", code="control_characters"
        )
    if all(category[0] in "CZ" for category in categories):
        raise ValidationError("This field may not be blank.", code="blank")
    validate_characters(value)


def validate_text(value: str) -> None:
    """Refuse control characters in multi-line text, except tabs and line ends."""
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in value):
        raise ValidationError(
            "Control characters other than tabs and line ends are not allowed.", code="control_characters"
        )
    validate_characters(value)


def validate_characters(value: str) -> None:
    """Refuse the two noncharacters that XML, and therefore XLSX, cannot contain (https://www.w3.org/TR/xml/#charsets)."""
    if "\ufffe" in value or "\uffff" in value:
        raise ValidationError("The characters U+FFFE and U+FFFF are not allowed.", code="noncharacters")


def plain_phone(value: str) -> str:
    """Return a phone number without separators: `+44 (0)20 7946-0000` becomes `+442079460000`.

    A number that a spreadsheet reformatted is returned unchanged, so that `validate_phone` refuses it.
    """
    if SPREADSHEET_NUMBER.fullmatch(value) or SCIENTIFIC_NUMBER.fullmatch(value):
        return value
    if value.isascii():
        joined = value.translate(ASCII_SEPARATORS)
    else:
        joined = "".join(character for character in value if not is_separator(character))
    return TRUNK_PREFIX.sub(r"\1", joined).translate(PARENTHESES)


def is_separator(character: str) -> bool:
    """Return whether `character` separates digits of a phone number; parentheses are handled separately."""
    return character in SEPARATORS or (
        not character.isascii() and unicodedata.category(character) in SEPARATOR_CATEGORIES
    )


def phone_of_cell(value: str) -> str:
    """Return the phone number in a spreadsheet cell, without the decimals of `9876543210.0`."""
    number = SPREADSHEET_NUMBER.fullmatch(value)
    return number[1] if number else value


def gender_spellings(value: str) -> list[str]:
    """Return all spellings, in lower case, of the gender that `value` spells; an empty list if it spells none."""
    gender = GENDER_SPELLINGS.get(value.lower())
    return [spelling for spelling, other in GENDER_SPELLINGS.items() if other == gender]


def plain_lines(value: str) -> str:
    """Return the text with line feeds as line ends; browsers send a carriage return before each."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


class LineField(models.CharField):
    """A name or a title: one line of 1 to 100 characters."""

    default_validators = [validate_line]

    def __init__(self, *, max_length: int = 100, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class PhoneField(models.CharField):
    """A phone number, stored as digits with an optional leading +."""

    default_validators = [validate_phone]

    def __init__(self, *, max_length: int = 16, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return plain_phone(value) if value else value

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # Django's own CharField has this signature
        # The form's limit includes separators, the column's does not.
        return super().formfield(**{"max_length": 40, **kwargs})


class AddressField(models.TextField):
    """Multi-line text of at most 1000 characters."""

    default_validators = [validate_text]

    def __init__(self, *, max_length: int = LONGEST_ADDRESS, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        # Django enforces max_length of a TextField in forms only.
        self.validators.append(MaxLengthValidator(max_length))

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return plain_lines(value) if value else value

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # Django's own TextField has this signature
        return super().formfield(**{"form_class": LinesField, **kwargs})


class LinesField(forms.CharField):
    """The form field of AddressField."""

    def to_python(self, value: Any) -> str:
        return plain_lines(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return plain_lines(initial or "") != self.to_python(data)


class GenderField(models.CharField):
    """An administrative gender in any spelling and case, stored as entered."""

    default_validators = [validate_gender]

    def __init__(self, *, max_length: int = 7, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


def gender_condition(blank: bool = False) -> models.Q:
    """Return the check constraint condition that `gender` is a spelling of one of GENDERS (or blank)."""
    return models.Q(gender__fold__in=[*GENDER_SPELLINGS, *([""] if blank else [])])


def phone_condition() -> models.Q:
    """Return the check constraint condition that `phone` is blank or a phone number without separators."""
    return models.Q(phone="") | models.Q(phone__regex=PHONE)


def age_condition(lowest: int, highest: int) -> models.Q:
    return models.Q(age__range=(lowest, highest))


def address_condition() -> models.Q:
    return models.Q(LessThanOrEqual(Length("address"), LONGEST_ADDRESS))

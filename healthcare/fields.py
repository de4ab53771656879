"""The kinds of value that patients, doctors and users share: what is allowed, once, for the API, the admin and imports.

Genders are the codes of FHIR's AdministrativeGender (https://hl7.org/fhir/valueset-administrative-gender.html); phone
numbers have at most the 15 digits of ITU-T E.164.
"""

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

# ASCII digits, and no more of them than a 64-bit id holds; nothing else is looked for.
ID = "[0-9]{1,18}"
GENDERS = ("male", "female", "other", "unknown")
# [Mm][Aa][Ll][Ee] and so on: a pattern of OpenAPI has no flags.
GENDER = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in gender) for gender in GENDERS)
PHONE = r"^\+?[0-9]{7,15}\Z"
LONGEST_ADDRESS = 1000
PHONE_SEPARATORS = str.maketrans("", "", " -.()")

PHONE_MESSAGE = "Enter 7 to 15 digits, with or without a + in front."
ADDRESS_MESSAGE = f"Must have at most {LONGEST_ADDRESS} characters."
GENDER_MESSAGE = f"Must be one of {', '.join(GENDERS)}, in any case."
validate_phone = RegexValidator(PHONE, PHONE_MESSAGE, code="invalid")
validate_gender = RegexValidator(rf"^({GENDER})\Z", GENDER_MESSAGE, code="invalid")


def validate_line(value: str) -> None:
    """Refuse text that is not one visible line: control characters, line separators, nothing but invisible ones."""
    categories = [unicodedata.category(character) for character in value]
    if any(category in {"Cc", "Cs", "Zl", "Zp"} for category in categories):
        raise ValidationError(
            "Control characters, such as tabs and line ends, are not allowed.", code="control_characters"
        )
    if all(category[0] in "CZ" for category in categories):
        raise ValidationError("This field may not be blank.", code="blank")


def validate_text(value: str) -> None:
    """Refuse control characters in text of several lines, but for tabs and line ends."""
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in value):
        raise ValidationError(
            "Control characters other than tabs and line ends are not allowed.", code="control_characters"
        )


def plain_phone(value: str) -> str:
    """Return a phone number without the separators people write: `+1 (987) 654-3210` is `+19876543210`."""
    return value.translate(PHONE_SEPARATORS)


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


class GenderField(models.CharField):
    """An administrative gender in any case, kept as it was written."""

    default_validators = [validate_gender]

    def __init__(self, *, max_length: int = 7, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


def gender_condition(blank: bool = False) -> models.Q:
    """Return the condition of a check constraint that `gender` is one of GENDERS (or blank)."""
    return models.Q(gender__fold__in=[*GENDERS, *([""] if blank else [])])


def phone_condition() -> models.Q:
    return models.Q(phone__regex=PHONE)


def age_condition(lowest: int, highest: int) -> models.Q:
    return models.Q(age__range=(lowest, highest))


def address_condition() -> models.Q:
    return models.Q(LessThanOrEqual(Length("address"), LONGEST_ADDRESS))

"""The project's field rules and password hash, for implementations without Django.

Each function returns the cleaned value or raises ValueError with the message.
"""

import re

import argon2
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from healthcare import fields

OLDEST = 150
# The defaults of PASSWORD_HASH_MEMORY_KIB and PASSWORD_HASH_TIME.
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def _checked(check, value, message=None):
    try:
        check(value)
    except ValidationError as error:
        raise ValueError(message or error.message) from None
    return value


def line(value):
    value = text(value, 100, trim=True)
    if not value:
        raise ValueError("This field may not be blank.")
    return _checked(fields.validate_line, value)


def address(value):
    return _checked(fields.validate_text, text(value, 1000))


def email(value):
    value = text(value, 254, trim=True)
    return _checked(validate_email, value, "Enter a valid email address.") if value else value


def gender(value):
    return _checked(fields.validate_gender, text(value, 7, trim=True))


def phone(value):
    value = fields.plain_phone(text(value, 1000))
    return _checked(fields.validate_phone, value) if value else value


def age(value):
    if type(value) is not int and not (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value)):
        raise ValueError("A valid integer is required.")
    if not 0 <= int(value) <= OLDEST:
        raise ValueError(f"Must be from 0 to {OLDEST}.")
    return int(value)


def text(value, longest, trim=False):
    if not isinstance(value, str):
        raise ValueError("Not a valid string.")
    if "\0" in value:
        raise ValueError("Null characters are not allowed.")
    value = value.strip() if trim else value
    if len(value) > longest:
        raise ValueError(f"Ensure this field has no more than {longest} characters.")
    return value

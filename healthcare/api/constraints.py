"""Convert a constraint violation into a response: 400 on a field, or 409."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.apps import apps
from django.db import IntegrityError, models
from rest_framework import exceptions
from rest_framework.settings import api_settings

from healthcare.api.exceptions import CONCURRENT_CHANGE, Conflict


def refusal(error: IntegrityError) -> exceptions.APIException:
    """Return the exception for a violated constraint: a ValidationError on its field, or a Conflict."""
    cause = error.__cause__
    diagnostics = getattr(cause, "diag", None)
    if diagnostics is None:
        # SQLite reports the constraint's name, or its columns if unique: "UNIQUE constraint failed: t.a, t.b".
        _, _, name = str(cause or error).partition(" constraint failed")
        name = name.removeprefix(": ").removeprefix("index ").strip("'")
    else:
        name = diagnostics.constraint_name
    constraint = constraints().get(name)
    if constraint:
        return exceptions.ValidationError({field_of(constraint): [constraint.violation_error_message]})
    # Only PostgreSQL's English message contains the column of a missing reference.
    missing = diagnostics and re.match(r"Key \((\w+)_id\)=\(\d+\) is not present", diagnostics.message_detail or "")
    if missing:
        return exceptions.ValidationError({missing[1]: ["It no longer exists."]})
    return Conflict(CONCURRENT_CHANGE)


@cache
def constraints() -> dict[str, models.BaseConstraint]:
    """Return the constraints of all models by name, and by the columns that SQLite reports."""
    found: dict[str, models.BaseConstraint] = {}
    model: Any
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            found[constraint.name] = constraint
            if isinstance(constraint, models.UniqueConstraint) and constraint.fields:
                columns = (model._meta.get_field(name).column for name in constraint.fields)
                found[", ".join(f"{model._meta.db_table}.{column}" for column in columns)] = constraint
    return found


def field_of(constraint: Any) -> str:
    """Return the field of a constraint, or `non_field_errors` if it involves several."""
    if isinstance(constraint, models.CheckConstraint):
        condition: Any = constraint.condition
        fields = condition.referenced_base_fields
    else:
        fields = set(constraint.fields) | {
            leaf.name for part in constraint.expressions for leaf in _leaves(part) if isinstance(leaf, models.F)
        }
    return fields.pop() if len(fields) == 1 else api_settings.NON_FIELD_ERRORS_KEY


def _leaves(expression: Any) -> Iterable[Any]:
    return [expression] if isinstance(expression, models.F) else expression.flatten()

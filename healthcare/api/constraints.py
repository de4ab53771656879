"""Turn a constraint that the database enforced into the response for it: 400 on a field, or 409."""

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
    """Return the exception that says what the database refused: a ValidationError on its field, or a Conflict."""
    cause = error.__cause__
    diagnostics = getattr(cause, "diag", None)
    if diagnostics is None:
        # SQLite names the constraint, or for a plain unique one its columns: "UNIQUE constraint failed: t.a, t.b".
        _, _, name = str(cause or error).partition(" constraint failed")
        name = name.removeprefix(": ").removeprefix("index ").strip("'")
    else:
        name = diagnostics.constraint_name
    constraint = constraints().get(name)
    if constraint:
        return exceptions.ValidationError({field_of(constraint): [constraint.violation_error_message]})
    # PostgreSQL's English message names the missing reference; other languages and SQLite do not.
    missing = diagnostics and re.match(r"Key \((\w+)_id\)=\(\d+\) is not present", diagnostics.message_detail or "")
    if missing:
        return exceptions.ValidationError({missing[1]: ["It does not exist any more."]})
    return Conflict(CONCURRENT_CHANGE)


@cache
def constraints() -> dict[str, models.BaseConstraint]:
    """Return every constraint of this project's models, by its name and by how SQLite calls it."""
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
    """Return the one field a constraint is about, or `non_field_errors` for a rule over several."""
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

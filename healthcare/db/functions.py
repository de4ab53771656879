"""Database functions that mean the same on SQLite and PostgreSQL."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, TextField, Transform
from django.db.models.sql.compiler import SQLCompiler


def fold(text: str) -> str:
    """Return the lower-case form of `text` character by character, as PostgreSQL's LOWER makes it.

    Python's `lower` looks at neighbours (a final sigma) and may give two characters for one (a dotted capital I).
    """
    return "".join(character.lower()[0] for character in text)


@CharField.register_lookup
@TextField.register_lookup
class Fold(Transform):
    """Return the lower-case form of a text by Unicode's rules, also on SQLite, whose LOWER stops at ASCII.

    As a lookup: `name__fold__contains="émile"`; compare with `fold()` of what was asked for.
    """

    function = "LOWER"
    lookup_name = "fold"
    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, function="FOLD", **extra)

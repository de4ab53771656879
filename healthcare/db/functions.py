"""Database functions that mean the same on SQLite and PostgreSQL."""

import re
import unicodedata
from functools import reduce
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Func, TextField, Transform
from django.db.models.sql.compiler import SQLCompiler


def fold(text: str) -> str:
    """Return the lower-case form of `text` character by character, as PostgreSQL's LOWER makes it.

    Python's `lower` looks at neighbours (a final sigma) and may give two characters for one (a dotted capital I).
    """
    return "".join(character.lower()[0] for character in text)


# Letters that Unicode does not decompose into a base letter and a mark; the last two are a dotless i and a final sigma.
PLAIN_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "\u03c2": "\u03c3"}
# The combining marks of Latin, Greek and Cyrillic, as Python and PostgreSQL write the pattern.
MARKS = "[\u0300-\u036f]+"
POSTGRESQL_MARKS = r"[\u0300-\u036f]+"


def searchable(text: str) -> str:
    """Return `text` in lower case and without accents: `Émile Łukasz` is `emile lukasz`."""
    if text.isascii():
        return text.lower()
    plain = fold(re.sub(MARKS, "", unicodedata.normalize("NFKD", text)))
    return reduce(lambda plain, letter: plain.replace(letter, PLAIN_LETTERS[letter]), PLAIN_LETTERS, plain)


class Searchable(Func):
    """Return the texts of a record, joined by spaces, as `searchable` makes them.

    On PostgreSQL this is an expression of built-in immutable functions, as an index needs it. For a text that is ASCII,
    lower case is enough and much cheaper.
    """

    arg_joiner = " || ' ' || "
    output_field = TextField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        joined, params = self.as_sql(compiler, connection, template="(%(expressions)s)", **extra)
        plain = f"lower(regexp_replace(normalize({joined}, NFKD), '{POSTGRESQL_MARKS}', '', 'g'))"
        for letter, letters in PLAIN_LETTERS.items():
            plain = f"replace({plain}, '{letter}', '{letters}')"
        sql = f"CASE WHEN octet_length({joined}) = length({joined}) THEN lower({joined}) ELSE {plain} END"
        return sql, (*params, *params, *params, *params)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="SEARCHABLE(%(expressions)s)", **extra)


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

"""Database functions with the same results on SQLite and PostgreSQL."""

import re
import unicodedata
from collections.abc import Iterable
from functools import reduce
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, Func, TextField, Transform, Value
from django.db.models.sql.compiler import SQLCompiler


def fold(text: str) -> str:
    """Return `text` in lower case, converted character by character like PostgreSQL's LOWER.

    Python's `lower` depends on neighbours (final sigma) and may return two characters for one (dotted capital I).
    """
    return "".join(character.lower()[0] for character in text)


# Letters that Unicode does not decompose into base letter and mark; the last two are dotless i and final sigma.
PLAIN_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "\u03c2": "\u03c3"}
# The combining marks of Latin, Greek and Cyrillic, in the syntax of Python and of PostgreSQL.
MARKS = "[\u0300-\u036f]+"
POSTGRESQL_MARKS = r"[\u0300-\u036f]+"


def searchable(text: str) -> str:
    """Return `text` in lower case and without accents: `Émile Łukasz` becomes `emile lukasz`."""
    if text.isascii():
        return text.lower()
    plain = fold(re.sub(MARKS, "", unicodedata.normalize("NFKD", text)))
    return reduce(lambda plain, letter: plain.replace(letter, PLAIN_LETTERS[letter]), PLAIN_LETTERS, plain)


class Searchable(Func):
    """Join the texts of a record by spaces and normalize them like `searchable`.

    On PostgreSQL the expression uses only built-in immutable functions, as an index requires. ASCII text is only
    lower-cased, which is much cheaper.
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


class ContainsAll(Func):
    """Return whether a text contains all `words`; PostgreSQL computes the text once, and uses no index."""

    output_field = BooleanField()

    def __init__(self, text: Any, words: Iterable[str], **extra: Any) -> None:
        super().__init__(text, *map(Value, words), **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        text, *words = self.get_source_expressions()
        sql, params = compiler.compile(text)
        patterns = [f"%{connection.ops.prep_for_like_query(word.value)}%" for word in words]
        return f"{sql} LIKE ALL (%s::text[])", (*params, patterns)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        text, *words = self.get_source_expressions()
        sql, params = compiler.compile(text)
        sql = " AND ".join([f"INSTR({sql}, %s) > 0"] * len(words))
        return f"({sql})", [value for word in words for value in (*params, word.value)]


@CharField.register_lookup
@TextField.register_lookup
class Fold(Transform):
    """Convert text to lower case by Unicode's rules, also on SQLite, whose LOWER only converts ASCII.

    Usable as a lookup, with a folded value: `name__fold__contains=fold("Émile")`.
    """

    function = "LOWER"
    lookup_name = "fold"
    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, function="FOLD", **extra)

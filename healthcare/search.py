"""Search shared by the API and the admin."""

from collections.abc import Iterable
from functools import reduce
from itertools import groupby
from operator import and_

from django.db.models import Q, QuerySet
from django.db.models.lookups import Contains

from healthcare.db.functions import ContainsAll, Searchable, searchable
from healthcare.fields import is_separator, plain_phone

# Shorter groups of digits are not searched for as a phone number.
SHORTEST_NUMBER = 3
# Limits of callers: each word may cost a normalization of every row.
MAX_LENGTH, MAX_WORDS = 100, 8


def search(queryset: QuerySet, fields: Iterable[str], text: str, by_index: bool = True) -> QuerySet:
    """Return the records whose `fields` contain each word of `text`, in any order, with or without accents.

    Digits with separators also match phone numbers: `(555) 1234` finds 5551234. With `by_index=False`, PostgreSQL scans
    the rows of `queryset` instead of the search index, which it may choose even if scanning is faster.
    """
    texts = Searchable(*fields)

    def contain(words: Iterable[str]) -> Q:
        if by_index:
            # The index is used only for an expression identical to its own.
            return reduce(and_, (Q(Contains(texts, word)) for word in words))
        return Q(ContainsAll(texts, words))

    plain: list[str] = []
    conditions = []
    for numeric, group in groupby(text.split(), is_numeric):
        words = list(dict.fromkeys(group))
        number = plain_phone(" ".join(words)) if numeric else ""
        words = [searchable(word) for word in words]
        if len(number) >= SHORTEST_NUMBER and words != [number]:
            conditions.append(contain(words) | contain([number]))
        else:
            plain += words
    if plain:
        conditions.append(contain(plain))
    return queryset.filter(reduce(and_, conditions)) if conditions else queryset


def is_numeric(word: str) -> bool:
    return all(character in "0123456789+()" or is_separator(character) for character in word)

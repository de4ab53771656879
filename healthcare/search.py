"""Search shared by the API and the admin."""

from collections.abc import Iterable
from functools import reduce
from itertools import groupby
from operator import and_

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Concat
from django.db.models.lookups import Contains

from healthcare.db.functions import Searchable, searchable
from healthcare.fields import is_separator, plain_phone

# Shorter groups of digits are not searched for as a phone number.
SHORTEST_NUMBER = 3


def search(queryset: QuerySet, fields: Iterable[str], text: str, by_index: bool = True) -> QuerySet:
    """Return the records whose `fields` contain each word of `text`, in any order, with or without accents.

    Digits with separators also match phone numbers: `(555) 1234` finds 5551234. With `by_index=False`, PostgreSQL scans
    the rows of `queryset` instead of the search index, which it may choose even if scanning is faster.
    """
    texts = Searchable(*fields)

    def contains(word: str) -> Q:
        # The index is used only for an expression identical to its own.
        return Q(Contains(texts if by_index else Concat(texts, Value(""), output_field=TextField()), searchable(word)))

    conditions = []
    for numeric, group in groupby(text.split(), is_numeric):
        words = list(dict.fromkeys(group))
        every = reduce(and_, map(contains, words))
        number = plain_phone(" ".join(words)) if numeric else ""
        conditions.append(every | contains(number) if len(number) >= SHORTEST_NUMBER else every)
    return queryset.filter(reduce(and_, conditions)) if conditions else queryset


def is_numeric(word: str) -> bool:
    return all(character in "0123456789+()" or is_separator(character) for character in word)

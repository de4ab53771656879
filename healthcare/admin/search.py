"""Search in the admin: its lists, the choices of its forms, and the box in its header."""

import re
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from healthcare.db.functions import fold
from healthcare.fields import ID, plain_phone
from healthcare.logs import log_access

# Per kind of record, in the search of the header.
SHOWN = 20


def found(queryset: QuerySet, fields: Iterable[str], text: str) -> QuerySet:
    """Return the records of which each word of `text` is in a field, in any case; `#12` is the record with that id.

    A phone number is found with any separators.
    """
    if re.fullmatch(f"#{ID}", text.strip()):
        return queryset.filter(id=int(text.strip()[1:]))
    words = (reduce(or_, (Q(**{f"{name}__fold__contains": fold(word)}) for name in fields)) for word in text.split())
    matches = reduce(Q.__and__, words, Q())
    if "phone" in fields and re.fullmatch(r"\+?[0-9]{3,}", plain_phone(text)):
        matches |= Q(phone__contains=plain_phone(text))
    return queryset.filter(matches)


def results(site: admin.AdminSite, request: HttpRequest, text: str) -> list[dict[str, Any]]:
    """Return what `text` finds, by kind of record: its name, its first SHOWN records, and the address of its list."""
    groups = []
    for model_admin in site._registry.values():
        if hasattr(model_admin, "page_view") and model_admin.has_view_permission(request):
            queryset, _ = model_admin.get_search_results(request, model_admin.get_queryset(request), text)
            rows: list[Any] = list(queryset.order_by("-id")[: SHOWN + 1])
            links = [(row, model_admin.url_of(row), model_admin.details(row)) for row in rows[:SHOWN]]
            log_access(request, (record.id for record in rows[:SHOWN]))
            groups.append({"opts": model_admin.opts, "rows": links, "more": len(rows) > SHOWN})
    return groups[::-1]

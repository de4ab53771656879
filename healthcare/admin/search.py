"""Search in the admin's lists, autocomplete fields and header."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from healthcare.fields import ID
from healthcare.logs import log_access
from healthcare.search import MAX_LENGTH, MAX_WORDS, search

# Results per model in the header's search.
SHOWN = 20


def found(queryset: QuerySet, fields: Sequence[str], text: str) -> QuerySet:
    """Return the records that match `text`, as in the API; `#12` matches the record with that id.

    Text beyond the limits of the API is ignored.
    """
    if not fields:
        return queryset
    if re.fullmatch(f"#{ID}", text.strip()):
        return queryset.filter(id=int(text.strip()[1:]))
    return search(queryset, fields, " ".join(text[:MAX_LENGTH].split()[:MAX_WORDS]))


def results(site: admin.AdminSite, request: HttpRequest, text: str) -> list[dict[str, Any]]:
    """Return the results for `text` by model: its options, the first SHOWN records, and whether there are more."""
    groups = []
    for model_admin in site._registry.values():
        if hasattr(model_admin, "page_view") and model_admin.has_view_permission(request):
            queryset, _ = model_admin.get_search_results(request, model_admin.get_queryset(request), text)
            rows: list[Any] = list(queryset.order_by("-id")[: SHOWN + 1])
            links = [(row, model_admin.url_of(row), model_admin.details(row)) for row in rows[:SHOWN]]
            log_access(request, (record.id for record in rows[:SHOWN]))
            groups.append({"opts": model_admin.opts, "rows": links, "more": len(rows) > SHOWN})
    return groups[::-1]

"""The index page of the admin: totals of each model, and numbers added per day."""

from datetime import timedelta
from typing import Any

from django import template
from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.cache import cache
from django.db.models import Count, Max, Model, Value
from django.utils import timezone

from healthcare.admin.filters import start_of

DAYS = 30
HEIGHT = 48
# How long counts of past days, and of all records up to some id, are cached.
CACHE_SECONDS = 300

register = template.Library()
register.filter(intcomma)


@register.inclusion_tag("admin/overview.html", takes_context=True)
def overview(context: template.Context) -> dict[str, Any]:
    """Return the figures of each model that the user may view and whose admin has an `overview_date_field`."""
    entries = (entry for section in context["app_list"] for entry in section["models"] if entry.get("model"))
    listed = ((admin.site.get_model_admin(entry["model"]), entry) for entry in entries)
    return {
        "days": DAYS,
        "height": HEIGHT,
        "figures": [
            {
                "name": entry["name"],
                "url": entry["admin_url"],
                "field": model_admin.overview_date_field,
                **figures(model_admin.model, model_admin.overview_date_field),
            }
            for model_admin, entry in listed
            if hasattr(model_admin, "overview_date_field") and model_admin.has_view_permission(context["request"])
        ],
    }


def figures(model: type[Model], field: str) -> dict[str, Any]:
    """Return a model's `total`, the number of `recent` records, and one of `bars` for each of the last DAYS days."""
    today = timezone.localdate()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    counts = earlier(model, field) | counted(model, field, [0])
    most = max(counts.values(), default=0)
    bars: list[dict[str, Any]] = [
        {
            "day": day,
            "count": counts.get(ago, 0),
            "x": index * 10,
            "height": round(HEIGHT * counts.get(ago, 0) / (most or 1), 1),
        }
        for index, (day, ago) in enumerate(zip(days, reversed(range(DAYS)), strict=True))
    ]
    for bar in bars:
        bar["y"] = HEIGHT - bar["height"]
    return {
        "total": total(model),
        "recent": sum(bar["count"] for bar in bars),
        "most": most,
        "today": bars[-1],
        "bars": bars,
    }


def total(model: type[Model]) -> int:
    """Return the number of records: a cached count of those up to some id, plus a count of the newer ones."""
    objects, key = model._default_manager.order_by(), f"overview:{model._meta.label_lower}:total"
    cached: dict[str, Any] | None = cache.get(key)
    if cached is None:
        cached = objects.aggregate(newest=Max("pk", default=0), count=Count("pk"))
        cache.set(key, cached, CACHE_SECONDS)
    newest, count = cached["newest"], cached["count"]
    return count + objects.filter(pk__gt=newest).count()


def earlier(model: type[Model], field: str) -> dict[int, int]:
    """Return {days ago: count} for the days before today, cached."""
    key = f"overview:{model._meta.label_lower}:{timezone.localdate()}"
    found: Any = cache.get_or_set(key, lambda: counted(model, field, range(1, DAYS)), CACHE_SECONDS)
    return found


def counted(model: type[Model], field: str, ago: Any) -> dict[int, int]:
    """Return {days ago: count}, by one query that scans the index of `field` for each day."""
    today = timezone.localdate()
    days: list[Any] = [
        model._default_manager.order_by()
        .filter(
            **{
                f"{field}__gte": start_of(today - timedelta(days=number)),
                f"{field}__lt": start_of(today - timedelta(days=number - 1)),
            }
        )
        .values(ago=Value(number))
        .annotate(count=Count("pk"))
        .values_list("ago", "count")
        for number in ago
    ]
    return dict(days[0].union(*days[1:], all=True))

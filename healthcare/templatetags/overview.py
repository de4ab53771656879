"""The front page of the admin: how many there are of everything, and how many came in lately."""

from datetime import datetime, time, timedelta
from typing import Any

from django import template
from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Model
from django.db.models.functions import TruncDate
from django.utils import timezone

DAYS = 30
HEIGHT = 48

register = template.Library()
register.filter(intcomma)


@register.inclusion_tag("admin/overview.html", takes_context=True)
def overview(context: template.Context) -> dict[str, Any]:
    """Return the figures of each model the user may view whose admin has an `overview_date_field`."""
    entries = (entry for section in context["app_list"] for entry in section["models"] if entry.get("model"))
    listed = ((admin.site.get_model_admin(entry["model"]), entry) for entry in entries)
    return {
        "days": DAYS,
        "height": HEIGHT,
        "figures": [
            {
                "name": entry["name"],
                "url": entry["admin_url"],
                **figures(model_admin.model, model_admin.overview_date_field),
            }
            for model_admin, entry in listed
            if hasattr(model_admin, "overview_date_field") and model_admin.has_view_permission(context["request"])
        ],
    }


def figures(model: type[Model], field: str) -> dict[str, Any]:
    """Return the `total` of a model, how many are `recent`, and `bars`, one for each of the last DAYS days."""
    today = timezone.localdate()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    start = timezone.make_aware(datetime.combine(days[0], time.min))
    rows = model._default_manager.order_by().filter(**{f"{field}__gte": start})
    counts = dict(rows.values_list(TruncDate(field)).annotate(Count("pk")))
    most = max(counts.values(), default=0)
    bars = [
        {
            "day": day,
            "count": counts.get(day, 0),
            "x": index * 10,
            "height": round(HEIGHT * counts.get(day, 0) / (most or 1), 1),
        }
        for index, day in enumerate(days)
    ]
    for bar in bars:
        bar["y"] = HEIGHT - bar["height"]
    return {
        "total": model._default_manager.count(),
        "recent": sum(bar["count"] for bar in bars),
        "most": most,
        "today": today,
        "bars": bars,
    }

"""The form of filters above a list of the admin."""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag
def kept_parameters(changelist: Any) -> list[tuple[str, str]]:
    """Return the parameters of the list that its filters do not set: the search, the order and the like."""
    own = {name for spec in changelist.filter_specs for name in spec.expected_parameters()}
    return [(name, value) for name, value in changelist.params.items() if name not in own and value]


@register.simple_tag
def chosen_filters(changelist: Any) -> list[tuple[str, str, str]]:
    """Return (label, value, query string without it) of each filter that narrows the list."""
    return [
        (label, value, changelist.get_query_string(remove=[name]))
        for spec in changelist.filter_specs
        for name, label, value in spec.chosen()
    ]

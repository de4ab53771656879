"""Tags for the filter form of the admin's change lists."""

from typing import Any

from django import template

from healthcare.admin.filters import FormFilter

register = template.Library()


@register.simple_tag
def other_parameters(changelist: Any) -> list[tuple[str, str]]:
    """Return the query parameters that no filter sets, such as the search term and the order."""
    own = {name for spec in changelist.filter_specs for name in spec.expected_parameters()}
    return [(name, value) for name, value in changelist.params.items() if name not in own and value]


@register.simple_tag
def chosen_filters(changelist: Any) -> list[tuple[str, str, str]]:
    """Return (label, value, query string without it) of each active filter of ours; Django's show their own choice."""
    return [
        (label, value, changelist.get_query_string(remove=[name]))
        for spec in changelist.filter_specs
        if isinstance(spec, FormFilter)
        for name, label, value in spec.chosen()
    ]

"""Paginators with a limited count, because counting the matches of a search would scan the whole table."""

from functools import cached_property

from django.core.paginator import Paginator


class LimitedPaginator(Paginator):
    """Paginate the first `limit` rows; lists without a filter or search are not limited."""

    limit = 5000

    @cached_property
    def count(self) -> int:
        if not self.object_list.query.where:
            return super().count
        return self.object_list.order_by()[: self.limit].count()


class ChoicesPaginator(LimitedPaginator):
    """Paginate autocomplete choices, which users scroll through."""

    limit = 200

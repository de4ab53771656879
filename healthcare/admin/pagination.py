"""Pages whose rows are counted up to a limit: the count of a search would read the whole table."""

from functools import cached_property

from django.core.paginator import Paginator


class LimitedPaginator(Paginator):
    """The first `limit` rows in pages; a list without a filter or a search is counted whole."""

    limit = 5000

    @cached_property
    def count(self) -> int:
        if not self.object_list.query.where:
            return super().count
        return self.object_list.order_by()[: self.limit].count()


class ChoicesPaginator(LimitedPaginator):
    """The pages of the choices of a field, which are scrolled through."""

    limit = 200

"""A read-only page for each record, to view, copy and print, with a link to its form."""

from typing import Any, NamedTuple

from django.contrib.admin.utils import display_for_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from healthcare.admin import timeline
from healthcare.admin.records import RecordAdmin

# Versions on the page; the history page lists all.
SHOWN_VERSIONS = 10


class Section(NamedTuple):
    """A table of the page. Each row is (URL, cells); the first cell is the link."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Any]]]
    # Shown instead of a table without rows.
    empty: str = ""
    # The URL of the whole list, if there are more rows.
    all_url: str | None = None


class PageList(ChangeList):
    def url_for_result(self, result: Any) -> str:
        return self.model_admin.url_of(result)


class PageAdmin(RecordAdmin):
    """The admin of records with a page; subclasses set its fields and `sections`."""

    # Fields next to the record's name, and below it.
    banner_fields: list[str] = []
    page_fields: list[str] = []

    def sections(self, request: HttpRequest, record: Any) -> list[Section]:
        return []

    def url_of(self, record: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_page", args=[record.pk])

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PageList

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_page"
        return [path("<int:object_id>/", self.admin_site.admin_view(self.page_view), name=name), *super().get_urls()]

    def page_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        record: Any = self.get_object(request, str(object_id))
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        if not record:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
        versions = [self.model.history.filter(id=record.id), *self.related_history(request, record.id)]
        entries, older = timeline.page(versions, size=SHOWN_VERSIONS)
        context = {
            **self.admin_site.each_context(request),
            "title": record.name,
            "opts": self.opts,
            "record": record,
            "banner": self.facts(record, self.banner_fields),
            "facts": self.facts(record, self.page_fields),
            "sections": self.sections(request, record),
            "entries": entries,
            "older": older,
            "has_change_permission": self.has_change_permission(request, record),
            "has_delete_permission": self.has_delete_permission(request, record),
            "media": self.media,
        }
        return render(request, "admin/record_page.html", context)

    def facts(self, record: Any, names: list[str]) -> list[tuple[str, Any]]:
        """Return (label, value) of the non-empty fields."""
        fields: list[Any] = [self.opts.get_field(name) for name in names]
        values = [
            (
                field,
                self.owner(record)
                if field.name == "user"
                else display_for_field(getattr(record, field.name), field, ""),
            )
            for field in fields
        ]
        return [(str(field.verbose_name).capitalize(), value) for field, value in values if value != ""]

    # After saving, redirect to the page of the record instead of the list

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._page_or_index(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._page_or_index(request, obj)

    def _page_or_index(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return redirect(self.url_of(obj) if self.has_view_permission(request, obj) else "admin:index")

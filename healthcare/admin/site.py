"""The admin site: https://docs.djangoproject.com/en/5.2/ref/contrib/admin/#customizing-the-adminsite-class."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from healthcare.api import errors
from healthcare.logs import log_access


class LogInForm(AdminAuthenticationForm):
    # Django's message says that the e-mail may be case-sensitive, which it is not.
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "No active staff account with this e-mail and password.",
    }


class LoggedAutocomplete(AutocompleteJsonView):
    """The choices of a foreign key; the request log names those it offered."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        log_access(self.request, [obj.id])
        return super().serialize_result(obj, to_field_name)  # type: ignore[misc]  # missing in the stubs


class AdminSite(admin.AdminSite):
    site_title = "Healthcare"
    site_header = "Healthcare (times in UTC)"
    index_title = "Overview"
    login_form = LogInForm

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]  # as Django's
        return LoggedAutocomplete.as_view(admin_site=self)(request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path: with a page in the admin, elsewhere in JSON."""
    if not request.path_info.startswith(reverse("admin:index")):
        return errors.not_found(request)
    return render(
        request, "admin/404.html", {**admin.site.each_context(request), "title": "Page not found"}, status=404
    )

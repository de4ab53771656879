"""The admin site: https://docs.djangoproject.com/en/5.2/ref/contrib/admin/#customizing-the-adminsite-class."""

import re
from functools import cache, partial, update_wrapper
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from healthcare.admin import search
from healthcare.admin.filters import choice_label
from healthcare.admin.pagination import ChoicesPaginator
from healthcare.db.deadlocks import was_rolled_back
from healthcare.fields import ID

# Sections of the index page and the sidebar; other models are added to Administration.
SECTIONS = {
    "Clinic": ["Patient", "Doctor", "Mapping"],
    "Administration": ["User", "Group"],
    "History": [
        "HistoricalPatient",
        "HistoricalDoctor",
        "HistoricalMapping",
        "HistoricalUser",
    ],
}
# The lookups of the filters of this project and of Django's own filters; those of Django's `date_hierarchy` are not
# supported. Of the others, patterns (`name__regex`) have an unbounded cost, and some values are only checked when the
# query runs (`age__range`, `created_at__year`).
ALLOWED_LOOKUPS = {"exact", "in", "gt", "gte", "lt", "lte", "isnull"}
# Prefix of the fields of a form that was submitted after the session had expired.
HELD = "held-"
# A form beyond these limits is not kept: anyone can send one, and showing its fields takes time.
HELD_BYTES = 100_000
HELD_FIELDS = 300


class LogInForm(AdminAuthenticationForm):
    # Django's message says that the e-mail may be case-sensitive.
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "No active staff account with this e-mail and password.",
    }


class LoggedAutocomplete(AutocompleteJsonView):
    """Autocomplete choices of a foreign key; their ids are added to the request log."""

    def process_request(self, request: HttpRequest) -> tuple[str, admin.ModelAdmin, Any, str]:
        """Refuse a reverse relation, which no form has a field for."""
        term, model_admin, field, to_field_name = super().process_request(request)  # type: ignore[misc]  # missing in the stubs
        if field.auto_created:
            raise PermissionDenied
        return term, model_admin, field, to_field_name

    def get_paginator(self, *args: Any, **kwargs: Any) -> ChoicesPaginator:
        return ChoicesPaginator(*args, **kwargs)

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        return {"id": str(getattr(obj, to_field_name)), "text": choice_label(self.request, obj)}


def crafted_query(request: HttpRequest) -> bool:
    """Return whether the query has NUL, which PostgreSQL does not store, or a lookup that no filter uses."""
    lookups = (name.split("__")[1:] for name in request.GET)
    return "%00" in request.META["QUERY_STRING"] or any(unused_lookups().intersection(names) for names in lookups)


@cache
def unused_lookups() -> set[str]:
    """Return the names of the lookups and transforms of all fields except ALLOWED_LOOKUPS and names of fields."""
    models = [model._meta for model in apps.get_models()]
    lookups = {name for model in models for field in model.concrete_fields for name in field.get_lookups()}
    return lookups - ALLOWED_LOOKUPS - {field.name for model in models for field in model.get_fields()}


def held_fields(request: HttpRequest, names: list[str], limit: int = HELD_BYTES) -> list[tuple[str, str]]:
    """Return the fields of a form to keep, or none if it has more than HELD_FIELDS or `limit` bytes."""
    held = [(name, value) for name in names for value in request.POST.getlist(name)]
    too_large = held and (len(held) > HELD_FIELDS or int(request.META["CONTENT_LENGTH"]) > limit)
    return [] if too_large else held


class AdminSite(admin.AdminSite):
    site_title = site_header = "Healthcare"
    site_url = None
    index_title = "Overview"
    login_form = LogInForm
    # Called with the request and the arguments of the form; set by the app of the users.
    own_password_form: Any

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]  # as Django's
        return LoggedAutocomplete.as_view(admin_site=self)(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override]  # as Django's
        from django.contrib.auth.views import PasswordChangeView

        request.current_app = self.name
        return PasswordChangeView.as_view(
            form_class=partial(self.own_password_form, request),
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        own = [
            path("search/", self.admin_view(self.search_view), name="search"),
            path("activity/", self.admin_view(self.activity_view), name="activity"),
        ]
        return [*own, *super().get_urls()]

    def activity_view(self, request: HttpRequest) -> HttpResponseBase:
        # Imported here to avoid a circular import.
        from healthcare.admin import activity

        return activity.view(self, request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "time_zone": settings.TIME_ZONE}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the models in SECTIONS instead of apps."""
        listed = super().get_app_list(request, app_label)
        if app_label:
            return listed
        models = {model["object_name"]: model for app in listed for model in app["models"]}
        sections = {name: [models.pop(m) for m in names if m in models] for name, names in SECTIONS.items()}
        sections["Administration"] += models.values()
        if request.user.has_perm("admin.view_logentry"):
            sections["Administration"].append(
                {"name": "Activity", "object_name": "Activity", "admin_url": reverse("admin:activity"), "perms": {}}
            )
        return [
            {"name": name, "app_label": name.lower(), "app_url": "", "has_module_perms": True, "models": found}
            for name, found in sections.items()
            if found
        ]

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search the patients and doctors that the user may view."""
        query = request.GET.get("q", "").strip()
        context = {
            **self.each_context(request),
            "title": "Search",
            "site_query": query,
            "groups": search.results(self, request, query) if query else [],
        }
        return TemplateResponse(request, "admin/search.html", context)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Retry a view once after a deadlock; keep a form that is submitted after the session has expired.

        Answers 400 for what no page of the admin sends, and for a value in a query string beyond the database's.
        """
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if crafted_query(request):
                raise BadRequest
            if request.method == "POST" and not self.has_permission(request) and view.__name__ != "logout":
                return self._hold(request)
            if not all(re.fullmatch(ID, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
                raise BadRequest
            try:
                return inner(request, *args, **kwargs)
            except (OverflowError, DataError) as error:
                if request.method not in ("GET", "HEAD"):
                    raise
                raise BadRequest from error
            except OperationalError as error:
                # An uploaded file has already been read and would be empty in the retry.
                if request.FILES or not was_rolled_back(error):
                    raise
                return inner(request, *args, **kwargs)

        return update_wrapper(guarded, inner)

    def _hold(self, request: HttpRequest) -> HttpResponse:
        names = [name for name in request.POST if name != "csrfmiddlewaretoken" and "password" not in name]
        context = {
            **self.each_context(request),
            "title": "Log in",
            "form": self.login_form(request),
            "next": request.get_full_path(),
            "app_path": reverse("admin:login"),
            "held": [(f"{HELD}{name}", value) for name, value in held_fields(request, names)],
        }
        return TemplateResponse(request, "admin/login.html", context, status=401)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Log in; then offer to submit the form that was kept, if there is one."""
        # With the prefixes and the fields of the log-in, the form is larger than when it was kept.
        held = held_fields(request, [name for name in request.POST if name.startswith(HELD)], 2 * HELD_BYTES)
        response = super().login(request, {**(extra_context or {}), "held": held})
        if not held or not isinstance(response, HttpResponseRedirect):
            return response
        context = {
            **self.each_context(request),
            "title": "Logged in again",
            "action": response.url,
            "held": [(name.removeprefix(HELD), value) for name, value in held],
        }
        return TemplateResponse(request, "admin/resume.html", context)

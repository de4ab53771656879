"""Error pages of the admin; other paths get the API's JSON errors."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from healthcare.api import errors

PAGES = {
    400: ("Bad request", "The browser sent an invalid request."),
    403: ("Not allowed", "Your account has no permission for this page. An administrator can grant it."),
    404: ("Page not found", "There is no such page or record, or it was deleted."),
    409: ("Conflict", "Someone else changed these records at the same time. Nothing was saved; open them again."),
    500: ("Server error", "Nothing was saved. If this happens again, report it with the request number below."),
    503: ("Unavailable", "The database is unavailable. Nothing was saved; try again in a few seconds."),
}
FORM_EXPIRED = "You opened this form before you last logged in. Go back, reload the page and send it again."


def error_page(request: HttpRequest, status: int, title: str = "", detail: str = "", **headers: str) -> HttpResponse:
    """Return an error page; for status 500 and above, and before authentication, without using the database."""
    complete = status < 500 and hasattr(request, "user")
    known_title, known_detail = PAGES.get(status, ("", ""))
    site = admin.site.each_context(request) if complete else {"site_header": admin.site.site_header}
    context = {
        **site,
        "title": title or known_title,
        "detail": detail or known_detail,
        "status": status,
        "request_id": getattr(request, "id", ""),
    }
    page = render_to_string("admin/error.html", context, request if complete else None)
    return HttpResponse(page, status=status, headers=headers)


def is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith(reverse("admin:index"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400) if is_admin(request) else errors.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 403) if is_admin(request) else errors.json_error(403, "Forbidden.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the error page for a form without a valid CSRF token: https://docs.djangoproject.com/en/5.2/ref/settings/#csrf-failure-view."""
    return error_page(request, 403, "Form expired", FORM_EXPIRED)


def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    return error_page(request, 404) if is_admin(request) else errors.not_found(request)


def server_error(request: HttpRequest) -> HttpResponse:
    response = errors.server_error(request)
    if not is_admin(request):
        return response
    headers = {"Retry-After": response["Retry-After"]} if "Retry-After" in response else {}
    return error_page(request, response.status_code, **headers)

"""Middleware: request ids and logs, rules shared by all paths under /api/, and Django's middleware limited to pages."""

import logging
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware import common
from django.urls import ResolverMatch
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import LazyObject
from rest_framework.exceptions import Throttled

from healthcare.admin.errors import error_page
from healthcare.api import errors
from healthcare.api.exceptions import ServerBusy
from healthcare.api.requests import LoggedRequest
from healthcare.fields import ID

GetResponse = Callable[[HttpRequest], HttpResponseBase]
API = "/api/"
PROBES = {"/healthz", "/readyz"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
log = logging.getLogger("healthcare.requests")


class RequestLogMiddleware:
    """Assign an id to each request, return it in X-Request-ID, and log one line: who did what to which records."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: LoggedRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request.id = secrets.token_hex(16)
        response = self.get_response(request)
        response["X-Request-ID"] = request.id
        match = request.resolver_match
        log.info(
            "request",
            extra={
                "data": {
                    "request_id": request.id,
                    "user": user_id(request),
                    "method": request.method if request.method in METHODS else "other",
                    "route": route_template(match.route) if match else None,
                    "ids": [*ids_in(match), *getattr(request, "accessed_ids", ())],
                    "status": response.status_code,
                    "ms": round((time.perf_counter() - started) * 1000, 2),
                }
            },
        )
        return response


def ids_in(match: ResolverMatch | None) -> list[int]:
    """Return the ids in a path, but no other values, which may be arbitrary text from the client."""
    return [int(value) for value in match.kwargs.values() if re.fullmatch(ID, str(value))] if match else []


def user_id(request: HttpRequest) -> int | None:
    """Return the id of the authenticated user, without evaluating a lazy `request.user` that no view has used."""
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject):
        user = request.__dict__.get("_cached_user")
    return user.pk if user else None


@lru_cache(maxsize=512)
def route_template(route: str) -> str:
    """Return a URL pattern in the notation of OpenAPI: `api/^patients/(?P<pk>[0-9]+)/$` as `/api/patients/{pk}/`."""
    return "/" + re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", route).translate({ord("^"): None, ord("$"): None})


class PagesOnlyMixin(MiddlewareMixin):
    """Skip /api/, which uses no cookies."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path_info.startswith(API):
            return self.get_response(request)
        return super().__call__(request)


class SessionMiddleware(PagesOnlyMixin, sessions.SessionMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save the session; raise the error of the database that prevents it, which Django reports as a bad request."""
        try:
            return super().process_response(request, response)
        except SessionInterrupted as interrupted:
            error: BaseException | None = interrupted
            while error := error and error.__context__:
                if isinstance(error, errors.DATABASE_UNAVAILABLE):
                    raise error from None
            raise


class AuthenticationMiddleware(PagesOnlyMixin, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(PagesOnlyMixin, messages.MessageMiddleware):
    pass


class CommonMiddleware(common.CommonMiddleware):
    """Skip the Host header check for probes, which address a machine by its IP, and for /api/, where it was made."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in PROBES or request.path_info.startswith(API):
            return None
        return super().process_request(request)


class ThrottledMiddleware:
    """Return an error page for requests to the admin that are throttled (429) or find the server busy (503).

    In the API, the exception handler does this.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Throttled | ServerBusy):
            title = "Too many attempts" if isinstance(exception, Throttled) else "The server is busy"
            headers = {"Retry-After": str(math.ceil(exception.wait))}  # type: ignore[union-attr]  # not in the stubs
            return error_page(request, exception.status_code, title, str(exception.detail), **headers)
        return None


class ContentSecurityPolicyMiddleware:
    """Add the Content-Security-Policy header to HTML pages (https://www.w3.org/TR/CSP3/)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response["Content-Security-Policy"] = settings.CONTENT_SECURITY_POLICY
        return response


class ApiMiddleware:
    """Under /api/: refuse invalid hosts, plain HTTP and bodies without a length; append slashes; forbid caching."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info if request.path_info.endswith("/") else f"{request.path_info}/"
        if not path.startswith(API):
            return self.get_response(request)
        # Append the slash internally; a redirect would drop the body.
        request.path_info = path
        response = self._refusal(request) or self.get_response(request)
        if hasattr(request, "release"):
            # Django calls them when the server closes the response.
            response._resource_closers.append(request.release)  # type: ignore[attr-defined]  # not in the stubs
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        # With DEBUG on, Django would return an HTML page for this error.
        try:
            request.get_host()
        except DisallowedHost as error:
            return errors.bad_request(request, error)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return errors.json_error(403, errors.USE_HTTPS)
        # Django reads only as many bytes as Content-Length announces, so a chunked body would seem empty.
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            return errors.json_error(411, errors.LENGTH_REQUIRED)
        return None

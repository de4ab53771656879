"""Every error of the API is made here, in DRF's shape: `{"detail": "..."}` or `{"<field>": ["...", ...]}`.

The database holds every invariant, so a constraint that refuses a row is an ordinary answer: the constraint's
`violation_error_message`, on its field.
"""

import logging
import sys
from typing import Any

from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.text import Truncator
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

from healthcare.api.constraints import refusal
from healthcare.api.exceptions import CONCURRENT_CHANGE, RETRY_AFTER_SECONDS, Conflict, DatabaseUnavailable
from healthcare.api.json import JSONRenderer, encode, json_response

log = logging.getLogger("healthcare.errors")

# InternalError: a server that has become read-only, for one.
DATABASE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, InternalError)

LOG_IN_FIRST = "Send the header Authorization: Bearer <access>, with the access token of /api/auth/login/."
SEND_JSON = "Send JSON, with the header Content-Type: application/json."
USE_HTTPS = "Use https://: this API is not served over plain HTTP."
LENGTH_REQUIRED = "Send a Content-Length: a body in chunks is not read."
# The same for a path, a record that is not there, and one that is another user's.
NOT_FOUND = "Not found: no such path, or no such record that you may see. /api/docs/ lists the paths."
INTERNAL_ERROR = "Something went wrong on this server. To report it, quote the X-Request-ID header of this answer."


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into the answer the contract has for it; only a defect becomes a 500."""
    # Also where the view itself answers something else: the docs and the schema.
    context["request"].accepted_renderer, context["request"].accepted_media_type = JSONRenderer(), "application/json"
    if isinstance(error, Http404 | exceptions.NotFound):
        error = exceptions.NotFound(NOT_FOUND)
    elif isinstance(error, exceptions.NotAuthenticated):
        advise(error, LOG_IN_FIRST)
    elif isinstance(error, exceptions.UnsupportedMediaType):
        advise(error, SEND_JSON)
    elif isinstance(error, exceptions.MethodNotAllowed):
        advise(error, f"Allowed here: {', '.join(context['view'].allowed_methods)}.")
    elif isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError("The request has too many parameters, or a malformed one.")
    elif isinstance(error, models.ProtectedError):
        error = Conflict()
    elif isinstance(error, IntegrityError):
        error = refusal(error)
    elif isinstance(error, DATABASE_AWAY):
        log.error("database unavailable", extra={"data": _request_id(context["request"])}, exc_info=error)
        error = DatabaseUnavailable()
    response = drf_exception_handler(error, context)
    if response is None:
        log.error("server error", extra={"data": _request_id(context["request"])}, exc_info=error)
        set_rollback()
        response = Response({"detail": INTERNAL_ERROR}, status=500)
    return response


def advise(error: Any, advice: str) -> None:
    """Add to what DRF says is wrong, which may quote the client at length, what is right."""
    error.detail = exceptions.ErrorDetail(f"{Truncator(error.detail).chars(120)} {advice}", error.get_codes())


def _request_id(request: HttpRequest | Request) -> dict[str, str | None]:
    return {"request_id": getattr(request, "id", None)}


# What Django answers when no view of the API was reached


def json_error(status_code: int, detail: str, **headers: str) -> HttpResponse:
    return json_response(encode({"detail": detail}), status_code, **headers)


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer a path that is nowhere, in JSON under /api/ (404), whatever the verb."""
    return json_error(404, NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django found suspicious, in JSON everywhere (400)."""
    if isinstance(exception, DisallowedHost):
        return json_error(400, "Invalid Host header: this server answers to those in ALLOWED_HOSTS.")
    return json_error(400, "Bad request.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that escaped every view: 503 while the database is unavailable, else 500."""
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_AWAY):
        log.error("database unavailable", extra={"data": _request_id(request)}, exc_info=error)
        return json_error(503, DatabaseUnavailable.default_detail, **{"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, IntegrityError):
        return json_error(409, CONCURRENT_CHANGE)
    log.error("server error", extra={"data": _request_id(request)}, exc_info=error)
    return json_error(500, INTERNAL_ERROR)

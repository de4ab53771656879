"""All error responses of the API, in DRF's format: `{"detail": "..."}` or `{"<field>": ["...", ...]}`.

Invariants are database constraints. A violation becomes a 400 with the `violation_error_message` on its field.
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
from healthcare.tables import FileError

log = logging.getLogger("healthcare.errors")

# InternalError is raised, for example, by a server that has become read-only.
DATABASE_UNAVAILABLE: tuple[type[Exception], ...] = (OperationalError, InterfaceError, InternalError)

LOG_IN_FIRST = "Send the header Authorization: Bearer <access>, with the access token of /api/auth/login/."
SEND = "Send {}, with the header Content-Type: {}."
SEND_JSON = SEND.format("JSON", "application/json")
USE_HTTPS = "Use https://: this API is not served over plain HTTP."
LENGTH_REQUIRED = "Send a Content-Length header: this server does not accept chunked bodies."
# The same message for unknown paths, missing records and records of other users, so that it does not reveal the last.
NOT_FOUND = "Not found: the path or record does not exist, or you have no access to it. See /api/docs/ for all paths."
INTERNAL_ERROR = "Internal server error. To report it, quote the X-Request-ID header of this response."


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Convert an exception of a view into the response the API documents; unexpected exceptions become a 500."""
    # Errors are JSON also in views with other renderers: the docs and the schema.
    context["request"].accepted_renderer, context["request"].accepted_media_type = JSONRenderer(), "application/json"
    if isinstance(error, Http404 | exceptions.NotFound):
        error = exceptions.NotFound(NOT_FOUND)
    elif isinstance(error, exceptions.NotAuthenticated):
        advise(error, LOG_IN_FIRST)
    elif isinstance(error, exceptions.UnsupportedMediaType):
        media_type = context["view"].parser_classes[0].media_type
        advise(error, SEND.format(media_type.rpartition("/")[2].upper(), media_type))
    elif isinstance(error, exceptions.MethodNotAllowed):
        advise(error, f"Allowed: {', '.join(context['view'].allowed_methods)}.")
    elif isinstance(error, FileError):
        error = exceptions.ParseError(f"The body {error}")
    elif isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError("The request has too many parameters, or a malformed one.")
    elif isinstance(error, models.ProtectedError):
        error = Conflict()
    elif isinstance(error, IntegrityError):
        error = refusal(error)
    elif isinstance(error, DATABASE_UNAVAILABLE):
        log.error("database unavailable", extra={"data": _request_id(context["request"])}, exc_info=error)
        error = DatabaseUnavailable()
    response = drf_exception_handler(error, context)
    if response is None:
        log.error("server error", extra={"data": _request_id(context["request"])}, exc_info=error)
        set_rollback()
        response = Response({"detail": INTERNAL_ERROR}, status=500)
    return response


def advise(error: Any, advice: str) -> None:
    """Append `advice` to DRF's message, truncated because it may quote long input of the client."""
    error.detail = exceptions.ErrorDetail(f"{Truncator(error.detail).chars(120)} {advice}", error.get_codes())


def _request_id(request: HttpRequest | Request) -> dict[str, str | None]:
    return {"request_id": getattr(request, "id", None)}


# Errors raised outside the API's views


def json_error(status_code: int, detail: str, **headers: str) -> HttpResponse:
    return json_response(encode({"detail": detail}), status_code, **headers)


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Return a 404 in JSON, whatever the method."""
    return json_error(404, NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 400 in JSON for a SuspiciousOperation."""
    if isinstance(exception, DisallowedHost):
        return json_error(400, "Invalid Host header: the host is not in ALLOWED_HOSTS.")
    return json_error(400, "Bad request.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 503 if the database is unavailable, 409 for a violated constraint, else 500."""
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_UNAVAILABLE):
        log.error("database unavailable", extra={"data": _request_id(request)}, exc_info=error)
        return json_error(503, DatabaseUnavailable.default_detail, **{"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, IntegrityError):
        return json_error(409, CONCURRENT_CHANGE)
    log.error("server error", extra={"data": _request_id(request)}, exc_info=error)
    return json_error(500, INTERNAL_ERROR)

"""Request types, reading of bodies, and validation of query strings."""

import socket
from collections.abc import Collection, Mapping
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from healthcare.api.exceptions import PayloadTooLarge

if TYPE_CHECKING:
    from accounts.models import User


class LoggedRequest(HttpRequest):
    """A request with its id and the ids of the records it read or changed (see `logs.log_access`)."""

    id: str
    accessed_ids: list[int]


class ApiRequest(Request):
    """An authenticated request to the API. DRF delegates other attributes to Django's request."""

    _request: LoggedRequest
    id: str
    user: "User"


def client_has_left(request: HttpRequest | Request) -> bool:
    """Return whether the client has closed its connection, as far as the server lets an application see it."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def read_body(stream: IO[bytes], parser_context: Mapping[str, Any] | None) -> bytes:
    """Return the body of a request; raise PayloadTooLarge (413) if it exceeds the limit of the view.

    That is its `max_body_bytes`, or DATA_UPLOAD_MAX_MEMORY_SIZE.
    """
    view = (parser_context or {}).get("view")
    limit = getattr(view, "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge(limit)
    return body


def check_query(request: Request, allowed: Collection[str]) -> None:
    """Raise ValidationError (400) that names all unknown, repeated or malformed query parameters."""
    raw = request.META.get("QUERY_STRING", "")
    if not raw:
        return
    try:
        text = unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise ValidationError({"detail": "The query string is not UTF-8."}) from None
    if "\0" in text:
        raise ValidationError({"detail": "The query string contains a NUL character."})
    known = f"Allowed: {', '.join(sorted(allowed))}." if allowed else "This path accepts none."
    problems = {}
    for name, values in request.query_params.lists():
        if name not in allowed:
            problems[name] = [f"Unknown query parameter. {known}"]
        elif len(values) > 1:
            problems[name] = ["Must be given only once."]
    if problems:
        raise ValidationError(problems)

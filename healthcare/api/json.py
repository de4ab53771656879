"""A strict JSON parser, and the encoder of all responses."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import IO, Any, NoReturn

import orjson
from django.http import HttpResponse
from rest_framework import exceptions, parsers, renderers

from healthcare.api.requests import read_body

MAX_DEPTH = 32
# Of arrays and objects together. No request needs more than one; parsing a megabyte of them takes most of a second.
MAX_CONTAINERS = 1000
# Of one object. The error of a strict request has an entry for each unknown key.
MAX_KEYS = 1000
_BRACKETS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


class JSONParser(parsers.BaseParser):
    """Parse a UTF-8 body by RFC 8259; refuse what parsers treat differently: duplicate keys, NaN, Infinity.

    Raises ParseError (400) if it is malformed, has too many or too deeply nested containers or too long a number, and
    PayloadTooLarge (413).
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = read_body(stream, parser_context)
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
            check_containers(body)
        try:
            return json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
        except UnicodeDecodeError:
            raise exceptions.ParseError("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise exceptions.ParseError(f"The body is not JSON: {error}.") from None
        except ValueError:
            # Python's limit on digits; its own message refers to Python settings.
            raise exceptions.ParseError("The body is not acceptable JSON: a number has too many digits.") from None


def check_containers(body: bytes) -> None:
    """Raise ParseError if a JSON text has too many arrays and objects, or nests them too deeply.

    Python's own limit on nesting depends on its version.
    """
    outside = brackets(body)
    if len(outside) > 2 * MAX_CONTAINERS:
        raise exceptions.ParseError(f"The body has too many arrays and objects: at most {MAX_CONTAINERS} are allowed.")
    if max(accumulate(map(_BRACKETS.__getitem__, outside)), default=0) > MAX_DEPTH:
        raise exceptions.ParseError(f"The body is nested too deeply: at most {MAX_DEPTH} levels are allowed.")


def brackets(body: bytes) -> bytes:
    """Return the brackets of a JSON text that are outside of strings, in linear time."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(unescaped.split(b'"')[::2]).translate(None, _NO_BRACKETS)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise exceptions.ParseError(f"The body has an object with too many keys: at most {MAX_KEYS} are allowed.")
    result = dict(pairs)
    if len(result) < len(pairs):
        raise exceptions.ParseError("The body is not acceptable JSON: an object has a duplicate key.")
    return result


def _refuse(constant: str) -> NoReturn:
    raise exceptions.ParseError(f"The body is not acceptable JSON: {constant} is not a JSON number.")


def json_response(body: bytes, status: int = 200, **headers: str) -> HttpResponse:
    """Return a response with encoded JSON."""
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


# A key of a request may contain a lone surrogate, which cannot be encoded in the error that quotes it.
_SURROGATES = re.compile("[\ud800-\udfff]")


def encode(value: Any) -> bytes:
    """Return `value` as UTF-8 JSON; timestamps as ISO 8601 in UTC with microseconds and Z."""
    try:
        return orjson.dumps(value, default=_timestamp, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return _SURROGATES.sub("\ufffd", json.dumps(value, default=_timestamp, ensure_ascii=False)).encode()


def _timestamp(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def encode_rows(keys: Iterable[str], rows: Sequence[Sequence[Any]], timestamps: Collection[int]) -> bytes:
    """Return rows as a JSON array of objects: the same bytes as `encode`, ten times as fast for rows with timestamps.

    `timestamps` are the positions of timestamp columns, in UTC. orjson formats them as `encode` does, except that it
    omits zero microseconds.
    """
    objects = [dict(zip(keys, row, strict=False)) for row in rows]
    if all(row[index] is None or row[index].microsecond for row in rows for index in timestamps):
        return orjson.dumps(objects, option=orjson.OPT_UTC_Z)
    return encode(objects)


class JSONRenderer(renderers.BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else encode(data)

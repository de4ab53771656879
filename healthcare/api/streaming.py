"""Respond with a list of any length in bounded memory.

It is read and encoded in chunks of about CHUNK_BYTES, each after the previous one was sent.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from django.db.models import Field, JSONField, TextField
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.request import Request

from healthcare.logs import log_access

log = logging.getLogger("healthcare.lists")

CHUNK_ROWS = 1000
CHUNK_BYTES = 256 * 1024
# The first chunk is larger, because it is the whole response for most lists: at least 190 patients.
FIRST_BYTES = 1024 * 1024
# Only one thread per process searches or reads further chunks at a time, so that other requests wait for one chunk and
# not for one of each list. After this many seconds a thread proceeds without the lock, whose holder may wait for the
# database.
TURN_SECONDS = 1
_turn = threading.Lock()


class Rows(NamedTuple):
    """The rows of a list in their order, read and encoded a chunk at a time."""

    # (after, number, offset): return up to `number` rows after the key `after`, skipping `offset` rows.
    fetch: Callable[[Any, int, int], list[Any]]
    key: Callable[[Any], Any]
    id: Callable[[Any], int]
    # (rows, number): return the first `number` of `rows`, which may have one more, in the format of the response.
    encode: Callable[[list[Any], int], bytes]
    # (rows, number): return the same rows as dictionaries.
    objects: Callable[[list[Any], int], list[Any]]
    # Maximum bytes of a row.
    largest: int
    content_type: str = "application/json"
    # The start and end of what `encode` returns, stripped from each chunk, and the separator of chunks.
    brackets: tuple[bytes, bytes, bytes] = (b"[", b"]", b",")
    # Whether the database may read many rows for each that it returns.
    scans: bool = False


class Chunk(NamedTuple):
    data: bytes
    ids: list[int]
    number: int
    # The key of the last row if more rows follow, else None.
    next_key: Any


def respond(request: Request, rows: Rows, after: Any = None, limit: int | None = None) -> tuple[Any, Any]:
    """Return (the response with up to `limit` rows after `after`, the key of its last row if more rows follow)."""
    if request.method == "HEAD":
        # HEAD may omit headers that require reading rows: Content-Length and Link (RFC 9110, section 9.3.2).
        return StreamingHttpResponse((), content_type=rows.content_type), None
    chunks = read(rows, after, limit)
    first = next(chunks)
    log_access(request, first.ids)
    if first.next_key is None or first.number == limit:
        start, end, _ = rows.brackets
        return HttpResponse(start + first.data + end, content_type=rows.content_type), first.next_key
    next_key = None
    if limit:
        # The Link header is sent before the rows, so it needs a look-up of the last row of this page.
        last = rows.fetch(first.next_key, 2, limit - first.number - 1)
        next_key = rows.key(last[0]) if len(last) > 1 else None
    body = _body(request.id, rows.brackets, first, chunks)  # type: ignore[attr-defined]  # of this project's middleware
    return StreamingHttpResponse(body, content_type=rows.content_type), next_key


def read(rows: Rows, after: Any, limit: int | None) -> Iterator[Chunk]:
    """Yield the chunks of a list, reading each on demand."""
    size = max(1, min(CHUNK_ROWS, FIRST_BYTES // rows.largest))
    left, waits = limit, rows.scans
    start, end, _ = rows.brackets
    while True:
        number = size if left is None else min(size, left)
        with turn() if waits else nullcontext():
            found = rows.fetch(after, number + 1, 0)
            more, number = len(found) > number, min(len(found), number)
            data = rows.encode(found, number)
            data = data[len(start) : len(data) - len(end)]
        after = rows.key(found[number - 1]) if more else None
        ids = [rows.id(row) for row in found[:number]]
        del found
        size = max(1, min(CHUNK_ROWS, 2 * size, CHUNK_BYTES // (len(data) // (number or 1) + 1)))
        yield Chunk(data, ids, number, after)
        del data
        waits = True
        left = None if left is None else left - number
        if not more or left == 0:
            return


@contextmanager
def turn() -> Iterator[None]:
    """Hold the lock for reading a chunk, or proceed without it after TURN_SECONDS."""
    acquired = _turn.acquire(timeout=TURN_SECONDS)
    try:
        yield
    finally:
        if acquired:
            _turn.release()


def _body(
    request_id: str, brackets: tuple[bytes, bytes, bytes], first: Chunk, chunks: Iterator[Chunk]
) -> Iterator[bytes]:
    start, end, separator = brackets
    yield start
    yield first.data
    del first
    try:
        for chunk in chunks:
            log.info("list continued", extra={"data": {"request_id": request_id, "ids": chunk.ids}})
            yield separator
            yield chunk.data
            del chunk
    except Exception as error:
        # The status is already sent; aborting the connection shows the client that the list is incomplete.
        log.error("list broken off", extra={"data": {"request_id": request_id}}, exc_info=error)
        raise ConnectionAbortedError("the list was broken off") from None
    yield end


def largest_row(fields: list[Field]) -> int:
    """Return the maximum bytes of a row with these `fields`: four per character, plus its key."""
    unlimited = (JSONField, TextField)
    lengths = [field.max_length or (10_000 if isinstance(field, unlimited) else 10) for field in fields]
    return sum(4 * length + len(field.name) + 10 for field, length in zip(fields, lengths, strict=True))

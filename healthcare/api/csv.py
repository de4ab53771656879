"""CSV request bodies and responses (RFC 4180); responses are encoded in chunks so that they can be streamed."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import IO, Any

from rest_framework import parsers, renderers

from healthcare.api.json import encode
from healthcare.api.requests import read_body
from healthcare.api.streaming import Rows
from healthcare.tables import escaped


class CSVParser(parsers.BaseParser):
    """Return the bytes of a body, for `healthcare.tables` to read."""

    media_type = "text/csv"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return read_body(stream, parser_context)


class CSVRenderer(renderers.BaseRenderer):
    """Render a list or a page of it; the header line has the keys of the JSON objects."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"
    content_type = f"{media_type}; charset={charset}"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        # Paginators such as DRF's PageNumberPagination return their links and the rows in one object.
        objects = data["results"] if isinstance(data, Mapping) else data
        view = renderer_context["view"] if renderer_context else None
        return CSVEncoder(view and view.get_serializer())(objects)

    def table(self, rows: Rows, serializer: Any) -> Rows:
        """Return `rows` with CSV encoding; an empty list has the keys of `serializer` as its header."""
        encoder = CSVEncoder(serializer)
        return rows._replace(
            encode=lambda found, number: encoder(rows.objects(found, number)),
            content_type=self.content_type,
            brackets=(b"", b"", b""),
        )


class CSVEncoder:
    """Encode the rows of one response, one call per chunk; the first call also writes the header line."""

    def __init__(self, serializer: Any = None) -> None:
        self.serializer = serializer
        self.keys: list[str] | None = None

    def __call__(self, objects: list[Mapping[str, Any]]) -> bytes:
        file = StringIO()
        writer = csv.writer(file)
        if self.keys is None:
            # A hook may have added keys to those of the serializer.
            readable = getattr(self.serializer, "_readable_fields", ())
            self.keys = list(objects[0]) if objects else [field.field_name for field in readable]
            writer.writerow(self.keys)
        writer.writerows([cell(row.get(key)) for key in self.keys] for row in objects)
        return file.getvalue().encode()


def cell(value: Any) -> str | int:
    """Return a value as a cell; text that a spreadsheet would evaluate is escaped, as in the admin's exports."""
    if value is None:
        return ""
    if isinstance(value, str):
        return escaped(value)
    # Timestamps as in JSON, without its quotation marks; lists and objects as JSON.
    return value if type(value) is int else encode(value).decode().strip('"')

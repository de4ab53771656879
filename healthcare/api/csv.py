"""CSV out: the rows of a list as a table (RFC 4180), a row at a time so that it can be streamed."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any

from rest_framework import renderers

from healthcare.api.json import encode
from healthcare.api.streaming import Rows
from healthcare.tables import escaped


class CSVRenderer(renderers.BaseRenderer):
    """Render a list, or a page of it, with a header line of the keys that its rows have as JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"
    content_type = f"{media_type}; charset={charset}"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        # A page of a paginator that has its links in the body, such as DRF's PageNumberPagination.
        objects = data["results"] if isinstance(data, Mapping) else data
        view = renderer_context["view"] if renderer_context else None
        return CSVEncoder(view and view.get_serializer())(objects)

    def table(self, rows: Rows, serializer: Any) -> Rows:
        """Return the same `rows` to be encoded as CSV; an empty list has the keys of `serializer`."""
        encoder = CSVEncoder(serializer)
        return rows._replace(
            encode=lambda found, number: encoder(rows.objects(found, number)),
            content_type=self.content_type,
            brackets=(b"", b"", b""),
        )


class CSVEncoder:
    """Encode the rows of one response, in as many calls as it has chunks. The first begins with the header line."""

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
    """Return a value as a cell: a text that a spreadsheet would calculate is escaped, as in the admin's exports."""
    if value is None:
        return ""
    if isinstance(value, str):
        return escaped(value)
    # Timestamps as in JSON, without its quotation marks; lists and objects as JSON.
    return value if type(value) is int else encode(value).decode().strip('"')

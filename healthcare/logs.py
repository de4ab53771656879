"""The log: one JSON object per line, with ids of records but never their contents."""

import logging
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def log_access(request: Any, ids: Iterable[int]) -> None:
    """Add the ids of records that were read or changed to the log line of a Django or DRF request."""
    request = getattr(request, "_request", request)
    request.accessed_ids = list(dict.fromkeys([*getattr(request, "accessed_ids", ()), *ids]))


class JSONFormatter(logging.Formatter):
    """Format a record as one JSON line: time (ISO 8601), level, logger, event and the keys of `extra["data"]`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()

    def formatException(self, exc_info: ExcInfo) -> str:  # noqa: N802, overrides a method of logging
        """Return the frames and types of the chained exceptions, without messages, which may contain patient data."""
        error, parts = exc_info[1], list[str]()
        while error is not None:
            parts.insert(0, "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__)
            error = error.__cause__ or error.__context__
        return "\n\n".join(parts)

"""The results table: one row per fault and database."""

import textwrap
from collections import Counter
from dataclasses import dataclass, field

HEADINGS = ("fault", "database", "requests", "responses", "lost", "s")
WIDTHS = (30, 10, 46, 62, 4, 4)


class MissingToolError(Exception):
    """A tool or privilege that the fault needs is missing on this machine."""


@dataclass
class Row:
    """The result of one fault on one database: traffic, lost writes and violated expectations."""

    fault: str
    database: str
    requests: str = ""
    responses: str = ""
    lost: int = 0
    seconds: float = 0
    violations: list = field(default_factory=list)
    skipped: str = ""

    def require(self, condition, message):
        """Record `message` as a violation unless `condition` holds."""
        if not condition:
            self.violations.append(message)

    @property
    def failed(self):
        return bool(self.lost or self.violations)

    def lines(self):
        """Return the row as lines of the table, followed by its violations."""
        responses = f"skipped: {self.skipped}" if self.skipped else self.responses
        lost = "" if self.skipped else str(self.lost)
        rows = table_row(self.fault, self.database, self.requests, responses, lost, f"{self.seconds:.0f}")
        return rows + [f"    FAILED x{times}: {message}" for message, times in Counter(self.violations).items()]


def table_row(*cells):
    """Return the cells side by side as lines, each wrapped to the width of its column."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
    height = max(map(len, wrapped))
    columns = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [
        " | ".join(part.ljust(width) for part, width in zip(line, WIDTHS, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]


def heading():
    return [*table_row(*HEADINGS), "-+-".join("-" * width for width in WIDTHS)]

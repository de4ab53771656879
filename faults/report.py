"""What was found: one row a fault and database."""

import textwrap
from collections import Counter
from dataclasses import dataclass, field

HEADINGS = ("fault", "database", "what was sent", "what was answered", "lost", "s")
WIDTHS = (30, 10, 46, 62, 4, 4)


class MissingToolError(Exception):
    """A tool or a right that the fault needs is missing on this machine."""


@dataclass
class Row:
    """One fault on one database: what happened, how much was lost, and which rules were broken."""

    fault: str
    database: str
    sent: str = ""
    answered: str = ""
    lost: int = 0
    seconds: float = 0
    broken: list = field(default_factory=list)
    left_out: str = ""

    def require(self, held, rule):
        """Note `rule` as broken unless it `held`."""
        if not held:
            self.broken.append(rule)

    @property
    def failed(self):
        return bool(self.lost or self.broken)

    def lines(self):
        """Return the row as the lines of a table, with the broken rules below it."""
        answered = f"skipped: {self.left_out}" if self.left_out else self.answered
        lost = "" if self.left_out else str(self.lost)
        rows = lined_up(self.fault, self.database, self.sent, answered, lost, f"{self.seconds:.0f}")
        return rows + [f"    BROKEN x{times}: {rule}" for rule, times in Counter(self.broken).items()]


def lined_up(*cells):
    """Return cells side by side, each wrapped to the width of its column."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
    height = max(map(len, wrapped))
    columns = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [
        " | ".join(part.ljust(width) for part, width in zip(line, WIDTHS, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]


def heading():
    return [*lined_up(*HEADINGS), "-+-".join("-" * width for width in WIDTHS)]

"""The results table: the effect of each fault on the load, and its limits."""

import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from faults.cluster import breaking
from faults.cluster.load import Load, Outcome

# DB_TIMEOUT or HAProxy's `timeout server`, plus the network round trip.
LONGEST_ANSWER = 10.5
BEFORE_SECONDS, AFTER_SECONDS = 2, 2


class Fault(NamedTuple):
    """A fault, and the seconds for which it may interrupt writes and reads."""

    run: Callable
    write_gap: float
    read_gap: float
    errors: bool = True
    cuts: bool = False
    short: bool = False

    @property
    def name(self):
        return self.run.__name__.replace("_", "-")


# Failover from an unresponsive machine takes Patroni's `ttl` of 20 s; an exited process is noticed immediately. Faults
# that should interrupt nothing are allowed 3 s, as all machines share the cores of one.
FAULTS = [
    Fault(breaking.postgresql_killed, 6, 6, short=True),
    Fault(breaking.node_killed, 25, 25),
    Fault(breaking.postgresql_frozen, 27, 27, short=True),
    Fault(breaking.node_frozen, 27, 27),
    Fault(breaking.switchover, 9, 9, short=True),
    Fault(breaking.standby_killed, 3, 3),
    Fault(breaking.standby_frozen, 3, 3, short=True),
    Fault(breaking.etcd_killed, 3, 3, short=True),
    Fault(breaking.app_killed, 3, 3),
    Fault(breaking.app_frozen, 3, 3, short=True),
    Fault(breaking.rolling_restart, 3, 3, errors=False),
    Fault(breaking.release_and_rollback, 3, 3, errors=False, short=True),
    Fault(breaking.haproxy_killed, 3, 3),
    Fault(breaking.cut_from_cluster, 27, 27, cuts=True),
    Fault(breaking.cut_from_all, 27, 27, cuts=True),
]


@dataclass
class Row:
    """The results of all runs of one fault."""

    fault: Fault
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    stored_despite_error: int = 0
    errors: int = 0
    unexpected: list = field(default_factory=list)
    violations: list = field(default_factory=list)
    longest: float = 0
    write_gaps: list = field(default_factory=list)
    read_gaps: list = field(default_factory=list)
    skipped: str = ""

    def add(self, load, outcome):
        self.acknowledged += outcome.acknowledged
        self.lost += outcome.lost
        self.duplicated += outcome.duplicated
        self.stored_despite_error += outcome.stored_despite_error
        self.errors += load.errors()
        self.unexpected += [answer for client in load.clients for answer in client.unexpected]
        self.longest = max(self.longest, load.longest_answer())
        self.write_gaps.append(load.gap(load.writers, "POST", "PUT", "DELETE"))
        self.read_gaps.append(load.gap(load.readers, "GET"))
        stale = sum(writer.stale for writer in load.writers)
        self.require(not stale, f"{stale} reads did not return the preceding write")
        self.require(not outcome.partial, f"{outcome.partial} writes were stored without their history, or the reverse")

    def judge(self):
        self.require(not self.lost, f"{self.lost} acknowledged writes are lost")
        self.require(not self.duplicated, f"{self.duplicated} writes were executed twice")
        self.require(not self.unexpected, f"{len(self.unexpected)} unexpected responses, first {self.unexpected[:1]}")
        self.require(self.longest <= LONGEST_ANSWER, f"a response took {self.longest:.1f} s")
        self.require(self.fault.errors or not self.errors, f"{self.errors} requests failed")
        for name, gaps, limit in (
            ("writes", self.write_gaps, self.fault.write_gap),
            ("reads", self.read_gaps, self.fault.read_gap),
        ):
            longest = max(gaps, default=0)
            self.require(longest <= limit, f"no {name} for {longest:.1f} s, the limit is {limit}")

    def require(self, condition, message):
        if not condition:
            self.violations.append(message)

    def lines(self):
        name = self.fault.run.__doc__
        if self.skipped:
            return [f"{name:<56} skipped: {self.skipped}"]
        counts = (
            self.acknowledged,
            self.lost,
            self.duplicated,
            self.errors,
            self.stored_despite_error,
        )
        gaps = (spread(self.write_gaps, self.fault.write_gap), spread(self.read_gaps, self.fault.read_gap))
        cells = (name, *counts, len(self.unexpected), f"{self.longest:.1f}", *gaps)
        return [table_row(cells), *(f"    FAILED: {message}" for message in self.violations)]


def spread(gaps, limit):
    """Return the median, the maximum and the limit."""
    return f"{statistics.median(gaps):.1f} / {max(gaps):.1f} ({limit})" if gaps else "-"


HEADINGS = ("fault", "acked", "lost", "twice", "503", "stored", "other", "longest", "no writes s", "no reads s")
WIDTHS = (56, 6, 4, 5, 5, 6, 5, 7, 16, 16)


def table_row(cells):
    return " | ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def heading():
    return [table_row(HEADINGS), "-+-".join("-" * width for width in WIDTHS)]


def run(cluster, fault, rounds):
    """Run a fault `rounds` times under load; return its row."""
    row = Row(fault)
    if fault.cuts and not cluster.network.can_cut:
        row.skipped = "needs network namespaces: root, and iproute2"
        return row
    try:
        for _ in range(rounds):
            cluster.wait_until_healthy()
            with Load(cluster.web.address) as load:
                time.sleep(BEFORE_SECONDS)
                fault.run(cluster)
                cluster.wait_until_healthy()
                time.sleep(AFTER_SECONDS)
            row.add(load, Outcome(load.writers, cluster.sql))
    except Exception as error:
        traceback.print_exc()
        row.violations.append(f"{type(error).__name__}: {error}")
    row.judge()
    return row

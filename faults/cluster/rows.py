"""The table: what each fault did to the load, beside what it may do."""

import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from faults.cluster import breaking
from faults.cluster.load import Load, Outcome

# DB_TIMEOUT, or HAProxy's `timeout server`, and the way there and back.
LONGEST_ANSWER = 10.5
BEFORE_SECONDS, AFTER_SECONDS = 2, 2


class Fault(NamedTuple):
    """A fault, and for how many seconds writes and reads may be interrupted by it."""

    play: Callable
    write_gap: float
    read_gap: float
    errors: bool = True
    cuts: bool = False
    short: bool = False

    @property
    def name(self):
        return self.play.__name__.replace("_", "-")


# A machine that falls silent costs Patroni's `ttl` of 20 s; a process that ends is seen immediately. Where nothing is
# interrupted, 3 s are allowed, as all machines share the cores of this one.
FAULTS = [
    Fault(breaking.postgresql_killed, 6, 6, short=True),
    Fault(breaking.node_killed, 25, 25),
    Fault(breaking.postgresql_frozen, 27, 27, short=True),
    Fault(breaking.node_frozen, 27, 27),
    Fault(breaking.switched_over, 9, 9, short=True),
    Fault(breaking.standby_killed, 3, 3),
    Fault(breaking.standby_frozen, 3, 3, short=True),
    Fault(breaking.etcd_killed, 3, 3, short=True),
    Fault(breaking.app_killed, 3, 3),
    Fault(breaking.app_frozen, 3, 3, short=True),
    Fault(breaking.rolled, 3, 3, errors=False),
    Fault(breaking.released, 3, 3, errors=False, short=True),
    Fault(breaking.haproxy_killed, 3, 3),
    Fault(breaking.cut_from_cluster, 27, 27, cuts=True),
    Fault(breaking.cut_from_all, 27, 27, cuts=True),
]


@dataclass
class Row:
    """One fault, as often as it was played."""

    fault: Fault
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    stored_though_refused: int = 0
    refused: int = 0
    wrong: list = field(default_factory=list)
    broken: list = field(default_factory=list)
    longest: float = 0
    write_gaps: list = field(default_factory=list)
    read_gaps: list = field(default_factory=list)
    left_out: str = ""

    def add(self, load, outcome):
        self.acknowledged += outcome.acknowledged
        self.lost += outcome.lost
        self.twice += outcome.twice
        self.stored_though_refused += outcome.stored_though_refused
        self.refused += load.errors()
        self.wrong += [wrong for client in load.clients for wrong in client.wrong]
        self.longest = max(self.longest, load.longest_answer())
        self.write_gaps.append(load.gap(load.writers, "POST", "PUT", "DELETE"))
        self.read_gaps.append(load.gap(load.readers, "GET"))
        stale = sum(writer.stale for writer in load.writers)
        self.require(not stale, f"{stale} reads did not show the write before them")
        self.require(not outcome.halves, f"{outcome.halves} writes were stored without their history, or the reverse")

    def judge(self):
        self.require(not self.lost, f"{self.lost} acknowledged writes are lost")
        self.require(not self.twice, f"{self.twice} writes were done twice")
        self.require(not self.wrong, f"{len(self.wrong)} wrong answers, the first {self.wrong[:1]}")
        self.require(self.longest <= LONGEST_ANSWER, f"an answer took {self.longest:.1f} s")
        self.require(self.fault.errors or not self.refused, f"{self.refused} requests failed")
        for name, gaps, limit in (
            ("writes", self.write_gaps, self.fault.write_gap),
            ("reads", self.read_gaps, self.fault.read_gap),
        ):
            longest = max(gaps, default=0)
            self.require(longest <= limit, f"no {name} for {longest:.1f} s, where {limit} are allowed")

    def require(self, held, rule):
        if not held:
            self.broken.append(rule)

    def lines(self):
        name = self.fault.play.__doc__
        if self.left_out:
            return [f"{name:<56} left out: {self.left_out}"]
        counts = (self.acknowledged, self.lost, self.twice, self.refused, self.stored_though_refused, len(self.wrong))
        gaps = (spread(self.write_gaps, self.fault.write_gap), spread(self.read_gaps, self.fault.read_gap))
        cells = (name, *counts, f"{self.longest:.1f}", *gaps)
        return [lined_up(cells), *(f"    BROKEN: {rule}" for rule in self.broken)]


def spread(gaps, limit):
    """Return the median and the longest, and what is allowed."""
    return f"{statistics.median(gaps):.1f} / {max(gaps):.1f} ({limit})" if gaps else "-"


HEADINGS = ("fault", "acked", "lost", "twice", "503", "stored", "wrong", "longest", "no writes s", "no reads s")
WIDTHS = (56, 6, 4, 5, 5, 6, 5, 7, 16, 16)


def lined_up(cells):
    return " | ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def heading():
    return [lined_up(HEADINGS), "-+-".join("-" * width for width in WIDTHS)]


def play(cluster, fault, rounds):
    """Play a fault so many times under load; return its row."""
    row = Row(fault)
    if fault.cuts and not cluster.network.can_cut:
        row.left_out = "needs network namespaces: root, and iproute2"
        return row
    try:
        for _ in range(rounds):
            cluster.wait_until_well()
            with Load(cluster.web.address) as load:
                time.sleep(BEFORE_SECONDS)
                fault.play(cluster)
                cluster.wait_until_well()
                time.sleep(AFTER_SECONDS)
            row.add(load, Outcome(load.writers, cluster.sql))
    except Exception as error:
        traceback.print_exc()
        row.broken.append(f"{type(error).__name__}: {error}")
    row.judge()
    return row

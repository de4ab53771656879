"""Run the faults and print the table: python -m faults [--rounds N] [--only NAME ...] [--without NAME ...].

With REQUIRE_ALL=1, a fault that is skipped because a tool is missing counts as a failure.
"""

import argparse
import os
import signal
import sys
import time
import traceback

from faults import caches, disks, logs, memory, outages, poolers, pressure, proxy, races, readers, repeats, shutdown
from faults.report import MissingToolError, Row, heading
from faults.world import World

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
BOTH, LIVE = (SQLITE, POSTGRESQL), (POSTGRESQL,)
FAULTS = {
    "app-killed": (outages.app_killed, BOTH),
    "postgresql-killed": (outages.postgresql_killed, LIVE),
    "postgresql-stopped": (outages.postgresql_stopped, LIVE),
    "postgresql-restarted": (outages.postgresql_restarted, LIVE),
    "postgresql-frozen": (outages.postgresql_frozen, LIVE),
    "postgresql-read-only": (outages.postgresql_read_only, LIVE),
    "disk-full": (disks.full, BOTH),
    "log-full": (disks.log_full, LIVE),
    "postgresql-log": (logs.postgresql_log, LIVE),
    "terminated": (shutdown.terminated, BOTH),
    "terminated-nginx": (shutdown.terminated_behind_nginx, (SQLITE,)),
    "rejected-by-nginx": (proxy.rejected_by_nginx, (SQLITE,)),
    "writes-sent-once": (repeats.writes_sent_once, BOTH),
    "slow-clients": (proxy.slow_clients, (SQLITE,)),
    "slow-readers": (readers.slow_readers, LIVE),
    "memory": (memory.listed, BOTH),
    "races": (races.raced, BOTH),
    "pooler": (poolers.pooled, LIVE),
    "pooler-time-out": (poolers.timed_out, LIVE),
    "log-ins": (pressure.log_ins, BOTH),
    "searches": (pressure.searches, BOTH),
    "redis": (caches.redis_unavailable, (SQLITE,)),
}


def main():
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=1,
        help="number of kills and outages; each race runs 20 times as often, or 10 times",
    )
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--without", nargs="+", choices=FAULTS, default=(), metavar="NAME", help="faults to skip")
    parser.add_argument("--port", type=int, default=8400, help="lowest port to use")
    options = parser.parse_args()
    # Clean up on SIGTERM, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started, rows = time.monotonic(), []
    print(*heading(), sep="\n", flush=True)
    with World(options.rounds, options.port) as world:
        for name in (name for name in options.only if name not in options.without):
            fault, kinds = FAULTS[name]
            for kind in kinds:
                rows.append(run(fault, world, kind))
                print(*rows[-1].lines(), sep="\n", flush=True)
    failed = [row for row in rows if row.failed]
    skipped = [row for row in rows if row.skipped]
    print(f"{len(rows)} rows in {time.monotonic() - started:.0f} s: {len(failed)} failed, {len(skipped)} skipped.")
    return bool(failed or (skipped and os.environ.get("REQUIRE_ALL")))


def run(fault, world, kind):
    """Run one fault on one database; an unexpected exception makes a failed row, and the run continues."""
    row, started = Row(fault.__doc__.partition("\n")[0].rstrip(".:"), kind), time.monotonic()
    try:
        fault(world, row, kind)
    except MissingToolError as missing:
        row.skipped = str(missing)
    except Exception as error:
        traceback.print_exc()
        row.violations.append(f"{type(error).__name__}: {error}")
    row.seconds = time.monotonic() - started
    return row


if __name__ == "__main__":
    sys.exit(main())

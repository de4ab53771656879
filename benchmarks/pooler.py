"""Measure what PgBouncer in transaction mode costs a request: `python -m benchmarks pooler`."""

import os
from contextlib import ExitStack
from statistics import median

from benchmarks import bench, load, seed
from benchmarks.cases import CASES
from benchmarks.report import say
from benchmarks.servers import FIRST_PORT, environment, processes, project
from faults.poolers import pgbouncer
from faults.processes import children, command
from faults.world import World

POOL = 16
MEASURED = ("one", "create")


def run(rounds, seconds):
    """Measure the project on a PostgreSQL of its own, directly and through PgBouncer, in turn; print both."""
    load.require_wrk()
    name = seed.database("pooler")
    with ExitStack() as stack:
        world = stack.enter_context(World(1, FIRST_PORT + 60))
        direct = {"DB_PORT": str(world.cluster.port)}
        seed.SERVER.update(direct)
        seed.create(name)
        seed.migrate(name, environment(name) | direct)
        seed.fill(name)
        port, _ = stack.enter_context(pgbouncer(world, POOL))
        (bouncer,) = (pid for pid in children(os.getpid()) if "pgbouncer" in command(pid))
        servers = {
            "direct": stack.enter_context(project(name, FIRST_PORT + 70, **direct)),
            "PgBouncer": stack.enter_context(project(name, FIRST_PORT + 71, DB_PORT=str(port))),
        }
        for case in (case for case in CASES if case.name in MEASURED):
            runs = {way: [] for way in servers}
            for turn in range(rounds):
                for way in sorted(servers, reverse=turn % 2 == 1):
                    before = sum(processes(bouncer).values())
                    measured = bench.measure(servers[way], case, seconds)
                    # Its warm-up is about as fast.
                    requests = measured.requests * (1 + bench.WARM_UP / seconds)
                    runs[way].append((measured, (sum(processes(bouncer).values()) - before) / requests * 1e6))
            for way, found in runs.items():
                rate, own, pooler = (
                    median(value) for value in zip(*((run.rate, run.cpu, cpu) for run, cpu in found), strict=True)
                )
                say(f"{case.title:<16}{way:<12}{rate:>8,.0f}/s {own:>7,.0f} + {pooler:,.0f} microseconds of CPU")

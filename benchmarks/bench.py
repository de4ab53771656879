"""Measure the project and other implementations in turn, on the same data and with the same responses."""

import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from statistics import mean

from benchmarks import load, report, seed
from benchmarks.cases import CASES, PER_SECOND, one
from benchmarks.compare import require_equal_responses
from benchmarks.report import say
from benchmarks.servers import WORKERS, all_servers, environment

WARM_UP = 1
MANY_CONNECTIONS = 100


def run(rounds, seconds):
    """Seed, start, compare, measure, and write RESULTS.md and results.svg."""
    load.require_wrk()
    busy = os.getloadavg()[0]
    servers = all_servers()
    template = seed.database("template")
    say("Seeding one database for each server ...")
    seed.migrate(template, environment(template))
    seed.fill(template)
    with ExitStack() as stack:
        stack.callback(seed.drop, template, *(server.database for server in servers))
        for server in servers:
            seed.create(server.database, template)
        for server in servers:
            say(f"Starting {server.title} at port {server.port} ...")
            stack.enter_context(server)
        compared = require_equal_responses(servers)
        say(f"{compared} requests, valid and invalid: all servers give the same responses.")
        measured, loaded, hash_costs = rounds_of(servers, rounds, seconds)
    say("\n" + report.bench(servers, measured, loaded, hash_costs, compared, rounds, seconds, busy))


def rounds_of(servers, rounds, seconds):
    """Measure all cases on all servers in each round. Return three values:

    {case: {server: [Measured]}}, {server: [Measured at 100 connections]}, [microseconds of CPU time per hash].
    """
    measured = {case.name: {s.name: [] for s in servers if s.name not in case.without} for case in CASES}
    loaded, hash_costs = {server.name: [] for server in servers}, []
    for turn in range(rounds):
        say(f"\nRound {turn + 1} of {rounds}, requests per second" + "".join(f"{s.title:>16}" for s in servers))
        # Rotate the order, so that no server is always first.
        order = servers[turn % len(servers) :] + servers[: turn % len(servers)]
        for case in CASES:
            for server in order:
                if server.name in measured[case.name]:
                    measured[case.name][server.name].append(measure(server, case, seconds))
            rates = (measured[case.name].get(server.name, [])[-1:] for server in servers)
            say(f"{case.title:<39}" + "".join(f"{rate[0].rate:>16,.0f}" if rate else f"{'-':>16}" for rate in rates))
            if case.name == "login":
                hash_costs.append(hash_alone(seconds))
                say(f"  the password hash alone: {hash_costs[-1]:,.0f} microseconds of CPU time")
        for server in order:
            loaded[server.name].append(load.send(server.port, one(0, 0), seconds, MANY_CONNECTIONS))
    return measured, loaded, hash_costs


def measure(server, case, seconds):
    """Reset the rows of earlier writes, warm up, and measure one case."""
    seconds *= case.longer
    if case.writes:
        seed.reset(server.database, PER_SECOND * (WARM_UP + seconds) if case.disposable else 0)
    for start, duration in ((0, WARM_UP), (PER_SECOND * WARM_UP, seconds)):
        requests = case.requests(start, PER_SECOND * duration)
        if server.name == "project":
            # The project always records history and rejects unknown query parameters.
            requests = [request._replace(path=request.path.removesuffix("?history=1")) for request in requests]
        before = server.settle()
        try:
            measured = load.send(server.port, requests, duration, case.connections)
        except RuntimeError as error:
            raise RuntimeError(f"{server.title}, {case.title}: {error}") from None
        spent = server.settle() - before
    if case.name == "history" and (missing := seed.unversioned(server.database)):
        raise RuntimeError(f"{server.title} left {missing} patients without history")
    if not measured.rate:
        raise RuntimeError(f"{server.title}, {case.title}: no response within {seconds} s; increase SECONDS")
    return measured._replace(cpu=spent / measured.requests * 1e6)


def hash_alone(seconds):
    """Return the CPU time of one verification in microseconds while WORKERS processes verify passwords."""
    with ProcessPoolExecutor(WORKERS) as pool:
        return mean(pool.map(seed.hash_cost, [seconds] * WORKERS))

"""Measure the project with two sizes of database, a long list, and its start-up."""

import json
import os
import random
import re
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from statistics import median

from benchmarks import coldstart, load, report, seed
from benchmarks.bench import WARM_UP
from benchmarks.cases import patient
from benchmarks.load import Request
from benchmarks.report import say, spread
from benchmarks.servers import FIRST_PORT, HOST, PROXY_HEADERS, environment, memory, project, reset_peak

# Users of 100 patients each, and doctors.
SIZES = {"small": (10, 100), "large": (10_000, 100_000)}
EACH = 100
SAMPLE = 100
CONNECTIONS = 4
# An additional user of the large database, with the long list.
MANY = SIZES["large"][0] + 1
PAGE = 1_000
LIMIT = 50
PER_SECOND = 3_000


def fill(name, users, doctors):
    """Fill a database; rows of different users are interleaved, as in concurrent use."""
    seed.run(
        name,
        seed.users(1, users),
        seed.patients(1, users * EACH, f"n % {users} + 1"),
        seed.doctors(doctors),
        seed.doctor_names(doctors),
        *(seed.next_ids(table) for table in ("accounts_user", "doctors_doctor")),
    )
    if users + 1 == MANY:
        first = users * EACH + 1
        seed.run(
            name,
            seed.users(MANY, MANY),
            seed.patients(first, first + seed.MANY_PATIENTS - 1, str(MANY)),
        )
    seed.run(
        name,
        seed.history("patients_patient"),
        seed.history("doctors_doctor"),
        seed.next_ids("patients_patient"),
        "VACUUM ANALYZE",
    )


def requests_for(users, doctors, start, count):
    """Return {title: requests} of a sample of users; `start` makes created patients unique."""
    chosen = random.Random(start).sample(range(1, users + 1), min(users, SAMPLE))  # noqa: S311, not a secret
    tokens = {user: seed.token(user) for user in chosen}
    own = [(user, (user - 1 or users) + k * users) for k in range(EACH) for user in chosen]
    some, step = own[:: max(1, len(own) // 1000)], max(1, doctors // 100)
    sought = list(zip(range(1 + start // 10**6 % step, doctors, step), chosen * 100, strict=False))
    return {
        "one patient": [Request("GET", f"/api/patients/{n}/", tokens[user]) for user, n in own],
        "a page of a list": [Request("GET", f"/api/patients/?limit={LIMIT}", token) for token in tokens.values()],
        "create": [
            Request("POST", "/api/patients/", tokens[chosen[n % len(chosen)]], patient(n))
            for n in range(start, start + count)
        ],
        "search one's patients": [Request("GET", f"/api/patients/?search=patient{n}%40", tokens[u]) for u, n in some],
        "search the directory by name": [
            Request("GET", f"/api/doctors/?search={seed.doctor_name(n).replace(' ', '+')}&limit={LIMIT}", tokens[user])
            for n, user in sought
        ],
        "search the directory by e-mail": [
            Request("GET", f"/api/doctors/?search=doctor{n}%40&limit={LIMIT}", tokens[user]) for n, user in sought
        ],
    }


def run(rounds, seconds):
    """Seed both sizes, measure, and write the section of RESULTS.md."""
    load.require_wrk()
    busy = os.getloadavg()[0]
    names = {size: seed.database(size) for size in SIZES}
    with ExitStack() as stack:
        stack.callback(seed.drop, *names.values())
        for size, (users, doctors) in SIZES.items():
            say(f"Seeding {users * EACH:,} patients, {doctors:,} doctors ...")
            seed.migrate(names[size], environment(names[size]))
            fill(names[size], users, doctors)
        servers = {
            size: stack.enter_context(project(names[size], FIRST_PORT + 10 + index)) for index, size in enumerate(SIZES)
        }
        memories = long_list(servers["large"], rounds)
        grown = growth(servers, rounds, seconds)
        pages = first_and_last(servers["large"], rounds, seconds)
        loaded = median(memory(pid) for pid in servers["large"].workers())
        for server in servers.values():
            server.settle()
        starts = coldstart.measure(names["small"], rounds)
    say("\n" + report.write("scale", section(grown, pages, memories, starts, loaded, rounds, seconds, busy)))


def growth(servers, rounds, seconds):
    """Return {title: {size: [Measured]}}."""
    measurements = {}
    for turn in range(rounds):
        say(f"\nRound {turn + 1} of {rounds}, p50 and p99 in ms{'small':>22}{'large':>18}")
        # Warm up, so that all threads have database connections, but with other rows than those measured.
        warm_up, requests = (
            {size: requests_for(*SIZES[size], start * 10**6, PER_SECOND * seconds) for size in servers}
            for start in (2 * turn, 2 * turn + 1)
        )
        for title in requests["small"]:
            for size in sorted(servers, reverse=turn % 2 == 1):
                load.send(servers[size].port, warm_up[size][title], WARM_UP, CONNECTIONS)
                measured = load.send(servers[size].port, requests[size][title], seconds, CONNECTIONS)
                measurements.setdefault(title, {}).setdefault(size, []).append(measured)
                servers[size].settle()
            last = [measurements[title][size][-1] for size in servers]
            say(f"{title:<36}" + "".join(f"{run.p50:>11.1f} {run.p99:>6.1f}" for run in last))
    return measurements


def first_and_last(server, rounds, seconds):
    """Return {page: [Measured]} for page 1 and page PAGE of the long list."""
    token, path = seed.token(MANY), f"/api/patients/?limit={LIMIT}"
    paths = {1: path}
    for _ in range(PAGE - 1):
        _, headers, _ = server.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        path = re.search(r"<https?://[^/]+([^>]+)>", headers["Link"])[1]
    paths[PAGE] = path
    measurements = {page: [] for page in paths}
    for turn in range(rounds):
        for page in sorted(paths, reverse=turn % 2 == 1):
            measurements[page].append(
                load.send(server.port, [Request("GET", paths[page], token)], seconds, CONNECTIONS)
            )
    return measurements


def long_list(server, times):
    """Read the list of 100,000 repeatedly; return [(growth in MB, seconds to first byte, seconds to last byte)]."""
    path, headers = "/api/patients/", {"Authorization": f"Bearer {seed.token(MANY)}", **PROXY_HEADERS}
    for _ in range(20):
        server.request("GET", f"{path}?limit=1", headers=headers)
    measurements = []
    for _ in range(times):
        before = {pid: memory(pid) for pid in server.workers()}
        for pid in before:
            reset_peak(pid)
        connection = HTTPConnection(HOST, server.port, timeout=120)
        started = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(1)
        first = time.perf_counter() - started
        body += answer.read()
        last = time.perf_counter() - started
        connection.close()
        if len(json.loads(body)) != seed.MANY_PATIENTS:
            raise RuntimeError("the long list is incomplete")
        measurements.append((max(memory(pid, "VmHWM") - before[pid] for pid in before), first, last))
    return measurements


def section(grown, pages, memories, starts, loaded, rounds, seconds, busy):
    """Return the section of RESULTS.md."""
    results, rows = [], []
    for title, sizes in grown.items():
        cells = []
        for percentile in ("p50", "p99"):
            small, large = ([getattr(run, percentile) for run in sizes[size]] for size in ("small", "large"))
            ratio = [after / before for before, after in zip(small, large, strict=True)]
            cells += [f"{median(small):.1f}", f"{median(large):.1f}", spread(ratio)]
            results.append((f"{title}, {percentile}", "≤ 1.3x", spread(ratio), median(ratio) <= 1.3))
        rows.append([title, *cells])
    far = [after.p50 / before.p50 for before, after in zip(pages[1], pages[PAGE], strict=True)]
    p50 = {page: median(run.p50 for run in runs) for page, runs in pages.items()}
    near = [long.p50 / short.p50 for long, short in zip(pages[1], grown["a page of a list"]["large"], strict=True)]
    results += [
        (f"page 1 of {seed.MANY_PATIENTS:,}, p50", f"≤ 1.3x that of {EACH}", spread(near), median(near) <= 1.3),
        (f"page {PAGE:,} of {seed.MANY_PATIENTS:,}, p50", "≤ 1.1x page 1", spread(far), median(far) <= 1.1),
    ]
    megabytes, first, whole = zip(*memories, strict=True)
    results.append(
        ("memory for a list of 100,000", "< 50 MB growth per worker", f"{max(megabytes):.0f} MB", max(megabytes) < 50)
    )
    results.append(("first byte of that list", "< 1 s", f"{max(first):.2f} s", max(first) < 1))
    start_rows = []
    for what, unit in (("check", "s"), ("response", "s"), ("memory", "MB")):
        ours, empty = starts[what]["project"], starts[what]["empty"]
        ratio = [mine / other for mine, other in zip(ours, empty, strict=True)]
        name = {"check": "manage.py check", "response": "start to first response", "memory": "memory of a worker"}[what]
        digits = 2 if unit == "s" else 0
        start_rows.append([f"{name}, {unit}", *(f"{median(v):.{digits}f}" for v in (ours, empty)), spread(ratio)])
        if unit == "s":
            results.append((name, "≤ 1.5x the empty project", spread(ratio), median(ratio) <= 1.5))
    (small_users, small_doctors), (users, doctors) = SIZES.values()
    head = ["ms", *(f"{p} {n * EACH:,}" for p in ("p50", "p99") for n in (small_users, users))]
    head[3:3], head[6:6] = ["p50 ratio"], ["p99 ratio"]
    return f"""
## Scaling with the number of rows

{report.machine(f"make bench-scale ROUNDS={rounds} SECONDS={seconds}", busy)}

{report.table(head, rows)}

{small_users * EACH:,} patients of {small_users} users and {small_doctors} doctors, compared with {users * EACH:,} of
{users:,} users ({EACH} each, and one user with {seed.MANY_PATIENTS:,}) and {doctors:,} doctors; with history rows.
Requests of {SAMPLE} users in turn, {CONNECTIONS} connections, medians of {rounds} rounds of {seconds} s; ratios are
computed within each round, with the minimum and maximum in brackets. A search finds one row. The search by
e-mail is the worst case for a trigram index: all e-mails share a prefix, so most trigrams occur in every row.

Page 1 of a list of {seed.MANY_PATIENTS:,} (`limit={LIMIT}`) takes {p50[1]:.1f} ms, page {PAGE:,} {p50[PAGE]:.1f} ms.
The complete list, without `limit`: first byte after {median(first):.2f} s, last byte after {median(whole):.1f} s,
memory growth {median(megabytes):.0f} MB. At the end, a worker used {loaded:.0f} MB.

{report.table(["", "this project", "empty project", "ratio"], start_rows)}

The empty project (`peers/empty`) has Django, DRF and one view, on the same server.

{report.goals(results)}
"""

"""Clients that read long lists slowly through nginx, and what others notice of them."""

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice

from faults.client import must, patient, user
from faults.memory import MAXIMAL, seed
from faults.proxy import Nginx

ROWS = 24_000
READERS = 70
# One address is allowed fewer requests at a time than there are readers.
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
BYTES_PER_SECOND = 128 * 1024
BESIDE_SECONDS = 15
QUIET_SECONDS = 10
TIMES = 3


def slow_readers(world, row, kind):
    """70 clients read a list of maximal records slowly, through nginx.

    24,000 records of 4.6 KB, at 128 KB/s each, over TLS: first from one address, then from three. Those beyond the
    limits of nginx get 429. A client of another address that reads one patient again and again always gets it, and its
    p99 stays within three times of what it is without them.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        reader, bystander = user(nginx.port, tls=True), user(nginx.port, tls=True)
        seed(app, reader, ROWS, MAXIMAL)
        path = f"/api/patients/{must(bystander.post('/api/patients/', patient(1)), 201)['id']}/"
        measured = [p99(row, bystander, path, QUIET_SECONDS)]
        for name, addresses in (("one address", ADDRESSES[:1]), ("three addresses", ADDRESSES)):
            with reading(reader, addresses) as statuses:
                beside = p99(row, bystander, path, BESIDE_SECONDS)
            measured.append(p99(row, bystander, path, QUIET_SECONDS))
            # Before and after, as others may be using this machine.
            quiet = max(measured[-2:])
            row.require(
                beside <= TIMES * quiet, f"{name}: p99 {beside * 1e3:.0f} ms, {quiet * 1e3:.0f} without readers"
            )
            row.require(set(statuses) <= {200, 429}, f"{name}: {dict(statuses)}")
            row.answered += f"{name}: " + ", ".join(f"{status} x{n}" for status, n in sorted(statuses.items()))
            row.answered += f", p99 {beside * 1e3:.0f} ms, {quiet * 1e3:.0f} without readers; "
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{READERS} lists of {ROWS:,} maximal records at 128 KB/s each, twice; one patient again and again"


def p99(row, client, path, seconds):
    """Read the path again and again over one connection for so long; return the p99 of the seconds it took."""
    taken, connection, until = [], client.connect(), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.monotonic()
        connection.request("GET", path, headers=client.headers({"Connection": "keep-alive"}))
        response = connection.getresponse()
        body = response.read()
        row.require(response.status == 200, f"the bystander got {response.status} {body[:100]!r}")
        taken.append(time.monotonic() - started)
        time.sleep(0.01)
    connection.close()
    return sorted(taken)[int(len(taken) * 0.99)]


@contextmanager
def reading(client, addresses):
    """Let READERS clients read the list of all patients slowly while the block runs; yield the status that each got.

    They run in a process of their own, so as not to delay the client that is measured.
    """
    answered, statuses = multiprocessing.Queue(), Counter()
    process = multiprocessing.get_context("fork").Process(target=read_all, args=(client, addresses, answered))
    process.start()
    try:
        yield statuses
    finally:
        statuses.update(answered.get(timeout=10) for _ in range(READERS))
        process.kill()
        process.join()


def read_all(client, addresses, answered):
    def read(address):
        connection = client.connect(address)
        connection.request("GET", "/api/patients/", headers=client.headers({}))
        response = connection.getresponse()
        answered.put(response.status)
        while response.read(BYTES_PER_SECOND // 4):
            time.sleep(0.25)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, islice(cycle(addresses), READERS)))

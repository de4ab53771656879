"""Clients that read long lists slowly through nginx, and their effect on other clients."""

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
# nginx allows one address fewer concurrent requests than there are readers.
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
BYTES_PER_SECOND = 128 * 1024
LOADED_SECONDS = 15
QUIET_SECONDS = 10
TIMES = 3


def slow_readers(world, row, kind):
    """70 clients read a list of maximal records slowly, through nginx.

    24,000 records of 4.6 KB, at 128 KB/s each, over TLS: first from one address, then from three. Requests over nginx's
    limits get 429. A client at another address that reads one patient repeatedly always gets a 200, and its p99 is at
    most three times the p99 without readers.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        reader, bystander = user(nginx.port, tls=True), user(nginx.port, tls=True)
        seed(app, reader, ROWS, MAXIMAL)
        path = f"/api/patients/{must(bystander.post('/api/patients/', patient(1)), 201)['id']}/"
        measured = [p99(row, bystander, path, QUIET_SECONDS)]
        for name, addresses in (("one address", ADDRESSES[:1]), ("three addresses", ADDRESSES)):
            with reading(reader, addresses) as statuses:
                loaded = p99(row, bystander, path, LOADED_SECONDS)
            measured.append(p99(row, bystander, path, QUIET_SECONDS))
            # The slower of before and after: other programs may be using this machine.
            quiet = max(measured[-2:])
            row.require(
                loaded <= TIMES * quiet, f"{name}: p99 {loaded * 1e3:.0f} ms, {quiet * 1e3:.0f} ms without readers"
            )
            row.require(set(statuses) <= {200, 429}, f"{name}: {dict(statuses)}")
            row.responses += f"{name}: " + ", ".join(f"{status} x{n}" for status, n in sorted(statuses.items()))
            row.responses += f", p99 {loaded * 1e3:.0f} ms, {quiet * 1e3:.0f} ms without readers; "
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{READERS} lists of {ROWS:,} maximal records at 128 KB/s each, twice; one patient repeatedly"


def p99(row, client, path, seconds):
    """Read `path` repeatedly over one connection for `seconds`; return the p99 of the response time in seconds."""
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
    """Run READERS clients that read the list of all patients slowly; yield a Counter of their statuses, filled on exit.

    They run in another process, so that they do not delay the measured client.
    """
    queue, statuses = multiprocessing.Queue(), Counter()
    process = multiprocessing.get_context("fork").Process(target=read_all, args=(client, addresses, queue))
    process.start()
    try:
        yield statuses
    finally:
        statuses.update(queue.get(timeout=10) for _ in range(READERS))
        process.kill()
        process.join()


def read_all(client, addresses, queue):
    def read(address):
        connection = client.connect(address)
        connection.request("GET", "/api/patients/", headers=client.headers({}))
        response = connection.getresponse()
        queue.put(response.status)
        while response.read(BYTES_PER_SECOND // 4):
            time.sleep(0.25)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, islice(cycle(addresses), READERS)))

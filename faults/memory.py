"""Memory and time to first byte of long lists: a user lists 100,000 patients, ten times concurrently."""

import subprocess
import sys
import time
from functools import partial

from faults import processes
from faults.client import concurrently, must, tally, user

PATIENTS = 100_000
LISTS = 10
GROWTH_MEGABYTES = 50
FIRST_BYTE_SECONDS = 1
PIECE = 256 * 1024
# Pieces that a slow reader reads per second.
SLOW_PIECES = 16
SEED = """
from accounts.models import User
from patients.models import Patient
owner = User.objects.get(email="{email}")
Patient.objects.bulk_create(
    [Patient(user=owner, name={name}, age=n % 100, gender="female", phone=str(5550000000 + n),
             address={address}, email=f"patient{{n}}@example.com") for n in range({number})],
    batch_size=500,
)
"""
# Python expressions of the patient's number.
ORDINARY = {"name": "f'Patient {n}'", "address": "'12 Long Street, Somewhere'"}
# The longest values, in four-byte characters: 4.6 KB per record.
MAXIMAL = {"name": "f'{n:\U0001d7f6>100}'", "address": "'\U0001d4d0' * 1000"}


def seed(app, owner, number, values=ORDINARY):
    """Store `number` patients of `owner`, in bulk and without history."""
    code = SEED.format(email=owner.account["email"], number=number, **values)
    shell = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code]
    subprocess.run(shell, cwd=app.folder, env=app.environment, check=True)


def listed(world, row, kind):
    """A user with 100,000 patients lists them.

    Twice alone, ten times concurrently, and ten times concurrently by slow readers. The first byte arrives within a
    second, every list is complete, and no worker's memory grows by 50 MB or more.
    """
    with world.app(kind) as app:
        owner = user(app.port)
        seed(app, owner, PATIENTS)
        warm(owner)
        workers = app.workers()
        for pid in workers:
            processes.reset_peak(pid)
        before = {pid: processes.memory(pid, "VmRSS") for pid in workers}
        whole = must(owner.get("/api/patients/"), 200)
        alone = [read(owner) for _ in range(2)]
        concurrent = concurrently(*[partial(read, owner)] * LISTS)
        slow = concurrently(*[partial(read, owner, PIECE, 1 / SLOW_PIECES)] * LISTS)
        row.require(app.workers() == workers, "a worker was restarted")
        growth = max(processes.memory(pid, "VmHWM") - before[pid] for pid in workers)
        row.require(growth < GROWTH_MEGABYTES, f"a worker grew by {growth:.0f} MB, the limit is {GROWTH_MEGABYTES}")
        sizes = {size for _, size in [*alone, *concurrent, *slow]}
        row.require(
            len(whole) == PATIENTS and len(sizes) == 1, f"a list was incomplete: {len(whole)} rows, {sizes} bytes"
        )
        lists = {"alone": alone, "ten": concurrent, "ten slow": slow}
        slowest = {name: max(first for first, _ in results) for name, results in lists.items()}
        for name, seconds in slowest.items():
            row.require(seconds < FIRST_BYTE_SECONDS, f"{name}: the first byte arrived after {seconds:.1f} s")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"the list of {PATIENTS:,} patients: 2 alone, {LISTS} concurrently, {LISTS} read slowly"
        row.responses = (
            f"{max(sizes) / 1e6:.0f} MB each; first byte "
            + ", ".join(f"{seconds:.2f} s ({name})" for name, seconds in slowest.items())
            + f"; a worker grew by {growth:.0f} MB, from {max(before.values()):.0f}"
        )


def warm(client):
    """Make every thread of every worker serve ordinary requests."""
    for path in ("/api/patients/?limit=1000", "/api/doctors/", "/api/auth/me/"):
        for _ in range(5):
            answers = concurrently(*[partial(client.get, path)] * 16)
            if {answer.status for answer in answers} != {200}:
                raise RuntimeError(f"warming up: {tally(answers)}")


def read(client, piece=1 << 20, pause=0):
    """Read the whole list; return the seconds to its first byte, and its size in bytes."""
    connection = client.connect()
    started = time.monotonic()
    connection.request("GET", "/api/patients/", headers=client.headers({}))
    response = connection.getresponse()
    size = len(response.read(1))
    first = time.monotonic() - started
    while part := response.read(piece):
        size += len(part)
        time.sleep(pause)
    connection.close()
    return first, size

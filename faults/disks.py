"""The disk is full: a small file system in memory with a ballast file on it."""

import subprocess
from contextlib import contextmanager, suppress

from faults import processes
from faults.client import must, tally, user
from faults.databases import Cluster, PostgreSQL
from faults.report import MissingToolError
from faults.writers import Writer, account_for

MEGABYTE = 1024 * 1024
TRIES = 2000


def full(world, row, kind):
    """The disk is full.

    The database lies on a small tmpfs; a ballast file takes what is free. Patients are posted until no more fit. Writes
    that do not fit are 503, reads go on, the process lives; once the ballast is gone writes work again without a
    restart, nothing acknowledged is lost, and the database is whole.
    """
    with small_disk(world, 96 if kind == PostgreSQL.name else 12) as disk, database_on(world, kind, disk) as app:
        writer, workers = Writer(user(app.port)), app.workers()
        for _ in range(20):
            must(writer.create(), 201)
            writer.number += 1
        ballast = disk / "ballast"
        fill(ballast)
        refused = []
        for _ in range(TRIES):
            writer.number += 1
            answer = writer.create()
            writer.answers.append(answer)
            if answer.status != 201:
                refused.append(answer)
            if len(refused) == 20:
                break
        row.require(len(refused) == 20, "the disk was never full: the scene was not set")
        changes = [writer.change() for _ in range(5)]
        row.require(all(told.promised_503 for told in refused), f"full: POSTs were answered {tally(refused)}")
        row.require(
            all(told.promised_503 or told.status == 200 for told in changes), f"full: PUTs said {tally(changes)}"
        )
        paths = ["/api/patients/", f"/api/patients/{next(iter(writer.allowed))}/", "/readyz", "/healthz"]
        reads = [writer.api.get(path) for path in paths * 3]
        row.require(all(read.status == 200 for read in reads), f"full: reads were answered {tally(reads)}")
        ballast.unlink()
        after = []
        for _ in range(20):
            writer.number += 1
            after.append(writer.create())
        row.require(all(told.status == 201 for told in after), f"space again: POSTs were answered {tally(after)}")
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, [writer])
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{len(writer.answers)} POSTs, 5 PUTs and {len(reads)} reads while full; 20 POSTs with space again"
        row.answered = f"full: {tally([*writer.answers, *changes])}; reads {tally(reads)}; space again: {tally(after)}"


@contextmanager
def small_disk(world, megabytes):
    """Mount a file system of so many megabytes; raise MissingToolError where that is not permitted."""
    folder = world.new_folder()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", folder]
    mounted = subprocess.run([processes.program("mount"), *options], capture_output=True, check=False)
    if mounted.returncode:
        raise MissingToolError("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run([processes.program("umount"), "--lazy", folder], check=True)


@contextmanager
def database_on(world, kind, disk):
    """Serve the project with its database on `disk`."""
    if kind != PostgreSQL.name:
        with world.app(kind, within=disk) as app:
            yield app
        return
    cluster = Cluster(world.new_folder(disk), world.port())
    try:
        cluster.start()
        database = world.new_postgresql(cluster, "healthcare", "template1")
        world.migrate(world.copy(), database.environment)
        with world.app(kind, database=database) as app:
            yield app
    finally:
        cluster.stop()


def fill(ballast):
    """Write until nothing more fits."""
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass

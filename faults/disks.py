"""A full disk: a small tmpfs, filled by a ballast file."""

import subprocess
import time
from contextlib import contextmanager, suppress

from faults import processes
from faults.client import must, tally, user
from faults.databases import Cluster, PostgreSQL
from faults.outages import check_answers, seconds_to_recover
from faults.report import MissingToolError
from faults.writers import Writer, account_for, describe_writes, new_writers, response_counts, writing

MEGABYTE = 1024 * 1024
SOME = 20
TRIES = 2000
FULL_SECONDS = 60


def full(world, row, kind):
    """The disk is full.

    The database is on a small tmpfs; a ballast file fills it. Patients are posted until no more fit. Writes that do not
    fit get 503, reads succeed, the process stays alive; once the ballast is removed, writes succeed without a restart,
    no acknowledged write is lost, and the database is intact.
    """
    with small_disk(world, 96 if kind == PostgreSQL.name else 12) as disk, database_on(world, kind, disk) as app:
        writer, workers = Writer(user(app.port)), app.workers()
        for _ in range(SOME):
            must(writer.create(), 201)
        ballast = fill(disk)
        rejected = []
        for _ in range(TRIES):
            writer.answers.append(writer.create())
            if writer.answers[-1].status != 201:
                rejected.append(writer.answers[-1])
            if len(rejected) == SOME:
                break
        row.require(len(rejected) == SOME, "the fault did not occur: the disk was never full")
        changes = [writer.change() for _ in range(5)]
        row.require(all(answer.documented_503 for answer in rejected), f"full: POSTs got {tally(rejected)}")
        row.require(
            all(answer.documented_503 or answer.status == 200 for answer in changes), f"full: PUTs got {tally(changes)}"
        )
        paths = ["/api/patients/", f"/api/patients/{next(iter(writer.allowed))}/", "/readyz", "/healthz"]
        reads = [writer.api.get(path) for path in paths * 3]
        row.require(all(read.status == 200 for read in reads), f"full: reads got {tally(reads)}")
        ballast.unlink()
        after = [writer.create() for _ in range(SOME)]
        row.require(all(answer.status == 201 for answer in after), f"space freed: POSTs got {tally(after)}")
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, [writer])
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = (
            f"{len(writer.answers)} POSTs, 5 PUTs and {len(reads)} reads while full; {SOME} POSTs with space freed"
        )
        row.responses = f"full: {tally([*writer.answers, *changes])}; reads {tally(reads)}; space freed: {tally(after)}"


def log_full(world, row, kind):
    """The disk of PostgreSQL's WAL is full.

    Only the WAL is on a small tmpfs; four clients write until a ballast file fills it. PostgreSQL then cannot commit
    and usually panics, recovers, panics again and may exit (https://www.postgresql.org/docs/current/disk-full.html).
    The app stays alive and responds with 503. Once space is freed, and PostgreSQL restarted if it exited, every request
    succeeds within 5 seconds; no worker was restarted, no acknowledged write is lost, and the database is intact.
    """
    with (
        small_disk(world, 64) as disk,
        postgresql_in(world, world.new_folder(), world.new_folder(disk)) as (cluster, app),
    ):
        writers, workers = new_writers(app.port), app.workers()
        with writing(writers):
            time.sleep(0.7)
            ballast = fill(disk)
            processes.wait_until(
                lambda: sum(answer.status == 503 for writer in writers for answer in writer.answers) > SOME,
                FULL_SECONDS,
                "the disk of the WAL did not fill up",
            )
            probes = [writers[0].api.get(path) for path in ("/healthz", "/readyz", "/api/patients/") * 3]
            row.require(all(answer.status == 200 for answer in probes[::3]), f"full: /healthz got {tally(probes[::3])}")
            row.require(
                all(answer.status == 200 or answer.documented_503 for answer in probes),
                f"full: reads got {tally(probes)}",
            )
            ballast.unlink()
            exited = cluster.ended()
            if exited:
                cluster.start()
            recovery = seconds_to_recover(app, row, time.monotonic())
            before = [len(writer.answers) for writer in writers]
            time.sleep(0.7)
        # One request of each writer was in flight.
        after = [answer for writer, n in zip(writers, before, strict=True) for answer in writer.answers[n + 1 :]]
        row.require(after, "no writes after space was freed")
        row.require(all(answer.status in (200, 201) for answer in after), f"space freed: writes got {tally(after)}")
        check_answers(row, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, writers)
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = describe_writes(writers, f"{len(probes)} reads while full")
        row.responses = (
            f"{response_counts(writers)}; reads {tally(probes)}; PostgreSQL {'exited' if exited else 'recovered'}; "
            f"the app recovered {recovery:.1f} s later"
        )


@contextmanager
def small_disk(world, megabytes):
    """Mount a tmpfs of this size; raise MissingToolError if mounting is not permitted."""
    folder = world.new_folder()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", folder]
    mounted = subprocess.run([processes.program("mount"), *options], capture_output=True, check=False)
    if mounted.returncode:
        raise MissingToolError("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run([processes.program("umount"), "--lazy", folder], check=True)


@contextmanager
def database_on(world, kind, disk):
    """Serve the project with its database on `disk`."""
    if kind == PostgreSQL.name:
        with postgresql_in(world, world.new_folder(disk)) as (_, app):
            yield app
    else:
        with world.app(kind, within=disk) as app:
            yield app


@contextmanager
def postgresql_in(world, folder, wal=None, options=()):
    """Run PostgreSQL in `folder`, with its WAL in `wal` if given, and serve the project on it; yield both."""
    cluster = Cluster(folder, world.port(), wal, options)
    try:
        cluster.start()
        database = world.new_postgresql(cluster, "healthcare", "template1")
        world.migrate(world.copy(), database.environment)
        with world.app(PostgreSQL.name, database=database) as app:
            yield cluster, app
    finally:
        cluster.stop()


def fill(disk):
    """Fill the disk with a ballast file; return its path."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return ballast

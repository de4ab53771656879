"""The disk is full: a small file system in memory, and a ballast file on it."""

import subprocess
import time
from contextlib import contextmanager, suppress

from faults import processes
from faults.client import must, tally, user
from faults.databases import Cluster, PostgreSQL
from faults.outages import check_answers, seconds_until_back
from faults.report import MissingToolError
from faults.writers import Writer, account_for, answered, new_writers, sent_by, writing

MEGABYTE = 1024 * 1024
SOME = 20
TRIES = 2000
FULL_SECONDS = 60


def full(world, row, kind):
    """The disk is full.

    The database lies on a small tmpfs; a ballast file takes what is free. Patients are posted until no more fit. Writes
    that do not fit are 503, reads go on, the process lives; once the ballast is gone writes work again without a
    restart, nothing acknowledged is lost, and the database is whole.
    """
    with small_disk(world, 96 if kind == PostgreSQL.name else 12) as disk, database_on(world, kind, disk) as app:
        writer, workers = Writer(user(app.port)), app.workers()
        for _ in range(SOME):
            must(writer.create(), 201)
        ballast = fill(disk)
        refused = []
        for _ in range(TRIES):
            writer.answers.append(writer.create())
            if writer.answers[-1].status != 201:
                refused.append(writer.answers[-1])
            if len(refused) == SOME:
                break
        row.require(len(refused) == SOME, "the disk was never full: the scene was not set")
        changes = [writer.change() for _ in range(5)]
        row.require(all(answer.promised_503 for answer in refused), f"full: POSTs were answered {tally(refused)}")
        row.require(
            all(answer.promised_503 or answer.status == 200 for answer in changes), f"full: PUTs said {tally(changes)}"
        )
        paths = ["/api/patients/", f"/api/patients/{next(iter(writer.allowed))}/", "/readyz", "/healthz"]
        reads = [writer.api.get(path) for path in paths * 3]
        row.require(all(read.status == 200 for read in reads), f"full: reads were answered {tally(reads)}")
        ballast.unlink()
        after = [writer.create() for _ in range(SOME)]
        row.require(all(answer.status == 201 for answer in after), f"space again: POSTs were answered {tally(after)}")
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, [writer])
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = (
            f"{len(writer.answers)} POSTs, 5 PUTs and {len(reads)} reads while full; {SOME} POSTs with space again"
        )
        row.answered = f"full: {tally([*writer.answers, *changes])}; reads {tally(reads)}; space again: {tally(after)}"


def log_full(world, row, kind):
    """The disk of PostgreSQL's log (WAL) is full.

    The log alone lies on a small tmpfs; four clients write until a ballast file leaves it no room. Then PostgreSQL can
    neither commit nor, as a rule, run: it panics, recovers, panics again and may give up
    (https://www.postgresql.org/docs/current/disk-full.html). The app lives, and says 503 to what it cannot do. With
    space again, and PostgreSQL started where it gave up, all is well within 5 seconds, the workers are the same,
    nothing acknowledged is lost, and the database is whole.
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
                "the log's disk does not fill up",
            )
            probes = [writers[0].api.get(path) for path in ("/healthz", "/readyz", "/api/patients/") * 3]
            row.require(
                all(answer.status == 200 for answer in probes[::3]), f"full: /healthz was answered {tally(probes[::3])}"
            )
            row.require(
                all(answer.status == 200 or answer.promised_503 for answer in probes),
                f"full: reads said {tally(probes)}",
            )
            ballast.unlink()
            gave_up = cluster.ended()
            if gave_up:
                cluster.start()
            back = seconds_until_back(app, row, time.monotonic())
            before = [len(writer.answers) for writer in writers]
            time.sleep(0.7)
        # One of each was under way.
        after = [answer for writer, n in zip(writers, before, strict=True) for answer in writer.answers[n + 1 :]]
        row.require(after, "nobody wrote with space again")
        row.require(
            all(answer.status in (200, 201) for answer in after), f"space again: writes were answered {tally(after)}"
        )
        check_answers(row, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, writers)
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = sent_by(writers, f"{len(probes)} reads while full")
        row.answered = (
            f"{answered(writers)}; reads {tally(probes)}; PostgreSQL {'gave up' if gave_up else 'recovered'}; "
            f"well {back:.1f} s after its return"
        )


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
    if kind == PostgreSQL.name:
        with postgresql_in(world, world.new_folder(disk)) as (_, app):
            yield app
    else:
        with world.app(kind, within=disk) as app:
            yield app


@contextmanager
def postgresql_in(world, folder, wal=None, options=()):
    """Run a PostgreSQL in `folder`, its log in `wal` if given, and serve the project on it; give both."""
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
    """Write until nothing more fits; return the ballast."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return ballast

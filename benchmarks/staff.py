"""Measure where staff and operators wait: the admin's pages, files, and commands that handle many rows."""

import csv
import io
import os
import subprocess
import time
from contextlib import ExitStack
from statistics import median

from benchmarks import load, report, scale, seed
from benchmarks.bench import WARM_UP
from benchmarks.browser import CSV, XLSX, Browser
from benchmarks.report import say, spread
from benchmarks.servers import FIRST_PORT, ROOT, WORKERS, environment, project
from faults.databases import SQLite
from faults.world import ENVIRONMENT, World

USERS, PATIENTS = 10, 200_000
# The directory, and a small one to compare with.
DOCTORS, FEW_DOCTORS = 100_000, 100
UPLOADED, COMMAND_ROWS, INVENTED, MILLION = 1_000, 50_000, 20_000, 1_000_000
# Users of the seed: one is made staff, one's patients are exported, one gets what the command imports.
STAFF, EXPORTED, IMPORTED = 1, 2, 3
PAGE_GOAL, PREVIEW_GOAL, DIRECTORY_GOAL = 0.3, 2, 1.3
# Rows a second.
IMPORT_GOALS = {"PostgreSQL": 5_000, "SQLite": 3_000}
REQUESTS = 10
PATIENT_LIST = "/admin/patients/patient/"
PAGES = {
    "front page": "/admin/",
    "patients": PATIENT_LIST,
    "doctors": "/admin/doctors/doctor/",
    "assignments": "/admin/mappings/mapping/",
    "possible duplicates": f"{PATIENT_LIST}?duplicates=1",
    "patients, a word": f"{PATIENT_LIST}?q=patient123456",
    "patients, a common word": f"{PATIENT_LIST}?q=springfield",
    "patients, a phone": f"{PATIENT_LIST}?q=%2B49+100+123456",
    "a patient": f"{PATIENT_LIST}123456/",
}


def fill(name):
    """Fill the database; two in a thousand patients are possible duplicates of another one."""
    assign = f"""
        INSERT INTO mappings_mapping (patient_id, doctor_id, user_id, assigned_at)
        SELECT id, id * 7 % {DOCTORS} + 1, user_id, created_at + interval '1 hour' FROM patients_patient ORDER BY id
    """  # noqa: S608, numbers of this file
    seed.run(
        name,
        seed.users(1, USERS),
        f"UPDATE accounts_user SET is_staff = true, is_superuser = true WHERE id = {STAFF}",  # noqa: S608, a number
        seed.patients(1, PATIENTS, f"n % {USERS} + 1"),
        duplicates("phone = other.phone", 0),
        duplicates("name = other.name, age = other.age", 500),
        seed.doctors(DOCTORS),
        seed.doctor_names(DOCTORS),
        assign,
        *(seed.history(table) for table in seed.HISTORY),
        *(seed.next_ids(table) for table in ("accounts_user", "patients_patient", "doctors_doctor")),
        "VACUUM ANALYZE",
    )


def duplicates(change, remainder):
    """Return the UPDATE that makes one patient in a thousand like the one before."""
    return f"""
        UPDATE patients_patient patient SET {change} FROM patients_patient other
        WHERE other.id = patient.id - 1 AND patient.id % 1000 = {remainder}
    """  # noqa: S608, from this file


def run(rounds, seconds):
    """Seed, measure, and write the section of RESULTS.md."""
    load.require_wrk()
    busy = os.getloadavg()[0]
    large, small = seed.database("staff"), seed.database("staff_small")
    with ExitStack() as stack:
        stack.callback(seed.drop, large, small)
        for name in (large, small):
            seed.migrate(name, environment(name))
        say(f"Seeding {PATIENTS:,} patients, {DOCTORS:,} doctors ...")
        fill(large)
        seed.run(
            small,
            seed.users(1, USERS),
            seed.doctors(FEW_DOCTORS),
            seed.doctor_names(FEW_DOCTORS),
            "VACUUM ANALYZE",
        )
        world = stack.enter_context(World(1, FIRST_PORT + 40))
        with project(large, FIRST_PORT + 30) as server:
            rows = [*pages(server, rounds), *files(server, rounds)]
            with project(small, FIRST_PORT + 31) as other:
                rows.append(directory(server, other, rounds, seconds))
        rows += commands("PostgreSQL", world, ROOT, environment(large), rounds)
        folder = world.copy()
        world.migrate(folder, SQLite.environment)
        rows += commands("SQLite", world, folder, ENVIRONMENT | SQLite.environment, rounds)
    say("\n" + report.write("staff", section(rows, rounds, seconds, busy)))


def row(case, goal, measured, reached):
    say(f"{case:<58}{measured:>32}{'' if reached else '   NOT REACHED'}")
    return case, goal, measured, reached


def timed(call, *arguments):
    """Return the seconds that the call took, and what it returned."""
    started = time.perf_counter()
    returned = call(*arguments)
    return time.perf_counter() - started, returned


def seconds_of(values):
    """Return the median, with the lowest and the highest in brackets."""
    if median(values) < 1:
        return f"{median(values) * 1000:.0f} ms ({min(values) * 1000:.0f}-{max(values) * 1000:.0f})"
    return f"{median(values):.1f} s ({min(values):.1f}-{max(values):.1f})"


def within(case, taken, goal):
    wanted = f"≤ {goal * 1000:.0f} ms" if goal < 1 else f"< {goal} s"
    return row(case, wanted, seconds_of(taken), median(taken) <= goal)


def unlimited(case, taken):
    return row(case, "", seconds_of(taken), True)


def pages(server, rounds):
    """Yield the rows of the admin's pages."""
    browser = Browser(server.port, f"user{STAFF}@example.com", seed.PASSWORD)
    cold, _ = timed(browser.get, PAGES["front page"])
    yield unlimited("front page, nothing in the cache", [cold])
    for title, path in PAGES.items():
        # Each worker has a cache and connections of its own.
        for _ in range(4 * WORKERS):
            browser.get(path)
        yield within(title, [timed(browser.get, path)[0] for _ in range(REQUESTS * rounds)], PAGE_GOAL)


def files(server, rounds):
    """Yield the rows of imports and exports in the admin."""
    browser = Browser(server.port, f"user{STAFF}@example.com", seed.PASSWORD)
    for kind, file_format, encoded in (("CSV", CSV, as_csv), ("XLSX", XLSX, as_xlsx)):
        shown, stored = [], []
        for turn in range(rounds):
            first = (turn + file_format * rounds) * UPLOADED
            taken, preview = timed(browser.preview, encoded(people("Upload", first, UPLOADED)), file_format)
            shown.append(taken)
            stored.append(timed(browser.confirm, preview)[0])
        yield within(f"preview of {UPLOADED:,} rows, {kind}", shown, PREVIEW_GOAL)
        yield unlimited(f"import of {UPLOADED:,} rows, {kind}", stored)
    path, size = f"{PATIENT_LIST}export/?user__id__exact={EXPORTED}", PATIENTS // USERS
    for kind, file_format in (("CSV", CSV), ("XLSX", XLSX)):
        exports = [timed(browser.post, path, {"format": file_format, "resource": 0})[0] for _ in range(rounds)]
        yield unlimited(f"export of {size:,} rows, {kind}", exports)


def directory(server, small, rounds, seconds):
    """Return the row of a search of the directory, against that of a small one."""
    sizes, medians = {DOCTORS: server, FEW_DOCTORS: small}, {DOCTORS: [], FEW_DOCTORS: []}
    for turn in range(rounds):
        for size in sorted(sizes, reverse=turn % 2 == 1):
            requests = scale.requests_for(USERS, size, turn * 10**6, 0)["search the directory by name"]
            load.send(sizes[size].port, requests, WARM_UP, scale.CONNECTIONS)
            medians[size].append(load.send(sizes[size].port, requests, seconds, scale.CONNECTIONS).p50)
    ratios = [large / few for large, few in zip(medians[DOCTORS], medians[FEW_DOCTORS], strict=True)]
    title = f"search of {DOCTORS:,} doctors by name, to that of {FEW_DOCTORS}"
    return row(title, f"≤ {DIRECTORY_GOAL}x", spread(ratios), median(ratios) <= DIRECTORY_GOAL)


def commands(database, world, folder, variables, rounds):
    """Yield the rows of the commands on one database."""
    file, user = world.folder / "patients.csv", f"user{IMPORTED}@example.com"
    demo = ["demo", "--force", "--add", "--verbosity", "0", "--patients", str(INVENTED)]
    invented, imported = [], []
    for turn in range(rounds):
        invented.append(INVENTED / timed(manage, folder, variables, *demo)[0])
        if turn == 0 and database == "SQLite":
            user = "user1@demo.example.com"
        file.write_bytes(as_csv(people("File", turn * COMMAND_ROWS, COMMAND_ROWS)))
        command = ["import_patients", str(file), "--user", user, "--verbosity", "0"]
        imported.append(COMMAND_ROWS / timed(manage, folder, variables, *command)[0])
    goal = IMPORT_GOALS[database]
    title = f"import_patients of {COMMAND_ROWS:,} rows, {database}"
    yield row(title, f"≥ {goal:,} rows/s", rates(imported, "rows"), median(imported) >= goal)
    million = f"{rates(invented, 'patients')}; computed for a million: {MILLION / median(invented) / 60:.0f} min"
    yield row(f"demo of {INVENTED:,} patients and assignments, {database}", "", million, True)


def rates(values, what):
    return f"{median(values):,.0f} {what}/s ({min(values):,.0f}-{max(values):,.0f})"


def manage(folder, variables, *arguments):
    command = [".venv/bin/python", "manage.py", *arguments]
    run = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)  # noqa: S603, of this file
    if run.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {run.stderr[-2000:]}")


def people(name, first, count):
    """Return a table of patients, its header first; `name` and a number make each unique."""
    header = ["name", "age", "gender", "phone", "address", "email"]
    return [header] + [
        [
            f"{name} Miller {n}",
            n % 100,
            ("male", "Female", "other")[n % 3],
            f"+44 {700_000_000 + n}",
            f"{n} Main Street, Springfield",
            f"{name.lower()}{n}@example.com",
        ]
        for n in range(first, first + count)
    ]


def as_csv(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def as_xlsx(rows):
    from openpyxl import Workbook

    book, file = Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    for cells in rows:
        sheet.append(cells)
    book.save(file)
    return file.getvalue()


def section(rows, rounds, seconds, busy):
    """Return the section of RESULTS.md."""
    return f"""
## Where staff and operators wait

{report.machine(f"make bench-staff ROUNDS={rounds} SECONDS={seconds}", busy)}

{report.goals(rows)}

The admin on PostgreSQL with {PATIENTS:,} patients of {USERS} users, each with an assignment and a history, and
{DOCTORS:,} doctors; one patient in 500 is a possible duplicate of another. One client that waits for each answer,
{WORKERS} workers; medians of {REQUESTS * rounds} requests for each page, warm, and of {rounds} for all else, with the
lowest and the highest in brackets. The commands are timed with their start. A preview reads and checks the file, an
import is the confirmation of it. `import_patients` imports into the {PATIENTS:,} patients on PostgreSQL, and beside
those of the demonstration on SQLite.
"""

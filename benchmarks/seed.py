"""Create the databases of a run with the project's migrations and fill them by SQL, identically for every server."""
# ruff: noqa: S608, the SQL contains no external input

import hashlib
import os
import secrets
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import jwt
import psycopg2

from benchmarks.peers.rules import HASHER

SERVER = {
    "DB_HOST": os.environ.get("DB_HOST", "127.0.0.1"),
    "DB_PORT": os.environ.get("DB_PORT", "5432"),
    "DB_USER": os.environ.get("DB_USER", "postgres"),
    "DB_PASSWORD": os.environ.get("DB_PASSWORD", ""),
}
SECRET_KEY = secrets.token_urlsafe(50)
PASSWORD = "correct horse battery"  # noqa: S105, of users in a test database
# A salt of Django's length; otherwise Django would rehash the password at the first log-in.
HASH = HASHER.hash(PASSWORD, salt=secrets.token_urlsafe(16).encode())

# Users: FEW has 100 patients, MANY has 100,000, WRITER does all writes, DIRECTORY added the doctors.
FEW, MANY, WRITER, DIRECTORY = 1, 2, 3, 4
LOGINS = range(5, 105)
MANY_PATIENTS = 100_000
DOCTORS = 1_000
# Ids of WRITER's patients: 100 that are updated, and from DISPOSABLE on those that are deleted.
WRITERS = range(200_001, 200_101)
DISPOSABLE = 1_000_001
NEXT_ID = 10_000_000


def database(name):
    return f"bench_healthcare_{name}"


def connect(name="postgres"):
    """Return a connection in autocommit mode, which VACUUM and CREATE DATABASE need."""
    connection = psycopg2.connect(
        dbname=name,
        host=SERVER["DB_HOST"],
        port=SERVER["DB_PORT"],
        user=SERVER["DB_USER"],
        password=SERVER["DB_PASSWORD"],
    )
    connection.autocommit = True
    return connection


def run(name, *statements):
    with closing(connect(name)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def create(name, template="template0"):
    run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {template}")


def drop(*names):
    run("postgres", *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in names))


def migrate(name, environment):
    """Create a database with the project's tables."""
    create(name)
    command = [".venv/bin/python", "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=environment, check=True)  # noqa: S603, a command of this file


# Rows


def users(first, last):
    return f"""
        INSERT INTO accounts_user (id, name, email, password, is_active, is_staff, is_superuser, date_joined)
        SELECT n, 'User ' || n, 'user' || n || '@example.com', 'argon2{HASH}', true, false, false, now()
        FROM generate_series({first}, {last}) n
    """


def patients(first, last, user):
    """Return the INSERT of patients with these ids; `user` is an SQL expression of their id, `n`."""
    return f"""
        INSERT INTO patients_patient (id, name, age, gender, phone, address, email, created_at, user_id)
        SELECT n, 'Patient ' || n, n % 100, (ARRAY['male', 'Female', 'other'])[n % 3 + 1], '+49' || 100000000 + n,
               n || ' Main Street' || chr(10) || 'Springfield', 'patient' || n || '@example.com',
               timestamptz '2026-01-01 12:00:00.123456Z' + n * interval '1 second', {user}
        FROM generate_series({first}, {last}) n
    """


def doctors(last):
    return f"""
        INSERT INTO doctors_doctor
            (id, name, age, gender, specialization, email, phone, address, created_at, user_id)
        SELECT n, 'Dr. Number ' || n, 30 + n % 60, (ARRAY['male', 'female', ''])[n % 3 + 1],
               (ARRAY['Cardiologist', 'Neurologist', 'Surgeon'])[n % 3 + 1], 'doctor' || n || '@example.com',
               '+49' || 200000000 + n, n || ' High Street',
               timestamptz '2026-01-01 12:00:00.123456Z' + n * interval '1 second', {DIRECTORY}
        FROM generate_series(1, {last}) n
    """


def doctor_name(number):
    """Return two words of three syllables, which are different for up to 2^18 doctors."""
    words = (number * factor for factor in (7_919, 104_729))
    return " ".join("".join(_syllable(word >> shift) for shift in (0, 6, 12)) for word in words)


def _syllable(index):
    return "bdfghjklmnprstvz"[index // 4 % 16] + "aeio"[index % 4]


def doctor_names(last):
    """Return the UPDATE that gives doctors names of as many different letters as those of people."""
    names = ", ".join(f"({number}, '{doctor_name(number)}')" for number in range(1, last + 1))
    return (
        f"UPDATE doctors_doctor SET name = names.name FROM (VALUES {names}) AS names (id, name) "
        "WHERE names.id = doctors_doctor.id"
    )


def mappings(where, each=3):
    """Return the INSERT that assigns `each` doctors to every patient that matches `where`."""
    return f"""
        INSERT INTO mappings_mapping (patient_id, doctor_id, user_id, assigned_at)
        SELECT patient.id, (patient.id * 7 + k) % {DOCTORS} + 1, patient.user_id,
               timestamptz '2026-02-01 12:00:00.123456Z' + k * interval '1 second'
        FROM patients_patient patient, generate_series(1, {each}) k WHERE {where} ORDER BY patient.id, k
    """


HISTORY = {
    "patients_patient": ("patients_historicalpatient", "name, age, gender, phone, address, email, created_at"),
    "doctors_doctor": (
        "doctors_historicaldoctor",
        "name, age, gender, specialization, email, phone, address, created_at",
    ),
    "mappings_mapping": ("mappings_historicalmapping", "patient_id, doctor_id, assigned_at"),
}


def history(table, where="true"):
    """Return the INSERT of the first version of every row that matches `where`."""
    versions, columns = HISTORY[table]
    return f"""
        INSERT INTO {versions} (id, {columns}, user_id, history_date, history_type, history_user_id)
        SELECT id, {columns}, user_id, now(), '+', user_id FROM {table} WHERE {where}
    """


def next_ids(table, value=NEXT_ID):
    return f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {value})"


def fill(name):
    """Fill the database on which all implementations are measured."""
    run(
        name,
        users(1, LOGINS[-1]),
        patients(1, 100, str(FEW)),
        patients(101, 100 + MANY_PATIENTS, str(MANY)),
        patients(WRITERS[0], WRITERS[-1], str(WRITER)),
        doctors(DOCTORS),
        mappings(f"user_id = {FEW}"),
        *(history(table) for table in HISTORY),
        *(next_ids(table) for table in ("accounts_user", "patients_patient", "doctors_doctor")),
        "VACUUM ANALYZE",
    )


def reset(name, disposable=0):
    """Remove the rows of earlier measurements; create `disposable` patients to delete."""
    tables = ("mappings_historicalmapping", "mappings_mapping", "patients_historicalpatient", "patients_patient")
    run(
        name,
        *(f"DELETE FROM {table} WHERE user_id = {WRITER}" for table in tables),
        "TRUNCATE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken",
        patients(WRITERS[0], WRITERS[-1], str(WRITER)),
        patients(DISPOSABLE, DISPOSABLE + disposable - 1, str(WRITER)),
        history("patients_patient", f"user_id = {WRITER}"),
        f"VACUUM ANALYZE {', '.join(tables)}",
    )


def unversioned(name):
    """Return how many of WRITER's patients have no history."""
    with closing(connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute(f"""
            SELECT count(*) FROM patients_patient WHERE user_id = {WRITER}
            AND NOT EXISTS (SELECT FROM patients_historicalpatient version WHERE version.id = patients_patient.id)
        """)
        return cursor.fetchone()[0]


# Tokens


def token(user, **claims):
    """Return an access token as the project issues it, valid for the whole run."""
    now = datetime.now(UTC)
    payload = {
        "token_type": "access",
        "exp": now + timedelta(hours=6),
        "iat": now,
        "jti": secrets.token_hex(16),
        "user_id": str(user),
        "hash_password": hashlib.md5(f"argon2{HASH}".encode(), usedforsecurity=False).hexdigest().upper(),
    }
    return jwt.encode({**payload, **claims}, SECRET_KEY, "HS256")


def hash_cost(seconds):
    """Return the CPU time of one verification of the password in microseconds, measured for `seconds`."""
    count, started, ends = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        HASHER.verify(HASH, PASSWORD)
        count += 1
    return (time.process_time() - started) / count * 1e6

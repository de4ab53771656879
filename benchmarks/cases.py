"""The measured cases and their requests."""

import json
from collections.abc import Callable
from typing import NamedTuple

from benchmarks import seed
from benchmarks.compare import cursor
from benchmarks.load import CONNECTIONS, Request

# Requests prepared per second of a measurement, as every write needs a different one.
PER_SECOND = 6_000


class Case(NamedTuple):
    """A case. `requests(start, count)` returns the requests of one measurement; writes use each number only once."""

    name: str
    title: str
    requests: Callable
    writes: bool = False
    disposable: bool = False
    without: tuple = ()
    connections: int = CONNECTIONS
    longer: int = 1


def login(start, count):
    return [
        Request(
            "POST", "/api/auth/login/", body=json.dumps({"email": f"user{n}@example.com", "password": seed.PASSWORD})
        )
        for n in seed.LOGINS
    ]


def one(start, count):
    token = seed.token(seed.FEW)
    return [Request("GET", f"/api/patients/{n}/", token) for n in range(1, 101)]


def everything(start, count):
    return [Request("GET", "/api/patients/", seed.token(seed.FEW))]


def page(start, count):
    middle = cursor(seed.MANY_PATIENTS // 2)
    return [Request("GET", f"/api/patients/?limit=50&cursor={middle}", seed.token(seed.MANY))]


def create(start, count, path="/api/patients/"):
    token = seed.token(seed.WRITER)
    return [Request("POST", path, token, patient(n)) for n in range(start, start + count)]


def create_with_history(start, count):
    return create(start, count, "/api/patients/?history=1")


def patient(n):
    return json.dumps(
        {
            "name": f"Alice Smith {n}",
            "age": n % 151,
            "gender": "Female",
            "phone": f"+44 {700_000_000 + n}",
            "address": "street 123",
            "email": f"alice{n}@example.com",
        }
    )


def update(start, count):
    token, ids = seed.token(seed.WRITER), seed.WRITERS
    return [
        Request("PUT", f"/api/patients/{ids[n % len(ids)]}/", token, patient(n)) for n in range(start, start + count)
    ]


def delete(start, count):
    token, first = seed.token(seed.WRITER), seed.DISPOSABLE + start
    return [Request("DELETE", f"/api/patients/{n}/", token) for n in range(first, first + count)]


def doctors(start, count):
    token = seed.token(seed.FEW)
    return [Request("GET", f"/api/mappings/{n}/", token) for n in range(1, 101)]


def assign(start, count):
    token, ids = seed.token(seed.WRITER), seed.WRITERS
    pairs = ({"patient": ids[n % len(ids)], "doctor": n // len(ids) + 1} for n in range(start, start + count))
    return [Request("POST", "/api/mappings/", token, json.dumps(pair)) for pair in pairs]


CASES = [
    # Few connections, because log-ins beyond a short queue are rejected.
    Case("login", "log-in", login, writes=True, connections=4, longer=3),
    Case("one", "one patient", one),
    Case("list", "list of 100", everything),
    Case("page", "page of 50 among 100,000", page),
    Case("create", "create", create, writes=True),
    Case("history", "create, all with history", create_with_history, writes=True, without=("drf",)),
    Case("update", "update", update, writes=True),
    Case("delete", "delete", delete, writes=True, disposable=True),
    Case("doctors", "doctors of a patient", doctors),
    Case("assign", "assign a doctor", assign, writes=True),
]

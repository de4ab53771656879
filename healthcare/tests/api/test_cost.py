"""The cost of requests in queries and function calls, which are reproducible, and the imports at the start.

Limits are about 15 % above the counted numbers. Exceeding one means that a request became more expensive.
"""

import cProfile
import pstats
import subprocess
import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import PATIENT
from healthcare.settings import BASE_DIR
from mappings.models import Mapping
from patients.models import Patient

ON_POSTGRESQL = connection.vendor == "postgresql"
# (queries, function calls including the test client's), without savepoints. SQLite has no compiled writes.
COSTS = {
    "one patient": (2, 2700),
    "not modified": (2, 2700),
    "list of 100": (2, 2900 if ON_POSTGRESQL else 4500),
    "page of 50": (2, 3000 if ON_POSTGRESQL else 3800),
    "doctors of a patient": (2, 2800),
    "create": (2, 3600) if ON_POSTGRESQL else (3, 6100),
    "update": (2, 3500) if ON_POSTGRESQL else (4, 7700),
    "delete": (2, 3000) if ON_POSTGRESQL else (7, 10400),
    "assign": (3, 3400) if ON_POSTGRESQL else (4, 5500),
}


@pytest.fixture
def requests(owner, doctor):
    """Return {name: function that makes the request}, after warming up per-process caches."""
    patients = Patient.objects.bulk_create(
        Patient(user=owner.user, **{**PATIENT, "name": f"Patient {number}"}) for number in range(100)
    )
    first, last = patients[0].pk, patients[-1].pk
    Mapping.objects.create(user=owner.user, patient=patients[0], doctor=doctor)
    one, page = f"/api/patients/{first}/", "/api/patients/?limit=50"
    etag = owner.get(one).headers["ETag"]
    for number, path in enumerate([page, page, f"/api/mappings/{first}/"]):
        owner.get(path)
        owner.post("/api/mappings/", {"patient": patients[number + 1].pk, "doctor": doctor.pk})
    return {
        "one patient": lambda: owner.get(one),
        "not modified": lambda: owner.get(one, **{"If-None-Match": etag}),
        "list of 100": lambda: owner.get("/api/patients/"),
        "page of 50": lambda: owner.get(page),
        "doctors of a patient": lambda: owner.get(f"/api/mappings/{first}/"),
        "create": lambda: owner.post("/api/patients/", PATIENT),
        "update": lambda: owner.put(one, PATIENT),
        "delete": lambda: owner.delete(one),
        "assign": lambda: owner.post("/api/mappings/", {"patient": last, "doctor": doctor.pk}),
    }


@pytest.mark.parametrize("name", COSTS)
def test_the_queries_of_a_request_are_bounded(name, requests):
    with CaptureQueriesContext(connection) as queries:
        response = requests[name]()

    assert response.status_code < 400
    statements = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) <= COSTS[name][0], statements


@pytest.mark.parametrize("name", COSTS)
def test_the_calls_of_a_request_are_bounded(name, requests):
    profile = cProfile.Profile()

    response = profile.runcall(requests[name])

    assert response.status_code < 400
    assert pstats.Stats(profile).total_calls <= COSTS[name][1]


def test_what_only_spreadsheets_need_is_not_imported_at_the_start():
    command = [sys.executable, "-c", "import sys, healthcare.wsgi; print(*sys.modules)"]

    modules = subprocess.run(command, cwd=BASE_DIR, capture_output=True, check=True, text=True, timeout=60)  # noqa: S603, of this file

    assert "import_export.admin" in modules.stdout.split()
    assert "openpyxl" not in modules.stdout.split()

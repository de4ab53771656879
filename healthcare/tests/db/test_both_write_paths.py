"""Compiled writes respond and store exactly what the plain path does. PostgreSQL only."""

from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import DOCTOR, PATIENT, ApiClient
from doctors.models import Doctor, HistoricalDoctor
from healthcare.api.compiled import CompiledPath
from healthcare.api.viewsets import RecordViewSet
from mappings.models import HistoricalMapping, Mapping
from patients.models import HistoricalPatient, Patient

TIMESTAMP = timezone.now()
SECOND_DOCTOR = {**DOCTOR, "email": "second@example.com"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
COMMON = {
    "name": TEXT | st.none(),
    "gender": st.sampled_from(["male", "Other", "", "none", "F"]),
    "phone": st.sampled_from(["+49 (30) 123-4567", "1234567", "12", ""]),
    "address": TEXT,
    "user": st.just(999),
}
AGES = st.integers(-1, 151) | st.sampled_from(["30", "x"])
PATIENTS = COMMON | {"age": AGES, "email": st.sampled_from(["", "a@example.com", "A@EXAMPLE.COM", "a@"])}
DOCTORS = COMMON | {
    "age": AGES | st.none(),
    "specialization": TEXT,
    "email": st.sampled_from(["", "a@example.com", "SECOND@example.com", "a@"]),
}
# The records of a mapping: the owner's, the stranger's, or none.
NAMED = st.sampled_from(["owner", "stranger", "nobody"])
METHODS = st.sampled_from(["POST", "PUT", "PATCH", "DELETE"])
TABLES = [Patient, Doctor, Mapping, HistoricalPatient, HistoricalDoctor, HistoricalMapping]
EMPTY = "; ".join(f"DELETE FROM {table._meta.db_table}" for table in reversed(TABLES))  # noqa: S608, of this file
property_test = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def plain_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompiledPath, "_writes", lambda self, action: None)
        RecordViewSet.compiled_path.cache_clear()
        yield
    RecordViewSet.compiled_path.cache_clear()


@pytest.fixture
def clients(owner, stranger, make_user):
    changer = make_user("Charlie Changer")
    changer.user_permissions.set(Permission.objects.filter(codename__in=["change_doctor", "delete_doctor"]))
    return {"owner": owner, "stranger": stranger, "changer": ApiClient(changer)}


def store(clients):
    """Store a patient of the owner and of the stranger, two doctors of the owner and two mappings; return them."""
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    users = {name: clients[name].user for name in ("owner", "stranger")}
    patients = Patient.objects.bulk_create(
        Patient(user=user, **{**PATIENT, "name": "Before", "created_at": TIMESTAMP}) for user in users.values()
    )
    doctors = Doctor.objects.bulk_create(
        Doctor(user=users["owner"], **body, created_at=TIMESTAMP) for body in (DOCTOR, SECOND_DOCTOR)
    )
    mappings = Mapping.objects.bulk_create(
        Mapping(user=user, patient=patient, doctor=doctor)
        for user, patient, doctor in zip(users.values(), patients, doctors, strict=True)
    )
    return [dict(zip(users, records, strict=True)) for records in (patients, doctors, mappings)]


def outcome(response, *stored):
    """Return the effect of a request, with ids relative to those of the records that were `stored` before."""
    base = {
        table: min(record.pk for record in records.values()) for table, records in zip(TABLES, stored, strict=False)
    }

    def relative(table, row):
        keys = {"id": table, "patient_id": Patient, "doctor_id": Doctor, "patient": Patient, "doctor": Doctor}
        skipped = {"created_at", "assigned_at", "history_id", "history_date"}
        return {
            name: value - base[keys[name]] if name in keys and isinstance(value, int) else value
            for name, value in row.items()
            if name not in skipped
        }

    table = next(table for table in base if table._meta.model_name in response.wsgi_request.path)
    rows = [
        [relative(getattr(each, "instance_type", each), row) for row in each.objects.order_by("pk").values()]
        for each in TABLES
    ]
    return response.status_code, list(relative(table, response.json()).items()), rows


def assert_same(clients, whose, make_request):
    outcomes = []
    for fast in (True, False):
        stored = store(clients)
        request = make_request(*stored)
        if fast:
            response = clients[whose].request(*request)
        else:
            with plain_path():
                response = clients[whose].request(*request)
        outcomes.append(outcome(response, *stored))

    assert outcomes[0] == outcomes[1]


@property_test
@given(
    method=METHODS,
    changes=st.fixed_dictionaries({}, optional=PATIENTS),
    whose=st.sampled_from(["owner", "stranger"]),
    twin=st.booleans(),
)
def test_a_write_of_a_patient_is_the_same_on_both_paths(clients, method, changes, whose, twin):
    """With `twin`, there is a record that the changed one may conflict with."""

    def make_request(patients, doctors, mappings):
        if twin:
            Patient.objects.bulk_create([Patient(user=clients["owner"].user, **PATIENT, created_at=TIMESTAMP)])
        path = "/api/patients/" if method == "POST" else f"/api/patients/{patients['owner'].pk}/"
        return method, path, changes if method == "PATCH" else {**PATIENT, **changes}

    assert_same(clients, whose, make_request)


@property_test
@given(
    method=METHODS,
    changes=st.fixed_dictionaries({}, optional=DOCTORS),
    whose=st.sampled_from(["owner", "stranger", "changer"]),
    which=st.sampled_from(["owner", "stranger"]),
)
def test_a_write_of_a_doctor_is_the_same_on_both_paths(clients, method, changes, whose, which):
    """With `which`, the doctor is assigned to the owner's or the stranger's patient."""

    def make_request(patients, doctors, mappings):
        path = "/api/doctors/" if method == "POST" else f"/api/doctors/{doctors[which].pk}/"
        return method, path, changes if method == "PATCH" else {**DOCTOR, "email": "new@example.com", **changes}

    assert_same(clients, whose, make_request)


@property_test
@given(
    method=st.sampled_from(["POST", "DELETE"]),
    patient=NAMED,
    doctor=NAMED,
    whose=st.sampled_from(["owner", "stranger"]),
)
def test_a_write_of_a_mapping_is_the_same_on_both_paths(clients, method, patient, doctor, whose):
    def make_request(patients, doctors, mappings):
        body = {
            name: named[which].pk if which in named else 0
            for name, named, which in (("patient", patients, patient), ("doctor", doctors, doctor))
        }
        record = mappings[patient].pk if patient in mappings else 0
        return method, "/api/mappings/" if method == "POST" else f"/api/mappings/{record}/", body

    assert_same(clients, whose, make_request)

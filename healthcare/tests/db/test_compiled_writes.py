"""Compiled writes under concurrency: locks, time-outs and deadlocks. PostgreSQL only."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest
from django.db import connection, connections
from django.urls import reverse

from conftest import PATIENT
from doctors.models import Doctor
from healthcare.db.postgresql import base
from mappings.models import Mapping
from patients.models import HistoricalPatient, Patient


@contextmanager
def other_transaction(statement, *parameters):
    """Run a statement on another connection, hold its locks during the block, and commit at the end."""
    where = connection.get_connection_params() | {"cursor_factory": None}
    with closing(psycopg2.connect(**where)) as other, other.cursor() as cursor:
        cursor.execute(statement, parameters)
        yield cursor
        other.commit()


@contextmanager
def in_background(call):
    """Run `call`, which waits for a lock, in a thread; yield the future of its response."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call)
        time.sleep(0.4)
        assert not future.done()
        yield future
        thread.submit(connections.close_all)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_record_that_gets_another_owner_meanwhile_is_not_found(owner, stranger, patient, method):
    with ExitStack() as waiting:
        with other_transaction("UPDATE patients_patient SET user_id = %s WHERE id = %s", stranger.user.pk, patient.pk):
            future = waiting.enter_context(
                in_background(lambda: owner.request(method, f"/api/patients/{patient.pk}/", PATIENT | {"name": "Late"}))
            )
        response = future.result()

    assert response.status_code == 404
    assert list(Patient.objects.values_list("name", "user")) == [(PATIENT["name"], stranger.user.pk)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}], ids=["compiled", "plain"])
def test_a_lock_held_too_long_is_503_and_nothing_is_stored_later(owner, patient, settings, headers):
    settings.DB_TIMEOUT = 1

    with other_transaction("UPDATE patients_patient SET age = 31 WHERE id = %s", patient.pk):
        response = owner.put(f"/api/patients/{patient.pk}/", PATIENT | {"name": "Refused 503"}, **headers)
        # The server responded, so later connection attempts keep the usual time-out.
        assert base._suspect_until == 0
    time.sleep(0.5)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert list(Patient.objects.values_list("name", "age")) == [(PATIENT["name"], 31)]


@pytest.mark.django_db(transaction=True)
def test_versions_have_the_order_of_their_timestamps(owner, patient):
    with ExitStack() as waiting:
        with other_transaction("UPDATE patients_patient SET age = 31 WHERE id = %s", patient.pk) as cursor:
            future = waiting.enter_context(
                in_background(lambda: owner.patch(f"/api/patients/{patient.pk}/", {"name": "Second"}))
            )
            cursor.execute("SELECT clock_timestamp()")
            (before,) = cursor.fetchone()
        assert future.result().status_code == 200

    assert HistoricalPatient.objects.filter(name="Second").get().history_date > before


def test_a_write_of_a_user_is_one_statement(owner, patient, doctor, django_assert_num_queries):
    """One query for the user, and one for the change with its history; in a test, two savepoints around it."""
    with django_assert_num_queries(4):
        created = owner.post("/api/patients/", PATIENT | {"name": "Bob"})
    with django_assert_num_queries(4):
        owner.put(f"/api/patients/{patient.pk}/", PATIENT | {"name": "Carol"})
    with django_assert_num_queries(4):
        owner.patch(f"/api/doctors/{doctor.pk}/", {"age": 40})
    with django_assert_num_queries(5):
        owner.post("/api/mappings/", {"patient": patient.pk, "doctor": doctor.pk})
    with django_assert_num_queries(4):
        owner.delete(f"/api/patients/{patient.pk}/")

    assert list(Patient.objects.values_list("pk", "name")) == [(created.json()["id"], "Bob")]
    assert Doctor.objects.get().age == 40
    assert not Mapping.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_write_that_ends_a_deadlock_is_repeated_once(owner, doctor, mapping):
    """The request locks the doctor, then waits for the assignment; the other session locks them in reverse order."""
    with ExitStack() as waiting:
        # With a longer deadlock_timeout for the other session, PostgreSQL cancels the request.
        with other_transaction("SET LOCAL deadlock_timeout = '20s'") as cursor:
            cursor.execute("SELECT * FROM mappings_mapping WHERE id = %s FOR UPDATE", [mapping.pk])
            future = waiting.enter_context(in_background(lambda: owner.delete(f"/api/doctors/{doctor.pk}/")))
            cursor.execute("SELECT * FROM doctors_doctor WHERE id = %s FOR UPDATE", [doctor.pk])
        response = future.result()

    assert response.status_code == 200
    assert not Mapping.objects.exists()
    assert Mapping.history.filter(history_type="-").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_deletion_in_the_admin_that_ends_a_deadlock_is_repeated_once(staff_browser, patient, mapping):
    """The page locks the patient, then waits for the assignment; the other session locks them in reverse order."""
    url = reverse("admin:patients_patient_delete", args=[patient.pk])
    with ExitStack() as waiting:
        with other_transaction("SET LOCAL deadlock_timeout = '20s'") as cursor:
            cursor.execute("SELECT * FROM mappings_mapping WHERE id = %s FOR UPDATE", [mapping.pk])
            future = waiting.enter_context(in_background(lambda: staff_browser.post(url, {"post": "yes"})))
            cursor.execute("SELECT * FROM patients_patient WHERE id = %s FOR UPDATE", [patient.pk])
        response = future.result()

    assert (response.status_code, response.url) == (302, reverse("admin:patients_patient_changelist"))
    assert not Patient.objects.exists()
    assert Mapping.history.filter(history_type="-").count() == 1

"""The fast path of writes answers and stores what the plain path does. Collected where PostgreSQL is tested."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest
from django.db import connection, connections
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from healthcare.api.compiled import CompiledPath
from healthcare.api.viewsets import RecordViewSet
from healthcare.db.postgresql import base
from mappings.models import HistoricalMapping, Mapping
from patients.models import HistoricalPatient, Patient

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT | st.none(),
        "age": st.integers(-1, 151) | st.sampled_from(["30", "x"]),
        "gender": st.sampled_from(["male", "Other", "", "none"]),
        "phone": st.sampled_from(["+49 (30) 123-4567", "1234567", "12"]),
        "address": TEXT,
        "email": st.sampled_from(["", "a@example.com", "A@EXAMPLE.COM", "a@"]),
        "user": st.just(999),
    },
)


@contextmanager
def plain_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompiledPath, "_writes", lambda self, action: None)
        RecordViewSet.compiled_path.cache_clear()
        yield
    RecordViewSet.compiled_path.cache_clear()


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    changes=BODY,
    whose=st.sampled_from(["owner", "stranger"]),
    twin=st.booleans(),
)
def test_the_same_request_has_the_same_answer_and_the_same_rows_on_both_paths(
    owner, stranger, method, changes, whose, twin
):
    """`twin` puts a record in the way that the changed one may collide with."""
    outcomes = []
    body = changes if method == "PATCH" else {**PATIENT, **changes}
    for path in ("fast", "plain"):
        Mapping.objects.all().delete()
        Patient.objects.all().delete()
        Doctor.objects.all().delete()
        patient = Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Before", "created_at": MOMENT})
        doctor = Doctor.objects.create(user=owner.user, **DOCTOR)
        Mapping.objects.create(user=owner.user, patient=patient, doctor=doctor)
        if twin:
            Patient.objects.create(user=owner.user, **{**PATIENT, "created_at": MOMENT})
        HistoricalPatient.objects.all().delete()
        HistoricalMapping.objects.all().delete()
        client = {"owner": owner, "stranger": stranger}[whose]
        url = "/api/patients/" if method == "POST" else f"/api/patients/{patient.pk}/"

        if path == "plain":
            with plain_path():
                response = client.request(method, url, body)
        else:
            response = client.request(method, url, body)

        stored = Patient.objects.order_by("id").values()
        history = HistoricalPatient.objects.order_by("history_id").values()
        mappings = HistoricalMapping.objects.values_list(
            "history_type", "history_user", "history_change_reason", "user"
        )
        outcomes.append(
            (
                response.status_code,
                list(without(response.json(), "id", "created_at").items()),
                [without(row, "id", "created_at") for row in stored],
                [without(row, "id", "created_at", "history_id", "history_date") for row in history],
                list(mappings),
            )
        )

    assert outcomes[0] == outcomes[1]


MOMENT = timezone.now()


@contextmanager
def somebody_else(statement, *parameters):
    """Have another connection run a statement and keep its locks for the time of the block; commit at its end."""
    where = connection.get_connection_params() | {"cursor_factory": None}
    with closing(psycopg2.connect(**where)) as other, other.cursor() as cursor:
        cursor.execute(statement, parameters)
        yield cursor
        other.commit()


@contextmanager
def under_way(call):
    """Have `call` wait for a lock in a thread of its own; give the future of its answer."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call)
        time.sleep(0.4)
        assert not future.done()
        yield future
        thread.submit(connections.close_all)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_record_given_to_somebody_else_meanwhile_is_no_longer_found(owner, stranger, patient, method):
    with ExitStack() as waiting:
        with somebody_else("UPDATE patients_patient SET user_id = %s WHERE id = %s", stranger.user.pk, patient.pk):
            future = waiting.enter_context(
                under_way(lambda: owner.request(method, f"/api/patients/{patient.pk}/", PATIENT | {"name": "Late"}))
            )
        response = future.result()

    assert response.status_code == 404
    assert list(Patient.objects.values_list("name", "user")) == [(PATIENT["name"], stranger.user.pk)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}], ids=["compiled", "plain"])
def test_a_lock_held_too_long_is_503_and_nothing_is_stored_later(owner, patient, settings, headers):
    settings.DB_TIMEOUT = 1

    with somebody_else("UPDATE patients_patient SET age = 31 WHERE id = %s", patient.pk):
        response = owner.put(f"/api/patients/{patient.pk}/", PATIENT | {"name": "Told 503"}, **headers)
        # The server is known to answer: nobody waits less for a connection to it.
        assert base._suspect_until == 0
    time.sleep(0.5)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert list(Patient.objects.values_list("name", "age")) == [(PATIENT["name"], 31)]


@pytest.mark.django_db(transaction=True)
def test_versions_have_the_order_of_their_moments(owner, patient):
    with ExitStack() as waiting:
        with somebody_else("UPDATE patients_patient SET age = 31 WHERE id = %s", patient.pk) as cursor:
            future = waiting.enter_context(
                under_way(lambda: owner.patch(f"/api/patients/{patient.pk}/", {"name": "Second"}))
            )
            cursor.execute("SELECT clock_timestamp()")
            (before,) = cursor.fetchone()
        assert future.result().status_code == 200

    assert HistoricalPatient.objects.filter(name="Second").get().history_date > before


def test_a_write_of_a_user_is_one_statement(owner, patient, doctor, django_assert_num_queries):
    """Who asks, and the change with its history; within a test, two savepoints around it."""
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
    """The request locks the doctor, then waits for the assignment; the other session locks them the other way round."""
    with ExitStack() as waiting:
        # With its own check late, the request is the one that PostgreSQL ends.
        with somebody_else("SET LOCAL deadlock_timeout = '20s'") as cursor:
            cursor.execute("SELECT * FROM mappings_mapping WHERE id = %s FOR UPDATE", [mapping.pk])
            future = waiting.enter_context(under_way(lambda: owner.delete(f"/api/doctors/{doctor.pk}/")))
            cursor.execute("SELECT * FROM doctors_doctor WHERE id = %s FOR UPDATE", [doctor.pk])
        response = future.result()

    assert response.status_code == 200
    assert not Mapping.objects.exists()
    assert Mapping.history.filter(history_type="-").count() == 1

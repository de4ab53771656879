"""`manage.py demo`: valid invented records, and working log-ins."""

import re
import subprocess
import sys
from io import StringIO
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from conftest import ApiClient
from demo.management.commands import demo
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

User = get_user_model()
PEOPLE = ("name", "age", "gender", "phone", "address", "email")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _several_batches(monkeypatch):
    monkeypatch.setattr(demo, "BATCH", 25)


def run(**options):
    """Run the command, by default with small numbers; return its output."""
    out = StringIO()
    call_command("demo", **{"users": 3, "doctors": 5, "patients": 60, "mappings": 100, **options}, stdout=out)
    return out.getvalue()


def counts():
    return [model.objects.count() for model in (User, Doctor, Patient, Mapping)]


def test_every_record_is_valid():
    run()

    assert counts() == [4, 5, 60, 100]
    for model in (User, Doctor, Patient, Mapping):
        for record in model.objects.all():
            record.full_clean()


def test_a_mapping_is_of_its_users_own_patient_and_later_than_both():
    run()

    known = Mapping.objects.filter(
        patient__user=F("user"), assigned_at__gte=F("patient__created_at"), doctor__created_at__lte=F("assigned_at")
    )
    assert known.count() == 100


@pytest.mark.parametrize(
    ("model", "timestamp"), [(Doctor, "created_at"), (Patient, "created_at"), (Mapping, "assigned_at")]
)
def test_every_record_has_a_version_of_its_creation(model, timestamp):
    run()

    expected = {record.pk: (record.user_id, getattr(record, timestamp)) for record in model.objects.all()}
    versions = model.history.filter(history_type="+", history_change_reason=None)
    assert {version.id: (version.history_user_id, version.history_date) for version in versions} == expected
    assert model.history.count() == len(expected)


def test_the_records_are_spread_over_the_last_sixty_days():
    run()

    timestamps = list(Patient.objects.values_list("created_at", flat=True))
    ages = [(timezone.now() - timestamp).days for timestamp in timestamps]
    assert timestamps == sorted(timestamps)
    assert 50 < max(ages) <= 60
    assert min(ages) < 5
    assert not User.objects.filter(is_staff=False, date_joined__gt=timestamps[0]).exists()


def test_the_printed_log_ins_work():
    said = run()

    password = re.search(r"Password  (\S+)", said)[1]
    logins = [
        ApiClient().post("/api/auth/login/", {"email": f"{name}@demo.example.com", "password": password})
        for name in ("user1", "user3", "staff")
    ]
    assert [response.status_code for response in logins] == [200, 200, 200]
    assert "Staff     staff@demo.example.com\nUsers     user1@demo.example.com to user3@demo.example.com\n" in said
    assert Client().login(email="staff@demo.example.com", password=password)
    assert User.objects.get(email="staff@demo.example.com").is_superuser
    assert not User.objects.filter(email__startswith="user", is_staff=True).exists()


def test_the_log_ins_are_printed_before_the_patients_are_created(monkeypatch):
    monkeypatch.setattr(demo.Inventor, "patient", Mock(side_effect=KeyboardInterrupt))
    out = StringIO()

    with pytest.raises(KeyboardInterrupt):
        call_command("demo", users=1, password="the only copy", stdout=out)

    assert out.getvalue().endswith("Password  the only copy\n")
    assert User.objects.get(email="user1@demo.example.com").check_password("the only copy")


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ({}, "Added: 3 users, 5 doctors, 60 patients, 100 assignments."),
        ({"users": 1, "doctors": 1, "patients": 1, "mappings": 1}, "Added: 1 user, 1 doctor, 1 patient, 1 assignment."),
    ],
)
def test_the_numbers_are_printed_in_the_singular_and_plural(options, printed):
    assert run(**options).splitlines()[-1] == printed


def test_a_second_run_adds_nothing_without_add():
    run()

    assert run() == "The demonstration data already exist: nothing added. Use --add to add more.\n"
    assert counts() == [4, 5, 60, 100]
    said = run(add=True, password="another password")

    assert counts() == [7, 10, 120, 200]
    assert said.startswith(
        "Staff     staff@demo.example.com, with its existing password\n"
        "Users     user4@demo.example.com to user6@demo.example.com\n"
        "Password  another password\n"
    )
    assert User.objects.get(email="staff@demo.example.com").check_password("another password") is False


def test_the_same_seed_makes_the_same_people():
    runs = []
    for seed in (1, 1, 2):
        run(seed=seed)
        runs.append([list(model.objects.values_list(*PEOPLE)) for model in (Doctor, Patient)])
        runs[-1] += [list(Mapping.objects.values_list("patient__phone", "doctor__email", "user__email"))]
        for model in (Mapping, Patient, Doctor, User):
            model.objects.all().delete()

    assert runs[0] == runs[1]
    assert runs[0][1] != runs[2][1]


def test_no_two_patients_share_a_phone_and_no_two_doctors_an_email():
    run(doctors=40, patients=400, mappings=0)

    phones = Patient.objects.values_list("phone", flat=True)
    assert len({phone[-9:] for phone in phones}) == 400
    numbers = {re.search("-([0-9]+)@", email)[1] for email in Doctor.objects.values_list("email", flat=True)}
    assert len(numbers) == 40


def test_production_refuses_it_unless_forced(settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="PRODUCTION is True"):
        run()
    assert counts() == [0, 0, 0, 0]
    run(force=True)

    assert counts() == [4, 5, 60, 100]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"users": 0}, "--users must be at least 1"),
        ({"patients": -1}, "the other numbers at least 0"),
        ({"mappings": 301}, "--mappings must be at most 300 for 60 patients and 5 doctors."),
        ({"doctors": 0, "mappings": 1}, "--mappings must be at most 0 for 60 patients and 0 doctors."),
        ({"password": "short"}, "This password is too short"),
    ],
)
def test_an_impossible_number_is_refused_with_a_message(options, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(**options)

    assert counts() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"doctors": 0, "mappings": None}, [4, 0, 60, 0]),
        ({"patients": 0, "mappings": None}, [4, 5, 0, 0]),
        ({"patients": 6, "mappings": 30}, [4, 5, 6, 30]),
    ],
)
def test_a_number_may_be_zero_or_the_maximum(options, expected):
    run(**options)

    assert counts() == expected


def test_the_server_starts_without_loading_what_only_the_command_needs():
    code = "import sys, healthcare.wsgi; print({'faker', 'tqdm'} & set(sys.modules))"

    process = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60, check=True
    )

    assert process.stdout == "set()\n"

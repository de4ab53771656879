"""The activity page: users, actions, records and times."""

import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from conftest import PATIENT
from patients.models import Patient

URL = reverse("admin:activity")


def lines(response):
    return [(entry.verb, entry.kind, entry.what) for entry in response.context["entries"]]


def test_it_lists_the_actions_of_all_histories_and_the_log(staff_browser, staff, mapping):
    staff_browser.post(reverse("admin:patients_patient_export"), {"resource": 0, "format": 0})
    patient = mapping.patient
    patient.age = 31
    patient._history_user = staff.user
    patient.save()

    response = staff_browser.get(URL)

    assert lines(response) == [
        ("Changed", "patient", "Alice Smith"),
        ("Exported", "patient", "1 patients exported"),
        ("Added", "assignment", "Alice Smith → Dr. Robert Brown, Cardiologist"),
        ("Added", "doctor", "Dr. Robert Brown"),
        ("Added", "patient", "Alice Smith"),
        ("Added", "user", "Olive Owner"),
        ("Added", "user", "Stella Staff"),
    ]
    newest = response.context["entries"][0]
    assert (newest.by, [tuple(change) for change in newest.changes]) == (staff.user, [("age", "30", "31")])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"kind": "patient"}, 1),
        ({"kind": "other"}, 0),
        ({"kind": "user"}, 2),
        ({"kind": ""}, 5),
        ({"first": "2000-01-01", "last": "2000-12-31"}, 0),
        ({"first": "2000-01-01"}, 5),
        ({"kind": "nonsense"}, 5),
        ({"before": "yesterday"}, 5),
        ({"before": "2000-13-01T00:00:00Z"}, 5),
    ],
)
def test_it_is_filtered_by_kind_and_day(staff_browser, mapping, query, count):
    assert len(lines(staff_browser.get(URL, query))) == count


def test_it_is_filtered_by_person_and_linked_from_their_page(staff_browser, staff, owner, patient):
    patient._history_user = owner.user
    patient.age = 31
    patient.save()

    page = staff_browser.get(reverse("admin:accounts_user_change", args=[owner.user.pk])).content.decode()

    assert f"{URL}?person={owner.user.pk}" in page
    assert len(lines(staff_browser.get(URL, {"person": owner.user.pk}))) == 1
    assert lines(staff_browser.get(URL, {"person": staff.user.pk})) == []


def test_its_pages_have_every_line_once(staff_browser, owner, monkeypatch):
    monkeypatch.setattr("healthcare.admin.activity.Activity.page.__defaults__", (None, 2))
    for number in range(5):
        Patient.objects.create(user=owner.user, **{**PATIENT, "name": f"P{number}"})
    same = Patient.history.order_by("history_id").values_list("pk", flat=True)[1:4]
    Patient.history.filter(pk__in=list(same)).update(history_date=timezone.now() - timedelta(days=1))

    seen, query = [], "kind=patient"
    while query:
        response = staff_browser.get(f"{URL}?{query}")
        seen += [entry.what for entry in response.context["entries"]]
        query = response.context["older"]

    assert sorted(seen) == [f"P{number}" for number in range(5)]


def test_it_is_exported_and_the_export_is_itself_in_it(staff_browser, staff, patient):
    Patient.objects.filter(pk=patient.pk).update(name="=1+1")
    patient.refresh_from_db()
    patient.save()

    response = staff_browser.get(URL, {"kind": "patient", "csv": 1})
    text = response.content.decode("utf-8-sig")

    rows = list(csv.DictReader(StringIO(text)))
    assert [(row["Action"], row["Record"], row["Id"]) for row in rows] == [
        ("Changed", "'=1+1", str(patient.pk)),
        ("Added", "Alice Smith", str(patient.pk)),
    ]
    assert rows[0]["What changed"] == "name: Alice Smith → =1+1"
    assert lines(staff_browser.get(URL, {"kind": "other"})) == [("Exported", "", "2 lines of activity")]


def test_a_change_of_rights_says_which_ones(staff_browser, owner):
    group = Group.objects.create(name="Front desk")
    form = {"name": "Olive Owner", "email": owner.user.email, "is_active": "on", "is_staff": "on", "groups": [group.pk]}
    form["version"] = owner.user.history.latest("history_id").pk

    staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), form)

    (entry,) = staff_browser.get(URL, {"kind": "other"}).context["entries"]
    assert "Staff: yes" in entry.note
    assert "+ Front desk" in entry.note


def test_an_export_says_how_much_of_what(staff_browser, patient):
    staff_browser.post(reverse("admin:patients_patient_export") + "?q=alice&gender=", {"resource": 0, "format": 0})

    (entry,) = staff_browser.get(URL, {"kind": "other"}).context["entries"]
    assert (entry.verb, entry.what, entry.note) == ("Exported", "1 patients exported", "where q=alice.")


def test_its_queries_do_not_grow_with_its_rows(staff_browser, make_user, django_assert_max_num_queries):
    for number in range(12):
        patient = Patient.objects.create(user=make_user(f"User {number}"), **PATIENT)
        patient.age = number
        patient.save()

    with django_assert_max_num_queries(20):
        staff_browser.get(URL)


def test_it_is_for_those_who_may_see_the_log_and_shows_them_what_they_may_view(make_user, mapping):
    clerk = make_user("Clara Clerk", is_staff=True)
    browser = Client()
    browser.force_login(clerk)
    refused = browser.get(URL)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_logentry", "view_doctor"]))

    shown = browser.get(URL)

    assert refused.status_code == 403
    assert lines(shown) == [("Added", "doctor", "Dr. Robert Brown")]
    assert LogEntry.objects.count() == 0


@pytest.fixture
def log_reader(browser_with):
    """A browser of staff who may view the log, and nothing else."""
    return browser_with("view_logentry")


@pytest.fixture
def logged(staff_browser, owner):
    """Actions in the admin on a patient, an account and a group."""
    form = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0, "user": owner.user.pk}
    staff_browser.post(reverse("admin:patients_patient_add"), {**PATIENT, **form})
    staff_browser.post(reverse("admin:patients_patient_export") + "?q=alice", {"resource": 0, "format": 0})
    account = {"name": "Olive Other", "email": owner.user.email, "is_active": "on"}
    account["version"] = owner.user.history.latest("history_id").pk
    staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), account)
    staff_browser.post(reverse("admin:auth_group_add"), {"name": "Front desk"})
    assert LogEntry.objects.count() == 4


def test_the_log_shows_no_entry_of_a_record_that_may_not_be_viewed(log_reader, logged):
    shown = log_reader.get(URL)
    exported = log_reader.get(URL, {"csv": 1}).getvalue().decode()

    assert lines(shown) == [("Added", "group", "Front desk")]
    assert not [word for word in ("Alice", "alice", "Olive", "@") if word in exported + shown.content.decode()]
    assert "Front desk" in exported


@pytest.mark.parametrize(
    ("codename", "more"),
    [
        ("view_patient", [("Exported", "patient", "1 patients exported"), ("Added", "patient", "Alice Smith")]),
        ("view_user", [("Changed", "user", "Olive Other <olive.owner@example.com>")]),
        ("change_user", []),
    ],
)
def test_the_log_shows_the_entries_of_records_that_may_be_viewed(log_reader, logged, codename, more):
    User.objects.get(name="Clara Clerk").user_permissions.add(Permission.objects.get(codename=codename))

    shown = lines(log_reader.get(URL, {"kind": "patient" if codename == "view_patient" else "other"}))
    shown += lines(log_reader.get(URL, {"kind": "other"})) if codename == "view_patient" else []

    assert sorted(line for line in shown if line[1] != "group") == sorted(more)


def test_without_the_right_to_view_users_no_account_is_looked_up(make_user, owner, patient):
    auditor = make_user("Clara Clerk", is_staff=True)
    codenames = ["view_logentry", "view_patient", "view_historicalpatient"]
    auditor.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client()
    browser.force_login(auditor)
    owner.patch(f"/api/patients/{patient.pk}/", {"age": 31})

    page = browser.get(URL, {"person": owner.user.pk}).content.decode()
    exported = browser.get(URL, {"csv": 1}).getvalue().decode()

    assert "Person" not in page
    assert owner.user.name in exported
    assert owner.user.email not in page + exported

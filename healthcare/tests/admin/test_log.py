"""The ids in the log of the records that staff saw."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from conftest import PATIENT
from healthcare.tests.admin.files import as_csv, confirm, upload
from healthcare.tests.admin.pages import PAGES
from patients.models import Patient


@pytest.fixture
def logged(caplog):
    """Return a function that returns the ids in the log's last line of a request."""
    caplog.set_level("INFO", "healthcare")
    return lambda: [record for record in caplog.records if record.name == "healthcare.requests"][-1].data["ids"]


@pytest.mark.parametrize("page", PAGES)
def test_the_log_names_the_records_that_a_list_shows(staff_browser, mapping, logged, page):
    known = {"patient": mapping.patient, "doctor": mapping.doctor, "mapping": mapping}
    record = known.get(page.split("_")[1].removeprefix("historical"))

    response = staff_browser.get(reverse(f"admin:{page}_changelist"))

    assert logged() == ([record.pk] if record else [user.pk for user in response.context["cl"].result_list])


def test_the_log_names_the_records_that_a_search_found_and_no_others(staff_browser, patient, logged):
    found = Patient.objects.create(user=patient.user, **{**PATIENT, "name": "Bob"})

    staff_browser.get(reverse("admin:patients_patient_changelist"), {"q": "bob"})

    assert logged() == [found.pk]


def test_the_log_names_the_patients_that_a_field_offers(staff_browser, patient, logged):
    found = [Patient.objects.create(user=patient.user, **{**PATIENT, "name": name}).pk for name in ("Bob", "Bobby")]
    field = {"app_label": "mappings", "model_name": "mapping", "field_name": "patient", "term": "bob"}

    staff_browser.get(reverse("admin:autocomplete"), field)

    assert sorted(logged()) == found


def test_the_log_names_the_record_of_a_version(staff_browser, owner, logged):
    patient = Patient.objects.create(id=1000, user=owner.user, **PATIENT)
    version = patient.history.get()

    staff_browser.get(reverse("admin:patients_historicalpatient_change", args=[version.pk]))

    assert logged() == [version.pk, patient.pk]


@pytest.mark.parametrize("confirmed", [{}, {"post": "yes"}])
def test_the_log_names_the_records_that_are_deleted_from_a_list(staff_browser, patient, logged, confirmed):
    url = reverse("admin:patients_patient_changelist")

    staff_browser.post(url, {"action": "delete_selected", "_selected_action": [patient.pk], **confirmed})

    assert logged() == [patient.pk]


def test_the_log_names_the_records_that_are_restored(staff_browser, patient, logged):
    pk = patient.pk
    patient.delete()
    url = reverse("admin:patients_historicalpatient_changelist")

    staff_browser.post(url, {"action": "restore", "_selected_action": [Patient.history.first().pk]})

    assert logged() == [pk]


def test_the_log_names_the_records_that_an_import_shows_and_stores(staff_browser, patient, logged):
    preview = upload(staff_browser, as_csv(["id", *PATIENT], [patient.pk, *(PATIENT | {"age": 31}).values()]))
    shown = logged()
    confirm(staff_browser, preview)

    assert shown == logged() == [patient.pk]


def test_an_export_is_in_the_log_and_the_recent_actions_with_every_id(staff_browser, staff, patient, logged):
    other = Patient.objects.create(user=patient.user, **{**PATIENT, "name": "Bob"})

    staff_browser.post(reverse("admin:patients_patient_export"), {"resource": 0, "format": 0})

    entry = LogEntry.objects.get()
    assert logged() == [other.pk, patient.pk]
    assert (entry.user, entry.object_repr, entry.change_message) == (staff.user, "2 patients exported", "Exported.")

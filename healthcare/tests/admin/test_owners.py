"""Staff who may not choose the user in a form cannot change the owner of a record in any other way."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from healthcare.admin.imports import OWNER_FIXED
from healthcare.tests.admin.files import CSV, XLSX, as_csv, as_xlsx, confirm, export, upload
from healthcare.tests.admin.restoring import restore
from patients.models import Patient


@pytest.fixture
def clerk(make_user):
    """A member of staff with every permission on records, but none on accounts."""
    user = make_user("Clara Clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["patients", "doctors"]))
    return user


@pytest.fixture
def browser(clerk):
    browser = Client()
    browser.force_login(clerk)
    return browser


@pytest.fixture
def record(request, patient, doctor):
    """The owner's record of the model in `request.param`."""
    return {Patient: patient, Doctor: doctor}[request.param]


both = pytest.mark.parametrize("record", [Patient, Doctor], indirect=True)


@both
@pytest.mark.parametrize("name", ["{clerk.pk}", "{clerk.email}", "{stranger.pk}", "{stranger.email}", "{owner.email}"])
@pytest.mark.parametrize(("make", "file_format"), [(as_csv, CSV), (as_xlsx, XLSX)])
def test_an_import_cannot_change_the_owner(browser, clerk, stranger, owner, record, name, make, file_format):
    name = name.format(clerk=clerk, stranger=stranger.user, owner=owner.user)

    preview = upload(browser, make(["id", "user"], [record.pk, name]), type(record), file_format)

    (refused,) = preview.context["result"].invalid_rows
    assert refused.field_specific_errors == {"user": [OWNER_FIXED]}
    assert "confirm_form" not in preview.context


@pytest.mark.parametrize(("model", "values"), [(Patient, PATIENT), (Doctor, DOCTOR)])
@pytest.mark.parametrize("name", ["{stranger.pk}", "{stranger.email}", "999999999", "nobody@example.com"])
def test_an_import_for_someone_else_gets_the_same_answer_whether_the_account_exists(
    browser, stranger, model, values, name
):
    row = {**values, "user": name.format(stranger=stranger.user)}

    preview = upload(browser, as_csv(row, row.values()), model)

    (refused,) = preview.context["result"].invalid_rows
    assert refused.field_specific_errors == {"user": [OWNER_FIXED]}


@both
def test_an_owner_cannot_be_chosen_after_the_permission_was_lost(browser, clerk, record, owner):
    clerk.user_permissions.add(Permission.objects.get(codename="view_user"))
    preview = upload(browser, as_csv(["id", "user"], [record.pk, clerk.pk]), type(record))
    clerk.user_permissions.remove(Permission.objects.get(codename="view_user"))

    page = confirm(browser, preview, type(record)).content.decode()

    record.refresh_from_db()
    assert "Nothing was imported" in page
    assert record.user == owner.user


@both
@pytest.mark.parametrize("file_format", [CSV, XLSX])
def test_an_exported_file_is_imported_with_its_owners(browser, record, owner, file_format):
    content = export(browser, type(record), file_format).content

    confirmed = confirm(browser, upload(browser, content, type(record), file_format), type(record))

    record.refresh_from_db()
    assert "0 new, 0 updated" in confirmed.content.decode()
    assert record.user == owner.user


@pytest.mark.parametrize("name", ["", "{0.pk}", "{0.email}"])
def test_new_records_may_name_the_importer(browser, clerk, name):
    row = {**PATIENT, "user": name.format(clerk)}

    confirm(browser, upload(browser, as_csv(row, row.values())))

    assert Patient.objects.get().user == clerk


@both
def test_putting_back_a_version_keeps_the_owner(browser, clerk, record, owner):
    type(record).objects.filter(pk=record.pk).update(name="Other Name")
    record.refresh_from_db()
    record.user = clerk
    record.save()
    old = record.history.first()
    record.name, record.user = "New Name", owner.user
    record.save()

    name = old._meta.model_name
    browser.post(reverse(f"admin:{old._meta.app_label}_{name}_put_back", args=[old.pk]))

    record.refresh_from_db()
    assert (record.name, record.user) == ("Other Name", owner.user)


def test_a_version_with_another_owner_only_is_not_offered(browser, clerk, patient, staff_browser):
    old = patient.history.first()
    patient.user = clerk
    patient.save()
    url = reverse("admin:patients_historicalpatient_change", args=[old.pk])

    pages = [client.get(url).content.decode() for client in (browser, staff_browser)]

    assert ["Put back these values" in page for page in pages] == [False, True]


def test_only_the_last_deletion_is_restored(browser, clerk, patient, owner):
    pk = patient.pk
    patient.user = clerk
    patient.delete()
    old = Patient.history.first()
    restore(browser, Patient, old)
    patient = Patient.objects.get()
    patient.user = owner.user
    patient.save()
    patient.delete()

    page = restore(browser, Patient, old).content.decode()
    restored = restore(browser, Patient, Patient.history.first())

    assert "There are newer versions: restore the last deletion." in page
    assert restored.status_code == 200
    assert Patient.objects.get(pk=pk).user == owner.user


@pytest.mark.parametrize("viewed", ["change", "version", "history"])
def test_staff_without_permission_to_view_accounts_see_names_not_e_mails(browser, clerk, patient, mapping, viewed):
    patient.user = clerk
    patient.save()
    pages = {
        "change": reverse("admin:patients_patient_change", args=[patient.pk]),
        "version": reverse("admin:patients_historicalpatient_change", args=[patient.history.last().pk]),
        "history": reverse("admin:patients_patient_history", args=[patient.pk]),
    }

    page = browser.get(pages[viewed]).content.decode()

    assert "Olive Owner" in page or "Clara Clerk" in page
    assert "@example.com" not in page
    assert "/admin/accounts/user/" not in page


def test_staff_who_only_add_patients_do_not_see_possible_duplicates(clerk, browser, patient):
    clerk.user_permissions.set(Permission.objects.filter(codename="add_patient"))

    page = browser.post(reverse("admin:patients_patient_add"), {**PATIENT, "email": "x@example.com"}).content.decode()

    assert "Possible duplicates. Nothing was saved yet." in page
    assert f"#{patient.pk}" not in page

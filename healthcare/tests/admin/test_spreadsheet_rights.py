"""Permissions for imports and exports in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from healthcare.tests.admin.files import ALICE, HEADER, as_csv, confirm, export, upload
from patients.models import Patient


def browser_of(make_user, *permissions):
    user = make_user("Clara Clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.mark.parametrize("missing", ["add_patient", "change_patient"])
def test_an_import_needs_the_right_to_add_and_to_change(make_user, staff_browser, missing):
    preview = upload(staff_browser, as_csv(HEADER, ALICE))
    allowed = {"add_patient", "change_patient", "view_patient", "export_patient", "delete_patient"} - {missing}
    browser = browser_of(make_user, *allowed)

    uploaded = upload(browser, as_csv(HEADER, ALICE))
    confirmed = confirm(browser, preview)

    assert (uploaded.status_code, confirmed.status_code) == (403, 403)
    assert not Patient.objects.exists()


@pytest.mark.parametrize("missing", ["view_patient", "export_patient"])
def test_an_export_needs_the_right_to_view_and_one_of_its_own(make_user, patient, missing):
    browser = browser_of(make_user, *({"view_patient", "export_patient"} - {missing}))

    assert export(browser).status_code == 403


def test_staff_with_both_permissions_can_export(make_user, patient):
    response = export(browser_of(make_user, "view_patient", "export_patient"))

    assert patient.name in response.content.decode()

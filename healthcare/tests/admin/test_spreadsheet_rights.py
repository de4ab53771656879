"""Permissions for imports and exports in the admin."""

import pytest

from healthcare.tests.admin.files import ALICE, HEADER, as_csv, confirm, export, upload
from patients.models import Patient


@pytest.mark.parametrize("missing", ["add_patient", "change_patient"])
def test_an_import_needs_the_right_to_add_and_to_change(browser_with, staff_browser, missing):
    preview = upload(staff_browser, as_csv(HEADER, ALICE))
    allowed = {"add_patient", "change_patient", "view_patient", "export_patient", "delete_patient"} - {missing}
    browser = browser_with(*allowed)

    uploaded = upload(browser, as_csv(HEADER, ALICE))
    confirmed = confirm(browser, preview)

    assert (uploaded.status_code, confirmed.status_code) == (403, 403)
    assert not Patient.objects.exists()


@pytest.mark.parametrize("missing", ["view_patient", "export_patient"])
def test_an_export_needs_the_right_to_view_and_one_of_its_own(browser_with, patient, missing):
    browser = browser_with(*({"view_patient", "export_patient"} - {missing}))

    assert export(browser).status_code == 403


def test_staff_with_both_permissions_can_export(browser_with, patient):
    response = export(browser_with("view_patient", "export_patient"))

    assert patient.name in response.content.decode()

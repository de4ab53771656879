"""Imports and exports of the admin run one at a time in each process."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from healthcare import jobs

IMPORT, EXPORT = "/admin/patients/patient/import/", "/admin/patients/patient/export/"


def upload():
    file = SimpleUploadedFile("patients.csv", b"name,age,gender\nAlice,30,female\n")
    return {"import_file": file, "format": "0"}


@pytest.mark.parametrize(
    "start",
    [
        lambda browser: browser.post(IMPORT, upload()),
        lambda browser: browser.post(EXPORT, {"format": "0", "resource": "0"}),
        lambda browser: browser.get(reverse("admin:activity"), {"csv": "1"}),
    ],
    ids=["import", "export", "activity"],
)
def test_an_import_or_export_beside_another_is_refused(staff_browser, patient, start):
    with jobs.exclusive():
        refused = start(staff_browser)
        page = staff_browser.get(IMPORT)

    assert (refused.status_code, page.status_code, start(staff_browser).status_code) == (503, 200, 200)
    assert "The server is busy with another import or export." in refused.content.decode()
    assert 2 <= int(refused.headers["Retry-After"]) <= 8

"""Take the screenshots of the documentation, from demonstration data: `make screenshots`."""

import subprocess
import sys

import pytest
from django.conf import settings

from conftest import PASSWORD

FOLDER = settings.BASE_DIR / "docs/images"
VIEW = {"viewport": {"width": 1280, "height": 800}}
STAFF = "staff@demo.example.com"


@pytest.fixture(scope="module")
def demonstration(server, database):
    subprocess.run([sys.executable, "manage.py", "demo", "--password", PASSWORD], env=database, check=True)


@pytest.mark.parametrize("page", [VIEW], indirect=True)
def test_take_screenshots(demonstration, page, log_in):
    page.goto("/api/docs/")
    page.locator(".opblock").first.wait_for()
    page.screenshot(path=f"{FOLDER}/docs.png")

    log_in(STAFF)
    page.screenshot(path=f"{FOLDER}/admin.png")
    page.goto("/admin/patients/patient/")
    page.screenshot(path=f"{FOLDER}/admin-patients.png")
    page.goto("/admin/patients/patient/1/")
    page.screenshot(path=f"{FOLDER}/admin-patient.png")

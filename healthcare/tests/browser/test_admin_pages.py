"""Workflows of staff in the admin."""

import csv
import re
from io import StringIO
from itertools import count

import pytest

from conftest import PATIENT
from healthcare.tests.browser.conftest import STAFF, VIEWS

# Different phones, so that no patient is a possible duplicate.
NUMBERS = count(10**9)
HEADER = "name,age,gender,phone,address,email"


def follow(page, control):
    """Click a link or button, and wait for the next page."""
    with page.expect_navigation():
        control.click()


def add_patient(page, name):
    page.goto("/admin/patients/patient/add/")
    for field, value in (PATIENT | {"name": name, "phone": f"+1{next(NUMBERS)}"}).items():
        control = page.locator(f"#id_{field}")
        control.select_option(value.lower()) if field == "gender" else control.fill(str(value))
    follow(page, page.get_by_role("button", name="Save", exact=True).first)
    page.get_by_role("heading", name=name).wait_for()


def upload(page, model, text):
    page.goto(f"/admin/{model}/import/")
    page.get_by_label("File to import").set_input_files(
        {"name": "patients.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    assert page.get_by_label("Format").evaluate("select => select.selectedOptions[0].text") == "csv"
    follow(page, page.get_by_role("button", name="Preview"))
    page.get_by_role("heading", name=re.compile("Preview|Nothing was imported")).wait_for()


@pytest.mark.parametrize("model", ["patients/patient", "doctors/doctor", "mappings/mapping", "accounts/user"])
def test_the_first_field_of_an_add_form_has_the_focus(page, log_in, model):
    log_in(STAFF)

    page.goto(f"/admin/{model}/add/")

    page.locator("fieldset .form-row").first.and_(page.locator(":focus-within")).wait_for()


def test_a_bad_file_stores_nothing_and_a_good_one_is_imported_and_exported(page, look, log_in):
    log_in(STAFF)
    upload(page, "patients/patient", f"{HEADER}\nGood File,30,male,1234567,,\nBad File,x,robot,1,,")

    page.get_by_role("heading", name="Nothing was imported").wait_for()
    page.get_by_text("age: Must be a whole number from 0 to 150.").wait_for()
    look("import-errors")
    page.goto("/admin/patients/patient/?q=File")
    page.get_by_text("0 patients").first.wait_for()

    long = "long " * 200
    upload(page, "patients/patient", f"{HEADER}\nGood File,30,male,+1234567,,\nOther File,7,female,1234567,{long},")
    look("import-preview")
    assert page.get_by_role("row").last.bounding_box()["height"] < 200
    follow(page, page.get_by_role("button", name="Confirm import"))
    page.get_by_text("2 new, 0 updated").wait_for()

    page.goto("/admin/patients/patient/?q=File")
    follow(page, page.get_by_role("link", name="Export"))
    look("export")
    page.get_by_label("Format").select_option("csv")
    with page.expect_download() as download:
        page.get_by_role("button", name="Submit").click()
    rows = list(csv.DictReader(StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [(row["name"], row["phone"]) for row in rows] == [("Other File", "1234567"), ("Good File", "'+1234567")]


@pytest.mark.parametrize(
    ("page", "view"), [(value, name) for name, value in VIEWS.items()], indirect=["page"], ids=VIEWS
)
def test_pages_are_readable_in_every_view(page, look, log_in, view):
    log_in(STAFF)
    add_patient(page, f"Patient {view}")
    wide = view in {"light", "dark"}

    for name, path in {
        "front": "/admin/",
        "users": "/admin/accounts/user/",
        "patients": "/admin/patients/patient/",
        "history": "/admin/patients/historicalpatient/",
        "assignments": "/admin/mappings/mapping/",
        "assign": "/admin/mappings/mapping/add/",
        "user": "/admin/accounts/user/1/change/",
        "group": "/admin/auth/group/1/change/",
        "activity": "/admin/activity/",
        "search": f"/admin/search/?q={view}",
        "import": "/admin/patients/patient/import/",
    }.items():
        page.goto(path)
        look(f"{name}-{view}")
        for table in page.locator(".results").all() if wide else []:
            assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0
    page.goto(f"/admin/patients/patient/?q={view}")
    follow(page, page.get_by_role("link", name=f"Patient {view}").first)
    look(f"patient-{view}")
    follow(page, page.get_by_role("link", name="Edit"))
    look(f"form-{view}")
    follow(page, page.get_by_role("link", name="History", exact=True))
    look(f"versions-{view}")
    follow(page, page.locator(".timeline").get_by_role("link", name=f"Patient {view}").last)
    page.get_by_role("heading", name="Patient as added on").wait_for()
    look(f"version-{view}")
    upload(page, "patients/patient", f"{HEADER}\nViewed,30,male,1234567,,\n")
    look(f"preview-{view}")
    upload(page, "patients/patient", f"{HEADER}\nViewed,x,robot,1,,\n")
    look(f"refused-{view}")

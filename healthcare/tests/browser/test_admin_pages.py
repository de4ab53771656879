"""The admin, clicked through as staff do it."""

import csv
import re
from io import StringIO

import pytest

from conftest import PATIENT
from healthcare.tests.browser.conftest import AUDITOR, STAFF, VIEWS

HEADER = "name,age,gender,phone,address,email"


def follow(page, control):
    """Click what leads to another page, and wait for that."""
    with page.expect_navigation():
        control.click()


def add_patient(page, name):
    page.goto("/admin/patients/patient/add/")
    for field, value in (PATIENT | {"name": name}).items():
        page.locator(f"#id_{field}").fill(str(value))
    follow(page, page.get_by_role("button", name="Save", exact=True).first)
    page.get_by_text("was added successfully").wait_for()


def upload(page, model, text):
    page.goto(f"/admin/{model}/import/")
    page.get_by_label("File to import").set_input_files(
        {"name": "patients.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    assert page.get_by_label("Format").evaluate("select => select.selectedOptions[0].text") == "csv"
    follow(page, page.get_by_role("button", name="Submit"))
    page.get_by_role("heading", name=re.compile("Preview|Nothing was imported")).wait_for()


def test_a_patient_is_added_found_changed_deleted_and_restored(page, look, log_in):
    log_in(STAFF)
    look("front")
    add_patient(page, "Clicked Patient")

    page.locator("#searchbar").fill("Clicked")
    page.keyboard.press("Enter")
    page.get_by_text("1 patient", exact=True).first.wait_for()
    look("found")
    follow(page, page.get_by_role("link", name="Clicked Patient"))
    look("change")
    page.get_by_label("Age").fill("31")
    follow(page, page.get_by_role("button", name="Save and continue editing").first)
    follow(page, page.get_by_role("link", name="History"))
    look("history")
    assert page.get_by_text("Stella Staff").count() >= 2
    page.go_back()
    follow(page, page.get_by_role("link", name="Delete").first)
    look("delete")
    follow(page, page.get_by_role("button", name="Yes"))
    page.get_by_text("was deleted successfully").wait_for()

    page.goto("/admin/patients/historicalpatient/?q=Clicked&history_type__exact=-")
    page.get_by_role("checkbox", name="Select this object").first.check()
    page.locator("select[name=action]").select_option("restore")
    follow(page, page.get_by_role("button", name="Go"))
    page.get_by_text("is back.").wait_for()
    page.goto("/admin/patients/patient/?q=Clicked")

    page.get_by_role("link", name="Clicked Patient").wait_for()


def test_a_doctor_is_assigned_on_the_page_of_a_patient_by_keyboard(page, look, log_in):
    log_in(STAFF)
    page.goto("/admin/doctors/doctor/add/")
    for field, value in {
        "name": "Dr. Key",
        "specialization": "X",
        "email": "key@example.com",
        "phone": "12345678",
    }.items():
        page.locator(f"#id_{field}").fill(value)
    follow(page, page.get_by_role("button", name="Save", exact=True).first)
    add_patient(page, "Assigned Patient")
    follow(page, page.get_by_role("link", name="Assigned Patient").first)

    page.get_by_text("Add another Assigned doctor").focus()
    page.keyboard.press("Enter")
    page.locator("#mappings-0 .select2-selection").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Key")
    page.get_by_role("option", name="Dr. Key, X").wait_for()
    page.keyboard.press("Enter")
    look("assigning")
    follow(page, page.get_by_role("button", name="Save and continue editing").first)

    page.locator("#mappings-0").get_by_text("Stella Staff").wait_for()
    look("assigned")
    page.goto("/admin/doctors/doctor/?q=key@example.com")
    follow(page, page.get_by_role("link", name="Dr. Key"))
    look("doctor")
    page.get_by_role("link", name="Assigned Patient").wait_for()


@pytest.mark.parametrize("model", ["patients/patient", "doctors/doctor", "mappings/mapping", "accounts/user"])
def test_one_begins_to_type_in_the_first_field_of_what_is_added(page, log_in, model):
    log_in(STAFF)

    page.goto(f"/admin/{model}/add/")

    page.locator("fieldset .form-row").first.and_(page.locator(":focus-within")).wait_for()


def test_a_bad_file_stores_nothing_and_a_good_one_is_imported_and_exported(page, look, log_in):
    log_in(STAFF)
    upload(page, "patients/patient", f"{HEADER}\nGood File,30,male,1234567,,\nBad File,x,robot,1,,")

    page.get_by_role("heading", name="Nothing was imported").wait_for()
    page.get_by_text("age: A valid integer is required.").wait_for()
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


def test_an_auditor_sees_no_buttons(page, look, log_in):
    log_in(STAFF)
    add_patient(page, "Audited Patient")
    follow(page, page.get_by_role("button", name="Log out"))
    log_in(AUDITOR)
    look("auditor-front")

    page.goto("/admin/patients/patient/?q=Audited")
    look("auditor-list")
    for button in ["Add patient", "Import", "Export"]:
        assert page.get_by_role("link", name=button).count() == 0
    assert page.locator("select[name=action]").count() == 0
    follow(page, page.get_by_role("link", name="Audited Patient"))
    look("auditor-patient")
    assert page.get_by_role("button", name="Save").count() == 0
    assert page.get_by_role("link", name="Delete").count() == 0
    page.get_by_role("link", name="History").wait_for()


@pytest.mark.parametrize(
    ("page", "view"), [(value, name) for name, value in VIEWS.items()], indirect=["page"], ids=VIEWS
)
def test_pages_are_readable_in_every_view(page, look, log_in, view):
    log_in(STAFF)
    add_patient(page, f"Patient {view}")
    wide = "narrow" not in view

    for name, path in {
        "front": "/admin/",
        "users": "/admin/accounts/user/",
        "patients": "/admin/patients/patient/",
        "history": "/admin/patients/historicalpatient/",
        "mappings": "/admin/mappings/mapping/",
        "import": "/admin/patients/patient/import/",
    }.items():
        page.goto(path)
        look(f"{name}-{view}")
        for table in page.locator(".results").all() if wide else []:
            assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0
    page.goto(f"/admin/patients/patient/?q={view}")
    follow(page, page.get_by_role("link", name=f"Patient {view}").first)
    look(f"patient-{view}")
    follow(page, page.get_by_role("link", name="History"))
    look(f"versions-{view}")
    follow(page, page.get_by_role("link", name=f"Patient {view}").last)
    page.get_by_role("heading", name="Patient as created on").wait_for()
    look(f"version-{view}")
    upload(page, "patients/patient", f"{HEADER}\nViewed,30,male,1234567,,\n")
    look(f"preview-{view}")
    upload(page, "patients/patient", f"{HEADER}\nViewed,x,robot,1,,\n")
    look(f"refused-{view}")

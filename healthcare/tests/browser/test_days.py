"""Typical workflows of a receptionist, an auditor and an administrator, in a browser."""

import csv
from io import StringIO

import pytest

from conftest import DOCTOR, PASSWORD, PATIENT
from healthcare.tests.browser.conftest import AUDITOR, RECEPTION, STAFF

SCREEN = {"viewport": {"width": 1280, "height": 800}, "permissions": ["clipboard-read", "clipboard-write"]}
VISIBLE_ROWS = """
() => [...document.querySelectorAll("#result_list tbody tr")]
    .filter(row => row.getBoundingClientRect().bottom <= innerHeight).length
"""

pytestmark = pytest.mark.parametrize("page", [SCREEN], indirect=True)


def follow(page, control):
    """Click a link or button, and wait for the next page."""
    with page.expect_navigation():
        control.click()


def fill(page, values):
    for field, value in values.items():
        control = page.locator(f"#id_{field}")
        control.select_option(value.lower()) if field == "gender" else control.fill(str(value))


def save(page):
    follow(page, page.get_by_role("button", name="Save", exact=True).first)


def add_patient(page, **fields):
    page.goto("/admin/patients/patient/add/")
    fill(page, PATIENT | fields)
    save(page)


def find(page, text):
    """Search with the keyboard from the current page."""
    page.locator("h1").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type(text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_day_of_a_receptionist(page, look, log_in):
    log_in(RECEPTION)
    look("reception-front")
    assert page.get_by_role("link", name="Users").count() == 0

    # Add a doctor and a patient, and assign the doctor with the keyboard.
    page.goto("/admin/doctors/doctor/add/")
    fill(page, DOCTOR | {"name": "Dr. Day", "email": "day@example.com"})
    look("doctor-form")
    save(page)
    page.get_by_role("heading", name="Dr. Day").wait_for()
    add_patient(page, name="Zoë Day", phone="+48 (22) 123-45-67")
    look("patient")
    follow(page, page.get_by_role("link", name="Edit"))
    page.get_by_text("Add another Assigned doctor").focus()
    page.keyboard.press("Enter")
    page.locator("#mappings-0 .select2-selection").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("day")
    page.get_by_role("option", name="Dr. Day, Cardiologist").wait_for()
    page.keyboard.press("Enter")
    look("assigning")
    save(page)
    page.get_by_role("link", name="Dr. Day", exact=True).wait_for()

    # Find the patient by the phone as written, and copy the banner.
    find(page, "22 123 45 67")
    look("search")
    follow(page, page.get_by_role("link", name="Zoë Day"))
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert "+48221234567" in page.evaluate("navigator.clipboard.readText()")

    # A possible duplicate is shown before anything is stored.
    add_patient(page, name="Zoe Day", phone="+48221234567")
    page.get_by_text("Possible duplicates").wait_for()
    look("duplicates")

    # Leaving a changed form asks for confirmation.
    dialogs = []
    page.once("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
    page.goto("/admin/")
    assert dialogs == ["beforeunload"]


def test_a_form_is_not_lost_when_the_session_has_expired(page, look, log_in):
    log_in(RECEPTION)
    page.goto("/admin/patients/patient/add/")
    fill(page, PATIENT | {"name": "Kept Day", "phone": "+4811111111"})
    page.context.clear_cookies(name="sessionid")
    save(page)
    page.get_by_text("what you entered is kept").wait_for()
    look("logged-out")

    page.get_by_label("E-mail").fill(RECEPTION)
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    look("logged-in-again")
    follow(page, page.get_by_role("button", name="Send the form"))

    page.get_by_role("heading", name="Kept Day").wait_for()


def test_a_day_of_an_administrator(page, look, log_in):
    log_in(STAFF)
    look("front")
    for number in range(16):
        add_patient(page, name=f"Listed Day {number}", age=number, phone=f"+48{number:09}")

    # At least fifteen rows on a screen, each on one line, none truncated.
    page.goto("/admin/patients/patient/")
    look("patients")
    assert page.evaluate(VISIBLE_ROWS) >= 15
    heights = page.locator("#result_list tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert max(heights) < 40
    assert page.locator(".results").evaluate("table => table.scrollWidth - table.clientWidth") <= 0
    page.get_by_text("Filters").click()
    look("filters")

    # Change, restore a version, delete and undo with one click each.
    follow(page, page.get_by_role("link", name="Listed Day 15", exact=True))
    follow(page, page.get_by_role("link", name="Edit"))
    page.get_by_label("Age").fill("99")
    save(page)
    page.locator(".timeline").get_by_text("99").wait_for()
    follow(page, page.locator(".timeline").get_by_role("link", name="Listed Day 15").last)
    look("version")
    follow(page, page.get_by_role("button", name="Put back these values"))
    page.locator("#banner").get_by_text("15", exact=True).wait_for()
    follow(page, page.get_by_role("link", name="Delete", exact=True))
    look("delete")
    follow(page, page.get_by_role("button", name="Yes"))
    look("deleted")
    follow(page, page.get_by_role("button", name="Undo"))
    page.get_by_role("heading", name="Listed Day 15").wait_for()

    # Printed pages have no menus.
    page.emulate_media(media="print")
    assert not page.locator("#header").is_visible()
    assert page.locator("#banner").is_visible()
    page.emulate_media(media="screen")

    page.goto("/admin/nope/")
    look("not-found")
    follow(page, page.locator("#content").get_by_role("link", name="Overview"))


def test_a_day_of_an_auditor(page, look, log_in):
    log_in(RECEPTION)
    add_patient(page, name="Audited Day", phone="+4822222222")
    follow(page, page.get_by_role("button", name="Log out"))
    log_in(AUDITOR)
    look("auditor-front")

    find(page, "audited")
    follow(page, page.get_by_role("link", name="Audited Day"))
    look("auditor-patient")
    for button in ["Edit", "Delete"]:
        assert page.get_by_role("link", name=button, exact=True).count() == 0
    page.goto("/admin/patients/patient/?q=audited")
    look("auditor-list")
    for button in ["Add patient", "Import", "Export"]:
        assert page.get_by_role("link", name=button).count() == 0
    assert page.locator("select[name=action]").count() == 0

    page.goto("/admin/activity/?kind=patient")
    page.get_by_text("Rita Reception").first.wait_for()
    look("activity")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    rows = list(csv.DictReader(StringIO(download.value.path().read_text("utf-8-sig"))))
    assert ("Rita Reception", "Added", "Audited Day") in [(row["By"], row["Action"], row["Record"]) for row in rows]

"""The import page: its instructions, the warnings of its preview, and the time for bad files."""

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from healthcare.tests.admin.files import ALICE, CSV, HEADER, XLSX, as_csv, as_xlsx, confirm, upload
from patients.models import Patient

IMPORT = reverse("admin:patients_patient_import")
BOB = ["Bob Jones", 7, "male", "+442079460000", "", ""]


# Instructions


def test_the_page_shows_the_limits_and_the_columns_and_has_a_template(staff_browser):
    page = staff_browser.get(IMPORT).content.decode()
    template = staff_browser.get(reverse("admin:patients_patient_import_template"))

    assert "at most 1000 rows" in page
    assert "id, name, age, gender, phone, address, email, user" in page
    assert reverse("admin:patients_patient_import_template") in page
    assert template.content.decode() == "\ufeffname,age,gender,phone,address,email\r\n"
    assert "patient-template.csv" in template.headers["Content-Disposition"]


def test_a_template_filled_in_can_be_imported(staff_browser):
    template = staff_browser.get(reverse("admin:patients_patient_import_template")).content

    confirm(staff_browser, upload(staff_browser, template + as_csv(ALICE)))

    assert Patient.objects.get().name == "Alice Smith"


def test_a_preview_names_no_empty_list_of_fields(staff_browser):
    page = upload(staff_browser, as_csv(HEADER, ALICE)).content.decode()

    assert "will import the following fields" not in page


# Warnings


def test_an_id_of_another_system_is_a_warning_and_changes_nothing(staff_browser, patient):
    preview = upload(staff_browser, as_csv(["id", *HEADER], [patient.pk, *BOB], ["", *BOB]))
    confirm(staff_browser, preview)

    patient.refresh_from_db()
    page = preview.content.decode()
    assert "this id belongs to another patient, with another name" in page
    assert "1 new, 0 changed, 1 unchanged" in page
    assert (patient.name, patient.phone, patient.history.count()) == ("Alice Smith", "9876543210", 1)
    assert Patient.objects.filter(name="Bob Jones").count() == 1


def test_an_id_without_a_phone_or_an_e_mail_renames_nobody(staff_browser, patient):
    Patient.objects.create(user=patient.user, name="Carl Cole", age=9, gender="male")

    rows = [[record.pk, "John Legacy", 9, "male"] for record in Patient.objects.all()]
    confirm(staff_browser, upload(staff_browser, as_csv(["id", "name", "age", "gender"], *rows)))

    assert {record.name for record in Patient.objects.all()} == {"Alice Smith", "Carl Cole"}


@pytest.mark.parametrize("contact", ["phone", "email"])
def test_one_same_contact_is_enough_for_a_new_name(staff_browser, patient, contact):
    row = {"id": patient.pk, "name": "Alice Jones", contact: getattr(patient, contact)}

    confirm(staff_browser, upload(staff_browser, as_csv(row.keys(), row.values())))

    patient.refresh_from_db()
    assert patient.name == "Alice Jones"


@pytest.mark.parametrize(
    "change", [{"name": "Alice Jones"}, {"phone": "1234567"}, {"name": "ALICE SMITH", "phone": ""}]
)
def test_a_new_name_or_a_new_phone_changes_the_record(staff_browser, patient, change):
    row = {"id": patient.pk, **PATIENT, **change}

    confirm(staff_browser, upload(staff_browser, as_csv(row.keys(), row.values())))

    patient.refresh_from_db()
    assert {name: getattr(patient, name) for name in change} == change


def test_rows_that_are_stored_already_can_be_skipped(staff_browser, staff, patient):
    rows = as_csv(["user", *HEADER], [patient.user.email, "ALICE smith", *ALICE[1:]], ["", *BOB], ["", *BOB])

    refused = upload(staff_browser, rows)
    preview = upload(staff_browser, rows, skip_existing="on")
    page = confirm(staff_browser, preview).content.decode()

    assert [row.number for row in refused.context["result"].invalid_rows] == [2, 4]
    assert preview.content.decode().count("Already exists.") == 2
    assert "1 new, 0 updated" in page
    assert (Patient.objects.count(), Patient.history.count()) == (2, 2)


def test_rows_stored_after_the_preview_are_skipped_on_confirmation(staff_browser, staff):
    preview = upload(staff_browser, as_csv(HEADER, ALICE, BOB), skip_existing="on")
    Patient.objects.create(user=staff.user, **PATIENT)

    page = confirm(staff_browser, preview).content.decode()

    assert "1 new, 0 updated, 0 deleted and 1 skipped" in page
    assert Patient.objects.count() == 2


def test_a_row_with_more_cells_than_columns_is_named(staff_browser):
    preview = upload(staff_browser, as_csv(HEADER, ALICE, [*BOB, "x"]))

    (row,) = preview.context["result"].invalid_rows
    assert (row.number, row.non_field_specific_errors) == (3, ["7 cells, but 6 columns."])


def test_rows_with_the_same_id_change_the_record_one_after_the_other(staff_browser, patient):
    rows = [[patient.pk, 31], [patient.pk, 31], [patient.pk, 32]]

    preview = upload(staff_browser, as_csv(["id", "age"], *rows))
    confirm(staff_browser, preview)

    patient.refresh_from_db()
    assert [row.import_type for row in preview.context["result"].rows] == ["update", "skip", "update"]
    assert (patient.age, patient.history.count()) == (32, 3)


# Cells


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "#N/A", "The spreadsheet could not calculate this cell: #N/A."),
        ("age", "1990-01-02", "This is a date (1990-01-02)."),
        ("phone", "12345", "Enter 7 to 15 digits"),
    ],
)
def test_a_cell_that_a_spreadsheet_converted_is_reported(staff_browser, field, value, message):
    row = {**PATIENT, field: value}

    preview = upload(staff_browser, as_csv(row.keys(), row.values()))

    (invalid,) = preview.context["result"].invalid_rows
    assert invalid.field_specific_errors[field][0].startswith(message)


def test_labels_of_the_admin_and_numbers_with_decimals_are_understood(staff_browser):
    header = ["Name", "AGE", "Gender", "Phone", "Address", "E-mail", ""]

    confirm(
        staff_browser, upload(staff_browser, as_csv(header, ["Alice Smith", "30.0", "F", "9876543210.0", "", "", ""]))
    )

    assert Patient.objects.filter(name="Alice Smith", age=30, phone="9876543210", gender="F").count() == 1


# E-mails of users


@pytest.mark.parametrize("may_view_users", [False, True])
def test_e_mails_of_users_are_shown_to_those_who_may_view_accounts(browser_with, patient, may_view_users):
    codenames = ["add_patient", "change_patient", "view_patient", "export_patient", *(["view_user"] * may_view_users)]
    browser = browser_with(*codenames)

    preview = upload(browser, as_csv(["id", "age"], [patient.pk, 31])).content.decode()
    exported = browser.post(reverse("admin:patients_patient_export"), {"resource": 0, "format": CSV}).content.decode()

    assert (patient.user.email in preview, patient.user.email in exported) == (may_view_users, may_view_users)
    assert f"{patient.user_id}\r\n" in exported or may_view_users


# Cost


@pytest.mark.parametrize(
    "content",
    [
        (",".join(["ab"] * 40_001) + "\n" + "1," * 18_000).encode(),
        (",".join(f"c{number}" for number in range(40_001)) + "\n").encode(),
        ("name" + "," * 150_000 + "\n").encode(),
        as_csv(["name", "age", "gender"], *[["x" * 900, "y", "z"]] * 999),
        as_csv(["name", "age", "gender"], *[[f"{number}", "1", "m", *"x" * 400] for number in range(1000)]),
    ],
    ids=["the same column", "different columns", "blank columns", "long errors", "wide rows"],
)
def test_a_bad_file_is_answered_within_seconds(staff_browser, content):
    staff_browser.get(IMPORT)
    started = time.process_time()

    response = upload(staff_browser, content)

    assert time.process_time() - started < 10
    assert "confirm_form" not in response.context
    assert len(response.content) < 4_000_000


def test_too_many_columns_of_an_xlsx_are_refused(staff_browser):
    preview = upload(staff_browser, as_xlsx(["name"] * 5000), file_format=XLSX)

    assert preview.context["form"].errors["import_file"] == ["The file has more than 50 columns."]


@pytest.mark.parametrize("model", [Patient, Doctor])
def test_the_queries_of_an_import_do_not_grow_with_its_rows(staff_browser, model):
    base, counted = PATIENT if model is Patient else DOCTOR, []

    # The first import fills the cache of content types.
    for numbers in (range(2), range(2, 4), range(10, 40)):
        rows = [{**base, "name": f"N {number}", "email": f"n{number}@example.com"} for number in numbers]
        with CaptureQueriesContext(connection) as queries:
            confirm(
                staff_browser, upload(staff_browser, as_csv(base.keys(), *(r.values() for r in rows)), model), model
            )
        counted.append(len(queries))

    assert model.objects.count() == model.history.count() == 34
    assert counted[1] == counted[2]


@pytest.mark.parametrize("page", ["import", "export"])
def test_its_path_is_that_of_the_other_pages(staff_browser, page):
    html = staff_browser.get(reverse(f"admin:patients_patient_{page}")).content.decode()

    path = html.split('<div class="breadcrumbs">')[1].split("</div>")[0]
    assert " ".join(strip_tags(path).replace("&rsaquo;", ">").split()) == f"Overview > Patients > {page.capitalize()}"

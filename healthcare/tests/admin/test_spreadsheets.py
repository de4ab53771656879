"""Import in the admin: validated by the rules of the API, all or nothing."""

import codecs

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from healthcare.tests.admin.files import ALICE, CSV, HEADER, XLSX, as_csv, as_xlsx, confirm, upload
from patients.models import Patient

BOB = ["Bob Jones", 7, "male", "+44 20-7946 (000)", "", ""]


def refusals(preview):
    """Return {row number: errors by field}."""
    assert "confirm_form" not in preview.context
    return {
        row.number: {**row.field_specific_errors, "*": list(row.non_field_specific_errors)}
        for row in preview.context["result"].invalid_rows
    }


# Accepted files


@pytest.mark.parametrize(("make", "file_format"), [(as_csv, CSV), (as_xlsx, XLSX)])
def test_rows_are_shown_and_on_confirmation_stored_for_the_importing_user(staff_browser, staff, make, file_format):
    preview = upload(staff_browser, make(HEADER, ALICE, BOB), file_format=file_format)
    before = Patient.objects.count(), Patient.history.count()
    page = confirm(staff_browser, preview).content.decode()

    alice, bob = Patient.objects.order_by("id")
    assert before == (0, 0)
    assert "2 new, 0 updated" in page
    assert {name: getattr(alice, name) for name in PATIENT} == PATIENT
    assert (bob.phone, bob.age, bob.address, bob.user) == ("+44207946000", 7, "", staff.user)
    assert {version.history_user for version in Patient.history.all()} == {staff.user}
    assert Patient.history.count() == 2


@pytest.mark.parametrize("name", ["{0.email}", "{0.pk}"])
def test_a_column_names_the_owners_by_e_mail_or_id(staff_browser, owner, name):
    user = name.format(owner.user).upper()

    confirm(staff_browser, upload(staff_browser, as_csv([*HEADER, "user"], [*ALICE, user])))

    assert Patient.objects.get().user == owner.user


def test_a_number_is_read_as_it_is_displayed(staff_browser):
    content = as_xlsx(HEADER, ["Alice", 30.0, "female", 9876543210, None, None])

    confirm(staff_browser, upload(staff_browser, content, file_format=XLSX))

    patient = Patient.objects.get()
    assert (patient.age, patient.phone, patient.email) == (30, "9876543210", "")


def test_the_preview_shows_what_will_be_stored_by_the_lines_of_the_file(staff_browser, patient):
    exported = ["id", *HEADER, "created_at"]
    older = [patient.pk, ALICE[0], 31, *ALICE[2:], ""]
    rows = [["", *BOB, "1999-01-01"], older, [], older]

    preview = upload(staff_browser, as_csv(exported, *rows))

    page, result = preview.content.decode(), preview.context["result"]
    assert "1 new, 1 changed, 1 unchanged" in page
    assert [(row.number, row.import_type) for row in result.rows] == [(2, "new"), (3, "update"), (5, "skip")]
    assert "+44207946000" in page
    assert "&#x27;+44" not in page
    assert "1999" not in page
    assert result.diff_headers == ["id", *HEADER, "user"]


def test_the_export_page_names_the_columns_an_import_leaves_out(staff_browser):
    page = staff_browser.get(reverse("admin:patients_patient_export")).content.decode()

    assert "email, created_at, user" in page


def test_columns_are_known_in_any_case_and_order(staff_browser):
    confirm(
        staff_browser, upload(staff_browser, as_csv([" PHONE", "Age", "Gender", "NAME"], ["1234567", 3, "male", "A"]))
    )

    assert Patient.objects.get().name == "A"


def test_a_row_with_an_id_changes_that_record_and_nothing_else_of_it(staff_browser, staff, owner, patient):
    confirm(staff_browser, upload(staff_browser, as_csv(["id", "age"], [patient.pk, 31])))

    patient.refresh_from_db()
    newest, _ = patient.history.all()
    assert {name: getattr(patient, name) for name in PATIENT} == {**PATIENT, "age": 31}
    assert patient.user == owner.user
    assert (newest.history_type, newest.history_user) == ("~", staff.user)


def test_doctors_are_imported_too(staff_browser, staff):
    row = {**DOCTOR, "age": "", "gender": ""}

    confirm(staff_browser, upload(staff_browser, as_csv(row.keys(), row.values()), Doctor), Doctor)

    doctor = Doctor.objects.get()
    assert (doctor.age, doctor.gender, doctor.user) == (None, "", staff.user)


# Refused files and rows


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "This field may not be blank."),
        ("name", "two\nlines", "Control characters, such as tabs and line ends, are not allowed."),
        ("name", "x" * 101, "Ensure this field has no more than 100 characters."),
        ("age", "", "Must be a whole number from 0 to 150."),
        ("age", "30.5", "Must be a whole number from 0 to 150."),
        ("age", "٣", "Must be a whole number from 0 to 150."),
        ("age", "1_0", "Must be a whole number from 0 to 150."),
        ("age", "151", "Must be a whole number from 0 to 150."),
        ("gender", "robot", "Must be one of male, female, other, unknown, or its first letter, in any case."),
        ("phone", "12345", "Enter 7 to 15 digits, with or without a + in front."),
        ("address", "x" * 1001, "Ensure this field has no more than 1000 characters."),
        ("email", "nobody", "Enter a valid email address, such as name@example.com."),
        ("user", "nobody@example.com", "There is no such user."),
        ("user", "999999999", "There is no such user."),
        ("id", "999999999", "There is no patient with this id."),
        ("id", "x", "Must be a whole number."),
    ],
)
def test_one_row_that_breaks_a_rule_is_named_and_nothing_is_imported(staff_browser, field, value, message):
    row = {"id": "", **PATIENT, "user": ""}

    preview = upload(staff_browser, as_csv(row, {**row, "name": "Good"}.values(), {**row, field: value}.values()))

    (refusal,) = refusals(preview).items()
    assert refusal[0] == 3
    assert message in refusal[1].get(field, refusal[1]["*"])
    assert message in preview.content.decode().replace("&#x27;", "'")
    assert (Patient.objects.count(), Patient.history.count()) == (0, 0)


def test_the_same_patient_twice_in_a_file_is_named(staff_browser):
    preview = upload(staff_browser, as_csv(HEADER, ALICE, ["ALICE smith", *ALICE[1:]]))

    assert refusals(preview) == {
        3: {
            "*": [
                "This patient exists already: same name, phone and e-mail. "
                "For another person, such as a twin, change one of them."
            ]
        }
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["name", "adress"], ["A", "x"]], "Unknown column: “adress”."),
        ([["name", "Name "], ["A", "B"]], "Duplicate column: “name”."),
        ([["name"], *[["A"]] * 1000], "Missing column: “age”, “gender”. Rows without an id require it."),
        ([["id", "name"], ["7", "A"], ["", "B"]], "Missing column: “age”, “gender”"),
        ([["name"], *[["A"]] * 1001], "The file has more than 1000 rows: import them in several files."),
    ],
)
def test_a_file_with_an_error_is_refused_completely(staff_browser, rows, message):
    preview = upload(staff_browser, as_csv(*rows))

    assert message in preview.content.decode()
    assert "confirm_form" not in preview.context


@pytest.mark.parametrize(
    ("content", "file_format", "message"),
    [
        (b"", CSV, "The submitted file is empty."),
        (b"\n \n", CSV, "The file is empty."),
        (as_csv(HEADER) + b"\n" * 11_000, CSV, "The file has more than 10,000 blank rows: delete them."),
        (as_csv(HEADER), CSV, "No valid data to import."),
        (
            as_csv(HEADER, ["Émile"]).decode().encode("latin-1"),
            CSV,
            "The file is not UTF-8. In Excel, choose File, Save As",
        ),
        (as_xlsx(HEADER), CSV, "The file is an XLSX file, not CSV."),
        (
            as_csv(HEADER, ALICE) + b'"Bob,7,male\n',
            CSV,
            'The file is not valid CSV at line 3: a quotation mark (") is opened',
        ),
        (as_csv(HEADER, ALICE), XLSX, "The file is not XLSX: CSV, XLS and password-protected files are not accepted"),
        (as_xlsx(HEADER)[:-50], XLSX, "The file is not a readable XLSX file."),
        (as_xlsx([]), XLSX, "The file is empty."),
        (as_xlsx([*HEADER, *"x" * 45]), XLSX, "The file has more than 50 columns."),
    ],
)
def test_a_file_that_is_no_spreadsheet_is_explained_on_the_form(staff_browser, content, file_format, message):
    preview = upload(staff_browser, content, file_format=file_format)

    (error,) = preview.context["form"].errors["import_file"]
    assert error.startswith(message)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_csv_is_read_as_spreadsheets_write_it_and_numbered_as_in_the_file(staff_browser, mark, delimiter):
    lines = ["name,age,gender,phone,address", '\nÉmile,30,male,1234567,"a\nb"', ",,,,", "B,x,male,1234567,", ",,,,", ""]

    preview = upload(staff_browser, mark + "\r\n".join(lines).replace(",", delimiter).encode())

    assert refusals(preview) == {6: {"age": ["Must be a whole number from 0 to 150."], "*": []}}


def test_a_file_that_is_too_large_is_refused(staff_browser, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    preview = upload(staff_browser, as_csv(HEADER, ALICE) + b"x" * 1000)

    assert preview.context["form"].errors["import_file"] == ["The file is larger than 1000 bytes."]


def test_rows_that_became_invalid_after_the_preview_are_reported_and_not_stored(staff_browser, staff):
    preview = upload(staff_browser, as_csv(HEADER, BOB, ALICE))
    Patient.objects.create(user=staff.user, **PATIENT)

    page = confirm(staff_browser, preview).content.decode()

    assert "Nothing was imported: a row has become invalid since the preview." in page
    assert "Import finished" not in page
    assert Patient.objects.get().name == PATIENT["name"]


def test_an_upload_is_confirmed_once_and_not_after_it_expired(staff_browser):
    preview = upload(staff_browser, as_csv(HEADER, ALICE))
    confirm(staff_browser, preview)

    page = confirm(staff_browser, preview).content.decode()

    assert "The upload has expired." in page
    assert Patient.objects.count() == 1


def test_a_login_session_is_not_an_upload(staff_browser):
    preview = upload(staff_browser, as_csv(HEADER, ALICE))
    key = staff_browser.session.session_key

    preview.context["confirm_form"].initial["import_file_name"] = key
    confirm(staff_browser, preview)

    assert Session.objects.filter(pk=key).exists()
    assert not Patient.objects.exists()

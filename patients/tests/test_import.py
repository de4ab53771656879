"""`manage.py import_patients`: rows are validated like API requests, and duplicates are skipped."""

import codecs
import csv
import os

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse

from conftest import PATIENT
from healthcare.tests.admin.files import export, upload
from patients.management.commands import import_patients
from patients.models import Patient
from patients.tests.files import ALICE, BOB, HEADER, names, run

PATIENTS = reverse("patients-list")
NOT_UTF8 = 'is not UTF-8. In Excel, choose File, Save As and the type "CSV UTF-8 (Comma delimited)".'


# Accepted files


def test_an_imported_patient_is_the_same_as_a_posted_one(owner, stranger, csv_file):
    said = run(csv_file(HEADER, ALICE), owner)

    (stored,) = owner.get(PATIENTS).json()
    assert said == ("1 added, 0 already there, 0 refused.\n", "")
    assert {name: stored[name] for name in PATIENT} == PATIENT
    assert stored["user"] == owner.user.pk
    assert stranger.get(PATIENTS).json() == []


def test_an_imported_patient_has_the_history_of_a_posted_one(owner, csv_file):
    run(csv_file(HEADER, ALICE), owner)

    (version,) = owner.get(reverse("patients-history", args=[Patient.objects.get().pk])).json()
    assert (version["action"], version["by"]) == ("created", owner.user.pk)
    assert version["changes"] == [{"field": name, "old": None, "new": value} for name, value in PATIENT.items()]
    assert Patient.history.get().history_change_reason is None


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_files_written_by_spreadsheets_are_read(owner, csv_file, mark, end, delimiter):
    lines = ["", "Phone, NAME ,gender,age", "(987) 654-3210,Émile,male,30", ",,,", ""]
    content = mark + end.join(lines).replace(",", delimiter).encode()

    said = run(csv_file(content=content), owner)

    patient = Patient.objects.get()
    assert said == ("1 added, 0 already there, 0 refused.\n", "")
    assert (patient.name, patient.phone, patient.age, patient.email) == ("Émile", "9876543210", 30, "")


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{ALICE}".replace(",", "\t").encode("utf-16"),
        f"{HEADER}\n{ALICE}".replace(",", "\t").encode(),
        f"sep=;\r\n{HEADER}\n{ALICE}".replace(",", ";").encode("utf-8-sig"),
        f'"sep=|"\r\n{HEADER}\n{ALICE}'.replace(",", "|").encode(),
        f"{HEADER},,\n{ALICE},,\n,,,,,,,\n".encode(),
        f"{HEADER},created_at\n{ALICE}".encode(),
        "NAME,Age,Gender,Phone,Address,E-Mail\n{}".format(
            ALICE.replace(",", " , ").replace(" street 123 ", "street 123")
        ).encode(),
        f"{HEADER}\n{ALICE}".replace("9876543210", "9876543210.0").replace("30", "30.0").encode(),
    ],
    ids=[
        "UTF-16 with tabs",
        "tabs",
        "sep=;",
        "sep=|",
        "trailing columns",
        "short row",
        "labels and spaces",
        "decimals",
    ],
)
def test_files_written_by_excel_and_databases_are_read(owner, csv_file, content):
    out, _ = run(csv_file(content=content), owner)

    patient = Patient.objects.get()
    assert out == "1 added, 0 already there, 0 refused.\n"
    assert {name: getattr(patient, name) for name in PATIENT} == PATIENT


def test_a_short_row_is_padded(owner, csv_file):
    run(csv_file("name,age,gender,phone,email", "Ann,3,F"), owner)

    assert Patient.objects.filter(name="Ann", phone="", email="").count() == 1


def test_line_numbers_count_the_line_with_the_separator(owner, csv_file):
    _, err = run(csv_file("", "sep=,", HEADER, "Ann,x,F"), owner)

    assert err.startswith("line 4: age: Must be a whole number")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", "#N/A", "The spreadsheet could not calculate this cell: #N/A."),
        ("phone", "#REF!", "The spreadsheet could not calculate this cell: #REF!."),
        ("phone", "2026-01-03", "This is a date (2026-01-03). Format the column as text and enter the value again."),
        ("age", "1930-05-01 00:00:00", "This is a date (1930-05-01 00:00:00). Format the column as text and enter"),
        ("phone", "9.87654E+09", "A spreadsheet shortened this phone number. Format the column as text and enter all"),
    ],
)
def test_a_cell_that_a_spreadsheet_converted_is_reported(owner, csv_file, field, value, reason):
    row = {**PATIENT, field: value}

    _, err = run(csv_file(",".join(row), ",".join(map(str, row.values()))), owner)

    assert err.startswith(f"line 2: {field}: {reason}")
    assert not Patient.objects.exists()


def test_an_export_of_the_admin_is_imported_unchanged(owner, stranger, staff_browser, csv_file):
    for number, text in enumerate(["=1+1", "+1", "-1", "@x", "'=x", "''+", "'Abd", "ünï"]):
        own = {"name": text, "phone": f"+1234567{number}", "address": f'=a\n{text}, "b" '}
        Patient.objects.create(user=stranger.user, **{**PATIENT, **own})

    out, _ = run(csv_file(content=export(staff_browser).content), owner)

    before, after = (user.patients.order_by("phone").values_list(*PATIENT) for user in (stranger.user, owner.user))
    assert out == "8 added, 0 already there, 0 refused.\n"
    assert list(after) == list(before)


def test_the_sample_is_imported_by_the_command_as_in_the_admin(owner, staff_browser):
    sample = settings.BASE_DIR / "samples" / "patients.csv"

    said = run(sample, owner)
    preview = upload(staff_browser, sample.read_bytes())

    assert said == ("6 added, 0 already there, 0 refused.\n", "")
    assert preview.context["result"].totals["new"] == 6
    assert Patient.objects.filter(phone="+34612345678", name="José Ángel Núñez").count() == 1


def test_columns_that_a_client_cannot_write_are_ignored_and_reported(owner, stranger, csv_file):
    _, err = run(csv_file(f"id,user,adress,{HEADER}", f"77,{stranger.user.pk},x,{ALICE}"), owner)

    patient = Patient.objects.get()
    assert err == "Columns left out: id, user, adress.\n"
    assert (patient.user, patient.pk == 77) == (owner.user, False)


def test_an_address_may_have_several_lines(owner, csv_file):
    run(csv_file(HEADER, 'Alice,30,female,9876543210,"1, High Street\nLeeds",'), owner)

    assert Patient.objects.get().address == "1, High Street\nLeeds"


# Refused files and rows


@pytest.mark.parametrize("batch", [1000, 2, 1])
def test_refused_rows_are_reported_and_the_others_stored(owner, csv_file, monkeypatch, batch):
    monkeypatch.setattr(import_patients, "BATCH", batch)
    path = csv_file(
        HEADER,
        'Ann,30,female,1234567,"two\nlines",',
        "Bea,x,robot,1234567,,",
        "Cid,1,male,1234567,,,x",
        BOB,
        "D\0d,1,male,1234567,,",
    )

    out, err = run(path, owner)

    assert names() == ["Ann", "Bob Jones"]
    assert out == "2 added, 0 already there, 3 refused.\n"
    assert err.splitlines() == [
        "line 4: age: Must be a whole number from 0 to 150.",
        "line 4: gender: Must be one of male, female, other, unknown, or its first letter, in any case.",
        "line 5: row: 7 cells, but 6 columns.",
        "line 7: name: Control characters, such as tabs and line ends, are not allowed. "
        "Null characters are not allowed.",
        "3 of 5 rows were refused.",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 101),
        ("name", "two\nlines"),
        ("age", ""),
        ("age", "151"),
        ("age", "-1"),
        ("age", "30.5"),
        ("gender", ""),
        ("phone", "12345"),
        ("phone", "٩٨٧٦٥٤٣٢١٠"),
        ("email", "nobody"),
        ("address", "x" * 1001),
    ],
)
def test_the_reasons_are_those_of_the_api(owner, csv_file, tmp_path, field, value):
    row, report = {**PATIENT, field: value}, tmp_path / "report.csv"
    with csv_file().open("w", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])

    run(tmp_path / "patients.csv", owner, report=report)

    with report.open(newline="") as file:
        (refusal,) = csv.DictReader(file)
    assert refusal == {"line": "2", "field": field, "reason": " ".join(owner.post(PATIENTS, row).json()[field])}
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{path} is empty."),
        (b"\n\n", "{path} is empty."),
        (f"name,age\n{ALICE}".encode(), "{path} has no column gender. The first line must contain the column names."),
        (ALICE.encode(), "{path} has no column name, age, gender. The first line must contain the column names."),
        (f"{HEADER},Age\n{ALICE},3".encode(), "{path} has a duplicate column: age."),
        (f"{HEADER}\n{ALICE}\nÉmile,{BOB}".encode("cp1252"), f"{{path}} {NOT_UTF8}"),
        (f"{HEADER}\n{ALICE}".encode("utf-16-le"), f"{{path}} {NOT_UTF8}"),
        (f"{HEADER}\n{ALICE}".encode("utf-16")[:-1], f"{{path}} {NOT_UTF8}"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "{path} is an XLS file, not CSV: save it as XLSX or as CSV UTF-8."),
        (f"{HEADER}{',x' * 45}".encode(), "{path} has more than 50 columns."),
        (f"{HEADER}\n{ALICE}".encode() + b"\n" * 11_000, "{path} has more than 10,000 blank rows: delete them."),
        (f"{HEADER}\n{'x,' * 500_000}".encode(), "{path} has a line of 1,000,000 characters or more."),
        (
            f'{HEADER}\n{ALICE}\n"{BOB}\n{BOB}'.encode(),
            '{path} is not valid CSV at line 3: a quotation mark (") is opened but never closed.',
        ),
        (
            f'{HEADER}\n"{ALICE}\n"Bob",7'.encode(),
            '{path} is not valid CSV at line 2: text follows a closing quotation mark ("); write two in a cell.',
        ),
        (
            f'{HEADER}\n"{"x" * 200_000}'.encode(),
            "{path} is not valid CSV at line 2: a cell has more than 131072 characters.",
        ),
        (b"PK\x03\x04\x14\x00", "{path} is an XLSX file, not CSV."),
    ],
)
def test_a_file_with_an_error_is_refused_completely(owner, csv_file, monkeypatch, content, sentence):
    monkeypatch.setattr(import_patients, "BATCH", 1)
    path = csv_file(content=content)

    said = run(path, owner)

    assert said == ("", sentence.format(path=path))
    assert not Patient.objects.exists()


def test_a_missing_file_is_named(owner, tmp_path):
    said = run(tmp_path / "none.csv", owner)

    assert said == ("", f"No such file or directory: {tmp_path}/none.csv.")


def test_a_pipe_is_refused(owner, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    said = run(pipe, owner)

    assert said == ("", f"{pipe} is not a regular file, and it must be read twice: save the data to a file first.")


def test_a_report_never_overwrites_a_file(owner, csv_file):
    path = csv_file(HEADER, ALICE)

    said = run(path, owner, report=path)

    assert said == ("", f"File exists: {path}.")
    assert path.read_text() == f"{HEADER}\n{ALICE}"
    assert not Patient.objects.exists()


def test_only_a_user_who_can_log_in_gets_patients(make_user, owner, csv_file):
    path, gone = csv_file(HEADER, ALICE), make_user("Gone", is_active=False)

    with pytest.raises(CommandError, match=r"There is no user x@example\.com\."):
        call_command("import_patients", str(path), user="x@example.com")
    with pytest.raises(CommandError, match=r"Gone <gone@example\.com> is deactivated\."):
        call_command("import_patients", str(path), user=gone.email)

    assert not Patient.objects.exists()

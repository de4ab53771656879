"""Exports of the admin: the rows of the filtered list, without formulas."""

import csv
from io import BytesIO, StringIO

import openpyxl
import pytest

from conftest import PATIENT
from healthcare.admin import spreadsheets
from healthcare.fields import plain_lines
from healthcare.tests.admin.files import CSV, XLSX, confirm, export, upload
from patients.models import Patient


@pytest.mark.parametrize("file_format", [CSV, XLSX])
def test_an_export_is_imported_unchanged(staff_browser, owner, file_format):
    texts = ["=1+1", "+1", "-1", "@x", "'=x", "''+", "'Abd", "ünï", "x'"]
    for number, text in enumerate(texts):
        Patient.objects.create(
            user=owner.user, **{**PATIENT, "name": text, "phone": f"+1234567{number}", "address": f'=a\n{text}, "b" '}
        )
    before = list(Patient.objects.values())

    content = export(staff_browser, file_format=file_format).content
    unchanged = upload(staff_browser, content, file_format=file_format)
    Patient.objects.update(name="x", address="y", age=1)
    confirm(staff_browser, upload(staff_browser, content, file_format=file_format))

    assert {row.import_type for row in unchanged.context["result"].rows} == {"skip"}
    assert list(Patient.objects.values()) == before


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"])
def test_no_exported_cell_is_a_formula(staff_browser, owner, start):
    Patient.objects.create(user=owner.user, **{**PATIENT, "address": f"{start}cmd|' /C calc'!A0"})

    response = export(staff_browser)
    sheet = openpyxl.load_workbook(BytesIO(export(staff_browser, file_format=XLSX).content)).active

    (row,) = csv.DictReader(StringIO(response.content.decode("utf-8-sig"), newline=""))
    cells = [cell for cells in sheet.iter_rows() for cell in cells]
    assert row["address"].startswith(f"'{plain_lines(start)}")
    assert not any(cell.data_type == "f" for cell in cells)


def test_a_phone_in_an_exported_xlsx_is_text_without_a_visible_apostrophe(staff_browser, owner):
    Patient.objects.create(user=owner.user, **{**PATIENT, "phone": "+34612345678"})

    sheet = openpyxl.load_workbook(BytesIO(export(staff_browser, file_format=XLSX).content)).active

    phone = sheet.cell(2, 5)
    assert (phone.value, phone.data_type, phone.quotePrefix) == ("+34612345678", "s", True)


def test_an_export_opens_with_any_stored_characters(staff_browser, owner):
    Patient.objects.create(user=owner.user, **{**PATIENT, "name": "A\ufffeb", "address": "c\uffff\x01d"})

    sheet = openpyxl.load_workbook(BytesIO(export(staff_browser, file_format=XLSX).content)).active

    assert [sheet.cell(2, column).value for column in (2, 6)] == ["A\ufffdb", "c\ufffd\ufffdd"]


def test_an_export_is_of_what_the_list_shows(staff_browser, owner, patient):
    Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Bob"})

    text = export(staff_browser, query="?q=Bob").content.decode("utf-8-sig")

    assert [row["name"] for row in csv.DictReader(StringIO(text))] == ["Bob"]
    assert owner.user.email in text


def test_an_export_has_a_limit_and_says_so(staff_browser, owner, patient, monkeypatch):
    monkeypatch.setattr(spreadsheets, "EXPORT_LIMIT", 1)
    Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Bob"})

    response = export(staff_browser)

    assert "More than 1 rows: use a search or a filter first" in response.content.decode()
    assert export(staff_browser, query="?q=Bob").headers["Content-Type"].startswith("text/csv")


def test_the_queries_of_an_export_do_not_grow_with_its_rows(staff_browser, make_user, django_assert_max_num_queries):
    for number in range(12):
        Patient.objects.create(user=make_user(f"User {number}"), **PATIENT)

    with django_assert_max_num_queries(9):
        export(staff_browser)

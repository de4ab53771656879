"""Build spreadsheets, and import and export them in the admin."""

import csv
from io import BytesIO, StringIO

import openpyxl
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from conftest import PATIENT
from patients.models import Patient

CSV, XLSX = 0, 1
HEADER = list(PATIENT)
ALICE = list(PATIENT.values())


def as_csv(*rows):
    file = StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def as_xlsx(*rows):
    book, file = openpyxl.Workbook(), BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def upload(browser, content, model=Patient, file_format=CSV, **options):
    """Upload a file; return the response with the preview."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_import")
    file = SimpleUploadedFile("file", content)
    return browser.post(url, {"resource": 0, "format": file_format, "import_file": file, **options}, follow=True)


def confirm(browser, preview, model=Patient):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_process_import")
    return browser.post(url, preview.context["confirm_form"].initial, follow=True)


def export(browser, model=Patient, file_format=CSV, query=""):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export")
    return browser.post(url + query, {"resource": 0, "format": file_format})

"""File formats of the admin's imports and exports: https://django-import-export.readthedocs.io/en/latest/."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any

from import_export.formats.base_formats import CSV, XLSX

from healthcare.tables import FORMULA, FileError, Row, csv_rows, escaped, xlsx_rows

# Rows, because an import is one transaction. `manage.py import_patients` has no such limit.
IMPORT_LIMIT = 1000
# Characters that XML, and therefore XLSX, cannot contain (https://www.w3.org/TR/xml/#charsets).
ILLEGAL_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass
class Table:
    """A header and rows."""

    header: list[str]
    rows: list[Any]

    def __len__(self) -> int:
        return len(self.rows)


def table(rows: Iterable[Row]) -> Table:
    """Return the header and the numbered rows of a file; raise FileError."""
    found = Table([], [])
    for line, cells in rows:
        if not found.header:
            found.header = cells
        elif len(found) == IMPORT_LIMIT:
            raise FileError(f"has more than {IMPORT_LIMIT} rows: import them in several files.")
        else:
            found.rows.append((line, cells))
    if not found.header:
        raise FileError("is empty.")
    return found


class CSVFormat(CSV):
    def create_dataset(self, content: bytes) -> Table:
        return table(csv_rows(BytesIO(content)))

    def export_data(self, exported: Table, **kwargs: Any) -> str:
        file = StringIO()
        writer = csv.writer(file)
        writer.writerow(exported.header)
        for row in exported.rows:
            writer.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in row])
        return file.getvalue()


class XLSXFormat(XLSX):
    def create_dataset(self, content: bytes) -> Table:
        return table(xlsx_rows(content))

    def export_data(self, exported: Table, **kwargs: Any) -> bytes:
        # Imported here because it loads slowly.
        from openpyxl import Workbook

        book, file = Workbook(write_only=True), BytesIO()
        sheet = book.create_sheet("Export")
        sheet.append(exported.header)
        for row in exported.rows:
            sheet.append([xlsx_cell(sheet, cell) if isinstance(cell, str) else cell for cell in row])
        book.save(file)
        return file.getvalue()


def xlsx_cell(sheet: Any, text: str) -> Any:
    """Return text as a cell of an XLSX; like Excel's apostrophe, mark what looks like a formula as text."""
    from openpyxl.cell import WriteOnlyCell

    text = ILLEGAL_IN_XML.sub("\ufffd", text)
    if not re.match(FORMULA, text):
        return text
    # Text that starts with an apostrophe gets another one, which `plain` removes.
    cell = WriteOnlyCell(sheet, escaped(text) if text.startswith("'") else text)
    cell.data_type, cell.quotePrefix = "s", True
    return cell

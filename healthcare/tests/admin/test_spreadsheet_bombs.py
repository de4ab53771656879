"""Small XLSX files that would take much memory or time to read."""

import struct
import tracemalloc
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile
from zlib import crc32

import pytest

from healthcare.tables import FileError, xlsx_rows
from healthcare.tests.admin.files import as_xlsx

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET, STYLES, STRINGS = "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/theme/theme1.xml"
TOO_MUCH, UNREADABLE = "is too large", "is not a readable XLSX file"


def packed(part, content, compression=ZIP_DEFLATED, book=None):
    """Return an XLSX (`book`, or one with a single cell) with `part` replaced."""
    file = BytesIO()
    with ZipFile(BytesIO(book or as_xlsx(["name"]))) as source, ZipFile(file, "w", compression) as archive:
        for name in source.namelist():
            archive.writestr(name, content if name == part else source.read(name))
    return file.getvalue()


def sheet(rows, before=""):
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def cell(reference, text):
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def lie(part, content, size):
    """Return an XLSX whose `part` declares an unpacked size of `size` bytes."""
    archive, content = packed(part, content), content.encode()
    for truth, said in ((len(content), size), (crc32(content), crc32(content[:size]))):
        archive = archive.replace(struct.pack("<L", truth), struct.pack("<L", said))
    return archive


NAME = f"<row>{cell('A1', 'name')}</row>"
HUGE = sheet(cell("A1", "x" * 11_000_000))
LONG = f'<sst xmlns="{MAIN}"><si><t>{"x" * 1_000_000}</t></si></sst>'
REFERENCES = "<row>" + '<c t="s"><v>0</v></c>' * 11 + "</row>"
SHARED = packed(STRINGS, LONG, book=packed(SHEET, sheet(REFERENCES)))
# openpyxl's theme file is reused for the shared strings.
TYPES = ZipFile(BytesIO(SHARED)).read("[Content_Types].xml").decode()
TYPES = TYPES.replace("officedocument.theme+xml", "officedocument.spreadsheetml.sharedStrings+xml")
ENTITY = sheet(f"<row>{cell('A1', '&x;')}</row>", f'<!DOCTYPE x [<!ENTITY x "{"x" * 1000}">]>')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(SHEET, HUGE), TOO_MUCH),
        (lie(SHEET, HUGE, 1000), UNREADABLE),
        (lie(STYLES, f"<styleSheet>{' ' * 11_000_000}</styleSheet>", 1000), UNREADABLE),
        (packed(SHEET, sheet(f"<row>{'<c/>' * 300_000}</row>")), TOO_MUCH),
        (packed(STYLES, f'<styleSheet xmlns="{MAIN}"><cellXfs>{"<xf/>" * 300_000}</cellXfs></styleSheet>'), TOO_MUCH),
        (packed("[Content_Types].xml", TYPES, book=SHARED), TOO_MUCH),
        (packed(SHEET, ENTITY), UNREADABLE),
        (packed(SHEET, sheet(NAME), ZIP_BZIP2), UNREADABLE),
    ],
    ids=["text", "lie", "lie of styles", "cells", "styles", "text shared", "entity", "bzip2"],
)
def test_a_file_that_unpacks_to_too_much_is_refused(content, message):
    tracemalloc.start()

    with pytest.raises(FileError, match=message):
        list(xlsx_rows(content))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(content) < 50_000
    assert peak < 10_000_000


def test_a_cell_at_the_end_of_a_sheet_takes_little_memory():
    rows = (
        f'{NAME}<row r="1000000">{cell("XFD1000000", "x")}</row><row r="99999999999">{cell("A99999999999", "x")}</row>'
    )

    assert list(xlsx_rows(packed(SHEET, sheet(rows)))) == [(1, ["name"])]


def test_cells_that_are_only_formatted_are_no_rows():
    rows = f'{NAME}<row r="900">{cell("A900", "Ann")}{cell("B900", " ")}</row><row r="1500"><c r="A1500" s="1"/></row>'

    assert list(xlsx_rows(packed(SHEET, sheet(rows)))) == [(1, ["name"]), (900, ["Ann"])]

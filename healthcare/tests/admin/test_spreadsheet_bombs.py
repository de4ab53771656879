"""Small XLSX files that would take much memory or time to read."""

import re
import struct
import subprocess
import sys
import time
import tracemalloc
from datetime import date
from io import BytesIO
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile
from zlib import crc32

import pytest
from openpyxl import Workbook

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


def attributes(number, prefix=""):
    return "".join(f' {prefix}a{i}=""' for i in range(number))


NAME = f"<row>{cell('A1', 'name')}</row>"
HUGE = sheet(cell("A1", "x" * 11_000_000))
LONG = f'<sst xmlns="{MAIN}"><si><t>{"x" * 1_000_000}</t></si></sst>'
REFERENCES = "<row>" + '<c t="s"><v>0</v></c>' * 11 + "</row>"
SHARED = packed(STRINGS, LONG, book=packed(SHEET, sheet(REFERENCES)))
# openpyxl's theme file is reused for the shared strings.
TYPES = ZipFile(BytesIO(SHARED)).read("[Content_Types].xml").decode()
TYPES = TYPES.replace("officedocument.theme+xml", "officedocument.spreadsheetml.sharedStrings+xml")
ENTITY = sheet(f"<row>{cell('A1', '&x;')}</row>", f'<!DOCTYPE x [<!ENTITY x "{"x" * 1000}">]>')

# Each tag would have 1000 attributes by default.
DEFAULTS = "<!DOCTYPE x [<!ATTLIST c" + "".join(f" a{i} CDATA ''" for i in range(1000)) + ">]>"
# It would be repeated in the name of each tag and attribute.
LONG_NAMESPACE = '"' + "x" * 1_000_000
DIFFERENT_TAGS = "".join(f"<c{i}/>" for i in range(1000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(SHEET, HUGE), TOO_MUCH),
        (lie(SHEET, HUGE, 1000), UNREADABLE),
        (lie(STYLES, f"<styleSheet>{' ' * 11_000_000}</styleSheet>", 1000), UNREADABLE),
        (packed(SHEET, sheet(f"<row>{'<c/>' * 300_000}</row>")), TOO_MUCH),
        (packed(STYLES, f'<styleSheet xmlns="{MAIN}"><cellXfs>{"<xf/>" * 300_000}</cellXfs></styleSheet>'), TOO_MUCH),
        (packed("[Content_Types].xml", TYPES, book=SHARED), TOO_MUCH),
        (packed(SHEET, sheet("<row>" + f"<c{attributes(100)}/>" * 3001 + "</row>")), TOO_MUCH),
        (packed(SHEET, sheet(NAME + "<row><c/></row>" * 10_000, DEFAULTS)), UNREADABLE),
        (packed(SHEET, sheet(NAME + "<row><c/></row>" * 10_000, DEFAULTS).encode("utf-16")), UNREADABLE),
        (
            packed(SHEET, sheet(f"<row><c xmlns:a={quoteattr(LONG_NAMESPACE)}{attributes(1000, 'a:')}/></row>")),
            UNREADABLE,
        ),
        (packed(SHEET, sheet(f"<row xmlns{' ' * 999}={quoteattr(LONG_NAMESPACE)}>{DIFFERENT_TAGS}</row>")), UNREADABLE),
        (packed(SHEET, ENTITY), UNREADABLE),
        (packed(SHEET, sheet(NAME), ZIP_BZIP2), UNREADABLE),
    ],
    ids=[
        "text",
        "lie",
        "lie of styles",
        "cells",
        "styles",
        "text shared",
        "attributes",
        "defaults",
        "defaults in UTF-16",
        "names of attributes",
        "names of tags",
        "entity",
        "bzip2",
    ],
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


def replaced(part, old, new):
    """Return an XLSX with a date, a custom format and a print area, with `old` replaced in `part`."""
    book, file = Workbook(), BytesIO()
    book.active.append(["name", date(2020, 1, 2), 0.5])
    book.active["C1"].number_format = "[h]:mm;@"
    book.active.print_area, book.active.print_title_rows = "A1:B2", "1:2"
    book.save(file)
    content = ZipFile(BytesIO(file.getvalue())).read(part).decode()
    assert re.search(old, content)
    return packed(part, re.sub(old, lambda match: new, content, count=1), book=file.getvalue())


ROWS = [(1, ["name", "2020-01-02T00:00:00", "12:00:00"])]
BOOK, LONG_TEXTS = "xl/workbook.xml", ["[", "'", "$A$1,", "A1 ", "&quot;"]
AFTER = "</sheetData>"


@pytest.mark.parametrize("text", LONG_TEXTS)
@pytest.mark.parametrize(
    ("part", "old", "new", "expected"),
    [
        (BOOK, r"(?<=Print_Area\" localSheetId=\"0\">)[^<]*", "{}", ROWS),
        (BOOK, r"(?<=Print_Titles\" localSheetId=\"0\">)[^<]*", "{}", ROWS),
        (SHEET, AFTER, AFTER + "<headerFooter><oddHeader>{}</oddHeader></headerFooter>", ROWS),
        (SHEET, AFTER, AFTER + '<conditionalFormatting sqref="{}"/>', ROWS),
        (SHEET, AFTER, AFTER + '<dataValidations><dataValidation sqref="{}"/></dataValidations>', ROWS),
        (SHEET, "<sheetData>", '<dimension ref="{}"/><sheetData>', ROWS),
        (STYLES, r"(?<=formatCode=\")[^\"]*", "{}", TOO_MUCH),
        (SHEET, AFTER, '<row r="2"><c r="A2" t="d"><v>{}</v></c></row>' + AFTER, UNREADABLE),
        (SHEET, AFTER, '<row r="2"><c r="{}"><v>1</v></c></row>' + AFTER, UNREADABLE),
        (SHEET, AFTER, '<row r="2"><c><v>{}</v></c></row>' + AFTER, UNREADABLE),
    ],
)
def test_a_long_text_is_read_or_refused_quickly(part, old, new, expected, text):
    content = replaced(part, old, new.format(text * (1_000_000 // len(text))))
    started = time.process_time()

    if isinstance(expected, str):
        with pytest.raises(FileError, match=expected):
            list(xlsx_rows(content))
    else:
        assert list(xlsx_rows(content)) == expected

    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        (STYLES, "<fonts ", "<dxfs>" + "<dxf/>" * 280_000 + "</dxfs><fonts ", None),
        (BOOK, "</definedNames>", '<definedName name="n">A1</definedName>' * 140_000 + "</definedNames>", None),
        (STYLES, "</numFmts>", f'<numFmt numFmtId="9" formatCode="{"[" * 255}"/>' * 2000 + "</numFmts>", TOO_MUCH),
    ],
    ids=["styles", "names", "formats"],
)
def test_many_styles_and_names_are_read_or_refused_quickly(part, old, new, message):
    content = replaced(part, old, new)
    started = time.process_time()

    if message:
        with pytest.raises(FileError, match=message):
            list(xlsx_rows(content))
    else:
        assert list(xlsx_rows(content)) == ROWS

    assert time.process_time() - started < 10


def test_the_text_of_a_file_is_not_printed():
    """Warnings are printed outside the log, so run in a process of its own, without pytest's filters."""
    code = "import sys; from healthcare.tables import xlsx_rows; print(list(xlsx_rows(sys.stdin.buffer.read())))"
    canary = replaced(BOOK, r"(?<=Print_Area\" localSheetId=\"0\">)[^<]*", "Jane_Canary_5550009999")
    late = replaced(SHEET, r'(<c r="B1"[^>]*>)(<v>|<v />)[^<]*', '<c r="B1" s="1"><v>5550009999')

    for content in (canary, late):
        run = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)  # noqa: S603
        assert run.stderr == b""
        assert b"name" in run.stdout

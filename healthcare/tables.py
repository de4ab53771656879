"""Read the rows of a CSV or XLSX file as text, in bounded memory and time; used by every import.

Also adds and removes the apostrophe that protects exported cells from being evaluated as formulas.
"""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from datetime import date, time
from io import BytesIO, TextIOWrapper
from itertools import chain, islice
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

# Text that a spreadsheet may evaluate as a formula (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA = "'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# All parts of an XLSX together: uncompressed bytes, tags and attributes. Each tag and attribute becomes at least one
# temporary object.
UNPACKED_LIMIT, TAG_LIMIT, ATTRIBUTE_LIMIT = 10_000_000, 300_000, 300_000
# Parsers repeat a namespace in every name, and default values of attributes in every tag; XLSX has neither a long
# namespace nor a document type.
AMPLIFIED = re.compile(rb"""<!DOCTYPE|xmlns(?![^"']{0,100}("[^"]{0,200}"|'[^']{0,200}'))""")
TOO_LARGE = "is too large: delete the sheets, columns and formats that are not needed."
# The row limit of spreadsheets, and more columns than any export has.
LAST_ROW, LAST_COLUMN = 2**20, 50
# Blank rows in excess of the others.
BLANK_LIMIT = 10_000
# Characters of one line of a CSV.
LINE_LIMIT = 1_000_000
DELIMITERS = ",;\t"
# Excel uses this line to declare the delimiter.
SEPARATOR_LINE = re.compile(r'"?sep=([^"\s]|\t)"?\s*', re.IGNORECASE)
SAVE_AS = 'In Excel, choose File, Save As and the type "CSV UTF-8 (Comma delimited)".'
# {part of Python's message: message for the user}
CSV_ERRORS = {
    "unexpected end of data": 'a quotation mark (") is opened but never closed',
    "expected after": 'text follows a closing quotation mark ("); write two in a cell',
    "field larger": f"a cell has more than {csv.field_size_limit()} characters",
}
# Line number and cells.
Row = tuple[int, list[str]]


class FileError(Exception):
    """An error in the file as a whole; the message continues a sentence that starts with the file's name."""


def escaped(text: str) -> str:
    """Return `text`, with a leading apostrophe if a spreadsheet would evaluate it; `plain` removes it again."""
    return f"'{text}" if re.match(FORMULA, text) else text


def plain(cell: object) -> str:
    """Return a cell as text: 30.0 as `30`, because spreadsheets do not distinguish the two, and dates in ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, date | time):
        return cell.isoformat()
    text = str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)
    return text[1:] if text[:1] == "'" and re.match(f"'{FORMULA}", text) else text


def csv_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield (line, cells) of every non-blank row, header first, and close the file. Raises FileError.

    The file is UTF-8, or UTF-16 with a byte order mark. The delimiter is a comma, a semicolon or a tab, or the one that
    Excel's `sep=` line declares.
    """
    start = file.read(4)
    file.seek(0)
    if start == ZIP:
        raise FileError("is an XLSX file, not CSV.")
    if start == OLE:
        raise FileError("is an XLS file, not CSV: save it as XLSX or as CSV UTF-8.")
    utf16 = start.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    if b"\0" in start and not utf16:
        raise FileError(f"is not UTF-8. {SAVE_AS}")
    with TextIOWrapper(file, encoding="utf-16" if utf16 else "utf-8-sig", newline="") as text:
        yield from _fitted(_csv_rows(text))


def _csv_rows(text: TextIOWrapper) -> Iterator[Row]:
    line = 1
    try:
        lines, top, skipped = _lines(text), [], 0
        for header in islice(lines, BLANK_LIMIT + 1):
            top.append(header)
            if header.strip():
                break
        separator = SEPARATOR_LINE.fullmatch(top[-1]) if top else None
        if separator:
            top, skipped = [], len(top)
            delimiter = separator[1]
        else:
            delimiter = max(DELIMITERS, key=top[-1].count) if top else ","
        # Strict, because an unclosed quotation mark would otherwise merge the following rows into one cell.
        reader = csv.reader(chain(top, lines), delimiter=delimiter, strict=True)
        line += skipped
        for cells in reader:
            yield line, [plain(cell) if cell[:1] == "'" else cell for cell in cells]
            line = reader.line_num + skipped + 1
    except UnicodeError:
        raise FileError(f"is not UTF-8. {SAVE_AS}") from None
    except csv.Error as error:
        reason = next((message for part, message in CSV_ERRORS.items() if part in str(error)), error)
        raise FileError(f"is not valid CSV at line {line}: {reason}.") from None


def _lines(text: TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT:
            raise FileError(f"has a line of {LINE_LIMIT:,} characters or more.")
        yield line


def _fitted(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the non-blank rows, without blank cells beyond the last column of the header; pad short rows."""
    width = blank = 0
    for line, cells in rows:
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if not any(cell.strip() for cell in cells):
            blank += 1
            if blank > BLANK_LIMIT:
                raise FileError(f"has more than {BLANK_LIMIT:,} blank rows: delete them.")
            continue
        blank -= 1
        if not width:
            width = len(cells)
            if width > LAST_COLUMN:
                raise FileError(f"has more than {LAST_COLUMN} columns.")
        yield line, cells + [""] * (width - len(cells))


def xlsx_rows(content: bytes) -> Iterator[Row]:
    """Yield (row, cells) of every non-blank row of the active sheet, header first. Raises FileError."""
    if not content.startswith(ZIP):
        raise FileError("is not XLSX: CSV, XLS and password-protected files are not accepted, whatever their name.")
    yield from _fitted(_xlsx_rows(content))


def _xlsx_rows(content: bytes) -> Iterator[Row]:
    # Imported here because it loads slowly.
    from healthcare import xlsx

    size = 0
    try:
        for number, cells in xlsx.rows(_unpacked(content), LAST_ROW, LAST_COLUMN + 1):
            if cells.count(None) == len(cells):
                continue
            # Many cells may refer to one long text.
            size += sum(len(cell) for cell in cells if isinstance(cell, str))
            if size > UNPACKED_LIMIT:
                raise FileError(TOO_LARGE)
            yield number, [plain(cell) for cell in cells]
    except FileError:
        raise
    # openpyxl may raise any exception for a damaged file.
    except Exception:
        raise FileError("is not a readable XLSX file.") from None


def _unpacked(content: bytes) -> BytesIO:
    """Return the XLSX with uncompressed parts; raise FileError if they are too large, or would be once parsed."""
    unpacked, tags, attributes = BytesIO(), 0, 0
    with ZipFile(BytesIO(content)) as source, ZipFile(unpacked, "w") as target:
        parts = source.infolist()
        # XLSX uses no other compression methods, and Python decompresses those in one unbounded step.
        if any(part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for part in parts):
            raise FileError("is not a readable XLSX file.")
        if sum(part.file_size for part in parts) > UNPACKED_LIMIT:
            raise FileError(TOO_LARGE)
        for part in parts:
            with source.open(part) as file:
                # With the declared size: `read()` would decompress a part with a false size before cutting it.
                data = file.read(part.file_size)
            tags += data.count(b"<")
            attributes += data.count(b"=")
            # Without the zeros of UTF-16.
            if AMPLIFIED.search(data.replace(b"\0", b"")):
                raise FileError("is not a readable XLSX file.")
            target.writestr(part.filename, data)
    if tags > TAG_LIMIT or attributes > ATTRIBUTE_LIMIT:
        raise FileError(TOO_LARGE)
    return unpacked

"""Read the rows of a CSV or an XLSX as text: the reader of every import, in bounded memory and time.

It also knows the apostrophe that an exported CSV has before what a spreadsheet would calculate.
"""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from datetime import date, time
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

# What a spreadsheet takes for the beginning of a formula (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA = "'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# The parts of an XLSX together: bytes once unpacked, and tags, each of which is a Python object or more for a while.
UNPACKED_LIMIT, TAG_LIMIT = 10_000_000, 300_000
TOO_MUCH = "holds too much: delete the sheets, columns and formats that are not needed."
# As many rows as a spreadsheet can have; as many columns as no export comes near.
LAST_ROW, LAST_COLUMN = 2**20, 50
# Characters of one line of a CSV.
LINE_LIMIT = 1_000_000
DELIMITERS = ",;\t"
# Excel writes and reads this line to name the delimiter.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
SAVE_AS = 'In Excel, choose File, Save As and the type "CSV UTF-8 (Comma delimited)".'
# Python's words for what is wrong with a CSV, and ours.
CSV_FAULTS = {
    "unexpected end of data": 'a quotation mark (") is opened there and never closed',
    "expected after": 'more follows a closing quotation mark ("); in a cell it is written twice',
    "field larger": f"a cell has more than {csv.field_size_limit()} characters",
}
# Its number in the file, and its cells.
Row = tuple[int, list[str]]


class FileError(Exception):
    """What is wrong with a file as a whole; the message continues a sentence that begins with the file's name."""


def escaped(text: str) -> str:
    """Return `text` with an apostrophe before what a spreadsheet would calculate; `plain` removes it again."""
    return f"'{text}" if re.match(FORMULA, text) else text


def plain(cell: object) -> str:
    """Return a cell as text: 30 and 30.0, which are the same to a spreadsheet, as `30`; dates as in ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, date | time):
        return cell.isoformat()
    text = str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)
    return text[1:] if text[:1] == "'" and re.match(f"'{FORMULA}", text) else text


def csv_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield (line, cells) of every row that is not blank, header first, and close the file; raise FileError.

    The file is UTF-8, or UTF-16 with a byte order mark; the delimiter is a comma, a semicolon or a tab, or what Excel's
    line `sep=` says.
    """
    start = file.read(4)
    file.seek(0)
    if start == ZIP:
        raise FileError("is an XLSX, not a CSV.")
    if start == OLE:
        raise FileError("is an XLS, not a CSV: save it as XLSX, or as CSV UTF-8.")
    utf16 = start.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    if b"\0" in start and not utf16:
        raise FileError(f"is not UTF-8. {SAVE_AS}")
    with TextIOWrapper(file, encoding="utf-16" if utf16 else "utf-8-sig", newline="") as text:
        yield from _fitted(_csv_rows(text))


def _csv_rows(text: TextIOWrapper) -> Iterator[Row]:
    line = 1
    try:
        lines, top, skipped = _lines(text), [], 0
        for header in lines:
            top.append(header)
            if header.strip():
                break
        separator = SEPARATOR_LINE.fullmatch(top[-1]) if top else None
        if separator:
            top, skipped = [], len(top)
            delimiter = separator[1]
        else:
            delimiter = max(DELIMITERS, key=top[-1].count) if top else ","
        # Strict, or a quotation mark that is never closed would swallow the rows below.
        reader = csv.reader(chain(top, lines), delimiter=delimiter, strict=True)
        line += skipped
        for cells in reader:
            yield line, [plain(cell) if cell[:1] == "'" else cell for cell in cells]
            line = reader.line_num + skipped + 1
    except UnicodeError:
        raise FileError(f"is not UTF-8. {SAVE_AS}") from None
    except csv.Error as error:
        reason = next((words for part, words in CSV_FAULTS.items() if part in str(error)), error)
        raise FileError(f"is no CSV at line {line}: {reason}.") from None


def _lines(text: TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT:
            raise FileError(f"has a line of {LINE_LIMIT:,} characters or more.")
        yield line


def _fitted(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows that are not blank, without blank cells beyond the header's last column; pad short rows."""
    width = 0
    for line, cells in rows:
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if not width:
            width = len(cells)
            if width > LAST_COLUMN:
                raise FileError(f"has more than {LAST_COLUMN} columns.")
        elif not any(cell.strip() for cell in cells):
            continue
        if cells:
            yield line, cells + [""] * (width - len(cells))


def xlsx_rows(content: bytes) -> Iterator[Row]:
    """Yield (row, cells) of every row of the active sheet that is not blank, header first; raise FileError."""
    if not content.startswith(ZIP):
        raise FileError("is no XLSX; a CSV, an XLS or a file with a password is not, whatever its name.")
    yield from _fitted(_xlsx_rows(content))


def _xlsx_rows(content: bytes) -> Iterator[Row]:
    # Imported here, as it takes long.
    from openpyxl import load_workbook

    size = 0
    try:
        book = load_workbook(_unpacked(content), read_only=True, data_only=True, keep_links=False)
        rows = book.active.iter_rows(max_row=LAST_ROW, max_col=LAST_COLUMN + 1, values_only=True)
        for number, cells in enumerate(rows, 1):
            # Most of a sheet's rows are missing cells before one that somebody formatted.
            if cells.count(None) == len(cells):
                continue
            # Many cells may refer to one long text.
            size += sum(len(cell) for cell in cells if isinstance(cell, str))
            if size > UNPACKED_LIMIT:
                raise FileError(TOO_MUCH)
            yield number, [plain(cell) for cell in cells]
    except FileError:
        raise
    # Of damaged files openpyxl raises whatever it comes across.
    except Exception:
        raise FileError("is no XLSX that can be read.") from None


def _unpacked(content: bytes) -> BytesIO:
    """Return an XLSX of the same parts, no longer compressed; raise FileError if they are too large."""
    unpacked, tags = BytesIO(), 0
    with ZipFile(BytesIO(content)) as source, ZipFile(unpacked, "w") as target:
        parts = source.infolist()
        # Other methods are not XLSX's, and unpack everything in one step.
        if any(part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for part in parts):
            raise FileError("is no XLSX that can be read.")
        if sum(part.file_size for part in parts) > UNPACKED_LIMIT:
            raise FileError(TOO_MUCH)
        for part in parts:
            with source.open(part) as file:
                # No more than it says it has: read as a whole, a part that lies would be unpacked first and cut then.
                data = file.read(part.file_size)
            tags += data.count(b"<")
            target.writestr(part.filename, data)
    if tags > TAG_LIMIT:
        raise FileError(TOO_MUCH)
    return unpacked

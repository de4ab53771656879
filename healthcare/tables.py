"""Read the rows of a CSV or an XLSX as text: the one reader of every import, in bounded memory and time.

It also knows the apostrophe that an export puts before what a spreadsheet would calculate.
"""

import csv
import re
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

# What a spreadsheet takes for the beginning of a formula (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA = "'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
ZIP = b"PK\x03\x04"
# The parts of an XLSX together: bytes once unpacked, and tags, each of which is a Python object or more for a while.
UNPACKED_LIMIT, TAG_LIMIT = 10_000_000, 300_000
TOO_MUCH = "holds too much: delete the sheets, columns and formats that are not needed."
# As many rows as a spreadsheet can have, so that none is lost; what stands further to the right belongs to no column.
LAST_ROW, LAST_COLUMN = 2**20, 50
# Python's words for what is wrong with a CSV, and ours.
CSV_FAULTS = {
    "unexpected end of data": 'a quotation mark (") is opened there and never closed',
    "expected after": 'more follows a closing quotation mark ("); in a cell it is written twice',
    "field larger": f"a cell has more than {csv.field_size_limit()} characters",
}
# Its number in the file, and its cells.
Row = tuple[int, list[str]]


class FileError(Exception):
    """What is wrong with a file as a whole, to be told behind its name."""


def escaped(text: str) -> str:
    """Return `text` with an apostrophe before what a spreadsheet would calculate; `plain` takes it off again."""
    return f"'{text}" if re.match(FORMULA, text) else text


def plain(cell: object) -> str:
    """Return what a cell says as text: 30 and 30.0, which are the same to a spreadsheet, as `30`."""
    if cell is None:
        return ""
    text = str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)
    return text[1:] if re.match(f"'{FORMULA}", text) else text


def csv_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield (line, cells) of every row that is not blank, the header too, and close the file; raise FileError."""
    line = 1
    if file.read(len(ZIP)) == ZIP:
        raise FileError("is an XLSX, not a CSV.")
    file.seek(0)
    try:
        with TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            top = []
            for header in text:
                top.append(header)
                if header.strip():
                    break
            delimiter = ";" if top and header.count(";") > header.count(",") else ","
            # Strict, or a quotation mark that is never closed would swallow the rows below.
            reader = csv.reader(chain(top, text), delimiter=delimiter, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield line, [plain(cell) for cell in cells]
                line = reader.line_num + 1
    except UnicodeDecodeError:
        raise FileError("is not UTF-8: save it as such.") from None
    except csv.Error as error:
        reason = next((words for part, words in CSV_FAULTS.items() if part in str(error)), error)
        raise FileError(f"is no CSV at line {line}: {reason}.") from None


def xlsx_rows(content: bytes) -> Iterator[Row]:
    """Yield (row, cells) of every row of the active sheet that is not blank, the header too; raise FileError."""
    if not content.startswith(ZIP):
        raise FileError("is no XLSX; a CSV, an XLS or a file with a password is not, whatever its name.")
    # Here, as it takes long.
    from openpyxl import load_workbook

    width = size = 0
    try:
        book = load_workbook(_unpacked(content), read_only=True, data_only=True, keep_links=False)
        rows = book.active.iter_rows(max_row=LAST_ROW, max_col=LAST_COLUMN, values_only=True)
        for number, cells in enumerate(rows, 1):
            # Most of a sheet's rows are nothing but missing before a cell that somebody formatted.
            if cells.count(None) == len(cells):
                continue
            # Many cells may refer to one long text.
            size += sum(len(cell) for cell in cells if isinstance(cell, str))
            if size > UNPACKED_LIMIT:
                raise FileError(TOO_MUCH)
            texts = [plain(cell) for cell in cells]
            while texts and not texts[-1].strip():
                texts.pop()
            if texts:
                width = width or len(texts)
                yield number, texts + [""] * (width - len(texts))
    except FileError:
        raise
    # Of damaged files openpyxl raises whatever it stumbles over.
    except Exception:
        raise FileError("is no XLSX that can be read.") from None


def _unpacked(content: bytes) -> BytesIO:
    """Return an XLSX of the same parts, no longer compressed; raise FileError where they are too much."""
    unpacked, tags = BytesIO(), 0
    with ZipFile(BytesIO(content)) as source, ZipFile(unpacked, "w") as target:
        parts = source.infolist()
        # Other methods are not XLSX's, and unpack all at once.
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

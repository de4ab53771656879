"""Read the active sheet of an XLSX with openpyxl's parsers of cells and strings.

openpyxl parses much more, and needs quadratic time for some of it: number formats, print areas, ranges of conditional
formats. Loads slowly.
"""

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element

from openpyxl.packaging.relationship import get_dependents, get_rels_path
from openpyxl.reader.excel import ExcelReader, _find_workbook_part
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900
from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser
from openpyxl.xml.constants import ARC_STYLE, REL_NS, SHEET_MAIN_NS
from openpyxl.xml.functions import fromstring, iterparse

from healthcare.tables import TOO_LARGE, FileError

# Excel has the same limit on characters, and a lower one on formats
# (https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3).
FORMAT_LENGTH, FORMAT_LIMIT = 255, 1000
MAIN = {"": SHEET_MAIN_NS}
# Its warnings quote the file.
warnings.filterwarnings("ignore", module="openpyxl")


class RowParser(WorkSheetParser):
    def parse(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield the number and the cells of each row; ignore what precedes and follows the rows."""
        for _, element in iterparse(self.source):
            if element.tag == ROW_TAG:
                yield self.parse_row(element)
                element.clear()
            elif element.tag == DATA_TAG:
                return


def rows(file: BinaryIO, last_row: int, last_column: int) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number and the values of each row with cells; skip rows that are out of order."""
    reader = ExcelReader(file, read_only=True, data_only=True)
    reader.read_manifest()
    reader.read_strings()
    name = _find_workbook_part(reader.package).PartName[1:]
    book = fromstring(reader.archive.read(name))
    dates, durations = date_styles(reader.archive)
    previous = 0
    with reader.archive.open(active_sheet(reader, name, book)) as source:
        parser = RowParser(
            source,
            reader.shared_strings,
            data_only=True,
            epoch=epoch(book),
            date_formats=dates,
            timedelta_formats=durations,
        )
        for number, cells in parser.parse():
            if number > last_row:
                return
            values = {cell["column"]: cell["value"] for cell in cells if cell["column"] <= last_column}
            if number > previous and values:
                previous = number
                yield number, [values.get(column) for column in range(1, max(values) + 1)]


def epoch(book: Element) -> Any:
    properties = book.find("workbookPr", MAIN)
    uses_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    return CALENDAR_MAC_1904 if uses_1904 else CALENDAR_WINDOWS_1900


def active_sheet(reader: ExcelReader, name: str, book: Element) -> str:
    """Return the path of the active sheet; raise any exception if the workbook (part `name`) is damaged."""
    view = book.find("bookViews/workbookView", MAIN)
    position = int(view.get("activeTab", "0")) if view is not None else 0
    targets = {relation.id: relation.target for relation in get_dependents(reader.archive, get_rels_path(name))}
    parts = set(reader.valid_files)
    paths: Iterator[Any] = (targets.get(sheet.get(f"{{{REL_NS}}}id")) for sheet in book.iterfind("sheets/sheet", MAIN))
    found: str = next(islice((path for path in paths if path in parts), position, None))
    return found


def date_styles(archive: Any) -> tuple[set[int], set[int]]:
    """Return the positions of the cell styles that format numbers as dates or times, and as durations."""
    if ARC_STYLE not in archive.namelist():
        return set(), set()
    styles = fromstring(archive.read(ARC_STYLE))
    codes: dict[Any, str] = {str(number): code for number, code in BUILTIN_FORMATS.items()}
    custom = styles.findall("numFmts/numFmt", MAIN)
    codes |= {element.get("numFmtId"): element.get("formatCode", "") for element in custom}
    if len(custom) > FORMAT_LIMIT or any(len(code) > FORMAT_LENGTH for code in codes.values()):
        raise FileError(TOO_LARGE)
    dates = {number for number, code in codes.items() if is_date_format(code)}
    durations = {number for number, code in codes.items() if is_timedelta_format(code)}
    used = [style.get("numFmtId") for style in styles.iterfind("cellXfs/xf", MAIN)]
    return (
        {position for position, number in enumerate(used) if number in dates},
        {position for position, number in enumerate(used) if number in durations},
    )

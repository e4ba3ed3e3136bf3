"""CSV as people have it: any encoding, comma, semicolon or tab, and rows that are not as wide as the header.

RFC 4180 is what programs mean; spreadsheets write what their country writes. What the columns mean is
left to `mailcrm.core.import_columns`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailcrm.core.charsets import decode_charset
from mailcrm.core.errors import UsageError

#: More than any address book has; 50,000 rows are the most that other programs take.
FILE_BYTES = 100_000_000
ROWS = 500_000
COLUMNS = 1_000

#: How .xlsx and .ods begin, and .xls.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")

#: Which mark stands between cells: what gives the first rows the most cells.
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_CHARACTERS = 200_000

#: How often a row is taken up again after a quotation mark that is not closed where it should be.
_NEW_STARTS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that says nothing to be stored, the line of the file on which it begins, and why."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvRow:
    """The cells of a row, as many as the header has, without blanks around them."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvFile:
    """A header, and a row for each line of the file that is not empty."""

    header: tuple[str, ...]
    rows: tuple[CsvRow | BadRow, ...]


def decode_file(data: bytes) -> str:
    """Return the text of a file that does not say which encoding it is in, its line ends as Python's.

    Raises UsageError for one that is too large.
    """
    if len(data) > FILE_BYTES:
        raise UsageError(
            f"The file is larger than {FILE_BYTES // 1_000_000} MB.", hint="Cut it into several."
        )
    text = decode_charset(data, _utf_16(data))[0]
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _utf_16(data: bytes) -> str | None:
    """Return the label of UTF-16, with its mark or without: half of a table's bytes are then NUL."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    sample = data[:1_000]
    if sample.count(0) * 4 < len(sample) or not sample:
        return None
    return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"


def read_csv(data: bytes) -> CsvFile:
    """Return what a CSV file holds; raises UsageError for one without a header, or beyond the limits."""
    if data.startswith(_WORKBOOKS):
        raise UsageError("This is a workbook, not a table in text.", hint="Save it as CSV, and import that.")
    lines = decode_file(data).split("\n")
    skipped = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    delimiter, skipped = _announced(lines, skipped)
    delimiter = delimiter or _delimiter("\n".join(lines[skipped:])[:_SAMPLE_CHARACTERS])
    header, after = _header(lines, skipped, delimiter)
    rows: list[CsvRow | BadRow] = []
    for row in _rows(lines, after, delimiter, len(header)):
        if len(rows) == ROWS:
            raise UsageError(f"There are more than {ROWS:,} rows.", hint="Cut the file into several.")
        rows.append(row)
    return CsvFile(header=header, rows=tuple(rows))


def _announced(lines: Sequence[str], first: int) -> tuple[str | None, int]:
    """Return the delimiter of a line `sep=;`, which Excel writes and reads, and the line after it."""
    told = lines[first].strip().strip('"').lower() if first < len(lines) else ""
    if told.startswith("sep=") and len(told) == 5:
        return told[4], first + 1
    # The tab of `sep=\t` does not survive the stripping.
    return ("\t", first + 1) if told == "sep=" else (None, first)


def _delimiter(sample: str) -> str:
    def cells(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(sample), delimiter=delimiter)
        try:
            widths = [len(row) for row, _ in zip(reader, range(5), strict=False) if row]
        except csv.Error:
            return 0, 0
        if not widths or widths[0] == 1:
            return 0, 0
        return sum(width == widths[0] for width in widths), widths[0]

    return max(_DELIMITERS, key=cells)


class _Lines(Iterator[str]):
    """Hands lines to the reader, and knows how many it took and whether it wanted more than there are."""

    def __init__(self, lines: Sequence[str], position: int) -> None:
        self.lines = lines
        self.position = position
        self.exhausted = False

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            self.exhausted = True
            raise StopIteration
        self.position += 1
        return self.lines[self.position - 1] + "\n"


def _header(lines: Sequence[str], first: int, delimiter: str) -> tuple[tuple[str, ...], int]:
    """Return what stands in the first row, and the line after it; raises UsageError."""
    feed = _Lines(lines, first)
    try:
        cells = [cell.strip() for cell in next(csv.reader(feed, delimiter=delimiter, strict=True), [])]
    except csv.Error:
        cells = []
    while cells and not cells[-1]:
        cells.pop()
    if not cells or feed.exhausted:
        raise UsageError(
            "There is no header in the first row.", hint="The first row says what is in each column."
        )
    if len(cells) > COLUMNS:
        raise UsageError(
            f"There are more than {COLUMNS} columns.", hint="Leave out those that are not needed."
        )
    return tuple(cells), feed.position


def _rows(lines: Sequence[str], first: int, delimiter: str, width: int) -> Iterator[CsvRow | BadRow]:
    """Yield the rows from a line on; `width` is how many cells each must have."""
    feed = _Lines(lines, first)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    new_starts = _NEW_STARTS
    while True:
        start = feed.position
        reason: str | None = None
        cells: list[str] = []
        try:
            cells = [_unguarded(cell.strip()) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            # Lenient reading would join this row and the next ones to one that looks well.
            reason = "a quotation mark is not in its place, or a cell has more than 131,072 characters"
        if feed.exhausted and feed.position - start:
            reason = "a quotation mark is opened here and never closed"
        elif reason is None:
            reason = _misfit(cells, width)
        if reason is None:
            if any(cells):
                yield CsvRow(line=start + 1, cells=tuple(cells[:width]))
            continue
        yield BadRow(line=start + 1, reason=reason)
        if feed.position - start > 1 and new_starts:
            # What was swallowed by a wrong quotation mark are rows of their own.
            new_starts -= 1
            feed = _Lines(lines, start + 1)
            reader = csv.reader(feed, delimiter=delimiter, strict=True)


def _misfit(cells: list[str], width: int) -> str | None:
    if not any(cells) or (len(cells) >= width and not any(cells[width:])):
        return None
    return f"it has {len(cells)} cells, and the header {width}"


#: What a spreadsheet takes for a formula, unless it is a (telephone) number; apostrophes may stand before it.
_FORMULA = re.compile(r"'*(?:[=@\t]|[+-](?![\d ()./-]*$))")


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as RFC 4180 writes it, with the mark by which Excel knows UTF-8.

    A name that a stranger chose must not become a formula: such a cell begins with an apostrophe, which
    `read_csv` takes away.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([f"'{cell}" if _FORMULA.match(cell) else cell for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig", "replace")


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell

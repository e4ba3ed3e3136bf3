"""How the cells of a table stand beside each other in lines of 80 columns.

A table of data has columns, one that is there for the layout a line for each row where that fits. What
the cells say is read by `mailcrm.core.html`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias
from unicodedata import combining, east_asian_width

COLUMNS = 80

#: More do not fit beside each other.
MOST_COLUMNS = 20
#: After so many, the cells of an email are lines one after the other.
MOST_CELLS = 20_000
_GAP = "  "
#: Longer texts make columns only under headings and at the end of a row, others are paragraphs.
_SHORT_CELL = 40
_LONG_CELL = 200
_NARROWEST = 12

#: A number with its sign, currency or unit, which stands at the right of its column.
_AMOUNT = re.compile(r"[-+(]?(?:[A-Z]{3} ?|[^\w\s]{0,2} ?)\d[\d.,' ]*+(?:[^\W\d_]{1,3}|[^\w\s]{1,2})?\)?")

# Around the address of a link, until the text is whole.
TARGET, TARGET_END = "\x03", "\x04"
_TARGETS = re.compile(f" ?{TARGET}<([^{TARGET_END}]*)>{TARGET_END}")


class Line(NamedTuple):
    """A line: whether a `blank` one is before it, how deep it is quoted, and what it begins with."""

    blank: bool
    depth: int
    lead: str
    text: str


class Cell(NamedTuple):
    """Where a cell begins among the lines, over how many columns it goes, and whether it is a heading."""

    start: int
    span: int
    heading: bool


def set_table(
    lines: list[tuple[bool, int, str, str]], grid: list[list[Cell]], labels: Mapping[str, str]
) -> None:
    """Set the cells of a table beside each other where they fit, as columns if it has some.

    `lines`, each as in `Line`, end with those of the table; `grid` has the cells of each row.
    Targets find no room in columns: they stand below these, each behind the text of its link in `labels`.
    """
    first = next(cell.start for row in grid for cell in row)
    body = [Line(*line) for line in lines[first:]]
    if not body or any(line.lead or line.depth != body[0].depth for line in body):
        return
    starts = [cell.start - first for row in grid for cell in row]
    parts = iter([body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)])
    rows = [[(cell, next(parts)) for cell in row] for row in grid]
    depth = body[0].depth
    room = COLUMNS - (depth + 1 if depth else 0)
    texts = [[(cell, [_TARGETS.sub("", line.text) for line in part]) for cell, part in row] for row in rows]
    if columns := _columns(texts, room):
        blank = body[0].blank
        targets = [target for line in body for target in _TARGETS.findall(line.text)]
        lines[first:] = [(blank and not index, depth, "", text) for index, text in enumerate(columns)]
        lines += [(not index, depth, "", f"{labels[each]} <{each}>") for index, each in enumerate(targets)]
    else:
        lines[first:] = [line for row in rows for line in _beside([part for _, part in row if part], room)]


def _beside(cells: list[list[Line]], room: int) -> list[Line]:
    """Return the lines of a row of a layout: one if they fit and are no paragraphs."""
    if len(cells) > 1 and all(len(cell) == 1 for cell in cells):
        text = _GAP.join(cell[0].text for cell in cells)
        if _width(text) <= room or sum(_width(cell[0].text) for cell in cells[:-1]) <= _SHORT_CELL:
            return [cells[0][0]._replace(text=text)]
    return [line for cell in cells for line in cell]


_Row: TypeAlias = list[tuple[Cell, list[str]]]


def _columns(rows: list[_Row], room: int) -> list[str] | None:
    """Return the lines of a table of data; None for one that only lays out text."""
    rows = [row for row in rows if any(texts for _, texts in row)]
    several = [row for row in rows if len(row) > 1]
    if sum(sum(1 for _, texts in row if texts) > 1 for row in several) < 2:
        return None
    [(count, times)] = Counter(_span(row) for row in several).most_common(1)
    headed = any(cell.heading for row in several for cell, _ in row)
    if (
        times < 2
        or count > MOST_COLUMNS
        or max(map(_span, several)) > count
        or any(
            not _is_short(texts, headed=headed or texts is row[-1][1]) for row in several for _, texts in row
        )
    ):
        return None
    return _aligned(rows, count, room) or _records(several)


def _is_short(texts: list[str], *, headed: bool) -> bool:
    # A letter may carry thousands of accents, which take no room but the time to set them.
    size = sum(max(len(text), _width(text)) for text in texts)
    return len(texts) <= 3 and size <= (_LONG_CELL if headed else _SHORT_CELL)


def _span(row: _Row) -> int:
    return sum(cell.span for cell, _ in row)


def _aligned(rows: list[_Row], count: int, room: int) -> list[str] | None:
    """Return the rows with a column of its own for every one that is not empty; None if they do not fit."""
    widths = [0] * count
    numeric = [True] * count
    for row in rows:
        for column, cell, texts in _placed(row):
            if cell.span == 1 and len(row) > 1 and texts:
                widths[column] = max(widths[column], *map(_width, texts))
                numeric[column] &= row is rows[0] or cell.heading or all(map(_AMOUNT.fullmatch, texts))
    over = _room(widths) - room
    widest = max(widths)
    if over > 0:
        if widest - over < _NARROWEST:
            return None
        widths[widths.index(widest)] -= over
    lines: list[str] = []
    for row in rows:
        if len(row) == 1:
            lines += row[0][1]
            continue
        blocks: list[tuple[int, bool, list[str]]] = []
        for column, cell, texts in _placed(row):
            if width := _room(widths[column : column + cell.span]):
                wrapped = [piece for text in texts for piece in _wrapped(text, width)]
                blocks.append((width, cell.span == 1 and numeric[column], wrapped))
        for index in range(max(len(wrapped) for _, _, wrapped in blocks)):
            parts = (
                _padded(wrapped[index] if index < len(wrapped) else "", width, right=right)
                for width, right, wrapped in blocks
            )
            lines.append(_GAP.join(parts).rstrip())
    return lines


def _room(widths: Sequence[int]) -> int:
    """Return how much room columns take, with the gaps between those that are not empty."""
    return sum(width + len(_GAP) for width in widths if width) - len(_GAP) if any(widths) else 0


def _placed(row: _Row) -> Iterator[tuple[int, Cell, list[str]]]:
    """Yield the cells with the number of their first column."""
    column = 0
    for cell, texts in row:
        yield column, cell, texts
        column += cell.span


def _records(rows: list[_Row]) -> list[str]:
    """Return rows that are too wide for columns: each value behind its heading, or all between bars."""
    names = [" ".join(texts) for _, texts in rows[0]]
    if not all(cell.heading for cell, _ in rows[0]):
        return [" | ".join(" ".join(texts) for _, texts in row if texts) for row in rows]
    lines: list[str] = []
    for row in rows[1:]:
        lines += [""] if lines else []
        for column, _, texts in _placed(row):
            if texts:
                name = names[column] if column < len(names) else ""
                lines.append(f"{name}: {' '.join(texts)}" if name else " ".join(texts))
    return lines


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of Korean, Chinese and Japanese two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else not combining(letter) for letter in text)


def _padded(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield a text in lines of a width, broken between words, and within one that is longer."""
    line, used = "", 0
    for word in text.split():
        letters = _width(word)
        if line and used + 1 + letters <= width:
            line, used = f"{line} {word}", used + 1 + letters
            continue
        if line:
            yield line
        line, used = word, letters
        while used > width:
            cut = next(end for end in range(len(line), 0, -1) if end == 1 or _width(line[:end]) <= width)
            yield line[:cut]
            line = line[cut:]
            used = _width(line)
    if line:
        yield line

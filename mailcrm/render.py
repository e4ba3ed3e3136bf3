"""How results look: tables for a person, tab-separated lines for a pipe, JSON for a program.

Every string that came from a mail or a server passes `visible` before it reaches a terminal; rich is
never given markup. What the results mean is left to the commands, a sync under way to `progress`.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from mailcrm.core.errors import MailcrmError, NeedsChoice, QueryError

if TYPE_CHECKING:  # rich takes its time to import, and --json and a pipe need none of it
    from rich.console import Console

#: Characters that change how a terminal shows what follows, or what it does: C0 and C1 controls, DEL,
#: line and paragraph separators, bidirectional controls (Unicode TR 9), tags, lone surrogates.
_UNSAFE = (
    *range(0x20),
    0x7F,
    *range(0x80, 0xA0),
    0x200E,
    0x200F,
    0x061C,
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xE0000, 0xE0080),
    *range(0xD800, 0xE000),
)
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _UNSAFE}
_ESCAPES_OF_A_LINE = {**_ESCAPES, 0x09: " ", 0x0A: " ", 0x0D: " "}
_ESCAPES_OF_A_TEXT = {**_ESCAPES, 0x09: "    ", 0x0A: "\n", 0x0D: None}


def visible(text: str) -> str:
    """Return `text` as one line in which nothing acts on the terminal."""
    return text.translate(_ESCAPES_OF_A_LINE)


def visible_text(text: str) -> str:
    """Return `text` with its lines, and nothing else that acts on the terminal."""
    return text.translate(_ESCAPES_OF_A_TEXT)


def as_json(result: object, *, indent: int | None = None) -> str:
    """Return a result as JSON in which nothing acts on the terminal; one line without `indent`."""
    # Outside of strings JSON is ASCII, so each of these characters stands in a string.
    return json.dumps(plain(result), ensure_ascii=False, indent=indent).translate(_escapes_of_json())


@cache
def _escapes_of_json() -> Mapping[int, str]:
    """Return the escapes for what json leaves as it is, made only when --json is asked for.

    RFC 8259, section 7: in UTF-16, so above U+FFFF a pair.
    """
    units = {code: chr(code).encode("utf-16-be", "surrogatepass").hex() for code in _UNSAFE if code > 0x7E}
    return {
        code: "".join(f"\\u{unit}" for unit in (text[:4], text[4:]) if unit) for code, text in units.items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table: its heading, how wide it may get, and a style of rich for its cells.

    A terminal with fewer than `room` columns leaves it out, and one below 80 leaves it out when nothing
    stands in it; `piped` leaves it out of any. `most` is its greatest width. A pipe gets all, always.
    """

    heading: str
    style: str = ""
    right: bool = False
    ratio: int | None = None
    room: int = 0
    most: int | None = None
    piped: bool = False


#: Columns of a terminal below which an empty column is left out.
_NARROW = 80

#: Columns of a line that is pointed at; what stands before them fits beside it in 80.
_POINTED = 72

Cell = str | int | datetime | None


class Display:
    """Where results go: standard output for results, standard error for everything else."""

    def __init__(self, *, as_json: bool, quiet: bool, color: bool) -> None:
        """Take what the person asked for; a pipe gets plain text whatever they asked."""
        self.as_json = as_json
        self.quiet = quiet
        self._color = color
        self.terminal = sys.stdout.isatty() and not as_json

    def document(self, result: object) -> None:
        """Write one JSON document."""
        print(as_json(result, indent=2), file=sys.stdout)

    def table(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Cell]],
        *,
        empty: str,
        limit: int | None = None,
    ) -> None:
        """Write rows under headings, or say on standard error that there are none, or more than `limit`."""
        if not rows:
            self.note(empty)
            return
        self._write_table(columns, rows[:limit])
        if limit is not None and len(rows) > limit:
            self.note(f"… more: --limit {min(4 * limit, 10_000)}")

    def _write_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        if not self.terminal:
            for row in rows:
                print("\t".join(_flat(cell) for cell in row), file=sys.stdout)
            return
        from rich.table import Table
        from rich.text import Text

        console = self.console(sys.stdout)
        shown = [
            index
            for index, column in enumerate(columns)
            if console.width >= column.room
            and not column.piped
            and (console.width >= _NARROW or any(row[index] not in (None, "") for row in rows))
        ]
        table = Table(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=_has_ratio(columns)
        )
        for column in (columns[index] for index in shown):
            table.add_column(
                column.heading,
                style=column.style,
                justify="right" if column.right else "left",
                ratio=column.ratio,
                max_width=column.most,
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in rows:
            table.add_row(*(Text(_shown(row[index])) for index in shown))
        console.print(table)

    def fields(self, pairs: Sequence[tuple[str, Cell]]) -> None:
        """Write names and values, one pair a line."""
        known = [(name, value) for name, value in pairs if value not in (None, "")]
        if not self.terminal:
            for name, value in known:
                print(f"{name}\t{_flat(value)}", file=sys.stdout)
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in known:
            grid.add_row(name, Text(_shown(value)))
        self.console(sys.stdout).print(grid)

    def heading(self, text: str) -> None:
        """Write a line that stands out."""
        if self.terminal:
            from rich.text import Text

            self.console(sys.stdout).print(Text(visible(text), style="bold"))
        else:
            print(visible(text), file=sys.stdout)

    def text(self, text: str) -> None:
        """Write lines of a mail as they are, but for what would act on the terminal."""
        if self.terminal:
            from rich.text import Text

            self.console(sys.stdout).print(Text(visible_text(text)))
        else:
            print(visible_text(text), file=sys.stdout)

    def source(self, raw: bytes) -> None:
        """Write the source of an email: to a pipe as it is, with what is no UTF-8 replaced."""
        text = raw.decode("utf-8", "replace")
        if self.terminal:
            # Not through rich, which would break the lines of a source.
            print(visible_text(text), file=sys.stdout)
        else:
            print(text, end="", file=sys.stdout)

    def rule(self) -> None:
        """Set what follows apart: a line across a terminal, an empty line in a pipe."""
        if self.terminal:
            from rich.rule import Rule

            self.console(sys.stdout).print(Rule(style="dim"))
        else:
            print(file=sys.stdout)

    def done(self, sentence: str, result: object) -> None:
        """Say on standard error what was done; with --json, write the result instead."""
        if self.as_json:
            self.document(result)
        else:
            self.note(sentence)

    def note(self, sentence: str) -> None:
        """Say something to the person, unless they want quiet."""
        if not self.quiet:
            self._say(visible_text(sentence))

    def warn(self, sentence: str) -> None:
        """Say to the person that something went wrong, also when they want quiet."""
        self._say(visible(sentence))

    def items(self, rows: Sequence[tuple[str, str]]) -> None:
        """Say a list to the person, each with its mark before it, unless they want quiet."""
        if self.quiet:
            return
        if not sys.stderr.isatty():
            for mark, text in rows:
                self._say(f"{mark} {visible(text)}")
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify="right")
        grid.add_column(overflow="fold")
        for mark, text in rows:
            grid.add_row(Text(mark), Text(visible(text)))
        self.console(sys.stderr).print(grid)

    def instruct(self, sentence: str) -> None:
        """Say to the person what they have to do now, also when they want quiet."""
        self._say(visible(sentence))

    def url(self, url: str) -> None:
        """Write an address to be opened or copied, also when the person wants quiet: never broken in two."""
        print(visible(url), file=sys.stderr)

    def _say(self, text: str) -> None:
        """Write to standard error, at a terminal with line ends between words."""
        if sys.stderr.isatty():
            from rich.text import Text

            self.console(sys.stderr).print(Text(text))
        else:
            print(text, file=sys.stderr)

    def error(self, error: MailcrmError) -> None:
        """Say what went wrong and what to do."""
        if self.as_json:
            told: dict[str, object] = {"code": error.code, "message": str(error), "hint": error.hint}
            if isinstance(error, NeedsChoice):
                told["candidates"] = list(error.candidates)
            if isinstance(error, QueryError):
                told["position"] = error.position
            print(as_json({"error": told}), file=sys.stderr)
            return
        self._say(f"mailcrm: {visible(str(error))}")
        if isinstance(error, NeedsChoice):
            for candidate in error.candidates:
                self._say(f"  {visible(candidate)}")
        if isinstance(error, QueryError):
            for line in pointed(error.text, error.position):
                self._say(f"  {line}")
        if error.hint:
            self._say(f"  {visible(error.hint)}")

    def console(self, file: TextIO) -> "Console":
        """Return what rich writes with, in the colours that were asked for."""
        from rich.console import Console

        no_color = True if not self._color or "NO_COLOR" in os.environ else None
        return Console(file=file, no_color=no_color, highlight=False, markup=False, emoji=False)


def pointed(text: str, position: int) -> tuple[str, str]:
    """Return `text` as one line of at most 72 columns, and one with a caret under the character, from 1."""
    from rich.cells import cell_len

    before, after = visible(text[: position - 1]), visible(text[position - 1 :])
    if cell_len(before) > _POINTED // 2:
        before = before[-_POINTED // 2 :]
        while cell_len(before) >= _POINTED // 2:
            before = before[1:]
        before = f"…{before}"
    place = cell_len(before)
    if place + cell_len(after) > _POINTED:
        after = after[:_POINTED]
        while place + cell_len(after) >= _POINTED:
            after = after[:-1]
        after += "…"
    return before + after, " " * place + "^"


def _has_ratio(columns: Sequence[Column]) -> bool:
    return any(column.ratio is not None for column in columns)


def _shown(cell: Cell) -> str:
    """Return a cell for a person, in local time."""
    match cell:
        case None:
            return ""
        case datetime():
            return when(cell, datetime.now(UTC))
        case _:
            return visible(str(cell))


def _flat(cell: Cell) -> str:
    """Return a cell for a pipe: no tab, no line end, and an instant in ISO 8601."""
    match cell:
        case None:
            return ""
        case datetime():
            return _iso(cell)
        case _:
            return visible(str(cell))


def local_time(moment: datetime) -> str:
    """Return day and minute in local time, sortable: 2026-06-15 14:00."""
    return _local(moment).isoformat(" ", "minutes")[:16]


def _local(moment: datetime) -> datetime:
    """Return an instant in local time; one from a mail may be in a year that has none."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError, OSError):
        return moment


def when(moment: datetime, now: datetime) -> str:
    """Return an instant in local time, as short as it is clear."""
    local, today = _local(moment), now.astimezone()
    if local.date() == today.date():
        return local.strftime("%H:%M")
    if local.year == today.year:
        return f"{local.day:2} {local.strftime('%b')}"
    return local.date().isoformat()


def size(count: int) -> str:
    """Return a number of bytes for a person."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def number(count: int, noun: str) -> str:
    """Return a count with its noun: 1 email, 2 emails."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def plain(value: Any) -> Any:  # noqa: ANN401 (anything that a command returns)
    """Return dataclasses, instants and enums as what JSON has; the keys are the fields' names."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return _iso(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

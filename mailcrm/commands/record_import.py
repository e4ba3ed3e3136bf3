"""`mailcrm contact import` and its like of `org`, `deal` and `lead`: records out of files of other programs.

The groups of these nouns hang the commands in. What a file says is left to `core.imports` and `vcards`, what
becomes of it to `store.imports`.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.csv_files import CsvFile
    from mailcrm.core.import_columns import Column, Kind
    from mailcrm.core.imports import Imported
    from mailcrm.store.imports import ImportPlan


class Decimals(StrEnum):
    """What stands before the cents."""

    POINT = "point"
    COMMA = "comma"


class Dates(StrEnum):
    """Which of day and month comes first in 03/04/2026."""

    DAY = "day-first"
    MONTH = "month-first"


_File = Annotated[Path, typer.Argument(metavar="FILE", help="a CSV file; - for standard input")]
_CardFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="a CSV file or a file of vCards; - for standard input")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and write nothing")]
_ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HEADER=FIELD", help="what a column is, - to leave it out; may be repeated (see --dry-run)"
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
_DecimalsOption = Annotated[Decimals | None, typer.Option(help="what stands before the cents")]
_DatesOption = Annotated[Dates | None, typer.Option(help="how to read 03/04/2026")]


def add_to(app: typer.Typer, noun: Literal["contact", "org", "deal", "lead"]) -> None:
    """Hang `import` into the group of contacts, organizations, deals or leads."""
    command = app.command("import")
    match noun:
        case "contact":
            command(import_contacts)
        case "org":
            command(import_organizations)
        case "deal":
            command(import_deals)
        case "lead":
            command(import_leads)


def import_contacts(
    context: typer.Context,
    file: _CardFile,
    column: _ColumnOption = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Make contacts of the rows of a CSV file, or of vCards; those that are there gain what they lack."""
    _bring(context.obj, "contact", file, column, dry_run=dry_run, yes=yes)


def import_organizations(
    context: typer.Context,
    file: _File,
    column: _ColumnOption = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Make organizations of the rows of a CSV file; those that are there gain domains."""
    _bring(context.obj, "organization", file, column, dry_run=dry_run, yes=yes)


def import_deals(
    context: typer.Context,
    file: _File,
    column: _ColumnOption = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="where deals are that name a stage alone")
    ] = None,
    decimals: _DecimalsOption = None,
    dates: _DatesOption = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Make deals of the rows of a CSV file; those that are there stay as they are."""
    reading = _Reading(decimals=decimals, dates=dates, pipeline=pipeline)
    _bring(context.obj, "deal", file, column, reading, dry_run=dry_run, yes=yes)


def import_leads(
    context: typer.Context,
    file: _File,
    column: _ColumnOption = None,
    decimals: _DecimalsOption = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Make leads of the rows of a CSV file; those that are there stay as they are."""
    _bring(context.obj, "lead", file, column, _Reading(decimals=decimals), dry_run=dry_run, yes=yes)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """What a person says of all rows."""

    decimals: Decimals | None = None
    dates: Dates | None = None
    pipeline: str | None = None


_AS_THE_COLUMNS_SAY = _Reading()


def _bring(
    invocation: Invocation,
    noun: str,
    file: Path,
    said_of_columns: Sequence[str] | None,
    reading: _Reading = _AS_THE_COLUMNS_SAY,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    from mailcrm.commands.answers import agree
    from mailcrm.commands.record import waiting
    from mailcrm.core.import_columns import Kind
    from mailcrm.store.imports import carry_out, plan_import

    display = invocation.display
    kind = Kind(noun)
    columns, said = _read(invocation, kind, _content(file), said_of_columns or (), reading)
    told = ""
    with invocation.open_store() as db:
        plan = plan_import(db, said.records, pipeline=reading.pipeline)
        plan.bad = sorted((*said.bad, *plan.bad), key=lambda row: row.line)
        _show_bad_rows(invocation, plan)
        changes = bool(plan.made or plan.completed)
        if changes and (dry_run or (not yes and invocation.may_ask())):
            display.note(_summary(plan, noun, ("would be made", "would gain something", "would stay")))
        if changes and not dry_run:
            agree(invocation, "Import them?", "An import", yes=yes, hint="See what it would do: --dry-run")
            carry_out(db, plan, at=invocation.now())
            told = waiting(db, plan.contact_ids())
    if display.as_json:
        display.document(_report(plan, noun, columns, dry_run=dry_run))
    elif not changes:
        display.note(_nothing(plan))
    elif not dry_run:
        display.note(_summary(plan, noun, ("made", "completed", "unchanged")) + told)
    if plan.bad:
        raise typer.Exit(1)


def _read(
    invocation: Invocation, kind: "Kind", data: bytes, said_of_columns: Iterable[str], reading: _Reading
) -> "tuple[tuple[Column, ...], Imported]":
    """Return the columns of a file, which are shown, and what its rows say; raises UsageError."""
    from mailcrm.core.csv_files import read_csv
    from mailcrm.core.errors import UsageError
    from mailcrm.core.import_columns import guess_columns
    from mailcrm.core.imports import read_records
    from mailcrm.vcards import is_vcard, read_vcards

    if is_vcard(data):
        if kind != "contact":
            raise UsageError("vCards are contacts.", hint="Run: mailcrm contact import FILE")
        if any(said_of_columns):
            raise UsageError("vCards have no columns.", hint="Leave out --column.")
        return (), read_vcards(data)
    table = read_csv(data)
    columns = guess_columns(kind, table.header, [_pair(text) for text in said_of_columns])
    _show_columns(invocation, table, columns)
    said = read_records(
        kind,
        table,
        columns,
        mark=None if reading.decimals is None else {"point": ".", "comma": ","}[reading.decimals],
        days_first=None if reading.dates is None else reading.dates is Dates.DAY,
    )
    return columns, said


def _content(file: Path) -> bytes:
    """Return what stands in a file; raises NotFound, FileError."""
    from mailcrm.core.csv_files import FILE_BYTES
    from mailcrm.core.errors import FileError, NotFound

    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(FILE_BYTES + 1)
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise FileError(
            f"{file} cannot be read: {error.strerror}.", hint="Name a file that you may read."
        ) from error


def _pair(text: str) -> tuple[str, str]:
    from mailcrm.core.errors import UsageError

    header, equals, field = text.rpartition("=")
    if not (header and equals and field):
        raise UsageError(
            f"{text!r} does not say what a column is.", hint="Write it like: --column 'Company=organization'"
        )
    return header.strip(), field.strip()


def _show_columns(invocation: Invocation, table: "CsvFile", columns: "Sequence[Column]") -> None:
    """Show at a terminal what was found; a pipe gets the rows that are left out, and nothing else."""
    from mailcrm.core.csv_files import CsvRow
    from mailcrm.render import Column as Shown

    if not invocation.display.terminal or invocation.display.quiet:
        return
    rows = [row for row in table.rows[:1_000] if isinstance(row, CsvRow)]
    invocation.display.table(
        [
            Shown(heading="COLUMN", ratio=2),
            Shown(heading="IS THE", most=20),
            Shown(heading="FOR EXAMPLE", ratio=2),
        ],
        [
            (
                column.header,
                column.field.replace("_", " ") if column.field else "(left out)",
                next((row.cells[column.position] for row in rows if row.cells[column.position]), ""),
            )
            for column in columns
        ],
        empty="",
    )
    invocation.display.text("")


def _show_bad_rows(invocation: Invocation, plan: "ImportPlan") -> None:
    from mailcrm.render import Column, number

    display = invocation.display
    if not plan.bad or display.as_json:
        return
    display.warn(f"{number(len(plan.bad), 'row')} cannot be imported:")
    display.table(
        [Column(heading="LINE", right=True, style="cyan"), Column(heading="WHY", ratio=1)],
        [(row.line, row.reason) for row in plan.bad],
        empty="",
    )


def _summary(plan: "ImportPlan", noun: str, words: tuple[str, str, str]) -> str:
    from mailcrm.render import number

    made, completed, unchanged = words
    told = [f"{number(plan.made, noun)} {made}"]
    told += [f"{plan.completed:,} {completed}"] if plan.completed else []
    told += [f"{plan.unchanged:,} {unchanged}"] if plan.unchanged else []
    told += [f"{number(len(plan.bad), 'row')} left out"] if plan.bad else []
    with_them = ""
    if plan.also_made:
        more = f" and {len(plan.also_made) - 5:,} more" if len(plan.also_made) > 5 else ""
        with_them = f" With them: {', '.join(plan.also_made[:5])}{more}."
    return f"{', '.join(told)}.{with_them}"


def _nothing(plan: "ImportPlan") -> str:
    from mailcrm.render import number

    told = [f"{plan.unchanged:,} there already"] if plan.unchanged else []
    told += [f"{number(len(plan.bad), 'row')} left out"] if plan.bad else []
    return f"There is nothing to import: {', '.join(told) or 'the file has no rows'}."


def _report(
    plan: "ImportPlan", noun: str, columns: "Sequence[Column]", *, dry_run: bool
) -> dict[str, object]:
    return {
        "kind": noun,
        "dry_run": dry_run,
        "columns": [{"header": column.header, "field": column.field} for column in columns],
        "made": plan.made,
        "completed": plan.completed,
        "unchanged": plan.unchanged,
        "also_made": plan.also_made,
        "bad_rows": [{"line": row.line, "reason": row.reason} for row in plan.bad],
    }

"""`mailcrm store`: care of the store."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.render import Display
    from mailcrm.reparsing import Reread

_app = typer.Typer(help="Care of the store.", no_args_is_help=True)


class Format(StrEnum):
    """The files that `store export` writes."""

    MBOX = "mbox"
    JSONL = "jsonl"


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="store")


@_app.command("migrate")
def migrate_store(context: typer.Context) -> None:
    """Bring the store up to date with this version of mailcrm; on PostgreSQL, for its owner."""
    from mailcrm.store.migrate import migrate

    invocation: Invocation = context.obj
    applied = migrate(invocation.config().store)
    invocation.display.done(
        f"Applied {', '.join(applied)}." if applied else "The store is up to date.", {"applied": applied}
    )


@_app.command("reparse")
def reparse_store(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would change, and change nothing")
    ] = False,
) -> None:
    """Read stored emails again after an upgrade, of all accounts that you manage."""
    from mailcrm.core.errors import StoreBusy
    from mailcrm.reparsing import reparse

    invocation: Invocation = context.obj
    display = invocation.display
    with invocation.open_store() as db, closing(reparse(db, dry_run=dry_run)) as states:
        so_far = next(states)
        with _bar(display, "reading again", so_far.ahead) as show:
            for state in states:
                so_far = state
                show(so_far.read)
    display.done(_reread(so_far, dry_run=dry_run), so_far)
    if so_far.threads and not display.as_json:
        display.note(_other_people(so_far.threads))
    for account in so_far.left_out:
        display.warn(f"{account}: {StoreBusy()} {StoreBusy.hint}")
    if so_far.left_out:
        raise typer.Exit(StoreBusy.exit_code)


#: The kinds of `reparsing.KINDS`, as a person counts them.
_KINDS = MappingProxyType(
    {
        "subject": "subject",
        "participants": "participants",
        "date": "date",
        "message_id": "Message-ID",
        "text": "text",
        "attachments": "attachments",
        "forwards": "forwarded emails",
        "invitations": "invitations",
        "deliveries": "delivery reports",
        "notes": "notes",
    }
)


def _reread(so_far: "Reread", *, dry_run: bool) -> str:
    from mailcrm.render import number

    if not so_far.read:
        return "All emails were read by this version." if not so_far.left_out else "No email was read again."
    kinds = [f"{_KINDS[kind]} of {number(count, 'email')}" for kind, count in so_far.changed.items() if count]
    read = f"{number(so_far.read, 'email')} {'would be ' if dry_run else ''}read again"
    return f"{read}: {', '.join(kinds) or 'all'} {'changed' if kinds else 'say the same'}."


def _other_people(threads: Sequence[int]) -> str:
    from mailcrm.render import number

    named = ", ".join(map(str, threads[:20])) + (" …" if len(threads) > 20 else "")
    return (
        f"Other people take part in {number(len(threads), 'conversation')} ({named}), whose links stay "
        "as they were. To link known contacts: mailcrm link auto. To take one away: mailcrm unlink contact."
    )


@_app.command("export")
def export_store(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where the files are put")],
    kind: Annotated[
        Format, typer.Option("--format", help="mbox: every email byte by byte; jsonl: as mailcrm reads it")
    ] = Format.MBOX,
) -> None:
    """Write all emails that you may see into files, one for each account."""
    from mailcrm.exporting import ExportedFile, export_jsonl, export_mbox
    from mailcrm.new_files import Folder
    from mailcrm.render import as_json, number

    invocation: Invocation = context.obj
    display = invocation.display
    files: dict[str, ExportedFile] = {}
    with invocation.open_store() as db, Folder(folder) as opened:
        states = export_mbox(db, opened) if kind is Format.MBOX else export_jsonl(db, opened, as_json)
        with closing(states), _bar(display, "writing", None) as show:
            for file in states:
                files[file.file] = file
                show(sum(one.emails for one in files.values()))
    if display.as_json:
        display.document(list(files.values()))
        return
    for one in files.values():
        display.note(f"{one.file}: {number(one.emails, 'email')}")
        if one.truncated:
            display.warn(f"{one.account}: of {number(one.truncated, 'email')} only the beginning is stored.")
    if not files:
        display.note("There is no email that you may see.")


@contextmanager
def _bar(display: "Display", what: str, total: int | None) -> "Iterator[Callable[[int], None]]":
    """Show at a terminal how many emails are done, while it takes its time; yield what tells it."""
    if display.as_json or display.quiet or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        console=display.console(sys.stderr),
        transient=True,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)

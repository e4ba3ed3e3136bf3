"""How a sync looks while it runs: bars at a terminal, one line for cron, JSON lines for a program.

What the events mean is told in `core.events`; how text is made harmless is left to `render`.
"""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

from mailcrm.core.events import (
    AccountFinished,
    AccountSkipped,
    AccountStarted,
    BatchSaved,
    ChoiceNeeded,
    DeletionsHeld,
    EmailFailed,
    FolderFailed,
    FolderFinished,
    FolderPlanned,
    SyncEvent,
)
from mailcrm.render import Display, as_json, number, plain, size, visible

if TYPE_CHECKING:  # rich takes its time to import, and --json and a pipe need none of it
    from rich.console import Console
    from rich.progress import TaskID


@contextmanager
def following(display: Display) -> "Iterator[SyncDisplay]":
    """Show a sync while it runs: live at a terminal, as JSON lines, or as one line at its end."""
    if display.as_json:
        yield _JsonLines()
    elif sys.stderr.isatty() and not display.quiet:
        with _LiveProgress(display.console(sys.stderr)) as live:
            yield live
    else:
        yield _Summary(quiet=display.quiet)


class SyncDisplay(Protocol):
    """Shows the events of a sync as they come."""

    def show(self, event: SyncEvent) -> None:
        """Take one event."""


class _JsonLines:
    """One JSON object a line, for a program that follows the sync."""

    def show(self, event: SyncEvent) -> None:
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__).lstrip("_")
        print(as_json({"event": name, **plain(event)}), file=sys.stdout, flush=True)


class _Summary:
    """One line for each account, for cron; what went wrong has a line of its own on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._held: set[str] = set()

    def show(self, event: SyncEvent) -> None:
        sentence = trouble(event)
        if isinstance(event, DeletionsHeld):
            self._held.add(event.account)
        if sentence is not None:
            print(visible(sentence), file=sys.stderr)
        elif isinstance(event, AccountFinished) and not self._quiet:
            print(visible(summary(event, held=event.account in self._held)), file=sys.stdout, flush=True)


class _LiveProgress:
    """A bar for each folder that has something to download, and a closing line for each account."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}", markup=False, style="dim"),
            console=console,
            transient=True,
        )
        self._looking = self._progress.add_task("connecting", total=None, told="")
        self._folders: dict[tuple[str, str], _FolderProgress] = {}
        self._held: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: SyncEvent) -> None:
        match event:
            case AccountStarted():
                self._progress.update(self._looking, description=visible(event.account), visible=True)
            case FolderPlanned(downloads=downloads) if downloads:
                self._progress.update(self._looking, visible=False)
                task = self._progress.add_task(
                    visible(event.folder), total=downloads, told=number(downloads, "email")
                )
                self._folders[event.account, event.folder] = _FolderProgress(task=task, total=downloads)
            case BatchSaved():
                folder = self._folders[event.account, event.folder]
                folder.count += event.count
                folder.bytes += event.bytes
                told = f"{folder.count:,} of {number(folder.total, 'email')}, {size(folder.bytes)}"
                self._progress.update(folder.task, completed=folder.count, told=told)
            case AccountFinished():
                told = visible(summary(event, held=event.account in self._held))
                self._console.print(told, style="green" if event.whole else "yellow")
            case _:
                if isinstance(event, DeletionsHeld):
                    self._held.add(event.account)
                sentence = trouble(event)
                if sentence is not None:
                    self._console.print(visible(sentence), style="yellow")


@dataclasses.dataclass(kw_only=True, slots=True)
class _FolderProgress:
    """The bar of one folder, and what has come so far."""

    task: "TaskID"
    total: int
    count: int = 0
    bytes: int = 0


def summary(event: AccountFinished, *, held: bool) -> str:
    """Return the one line that a finished account is worth; `held`: deletions wait for a person's word."""
    parts = [number(event.new, "new email")]
    if event.linked:
        parts.append(f"{number(event.linked, 'thread')} linked")
    if event.failed:
        parts.append(f"{event.failed} failed")
    if event.whole:
        parts.append("complete")
    elif held:
        parts.append("not complete: see mailcrm status, or run mailcrm sync --accept-deletions")
    else:
        parts.append("not complete: see mailcrm status")
    return f"{event.account}: {', '.join(parts)}"


def trouble(event: SyncEvent) -> str | None:
    """Return what a person should know of an event, or None when all is well."""
    match event:
        case EmailFailed():
            return f"{event.account}: {event.folder}: email {event.uid} could not be fetched: {event.error}"
        case FolderFailed():
            return f"{event.account}: {event.folder}: {event.error} {event.hint}".rstrip()
        case DeletionsHeld():
            return (
                f"{event.account}: {event.folder}: {event.vanished} of {event.placed} emails are gone "
                "from the server. Nothing was changed; if that is right, run: mailcrm sync --accept-deletions"
            )
        case FolderFinished(stored_count=stored, server_count=on_server) if stored != on_server:
            return f"{event.account}: {event.folder}: {stored} of {on_server} emails are stored"
        case ChoiceNeeded(deals=(only,)):
            return (
                f"thread {event.thread_id} may belong to the open deal {only}. "
                f"If so: mailcrm link deal {event.thread_id} {only.partition(' ')[0]}"
            )
        case ChoiceNeeded():
            return (
                f"thread {event.thread_id} fits {len(event.deals)} open deals: {', '.join(event.deals)}. "
                f"Choose with: mailcrm link deal {event.thread_id} DEAL"
            )
        case AccountSkipped():
            return f"{event.account}: {event.error} {event.hint}".rstrip()
        case _:
            return None

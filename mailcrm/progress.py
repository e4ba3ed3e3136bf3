"""How a sync looks while it runs: bars at a terminal, one line for cron, JSON lines for a program.

What the events mean is told in `core.events`; how text is made harmless is left to `render`.
"""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

from mailcrm.core.errors import Waiting
from mailcrm.core.events import (
    AccountFinished,
    AccountSkipped,
    AccountStarted,
    BatchSaved,
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
    """A line for each account under way, a bar for each folder that has something to download.

    Both go when the account is done, and a closing line stays.
    """

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
        self._connecting = self._progress.add_task("connecting", total=None, told="")
        self._accounts: dict[str, TaskID] = {}
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
                self._accounts[event.account] = self._progress.add_task(
                    visible(event.account), total=None, told=""
                )
                self._tidy()
            case FolderPlanned(downloads=downloads, ahead=ahead) if downloads or ahead:
                folder = self._bar(event.account, event.folder)
                folder.planned += downloads
                folder.total = folder.planned + ahead
                self._tidy()
            case BatchSaved():
                folder = self._bar(event.account, event.folder)
                folder.count += event.count
                folder.bytes += event.bytes
                self._tidy()
            case AccountFinished():
                told = visible(summary(event, held=event.account in self._held))
                self._console.print(told, style="green" if event.whole else "yellow")
                self._close(event.account)
            case _:
                if isinstance(event, DeletionsHeld):
                    self._held.add(event.account)
                sentence = trouble(event)
                if sentence is not None:
                    self._console.print(visible(sentence), style="yellow")
                if isinstance(event, AccountSkipped):
                    self._close(event.account)

    def _bar(self, account: str, folder: str) -> "_FolderProgress":
        if (account, folder) not in self._folders:
            task = self._progress.add_task(visible(folder), total=None, told="")
            self._folders[account, folder] = _FolderProgress(task=task)
        return self._folders[account, folder]

    def _tidy(self) -> None:
        """Show an account's own line until it has bars, and its name on them when it is not alone."""
        self._progress.update(self._connecting, visible=not self._accounts)
        with_bars = {account for account, _ in self._folders}
        for account, task in self._accounts.items():
            self._progress.update(task, visible=account not in with_bars)
        for (account, name), folder in self._folders.items():
            label = name if len(self._accounts) == 1 else f"{account}: {name}"
            told = number(folder.total, "email")
            if folder.count:
                told = f"{folder.count:,} of {told}, {size(folder.bytes)}"
            self._progress.update(
                folder.task,
                description=visible(label),
                total=folder.total,
                completed=folder.count,
                told=told,
            )

    def _close(self, account: str) -> None:
        """Take away the lines of an account that is done."""
        if account in self._accounts:
            self._progress.remove_task(self._accounts.pop(account))
        for key in [key for key in self._folders if key[0] == account]:
            self._progress.remove_task(self._folders.pop(key).task)
        self._tidy()


@dataclasses.dataclass(kw_only=True, slots=True)
class _FolderProgress:
    """The bar of one folder, and what has come so far."""

    task: "TaskID"
    planned: int = 0
    total: int = 0
    count: int = 0
    bytes: int = 0


def summary(event: AccountFinished, *, held: bool) -> str:
    """Return the one line that a finished account is worth; `held`: deletions wait for a person's word."""
    parts = [number(event.new, "new email")]
    if event.linked:
        parts.append(f"{number(event.linked, 'thread')} linked")
    if event.suggested:
        parts.append(f"{number(event.suggested, 'suggestion')} (mailcrm link suggestions)")
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
        case AccountSkipped():
            return _skipped(event, datetime.now(UTC))
        case _:
            return None


def _skipped(event: AccountSkipped, now: datetime) -> str:
    """Return why an account was not synced to its end, and when it is tried again."""
    told = f"{event.error} {event.hint}".rstrip()
    if event.next_retry_at is None:
        return f"{event.account}: {told}"
    moment = until(event.next_retry_at, now)
    if event.code == Waiting.code:
        return f"{event.account}: waits until {moment}, because: {told}"
    return f"{event.account}: {told} Next try: {moment}."


def until(moment: datetime, now: datetime) -> str:
    """Return an instant that is still to come in local time, with the day when it is not today."""
    local = moment.astimezone()
    clock = local.strftime("%H:%M")
    return (
        clock if local.date() == now.astimezone().date() else f"{local.day} {local.strftime('%b')}, {clock}"
    )

"""`mailcrm status`: is the mail complete, and what to do next."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.render import Cell
    from mailcrm.store.accounts import Turn


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("status")(status)


def status(
    context: typer.Context,
    account: Annotated[str | None, typer.Argument(help="address or number; all when left out")] = None,
) -> None:
    """Compare what is stored with what the server had at the last sync.

    Exit code 1 when they differ, and when an account waits or its password was refused.
    """
    from mailcrm.render import Column, number
    from mailcrm.rounds import daily_bytes
    from mailcrm.store import accounts, block_list, folders

    invocation: Invocation = context.obj
    config, now = invocation.config(), invocation.now()
    with invocation.open_store() as db:
        chosen = [accounts.account(db, account)] if account is not None else accounts.accounts(db)
        found = [
            (
                row,
                accounts.turn(db, row, now.date()),
                folders.folders(db, row),
                folders.failures(db, row),
                block_list.screened_count(db, row),
            )
            for row in chosen
        ]
    wrong = any(
        row.last_error
        or turn.refused
        or turn.next_retry_at
        or failed
        or any(f.selected and (f.last_error or f.server_count != f.stored_count) for f in listed)
        for row, turn, listed, failed, _ in found
    )
    display = invocation.display
    if display.as_json:
        display.document(
            [
                {
                    "account": row,
                    "folders": [f for f in listed if f.selected],
                    "failures": failed,
                    "screened": screened,
                    "refused": turn.refused,
                    "next_retry_at": turn.next_retry_at,
                    "bytes_today": turn.bytes_today,
                    "daily_bytes": daily_bytes(config, row),
                }
                for row, turn, listed, failed, screened in found
            ]
        )
        raise typer.Exit(1 if wrong else 0)
    for row, turn, listed, failed, screened in found:
        display.heading(row.address)
        display.fields(
            [
                ("last sync", row.last_sync_at or "never"),
                ("trouble", row.last_error),
                ("next retry", _next_retry(turn, row.address, now, terminal=display.terminal)),
                ("bytes today", _bytes_today(turn, daily_bytes(config, row))),
            ]
        )
        display.table(
            [
                Column(heading="FOLDER", ratio=3),
                Column(heading="LAST SYNC"),
                Column(heading="ON SERVER", right=True),
                Column(heading="STORED", right=True),
                Column(heading="TROUBLE", ratio=3, style="yellow"),
            ],
            [
                (f.name, f.last_sync_at, f.server_count, f.stored_count, f.last_error)
                for f in listed
                if f.selected
            ],
            empty="Its folders are not known yet. Run: mailcrm sync",
        )
        if screened:
            display.note(
                f"Counted with what is stored: {number(screened, 'email')} screened out. "
                "See: mailcrm block list"
            )
        if any("--accept-deletions" in (f.last_error or "") for f in listed if f.selected):
            display.note(
                f"If it is right that so much is gone: mailcrm sync {row.address} --accept-deletions"
            )
        for failure in failed:
            display.warn(
                f"{failure.folder}: email {failure.uid}, asked for {number(failure.attempts, 'time')}: "
                f"{failure.error}"
            )
    if not found:
        display.note("No account is connected yet. Run: mailcrm connect YOUR-ADDRESS")
    raise typer.Exit(1 if wrong else 0)


def _next_retry(turn: "Turn", address: str, now: datetime, *, terminal: bool) -> "Cell":
    """Return when a round asks the account again, in words for a terminal."""
    from mailcrm.progress import until

    if turn.refused:
        return f"when somebody runs mailcrm account reauth {address}, or mailcrm sync {address}"
    if turn.next_retry_at is None or not terminal:
        return turn.next_retry_at
    return until(turn.next_retry_at, now) if turn.next_retry_at > now else "now"


def _bytes_today(turn: "Turn", allowed: int | None) -> str:
    from mailcrm.render import size

    if not turn.bytes_today:
        return ""
    return size(turn.bytes_today) + (f" of {size(allowed)}" if allowed is not None else "")


def show_next_step(invocation: Invocation) -> None:
    """Say in a line or two where things stand and which command comes next; what `mailcrm` alone does."""
    from mailcrm.render import number
    from mailcrm.store import accounts, threads

    with invocation.open_store() as db:
        found = accounts.accounts(db)
        unlinked = threads.inbox(db, account_id=None, unlinked=True, unread=False, limit=100)
    if not found:
        invocation.display.text("No account is connected yet. Next: mailcrm connect YOUR-ADDRESS")
        return
    never = [row.address for row in found if row.last_sync_at is None]
    invocation.display.text(
        f"{number(len(found), 'account')} connected: {', '.join(row.address for row in found)}"
    )
    if never:
        invocation.display.text("Next: mailcrm sync")
    elif unlinked:
        count = "100 threads or more" if len(unlinked) == 100 else number(len(unlinked), "thread")
        invocation.display.text(f"Without contact or deal: {count}. Next: mailcrm inbox --unlinked")
    else:
        invocation.display.text("Next: mailcrm inbox")

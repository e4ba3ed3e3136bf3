"""`mailcrm sync`: bring new mail in."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Account

if TYPE_CHECKING:
    from mailcrm.config import Config
    from mailcrm.store import Database


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("sync")(sync)


def sync(
    context: typer.Context,
    account: Annotated[list[str] | None, typer.Argument(help="address or number; all when left out")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="move the history start of these accounts")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="look at every folder, also at those that seem unchanged")
    ] = False,
    accept_deletions: Annotated[
        bool, typer.Option("--accept-deletions", help="it is right that most of a folder is gone")
    ] = False,
) -> None:
    """Bring new mail of all accounts that you manage; one that waits is asked only when it is named.

    Exit code 0: done and complete. 1: done, but something is missing; `mailcrm status` says what.
    75: try again later, an account is being synced already, was not reached, or waits after an error.
    77: a password was refused.
    """
    from mailcrm.core.errors import NotFound
    from mailcrm.store import accounts, folders

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        chosen = [accounts.account(db, text) for text in account] if account else accounts.accounts(db)
        chosen = list(dict.fromkeys(chosen))
        if not chosen:
            raise NotFound("No account is connected yet.", hint="Run: mailcrm connect YOUR-ADDRESS")
        if since is not None:
            start = answers.history_start(since, invocation.now())
            chosen = [replace(one, history_start=start) for one in chosen]
        if dry_run:
            raise typer.Exit(_show_plans(invocation, db, chosen, insist=bool(account)))
        for one in chosen if since is not None else []:
            accounts.set_history_start(db, one, one.history_start)
        for one in chosen if full else []:
            folders.forget_marks(db, one)
        raise typer.Exit(
            run_sync(
                invocation,
                db,
                invocation.config(),
                chosen,
                insist=bool(account),
                accept_deletions=accept_deletions,
            )
        )


def run_sync(
    invocation: Invocation,
    db: "Database",
    config: "Config",
    chosen: Sequence[Account],
    *,
    insist: bool,
    accept_deletions: bool,
) -> int:
    """Sync accounts, show what happens, and return the exit code; `insist`: a person named them."""
    from mailcrm.accounts import open_imap
    from mailcrm.core.events import AccountFinished, AccountSkipped
    from mailcrm.progress import following
    from mailcrm.rounds import daily_bytes, sync_accounts

    codes = {0}
    events = sync_accounts(
        db,
        chosen,
        partial(open_imap, config),
        clock=invocation.now,
        size_limit=config.size_limit,
        daily_bytes=partial(daily_bytes, config),
        insist=insist,
        accept_deletions=accept_deletions,
        open_store=invocation.open_store,
        parallel=config.sync.parallel,
    )
    # Closed at Ctrl-C, too: every account ends between two events before the program does.
    with following(invocation.display) as display, closing(events):
        for event in events:
            display.show(event)
            match event:
                case AccountFinished(whole=False):
                    codes.add(1)
                case AccountSkipped(exit_code=code):
                    codes.add(code)
                case _:
                    pass
    return max(codes)


def _show_plans(invocation: Invocation, db: "Database", chosen: Sequence[Account], *, insist: bool) -> int:
    """Show what a sync of each account would do; one that fails does not stop the next, as in a sync."""
    from mailcrm.accounts import open_imap
    from mailcrm.core.errors import ConfigError, CredentialMissing, MailError
    from mailcrm.core.events import AccountSkipped, FolderPlanned
    from mailcrm.observing import plan_account
    from mailcrm.progress import trouble
    from mailcrm.render import Column, size
    from mailcrm.rounds import held_back, skipped
    from mailcrm.store import accounts

    config = invocation.config()
    plans: list[FolderPlanned] = []
    left_out: list[AccountSkipped] = []
    for account in chosen:
        turn = accounts.turn(db, account, invocation.now().date())
        reason = None if insist else held_back(turn, account, invocation.now())
        if reason is not None:
            left_out.append(skipped(account, reason, turn.next_retry_at))
            continue
        try:
            with open_imap(config, account) as imap:
                plans += list(plan_account(db, imap, account))
        except (MailError, CredentialMissing, ConfigError) as error:
            left_out.append(skipped(account, error))
    code = max([0, *(one.exit_code for one in left_out)])
    if invocation.display.as_json:
        invocation.display.document([*plans, *left_out])
        return code
    for one in left_out:
        invocation.display.warn(trouble(one) or "")
    if left_out and not plans:
        return code
    invocation.display.table(
        [
            Column(heading="ACCOUNT"),
            Column(heading="FOLDER"),
            Column(heading="DOWNLOAD", right=True),
            Column(heading="SIZE", right=True),
            Column(heading="MOVED HERE", right=True),
            Column(heading="GONE", right=True),
        ],
        [(p.account, p.folder, p.downloads, size(p.bytes), p.attached, p.vanished) for p in plans],
        empty="No folder that is known is chosen for the sync.",
    )
    return code

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
    from mailcrm.mail.imap import ImapSession
    from mailcrm.rounds import Events
    from mailcrm.store import Database

#: Seconds after which `--watch` looks at all folders, also of servers that tell nothing.
_EVERY = 300.0


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
    watch: Annotated[
        bool, typer.Option("--watch", help="stay, and sync when the server tells of new mail")
    ] = False,
) -> None:
    """Bring new mail of all accounts that you manage; one that waits is asked only when it is named.

    Exit code 0: done and complete. 1: done, but something is missing; `mailcrm status` says what.
    75: try again later, an account is being synced already, was not reached, or waits after an error.
    77: a password was refused.
    """
    from mailcrm.core.errors import NotFound
    from mailcrm.signing_in import let_renewals_end
    from mailcrm.store import accounts, folders

    invocation: Invocation = context.obj
    let_renewals_end()
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
        config = invocation.config()
        code = run_sync(
            invocation, db, config, chosen, insist=bool(account), accept_deletions=accept_deletions
        )
        if watch:
            _watch(invocation, db, chosen)
        raise typer.Exit(code)


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
    return _follow(
        invocation,
        _round(invocation, db, config, chosen, insist=insist, accept_deletions=accept_deletions),
    )


def _watch(invocation: Invocation, db: "Database", chosen: Sequence[Account]) -> None:
    """Sync whenever there may be something new, and tell only of what there is.

    It goes on for weeks, and by the settings of the moment: a person signs in otherwise meanwhile.
    """
    from mailcrm.core.errors import ConfigError
    from mailcrm.watching import listening

    with listening(chosen, partial(open_anew, invocation), every=_EVERY) as due:
        for accounts in due:
            try:
                config = invocation.config()
            except ConfigError as error:
                # Somebody is writing it, perhaps.
                invocation.display.warn(f"{error}")
                continue
            events = _round(invocation, db, config, accounts, insist=False, accept_deletions=False)
            _follow(invocation, _news(events))


def open_anew(invocation: Invocation, account: Account) -> "ImapSession":
    """Open a session for an account as it is set now; raises NotFound when it was disconnected."""
    from mailcrm.logging_in import open_imap
    from mailcrm.store import accounts

    with invocation.open_store() as db:
        fresh = accounts.account(db, account.address)
    return open_imap(invocation.config(), fresh)


def _round(
    invocation: Invocation,
    db: "Database",
    config: "Config",
    chosen: Sequence[Account],
    *,
    insist: bool,
    accept_deletions: bool,
) -> "Events":
    from mailcrm.logging_in import open_imap
    from mailcrm.rounds import daily_bytes, sync_accounts

    return sync_accounts(
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


def _news(events: "Events") -> "Events":
    """Leave out the end of a sync that brought nothing, and accounts that wait, as they did before."""
    from mailcrm.core.errors import Waiting
    from mailcrm.core.events import AccountFinished, AccountSkipped

    with closing(events):
        for event in events:
            match event:
                case AccountFinished(new=0, linked=0, whole=True) | AccountSkipped(code=Waiting.code):
                    pass
                case _:
                    yield event


def _follow(invocation: Invocation, events: "Events") -> int:
    """Show what happens, and return the exit code."""
    from mailcrm.core.events import AccountFinished, AccountSkipped
    from mailcrm.progress import following

    codes = {0}
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
    from mailcrm.core.errors import ConfigError, CredentialMissing, MailError, StoreBusy
    from mailcrm.core.events import AccountSkipped, FolderPlanned
    from mailcrm.logging_in import open_imap
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
        except (MailError, CredentialMissing, ConfigError, StoreBusy) as error:
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

"""A round: which accounts have their turn now, and how it went.

An account that failed waits longer each time, one whose log-in was refused waits for a person, and
one that downloaded what its provider allows in a day waits for the next. All of it is remembered in
the store, so a round that cron starts knows what the last one met, on this machine or another
(docs/decisions/0018-rounds.md). How one account is synced is left to `syncing`.
"""

import logging
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeAlias

from mailcrm.advising import presets_of
from mailcrm.config import Config
from mailcrm.core.errors import (
    AuthError,
    BudgetSpent,
    ConfigError,
    ConnectError,
    CredentialMissing,
    MailcrmError,
    MailError,
    NotFound,
    SignInNeeded,
    StoreBusy,
    Throttled,
    TokenRefused,
    Waiting,
)
from mailcrm.core.events import AccountSkipped, AccountStarted, BatchSaved, SyncEvent
from mailcrm.core.model import Account
from mailcrm.mail.imap import ImapSession
from mailcrm.store import accounts
from mailcrm.store.database import Database
from mailcrm.syncing import sync_account

logger = logging.getLogger(__name__)

#: The wait after a first failure; each further one in a row doubles it, up to the longest.
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)
#: The longest wait that a server may ask for; Gmail locks an account out for as long.
_LONGEST_ASKED = timedelta(hours=24)
#: Waits get up to this much longer by chance, so that machines that failed together come back apart.
_SPREAD = 0.25

Events: TypeAlias = Generator[SyncEvent, None, None]


def daily_bytes(config: Config, account: Account) -> int | None:
    """Return how much the account may download in a day in UTC, in bytes; None: any number."""
    own = config.account(account.address).daily_bytes
    if own is not None:
        return own or None
    preset = presets_of(config).of_host(account.imap.host)
    return preset.daily_bytes if preset is not None else None


def held_back(turn: accounts.Turn, account: Account, now: datetime) -> MailcrmError | None:
    """Return why the account is not asked now: AuthError or Waiting; None when it has its turn."""
    if turn.refused:
        # The store keeps no more of an error than its words.
        kind, why = (
            (TokenRefused, "because somebody has to see to it")
            if (turn.error or "").startswith(str(TokenRefused()))
            else (AuthError, "because servers lock accounts out")
        )
        return kind(
            f"Not tried again, {why}. {turn.error}",
            hint=f"Sign in anew: mailcrm account reauth {account.address}, "
            f"or try the same again: mailcrm sync {account.address}",
        )
    # Nothing waits longer than this: a later moment is from a clock that was wrong.
    if turn.next_retry_at is not None and now < turn.next_retry_at < now + _LONGEST_ASKED * (1 + _SPREAD):
        return Waiting(turn.error or "", hint=f"To try now: mailcrm sync {account.address}")
    return None


def wait(error: MailError, failures: int, chance: float) -> timedelta:
    """Return how long to leave a server alone after `failures` in a row; `chance` is in [0, 1)."""
    asked = error.retry_after if isinstance(error, Throttled) else None
    first, longest = (_FIRST_WAIT, _LONGEST_WAIT) if asked is None else (asked, _LONGEST_ASKED)
    # Doubled twenty times, a second is longer than the longest.
    doubled = min(first, longest) * (1 << min(failures - 1, 20))
    return min(doubled, longest) * (1 + _SPREAD * chance)


def skipped(account: Account, error: MailcrmError, next_retry_at: datetime | None = None) -> AccountSkipped:
    """Return the event for an account that was not synced to its end."""
    return AccountSkipped(
        account=account.address,
        code=error.code,
        error=str(error),
        hint=error.hint,
        exit_code=error.exit_code,
        next_retry_at=next_retry_at,
    )


def sync_accounts(
    db: Database,
    chosen: Sequence[Account],
    open_imap: Callable[[Account], ImapSession],
    *,
    clock: Callable[[], datetime],
    size_limit: int,
    daily_bytes: Callable[[Account], int | None] = lambda _: None,
    insist: bool = False,
    accept_deletions: bool = False,
    open_store: Callable[[], AbstractContextManager[Database]] | None = None,
    parallel: int = 1,
) -> Events:
    """Sync the accounts whose turn it is; the failure of one is an event and does not stop the others.

    `size_limit` in bytes: of a larger email only the head is stored. `daily_bytes` may be downloaded in
    a day. `insist`: a person named the accounts, so each is asked, also one that waits.
    `accept_deletions`: a person agreed that more than half of a folder may vanish. With `open_store`,
    which opens the store once more, up to `parallel` accounts are synced at the same time. Raises
    StoreError when the store fails.
    """
    terms = _Terms(
        open_imap=open_imap,
        clock=clock,
        size_limit=size_limit,
        daily_bytes=daily_bytes,
        insist=insist,
        accept_deletions=accept_deletions,
        stopping=Event(),
    )
    workers = min(parallel, len(chosen))
    if open_store is None or workers < 2:
        for account in chosen:
            yield from _turn(db, account, terms)
    else:
        yield from _side_by_side(chosen, terms, open_store, workers)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Terms:
    """What holds for all accounts of a round; see `sync_accounts`."""

    open_imap: Callable[[Account], ImapSession]
    clock: Callable[[], datetime]
    size_limit: int
    daily_bytes: Callable[[Account], int | None]
    insist: bool
    accept_deletions: bool
    stopping: Event


def _turn(db: Database, account: Account, terms: _Terms) -> Events:
    """Give an account its turn, if it is its turn and nobody else is at it."""
    try:
        with db.lease(account.id):
            # The one before us may have taken hours, and a person changed the settings meanwhile.
            fresh = accounts.account(db, account.address)
            now = terms.clock()
            turn = accounts.turn(db, fresh, _day(now))
            reason = None if terms.insist else held_back(turn, fresh, now)
            if reason is not None:
                until = turn.next_retry_at if isinstance(reason, Waiting) else None
                yield skipped(account, reason, until)
            else:
                yield from _asked(db, fresh, turn, terms)
    except (StoreBusy, NotFound) as error:
        yield skipped(account, error)


def _asked(db: Database, account: Account, turn: accounts.Turn, terms: _Terms) -> Events:
    """Sync an account and remember what kept it from its end."""
    moved = False
    try:
        for event in _counted(db, account, turn, terms):
            moved = moved or isinstance(event, BatchSaved)
            yield event
    except (CredentialMissing, ConfigError, SignInNeeded) as error:
        # It is this machine that lacks something; another one may have it.
        accounts.record_sync_error(db, account, str(error))
        yield skipped(account, error)
    except AuthError as error:
        accounts.record_refusal(db, account, str(error))
        yield skipped(account, error)
    except MailError as error:
        if terms.stopping.is_set():
            # It is we who ended the connection.
            return
        # A server that let something through is not one that failed again.
        failures = 1 if moved else turn.failures + 1
        # S311: nobody gains by guessing it.
        waits = wait(error, failures, random.random())  # noqa: S311
        # The store keeps whole seconds, and the server was promised no fewer.
        until = (terms.clock() + waits + timedelta(seconds=1)).replace(microsecond=0)
        logger.info("account %d: failure %d in a row", account.id, failures)
        accounts.postpone(db, account, str(error), failures=failures, until=until)
        yield skipped(account, error, until)
    except BudgetSpent as error:
        until = datetime.combine(_day(terms.clock()) + timedelta(days=1), time(), tzinfo=UTC)
        accounts.postpone(db, account, str(error), failures=0, until=until)
        yield skipped(account, error, until)


def _counted(db: Database, account: Account, turn: accounts.Turn, terms: _Terms) -> Events:
    """Sync an account and count what it downloads; raises BudgetSpent where a day's budget ends.

    The batch that reaches the budget is followed by one that was on its way; more are given up, and
    downloaded again another day.
    """
    events = sync_account(
        db,
        partial(terms.open_imap, account),
        account,
        clock=terms.clock,
        size_limit=terms.size_limit,
        accept_deletions=terms.accept_deletions,
    )
    with closing(events):
        for event in events:
            spent = None
            match event:
                case AccountStarted() if turn.refused:
                    accounts.record_log_in(db, account)
                case BatchSaved(bytes=size):
                    today = _day(terms.clock())
                    before = accounts.turn(db, account, today).bytes_today
                    allowed = terms.daily_bytes(account)
                    spent = allowed if allowed is not None and before >= allowed else None
                    accounts.count_download(db, account, today, size)
                case _:
                    pass
            yield event
            if spent is not None:
                raise BudgetSpent(
                    f"The {spent // 1_000_000:,} MB that may be downloaded in a day are spent; "
                    "the sync goes on tomorrow at 00:00 UTC."
                )


def _day(now: datetime) -> date:
    """Return the day in UTC, by which providers are taken to count."""
    return now.astimezone(UTC).date()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """A worker has no more to do, or met an error that ends the round."""

    error: BaseException | None = None


def _side_by_side(
    chosen: Sequence[Account],
    terms: _Terms,
    open_store: Callable[[], AbstractContextManager[Database]],
    workers: int,
) -> Events:
    """Sync so many accounts at the same time, each in a thread with a connection of its own.

    Whatever ends the round early ends all of them between two events.
    """
    waiting: SimpleQueue[Account] = SimpleQueue()
    for account in chosen:
        waiting.put(account)
    told: SimpleQueue[SyncEvent | _Ended] = SimpleQueue()
    sessions: list[ImapSession] = []

    def open_imap(account: Account) -> ImapSession:
        if terms.stopping.is_set():
            # A sync whose connection we ended takes it for a cut one.
            raise ConnectError("The sync was stopped.")
        session = terms.open_imap(account)
        sessions.append(session)
        if terms.stopping.is_set():
            session.abandon()
        return session

    own = replace(terms, open_imap=open_imap)
    # Daemons: a second Ctrl-C waits for nobody, and a sync that is killed loses only what is on its way.
    threads = [
        Thread(target=_work, args=(waiting, told, open_store, own), daemon=True) for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        running = workers
        while running:
            event = told.get()
            if not isinstance(event, _Ended):
                yield event
            elif event.error is not None:
                raise event.error
            else:
                running -= 1
    finally:
        terms.stopping.set()
        # A server may say nothing for a minute.
        for session in sessions:
            session.abandon()
        for thread in threads:
            thread.join()


def _work(
    waiting: "SimpleQueue[Account]",
    told: "SimpleQueue[SyncEvent | _Ended]",
    open_store: Callable[[], AbstractContextManager[Database]],
    terms: _Terms,
) -> None:
    """Give one account after another its turn, until none waits or the round is stopped."""
    ended = _Ended()
    try:
        with open_store() as db:
            while not terms.stopping.is_set():
                with closing(_turn(db, waiting.get_nowait(), terms)) as events:
                    for event in events:
                        told.put(event)
                        if terms.stopping.is_set():
                            break
    except Empty:
        pass
    except BaseException as error:  # noqa: BLE001 (raised again by the round)
        ended = _Ended(error=error)
    told.put(ended)

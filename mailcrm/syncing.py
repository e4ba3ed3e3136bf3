"""One sync: look at the server, plan, carry the plan out step by step, settle.

Each step is one transaction and every event stands between two of them, so a sync that is killed
repeats at most one step. What to do is left to `core.plan`, how the server is asked to
`mail.imap`, how rows are written to `store`.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailcrm.accounts import offered_folders, own_addresses, remember_folders
from mailcrm.core import mime
from mailcrm.core.errors import ConfigError, ConnectError, CredentialMissing, MailError, StoreBusy, Throttled
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
from mailcrm.core.model import Account, Direction, Folder, ParsedEmail, ParticipantRole
from mailcrm.core.plan import (
    Arrival,
    Attach,
    Departing,
    Download,
    FolderSnapshot,
    FolderState,
    Forget,
    Plan,
    Reflag,
    Settle,
    Vanish,
    digest,
    in_window,
    plan,
    to_identify,
)
from mailcrm.linking import apply_rule
from mailcrm.mail.imap import FetchFailed, ImapSession
from mailcrm.store import accounts, emails, folders
from mailcrm.store.database import Database

logger = logging.getLogger(__name__)

#: Placed emails whose flags are asked for where the server has no CONDSTORE (RFC 7162).
_FLAGS_WITHOUT_CONDSTORE = 1_000

#: Fewer than this many lost emails never stop a folder: emptying a small inbox is daily work.
_MASS_DELETION = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Observed:
    """A folder as both sides see it, and the plan that makes them agree."""

    folder: Folder
    state: FolderState
    seen: FolderSnapshot
    since: frozenset[int]
    plan: Plan


def sync_accounts(
    db: Database,
    chosen: Sequence[Account],
    open_imap: Callable[[Account], ImapSession],
    *,
    clock: Callable[[], datetime],
    size_limit: int,
    accept_deletions: bool = False,
) -> Iterator[SyncEvent]:
    """Sync accounts one after another; the failure of one is an event and does not stop the next.

    `size_limit` in bytes: of a larger email only the head is stored. `accept_deletions`: a person
    agreed that more than half of a folder may vanish. Raises StoreError when the store fails.
    """
    for account in chosen:
        try:
            with db.lease(account.id), open_imap(account) as imap:
                yield from sync_account(
                    db, imap, account, clock=clock, size_limit=size_limit, accept_deletions=accept_deletions
                )
        except (MailError, StoreBusy, CredentialMissing, ConfigError) as error:
            if not isinstance(error, StoreBusy):
                accounts.record_sync_error(db, account, str(error))
            yield AccountSkipped(
                account=account.address,
                code=error.code,
                error=str(error),
                hint=error.hint,
                exit_code=error.exit_code,
            )


def sync_account(
    db: Database,
    imap: ImapSession,
    account: Account,
    *,
    clock: Callable[[], datetime],
    size_limit: int,
    accept_deletions: bool = False,
) -> Iterator[SyncEvent]:
    """Bring one account up to date; raises ConnectError and Throttled when the server is lost on the way."""
    offered = offered_folders(imap)
    remember_folders(db, account, offered)
    there = {one.folder.path for one in offered}
    stored = folders.folders(db, account)
    chosen = [folder for folder in stored if folder.selected and folder.path in there]
    yield AccountStarted(account=account.address, folders=tuple(folder.name for folder in chosen))
    run = _Run(
        db=db,
        imap=imap,
        account=account,
        clock=clock,
        size_limit=size_limit,
        accept_deletions=accept_deletions,
        own=own_addresses(db, account),
    )
    arrived: list[_Observed] = []
    for folder in chosen:
        try:
            arrived.append((yield from run.arrive(folder)))
        except (ConnectError, Throttled):
            raise
        except MailError as error:
            yield run.failed(folder, error)
    # Only now, when every email that moved has its new place, are the old places taken away.
    for observed in arrived:
        yield from run.depart(observed)
    for folder in stored:
        if folder.path not in there:
            yield from run.retire(folder)
    accounts.record_sync(db, account, at=clock(), error=run.trouble)
    yield AccountFinished(
        account=account.address,
        new=run.new,
        linked=len(run.linked),
        failed=run.failures,
        whole=run.trouble is None,
    )


def plan_account(db: Database, imap: ImapSession, account: Account) -> Iterator[FolderPlanned]:
    """Say what a sync of the account would do, and do nothing of it."""
    stored = {folder.path: folder for folder in folders.folders(db, account)}
    for listed in imap.folders():
        folder = stored.get(listed.path)
        if folder is not None and folder.selected and listed.selectable:
            yield _planned(account, observe(db, imap, account, folder))


def observe(db: Database, imap: ImapSession, account: Account, folder: Folder) -> _Observed:
    """Open a folder, look at both sides, and plan."""
    status = imap.examine(folder.path)
    state = folders.folder_state(db, folder, status.uidvalidity)
    start = account.history_start
    alive = imap.uids()
    since = alive if start is None else imap.uids_since(start)
    unknown = to_identify(state, status.uidvalidity, alive, since)
    arrivals = tuple(imap.identify(unknown))
    seen = FolderSnapshot(
        uidvalidity=status.uidvalidity,
        highestmodseq=status.highestmodseq,
        alive=alive,
        arrivals=arrivals,
        flags=_changed_flags(imap, state, status.uidvalidity, status.highestmodseq),
    )
    have = emails.known_identities(db, account, {a.identity for a in arrivals if a.identity is not None})
    return _Observed(
        folder=folder, state=state, seen=seen, since=since, plan=plan(state, seen, have, start=start)
    )


def _changed_flags(
    imap: ImapSession, state: FolderState, uidvalidity: int, highestmodseq: int | None
) -> dict[int, frozenset[str]]:
    if not state.placed:
        return {}
    if highestmodseq is not None and state.highestmodseq is not None and state.uidvalidity == uidvalidity:
        if highestmodseq == state.highestmodseq:
            return {}
        return imap.flags_since(state.highestmodseq)
    return imap.flags(sorted(state.placed, reverse=True)[:_FLAGS_WITHOUT_CONDSTORE])


def _planned(account: Account, observed: _Observed) -> FolderPlanned:
    downloads = observed.plan.downloads
    return FolderPlanned(
        account=account.address,
        folder=observed.folder.name,
        downloads=len(downloads),
        bytes=sum(arrival.size for arrival in downloads),
        attached=sum(len(step.arrivals) for step in observed.plan.arriving if isinstance(step, Attach)),
        vanished=sum(len(step.uids) for step in observed.plan.departing if isinstance(step, Vanish)),
    )


@dataclass(kw_only=True, slots=True)
class _Run:
    """One account's sync under way: what it works with, and what it has to tell at the end."""

    db: Database
    imap: ImapSession
    account: Account
    clock: Callable[[], datetime]
    size_limit: int
    accept_deletions: bool
    own: frozenset[str]
    new: int = 0
    linked: set[int] = field(default_factory=set)
    failures: int = 0
    trouble: str | None = None

    def failed(self, folder: Folder, error: MailError) -> FolderFailed:
        """Record that a folder could not be finished."""
        self.trouble = f"{folder.name}: {error}"
        folders.record_folder_error(self.db, folder, str(error))
        return FolderFailed(
            account=self.account.address, folder=folder.name, error=str(error), hint=error.hint
        )

    def arrive(self, folder: Folder) -> Generator[SyncEvent, None, _Observed]:
        """Bring in what is new in a folder and return what was observed."""
        observed = observe(self.db, self.imap, self.account, folder)
        yield _planned(self.account, observed)
        uidvalidity = observed.seen.uidvalidity
        for step in observed.plan.arriving:
            match step:
                case Attach(arrivals=arrivals):
                    emails.attach(self.db, self.account, folder, uidvalidity, arrivals)
                case Download(arrivals=arrivals):
                    yield from self._download(folder, uidvalidity, arrivals)
                case Reflag(flags=flags):
                    with self.db.transaction():
                        folders.reflag(self.db, folder, uidvalidity, flags)
        return observed

    def _download(self, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]) -> Iterator[SyncEvent]:
        by_uid = {arrival.uid: arrival for arrival in arrivals}
        batch: list[emails.NewEmail] = []
        for answer in self.imap.download(arrivals, size_limit=self.size_limit):
            if isinstance(answer, FetchFailed):
                self.failures += 1
                self.trouble = f"{folder.name}: {answer.error}"
                folders.record_failure(
                    self.db, folder, uidvalidity, answer.uid, answer.error, at=self.clock()
                )
                yield EmailFailed(
                    account=self.account.address, folder=folder.name, uid=answer.uid, error=answer.error
                )
                continue
            parsed = mime.parse(answer.raw)
            batch.append(
                emails.NewEmail(
                    arrival=by_uid[answer.uid],
                    raw=answer.raw,
                    digest=digest(answer.raw),
                    truncated=answer.truncated,
                    parsed=parsed,
                    direction=direction(parsed, self.own),
                )
            )
        if not batch:
            return
        # Links belong to the same transaction: a killed sync leaves no thread without its links.
        with self.db.transaction():
            saved = emails.save_batch(self.db, self.account, folder, uidvalidity, batch)
            linked = apply_rule(self.db, self.account, saved.threads, now=self.clock())
        self.new += saved.new
        self.linked |= set(linked.threads)
        logger.info("account %d folder %d: %d emails saved", self.account.id, folder.id, saved.new)
        yield BatchSaved(
            account=self.account.address,
            folder=folder.name,
            count=len(batch),
            bytes=sum(len(item.raw) for item in batch),
        )
        for thread_id, deals in linked.choices:
            yield ChoiceNeeded(account=self.account.address, thread_id=thread_id, deals=deals)

    def depart(self, observed: _Observed) -> Iterator[SyncEvent]:
        """Take away what is no longer on the server, remember how far we looked, and compare the counts."""
        folder = observed.folder
        held = self._held(folder, *self._losses(observed))
        if held is not None:
            yield held
            return
        with self.db.transaction():
            for step in observed.plan.departing:
                self._take(folder, observed.seen.uidvalidity, step)
            finished = self._compare(observed)
        yield finished

    def retire(self, folder: Folder) -> Iterator[SyncEvent]:
        """Forget a folder that is no longer on the server; a renamed one has come under its new name."""
        held = self._held(folder, *folders.lost_by_renumbering(self.db, folder, folders.NO_UIDVALIDITY))
        if held is not None:
            yield held
            return
        with self.db.transaction():
            folders.remove_folder(self.db, folder, at=self.clock())

    def _losses(self, observed: _Observed) -> tuple[int, int]:
        """Count the emails that would be without any place, and those that have one in this folder."""
        lost, placed = 0, 0
        for step in observed.plan.departing:
            match step:
                case Vanish(uids=uids):
                    lost += folders.lost_by_vanishing(
                        self.db, observed.folder, observed.seen.uidvalidity, uids
                    )
                    placed += len(observed.state.placed)
                case Forget(uidvalidity=uidvalidity):
                    renumbered = folders.lost_by_renumbering(self.db, observed.folder, uidvalidity)
                    lost, placed = lost + renumbered[0], placed + renumbered[1]
                case Settle():
                    pass
        return lost, placed

    def _held(self, folder: Folder, lost: int, placed: int) -> DeletionsHeld | None:
        """Return the question to ask when more than half of a folder would vanish for good."""
        if self.accept_deletions or lost < _MASS_DELETION or lost * 2 <= placed:
            return None
        self.trouble = f"{folder.name}: {lost} of {placed} emails are gone from the server"
        folders.record_folder_error(self.db, folder, self.trouble)
        return DeletionsHeld(account=self.account.address, folder=folder.name, vanished=lost, placed=placed)

    def _take(self, folder: Folder, uidvalidity: int, step: Departing) -> None:
        match step:
            case Vanish(uids=uids):
                folders.vanish(self.db, folder, uidvalidity, uids, at=self.clock())
            case Forget(uidvalidity=present):
                folders.forget(self.db, folder, present, at=self.clock())
            case Settle():
                folders.settle(
                    self.db,
                    folder,
                    uidvalidity=step.uidvalidity,
                    highestmodseq=step.highestmodseq,
                    highest_uid=step.highest_uid,
                )

    def _compare(self, observed: _Observed) -> FolderFinished:
        """Count the emails of the window on the server, and those of them that are stored."""
        start = self.account.history_start
        placed = folders.folder_state(self.db, observed.folder, observed.seen.uidvalidity).placed.keys()
        outside = {arrival.uid for arrival in observed.seen.arrivals if not in_window(arrival, start)}
        # Whatever the server counts to the window is missing unless it is stored or proved too old.
        window = (observed.since & observed.seen.alive) - (outside - placed)
        stored = len(window & placed)
        missing = len(window) - stored
        error = f"{missing} emails could not be fetched" if missing else None
        folders.record_folder_sync(
            self.db,
            observed.folder,
            server_count=len(window),
            stored_count=stored,
            at=self.clock(),
            error=error,
        )
        if error is not None:
            self.trouble = self.trouble or f"{observed.folder.name}: {error}"
        return FolderFinished(
            account=self.account.address,
            folder=observed.folder.name,
            server_count=len(window),
            stored_count=stored,
        )


def direction(parsed: ParsedEmail, own: frozenset[str]) -> Direction:
    """Say whether an email goes out: its From is one of our own addresses."""
    senders = {p.address for p in parsed.participants if p.role is ParticipantRole.FROM}
    return Direction.OUT if senders & own else Direction.IN

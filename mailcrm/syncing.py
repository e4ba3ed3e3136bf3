"""One sync: look at the server, plan, carry the plan out step by step, settle.

Each step is one transaction and every event stands between two of them, so a sync that is killed
repeats at most the three batches that were on their way. What to do is left to `core.plan`, how the
server is asked to `mail.imap`, how rows are written to `store`.
"""

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mailcrm.accounts import offered_folders, own_addresses, remember_folders
from mailcrm.core.errors import (
    ConfigError,
    ConnectError,
    CredentialMissing,
    MailError,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    Throttled,
)
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
    SyncEvent,
)
from mailcrm.core.model import Account, Folder
from mailcrm.core.plan import (
    Arrival,
    Attach,
    Departing,
    Download,
    Forget,
    Reflag,
    Settle,
    Vanish,
    is_wanted,
)
from mailcrm.linking import Linked, apply_rule
from mailcrm.mail.imap import Fetched, FetchFailed, FolderStatus, ImapSession
from mailcrm.observing import marked, observe, planned
from mailcrm.reading import Downloaded, ReadAhead
from mailcrm.store import accounts, emails, folders
from mailcrm.store.database import Database

logger = logging.getLogger(__name__)

#: Batches that are read or wait to be while the next is downloaded.
_AHEAD = 2

#: A server that hangs up more often than this in one sync is not there.
_CUTS = 3

#: Fewer than this many lost emails never stop a folder: emptying a small inbox is daily work.
_MASS_DELETION = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arrived:
    """A folder after its arriving steps: what is left to do, and what the counts are compared by.

    `known` counts the emails of the window that were stored before, `coming` are the UIDs of those
    that were not.
    """

    folder: Folder
    uidvalidity: int
    mark: str | None
    departing: tuple[Departing, ...]
    known: int
    coming: frozenset[int]
    asked_for: tuple[int, ...]


class _TooManyGone(Exception):
    """More than half of a folder would vanish for good; undoes the transaction that found it out."""

    def __init__(self, vanished: int, placed: int) -> None:
        super().__init__()
        self.vanished = vanished
        self.placed = placed


def sync_accounts(
    db: Database,
    chosen: Sequence[Account],
    open_imap: Callable[[Account], ImapSession],
    *,
    clock: Callable[[], datetime],
    size_limit: int,
    accept_deletions: bool = False,
) -> Generator[SyncEvent, None, None]:
    """Sync accounts one after another; the failure of one is an event and does not stop the next.

    `size_limit` in bytes: of a larger email only the head is stored. `accept_deletions`: a person
    agreed that more than half of a folder may vanish. Raises StoreError when the store fails.
    """
    for account in chosen:
        try:
            with db.lease(account.id):
                # The one before us may have taken hours, and a person changed the settings meanwhile.
                fresh = accounts.account(db, account.address)
                yield from sync_account(
                    db,
                    partial(open_imap, fresh),
                    fresh,
                    clock=clock,
                    size_limit=size_limit,
                    accept_deletions=accept_deletions,
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
    open_imap: Callable[[], ImapSession],
    account: Account,
    *,
    clock: Callable[[], datetime],
    size_limit: int,
    accept_deletions: bool = False,
) -> Generator[SyncEvent, None, None]:
    """Bring one account up to date; raises ConnectError and Throttled when the server is lost on the way."""
    with ExitStack() as sessions:
        imap = sessions.enter_context(open_imap())
        run = _Run(
            db=db,
            imap=imap,
            reopen=lambda: sessions.enter_context(open_imap()),
            account=account,
            clock=clock,
            size_limit=size_limit,
            accept_deletions=accept_deletions,
            reading=sessions.enter_context(ReadAhead(own_addresses(db, account))),
        )
        yield from run.all_folders()


@dataclass(kw_only=True, slots=True)
class _Run:
    """One account's sync under way: what it works with, and what it has to tell at the end."""

    db: Database
    imap: ImapSession
    reopen: Callable[[], ImapSession]
    account: Account
    clock: Callable[[], datetime]
    size_limit: int
    accept_deletions: bool
    reading: ReadAhead
    new: int = 0
    linked: set[int] = field(default_factory=set)
    failures: int = 0
    cuts: int = 0
    trouble: str | None = None

    def all_folders(self) -> Iterator[SyncEvent]:
        """Sync the chosen folders of the account and record how it went."""
        offered = offered_folders(self.imap)
        remember_folders(self.db, self.account, offered)
        there = {one.folder.path for one in offered}
        stored = folders.folders(self.db, self.account)
        chosen = [folder for folder in stored if folder.selected and folder.path in there]
        yield AccountStarted(account=self.account.address, folders=tuple(folder.name for folder in chosen))
        arrived: list[_Arrived] = []
        for folder in chosen:
            try:
                status = self.imap.examine(folder.path)
                if folder.mark is not None and folder.mark == marked(status, self.account):
                    yield self._unchanged(folder)
                else:
                    arrived.append((yield from self._arrive(folder, status)))
            except (ConnectError, Throttled):
                raise
            except MailError as error:
                yield self._failed(folder, error)
        # Only now, when every email that moved has its new place, are the old places taken away.
        for one in arrived:
            yield from self._depart(one)
        for folder in stored:
            if folder.path not in there:
                yield from self._retire(folder)
        if not chosen:
            self.trouble = self.trouble or "no folder is chosen for the sync"
        accounts.record_sync(self.db, self.account, at=self.clock(), error=self.trouble)
        yield AccountFinished(
            account=self.account.address,
            new=self.new,
            linked=len(self.linked),
            failed=self.failures,
            whole=self.trouble is None,
        )

    def _failed(self, folder: Folder, error: MailError) -> FolderFailed:
        """Record that a folder could not be finished."""
        self.trouble = f"{folder.name}: {error}"
        folders.record_folder_error(self.db, folder, str(error))
        return FolderFailed(
            account=self.account.address, folder=folder.name, error=str(error), hint=error.hint
        )

    def _unchanged(self, folder: Folder) -> FolderFinished:
        """Record that a folder is as the last sync left it, which is whole."""
        return self._finished(
            folder,
            on_server=folder.server_count or 0,
            stored=folder.stored_count or 0,
            seen=folder.mark,
        )

    def _arrive(self, folder: Folder, status: FolderStatus) -> Generator[SyncEvent, None, _Arrived]:
        """Bring in what is new in a folder, and return what is left to do."""
        observed = observe(self.db, self.imap, self.account, folder, status)
        yield planned(self.account, observed)
        uidvalidity = observed.seen.uidvalidity
        for step in observed.plan.arriving:
            match step:
                case Attach(arrivals=arrivals):
                    # It may be of an email that has just come.
                    yield from self._save_read(folder, uidvalidity)
                    yield from self._attach(folder, uidvalidity, arrivals)
                case Download(arrivals=arrivals):
                    yield from self._download(folder, uidvalidity, arrivals)
                case Reflag(flags=flags):
                    with self.db.transaction():
                        folders.reflag(self.db, folder, uidvalidity, flags)
        yield from self._save_read(folder, uidvalidity)
        start = self.account.history_start
        unwanted = {arrival.uid for arrival in observed.seen.arrivals if not is_wanted(arrival, start)}
        # Whatever the server counts to the window is missing unless it is stored or proved unwanted.
        window = (observed.since & observed.seen.alive) - unwanted
        return _Arrived(
            folder=folder,
            uidvalidity=uidvalidity,
            mark=None if observed.seen.unidentified else marked(status, self.account),
            departing=observed.plan.departing,
            known=len(window & observed.state.placed.keys()),
            coming=frozenset(window - observed.state.placed.keys()),
            asked_for=tuple(arrival.uid for arrival in observed.plan.downloads),
        )

    def _attach(self, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]) -> Iterator[SyncEvent]:
        with self.db.transaction():
            threads = emails.attach(self.db, self.account, folder, uidvalidity, arrivals)
            # An email that came out of the junk folder links now.
            linked = apply_rule(self.db, self.account, threads, now=self.clock())
        yield from self._told(linked)

    def _told(self, linked: Linked) -> Iterator[ChoiceNeeded]:
        """Count what was linked and say where a person has to choose."""
        self.linked |= set(linked.threads)
        for thread_id, deals in linked.choices:
            yield ChoiceNeeded(account=self.account.address, thread_id=thread_id, deals=deals)

    def _download(self, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]) -> Iterator[SyncEvent]:
        by_uid = {arrival.uid: arrival for arrival in arrivals}
        batch: list[Downloaded] = []
        for answer in self._answers(folder, uidvalidity, arrivals):
            match answer:
                case FetchFailed(uid=uid, error=error):
                    yield self._not_fetched(folder, uidvalidity, uid, error)
                case Fetched(uid=uid, raw=raw, truncated=truncated):
                    batch.append(Downloaded(arrival=by_uid[uid], raw=raw, truncated=truncated))
        self.reading.put(batch)
        # While one batch is read the next is on its way; more would only fill the memory.
        yield from self._save_read(folder, uidvalidity, keep=_AHEAD)

    def _save_read(self, folder: Folder, uidvalidity: int, *, keep: int = 0) -> Iterator[SyncEvent]:
        """Store the batches that were handed in to be read, all but the newest `keep`."""
        while self.reading.waiting > keep:
            batch = self.reading.take()
            if batch:
                yield from self._save(folder, uidvalidity, batch)

    def _answers(
        self, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]
    ) -> Iterator[Fetched | FetchFailed]:
        """Yield what the server gives; where it hangs up, connect again and ask for one email at a time.

        An email on which it hangs up again is a failure of that email; a third one ends the sync.
        """
        waiting = {arrival.uid: arrival for arrival in arrivals}
        try:
            for answer in self.imap.download(arrivals, size_limit=self.size_limit):
                del waiting[answer.uid]
                yield answer
        except ConnectError:
            self._reconnect(folder, uidvalidity)
        for arrival in waiting.values():
            try:
                yield from self.imap.download([arrival], size_limit=self.size_limit)
            except ConnectError as error:
                self._reconnect(folder, uidvalidity)
                yield FetchFailed(uid=arrival.uid, error=str(error))

    def _reconnect(self, folder: Folder, uidvalidity: int) -> None:
        self.cuts += 1
        if self.cuts > _CUTS:
            raise ConnectError("The mail server hung up again and again.")
        self.imap = self.reopen()
        if self.imap.examine(folder.path).uidvalidity != uidvalidity:
            raise ConnectError("The mail server renumbered the folder while it was synced.")

    def _not_fetched(self, folder: Folder, uidvalidity: int, uid: int, error: str) -> EmailFailed:
        """Record an email that could not be brought in."""
        self.failures += 1
        self.trouble = f"{folder.name}: {error}"
        folders.record_failure(self.db, folder, uidvalidity, uid, error, at=self.clock())
        return EmailFailed(account=self.account.address, folder=folder.name, uid=uid, error=error)

    def _save(
        self, folder: Folder, uidvalidity: int, batch: Sequence[emails.NewEmail]
    ) -> Iterator[SyncEvent]:
        """Store a batch with its links; what the store refuses is tried one by one: one must not stop all."""
        try:
            # Links belong to the same transaction: a killed sync leaves no thread without its links.
            with self.db.transaction():
                saved = emails.save_batch(self.db, self.account, folder, uidvalidity, batch)
                linked = apply_rule(self.db, self.account, saved.threads, now=self.clock())
        except (StoreBusy, StoreUnavailable):
            raise
        except StoreError as error:
            if len(batch) == 1:
                yield self._not_fetched(folder, uidvalidity, batch[0].arrival.uid, str(error))
                return
            for item in batch:
                yield from self._save(folder, uidvalidity, [item])
            return
        self.new += saved.new
        logger.info("account %d folder %d: %d emails saved", self.account.id, folder.id, saved.new)
        yield BatchSaved(
            account=self.account.address,
            folder=folder.name,
            count=len(batch),
            bytes=sum(item.size for item in batch),
        )
        yield from self._told(linked)

    def _depart(self, arrived: _Arrived) -> Iterator[SyncEvent]:
        """Take away what is no longer on the server, remember how far we looked, and compare the counts."""
        folder, uidvalidity = arrived.folder, arrived.uidvalidity
        try:
            with self.db.transaction():
                gone = [uid for step in arrived.departing if isinstance(step, Vanish) for uid in step.uids]
                if gone or any(isinstance(step, Forget) for step in arrived.departing):
                    self._take_away(folder, uidvalidity, gone)
                for step in arrived.departing:
                    if isinstance(step, Settle):
                        folders.settle(
                            self.db,
                            folder,
                            uidvalidity=uidvalidity,
                            highestmodseq=step.highestmodseq,
                            highest_uid=step.highest_uid,
                        )
                folders.forget_failures(self.db, folder, uidvalidity, arrived.asked_for)
                finished = self._compare(arrived)
        except _TooManyGone as found:
            yield self._held(folder, found)
        else:
            yield finished

    def _retire(self, folder: Folder) -> Iterator[SyncEvent]:
        """Let a folder go that is no longer on the server; a renamed one has come under its new name."""
        if folder.selected and not self.account.all_folders:
            self.trouble = f"{folder.name}: the folder is not on the server any more"
            folders.record_folder_error(self.db, folder, self.trouble)
        try:
            with self.db.transaction():
                self._take_away(folder, None, ())
                if self.account.all_folders:
                    folders.remove_folder(self.db, folder)
                else:
                    folders.forget_uids(self.db, folder)
        except _TooManyGone as found:
            yield self._held(folder, found)

    def _take_away(self, folder: Folder, uidvalidity: int | None, gone: Collection[int]) -> None:
        vanished, placed = folders.take_away(self.db, folder, uidvalidity, gone, at=self.clock())
        if not self.accept_deletions and vanished >= _MASS_DELETION and vanished * 2 > placed:
            raise _TooManyGone(vanished, placed)

    def _held(self, folder: Folder, found: _TooManyGone) -> DeletionsHeld:
        """Record that a person has to agree before so much is taken away."""
        self.trouble = (
            f"{folder.name}: {found.vanished} of {found.placed} emails are gone from the server; "
            "if that is right: mailcrm sync --accept-deletions"
        )
        folders.record_folder_error(self.db, folder, self.trouble)
        return DeletionsHeld(
            account=self.account.address, folder=folder.name, vanished=found.vanished, placed=found.placed
        )

    def _compare(self, arrived: _Arrived) -> FolderFinished:
        """Count the emails of the window on the server, and those of them that are stored."""
        placed = folders.placed_among(self.db, arrived.folder, arrived.uidvalidity, arrived.coming)
        return self._finished(
            arrived.folder,
            on_server=arrived.known + len(arrived.coming),
            stored=arrived.known + placed,
            seen=arrived.mark,
        )

    def _finished(self, folder: Folder, *, on_server: int, stored: int, seen: str | None) -> FolderFinished:
        """Record how complete a folder is, and what was seen of it when nothing is missing."""
        error = f"{on_server - stored} emails could not be fetched" if stored < on_server else None
        folders.record_folder_sync(
            self.db,
            folder,
            server_count=on_server,
            stored_count=stored,
            mark=seen if error is None else None,
            at=self.clock(),
            error=error,
        )
        if error is not None:
            self.trouble = self.trouble or f"{folder.name}: {error}"
        return FolderFinished(
            account=self.account.address, folder=folder.name, server_count=on_server, stored_count=stored
        )

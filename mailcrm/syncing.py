"""One sync: look at the server, plan, carry the plan out step by step, settle.

Each step is one transaction and every event stands between two of them, so a sync that is killed
repeats at most the batches that were on their way. What to do is left to `core.plan`, how emails come
from the server to `fetching`, how rows are written to `store`. Most syncs find nothing new, so what only
new emails need is imported when there are some.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from mailcrm.accounts import offered_folders, own_addresses, remember_folders
from mailcrm.connection import Connection
from mailcrm.core.errors import AuthError, MailError, StoreBusy, StoreError, StoreUnavailable, Throttled
from mailcrm.core.events import (
    AccountFinished,
    AccountStarted,
    BatchSaved,
    DeletionsHeld,
    EmailFailed,
    FolderFailed,
    FolderFinished,
    SyncEvent,
)
from mailcrm.core.model import Account, Folder
from mailcrm.core.plan import Arrival, Arriving, Settle, TakeAway, departing, is_wanted, mark
from mailcrm.core.uids import UidSet
from mailcrm.mail.imap import FolderStatus, ImapSession
from mailcrm.screening import Screening, screening
from mailcrm.store import accounts, folders, links
from mailcrm.store.database import Database

if TYPE_CHECKING:
    from mailcrm.fetching import Fetching
    from mailcrm.observing import Identified, Observed
    from mailcrm.store.block_list import ScreenedOut
    from mailcrm.store.emails import NewEmail

logger = logging.getLogger(__name__)

#: A server that loses more folders than this is not there.
_LOST = 3
#: Fewer than this many lost emails never stop a folder: emptying a small inbox is daily work.
_MASS_DELETION = 5


@dataclass(kw_only=True, slots=True)
class _Arrival:
    """A folder on its way: what was seen of it, and what came of looking closer.

    `unwanted` are UIDs outside of the history window or gone by now, `asked_for` those of which the
    source was asked for.
    """

    observed: "Observed"
    unidentified: UidSet = field(default_factory=UidSet)
    unwanted: UidSet = field(default_factory=UidSet)
    asked_for: UidSet = field(default_factory=UidSet)
    failed: bool = False

    @property
    def folder(self) -> Folder:
        return self.observed.folder

    @property
    def uidvalidity(self) -> int:
        return self.observed.status.uidvalidity


class _TooManyGone(Exception):
    """More than half of a folder would vanish for good; undoes the transaction that found it out."""

    def __init__(self, vanished: int, placed: int) -> None:
        super().__init__()
        self.vanished = vanished
        self.placed = placed


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
    with ExitStack() as until_the_end:
        server = until_the_end.enter_context(Connection(open_imap))

        @cache
        def fetching() -> "Fetching":
            from mailcrm.fetching import Fetching
            from mailcrm.reading import Reader

            reader = until_the_end.enter_context(Reader(own_addresses(db, account)))
            return Fetching(server, reader, size_limit=size_limit)

        run = _Run(
            db=db,
            server=server,
            fetching=fetching,
            account=account,
            clock=clock,
            accept_deletions=accept_deletions,
            screening=screening(db, account),
        )
        yield from run.all_folders()


@dataclass(kw_only=True, slots=True)
class _Run:
    """One account's sync under way: what it works with, and what it has to tell at the end."""

    db: Database
    server: Connection
    fetching: Callable[[], "Fetching"]
    account: Account
    clock: Callable[[], datetime]
    accept_deletions: bool
    screening: Screening
    new: int = 0
    linked: int = 0
    suggested: int = 0
    failures: int = 0
    trouble: str | None = None

    def all_folders(self) -> Iterator[SyncEvent]:
        """Sync the chosen folders of the account, link what came, and record how it went."""
        try:
            yield from self._folders()
        except MailError:
            # What came before the server was lost is linked all the same.
            self._link()
            raise
        self._link()
        accounts.record_sync(self.db, self.account, at=self.clock(), error=self.trouble)
        yield AccountFinished(
            account=self.account.address,
            new=self.new,
            linked=self.linked,
            suggested=self.suggested,
            failed=self.failures,
            whole=self.trouble is None,
        )

    def _link(self) -> None:
        """Apply the automatic rule where something came, now that it is known what belongs together."""
        due = links.due_threads(self.db, self.account)
        if due:
            from mailcrm.linking import apply_rule
            from mailcrm.new_contacts import create_contacts
            from mailcrm.threads_by_subject import join_by_subject

            with self.db.transaction():
                due = join_by_subject(self.db, self.account, due)
                create_contacts(self.db, self.account, due)
                done = apply_rule(self.db, self.account, due, now=self.clock())
            self.linked, self.suggested = len(done.threads), len(done.suggested)

    def _folders(self) -> Iterator[SyncEvent]:
        """Bring in what is new in the chosen folders, and take away what is gone."""
        offered = offered_folders(self.server.imap)
        remember_folders(self.db, self.account, offered)
        there = {one.folder.path: one.folder for one in offered}
        stored = folders.folders(self.db, self.account)
        chosen = [folder for folder in stored if folder.selected and folder.path in there]
        yield AccountStarted(account=self.account.address, folders=tuple(folder.name for folder in chosen))
        arrived: list[_Arrival] = []
        lost = 0
        for folder in chosen:
            try:
                if self._is_unchanged(folder, there[folder.path].status):
                    yield self._unchanged(folder)
                    continue
                status = self.server.imap.examine(folder.path)
                if self._is_unchanged(folder, status):
                    yield self._unchanged(folder)
                else:
                    arrived.append((yield from self._arrive(folder, status)))
            except (AuthError, Throttled):
                raise
            except MailError as error:
                yield self._failed(folder, error)
                # A server that chokes on one folder must not keep the others from us.
                if self.server.imap.closed:
                    lost += 1
                    if lost > _LOST:
                        raise
                    self.server.connect_again()
        # Only now, when every email that moved has its new place, are the old places taken away.
        for one in arrived:
            yield from self._depart(one)
        for folder in stored:
            if folder.path not in there:
                yield from self._retire(folder)
        if not chosen:
            self.trouble = self.trouble or "no folder is chosen for the sync"

    def _is_unchanged(self, folder: Folder, status: FolderStatus | None) -> bool:
        """Say whether a folder is as the last whole sync left it."""
        return status is not None and folder.mark is not None and folder.mark == self._marked(status)

    def _marked(self, status: FolderStatus) -> str | None:
        """Return the mark of a folder as the server shows it now."""
        return mark(
            uidvalidity=status.uidvalidity,
            uidnext=status.uidnext,
            highestmodseq=status.highestmodseq,
            exists=status.exists,
            start=self.account.history_start,
            blocked=self.screening.mark,
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

    def _arrive(self, folder: Folder, status: FolderStatus) -> Generator[SyncEvent, None, _Arrival]:
        """Bring in what is new in a folder, and return what was seen of it."""
        from mailcrm.fetching import NotGiven, Read
        from mailcrm.observing import Identified, identities, observe, plan, planned

        observed = observe(self.db, self.server.imap, self.account, folder, status)
        one = _Arrival(observed=observed)
        if observed.flags:
            with self.db.transaction():
                folders.reflag(self.db, folder, one.uidvalidity, observed.flags)
        if not observed.unknown:
            yield planned(self.account, observed)
            return one
        after: list[Arrival] = []
        coming: set[str] = set()
        looked_at = 0
        with self.fetching().folder(observed) as (items, answer):
            for item in items:
                match item:
                    case Identified():
                        looked_at += len(item.arrivals) + len(item.unidentified)
                        rest = self._without_screened(folder, one.uidvalidity, item)
                        what = plan(self.db, self.account, observed, rest, coming)
                        answer(what)
                        ahead = len(observed.unknown) - looked_at
                        yield planned(self.account, observed, what, ahead=ahead)
                        self._attach(folder, one.uidvalidity, what.attach)
                        after += what.attach_after
                        coming |= identities(what)
                        self._look_closer(one, item, what)
                    case NotGiven():
                        one.unwanted |= item.gone
                        one.unidentified -= item.gone
                        one.failed = one.failed or bool(item.failed)
                        for failed in item.failed:
                            yield self._not_fetched(folder, one.uidvalidity, failed.uid, failed.error)
                    case Read(batch=batch):
                        yield from self._save(folder, one.uidvalidity, batch)
                        coming -= {name for email in batch for name in email.arrival.identities}
        # What they are copies of is stored by now, or screened out.
        self._screen_out(folder, one.uidvalidity, self.screening.met_again(after))
        self._attach(folder, one.uidvalidity, after)
        return one

    def _screen_out(self, folder: Folder, uidvalidity: int, screened: Sequence["ScreenedOut"]) -> None:
        if screened:
            from mailcrm.store import block_list

            block_list.screen_out(self.db, folder, uidvalidity, screened)

    def _without_screened(self, folder: Folder, uidvalidity: int, found: "Identified") -> "Identified":
        """Screen out what is a copy of an email that this sync has screened out, and return the rest."""
        again = self.screening.met_again(found.arrivals)
        if not again:
            return found
        self._screen_out(folder, uidvalidity, again)
        uids = {one.uid for one in again}
        return replace(found, arrivals=tuple(a for a in found.arrivals if a.uid not in uids))

    def _look_closer(self, one: _Arrival, found: "Identified", what: Arriving) -> None:
        start = self.account.history_start
        one.unidentified |= found.unidentified
        one.unwanted |= UidSet(a.uid for a in found.arrivals if not is_wanted(a, start))
        one.asked_for |= UidSet(a.uid for a in what.download)

    def _attach(self, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]) -> None:
        if not arrivals:
            return
        from mailcrm.fetching import BATCH_EMAILS
        from mailcrm.store import emails

        for begin in range(0, len(arrivals), BATCH_EMAILS):
            emails.attach(self.db, self.account, folder, uidvalidity, arrivals[begin : begin + BATCH_EMAILS])

    def _not_fetched(self, folder: Folder, uidvalidity: int, uid: int, error: str) -> EmailFailed:
        """Record an email that could not be brought in."""
        self.failures += 1
        self.trouble = f"{folder.name}: {error}"
        folders.record_failure(self.db, folder, uidvalidity, uid, error, at=self.clock())
        return EmailFailed(account=self.account.address, folder=folder.name, uid=uid, error=error)

    def _save(self, folder: Folder, uidvalidity: int, batch: Sequence["NewEmail"]) -> Iterator[SyncEvent]:
        """Store a batch with its links; what the store refuses is tried one by one: one must not stop all."""
        from mailcrm.store import emails

        stay, out = self.screening.sort(batch)
        try:
            new = emails.save_batch(self.db, self.account, folder, uidvalidity, stay) if stay else 0
            self._screen_out(folder, uidvalidity, out)
        except (StoreBusy, StoreUnavailable):
            raise
        except StoreError as error:
            if len(batch) == 1:
                yield self._not_fetched(folder, uidvalidity, batch[0].arrival.uid, str(error))
                return
            for item in batch:
                yield from self._save(folder, uidvalidity, [item])
            return
        self.new += new
        logger.info("account %d folder %d: %d emails saved", self.account.id, folder.id, new)
        yield BatchSaved(
            account=self.account.address,
            folder=folder.name,
            count=len(batch),
            bytes=sum(item.source.size for item in batch),
        )

    def _depart(self, one: _Arrival) -> Iterator[SyncEvent]:
        """Take away what is no longer on the server, remember how far we looked, and compare the counts."""
        folder, uidvalidity = one.folder, one.uidvalidity
        steps = departing(
            one.observed.state,
            one.observed.alive,
            uidvalidity=uidvalidity,
            highestmodseq=one.observed.status.highestmodseq,
            unidentified=one.unidentified,
        )
        try:
            with self.db.transaction():
                for step in steps:
                    match step:
                        case TakeAway(uids=gone):
                            self._take_away(folder, uidvalidity, gone)
                        case Settle():
                            folders.settle(
                                self.db,
                                folder,
                                uidvalidity=uidvalidity,
                                highestmodseq=step.highestmodseq,
                                highest_uid=step.highest_uid,
                            )
                folders.forget_failures(self.db, folder, uidvalidity, one.asked_for)
                finished = self._compare(one)
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
                self._take_away(folder, None, UidSet())
                if self.account.all_folders:
                    folders.remove_folder(self.db, folder)
                else:
                    folders.forget_uids(self.db, folder)
        except _TooManyGone as found:
            yield self._held(folder, found)

    def _take_away(self, folder: Folder, uidvalidity: int | None, gone: UidSet) -> None:
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

    def _compare(self, one: _Arrival) -> FolderFinished:
        """Count the emails of the window on the server, and those of them that are stored or screened out."""
        # Whatever the server counts to the window is missing unless it is stored or proved unwanted.
        window = one.observed.since - one.unwanted
        known = folders.folder_state(self.db, one.folder, one.uidvalidity).known
        return self._finished(
            one.folder,
            on_server=len(window),
            stored=len(window & known),
            seen=None if one.unidentified or one.failed else self._marked(one.observed.status),
        )

    def _finished(self, folder: Folder, *, on_server: int, stored: int, seen: str | None) -> FolderFinished:
        """Record how complete a folder is, and what was seen of it when nothing is missing."""
        missing = on_server - stored
        error = f"{missing} {'email' if missing == 1 else 'emails'} not fetched" if missing > 0 else None
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

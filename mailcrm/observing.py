"""Looking at a folder from both sides, and planning: nothing is changed here.

What there is to do is left to `core.plan`, doing it to `syncing`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mailcrm.core.events import FolderPlanned
from mailcrm.core.model import Account, Folder
from mailcrm.core.plan import Attach, FolderSnapshot, FolderState, Plan, Vanish, mark, plan, to_identify
from mailcrm.mail.imap import FolderStatus, ImapSession
from mailcrm.store import emails, folders
from mailcrm.store.database import Database

#: Placed emails whose flags are asked for where the server has no CONDSTORE (RFC 7162).
_FLAGS_WITHOUT_CONDSTORE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A folder as both sides see it, and the plan that makes them agree."""

    folder: Folder
    state: FolderState
    seen: FolderSnapshot
    since: frozenset[int]
    plan: Plan


def plan_account(db: Database, imap: ImapSession, account: Account) -> Iterator[FolderPlanned]:
    """Say what a sync would do in the folders that are known and chosen, and do nothing of it."""
    stored = {folder.path: folder for folder in folders.folders(db, account)}
    for listed in imap.folders():
        folder = stored.get(listed.path)
        if folder is not None and folder.selected and listed.selectable:
            yield planned(account, observe(db, imap, account, folder, imap.examine(folder.path)))


def marked(status: FolderStatus, account: Account) -> str | None:
    """Return the mark of a folder as the server shows it now."""
    return mark(
        uidvalidity=status.uidvalidity,
        uidnext=status.uidnext,
        highestmodseq=status.highestmodseq,
        exists=status.exists,
        start=account.history_start,
    )


def observe(
    db: Database, imap: ImapSession, account: Account, folder: Folder, status: FolderStatus
) -> Observed:
    """Look at both sides of the folder that is open, and plan."""
    state = folders.folder_state(db, folder, status.uidvalidity)
    start = account.history_start
    alive = imap.uids()
    since = alive if start is None else imap.uids_since(start)
    # A folder that is new to us may hold stored emails that are older than the start: it may be an old
    # one renamed, or the place where somebody put them.
    older = state.uidvalidity is None and start is not None and emails.any_before(db, account, start)
    unknown = to_identify(state, status.uidvalidity, alive, alive if older else since)
    arrivals = tuple(imap.identify(unknown))
    seen = FolderSnapshot(
        uidvalidity=status.uidvalidity,
        highestmodseq=status.highestmodseq,
        alive=alive,
        arrivals=arrivals,
        flags=_changed_flags(imap, state, status.uidvalidity, status.highestmodseq),
        unidentified=frozenset(unknown) - {arrival.uid for arrival in arrivals},
    )
    have = emails.known_identities(db, account, {arrival.identity for arrival in arrivals})
    return Observed(
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
    newest = sorted(state.placed, reverse=True)
    # With mod-sequences this is the one time that all are asked for; without, it is every time.
    return imap.flags(newest if highestmodseq is not None else newest[:_FLAGS_WITHOUT_CONDSTORE])


def planned(account: Account, observed: Observed) -> FolderPlanned:
    """Return what a plan means, in numbers."""
    downloads = observed.plan.downloads
    return FolderPlanned(
        account=account.address,
        folder=observed.folder.name,
        downloads=len(downloads),
        bytes=sum(arrival.size for arrival in downloads),
        attached=sum(len(step.arrivals) for step in observed.plan.arriving if isinstance(step, Attach)),
        vanished=sum(len(step.uids) for step in observed.plan.departing if isinstance(step, Vanish)),
    )

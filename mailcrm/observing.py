"""Looking at a folder from both sides, and planning: nothing is changed here.

What there is to do is left to `core.plan`, doing it to `syncing`.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from mailcrm.core.events import FolderPlanned
from mailcrm.core.model import Account, Folder
from mailcrm.core.plan import Arrival, Arriving, Flags, FolderState, arriving, to_identify
from mailcrm.core.uids import UidSet
from mailcrm.mail.imap import FolderStatus, ImapSession
from mailcrm.store import emails, folders
from mailcrm.store.database import Database

#: Emails that are identified, and planned for, at a time.
WINDOW = 2_000
#: Placed emails whose flags are asked for where the server has no CONDSTORE (RFC 7162).
_FLAGS_WITHOUT_CONDSTORE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A folder as both sides see it.

    `alive` are all its UIDs on the server, `since` those that the server counts to the history window,
    `unknown` those to be identified, `flags` those of placed emails that may have changed.
    """

    folder: Folder
    status: FolderStatus
    state: FolderState
    alive: UidSet
    since: UidSet
    unknown: UidSet
    flags: dict[int, Flags]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identified:
    """What the server told of a window of unknown UIDs, and the UIDs of which it told nothing."""

    arrivals: tuple[Arrival, ...]
    unidentified: UidSet


def plan_account(db: Database, imap: ImapSession, account: Account) -> Iterator[FolderPlanned]:
    """Say what a sync would do in the folders that are known and chosen, and do nothing of it."""
    stored = {folder.path: folder for folder in folders.folders(db, account)}
    for listed in imap.folders():
        folder = stored.get(listed.path)
        if folder is None or not folder.selected or not listed.selectable:
            continue
        observed = observe(db, imap, account, folder, imap.examine(folder.path))
        coming: set[str] = set()
        plans = []
        for uids in observed.unknown.windows(WINDOW):
            found = plan(db, account, observed, identify(imap, uids), coming)
            coming |= identities(found)
            plans.append(found)
        yield planned(account, observed, *plans)


def observe(
    db: Database, imap: ImapSession, account: Account, folder: Folder, status: FolderStatus
) -> Observed:
    """Look at both sides of the folder that is open."""
    state = folders.folder_state(db, folder, status.uidvalidity)
    start = account.history_start
    alive = imap.uids()
    if (status.uidvalidity, status.highestmodseq) == (state.uidvalidity, state.highestmodseq):
        # What has come since has a higher mod-sequence than all before it (RFC 7162, 3.1.1), or this
        # server's stand still.
        stands_still = alive.above(state.highest_uid)
        status = replace(status, highestmodseq=None) if stands_still else status
    since = alive if start is None else imap.uids_since(start)
    # A folder that is new to us may hold stored emails that are older than the start: it may be an old
    # one renamed, or the place where somebody put them.
    older = state.uidvalidity is None and start is not None and emails.any_before(db, account, start)
    return Observed(
        folder=folder,
        status=status,
        state=state,
        alive=alive,
        since=since & alive,
        unknown=to_identify(state, status.uidvalidity, alive, alive if older else since),
        flags=_flags(imap, state, status, alive),
    )


def identify(imap: ImapSession, uids: UidSet) -> Identified:
    """Ask the server what identifies these emails."""
    arrivals = tuple(imap.identify(uids))
    return Identified(arrivals=arrivals, unidentified=uids - UidSet(arrival.uid for arrival in arrivals))


def plan(
    db: Database, account: Account, observed: Observed, found: Identified, coming: AbstractSet[str]
) -> Arriving:
    """Return how to bring in what was identified; `coming` are identities on their way to the store."""
    names = {name for arrival in found.arrivals for name in arrival.identities}
    have = emails.known_identities(db, account, names)
    failed = observed.state.failed
    return arriving(found.arrivals, have=have, coming=coming, failed=failed, start=account.history_start)


def identities(plan: Arriving) -> set[str]:
    """Return what the emails to be downloaded may be known by."""
    return {name for arrival in plan.download for name in arrival.identities}


def _flags(imap: ImapSession, state: FolderState, status: FolderStatus, alive: UidSet) -> dict[int, Flags]:
    """Return the flags of placed emails that may have changed."""
    if not state.placed:
        return {}
    modseq = status.highestmodseq
    if modseq is not None and state.highestmodseq is not None and state.uidvalidity == status.uidvalidity:
        found = {} if modseq == state.highestmodseq else imap.flags_since(state.highestmodseq, alive)
        return {uid: flags for uid, flags in found.items() if uid in state.placed}
    # With mod-sequences this is the one time that all are asked for; without, it is every time.
    asked = state.placed if modseq is not None else next(state.placed.windows(_FLAGS_WITHOUT_CONDSTORE))
    return imap.flags(asked)


def planned(account: Account, observed: Observed, *plans: Arriving, ahead: int = 0) -> FolderPlanned:
    """Return what plans mean, in numbers; `ahead` are UIDs that they say nothing of."""
    downloads = [arrival for plan in plans for arrival in plan.download]
    return FolderPlanned(
        account=account.address,
        folder=observed.folder.name,
        downloads=len(downloads),
        bytes=sum(arrival.size for arrival in downloads),
        attached=sum(len(plan.attach) + len(plan.attach_after) for plan in plans),
        vanished=len(observed.state.placed - observed.alive),
        ahead=ahead,
    )

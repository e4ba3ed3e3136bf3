"""Sharing a thread with the colleagues, keeping it private, and saying why somebody sees it."""

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from mailcrm.core.model import ThreadRow, Visibility
from mailcrm.core.query import Query
from mailcrm.core.visibility import Verdict, World, may_see
from mailcrm.store import accounts, search, threads
from mailcrm.store.database import Database
from mailcrm.store.history import ThreadAction, add_thread_events

_ACTIONS = MappingProxyType(
    {Visibility.SHARED: ThreadAction.SHARED, Visibility.PRIVATE: ThreadAction.PRIVATIZED}
)


def share_thread(db: Database, thread: ThreadRow, *, now: datetime) -> None:
    """Let every member read the thread, once it is linked; raises NotPermitted."""
    with db.transaction():
        threads.set_visibility(db, thread.id, Visibility.SHARED)
        if thread.visibility is not Visibility.SHARED:
            add_thread_events(db, [thread.id], ThreadAction.SHARED, at=now)


def privatize_thread(db: Database, thread: ThreadRow, *, now: datetime) -> None:
    """Keep the thread to those who manage its account; raises NotPermitted."""
    with db.transaction():
        threads.set_visibility(db, thread.id, Visibility.PRIVATE)
        if thread.visibility is not Visibility.PRIVATE:
            add_thread_events(db, [thread.id], ThreadAction.PRIVATIZED, at=now)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What giving the threads that fit a query one visibility comes to.

    `threads` would change; of those, `unlinked` have no link. `already` counts those that would not.
    """

    threads: tuple[int, ...]
    unlinked: int
    already: int


def change_by_query(db: Database, query: Query, visibility: Visibility) -> Change:
    """Return what it would change among the threads of the accounts that the viewer manages."""
    found = search.matching_threads(db, query)
    changing = [match for match in found if match.visibility is not visibility]
    return Change(
        threads=tuple(match.id for match in changing),
        unlinked=sum(not match.linked for match in changing),
        already=len(found) - len(changing),
    )


def make_change(db: Database, change: Change, visibility: Visibility, *, now: datetime) -> int:
    """Carry it out, all or nothing, and return how many threads changed; raises NotPermitted."""
    action = _ACTIONS[visibility]
    with db.transaction():
        threads.lock_threads(db, change.threads)
        # What went away or was changed by somebody else meanwhile has no part in it.
        left = threads.of_other_visibility(db, change.threads, visibility)
        threads.set_visibilities(db, left, visibility)
        add_thread_events(db, left, action, at=now)
    return len(left)


def explain(db: Database, thread: ThreadRow) -> Verdict:
    """Say by which rule the viewer reads a thread that is visible."""
    viewer = db.viewer.id
    mine = next((a for a in accounts.with_disconnected(db) if a.address == thread.account), None)
    team = mine.team_id if mine is not None else None
    world = World(
        active_members={viewer},
        team_members={team: {viewer}} if team is not None else {},
        account_owner={0: mine.owner_id if mine is not None else None},
        account_team={0: team},
        thread_account={thread.id: 0},
        thread_visibility={thread.id: thread.visibility},
        linked={thread.id} if thread.contacts or thread.deals or thread.leads else set(),
    )
    return may_see(world, viewer, thread.id)

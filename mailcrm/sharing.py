"""Sharing a thread with the colleagues, keeping it private, and saying why somebody sees it."""

from datetime import datetime

from mailcrm.core.model import ThreadRow, Visibility
from mailcrm.core.visibility import Verdict, World, may_see
from mailcrm.store import accounts, threads
from mailcrm.store.database import Database
from mailcrm.store.history import ThreadAction, add_thread_events


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


def explain(db: Database, thread: ThreadRow) -> Verdict:
    """Say by which rule the viewer reads a thread that is visible."""
    viewer = db.viewer.id
    mine = next((a for a in accounts.accounts(db) if a.address == thread.account), None)
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

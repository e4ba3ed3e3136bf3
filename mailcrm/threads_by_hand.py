"""What people do to threads: merge and split them, archive and label them.

Who may do it, and how it is stored, is left to `store.threads`; what is done is told in `store.history`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.errors import NotFound, UsageError
from mailcrm.core.model import Account, ThreadRow
from mailcrm.core.threads import with_answers
from mailcrm.linking import apply_rule
from mailcrm.store import accounts, emails, labels, threads
from mailcrm.store.database import Database
from mailcrm.store.history import ThreadAction, add_thread_events


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The thread that stays, the one that left it, and how many emails did."""

    thread: ThreadRow
    new: ThreadRow
    moved: int


def merge(db: Database, thread: ThreadRow, others: Sequence[ThreadRow], *, now: datetime) -> ThreadRow:
    """Make threads part of `thread`, and return what it is then; raises NotPermitted and UsageError."""
    for one in others:
        if one.account != thread.account:
            raise UsageError(
                f"Thread {thread.id} is of {thread.account}, thread {one.id} of {one.account}.",
                hint="Two colleagues in one conversation have two threads; timelines show each email once.",
            )
    merged = [one for one in others if one.id != thread.id]
    if not merged:
        raise UsageError("Name at least one other thread to merge.")
    with db.transaction():
        _require_managed(db, [thread, *merged])
        threads.settle_emails(db, [thread.id, *(one.id for one in merged)])
        for one in merged:
            threads.merge_thread(db, into=thread.id, merged=one.id)
            add_thread_events(db, [thread.id], ThreadAction.MERGED, _named(one), at=now)
        threads.refresh_threads(db, [thread.id])
        apply_rule(db, _account(db, thread), [thread.id], now=now)
        return threads.thread(db, str(thread.id))


def split(db: Database, thread: ThreadRow, number: int | None, *, now: datetime) -> Split:
    """Make a thread of its own of an email, counted from 1 as they are shown, and of all that answers it.

    Without a number, the emails leave that joined by their subject alone. Raises NotPermitted, NotFound for a
    number that is not there, and UsageError when there is nothing to leave or nothing would stay.
    """
    with db.transaction():
        _require_managed(db, [thread])
        held = emails.thread_answers(db, thread.id)
        first = {held[_position(thread, number, len(held))].id} if number is not None else _joined(db, thread)
        leaving = with_answers(held, first)
        if len(leaving) == len(held):
            raise UsageError(
                f"All of thread {thread.id} would leave: every other email answers that one."
                if len(held) > 1
                else f"Thread {thread.id} has one email only.",
            )
        new_id = threads.move_emails(db, thread.id, held, leaving)
        threads.keep_apart(db, thread.id, new_id)
        threads.settle_emails(db, [new_id])
        new = threads.thread(db, str(new_id))
        add_thread_events(db, [thread.id], ThreadAction.SPLIT, f"into {_named(new)}", at=now)
        add_thread_events(db, [new_id], ThreadAction.SPLIT, f"from {_named(thread)}", at=now)
        apply_rule(db, _account(db, thread), [thread.id, new_id], now=now)
        return Split(
            thread=threads.thread(db, str(thread.id)),
            new=threads.thread(db, str(new_id)),
            moved=len(leaving),
        )


def _position(thread: ThreadRow, number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise NotFound(
            f"Thread {thread.id} has no email {number}.",
            hint=f"Its emails are numbered 1 to {count}; see `mailcrm thread show {thread.id}`.",
        )
    return number - 1


def _joined(db: Database, thread: ThreadRow) -> set[int]:
    found = emails.joined_by_subject(db, thread.id)
    if not found:
        raise UsageError(
            f"No email of thread {thread.id} joined it by its subject; say which one leaves.",
            hint=f"Like: mailcrm thread split {thread.id} 2, with a number of `thread show {thread.id}`",
        )
    return found


def archive(db: Database, chosen: Sequence[ThreadRow], *, now: datetime) -> list[ThreadRow]:
    """Take threads out of the inbox, until somebody writes, and return those that were in it."""
    return _set_archived(db, chosen, archived=True, now=now)


def unarchive(db: Database, chosen: Sequence[ThreadRow], *, now: datetime) -> list[ThreadRow]:
    """Bring archived threads back to the inbox, and return those that were archived."""
    return _set_archived(db, chosen, archived=False, now=now)


def _set_archived(
    db: Database, chosen: Sequence[ThreadRow], *, archived: bool, now: datetime
) -> list[ThreadRow]:
    changing = [one for one in chosen if one.archived is not archived]
    ids = [one.id for one in changing]
    with db.transaction():
        _require_managed(db, chosen)
        threads.set_archived(db, ids, archived=archived)
        action = ThreadAction.ARCHIVED if archived else ThreadAction.UNARCHIVED
        add_thread_events(db, ids, action, at=now)
    return changing


def label(
    db: Database, chosen: Sequence[ThreadRow], *, add: Iterable[str], remove: Iterable[str], now: datetime
) -> None:
    """Put labels on threads, made where they are new, and take others off.

    Raises NotPermitted, NotFound for a label to take off that is not there, and UsageError for an empty name.
    """
    with db.transaction():
        _require_managed(db, chosen)
        for name in remove:
            known = labels.label(db, name)
            changed = [one.id for one in chosen if threads.remove_label(db, one.id, known)]
            add_thread_events(db, changed, ThreadAction.UNLABELLED, known.name, at=now)
        for known in labels.made_labels(db, add):
            changed = [one.id for one in chosen if threads.add_label(db, one.id, known)]
            add_thread_events(db, changed, ThreadAction.LABELLED, known.name, at=now)


def _require_managed(db: Database, chosen: Sequence[ThreadRow]) -> None:
    """Hold threads until the transaction ends.

    Raises NotPermitted unless the viewer manages all, NotFound when one has become part of another meanwhile.
    """
    ids = [one.id for one in chosen]
    threads.lock_threads(db, ids)
    gone = set(ids) - {row.id for row in threads.by_ids(db, ids)}
    if gone:
        raise NotFound(
            f"Thread {min(gone)} has just become part of another one.", hint="See `mailcrm inbox`."
        )
    for one in ids:
        threads.require_managed(db, one)


def _account(db: Database, thread: ThreadRow) -> Account:
    return next(one for one in accounts.with_disconnected(db) if one.address == thread.account)


def _named(thread: ThreadRow) -> str:
    return f"{thread.id} {thread.subject}".strip()

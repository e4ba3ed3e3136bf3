"""What was done to threads and members, by whom and when; nobody changes it afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailcrm.core.model import Contact, Deal, Lead
from mailcrm.store.database import Database
from mailcrm.store.rows import sure_instant


class ThreadAction(StrEnum):
    """What a person does to a thread."""

    LINKED = "linked"
    LINKED_BY_RULE = "linked by the rule"
    UNLINKED = "unlinked"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    SHARED = "shared"
    PRIVATIZED = "privatized"
    MERGED = "merged"
    SPLIT = "split"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"
    LABELLED = "labelled"
    UNLABELLED = "unlabelled"


class MemberAction(StrEnum):
    """What an admin does to a member."""

    CREATED = "created"
    EDITED = "edited"
    DEACTIVATED = "deactivated"
    ACTIVATED = "activated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that was done: when, by whom (None: the automatic rule), what, and to what."""

    done_at: datetime
    done_by: str
    action: str
    detail: str


def add_thread_events(
    db: Database, thread_ids: Iterable[int], action: ThreadAction, detail: str = "", *, at: datetime
) -> None:
    """Record what the viewer does to threads; to be called in the transaction that does it."""
    db.write_many(
        "add_thread_event",
        [
            {
                "thread_id": thread_id,
                "done_by": db.viewer.id,
                "done_at": at,
                "action": action,
                "detail": detail,
            }
            for thread_id in thread_ids
        ],
    )


def add_links_by_rule(db: Database, links: Iterable[tuple[int, str]], *, at: datetime) -> None:
    """Record links that the automatic rule makes: threads, and what each is linked to."""
    made = {"done_by": db.viewer.id, "done_at": at, "action": ThreadAction.LINKED_BY_RULE}
    db.write_many("add_thread_event", [{"thread_id": key, "detail": detail, **made} for key, detail in links])


def add_deletion_events(db: Database, record: Contact | Deal | Lead, *, at: datetime) -> None:
    """Record on the viewer's threads that they lose their link to a record which is about to be deleted."""
    noun = type(record).__name__.lower()
    title = record.name if isinstance(record, Contact) else record.title
    ids = dict.fromkeys(("contact_id", "deal_id", "lead_id")) | {f"{noun}_id": record.id}
    detail = f"{noun} {record.id} {title}, which was deleted"
    db.write("add_deletion_events", done_by=db.viewer.id, done_at=at, detail=detail, **ids)


def thread_events(db: Database, thread_id: int) -> list[Event]:
    """Return what was done to a thread, oldest first; nothing to those who do not manage it."""
    return [
        Event(
            done_at=sure_instant(row["done_at"]),
            done_by=row["done_by"],
            action=row["action"],
            detail=row["detail"],
        )
        for row in db.read("thread_events", thread_id=thread_id)
    ]


def add_member_event(db: Database, member_id: int, action: MemberAction, *, at: datetime) -> None:
    """Record what the viewer does to a member."""
    db.write("add_member_event", member_id=member_id, done_by=db.viewer.id, done_at=at, action=action)


def member_events(db: Database, member_id: int) -> list[Event]:
    """Return what was done to a member, oldest first."""
    return [
        Event(
            done_at=sure_instant(row["done_at"]),
            done_by=row["done_by"],
            action=row["action"],
            detail="",
        )
        for row in db.read("member_events", member_id=member_id)
    ]

"""Timelines: the emails of the threads that count for a record, newest first, in pages, each message once.

Two emails are copies of one message when Message-ID, sender and date agree: a Message-ID alone is chosen by
the sender. A message stands where the first of its copies does that the viewer may see. What an email says is
left to `contents`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mailcrm.core.model import Contact, Deal, EmailRow, Lead, Organization
from mailcrm.store.database import Database, Row
from mailcrm.store.emails import full_emails, recipients
from mailcrm.store.rows import email_row, instant, sure_instant

if TYPE_CHECKING:
    from mailcrm.core.parsed import EmailFull


class Position(NamedTuple):
    """A place in a timeline; the id tells emails apart that were received in one second."""

    received_at: datetime
    id: int


#: Before every email.
TOP = Position(datetime.max.replace(tzinfo=UTC), (1 << 63) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Emails of a timeline, newest first; `next` is where the page after this one begins, if there is one."""

    emails: tuple[EmailRow, ...]
    next: Position | None


def threads_of(db: Database, record: Deal | Lead | Contact | Organization) -> list[int]:
    """Return the threads that count for a record: those linked to it, and to what became part of it."""
    match record:
        case Deal():
            rows = db.read("deal_threads", deal_id=record.id)
        case Lead():
            rows = db.read("lead_threads", lead_id=record.id)
        case Contact():
            rows = db.read("contact_threads", contact_id=record.id)
        case Organization():
            rows = db.read("organization_threads", organization_id=record.id)
    return [row["thread_id"] for row in rows]


def timeline(
    db: Database, record: Deal | Lead | Contact | Organization, *, before: Position = TOP, limit: int
) -> Page:
    """Return the newest emails of a record that stand after the position `before`, at most `limit`."""
    threads = threads_of(db, record)
    rows: list[Row] = []
    holders: dict[int, tuple[str, ...]] = {}
    # One more tells whether there is a next page. Copies take the place of messages: with as many again, a
    # second look is seldom needed, which would read all of a deal once more.
    wanted = 2 * (limit + 1)
    while len(rows) <= limit:
        found = db.read(
            "timeline_page", ids=threads, received_at=before.received_at, id=before.id, limit=wanted
        )
        messages = _copies(db, threads, found)
        for row in found:
            copies = messages.get(_message(row), [])
            # An email without Message-ID is nobody's copy.
            if not copies or _position(row) == min(position for position, _ in copies):
                rows.append(row)
                holders[row["id"]] = tuple(dict.fromkeys(holder for _, holder in copies))
        if len(found) < wanted:
            break
        before = _position(found[-1])
        wanted *= 2
    return Page(
        emails=tuple(_emails(db, rows[:limit], holders)),
        next=_position(rows[limit - 1]) if len(rows) > limit else None,
    )


def timeline_emails(db: Database, rows: Sequence[EmailRow]) -> "list[EmailFull]":
    """Return the emails of a page with all that they say, newest first."""
    return full_emails(db, db.read("timeline_emails", ids=[row.id for row in rows]))


def _emails(db: Database, rows: Sequence[Row], holders: dict[int, tuple[str, ...]]) -> list[EmailRow]:
    people = recipients(db, [row["id"] for row in rows])
    files = _files(db, [row["id"] for row in rows if row["has_attachment"]])
    return [
        email_row(row, people[row["id"]], holders[row["id"]], tuple(files.get(row["id"], ()))) for row in rows
    ]


def _files(db: Database, ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the files in emails; the type of one that has no name."""
    if not ids:
        return {}
    from mailcrm.core.parsed import Attachment  # late: most pages show no file

    files: dict[int, list[str]] = defaultdict(list)
    for row in db.read("attachments", ids=ids):
        file = Attachment(
            part_id=row["part_id"],
            name=row["name"],
            type=row["type"],
            size=row["size"],
            inline=bool(row["inline"]),
        )
        if file.is_file():
            files[row["email_id"]].append(file.name or file.type)
    return files


_Message: TypeAlias = tuple[str | None, str, datetime | None]


def _message(row: Row) -> _Message:
    """Return what the copies of one message have in common."""
    return row["message_id"], row["from_address"], instant(row["sent_at"])


def _copies(
    db: Database, threads: Sequence[int], rows: Sequence[Row]
) -> dict[_Message, list[tuple[Position, str]]]:
    """Return the place and the holder of each copy of the messages in `rows` that have a Message-ID."""
    names = sorted({row["message_id"] for row in rows if row["message_id"] is not None})
    copies: dict[_Message, list[tuple[Position, str]]] = defaultdict(list)
    for row in db.read("timeline_copies", texts=names, ids=threads):
        copies[_message(row)].append((_position(row), row["holder"]))
    return copies


def _position(row: Row) -> Position:
    return Position(sure_instant(row["received_at"]), row["id"])

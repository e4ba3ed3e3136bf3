"""Correspondents: when a contact was last contacted, whose address bounces, and who is unknown.

All of it is read off the emails that the viewer may see, so two members may be told two things.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.model import Direction
from mailcrm.core.role_addresses import is_role
from mailcrm.store.database import Database
from mailcrm.store.rows import instant, sure_instant


@dataclass(frozen=True, kw_only=True, slots=True)
class LastContact:
    """The newest email of a person to or from a contact, in the thread where it stands.

    Bounces, auto-replies, list and bulk mail do not count, nor does what its sender may not have written.
    """

    thread_id: int
    at: datetime
    direction: Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounce:
    """A contact's address to which mail failed, since `at`: status such as 5.1.1 (RFC 3463), and why."""

    address: str
    thread_id: int
    at: datetime
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownCorrespondent:
    """Somebody outside who is no contact, with their newest thread; `role`: the address is no person's."""

    address: str
    name: str
    emails: int
    threads: int
    thread_id: int
    last_at: datetime
    direction: Direction
    role: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownSender:
    """Somebody who wrote in a thread and is no contact."""

    address: str
    name: str


def last_contacts(db: Database, contact_ids: Sequence[int]) -> dict[int, LastContact]:
    """Return by number which of these contacts were contacted, and when last."""
    return {
        row["contact_id"]: LastContact(
            thread_id=row["thread_id"],
            at=sure_instant(row["received_at"]),
            direction=Direction(row["direction"]),
        )
        for row in db.read("last_contacts", ids=list(contact_ids))
    }


def bounces(db: Database, contact_ids: Sequence[int]) -> dict[int, tuple[Bounce, ...]]:
    """Return by number those of these contacts that have addresses to which mail fails."""
    found: dict[int, list[Bounce]] = defaultdict(list)
    for row in db.read("bounces", ids=list(contact_ids)):
        found[row["contact_id"]].append(
            Bounce(
                address=row["address"],
                thread_id=row["thread_id"],
                at=sure_instant(row["received_at"]),
                status=row["status"],
                reason=row["reason"],
            )
        )
    return {key: tuple(one) for key, one in found.items()}


def unknown_correspondents(db: Database, *, account_id: int | None, limit: int) -> list[UnknownCorrespondent]:
    """Return who wrote to the accounts that the viewer manages, or was written to, and is no contact."""
    return [
        UnknownCorrespondent(
            address=row["address"],
            name=row["name"],
            emails=int(row["emails"]),
            threads=row["threads"],
            thread_id=row["thread_id"],
            last_at=sure_instant(row["newest"]),
            direction=Direction.IN if instant(row["incoming"]) == instant(row["newest"]) else Direction.OUT,
            role=is_role(row["address"]),
        )
        for row in db.read("unknown_correspondents", account_id=account_id, limit=limit)
    ]


def unknown_senders(db: Database, thread_id: int) -> list[UnknownSender]:
    """Return who wrote in a linked thread that the viewer manages and is no contact, the first first."""
    rows = db.read("unknown_senders", thread_id=thread_id)
    return [UnknownSender(address=row["address"], name=row["name"]) for row in rows]

"""Emails: saving them in batches, and reading them.

What an email says is left to `contents`, what counts for a record to `timeline`, finding it to `search`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mailcrm.core.errors import NotFound
from mailcrm.core.model import Account, EmailRow, Folder, called
from mailcrm.core.plan import Arrival, digest
from mailcrm.core.threads import thread_ids
from mailcrm.store.contents import EMAILS_AT_ONCE, Content, add_contents, batch, in_row, sources, stored
from mailcrm.store.database import Database, Row
from mailcrm.store.folders import place
from mailcrm.store.links import mark_due
from mailcrm.store.packed import pack, unpack
from mailcrm.store.rows import email_row
from mailcrm.store.threads import Received, refresh_threads, threads_for

if TYPE_CHECKING:
    from mailcrm.core.parsed import EmailFull
    from mailcrm.core.threads import Answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A downloaded email as the server gave it, ready to be stored.

    `size` counts its bytes, `packed` holds them compressed and `digest` is their SHA-256; when
    `truncated`, there is only its head.
    """

    arrival: Arrival
    size: int
    packed: bytes
    digest: str
    truncated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEmail:
    """An email that is not stored yet."""

    source: Source
    content: Content

    @property
    def arrival(self) -> Arrival:
        """What the server told of it."""
        return self.source.arrival

    @property
    def digest(self) -> str:
        """The SHA-256 of its source."""
        return self.source.digest


def source(arrival: Arrival, raw: bytes, *, truncated: bool) -> Source:
    """Return an email's source, compressed."""
    return Source(arrival=arrival, size=len(raw), packed=pack(raw), digest=digest(raw), truncated=truncated)


def known_identities(db: Database, account: Account, identities: Iterable[str]) -> frozenset[str]:
    """Return those of `identities` that the store holds for the account."""
    rows = db.read("known_identities", account_id=account.id, texts=sorted(identities))
    return frozenset(row["identity"] for row in rows)


def any_before(db: Database, account: Account, start: datetime) -> bool:
    """Say whether the store holds an email of the account that was received before `start`."""
    return bool(db.read("email_before", account_id=account.id, start=start))


def attach(
    db: Database, account: Account, folder: Folder, uidvalidity: int, arrivals: Sequence[Arrival]
) -> None:
    """Place emails that are stored already; the others wait for the next sync."""
    wanted = sorted({name for arrival in arrivals for name in arrival.identities})
    rows = db.read("emails_by_identity", account_id=account.id, texts=wanted)
    ids = {row["identity"]: row["email_id"] for row in rows}
    # An email's own name comes before what it has in common with others.
    known = [
        (a, next(ids[name] for name in a.identities if name in ids))
        for a in arrivals
        if a.is_among(ids.keys())
    ]
    with db.transaction():
        db.write_many("add_email_identity", _identities(account, known))
        place(db, folder, uidvalidity, [(a.uid, email_id, a.flags) for a, email_id in known])
        # An email that came out of the junk folder links now.
        mark_due(db, {row["thread_id"] for row in rows})


def save_batch(
    db: Database, account: Account, folder: Folder, uidvalidity: int, batch: Sequence[NewEmail]
) -> int:
    """Store emails with all that belongs to them, give them their places, and return how many were new.

    An email whose source the account holds already, byte for byte, only gets its place.
    """
    with db.transaction():
        rows = db.read("emails_by_digest", account_id=account.id, texts=[item.digest for item in batch])
        stored: dict[str, int] = {row["digest"]: row["id"] for row in rows}
        # A thread is called after its oldest email.
        oldest_first = sorted(batch, key=lambda item: item.arrival.received_at)
        new = list({item.digest: item for item in oldest_first if item.digest not in stored}.values())
        threads = threads_for(db, account, [_received(item) for item in new])
        ids = db.insert_many("add_email", [_email(account, *pair) for pair in zip(new, threads, strict=True)])
        stored.update(zip((item.digest for item in new), ids, strict=True))
        db.write_many(
            "add_email_source",
            [{"email_id": key, "source": item.source.packed} for key, item in zip(ids, new, strict=True)],
        )
        add_contents(db, [(key, item.content) for key, item in zip(ids, new, strict=True)])
        known = [(item.arrival, stored[item.digest]) for item in batch]
        db.write_many("add_email_identity", _identities(account, known))
        place(
            db,
            folder,
            uidvalidity,
            [(arrival.uid, email_id, arrival.flags) for arrival, email_id in known],
        )
        refresh_threads(db, set(threads))
        # An email that was stored may have come out of the junk folder, and links now.
        mark_due(db, {row["thread_id"] for row in rows})
    return len(new)


def _identities(account: Account, known: Sequence[tuple[Arrival, int]]) -> list[dict[str, object]]:
    return [
        {"account_id": account.id, "identity": name, "email_id": email_id}
        for arrival, email_id in known
        for name in arrival.identities
    ]


def _received(item: NewEmail) -> Received:
    parsed = item.content.parsed
    return Received(
        ids=thread_ids(parsed.message_id, parsed.in_reply_to, parsed.references),
        subject=parsed.subject,
        received_at=item.arrival.received_at,
        direction=item.content.direction,
    )


def _email(account: Account, item: NewEmail, thread_id: int) -> dict[str, object]:
    return {
        "account_id": account.id,
        "thread_id": thread_id,
        "digest": item.digest,
        "received_at": item.arrival.received_at,
        "size": item.arrival.size,
        "truncated": item.source.truncated,
        "gone_from_junk": False,
        **_subject(item),
        **in_row(item.content),
    }


def _subject(item: NewEmail) -> dict[str, object]:
    """Return by what an email finds its thread when it names no other, as it was read first."""
    from mailcrm.core.subjects import (
        MAX_SUBJECT,
        MIN_SUBJECT,
        base_subject,
    )  # late: most syncs find nothing new

    parsed = item.content.parsed
    base, reply = base_subject(parsed.subject)
    found = base if MIN_SUBJECT <= len(base) <= MAX_SUBJECT else ""
    alone = not parsed.in_reply_to and not parsed.references
    # Whoever invents a sender knows a subject sooner than a Message-ID.
    trusted = not parsed.from_ambiguous and parsed.dmarc != "fail"
    return {"base_subject": found, "lone_reply": bool(found) and reply and alone and trusted}


def exported_accounts(db: Database) -> list[tuple[int, str]]:
    """Return number and address of each account of which the viewer may see an email."""
    return [(row["id"], row["address"]) for row in db.read("exported_accounts")]


def exported_emails(db: Database, account_id: int) -> "Iterator[list[tuple[EmailFull, bytes]]]":
    """Yield the emails of an account that the viewer may see, with their sources, batch by batch."""
    after = 0
    while rows := batch(db.read("exported_emails", account_id=account_id, after=after, limit=EMAILS_AT_ONCE)):
        found = sources(db, [row["id"] for row in rows])
        yield [(full, found[full.row.id]) for full in full_emails(db, rows)]
        after = rows[-1]["id"]


def email_source(db: Database, email_id: int) -> bytes:
    """Return the message as the server gave it; raises NotFound, also for what is hidden."""
    rows = db.read("email_source", email_id=email_id)
    if not rows:
        raise NotFound(f"There is no email {email_id}.")
    return unpack(bytes(rows[0]["source"]))


def joined_by_subject(db: Database, thread_id: int) -> set[int]:
    """Return the emails of a thread that stand in it for their subject alone."""
    return {row["id"] for row in db.read("thread_email_ids", thread_id=thread_id) if row["by_subject"]}


def thread_answers(db: Database, thread_id: int) -> "list[Answer]":
    """Return what the emails of a thread answer, read from their sources, in the order of `thread_emails`."""
    from mailcrm.core.mime import parse  # late: it takes its time to import
    from mailcrm.core.threads import Answer

    return [
        Answer(
            id=row["id"],
            message_id=row["message_id"],
            named=frozenset((*parsed.in_reply_to, *parsed.references)),
        )
        for row in db.read("thread_email_ids", thread_id=thread_id)
        for parsed in [parse(email_source(db, row["id"]))]
    ]


def thread_emails(db: Database, thread_id: int) -> "list[EmailFull]":
    """Return the emails of a thread, oldest first, with all that they say."""
    return full_emails(db, db.read("thread_emails", thread_id=thread_id))


def full_emails(db: Database, rows: Sequence[Row]) -> "list[EmailFull]":
    """Return emails with all that they say, in the order of `rows`."""
    from mailcrm.core.parsed import EmailFull  # late: most commands show no email

    people = recipients(db, [row["id"] for row in rows])
    return [
        EmailFull(
            row=email_row(
                row, people[row["id"]], files=tuple(a.name or a.type for a in said.attachments if a.is_file())
            ),
            participants=said.participants,
            from_ambiguous=said.from_ambiguous,
            authserv_id=said.authserv_id,
            dmarc=said.dmarc,
            attachments=said.attachments,
            text=said.text,
            spans=said.spans,
            forwards=said.forwards,
            invitations=said.invitations,
            deliveries=said.deliveries,
            signed=said.signed,
            encrypted=said.encrypted,
            trackers=said.trackers,
            repairs=said.repairs,
        )
        for row, said in zip(rows, stored(db, rows), strict=True)
    ]


def rows_of(db: Database, found: Sequence[Row]) -> list[EmailRow]:
    """Return emails that a query found, with their recipients."""
    people = recipients(db, [row["id"] for row in found])
    return [email_row(row, people[row["id"]]) for row in found]


def recipients(db: Database, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return those of the To fields of emails, by name or by address."""
    found: dict[int, list[str]] = {key: [] for key in ids}
    for row in db.read("recipients", ids=ids):
        found[row["email_id"]].append(called(row["name"], row["address"]))
    return {key: tuple(people) for key, people in found.items()}

"""What emails say: cut into search terms, stored, read back, and replaced when they are read again.

Where an email belongs and how it is found is left to `emails`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mailcrm.core.model import Account, Direction, Participant, ParticipantRole
from mailcrm.store.database import Database, Row
from mailcrm.store.packed import PackedText, pack, unpack
from mailcrm.store.rows import instant, span_text, spans_of

if TYPE_CHECKING:
    from mailcrm.core.parsed import ParsedEmail

#: Terms of an email that the index takes. Together they stay below the 16,383 positions and the
#: 1 MB that a tsvector holds (PostgreSQL manual, 8.11.1), whatever script they are in.
_SUBJECT_TERMS = 200
_PEOPLE_TERMS = 4_000
#: Of the body and what it quotes together; what is new comes first.
_BODY_TERMS = 12_000

#: What is read again or exported at a time is bounded by number and by bytes of the sources.
EMAILS_AT_ONCE = 100
_BYTES_AT_ONCE = 16_000_000

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What an email says, ready to be stored; `reading` is the version that read it.

    `subject`, `people`, `body` and `quoted` are search terms with spaces between. Most emails quote nothing,
    and there is nothing to unpack of them.
    """

    parsed: "ParsedEmail"
    reading: int
    direction: Direction
    subject: str
    people: str
    body: PackedText
    quoted: PackedText | Literal[""]


def content(parsed: "ParsedEmail", direction: Direction) -> Content:
    """Return what an email says, cut into search terms."""
    from mailcrm.core.mime import READING  # late: most syncs find nothing new
    from mailcrm.core.search_terms import TEXT_PER_TERM, joined_terms
    from mailcrm.core.spans import new_and_quoted

    people = " ".join(f"{p.name} {p.address}" for p in parsed.participants)
    files = " ".join(attachment.name for attachment in parsed.attachments)
    new, old = new_and_quoted(parsed.text, parsed.spans)
    new = f"{files}\n{new}"
    body = joined_terms(new, _BODY_TERMS)
    quoted: PackedText | Literal[""] = ""
    if old:
        left = _BODY_TERMS - body.count(" ") - 1
        old = old[: max(0, _BODY_TERMS * TEXT_PER_TERM - len(new))]
        quoted = PackedText(pack(joined_terms(old, left).encode()))
    return Content(
        parsed=parsed,
        reading=READING,
        direction=direction,
        subject=joined_terms(parsed.subject, _SUBJECT_TERMS),
        people=joined_terms(people, _PEOPLE_TERMS),
        body=PackedText(pack(body.encode())),
        quoted=quoted,
    )


def in_row(said: Content) -> dict[str, object]:
    """Return what the row of an email holds of its content."""
    parsed = said.parsed
    sender = next((p for p in parsed.participants if p.role is ParticipantRole.FROM), None)
    return {
        "message_id": parsed.message_id,
        "subject": parsed.subject,
        "preview": parsed.preview,
        "from_address": sender.address if sender else "",
        "from_name": sender.name if sender else "",
        "sent_at": parsed.sent_at,
        "direction": said.direction,
        "has_attachment": any(attachment.is_file() for attachment in parsed.attachments),
        "from_ambiguous": parsed.from_ambiguous,
        "automatic": parsed.automatic,
        "authserv_id": parsed.authserv_id,
        "dmarc": parsed.dmarc,
        "signed": parsed.signed,
        "encrypted": parsed.encrypted,
        "trackers": parsed.trackers,
        "repairs": " ".join(parsed.repairs),
        "reading": said.reading,
    }


def add_contents(db: Database, contents: Sequence[tuple[int, Content]]) -> None:
    """Store what emails say besides what stands in their rows."""
    db.write_many(
        "add_email_body",
        [
            {"email_id": key, "text": said.parsed.text, "spans": span_text(said.parsed.spans)}
            for key, said in contents
        ],
    )
    db.write_many(
        "add_email_terms",
        [
            {
                "email_id": key,
                "subject": said.subject,
                "people": said.people,
                "body": said.body,
                "quoted": said.quoted,
            }
            for key, said in contents
        ],
    )
    db.index([key for key, _ in contents])
    _add_people_and_files(db, contents)
    # Few emails have any of these.
    _add_rare_parts(db, [(key, said.parsed) for key, said in contents])


def _add_people_and_files(db: Database, contents: Sequence[tuple[int, Content]]) -> None:
    from mailcrm.core.addresses import without_tag  # late: most syncs find nothing new

    db.write_many(
        "add_participant",
        [
            {
                "email_id": key,
                "position": position,
                "role": participant.role,
                "name": participant.name,
                "address": participant.address,
                "untagged": without_tag(participant.address),
            }
            for key, said in contents
            for position, participant in enumerate(said.parsed.participants)
        ],
    )
    db.write_many(
        "add_attachment",
        [
            {
                "email_id": key,
                "position": position,
                "part_id": attachment.part_id,
                "name": attachment.name,
                "type": attachment.type,
                "size": attachment.size,
                "inline": attachment.inline,
            }
            for key, said in contents
            for position, attachment in enumerate(said.parsed.attachments)
        ],
    )


def _add_rare_parts(db: Database, contents: Sequence[tuple[int, "ParsedEmail"]]) -> None:
    db.write_many(
        "add_forward",
        [
            {
                "email_id": key,
                "position": position,
                "name": forward.name,
                "address": forward.address,
                "recipients": forward.to,
                "date": forward.date,
                "subject": forward.subject,
            }
            for key, parsed in contents
            for position, forward in enumerate(parsed.forwards)
        ],
    )
    db.write_many(
        "add_invitation",
        [
            {
                "email_id": key,
                "position": position,
                "method": invitation.method,
                "summary": invitation.summary,
                "starts_at": invitation.starts_at,
                "ends_at": invitation.ends_at,
                "all_day": invitation.all_day,
                "location": invitation.location,
                "organizer": invitation.organizer,
                "attendee": invitation.attendee,
                "answer": invitation.answer,
                "repeats": invitation.repeats,
            }
            for key, parsed in contents
            for position, invitation in enumerate(parsed.invitations)
        ],
    )
    db.write_many(
        "add_delivery",
        [
            {
                "email_id": key,
                "position": position,
                "address": delivery.address,
                "action": delivery.action,
                "status": delivery.status,
                "reason": delivery.reason,
            }
            for key, parsed in contents
            for position, delivery in enumerate(parsed.deliveries)
        ],
    )


def stored(db: Database, rows: Sequence[Row]) -> "list[ParsedEmail]":
    """Return what emails say, in the order of `rows`; what they answer is kept with their threads only."""
    from mailcrm.core.parsed import (  # late: most commands show no email
        Attachment,
        Delivery,
        Forward,
        Invitation,
        ParsedEmail,
    )

    ids = [row["id"] for row in rows]
    bodies = {row["email_id"]: row for row in db.read("email_texts", ids=ids)}
    people = _by_email(
        db.read("participants", ids=ids),
        lambda row: Participant(role=ParticipantRole(row["role"]), name=row["name"], address=row["address"]),
    )
    files = _by_email(
        db.read("attachments", ids=ids),
        lambda row: Attachment(
            part_id=row["part_id"],
            name=row["name"],
            type=row["type"],
            size=row["size"],
            inline=bool(row["inline"]),
        ),
    )
    forwards = _by_email(
        db.read("forwards", ids=ids),
        lambda row: Forward(
            name=row["name"],
            address=row["address"],
            to=row["recipients"],
            date=row["date"],
            subject=row["subject"],
        ),
    )
    invitations = _by_email(
        db.read("invitations", ids=ids),
        lambda row: Invitation(
            method=row["method"],
            summary=row["summary"],
            starts_at=instant(row["starts_at"]),
            ends_at=instant(row["ends_at"]),
            all_day=bool(row["all_day"]),
            location=row["location"],
            organizer=row["organizer"],
            attendee=row["attendee"],
            answer=row["answer"],
            repeats=bool(row["repeats"]),
        ),
    )
    deliveries = _by_email(
        db.read("deliveries", ids=ids),
        lambda row: Delivery(
            address=row["address"], action=row["action"], status=row["status"], reason=row["reason"]
        ),
    )
    return [
        ParsedEmail(
            message_id=row["message_id"],
            in_reply_to=(),
            references=(),
            sent_at=instant(row["sent_at"]),
            subject=row["subject"],
            participants=people(row["id"]),
            from_ambiguous=bool(row["from_ambiguous"]),
            automatic=bool(row["automatic"]),
            authserv_id=row["authserv_id"],
            dmarc=row["dmarc"],
            text=bodies[row["id"]]["text"],
            preview=row["preview"],
            spans=spans_of(bodies[row["id"]]["spans"]),
            forwards=forwards(row["id"]),
            attachments=files(row["id"]),
            invitations=invitations(row["id"]),
            deliveries=deliveries(row["id"]),
            signed=bool(row["signed"]),
            encrypted=bool(row["encrypted"]),
            trackers=row["trackers"],
            repairs=tuple(row["repairs"].split()),
        )
        for row in rows
    ]


def _by_email(rows: Iterable[Row], made: Callable[[Row], Made]) -> Callable[[int], tuple[Made, ...]]:
    """Return what gives the parts of an email, made of their rows, in order."""
    found: dict[int, list[Made]] = defaultdict(list)
    for row in rows:
        found[row["email_id"]].append(made(row))
    return lambda email_id: tuple(found.get(email_id, ()))


# --- read again ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A stored email: its source, and what it said when it was read; `said` has no references."""

    id: int
    thread_id: int
    source: bytes
    direction: Direction
    said: "ParsedEmail"


def outdated_count(db: Database, account: Account, reading: int) -> int:
    """Return how many emails of an account were read by another version than `reading`."""
    return int(db.read("outdated_count", account_id=account.id, reading=reading)[0]["count"])


def outdated(db: Database, account: Account, reading: int) -> Iterator[list[Kept]]:
    """Yield the emails of an account that were read by another version, in batches of bounded size."""
    after = 0
    while rows := batch(
        db.read("outdated", account_id=account.id, reading=reading, after=after, limit=EMAILS_AT_ONCE)
    ):
        found = sources(db, [row["id"] for row in rows])
        yield [
            Kept(
                id=row["id"],
                thread_id=row["thread_id"],
                source=found[row["id"]],
                direction=Direction(row["direction"]),
                said=said,
            )
            for row, said in zip(rows, stored(db, rows), strict=True)
        ]
        after = rows[-1]["id"]


def batch(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the first of `rows` whose sources are not too large together, or the first one."""
    size = 0
    for count, row in enumerate(rows):
        size += row["size"]
        if count and size > _BYTES_AT_ONCE:
            return rows[:count]
    return rows


def sources(db: Database, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the sources of emails by id."""
    return {row["email_id"]: unpack(bytes(row["source"])) for row in db.read("email_sources", ids=ids)}


_PARTS = (
    "remove_email_body",
    "remove_email_terms",
    "remove_participants",
    "remove_attachments",
    "remove_forwards",
    "remove_invitations",
    "remove_deliveries",
)


def replace_contents(db: Database, changed: Sequence[tuple[int, Content]]) -> None:
    """Put what emails say in the place of what was stored of them; to be run in a transaction."""
    ids = [key for key, _ in changed]
    for query in _PARTS:
        db.write(query, ids=ids)
    updates: list[dict[str, Any]] = [{"email_id": key, **in_row(said)} for key, said in changed]
    db.write_many("update_email", updates)
    add_contents(db, changed)


def mark_read_again(db: Database, ids: Sequence[int], reading: int) -> None:
    """Remember that emails were read by version `reading` and say what they said before."""
    db.write("mark_read_again", ids=ids, reading=reading)

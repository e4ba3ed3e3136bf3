"""What an email says: the structure that `core.mime` reads and `thread show` prints.

Apart from `core.model`, because most commands and most syncs read no email.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailcrm.core.model import EmailRow, Participant


class SpanKind(StrEnum):
    """Why a stretch of text is not what its sender wrote now."""

    QUOTE = "quote"
    FORWARD = "forward"
    SIGNATURE = "signature"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of an email's text that its sender did not write now, from `start` up to `end` in characters.

    It covers whole lines, with the line that introduces it (`On … wrote:`) and without the blank lines
    around it. Spans of one text are in order and do not overlap; what is quoted inside a quote has none.
    """

    kind: SpanKind
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """The header above a forwarded email as it stands in the text; what is not there is empty.

    `address` is normalised; `date` is in the words of the program that forwarded it.
    """

    name: str
    address: str
    to: str
    date: str
    subject: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """What a calendar part asks for (RFC 5545, RFC 5546): `method` is REQUEST, REPLY, CANCEL and so on.

    Times are UTC; without `starts_at` they could not be read. On an `all_day` event they are midnights of
    UTC, and `ends_at` is the day after the last one. An event that `repeats` is told with its first time.
    `organizer` and `attendee` are normalised addresses, or empty; the attendee is who sends a REPLY, and
    `answer` what it says: accepted, declined, tentative, delegated or needs-action (RFC 5545, 3.2.12).
    """

    method: str
    summary: str
    starts_at: datetime | None
    ends_at: datetime | None
    all_day: bool
    location: str
    organizer: str
    attendee: str
    answer: str
    repeats: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What a delivery report says of one recipient (RFC 3464).

    `address` is normalised; `action` is failed, delayed, delivered, relayed or expanded; `status` such as
    5.1.1 (RFC 3463), empty where none is told; `reason` is the diagnosis on one line.
    """

    address: str
    action: str
    status: str
    reason: str


#: Parts that mail programs add themselves: signatures and reports, which are shown otherwise.
MADE_BY_PROGRAMS = frozenset(
    (
        "application/applefile",
        "application/pgp-encrypted",
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/global-delivery-status",
        "text/rfc822-headers",
        "text/x-amp-html",
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """What a part of an email says of itself (RFC 8621, 4.1.4); `size` is in decoded bytes.

    `part_id` counts parts from 1 as IMAP does (RFC 9051, 6.4.5.1), and files inside a winmail.dat after
    its own number: 2.1, 2.2. `inline`: shown in its place, not a file; an image of the text, or a calendar
    that is told as an invitation (one that asks for nothing is a file: RFC 5545, 3.7.2).
    """

    part_id: str
    name: str
    type: str
    size: int
    inline: bool

    def is_file(self) -> bool:
        """Say whether a person attached it: a file to look for, neither shown in the text nor a program's."""
        return not self.inline and self.type not in MADE_BY_PROGRAMS


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedEmail:
    """What a message says, read by `core.mime.parse`; every string is Unicode without lone surrogates.

    `message_id`, `in_reply_to` and `references` are ids without angle brackets; `sent_at` is
    UTC; `text` is what a person would read, `spans` which of it is not new; `preview` the first 200
    characters on one line of what is, or else of what is forwarded. `from_ambiguous`: the From field does
    not hold exactly one address. `automatic`: a bounce, an auto-reply, list or bulk mail. `authserv_id`
    and `dmarc`: what the topmost Authentication-Results says, as in `core.authentication`. `signed` and
    `encrypted`: by S/MIME or PGP, which is not verified. `trackers` counts invisible images that tell the
    sender that the mail was opened. `repairs` names what had to be guessed, in order, such as
    `charset:unknown-8bit`, `limit:text`.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    sent_at: datetime | None
    subject: str
    participants: tuple[Participant, ...]
    from_ambiguous: bool
    automatic: bool
    authserv_id: str
    dmarc: str
    text: str
    preview: str
    spans: tuple[Span, ...]
    forwards: tuple[Forward, ...]
    attachments: tuple[Attachment, ...]
    invitations: tuple[Invitation, ...]
    deliveries: tuple[Delivery, ...]
    signed: bool
    encrypted: bool
    trackers: int
    repairs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailFull:
    """One email with everything that `thread show` prints; the fields as in `ParsedEmail`."""

    row: EmailRow
    participants: tuple[Participant, ...]
    from_ambiguous: bool
    authserv_id: str
    dmarc: str
    attachments: tuple[Attachment, ...]
    text: str
    spans: tuple[Span, ...]
    forwards: tuple[Forward, ...]
    invitations: tuple[Invitation, ...]
    deliveries: tuple[Delivery, ...]
    signed: bool
    encrypted: bool
    trackers: int
    repairs: tuple[str, ...]

"""What an email says: the structure that `core.mime` reads and `thread show` prints.

Apart from `core.model`, because most commands and most syncs read no email.
"""

from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.model import EmailRow, Participant


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """What a part of an email says of itself (RFC 8621, 4.1.4); `size` is in decoded bytes."""

    part_id: str
    name: str
    type: str
    size: int
    inline: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedEmail:
    """What a message says, read by `core.mime.parse`; every string is Unicode without lone surrogates.

    `message_id`, `in_reply_to` and `references` are ids without angle brackets; `sent_at` is
    UTC; `text` is what a person would read; `preview` its first 200 characters on one line.
    `from_ambiguous`: the From field does not hold exactly one address. `automatic`: a bounce,
    an auto-reply, list or bulk mail. `repairs` names what had to be guessed, in order, such as
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
    text: str
    preview: str
    attachments: tuple[Attachment, ...]
    repairs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailFull:
    """One email with everything that `thread show` prints; `repairs` as in `ParsedEmail`."""

    row: EmailRow
    participants: tuple[Participant, ...]
    attachments: tuple[Attachment, ...]
    text: str
    repairs: tuple[str, ...]

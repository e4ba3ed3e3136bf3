"""What a server's answers hold: numbers, flags, and the data items of FETCH.

The records are those of imaplib; imapclient's parser takes FETCH answers apart. imapclient's own
`fetch` is of no use here: it takes no ranges and mixes answers without a UID into the result (4.0,
4.1). Asking is left to `mailcrm.mail.imap`.
"""

import imaplib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from imapclient.response_parser import parse_fetch_response

from mailcrm.core.headers import identify
from mailcrm.core.plan import Arrival, Flags, identity
from mailcrm.mail import folder_names

logger = logging.getLogger(__name__)

#: RFC 9051, 9: nz-number and number64.
LAST_UID = 2**32 - 1
LAST_NUMBER64 = 2**63 - 1

#: How the answer names the items of `mailcrm.mail.imap`; servers spell the rest of BODY[…] in their own way.
HEADER = b"BODY[HEADER.FIELDS"
BODY = b"BODY[]"
SIZE = b"RFC822.SIZE"
FLAGS = b"FLAGS"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 12, 31, tzinfo=UTC)

#: What imapclient's parser trips over when an answer is hostile, its own error included.
_UNREADABLE = (imaplib.IMAP4.error, ValueError, TypeError, AttributeError, LookupError, RecursionError)

#: The data items of one FETCH answer.
Fields: TypeAlias = dict[bytes, Any]


def last(data: Sequence[Any] | None) -> bytes:
    """Return what a server said last in a response of imaplib, such as the text of NO."""
    return data[-1] if data and isinstance(data[-1], bytes) else b""


def number(text: bytes, most: int) -> int | None:
    """Return the number at the beginning of a text, None when there is none up to `most`."""
    # 19 digits are enough; Python takes its time with thousands of them.
    match = re.match(rb"\d{1,19}(?!\d)", text)
    return int(match[0]) if match and int(match[0]) <= most else None


def numbers(data: Iterable[Any]) -> set[int]:
    """Return the UIDs in the answers to SEARCH; what MODSEQ adds in brackets is left out."""
    words = (word for line in data if isinstance(line, bytes) for word in line.partition(b"(")[0].split())
    return {found for word in words if (found := number(word, LAST_UID))}


def listed(data: Iterable[Any]) -> Iterator[folder_names.ListLine]:
    """Yield the folders of LIST; a line that cannot be read, or used in a command, is left out."""
    for record in data:
        line, literal = record if isinstance(record, tuple) else (record, None)
        if not line:  # no folder at all, or what follows a literal
            continue
        found = folder_names.parse_line(line, literal)
        if found is None or re.search(rb"[\r\n\0]", found.raw):
            logger.warning("a line of the folder list was not understood and is left out")
        else:
            yield found


def fetched(data: Iterable[Any], needed: bytes) -> dict[int, Fields]:
    """Return the FETCH answers by UID; those without a UID or without the needed item are not ours."""
    found: dict[int, Fields] = {}
    for fields in _parsed(data):
        uid = fields.get(b"UID")
        if isinstance(uid, int) and 0 < uid <= LAST_UID:
            found.setdefault(uid, {}).update(fields)
    return {uid: fields for uid, fields in found.items() if item(fields, needed) is not None}


def _parsed(data: Iterable[Any]) -> Iterator[Fields]:
    answer: list[Any] = []
    for record in data:
        if record is None:  # no answer at all
            continue
        answer.append(record)
        # imaplib gives a tuple for each literal and bytes for the end of the answer.
        if isinstance(record, tuple):
            continue
        try:
            # One at a time, because sequence numbers change between answers; and not by UID, because
            # an answer without one would go under its sequence number.
            yield from parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values()
        except _UNREADABLE:
            logger.warning("a FETCH answer was not understood and is left out")
        answer = []


def item(fields: Mapping[bytes, Any], name: bytes) -> Any:  # noqa: ANN401 - whatever the server sent
    """Return an item by the beginning of its name, None when it is NIL or missing."""
    return next((value for key, value in fields.items() if key.startswith(name)), None)


def flags(fields: Mapping[bytes, Any]) -> Flags:
    """Return the flags of an email, system flags in RFC 9051's spelling."""
    said = fields.get(FLAGS)
    found = frozenset(_flag(word) for word in said) if isinstance(said, tuple) else frozenset()
    # \Recent belongs to a session, not to the email (RFC 3501, 2.3.2).
    return found - {"\\Recent"}


def _flag(word: object) -> str:
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
    # System flags are compared without regard to case (RFC 9051, 2.3.2).
    return "\\" + text[1:].capitalize() if text.startswith("\\") else text


def arrival(uid: int, fields: Mapping[bytes, Any]) -> Arrival:
    """Return what identifies an email; one whose INTERNALDATE cannot be read counts from its Date."""
    header = item(fields, HEADER)
    message_id, sent_at = identify(header if isinstance(header, bytes) else b"")
    try:
        # Some gateways say the year 1 or 9999 where they know none.
        received_at = min(max(_utc(fields[b"INTERNALDATE"]), _EPOCH), _LAST)
    except (KeyError, AttributeError, OverflowError):  # missing, not a date, or at the end of the calendar
        received_at = sent_at or _EPOCH
    said = fields.get(SIZE)
    size = min(said, LAST_NUMBER64) if isinstance(said, int) else 0
    return Arrival(
        uid=uid,
        identity=identity(message_id, size, received_at),
        size=size,
        received_at=received_at,
        sent_at=sent_at,
        flags=flags(fields),
    )


def _utc(moment: datetime) -> datetime:
    """Return `moment` in UTC; without a zone it is taken to be UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

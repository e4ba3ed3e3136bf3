"""What a server's answers hold: numbers, UIDs, flags, and the data items of FETCH.

The answers are those of `mailcrm.mail.wire`. imapclient's parser is not used: it walks an answer byte
by byte, which takes longer than the network, and files an answer without a UID under its sequence
number (4.0, 4.1). Asking is left to `mailcrm.mail.imap`.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

from mailcrm.core.plan import Arrival, Flags, identity
from mailcrm.core.uids import Run, UidSet
from mailcrm.mail import folder_names
from mailcrm.mail.wire import Answer

logger = logging.getLogger(__name__)

#: RFC 9051, 9: nz-number and number64.
LAST_UID = 2**32 - 1
LAST_NUMBER64 = 2**63 - 1

#: How the answer names the items of `mailcrm.mail.imap`; servers spell the rest of BODY[…] in their own way.
HEADER = b"BODY[HEADER.FIELDS"
BODY = b"BODY[]"
SIZE = b"RFC822.SIZE"
FLAGS = b"FLAGS"
INTERNALDATE = b"INTERNALDATE"
#: Besides a header, what an email is identified by; the first is what a server must give.
PLACE = (SIZE, INTERNALDATE, FLAGS)
#: What names an email for good, whatever folder it is in: RFC 8474, 5.1, and Gmail's X-GM-EXT-1.
OBJECT_IDS = (b"EMAILID", b"X-GM-MSGID")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 12, 31, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}

_FETCH = re.compile(rb"\d{1,10} FETCH \(", re.IGNORECASE)
#: A parenthesis, a quoted string, or an atom; in brackets an atom may hold what it else may not, such as
#: BODY[HEADER.FIELDS (DATE)]<0>, and a flag of Gmail's may hold a bracket.
_TOKEN = re.compile(
    rb'[ \t]*+(?:([()])|"((?:[^"\\]|\\.)*+)"|((?:[^\s()"\[]++|\[[^\]\[]*+\]|\[)++))', re.DOTALL
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_DATE_TIME = re.compile(rb" *(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d)(?: ?([+-])(\d\d)(\d\d))?")

#: The data items of one FETCH answer, by their names in upper case.
Fields: TypeAlias = dict[bytes, Any]


def number(text: bytes, most: int) -> int | None:
    """Return the number at the beginning of a text, None when there is none up to `most`."""
    # 19 digits are enough; Python takes its time with thousands of them.
    match = re.match(rb"\d{1,19}(?!\d)", text)
    return int(match[0]) if match and int(match[0]) <= most else None


def said(answers: Iterable[Answer], name: bytes, most: int) -> int | None:
    """Return the number that the server gave last under a name, as `23 EXISTS` or `OK [UIDNEXT 5]`."""
    pattern = re.compile(rb"(\d{1,19}) %b\b|OK \[%b (\d{1,19})\]" % (name, name), re.IGNORECASE)
    found = None
    for answer in answers:
        match = pattern.match(answer[0])
        if match is not None:
            found = number(match[1] or match[2], most)
    return found


def count(answers: Iterable[Answer], name: bytes) -> int:
    """Count the answers of a name that come with a number, such as `3 EXPUNGE`."""
    pattern = re.compile(rb"\d{1,10} %b\b" % name, re.IGNORECASE)
    return sum(pattern.match(answer[0]) is not None for answer in answers)


def tells_of_change(answer: Answer) -> bool:
    """Say whether an answer tells that emails came, went or were flagged."""
    return re.match(rb"(\d{1,10} (EXISTS|EXPUNGE|FETCH)|VANISHED)\b", answer[0], re.IGNORECASE) is not None


def found(answers: Iterable[Answer]) -> UidSet | None:
    """Return the UIDs in the answers to SEARCH: single ones, or the runs of ESEARCH (RFC 9051, 7.3.4).

    None when there is no such answer.
    """
    runs: list[Run] = []
    answered = False
    for answer in answers:
        name, _, rest = answer[0].partition(b" ")
        match name.strip().upper():
            case b"SEARCH":
                answered = True
                # What MODSEQ adds in brackets is left out.
                words = rest.partition(b"(")[0].split()
                singles = (uid for word in words if (uid := number(word, LAST_UID)))
                runs += ((uid, uid) for uid in singles)
            case b"ESEARCH":
                answered = True
                runs += _esearch(rest)
    return UidSet.of_runs(runs) if answered else None


def _esearch(rest: bytes) -> Iterator[Run]:
    match = re.search(rb"(?:^|[ )])ALL ([\d:,]+)", rest, re.IGNORECASE)
    for part in match[1].split(b",") if match else ():
        first, _, last = part.partition(b":")
        low, high = number(first, LAST_UID), number(last or first, LAST_UID)
        if low and high:
            yield min(low, high), max(low, high)


def listed(answers: Iterable[Answer]) -> Iterator[folder_names.ListLine]:
    """Yield the folders of LIST; a line that cannot be read, or used in a command, is left out."""
    for line, literal in _of_kind(answers, b"LIST "):
        found = folder_names.parse_line(line, literal)
        if found is None or re.search(rb"[\r\n\0]", found.raw):
            logger.warning("a line of the folder list was not understood and is left out")
        else:
            yield found


def statuses(answers: Iterable[Answer]) -> dict[bytes, dict[bytes, int]]:
    """Return what STATUS says, by the folder's name as the server spells it (RFC 9051, 7.3.4)."""
    found = {}
    for answer in answers:
        if answer[0][:7].upper() != b"STATUS ":
            continue
        tokens = _tokens([answer[0][7:], *answer[1:]])
        if tokens is None or len(tokens) < 3 or tokens[1] != "(" or not isinstance(tokens[0], bytes):
            continue
        words = [word for word in tokens[2:] if isinstance(word, bytes)]
        numbers = {
            name.upper(): told
            for name, text in zip(words[::2], words[1::2], strict=False)
            if (told := number(text, LAST_NUMBER64)) is not None
        }
        found[tokens[0]] = numbers
    return found


def _of_kind(answers: Iterable[Answer], kind: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the text after `kind`, and the literal in it."""
    for answer in answers:
        if answer[0][: len(kind)].upper() == kind:
            text = answer[0][len(kind) :].rstrip(b"\r\n")
            yield (text, None) if len(answer) == 1 else (text + b"{%d}" % len(answer[1]), answer[1])


def fetched(answer: Answer) -> Fields | None:
    """Return the items of a FETCH answer; None when it is another answer, or cannot be read."""
    match = _FETCH.match(answer[0])
    if match is None:
        return None
    tokens = _tokens([answer[0][match.end() :], *answer[1:]])
    if tokens is None:
        logger.warning("a FETCH answer was not understood and is left out")
        return None
    fields: Fields = {}
    rest = iter(tokens)
    for name in rest:
        if not isinstance(name, bytes):  # the parenthesis at the end
            break
        value = next(rest, None)
        fields[name.upper()] = _inside(rest) if value == "(" else value
    return fields


def uid_of(fields: Fields) -> int | None:
    """Return the UID that an answer is about; one without is not for us."""
    text = fields.get(b"UID")
    return number(text, LAST_UID) if isinstance(text, bytes) else None


def _tokens(answer: Answer) -> list[bytes | str | None] | None:
    """Cut an answer into parentheses (as text), strings and atoms (as bytes), and NIL (None)."""
    tokens: list[bytes | str | None] = []
    for place, piece in enumerate(answer):
        if place % 2:  # a literal
            tokens.append(piece)
            continue
        line = piece.rstrip()
        end = 0
        while end < len(line):
            match = _TOKEN.match(line, end)
            if match is None:
                return None
            end = match.end()
            parenthesis, quoted, atom = match.groups()
            if parenthesis is not None:
                tokens.append("(" if parenthesis == b"(" else ")")
            elif quoted is not None:
                tokens.append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
            else:
                tokens.append(None if atom.upper() == b"NIL" else atom)
    return tokens


def _inside(rest: Iterator[bytes | str | None]) -> tuple[bytes, ...]:
    """Return the strings up to the parenthesis that closes; what is nested deeper is flattened."""
    inside: list[bytes] = []
    depth = 1
    for word in rest:
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
            if not depth:
                break
        elif isinstance(word, bytes):
            inside.append(word)
    return tuple(inside)


def item(fields: Mapping[bytes, Any], name: bytes) -> Any:  # noqa: ANN401 - whatever the server sent
    """Return an item by the beginning of its name, None when it is NIL or missing."""
    return next((value for key, value in fields.items() if key.startswith(name)), None)


def flags(fields: Mapping[bytes, Any]) -> Flags:
    """Return the flags of an email, system flags in RFC 9051's spelling."""
    words = fields.get(FLAGS)
    return _flags(words) if isinstance(words, tuple) else frozenset()


# Most emails have one of few sets of flags, and need it once.
@lru_cache(maxsize=1_000)
def _flags(words: tuple[bytes, ...]) -> Flags:
    # \Recent belongs to a session, not to the email (RFC 3501, 2.3.2).
    return frozenset(_flag(word) for word in words) - {"\\Recent"}


def _flag(word: bytes) -> str:
    text = word.decode("utf-8", "replace")
    # System flags are compared without regard to case (RFC 9051, 2.3.2).
    return "\\" + text[1:].capitalize() if text.startswith("\\") else text


def arrival(uid: int, fields: Mapping[bytes, Any]) -> Arrival:
    """Return what identifies an email; one whose INTERNALDATE cannot be read counts from its Date."""
    from mailcrm.core.headers import identify  # late: most syncs find nothing new

    header = item(fields, HEADER)
    message_id, sent_at = identify(header if isinstance(header, bytes) else b"")
    received_at = _received_at(fields.get(INTERNALDATE)) or sent_at or _EPOCH
    size = fields.get(SIZE)
    octets = _octets(size) if isinstance(size, bytes) else 0
    return Arrival(
        uid=uid,
        identity=identity(message_id, octets, received_at),
        object_id=_object_id(fields),
        size=octets,
        received_at=received_at,
        sent_at=sent_at,
        flags=flags(fields),
    )


def _octets(size: bytes) -> int:
    told = number(size, LAST_NUMBER64)
    # More than a number64 is more than any limit.
    return LAST_NUMBER64 if told is None and size.isdigit() else told or 0


def _object_id(fields: Mapping[bytes, Any]) -> str | None:
    for name in OBJECT_IDS:
        value = fields.get(name)
        text = value[0] if isinstance(value, tuple) and value else value
        # RFC 8474, 4: up to 255 characters.
        if isinstance(text, bytes) and 0 < len(text) <= 255 and text.isascii():
            return f"{name.decode()} {text.decode()}"
    return None


def _received_at(text: object) -> datetime | None:
    """Return an INTERNALDATE in UTC; one without a zone is taken to be that already."""
    match = _DATE_TIME.fullmatch(text) if isinstance(text, bytes) else None
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    try:
        local = datetime(
            int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment = local + offset if sign == b"-" else local - offset
    except (KeyError, ValueError, OverflowError):  # no such month or day, or at the end of the calendar
        return None
    # Some gateways say the year 1 or 9999 where they know none.
    return min(max(moment, _EPOCH), _LAST)

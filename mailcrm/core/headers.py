"""How the header of an email is read: fields, encoded words, ids and dates of dirty mail.

Everything works on the raw bytes, in linear time, and never raises. Charsets are left to
`core.charsets`, addresses to `core.addresses`, parameters and the body to `core.parts`.
"""

import binascii
import re
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from itertools import islice
from string import ascii_letters, digits
from typing import TypeAlias

from mailcrm.core.charsets import decode_charset

#: Ten thousand recipients with their names take half of it; what is over is an attack or rubbish.
HEADER_BYTES = 1024 * 1024
HEADER_FIELDS = 1_000

#: RFC 5322, 2.1.1: a line has at most 998 characters, and an id cannot be folded inside.
ID_OCTETS = 998
IDS = 1_000

#: The values of each name, in order.
Fields: TypeAlias = Mapping[bytes, Sequence[bytes]]

# RFC 5322, 2.2: a name of printable ASCII, a colon, a value that goes on in lines with leading blanks.
_VALUE = rb".*+(?:\n[ \t].*+)*+"
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:(" + _VALUE + rb")", re.MULTILINE)
_FIELDS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:" + _VALUE + rb"(?:\n|\Z))*+")
# To search for a line feed is much faster than to ask everywhere whether a line begins.
_IDENTITY = re.compile(rb"\n(message-id|date)[ \t]*+:(" + _VALUE + rb")", re.IGNORECASE)
_EMPTY_LINE = re.compile(rb"\n(?:\n|\r\n(?!\n))")


def unix_lines(raw: bytes) -> bytes:
    """Return `raw`, with line feeds where it knows carriage returns only, as old Macintosh mail does."""
    return raw if b"\n" in raw or b"\r" not in raw else raw.replace(b"\r", b"\n")


def split(raw: bytes, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """Return where the header block that begins at `start` ends, and where the body begins.

    An empty line ends the block. Where the last lines before it are no fields, or one looks like a
    boundary, somebody forgot the empty line and the body begins there; other lines are junk.
    """
    end = len(raw) if end is None else end
    if raw.startswith((b"\n", b"\r\n"), start, end):
        return start, raw.index(b"\n", start) + 1
    empty = _EMPTY_LINE.search(raw, start, end)
    stop, body = (empty.start() + 1, empty.end()) if empty else (end, end)
    boundary = raw.find(b"\n--", start, stop)
    if boundary >= 0:
        stop = body = boundary + 1
    whole = _FIELDS.match(raw, start, min(stop, start + HEADER_BYTES))
    if whole and start < stop == whole.end():
        return stop, body
    last = deque(_FIELD.finditer(raw, start, min(stop, start + HEADER_BYTES)), maxlen=1)
    if not last:
        return start, start
    if stop <= start + HEADER_BYTES and last[0].end() + 1 < stop:
        return last[0].end() + 1, last[0].end() + 1
    return stop, body


def fields_of(block: bytes, names: Container[bytes]) -> tuple[Fields, bool]:
    """Return the raw unfolded values of the fields of these names, and whether all fields were looked at.

    The names are in lower case, the block is without its end. At most 1 MB and 1,000 fields, of
    whatever name, are looked at.
    """
    whole = len(block) <= HEADER_BYTES
    if not whole:
        # Cut between two addresses: half of one could be somebody else's.
        cut = max(block.rfind(b"\n", 0, HEADER_BYTES), block.rfind(b",", 0, HEADER_BYTES))
        block = block[: cut if cut > 0 else HEADER_BYTES]
    fields: dict[bytes, list[bytes]] = {}
    found = _FIELD.findall(block)
    # Most fields of a real email say nothing that is kept: those are not touched.
    for written, value in found[:HEADER_FIELDS]:
        if (name := written.lower()) in names:
            fields.setdefault(name, []).append(_unfolded(value) if b"\n" in value else value.strip())
    return fields, whole and len(found) <= HEADER_FIELDS


def value_of(fields: Fields, name: bytes) -> bytes:
    """Return the value of the first field of a name, empty when there is none."""
    return fields[name][0] if name in fields else b""


def _unfolded(value: bytes) -> bytes:
    return value.replace(b"\r\n", b"").replace(b"\n", b"").strip()


# --- encoded words ----------------------------------------------------------------------------

_WORD_START = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def decode_words(raw: bytes) -> tuple[str, list[str]]:
    """Return a header value as one line of text, and the repairs that this took.

    RFC 2047 as it is met: words inside quotes, without blanks between them, or cut in the middle
    of a character (neighbours of one charset are joined as bytes); raw UTF-8 (RFC 6532) or worse.
    """
    if b"=?" not in raw and b"\x1b" not in raw and raw.isascii():
        return one_line(raw.decode("ascii")), []
    text: list[str] = []
    repairs: list[str] = []
    charset: str | None = None
    words: list[tuple[bytes, bytes]] = []

    def flush() -> None:
        if words:
            decoded, repair = decode_charset(_word_bytes(words), charset)
            text.append(decoded)
            repairs.extend([repair] if repair else [])
            words.clear()

    position = close = 0
    while True:
        start, found = _next_word(raw, position, close)
        between = raw[position:start]
        if found is None or between.strip():
            flush()
            decoded, repair = decode_charset(between, None)
            text.append(decoded)
            repairs.extend([repair] if repair else [])
        elif not words:
            text.append(between.decode("ascii"))
        if found is None:
            break
        label, encoding, payload_start, close = found
        if label != charset:
            flush()
        charset = label
        words.append((encoding, raw[payload_start:close]))
        position = close + 2
    return one_line("".join(text)), list(dict.fromkeys(repairs))


def one_line(text: str) -> str:
    """Return text with a space for every run of control characters and line ends, and none around it."""
    return (text if text.isprintable() else _CONTROL.sub(" ", text)).strip()


def _next_word(raw: bytes, position: int, close: int) -> tuple[int, tuple[str, bytes, int, int] | None]:
    """Return where the next encoded word starts, with its charset, encoding and payload's place."""
    while True:
        start = raw.find(b"=?", position)
        if start < 0:
            return len(raw), None
        begun = _WORD_START.match(raw, start)
        if begun is None:
            position = start + 2
            continue
        if close < begun.end():
            close = raw.find(b"?=", begun.end())
        if close < 0:
            return len(raw), None
        # The start of a word that is never closed is plain text; the innermost start counts.
        inner = raw.rfind(b"=?", begun.end(), close)
        if inner >= 0 and _WORD_START.match(raw, inner):
            position = inner
            continue
        label = begun[1].decode("latin-1").partition("*")[0].lower()
        return start, (label, begun[2].lower(), begun.end(), close)


def _word_bytes(words: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Decode the payloads of neighbours; base64 that was cut inside a group of four goes on in the next."""
    data, open_base64 = [], b""
    for encoding, payload in words:
        if encoding == b"q":
            data += [decode_base64(open_base64)[0], binascii.a2b_qp(payload, header=True)]
            open_base64 = b""
        else:
            open_base64 += payload
            if len(open_base64) % 4 == 0 or payload.endswith(b"="):
                data.append(decode_base64(open_base64)[0])
                open_base64 = b""
    return b"".join((*data, decode_base64(open_base64)[0]))


_BASE64 = (ascii_letters + digits + "+/").encode()
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Return what base64 holds, and whether it was whole; whatever is left of a broken one is kept."""
    try:
        return binascii.a2b_base64(data), True
    except binascii.Error:
        kept = data.translate(None, _NOT_BASE64)
        kept = kept[: len(kept) - (len(kept) % 4 == 1)]
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4)), False


def base64_size(data: bytes) -> int | None:
    """Return how many bytes sound base64 holds, without decoding it, or None when it is not sound."""
    others = data.translate(None, _BASE64)
    padding = others.translate(None, b"\r\n")
    characters = len(data) - len(others) + len(padding)
    if padding not in (b"", b"=", b"==") or characters % 4 or not data.rstrip(b"\r\n").endswith(padding):
        return None
    return characters // 4 * 3 - len(padding)


# --- ids and dates ----------------------------------------------------------------------------

_BRACKETED = re.compile(r"<([^<>]*+)>")
_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def message_ids(value: str) -> tuple[str, ...]:
    """Return the message ids of a field, without angle brackets and in order, each once.

    Blanks inside an id are what is left of bad folding and are taken out. Ids with control
    characters or over 998 characters are refused: an id ends up in commands to servers. Without any
    brackets, words with an @ are taken when there is nothing else. The last 1,000 ids are kept.
    """
    found = _BRACKETED.findall(value)
    if not found and "<" not in value:
        words = value.replace(",", " ").split(" ")
        found = [word for word in words if word]
        if not all("@" in word for word in found):
            return ()
    ids = [word.replace("\t", "").replace(" ", "") for word in found]
    if not (value.isascii() and value.isprintable() and len(value) <= ID_OCTETS):
        ids = [word for word in ids if len(word.encode()) <= ID_OCTETS and not _REFUSED.search(word)]
    return tuple(dict.fromkeys([word for word in ids if word][-IDS:]))


def ids_of(value: bytes) -> tuple[str, ...]:
    """Return the message ids of a raw field; some programs encode long ones against RFC 2047, 5."""
    if not value:
        return ()
    return message_ids(decode_words(value)[0] if b"=?" in value else decode_charset(value, None)[0])


# RFC 5322, 3.3, as nearly all programs write it.
_USUAL_DATE = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([12]\d{3})"
    r" (\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)(?: \([A-Z]{1,5}\))?",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?(?!\S)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2101, 1, 1, tzinfo=UTC)


def parse_date(value: str) -> datetime | None:
    """Return a Date field in UTC, or None when it says no moment between 1970 and 2100.

    Without a zone it is taken to be UTC (RFC 5322, 3.3: -0000); a zone of a day or more is rubbish.
    """
    value = value[:200].strip()
    try:
        if usual := _USUAL_DATE.fullmatch(value):
            day, month, year, hour, minute, second, hours, minutes = usual.groups()
            clock = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
            offset = int(hours) * 3600 + int(hours[0] + minutes) * 60
        elif iso := _ISO_DATE.match(value):
            zone = (iso[3] or "Z").replace("Z", "+00:00")
            moment = datetime.fromisoformat(f"{iso[1]}T{iso[2]}{zone}").astimezone(UTC)
            return moment if _EPOCH <= moment < _END else None
        elif parsed := parsedate_tz(value):
            clock, offset = parsed[:6], parsed[9] or 0
        else:
            return None
        # RFC 5322 allows the leap second; Python's calendar does not.
        moment = datetime(*clock[:5], min(clock[5], 59), tzinfo=UTC) - timedelta(seconds=offset)
    except (ValueError, OverflowError, TypeError, IndexError):
        # parsedate_tz fails in all these ways on words where it wants numbers.
        return None
    return moment if abs(offset) < 86_400 and _EPOCH <= moment < _END else None


def identify(block: bytes) -> tuple[str | None, datetime | None]:
    """Return the Message-ID and the Date, in UTC, of a header block.

    The block may be a whole header or what a server picked from it; the answer is the same, and
    the same as `core.mime.parse` gives for the whole email, because sync compares the two.
    """
    block = unix_lines(block)
    return identify_header(block[: split(block)[0]])


def identify_header(header: bytes) -> tuple[str | None, datetime | None]:
    """Return the same as `identify`, of a block that ends where `split` found its end."""
    found = islice(_IDENTITY.finditer(b"\n" + header), HEADER_FIELDS)
    named = [(field[1].lower(), _unfolded(field[2])) for field in found]
    return identity_of(
        [value for name, value in named if name == b"message-id"],
        [value for name, value in named if name == b"date"],
    )


def identity_of(ids: Iterable[bytes], dates: Iterable[bytes]) -> tuple[str | None, datetime | None]:
    """Return the Message-ID and the Date of raw fields of these names: the first that can be read."""
    message_id = next((found[0] for value in ids if (found := ids_of(value))), None)
    moments = (parse_date(decode_words(value)[0]) for value in dates)
    return message_id, next(filter(None, moments), None)

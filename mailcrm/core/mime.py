"""How an email is taken apart: bytes in, a `ParsedEmail` out, whatever the bytes are.

The structure (RFC 2045, RFC 2046) is read here, over the bytes themselves, so that every header
keeps its raw bytes, a boundary is compared as a whole, and limits hold before anything is decoded.
Header fields are left to `core.headers`, mailboxes to `core.addresses`, HTML to `core.html`.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from mailcrm.core.addresses import parse_mailboxes
from mailcrm.core.headers import (
    Fields,
    base64_size,
    decode_base64,
    decode_charset,
    decode_words,
    fields_of,
    identify_header,
    identity_of,
    ids_of,
    one_line,
    split,
    unix_lines,
)
from mailcrm.core.html import read_html
from mailcrm.core.model import Participant, ParticipantRole
from mailcrm.core.parsed import Attachment, ParsedEmail
from mailcrm.core.quotes import separate
from mailcrm.core.spans import new_and_quoted
from mailcrm.core.text import preview, unflow

#: The version of the reading of emails: raised when it, or what it is left to, reads something otherwise.
#: `mailcrm store reparse` then reads again what was read by an older one.
READING = 1

#: No real email comes near; what was cut off is told in `repairs`, as `limit:parts` and so on.
PARTS = 1_000
DEPTH = 50
TEXT_BYTES = 2_000_000
REFERENCES = 100

_ROLES = {
    b"from": ParticipantRole.FROM,
    b"sender": ParticipantRole.SENDER,
    b"reply-to": ParticipantRole.REPLY_TO,
    b"to": ParticipantRole.TO,
    b"cc": ParticipantRole.CC,
    b"bcc": ParticipantRole.BCC,
}
#: That an email has one of these at all says that it is list or bulk mail, or asks for no answer.
_BULK_FIELDS = frozenset((b"list-id", b"list-unsubscribe", b"x-auto-response-suppress"))
_PART_FIELDS = frozenset((b"content-type", b"content-disposition", b"content-transfer-encoding"))
_EMAIL_FIELDS = frozenset(
    (
        *_ROLES,
        *_BULK_FIELDS,
        *_PART_FIELDS,
        *(b"message-id", b"date", b"subject", b"in-reply-to", b"references"),
        *(b"auto-submitted", b"precedence", b"return-path"),
    )
)
#: Longer address fields are those of many people, and do not come again as they are.
PEOPLE_BYTES = 200
#: Longer types name a file or a boundary, which do not come again either.
TYPE_BYTES = 100
#: No word that means anything is longer (dispositions, encodings, `flowed`).
WORD_BYTES = 40

#: The raw value of a parameter, and its charset if RFC 2231 gave one.
Parameters: TypeAlias = Mapping[str, tuple[bytes, str | None]]


def parse(raw: bytes) -> ParsedEmail:
    """Return what an email says; never raises, and takes time linear in its size.

    What had to be guessed, mended or cut off is named in `repairs`.
    """
    message = _Message(unix_lines(raw))
    end, body = split(message.raw)
    header = message.raw[:end]
    fields, whole = fields_of(header, _EMAIL_FIELDS)
    if whole:
        message_id, sent_at = identity_of(fields.get(b"message-id", ()), fields.get(b"date", ()))
    else:
        message.repair("limit:header")
        message_id, sent_at = identify_header(header)
    subject = message.repaired(*decode_words(_first(fields, b"subject")))
    participants, ambiguous = _participants(message, fields)
    root = message.root(fields, body)
    text = message.text(root)
    separated = separate(text)
    new, _ = new_and_quoted(text, separated.spans)
    return ParsedEmail(
        message_id=message_id,
        in_reply_to=ids_of(_joined(fields, b"in-reply-to"))[-REFERENCES:],
        references=ids_of(_joined(fields, b"references"))[-REFERENCES:],
        sent_at=sent_at,
        subject=subject,
        participants=participants,
        from_ambiguous=ambiguous,
        automatic=root.type == "multipart/report" or _is_automatic(fields),
        text=text,
        preview=preview(new) or preview(text),
        spans=separated.spans,
        forwards=separated.forwards,
        attachments=tuple(message.attachments(root)),
        invitations=(),
        deliveries=(),
        signed=False,
        encrypted=False,
        trackers=message.trackers,
        repairs=tuple(message.repairs),
    )


def _first(fields: Fields, name: bytes) -> bytes:
    return fields[name][0] if name in fields else b""


def _joined(fields: Fields, name: bytes) -> bytes:
    return b" ".join(fields.get(name, ()))


def _participants(message: "_Message", fields: Fields) -> tuple[tuple[Participant, ...], bool]:
    """Return who is named in the address fields, each once per field, and whether From is ambiguous."""
    found: dict[tuple[ParticipantRole, str], Participant] = {}
    doubts: list[bool] = []
    for name, role in _ROLES.items():
        for value in fields.get(name, ()):
            read = _people_once if len(value) <= PEOPLE_BYTES else _people
            people, doubt, repairs = read(role, value)
            for repair in repairs:
                message.repair(repair)
            for someone in people:
                found.setdefault((role, someone.address), someone)
            if role is ParticipantRole.FROM:
                doubts.append(doubt)
    return tuple(found.values()), doubts != [False]


def _people(role: ParticipantRole, value: bytes) -> tuple[tuple[Participant, ...], bool, tuple[str, ...]]:
    """Return who an address field names, whether that is ambiguous, and what was mended."""
    # Encoded words stay as they are until the mailboxes are told apart.
    plain, repair = decode_charset(value, None)
    repairs = [repair] if repair else []
    if b"=?" in value:
        repairs += decode_words(value)[1]
    mailboxes, doubt = parse_mailboxes(plain)
    people = tuple(Participant(role=role, name=each.name, address=each.address) for each in mailboxes)
    return people, doubt, tuple(repairs)


#: The same few people write most of the emails; some 1 MB.
_people_once = lru_cache(maxsize=1_000)(_people)


def _is_automatic(fields: Fields) -> bool:
    """Say whether the header shows a bounce, an auto-reply, list or bulk mail (RFC 3834, 2919, 2369)."""
    return (
        not _BULK_FIELDS.isdisjoint(fields)
        or _SUBMITTED_BY_PERSON.match(_first(fields, b"auto-submitted")) is None
        or _first(fields, b"precedence").lower() in (b"bulk", b"list", b"junk", b"auto_reply")
        or _first(fields, b"return-path").replace(b" ", b"") == b"<>"
        or b"mailer-daemon" in (_first(fields, b"from") + _first(fields, b"return-path")).lower()
    )


# --- structure --------------------------------------------------------------------------------


@dataclass(kw_only=True, slots=True)
class _Part:
    """A node of the tree; `start` and `end` bound its body in the raw email."""

    number: str
    type: str
    parameters: Parameters
    disposition: str
    name: str
    encoding: str
    start: int
    end: int
    parent: str
    first: bool
    children: "list[_Part]" = field(default_factory=list)

    def is_body(self) -> bool:
        """Say whether a leaf is text to be read in place, as RFC 8621, 4.1.4 finds it."""
        return (
            self.type in ("text/plain", "text/html")
            and self.disposition != "attachment"
            and (self.first or (self.parent != "multipart/related" and not self.name))
        )

    def begins_with_html(self) -> bool:
        return self.children[0].begins_with_html() if self.children else self.type == "text/html"


class _Delimiter(NamedTuple):
    """A delimiter line, from the line feed before it; `closes` the multipart or not."""

    start: int
    end: int
    closes: bool


_SUBMITTED_BY_PERSON = re.compile(rb"(?:no)?(?=[;(\s]|\Z)", re.IGNORECASE)
_TYPE = re.compile(rb"\s*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)", re.IGNORECASE)
_WORD = re.compile(rb"\s*([a-z0-9_-]+)", re.IGNORECASE)
_LABEL = re.compile(rb"[^\s;()\"]+")
#: A first line with a blank between two words is plain text under a wrong label.
_NOT_BASE64_LINE = re.compile(rb"\s*+\S++[ \t]++\S")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+\r?(?=\n|\Z)")
_FALLBACK_BOUNDARY = re.compile(rb"\n--(\S[^\r\n]{0,199}+)(?=\r?\n)")
_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset=[\"']?([a-z0-9_:-]{1,40})", re.IGNORECASE)


class _Message:
    """The raw email while it is taken apart, with the repairs made on the way."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.repairs: list[str] = []
        self._count = 0
        self._text_left = TEXT_BYTES
        self.trackers = 0

    def repair(self, name: str) -> None:
        if name not in self.repairs:
            self.repairs.append(name)

    def repaired(self, text: str, repairs: list[str] | str | None) -> str:
        """Return the text, and take its repairs down."""
        for name in [repairs] if isinstance(repairs, str) else repairs or ():
            self.repair(name)
        return text

    def root(self, fields: Fields, body: int) -> _Part:
        root = self._part(fields, number="1", start=body, end=len(self.raw), parent="", first=True)
        self._open(root, prefix="", depth=1)
        return root

    def _part(self, fields: Fields, *, number: str, start: int, end: int, parent: str, first: bool) -> _Part:
        written = _first(fields, b"content-type")
        read = _typed_once if len(written) <= TYPE_BYTES else _typed
        kind, parameters = read(written)
        disposition = _first(fields, b"content-disposition")
        told = _parameters(disposition)
        if not kind:
            # RFC 2046, 5.1.5; RFC 2045, 5.2 for what cannot be understood.
            kind = "message/rfc822" if parent == "multipart/digest" and not written else "text/plain"
        return _Part(
            number=number,
            type=kind,
            parameters=parameters,
            disposition=_word(disposition),
            name=self._decoded(told.get("filename") or parameters.get("name")),
            encoding=_word(_first(fields, b"content-transfer-encoding")),
            start=start,
            end=end,
            parent=parent,
            first=first,
        )

    def _decoded(self, value: tuple[bytes, str | None] | None) -> str:
        if value is None:
            return ""
        data, charset = value
        if charset is None:
            return self.repaired(*decode_words(data))
        return one_line(self.repaired(*decode_charset(data, charset)))

    def _open(self, part: _Part, *, prefix: str, depth: int) -> None:
        """Find the children of a multipart; one without any is text that has a wrong label."""
        if not part.type.startswith("multipart/"):
            return
        if depth > DEPTH:
            self.repair("limit:depth")
            return
        for index, (start, end) in enumerate(self._spans(part), 1):
            if self._count == PARTS:
                self.repair("limit:parts")
                break
            self._count += 1
            header_end, body = split(self.raw, start, end)
            child = self._part(
                fields_of(self.raw[start:header_end], _PART_FIELDS)[0],
                number=f"{prefix}{index}",
                start=body,
                end=end,
                parent=part.type,
                first=index == 1,
            )
            self._open(child, prefix=f"{child.number}.", depth=depth + 1)
            part.children.append(child)
        if not part.children and self._count < PARTS:
            self.repair("boundary:missing")
            part.type = "text/plain"

    def _spans(self, part: _Part) -> Iterator[tuple[int, int]]:
        # The line feed before the first boundary is the one that ends the header.
        before = max(part.start - 1, 0)
        boundary = part.parameters.get("boundary", (b"", None))[0].rstrip()
        lines = self._delimiters(boundary, before, part.end) if boundary else iter(())
        opening = next(lines, None)
        if opening is None and (likely := _FALLBACK_BOUNDARY.search(self.raw, before, part.end)):
            # Undeclared, or declared wrongly: a line that occurs again is believed.
            boundary = likely[1].rstrip()
            candidates = self._delimiters(boundary, before, part.end)
            first, second = next(candidates, None), next(candidates, None)
            if first and second:
                self.repair("boundary:missing")
                lines = self._delimiters(boundary, before, part.end)
                opening = next(lines)
        while opening is not None and not opening.closes:
            closing = next(lines, None)
            start = min(opening.end + 1, part.end)
            end = closing.start if closing else part.end
            if closing and self.raw.endswith(b"\r", start, end):
                end -= 1
            yield start, max(start, end)
            opening = closing

    def _delimiters(self, boundary: bytes, start: int, end: int) -> Iterator[_Delimiter]:
        """Yield the delimiter lines of RFC 2046, 5.1.1."""
        # Not one pattern for all of it: every email has a boundary of its own, and to compile a
        # pattern takes longer than to search an email for it.
        mark = b"\n--" + boundary
        while (start := self._find(mark, start, end)) >= 0:
            rest = _DELIMITER_END.match(self.raw, start + len(mark), end)
            if rest:
                yield _Delimiter(start, rest.end(), rest[1] is not None)
            start = rest.end() if rest else start + len(mark)

    def _find(self, mark: bytes, start: int, end: int) -> int:
        """Return where a delimiter begins, or -1, as `bytes.find` does."""
        near = start + max(1_000, len(mark))
        found = self.raw.find(mark, start, min(near, end))
        if found >= 0 or near >= end:
            return found
        # Base64, which most of the bytes of all mail are, has no hyphen, and one byte is found ten
        # times as fast as many. The headers of parts, which have some, were passed above.
        hyphen = self.raw.find(b"-", near - len(mark) + 1, end)
        return self.raw.find(mark, hyphen - 1, end) if hyphen >= 0 else -1

    # --- contents -----------------------------------------------------------------------------

    def _content(self, part: _Part) -> bytes:
        data = self.raw[part.start : part.end]
        match part.encoding:
            case "base64" if _NOT_BASE64_LINE.match(data):
                self.repair("transfer:base64")
                return data
            case "base64":
                data, whole = decode_base64(data)
                if not whole:
                    self.repair("transfer:base64")
                return data
            case "quoted-printable":
                return binascii.a2b_qp(data)
            case _:
                return data

    def text(self, part: _Part) -> str:
        """Return what is to be read: all body parts in order; an alternative in plain text is preferred."""
        if not part.children:
            return self._leaf_text(part) if part.is_body() else ""
        if part.type == "multipart/alternative":
            candidates = map(self.text, sorted(part.children, key=_Part.begins_with_html))
            return next((text for text in candidates if text), "")
        return "\n\n".join(text for text in map(self.text, part.children) if text)

    def _leaf_text(self, part: _Part) -> str:
        data = self._content(part) if self._text_left else b""
        if len(data) > self._text_left or not self._text_left:
            self.repair("limit:text")
        data = data[: self._text_left]
        self._text_left -= len(data)
        label = _LABEL.search(part.parameters.get("charset", (b"", None))[0])
        charset = label[0].decode("ascii", "replace") if label else ""
        if part.type == "text/html":
            if not charset and (meta := _META_CHARSET.search(data, 0, 2_000)):
                charset = meta[1].decode("ascii")
            reading = read_html(self.repaired(*decode_charset(data, charset)))
            self.trackers += reading.trackers
            return reading.text
        text = self.repaired(*decode_charset(data, charset))
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _word(part.parameters.get("format", (b"", None))[0]) == "flowed":
            delete_space = _word(part.parameters.get("delsp", (b"", None))[0]) == "yes"
            text = unflow(text, delete_space=delete_space)
        return text.rstrip().lstrip("\n")

    def attachments(self, part: _Part) -> Iterator[Attachment]:
        """Yield every leaf that is not read in place; an embedded message is one, never opened."""
        for child in part.children:
            yield from self.attachments(child)
        if part.children or part.type.startswith("multipart/") or part.is_body():
            return
        yield Attachment(
            part_id=part.number,
            name=part.name or self._inner_subject(part),
            type=part.type,
            size=self._size(part),
            inline=part.disposition == "inline"
            or (not part.disposition and part.parent == "multipart/related"),
        )

    def _size(self, part: _Part) -> int:
        sound = base64_size(self.raw[part.start : part.end]) if part.encoding == "base64" else None
        return len(self._content(part)) if sound is None else sound

    def _inner_subject(self, part: _Part) -> str:
        if part.type != "message/rfc822":
            return ""
        fields, _ = fields_of(self.raw[part.start : split(self.raw, part.start, part.end)[0]], (b"subject",))
        return self.repaired(*decode_words(_first(fields, b"subject")))


# --- parameters -------------------------------------------------------------------------------

_PARAMETER = re.compile(
    rb';\s*+([^\s=;*"]++)(?:\*(\d{1,3}))?(\*)?\s*+=\s*+("(?:[^"\\]++|\\.)*+"|[^;]*+)', re.DOTALL
)


def _word(value: bytes) -> str:
    """Return the first word of a field or parameter, in lower case."""
    return _word_once(value[:WORD_BYTES]) if value else ""


@lru_cache(maxsize=500)
def _word_once(value: bytes) -> str:
    found = _WORD.match(value)
    return found[1].decode("ascii").lower() if found else ""


def _typed(value: bytes) -> tuple[str, Parameters]:
    """Return the type, empty when it is not sound, and the parameters of a Content-Type."""
    found = _TYPE.match(value)
    return found[1].decode("ascii").lower() if found else "", _parameters(value)


_typed_once = lru_cache(maxsize=500)(_typed)


def _parameters(value: bytes) -> Parameters:
    """Return the parameters of a field, the pieces of RFC 2231, 3 put together."""
    if b";" not in value:
        return {}
    found: dict[str, list[tuple[int, bool, bytes]]] = {}
    plain: dict[str, tuple[bytes, str | None]] = {}
    for name, number, star, data in _PARAMETER.findall(value):
        key = name.decode("ascii", "replace").lower()
        if number or star:
            found.setdefault(key, []).append((int(number or 0), bool(star), _unquoted(data)))
        else:
            plain.setdefault(key, (_unquoted(data), None))
    return plain | {name: _put_together(sorted(pieces)) for name, pieces in found.items()}


def _put_together(pieces: list[tuple[int, bool, bytes]]) -> tuple[bytes, str | None]:
    """RFC 2231, 4: the first piece names charset and language between apostrophes."""
    charset = None
    _, extended, first = pieces[0]
    if extended:
        label, *rest = first.split(b"'", 2)
        charset = label.decode("ascii", "replace") if len(rest) == 2 else ""
        pieces = [(0, True, rest[1] if len(rest) == 2 else first), *pieces[1:]]
    data = b"".join(unquote_to_bytes(piece) if star else piece for _, star, piece in pieces)
    return data, charset


def _unquoted(data: bytes) -> bytes:
    data = data.strip()
    if data.startswith(b'"'):
        # Only quotes and backslashes are escaped: some programs send the path C:\Temp\a.pdf as it is.
        data = re.sub(
            rb'\\(["\\])', rb"\1", data[1:-1] if data.endswith(b'"') and len(data) > 1 else data[1:]
        )
    return data

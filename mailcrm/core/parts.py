"""How an email is cut into its parts: the structure of RFC 2045 and RFC 2046, read over the bytes themselves.

So every header keeps its raw bytes, a boundary is compared as a whole, and limits hold before
anything is decoded. Header fields are left to `core.headers`; which part is what to a reader, to
`core.mime`.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from mailcrm.core.charsets import decode_charset, is_charset
from mailcrm.core.headers import (
    Fields,
    base64_size,
    decode_base64,
    decode_words,
    fields_of,
    one_line,
    split,
    unix_lines,
    value_of,
)

#: No real email comes near; what was cut off is told in `repairs`, as `limit:parts` and `limit:depth`.
PARTS = 1_000
DEPTH = 50
#: Each label of a charset makes one of its own, and a sender may invent thousands.
REPAIRS = 50
#: Longer types name a file or a boundary, which do not come again.
TYPE_BYTES = 100
#: No word that means anything is longer (dispositions, encodings, `flowed`).
WORD_BYTES = 40

#: What is read of a part's header.
PART_FIELDS = frozenset(
    (
        *(b"content-type", b"content-disposition", b"content-transfer-encoding"),
        b"content-id",
    )
)


class Parameter(NamedTuple):
    """The raw value of a parameter, its charset if RFC 2231 gave one, and whether that was mended."""

    value: bytes
    charset: str | None = None
    mended: bool = False


#: By their names in lower case.
Parameters: TypeAlias = Mapping[str, Parameter]
#: A delimiter line, from the line feed before it: start, end, and whether it closes the multipart.
_Delimiter: TypeAlias = tuple[int, int, bool]


@dataclass(kw_only=True, slots=True)
class Part:
    """A node of the tree; `start` and `end` bound its body in the raw email.

    `number` counts as IMAP does (RFC 9051, 6.4.5.1); `type`, `disposition` and `encoding` are in lower
    case, and they and the label in `charset` empty where nothing is said. `parent` is the type of the
    multipart around it.
    """

    number: str
    type: str
    charset: str
    parameters: Parameters
    disposition: str
    name: str
    encoding: str
    content_id: bytes
    start: int
    end: int
    parent: str
    first: bool
    children: "list[Part]" = field(default_factory=list)

    def is_multipart(self) -> bool:
        """Say whether the part is a container, even one whose parts are over a limit."""
        return self.type.startswith("multipart/")

    def parameter(self, name: str) -> bytes:
        """Return the raw value of a parameter of the type, empty when there is none."""
        return self.parameters[name].value if name in self.parameters else b""


_TYPE = re.compile(rb"\s*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)", re.IGNORECASE)
_LABEL = re.compile(rb"[^\s;()\"]+")
_WORD = re.compile(rb"\s*([a-z0-9_-]+)", re.IGNORECASE)
#: A first line with a blank between two words is plain text under a wrong label.
_NOT_BASE64_LINE = re.compile(rb"\s*+\S++[ \t]++\S")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+\r?(?=\n|\Z)")
_FALLBACK_BOUNDARY = re.compile(rb"\n--(\S[^\r\n]{0,199}+)(?=\r?\n)")


class Message:
    """The raw email while it is taken apart, with the repairs made on the way."""

    def __init__(self, raw: bytes) -> None:
        """Take the bytes as they came; line ends of the Macintosh become line feeds."""
        self.raw = unix_lines(raw)
        self.repairs: list[str] = []
        #: All of the tree, each before what is inside it.
        self.parts: list[Part] = []

    def repair(self, name: str) -> None:
        """Take down what had to be guessed, mended or cut off, once."""
        if name not in self.repairs and len(self.repairs) < REPAIRS:
            self.repairs.append(name)

    def repaired(self, text: str, repairs: list[str] | str | None) -> str:
        """Return the text, and take its repairs down."""
        for name in [repairs] if isinstance(repairs, str) else repairs or ():
            self.repair(name)
        return text

    def root(self, fields: Fields, body: int) -> Part:
        """Return the whole tree: the part that the email's own header describes, from `body` on."""
        root = self._part(fields, number="1", start=body, end=len(self.raw), parent="", first=True)
        self._open(root, prefix="", depth=1)
        return root

    def _part(self, fields: Fields, *, number: str, start: int, end: int, parent: str, first: bool) -> Part:
        written = value_of(fields, b"content-type")
        read = _typed_once if len(written) <= TYPE_BYTES else _typed
        kind, charset, parameters = read(written)
        disposition = value_of(fields, b"content-disposition")
        told = parameters_of(disposition)
        if not kind:
            # RFC 2046, 5.1.5; RFC 2045, 5.2 for what cannot be understood.
            kind = "message/rfc822" if parent == "multipart/digest" and not written else "text/plain"
        named = next(
            (each for each in (told.get("filename"), parameters.get("name")) if each and each.value), None
        )
        part = Part(
            number=number,
            type=kind,
            charset=charset,
            parameters=parameters,
            disposition=word(disposition),
            name=self._decoded(named) if named else "",
            encoding=word(value_of(fields, b"content-transfer-encoding")),
            content_id=value_of(fields, b"content-id").strip(b"<> "),
            start=start,
            end=end,
            parent=parent,
            first=first,
        )
        self.parts.append(part)
        return part

    def _decoded(self, parameter: Parameter) -> str:
        if parameter.mended:
            self.repair("parameter:rfc2231")
        if parameter.charset is not None:
            return one_line(self.repaired(*decode_charset(parameter.value, parameter.charset)))
        # RFC 2047, 5 forbids encoded words here, and Outlook has always written them.
        return self.repaired(*decode_words(parameter.value))

    def _open(self, part: Part, *, prefix: str, depth: int) -> None:
        """Find the children of a multipart; one without any is text that has a wrong label."""
        if not part.is_multipart():
            return
        if depth > DEPTH:
            self.repair("limit:depth")
            return
        for index, (start, end) in enumerate(self._spans(part), 1):
            if len(self.parts) > PARTS:
                self.repair("limit:parts")
                break
            header_end, body = split(self.raw, start, end)
            child = self._part(
                fields_of(self.raw[start:header_end], PART_FIELDS)[0],
                number=f"{prefix}{index}",
                start=body,
                end=end,
                parent=part.type,
                first=index == 1,
            )
            self._open(child, prefix=f"{child.number}.", depth=depth + 1)
            part.children.append(child)
        if not part.children and len(self.parts) <= PARTS:
            self.repair("boundary:missing")
            part.type = "text/plain"

    def _spans(self, part: Part) -> Iterator[tuple[int, int]]:
        # The line feed before the first boundary is the one that ends the header.
        before = max(part.start - 1, 0)
        boundary = part.parameter("boundary").rstrip()
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
        while opening is not None and not opening[2]:
            closing = next(lines, None)
            start = min(opening[1] + 1, part.end)
            end = closing[0] if closing else part.end
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
                yield start, rest.end(), rest[1] is not None
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

    def content(self, part: Part) -> bytes:
        """Return the decoded bytes of a part; whatever is left of a broken encoding is kept."""
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
            case "x-uuencode" | "uuencode" | "x-uue" | "uue":
                return self._uudecoded(data)
            case _:
                return data

    def size(self, part: Part) -> int:
        """Return the length of `content`."""
        match part.encoding:
            case "base64":
                sound = base64_size(self.raw[part.start : part.end])
                return len(self.content(part)) if sound is None else sound
            case "7bit" | "8bit" | "binary" | "":
                return part.end - part.start
            case _:
                return len(self.content(part))

    def _uudecoded(self, data: bytes) -> bytes:
        decoded = []
        _, begun, body = data.partition(b"begin ")
        for line in body.split(b"\n")[1:]:
            if line.startswith((b"end", b"`")):
                break
            try:
                decoded.append(binascii.a2b_uu(line))
            except binascii.Error:
                self.repair("transfer:uuencode")
        return b"".join(decoded) if begun else data


# --- parameters -------------------------------------------------------------------------------

# A quoted value ends where something may follow; otherwise there are quotes inside that are not escaped.
_PARAMETER = re.compile(
    rb';\s*+([^\s=;*"]++)(?:\*(\d{1,3}))?(\*)?\s*+=\s*+'
    rb'("(?:[^"\\]++|\\.)*+"(?=\s*+(?:[;(]|\Z)|\s++[^\s=;"]++=)|[^;]*+)',
    re.DOTALL,
)
#: A type or disposition that a parameter follows without the semicolon.
_NO_SEMICOLON = re.compile(rb"\s*+[^\s;=\"]++(?=\s++[a-z0-9*-]{1,40}=)", re.IGNORECASE)
_CHARSET_AND_LANGUAGE = re.compile(
    rb"([\w.:-]{1,40})'[\w-]{0,20}'(?=.*%[0-9a-f]{2})", re.DOTALL | re.IGNORECASE
)


def word(value: bytes) -> str:
    """Return the first word of a field or parameter, in lower case."""
    return _word_once(value[:WORD_BYTES]) if value else ""


@lru_cache(maxsize=500)
def _word_once(value: bytes) -> str:
    found = _WORD.match(value)
    return found[1].decode("ascii").lower() if found else ""


def _typed(value: bytes) -> tuple[str, str, Parameters]:
    """Return the type, empty when it is not sound, the charset and all parameters of a Content-Type."""
    found = _TYPE.match(value)
    parameters = parameters_of(value)
    label = _LABEL.search(parameters["charset"].value) if "charset" in parameters else None
    return (
        found[1].decode("ascii").lower() if found else "",
        label[0].decode("ascii", "replace") if label else "",
        parameters,
    )


_typed_once = lru_cache(maxsize=500)(_typed)


def parameters_of(value: bytes) -> Parameters:
    """Return the parameters of a field, the pieces of RFC 2231, 3 put together."""
    if b"=" not in value:
        return {}
    if word_before := _NO_SEMICOLON.match(value):
        value = value[: word_before.end()] + b";" + value[word_before.end() :]
    found: dict[str, list[tuple[int, bool, bytes]]] = {}
    plain: dict[str, Parameter] = {}
    for name, number, star, data in _PARAMETER.findall(value):
        key = name.decode("ascii", "replace").lower()
        if number or star:
            found.setdefault(key, []).append((int(number or 0), bool(star), _unquoted(data)))
        else:
            plain.setdefault(key, _plain(_unquoted(data)))
    if not found:
        return plain
    return plain | {name: _put_together(sorted(pieces)) for name, pieces in found.items()}


def _plain(data: bytes) -> Parameter:
    """Return a parameter without a star, whose value may be written as if it had one."""
    if b"''" not in data and data.count(b"'", 0, 60) < 2:
        return Parameter(data)
    label = _CHARSET_AND_LANGUAGE.match(data)
    if label and is_charset(label[1].decode("ascii")):
        return Parameter(unquote_to_bytes(data[label.end() :]), label[1].decode("ascii"), mended=True)
    return Parameter(data)


def _put_together(pieces: list[tuple[int, bool, bytes]]) -> Parameter:
    """RFC 2231, 4: the first piece names charset and language between apostrophes."""
    _, extended, first_piece = pieces[0]
    if not extended:
        # No charset was declared; stars on later pieces still mean percent signs.
        return _plain(b"".join(unquote_to_bytes(piece) if star else piece for _, star, piece in pieces))
    label, *rest = first_piece.split(b"'", 2)
    charset: str | None = label.decode("ascii", "replace")
    mended = False
    if len(rest) == 2:
        value = rest[1]
    elif rest and is_charset(label.decode("ascii", "replace")):
        value, mended = rest[0], True
    else:
        value, mended = first_piece, True
        charset = None if b"=?" in first_piece else ""
    # A percent sign may be cut off from its digits, so neighbours are put together first.
    data, open_piece = [], value
    for _, star, piece in pieces[1:]:
        if star:
            open_piece += piece
        else:
            data += [unquote_to_bytes(open_piece), piece]
            open_piece = b""
    return Parameter(b"".join((*data, unquote_to_bytes(open_piece))), charset, mended)


def _unquoted(data: bytes) -> bytes:
    data = data.strip()
    if data.startswith(b'"'):
        # Only quotes and backslashes are escaped: some programs send the path C:\Temp\a.pdf as it is.
        data = re.sub(
            rb'\\(["\\])', rb"\1", data[1:-1] if data.endswith(b'"') and len(data) > 1 else data[1:]
        )
    return data

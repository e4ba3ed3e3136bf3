"""What a rich text says: the compressed RTF of Outlook (MS-OXRTFCP), as HTML where it was made from HTML.

Only what is needed to read a text that is sent in no other form: no styles, no pictures. Where such
texts come from is left to `core.tnef`.
"""

import re
from dataclasses import dataclass, replace
from struct import unpack_from

from mailcrm.core.charsets import decode_charset, label_of_code_page

#: Of the rich text itself; it is some ten times as long as what it says.
RTF_BYTES = 1_000_000

# MS-OXRTFCP, 2.1.2.1: what the dictionary holds at the beginning.
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096
_HEADER_BYTES = 16
_COMPRESSED, _PLAIN = b"LZFu", b"MELA"

_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?[0-9]{1,10})?\x20?|\\'([0-9a-fA-F]{2})|\\([^a-z'])|([{}])|[\r\n]++|([^\\{}\r\n]++)|.",
    re.DOTALL,
)
#: Groups that hold nothing to read.
_UNREAD = frozenset(
    (b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"fldinst")
)
_SPOKEN = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": "\t",
    b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d",
    b"bullet": "\u2022", b"endash": "\u2013", b"emdash": "\u2014", b"~": "\xa0",
    b"_": "\xad", b"{": "{", b"}": "}", b"\\": "\\",
}  # fmt: skip
#: The code page of a font, by the number of its character set.
_CHARACTER_SETS = {
    0: 1252, 77: 10000, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254,
    163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250,
}  # fmt: skip


def decompressed(data: bytes) -> bytes:
    """Return the rich text in a compressed one (MS-OXRTFCP, 2.2), at most a million bytes of it."""
    if len(data) < _HEADER_BYTES:
        return b""
    kind = data[8:12]
    if kind == _PLAIN:
        return data[_HEADER_BYTES : _HEADER_BYTES + RTF_BYTES]
    if kind != _COMPRESSED:
        return b""
    out = bytearray(_DICTIONARY)
    position = _HEADER_BYTES
    while position < len(data) and len(out) < RTF_BYTES:
        control = data[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                out += data[position : position + 1]
                position += 1
                continue
            if position + 2 > len(data):
                return bytes(out[len(_DICTIONARY) :])
            (reference,) = unpack_from(">H", data, position)
            position += 2
            back = (len(out) - (reference >> 4)) % _WINDOW
            start = len(out) - back
            if back == 0 or start < 0:
                return bytes(out[len(_DICTIONARY) :])
            length = (reference & 15) + 2
            # What is copied may be what is being written (MS-OXRTFCP, 2.2.2.2).
            piece = out[start : start + length]
            out += (piece * (length // len(piece) + 1))[:length]
    return bytes(out[len(_DICTIONARY) :])


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds between two braces: `fallback` is how many characters follow a Unicode one in its stead."""

    label: str = ""
    fallback: int = 1
    unread: bool = False
    html_tag: bool = False
    #: MS-OXRTFEX, 2.1.3.2: it is there for readers of rich text only, the HTML says it in another way.
    rtf_only: bool = False
    font_table: bool = False


def read_rtf(data: bytes) -> tuple[str, bool]:
    """Return what a rich text says, and whether that is HTML (MS-OXRTFEX, 2.1.3) or plain text."""
    reading = _Reading(html=b"\\fromhtml1" in data[:1_000])
    for word, number, code, symbol, brace, run in _TOKEN.findall(data[:RTF_BYTES]):
        if run:
            reading.characters(run)
        elif code:
            reading.characters(bytes.fromhex(code.decode("ascii")))
        elif brace == b"{":
            reading.groups.append(reading.group)
        elif brace == b"}":
            reading.close()
        elif word or symbol:
            reading.control(word or symbol, int(number) if number else None)
    return reading.finished(), reading.html


class _Reading:
    """What was read so far; neighbouring bytes of one code page are decoded together."""

    def __init__(self, *, html: bool) -> None:
        self.html = html
        self.group = _Group()
        self.groups: list[_Group] = []
        self._said: list[str] = []
        self._bytes = bytearray()
        self._label = ""
        self._starred = False
        self._fallback_left = 0
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._usual = "cp1252"

    def characters(self, data: bytes) -> None:
        skipped = min(self._fallback_left, len(data))
        self._fallback_left -= skipped
        if skipped < len(data) and self._is_read():
            self._add(data[skipped:], self.group.label or self._usual)

    def close(self) -> None:
        self._fallback_left = 0
        if self.groups:
            self.group = self.groups.pop()

    def control(self, word: bytes, number: int | None) -> None:
        starred, self._starred = self._starred, word == b"*"
        if word == b"u" and number is not None:
            self._fallback_left = self.group.fallback
            if self._is_read():
                self._add((number & 0xFFFF).to_bytes(2, "little"), "utf-16-le")
        elif word in _SPOKEN:
            if self._is_read():
                self._flush()
                self._said.append(_SPOKEN[word])
        else:
            self._change(word, number, starred=starred)

    def _change(self, word: bytes, number: int | None, *, starred: bool) -> None:
        """Take down what a control word says for the rest of its group."""
        match word:
            case b"htmltag" if self.html and starred:
                self.group = replace(self.group, html_tag=True)
            case b"htmlrtf":
                self.group = replace(self.group, rtf_only=number != 0)
            case b"fonttbl":
                self.group = replace(self.group, font_table=True, unread=True)
            case b"uc":
                self.group = replace(self.group, fallback=max(0, min(number or 0, 9)))
            case b"plain":
                self.group = replace(self.group, label="")
            case b"f":
                self._font = number or 0
                self.group = replace(self.group, label=self._fonts.get(self._font, ""))
            case b"fcharset" if self.group.font_table and number in _CHARACTER_SETS:
                self._fonts[self._font] = label_of_code_page(_CHARACTER_SETS[number])
            case b"ansicpg":
                self._usual = label_of_code_page(number or 0)
            case _ if word in _UNREAD or (starred and not self.group.html_tag):
                self.group = replace(self.group, unread=True)

    def _is_read(self) -> bool:
        return not self.group.unread and (self.group.html_tag or not self.group.rtf_only)

    def _add(self, data: bytes, label: str) -> None:
        if label != self._label:
            self._flush()
            self._label = label
        self._bytes += data

    def _flush(self) -> None:
        if self._bytes:
            self._said.append(decode_charset(bytes(self._bytes), self._label)[0])
            self._bytes.clear()

    def finished(self) -> str:
        self._flush()
        return "".join(self._said)

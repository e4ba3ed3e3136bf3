"""What is inside a winmail.dat: the files and the text that Outlook packs as TNEF (MS-OXTNEF).

Nothing is read twice, and nothing in it is compressed but the rich text, which is left to `core.rtf`.
Which parts are TNEF is left to `core.mime`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from
from typing import NamedTuple

from mailcrm.core.charsets import decode_charset, label_of_code_page
from mailcrm.core.headers import one_line

#: No real one comes near.
FILES = 200
PROPERTIES = 2_000

# MS-OXTNEF, 2.1.1 and 2.1.3: how a stream begins, and the attributes that are read.
SIGNATURE = b"\x78\x9f\x3e\x22"
_HEADER_BYTES = 6
_CODE_PAGE = 0x9007
_SUBJECT = 0x8004
_BODY = 0x800C
_MESSAGE_PROPERTIES = 0x9003
_ATTACHMENT_BEGINS = 0x9002
_ATTACHMENT_TITLE = 0x8010
_ATTACHMENT_DATA = 0x800F
_ATTACHMENT_PROPERTIES = 0x9005

# MS-OXPROPS: the properties that are read.
_PR_SUBJECT = 0x0037
_PR_BODY = 0x1000
_PR_RTF_COMPRESSED = 0x1009
_PR_HTML = 0x1013
_PR_DISPLAY_NAME = 0x3001
_PR_ATTACH_DATA = 0x3701
_PR_ATTACH_FILENAME = 0x3704
_PR_ATTACH_LONG_FILENAME = 0x3707
_PR_ATTACH_MIME_TAG = 0x370E
_PR_ATTACH_CONTENT_ID = 0x3712
_PR_INTERNET_CODE_PAGE = 0x3FDE

# MS-OXCDATA, 2.11.1: how many bytes a value of a type takes (MS-OXTNEF, 2.1.3.4 fills up to four); the
# types that are not here tell their length, as does the data of an object after the id of its interface.
_FIXED = {0x01: 0, 0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8}
_FIXED[0x48] = 16
_VARIABLE = frozenset((0x0D, 0x1E, 0x1F, 0x102))
_OBJECT, _UNICODE = 0x0D, 0x1F
_INTERFACE_BYTES = 16
_SEVERAL = 0x1000
_NAMED = 0x8000

#: For files without a type, which is most of those from Outlook itself.
_TYPES_OF_NAMES = {
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

#: The type and the bytes of each property.
_Properties = dict[int, tuple[int, bytes]]


class File(NamedTuple):
    """A file of a winmail.dat; an attached email is one, packed as TNEF again."""

    name: str
    type: str
    content_id: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Tnef:
    """What a winmail.dat holds; the texts and `rtf`, which is compressed, are empty where there is none.

    `whole` is false where it broke off: then this is what came before.
    """

    files: tuple[File, ...]
    subject: str
    text: str
    html: str
    rtf: bytes
    whole: bool


def unpack(data: bytes) -> Tnef:
    """Return what a TNEF stream holds, of at most 200 files."""
    label = ""
    subject = body = b""
    properties: _Properties = {}
    attachments: list[dict[int, bytes]] = []
    whole = data.startswith(SIGNATURE)
    for name, value in _attributes(data) if whole else ():
        if name is None:
            whole = False
        elif name == _CODE_PAGE:
            label = label_of_code_page(int.from_bytes(value[:4], "little"))
        elif name == _SUBJECT:
            subject = value
        elif name == _BODY:
            body = value
        elif name == _MESSAGE_PROPERTIES:
            properties = _properties(value)
        elif name == _ATTACHMENT_BEGINS and len(attachments) == FILES:
            whole = False
            break
        elif name == _ATTACHMENT_BEGINS:
            attachments.append({})
        elif attachments:
            attachments[-1].setdefault(name, value)
    _, page = properties.get(_PR_INTERNET_CODE_PAGE, (0, b""))
    _, html = properties.get(_PR_HTML, (0, b""))
    return Tnef(
        files=tuple(filter(None, (_file(attributes, label) for attributes in attachments))),
        subject=one_line(decode_charset(subject, label)[0] or _text(properties, _PR_SUBJECT, label)),
        text=decode_charset(body, label)[0] or _text(properties, _PR_BODY, label),
        html=decode_charset(html, label_of_code_page(int.from_bytes(page[:4], "little")))[0],
        rtf=properties.get(_PR_RTF_COMPRESSED, (0, b""))[1],
        whole=whole,
    )


def _attributes(data: bytes) -> Iterator[tuple[int | None, bytes]]:
    """Yield id, of which the low half will do, and value of the attributes (MS-OXTNEF, 2.1.3)."""
    position = _HEADER_BYTES
    while position + 9 <= len(data):
        level, name, _, length = unpack_from("<BHHI", data, position)
        end = position + 9 + length
        if level not in (1, 2):
            # Servers add line ends and whole signatures to the end.
            return
        if end > len(data):
            yield None, b""
            return
        yield name, data[position + 9 : end]
        # A checksum follows: broken ones are met more often than broken data.
        position = end + 2


def _file(attributes: dict[int, bytes], label: str) -> File | None:
    properties = _properties(attributes.get(_ATTACHMENT_PROPERTIES, b""))
    content = attributes.get(_ATTACHMENT_DATA, b"")
    kind, value = properties.get(_PR_ATTACH_DATA, (0, b""))
    if value and (kind == _OBJECT or not content):
        content = value[_INTERFACE_BYTES:] if kind == _OBJECT else value
    name = (
        _text(properties, _PR_ATTACH_LONG_FILENAME, label)
        or decode_charset(attributes.get(_ATTACHMENT_TITLE, b""), label)[0]
        or _text(properties, _PR_ATTACH_FILENAME, label)
        or _text(properties, _PR_DISPLAY_NAME, label)
    )
    if not name and not content:
        return None
    tag = _text(properties, _PR_ATTACH_MIME_TAG, label).lower()
    if content.startswith(SIGNATURE):
        tag = "application/ms-tnef"
    elif not _TYPE.fullmatch(tag):
        tag = _TYPES_OF_NAMES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    return File(
        name=one_line(name),
        type=tag,
        content_id=_text(properties, _PR_ATTACH_CONTENT_ID, label).strip("<> "),
        content=content,
    )


def _text(properties: _Properties, name: int, label: str) -> str:
    kind, value = properties.get(name, (0, b""))
    return decode_charset(value, "utf-16-le" if kind == _UNICODE else label)[0]


def _properties(data: bytes) -> _Properties:
    """Return the properties (MS-OXTNEF, 2.1.3.4), of several values the first, up to a broken one."""
    found: _Properties = {}
    count = int.from_bytes(data[:4], "little")
    position = 4
    for _ in range(min(count, PROPERTIES)):
        if position + 4 > len(data):
            break
        kind, name = unpack_from("<HH", data, position)
        position += 4
        if name >= _NAMED:
            position = _after_name(data, position)
        value, position = _value(data, position, kind)
        if position < 0:
            break
        found.setdefault(name, (kind & ~_SEVERAL, value))
    return found


def _after_name(data: bytes, position: int) -> int:
    """Return where the value of a property begins that has a name: an id and a number or a text."""
    position += 16
    kind = int.from_bytes(data[position : position + 4], "little")
    length = int.from_bytes(data[position + 4 : position + 8], "little")
    return position + 8 + (_padded(length) if kind == 1 else 0)


def _value(data: bytes, position: int, kind: int) -> tuple[bytes, int]:
    """Return the first value of a property and where the next property begins, -1 when that is not known."""
    several, kind = kind & _SEVERAL, kind & ~_SEVERAL
    variable = kind in _VARIABLE
    if not variable and kind not in _FIXED:
        return b"", -1
    count = 1
    if several or variable:
        count = int.from_bytes(data[position : position + 4], "little")
        position += 4
    if not variable:
        length = _FIXED[kind]
        return data[position : position + length], position + count * length
    first = b""
    for number in range(count):
        if position + 4 > len(data):
            return first, -1
        length = int.from_bytes(data[position : position + 4], "little")
        position += 4
        if number == 0:
            first = data[position : position + length]
        position += _padded(length)
    return first, position


def _padded(length: int) -> int:
    return length + -length % 4

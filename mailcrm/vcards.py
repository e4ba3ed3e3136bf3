"""vCards of versions 2.1 to 4.0 read, and of 3.0 and 4.0 written (RFC 2426, RFC 6350), by vobject.

Files of strangers are brought into shape before vobject sees them: lines are joined, what is not asked for
is left out, and a line must be one (see docs/decisions/0024-vcard.md). What a card says is checked by
`mailcrm.core.imports`.
"""

import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from mailcrm.core.charsets import decode_charset
from mailcrm.core.csv_files import BadRow, decode_file
from mailcrm.core.errors import UsageError
from mailcrm.core.import_values import Unreadable
from mailcrm.core.imports import Imported, ImportedContact, contact, unite
from mailcrm.core.model import Contact

if TYPE_CHECKING:
    from vobject.base import Component

#: More than any address book has.
CARDS = 500_000
#: The most properties of one card that are asked for.
PROPERTIES = 1_000

_ASKED = frozenset(
    {"VERSION", "KIND", "FN", "N", "EMAIL", "TEL", "ORG", "TITLE", "ROLE", "NOTE", "CATEGORIES"}
)
_NAME = re.compile(r"(?:[A-Za-z0-9_-]++\.)?([A-Za-z0-9_-]++)(?=[;:])")
#: A content line (RFC 6350, 3.3, and the bare parameters of 2.1). vobject's own pattern for it takes time
#: that doubles with each character of a line that is none.
_LINE = re.compile(
    r"(?:[A-Za-z0-9_-]++\.)?[A-Za-z0-9_-]++"
    r"(?P<parameters>(?:;[A-Za-z0-9_-]++(?:=(?:\"[^\"]*+\"|[^\";:,]*+)(?:,(?:\"[^\"]*+\"|[^\";:,]*+))*+)?)*+)"
    r":(?P<value>.*)"
)
_QUOTED_PRINTABLE = re.compile(r"[;=]QUOTED-PRINTABLE(?=[;:])", re.IGNORECASE)
_CHARSET = re.compile(r";CHARSET=\"?([^\";:,]*)\"?", re.IGNORECASE)


def is_vcard(data: bytes) -> bool:
    """Say whether a file begins as vCards do."""
    return decode_file(data[:1_000]).lstrip().upper().startswith("BEGIN:VCARD")


def read_vcards(data: bytes) -> Imported:
    """Return the people in a file of vCards; a bad row stands for a card.

    Raises UsageError for a file that is too large, or holds no vCard.
    """
    said: list[ImportedContact] = []
    bad: list[BadRow] = []
    for count, (line, card) in enumerate(_cards(decode_file(data))):
        if count == CARDS:
            raise UsageError(f"There are more than {CARDS:,} cards.", hint="Cut the file into several.")
        try:
            said.append(_person(line, card))
        except Unreadable as error:
            bad.append(BadRow(line=line, reason=str(error)))
    if not said and not bad:
        raise UsageError("There is no vCard in the file.", hint="Export the contacts again, as vCard or CSV.")
    united = unite(said)
    return Imported(
        records=united.records, bad=tuple(sorted((*bad, *united.bad), key=lambda each: each.line))
    )


def _cards(text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield the line on which each card begins, and the lines asked for; None for a card without an end."""
    begun = 0
    card: list[str] = []
    for number, line in _joined(text):
        match line.strip().upper():
            case "BEGIN:VCARD":
                if begun:
                    yield begun, None
                begun, card = number, []
            case "END:VCARD":
                if begun:
                    yield begun, card
                begun = 0
            case _ if begun and (found := _NAME.match(line)) and found[1].upper() in _ASKED:
                card.append(line)
    if begun:
        yield begun, None


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield each property on one line, with the number of its first (RFC 6350, 3.2).

    A soft line end of quoted-printable is joined, too: the blank after it belongs to the text.
    """
    first = 0
    parts: list[str] = []
    soft = False
    for number, line in enumerate(text.split("\n"), start=1):
        if soft:
            parts[-1] = parts[-1].rstrip("=")
            parts.append(line)
        elif parts and line[:1] in (" ", "\t"):
            parts.append(line[1:])
        else:
            if parts:
                yield first, "".join(parts)
            first, parts = number, [line]
        soft = line.endswith("=") and bool(_QUOTED_PRINTABLE.search(parts[0]))
    if parts:
        yield first, "".join(parts)


def _person(line: int, card: list[str] | None) -> ImportedContact:
    import vobject

    if card is None:
        raise Unreadable("its END:VCARD is missing")
    if len(card) > PROPERTIES:
        raise Unreadable(f"it has more than {PROPERTIES:,} lines")
    text = "\r\n".join(("BEGIN:VCARD", *map(_plain, card), "END:VCARD", ""))
    try:
        read = vobject.readOne(text)
    except (vobject.base.VObjectError, ValueError, LookupError, binascii.Error) as error:
        raise Unreadable("it is no vCard that can be read") from error
    kind = _first(read, "kind").lower()
    if kind in ("group", "org", "location", "application", "device"):
        raise Unreadable(f"it is no person: {kind}")
    called = _first(read, "fn")
    given, family = ("", "") if called else _name(read)
    return contact(
        line,
        whole_name=called,
        first_name=given,
        last_name=family,
        addresses=_preferred(read, "email"),
        phone_cells=[_number(each) for each in _preferred(read, "tel")],
        organization=_organization(read),
        title=_first(read, "title") or _first(read, "role"),
        notes="\n".join(str(each.value) for each in read.contents.get("note", ())),
    )


def _plain(line: str) -> str:
    """Return a property without quoted-printable, in which vobject knows hardly a charset."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise Unreadable(f"{line[:40]!r} is no line of a vCard")
    if not _QUOTED_PRINTABLE.search(line[: found.start("value")]):
        return line
    head = line[: found.start("value")]
    label = _CHARSET.search(head)
    decoded = quopri.decodestring(found["value"].encode("utf-8", "replace"))
    text = decode_charset(decoded, label[1] if label else None)[0]
    for pattern in (r";ENCODING=\"?QUOTED-PRINTABLE\"?", r";QUOTED-PRINTABLE(?=[;:])", _CHARSET.pattern):
        head = re.sub(pattern, "", head, flags=re.IGNORECASE)
    return head + re.sub(r"\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", r"\\n", text)


def _first(read: "Component", name: str) -> str:
    return next((text for each in read.contents.get(name, ()) if (text := _flat(each.value).strip())), "")


def _preferred(read: "Component", name: str) -> list[str]:
    """Return the values of a property, the preferred one first: PREF=1 in 4.0, TYPE=PREF or PREF before."""

    def rank(each: "Component") -> int:
        told = next(iter(each.params.get("PREF", ())), "")
        types = (*each.params.get("TYPE", ()), *each.singletonparams)
        if told.isascii() and told.isdigit():
            return min(int(told[:3]), 100)
        return 1 if any("pref" in text.lower().split(",") for text in types) else 101

    return [_flat(each.value) for each in sorted(read.contents.get(name, ()), key=rank)]


def _name(read: "Component") -> tuple[str, str]:
    for each in read.contents.get("n", ()):
        return _flat(getattr(each.value, "given", "")), _flat(getattr(each.value, "family", each.value))
    return "", ""


def _number(text: str) -> str:
    """Return a telephone number that may be a URI (RFC 3966) as people write it."""
    return text.removeprefix("tel:").replace(";ext=", " ext. ").partition(";")[0]


def _organization(read: "Component") -> str:
    for each in read.contents.get("org", ()):
        # The name stands first, units of it follow (RFC 6350, 6.6.4).
        return _flat(each.value[0] if isinstance(each.value, list) and each.value else each.value)
    return ""


def _flat(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def write_vcards(people: Iterable[Contact], version: Literal["3.0", "4.0"]) -> bytes:
    """Return people as vCards in UTF-8, the first address of each the preferred one."""
    return "".join(_card(person, version) for person in people).encode("utf-8", "replace")


def _card(person: Contact, version: Literal["3.0", "4.0"]) -> str:
    import vobject
    from vobject.vcard import Name

    card = vobject.vCard()
    card.add("version").value = version
    card.add("fn").value = person.name
    given, _, family = person.name.rpartition(" ")
    card.add("n").value = Name(family=family if given else "", given=given or family)
    for position, address in enumerate(person.addresses):
        line = card.add("email")
        line.value = address
        if version == "3.0":
            line.params["TYPE"] = ["INTERNET"] if position else ["INTERNET", "PREF"]
        elif not position:
            line.params["PREF"] = ["1"]
    for number in person.phones:
        card.add("tel").value = number
    if person.organization:
        card.add("org").value = [person.organization]
    if person.title:
        card.add("title").value = person.title
    if person.notes:
        card.add("note").value = person.notes
    text: str = card.serialize()
    return text

"""How an address is compared, and how the mailboxes of an address field are read.

The last `<…>` of a mailbox is its address, whatever the display name pretends; a field in which a
person could read another one is reported as ambiguous. Python's own `parseaddr` and
`policy.default` do otherwise. Who an address belongs to is left to `mailcrm.core.links`.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import idna

from mailcrm.core.headers import decode_words

#: RFC 3696, errata 1690: 64 and 255 characters around the @. Real local parts are longer (reply
#: tokens), so only the sum counts. A domain name has at most 253 (RFC 1035, 2.3.4).
ADDRESS_CHARACTERS = 320
DOMAIN_CHARACTERS = 253
#: Twice as many as the largest lists that are met.
MAILBOXES = 20_000

# RFC 5322, 3.4.1, but dots may stand anywhere: some providers gave out such addresses.
_LOCAL = re.compile(r"[^\x00-\x20\x7f-\xa0\ud800-\udfff\u2028\u2029\s()<>\[\]:;@\\,\"]+")
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]|\\[\x20-\x7e])*+"')
_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+")
_LITERAL = re.compile(r"\[[0-9a-z:.]{2,60}\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mailbox:
    """A display name, decoded and possibly empty, and a normalised address."""

    name: str
    address: str


def normalise(text: str) -> str | None:
    """Return an addr-spec as addresses are compared, or None when it is none.

    Lower case, Unicode NFC, the domain in IDNA ASCII (UTS 46).
    """
    text = text.strip()
    if not 3 <= len(text) <= ADDRESS_CHARACTERS:
        return None
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    local, _, domain = text.rpartition("@")
    if local.startswith('"'):
        if not _QUOTED_LOCAL.fullmatch(local):
            return None
        # RFC 5322, 3.4.1: quotes that are not needed are not part of the address.
        plain = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = plain if _LOCAL.fullmatch(plain) else local
    elif not _LOCAL.fullmatch(local):
        return None
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None or len(local) + len(ascii_domain) >= ADDRESS_CHARACTERS:
        return None
    return f"{local}@{ascii_domain}"


def _ascii_domain(domain: str) -> str | None:
    if not domain.isascii():
        if len(domain) > DOMAIN_CHARACTERS:
            return None
        try:
            domain = _international(domain)
        except UnicodeError:
            # idna.IDNAError is one; it is raised for whatever is no international domain name.
            return None
    domain = domain.removesuffix(".")
    if len(domain) <= DOMAIN_CHARACTERS and _DOMAIN.fullmatch(domain):
        return domain
    return domain if _LITERAL.fullmatch(domain) else None


@lru_cache(maxsize=1_000)
def _international(domain: str) -> str:
    return idna.encode(domain, uts46=True).decode("ascii")


def without_tag(address: str) -> str:
    """Return a normalised address without the `+tag` of its local part."""
    local, _, domain = address.rpartition("@")
    plain = local.partition("+")[0]
    return f"{plain}@{domain}" if plain and not local.startswith('"') else address


# An encoded word is one token, because broken programs leave commas in it; brackets stay brackets.
_TOKEN = re.compile(
    r'=\?[^?\s"<>]{1,60}\?[bBqQ]\?[^?\s"<>]*+\?='
    r'|"(?:[^"\\]++|\\.)*+"|(?:\\.)++|[()<>,;:]|(?:[^"\\()<>,;:=]|=(?!\?))++|.',
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"\\.|[()]", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"[\s<>()\[\]\",;:]+")


@dataclass(slots=True)
class _Entry:
    """What stands between two commas: pieces outside, comments, and the brackets in order."""

    plain: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angles: list[list[str]] = field(default_factory=list)

    def name(self) -> str:
        phrase = _decoded("".join(_unquoted(piece) for piece in self.plain))
        return phrase or _decoded("".join(self.comments))


def parse_mailboxes(value: str) -> tuple[tuple[Mailbox, ...], bool]:
    """Return the mailboxes of an address field, groups flattened, and whether it is ambiguous as a From.

    It is when it does not hold exactly one mailbox, when a name contains another address than the
    real one, or when something with an @ cannot be understood. `value` is the field with its encoded
    words: they are decoded after the mailboxes are told apart (RFC 2047, 6.2). At most 20,000 are read.
    """
    mailboxes: list[Mailbox] = []
    doubtful = False
    surname = ""
    for entry in islice(_entries(value), MAILBOXES):
        mailbox, doubt = _mailbox(entry)
        doubtful |= doubt
        if mailbox is None:
            surname = entry.name()
        elif surname and entry.angles:
            # `Doe, Jane <jane@example.com>`: a comma that should have been quoted.
            mailboxes.append(Mailbox(name=f"{surname}, {mailbox.name}".rstrip(", "), address=mailbox.address))
            surname = ""
        else:
            mailboxes.append(mailbox)
            surname = ""
    if not mailboxes and "=?" in value and "=?" not in (decoded := _decoded(value)):
        # The whole field as one encoded word: forbidden, and sent all the same.
        return parse_mailboxes(decoded)[0], True
    return tuple(mailboxes), doubtful or len(mailboxes) != 1


def _entries(value: str) -> Iterator[_Entry]:
    entry = _Entry()
    inside = False
    for piece in _pieces(value):
        match piece:
            case "<":
                entry.angles.append([])
                inside = True
            case ">":
                inside = False
            case _ if piece.startswith("("):
                entry.comments.append(_unquoted(piece[1:-1]))
            case _ if inside and (piece not in (",", ";") or _is_route(entry.angles[-1])):
                entry.angles[-1].append(piece)
            case _ if piece in (",", ";") or (entry.angles and _is_encoded_comma(piece)):
                if entry.plain or entry.comments or entry.angles:
                    yield entry
                    entry = _Entry()
                inside = False
            case ":":
                # The end of a group's name (RFC 5322, 3.4); with an @ it is more than a name.
                if "@" in "".join(entry.plain) or entry.angles:
                    yield entry
                entry = _Entry()
            case _:
                entry.plain.append(piece)
    yield entry


def _pieces(value: str) -> Iterator[str]:
    """Yield the lexical tokens of RFC 5322, 3.2; a comment is one, from `(` to its `)`."""
    position = 0
    closed = True
    while found := _TOKEN.match(value, position):
        position = found.end()
        if found[0] != "(":
            yield found[0]
        elif closed and (end := _comment_end(value, position)):
            yield value[position - 1 : end]
            position = end
        else:
            # A comment that is never closed would hide the rest of the field. One search is enough.
            closed = False


def _comment_end(value: str, position: int) -> int | None:
    depth = 1
    for found in _COMMENT_EDGE.finditer(value, position):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return None


def _is_encoded_comma(piece: str) -> bool:
    """Say whether a token is what Python before 3.13 folds a comma between two mailboxes into."""
    return piece.startswith("=?") and _decoded(piece) == ","


def _is_route(angle: list[str]) -> bool:
    """Say whether a bracket begins with the source route of RFC 5322, 4.4, which holds commas."""
    return bool(angle) and angle[0].startswith("@")


def _mailbox(entry: _Entry) -> tuple[Mailbox | None, bool]:
    """Return the mailbox of an entry, if there is one, and whether it could be read in another way."""
    if not entry.angles:
        return _bare_mailbox(entry)
    last = entry.angles[-1]
    address = normalise("".join(last).rpartition(":")[2] if _is_route(last) else "".join(last))
    name = entry.name()
    if address is None:
        return None, "@" in name or "@" in "".join(last)
    return Mailbox(name=name, address=address), len(entry.angles) > 1 or _names_another(entry, address)


def _bare_mailbox(entry: _Entry) -> tuple[Mailbox | None, bool]:
    text = " ".join("".join(entry.plain).split()).replace(" @", "@").replace("@ ", "@")
    if address := normalise(text):
        name = _decoded("".join(entry.comments))
        return Mailbox(name=name, address=address), _names_another(_Entry(comments=entry.comments), address)
    for word in reversed(_address_like(text)):
        if address := normalise(word):
            return Mailbox(name=_decoded(text.replace(word, " ")), address=address), True
    return None, "@" in text


def _names_another(entry: _Entry, address: str) -> bool:
    """Say whether the display name or a comment shows another address than the real one."""
    words = "".join(map(_unquoted, entry.plain)) + " " + "".join(entry.comments)
    if "@" not in words and "=?" not in words and words.isascii():
        return False
    shown = unicodedata.normalize("NFKC", _decoded(words))
    return any(normalise(found) != address for found in _address_like(shown))


def _address_like(text: str) -> list[str]:
    words = (word.strip("'`.") for word in _BETWEEN_WORDS.split(text) if "@" in word)
    return [word for word in words if not word.startswith("@") and not word.endswith("@")]


def _unquoted(piece: str) -> str:
    if len(piece) > 1 and piece[0] == piece[-1] == '"':
        piece = piece[1:-1]
    return re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL) if "\\" in piece else piece


def _decoded(words: str) -> str:
    return " ".join(decode_words(words.encode("utf-8", "replace"))[0].split())

"""Mail servers as an autoconfig file names them (Thunderbird's config-v1.1.xml).

Pure: where the file comes from, and whether its servers may be trusted, is left to `discovery`.
https://www.ietf.org/archive/id/draft-ietf-mailmaint-autoconfig-06.html
"""

import re
import unicodedata
from dataclasses import dataclass, field
from xml.parsers import expat

from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.domains import host_name
from mailcrm.providers.presets import SignIn

#: What of a file is looked at; real ones name four servers.
_SERVERS = 20
_TEXT = 1_000
_USERNAME = 320

_SECURITY = {"ssl": Security.TLS, "starttls": Security.STARTTLS}
#: password-encrypted is CRAM-MD5; whoever offers it takes the password under TLS as well, almost always.
_SIGN_IN = {
    "password-cleartext": SignIn.PASSWORD,
    "plain": SignIn.PASSWORD,
    "password-encrypted": SignIn.PASSWORD,
    "secure": SignIn.PASSWORD,
    "oauth2": SignIn.OAUTH2,
}
_PLACEHOLDER = re.compile(r"%(EMAILADDRESS|EMAILLOCALPART|EMAILDOMAIN)%")


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A server of a file, for one address; `sign_in` is in the order of the file."""

    endpoint: Endpoint
    username: str
    sign_in: tuple[SignIn, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Autoconfig:
    """The usable servers of a file in its order, and in words why others are not."""

    imap: tuple[Offer, ...] = ()
    smtp: tuple[Offer, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class _Entry:
    kind: str
    outgoing: bool
    values: dict[str, list[str]] = field(default_factory=dict)


class _Refused(Exception):
    """The file holds what no autoconfig file needs."""


def parse(document: bytes, address: str) -> Autoconfig:
    """Return the servers that a file names for an address; what is no such file names none and says why."""
    try:
        entries = _entries(document)
    except _Refused as reason:
        return Autoconfig(refused=(str(reason),))
    # An encoding that expat or Python does not know is a ValueError or a LookupError.
    except (expat.ExpatError, ValueError, LookupError):
        return Autoconfig(refused=("it is no well-formed XML",))
    imap: list[Offer] = []
    smtp: list[Offer] = []
    refused: list[str] = []
    for entry in entries:
        offer = _offer(entry, address)
        if isinstance(offer, str):
            refused.append(offer)
        else:
            (smtp if entry.outgoing else imap).append(offer)
    return Autoconfig(imap=tuple(imap), smtp=tuple(smtp), refused=tuple(dict.fromkeys(refused)))


def _entries(document: bytes) -> list[_Entry]:
    """Return the servers of the first provider of a file, untouched."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text.append
    parser.StartDoctypeDeclHandler = reader.declare
    parser.Parse(document, True)  # noqa: FBT003 - it has no keyword for: this is all
    return reader.entries


class _Reader:
    """What was read of a file, element by element."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.text: list[str] = []
        self._path: list[str] = []
        self._providers = 0
        self._entry: _Entry | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "clientConfig":
            raise _Refused("it is no autoconfig file")
        self._path.append(name)
        self.text.clear()
        match self._path:
            case [_, "emailProvider"]:
                self._providers += 1
            case [_, "emailProvider", "incomingServer" | "outgoingServer"] if self._providers == 1:
                self._entry = _Entry(kind=attributes.get("type", ""), outgoing=name == "outgoingServer")
                self.entries.append(self._entry)
                if len(self.entries) > _SERVERS:
                    raise _Refused("it names too many servers")

    def end(self, name: str) -> None:
        if len(self._path) == 4 and self._entry is not None:
            self._entry.values.setdefault(name, []).append("".join(self.text).strip()[:_TEXT])
        elif len(self._path) == 3:
            self._entry = None
        self._path.pop()

    def declare(self, *_: object) -> None:
        # Entities are declared there: they read files, ask other servers, or grow without end.
        raise _Refused("it declares a document type, which no autoconfig file needs")


def _offer(entry: _Entry, address: str) -> Offer | str:
    """Return the server of an entry, or why it cannot be used."""
    wanted = "smtp" if entry.outgoing else "imap"
    if entry.kind.lower() != wanted:
        return f"{_word(entry.kind)} is not {wanted.upper()}"
    host = host_name(_expanded(_first(entry, "hostname"), address))
    if host is None:
        return f"{wanted.upper()}: what stands for the server is no full host name"
    port = _port(_first(entry, "port"))
    if port is None:
        return f"{host}: its port is none"
    security = _SECURITY.get(_first(entry, "socketType").lower())
    if security is None:
        return f"{host}:{port} without encryption"
    told = entry.values.get("authentication", [])
    kinds = tuple(dict.fromkeys(_SIGN_IN[kind.lower()] for kind in told if kind.lower() in _SIGN_IN))
    if told and not kinds:
        return f"{host}:{port} takes neither a password nor OAuth2"
    return Offer(
        endpoint=Endpoint(host=host, port=port, security=security),
        username=_username(_first(entry, "username"), address),
        sign_in=kinds or (SignIn.PASSWORD,),
    )


def _first(entry: _Entry, name: str) -> str:
    return entry.values.get(name, [""])[0]


def _word(text: str) -> str:
    """Return a server's kind if it is a plain word, because it is shown."""
    return text if re.fullmatch(r"[A-Za-z0-9-]{1,20}", text) else "another kind of server"


def _port(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        return None
    return int(text) if 1 <= int(text) <= 65_535 else None


def _expanded(text: str, address: str) -> str:
    """Return a text with its placeholders filled in, once: what is filled in is not looked at again."""
    local, _, domain = address.rpartition("@")
    values = {"EMAILADDRESS": address, "EMAILLOCALPART": local, "EMAILDOMAIN": domain}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _username(template: str, address: str) -> str:
    """Return the log-in name, which is the address when the file's cannot be ours.

    We never say who asks, so a name without a placeholder for the local part is somebody else's, or what a
    server made of a question without an address, or a mistyped placeholder.
    """
    if not re.search(r"%(EMAILADDRESS|EMAILLOCALPART)%", template):
        return address
    name = _expanded(template, address)
    if len(name) > _USERNAME or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return address
    return name

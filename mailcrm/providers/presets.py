"""The mail providers whose servers are known: presets.toml, and those of the person's own, checked when read.

A preset decides where a password is sent, so the table ships with the program and is never fetched. What
servers other domains have is left to `discovery`.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from mailcrm.core.addresses import normalise
from mailcrm.core.errors import ConfigError
from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.domains import host_of


class SignIn(StrEnum):
    """What opens a mailbox; a preset has them in the order in which a new user should try them."""

    PASSWORD = "password"  # noqa: S105 (a kind of sign-in, no secret)
    APP_PASSWORD = "app password"  # noqa: S105 (likewise)
    AUTHORIZATION_CODE = "authorization code"
    OAUTH2 = "OAuth2"


UserName = Literal["email", "localpart"]

#: Issuers of tokens whose addresses mailcrm knows; other ones a person sets in [oauth2.NAME] of config.toml.
ISSUERS = ("google", "microsoft", "yandex", "mailru", "fastmail")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The servers of one address and its log-in names there; `provider` is the id of a preset."""

    provider: str
    imap: Endpoint
    smtp: Endpoint | None
    username: str
    smtp_username: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What is known of a provider.

    `domains` are those of its addresses, in ASCII; `mx` globs for the mail servers of other domains
    that it keeps. The host of an endpoint may hold `{host}`, which the person has to name, or `{domain}`,
    that of the address. A log-in name is the whole address or what stands before the @.
    `oauth2` names the issuer of its tokens. `hint` says in a sentence what it needs before a log-in works,
    `steps` how to prepare it, `page` where it says so itself, `quirks` what else a person should know.
    `connections` may be open at a time, `daily_bytes` be downloaded in a day; None where no limit is known.
    A brand that `resells` others, by their ids, may keep an address with them: the domain's MX decides.
    Of one that is not `confirmed`, and of any with a `doubt`, that says what is not sure. `departs` is
    why it says otherwise than the collection that it is compared with. `unsupported` says why mailcrm
    cannot read mail there, which is the hint then; `imap` is None.
    """

    id: str
    name: str
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    imap: Endpoint | None = None
    smtp: Endpoint | None = None
    username: UserName = "email"
    smtp_username: UserName = "email"
    sign_in: tuple[SignIn, ...] = ()
    oauth2: str | None = None
    hint: str = ""
    steps: tuple[str, ...] = ()
    page: str = ""
    connections: int | None = None
    daily_bytes: int | None = None
    quirks: tuple[str, ...] = ()
    resells: tuple[str, ...] = ()
    confirmed: bool = True
    doubt: str = ""
    departs: str = ""
    unsupported: str = ""

    def server(self, address: str, host: str = "") -> Server:
        """Return the servers and log-in names of an address, at `host` where the provider has no one host.

        Raises ConfigError for a provider without IMAP, and for a host that is missing, bad or needless.
        """
        if self.imap is None:
            raise ConfigError(self.unsupported)
        if host and "{" not in self.imap.host:
            if host_of(host) != self.imap.host:
                raise ConfigError(f"{self.name} has a mail server of its own: {self.imap.host}.")
            # Somebody named the server that it has anyway.
            host = ""
        local, _, domain = address.rpartition("@")
        names = {"email": address, "localpart": local}
        return Server(
            provider=self.id,
            imap=self._at(self.imap, domain, host),
            smtp=None if self.smtp is None else self._at(self.smtp, domain, host),
            username=names[self.username],
            smtp_username=names[self.smtp_username],
        )

    def _at(self, endpoint: Endpoint, domain: str, host: str) -> Endpoint:
        if "{" not in endpoint.host:
            return endpoint
        if not host and "{host}" in endpoint.host:
            raise ConfigError(
                f"{self.name} has no one mail server: each has its own.", hint="Name yours: --imap-host HOST"
            )
        named = host_of(host or endpoint.host.replace("{domain}", domain))
        if named is None:
            raise ConfigError(f"{host or domain!r} is no host name.")
        return Endpoint(host=named, port=endpoint.port, security=endpoint.security)


_THIS_MACHINE = "127.0.0.1"


class Presets:
    """Presets in order, and which of them an address, a mail server or an IMAP server belongs to."""

    def __init__(self, shipped: Iterable[Preset], own: Iterable[Preset] = ()) -> None:
        """Take the presets and those of the person's own, which are found first."""
        self._own = tuple(own)
        taken = {row.id for row in self._own}
        self._shipped = tuple(row for row in shipped if row.id not in taken)
        self.rows = self._own + self._shipped
        self._by_id = {row.id: row for row in self.rows}
        self._by_domain = {domain: row for row in reversed(self.rows) for domain in row.domains}
        # What runs on this machine may be anybody's, unless the person says whose it is.
        self._by_host = {
            row.imap.host: row
            for row in reversed(self.rows)
            if row.imap is not None and (row in self._own or row.imap.host != _THIS_MACHINE)
        }

    def named(self, name: str) -> Preset | None:
        """Return the preset with this id, or None."""
        return self._by_id.get(name.strip().lower())

    def of_address(self, address: str) -> Preset | None:
        """Return the preset of the address's domain, or None."""
        return self._by_domain.get((normalise(address) or "").rpartition("@")[2])

    def of_mx(self, host: str) -> Preset | None:
        """Return the preset that keeps the mail of a domain with this mail server in DNS, or None."""
        name = host_of(host)
        if name is None:
            return None
        return _matching(self._own, name) or _matching(self._shipped, name)

    def of_host(self, host: str) -> Preset | None:
        """Return the preset with this IMAP server, or None."""
        return self._by_host.get(host_of(host) or "")


def _matching(rows: Iterable[Preset], name: str) -> Preset | None:
    """Return the row whose pattern says most of a host name, from its end."""
    found = [
        (len(_WILDCARD.split(pattern)[-1]), row)
        for row in rows
        for pattern in row.mx
        if fnmatchcase(name, pattern)
    ]
    return max(found, key=lambda match: match[0])[1] if found else None


def presets(
    own: Mapping[str, Mapping[str, Any]] = MappingProxyType({}), *, issuers: Collection[str] = ()
) -> Presets:
    """Return the presets, those of the person first: `Config.providers` as it stands.

    One of their own takes the domains that it names from a preset, and the place of the preset with its id.
    `issuers` are the names of their OAuth2 clients. Raises ConfigError with all that is wrong in theirs.
    """
    if not own:
        return _shipped()
    shipped = _shipped().rows
    rows, problems = read(own, "providers.", ids=[row.id for row in shipped], issuers=issuers)
    if problems:
        raise ConfigError(
            "config.toml: " + "; ".join(problems) + ".", hint="config.example.toml shows every key."
        )
    return Presets(shipped, rows)


@cache
def _shipped() -> Presets:
    """Return the presets of the table; raises ValueError when it is wrong."""
    table = tomllib.loads(files("mailcrm.providers").joinpath("presets.toml").read_text("utf-8"))
    rows, problems = read(table)
    if problems:
        raise ValueError("presets.toml: " + "; ".join(problems))
    return Presets(rows)


def read(
    table: Mapping[str, Any], prefix: str = "", *, ids: Iterable[str] = (), issuers: Iterable[str] = ()
) -> tuple[list[Preset], list[str]]:
    """Return the presets of a table that have no mistake, and all mistakes; `prefix` stands before each key.

    `ids` are of presets that stand elsewhere, `issuers` names of OAuth2 clients beside those in `ISSUERS`.
    """
    rows: list[Preset] = []
    problems: list[str] = []
    words: Mapping[str, Collection[str]] = {
        "username": ("email", "localpart"),
        "smtp_username": ("email", "localpart"),
        "sign_in": tuple(kind.value for kind in SignIn),
        "oauth2": (*ISSUERS, *(name.lower() for name in issuers)),
        "resells": (*ids, *(key.lower() for key in table)),
    }
    keys: dict[str, str] = {}
    keys_of_domains: dict[str, str] = {}
    for key, entry in table.items():
        found = list(_mistakes(entry, words))
        if not _ID.fullmatch(key.lower()):
            found.append(": a name has letters, digits, - and _ only")
        if keys.setdefault(key.lower(), key) != key:
            found.append(f" is {prefix}{keys[key.lower()]} again")
        if not found:
            rows.append(_row(key.lower(), entry))
            for domain in rows[-1].domains:
                if domain in keys_of_domains:
                    found.append(
                        f".domains: {domain} is in {prefix}{keys_of_domains[domain]}.domains already"
                    )
                keys_of_domains[domain] = key
        problems += (f"{prefix}{key}{problem}" for problem in found)
    return rows, problems


def _row(key: str, entry: Mapping[str, Any]) -> Preset:
    """Return the preset of an entry without a mistake."""
    imap, smtp = (_endpoint(kind, entry[kind]) if kind in entry else None for kind in ("imap", "smtp"))
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    values |= {
        "id": key,
        "name": entry.get("name", key),
        "domains": tuple(host_of(domain) for domain in entry.get("domains", ())),
        "imap": imap,
        "smtp": smtp,
        "hint": entry.get("hint", entry.get("unsupported", "")),
        "smtp_username": entry.get("smtp_username", entry.get("username", "email")),
        "sign_in": tuple(
            SignIn(kind) for kind in entry.get("sign_in", () if imap is None else ("password",))
        ),
    }
    return Preset(**values)


_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_URL = re.compile(r"(imaps?|smtps?)://([^\s/:@?#\[\]]+)(?::([0-9]{1,5}))?")
_PAGE = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?")
#: The last two labels are spelled out, so that a pattern cannot reach beyond what one registrant has.
_PATTERN = re.compile(r"(?:[a-z0-9.*?\[\]-]*\.)?[a-z0-9-]+\.[a-z0-9-]+")
_WILDCARD = re.compile(r"[*?\]]")

_KEYS: Mapping[str, type] = MappingProxyType(
    {
        "name": str,
        "domains": list,
        "mx": list,
        "imap": str,
        "smtp": str,
        "username": str,
        "smtp_username": str,
        "sign_in": list,
        "oauth2": str,
        "hint": str,
        "steps": list,
        "page": str,
        "connections": int,
        "daily_bytes": int,
        "quirks": list,
        "resells": list,
        "confirmed": bool,
        "doubt": str,
        "departs": str,
        "unsupported": str,
    }
)
_TYPES: Mapping[type, str] = MappingProxyType(
    {str: "a text", int: "a whole number above 0", list: "a list of texts", bool: "true or false"}
)
# RFC 8314: TLS from the first byte; port 143 and 587 begin in plain text, so there STARTTLS is required.
_SCHEMES: Mapping[str, tuple[Security, int]] = MappingProxyType(
    {
        "imaps": (Security.TLS, 993),
        "imap": (Security.STARTTLS, 143),
        "smtps": (Security.TLS, 465),
        "smtp": (Security.STARTTLS, 587),
    }
)


def _endpoint(kind: str, text: str) -> Endpoint | None:
    """Return the server of a URL, or None when it is none of this kind: imap or smtp."""
    url = _URL.fullmatch(text)
    if url is None or not url[1].startswith(kind):
        return None
    security, usual = _SCHEMES[url[1]]
    host = url[2] if url[2] == "{host}" else _with_domain(url[2])
    port = int(url[3] or usual)
    if host is None or not 0 < port < 65_536:
        return None
    return Endpoint(host=host, port=port, security=security)


def _with_domain(host: str) -> str | None:
    """Return a host name that may hold `{domain}`, or None when it would be none."""
    if "{domain}" not in host:
        return host_of(host)
    return host if host_of(host.replace("{domain}", "example.com")) is not None else None


def _mistakes(entry: object, words: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield what is wrong in an entry, beginning with the key: `.imap must be …`."""
    if not isinstance(entry, Mapping):
        yield " is not a table"
        return
    sound = True
    for key, value in entry.items():
        if key not in _KEYS:
            yield f": unknown key {key}{_instead(key, _KEYS)}"
        elif not _has_type(value, _KEYS[key]):
            yield f".{key} must be {_TYPES[_KEYS[key]]}"
            sound = False
        elif key in words:
            for one in [value] if isinstance(value, str) else value:
                if one not in words[key]:
                    yield f".{key}: unknown {one!r}{_instead(one, words[key])}"
        else:
            yield from (f".{key}{problem}" for problem in _unfit(key, value))
    if sound:
        yield from _contradictions(entry)


def _has_type(value: object, wanted: type) -> bool:
    if isinstance(value, bool) or wanted is bool:
        return isinstance(value, bool) and wanted is bool
    if isinstance(value, int):
        return wanted is int and value > 0
    if isinstance(value, list):
        return wanted is list and all(isinstance(one, str) for one in value)
    return isinstance(value, wanted)


def _unfit(key: str, value: Any) -> Iterator[str]:  # noqa: ANN401 (of the type in _KEYS)
    """Yield what is wrong with a value of the right type."""
    match key:
        case "imap" | "smtp" if _endpoint(key, value) is None:
            yield f" must be {key}s://HOST:PORT (TLS) or {key}://HOST:PORT (STARTTLS)"
        case "page" if not _PAGE.fullmatch(value):
            yield " must be https://…"
        case "domains":
            yield from (f": {one!r} is no domain" for one in value if "." not in (host_of(one) or ""))
        case "mx":
            bad = (one for one in value if not _PATTERN.fullmatch(one))
            yield from (f": {one!r} must end with a domain in lower case, as *.example.com" for one in bad)


def _contradictions(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not go together."""
    unsupported = bool(entry.get("unsupported"))
    if not unsupported and "imap" not in entry:
        yield ".imap is missing"
    if unsupported and not entry.keys().isdisjoint(("imap", "sign_in", "oauth2")):
        yield " is unsupported, so it has no imap, sign_in and oauth2"
    if ("oauth2" in entry) != (SignIn.OAUTH2 in entry.get("sign_in", ())):
        yield f": sign_in has {SignIn.OAUTH2} where oauth2 names the issuer, and only there"
    if entry.get("confirmed") is False and not entry.get("doubt"):
        yield ".doubt is missing: what is not confirmed?"


def _instead(word: str, known: Collection[str]) -> str:
    """Return which known word may be meant, or all when there are few; nothing when there are many."""
    from difflib import get_close_matches  # late: most files have no mistake

    near = get_close_matches(word.lower(), known, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (there are {', '.join(known)})" if len(known) < 8 else ""

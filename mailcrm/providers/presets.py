"""The mail providers whose servers are known: presets.toml, checked when it is read.

A preset decides where a password is sent, so the table ships with the program and is never fetched.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

from mailcrm.core.model import Endpoint, Security

_SCHEMES = {"imaps": Security.TLS, "imap": Security.STARTTLS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The server for one address, its log-in name, and what the person has to prepare."""

    provider: str
    imap: Endpoint
    username: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What is known of a provider.

    `username` says what the log-in name is: the whole address, or what stands before the @.
    `password` is the kind that the provider takes, `advice` how to get one. `unsupported` says why mailcrm
    cannot sign in there, or is empty. `daily_bytes` may be downloaded in a day; None where no limit is known.
    """

    id: str
    name: str
    domains: tuple[str, ...]
    imap: Endpoint
    username: Literal["email", "localpart"]
    password: Literal["password", "app password", "authorization code", "OAuth2"]
    advice: str
    unsupported: str = ""
    daily_bytes: int | None = None

    def for_address(self, address: str) -> Found:
        """Return the server and log-in name for an address."""
        name = address if self.username == "email" else address.rpartition("@")[0]
        return Found(provider=self.id, imap=self.imap, username=name, advice=self.advice)


@cache
def presets() -> tuple[Preset, ...]:
    """Return all presets in the order of the table; raises ValueError when the table is wrong."""
    table = tomllib.loads(files("mailcrm.providers").joinpath("presets.toml").read_text("utf-8"))
    return tuple(_preset(key, entry) for key, entry in table.items())


def by_name(name: str) -> Preset | None:
    """Return the preset with this id, or None."""
    return next((preset for preset in presets() if preset.id == name.strip().lower()), None)


def by_address(address: str) -> Preset | None:
    """Return the preset of the address's domain, or None."""
    domain = address.rpartition("@")[2]
    return next((preset for preset in presets() if domain in preset.domains), None)


def by_host(host: str) -> Preset | None:
    """Return the preset with this IMAP server, or None."""
    return next((preset for preset in presets() if preset.imap.host == host.lower()), None)


def _preset(key: str, entry: dict[str, object]) -> Preset:
    url = urlsplit(str(entry.pop("imap")))
    if url.scheme not in _SCHEMES or url.hostname is None or url.port is None:
        raise ValueError(f"preset {key}: imap must be imaps://HOST:PORT or imap://HOST:PORT")
    domains = entry.pop("domains")
    if not isinstance(domains, list):
        raise TypeError(f"preset {key}: domains must be a list")
    endpoint = Endpoint(host=url.hostname, port=url.port, security=_SCHEMES[url.scheme])
    return Preset(id=key, imap=endpoint, domains=tuple(domains), **entry)  # type: ignore[arg-type] # a wrong key raises

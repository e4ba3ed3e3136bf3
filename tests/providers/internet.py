"""A small internet on loopback: names, web sites and IMAP servers, and nothing beyond it."""

import contextlib
import os
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.resolver
import pytest

from mailcrm.providers import discovery
from mailcrm.providers.discovery import Discovery, Source, discover
from mailcrm.providers.presets import Presets, presets
from tests.cli.desk import Desk, Done
from tests.servers.certificates import Authority
from tests.servers.dns import DnsServer, Zone
from tests.servers.web import Page, Site, Web

KIM = "kim@example.com"
#: A provider with customers' domains, a brand that resells it, one without IMAP, one that takes tokens only.
TABLE = {
    "big": {
        "name": "Big Mail",
        "domains": ["big.example.net"],
        "mx": ["*.big.example.net"],
        "imap": "imaps://imap.big.example.net",
        "sign_in": ["app password"],
        "hint": "Big Mail wants an app password.",
        "page": "https://big.example.net/help",
    },
    "brand": {
        "name": "Brand",
        "mx": ["*.brand.example.net"],
        "imap": "imaps://imap.brand.example.net",
        "resells": ["big"],
        "hint": "Brand takes your password.",
        "page": "https://brand.example.net/help",
    },
    "closed": {
        "name": "Closed",
        "mx": ["*.closed.example.net"],
        "unsupported": "Closed has no IMAP.",
        "hint": "Closed has no IMAP.",
    },
    "token": {
        "name": "Token",
        "mx": ["*.token.example.net"],
        "imap": "imaps://imap.token.example.net",
        "sign_in": ["OAuth2"],
        "oauth2": "microsoft",
        "hint": "Token wants a sign-in in the browser.",
        "page": "https://token.example.net/help",
    },
}
MX = {("example.com", "MX"): ["10 mx.example.com."]}

AUTOCONFIG = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
ISPDB = "autoconfig.thunderbird.net"

#: The program, with the resolver of its process set before it begins: a machine's own names another server.
_PROGRAM = """
import sys
import dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], int(sys.argv.pop(1))
dns.resolver.default_resolver = resolver
dns.resolver.override_system_resolver(resolver)
from mailcrm.cli import main
main()
"""


class Internet:
    """What there is, and what was asked of it."""

    def __init__(self, names: DnsServer, web: Web) -> None:
        self.names = names
        self.web = web

    def run(self, home: Path, *words: str, said: str = "") -> Done:
        """Run the program in a process of its own that asks our names, too."""
        return self.desk(home).try_to(*words, said=said, **self.environment)

    def desk(self, home: Path) -> Desk:
        """Return a desk whose program asks our names; to be used with `environment`."""
        return Desk(home, ("-c", _PROGRAM, str(self.names.port)))

    @property
    def environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in ("HTTPS_PROXY", "SSL_CERT_FILE")}

    def find(self, address: str = KIM, *, network: bool = True, seconds: float = 10.0) -> Discovery:
        return discover(address, table(), network=network, resolver=self.names.resolver(), seconds=seconds)


def table() -> Presets:
    """Return presets that no test's outcome depends on, besides those of `TABLE`."""
    return presets(TABLE)


def config(
    host: str = "imap.example.com",
    *,
    security: str = "SSL",
    username: str = "%EMAILADDRESS%",
    authentication: str = "password-cleartext",
    more: str = "",
    head: str = '<?xml version="1.0"?>',
) -> str:
    """Return an autoconfig file with a server that is hostile only in its name for people."""
    return (
        f"{head}<clientConfig><emailProvider><displayName>\x85\u202e Evil</displayName>"
        f'<incomingServer type="imap"><hostname>{host}</hostname><port>993</port>'
        f"<socketType>{security}</socketType><username>{username}</username>"
        f"<authentication>{authentication}</authentication></incomingServer>{more}"
        "</emailProvider></clientConfig>"
    )


def own(what: Page) -> dict[str, Site]:
    """Return a domain's autoconfig."""
    return {"autoconfig.example.com": Site(pages={AUTOCONFIG: what})}


def answer(found: Discovery, source: Source, number: int = 0) -> str:
    """Return what a source answered; the questions of one source have numbers."""
    return [step.answer for step in found.steps if step.source is source][number]


@contextmanager
def internet(authority: Authority, zone: Zone, sites: Mapping[str, Site]) -> Iterator[Internet]:
    """Make this process live in the small internet."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("NO_PROXY", "no_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            environment.delenv(name, raising=False)
        try:
            with DnsServer(zone) as names, Web(authority, sites) as web:
                environment.setenv("HTTPS_PROXY", web.proxy)
                environment.setenv("SSL_CERT_FILE", str(authority.ca_file))
                resolver = names.resolver()
                resolver.lifetime = 1.0
                dns.resolver.override_system_resolver(resolver)
                yield Internet(names, web)
        finally:
            # A question that was begun and not waited for must not go on outside.
            for thread in threading.enumerate():
                if thread.name.startswith("discovery-"):
                    thread.join(10)
                    assert not thread.is_alive()
            dns.resolver.restore_system_resolver()


def _secured(connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
    # A client that is gone is found out here: wrap_socket would lose a socket without closing it.
    connection.recv(1, socket.MSG_PEEK)
    return tls.wrap_socket(connection, server_side=True)


@contextmanager
def imap_server(said: bytes, tls: ssl.SSLContext | None, *, answered: bytes = b"") -> Iterator[int]:
    """Serve a greeting under TLS or, with what is answered to STARTTLS, before it; yields the port."""

    class Greeter(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                if tls is not None and not answered:
                    with _secured(self.connection, tls) as secured:
                        secured.sendall(said)
                        heard.append(secured.recv(1000))
                    return
                self.wfile.write(said)
                heard.append(self.rfile.readline())
                self.wfile.write(answered or b"a BAD what?\r\n")
                if tls is not None:
                    with _secured(self.connection, tls) as secured:
                        heard.append(secured.recv(1000))

    heard: list[bytes] = []
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
    # Whatever is tried at a host that was guessed: no credential and no name.
    assert all(said in (b"", b"a STARTTLS\r\n") or said.startswith(b"\x16\x03") for said in heard)


@contextmanager
def guessing_at(*, tls: int = 1, starttls: int = 1) -> Iterator[None]:
    """Guess at these ports of loopback, because nobody but root may listen at the usual ones."""
    with pytest.MonkeyPatch.context() as ports:
        ports.setattr(discovery, "_TLS_PORT", tls)
        ports.setattr(discovery, "_STARTTLS_PORT", starttls)
        yield

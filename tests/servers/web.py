"""Web servers of any name, with certificates, behind a proxy on loopback (RFC 9110, 9.3.6: CONNECT).

A client that has HTTPS_PROXY and SSL_CERT_FILE in its environment finds `https://autoconfig.example.com/`
here: the proxy leads a name to a site in this process, or says that there is none.
"""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.servers.certificates import Authority

#: What a site does with a connection after it read a question; the event ends what would never end.
Page = Callable[[ssl.SSLSocket, threading.Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The pages of a host by path; `certificate_for` names another host than it should, for a bad one."""

    pages: Mapping[str, Page]
    certificate_for: str = ""
    expired: bool = False


def page(body: str | bytes, *, status: str = "200 OK", kind: str = "text/xml", location: str = "") -> Page:
    """Return a page that is answered as a whole."""
    content = body.encode() if isinstance(body, str) else body
    more = f"Location: {location}\r\n" if location else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(content)}\r\n\r\n"
    return lambda connection, _: connection.sendall(head.encode() + content)


def redirect(location: str) -> Page:
    """Return a page that is elsewhere."""
    return page("", status="302 Found", location=location)


def endless(connection: ssl.SSLSocket, stopped: threading.Event) -> None:
    """Never stop sending."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<clientConfig>")
    while not stopped.is_set():
        connection.sendall(b"<!-- more -->" * 1_000)


def dripping(connection: ssl.SSLSocket, stopped: threading.Event) -> None:
    """Send a head that never ends, one byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not stopped.wait(0.05):
        connection.sendall(b"x")


def silent(connection: ssl.SSLSocket, stopped: threading.Event) -> None:
    """Say nothing."""
    stopped.wait()


class Web:
    """The sites by host name, and the proxy that leads to them; `asked` holds each question."""

    def __init__(self, authority: Authority, sites: Mapping[str, Site]) -> None:
        self.asked: list[str] = []
        contexts = {
            host: authority.issue(site.certificate_for or host, expired=site.expired).context
            for host, site in sites.items()
        }
        asked = self.asked
        self._stopped = stopped = threading.Event()

        class Proxy(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                host = self.rfile.readline().decode("latin-1").split()[1].removesuffix(":443")
                while self.rfile.readline().strip():
                    pass
                if host not in sites:
                    asked.append(f"https://{host}")
                    self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                    return
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                # A client that does not like the certificate or the answer hangs up.
                with (
                    contextlib.suppress(OSError),
                    contexts[host].wrap_socket(self.connection, server_side=True) as connection,
                    connection.makefile("rb") as heard,
                ):
                    head = b"".join(iter(heard.readline, b"\r\n")).decode("latin-1")
                    asked.append(f"https://{host}{head.split()[1]}")
                    missing = page("no such page", status="404 Not Found")
                    sites[host].pages.get(head.split()[1], missing)(connection, stopped)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
        self._server.daemon_threads = True
        self.proxy = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

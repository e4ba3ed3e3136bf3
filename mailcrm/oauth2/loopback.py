"""Waiting for the browser's answer on this machine's loopback interface (RFC 8252, 7.3).

What stands in the answer is left to `grants`.
"""

import errno
import hmac
import selectors
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from mailcrm.core.errors import SignInFailed

#: The most that a request may hold, in bytes; one with a code and a state holds some thousand.
_REQUEST_LIMIT = 32_768
#: Seconds that a browser may take for one request; it opens connections ahead that it never uses.
_REQUEST_SECONDS = 20
#: Connections at one time, more than any browser opens to one host.
_CONNECTIONS = 32
#: Ports to try until one is free on both addresses.
_TRIES = 20

_HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    # The address of the page holds the code, which must not travel on.
    "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)
_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>mailcrm</title><h1>{0}</h1><p>{1}</p>\n'
#: (status, title, text)
_HEARD = ("200 OK", "Back to mailcrm", "Close this window and look at the terminal where mailcrm runs.")
_ANOTHER = ("400 Bad Request", "Not this sign-in", "Use the address that mailcrm showed last.")
_NOTHING = (
    "404 Not Found",
    "Nothing here",
    "mailcrm waits for the answer to a sign-in, and for nothing else.",
)


@dataclass(kw_only=True, slots=True, eq=False)
class _Visit:
    """One connection: what came over it so far, and when our patience ends."""

    connection: socket.socket
    until: float
    received: bytes = b""


class Listener:
    """A port of this machine that hears one answer; a context manager."""

    def __init__(self, port: int = 0) -> None:
        """Listen at once, for the port stands in what the browser is sent away with.

        0 lets the system choose one. Raises SignInFailed when the port is taken.
        """
        try:
            listening = _listen(port)
        except OSError as error:
            raise SignInFailed(
                f"mailcrm cannot wait for the browser's answer at port {port} of this machine:"
                f" {error.strerror or error}.",
                hint="Another program, or another sign-in, may use the port; redirect_port names another.",
            ) from error
        self.port: int = listening[0].getsockname()[1]
        self._stack = ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._visits: list[_Visit] = []
        for one in listening:
            self._stack.enter_context(one)
            self._selector.register(one, selectors.EVENT_READ, one)

    def __enter__(self) -> Self:
        """Return the listener, which listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port and all connections to it."""
        for visit in tuple(self._visits):
            self._leave(visit)
        self._stack.close()

    def wait(self, state: str, seconds: float) -> str:
        """Return the URL of the first answer to the request with this `state`; raises SignInFailed.

        Whatever else knocks gets a page that says so and is forgotten: any web site can make a browser
        ask this port.
        """
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for key, _ in self._selector.select(min(end - now, 1)):
                if not isinstance(key.data, _Visit):
                    self._welcome(key.data)
                # It may have had to make room in this very round.
                elif key.data in self._visits and (answer := self._hear(key.data, state)) is not None:
                    return answer
            for visit in tuple(self._visits):
                if visit.until < time.monotonic():
                    self._leave(visit)
        raise SignInFailed("The browser brought no answer in time.", hint="Start again.")

    def _welcome(self, listening: socket.socket) -> None:
        # A connection can be gone again before it is accepted.
        with suppress(OSError):
            connection, _ = listening.accept()
            connection.settimeout(0)
            visit = _Visit(connection=connection, until=time.monotonic() + _REQUEST_SECONDS)
            self._visits.append(visit)
            self._selector.register(connection, selectors.EVENT_READ, visit)
            if len(self._visits) > _CONNECTIONS:
                self._leave(self._visits[0])

    def _hear(self, visit: _Visit, state: str) -> str | None:
        """Read on; once the request is whole, show a page, and return its URL if it is the answer."""
        try:
            piece = visit.connection.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            piece = b""
        visit.received += piece
        if not piece or len(visit.received) > _REQUEST_LIMIT:
            self._leave(visit)
            return None
        if b"\r\n\r\n" not in visit.received:
            return None
        target = self._target(visit.received.decode("latin-1"))
        given = parse_qs(urlsplit(target).query).get("state", [""]) if target else []
        if target is None or given == [""]:
            page = _NOTHING
        elif not hmac.compare_digest(given[0].encode(), state.encode()):
            page = _ANOTHER
        else:
            page = _HEARD
        _show(visit.connection, page)
        self._leave(visit)
        return f"http://127.0.0.1:{self.port}{target}" if page is _HEARD else None

    def _target(self, request: str) -> str | None:
        """Return path and query of a request that can be the answer (RFC 9112, 3)."""
        line, *lines = request.split("\r\n")
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        hosts = [
            value.strip()
            for name, _, value in (one.partition(":") for one in lines)
            if name.lower() == "host"
        ]
        # A name that somebody lets point to 127.0.0.1 is none of ours.
        ours = {f"{host}:{self.port}" for host in ("127.0.0.1", "localhost", "[::1]")}
        if method != "GET" or not version.startswith("HTTP/1.") or len(hosts) != 1 or hosts[0] not in ours:
            return None
        return target if target.startswith("/?") else None

    def _leave(self, visit: _Visit) -> None:
        self._visits.remove(visit)
        self._selector.unregister(visit.connection)
        visit.connection.close()


def _listen(port: int) -> list[socket.socket]:
    """Return listening sockets on 127.0.0.1 and, where there is one, on ::1 with the same port.

    A browser may take either for `localhost`; so another program must not have the other.
    """
    for tried in range(_TRIES):
        first = _bound(socket.AF_INET, "127.0.0.1", port)
        try:
            return [first, _bound(socket.AF_INET6, "::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]
            first.close()
            if port or tried == _TRIES - 1:
                raise
    raise AssertionError  # the last try returned or raised


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A fixed port is free again at once, also while old connections linger.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
        one.listen()
        one.settimeout(0)
    except OSError:
        one.close()
        raise
    return one


def _show(connection: socket.socket, page: tuple[str, str, str]) -> None:
    status, title, text = page
    body = _PAGE.format(title, text).encode()
    # The answer counts, whether or not the browser stays to read the page.
    with suppress(OSError):
        connection.settimeout(2)
        connection.sendall(_HEAD.format(status=status, length=len(body)).encode() + body)
        connection.shutdown(socket.SHUT_WR)

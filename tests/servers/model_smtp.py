"""A small SMTP server: the part of RFC 5321, 3207 and 4954 that a log-in needs, on a loopback socket.

It takes no mail. A test can make it misbehave.
"""

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Self

from mailcrm.core.model import Endpoint, Security
from tests.servers.model_imap import BEARER

PASSWORD = "secret"


class ModelSmtpServer:
    """An SMTP server at `endpoint` that knows one password and one access token.

    `auth` are the mechanisms offered, once there is TLS where it is to be had. `heard` are all lines
    received, `verbs` those of the commands among them. `twist` gets each line and the reply, and
    returns the reply to send; `error_challenge` is what a refused token is told first.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        security: Security = Security.NONE,
        auth: Sequence[str] = ("PLAIN", "LOGIN"),
    ) -> None:
        self.context = context
        self.security = security
        self.auth = list(auth)
        self.password = PASSWORD
        self.token = "token"
        self.error_challenge = b'{"status":"400","schemes":"Bearer","scope":"mail"}'
        self.greeting = b"220 model ESMTP\r\n"
        self.twist: Callable[[bytes, bytes], bytes] = lambda _line, reply: reply
        self.heard: list[bytes] = []
        self.verbs: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        host = "localhost" if context else "127.0.0.1"
        self.endpoint = Endpoint(host=host, port=self._listener.getsockname()[1], security=security)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self, connection)
        with contextlib.suppress(OSError, ValueError):  # the client went away
            session.run()
        session.close()


class _Session:
    def __init__(self, server: ModelSmtpServer, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.file = connection.makefile("rb")

    def run(self) -> None:
        if self.server.security is Security.TLS:
            self.encrypt()
        self.connection.sendall(self.server.greeting)
        while line := self.file.readline():
            self.server.heard.append(line.rstrip())
            verb, _, rest = line.decode().strip().partition(" ")
            self.server.verbs.append(verb.upper())
            reply = self.reply(verb.upper(), rest)
            self.connection.sendall(self.server.twist(line.rstrip(), reply))
            if verb == "STARTTLS":
                self.encrypt()
            if verb.upper() == "QUIT":
                return

    def encrypt(self) -> None:
        assert self.server.context is not None
        self.file.close()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.file = self.connection.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.connection.close()

    def reply(self, verb: str, rest: str) -> bytes:
        match verb:
            case "EHLO":
                return self.offers()
            case "STARTTLS":
                return b"220 2.0.0 go ahead\r\n"
            case "AUTH":
                return self.authenticate(*rest.split())
            case "QUIT":
                return b"221 2.0.0 bye\r\n"
            case _:
                return b"502 5.5.1 unknown\r\n"

    def offers(self) -> bytes:
        lines = ["model", "SIZE 1000"]
        plain = not isinstance(self.connection, ssl.SSLSocket)
        if self.server.security is Security.STARTTLS and plain:
            lines.append("STARTTLS")
        elif self.server.auth:
            lines.append(f"AUTH {' '.join(self.server.auth)}")
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(f"250{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode()

    def asked(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge."""
        self.connection.sendall(b"334 %b\r\n" % base64.b64encode(challenge))
        answer = self.file.readline().rstrip()
        self.server.heard.append(answer)
        if answer == b"*":
            raise ValueError("given up")
        return base64.b64decode(answer)

    def authenticate(self, mechanism: str, initial: str | None = None) -> bytes:
        if mechanism not in self.server.auth:
            return b"504 5.5.4 unknown mechanism\r\n"
        assert initial is None or len(f"AUTH {mechanism} {initial}\r\n") <= 512
        if mechanism == "LOGIN":
            self.asked(b"Username:")
            return self.admit(self.asked(b"Password:").decode() == self.server.password)
        said = self.asked(b"") if initial is None else base64.b64decode(initial)
        if mechanism == "PLAIN":
            return self.admit(said.decode().split("\0")[2] == self.server.password)
        match = re.fullmatch(BEARER[mechanism], said)
        assert match is not None
        good = match["token"].decode() == self.server.token
        if not good:
            assert self.asked(self.server.error_challenge) == (b"" if mechanism == "XOAUTH2" else b"\1")
        return self.admit(good)

    def admit(self, good: bool) -> bytes:  # noqa: FBT001 - it reads as a question
        return b"235 2.7.0 welcome\r\n" if good else b"535 5.7.8 bad credentials\r\n"

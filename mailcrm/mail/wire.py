"""The connection below an IMAP session: sockets, TLS, the log-in, and a bound on every answer.

It carries commands and answers, and turns what goes wrong on the way into `mailcrm.core.errors`.
What the commands mean is left to `mailcrm.mail.imap`.
"""

import contextlib
import imaplib
import ipaddress
import re
import select
import socket
import ssl
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

from mailcrm.core.credentials import AccessToken, Credential, Password
from mailcrm.core.errors import ConfigError, MailError, ProtocolError
from mailcrm.core.model import Endpoint, Security
from mailcrm.core.printable import masked
from mailcrm.mail import refusals, sasl

#: The most that the answers to one command may hold, in bytes, besides the emails asked for: room
#: for the flags of some 400,000 emails.
ANSWER_LIMIT = 32_000_000
#: Bytes asked of the socket at once. A TLS record holds 16 KB (RFC 8446, 5.1).
_CHUNK = 262_144

_LITERAL = re.compile(rb"\{(\d{1,19})\+?\}\r?\n\Z")
_TAGGED = re.compile(rb"\S+ (OK|NO|BAD)\b ?(.*)", re.IGNORECASE | re.DOTALL)

#: One untagged answer without its `* `: a line, or a line, a literal, the next line, and so on.
Answer: TypeAlias = list[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a command ended: `OK`, `NO` or `BAD`, and the text after it."""

    status: str
    text: bytes


class Wire(imaplib.IMAP4):
    """A connection with a bound on what a server can make us hold.

    The greeting is imaplib's; from then on `ask` speaks, because imaplib collects all of an answer before
    it gives any, and stumbles over a tagged answer without text and over a blank line.
    `allowance` is in bytes and holds for the answers to one command.
    """

    def __init__(self, connected: socket.socket, host: str) -> None:
        """Read the greeting and the capabilities."""
        self._connected = connected
        self._left = self.allowance = ANSWER_LIMIT
        self._received = bytearray()
        self._commands = 0
        self.closed = False
        super().__init__(host)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - set already
        return self._connected

    def send(self, data: Any) -> None:  # noqa: ANN401 - any buffer, as in imaplib
        """Send a command; what it may answer is counted from here."""
        self._left = self.allowance
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """Read a literal, unless it is larger than what is left."""
        self._spend(size)
        if size <= len(self._received):
            return self._taken(size)
        literal = BytesIO()  # gives its bytes away without a copy
        literal.write(self._taken(len(self._received)))
        while left := size - literal.tell():
            literal.write(self._receive(min(left, _CHUNK)))
        return literal.getvalue()

    def readline(self) -> bytes:
        """Read a line, unless it is longer than what is left."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > self._left:
                self._spend(searched)
            self._received += self._receive(_CHUNK)
        self._spend(end + 1)
        return self._taken(end + 1)

    def _get_line(self) -> bytes:
        """Read a line for imaplib, which takes no tagged answer without a text."""
        line: bytes = super()._get_line()  # type: ignore[misc] # imaplib's own, which types leave out
        return line + b" " if re.fullmatch(rb"\S+ (OK|NO|BAD)", line) else line

    def ask(self, command: bytes) -> Generator[Answer, None, Done]:
        """Send a command, yield the untagged answers as they come, and return how it ended.

        Who does not take all answers ends the connection with it.
        """
        self._commands += 1
        tag = b"m%d" % self._commands
        self.send(tag + b" " + command + b"\r\n")
        try:
            while True:
                answer = self._answer()
                head = answer[0]
                if head.startswith(tag + b" "):
                    return _done(head)
                if head.strip():  # some servers send a blank line after a literal
                    yield _untagged(answer)
        except BaseException:
            # An answer may be half read.
            self.close_connection()
            raise

    def say(self, command: bytes) -> tuple[list[Answer], Done]:
        """Send a command and return all untagged answers, and how it ended."""
        asked = self.ask(command)
        answers: list[Answer] = []
        while True:
            try:
                answers.append(next(asked))
            except StopIteration as end:
                return answers, end.value

    def offered(self) -> frozenset[str]:
        """Ask what the server can do, in upper case (RFC 9051, 6.1.1)."""
        answers, done = self.say(b"CAPABILITY")
        if done.status != "OK":  # Microsoft says so here that there is no mailbox behind the log-in
            raise imaplib.IMAP4.error(done.text)
        words = (answer[0].decode("ascii", "replace").upper().split() for answer in answers)
        return frozenset(word for line in words if line[:1] == ["CAPABILITY"] for word in line[1:])

    def wait(self, seconds: float) -> bool:
        """Say whether the server says something within so many seconds; nothing is read."""
        if self._received or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Begin TLS (RFC 9051, 6.2.1)."""
        _, done = self.say(b"STARTTLS")
        if done.status != "OK":
            raise imaplib.IMAP4.error(done.text)
        # What somebody on the way said before TLS must not count after it (RFC 9051, 11.3).
        if self._received:
            raise ProtocolError("The mail server spoke between STARTTLS and TLS.")
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.capabilities = tuple(self.offered())

    def leave(self) -> None:
        """Say good-bye and close the connection; the BYE in answer, or a server that is gone, is no error."""
        with contextlib.suppress(imaplib.IMAP4.error, OSError, MailError):
            self.say(b"LOGOUT")
        self.close_connection()

    def close_connection(self) -> None:
        """Close the connection without a word; it may be closed already."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.shutdown()

    def _answer(self) -> Answer:
        """Read one answer with its literals (RFC 9051, 4.3)."""
        answer = [self.readline()]
        while (literal := _LITERAL.search(answer[-1])) is not None:
            answer[-1] = answer[-1][: literal.start()]
            answer += [self.read(int(literal[1])), self.readline()]
        return answer

    def _receive(self, size: int) -> bytes:
        received = self.sock.recv(size)
        if not received:
            raise imaplib.IMAP4.abort("socket error: EOF")
        return received

    def _taken(self, size: int) -> bytes:
        """Take so many bytes off what was received."""
        taken = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return taken

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            # The rest of the answer would be read as the answer to the next command.
            self.close_connection()
            raise ProtocolError("The mail server sent more than was asked for; the connection was closed.")


def _untagged(answer: Answer) -> Answer:
    """Return an answer without its `* `, or the line that asks for more as it is."""
    head = answer[0]
    if head.startswith(b"+"):
        return answer
    if not head.startswith(b"* "):
        raise imaplib.IMAP4.abort("unexpected answer")
    if head[2:6].upper() == b"BYE ":
        raise imaplib.IMAP4.abort(head[6:].decode("utf-8", "replace").strip())
    return [head[2:], *answer[1:]]


def _done(line: bytes) -> Done:
    match = _TAGGED.match(line)
    if match is None:
        raise imaplib.IMAP4.abort("unexpected answer")
    return Done(status=match[1].decode("ascii").upper(), text=match[2].strip())


def log_in(
    endpoint: Endpoint, *, username: str, credential: Credential, ca_file: str | None, timeout: float
) -> Wire:
    """Return a connection that is encrypted as `endpoint` wants, and logged in.

    Raises ConfigError, ConnectError, AuthError, Throttled, ProtocolError.
    """
    for said in (endpoint.host, username, credential.secret):
        harmless(said)
    with speaking_to(endpoint):
        wire = _greeted(endpoint, ca_file, timeout)
    try:
        with speaking_to(endpoint):
            _secure(wire, endpoint, ca_file)
        _authenticate(wire, endpoint, username, credential)
    except BaseException:
        wire.close_connection()
        raise
    return wire


def harmless(said: str) -> str:
    """Return what may stand in a command; raises ConfigError for a line break or a NUL.

    imaplib and imapclient let a line break through, and what follows it is the next command.
    """
    if any(c in said for c in "\r\n\0"):
        raise ConfigError(
            "A name, a password or an access token for the mail server holds a line break or a NUL."
        )
    return said


def quoted(text: str) -> str:
    """Return a quoted string (RFC 9051, 9)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@contextlib.contextmanager
def speaking_to(endpoint: Endpoint) -> Iterator[None]:
    """Turn what goes wrong on the wire into our errors."""
    try:
        yield
    except imaplib.IMAP4.abort as error:
        raise _aborted(endpoint, said_in(error)) from error
    except imaplib.IMAP4.error as error:
        raise refusals.refused(said_in(error)) from error
    except OSError as error:
        raise refusals.unreachable(endpoint, error) from error
    except ValueError as error:  # imaplib reads some answers as ASCII
        raise ProtocolError("The mail server sent an answer that cannot be read.") from error


#: imaplib wraps the server's words: `command: UID => …`, `UID command error: BAD [b'…']`.
_WRAPPED = re.compile(
    r"(?:command: [A-Z]+ => )?(?:[A-Z]+ command error: [A-Z]+ \[b['\"])?(.*?)(?:['\"]\])?", re.DOTALL
)


def said_in(error: imaplib.IMAP4.error) -> str:
    """Return the server's words in an error of imaplib."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    match = _WRAPPED.fullmatch(text)
    return match[1] if match else text


def _aborted(endpoint: Endpoint, text: str) -> MailError:
    if text.startswith("unexpected"):
        # Without the text: what came out of step may be a line of somebody's mail.
        return ProtocolError("The mail server broke the protocol.")
    return refusals.closed(endpoint, text)


def tls(ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context that trusts this file, or else what the computer trusts; raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:  # ssl.SSLError, an OSError, when it holds no certificate
        raise ConfigError(f"The CA file {ca_file} cannot be used: {error}") from error


def _greeted(endpoint: Endpoint, ca_file: str | None, timeout: float) -> Wire:
    connected = connect(endpoint, ca_file, timeout)
    try:
        return Wire(connected, endpoint.host)
    except BaseException:
        connected.close()
        raise


def connect(endpoint: Endpoint, ca_file: str | None, timeout: float) -> socket.socket:
    """Return a connection to a server of any kind, encrypted where `endpoint` wants it from the start.

    Raises OSError, and ConfigError when it would not be encrypted and leaves this computer.
    """
    connected = _reached(endpoint, timeout)
    if endpoint.security is not Security.TLS:
        return connected
    try:
        return tls(ca_file).wrap_socket(connected, server_hostname=endpoint.host)
    except BaseException:
        connected.close()
        raise


def _reached(endpoint: Endpoint, timeout: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no host name at all, such as one with two dots in a row
        raise socket.gaierror(str(error)) from error
    addresses = [str(info[4][0]) for info in found]
    # The addresses that are checked are those that are connected to: the name is not asked for twice.
    if endpoint.security is Security.NONE and not all(ipaddress.ip_address(a).is_loopback for a in addresses):
        raise ConfigError(
            "A connection without encryption is for this computer's own loopback address only.",
            hint="Use TLS or STARTTLS.",
        )
    failure = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, endpoint.port), timeout)
        except OSError as error:
            failure = error
    raise failure


def _secure(wire: Wire, endpoint: Endpoint, ca_file: str | None) -> None:
    # PREAUTH skips STARTTLS, and the log-in that tells whose mail it is (RFC 9051, 7.1.4 and 11.3).
    if wire.state != "NONAUTH":
        raise ProtocolError("The mail server claims that we were logged in before we were.")
    if endpoint.security is Security.STARTTLS:
        if "STARTTLS" not in wire.capabilities:
            raise ProtocolError(
                "The mail server does not offer STARTTLS here.", hint="Try TLS, usually on port 993."
            )
        wire.encrypt(tls(ca_file))


def _authenticate(wire: Wire, endpoint: Endpoint, username: str, credential: Credential) -> None:
    # Not chained: a server may repeat the command, and the secret with it.
    try:
        match credential:
            case Password():
                done, reason = _with_password(wire, endpoint, username, credential.secret), ""
            case AccessToken():
                done, reason = _with_token(wire, endpoint, username, credential)
    except imaplib.IMAP4.abort as error:
        raise _aborted(endpoint, masked(said_in(error), credential.secret)) from None
    except OSError as error:
        raise refusals.unreachable(endpoint, error) from error
    if done.status != "OK":
        said = masked(done.text, credential.secret)
        if isinstance(credential, Password):
            raise refusals.log_in_refused(said)
        raise refusals.token_refused(said, masked(reason, credential.secret))


def _with_password(wire: Wire, endpoint: Endpoint, username: str, password: str) -> Done:
    if "LOGINDISABLED" in wire.capabilities:
        raise sasl.no_password(_mechanisms(wire) if endpoint.security is not Security.NONE else ())
    if (username + password).isascii():
        _, done = wire.say(f"LOGIN {quoted(username)} {quoted(password)}".encode())
    else:
        # LOGIN has no charset; PLAIN is UTF-8 (RFC 4616, 2).
        done, _ = _exchanged(wire, sasl.plain(username, password))
    return done


def _with_token(wire: Wire, endpoint: Endpoint, username: str, token: AccessToken) -> tuple[Done, str]:
    done, challenge = _exchanged(wire, sasl.bearer(_mechanisms(wire), endpoint, username, token))
    return done, sasl.error_told(challenge)


def _mechanisms(wire: Wire) -> set[str]:
    return {name.removeprefix("AUTH=") for name in wire.capabilities if name.startswith("AUTH=")}


def _exchanged(wire: Wire, exchange: sasl.Exchange) -> tuple[Done, bytes]:
    """Log in with AUTHENTICATE (RFC 9051, 6.2.2), and return how it ended and the last challenge."""
    answers = exchange.encoded()
    command = b"AUTHENTICATE " + exchange.mechanism.encode()
    if "SASL-IR" in wire.capabilities and exchange.client_first:  # one round trip less (RFC 4959)
        command += b" " + answers.popleft()
    asked = wire.ask(command)
    challenge = b""
    while True:
        try:
            said = next(asked)[0]
        except StopIteration as end:
            return end.value, challenge
        if said.startswith(b"+"):
            challenge = said[1:].strip()
            if not answers:
                raise imaplib.IMAP4.abort("unexpected challenge")
            wire.send(answers.popleft() + b"\r\n")

"""Logging in to the server that takes mail (SMTP, RFC 5321 and 4954), to see whether it lets us in.

No mail is sent. What is said to log in is left to `mailcrm.mail.sasl`, connecting to
`mailcrm.mail.wire`, and most refusals to `mailcrm.mail.refusals`.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator

from mailcrm.core.credentials import AccessToken, Credential, Password
from mailcrm.core.errors import AuthError, ConnectError, LogInBlocked, MailError, ProtocolError
from mailcrm.core.model import Endpoint, Security
from mailcrm.core.printable import masked, printable
from mailcrm.mail import refusals, sasl
from mailcrm.mail.wire import connect, harmless, tls

#: Octets of one line of a reply: RFC 4954, 4, lets a challenge have 12,288.
_LINE = 16_384
#: Lines of one reply. smtplib would read them for ever.
_LINES = 200
#: Octets of a command with its line end (RFC 5321, 4.5.3.1.4), which an initial response has to fit in.
_COMMAND = 512
#: What we are called. The real name and address of this computer are nobody's business (RFC 5321, 4.1.3).
_HERE = "[127.0.0.1]"

_STARTED, _AUTHENTICATED, _DONE, _CHALLENGE = 220, 235, 250, 334
#: What Microsoft adds to 535 5.7.139 when no credential would help.
_SENDING_OFF = re.compile(
    "SmtpClientAuthentication is disabled|security defaults policy|did not meet the criteria", re.IGNORECASE
)
#: RFC 4954, 6: the log-in must be encrypted (530 with 5.7.0 asks for STARTTLS, RFC 3207, 4).
_UNENCRYPTED = {523, 530, 538}


def check_log_in(
    endpoint: Endpoint,
    *,
    username: str,
    credential: Credential,
    ca_file: str | None = None,
    timeout: float = 60.0,
) -> None:
    """Log in to the server that takes mail, and leave.

    `ca_file` and `timeout` are those of `mailcrm.mail.imap.open_session`. Raises ConfigError,
    ConnectError, AuthError, Throttled, ProtocolError.
    """
    for said in (endpoint.host, username, credential.secret):
        harmless(said)
    with _speaking_to(endpoint):
        smtp = _Connection(connect(endpoint, ca_file, timeout), endpoint, timeout)
    try:
        with _speaking_to(endpoint):
            _introduce(smtp)
            if endpoint.security is Security.STARTTLS:
                _encrypt(smtp, ca_file)
            _authenticate(smtp, endpoint, username, credential)
            with contextlib.suppress(OSError, MailError):  # a server that is gone is no error any more
                smtp.docmd("QUIT")
    finally:
        smtp.close()


class _Connection(smtplib.SMTP):
    """smtplib's connection, over a socket of ours and with a bound on every reply."""

    def __init__(self, connected: socket.socket, endpoint: Endpoint, timeout: float) -> None:
        self._connected = connected
        try:
            super().__init__(endpoint.host, endpoint.port, local_hostname=_HERE, timeout=timeout)
        except BaseException:
            self.close()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - set already
        return self._connected

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply (RFC 5321, 4.2.1): its code, and its text with line feeds between the lines."""
        if self.file is None:
            self.file = self.sock.makefile("rb")  # type: ignore[union-attr] # there while it is connected
        lines: list[bytes] = []
        while len(lines) < _LINES:
            line = self.file.readline(_LINE)
            if not line:
                raise smtplib.SMTPServerDisconnected
            if not re.match(rb"[2-5]\d\d[ \r\n-]", line) or not line.endswith(b"\n"):
                raise ProtocolError("The mail server broke the protocol: it does not speak SMTP here.")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        raise ProtocolError("The mail server sent more than was asked for; the connection was closed.")


@contextlib.contextmanager
def _speaking_to(endpoint: Endpoint) -> Iterator[None]:
    """Turn what goes wrong on the way into our errors."""
    try:
        yield
    except smtplib.SMTPServerDisconnected as error:
        raise refusals.closed(endpoint, "socket error") from error
    except smtplib.SMTPResponseException as error:  # the greeting
        raise refusals.closed(endpoint, error.smtp_error) from error
    except OSError as error:
        failure = refusals.unreachable(endpoint, error)
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
            failure.hint = "Check the port: 465 is for TLS, 587 for STARTTLS."
        raise failure from error


def _introduce(smtp: smtplib.SMTP) -> None:
    code, said = smtp.ehlo()
    if code != _DONE:
        raise refusals.refused(said)


def _encrypt(smtp: smtplib.SMTP, ca_file: str | None) -> None:
    if not smtp.has_extn("starttls"):
        raise ProtocolError(
            "The mail server does not offer STARTTLS here.", hint="Try TLS, usually on port 465."
        )
    # smtplib forgets all that was said before, read already or not (RFC 3207, 4.2).
    code, said = smtp.starttls(context=tls(ca_file))
    if code != _STARTED:
        raise refusals.refused(said)
    _introduce(smtp)


def _authenticate(smtp: smtplib.SMTP, endpoint: Endpoint, username: str, credential: Credential) -> None:
    mechanisms = set(smtp.esmtp_features.get("auth", "").upper().split())
    exchange = _exchange(mechanisms, endpoint, username, credential)
    answers = exchange.encoded()
    command = f"AUTH {exchange.mechanism}"
    if exchange.client_first and len(command) + len(answers[0]) + len(" \r\n") <= _COMMAND:
        command += f" {answers.popleft().decode()}"
    code, said = smtp.docmd(command)
    challenge = b""
    while code == _CHALLENGE:
        challenge = said
        if not answers:
            raise ProtocolError("The mail server broke the protocol.")
        code, said = smtp.docmd(answers.popleft().decode())
    if code != _AUTHENTICATED:
        raise _refused(code, said, challenge, credential)


def _exchange(
    mechanisms: set[str], endpoint: Endpoint, username: str, credential: Credential
) -> sasl.Exchange:
    if not mechanisms:
        raise AuthError("The mail server offers no log-in here.", hint="Check the port: usually 465 or 587.")
    match credential:
        case AccessToken():
            return sasl.bearer(mechanisms, endpoint, username, credential)
        case Password(secret):
            if "PLAIN" in mechanisms:
                return sasl.plain(username, secret)
            if "LOGIN" in mechanisms:
                return sasl.login(username, secret)
            raise sasl.no_password(mechanisms)


def _refused(code: int, said: bytes, challenge: bytes, credential: Credential) -> MailError:
    text = masked(said, credential.secret)
    reason = masked(sasl.error_told(challenge), credential.secret)
    if _SENDING_OFF.search(text):
        return LogInBlocked(
            "The provider does not let mail programs send from this account. "
            f"The server says: {printable(text)}",
            hint="An administrator has to allow authenticated SMTP for this mailbox.",
        )
    if code in _UNENCRYPTED:
        return LogInBlocked(
            "The mail server takes a log-in over an encrypted connection only. "
            f"The server says: {printable(text)}",
            hint="Use TLS or STARTTLS for this server.",
        )
    known = refusals.refused(text)
    if 400 <= code < 500 and isinstance(known, ProtocolError):  # RFC 4954, 6: 432, 454; RFC 5321, 3.8: 421
        return ConnectError(f"The mail server cannot log anybody in now. The server says: {printable(text)}")
    if isinstance(credential, AccessToken):
        return refusals.token_refused(text, reason)
    return refusals.log_in_refused(text)

"""Whether an IMAP server greets at a host, under TLS with a certificate that is valid for it.

Nothing is said to it but STARTTLS, so nobody is named. Which hosts are tried is left to `discovery`.
"""

import socket
import ssl
import time
from enum import StrEnum

from mailcrm.core.model import Endpoint, Security

#: A line of a greeting or an answer is short (RFC 9051 names no limit, RFC 2683, 3.2.1.5, 8,000 octets).
_LINE = 8_000
_LINES = 20


class Greeting(StrEnum):
    """What came, in words for a person."""

    IMAP = "an IMAP server with a valid certificate"
    NO_NAME = "the name leads to no server"
    NO_CONNECTION = "nothing listens there"
    SILENCE = "no answer in time"
    CERTIFICATE = "its certificate is not valid for this name now"
    NO_TLS = "it does not speak TLS"
    NO_STARTTLS = "it offers no STARTTLS"
    OTHER = "it is no IMAP server"


class _Unexpected(Exception):
    """What the server says is not what an IMAP server says here."""


def greeting(endpoint: Endpoint, *, seconds: float) -> Greeting:
    """Connect, listen, and close; `seconds` hold for the whole of it, but for the look-up of the name."""
    until = time.monotonic() + seconds
    context = ssl.create_default_context()
    try:
        with socket.create_connection((endpoint.host, endpoint.port), seconds) as connected:
            if endpoint.security is Security.STARTTLS and not _starts_tls(connected, until):
                return Greeting.NO_STARTTLS
            connected.settimeout(_left(until))
            with context.wrap_socket(connected, server_hostname=endpoint.host) as secured:
                # After STARTTLS the server does not greet again (RFC 9051, 6.2.1).
                if endpoint.security is Security.TLS:
                    _hear_greeting(secured, until)
                return Greeting.IMAP
    except _Unexpected:
        return Greeting.OTHER
    except ssl.SSLCertVerificationError:
        return Greeting.CERTIFICATE
    except ssl.SSLError:
        return Greeting.NO_TLS
    except (socket.gaierror, UnicodeError):
        return Greeting.NO_NAME
    except TimeoutError:
        return Greeting.SILENCE
    except OSError:
        return Greeting.NO_CONNECTION


def _starts_tls(connected: socket.socket, until: float) -> bool:
    _hear_greeting(connected, until)
    connected.sendall(b"a STARTTLS\r\n")
    for _ in range(_LINES):
        line = _line(connected, until).upper()
        if line.startswith(b"A "):
            return line.startswith(b"A OK")
        if not line.startswith(b"* "):
            break
    raise _Unexpected


def _hear_greeting(connected: socket.socket, until: float) -> None:
    # PREAUTH or BYE is no server to log in to (RFC 9051, 7.1.4 and 7.1.5).
    if not _line(connected, until).upper().startswith(b"* OK"):
        raise _Unexpected


def _line(connected: socket.socket, until: float) -> bytes:
    """Return the next line, read byte by byte: what follows the answer to STARTTLS is not ours to read."""
    line = bytearray()
    while not line.endswith(b"\n"):
        connected.settimeout(_left(until))
        byte = connected.recv(1)
        if not byte or len(line) == _LINE:
            raise _Unexpected
        line += byte
    return bytes(line)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left

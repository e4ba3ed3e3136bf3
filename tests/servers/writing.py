"""A mail program that writes: the log-in of imaplib, and names of folders as imaplib wants them.

Only for servers whose mailboxes the tests fill by IMAP.
"""

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from imapclient.imap_utf7 import encode as mutf7

from mailcrm.core.model import Endpoint, Security

TIMEOUT = 30.0


@contextlib.contextmanager
def client(endpoint: Endpoint, ca_file: Path, user: str, password: str) -> Iterator[imaplib.IMAP4]:
    """Log in with TLS or STARTTLS."""
    trust = ssl.create_default_context(cafile=str(ca_file))
    with (
        imaplib.IMAP4_SSL(endpoint.host, endpoint.port, ssl_context=trust, timeout=TIMEOUT)
        if endpoint.security is Security.TLS
        else imaplib.IMAP4(endpoint.host, endpoint.port, timeout=TIMEOUT)
    ) as opened:
        # imaplib sends an email in pieces, and the last one would wait for the delayed ACK.
        opened.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.security is Security.STARTTLS:
            opened.starttls(trust)
        opened.login(user, password)
        yield opened


def quoted(folder: str) -> str:
    """Return a folder's name in modified UTF-7 as a quoted string."""
    path = str(mutf7(folder), "ascii").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{path}"'

"""A real IMAP server for the demo: on this machine only, filled with letters, gone when the demo ends.

It is `pymap` with its in-memory store, in a process of its own; nothing is written to disk. What the
letters say is left to `demo_letters`, and what is done with them to the demo command.
"""

import imaplib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import IO

from mailcrm.commands.demo_letters import Letter
from mailcrm.core.errors import ConfigError, ConnectError, ProtocolError
from mailcrm.keychain import without_secrets

HOST = "127.0.0.1"
USERNAME = "me@example.com"

_START_WITHIN = 20.0
"""Seconds; the server is usually up in half a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoLogin:
    """Where the demo's login answers, without TLS on the loopback address, and how to log in."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)


@contextmanager
def demo_mail_server(letters: Sequence[Letter]) -> Iterator[DemoLogin]:
    """Run a mail server that holds these letters, and stop it at the end of the block.

    Raises ConfigError when pymap is not installed, ConnectError when it does not start, and
    ProtocolError when it refuses a letter.
    """
    if find_spec("pymap") is None:
        message = "The demo needs the mail server pymap, which is not installed."
        raise ConfigError(message, hint="Run: .venv/bin/pip install --editable '.[demo]'")
    login = DemoLogin(host=HOST, port=_free_port(), username=USERNAME, password=secrets.token_hex(16))
    with tempfile.TemporaryFile() as log, _start(login, log) as server:
        try:
            with _connect(login, server, log) as imap:
                _deliver(imap, login, letters)
            yield login
        finally:
            # All it has is in memory, and a polite stop would wait for its last client to leave.
            server.kill()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _start(login: DemoLogin, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", "from pymap.main import main; main()"]
    command += ["--host", login.host, "--port", str(login.port), "--no-tls"]
    # pymap's other services would listen on every address, if their libraries are installed.
    for service in ("admin", "managesieve", "swim"):
        command += ["--no-service", service]
    # argparse reads the rest from there, so that the password stays out of the process list.
    command += ["dict", "@/dev/stdin"]
    reader, writer = os.pipe()
    # FQDN spares the server a look-up of this machine's name, which can take seconds.
    environment = without_secrets(os.environ) | {"FQDN": "localhost"}
    with os.fdopen(reader, "rb") as arguments:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(f"--demo-user\n{login.username}\n--demo-password\n{login.password}\n".encode())
        return subprocess.Popen(  # noqa: S603 # every word of the command is ours
            command, stdin=arguments, stdout=subprocess.DEVNULL, stderr=log, env=environment
        )


def _connect(login: DemoLogin, server: subprocess.Popen[bytes], log: IO[bytes]) -> imaplib.IMAP4:
    deadline = time.monotonic() + _START_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        try:
            return imaplib.IMAP4(login.host, login.port, timeout=_START_WITHIN)
        except ConnectionRefusedError:
            time.sleep(0.02)
        except (imaplib.IMAP4.error, OSError) as error:
            raise ConnectError("The demo's mail server does not speak IMAP.") from error
    log.seek(0)
    reason = log.read().decode(errors="replace").rstrip(".\n").rpartition("\n")[2]
    raise ConnectError(f"The demo's mail server did not start: {reason or 'it does not answer'}.")


def _deliver(imap: imaplib.IMAP4, login: DemoLogin, letters: Sequence[Letter]) -> None:
    try:
        imap.login(login.username, login.password)
        for folder in {letter.folder for letter in letters} - {"INBOX"}:
            _expect_ok(imap.create(folder))
        for letter in letters:
            flags = r"(\Seen)" if letter.seen else ""
            date = imaplib.Time2Internaldate(letter.received_at)
            _expect_ok(imap.append(letter.folder, flags, date, letter.raw))
    except (imaplib.IMAP4.error, OSError) as error:
        raise ProtocolError("The demo's mail server did not take the letters.") from error


def _expect_ok(answer: tuple[str, object]) -> None:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(answer)

"""A person's desk: the program run as people and cron run it, in real processes, and the mail it finds."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer

ANN = "ann@example.com"
BOB = "bob@example.com"
USER = "cli@example.com"
KIM = "kim@example.org"
YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)

#: A subject that colours, retitles and reverses a terminal, ends a line, and closes a tag of rich.
HOSTILE = "[/x] \x1b[31m\x1b]0;owned\x07 [bold]\u202egpj.exe\u2066 \x9b2J \u200f \U000e0041end"
#: What no output may hold, whatever stands in a mail.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


def letter(
    message_id: str,
    subject: str,
    body: str,
    *,
    sender: str = f"Kim <{KIM}>",
    to: str = ANN,
    after: str | None = None,
    name: str | None = None,
) -> bytes:
    """Return an email in UTF-8; with `name`, an attachment of that name is in it."""
    answered = f"In-Reply-To: <{after}>\r\nReferences: <{after}>\r\n" if after else ""
    head = (
        f"Message-ID: <{message_id}>\r\nDate: {format_datetime(YESTERDAY)}\r\n"
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n{answered}MIME-Version: 1.0\r\n"
    )
    text = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    if name is None:
        return (head + text).encode()
    return (
        f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n{text}--b\r\n'
        f'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'
        "pdf\r\n--b--\r\n"
    ).encode()


LETTERS = (
    ("INBOX", letter("1@example.org", "Offer for pumps", "How much is a diaphragm pump?"), ()),
    (
        "Sent",
        letter(
            "2@example.com",
            "Re: Offer for pumps",
            "Ninety.\r\n> How much is\r\n> a diaphragm pump?",
            sender=f"Ann <{ANN}>",
            to=f"Kim <{KIM}>",
            after="1@example.org",
        ),
        ("\\Seen",),
    ),
    (
        "INBOX",
        letter("3@example.net", HOSTILE, HOSTILE, sender=f'"{HOSTILE}" <evil@example.net>', name=HOSTILE),
        (),
    ),
    (
        "INBOX",
        letter("4@example.net", "견적 요청", "다이어프램 펌프", sender="이 <lee@example.kr>"),
        ("\\Seen",),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Tab-separated lines, as a pipe gets them."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Desk:
    """The home of a person, in which commands are run with nothing else in the environment, as cron does.

    `program` is what Python is told to run; a test may set something up in the process before.
    """

    home: Path
    program: tuple[str, ...] = ("-m", "mailcrm")

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}

    @property
    def store(self) -> Path:
        return self.home / ".local/share/mailcrm/mailcrm.db"

    @property
    def config(self) -> Path:
        return self.home / ".config/mailcrm/config.toml"

    def try_to(self, *words: str, said: str = "", **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, *self.program, *words],
            env=self.environment | environment,
            input=said,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def run(self, *words: str, **environment: str) -> Done:
        """Run a command that must succeed."""
        done = self.try_to(*words, **environment)
        assert done.code == 0, done.err
        return done

    def at_a_terminal(self, *words: str, **environment: str) -> str:
        """Run a command whose output goes to a terminal, and return all that the terminal got."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, *self.program, *words],
            env=self.environment | {"TERM": "dumb", "COLUMNS": "200"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65_536):
                parts.append(part)
        except OSError:  # Linux says EIO once the other side is closed
            pass
        finally:
            os.close(ours)
        assert process.wait(60) == 0
        return b"".join(parts).decode("utf-8")

    def talk(
        self, *words: str, said: Sequence[tuple[str, str | Callable[[str], str]]], **environment: str
    ) -> tuple[int, str]:
        """Run a command at a terminal, answer its questions as they come, and return code and output.

        A question is known by a text that ends as the question does, with a blank: what is typed before
        it is there may be thrown away. An answer may be made of all that the terminal has shown by then.
        """
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, *self.program, *words],
            env=self.environment | {"TERM": "dumb", "COLUMNS": "200"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        told, answered, waiting = "", 0, list(said)
        try:
            while True:
                # A question that never comes must not keep the tests waiting.
                assert select.select([ours], [], [], 30)[0], told
                part = os.read(ours, 65_536)
                told += part.decode("utf-8", "replace")
                if waiting and waiting[0][0] in told[answered:]:
                    answer = waiting.pop(0)[1]
                    os.write(ours, (answer if isinstance(answer, str) else answer(told)).encode())
                    answered = len(told)
        except OSError:  # Linux says EIO once the other side is closed
            pass
        finally:
            os.close(ours)
            process.terminate()
        assert not waiting, told
        return process.wait(60), told.replace("\r\n", "\n")

    def files(self) -> list[Path]:
        return sorted(path for path in self.home.rglob("*") if path.is_file())


def words_to_connect(dovecot: DovecotServer, user: str = USER) -> list[str]:
    return [
        *("connect", ANN, "--no-input", "--imap-host", "localhost", "--imap-port", str(dovecot.tls_port)),
        *("--username", user, "--ca-file", str(dovecot.ca_file)),
    ]


def thread_about(desk: Desk, subject: str, *options: str) -> str:
    (row,) = [row for row in desk.run("inbox", "--json", *options).json if row["subject"] == subject]
    return str(row["id"])


@dataclass(frozen=True, slots=True)
class OnModel:
    """A desk whose account is on the model server."""

    desk: Desk
    server: ModelServer

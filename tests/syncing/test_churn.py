"""Two programs pull a mailbox that does not stand still, and in the end both hold what the server holds.

mbsync is the other one, because it has been trusted with this for twenty years. What one sync brings is
left to `test_rules`.
"""

import imaplib
import random
import re
import subprocess
import threading
from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Self, TypeAlias

import pytest

from mailcrm.core.plan import Flags
from tests.conftest import FIRST, Store
from tests.mail.conformance import DovecotMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.writing import quoted
from tests.syncing.accounts import connect, days_ago, digest_of, letter, stored
from tests.syncing.test_kill import Machine

FOLDERS = ("INBOX", "Sent", "Kunden 2026")
LETTERS = 400
#: Syncs of each program while others change the mailbox, and the most that those change meanwhile.
ROUNDS = 6
CHANGES = 10_000

#: For each folder, how often it holds an email, by its digest, with these flags.
Held: TypeAlias = dict[str, Counter[tuple[str, Flags]]]

#: Maildir's letters for the system flags.
_FLAGS = {"F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}

_MBSYNC = """
FSync no
SyncState *

IMAPStore far
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
SystemCertificates no
CertificateFile {ca_file}

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns {folders}
Sync Pull
Create Near
Expunge Near
"""


class Mbsync:
    """mbsync, pulling the folders into a Maildir."""

    def __init__(self, mailbox: DovecotMailbox, folder: Path) -> None:
        self._maildir = folder / "mail"
        self._maildir.mkdir(parents=True)
        self._settings = folder / "mbsyncrc"
        self._settings.write_text(
            _MBSYNC.format(
                port=mailbox.endpoint.port,
                user=mailbox.user,
                password=mailbox.password,
                ca_file=mailbox.server.ca_file,
                folder=self._maildir,
                folders=" ".join(f'"{name}"' for name in FOLDERS),
            )
        )

    def sync(self) -> subprocess.CompletedProcess[str]:
        command = ["mbsync", "--config", str(self._settings), "--all"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def held(self) -> Held:
        return {
            name: Counter(_in_maildir(path) for path in self._maildir.glob(f"{name}/[cn][ue][rw]/*"))
            for name in FOLDERS
        }


def _in_maildir(path: Path) -> tuple[str, Flags]:
    letters = path.name.partition(":2,")[2]
    # mbsync adds a mark of its own, and lines end with LF in a Maildir; those of the letters with CRLF.
    raw = re.sub(rb"(?m)^X-TUID: .*\n", b"", path.read_bytes(), count=1).replace(b"\n", b"\r\n")
    return digest_of(raw), frozenset(_FLAGS[letter] for letter in letters)


class OtherPrograms(threading.Thread):
    """Change the mailbox, one thing after the other, while the block runs."""

    def __init__(self, mailbox: DovecotMailbox) -> None:
        super().__init__()
        self._mailbox = mailbox
        self._enough = threading.Event()
        self._chance = random.Random(20261121)  # noqa: S311 (the same changes in every run)
        self._numbers = count(LETTERS)
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self.join()

    def run(self) -> None:
        with self._mailbox.server.client(self._mailbox.user) as client:
            while self.done.total() < CHANGES and not self._enough.wait(0.001):
                # As many come as go, and no folder runs empty.
                change = self._chance.choice([self.append, self.append, self.flag, self.move, self.expunge])
                change(client, self._chance.choice(FOLDERS))
                self.done[change.__name__] += 1

    def append(self, client: imaplib.IMAP4, folder: str) -> None:
        status, _ = client.append(quoted(folder), "", "", written(next(self._numbers)))
        assert status == "OK"

    def flag(self, client: imaplib.IMAP4, folder: str) -> None:
        for uid in self._some(client, folder):
            # Not as a draft, which mailcrm leaves out.
            flags = self._chance.sample(["\\Seen", "\\Flagged", "\\Answered"], 2)
            how = self._chance.choice(["+FLAGS", "-FLAGS", "FLAGS"])
            client.uid("STORE", uid, how, f"({' '.join(flags)})")

    def move(self, client: imaplib.IMAP4, folder: str) -> None:
        target = self._chance.choice([name for name in FOLDERS if name != folder])
        for uid in self._some(client, folder):
            client.uid("MOVE", uid, quoted(target))

    def expunge(self, client: imaplib.IMAP4, folder: str) -> None:
        for uid in self._some(client, folder):
            client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
        client.expunge()

    def _some(self, client: imaplib.IMAP4, folder: str) -> list[str]:
        client.select(quoted(folder))
        uids = client.uid("SEARCH", "ALL")[1][0].decode().split()
        return self._chance.sample(uids, min(self._chance.randint(1, 2), len(uids)))


def written(number: int) -> bytes:
    return letter(
        None if number % 20 == 0 else f"{number}@example.org",
        sender=f"person{number % 30}@example.org",
        subject=f"letter {number}",
        references=[f"{number - step}@example.org" for step in (3, 7)[: number % 3]],
        body=f"quotation {number}\r\n" * (1 + number % 100),
    )


@pytest.fixture
def mailbox(dovecot: DovecotServer) -> DovecotMailbox:
    mailbox = DovecotMailbox(dovecot, f"churn{next(_users)}")
    for name in FOLDERS:
        with dovecot.client(mailbox.user, name):  # makes its Maildir
            pass
    for number in range(LETTERS):
        when = days_ago(50) + timedelta(minutes=number)
        mailbox.deliver(FOLDERS[number % len(FOLDERS)], written(number), when)
    return mailbox


_users = count(1)


def held_by_server(mailbox: DovecotMailbox) -> Held:
    found: Held = {}
    for name in FOLDERS:
        with mailbox.server.client(mailbox.user, name) as client:
            _, answer = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
            found[name] = Counter(_on_server(*record) for record in answer if isinstance(record, tuple))
    return found


def _on_server(said: bytes, raw: bytes) -> tuple[str, Flags]:
    flags = {flag.decode() for flag in imaplib.ParseFlags(said)}
    return digest_of(raw), frozenset(flags - {"\\Recent"})


def held_by_store(store: Store) -> Held:
    found: Held = {name: Counter() for name in FOLDERS}
    for (folder, _, _), place in stored(store.url).places.items():
        found[folder][place] += 1
    return found


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_mbsync_and_mailcrm_hold_the_same_after_pulling_a_mailbox_that_changed_all_the_time(
    store: Store, mailbox: DovecotMailbox, mbsync: None, tmp_path: Path
) -> None:
    connect(store.as_member(FIRST), mailbox, username=mailbox.user)
    store.close()
    mailcrm = Machine(store.url, mailbox, tmp_path / "mailcrm")
    other = Mbsync(mailbox, tmp_path / "mbsync")
    with OtherPrograms(mailbox) as others:
        for _ in range(ROUNDS):
            before = others.done.total()
            with mailcrm.start() as process:
                other.sync()
                output, errors = process.communicate(timeout=60)
            assert process.returncode in {0, 1}, errors + output
            assert "Traceback" not in errors
            assert others.done.total() > before, "nothing changed meanwhile"
    assert set(others.done) == {"append", "flag", "move", "expunge"}

    mailcrm.sync()
    last = other.sync()
    assert last.returncode == 0, last.stderr
    server = held_by_server(mailbox)
    assert other.held() == server
    assert held_by_store(store) == server

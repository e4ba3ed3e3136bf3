"""An account under test: its letters, its sync without a command line, and what the store then holds.

What is stored is read past the rules of the store, as its owner, so that a test sees every row. The
mail servers are those of the conformance suite.
"""

import hashlib
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from mailcrm.accounts import choose_folders, offered_folders, remember_folders
from mailcrm.config import SIZE_LIMIT
from mailcrm.core.events import FolderPlanned, SyncEvent
from mailcrm.core.model import Account, Team, Visibility
from mailcrm.core.plan import Flags
from mailcrm.store import Database, accounts
from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.migrate import create_first_member, migrate
from mailcrm.store.rows import sure_instant
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import Mailbox
from tests.servers.model_imap import Message, ModelServer

_Event = TypeVar("_Event")

#: A UID under a UIDVALIDITY in a folder.
Place: TypeAlias = tuple[str, int, int]
Rows: TypeAlias = list[Mapping[str, Any]]

#: Extensions that only make a sync faster: without any of them the result is the same.
EXTENSIONS = ("CONDSTORE", "ESEARCH", "OBJECTID", "LIST-STATUS", "SPECIAL-USE", "ENABLE")

#: What no store may hold at any moment, and how to count it.
_WRONG = {
    "an email without participants": "main.email e WHERE NOT EXISTS "
    "(SELECT 1 FROM main.participant p WHERE p.email_id = e.id)",
    "an email without an identity": "main.email e WHERE NOT EXISTS "
    "(SELECT 1 FROM main.email_identity i WHERE i.email_id = e.id)",
    "a thread without an email": "main.thread t WHERE NOT EXISTS "
    "(SELECT 1 FROM main.email e WHERE e.thread_id = t.id)",
    "an email that is gone and has a place, or neither": "main.email e WHERE (e.gone_at IS NULL) <> "
    "EXISTS (SELECT 1 FROM main.placement p WHERE p.email_id = e.id)",
    "a thread with a contact's email that is neither linked nor due": "main.participant p "
    "JOIN main.contact_address a ON a.address = p.address JOIN main.email e ON e.id = p.email_id "
    "JOIN main.thread t ON t.id = e.thread_id WHERE NOT t.due AND NOT EXISTS "
    "(SELECT 1 FROM main.link l WHERE l.thread_id = e.thread_id AND l.contact_id = a.contact_id)",
}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def letter(
    message_id: str | None,
    *,
    sender: str = "kim@example.org",
    to: str = FIRST,
    subject: str = "offer",
    sent: datetime | None = None,
    references: Iterable[str] = (),
    body: str = "hello",
    more: Mapping[str, str] | None = None,
) -> bytes:
    """Return an email; addresses are header fields and may hold anything."""
    fields = {"Message-ID": f"<{message_id}>"} if message_id is not None else {}
    fields |= {"From": sender, "To": to, "Subject": subject}
    if sent is not None:
        fields["Date"] = format_datetime(sent)
    named = " ".join(f"<{name}>" for name in references)
    if named:
        fields |= {"In-Reply-To": named.split()[-1], "References": named}
    fields |= more or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n{body}\r\n".encode()


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def connect(
    db: Database,
    mailbox: Mailbox,
    *,
    address: str = FIRST,
    username: str = FIRST,
    start: datetime | None = None,
    folders: Sequence[str] | None = None,
    team: Team | None = None,
) -> Account:
    """Connect an account as the viewer; `folders` None means all that are usual."""
    account = accounts.create_account(
        db,
        address=address,
        owner_id=db.viewer.id if team is None else None,
        team_id=team.id if team is not None else None,
        default_visibility=Visibility.PRIVATE,
        provider="imap",
        imap=mailbox.endpoint,
        username=username,
        history_start=start,
        all_folders=folders is None,
    )
    if folders is not None:
        with mailbox.log_in(mailbox.password) as imap:
            remember_folders(db, account, offered_folders(imap))
        choose_folders(db, account, folders)
    return account


def sync(
    db: Database,
    mailbox: Mailbox,
    account: Account,
    *,
    clock: Callable[[], datetime] = lambda: NOW,
    size_limit: int = SIZE_LIMIT,
    accept_deletions: bool = False,
) -> list[SyncEvent]:
    """Sync to the end, with the account's present settings, and return what happened."""
    return list(
        sync_account(
            db,
            lambda: mailbox.log_in(mailbox.password),
            accounts.account(db, account.address),
            clock=clock,
            size_limit=size_limit,
            accept_deletions=accept_deletions,
        )
    )


def only(events: Iterable[SyncEvent], kind: type[_Event]) -> list[_Event]:
    return [event for event in events if isinstance(event, kind)]


def downloads(events: Iterable[SyncEvent]) -> int:
    """Return how many emails were to be downloaded."""
    return sum(event.downloads for event in only(events, FolderPlanned))


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEmail:
    digest: str
    message_id: str | None
    subject: str
    received_at: datetime
    gone: bool
    truncated: bool
    thread_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredThread:
    subject: str
    last_received_at: datetime
    links: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """All mail of a store; a place says which email is there, by its digest, and its flags."""

    emails: tuple[StoredEmail, ...]
    places: Mapping[Place, tuple[str, Flags]]
    threads: Mapping[int, StoredThread]

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(email.digest for email in self.emails)

    @property
    def subjects(self) -> list[str]:
        return sorted(email.subject for email in self.emails)

    @property
    def gone(self) -> list[str]:
        """The subjects of emails that are marked gone."""
        return sorted(email.subject for email in self.emails if email.gone)

    def folders_of(self, subject: str) -> list[str]:
        """Return the folders in which an email has a place."""
        wanted = {email.digest for email in self.emails if email.subject == subject}
        return sorted(folder for (folder, _, _), (digest, _) in self.places.items() if digest in wanted)

    def flags_of(self, subject: str) -> Flags:
        """Return the flags of an email that has one place."""
        (digest,) = [email.digest for email in self.emails if email.subject == subject]
        (flags,) = [flags for found, flags in self.places.values() if found == digest]
        return flags

    def thread_of(self, subject: str) -> StoredThread:
        """Return the one thread that has emails with this subject."""
        (thread_id,) = {email.thread_id for email in self.emails if email.subject == subject}
        return self.threads[thread_id]

    def conversations(self) -> dict[frozenset[str], StoredThread]:
        """Return the threads by the digests of their emails: comparable between two stores."""
        members: dict[int, set[str]] = defaultdict(set)
        for email in self.emails:
            members[email.thread_id].add(email.digest)
        return {frozenset(members[key]): thread for key, thread in self.threads.items()}


def stored(url: str) -> Stored:
    """Read all mail of the store at `url`, which on PostgreSQL is the owner's."""
    with reading(url) as read:
        return stored_by(read)


def stored_by(read: Callable[[str], Rows]) -> Stored:
    """Read all mail with a function that runs a query past the rules of the store."""
    emails = {
        row["id"]: StoredEmail(
            digest=row["digest"],
            message_id=row["message_id"],
            subject=row["subject"],
            received_at=sure_instant(row["received_at"]),
            gone=row["gone_at"] is not None,
            truncated=bool(row["truncated"]),
            thread_id=row["thread_id"],
        )
        for row in read(
            "SELECT id, digest, message_id, subject, received_at, gone_at, truncated, thread_id "
            "FROM main.email",
        )
    }
    links: dict[int, set[str]] = defaultdict(set)
    for row in read(
        "SELECT l.thread_id, c.name, COALESCE(d.title, x.title) AS title FROM main.link l "
        "LEFT JOIN main.contact c ON c.id = l.contact_id LEFT JOIN main.deal d ON d.id = l.deal_id "
        "LEFT JOIN main.lead x ON x.id = l.lead_id",
    ):
        links[row["thread_id"]].add(row["name"] or row["title"])
    return Stored(
        emails=tuple(emails.values()),
        places={
            (row["name"], row["uidvalidity"], row["uid"]): (
                emails[row["email_id"]].digest,
                frozenset(row["flags"].split()),
            )
            for row in read(
                "SELECT f.name, p.uidvalidity, p.uid, p.email_id, p.flags "
                "FROM main.placement p JOIN main.folder f ON f.id = p.folder_id",
            )
        },
        threads={
            row["id"]: StoredThread(
                subject=row["subject"],
                last_received_at=sure_instant(row["last_received_at"]),
                links=frozenset(links[row["id"]]),
            )
            for row in read("SELECT id, subject, last_received_at FROM main.thread")
        },
    )


def rows(url: str, query: str) -> Rows:
    """Run a query past the rules of the store."""
    with reading(url) as read:
        return read(query)


@contextmanager
def reading(url: str) -> Iterator[Callable[[str], Rows]]:
    """Yield a function that runs queries past the rules of the store."""
    if is_postgres(url):
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as owner:
            owner.execute("SET default_transaction_read_only = on")
            yield lambda query: list(owner.execute(query.encode()).fetchall())
        return
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        yield lambda query: connection.execute(query).fetchall()


def sqlite_store(path: Path) -> Store:
    """Make a store with one member in a file."""
    url = f"sqlite:///{path}"
    migrate(url)
    create_first_member(url, name="Ann", address=FIRST, login=None)
    return Store("sqlite", url, lambda login: login)


def on_server(server: ModelServer, folders: Iterable[str]) -> dict[Place, tuple[str, Flags]]:
    """Return what the places of a store are to be when it holds all of these folders."""
    return {
        (name, server.folders[name].uidvalidity, uid): (digest_of(message.raw), message.flags)
        for name in folders
        for uid, message in server.folders[name].messages.items()
    }


def handed_out(server: ModelServer, since: int) -> list[tuple[Place, Message]]:
    """Return the emails whose bodies the server gave after the first `since`, unless they are gone by now."""
    return [
        (place, server.folders[folder].messages[uid])
        for place in server.downloads[since:]
        for folder, uidvalidity, uid in [place]
        if uidvalidity == server.folders[folder].uidvalidity and uid in server.folders[folder].messages
    ]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in another process or thread."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def check_bodies(server: ModelServer, since: int, before: Stored, *, most: int = 1) -> None:
    """Check that one sync, begun with `before` stored, took no body twice and none that was stored.

    `since` bodies had been handed out when it began; `most` is how often it may take one, more where the
    server hung up. An email without a Message-ID is told by its place alone.
    """
    given = handed_out(server, since)
    assert max(Counter(place for place, _ in given).values(), default=0) <= most, "a body is taken twice"
    for place, message in given:
        assert place not in before.places, f"{place} is stored and was downloaded again"
        if message.raw.startswith(b"Message-ID"):
            assert digest_of(message.raw) not in before.digests, f"{place} was downloaded again"


def check_integrity(url: str) -> None:
    """Check that a store is sound, and holds of each email either everything or nothing.

    To be used where every contact's email is one to link.
    """
    with reading(url) as read:
        if not is_postgres(url):
            assert [tuple(row) for row in read("PRAGMA integrity_check")] == [("ok",)]
            assert read("PRAGMA foreign_key_check") == []
        parts = ("email", "email_body", "email_source", "email_terms")
        counts = {part: read(f"SELECT count(*) AS count FROM main.{part}")[0]["count"] for part in parts}
        assert len(set(counts.values())) == 1, counts
        for wrong, count in _WRONG.items():
            assert read(f"SELECT count(*) AS count FROM {count}")[0]["count"] == 0, wrong

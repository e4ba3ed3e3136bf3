"""An account under test: its letters, its sync without a command line, and what the store then holds.

What is stored is read past the rules of the store, as its owner, so that a test sees every row. The
mail servers are those of the conformance suite.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

from mailcrm.accounts import choose_folders, offered_folders, remember_folders
from mailcrm.config import SIZE_LIMIT
from mailcrm.core.events import FolderPlanned, SyncEvent
from mailcrm.core.model import Account, Team, Visibility
from mailcrm.core.plan import Flags
from mailcrm.store import Database, accounts
from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.rows import sure_instant
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW
from tests.mail.conformance import Mailbox

_Event = TypeVar("_Event")

#: A UID under a UIDVALIDITY in a folder.
Place = tuple[str, int, int]


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
        for row in rows(
            url,
            "SELECT id, digest, message_id, subject, received_at, gone_at, truncated, thread_id "
            "FROM main.email",
        )
    }
    links: dict[int, set[str]] = defaultdict(set)
    for row in rows(
        url,
        "SELECT l.thread_id, c.name, d.title FROM main.link l "
        "LEFT JOIN main.contact c ON c.id = l.contact_id LEFT JOIN main.deal d ON d.id = l.deal_id",
    ):
        links[row["thread_id"]].add(row["name"] or row["title"])
    return Stored(
        emails=tuple(emails.values()),
        places={
            (row["name"], row["uidvalidity"], row["uid"]): (
                emails[row["email_id"]].digest,
                frozenset(row["flags"].split()),
            )
            for row in rows(
                url,
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
            for row in rows(url, "SELECT id, subject, last_received_at FROM main.thread")
        },
    )


def rows(url: str, query: str) -> list[Mapping[str, Any]]:
    """Run a query past the rules of the store."""
    if is_postgres(url):
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(url, row_factory=dict_row) as owner:
            owner.execute("SET TRANSACTION READ ONLY")
            found: list[Mapping[str, Any]] = list(owner.cursor().execute(query.encode()).fetchall())
            return found
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query).fetchall()

"""What it costs to show records in a large store: timelines, last contacts, bounces, unknown people.

A store of 100,000 emails is written as rows, by the owner of the schema. A member who has a quarter of them
asks; colleagues have the others in accounts of their team, and share half of the threads. Run with
`python -m tests.bench.timeline`; `BENCH_EMAILS` names another number.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import psycopg

from mailcrm.core.model import Organization
from mailcrm.store import Database, open_database, sqlite
from mailcrm.store.correspondents import bounces, last_contacts, unknown_correspondents
from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.migrate import migrate
from mailcrm.timeline import contact_timeline, deal_timeline, organization_timeline
from tests.bench.timing import in_process
from tests.servers.postgres import PostgresServer, database_of

_EMAILS = int(os.environ.get("BENCH_EMAILS", "100000"))
_MEMBERS = 4
_IN_THREAD = 5
_CONTACTS = 5_000
#: Deals are small; the first has 1,000 emails.
_OF_DEAL = 1_000
#: Every tenth email of an account is a copy of one that the account before it holds.
_COPIED = 10
_START = datetime(2026, 1, 1, tzinfo=UTC)

_EMAIL_COLUMNS = (
    "id, account_id, thread_id, message_id, digest, subject, preview, from_address, from_name, sent_at,"
    " received_at, size, direction, has_attachment, truncated, from_ambiguous, automatic, signed, encrypted,"
    " trackers, repairs, reading, gone_from_junk, authserv_id, dmarc, by_subject"
)

_Value: TypeAlias = str | int | bool | None
_Rows: TypeAlias = Iterable[tuple[_Value, ...]]


def main() -> None:
    """Make the store on each database and print a row for it."""
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'mailcrm.db'}"
        migrate(url)
        fill(url)
        measure("SQLite", *(open_database(url, viewer=f"member{number}@example.com") for number in (1, 2)))
    server = PostgresServer()
    try:
        url = server.create_database()
        migrate(url)
        fill(url)
        logins = ("member1", "member2")
        for login in logins:
            server.create_login(login, f"secret-{login}")
        with psycopg.connect(server.superuser_url(database_of(url)), autocommit=True) as superuser:
            superuser.execute("GRANT mailcrm_member TO member1, member2")
            superuser.execute("VACUUM ANALYZE")
        measure(
            "PostgreSQL", *(open_database(server.url(database_of(url), one), viewer=None) for one in logins)
        )
    finally:
        server.stop()


def measure(name: str, db: Database, team: Database) -> None:
    """Print what each question costs, the first time and then in the median, in milliseconds."""
    company = Organization(id=1, name="Company 1", owner_id=1, domains=(), notes="")
    second = deal_timeline(db, "1", limit=50).next
    questions: dict[str, Callable[[], object]] = {
        f"deal with {_OF_DEAL:,} emails": lambda: deal_timeline(db, "1", limit=50),
        "its second page": lambda: deal_timeline(db, "1", limit=50, before=second),
        "small deal": lambda: deal_timeline(db, "30", limit=50),
        "contact": lambda: contact_timeline(db, "7", limit=50),
        "organization": lambda: organization_timeline(db, company, limit=50),
        "last contact of one": lambda: last_contacts(db, [7]),
        "last contacts of 200": lambda: last_contacts(db, range(1, 201)),
        "bounces of 200": lambda: bounces(db, range(1, 201)),
        "unknown correspondents of the team": lambda: unknown_correspondents(team, account_id=None, limit=26),
    }
    with closing(db), closing(team):
        for question, ask in questions.items():
            start = time.perf_counter()
            ask()
            first = time.perf_counter() - start
            print(f"{name}\t{question}\t{first * 1000:.1f}\t{in_process(ask).seconds * 1000:.1f}", flush=True)


def fill(url: str) -> None:
    """Write members, accounts, mail, records and links."""
    if is_postgres(url):
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            for table, (columns, rows) in _tables().items():
                with cursor.copy(f"COPY main.{table} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        return
    with closing(sqlite.connect(sqlite_path(url))) as file:
        file.execute("BEGIN")
        for table, (columns, rows) in _tables().items():
            _insert(file, table, columns, rows)
        file.execute("COMMIT")


def _insert(file: sqlite3.Connection, table: str, columns: str, rows: _Rows) -> None:
    places = ", ".join("?" for _ in columns.split(","))
    file.executemany(f"INSERT INTO main.{table} ({columns}) VALUES ({places})", rows)


def _tables() -> dict[str, tuple[str, _Rows]]:
    members = range(1, _MEMBERS + 1)
    threads = range(1, _EMAILS // _IN_THREAD + 1)
    emails = range(1, _EMAILS + 1)
    connection = (
        "account_id, provider, imap_host, imap_port, imap_security, username, all_folders,"
        " auto_link_contacts, auto_link_deals, auto_link_leads, create_contacts, connected"
    )
    return {
        "member": (
            "id, name, address, role, active, login",
            ((n, f"Member {n}", f"member{n}@example.com", "admin", True, f"member{n}") for n in members),
        ),
        "team": ("id, name", [(1, "Sales")]),
        "team_member": ("team_id, member_id", [(1, n) for n in members if n > 1]),
        "account": (
            "id, address, owner_id, team_id, default_visibility",
            (
                (n, f"member{n}@example.com", None if n > 1 else n, 1 if n > 1 else None, "private")
                for n in members
            ),
        ),
        "account_connection": (
            connection,
            (
                (n, "imap", "imap.example.com", 993, "tls", "x", True, True, True, True, "never", True)
                for n in members
            ),
        ),
        "organization": ("id, name, owner_id, notes", ((n, f"Company {n}", 1, "") for n in range(1, 501))),
        "contact": (
            "id, name, owner_id, organization_id, title, notes",
            ((n, f"Contact {n}", 1, n % 500 + 1, "", "") for n in range(1, _CONTACTS + 1)),
        ),
        "contact_address": (
            "address, contact_id, position",
            ((_person(n), n, 0) for n in range(1, _CONTACTS + 1)),
        ),
        "deal": (
            "id, title, status, owner_id, stage_id, created_at",
            ((n, f"Deal {n}", "open", 1, 1, _at(0)) for n in range(1, 2_001)),
        ),
        "thread": (
            "id, account_id, subject, visibility, last_received_at, due",
            ((n, _account(n), f"Subject {n}", _visibility(n), _at(n), False) for n in threads),
        ),
        "email": (
            _EMAIL_COLUMNS,
            map(_email, emails),
        ),
        "participant": ("email_id, position, role, name, address, untagged", _participants(emails)),
        "attachment": (
            "email_id, position, part_id, name, type, size, inline",
            ((n, 0, "2", f"offer{n}.pdf", "application/pdf", 70_000, False) for n in emails if n % 5 == 0),
        ),
        "delivery": (
            "email_id, position, address, action, status, reason",
            ((n, 0, _person(n % 900 + 1), "failed", "5.1.1", "user unknown") for n in emails if n % 100 == 0),
        ),
        "link": ("thread_id, contact_id, deal_id, origin, linked_by, linked_at", _links(threads)),
    }


def _thread(email: int) -> int:
    return (email - 1) // _IN_THREAD + 1


def _visibility(thread: int) -> str:
    return "shared" if thread % 2 or thread <= _OF_DEAL // _IN_THREAD else "private"


def _account(thread: int) -> int:
    return thread % _MEMBERS + 1


def _correspondent(thread: int) -> int:
    # Conversations of one person stand in several accounts; the last fifth are of people who are no contacts.
    return thread // _MEMBERS % (_CONTACTS + _CONTACTS // 5) + 1


def _person(number: int) -> str:
    return f"person{number}@company{number % 500 + 1}.example.org"


def _at(number: int) -> str:
    return (_START + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")


def _email(n: int) -> tuple[_Value, ...]:
    thread = _thread(n)
    message = n - _IN_THREAD if n % _COPIED == 0 else n
    outgoing = message % 3 == 0
    sender = f"member{_account(thread)}@example.com" if outgoing else _person(_correspondent(thread))
    return (
        *(n, _account(thread), thread, f"{message}@example.org", f"digest{n}", f"Subject {thread}"),
        *("The offer stands until the end of the month. " * 4, sender, "", _at(message), _at(n)),
        *(
            20_000,
            "out" if outgoing else "in",
            n % 5 == 0,
            False,
            False,
            n % 100 == 0,
            False,
            False,
            0,
            "",
            1,
        ),
        *(False, "", "", False),
    )


def _participants(emails: Iterable[int]) -> Iterator[tuple[_Value, ...]]:
    for n in emails:
        thread = _thread(n)
        member, person = f"member{_account(thread)}@example.com", _person(_correspondent(thread))
        outgoing = (n - _IN_THREAD if n % _COPIED == 0 else n) % 3 == 0
        sender, recipient = (member, person) if outgoing else (person, member)
        cc = f"colleague{thread % 3_000}@example.net"
        for position, (role, address) in enumerate((("from", sender), ("to", recipient), ("cc", cc))):
            yield n, position, role, "", address, address


def _links(threads: Iterable[int]) -> Iterator[tuple[_Value, ...]]:
    for n in threads:
        if _correspondent(n) <= _CONTACTS:
            yield n, _correspondent(n), None, "auto", 1, _at(n)
        if n <= _OF_DEAL // _IN_THREAD:
            yield n, None, 1, "auto", 1, _at(n)
        elif n % 10 == 0:
            yield n, None, n // 10 % 1_999 + 2, "auto", 1, _at(n)


if __name__ == "__main__":
    main()

"""A store with much mail in it, made of rows by plain SQL and not by a sync: a large one in seconds.

Emails have participants, places and threads of three on average, but neither text nor source.
"""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg

from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.migrate import create_first_member, migrate

OWNER = "ann@example.com"

NOW = datetime(2026, 6, 1, tzinfo=UTC)
#: An email comes every five minutes.
_BETWEEN = timedelta(minutes=5)


def fill(url: str, *, emails: int, contacts: int, login: str | None = None) -> None:
    """Make a store at `url` with an account of `OWNER`, mail, contacts, and a deal or lead for one in two."""
    migrate(url)
    create_first_member(url, name="Ann", address=OWNER, login=login)
    dice = random.Random(5)  # noqa: S311 (the same mail each time)
    threads = emails // 3
    thread_of = [dice.randrange(threads) for _ in range(emails)]
    then = [NOW - _BETWEEN * (emails - number) for number in range(emails)]
    last = dict(zip(thread_of, then, strict=True))
    # One in three writes who is no contact.
    writers = [dice.randrange(contacts * 3 // 2) for _ in range(threads)]
    columns: dict[str, tuple[str, Sequence[tuple[object, ...]]]] = {
        "account": ("id, address, owner_id, default_visibility", [(1, OWNER, 1, "private")]),
        "account_connection": (
            (
                "account_id, provider, imap_host, imap_port, imap_security, username, all_folders, "
                "auto_link_contacts, auto_link_deals, auto_link_leads, create_contacts, connected"
            ),
            [(1, "imap", "localhost", 993, "tls", OWNER, True, True, True, True, "never", True)],
        ),
        "folder": (
            "id, account_id, path, name, role, usual, selected, highest_uid",
            [(1, 1, "INBOX", "INBOX", "inbox", True, True, emails)],
        ),
        "thread": (
            "id, account_id, subject, visibility, last_received_at, due",
            [(key + 1, 1, f"Thread {key}", "private", last[key], False) for key in sorted(last)],
        ),
        "email": (
            (
                "id, account_id, thread_id, message_id, digest, subject, preview, from_address, from_name, "
                "sent_at, received_at, size, direction, has_attachment, truncated, from_ambiguous, "
                "automatic, authserv_id, dmarc, signed, encrypted, trackers, repairs, reading, gone_from_junk"
            ),
            [
                (
                    *(key + 1, 1, thread_of[key] + 1, f"{key}@example.org", f"{key}", "Subject", "Preview"),
                    *(address(writers[thread_of[key]]), "", then[key], then[key], 1000),
                    *("out" if key % 3 == 0 else "in", False, False, False, key % 10 == 0),
                    *("mx.example.com", "pass", False, False, 0, "", 1, False),
                )
                for key in range(emails)
            ],
        ),
        "participant": (
            "email_id, position, role, name, address, untagged",
            [
                (key + 1, place, role, "", who, who)
                for key in range(emails)
                for place, (role, who) in enumerate(
                    [
                        ("from", address(writers[thread_of[key]])),
                        ("to", OWNER),
                        ("cc", address(contacts * 2 + key % 1000)),
                    ]
                )
            ],
        ),
        "placement": (
            "folder_id, uidvalidity, uid, email_id, flags",
            [(1, 1, key + 1, key + 1, "") for key in range(emails)],
        ),
        "contact": (
            "id, name, owner_id, title, notes",
            [(key + 1, f"Contact {key}", 1, "", "") for key in range(contacts)],
        ),
        "contact_address": (
            "address, contact_id, position",
            [(address(key), key + 1, 0) for key in range(contacts)],
        ),
        "deal": (
            "id, title, status, owner_id, stage_id, created_at",
            [
                (key + 1, f"Deal {key}", "won" if key % 5 == 0 else "open", 1, 1, then[0])
                for key in range(contacts // 2)
            ],
        ),
        "deal_contact": (
            "deal_id, contact_id",
            [(key + 1, dice.randrange(contacts) + 1) for key in range(contacts // 2)],
        ),
        "lead": (
            "id, title, status, owner_id, created_at",
            [(key + 1, f"Lead {key}", "open", 1, then[0]) for key in range(contacts // 10)],
        ),
        "lead_contact": (
            "lead_id, contact_id",
            [(key + 1, dice.randrange(contacts) + 1) for key in range(contacts // 10)],
        ),
    }
    if is_postgres(url):
        with closing(psycopg.connect(url)) as owner:
            for table, (names, rows) in columns.items():
                with owner.cursor() as cursor, cursor.copy(f"COPY main.{table} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            owner.commit()
            owner.autocommit = True
            owner.execute("VACUUM ANALYZE")
        return
    with closing(sqlite3.connect(sqlite_path(url))) as store:
        for table, (names, rows) in columns.items():
            marks = ", ".join("?" * len(names.split(",")))
            store.executemany(
                f"INSERT INTO main.{table} ({names}) VALUES ({marks})",
                (
                    tuple(
                        f"{each:%Y-%m-%dT%H:%M:%SZ}" if isinstance(each, datetime) else each for each in row
                    )
                    for row in rows
                ),
            )
        store.commit()


def address(number: int) -> str:
    """Return the address of a correspondent; those of contacts have the lowest numbers."""
    return f"person{number}@example.org"

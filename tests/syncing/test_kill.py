"""A sync that is killed, again and again, ends where one ends that nobody disturbed."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest

from mailcrm.keychain import environment_name
from mailcrm.store import crm
from mailcrm.store.migrate import create_first_member, migrate
from tests.conftest import FIRST, Store, _login_maker, login_of
from tests.mail.conformance import DovecotMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.postgres import PostgresServer, database_of
from tests.syncing.accounts import connect, days_ago, letter, rows, stored

KILLS = 12
FIRST_PORTION = 120
PORTION = 15
LETTERS = FIRST_PORTION + KILLS * PORTION
FOLDERS = ("INBOX", "INBOX", "Sent", "Kunden 2026")

_users = count(1)


@pytest.fixture
def mailbox(dovecot: DovecotServer) -> DovecotMailbox:
    mailbox = DovecotMailbox(dovecot, f"kill{next(_users)}@example.com")
    for folder in set(FOLDERS):
        with dovecot.client(mailbox.user, folder):  # makes its Maildir
            pass
    return mailbox


def deliver(mailbox: DovecotMailbox, numbers: range) -> None:
    """Bring emails that answer each other, some in two folders, some without a Message-ID."""
    for number in numbers:
        raw = letter(
            None if number % 20 == 0 else f"{number}@example.org",
            sender=f"person{number % 30}@example.org",
            subject=f"letter {number}",
            # Also across folders, and to some that come later.
            references=[f"{(number * 7 + step) % LETTERS}@example.org" for step in range(number % 3)],
            body=f"quotation {number}\r\n" * 300,
        )
        when = days_ago(50) + timedelta(minutes=number)
        mailbox.deliver(FOLDERS[number % len(FOLDERS)], raw, when)
        if number % 25 == 0:
            mailbox.deliver("Kunden 2026", raw, when)


class Machine:
    """A machine with a config.toml, on which `mailcrm sync` is run for one store."""

    def __init__(self, url: str, mailbox: DovecotMailbox, folder: Path) -> None:
        config = folder / "config.toml"
        config.write_text(f'[accounts."{FIRST}"]\nca_file = "{mailbox.server.ca_file}"\n', "utf-8")
        self._environment = os.environ | {
            "MAILCRM_STORE": url,
            "MAILCRM_CONFIG": str(config),
            environment_name(FIRST): mailbox.password,
        }

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mailcrm", "--json", "sync", *options],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, *options: str) -> list[dict[str, object]]:
        """Run to the end and return the events."""
        with self.start(*options) as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors + output
        return [json.loads(line) for line in output.splitlines()]

    def kill(self, *, after_events: int, and_seconds: float) -> bool:
        """Start a sync, kill it so long after so many events, and say whether it was still at work."""
        with self.start() as process:
            assert process.stdout is not None
            for _ in range(after_events):
                process.stdout.readline()
            time.sleep(and_seconds)
            process.kill()
            process.stdout.read()
        return process.returncode != 0


def settle_in(store: Store, mailbox: DovecotMailbox, folder: Path) -> Machine:
    """Connect the mailbox in a store that knows some of its people."""
    db = store.as_member(FIRST)
    connect(db, mailbox, username=mailbox.user, start=days_ago(90))
    people = [
        crm.create_contact(db, name=f"Person {number}", addresses=[f"person{number}@example.org"])
        for number in range(0, 30, 3)
    ]
    # One deal only: of several, the first that a thread meets would depend on what came first.
    crm.create_deal(db, title="Pumps", contact_ids=[one.id for one in people[::2]], value=None, currency=None)
    folder.mkdir()
    return Machine(store._login(login_of(FIRST)) if store.kind == "postgres" else store.url, mailbox, folder)


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[Store]:
    """A second store, on SQLite, so that the two databases are compared as well."""
    url = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    migrate(url)
    create_first_member(url, name="Ann", address=FIRST, login=None)
    store = Store("sqlite", url, lambda login: login)
    yield store
    store.close()


def test_a_sync_killed_again_and_again_ends_where_an_undisturbed_one_does(
    store: Store, undisturbed: Store, mailbox: DovecotMailbox, tmp_path: Path
) -> None:
    machine = settle_in(store, mailbox, tmp_path / "disturbed")
    chance = random.Random(20260615)  # noqa: S311 (the same moments in every run)
    killed = 0
    deliver(mailbox, range(FIRST_PORTION))
    for number in range(KILLS):
        killed += machine.kill(
            after_events=chance.randint(1, 6), and_seconds=chance.choice([0, chance.uniform(0, 0.05)])
        )
        deliver(mailbox, range(FIRST_PORTION + number * PORTION, FIRST_PORTION + (number + 1) * PORTION))
        if number == KILLS // 2:
            mailbox.server.move(mailbox.user, "INBOX", range(1, 20), "Sent")
            mailbox.server.renumber(mailbox.user, "Kunden 2026")
            mailbox.server.flag(mailbox.user, "INBOX", 40, ["\\Flagged"])
    assert killed > KILLS // 3
    machine.sync()
    settle_in(undisturbed, mailbox, tmp_path / "undisturbed").sync()

    after, expected = stored(store.url), stored(undisturbed.url)
    assert len(after.emails) == len(after.digests) == LETTERS
    assert after.digests == expected.digests
    assert after.places == expected.places
    assert after.conversations() == expected.conversations()
    assert not after.gone
    assert {"Pumps"} < set().union(*(thread.links for thread in after.threads.values()))
    check_integrity(store)
    planned = [event for event in machine.sync("--full") if event["event"] == "folder_planned"]
    assert {(event["downloads"], event["attached"], event["vanished"]) for event in planned} == {(0, 0, 0)}


def test_a_database_that_goes_away_ends_a_sync_with_one_sentence_and_the_next_one_goes_on(
    postgres: PostgresServer, postgres_url: str, mailbox: DovecotMailbox, tmp_path: Path
) -> None:
    login = login_of(FIRST)
    store = Store("postgres", postgres_url, _login_maker(postgres, postgres_url))
    store._login(login)
    create_first_member(postgres_url, name="Ann", address=FIRST, login=login)
    machine = settle_in(store, mailbox, tmp_path / "home")
    store.close()
    deliver(mailbox, range(FIRST_PORTION))
    with (
        psycopg.connect(postgres.superuser_url(database_of(postgres_url)), autocommit=True) as superuser,
        machine.start() as process,
    ):
        assert process.stdout is not None
        assert "account_started" in process.stdout.readline()
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [login]
        )
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert json.loads(errors)["error"]["code"] == "store_unavailable"
    machine.sync()
    assert len(stored(postgres_url).emails) == FIRST_PORTION


def check_integrity(store: Store) -> None:
    if store.kind == "sqlite":
        assert [tuple(row) for row in rows(store.url, "PRAGMA integrity_check")] == [("ok",)]
        assert rows(store.url, "PRAGMA foreign_key_check") == []
    emails = rows(store.url, "SELECT count(*) AS count FROM main.email")[0]["count"]
    for table in ("email_body", "email_source", "email_terms"):
        assert rows(store.url, f"SELECT count(*) AS count FROM main.{table}")[0]["count"] == emails

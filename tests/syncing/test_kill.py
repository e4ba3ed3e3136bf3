"""A sync that is killed at whatever moment: nothing is lost or half written, and the next one makes it whole.

Most of these syncs are `mailcrm sync` in a process forked from one that has imported everything, which
differs from a fresh one by the time that it takes to start. The kernel kills them.
"""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import timedelta
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psycopg
import pytest

from mailcrm import cli
from mailcrm.config import SIZE_LIMIT
from mailcrm.core.events import AccountFinished, BatchSaved, SyncEvent
from mailcrm.keychain import environment_name
from mailcrm.store import Database, accounts, contacts, deals, open_database
from mailcrm.store.location import is_postgres
from mailcrm.store.migrate import create_first_member
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW, Store, _login_maker, login_of
from tests.mail.conformance import DovecotMailbox, Mailbox, ModelMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer
from tests.servers.postgres import PostgresServer, database_of
from tests.syncing.accounts import (
    Stored,
    check_bodies,
    check_integrity,
    connect,
    days_ago,
    letter,
    on_server,
    only,
    sqlite_store,
    stored,
    sync,
    wait_until,
)

#: So many kills of the syncs of one store, and so many stores on each database.
KILLS = 25
LIVES = {"sqlite": 8, "postgres": 2}
ROOMS = ("INBOX", "Sent", "Projects", "Kunden 2026")

WHOLE_PROGRAM_KILLS = 12
FIRST_PORTION = 320
PORTION = 15
LETTERS = FIRST_PORTION + WHOLE_PROGRAM_KILLS * PORTION
FOLDERS = ("INBOX", "INBOX", "Sent", "Kunden 2026")

_forking = multiprocessing.get_context("forkserver")
# What a command imports late is imported once, before the processes fork.
_forking.set_forkserver_preload(["__main__", __name__, "mailcrm.progress", "mailcrm.store.postgres"])
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


def run_program(environment: dict[str, str], output: Connection, most: int | None) -> None:
    """Be `mailcrm --json sync`; the kernel ends it at the first write past byte `most` of any file."""
    os.environ.clear()
    os.environ.update(environment)
    if most is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        # Python ignores it, and the write would only fail.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.argv = ["mailcrm", "--json", "sync"]
    with os.fdopen(output.fileno(), "w", closefd=False) as said, redirect_stdout(said), redirect_stderr(said):
        cli.main()


class Machine:
    """A machine with a config.toml, on which `mailcrm sync` is run for one store."""

    def __init__(self, url: str, mailbox: Mailbox, folder: Path) -> None:
        folder.mkdir()
        config = folder / "config.toml"
        trusted = f'ca_file = "{mailbox.server.ca_file}"' if isinstance(mailbox, DovecotMailbox) else ""
        config.write_text(f'[accounts."{FIRST}"]\n{trusted}\n', "utf-8")
        self._environment = dict(os.environ) | {
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
            helpers = readers_of(process.pid)
            process.kill()
            process.stdout.read()
        for helper in helpers:
            wait_until(partial(has_ended, helper))
        return process.returncode != 0

    def fork(self, *, most: int | None = None) -> tuple[ForkServerProcess, Connection]:
        """Start a sync in a forked process, and return the pipe on which its events come."""
        events, output = _forking.Pipe(duplex=False)
        process = _forking.Process(target=run_program, args=(self._environment, output, most))
        process.start()
        output.close()
        return process, events

    def sync_fork(self) -> float:
        """Run to the end in a forked process, and return how long that took, in seconds."""
        start = time.monotonic()
        process, events = self.fork()
        with closing(process), events:
            process.join()
            assert process.exitcode == 0
        return time.monotonic() - start

    def kill_fork(self, *, after_events: int, and_seconds: float) -> bool:
        """Do as `kill` does, in a forked process."""
        process, events = self.fork()
        with closing(process), events, open(events.fileno(), "rb", closefd=False) as lines:
            for _ in range(after_events):
                lines.readline()
            time.sleep(and_seconds)
            process.kill()
            process.join()
            assert process.exitcode in {0, -signal.SIGKILL}
            return process.exitcode != 0


def settle_in(store: Store, mailbox: Mailbox, username: str) -> None:
    """Connect the mailbox in a store that knows some of its people, and close the store."""
    db = store.as_member(FIRST)
    connect(db, mailbox, username=username, start=None)
    people = [
        contacts.create_contact(db, name=f"Person {number}", addresses=[f"person{number}@example.org"])
        for number in range(0, 30, 3)
    ]
    # One deal only: of several, the first that a thread meets would depend on what came first.
    deals.create_deal(
        db, title="Pumps", contact_ids=[one.id for one in people[::2]], value=None, currency=None, at=NOW
    )
    # The next to open the file then finds what a killed process has left of it.
    store.close()


def url_of(store: Store) -> str:
    """Return the URL under which the first member opens the store."""
    return store._login(login_of(FIRST)) if store.kind == "postgres" else store.url


def open_as_first(url: str) -> Database:
    return open_database(url, viewer=None if is_postgres(url) else FIRST)


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[Store]:
    """A second store, on SQLite, so that the two databases are compared as well."""
    store = sqlite_store(tmp_path / "undisturbed.db")
    yield store
    store.close()


# --- kills at any moment ----------------------------------------------------------------------------


class OtherPrograms:
    """What happens in a mailbox between two syncs."""

    def __init__(self, server: ModelServer, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311 (the same changes in every run)
        self._numbers = count(1)

    def at_work(self) -> None:
        """Bring some emails that answer each other, and copy, move, flag, expunge and renumber others."""
        chance, server = self._chance, self._server
        for number, _ in zip(self._numbers, range(chance.randint(5, 12)), strict=False):
            raw = letter(
                None if number % 10 == 0 else f"{number}@example.org",
                sender=f"person{number % 30}@example.org",
                subject=f"letter {number}",
                # Also across folders, and to some that come later.
                references=[f"{number + step}@example.org" for step in (-7, 9)[: number % 3]],
                body=f"quotation {number}\r\n" * chance.randint(1, 200),
            )
            server.append(chance.choice(ROOMS), raw, days_ago(50) + timedelta(minutes=number))
        for change in chance.sample([self.copy, self.move, self.flag, self.expunge], 3):
            for _ in range(chance.randint(1, 2)):
                change(
                    *chance.choice([(name, uid) for name in ROOMS for uid in server.folders[name].messages])
                )
        if chance.random() < 0.15:
            server.renumber(chance.choice(ROOMS))

    def copy(self, folder: str, uid: int) -> None:
        self._server.copy(folder, uid, self._chance.choice(ROOMS))

    def move(self, folder: str, uid: int) -> None:
        self._server.move(folder, uid, self._chance.choice(ROOMS))

    def flag(self, folder: str, uid: int) -> None:
        self._server.flag(folder, uid, self._chance.sample(["\\Seen", "\\Flagged", "\\Answered"], 2))

    def expunge(self, folder: str, uid: int) -> None:
        self._server.expunge(folder, uid)


def sync_once(url: str, mailbox: ModelMailbox) -> None:
    """Sync to the end in this process, as a command does, and see that the end is good."""
    with closing(open_as_first(url)) as db:
        account = accounts.account(db, FIRST)
        with db.lease(account.id):
            (finished,) = only(sync(db, mailbox, account), AccountFinished)
    assert finished.whole


def check_killed(server: ModelServer, since: int, before: Stored, after: Stored) -> None:
    """Check what holds at the moment of a kill: nothing is lost, and what there is, is right."""
    assert before.digests <= after.digests
    assert set(after.places.items()) <= {*before.places.items(), *on_server(server, ROOMS).items()}
    check_bodies(server, since, before)


def check_mended(server: ModelServer, since: int, killed: Stored, after: Stored) -> None:
    """Check that one sync after a kill has made the store agree, and took no body that was there."""
    assert after.places == on_server(server, ROOMS)
    assert after.digests == killed.digests | {digest for digest, _ in after.places.values()}
    check_bodies(server, since, killed)


def check_alike(one: Stored, other: Stored) -> None:
    assert one.digests == other.digests
    assert one.places == other.places
    assert one.gone == other.gone
    assert one.conversations() == other.conversations()


@pytest.mark.parametrize(
    ("store", "life"), [(kind, life) for kind in LIVES for life in range(LIVES[kind])], indirect=["store"]
)
def test_after_each_kill_one_more_sync_makes_the_store_whole(
    store: Store,
    undisturbed: Store,
    model: ModelServer,
    life: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    mailbox = ModelMailbox(model)
    for name in ROOMS[2:]:
        model.create(name)
    for each in (store, undisturbed):
        settle_in(each, mailbox, FIRST)
    url = url_of(store)
    machine = Machine(url, mailbox, tmp_path / "machine")
    at_rest = rest_of(store, model, request)
    others = OtherPrograms(model, life)
    chance = random.Random(life)  # noqa: S311 (the same moments in every run, as far as clocks go)
    machine.sync_fork()
    others.at_work()
    length = 1.1 * machine.sync_fork()
    sync_once(undisturbed.url, mailbox)
    before, killed = stored(store.url), 0
    for _ in range(3 * KILLS):
        others.at_work()
        since = len(model.downloads)
        if chance.random() < 0.5:
            killed += machine.kill_fork(after_events=0, and_seconds=chance.uniform(0, length))
        else:
            killed += machine.kill_fork(
                after_events=chance.randint(1, 12), and_seconds=chance.choice([0, chance.uniform(0, 0.004)])
            )
        at_rest()
        found = stored(store.url)
        check_integrity(store.url)
        check_killed(model, since, before, found)
        since = len(model.downloads)
        sync_once(url, mailbox)
        before = stored(store.url)
        check_mended(model, since, found, before)
        sync_once(undisturbed.url, mailbox)
        check_alike(before, stored(undisturbed.url))
        if killed == KILLS:
            break
    assert killed == KILLS
    check_integrity(store.url)


def rest_of(store: Store, server: ModelServer, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that waits until the servers have noticed that a client is gone."""
    if store.kind == "sqlite":
        return lambda: wait_until(lambda: not server._connections)
    postgres: PostgresServer = request.getfixturevalue("postgres")
    owner = psycopg.connect(postgres.superuser_url(database_of(store.url)), autocommit=True)
    request.addfinalizer(owner.close)
    clients = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"
    return lambda: wait_until(
        lambda: not server._connections and not owner.execute(clients, [login_of(FIRST)]).fetchall()
    )


def test_a_sync_that_dies_in_any_write_to_its_file_leaves_a_sound_store(
    model: ModelServer, tmp_path: Path
) -> None:
    mailbox = ModelMailbox(model)
    for name in ROOMS[2:]:
        model.create(name)
    others = OtherPrograms(model, 1)
    others.at_work()
    prepared = sqlite_store(tmp_path / "prepared.db")
    settle_in(prepared, mailbox, FIRST)
    sync_once(prepared.url, mailbox)
    before = stored(prepared.url)
    for _ in range(3):
        others.at_work()
    path = tmp_path / "mailcrm.db"
    store = Store("sqlite", f"sqlite:///{path}", lambda login: login)
    machine = Machine(store.url, mailbox, tmp_path / "machine")
    deaths = half = 0
    for most in count(1_000, 17_011):
        for old in tmp_path.glob("mailcrm.db*"):
            old.unlink()
        shutil.copy(tmp_path / "prepared.db", path)
        since = len(model.downloads)
        process, events = machine.fork(most=most)
        with closing(process), events:
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGXFSZ
        deaths += 1
        wait_until(lambda: not model._connections)
        check_integrity(store.url)
        found = stored(store.url)
        half += before.digests < found.digests
        check_killed(model, since, before, found)
        since = len(model.downloads)
        sync_once(store.url, mailbox)
        check_mended(model, since, found, stored(store.url))
        check_integrity(store.url)
    assert deaths > 20
    assert half > 5, "some had stored a part"


# --- the process that reads ahead -------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


def readers_of(pid: int) -> list[int]:
    """Return the reading processes of a sync."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"mailcrm.reading" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@needs_proc
@pytest.mark.parametrize("batches", [0, 1, 3, 5])
def test_the_death_of_the_reading_process_does_not_matter(
    batches: int, model: ModelServer, undisturbed: Store
) -> None:
    for number in range(1600):
        raw = letter(f"{number}@example.org", subject=f"letter {number}")
        model.append(ROOMS[number % 2], raw, days_ago(20) + timedelta(minutes=number))
    mailbox = ModelMailbox(model)
    settle_in(undisturbed, mailbox, FIRST)
    saved = killed = 0
    with closing(open_as_first(undisturbed.url)) as db:
        account = accounts.account(db, FIRST)
        events: list[SyncEvent] = []
        for event in sync_account(
            db, lambda: mailbox.log_in(mailbox.password), account, clock=lambda: NOW, size_limit=SIZE_LIMIT
        ):
            events.append(event)
            saved += isinstance(event, BatchSaved)
            if saved >= batches and not killed:
                for helper in readers_of(os.getpid()):
                    os.kill(helper, signal.SIGKILL)
                    killed += 1
    assert killed == 1
    assert [event.whole for event in only(events, AccountFinished)] == [True]
    after = stored(undisturbed.url)
    assert after.places == on_server(model, ROOMS[:2])
    assert len(after.digests) == len(model.downloads) == 1600
    check_integrity(undisturbed.url)


# --- the whole program, on a real mail server -------------------------------------------------------


def test_a_sync_killed_again_and_again_ends_where_an_undisturbed_one_does(
    store: Store, undisturbed: Store, mailbox: DovecotMailbox, tmp_path: Path
) -> None:
    settle_in(store, mailbox, mailbox.user)
    machine = Machine(url_of(store), mailbox, tmp_path / "disturbed")
    chance = random.Random(20260615)  # noqa: S311 (the same moments in every run)
    killed = 0
    deliver(mailbox, range(FIRST_PORTION))
    for number in range(WHOLE_PROGRAM_KILLS):
        killed += machine.kill(
            after_events=chance.randint(1, 6), and_seconds=chance.choice([0, chance.uniform(0, 0.05)])
        )
        deliver(mailbox, range(FIRST_PORTION + number * PORTION, FIRST_PORTION + (number + 1) * PORTION))
        if number == WHOLE_PROGRAM_KILLS // 2:
            mailbox.server.move(mailbox.user, "INBOX", range(1, 20), "Sent")
            mailbox.server.renumber(mailbox.user, "Kunden 2026")
            mailbox.server.flag(mailbox.user, "INBOX", 40, ["\\Flagged"])
    assert killed > WHOLE_PROGRAM_KILLS // 3
    machine.sync()
    settle_in(undisturbed, mailbox, mailbox.user)
    Machine(undisturbed.url, mailbox, tmp_path / "undisturbed").sync()

    after, expected = stored(store.url), stored(undisturbed.url)
    assert len(after.emails) == len(after.digests) == LETTERS
    check_alike(after, expected)
    assert not after.gone
    assert {"Pumps"} < set().union(*(thread.links for thread in after.threads.values()))
    check_integrity(store.url)
    planned = [event for event in machine.sync("--full") if event["event"] == "folder_planned"]
    assert {(event["downloads"], event["attached"], event["vanished"]) for event in planned} == {(0, 0, 0)}


def test_a_database_that_goes_away_ends_a_sync_with_one_sentence_and_the_next_one_goes_on(
    postgres: PostgresServer, postgres_url: str, mailbox: DovecotMailbox, tmp_path: Path
) -> None:
    login = login_of(FIRST)
    store = Store("postgres", postgres_url, _login_maker(postgres, postgres_url))
    store._login(login)
    create_first_member(postgres_url, name="Ann", address=FIRST, login=login)
    settle_in(store, mailbox, mailbox.user)
    machine = Machine(url_of(store), mailbox, tmp_path / "home")
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

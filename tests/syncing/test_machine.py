"""Whatever happens on the server, and wherever a sync ends, the next whole sync makes the store agree.

The truth is the model server's own state and the bytes that it ever handed out.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailcrm.config import SIZE_LIMIT
from mailcrm.core.block_list import BlockMode, BlockRule, parse_pattern
from mailcrm.core.errors import MailError
from mailcrm.core.events import AccountFinished, DeletionsHeld, FolderFinished, SyncEvent
from mailcrm.core.model import Account
from mailcrm.observing import plan_account
from mailcrm.store import Database, accounts, block_list, contacts, folders
from mailcrm.store.migrate import create_first_member
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW, Store, _login_maker, login_of
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ALL_MAIL, CAPABILITIES, Message, ModelServer
from tests.servers.postgres import PostgresServer, database_of
from tests.syncing.accounts import (
    EXTENSIONS,
    Stored,
    connect,
    days_ago,
    digest_of,
    handed_out,
    letter,
    only,
    reading,
    sqlite_store,
    stored_by,
    wait_until,
)

#: Trash is left out of the sync, so an email that is moved there is gone.
SYNCED = ("INBOX", "Sent", "Projects")
FOLDERS = (*SYNCED, "Trash")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLetter:
    """An email to be brought: its own id and the one it answers, by number, and when it came, in days.

    `later` is how many days before it came it was sent.
    """

    sender: str
    copied: str | None

    folder: str
    own: int | None
    answered: int | None
    age: float
    later: float | None
    flags: frozenset[str]


#: Addresses of Kim, and for each a pattern that blocks it and no other one.
WRITERS = {
    "kim@example.org": "kim@example.org",
    "kim@lists.example.net": "@example.net",
    "kim@shop.example.kr": "kim@shop.*",
}

writers = st.sampled_from(sorted(WRITERS))
folder_names = st.sampled_from(FOLDERS)
choices = st.integers(0, 60)
#: Around the starts below, by days, by hours, and across midnight.
ages = st.sampled_from([0.1, 1, 1.4, 9.9, 10, 10.1, 11.6, 29, 30.5, 31, 33, 100, 400])
starts = st.sampled_from([None, 1.0, 10.0, 30.0, 60.0])
flag_sets = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Answered", "$Forwarded"]))
letters = st.builds(
    NewLetter,
    sender=writers,
    copied=st.one_of(st.none(), writers),
    folder=folder_names,
    # Few ids, so that some are met again.
    own=st.sampled_from([None, *range(6)]),
    answered=st.sampled_from([None, None, *range(6)]),
    age=ages,
    later=st.sampled_from([None, 0.0, 0.3, 2.5, -40.0]),
    flags=flag_sets,
)


#: Which extensions the server lacks, and which it has that few have.
lacking = st.sampled_from([(), *((name,) for name in EXTENSIONS), EXTENSIONS])
rare = st.sampled_from([(), (), (), ("QRESYNC",), ("X-GM-EXT-1",)])

#: What tells an email from the others before its body is known.
Key: TypeAlias = "tuple[str, datetime] | int"


class Interrupted(Exception):
    """A sync ends in the middle of a step."""


class Mailboxes(RuleBasedStateMachine):
    """One account on a server that other programs change, and syncs that end well or badly."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.db: Database = store.as_member(FIRST)
        self.open = ExitStack()
        self.read = self.open.enter_context(reading(store.url))
        self.bodies = count(1)
        self.named: dict[str, set[str]] = {}
        self.known: set[Key] = set()
        self.people: dict[str, set[str]] = {}
        self.blocked: dict[str, BlockMode] = {}
        self.start: datetime | None = None
        self.before = Stored(emails=(), places={}, threads={})

    @initialize(
        lacks=lacking,
        more=rare,
        start=starts,
        brought=st.lists(letters, min_size=4, max_size=8),
    )
    def connect(
        self, lacks: tuple[str, ...], more: tuple[str, ...], start: float | None, brought: list[NewLetter]
    ) -> None:
        self.server = ModelServer(capabilities={*CAPABILITIES, *more} - set(lacks))
        if "X-GM-EXT-1" in more:
            # Whoever hides All Mail from IMAP has labels for folders, as here.
            self.server.delete(ALL_MAIL)
        self.server.create("Projects")
        self.mailbox = ModelMailbox(self.server)
        self.account = connect(self.db, self.mailbox, start=None)
        contacts.create_contact(self.db, name="Kim", addresses=sorted(WRITERS))
        self.move_start(start)
        self.append(brought)

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self.server.stop()
        self.open.close()
        self.store.close()

    # --- what other programs do -----------------------------------------------------------------

    @rule(brought=st.lists(letters, min_size=1, max_size=4))
    def append(self, brought: list[NewLetter]) -> None:
        """Bring emails, some of them with a Message-ID that another one has."""
        for new in brought:
            number = next(self.bodies)
            own = [] if new.own is None else [f"{new.own}@example.org"]
            answered = [] if new.answered is None else [f"{new.answered}@example.org"]
            copied = {"Cc": new.copied} if new.copied is not None else {}
            people = new.sender + "".join(f"Cc: {copy}\r\n" for copy in copied.values())
            raw = letter(
                own[0] if own else None,
                subject=f"letter {number}",
                sent=None if new.later is None else days_ago(new.age + new.later),
                sender=new.sender,
                more=copied,
                references=answered,
                # Two bodies of one Message-ID differ in size, whoever writes them.
                body="x" * (100 - len(people) + number),
            )
            self.named[digest_of(raw)] = {*own, *answered}
            self.people[digest_of(raw)] = {new.sender, *copied.values()}
            self.server.append(new.folder, raw, days_ago(new.age), new.flags)

    @precondition(lambda self: self.mail())
    @rule(choice=choices, folder=folder_names)
    def copy(self, choice: int, folder: str) -> None:
        source, message = self.pick(choice)
        self.server.copy(source, message.uid, folder)

    @precondition(lambda self: self.mail())
    @rule(choice=choices, folder=folder_names, age=ages)
    def append_again(self, choice: int, folder: str, age: float) -> None:
        """Append the same bytes, as a program does that does not COPY: INTERNALDATE is another."""
        self.server.append(folder, self.pick(choice)[1].raw, days_ago(age))

    @precondition(lambda self: self.mail())
    @rule(choice=choices, flags=flag_sets)
    def flag(self, choice: int, flags: frozenset[str]) -> None:
        folder, message = self.pick(choice)
        self.server.flag(folder, message.uid, flags)

    @precondition(lambda self: self.mail())
    @rule(choice=choices)
    def expunge(self, choice: int) -> None:
        folder, message = self.pick(choice)
        self.server.expunge(folder, message.uid)

    @precondition(lambda self: len(self.mail()) > 12)
    @rule(folder=folder_names)
    def empty(self, folder: str) -> None:
        for uid in list(self.server.folders[folder].messages):
            self.server.expunge(folder, uid)

    @precondition(lambda self: self.mail())
    @rule(choice=choices, to=folder_names)
    def move(self, choice: int, to: str) -> None:
        folder, message = self.pick(choice)
        self.server.move(folder, message.uid, to)

    @rule(folder=folder_names)
    def renumber(self, folder: str) -> None:
        self.server.renumber(folder)

    @rule(start=starts)
    def move_start(self, start: float | None) -> None:
        self.start = None if start is None else days_ago(start)
        accounts.set_history_start(self.db, self.account, self.start)

    # --- who is blocked -------------------------------------------------------------------------

    @rule(writer=writers, mode=st.sampled_from(BlockMode), scope=st.sampled_from(["account", "store"]))
    def block(self, writer: str, mode: BlockMode, scope: str) -> None:
        if writer not in self.blocked:
            pattern = parse_pattern(WRITERS[writer])
            whose = None if scope == "store" else self.account
            block_list.add_rule(self.db, BlockRule(pattern=pattern, mode=mode), whose, at=NOW)
            self.blocked[writer] = mode

    @precondition(lambda self: self.blocked)
    @rule(choice=choices)
    def unblock(self, choice: int) -> None:
        writer = sorted(self.blocked)[choice % len(self.blocked)]
        (found,) = [one for one in block_list.block_rules(self.db) if one.pattern == WRITERS[writer]]
        block_list.remove_rule(self.db, found)
        del self.blocked[writer]

    # --- syncs ----------------------------------------------------------------------------------

    @rule()
    def sync(self) -> None:
        self.whole_sync(accept_deletions=False)

    @rule()
    def sync_with_accepted_deletions(self) -> None:
        self.whole_sync(accept_deletions=True)

    @rule(events=st.integers(1, 12))
    def sync_that_ends_between_steps(self, events: int) -> None:
        since = self.handed_out()
        with closing(self.steps()) as steps:
            for _ in zip(range(events), steps, strict=False):
                pass
        self.check_always(since)

    @rule(moments=st.integers(0, 4))
    def sync_that_ends_inside_a_step(self, moments: int) -> None:
        since = self.handed_out()
        left = iter(range(moments))

        def clock() -> datetime:
            if next(left, None) is None:
                raise Interrupted
            return NOW

        with suppress(Interrupted):
            list(self.steps(clock=clock))
        self.check_always(since)

    @rule(after=st.integers(0, 6_000))
    def sync_that_loses_the_connection(self, after: int) -> None:
        since = self.handed_out()
        self.server.cut_after = after
        try:
            list(self.steps())
        except MailError:
            pass
        finally:
            self.server.cut_after = None
        self.check_always(since, most=2)

    def whole_sync(self, *, accept_deletions: bool) -> None:
        before, since = self.before, self.handed_out()
        looked_at = {f.name: (f.uidvalidity, f.highest_uid) for f in folders.folders(self.db, self.account)}
        events = list(self.steps(accept_deletions=accept_deletions))
        after = self.check_always(since)
        held = {event.folder for event in only(events, DeletionsHeld)}
        assert not (held and accept_deletions)
        self.check_places(before, after, looked_at, held)
        assert {thread.links for thread in after.threads.values()} <= {frozenset({"Kim"})}, "all write as Kim"
        self.check_what_was_said(events, held)
        if not held:
            with self.mailbox.log_in(self.mailbox.password) as imap:
                again = list(plan_account(self.db, imap, self.present_account()))
            assert {event.folder for event in again} == set(SYNCED)
            work = {(event.downloads, event.attached, event.vanished) for event in again}
            assert work == {(0, 0, 0)}, "a second sync finds work"

    def steps(
        self,
        *,
        clock: Callable[[], datetime] = lambda: NOW,
        accept_deletions: bool = False,
    ) -> Generator[SyncEvent, None, None]:
        steps = sync_account(
            self.db,
            lambda: self.mailbox.log_in(self.mailbox.password),
            self.present_account(),
            clock=clock,
            size_limit=SIZE_LIMIT,
            accept_deletions=accept_deletions,
        )
        assert isinstance(steps, Generator)
        return steps

    # --- what must hold -------------------------------------------------------------------------

    def check_always(self, since: int, *, most: int = 1) -> Stored:
        """Check what holds after any sync, however it ended, and return what is stored.

        `since`: how many bodies had been handed out before it; `most`: how often one sync may ask for a
        body; once more where the server hung up.
        """
        before, after = self.before, stored_by(self.read)
        digests = [email.digest for email in after.emails]
        assert len(set(digests)) == len(digests), "an email is doubled"
        assert before.digests <= after.digests, "an email is lost"
        fetched = [self.key(m) for _, m in handed_out(self.server, since) if self.has_id(m)]
        assert max(Counter(fetched).values(), default=0) <= most, "a body is downloaded again by one sync"
        assert not set(fetched) & self.known, "a body that is stored is downloaded again"
        placed = {digest for digest, _ in after.places.values()}
        assert {e.digest for e in after.emails if e.gone} == after.digests - placed, "gone means: no place"
        self.check_threads(after)
        for folder, uidvalidity, uid in after.places:
            if uidvalidity == self.server.folders[folder].uidvalidity:
                message = self.server.folders[folder].messages.get(uid)
                if message is not None and self.has_id(message):
                    self.known.add(self.key(message))
        self.before = after
        return after

    def check_threads(self, after: Stored) -> None:
        """Check that threads are what the ids of the stored emails tie together."""
        groups: list[tuple[set[str], set[str]]] = []
        for digest in after.digests:
            ids, members = set(self.named[digest]), {digest}
            for other in [group for group in groups if group[0] & ids]:
                groups.remove(other)
                ids, members = ids | other[0], members | other[1]
            groups.append((ids, members))
        conversations = after.conversations()
        assert set(conversations) == {frozenset(members) for _, members in groups}
        for thread_id, thread in after.threads.items():
            dates = [e.received_at for e in after.emails if e.thread_id == thread_id]
            assert thread.last_received_at == max(dates)

    def check_places(
        self,
        before: Stored,
        after: Stored,
        looked_at: Mapping[str, tuple[int | None, int]],
        held: set[str],
    ) -> None:
        """Check that nothing in the window is missing and nothing is stale after a whole sync.

        `looked_at` says up to which UID a folder had been looked at: what is new there has a place, too,
        when it is known, however old it is. What is screened out has none, unless it was stored before.
        """
        for name in SYNCED:
            folder = self.server.folders[name]
            placed = {
                uid: found
                for (where, present, uid), found in after.places.items()
                if where == name and present == folder.uidvalidity
            }
            uidvalidity, highest_uid = looked_at.get(name, (None, 0))
            for uid, message in folder.messages.items():
                was_placed = (name, folder.uidvalidity, uid) in before.places
                known = self.key(message) in self.known
                if self.is_screened(message) and digest_of(message.raw) not in before.digests:
                    assert digest_of(message.raw) not in after.digests, f"{name} {uid} is stored"
                    continue
                is_new = uidvalidity != folder.uidvalidity or uid > highest_uid
                if was_placed or (known and is_new) or self.in_window(message):
                    assert uid in placed, f"{name} {uid} is missing"
                if uid in placed:
                    assert placed[uid] == (digest_of(message.raw), message.flags)
            if name not in held:
                assert {uid for where, _, uid in after.places if where == name} <= set(folder.messages)
                assert len(placed) == sum(where == name for where, _, _ in after.places)

    def check_what_was_said(self, events: list[SyncEvent], held: set[str]) -> None:
        (finished,) = only(events, AccountFinished)
        assert finished.whole == (not held)
        assert finished.failed == 0
        told = only(events, FolderFinished)
        assert {event.folder for event in told} == set(SYNCED) - held
        for event in told:
            inside = [m for m in self.server.folders[event.folder].messages.values() if self.in_window(m)]
            assert event.stored_count == event.server_count >= len(inside)

    # --- the truth ------------------------------------------------------------------------------

    def mail(self) -> list[tuple[str, Message]]:
        if not hasattr(self, "server"):
            return []
        return [(name, m) for name in FOLDERS for m in self.server.folders[name].messages.values()]

    def pick(self, choice: int) -> tuple[str, Message]:
        found = self.mail()
        return found[choice % len(found)]

    def present_account(self) -> Account:
        return accounts.account(self.db, FIRST)

    def has_id(self, message: Message) -> bool:
        return message.raw.startswith(b"Message-ID")

    def handed_out(self) -> int:
        """Return how many bodies were given so far, when nobody is left who may ask for one."""
        wait_until(lambda: not self.server._connections)
        return len(self.server.downloads)

    def key(self, message: Message) -> Key:
        """Return what tells an email: an id of the server, or what survives a copy (RFC 9051, 6.4.7)."""
        if {"OBJECTID", "X-GM-EXT-1"} & set(self.server.capabilities):
            return message.key
        return digest_of(message.raw), message.internaldate

    def is_screened(self, message: Message) -> bool:
        people = self.people[digest_of(message.raw)]
        modes = [self.blocked.get(each) for each in people]
        return BlockMode.ANY in modes or None not in modes

    def in_window(self, message: Message) -> bool:
        if self.start is None or message.internaldate >= self.start:
            return True
        sent = [line for line in message.raw.split(b"\r\n") if line.startswith(b"Date: ")]
        return bool(sent) and parsedate_to_datetime(sent[0][6:].decode()) >= self.start


@pytest.fixture(params=["sqlite", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Yield a function that makes a fresh store with one member, quickly."""
    if request.param == "sqlite":
        template = tmp_path / "template.db"
        sqlite_store(template)

        def copy() -> Store:
            path = tmp_path / "mailcrm.db"
            for old in tmp_path.glob("mailcrm.db*"):
                old.unlink()
            shutil.copy(template, path)
            return Store("sqlite", f"sqlite:///{path}", lambda login: login)

        yield copy
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    migrated_template: str = request.getfixturevalue("migrated_template")
    urls: list[str] = []

    def clone() -> Store:
        for url in urls:
            server.drop_database(database_of(url))
        urls[:] = [server.create_database(template=migrated_template)]
        create_first_member(urls[0], name="Ann", address=FIRST, login=login_of(FIRST))
        return Store("postgres", urls[0], _login_maker(server, urls[0]))

    yield clone
    for url in urls:
        server.drop_database(database_of(url))


def run(new_store: Callable[[], Store], *, examples: int, steps: int) -> None:
    class OnNewStore(Mailboxes):
        def __init__(self) -> None:
            super().__init__(new_store())

    run_state_machine_as_test(OnNewStore, settings=settings(max_examples=examples, stateful_step_count=steps))


def test_after_whatever_happened_a_whole_sync_agrees_with_the_server(
    new_store: Callable[[], Store], request: pytest.FixtureRequest
) -> None:
    run(new_store, examples=1_000 if "sqlite" in request.node.name else 40, steps=20)


@pytest.mark.slow
def test_after_whatever_happened_in_the_long_run_a_whole_sync_agrees_with_the_server(
    new_store: Callable[[], Store], request: pytest.FixtureRequest
) -> None:
    run(new_store, examples=3_000 if "sqlite" in request.node.name else 200, steps=40)

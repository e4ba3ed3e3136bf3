"""A connection that is cut at whatever byte: nothing is lost, and the next sync makes the store whole."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from threading import Event

import pytest

from mailcrm.config import SIZE_LIMIT
from mailcrm.core.errors import MailError
from mailcrm.core.events import AccountFinished, FolderPlanned
from mailcrm.mail.imap import ImapSession
from mailcrm.store import accounts, open_database
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
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
    wait_until,
)

#: Cuts of one conversation, spread evenly over its bytes; those in the middle and at the end of each
#: answer are added.
CUTS = 60
FOLDERS = ("INBOX", "Sent", "Projects")


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """A sync that is ahead: the store before it, and how many bytes the server will answer to what."""

    server: ModelServer
    prepared: Path
    said: tuple[tuple[str, int], ...]

    def moments(self, cuts: int) -> list[int]:
        """Return after how many bytes to cut."""
        total = sum(size for _, size in self.said)
        found = {total * number // cuts for number in range(cuts)}
        position = 0
        for _, size in self.said:
            # Before the last two bytes the tagged line is all there but for its end.
            found |= {position + size // 2, position + size - 2}
            position += size
        return sorted(found)

    def command_at(self, moment: int) -> str:
        """Return the command whose answer a byte is in."""
        position = 0
        for command, size in self.said:
            position += size
            if moment < position:
                return command
        raise ValueError(moment)


def log_in(server: ModelServer) -> ImapSession:
    return ModelMailbox(server).log_in(server.password)


def run(path: Path, open_imap: Callable[[], ImapSession]) -> bool:
    """Sync the store in a file, and say whether it says that all is well."""
    with closing(open_database(f"sqlite:///{path}", viewer=FIRST)) as db:
        account = accounts.account(db, FIRST)
        try:
            events = list(sync_account(db, open_imap, account, clock=lambda: NOW, size_limit=SIZE_LIMIT))
        except MailError:
            return False
    return all(event.whole for event in only(events, AccountFinished))


def bring(server: ModelServer, numbers: range) -> None:
    for number in numbers:
        raw = letter(
            None if number % 9 == 0 else f"{number}@example.org",
            subject=f"letter {number}",
            references=[f"{number - step}@example.org" for step in range(1, number % 3)],
            body=f"line {number}\r\n" * (number % 5 * 6),
        )
        server.append(FOLDERS[number % 3], raw, days_ago(50 - number / 10), ["\\Seen"] if number % 2 else [])


def change(server: ModelServer) -> None:
    """Do in a mailbox all that a sync has to follow."""
    bring(server, range(20, 40))
    server.copy("INBOX", 1, "Projects")
    server.move("INBOX", 2, "Sent")
    server.move("Sent", 1, "Projects")
    server.expunge("INBOX", 3)
    server.flag("Sent", 2, ["\\Flagged"])
    server.renumber("Projects")


@pytest.fixture(params=["first sync", "later sync"])
def conversation(model: ModelServer, tmp_path: Path, request: pytest.FixtureRequest) -> Conversation:
    model.create("Projects")
    bring(model, range(20))
    prepared = tmp_path / "prepared.db"
    store = sqlite_store(prepared)
    connect(store.as_member(FIRST), ModelMailbox(model))
    store.close()
    if request.param == "later sync":
        assert run(prepared, lambda: log_in(model))
        change(model)
    said = [("greeting", len(model.greeting))]

    def listen(command: str, reply: bytes) -> bytes:
        words = command.split()
        said.append((" ".join(words[: 2 if words[0] == "UID" else 1]), len(reply)))
        return reply

    model.twist = listen
    rehearsal = tmp_path / "rehearsal.db"
    shutil.copy(prepared, rehearsal)
    assert run(rehearsal, lambda: log_in(model))
    model.twist = lambda _command, reply: reply
    return Conversation(server=model, prepared=prepared, said=tuple(said))


def check_cut(conversation: Conversation, path: Path, before: Stored, cut: Iterator[int | None]) -> None:
    """Cut the connections of a sync after so many bytes each, sync once more, and check what is stored."""
    server = conversation.server
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    shutil.copy(conversation.prepared, path)
    url = f"sqlite:///{path}"

    def log_in_and_be_cut() -> ImapSession:
        server.cut_after = next(cut)
        return log_in(server)

    wait_until(lambda: not server._connections)
    since = len(server.downloads)
    whole = run(path, log_in_and_be_cut)
    server.cut_after = None
    wait_until(lambda: not server._connections)
    found = stored(url)
    expected = on_server(server, FOLDERS)
    assert before.digests <= found.digests
    assert set(found.places.items()) <= {*before.places.items(), *expected.items()}
    assert found.places == expected or not whole
    check_integrity(url)
    # What was on its way when the server hung up is asked for once more.
    check_bodies(server, since, before, most=2)
    since = len(server.downloads)
    assert run(path, lambda: log_in(server))
    after = stored(url)
    assert after.places == expected
    assert after.digests == before.digests | {digest for digest, _ in expected.values()}
    check_bodies(server, since, found)


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(4_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("again", ["once", "each time"])
def test_after_each_cut_one_more_sync_makes_the_store_whole(
    conversation: Conversation, again: str, cuts: int, tmp_path: Path
) -> None:
    before = stored(f"sqlite:///{conversation.prepared}")
    moments = conversation.moments(cuts)
    for moment in moments:
        cut = repeat(moment) if again == "each time" else chain([moment], repeat(None))
        check_cut(conversation, tmp_path / "mailcrm.db", before, cut)
    # Twice 50 of each conversation make the 200 that this test is to hold at least.
    assert len(moments) >= 50
    answered = {conversation.command_at(moment) for moment in moments}
    assert {"greeting", "LOGIN", "LIST", "EXAMINE", "UID SEARCH", "UID FETCH", "LOGOUT"} <= answered


def test_a_sync_that_is_left_does_not_connect_again(model: ModelServer, tmp_path: Path) -> None:
    model.create("Projects")
    bring(model, range(9))
    db = sqlite_store(tmp_path / "mailcrm.db").as_member(FIRST)
    account = connect(db, ModelMailbox(model))
    asked = Event()

    def take_time(command: str, reply: bytes) -> bytes:
        if "BODY.PEEK[]" in command:
            asked.set()
            time.sleep(0.2)
        return reply

    model.twist = take_time
    steps = sync_account(db, lambda: log_in(model), account, clock=lambda: NOW, size_limit=SIZE_LIMIT)
    with closing(db), closing(steps):
        next(event for event in steps if isinstance(event, FolderPlanned) and event.downloads)
        assert asked.wait(30)
    wait_until(lambda: not model._connections)
    assert len([command for command in model.commands if command.startswith("LOGIN")]) == 1
    check_bodies(model, 0, Stored(emails=(), places={}, threads={}))

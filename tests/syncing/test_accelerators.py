"""Extensions of IMAP make a sync faster and change nothing of its result."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from mailcrm.core.events import AccountFinished
from mailcrm.core.model import Account
from mailcrm.store import Database, accounts, contacts, deals
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ALL_MAIL, CAPABILITIES, ModelServer
from tests.syncing.accounts import (
    EXTENSIONS,
    Stored,
    check_integrity,
    connect,
    days_ago,
    letter,
    on_server,
    only,
    sqlite_store,
    stored,
    sync,
)

FOLDERS = ("INBOX", "Sent", "Projects")


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A mailbox and its account while weeks go by."""

    server: ModelServer
    db: Database
    account: Account

    def bring(self, folder: str, numbers: range) -> None:
        for number in numbers:
            raw = letter(
                None if number % 8 == 0 else f"{number}@example.org",
                sender=f"person{number % 5}@example.org",
                subject=f"letter {number}",
                sent=days_ago(60 - number),
                references=[f"{number - step}@example.org" for step in (5, 11)[: number % 3]],
                body="x" * number,
            )
            flags = ["\\Seen"] if number % 2 else []
            self.server.append(folder, raw, days_ago(60 - number), flags)

    def begin(self) -> None:
        self.bring("INBOX", range(1, 30))
        self.bring("Sent", range(30, 36))

    def answer_and_flag(self) -> None:
        self.bring("INBOX", range(36, 40))
        self.server.flag("INBOX", 3, ["\\Seen", "\\Answered"])
        self.server.flag("INBOX", 28, ["\\Flagged"])
        self.server.flag("Sent", 2, [])

    def flag_only(self) -> None:
        self.server.flag("INBOX", 29, ["$Forwarded"])

    def file_away(self) -> None:
        self.server.move("INBOX", 5, "Projects")
        self.server.move("INBOX", 16, "Projects")
        self.server.copy("INBOX", 6, "Projects")
        self.server.copy("Sent", 1, "INBOX")

    def delete(self) -> None:
        self.server.expunge("INBOX", 20)
        self.server.expunge("INBOX", 33)
        self.server.move("INBOX", 22, "Trash")

    def delete_and_bring_as_many(self) -> None:
        self.server.expunge("Sent", 3)
        self.bring("Sent", range(40, 41))

    def renumber(self) -> None:
        self.server.renumber("INBOX")
        self.bring("INBOX", range(41, 44))

    def renumber_and_move(self) -> None:
        self.server.renumber("Projects")
        self.server.move("Projects", 1, "Sent")

    def rename(self) -> None:
        self.server.create("Customers")
        for uid in list(self.server.folders["Projects"].messages):
            self.server.move("Projects", uid, "Customers")
        self.server.delete("Projects")

    def look_back(self) -> None:
        accounts.set_history_start(self.db, self.account, None)

    def nothing(self) -> None:
        pass


def story(history: History) -> list[Callable[[], None]]:
    return [
        history.begin,
        history.answer_and_flag,
        history.flag_only,
        history.nothing,
        history.file_away,
        history.delete,
        history.delete_and_bring_as_many,
        history.look_back,
        history.renumber,
        history.renumber_and_move,
        history.rename,
        history.nothing,
    ]


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[[], Store]:
    numbers = count(1)
    return lambda: sqlite_store(tmp_path / f"{next(numbers)}.db")


def lived_through(store: Store, server: ModelServer) -> Stored:
    """Sync after each change of the story, and return what is stored in the end."""
    server.create("Projects")
    mailbox = ModelMailbox(server)
    db = store.as_member(FIRST)
    account = connect(db, mailbox, start=days_ago(45))
    people = [
        contacts.create_contact(db, name=f"Person {n}", addresses=[f"person{n}@example.org"])
        for n in range(3)
    ]
    deals.create_deal(db, title="Pumps", contact_ids=[people[0].id], value=None, currency=None, at=NOW)
    for happens in story(History(server=server, db=db, account=account)):
        happens()
        assert [event.whole for event in only(sync(db, mailbox, account), AccountFinished)] == [True]
    found = stored(store.url)
    check_integrity(store.url)
    store.close()
    places = on_server(server, {folder for folder, _, _ in found.places})
    assert found.places == places
    return found


def check_same(one: Stored, other: Stored) -> None:
    assert one.places == other.places
    assert one.conversations() == other.conversations()
    what = ("digest", "message_id", "subject", "received_at", "gone", "truncated")
    assert {tuple(getattr(email, name) for name in what) for email in one.emails} == {
        tuple(getattr(email, name) for name in what) for email in other.emails
    }


def test_the_model_server_offers_every_extension_that_is_switched_off_below() -> None:
    assert set(EXTENSIONS) <= set(CAPABILITIES)


@pytest.mark.parametrize(
    ("offered", "missing"),
    [
        *(((), (name,)) for name in EXTENSIONS),
        ((), EXTENSIONS),
        pytest.param((), CAPABILITIES, id="everything"),
        (("QRESYNC",), ()),
        (("X-GM-EXT-1",), ()),
    ],
    ids=lambda names: "+".join(names) or "nothing",
)
def test_the_store_ends_the_same_with_each_extension_switched_off(
    offered: tuple[str, ...], missing: tuple[str, ...], new_store: Callable[[], Store]
) -> None:
    with ModelServer() as server:
        expected = lived_through(new_store(), server)
    # A server speaks IMAP4rev1, whatever else it lacks.
    with ModelServer(capabilities={*CAPABILITIES, *offered} - set(missing) | {"IMAP4rev1"}) as server:
        if "X-GM-EXT-1" in offered:
            # With All Mail hidden from IMAP, labels are folders and nothing more.
            server.delete(ALL_MAIL)
        check_same(lived_through(new_store(), server), expected)
    assert expected.gone == ["letter 20", "letter 22", "letter 32", "letter 39"]
    assert len(expected.digests) == 43

"""What a sync makes of subjects and of threads that people put in order, from the bytes on the server."""

import pytest

from mailcrm import threads_by_hand
from mailcrm.store import Database, contacts, links, threads
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import connect, days_ago, letter, rows, stored, sync

KIM = "kim@example.org"


class Box:
    """An account on the model server whose mail comes as the test says."""

    def __init__(self, store: Store, model: ModelServer) -> None:
        self.url = store.url
        self.db: Database = store.as_member(FIRST)
        self.server = model
        self.account = connect(self.db, ModelMailbox(model))

    def receive(self, number: int, subject: str, *named: int, **about: str) -> None:
        names = [f"{each}@example.org" for each in named]
        raw = letter(f"{number}@example.org", subject=subject, references=names, **about)  # type: ignore[arg-type] # a letter's own fields
        self.server.append("INBOX", raw, days_ago(20 - number))

    def sync(self) -> None:
        sync(self.db, ModelMailbox(self.server), self.account)

    def threads(self) -> set[frozenset[str]]:
        """Return the subjects in each thread."""
        found = rows(self.url, "SELECT thread_id, subject FROM main.email ORDER BY id")
        ids = {row["thread_id"] for row in found}
        return {frozenset(row["subject"] for row in found if row["thread_id"] == one) for one in ids}


@pytest.fixture
def box(store: Store, model: ModelServer) -> Box:
    return Box(store, model)


@pytest.mark.rule("thread-subject")
@pytest.mark.parametrize("batches", [[[1, 2]], [[1], [2]], [[2], [1]]])
def test_a_reply_without_references_is_in_the_thread_and_linked_with_it(
    box: Box, batches: list[list[int]]
) -> None:
    contacts.create_contact(box.db, name="Kim", addresses=[KIM])
    mails = {1: ("Quarterly prices", FIRST, KIM), 2: ("AW: Quarterly prices", KIM, FIRST)}
    for batch in batches:
        for number in batch:
            subject, sender, to = mails[number]
            box.receive(number, subject, sender=sender, to=to)
        box.sync()
    assert box.threads() == {frozenset({"Quarterly prices", "AW: Quarterly prices"})}
    assert stored(box.url).thread_of("Quarterly prices").links == {"Kim"}
    assert links.due_threads(box.db, box.account) == []


@pytest.mark.rule("thread-subject")
def test_customers_with_one_subject_stay_apart(box: Box) -> None:
    for number, who in enumerate((KIM, "lee@example.org", "choi@example.org"), start=1):
        box.receive(number, f"{'Re: ' if number > 1 else ''}Quarterly prices", sender=who)
    box.sync()
    assert len(rows(box.url, "SELECT id FROM main.thread")) == 3


@pytest.mark.rule("thread-split")
def test_a_split_holds_through_later_syncs(box: Box) -> None:
    box.receive(1, "one")
    box.receive(2, "two", 1)
    box.receive(3, "three", 2)
    box.sync()
    threads_by_hand.split(box.db, threads.thread(box.db, "last"), 2, now=NOW)
    box.receive(4, "four", 1)
    box.receive(5, "five", 1, 2, 3)
    box.receive(6, "six", 5, 4)
    box.sync()
    assert box.threads() == {frozenset({"one", "four", "six"}), frozenset({"two", "three", "five"})}


@pytest.mark.rule("thread-archive")
def test_an_answer_brings_an_archived_conversation_back(box: Box) -> None:
    box.receive(1, "one")
    box.sync()
    thread = threads.thread(box.db, "last")
    threads_by_hand.archive(box.db, [thread], now=NOW)
    box.receive(2, "two", 1, sender=FIRST, to=KIM)
    box.sync()
    assert threads.thread(box.db, "last").archived
    box.receive(3, "three", 2)
    box.sync()
    assert not threads.thread(box.db, "last").archived

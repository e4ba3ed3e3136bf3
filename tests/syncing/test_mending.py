"""What a server keeps back, loses or cuts off in the middle costs no more than that one email."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailcrm.core.events import AccountFinished, EmailFailed, SyncEvent
from mailcrm.core.model import Account
from mailcrm.store import Database, folders
from tests.conftest import Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import CAPABILITIES, HangUp, ModelServer
from tests.syncing.accounts import connect, days_ago, downloads, letter, only, stored, sync

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def deliver(model: ModelServer, count: int) -> None:
    for number in range(count):
        model.append("INBOX", letter(f"{number}@example.org", subject=f"Nr. {number}"), days_ago(1))


def is_whole(events: list[SyncEvent]) -> bool:
    return only(events, AccountFinished)[0].whole


def cut_before(uids: set[int], command: str) -> Callable[[str, bytes], bytes]:
    """Hang up where the answers to a command come to one of these emails."""

    def twist(said: str, reply: bytes) -> bytes:
        for uid in sorted(uids) if re.search(command, said) else ():
            if (place := re.search(rb"\* \d+ FETCH \(UID %d\b" % uid, reply)) is not None:
                raise HangUp(reply[: place.start()])
        return reply

    return twist


@pytest.fixture
def account(db: Database, model: ModelServer) -> Account:
    return connect(db, ModelMailbox(model), start=days_ago(30))


def test_a_header_at_which_the_server_hangs_up_keeps_back_no_other_email(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    deliver(model, 20)
    model.twist = cut_before({7}, "HEADER")
    events = sync(db, ModelMailbox(model), account)
    assert {place[2] for place in stored(store.url).places} == {*range(1, 21)} - {7}
    assert [failed.uid for failed in only(events, EmailFailed)] == [7]
    assert not is_whole(events)
    model.twist = lambda _said, reply: reply
    assert is_whole(sync(db, ModelMailbox(model), account))
    assert len(stored(store.url).places) == 20


def test_many_emails_at_which_the_server_hangs_up_keep_back_no_others(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    deliver(model, 60)
    poison = {9, 10, 11, 30, 41, 59}
    model.twist = cut_before(poison, r"BODY\.PEEK\[\]")
    sync(db, ModelMailbox(model), account)
    assert {place[2] for place in stored(store.url).places} == {*range(1, 61)} - poison
    assert {failure.uid for failure in folders.failures(db, account)} == poison


def test_an_email_deleted_while_we_look_is_not_missing(
    db: Database, model: ModelServer, account: Account
) -> None:
    deliver(model, 5)

    def expunging(said: str, reply: bytes) -> bytes:
        if "SEARCH" in said and 3 in model.folders["INBOX"].messages:
            model.expunge("INBOX", 3)
        return reply

    model.twist = expunging
    assert is_whole(sync(db, ModelMailbox(model), account))


def test_many_emails_deleted_while_we_look_cost_few_commands(
    db: Database, model: ModelServer, account: Account
) -> None:
    deliver(model, 300)

    def expunging(said: str, reply: bytes) -> bytes:
        if "SEARCH" in said:
            for uid in range(1, 200):
                model.folders["INBOX"].messages.pop(uid, None)
        return reply

    model.twist = expunging
    assert is_whole(sync(db, ModelMailbox(model), account))
    assert len([said for said in model.commands if said.startswith("UID FETCH")]) < 10


def test_what_failed_is_asked_for_again_though_the_server_counts_it_to_no_window(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    deliver(model, 1)
    sync(db, ModelMailbox(model), account)
    # The server cannot read this date, and received the email long ago; we can.
    odd = letter("odd@example.org", more={"Date": "2026-06-14 10:00:00 +0000"})
    model.append("INBOX", odd, days_ago(300))
    model.twist = lambda said, reply: (
        reply.splitlines()[-1].split()[0] + b" NO busy\r\n" if "BODY.PEEK[]" in said else reply
    )
    assert not is_whole(sync(db, ModelMailbox(model), account))
    model.twist = lambda _said, reply: reply
    assert downloads(sync(db, ModelMailbox(model), account)) == 1
    assert len(stored(store.url).places) == 2


def test_a_search_that_is_not_answered_is_not_taken_for_an_empty_one(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    deliver(model, 5)
    model.twist = lambda said, reply: reply.splitlines(keepends=True)[-1] if "SENTSINCE" in said else reply
    sync(db, ModelMailbox(model), account)
    assert len(stored(store.url).places) == 5


def test_a_sound_copy_of_an_email_that_failed_comes_in_its_place(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    model.append("INBOX", letter("twin@example.org"), days_ago(1))
    model.copy("INBOX", 1, "INBOX")
    model.twist = lambda said, reply: (
        reply.splitlines()[-1].split()[0] + b" NO corrupt\r\n"
        if "BODY.PEEK[]" in said and said.startswith("UID FETCH 2 ")
        else reply
    )
    assert not is_whole(sync(db, ModelMailbox(model), account))
    assert is_whole(sync(db, ModelMailbox(model), account))
    assert {place[2] for place in stored(store.url).places} == {1, 2}


def test_changed_flags_are_asked_for_in_windows_where_the_server_sets_a_limit(
    db: Database, store: Store, model: ModelServer, account: Account
) -> None:
    model.capabilities = (*CAPABILITIES, "MESSAGELIMIT=3")
    deliver(model, 10)
    sync(db, ModelMailbox(model), account)
    for uid in range(1, 11):
        model.flag("INBOX", uid, ["\\Seen"])
    sync(db, ModelMailbox(model), account)
    assert all("\\Seen" in flags for _, flags in stored(store.url).places.values())
    spans = [said.split()[2] for said in model.commands if "CHANGEDSINCE" in said]
    assert spans == ["8:10", "5:7", "2:4", "1:1"]


def test_no_module_of_the_folder_we_stand_in_is_run(
    db: Database,
    model: ModelServer,
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owned = tmp_path / "owned"
    (tmp_path / "pickle.py").write_text(f"open({str(owned)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    deliver(model, 300)
    assert is_whole(sync(db, ModelMailbox(model), account))
    assert not owned.exists()

"""Reading stored emails again: what changes, what stays, and what a kill in the middle leaves."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mailcrm import linking
from mailcrm.core import mime
from mailcrm.core.model import Account, Direction, Folder, Visibility
from mailcrm.core.parsed import Attachment, Delivery, Forward, Invitation, ParsedEmail, Span, SpanKind
from mailcrm.core.query import parse_query
from mailcrm.reparsing import KINDS, Reread, reparse
from mailcrm.store import Database, accounts, contacts, contents, emails, search, sqlite, threads
from mailcrm.store.location import sqlite_path
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save

BOB = "bob@example.com"

RAW = b"""\
Message-ID: <real@example.kr>\r
Date: Mon, 15 Jun 2026 21:00:00 +0900\r
From: Lee <lee@example.kr>\r
To: ann@example.com\r
Subject: Price list\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
\r
The true words %d\r
--b\r
Content-Type: application/pdf; name=true.pdf\r
\r
pdf\r
--b--\r
"""


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


def raw(number: int) -> bytes:
    return RAW.replace(b"%d", b"%d" % number).replace(b"<real", b"<real%d" % number)


def as_read_before(number: int, **misread: Any) -> emails.NewEmail:
    """Return an email as the sync of an older version stored it, with what that version misread."""
    source = raw(number)
    said = replace(mime.parse(source), **misread)
    made = letter(number, said.message_id, raw=source, received_at=NOW)
    said_so = contents.content(said, Direction.IN)
    return replace(made, content=replace(said_so, reading=mime.READING - 1))


def last(db: Database, *, dry_run: bool = False) -> Reread:
    return list(reparse(db, dry_run=dry_run))[-1]


def changed(so_far: Reread) -> dict[str, int]:
    return {kind: count for kind, count in so_far.changed.items() if count}


def read(db: Database, thread: int) -> ParsedEmail:
    (row,) = db.read("thread_emails", thread_id=thread)
    (said,) = contents.stored(db, [row])
    return said


MISREAD: dict[str, dict[str, Any]] = {
    "subject": {"subject": "Prie lst"},
    "participants": {"participants": (), "from_ambiguous": True},
    "date": {"sent_at": None},
    "message_id": {"message_id": None},
    "text": {"text": "mojibake\0", "spans": (Span(kind=SpanKind.QUOTE, start=0, end=8),)},
    "attachments": {
        "attachments": (Attachment(part_id="1", name="wrong.pdf", type="x/y", size=1, inline=True),)
    },
    "forwards": {"forwards": (Forward(name="x", address="x", to="", date="", subject=""),)},
    "invitations": {
        "invitations": (
            Invitation(
                method="X",
                summary="x",
                starts_at=NOW,
                ends_at=None,
                all_day=True,
                location="",
                organizer="",
                attendee="",
                answer="",
                repeats=False,
            ),
        )
    },
    "deliveries": {"deliveries": (Delivery(address="x", action="failed", status="", reason=""),)},
    "notes": {"automatic": True, "signed": True, "encrypted": True, "trackers": 7, "repairs": ("limit:x",)},
}


def test_every_field_that_is_stored_belongs_to_one_kind() -> None:
    fields = [field for kind in KINDS.values() for field in kind]
    assert len(fields) == len(set(fields))
    assert set(fields) == set(ParsedEmail.__dataclass_fields__) - {"in_reply_to", "references"}
    assert MISREAD.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_was_misread_is_read_again_and_reported_by_kind(
    db: Database, account: Account, inbox: Folder, kind: str
) -> None:
    (thread,) = save(db, account, inbox, as_read_before(1, **MISREAD[kind])).threads
    so_far = last(db)
    assert (so_far.read, so_far.ahead, so_far.emails_changed, changed(so_far)) == (1, 0, 1, {kind: 1})
    assert so_far.threads == ((thread,) if kind == "participants" else ())
    now = replace(mime.parse(raw(1)), in_reply_to=(), references=())
    assert read(db, thread) == now
    assert last(db) == replace(so_far, read=0, emails_changed=0, changed=dict.fromkeys(KINDS, 0), threads=())


def test_what_was_read_rightly_stays_and_is_not_read_a_third_time(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, as_read_before(1), as_read_before(2))
    so_far = last(db)
    assert (so_far.read, so_far.emails_changed) == (2, 0)
    assert last(db).read == 0


def test_a_dry_run_reports_the_same_and_changes_nothing(
    db: Database, account: Account, inbox: Folder
) -> None:
    (thread,) = save(db, account, inbox, as_read_before(1, subject="Wrong")).threads
    planned = last(db, dry_run=True)
    assert read(db, thread).subject == "Wrong"
    assert last(db) == planned


def test_search_finds_the_new_words_and_forgets_the_old(
    db: Database, account: Account, inbox: Folder
) -> None:
    text = "falsch und\n> verkehrt"
    old = as_read_before(
        1, text=text, subject="Xylophone", spans=(Span(kind=SpanKind.QUOTE, start=11, end=len(text)),)
    )
    save(db, account, inbox, old, as_read_before(2, text="falsch"))
    last(db)
    for word in ("falsch", "verkehrt", "xylophone"):
        assert search.search_emails(db, parse_query(word, NOW), limit=9) == []
    for word in ("true", "price", "lee@example.kr", "true.pdf"):
        assert len(search.search_emails(db, parse_query(word, NOW), limit=9)) == 2


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_index_of_sqlite_is_as_if_it_had_been_read_so_from_the_beginning(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, *(as_read_before(n, text=f"wrong {n} 見積書", subject="No") for n in range(9)))
    last(db)
    with closing(sqlite.connect(sqlite_path(store.url))) as owner:
        owner.execute("INSERT INTO email_index (email_index) VALUES ('optimize')")
        owner.execute("INSERT INTO email_index (email_index) VALUES ('integrity-check')")
        owner.execute("CREATE VIRTUAL TABLE temp.word USING fts5vocab(main, email_index, row)")
        words = {row["term"]: row["doc"] for row in owner.execute("SELECT term, doc FROM word")}
    assert "wrong" not in words
    assert words["true"] == 9


def test_a_thread_is_called_after_its_oldest_email_as_it_is_read_now(
    db: Database, account: Account, inbox: Folder
) -> None:
    (thread,) = save(db, account, inbox, as_read_before(1, subject="???")).threads
    last(db)
    assert threads.thread(db, str(thread)).subject == "Price list"


def test_links_stay_and_none_is_made(db: Database, account: Account, inbox: Folder) -> None:
    wrong = contacts.create_contact(db, name="Wrong", addresses=["wrong@example.org"])
    contacts.create_contact(db, name="Lee", addresses=["lee@example.kr"])
    misread = letter(1).content.parsed.participants
    (thread,) = save(db, account, inbox, as_read_before(1, participants=misread)).threads
    linking.link_thread(db, threads.thread(db, str(thread)), wrong, now=NOW)
    threads.set_visibility(db, thread, Visibility.SHARED)
    last(db)
    row = threads.thread(db, str(thread))
    assert (row.contacts, row.visibility) == (("Wrong",), Visibility.SHARED)


def test_answers_find_an_email_whose_id_is_known_now(db: Database, account: Account, inbox: Folder) -> None:
    (thread,) = save(db, account, inbox, as_read_before(1, message_id=None)).threads
    last(db)
    answer = letter(2, "answer@example.org", references=["real1@example.kr"])
    assert save(db, account, inbox, answer).threads == {thread}


def test_an_id_that_names_another_thread_goes_on_naming_it(
    db: Database, account: Account, inbox: Folder
) -> None:
    (other,) = save(
        db, account, inbox, letter(7, "other@example.org", references=["real1@example.kr"])
    ).threads
    (thread,) = save(db, account, inbox, as_read_before(1, message_id=None)).threads
    last(db)
    assert thread != other
    answer = letter(2, "answer@example.org", references=["real1@example.kr"])
    assert save(db, account, inbox, answer).threads == {other}


def test_the_direction_is_decided_again_only_when_the_people_changed(
    db: Database, account: Account, inbox: Folder
) -> None:
    db.write("add_account_alias", account_id=account.id, address="lee@example.kr")
    (same,) = save(db, account, inbox, as_read_before(1, subject="x")).threads
    (misread,) = save(db, account, inbox, as_read_before(2, participants=())).threads
    last(db)
    directions = [emails.thread_emails(db, thread)[0].row.direction for thread in (same, misread)]
    assert directions == [Direction.IN, Direction.OUT]


def test_a_truncated_email_is_read_from_its_head_and_stays_truncated(
    db: Database, account: Account, inbox: Folder
) -> None:
    whole = as_read_before(1, text="wrong")
    head = raw(1)[:280]
    cut = replace(whole, source=emails.source(whole.arrival, head, truncated=True))
    (thread,) = save(db, account, inbox, cut).threads
    last(db)
    (full,) = emails.thread_emails(db, thread)
    assert full.row.truncated
    assert full.text == mime.parse(head).text
    assert full.row.sender == "lee@example.kr"


def test_the_mail_of_an_account_that_was_disconnected_is_read_again(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, as_read_before(1, subject="x"))
    accounts.disconnect_account(db, account)
    assert last(db).emails_changed == 1


def test_many_emails_are_read_in_several_batches(db: Database, account: Account, inbox: Folder) -> None:
    save(db, account, inbox, *(as_read_before(n, subject="x") for n in range(250)))
    states = list(reparse(db, dry_run=False))
    assert [state.read for state in states] == [0, 100, 200, 250, 250]
    assert [state.ahead for state in states] == [250, 150, 50, 0, 0]


def test_an_account_that_is_being_synced_is_left_out(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, as_read_before(1, subject="x"))
    other = connect(db, "second@example.com")
    save(db, other, folder(db, other), as_read_before(2, subject="x"))
    with store.as_member(FIRST).lease(account.id):
        so_far = last(db)
    assert (so_far.read, so_far.left_out) == (1, (FIRST,))
    assert last(db).read == 1


def test_nobody_reads_a_colleagues_mail_again(store: Store, db: Database) -> None:
    account = connect(db, FIRST)
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    (thread,) = save(db, account, folder(db, account), as_read_before(1, subject="x")).threads
    linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    threads.set_visibility(db, thread, Visibility.SHARED)
    bob = store.add_member(BOB)
    assert emails.thread_emails(bob, thread)
    assert last(bob).read == 0
    assert emails.thread_emails(db, thread)[0].row.subject == "x"


KILLED = """
import os, signal, sys
from mailcrm.reparsing import reparse
from mailcrm.store import open_database

db = open_database(sys.argv[1], viewer=sys.argv[2] or None)
step, write = 0, db.write_many
def write_and_die(name, rows):
    global step
    step += name == sys.argv[3]
    write(name, rows)
    if step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
db.write_many = write_and_die
for state in reparse(db, dry_run=False):
    print(state.read, flush=True)
"""


@pytest.mark.parametrize("at", ["update_email", "add_email_terms", "add_participant", "add_name"])
def test_killed_in_the_middle_it_goes_on_where_it_was(
    store: Store, db: Database, account: Account, inbox: Folder, at: str
) -> None:
    made = [as_read_before(n, subject="x", text=f"wrong {n}", participants=()) for n in range(250)]
    held = save(db, account, inbox, *made).threads
    url = store.url if store.kind == "sqlite" else store._login("ann")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, url, FIRST if store.kind == "sqlite" else "", at],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, ["0", "100"]), done.stderr
    # PostgreSQL takes a moment to see that somebody died, and keeps the account for them until then.
    tries = iter(lambda: last(db), None)
    so_far = next(one for one in tries if not one.left_out)
    assert (so_far.read, so_far.emails_changed) == (150, 150)
    assert all(read(db, thread).subject == "Price list" for thread in sorted(held)[::40])
    assert len(search.search_emails(db, parse_query("true", NOW), limit=300)) == 250
    assert search.search_emails(db, parse_query("wrong", NOW), limit=300) == []
    if store.kind == "sqlite":
        with closing(sqlite3.connect(sqlite_path(store.url))) as owner:
            assert owner.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert owner.execute("PRAGMA foreign_key_check").fetchall() == []


def test_after_an_upgrade_all_that_was_stored_is_read_again(
    db: Database, account: Account, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = raw(1)
    made = letter(1, "real1@example.kr", raw=source)
    save(db, account, inbox, replace(made, content=contents.content(mime.parse(source), Direction.IN)))
    assert last(db).read == 0
    monkeypatch.setattr(mime, "READING", mime.READING + 1)
    assert last(db).read == 1
    assert last(db).read == 0

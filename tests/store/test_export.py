"""What is exported comes back byte for byte, and only what the viewer may see is in it."""

import json
import mailbox
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking
from mailcrm.core.errors import AlreadyExists, FileError
from mailcrm.core.model import Account, Folder, ParticipantRole, Visibility
from mailcrm.core.plan import digest
from mailcrm.exporting import as_mbox, export_jsonl, export_mbox
from mailcrm.new_files import Folder as NewFolder
from mailcrm.render import as_json
from mailcrm.store import Database, contacts, emails, links, threads
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import Mailboxes, connect, folder, letter, save

BOB = "bob@example.com"


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def boxes(db: Database) -> Mailboxes:
    return Mailboxes(db)


def messages(written: bytes) -> list[bytes]:
    """Return the messages of an mbox file, as docs/commands.md says how to."""
    _, *found = re.split(rb"(?m)^From .*\n", written)
    return [re.sub(rb"(?m)^>(?=>*From )", b"", message[:-1]) for message in found]


def exported(db: Database, into: Path) -> dict[str, bytes]:
    with NewFolder(into) as opened:
        for _ in export_mbox(db, opened):
            pass
    return {path.name: path.read_bytes() for path in sorted(into.iterdir())}


SHAPES = {
    "usual": b"Subject: a\r\n\r\nHello\r\n",
    "unix": b"Subject: a\n\nHello\n",
    "no final newline": b"Subject: a\r\n\r\nHello",
    "ends with a carriage return": b"Subject: a\r\n\r\nHello\r",
    "ends with empty lines": b"Subject: a\r\n\r\nHello\r\n\r\n\n\n",
    "From line": b"Subject: a\n\nHello\nFrom here on\n>From there\n>>From\n>> From\nFrom",
    "From line first": b"From me@example.com Mon Jun 15 2026\nSubject: a\n\nx\n",
    "From line last": b"Subject: a\n\nx\nFrom ",
    "From line after CR": b"Subject: a\r\n\r\nx\rFrom y\r\n",
    "mixed line ends": b"Subject: a\r\nX: y\n\r\nHello\rworld\n\r\n",
    "NUL": b"Subject: a\0b\r\n\r\n\0\0From \0\nFrom \0",
    "8 bit": b"Subject: \xff\xfe\r\n\r\n\x80\x1a\r\n",
    "newlines alone": b"\n\n\n",
    "empty": b"",
    "one byte": b"\n",
}


def test_every_email_comes_back_byte_for_byte(
    db: Database, account: Account, inbox: Folder, out: Path
) -> None:
    save(db, account, inbox, *(letter(n, None, raw=raw) for n, raw in enumerate(SHAPES.values())))
    (written,) = exported(db, out).values()
    assert sorted(map(digest, messages(written))) == sorted(map(digest, SHAPES.values()))


@given(
    raws=st.lists(
        st.lists(st.sampled_from([b"From ", b">", b"\n", b"\r", b"\r\n", b"\0", b"x", b"From", b" "])).map(
            b"".join
        )
        | st.binary(max_size=60),
        max_size=6,
        unique=True,
    )
)
@settings(max_examples=settings().max_examples // 2)
def test_whatever_the_bytes_they_come_back(
    boxes: Mailboxes, tmp_path_factory: pytest.TempPathFactory, raws: Sequence[bytes]
) -> None:
    account, inbox = boxes.fresh()
    save(boxes.db, account, inbox, *(letter(n, None, raw=raw) for n, raw in enumerate(raws)))
    written = exported(boxes.db, tmp_path_factory.mktemp("out")).get(f"{account.address}.mbox", b"")
    assert sorted(messages(written)) == sorted(raws)


def test_another_program_reads_it(db: Database, account: Account, inbox: Folder, out: Path) -> None:
    raws = [b"Subject: one\n\nHello\nFrom here\n", b"Subject: two\n\nNo newline", b"Subject: three\n\nbye\n"]
    people = {ParticipantRole.FROM: "kim lee@example.kr"}
    save(
        db,
        account,
        inbox,
        *(letter(n, None, raw=raw) for n, raw in enumerate(raws)),
        letter(9, None, raw=b"Subject: odd sender\n\nx\n", people=people),
    )
    exported(db, out)
    box = mailbox.mbox(out / f"{FIRST}.mbox", create=False)
    try:
        assert sorted(str(message["Subject"]) for message in box) == ["odd sender", "one", "three", "two"]
        senders = {message.get_from() for message in box}
    finally:
        box.close()
    assert senders == {
        "kim@example.kr Mon Jun 15 12:00:00 2026",
        "MAILER-DAEMON Mon Jun 15 12:00:00 2026",
    }


def test_each_account_has_its_file_for_its_owner_alone(db: Database, out: Path) -> None:
    for address in (FIRST, "second@example.com"):
        held = connect(db, address)
        save(db, held, folder(db, held), letter(1, "a@example.org", raw=address.encode()))
    connect(db, "empty@example.com")
    out = out / "deeper"
    files = exported(db, out)
    assert {name: messages(written) for name, written in files.items()} == {
        f"{FIRST}.mbox": [FIRST.encode()],
        "second@example.com.mbox": [b"second@example.com"],
    }
    assert out.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}


def test_a_file_that_is_there_is_left_alone(db: Database, account: Account, inbox: Folder, out: Path) -> None:
    save(db, account, inbox, letter(1, "a@example.org"))
    out.mkdir()
    target = out.parent / "elsewhere"
    target.write_bytes(b"precious")
    (out / f"{FIRST}.mbox").symlink_to(target)
    with pytest.raises(AlreadyExists, match="is there already"):
        exported(db, out)
    assert target.read_bytes() == b"precious"


def test_accounts_have_different_files_and_are_written_all_or_none(db: Database, out: Path) -> None:
    for address in ("b@example.com", "a/b@example.com", "a_b@example.com"):
        held = connect(db, address)
        save(db, held, folder(db, held), letter(1, "a@example.org"))
    files = ["a_b@example.com (2).mbox", "a_b@example.com.mbox", "b@example.com.mbox"]
    assert sorted(exported(db, out)) == files
    (out / files[0]).unlink()
    with pytest.raises(AlreadyExists):
        exported(db, out)
    assert sorted(path.name for path in out.iterdir()) == files[1:]


def test_what_cannot_be_finished_is_taken_away(
    db: Database, account: Account, inbox: Folder, out: Path
) -> None:
    save(db, account, inbox, *(letter(n, f"{n}@example.org") for n in range(120)))
    with NewFolder(out) as opened:
        states = export_mbox(db, opened)
        next(states)
        assert list(out.iterdir())
        states.close()
    assert list(out.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(db: Database, account: Account, inbox: Folder, out: Path) -> None:
    out.touch()
    with pytest.raises(FileError, match="is no folder"):
        exported(db, out)


def test_a_colleague_exports_what_is_shared_and_nothing_else(store: Store, db: Database, out: Path) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    raws = [b"Subject: private\n\nhush\n", b"Subject: shared\n\nopen\n", b"Subject: not linked\n\nhush\n"]
    held = [
        save(db, account, inbox, letter(n, f"{n}@example.org", raw=raw)).threads for n, raw in enumerate(raws)
    ]
    private, shared, unlinked = (thread for (thread,) in held)
    for thread in (private, shared):
        linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    for thread in (shared, unlinked):
        threads.set_visibility(db, thread, Visibility.SHARED)
    files = exported(store.add_member(BOB), out)
    assert {name: messages(written) for name, written in files.items()} == {f"{FIRST}.mbox": [raws[1]]}


def lines(db: Database, into: Path) -> Iterator[dict[str, object]]:
    with NewFolder(into) as opened:
        for _ in export_jsonl(db, opened, as_json):
            pass
    for path in sorted(into.iterdir()):
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def test_lines_of_json_are_what_a_conversation_shows(
    db: Database, account: Account, inbox: Folder, out: Path
) -> None:
    mails = [letter(n, f"{n}@example.org", text=f"견적서\u2028{n}\x1b") for n in range(230)]
    save(db, account, inbox, *mails)
    found = list(lines(db, out))
    shown = [
        json.loads(as_json(email))
        for thread in links.threads_of_account(db, account, since=None)
        for email in emails.thread_emails(db, thread)
    ]
    assert len(found) == 230
    assert sorted(found, key=repr) == sorted(shown, key=repr)


def test_a_large_message_of_dangerous_lines_is_quoted_in_linear_time(
    db: Database, account: Account, inbox: Folder
) -> None:
    (thread,) = save(db, account, inbox, letter(1, "a@example.org")).threads
    (email,) = emails.thread_emails(db, thread)
    for source in (b">" * 2_000_000, b">>>From \n" * 200_000, b"\n" * 2_000_000):
        assert messages(as_mbox(email, source)) == [source]

"""The page docs/email-reading.md shows what the program prints for the emails in tests/shapes."""

import re
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailcrm.core import mime
from mailcrm.core.model import Direction, FolderRole
from mailcrm.core.plan import Arrival
from mailcrm.store import accounts, contents, emails, folders, open_database
from tests.cli.desk import Desk

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "email-reading.md").read_text("utf-8")
SHAPES = {path.name: path.read_bytes() for path in sorted((ROOT / "tests" / "shapes").glob("*.eml"))}

#: What the standard library reads is cut after so many lines, and lines after so many characters.
LINES, CHARACTERS = 2, 98
COLUMNS = {"COLUMNS": "100", "TZ": "UTC"}


def told() -> Mapping[str, tuple[str, str]]:
    """Return the blocks before and after of each section of the page, by the file that it names."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        name = re.search(r"tests/shapes/([-\w]+\.eml)", section)
        blocks = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        if name is not None:
            found[name[1]] = (blocks[0], blocks[1])
    return found


def before(raw: bytes) -> str:
    """Return what Python's own email package reads: the labels are taken as they stand."""
    email = message_from_bytes(raw, policy=policy.default)
    assert isinstance(email, EmailMessage)
    names = ", ".join(part.get_filename() or "(no name)" for part in email.iter_attachments())
    head = (("subject", str(email["subject"])), ("from", str(email["from"])), ("files", names))
    lines = [f"{name:8}{value}" for name, value in head if value]
    body = email.get_body(("plain", "html"))
    assert isinstance(body, EmailMessage)
    text = [line.rstrip() for line in str(body.get_content()).splitlines() if line.strip()]
    lines += [*text[:LINES], *([f"… (lines: {len(text)})"] if len(text) > LINES else [])]
    # What is no character, or an undecoded byte, is shown as a person sees it.
    shown = "".join(f"{line[:CHARACTERS]}{'…' * (len(line) > CHARACTERS)}\n" for line in lines)
    return re.sub("[\ud800-\udfff]", "�", shown).replace("\x1b", "\\x1b")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk on which all the emails are stored; the first has thread 1."""
    made = Desk(tmp_path_factory.mktemp("desk"))
    made.run("init", "--address", "me@example.com")
    made.run(
        *("connect", "me@example.com", "--imap-host", "imap.example.com", "--no-input", "--no-check"),
        *("--password-command", "echo secret"),
    )
    db = open_database(f"sqlite:///{made.store}", viewer=None)
    account = accounts.account(db, None)
    folders.save_folder(
        db, account, path="INBOX", name="INBOX", role=FolderRole.INBOX, usual=True, selected=True
    )
    (inbox,) = folders.folders(db, account)
    for uid, raw in enumerate(SHAPES.values(), 1):
        parsed = mime.parse(raw)
        assert parsed.sent_at is not None
        arrival = Arrival(
            uid=uid,
            identity=f"?{uid}",
            size=len(raw),
            received_at=parsed.sent_at,
            sent_at=None,
            flags=frozenset(),
        )
        letter = emails.NewEmail(
            source=emails.source(arrival, raw, truncated=False),
            content=contents.content(parsed, Direction.IN),
        )
        emails.save_batch(db, account, inbox, 1, [letter])
    db.close()
    return made


def after(desk: Desk, name: str) -> str:
    """Return what `thread show` prints at a terminal, without what it says of the thread and three lines.

    Where there are files, what `thread attachments` warns of follows.
    """
    thread = str(list(SHAPES).index(name) + 1)
    subject, *rest = desk.at_a_terminal("thread", "show", thread, **COLUMNS).replace("\r\n", "\n").split("\n")
    rule = next(number for number, line in enumerate(rest) if line.startswith("───"))
    lines = [line for line in rest[rule + 1 :] if not line.startswith(("email ", "date ", "to "))]
    shown = "\n".join(line.rstrip() for line in (subject, *lines))
    if "\nfiles" not in shown:
        return shown
    return shown + desk.run("thread", "attachments", thread).err


def test_the_page_has_each_of_the_emails() -> None:
    assert told().keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_what_the_page_shows_as_before_is_what_the_standard_library_reads(name: str) -> None:
    assert told()[name][0] == before(SHAPES[name])


@pytest.mark.parametrize("name", SHAPES)
def test_what_the_page_shows_as_after_is_what_the_program_prints(desk: Desk, name: str) -> None:
    assert told()[name][1] == after(desk, name)


def test_lists_name_a_sender_by_the_address_that_is_real(desk: Desk) -> None:
    thread = str(list(SHAPES).index("forward-with-files.eml") + 1)
    shown = (
        desk.run("inbox").out + desk.run("search", "송금").out + desk.run("thread", "attachments", thread).out
    )
    assert shown.count("x@example.org") == 4
    assert "ceo@example.com" not in shown

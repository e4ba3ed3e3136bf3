"""Servers that lie, hang, hang up and renumber: what none of them may do to a sync.

For each: a clear word on the folder, the other folders and accounts go on, nothing that was stored is
lost, memory stays bounded, and a later sync with a good server heals and downloads nothing twice.
"""

import re
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from mailcrm.config import SIZE_LIMIT
from mailcrm.core.credentials import Password
from mailcrm.core.events import AccountFinished, DeletionsHeld, EmailFailed, FolderFailed, SyncEvent
from mailcrm.core.model import Account
from mailcrm.mail.imap import open_session
from mailcrm.mail.wire import ANSWER_LIMIT
from mailcrm.store import Database, accounts, folders
from mailcrm.syncing import sync_account
from tests.cli.desk import ANN, BOB, YESTERDAY, Desk
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import Folder, HangUp, ModelServer
from tests.syncing.accounts import connect, days_ago, digest_of, downloads, letter, only, stored

# What a server does is nothing to the database.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)

#: Seconds after which a server that says nothing is given up.
PATIENCE = 0.5

#: What to make of the reply to a command that was said while the inbox is open, or that opens it.
Change: TypeAlias = Callable[[str, bytes], bytes]


def deliver(server: ModelServer, folder: str, *subjects: str) -> None:
    for subject in subjects:
        server.append(folder, letter(f"{subject}@example.org", subject=subject, body=subject), days_ago(1))


def run(db: Database, server: ModelServer, *, timeout: float = 10, accept: bool = False) -> list[SyncEvent]:
    return list(
        sync_account(
            db,
            lambda: open_session(
                server.endpoint, username=FIRST, credential=Password(server.password), timeout=timeout
            ),
            accounts.account(db, FIRST),
            clock=lambda: NOW,
            size_limit=SIZE_LIMIT,
            accept_deletions=accept,
        )
    )


class Watch:
    """A server with the change of the moment; `bodies` are the digests of all emails that went out whole."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.bodies: list[str] = []
        server.twist = self.twist
        self.change: Change = good

    def twist(self, command: str, reply: bytes) -> bytes:
        try:
            said = self.change(command, reply)
        except HangUp as hanging_up:
            self.count(b"".join(hanging_up.args))
            raise
        self.count(said)
        return said

    def count(self, said: bytes) -> None:
        for literal in re.finditer(rb"BODY\[\](?:<0>)? \{(\d+)\}\r\n", said):
            body = said[literal.end() :][: int(literal[1])]
            if len(body) == int(literal[1]):
                self.bodies.append(digest_of(body))


def in_the_inbox(change: Change) -> Change:
    """Return a twist that leaves the other folders alone."""
    opened = ""

    def twist(command: str, reply: bytes) -> bytes:
        nonlocal opened
        if command.startswith(("EXAMINE", "LOGIN")):
            opened = command
        return change(command, reply) if "INBOX" in opened and command != "LOGOUT" else reply

    return twist


def good(_command: str, reply: bytes) -> bytes:
    return reply


def tagged(reply: bytes, text: bytes) -> bytes:
    """Return the end of a reply with another text."""
    return reply.splitlines()[-1].split()[0] + b" " + text + b"\r\n"


def assert_healed(db: Database, store: Store, watch: Watch) -> None:
    """Sync with the server as a good one: the store is the server, and no body came twice."""
    watch.change = good
    assert only(run(db, watch.server), AccountFinished)[0].whole
    usual = {folder.name for folder in folders.folders(db, accounts.account(db, FIRST)) if folder.selected}
    assert stored(store.url).places == {
        (name, folder.uidvalidity, uid): (digest_of(message.raw), message.flags)
        for name, folder in watch.server.folders.items()
        if name in usual
        for uid, message in folder.messages.items()
    }
    assert not stored(store.url).gone
    assert accounts.account(db, FIRST).last_error is None
    assert set(Counter(watch.bodies).values()) == {1}, "a body was downloaded twice"


@pytest.fixture
def watch(model: ModelServer) -> Watch:
    return Watch(model)


@pytest.fixture
def account(db: Database, model: ModelServer, watch: Watch) -> Account:
    """An account that was synced once, and on whose server there is something new in each folder since."""
    model.create("Projects")
    deliver(model, "INBOX", *(f"old {number}" for number in range(8)))
    deliver(model, "Sent", "old sent")
    found = connect(db, ModelMailbox(model))
    run(db, model)
    deliver(model, "INBOX", "new 1", "new 2", "new 3")
    deliver(model, "Sent", "new sent")
    deliver(model, "Projects", "new project")
    return found


# --- lies that do no harm ---------------------------------------------------------------------------


def sizes(claim: int) -> Change:
    return lambda _command, reply: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE %d" % claim, reply)


def jumbled(command: str, reply: bytes) -> bytes:
    """Give UIDs, and whatever is said of an email but its body, backwards and twice."""
    *answers, done = re.split(rb"(?m)^(?=\* |\w+ (?:OK|NO|BAD) )", reply)
    if "SEARCH" in command:
        found = re.sub(
            rb"(?m)^(\* SEARCH) (.+?)\r$",
            lambda m: b" ".join([m[1], *reversed(m[2].split()), *m[2].split()]) + b"\r",
            b"".join(answers),
        )
        return re.sub(rb" ALL (\S+)", rb" ALL \1,\1", found) + done
    if "FETCH" in command:
        again = [answer for answer in answers if b"BODY[]" not in answer]
        return b"".join([*reversed(answers), *again]) + done
    return reply


HARMLESS: dict[str, Change] = {
    "size 0": sizes(0),
    "size 3": sizes(3),
    "size 2^63": sizes(2**63),
    "size of 30 digits": sizes(10**29),
    "backwards and twice": jumbled,
    "fewer emails counted": lambda _command, reply: re.sub(rb"\* \d+ EXISTS", b"* 1 EXISTS", reply),
}


@pytest.mark.parametrize("lie", HARMLESS.values(), ids=HARMLESS)
def test_a_lie_about_sizes_order_or_counts_loses_nothing(
    db: Database, store: Store, watch: Watch, account: Account, lie: Change
) -> None:
    watch.change = in_the_inbox(lie)
    run(db, watch.server)
    assert len(stored(store.url).emails) == 14
    assert set(Counter(watch.bodies).values()) == {1}
    # What the server says of an email that is stored changes when the lie ends.
    assert downloads(run(db, watch.server)) == 0
    assert_healed(db, store, watch)


# --- a folder that cannot be synced -----------------------------------------------------------------


def to(pattern: str, change: Change) -> Change:
    """Change the replies to these commands only."""
    return lambda command, reply: change(command, reply) if re.match(pattern, command) else reply


def hangs(_command: str, _reply: bytes) -> bytes:
    return b""


def closes(_command: str, _reply: bytes) -> bytes:
    raise HangUp


def closes_in_the_middle(_command: str, reply: bytes) -> bytes:
    raise HangUp(reply[: len(reply) // 2])


def bad(_command: str, reply: bytes) -> bytes:
    return tagged(reply, b"BAD Command not understood.")


def huge(_command: str, _reply: bytes) -> bytes:
    return b"* 1 FETCH (UID 1 BODY[] {3000000000}\r\nabc"


def more_counted(_command: str, reply: bytes) -> bytes:
    return reply.replace(b"* 11 EXISTS", b"* 12 EXISTS")


def fewer_named(_command: str, reply: bytes) -> bytes:
    few = re.sub(rb"(?m)^(\* SEARCH(?: \d+){3}).*", rb"\1\r", reply)
    return re.sub(rb" ALL \S+", b" ALL 1:3", few)


def billions(command: str, reply: bytes) -> bytes:
    """Name every UID that can be; the client that then asks for them all is stopped."""
    if b" FETCH (" not in reply and command.startswith("UID FETCH"):
        raise HangUp
    whole = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 100_000)) + b"\r"
    return re.sub(rb"(?m)^\* SEARCH.*", whole, re.sub(rb" ALL \S+", b" ALL 1:4294967295", reply))


def patience(words: str) -> float:
    """Return how many seconds to wait for a server that is to be told off with these words."""
    return PATIENCE if "in time" in words else 10


SEARCH, IDENTIFY, ANY = "UID SEARCH", "UID FETCH .*RFC822.SIZE", "EXAMINE|UID"
TROUBLE: dict[str, tuple[Change, str]] = {
    "more counted than named": (to("EXAMINE", more_counted), "counts 12 emails in this folder but names 11"),
    "fewer named than counted": (to(SEARCH, fewer_named), "counts 11 emails in this folder but names 3"),
    "more named than counted": (to("UID", billions), "counts 11 emails in this folder but names"),
    "BAD to everything": (to(ANY, bad), "Command not understood."),
    "BAD to SEARCH": (to(SEARCH, bad), "Command not understood."),
    "a literal of 3 GB for SEARCH": (to(SEARCH, huge), "more than was asked for"),
    "a literal of 3 GB for a header": (to(IDENTIFY, huge), "more than was asked for"),
    "closes at EXAMINE": (to("EXAMINE", closes), "closed the connection|was cut"),
    "closes at SEARCH": (to(SEARCH, closes), "closed the connection|was cut"),
    "closes in the middle of SEARCH": (to(SEARCH, closes_in_the_middle), "closed the connection|was cut"),
    "closes in the middle of a header": (to(IDENTIFY, closes_in_the_middle), "closed the connection|was cut"),
    "never answers EXAMINE": (to("EXAMINE", hangs), "did not answer in time"),
    "never answers SEARCH": (to(SEARCH, hangs), "did not answer in time"),
    "never answers for a header": (to(IDENTIFY, hangs), "did not answer in time"),
}


@pytest.mark.parametrize(("trouble", "words"), TROUBLE.values(), ids=TROUBLE)
def test_a_folder_in_trouble_is_named_and_the_other_folders_go_on(
    db: Database, store: Store, watch: Watch, account: Account, trouble: Change, words: str
) -> None:
    before = stored(store.url)
    watch.change = in_the_inbox(trouble)
    events = run(db, watch.server, timeout=patience(words))
    # A header that is not to be had is a trouble of that email alone.
    told: list[FolderFailed | EmailFailed] = [*only(events, FolderFailed), *only(events, EmailFailed)]
    assert {one.folder for one in told} == {"INBOX"}
    assert all(re.search(words, one.error) for one in told)
    assert not only(events, AccountFinished)[0].whole
    (inbox,) = [folder for folder in folders.folders(db, account) if folder.name == "INBOX"]
    assert inbox.last_error in {
        told[0].error,
        f"{len(told)} {'email' if len(told) == 1 else 'emails'} not fetched",
    }

    after = stored(store.url)
    assert {"new sent", "new project"} <= set(after.subjects)
    assert after.places.items() >= before.places.items()
    assert not after.gone
    assert_healed(db, store, watch)


# --- an email that cannot be had --------------------------------------------------------------------


def poison(uid: int, change: Change) -> Change:
    """Change the replies in which this email is handed out."""
    return lambda command, reply: (
        change(command, reply)
        if re.search(rb"\* \d+ FETCH \([^{]*\bUID %d\b[^{]*BODY\[\]" % uid, reply)
        else reply
    )


def closes_at_new_2(_command: str, reply: bytes) -> bytes:
    raise HangUp(reply[: reply.index(b"new 2") + 20])


POISON: dict[str, tuple[Change, str]] = {
    "BAD": (bad, "Command not understood."),
    "a literal of 3 GB": (huge, "more than was asked for"),
    "closes": (closes, "closed the connection|was cut"),
    "closes in the middle of it": (closes_at_new_2, "closed the connection|was cut"),
    "never sends it": (hangs, "did not answer in time"),
}


@pytest.mark.parametrize(("change", "words"), POISON.values(), ids=POISON)
def test_an_email_that_cannot_be_had_is_named_and_all_others_arrive(
    db: Database, store: Store, watch: Watch, account: Account, change: Change, words: str
) -> None:
    watch.change = in_the_inbox(poison(10, change))
    events = run(db, watch.server, timeout=patience(words))
    assert not only(events, FolderFailed)
    (failed,) = only(events, EmailFailed)
    assert (failed.folder, failed.uid) == ("INBOX", 10)
    assert re.search(words, failed.error)
    assert not only(events, AccountFinished)[0].whole
    assert set(stored(store.url).subjects) >= {"new 1", "new 3", "new sent", "new project"}
    assert [(one.folder, one.uid) for one in folders.failures(db, account)] == [("INBOX", 10)]

    assert_healed(db, store, watch)
    assert folders.failures(db, account) == []


@pytest.mark.parametrize("size", [49_000_000, 3_000_000_000])
def test_a_literal_of_3_gigabytes_takes_no_memory_whatever_size_was_claimed(
    db: Database, store: Store, watch: Watch, account: Account, size: int
) -> None:
    def claiming(command: str, reply: bytes) -> bytes:
        return huge(command, reply) if "BODY.PEEK[]" in command else sizes(size)(command, reply)

    watch.change = in_the_inbox(claiming)
    tracemalloc.start()
    try:
        events = run(db, watch.server)
        assert tracemalloc.get_traced_memory()[1] < ANSWER_LIMIT
    finally:
        tracemalloc.stop()
    assert not only(events, AccountFinished)[0].whole
    assert {"new sent", "new project"} <= set(stored(store.url).subjects)


# --- renumbering and deletions ----------------------------------------------------------------------


def renumbering(server: ModelServer, pattern: str, then: Change) -> Change:
    """Renumber the inbox at the first of these commands."""
    first = server.folders["INBOX"].uidvalidity

    def change(command: str, reply: bytes) -> bytes:
        if re.match(pattern, command) and server.folders["INBOX"].uidvalidity == first:
            server.renumber("INBOX")
            return then(command, reply)
        return reply

    return change


@pytest.mark.parametrize("moment", ["EXAMINE", SEARCH, IDENTIFY, "UID FETCH .*BODY.PEEK\\[\\]"])
def test_a_folder_renumbered_during_the_sync_is_found_out_by_the_next_one(
    db: Database, store: Store, watch: Watch, account: Account, moment: str
) -> None:
    watch.change = in_the_inbox(renumbering(watch.server, moment, good))
    run(db, watch.server)
    assert_healed(db, store, watch)


def test_a_folder_found_renumbered_after_a_cut_is_named_and_the_others_go_on(
    db: Database, store: Store, watch: Watch, account: Account
) -> None:
    before = stored(store.url)
    watch.change = in_the_inbox(renumbering(watch.server, r"UID FETCH .*BODY.PEEK\[\]", closes))
    events = run(db, watch.server)
    (failed,) = only(events, FolderFailed)
    assert failed.folder == "INBOX"
    assert "renumbered" in failed.error
    after = stored(store.url)
    assert {"new sent", "new project"} <= set(after.subjects)
    assert after.digests >= before.digests
    assert not after.gone
    assert_healed(db, store, watch)


def hide(server: ModelServer, uids: set[int]) -> Folder:
    """Let the inbox lose these emails for a while, and return it as it was."""
    whole = server.folders["INBOX"]
    left = {uid: message for uid, message in whole.messages.items() if uid not in uids}
    server.folders["INBOX"] = Folder(
        name="INBOX",
        key=whole.key,
        uidvalidity=whole.uidvalidity,
        uidnext=whole.uidnext,
        modseq=whole.modseq + 1,
        messages=left,
    )
    return whole


@pytest.mark.parametrize(("lost", "held"), [(11, True), (6, True), (3, False)])
def test_emails_that_a_server_loses_for_a_while_come_back_without_a_download(
    db: Database, store: Store, watch: Watch, account: Account, lost: int, *, held: bool
) -> None:
    run(db, watch.server)
    before = stored(store.url)
    whole = hide(watch.server, set(range(1, lost + 1)))
    events = run(db, watch.server)
    assert bool(only(events, DeletionsHeld)) is held
    assert len(stored(store.url).gone) == (0 if held else lost)
    assert stored(store.url).digests == before.digests
    whole.modseq += 2
    watch.server.folders["INBOX"] = whole
    assert_healed(db, store, watch)


def test_a_server_that_claims_an_empty_folder_deletes_nothing(
    db: Database, store: Store, watch: Watch, account: Account
) -> None:
    before = stored(store.url)
    watch.change = in_the_inbox(lambda _command, reply: re.sub(rb"\* \d+ EXISTS", b"* 0 EXISTS", reply))
    events = run(db, watch.server)
    assert [asked.folder for asked in only(events, DeletionsHeld)] == ["INBOX"]
    assert stored(store.url).places.items() >= before.places.items()
    assert_healed(db, store, watch)


# --- the other accounts -----------------------------------------------------------------------------


WRONG: dict[str, tuple[Change, int, str]] = {
    "BAD to everything": (to("LIST|EXAMINE|UID|STATUS|NOOP|ID|ENABLE", bad), 76, "Command not understood."),
    "closes after the log-in": (to("LIST", closes), 75, "closed the connection|was cut"),
    "a list without an end": (to("LIST", huge), 76, "more than was asked for"),
    "a list without an inbox": (
        to("LIST", lambda _c, reply: re.sub(rb"\* LIST [^\r]*INBOX[^\r]*\r\n", b"", reply)),
        76,
        "has no INBOX",
    ),
}


@pytest.fixture
def new_desk(tmp_path: Path) -> Desk:
    home = tmp_path / "desk"
    home.mkdir()
    return Desk(home)


@pytest.mark.parametrize(("change", "code", "words"), WRONG.values(), ids=WRONG)
def test_an_account_whose_server_is_no_use_does_not_stop_the_next(
    store: Store, model: ModelServer, new_desk: Desk, change: Change, code: int, words: str
) -> None:
    with ModelServer() as other:
        for address, server in ((ANN, model), (BOB, other)):
            port = str(server.endpoint.port)
            new_desk.run(
                *("connect", address, "--imap-host", "127.0.0.1", "--imap-port", port),
                *("--imap-security", "none", "--password-command", f"echo {server.password}"),
            )
            raw = letter("1@example.org", subject=f"for {address}", to=address)
            server.append("INBOX", raw, YESTERDAY)
        model.twist = change
        done = new_desk.try_to("sync")
        assert done.code == code
        assert re.search(words, done.out + done.err)
        assert [row["subject"] for row in new_desk.run("inbox", "--json").json] == [f"for {BOB}"]
        model.twist = good
        new_desk.run("sync", ANN, BOB)
        assert len(new_desk.run("inbox", "--json").json) == 2
        assert len(model.downloads) == len(other.downloads) == 1

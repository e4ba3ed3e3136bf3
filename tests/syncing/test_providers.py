"""What large providers do differently, played by a proxy in front of Dovecot, and what a sync makes of it.

Gmail's labels are the model server's.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count

import pytest
from imapclient.imap_utf7 import encode as mutf7

from mailcrm.core.errors import AuthError, Throttled
from mailcrm.core.events import AccountFinished, DeletionsHeld, EmailFailed, FolderFailed
from mailcrm.core.model import FolderRole
from mailcrm.core.plan import Flags
from mailcrm.store import Database, folders
from tests.cli.desk import ANN, YESTERDAY, Desk
from tests.conftest import Store
from tests.mail.conformance import ModelMailbox
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ALL_MAIL, CAPABILITIES, ModelServer
from tests.servers.quirks import (
    GMAIL,
    MICROSOFT,
    NETEASE,
    OVERQUOTA,
    THROTTLES,
    Answers,
    Claims,
    Exchange,
    Lacks,
    Proxy,
    Quirk,
    QuirkyMailbox,
    Spells,
    Stops,
    blank_lines,
    bracketed_flags,
    empty_folders_are_bad,
    honest,
    icloud,
    not_connected,
    strays,
    together,
    without_text,
    yahoo,
)
from tests.syncing.accounts import Place, connect, days_ago, digest_of, downloads, letter, only, stored, sync

# What a provider does is nothing to the database.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)

USUAL = ("INBOX", "Sent", "Kunden 2026", "견적", "报价", "Entwürfe")

_users = count(1)

Quirky = Callable[[Quirk], QuirkyMailbox]


@pytest.fixture
def quirky(dovecot: DovecotServer, authority: Authority) -> Iterator[Quirky]:
    """Return a function that makes a user of Dovecot whose server has a quirk."""
    with ExitStack() as running:

        def made(quirk: Quirk) -> QuirkyMailbox:
            proxy = running.enter_context(Proxy(dovecot, authority, quirk))
            user = f"quirk{next(_users)}@example.com"
            with dovecot.client(user) as client:
                for name in USUAL:  # from now on emails can be delivered as files
                    client.status(f'"{mutf7(name).decode()}"', "(MESSAGES)")
            return QuirkyMailbox(dovecot, proxy, user, str(authority.ca_file))

        yield made


def fill(mailbox: QuirkyMailbox, folder: str, *numbers: int) -> None:
    """Bring emails of which no two are equal; a number is the same email in every folder."""
    for number in numbers:
        raw = letter(f"{number}@example.org", subject=f"Nr. {number}", body=f"body {number}")
        mailbox.deliver(folder, raw, days_ago(number + 1))


def on_server(mailbox: QuirkyMailbox, *names: str) -> Mapping[Place, tuple[str, Flags]]:
    """Return what Dovecot itself says is in these folders."""
    found: dict[Place, tuple[str, Flags]] = {}
    for name in names:
        with mailbox.server.client(mailbox.user, name) as client:
            uidvalidity = int(client.response("UIDVALIDITY")[1][0])
            _, uids = client.uid("SEARCH", "ALL")
            for uid in uids[0].split():
                _, ((head, raw), *_) = client.uid("FETCH", uid.decode(), "(FLAGS BODY.PEEK[])")
                flags = head.decode().partition("FLAGS (")[2].partition(")")[0].split()
                found[name, uidvalidity, int(uid)] = digest_of(raw), frozenset(flags) - {"\\Recent"}
    return found


def assert_agreement(store: Store, mailbox: QuirkyMailbox, names: tuple[str, ...] = USUAL) -> None:
    """Compare the store with Dovecot, and count how often each body was handed out."""
    assert stored(store.url).places == on_server(mailbox, *names)
    assert set(Counter(mailbox.proxy.bodies).values()) <= {1}, "a body was downloaded twice"


QUIRKS: dict[str, Quirk] = {
    "Dovecot as it is": honest,
    "NetEase": NETEASE,
    "iCloud": icloud,
    "Yahoo": yahoo(10),
    "Yahoo, strict": yahoo(10, strict=True),
    "Microsoft": MICROSOFT,
    "Gmail": together(strays, GMAIL),
    "an empty folder is BAD": empty_folders_are_bad,
    "UIDNEXT goes down": Claims("UIDNEXT", 1),
    "HIGHESTMODSEQ is 1 for ever": Claims("HIGHESTMODSEQ", 1),
    "OK without text": without_text,
    "a blank line after a literal": blank_lines,
}


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_whatever_its_quirks_a_server_is_mirrored_exactly_and_nothing_is_downloaded_twice(
    db: Database, store: Store, quirky: Quirky, quirk: Quirk
) -> None:
    mailbox = quirky(quirk)
    # Microsoft's folders are tested with their names below.
    names = tuple(name for name in USUAL if name != "Sent" or quirk is not MICROSOFT)
    fill(mailbox, "INBOX", *range(24))
    fill(mailbox, "견적", *range(20, 34))
    account = connect(db, mailbox)
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox, names)

    mailbox.server.flag(mailbox.user, "INBOX", 2, ["\\Seen", "\\Flagged"])
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox, names)

    fill(mailbox, "INBOX", 40, 41)
    for uid in range(1, 25, 2):
        mailbox.flag("INBOX", uid, ["\\Seen"])
    mailbox.move("INBOX", 3, "Kunden 2026")
    mailbox.server.expunge(mailbox.user, "INBOX", [5, 6])
    mailbox.server.expunge(mailbox.user, "견적", range(1, 15))
    mailbox.renumber("Kunden 2026")
    events = sync(db, mailbox, account, accept_deletions=True)
    assert only(events, AccountFinished)[0].whole
    assert_agreement(store, mailbox, names)
    assert downloads(sync(db, mailbox, account)) == 0


# --- NetEase ----------------------------------------------------------------------------------------


def unsafe(exchange: Exchange) -> Answers:
    """Be NetEase with IMAP switched off: an ID does not help."""
    if exchange.command.startswith("EXAMINE"):
        return exchange.says("NO EXAMINE Unsafe Login. Please contact kefu@188.com for help")
    return exchange.ask()


def test_a_log_in_that_opens_no_folder_is_told_once_and_not_for_each_folder(
    db: Database, quirky: Quirky
) -> None:
    mailbox = quirky(unsafe)
    account = connect(db, mailbox)
    with pytest.raises(AuthError, match="does not let mail programs in") as caught:
        sync(db, mailbox, account)
    assert "Switch IMAP on" in caught.value.hint


# --- Microsoft --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "drafts", "junk", "trash"),
    [
        ("Gesendete Elemente", "Entwürfe", "Junk-E-Mail", "Gelöschte Elemente"),
        ("보낸 편지함", "임시 보관함", "정크 메일", "지운 편지함"),
    ],
    ids=["German", "Korean"],
)
def test_folders_are_known_by_their_names_where_the_server_says_nothing_of_them(
    db: Database, store: Store, quirky: Quirky, sent: str, drafts: str, junk: str, trash: str
) -> None:
    mailbox = quirky(MICROSOFT)
    for number, folder in enumerate(("INBOX", sent, drafts, junk, trash)):
        if folder not in USUAL:
            mailbox.create(folder)
        fill(mailbox, folder, number)
    account = connect(db, mailbox)
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox, ("INBOX", sent))
    roles = {folder.name: folder.role for folder in folders.folders(db, account)}
    assert {name: roles[name] for name in (sent, drafts, junk, trash)} == {
        sent: FolderRole.SENT,
        drafts: FolderRole.DRAFTS,
        junk: FolderRole.JUNK,
        trash: FolderRole.TRASH,
    }


def test_an_email_that_is_sent_empty_is_asked_for_again(db: Database, store: Store, quirky: Quirky) -> None:
    mailbox = quirky(Lacks(b"Nr. 1\r\n", None))
    fill(mailbox, "INBOX", 0, 1, 2)
    account = connect(db, mailbox)
    events = sync(db, mailbox, account)
    assert [(failed.folder, failed.uid) for failed in only(events, EmailFailed)] == [("INBOX", 2)]
    assert "empty" in only(events, EmailFailed)[0].error
    assert stored(store.url).subjects == ["Nr. 0", "Nr. 2"]
    mailbox.proxy.quirk = honest
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox)


@pytest.mark.parametrize("after", [0, 3, 5, 8])
@pytest.mark.parametrize(
    ("stops", "words"),
    [
        (lambda after: Stops(after, THROTTLES), "Suggested Backoff Time: 92415 milliseconds"),
        (lambda after: Stops(after, OVERQUOTA, hangs_up=True), "command or bandwidth limits"),
    ],
    ids=["Microsoft", "Gmail"],
)
def test_a_server_that_wants_a_pause_gets_it_and_the_next_sync_goes_on(
    db: Database, store: Store, quirky: Quirky, stops: Callable[[int], Quirk], words: str, after: int
) -> None:
    mailbox = quirky(stops(after))
    fill(mailbox, "INBOX", *range(5))
    fill(mailbox, "Sent", *range(5, 10))
    account = connect(db, mailbox)
    with pytest.raises(Throttled, match=words):
        sync(db, mailbox, account)
    assert len(stored(store.url).emails) == after, "what came before the pause is kept"
    mailbox.proxy.quirk = honest
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox)


# --- Gmail ------------------------------------------------------------------------------------------


def test_flags_with_a_bracket_are_stored(db: Database, store: Store, quirky: Quirky) -> None:
    mailbox = quirky(bracketed_flags)
    fill(mailbox, "INBOX", 0, 1)
    mailbox.flag("INBOX", 1, ["\\Flagged"])
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    assert stored(store.url).flags_of("Nr. 0") == {"\\Flagged", "[x]y]"}
    assert stored(store.url).flags_of("Nr. 1") == frozenset()
    mailbox.flag("INBOX", 2, ["\\Flagged", "\\Seen"])
    sync(db, mailbox, account)
    assert stored(store.url).flags_of("Nr. 1") == {"\\Flagged", "\\Seen", "[x]y]"}


@pytest.fixture
def gmail() -> Iterator[ModelServer]:
    """Gmail with two emails in the inbox, one of them with a label, and one that is only archived."""
    with ModelServer(capabilities=(*CAPABILITIES, "X-GM-EXT-1")) as server:
        server.create("Kunden")
        for number, labels in enumerate((["\\Inbox"], ["\\Inbox", "Kunden"], [])):
            raw = letter(f"{number}@example.org", subject=f"Nr. {number}", body=f"body {number}")
            server.append(ALL_MAIL, raw, days_ago(1), labels=labels)
            for label in labels:
                server.append(label.removeprefix("\\").replace("Inbox", "INBOX"), raw, days_ago(1))
        yield server


def test_of_gmail_all_mail_alone_is_read(db: Database, store: Store, gmail: ModelServer) -> None:
    mailbox = ModelMailbox(gmail)
    account = connect(db, mailbox)
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert {folder for folder, _, _ in stored(store.url).places} == {ALL_MAIL}
    assert [uid for _, _, uid in sorted(gmail.downloads)] == [1, 2, 3]
    gmail.label(ALL_MAIL, 3, ["Kunden"])
    gmail.append(ALL_MAIL, letter("9@example.org", subject="Nr. 9"), days_ago(0), labels=["\\Inbox"])
    assert downloads(sync(db, mailbox, account)) == 1
    assert len(gmail.downloads) == 4
    opened = {said for said in gmail.commands if said.startswith("EXAMINE")}
    assert opened == {f'EXAMINE "{ALL_MAIL}"'}


def test_of_gmail_the_other_folders_are_read_where_all_mail_is_hidden(
    db: Database, store: Store, gmail: ModelServer
) -> None:
    gmail.delete(ALL_MAIL)
    mailbox = ModelMailbox(gmail)
    account = connect(db, mailbox)
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert stored(store.url).folders_of("Nr. 1") == ["INBOX", "Kunden"]
    assert len(gmail.downloads) == 2, "an email with two labels is downloaded once"


# --- anybody ----------------------------------------------------------------------------------------


def test_names_of_folders_may_be_spelt_against_the_grammar(
    db: Database, store: Store, quirky: Quirky
) -> None:
    spelt = {
        "Kunden 2026": (b"Kunden\tListe 2026", b"Kunden\tListe 2026"),
        "&rKzIAQ-": ('"견적"'.encode(), "견적".encode()),
        "&YqVO9w-": (b'"&Zu-ende"', b"&Zu-ende"),
        "Entw&APw-rfe": (b'{9}\r\na "b" \\ c', b'a "b" \\ c'),
    }
    shown = {"Kunden 2026": "Kunden\tListe 2026", "报价": "&Zu-ende", "Entwürfe": 'a "b" \\ c'}
    again = (b'* LIST (\\HasNoChildren) "/" Inbox\r\n', b"* LIST (\\HasNoChildren) nothing\r\n")
    mailbox = quirky(Spells(spelt, again))
    for number, folder in enumerate(USUAL):
        fill(mailbox, folder, number)
    account = connect(db, mailbox)
    for _ in range(2):
        assert only(sync(db, mailbox, account), AccountFinished)[0].whole
        there = {
            (shown.get(name, name), *rest): what for (name, *rest), what in on_server(mailbox, *USUAL).items()
        }
        assert stored(store.url).places == there
        assert len(mailbox.proxy.bodies) == len(USUAL)


@pytest.mark.parametrize("number", [0, 4294967296])
def test_a_folder_without_a_uidvalidity_is_named_and_keeps_what_it_has(
    db: Database, store: Store, quirky: Quirky, number: int
) -> None:
    mailbox = quirky(honest)
    fill(mailbox, "INBOX", *range(6))
    fill(mailbox, "Sent", 6)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    before = stored(store.url)

    fill(mailbox, "INBOX", 7)
    fill(mailbox, "Sent", 8)

    def nameless(exchange: Exchange) -> Answers:
        inbox = exchange.command.startswith(('EXAMINE "INBOX"', "EXAMINE INBOX", "LIST"))
        return Claims("UIDVALIDITY", number)(exchange) if inbox else exchange.ask()

    mailbox.proxy.quirk = nameless
    events = sync(db, mailbox, account)
    (failed,) = only(events, FolderFailed)
    assert failed.folder == "INBOX"
    assert "UIDVALIDITY" in failed.error
    assert not only(events, AccountFinished)[0].whole
    assert stored(store.url).places.items() > before.places.items()
    assert "Nr. 8" in stored(store.url).subjects, "the other folders go on"

    mailbox.proxy.quirk = honest
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole
    assert_agreement(store, mailbox)


def test_mod_sequences_that_stand_still_are_not_trusted_any_more_once_an_email_came(
    db: Database, store: Store, quirky: Quirky
) -> None:
    mailbox = quirky(Claims("HIGHESTMODSEQ", 17))
    fill(mailbox, "INBOX", *range(4))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.flag("INBOX", 2, ["\\Seen"])
    fill(mailbox, "INBOX", 5)
    # An email that comes has a higher mod-sequence than all before it (RFC 7162, 3.1.1).
    sync(db, mailbox, account)
    assert_agreement(store, mailbox)
    mailbox.flag("INBOX", 3, ["\\Seen"])
    sync(db, mailbox, account)
    assert_agreement(store, mailbox)


def test_an_emptied_folder_is_asked_about_where_empty_folders_are_bad(
    db: Database, store: Store, quirky: Quirky
) -> None:
    mailbox = quirky(empty_folders_are_bad)
    fill(mailbox, "INBOX", *range(6))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.server.expunge(mailbox.user, "INBOX", range(1, 7))
    (asked,) = only(sync(db, mailbox, account), DeletionsHeld)
    assert (asked.folder, asked.vanished, asked.placed) == ("INBOX", 6, 6)
    assert len(stored(store.url).places) == 6


# --- as people see it -------------------------------------------------------------------------------


@pytest.fixture
def at_desk(tmp_path_factory: pytest.TempPathFactory, quirky: Quirky) -> tuple[Desk, QuirkyMailbox]:
    """Three emails in the inbox, one that was sent, and a desk that is connected and has not synced yet."""
    mailbox = quirky(honest)
    for number, folder in enumerate(("INBOX", "INBOX", "INBOX", "Sent")):
        raw = letter(f"{number}@example.org", subject=f"Nr. {number}", body=f"body {number}")
        mailbox.deliver(folder, raw, YESTERDAY)
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.run(
        *("connect", ANN, "--no-input", "--imap-host", "localhost"),
        *("--imap-port", str(mailbox.endpoint.port), "--username", mailbox.user),
        *("--ca-file", mailbox.ca_file, "--password-command", f"echo {mailbox.password}"),
    )
    return desk, mailbox


def test_status_names_folder_number_and_reason_of_a_poison_message_until_it_comes(
    at_desk: tuple[Desk, QuirkyMailbox], store: Store
) -> None:
    desk, mailbox = at_desk
    mailbox.proxy.quirk = Lacks(
        b"Nr. 1\r\n", "NO [UNAVAILABLE] UID FETCH Server error while fetching messages"
    )
    done = desk.try_to("sync")
    assert done.code == 1
    shown = desk.try_to("status")
    assert shown.code == 1
    (line,) = [line for line in (shown.out + shown.err).splitlines() if "email 2" in line]
    assert "INBOX" in line
    assert "[UNAVAILABLE] UID FETCH Server error" in line
    (answer,) = desk.try_to("status", "--json").json
    assert [(one["folder"], one["uid"]) for one in answer["failures"]] == [("INBOX", 2)]
    assert len(mailbox.proxy.bodies) == 3

    mailbox.proxy.quirk = honest
    desk.run("sync")
    assert "Server error" not in desk.run("status").out
    assert len(mailbox.proxy.bodies) == len(set(mailbox.proxy.bodies)) == 4


def test_a_mailbox_that_is_closed_to_mail_programs_is_said_in_words_and_in_the_exit_code(
    at_desk: tuple[Desk, QuirkyMailbox], store: Store
) -> None:
    desk, mailbox = at_desk
    mailbox.proxy.quirk = not_connected
    done = desk.try_to("sync")
    assert done.code == 77
    assert "User is authenticated but not connected." in done.out + done.err
    assert "Switch IMAP on" in done.out + done.err
    mailbox.proxy.quirk = honest
    assert desk.try_to("sync").code == 77, "a refused log-in is not tried again until a person says so"
    desk.run("sync", ANN)
    desk.run("status")


def test_being_throttled_is_said_in_words_and_in_the_exit_code(
    at_desk: tuple[Desk, QuirkyMailbox], store: Store
) -> None:
    desk, mailbox = at_desk
    mailbox.proxy.quirk = Stops(1, THROTTLES)
    done = desk.try_to("sync")
    assert done.code == 75
    assert "slow down" in done.out + done.err
    assert "92415" in done.out + done.err
    assert desk.try_to("status").code == 1

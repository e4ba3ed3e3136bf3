"""Section 3 of the rules, row by row: what a sync brings, on the model, on Dovecot and on Cyrus.

Rows that need a server that misbehaves run on the model alone.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from mailcrm.core.credentials import Password
from mailcrm.core.errors import CredentialMissing
from mailcrm.core.events import (
    AccountFinished,
    AccountSkipped,
    AccountStarted,
    BatchSaved,
    DeletionsHeld,
    EmailFailed,
    FolderFailed,
    FolderFinished,
    FolderPlanned,
    SyncEvent,
)
from mailcrm.core.model import Account
from mailcrm.mail.imap import HEAD_BYTES, ImapSession, open_session
from mailcrm.rounds import sync_accounts
from mailcrm.store import Database, accounts, folders
from mailcrm.store.emails import email_source
from mailcrm.syncing import sync_account
from mailcrm.timeline import search_emails
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import USER, Mailbox, ModelMailbox, mailbox_on
from tests.servers.model_imap import HangUp, ModelServer
from tests.syncing.accounts import connect, days_ago, downloads, letter, only, stored, sync

START = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["model", "dovecot", "cyrus"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    with mailbox_on(request) as opened:
        yield opened


def deliver(mailbox: Mailbox, *subjects: str, folder: str = "INBOX", days: float = 1) -> None:
    """Bring emails received so many days ago."""
    for subject in subjects:
        mailbox.append(folder, letter(f"{subject}@example.org", subject=subject), days_ago(days))


# --- email inside the window: received or sent on or after the start --------------------------------


def test_email_inside_the_window_is_received_or_sent_on_or_after_the_start(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    before = START - timedelta(days=40)
    for subject, received, sent in [
        ("received at the start", START, before),
        ("sent at the start", before, START),
        ("received a second before it", START - timedelta(seconds=1), before),
        ("sent a minute before it", before, START - MINUTE),
        ("received before it, without a date", START - MINUTE, None),
    ]:
        mailbox.deliver("INBOX", letter(f"{subject[:6]}@example.org", subject=subject, sent=sent), received)
    account = connect(db, mailbox, start=START)
    events = sync(db, mailbox, account)
    assert stored(store.url).subjects == ["received at the start", "sent at the start"]
    assert downloads(events) == 2


# --- start moved to the past: the older mail is fetched on the next sync ----------------------------


def test_start_moved_to_the_past_fetches_the_older_mail_on_the_next_sync(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, "old", days=100)
    deliver(mailbox, "new")
    account = connect(db, mailbox, start=days_ago(30))
    sync(db, mailbox, account)
    assert stored(store.url).subjects == ["new"]
    accounts.set_history_start(db, account, days_ago(200))
    assert downloads(sync(db, mailbox, account)) == 1
    assert stored(store.url).subjects == ["new", "old"]


# --- start moved to the future: nothing is deleted --------------------------------------------------


def test_start_moved_to_the_future_deletes_nothing(db: Database, store: Store, mailbox: Mailbox) -> None:
    deliver(mailbox, *"abcdefgh", days=100)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    before = stored(store.url)
    accounts.set_history_start(db, account, days_ago(1))
    events = sync(db, mailbox, account)
    assert stored(store.url) == before
    assert not before.gone
    assert only(events, AccountFinished)[0].whole


# --- email in several folders of one account: one email, several placements, downloaded once --------


def test_email_in_several_folders_is_one_email_with_several_placements_downloaded_once(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    raw = letter("1@example.org", subject="both")
    mailbox.create("Projects")
    for folder in ("INBOX", "Projects", "Sent"):
        mailbox.append(folder, raw, days_ago(1))
    account = connect(db, mailbox)
    assert downloads(sync(db, mailbox, account)) == 1
    after = stored(store.url)
    assert after.subjects == ["both"]
    assert after.folders_of("both") == ["INBOX", "Projects", "Sent"]


# --- moved on the server: placement moves; nothing is downloaded again ------------------------------


def test_email_moved_on_the_server_moves_its_placement_and_is_not_downloaded_again(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    uid = mailbox.append("INBOX", letter("1@example.org", subject="moves"), days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.move("INBOX", uid, "Sent")
    events = sync(db, mailbox, account)
    after = stored(store.url)
    assert downloads(events) == 0
    assert after.folders_of("moves") == ["Sent"]
    assert not after.gone


@pytest.mark.parametrize(("objectid", "again"), [(True, 0), (False, 1)])
def test_a_moved_email_without_a_message_id_is_known_by_the_servers_own_name_for_it(
    db: Database, store: Store, model: ModelServer, *, objectid: bool, again: int
) -> None:
    if not objectid:
        model.capabilities = tuple(name for name in model.capabilities if name != "OBJECTID")
    mailbox = ModelMailbox(model)
    uid = mailbox.append("INBOX", letter(None, subject="moves"), days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.move("INBOX", uid, "Sent")
    assert downloads(sync(db, mailbox, account)) == again
    (place,) = stored(store.url).places
    assert place[0] == "Sent"
    assert len(stored(store.url).emails) == 1


@pytest.mark.parametrize("target", ["Sent", "Archive 2026"], ids=["a known folder", "a new folder"])
def test_email_outside_the_window_moved_on_the_server_moves_its_placement(
    db: Database, store: Store, mailbox: Mailbox, target: str
) -> None:
    uid = mailbox.append("INBOX", letter("1@example.org", subject="moves"), days_ago(50))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    accounts.set_history_start(db, account, days_ago(10))
    mailbox.create("Archive 2026")
    mailbox.move("INBOX", uid, target)
    sync(db, mailbox, account)
    assert not stored(store.url).gone
    assert stored(store.url).folders_of("moves") == [target]


# --- deleted on the server: the placement goes, the email stays and is marked gone ------------------


def test_email_deleted_on_the_server_stays_without_a_place_and_is_marked_gone(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, "stays")
    uid = mailbox.append("INBOX", letter("1@example.org", subject="deleted"), days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.expunge("INBOX", uid)
    sync(db, mailbox, account)
    after = stored(store.url)
    assert after.subjects == ["deleted", "stays"]
    assert after.folders_of("deleted") == []
    assert after.gone == ["deleted"]


def test_email_deleted_in_one_of_two_folders_is_not_gone(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    raw = letter("1@example.org", subject="both")
    uid = mailbox.append("INBOX", raw, days_ago(1))
    mailbox.append("Sent", raw, days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.expunge("INBOX", uid)
    sync(db, mailbox, account)
    after = stored(store.url)
    assert after.folders_of("both") == ["Sent"]
    assert not after.gone


def test_email_that_comes_back_is_gone_no_longer_and_not_downloaded_again(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    uid = mailbox.append("INBOX", letter("1@example.org", subject="back"), days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    mailbox.move("INBOX", uid, "Trash")
    sync(db, mailbox, account)
    assert stored(store.url).gone == ["back"]
    mailbox.move("Trash", 1, "INBOX")
    assert downloads(sync(db, mailbox, account)) == 0
    after = stored(store.url)
    assert not after.gone
    assert after.folders_of("back") == ["INBOX"]


# --- flags changed: stored; mailcrm never sets \Seen by reading -------------------------------------


def test_flags_changed_on_the_server_are_stored(db: Database, store: Store, mailbox: Mailbox) -> None:
    uid = mailbox.append("INBOX", letter("1@example.org", subject="flagged"), days_ago(1), ["\\Answered"])
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    assert stored(store.url).flags_of("flagged") == {"\\Answered"}
    mailbox.flag("INBOX", uid, ["\\Flagged", "\\Seen"])
    assert downloads(sync(db, mailbox, account)) == 0
    assert stored(store.url).flags_of("flagged") == {"\\Flagged", "\\Seen"}


def test_mailcrm_never_sets_seen_by_reading(db: Database, store: Store, mailbox: Mailbox) -> None:
    uid = mailbox.append("INBOX", letter("1@example.org", subject="unread"), days_ago(1))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    sync(db, mailbox, account)
    assert stored(store.url).flags_of("unread") == frozenset()
    with mailbox.log_in(mailbox.password) as imap:
        imap.examine("INBOX")
        assert imap.flags([uid]) == {uid: frozenset()}


# --- UIDVALIDITY changed: re-match by identity; no email is lost, doubled or downloaded twice --------


def test_uidvalidity_changed_and_no_email_is_lost_doubled_or_downloaded_twice(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, *"abcdefgh")
    mailbox.expunge("INBOX", 1)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    before = stored(store.url)
    mailbox.renumber("INBOX")
    events = sync(db, mailbox, account)
    after = stored(store.url)
    assert downloads(events) == 0
    assert after.emails == before.emails
    assert not only(events, DeletionsHeld)
    assert sorted(uid for _, _, uid in after.places) == [1, 2, 3, 4, 5, 6, 7]
    assert {v for _, v, _ in after.places}.isdisjoint({v for _, v, _ in before.places})


def test_the_same_bytes_with_two_dates_are_downloaded_once_for_each_date(
    db: Database, store: Store, model: ModelServer
) -> None:
    raw = letter("1@example.org", subject="twice")
    for days in (1, 2, 2):
        model.append("INBOX", raw, days_ago(days))
    account = connect(db, ModelMailbox(model))
    events = sync(db, ModelMailbox(model), account)
    assert stored(store.url).folders_of("twice") == ["INBOX"] * 3
    assert only(events, AccountFinished)[0].whole
    model.renumber("INBOX")
    assert downloads(sync(db, ModelMailbox(model), account)) == 0


def test_uidvalidity_changed_before_the_first_sync_was_finished_and_no_old_place_is_left(
    db: Database, store: Store, model: ModelServer
) -> None:
    deliver(ModelMailbox(model), "one")
    account = connect(db, ModelMailbox(model))
    mailbox = ModelMailbox(model)
    steps = sync_account(
        db, lambda: mailbox.log_in(model.password), account, clock=lambda: NOW, size_limit=50_000_000
    )
    assert any(isinstance(event, BatchSaved) for event in steps), "it ends here, as if it were killed"
    steps.close()
    model.renumber("INBOX")
    sync(db, ModelMailbox(model), account)
    assert stored(store.url).folders_of("one") == ["INBOX"]


def test_uidvalidity_changed_and_an_email_without_message_id_outside_the_window_is_not_gone(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    mailbox.append("INBOX", letter(None, subject="nameless"), days_ago(50))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    accounts.set_history_start(db, account, days_ago(10))
    mailbox.renumber("INBOX")
    sync(db, mailbox, account)
    assert not stored(store.url).gone


# --- more than half of a folder vanishes: stop that folder, ask (--accept-deletions) ----------------


@pytest.mark.parametrize(("vanished", "placed"), [(5, 10), (4, 4)])
def test_half_of_a_folder_or_a_handful_of_emails_may_vanish(
    db: Database, store: Store, mailbox: Mailbox, vanished: int, placed: int
) -> None:
    deliver(mailbox, *(f"mail {number}" for number in range(placed)))
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    for uid in range(1, vanished + 1):
        mailbox.expunge("INBOX", uid)
    events = sync(db, mailbox, account)
    assert not only(events, DeletionsHeld)
    assert stored(store.url).gone == [f"mail {number}" for number in range(vanished)]


def test_more_than_half_of_a_folder_vanishes_stops_that_folder_and_asks(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, *(f"mail {number}" for number in range(10)))
    deliver(mailbox, "sent", folder="Sent")
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    before = stored(store.url)
    for uid in range(1, 7):
        mailbox.expunge("INBOX", uid)
    mailbox.expunge("Sent", 1)
    events = sync(db, mailbox, account)
    after = stored(store.url)
    (asked,) = only(events, DeletionsHeld)
    assert (asked.folder, asked.vanished, asked.placed) == ("INBOX", 6, 10)
    assert not only(events, AccountFinished)[0].whole
    assert after.gone == ["sent"], "the other folders are not stopped"
    assert {place for place in before.places if place[0] == "INBOX"} <= set(after.places)


def test_accept_deletions_lets_more_than_half_of_a_folder_vanish(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, *"abcdefgh")
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    for uid in range(1, 9):
        mailbox.expunge("INBOX", uid)
    deliver(mailbox, "new")
    assert only(sync(db, mailbox, account), DeletionsHeld)
    assert "new" in stored(store.url).subjects, "what is new comes in all the same"
    events = sync(db, mailbox, account, accept_deletions=True)
    assert only(events, AccountFinished)[0].whole
    assert stored(store.url).gone == list("abcdefgh")
    assert accounts.account(db, FIRST).last_error is None


def test_more_than_half_of_a_folder_moved_elsewhere_is_not_vanished(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    deliver(mailbox, *"abcdefgh")
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    for uid in range(1, 9):
        mailbox.move("INBOX", uid, "Sent")
    events = sync(db, mailbox, account)
    assert not only(events, DeletionsHeld)
    assert not stored(store.url).gone


# --- one poison message: recorded with its error and skipped; the rest goes on; tried again ---------


def refuse(server: ModelServer, uid: int, item: str) -> None:
    """Let the server refuse every FETCH of an item that touches this UID, as Exchange does."""

    def twist(command: str, reply: bytes) -> bytes:
        if command.startswith("UID FETCH") and item in command and _touches(command.split()[2], uid):
            return reply.splitlines()[-1].split()[0] + b" NO [SERVERBUG] This email is broken.\r\n"
        return reply

    server.twist = twist


def _touches(uid_set: str, uid: int) -> bool:
    spans = (part.partition(":") for part in uid_set.split(","))
    return any(int(low) <= uid <= int(high or low) for low, _, high in spans)


@pytest.fixture
def three(model: ModelServer) -> ModelServer:
    deliver(ModelMailbox(model), "one", "two", "three")
    return model


def test_one_poison_message_is_recorded_and_skipped_and_the_rest_goes_on(
    db: Database, store: Store, three: ModelServer
) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    events = sync(db, ModelMailbox(three), account)
    assert stored(store.url).subjects == ["one", "three"]
    (failed,) = only(events, EmailFailed)
    assert (failed.folder, failed.uid) == ("INBOX", 2)
    assert "This email is broken." in failed.error
    (finished,) = only(events, AccountFinished)
    assert (finished.new, finished.failed, finished.whole) == (2, 1, False)
    (failure,) = folders.failures(db, account)
    assert (failure.folder, failure.uid, failure.attempts, failure.failed_at) == ("INBOX", 2, 1, NOW)
    assert "This email is broken." in failure.error


def test_one_poison_message_on_which_the_server_hangs_up_is_recorded_and_skipped_too(
    db: Database, store: Store, three: ModelServer
) -> None:
    def hang_up(command: str, reply: bytes) -> bytes:
        if command.startswith("UID FETCH") and "BODY.PEEK[])" in command and _touches(command.split()[2], 2):
            raise HangUp
        return reply

    three.twist = hang_up
    account = connect(db, ModelMailbox(three))
    events = sync(db, ModelMailbox(three), account)
    assert stored(store.url).subjects == ["one", "three"]
    assert [(failed.folder, failed.uid) for failed in only(events, EmailFailed)] == [("INBOX", 2)]
    three.twist = lambda _command, reply: reply
    assert only(sync(db, ModelMailbox(three), account), AccountFinished)[0].whole


def test_one_poison_message_is_tried_again_next_time_and_forgotten_when_it_comes(
    db: Database, store: Store, three: ModelServer
) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    sync(db, ModelMailbox(three), account)
    handed_out = len(three.downloads)
    sync(db, ModelMailbox(three), account)
    assert [failure.attempts for failure in folders.failures(db, account)] == [2]
    assert {uid for _, _, uid in three.downloads[handed_out:]} == {2}, "only the poison is asked for again"
    three.twist = lambda _command, reply: reply
    events = sync(db, ModelMailbox(three), account)
    assert folders.failures(db, account) == []
    assert only(events, AccountFinished)[0].whole
    assert accounts.account(db, FIRST).last_error is None
    assert stored(store.url).subjects == ["one", "three", "two"]


def test_one_poison_message_that_is_deleted_is_forgotten(db: Database, three: ModelServer) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    sync(db, ModelMailbox(three), account)
    three.expunge("INBOX", 2)
    events = sync(db, ModelMailbox(three), account)
    assert only(events, AccountFinished)[0].whole
    assert folders.failures(db, account) == []


def test_an_email_deleted_while_the_sync_runs_is_no_failure_for_ever(
    db: Database, store: Store, three: ModelServer
) -> None:
    def expunge(command: str, reply: bytes) -> bytes:
        if "RFC822.SIZE" in command and 2 in three.folders["INBOX"].messages:
            three.expunge("INBOX", 2)
        return reply

    three.twist = expunge
    account = connect(db, ModelMailbox(three))
    sync(db, ModelMailbox(three), account)
    assert stored(store.url).subjects == ["one", "three"]
    events = sync(db, ModelMailbox(three), account)
    assert only(events, AccountFinished)[0].whole
    assert folders.failures(db, account) == []


def test_one_poison_message_that_the_history_start_leaves_behind_is_forgotten(
    db: Database, three: ModelServer
) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    sync(db, ModelMailbox(three), account)
    accounts.set_history_start(db, account, NOW)
    events = sync(db, ModelMailbox(three), account)
    assert only(events, AccountFinished)[0].whole
    assert folders.failures(db, account) == []


# --- message above the size limit: headers and text are stored, marked truncated --------------------


def test_message_above_the_size_limit_is_stored_truncated_with_its_headers_and_text(
    db: Database, store: Store, mailbox: Mailbox
) -> None:
    raw = letter("1@example.org", subject="large", body="quotation\r\n" + "0123456789abcde\r\n" * 20_000)
    mailbox.append("INBOX", raw, days_ago(1))
    deliver(mailbox, "small")
    account = connect(db, mailbox)
    events = sync(db, mailbox, account, size_limit=100_000)
    assert {e.subject: e.truncated for e in stored(store.url).emails} == {"large": True, "small": False}
    (found,) = search_emails(db, "quotation", NOW, limit=10)
    assert found.truncated
    assert email_source(db, found.id) == raw[:HEAD_BYTES]
    assert only(events, AccountFinished)[0].whole, "a truncated email is not missing"
    assert downloads(sync(db, mailbox, account, size_limit=100_000)) == 0


# --- end of a sync: the server's count in the window equals what is stored, or the command says ------


def test_end_of_a_sync_compares_the_count_of_every_folder(db: Database, mailbox: Mailbox) -> None:
    deliver(mailbox, "old", days=100)
    deliver(mailbox, "one", "two")
    mailbox.append("Sent", letter("3@example.org", subject="three"), days_ago(1))
    account = connect(db, mailbox, start=days_ago(30))
    events = sync(db, mailbox, account)
    told = {event.folder: (event.server_count, event.stored_count) for event in only(events, FolderFinished)}
    assert (told["INBOX"], told["Sent"]) == ((2, 2), (1, 1))
    kept = {f.name: (f.server_count, f.stored_count) for f in folders.folders(db, account)}
    assert {name: kept[name] for name in told} == told


def test_end_of_a_sync_says_which_folder_differs(db: Database, three: ModelServer) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    events = sync(db, ModelMailbox(three), account)
    told = {event.folder: (event.server_count, event.stored_count) for event in only(events, FolderFinished)}
    assert told == {"INBOX": (3, 2), "Sent": (0, 0)}
    assert not only(events, AccountFinished)[0].whole
    errors = {folder.name: folder.last_error for folder in folders.folders(db, account)}
    assert errors["INBOX"]
    assert not errors["Sent"]


def test_end_of_a_sync_counts_an_email_that_the_server_does_not_even_describe(
    db: Database, three: ModelServer
) -> None:
    refuse(three, 2, "RFC822.SIZE")
    account = connect(db, ModelMailbox(three))
    events = sync(db, ModelMailbox(three), account)
    told = {event.folder: (event.server_count, event.stored_count) for event in only(events, FolderFinished)}
    assert told["INBOX"] == (3, 2)
    assert not only(events, AccountFinished)[0].whole


# --- folders: one that fails stops no other; a new one is included only when "all" is chosen --------


def test_a_folder_that_fails_does_not_stop_the_others(db: Database, store: Store, three: ModelServer) -> None:
    three.append("Sent", letter("4@example.org", subject="four"), days_ago(1))
    three.twist = lambda command, reply: (
        reply.splitlines()[-1].split()[0] + b" NO [SERVERBUG] Internal error.\r\n"
        if re.fullmatch(r"EXAMINE \"?INBOX\"?", command)
        else reply
    )
    account = connect(db, ModelMailbox(three))
    events = sync(db, ModelMailbox(three), account)
    (failed,) = only(events, FolderFailed)
    assert failed.folder == "INBOX"
    assert "Internal error." in failed.error
    assert stored(store.url).subjects == ["four"]
    assert not only(events, AccountFinished)[0].whole
    three.twist = lambda _command, reply: reply
    assert only(sync(db, ModelMailbox(three), account), AccountFinished)[0].whole
    assert all(folder.last_error is None for folder in folders.folders(db, account))


def test_a_folder_that_was_renamed_is_moved_mail(db: Database, store: Store, model: ModelServer) -> None:
    mailbox = ModelMailbox(model)
    model.create("Old")
    deliver(mailbox, *"abcdefgh", folder="Old")
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    model.create("New")
    for uid in range(1, 9):
        model.move("Old", uid, "New")
    model.delete("Old")
    events = sync(db, mailbox, account)
    assert downloads(events) == 0
    assert only(events, AccountFinished)[0].whole
    assert {folder for folder, _, _ in stored(store.url).places} == {"New"}
    assert not stored(store.url).gone
    assert "Old" not in [folder.name for folder in folders.folders(db, account)]


def test_a_folder_that_was_deleted_is_asked_about_and_its_mail_stays(
    db: Database, store: Store, model: ModelServer
) -> None:
    mailbox = ModelMailbox(model)
    model.create("Projects")
    deliver(mailbox, *"abcdefgh", folder="Projects")
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    model.delete("Projects")
    events = sync(db, mailbox, account)
    (asked,) = only(events, DeletionsHeld)
    assert (asked.folder, asked.vanished, asked.placed) == ("Projects", 8, 8)
    assert not only(events, AccountFinished)[0].whole
    assert not stored(store.url).gone
    assert only(sync(db, mailbox, account, accept_deletions=True), AccountFinished)[0].whole
    assert stored(store.url).gone == list("abcdefgh")
    assert only(sync(db, mailbox, account), AccountFinished)[0].whole


@pytest.mark.parametrize(
    ("chosen", "subjects"), [(None, ["one", "two"]), (("INBOX",), ["one"])], ids=["all", "a list"]
)
def test_a_folder_that_appears_later_is_included_only_when_all_is_chosen(
    db: Database, store: Store, mailbox: Mailbox, chosen: tuple[str, ...] | None, subjects: list[str]
) -> None:
    deliver(mailbox, "one")
    account = connect(db, mailbox, folders=chosen)
    sync(db, mailbox, account)
    mailbox.create("Projekte Süd")
    deliver(mailbox, "two", folder="Projekte Süd")
    (started,) = only(sync(db, mailbox, account), AccountStarted)
    assert ("Projekte Süd" in started.folders) is ("two" in subjects)
    assert stored(store.url).subjects == subjects


def test_junk_trash_and_drafts_are_left_out(db: Database, store: Store, mailbox: Mailbox) -> None:
    for folder in ("INBOX", "Sent", "Junk", "Trash", "Drafts"):
        deliver(mailbox, folder, folder=folder)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    assert stored(store.url).subjects == ["INBOX", "Sent"]


# --- accounts: the failure of one does not stop the next --------------------------------------------


def open_model(account: Account) -> ImapSession:
    return open_session(account.imap, username=USER, credential=Password("secret"), timeout=10)


def test_of_two_accounts_one_unreachable_the_other_is_synced(
    db: Database, store: Store, three: ModelServer
) -> None:
    with ModelServer() as away:
        closed = ModelMailbox(away)
    first = connect(db, closed, address="away@example.com")
    second = connect(db, ModelMailbox(three))
    events = list(sync_accounts(db, [first, second], open_model, clock=lambda: NOW, size_limit=50_000_000))
    (skipped,) = only(events, AccountSkipped)
    assert (skipped.account, skipped.code, skipped.exit_code) == ("away@example.com", "connect_failed", 75)
    assert skipped.hint
    (finished,) = only(events, AccountFinished)
    assert (finished.account, finished.new, finished.whole) == (FIRST, 3, True)
    assert accounts.account(db, "away@example.com").last_error == skipped.error
    assert accounts.account(db, FIRST).last_error is None


def test_an_account_without_a_password_is_skipped(db: Database, three: ModelServer) -> None:
    def no_password(_account: Account) -> ImapSession:
        raise CredentialMissing("There is no password.")

    account = connect(db, ModelMailbox(three))
    (event,) = sync_accounts(db, [account], no_password, clock=lambda: NOW, size_limit=50_000_000)
    assert isinstance(event, AccountSkipped)
    assert event.exit_code == 78


def test_an_account_that_another_sync_holds_is_skipped_and_not_blamed(
    store: Store, db: Database, three: ModelServer
) -> None:
    account = connect(db, ModelMailbox(three))
    other = store.as_member(FIRST)
    with other.lease(account.id):
        (event,) = sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=50_000_000)
    assert isinstance(event, AccountSkipped)
    assert (event.code, event.exit_code) == ("store_busy", 75)
    assert accounts.account(db, FIRST).last_error is None
    events = list(sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=50_000_000))
    assert only(events, AccountFinished)[0].new == 3


def test_a_server_that_is_lost_on_the_way_leaves_what_was_done(
    db: Database, store: Store, three: ModelServer
) -> None:
    account = connect(db, ModelMailbox(three))
    for number in range(4, 40):
        deliver(ModelMailbox(three), f"Nr. {number}", folder="Sent")
    events: list[SyncEvent] = []
    for event in sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=50_000_000):
        events.append(event)
        if isinstance(event, FolderPlanned) and event.folder == "Sent":
            three.cut_after = 300
    (skipped,) = only(events, AccountSkipped)
    assert skipped.exit_code == 75
    assert stored(store.url).subjects == ["one", "three", "two"]
    three.cut_after = None
    later = NOW + timedelta(hours=1)
    events = list(sync_accounts(db, [account], open_model, clock=lambda: later, size_limit=50_000_000))
    assert only(events, AccountFinished)[0].new == 36
    assert accounts.account(db, FIRST).last_error is None


# --- a folder that is as the last whole sync left it is not looked at --------------------------------


def looked_at(server: ModelServer, sent: int) -> set[str]:
    return {word for command in server.commands[sent:] for word in ("SEARCH", "FETCH") if word in command}


def test_an_unchanged_folder_is_opened_and_nothing_more(db: Database, three: ModelServer) -> None:
    mailbox = ModelMailbox(three)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    sent = len(three.commands)
    events = sync(db, mailbox, account)
    assert looked_at(three, sent) == set()
    assert only(events, AccountFinished)[0].whole
    (inbox,) = [event for event in only(events, FolderFinished) if event.folder == "INBOX"]
    assert (inbox.server_count, inbox.stored_count) == (3, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server.append("INBOX", letter("4@example.com", subject="four"), NOW),
        lambda server: server.expunge("INBOX", 1),
        lambda server: server.flag("INBOX", 1, ["\\Seen"]),
        lambda server: server.renumber("INBOX"),
    ],
    ids=["an arrival", "an expunge", "a flag", "a renumbering"],
)
def test_any_change_of_a_folder_is_seen(
    db: Database, three: ModelServer, change: Callable[[ModelServer], object]
) -> None:
    mailbox = ModelMailbox(three)
    account = connect(db, mailbox)
    sync(db, mailbox, account)
    sync(db, mailbox, account)
    change(three)
    sent = len(three.commands)
    sync(db, mailbox, account)
    assert looked_at(three, sent)


def test_a_moved_history_start_is_seen_in_an_unchanged_folder(db: Database, model: ModelServer) -> None:
    mailbox = ModelMailbox(model)
    mailbox.append("INBOX", letter("1@example.com", subject="old"), days_ago(50))
    account = connect(db, mailbox)
    accounts.set_history_start(db, account, days_ago(10))
    assert downloads(sync(db, mailbox, account)) == 0
    accounts.set_history_start(db, account, days_ago(100))
    assert downloads(sync(db, mailbox, account)) == 1


def test_a_folder_with_a_missing_email_is_looked_at_again_though_nothing_changed(
    db: Database, three: ModelServer
) -> None:
    refuse(three, 2, "BODY.PEEK[])")
    account = connect(db, ModelMailbox(three))
    sync(db, ModelMailbox(three), account)
    three.twist = lambda _command, reply: reply
    assert only(sync(db, ModelMailbox(three), account), AccountFinished)[0].new == 1

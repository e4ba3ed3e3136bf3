import dataclasses
import multiprocessing
import time
from datetime import timedelta, timezone
from multiprocessing.connection import Connection

import pytest

from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound, StoreBusy
from mailcrm.core.model import Security, Visibility
from mailcrm.core.query import parse_query
from mailcrm.store import Database, accounts, folders, members, open_database, search, threads
from tests.conftest import FIRST, NOW, Store, login_of
from tests.store.worlds import SERVER, connect, folder, letter, save

BOB = "bob@example.com"


def test_an_account_comes_back_as_it_was_made(db: Database) -> None:
    made = accounts.create_account(
        db,
        address=FIRST,
        owner_id=db.viewer.id,
        team_id=None,
        default_visibility=Visibility.SHARED,
        provider="imap",
        imap=dataclasses.replace(SERVER, port=143, security=Security.STARTTLS),
        username="ann",
        history_start=NOW,
        all_folders=False,
    )
    assert accounts.accounts(db) == [made]
    assert made.imap == dataclasses.replace(SERVER, port=143, security=Security.STARTTLS)
    assert (made.owner, made.owner_id, made.team_id) == (FIRST, db.viewer.id, None)
    assert (made.history_start, made.all_folders, made.username) == (NOW, False, "ann")
    assert (made.auto_link_contacts, made.auto_link_deals) == (True, True)
    assert (made.last_sync_at, made.last_error, made.aliases) == (None, None, ())


def test_an_account_is_found_by_address_and_number_or_when_it_is_the_only_one(db: Database) -> None:
    with pytest.raises(NotFound, match="No account"):
        accounts.account(db, None)
    first = connect(db, FIRST)
    for text in (None, FIRST, " ANN@example.com", str(first.id)):
        assert accounts.account(db, text) == first
    connect(db, "second@example.com")
    with pytest.raises(NeedsChoice) as caught:
        accounts.account(db, None)
    assert caught.value.candidates == (FIRST, "second@example.com")
    with pytest.raises(NotFound):
        accounts.account(db, "third@example.com")


def test_an_address_is_connected_once(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    connect(db, FIRST)
    with pytest.raises(AlreadyExists, match="already"):
        connect(db, FIRST)
    with pytest.raises(AlreadyExists, match="somebody else"):
        connect(bob, FIRST)
    with pytest.raises(NotFound):
        accounts.account(bob, FIRST)


def test_a_team_account_belongs_to_the_team(store: Store) -> None:
    bob = store.add_member(BOB)
    team = members.create_team(bob, "Support")
    made = connect(bob, "support@example.com", team_id=team.id)
    assert (made.owner, made.owner_id, made.team_id) == ("Support", None, team.id)
    assert accounts.accounts(store.as_member(FIRST)) == []


def test_every_setting_can_be_changed(db: Database) -> None:
    made = connect(db, FIRST)
    accounts.set_default_visibility(db, made, Visibility.SHARED)
    accounts.set_history_start(db, made, NOW)
    accounts.set_auto_link(db, made, contacts=True, deals=False, leads=True)
    accounts.record_sync(db, made, at=NOW, error="one folder failed")
    changed = accounts.account(db, FIRST)
    assert changed.default_visibility is Visibility.SHARED
    assert changed.history_start == NOW
    assert (changed.auto_link_contacts, changed.auto_link_deals) == (True, False)
    assert (changed.last_sync_at, changed.last_error) == (NOW, "one folder failed")
    accounts.set_history_start(db, made, None)
    accounts.record_sync_error(db, made, "no route to host")
    changed = accounts.account(db, FIRST)
    assert changed.history_start is None
    assert (changed.last_sync_at, changed.last_error) == (NOW, "no route to host")


def test_one_accounts_settings_leave_another_as_it_is(db: Database) -> None:
    first, second = connect(db, FIRST), connect(db, "second@example.com")
    accounts.set_default_visibility(db, first, Visibility.SHARED)
    accounts.record_sync_error(db, first, "x")
    accounts.disconnect_account(db, first)
    assert accounts.accounts(db) == [second]


def test_a_disconnected_accounts_mail_stays_and_is_there_when_it_is_connected_again(db: Database) -> None:
    made = connect(db, FIRST)
    place = folder(db, made)
    save(db, made, place, letter(1, "a@example.org"))
    accounts.disconnect_account(db, made)
    assert accounts.accounts(db) == []
    assert len(search.search_emails(db, parse_query("hello", NOW), limit=9)) == 1
    again = connect(db, FIRST, imap=dataclasses.replace(SERVER, host="new.example.com"))
    assert (again.id, again.imap.host) == (made.id, "new.example.com")
    assert accounts.email_count(db, again) == 1
    # UIDs belong to a server, so the new one's are looked at from the beginning.
    assert not folders.folder_state(db, place, 1).placed
    assert save(db, again, place, letter(1, "a@example.org")).new == 0


def test_what_was_stored_is_counted(db: Database) -> None:
    made = connect(db, FIRST)
    place = folder(db, made)
    assert accounts.email_count(db, made) == 0
    save(db, made, place, letter(1, "a@example.org"), letter(2, "b@example.org"))
    assert accounts.email_count(db, made) == 2


def test_an_account_on_the_same_server_keeps_its_places(db: Database) -> None:
    made = connect(db, FIRST)
    place = folder(db, made)
    save(db, made, place, letter(1, "a@example.org"))
    accounts.disconnect_account(db, made)
    connect(db, FIRST)
    assert set(folders.folder_state(db, place, 1).placed) == {1}


def test_an_alias_is_an_own_address_once(db: Database) -> None:
    made = connect(db, FIRST)
    for _ in range(2):
        accounts.add_alias(db, made, "ann.alias@example.com")
    assert accounts.account(db, FIRST).aliases == ("ann.alias@example.com",)


def test_instants_are_kept_to_the_second_in_utc(db: Database) -> None:
    made = connect(db, FIRST)
    seoul = timezone(timedelta(hours=9))
    accounts.record_sync(db, made, at=NOW.astimezone(seoul), error=None)
    assert accounts.account(db, FIRST).last_sync_at == NOW


# --- leases -------------------------------------------------------------------------------------


def test_a_lease_excludes_a_second_connection_and_ends(store: Store) -> None:
    first, second = store.as_member(FIRST), store.as_member(FIRST)
    with first.lease(1):
        with pytest.raises(StoreBusy), second.lease(1):
            pass
        with second.lease(2):
            pass
    with second.lease(1):
        pass


def test_a_lease_ends_with_an_error(store: Store) -> None:
    first, second = store.as_member(FIRST), store.as_member(FIRST)
    with pytest.raises(ZeroDivisionError), first.lease(1):
        raise ZeroDivisionError
    with second.lease(1):
        pass


def test_a_lease_spans_transactions_and_leaves_them_alone(store: Store) -> None:
    first = store.as_member(FIRST)
    with first.lease(1):
        with first.transaction():
            connect(first, FIRST)
        assert len(accounts.accounts(store.as_member(FIRST))) == 1


def _hold(url: str, viewer: str | None, told: Connection) -> None:
    with open_database(url, viewer=viewer).lease(1):
        told.send("held")
        told.recv()


def test_a_killed_process_leaves_no_lease_behind(store: Store) -> None:
    db = store.as_member(FIRST)
    url, viewer = (store.url, FIRST) if store.kind == "sqlite" else (store._login(login_of(FIRST)), None)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(url, viewer, theirs))
    process.start()
    assert ours.recv() == "held"
    with pytest.raises(StoreBusy), db.lease(1):
        pass
    process.kill()
    process.join()
    _eventually_free(db)


def _eventually_free(db: Database) -> None:
    # The server notices the end of a connection a moment after the process is gone.
    deadline = time.monotonic() + 30
    while True:
        try:
            with db.lease(1):
                return
        except StoreBusy:
            if time.monotonic() > deadline:
                raise


def test_a_thread_of_an_account_is_seen_by_its_new_team_member_at_once(store: Store) -> None:
    bob, cat = store.add_member(BOB), store.add_member("cat@example.com")
    team = members.create_team(bob, "Support")
    made = connect(bob, "support@example.com", team_id=team.id)
    (thread,) = save(bob, made, folder(bob, made), letter(1, "a@example.org")).threads
    with pytest.raises(NotFound):
        threads.thread(cat, str(thread))
    members.add_team_member(bob, team, cat.viewer)
    assert threads.thread(cat, str(thread)).team

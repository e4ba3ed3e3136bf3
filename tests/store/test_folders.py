from datetime import timedelta

import pytest

from mailcrm.core.errors import NotPermitted
from mailcrm.core.model import Account, Folder, FolderRole
from mailcrm.core.uids import UidSet
from mailcrm.store import Database, emails, folders, links
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save
from tests.syncing.accounts import stored

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account, role=FolderRole.INBOX)


@pytest.fixture
def archive(db: Database, account: Account) -> Folder:
    return folder(db, account, path="Archive", role=FolderRole.ARCHIVE)


def gone(db: Database, account: Account) -> dict[str, bool]:
    """Say of each email of the account, by subject, whether it is marked gone."""
    return {
        full.row.subject: full.row.gone
        for thread in links.threads_of_account(db, account, since=None)
        for full in emails.thread_emails(db, thread)
    }


def fill(db: Database, account: Account, into: Folder, *uids: int) -> None:
    mails = [letter(uid, f"{uid}@example.org", subject=str(uid), raw=str(uid).encode()) for uid in uids]
    save(db, account, into, *mails)


def placed(db: Database, where: Folder, uidvalidity: int = 1) -> set[int]:
    return set(folders.folder_state(db, where, uidvalidity).placed)


def by_path(db: Database, account: Account) -> dict[str, Folder]:
    return {found.path: found for found in folders.folders(db, account)}


def test_a_folder_saved_again_keeps_what_was_learned_of_it(
    db: Database, account: Account, inbox: Folder
) -> None:
    folders.settle(db, inbox, uidvalidity=7, highestmodseq=99, highest_uid=12)
    folders.select_folder(db, inbox, selected=False)
    folders.save_folder(db, account, path="INBOX", name="Posteingang", role=None, usual=True, selected=True)
    (again,) = folders.folders(db, account)
    assert again.id == inbox.id
    assert (again.name, again.role, again.selected) == ("Posteingang", None, False)
    assert (again.uidvalidity, again.highestmodseq, again.highest_uid) == (7, 99, 12)


def test_the_largest_numbers_of_imap_fit(db: Database, account: Account, inbox: Folder) -> None:
    # RFC 9051, 9: a UID has 32 bits, a mod-sequence (RFC 7162, 7) has 63.
    folders.settle(db, inbox, uidvalidity=2**32 - 1, highestmodseq=2**63 - 1, highest_uid=2**32 - 1)
    save(db, account, inbox, letter(2**32 - 1, "a@example.org"))
    assert placed(db, inbox) == {2**32 - 1}
    assert by_path(db, account)["INBOX"].highestmodseq == 2**63 - 1


def test_a_folders_state_is_that_under_the_servers_uidvalidity(
    db: Database, account: Account, inbox: Folder
) -> None:
    fill(db, account, inbox, 1, 2, 3, 7)
    assert folders.folder_state(db, inbox, 1).placed.runs == ((1, 3), (7, 7))
    assert not folders.folder_state(db, inbox, 2).placed


def test_flags_are_stored_by_uid(store: Store, db: Database, account: Account, inbox: Folder) -> None:
    fill(db, account, inbox, 1, 2)
    folders.reflag(db, inbox, 1, {2: frozenset({"\\Seen", "$Work"}), 9: frozenset()})
    flags = {place[2]: flags for place, (_, flags) in stored(store.url).places.items()}
    assert flags == {1: frozenset(), 2: {"\\Seen", "$Work"}}


def test_flags_are_stored_in_one_order() -> None:
    assert folders.flags_text(frozenset({"b", "\\Seen", "a"})) == "\\Seen a b"


def test_an_email_whose_last_place_vanished_is_gone_and_stays(
    db: Database, account: Account, inbox: Folder
) -> None:
    fill(db, account, inbox, 1, 2, 3)
    assert folders.take_away(db, inbox, 1, UidSet([1, 2]), at=NOW) == (2, 3)
    assert placed(db, inbox) == {3}
    assert gone(db, account) == {"1": True, "2": True, "3": False}


def test_an_email_with_another_place_is_not_gone(
    db: Database, account: Account, inbox: Folder, archive: Folder
) -> None:
    fill(db, account, inbox, 1, 2)
    fill(db, account, archive, 2)
    assert folders.take_away(db, inbox, 1, UidSet([1, 2]), at=NOW) == (1, 2)
    assert gone(db, account) == {"1": True, "2": False}
    assert placed(db, archive) == {2}


def test_an_email_with_two_places_of_one_folder_is_gone_when_both_are(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, *(letter(uid, "a@example.org", subject="x", raw=b"same") for uid in (1, 2)))
    assert folders.take_away(db, inbox, 1, UidSet([1]), at=NOW) == (0, 1)
    assert gone(db, account) == {"x": False}
    assert folders.take_away(db, inbox, 1, UidSet([2]), at=NOW) == (1, 1)
    assert gone(db, account) == {"x": True}


def test_the_same_uid_of_another_folder_stays(
    db: Database, account: Account, inbox: Folder, archive: Folder
) -> None:
    fill(db, account, inbox, 1)
    save(db, account, archive, letter(1, "other@example.org", subject="other"))
    folders.take_away(db, inbox, 1, UidSet([1]), at=NOW)
    assert gone(db, account) == {"1": True, "other": False}
    assert placed(db, archive) == {1}


def test_taking_away_what_is_not_there_changes_nothing(db: Database, account: Account, inbox: Folder) -> None:
    fill(db, account, inbox, 1)
    for uids in (UidSet([5, 6]), UidSet()):
        assert folders.take_away(db, inbox, 1, uids, at=NOW) == (0, 1)
    assert gone(db, account) == {"1": False}
    assert placed(db, inbox) == {1}


def test_an_email_that_was_gone_is_back_when_it_has_a_place_again(
    db: Database, account: Account, inbox: Folder, archive: Folder
) -> None:
    fill(db, account, inbox, 1, 2)
    folders.take_away(db, inbox, 1, UidSet([1, 2]), at=NOW)
    fill(db, account, archive, 1)
    arrival = letter(9, "2@example.org", subject="2", raw=b"2").arrival
    emails.attach(db, account, archive, 1, [arrival])
    assert gone(db, account) == {"1": False, "2": False}


def test_a_renumbered_folder_forgets_its_old_places(
    db: Database, account: Account, inbox: Folder, archive: Folder
) -> None:
    fill(db, account, inbox, 1, 2, 3)
    fill(db, account, archive, 3)
    again = letter(11, "1@example.org", subject="1", raw=b"1").arrival
    emails.attach(db, account, inbox, 2, [again])
    assert folders.take_away(db, inbox, 2, UidSet(), at=NOW) == (1, 3)
    assert placed(db, inbox) == set()
    assert placed(db, inbox, 2) == {11}
    assert gone(db, account) == {"1": False, "2": True, "3": False}
    assert folders.take_away(db, inbox, 2, UidSet(), at=NOW) == (0, 1)


def test_a_removed_folder_takes_its_places_along_and_its_emails_stay(
    db: Database, account: Account, inbox: Folder, archive: Folder
) -> None:
    fill(db, account, inbox, 1, 2)
    fill(db, account, archive, 2)
    folders.record_failure(db, inbox, 1, 9, "x", at=NOW)
    folders.take_away(db, inbox, None, UidSet(), at=NOW)
    folders.forget_failures(db, inbox, 1, UidSet())
    folders.remove_folder(db, inbox)
    assert by_path(db, account).keys() == {"Archive"}
    assert gone(db, account) == {"1": True, "2": False}
    assert folders.failures(db, account) == []


def test_a_folder_with_a_failure_can_be_removed(db: Database, account: Account, inbox: Folder) -> None:
    fill(db, account, inbox, 1)
    folders.record_failure(db, inbox, 1, 9, "x", at=NOW)
    folders.take_away(db, inbox, None, UidSet(), at=NOW)
    folders.remove_folder(db, inbox)
    assert folders.folders(db, account) == []


def test_a_failure_is_counted_until_the_email_comes_or_is_asked_for_no_more(
    db: Database, account: Account, inbox: Folder
) -> None:
    for at in (NOW, LATER):
        folders.record_failure(db, inbox, 1, 5, f"at {at:%H}", at=at)
    for uid in (6, 7):
        folders.record_failure(db, inbox, 1, uid, "x", at=NOW)
    five, six, _ = folders.failures(db, account)
    assert (five.uid, five.attempts, five.error, five.failed_at) == (5, 2, "at 13", LATER)
    assert (six.uid, six.attempts, six.folder) == (6, 1, "INBOX")
    fill(db, account, inbox, 5)
    folders.forget_failures(db, inbox, 1, UidSet([7]))
    assert [failure.uid for failure in folders.failures(db, account)] == [7]


def test_failures_of_an_old_numbering_are_forgotten(db: Database, account: Account, inbox: Folder) -> None:
    for uidvalidity in (1, 2):
        folders.record_failure(db, inbox, uidvalidity, 5, "x", at=NOW)
    folders.forget_failures(db, inbox, 2, UidSet([5]))
    assert len(folders.failures(db, account)) == 1


def test_the_usual_folders_can_be_chosen_again(db: Database, account: Account, inbox: Folder) -> None:
    junk = {"path": "Junk", "name": "Junk", "role": FolderRole.JUNK, "usual": False, "selected": True}
    folders.save_folder(db, account, **junk)  # type: ignore[arg-type] # as a server lists it
    folders.select_folder(db, inbox, selected=False)
    folders.select_usual_folders(db, account)
    assert {path: known.selected for path, known in by_path(db, account).items()} == {
        "INBOX": True,
        "Junk": False,
    }


def test_how_complete_a_folder_is_can_be_read_again(db: Database, account: Account, inbox: Folder) -> None:
    folders.record_folder_sync(
        db, inbox, server_count=5, stored_count=4, mark=None, at=NOW, error="one is missing"
    )
    found = by_path(db, account)["INBOX"]
    assert (found.server_count, found.stored_count, found.last_sync_at) == (5, 4, NOW)
    assert found.last_error == "one is missing"
    folders.record_folder_error(db, inbox, "lost")
    assert by_path(db, account)["INBOX"].last_error == "lost"
    assert by_path(db, account)["INBOX"].last_sync_at == NOW


def test_folders_are_for_those_who_manage_the_account(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member("bob@example.com")
    account = connect(db, FIRST)
    inbox = folder(db, account)
    fill(db, account, inbox, 1)
    assert folders.folders(bob, account) == []
    assert placed(bob, inbox) == set()
    with pytest.raises(NotPermitted):
        folder(bob, account, path="Mine")
    with pytest.raises(NotPermitted):
        folders.record_failure(bob, inbox, 1, 9, "x", at=NOW)
    assert folders.failures(db, account) == []

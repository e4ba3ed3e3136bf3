from dataclasses import replace

import pytest

from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound, NotPermitted, UsageError
from mailcrm.core.model import MemberRole
from mailcrm.store import Database, accounts, history, members, open_database
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect

BOB = "bob@example.com"
CAT = "cat@example.com"

ON_SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize("store", ["postgres"], indirect=True)


def test_the_first_member_is_an_admin(db: Database) -> None:
    assert members.members(db) == [db.viewer]
    assert db.viewer.role is MemberRole.ADMIN
    assert db.viewer.active


def test_a_member_is_found_by_address_name_and_number(db: Database) -> None:
    for text in (FIRST, " ANN@example.com ", "Ann", str(db.viewer.id)):
        assert members.member(db, text) == db.viewer
    with pytest.raises(NotFound):
        members.member(db, "bob@example.com")


def test_an_address_and_a_login_belong_to_one_member(db: Database) -> None:
    members.create_member(db, name="Bob", address=BOB, role=MemberRole.MEMBER, login="bob", at=NOW)
    with pytest.raises(AlreadyExists):
        members.create_member(db, name="Other", address=BOB, role=MemberRole.MEMBER, login=None, at=NOW)
    with pytest.raises(AlreadyExists, match="bob"):
        members.create_member(db, name="Other", address=CAT, role=MemberRole.MEMBER, login="bob", at=NOW)
    assert len(members.members(db)) == 2


def test_only_an_admin_makes_and_deactivates_members(store: Store) -> None:
    bob = store.add_member(BOB)
    with pytest.raises(NotPermitted):
        members.create_member(bob, name="Cat", address=CAT, role=MemberRole.MEMBER, login=None, at=NOW)
    with pytest.raises((NotPermitted, NotFound)):
        members.set_active(bob, members.member(bob, FIRST), active=False, at=NOW)
    assert [(one.address, one.active) for one in members.members(bob)] == [(FIRST, True), (BOB, True)]


def test_a_deactivated_member_is_no_viewer_any_more_and_can_come_back(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    connect(bob, BOB)
    members.set_active(db, bob.viewer, active=False, at=NOW)
    assert members.members(bob) == []
    assert accounts.accounts(bob) == []
    with pytest.raises((NotPermitted, NotFound)):
        store.as_member(BOB)
    with pytest.raises(NotPermitted):
        connect(bob, "again@example.com")
    members.set_active(db, bob.viewer, active=True, at=NOW)
    assert [account.address for account in accounts.accounts(store.as_member(BOB))] == [BOB]


def test_an_admin_makes_another_one_and_the_last_one_stays(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    with pytest.raises(NotPermitted):
        members.edit_member(bob, bob.viewer, name="Bob", role=MemberRole.ADMIN, at=NOW)
    with pytest.raises(UsageError, match="only admin"):
        members.edit_member(db, db.viewer, name="Ann", role=MemberRole.MEMBER, at=NOW)
    changed = members.edit_member(db, bob.viewer, name="Robert", role=MemberRole.ADMIN, at=NOW)
    assert (changed.name, changed.role, changed.login) == ("Robert", MemberRole.ADMIN, bob.viewer.login)
    assert (
        members.edit_member(db, db.viewer, name="Ann", role=MemberRole.MEMBER, at=NOW).role
        is MemberRole.MEMBER
    )


def test_an_unknown_member_cannot_be_deactivated(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    with pytest.raises(NotFound):
        members.set_active(db, replace(bob.viewer, id=987654), active=False, at=NOW)


def test_who_makes_a_team_belongs_to_it(store: Store) -> None:
    bob = store.add_member(BOB)
    team = members.create_team(bob, "Support")
    assert team.members == (BOB,)
    assert members.teams(bob) == [team]
    for text in ("support", "Support", str(team.id)):
        assert members.team(bob, text) == team
    with pytest.raises(AlreadyExists):
        members.create_team(bob, "SUPPORT")
    with pytest.raises(NotFound):
        members.team(bob, "Sales")


def test_those_in_a_team_let_others_in_and_out(store: Store) -> None:
    db, bob, cat = store.as_member(FIRST), store.add_member(BOB), store.add_member(CAT)
    team = members.create_team(bob, "Support")
    account = connect(bob, "support@example.com", team_id=team.id)
    members.add_team_member(bob, team, cat.viewer)
    members.add_team_member(bob, team, cat.viewer)
    assert members.team(db, "Support").members == (BOB, CAT)
    assert accounts.accounts(cat) == [account]
    members.remove_team_member(cat, team, cat.viewer)
    assert accounts.accounts(cat) == []
    with pytest.raises(NotFound, match="not in the team"):
        members.remove_team_member(bob, team, cat.viewer)


def test_an_admin_stays_outside_of_a_team_of_others(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    team = members.create_team(bob, "Support")
    with pytest.raises(NotPermitted):
        members.add_team_member(db, team, db.viewer)
    with pytest.raises((NotPermitted, NotFound)):
        members.remove_team_member(db, team, bob.viewer)
    assert members.team(db, "Support").members == (BOB,)


def test_a_team_that_its_last_member_left_stays_closed_while_it_has_an_account(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    team = members.create_team(bob, "Support")
    connect(bob, "support@example.com", team_id=team.id)
    with pytest.raises(NotPermitted, match="last member"):
        members.remove_team_member(bob, team, bob.viewer)
    bob.write("remove_team_member", team_id=team.id, member_id=bob.viewer.id)
    with pytest.raises(NotPermitted):
        members.add_team_member(db, team, db.viewer)


def test_a_team_that_its_last_member_left_is_open_while_it_has_no_account(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    team = members.create_team(bob, "Support")
    members.remove_team_member(bob, team, bob.viewer)
    members.add_team_member(db, team, db.viewer)
    assert members.team(db, "Support").members == (FIRST,)


# --- who is asking ------------------------------------------------------------------------------


@ON_SQLITE
def test_on_sqlite_one_says_who_one_is_when_there_are_several(store: Store) -> None:
    store.add_member(BOB)
    with pytest.raises(NeedsChoice) as caught:
        open_database(store.url, viewer=None)
    assert caught.value.candidates == (FIRST, BOB)
    with pytest.raises(NotFound):
        open_database(store.url, viewer="nobody@example.com")
    assert store.as_member("BOB").viewer.address == BOB


@ON_POSTGRES
def test_on_postgresql_the_login_says_who_it_is(store: Store) -> None:
    bob = store.add_member(BOB)
    assert bob.viewer.address == BOB
    url = store._login("bob")
    with pytest.raises(NotPermitted):
        open_database(url, viewer=FIRST)
    store._open.append(open_database(url, viewer=BOB))


@ON_POSTGRES
def test_a_login_that_is_no_member_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="not an active member"):
        open_database(store._login("nobody"), viewer=None)


@pytest.mark.rule("history-member")
def test_what_admins_do_to_a_member_is_told_to_every_member(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    known = bob.viewer
    members.edit_member(db, known, name="Robert", role=known.role, at=NOW)
    members.edit_member(db, members.member(db, BOB), name="Robert", role=known.role, at=NOW)
    members.set_active(db, members.member(db, BOB), active=False, at=NOW)
    members.set_active(db, members.member(db, BOB), active=True, at=NOW)
    told = history.member_events(bob, known.id)
    assert [(one.done_by, one.action) for one in told] == [
        ("Ann", action) for action in ("created", "edited", "deactivated", "activated")
    ]
    assert {one.done_at for one in told} == {NOW}


@pytest.mark.rule("history-member")
def test_an_admin_who_leaves_is_told_of(store: Store) -> None:
    db = store.as_member(FIRST)
    bob = store.add_member(BOB, role=MemberRole.ADMIN)
    members.set_active(db, db.viewer, active=False, at=NOW)
    (told,) = history.member_events(bob, members.member(bob, FIRST).id)
    assert (told.done_by, told.action) == ("Ann", "deactivated")

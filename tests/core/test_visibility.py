"""The rule of the rules' section 7 as a table, and what must hold in every world."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.model import Visibility
from mailcrm.core.visibility import World, manages, may_see

OWNER, INSIDE, OTHER, ADMIN, GONE, NOBODY = 1, 2, 3, 4, 5, 99
PERSONAL, COMMON = 10, 20
PRIVATE, SHARED = Visibility.PRIVATE, Visibility.SHARED


def world(account: int, visibility: Visibility, *, linked: bool) -> World:
    """Return one thread, 100, in one of two accounts; GONE owned mail once and is in the team."""
    return World(
        active_members={OWNER, INSIDE, OTHER, ADMIN},
        team_members={7: {INSIDE, GONE}},
        account_owner={PERSONAL: OWNER, COMMON: None},
        account_team={PERSONAL: None, COMMON: 7},
        thread_account={100: account},
        thread_visibility={100: visibility},
        linked={100} if linked else set(),
    )


EVERYBODY = {OWNER, INSIDE, OTHER, ADMIN}


@pytest.mark.rule("see-own")
@pytest.mark.rule("see-team")
@pytest.mark.rule("see-shared-linked")
@pytest.mark.rule("see-shared-unlinked")
@pytest.mark.rule("see-private-nobody")
@pytest.mark.rule("see-admin")
@pytest.mark.rule("see-deactivated")
@pytest.mark.parametrize(
    ("account", "visibility", "linked", "readers"),
    [
        pytest.param(PERSONAL, PRIVATE, False, {OWNER}, id="private, not linked: the owner reads"),
        pytest.param(PERSONAL, PRIVATE, True, {OWNER}, id="private, linked: the owner reads"),
        pytest.param(PERSONAL, SHARED, False, {OWNER}, id="shared, not linked: the owner reads"),
        pytest.param(PERSONAL, SHARED, True, EVERYBODY, id="shared, linked: all active members read"),
        pytest.param(COMMON, PRIVATE, False, {INSIDE}, id="team only, not linked: the team reads"),
        pytest.param(COMMON, PRIVATE, True, {INSIDE}, id="team only, linked: the team reads"),
        pytest.param(COMMON, SHARED, False, {INSIDE}, id="team, shared, not linked: the team reads"),
        pytest.param(COMMON, SHARED, True, EVERYBODY, id="team, shared, linked: all active members read"),
    ],
)
def test_who_reads_a_thread(account: int, visibility: Visibility, *, linked: bool, readers: set[int]) -> None:
    made = world(account, visibility, linked=linked)
    everyone = (OWNER, INSIDE, OTHER, ADMIN, GONE, NOBODY, None)
    assert {viewer for viewer in everyone if may_see(made, viewer, 100).allowed} == readers


@pytest.mark.parametrize(
    ("viewer", "account", "visibility", "linked", "reason"),
    [
        (OWNER, PERSONAL, PRIVATE, False, "the account is yours"),
        (INSIDE, COMMON, PRIVATE, False, "the account is your team's"),
        (OTHER, PERSONAL, PRIVATE, True, "the thread is private"),
        (OTHER, PERSONAL, SHARED, False, "the thread is shared but not linked to anything"),
        (OTHER, PERSONAL, SHARED, True, "the thread is shared and linked"),
        (GONE, COMMON, SHARED, True, "only active members read mail"),
        (None, COMMON, SHARED, True, "only active members read mail"),
    ],
)
def test_a_verdict_says_why(
    viewer: int | None, account: int, visibility: Visibility, *, linked: bool, reason: str
) -> None:
    assert may_see(world(account, visibility, linked=linked), viewer, 100).reason == reason


members = st.integers(1, 4)
numbers = st.integers(1, 3)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    teams = draw(st.dictionaries(numbers, st.frozensets(members), min_size=1, max_size=2))
    owners = {account: draw(st.none() | members) for account in (1, 2)}
    threads = {thread: draw(st.sampled_from([1, 2])) for thread in (1, 2, 3)}
    return World(
        active_members=draw(st.frozensets(members)),
        team_members=teams,
        account_owner=owners,
        account_team={
            account: None if owner is not None else draw(st.sampled_from(sorted(teams)))
            for account, owner in owners.items()
        },
        thread_account=threads,
        thread_visibility={thread: draw(st.sampled_from(Visibility)) for thread in threads},
        linked=draw(st.frozensets(st.sampled_from([1, 2, 3]))),
    )


viewers = st.none() | st.integers(1, 5)


def seen(made: World, viewer: int | None) -> set[int]:
    return {thread for thread in made.thread_account if may_see(made, viewer, thread).allowed}


@given(worlds(), viewers)
def test_who_manages_the_account_reads_all_of_it(made: World, viewer: int | None) -> None:
    managed = {thread for thread, account in made.thread_account.items() if manages(made, viewer, account)}
    assert managed <= seen(made, viewer)


@given(worlds(), viewers)
def test_who_is_not_active_reads_nothing_and_manages_nothing(made: World, viewer: int | None) -> None:
    away = replace(made, active_members=set(made.active_members) - {viewer})
    assert seen(away, viewer) == set()
    assert not any(manages(away, viewer, account) for account in away.account_owner)


@given(worlds(), viewers, st.sampled_from([1, 2, 3]))
def test_making_a_thread_private_or_unlinking_it_shows_nobody_more(
    made: World, viewer: int | None, thread: int
) -> None:
    private = replace(made, thread_visibility={**made.thread_visibility, thread: PRIVATE})
    unlinked = replace(made, linked=set(made.linked) - {thread})
    assert seen(private, viewer) <= seen(made, viewer)
    assert seen(unlinked, viewer) <= seen(made, viewer)


@given(worlds(), viewers, st.sampled_from([1, 2, 3]))
def test_one_threads_visibility_changes_nothing_of_another(
    made: World, viewer: int | None, thread: int
) -> None:
    shared = replace(made, thread_visibility={**made.thread_visibility, thread: SHARED}, linked={1, 2, 3})
    before = replace(made, linked={1, 2, 3})
    assert seen(shared, viewer) - {thread} == seen(before, viewer) - {thread}


@given(worlds(), viewers)
def test_a_stranger_reads_only_what_every_active_member_reads(made: World, viewer: int | None) -> None:
    foreign = {
        thread for thread in seen(made, viewer) if not manages(made, viewer, made.thread_account[thread])
    }
    assert all(foreign <= seen(made, member) for member in made.active_members)

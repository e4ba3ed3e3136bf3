"""Sets of UIDs behave as Python's own sets do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.uids import UidSet, sequence_set

uids = st.sets(st.integers(1, 60) | st.sampled_from([2**32 - 2, 2**32 - 1]))


@given(uids, uids)
def test_it_is_a_set(left: set[int], right: set[int]) -> None:
    one, other = UidSet(left), UidSet(right)
    assert one == left
    assert list(one) == sorted(left)
    assert len(one) == len(left)
    assert one & other == left & right
    assert one | other == left | right
    assert one - other == left - right
    assert all((uid in one) == (uid in left) for uid in range(70))
    assert one.highest == max(left, default=0)
    assert bool(one) == bool(left)


@given(uids)
def test_its_runs_are_as_few_as_can_be(members: set[int]) -> None:
    runs = UidSet(members).runs
    assert {uid for low, high in runs for uid in range(low, high + 1)} == members
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(runs))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9))))
def test_runs_may_come_in_any_order_and_overlap(pairs: list[tuple[int, int]]) -> None:
    made = UidSet.of_runs((low, low + more) for low, more in pairs)
    assert made == {uid for low, more in pairs for uid in range(low, low + more + 1)}
    assert made == UidSet(made)
    assert UidSet.of_runs(made.runs).runs == made.runs


@given(uids, st.integers(0, 61))
def test_above(members: set[int], uid: int) -> None:
    assert UidSet(members).above(uid) == {one for one in members if one > uid}


@given(uids, st.integers(1, 9))
def test_windows_are_all_of_it_the_highest_first(members: set[int], count: int) -> None:
    windows = list(UidSet(members).windows(count))
    assert [uid for window in windows for uid in reversed(list(window))] == sorted(members, reverse=True)
    assert all(len(window) == count for window in windows[:-1])
    assert all(windows)


@pytest.mark.parametrize(
    ("members", "text"), [([], ""), ([7], "7"), ([1, 2, 3, 9, 11, 12], "1:3,9,11:12"), ([4, 3], "3:4")]
)
def test_a_sequence_set(members: list[int], text: str) -> None:
    assert sequence_set(set(members)) == text


def test_a_large_folder_is_one_run() -> None:
    whole = UidSet.of_runs([(1, 4_000_000_000)])
    assert len(whole - UidSet([5])) == 3_999_999_999
    assert (whole & UidSet([1, 9])).runs == ((1, 1), (9, 9))

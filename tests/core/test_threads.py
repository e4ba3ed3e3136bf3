from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.threads import conversations, thread_ids


@pytest.mark.parametrize(
    ("message_id", "in_reply_to", "references", "expected"),
    [
        pytest.param("a", ["b"], ["c", "d"], ("a", "b", "d", "c"), id="all three fields count"),
        pytest.param("a", ["b"], ["b", "a"], ("a", "b"), id="each id once"),
        pytest.param(None, ["b"], ["c"], ("b", "c"), id="an email without an id still names its thread"),
        pytest.param(None, [], [], (), id="no field, no id"),
        pytest.param("", [], [], (), id="an empty id is none"),
        pytest.param("a", [], [], ("a",), id="the first email of a thread"),
    ],
)
def test_the_ids_of_an_email(
    message_id: str | None, in_reply_to: list[str], references: list[str], expected: tuple[str, ...]
) -> None:
    assert thread_ids(message_id, in_reply_to, references) == expected


@pytest.mark.parametrize(
    ("emails", "known", "expected"),
    [
        pytest.param([], {"a": 1}, [], id="no email, no conversation"),
        pytest.param([("a",)], {}, [((0,), ("a",), ())], id="unknown: a new thread"),
        pytest.param([(), ()], {"a": 1}, [((0,), (), ()), ((1,), (), ())], id="never by subject alone"),
        pytest.param([("b", "a")], {"a": 1}, [((0,), ("a", "b"), (1,))], id="joins by one known id"),
        pytest.param([("a", "b")], {"a": 1, "b": 1}, [((0,), ("a", "b"), (1,))], id="twice the same"),
        pytest.param(
            [("a", "b", "c")],
            {"a": 7, "b": 3, "c": 5},
            [((0,), ("a", "b", "c"), (3, 5, 7))],
            id="names several: they are one, the oldest first",
        ),
        pytest.param([("a",)], {"a": 1, "z": 2}, [((0,), ("a",), (1,))], id="others are left alone"),
        pytest.param(
            [("a",), ("x",), ("b", "a")],
            {},
            [((0, 2), ("a", "b"), ()), ((1,), ("x",), ())],
            id="emails that come together find each other",
        ),
        pytest.param(
            [("a",), ("b",)],
            {"a": 4, "b": 4},
            [((0, 1), ("a", "b"), (4,))],
            id="they share a stored thread though no id",
        ),
        pytest.param(
            [("a",), ("b",), ("c",), ("c", "b", "a")],
            {"b": 9},
            [((0, 1, 2, 3), ("a", "b", "c"), (9,))],
            id="the last one shows that all are one",
        ),
    ],
)
def test_conversations(
    emails: list[tuple[str, ...]],
    known: dict[str, int],
    expected: list[tuple[tuple[int, ...], tuple[str, ...], tuple[int, ...]]],
) -> None:
    assert [
        (one.emails, tuple(sorted(one.ids)), one.threads) for one in conversations(emails, known)
    ] == expected


mails = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), min_size=1, max_size=8)


def threads_of(
    arrivals: list[tuple[int, list[str]]],
    cuts: set[int],
    known: Mapping[str, int] = MappingProxyType({}),
    apart: Iterable[tuple[int, int]] = (),
) -> set[frozenset[int]]:
    """Return the emails of each thread when they arrive in this order, in batches that end at `cuts`.

    A thread that is `known` already holds the negative of its number.
    """
    known = dict(known)
    threads = {thread: {-thread} for thread in known.values()}
    split: dict[int, set[int]] = defaultdict(set)
    for one, other in apart:
        split[one].add(other)
        split[other].add(one)
    for start, end in pairwise(sorted({0, len(arrivals), *cuts})):
        batch = arrivals[start:end]
        for number, found in enumerate(conversations([ids for _, ids in batch], known, split)):
            thread, *merged = found.threads or (1_000 * end + number,)
            held = threads.setdefault(thread, set())
            for other in merged:
                held |= threads.pop(other)
                known = {name: thread if at == other else at for name, at in known.items()}
                split[thread] |= split.pop(other, set())
                for each in split[thread]:
                    split[each].add(thread)
            held |= {batch[position][0] for position in found.emails}
            known |= dict.fromkeys(found.ids, thread)
    return {frozenset(held) for held in threads.values()}


@pytest.mark.rule("thread-references")
@given(mails, st.data())
def test_neither_order_nor_batches_matter(found: list[list[str]], data: st.DataObject) -> None:
    numbered = list(enumerate(found))
    order = data.draw(st.permutations(numbered))
    cuts = data.draw(st.sets(st.integers(0, len(found))))
    assert threads_of(order, cuts) == threads_of(numbered, set())


@pytest.mark.rule("thread-references")
@given(mails)
def test_two_emails_that_share_an_id_are_in_one_thread(found: list[list[str]]) -> None:
    threads = threads_of(list(enumerate(found)), set())
    assert sorted(number for held in threads for number in held) == list(range(len(found)))
    for held in threads:
        inside = {name for number in held for name in found[number]}
        outside = {name for number, ids in enumerate(found) if number not in held for name in ids}
        assert not inside & outside


@given(mails.filter(all))
def test_an_email_that_comes_twice_changes_nothing(found: list[list[str]]) -> None:
    numbered = list(enumerate(found))
    assert threads_of(numbered + numbered, {len(found)}) == threads_of(numbered, set())


STORED = (1, 2, 3)
PAIRS = tuple(combinations(STORED, 2))


@pytest.mark.rule("thread-split")
@given(mails, st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(STORED)), st.data())
def test_threads_that_a_person_split_never_come_together_again(
    found: list[list[str]], known: dict[str, int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(list(enumerate(found))))
    cuts = data.draw(st.sets(st.integers(0, len(found))))
    apart = data.draw(st.sets(st.sampled_from(PAIRS)))
    threads = threads_of(order, cuts, known, apart)
    assert sorted(number for held in threads for number in held if number >= 0) == list(range(len(found)))
    for held in threads:
        assert not [pair for pair in apart if held.issuperset({-pair[0], -pair[1]})]


@pytest.mark.rule("thread-split")
@given(mails, st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(STORED)), st.data())
def test_a_split_touches_no_other_thread(
    found: list[list[str]], known: dict[str, int], data: st.DataObject
) -> None:
    numbered = list(enumerate(found))
    apart = data.draw(st.sets(st.sampled_from(PAIRS)))
    split = {thread for pair in apart for thread in pair}
    without = threads_of(numbered, set(), known)
    untouched = {held for held in without if not any(-thread in held for thread in split)}
    assert untouched <= threads_of(numbered, set(), known, apart)


@pytest.mark.rule("thread-split")
@pytest.mark.parametrize(
    ("ids", "thread"),
    [
        pytest.param(("new", "left", "right"), 1, id="the nearest ancestor"),
        pytest.param(("new", "unknown", "right", "left"), 2, id="the nearest that is known"),
        pytest.param(("right", "left"), 2, id="others name it already"),
    ],
)
def test_an_email_that_names_two_split_threads_goes_to(ids: tuple[str, ...], thread: int) -> None:
    known = {"left": 1, "right": 2}
    found = {one.threads: one for one in conversations([ids], known, {1: {2}, 2: {1}})}
    assert found[(thread,)].emails == (0,)
    assert not {name for name in known if known[name] != thread} & set(found[(thread,)].ids)


def test_an_email_names_its_nearest_ancestor_first() -> None:
    assert thread_ids("own", ["answered"], ["first", "second", "answered"]) == (
        *("own", "answered"),
        *("second", "first"),
    )

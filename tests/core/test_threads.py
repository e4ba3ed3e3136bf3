import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.threads import Assignment, assign, thread_ids


@pytest.mark.parametrize(
    ("message_id", "in_reply_to", "references", "expected"),
    [
        pytest.param("a", ["b"], ["c", "d"], ("a", "b", "c", "d"), id="all three fields count"),
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
    ("ids", "known", "expected"),
    [
        pytest.param(("a",), {}, Assignment(thread_id=None, merged=()), id="unknown: a new thread"),
        pytest.param((), {"a": 1}, Assignment(thread_id=None, merged=()), id="never by subject alone"),
        pytest.param(("b", "a"), {"a": 1}, Assignment(thread_id=1, merged=()), id="joins by one known id"),
        pytest.param(("a", "b"), {"a": 1, "b": 1}, Assignment(thread_id=1, merged=()), id="twice the same"),
        pytest.param(
            ("a", "b", "c"),
            {"a": 7, "b": 3, "c": 5},
            Assignment(thread_id=3, merged=(5, 7)),
            id="names several: they are one, the oldest stays",
        ),
        pytest.param(
            ("a",), {"a": 1, "z": 2}, Assignment(thread_id=1, merged=()), id="others are left alone"
        ),
    ],
)
def test_an_email_is_assigned(ids: tuple[str, ...], known: dict[str, int], expected: Assignment) -> None:
    assert assign(ids, known) == expected


mails = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=8)


def threads_of(arrivals: list[tuple[int, list[str]]]) -> set[frozenset[int]]:
    """Return the emails of each thread when they arrive in this order."""
    known: dict[str, int] = {}
    threads: dict[int, set[int]] = {}
    for number, ids in arrivals:
        found = assign(ids, known)
        thread = len(known) + 1_000 * number if found.thread_id is None else found.thread_id
        held = threads.setdefault(thread, set())
        for merged in found.merged:
            held |= threads.pop(merged)
            known = {name: thread if at == merged else at for name, at in known.items()}
        held.add(number)
        known |= dict.fromkeys(ids, thread)
    return {frozenset(held) for held in threads.values()}


@given(mails, st.data())
def test_the_order_of_arrival_does_not_matter(found: list[list[str]], data: st.DataObject) -> None:
    numbered = list(enumerate(found, start=1))
    order = data.draw(st.permutations(numbered))
    assert threads_of(order) == threads_of(numbered)


@given(mails)
def test_two_emails_that_share_an_id_are_in_one_thread(found: list[list[str]]) -> None:
    for held in threads_of(list(enumerate(found, start=1))):
        inside = {name for number in held for name in found[number - 1]}
        outside = {name for number, ids in enumerate(found, start=1) if number not in held for name in ids}
        assert not inside & outside


@given(mails)
def test_an_email_that_comes_twice_changes_nothing(found: list[list[str]]) -> None:
    numbered = list(enumerate(found, start=1))
    assert threads_of(numbered + numbered) == threads_of(numbered)

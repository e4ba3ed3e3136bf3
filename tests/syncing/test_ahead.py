"""A thread that runs ahead keeps to its distance, tells what went wrong, and ends when it is left."""

import threading
from collections.abc import Iterator

import pytest

from mailcrm.ahead import Ahead


def nothing() -> None:
    """What is iterated over here waits for nothing."""


def test_all_items_come_in_their_order() -> None:
    with Ahead(iter(range(100)), most=2, interrupt=nothing) as items:
        assert list(items) == list(range(100))


def test_it_is_never_further_ahead_than_it_may_be() -> None:
    made = []

    def making() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    with Ahead(making(), most=2, interrupt=nothing) as items:
        for taken in items:
            # Two wait in the queue, one with the thread.
            assert len(made) <= taken + 1 + 3


def test_what_the_iterator_raises_is_raised_where_the_items_are_asked_for() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    got: list[int] = []
    with Ahead(failing(), most=2, interrupt=nothing) as items, pytest.raises(ValueError, match="broken"):
        got.extend(items)
    assert got == [1]


def test_who_leaves_early_ends_what_the_iterator_waits_for() -> None:
    interrupted = threading.Event()
    before = threading.active_count()

    def waiting() -> Iterator[int]:
        yield 1
        assert interrupted.wait(10)
        yield from range(100)

    with Ahead(waiting(), most=1, interrupt=interrupted.set) as items:
        assert next(iter(items)) == 1
    assert interrupted.is_set()
    assert threading.active_count() == before

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailcrm.core.plan import Arrival, identity
from mailcrm.reading import Downloaded, ReadAhead, read
from tests.conftest import NOW

OWN = frozenset({"me@example.com"})


def batch(first: int, count: int) -> list[Downloaded]:
    found = []
    for uid in range(first, first + count):
        sender = "me@example.com" if uid % 2 else "kim@example.kr"
        head = f"From: {sender}\r\nMessage-ID: <{uid}@example.com>\r\nSubject: 견적 {uid}\r\n"
        raw = f"{head}\r\nhello {uid}\r\n".encode()
        arrival = Arrival(
            uid=uid,
            identity=identity(f"{uid}@example.com", len(raw), NOW),
            size=len(raw),
            received_at=NOW,
            sent_at=None,
            flags=frozenset(),
        )
        found.append(Downloaded(arrival=arrival, raw=raw, truncated=False))
    return found


@pytest.fixture
def reading() -> Iterator[ReadAhead]:
    with ReadAhead(OWN) as ahead:
        yield ahead


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in listed}


def test_batches_come_out_in_the_order_in_which_they_went_in_whoever_reads_them(reading: ReadAhead) -> None:
    batches = [batch(1, 3), batch(10, 300), batch(1_000, 150), [], batch(2_000, 1)]
    for one in batches:
        reading.put(one)
    assert reading.waiting == 5
    assert [reading.take() for _ in batches] == [read(one, OWN) for one in batches]
    assert reading.waiting == 0


def test_a_few_emails_are_read_without_a_second_process(reading: ReadAhead) -> None:
    before = children()
    reading.put(batch(1, 100))
    reading.take()
    assert children() == before


def test_what_a_process_that_was_killed_was_to_read_is_read_here(reading: ReadAhead) -> None:
    before = children()
    reading.put(batch(1, 300))
    (reader,) = children() - before
    os.kill(reader, signal.SIGKILL)
    reading.put(batch(400, 50))
    assert [len(reading.take()), len(reading.take())] == [300, 50]


def test_the_reading_process_ends_with_the_sync() -> None:
    before = children()
    with ReadAhead(OWN) as ahead:
        ahead.put(batch(1, 300))
        assert children() > before
    assert children() == before


def test_the_reading_process_is_given_no_password(
    reading: ReadAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILCRM_PASSWORD_ME_EXAMPLE_COM", "planted-secret")
    before = children()
    reading.put(batch(1, 300))
    (reader,) = children() - before
    reading.take()
    shown = subprocess.run(["cat", f"/proc/{reader}/environ"], capture_output=True, check=True).stdout
    assert b"planted-secret" not in shown

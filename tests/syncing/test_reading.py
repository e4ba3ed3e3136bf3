import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from mailcrm.core.plan import Arrival, identity
from mailcrm.reading import Downloaded, HandedIn, Reader, read
from mailcrm.store.emails import NewEmail, source
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


def read_here(downloaded: list[Downloaded]) -> list[NewEmail]:
    contents = read([one.raw for one in downloaded], OWN)
    return [
        NewEmail(source=source(one.arrival, one.raw, truncated=one.truncated), content=said)
        for one, said in zip(downloaded, contents, strict=True)
    ]


@pytest.fixture
def reader() -> Iterator[Reader]:
    with Reader(OWN) as found:
        yield found


@pytest.fixture
def busy(reader: Reader) -> Reader:
    reader.expect(1_000)
    return reader


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in listed}


def test_batches_come_out_in_the_order_in_which_they_went_in(busy: Reader) -> None:
    batches = [batch(1, 3), batch(10, 300), batch(1_000, 150), [], batch(2_000, 1)]
    handed_in: SimpleQueue[HandedIn] = SimpleQueue()

    def hand_in() -> None:
        for one in batches:
            handed_in.put(busy.hand_in(one))

    thread = Thread(target=hand_in)
    thread.start()
    found = [busy.take_out(handed_in.get()) for _ in batches]
    thread.join()
    assert found == [read_here(one) for one in batches]


def test_a_few_emails_are_read_without_a_second_process(reader: Reader) -> None:
    before = children()
    reader.expect(100)
    assert len(reader.take_out(reader.hand_in(batch(1, 100)))) == 100
    assert children() == before


def test_what_a_process_that_was_killed_was_to_read_is_read_here(reader: Reader) -> None:
    before = children()
    reader.expect(300)
    first = reader.hand_in(batch(1, 300))
    (process,) = children() - before
    os.kill(process, signal.SIGKILL)
    second = reader.hand_in(batch(400, 50))
    third = reader.hand_in(batch(500, 20))
    assert [len(reader.take_out(one)) for one in (first, second, third)] == [300, 50, 20]


def test_the_reading_process_ends_with_the_sync() -> None:
    before = children()
    with Reader(OWN) as reader:
        reader.expect(300)
        assert children() > before
    assert children() == before


def test_the_reading_process_is_given_no_password(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCRM_PASSWORD_ME_EXAMPLE_COM", "planted-secret")
    before = children()
    reader.expect(300)
    reader.take_out(reader.hand_in(batch(1, 30)))
    (process,) = children() - before
    shown = subprocess.run(["cat", f"/proc/{process}/environ"], capture_output=True, check=True).stdout
    assert b"planted-secret" not in shown

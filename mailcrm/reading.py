"""Reading downloaded emails: parsed, cut into search terms, compressed, ready to be stored.

Python computes in one thread at a time, so a long sync has its emails read in a process of its own
(`python -m mailcrm.reading`) while this one talks to the server and to the store. How an email is
parsed is left to `core.mime`, storing it to `store.emails`.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import IO, Self, TypeAlias

from mailcrm.core import mime
from mailcrm.core.model import Direction, ParsedEmail, ParticipantRole
from mailcrm.core.plan import Arrival
from mailcrm.store.emails import NewEmail, new_email

#: Emails after which a second process is worth the tenth of a second that it takes to start.
_MANY = 200

Own: TypeAlias = frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    """An email as the server gave it; when `truncated`, only its head."""

    arrival: Arrival
    raw: bytes
    truncated: bool


def read(batch: Sequence[Downloaded], own: Own) -> list[NewEmail]:
    """Return the emails of a batch, read; `own` are the addresses that are us."""
    found = []
    for item in batch:
        parsed = mime.parse(item.raw)
        found.append(
            new_email(
                item.arrival,
                item.raw,
                truncated=item.truncated,
                parsed=parsed,
                direction=direction(parsed, own),
            )
        )
    return found


def direction(parsed: ParsedEmail, own: Own) -> Direction:
    """Say whether an email goes out: its From is one of our own addresses."""
    senders = {p.address for p in parsed.participants if p.role is ParticipantRole.FROM}
    return Direction.OUT if senders & own else Direction.IN


class ReadAhead:
    """Batches on their way from the server to the store, read in the order in which they were put in.

    The first few are read at once; when more come, another process reads them, and `waiting` counts
    those whose turn to be taken out has not come. To be used in a `with` statement.
    """

    def __init__(self, own: Own) -> None:
        """Take the addresses that are us; nothing is started yet."""
        self.waiting = 0
        self._own = own
        self._seen = 0
        self._read: deque[list[NewEmail]] = deque()
        self._reader: _Reader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.stop()

    def put(self, batch: Sequence[Downloaded]) -> None:
        """Hand in a batch to be read."""
        self.waiting += 1
        self._seen += len(batch)
        if self._reader is None and self._seen > _MANY:
            self._reader = _Reader(self._own)
        if self._reader is None:
            self._read.append(read(batch, self._own))
        else:
            self._reader.asked.put(batch)

    def take(self) -> list[NewEmail]:
        """Return the oldest batch, when it is read."""
        self.waiting -= 1
        if self._read:
            return self._read.popleft()
        if self._reader is None:
            raise IndexError("there is no batch to take")
        answer = self._reader.answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer


class _Reader:
    """The other process, and the thread that speaks with it, so that neither waits for the other."""

    def __init__(self, own: Own) -> None:
        self.asked: SimpleQueue[Sequence[Downloaded] | None] = SimpleQueue()
        self.answers: SimpleQueue[list[NewEmail] | BaseException] = SimpleQueue()
        self._own = own
        # It needs no password, so it gets none.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAILCRM_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mailcrm.reading"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._thread = Thread(target=self._speak, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the process, whatever they are at."""
        self.asked.put(None)
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _speak(self) -> None:
        while (batch := self.asked.get()) is not None:
            try:
                self.answers.put(self._ask(batch))
            except (OSError, EOFError, pickle.UnpicklingError):
                # The process is gone, perhaps for want of memory: what it was to read is read here.
                self.answers.put(self._read_here(batch))

    def _ask(self, batch: Sequence[Downloaded]) -> list[NewEmail]:
        pipes = self._process.stdin, self._process.stdout
        if pipes[0] is None or pipes[1] is None:
            raise EOFError
        _send(pipes[0], (batch, self._own))
        answer: list[NewEmail] = pickle.load(pipes[1])  # noqa: S301 (from our own process)
        return answer

    def _read_here(self, batch: Sequence[Downloaded]) -> list[NewEmail] | BaseException:
        try:
            return read(batch, self._own)
        except Exception as error:  # noqa: BLE001 (raised again where the batch is taken out)
            return error


def _send(pipe: IO[bytes], what: object) -> None:
    pickle.dump(what, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main() -> None:
    """Read batches from standard input until it ends, which is when the sync does."""
    # Ctrl-C is for the process that syncs; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            batch, own = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our own process)
        except EOFError:
            return
        _send(sys.stdout.buffer, read(batch, own))


if __name__ == "__main__":
    main()

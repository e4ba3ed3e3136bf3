"""Reading downloaded emails: parsed and cut into search terms, ready to be stored.

Python computes in one thread at a time, so a long sync has its emails read in a process of its own
(`python -m mailcrm.reading`) while this one talks to the server, compresses and stores, which Python
does at the same time. How an email is parsed is left to `core.mime`, storing it to `store.emails`.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self, TypeAlias

from mailcrm.core.model import Direction, ParticipantRole
from mailcrm.core.plan import Arrival
from mailcrm.keychain import without_secrets
from mailcrm.store.contents import Content, content
from mailcrm.store.emails import NewEmail, Source, source
from mailcrm.store.packed import unpack

if TYPE_CHECKING:
    from mailcrm.core.parsed import ParsedEmail

#: Emails after which a second process is worth the tenth of a second that it takes to start.
_MANY = 200

Own: TypeAlias = frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    """An email as the server gave it; when `truncated`, only its head."""

    arrival: Arrival
    raw: bytes
    truncated: bool


def read(sources: Iterable[bytes], own: Own) -> list[Content]:
    """Return what each email says; `own` are the addresses that are us."""
    from mailcrm.core import mime  # late: most syncs find nothing new

    return [content(parsed, direction(parsed, own)) for parsed in map(mime.parse, sources)]


def direction(parsed: "ParsedEmail", own: Own) -> Direction:
    """Say whether an email goes out: its From is one of our own addresses."""
    senders = {p.address for p in parsed.participants if p.role is ParticipantRole.FROM}
    return Direction.OUT if senders & own else Direction.IN


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedIn:
    """The sources of a batch that was handed in, and whether it was sent to the other process."""

    sources: Sequence[Source]
    sent: bool


class Reader:
    """Reads batches in the order in which they are handed in, in another process when many are expected.

    One thread may hand in while another takes out: a pipe that is full makes the first one wait. To be
    used in a `with` statement.
    """

    def __init__(self, own: Own) -> None:
        """Take the addresses that are us; nothing is started yet."""
        self._own = own
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for pipe in _pipes(self._process) if self._process else ():
            with contextlib.suppress(OSError):  # what was to be written, to a process that is gone
                pipe.close()

    def stop(self) -> None:
        """End the other process, whatever it is at; who hands in a batch meanwhile waits no more."""
        self._gone = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def expect(self, count: int) -> None:
        """Make ready for so many emails."""
        if self._process is None and count > _MANY and not self._gone:
            self._process = _started()

    def hand_in(self, batch: Sequence[Downloaded]) -> HandedIn:
        """Hand in a batch, to be taken out once everything before it was."""
        sources = [source(item.arrival, item.raw, truncated=item.truncated) for item in batch]
        if self._process is None or self._gone:
            return HandedIn(sources=sources, sent=False)
        try:
            _send(_pipes(self._process)[0], ([item.raw for item in batch], self._own))
        except OSError:
            self._gone = True
        # Also after a failure: only who takes out may say that nothing comes back.
        return HandedIn(sources=sources, sent=True)

    def take_out(self, handed_in: HandedIn) -> list[NewEmail]:
        """Return a batch when it is read."""
        contents = self._answer() if handed_in.sent else None
        if contents is None:
            contents = read((unpack(one.packed) for one in handed_in.sources), self._own)
        return [
            NewEmail(source=one, content=said) for one, said in zip(handed_in.sources, contents, strict=True)
        ]

    def _answer(self) -> list[Content] | None:
        """Return what the process has read; None when it died, perhaps for want of memory."""
        if self._process is None:
            return None
        try:
            answer: list[Content] = pickle.load(_pipes(self._process)[1])  # noqa: S301 (from our own process)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._gone = True
            return None
        return answer


def _started() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        # Not from the folder we stand in: a pickle.py there would be run (-P).
        [sys.executable, "-P", "-m", "mailcrm.reading"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=without_secrets(os.environ),
    )


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    return process.stdin, process.stdout


def _send(pipe: IO[bytes], what: object) -> None:
    pickle.dump(what, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main() -> None:
    """Read batches from standard input until it ends, which is when the sync does."""
    # Ctrl-C is for the process that syncs; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            sources, own = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our own process)
        except EOFError:
            return
        _send(sys.stdout.buffer, read(sources, own))


if __name__ == "__main__":
    main()

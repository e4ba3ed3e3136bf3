"""How fast emails are read, and which message of the corpora takes the most: `make bench-reading`.

An email is read as a sync reads it, in one process: parsed, and cut into search terms.
"""

import email
import os
import resource
import time
from collections.abc import Callable, Sequence
from email.message import Message

from mailcrm.core.mime import contents, parse
from mailcrm.reading import read
from tests.bench.letters import letters
from tests.core.test_corpora import CORPORA, messages

_LETTERS = 3_000
_ROUNDS = 5
#: An ordinary email has some 25 KB.
_ORDINARY = range(20_000, 30_000)


def main() -> None:
    """Measure each kind and print a row of the table for it."""
    # First of all: what another email has needed, and is free again, would not be seen.
    memory = {name: _megabytes(raw) for name, raw in messages()} if CORPORA.is_dir() else {}
    mix = [letter.raw for letter in letters(_LETTERS)]
    ordinary = [raw for raw in mix if len(raw) in _ORDINARY and b"multipart/alternative" in raw]
    kinds = {
        "text and HTML, 20 to 30 KB": ordinary,
        "the same with HTML only": [_html_only(raw) for raw in ordinary],
        "as in `make bench`": mix,
    }
    print("| emails | number | mean KB | parsed a second | read a second |\n| --- | --- | --- | --- | --- |")
    for name, raws in kinds.items():
        size = sum(map(len, raws)) / len(raws) / 1_000
        parsed, whole = (
            _rate(raws, lambda raws: [*map(parse, raws)]),
            _rate(raws, lambda raws: read(raws, frozenset())),
        )
        print(f"| {name} | {len(raws)} | {size:.1f} | {parsed:,.0f} | {whole:,.0f} |", flush=True)
    if memory:
        seconds = {name: _seconds(raw) for name, raw in messages()}
        slowest, largest = max(seconds, key=seconds.__getitem__), max(memory, key=memory.__getitem__)
        print(f"\nOf {len(seconds):,} messages of the corpora, with everything that they bring along:")
        print(f"{slowest} takes the longest, {seconds[slowest] * 1_000:.0f} ms;")
        print(f"{largest} the most memory, {memory[largest]:.1f} MB.")


def _html_only(raw: bytes) -> bytes:
    """Return an email whose HTML part is all that it has."""
    message = email.message_from_bytes(raw)
    (part,) = [part for part in message.walk() if part.get_content_type() == "text/html"]
    assert isinstance(part, Message)
    head = raw.partition(b"Content-Type: ")[0]
    return head + part.as_bytes().replace(b"\n", b"\r\n")


def _rate(raws: Sequence[bytes], work: Callable[[Sequence[bytes]], object]) -> float:
    """Return how many of them a second of CPU takes, in the best round: others use this machine, too."""
    rounds = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        work(raws)
        rounds.append(time.process_time() - start)
    return len(raws) / min(rounds)


def _seconds(raw: bytes) -> float:
    start = time.process_time()
    _everything(raw)
    return time.process_time() - start


def _everything(raw: bytes) -> None:
    read([raw], frozenset())
    for _ in contents(raw):
        pass


def _megabytes(raw: bytes) -> float:
    """Return by how much reading lets a process of its own grow, whichever library asks for the memory."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _everything(raw)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, str(grown).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        kibibytes = int(answer.read())
    os.waitpid(child, 0)
    return kibibytes * 1_024 / 1_000_000


if __name__ == "__main__":
    main()

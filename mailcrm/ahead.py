"""An iterator that runs ahead in a thread, so that waiting for the network costs no time.

What it iterates over is left to those who use it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Ahead(Generic[Item]):
    """Items that a thread takes from an iterator, at most `most` before they are asked for.

    To be used in a `with` statement; whoever leaves it early has `interrupt` called, from the leaving
    thread, to end what the iterator may be waiting for. Iterating raises what the iterator raised.
    """

    def __init__(self, items: Iterator[Item], *, most: int, interrupt: Callable[[], None]) -> None:
        """Take the iterator; nothing is started yet."""
        self._items = items
        self._interrupt = interrupt
        self._queue: Queue[Item | _End] = Queue(maxsize=most)
        self._leaving = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._thread.is_alive():
            self._interrupt()
        while self._thread.is_alive():
            # It may be waiting for room.
            try:
                self._queue.get(timeout=0.01)
            except Empty:
                continue
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while not isinstance(item := self._queue.get(), _End):
            yield item
        self._thread.join()
        if item.error is not None:
            raise item.error

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._queue.put(item)
                if self._leaving.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 (raised again where the items are asked for)
            error = raised
        self._queue.put(_End(error))

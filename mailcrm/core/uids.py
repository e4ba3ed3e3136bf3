"""Sets of UIDs, kept as runs, so that a folder of any size takes little room (RFC 9051, 2.3.1.1).

UIDs are given out in ascending order and most emails stay, so a folder is a few runs of them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import TypeAlias

#: Lowest and highest UID of consecutive ones.
Run: TypeAlias = tuple[int, int]


class UidSet(AbstractSet[int]):
    """An immutable set of UIDs that iterates upwards; what it costs grows with its runs.

    Only the operations that a sync needs take runs as they are (`&`, `-`, `|` with another `UidSet`);
    the rest is what every set can do.
    """

    __slots__ = ("_count", "_runs")

    def __init__(self, uids: Iterable[int] = ()) -> None:
        """Take UIDs in any order."""
        self._runs: tuple[Run, ...]
        self._runs = uids.runs if isinstance(uids, UidSet) else _joined((uid, uid) for uid in sorted(uids))
        self._count = sum(high - low + 1 for low, high in self._runs)

    @classmethod
    def of_runs(cls, runs: Iterable[Run]) -> "UidSet":
        """Return the set of all UIDs in `runs`, which may come in any order and overlap."""
        made = cls()
        made._runs = _joined(sorted(runs))
        made._count = sum(high - low + 1 for low, high in made._runs)
        return made

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs, upwards; between two of them at least one UID is missing."""
        return self._runs

    @property
    def highest(self) -> int:
        """The highest UID, 0 when there is none."""
        return self._runs[-1][1] if self._runs else 0

    def __contains__(self, uid: object) -> bool:
        if not isinstance(uid, int):
            return False
        place = bisect_right(self._runs, (uid, uid))
        # The run that begins at or below it is the one before, or the one that begins right there.
        return any(low <= uid <= high for low, high in self._runs[max(0, place - 1) : place + 1])

    def __iter__(self) -> Iterator[int]:
        for low, high in self._runs:
            yield from range(low, high + 1)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"UidSet({sequence_set(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self._runs == other.runs if isinstance(other, UidSet) else AbstractSet.__eq__(self, other)

    def __hash__(self) -> int:
        return self._hash()

    def __and__(self, other: AbstractSet[int]) -> "UidSet":
        return UidSet.of_runs(_common(self._runs, UidSet(other).runs))

    def __or__(self, other: Iterable[int]) -> "UidSet":  # type: ignore[override] # a set of UIDs, no other
        return UidSet.of_runs((*self._runs, *UidSet(other).runs))

    def __sub__(self, other: AbstractSet[int]) -> "UidSet":
        return UidSet.of_runs(_common(self._runs, _between(UidSet(other).runs)))

    def above(self, uid: int) -> "UidSet":
        """Return those higher than `uid`."""
        return UidSet.of_runs((max(low, uid + 1), high) for low, high in self._runs if high > uid)

    def windows(self, count: int) -> Iterator["UidSet"]:
        """Yield the set in parts of `count` UIDs, the highest first."""
        part: list[Run] = []
        left = count
        for low, high in reversed(self._runs):
            top = high
            while top >= low:
                bottom = max(low, top - left + 1)
                part.append((bottom, top))
                left -= top - bottom + 1
                top = bottom - 1
                if not left:
                    yield UidSet.of_runs(part)
                    part, left = [], count
        if part:
            yield UidSet.of_runs(part)


def sequence_set(uids: AbstractSet[int]) -> str:
    """Return a sequence-set of exactly these UIDs (RFC 9051, 9), such as `3:5,9`."""
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in UidSet(uids).runs)


def _joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return ascending runs with those that touch made one."""
    found: list[Run] = []
    for low, high in runs:
        if found and low <= found[-1][1] + 1:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return tuple(found)


def _common(left: Iterable[Run], right: Iterable[Run]) -> Iterator[Run]:
    lefts, rights = iter(left), iter(right)
    one, two = next(lefts, None), next(rights, None)
    while one is not None and two is not None:
        low, high = max(one[0], two[0]), min(one[1], two[1])
        if low <= high:
            yield low, high
        if one[1] < two[1]:
            one = next(lefts, None)
        else:
            two = next(rights, None)


def _between(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield what is not in `runs`."""
    last = 0
    for low, high in runs:
        if low > last + 1:
            yield last + 1, low - 1
        last = high
    yield last + 1, 2**64

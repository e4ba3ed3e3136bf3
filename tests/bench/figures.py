"""What was measured: the costs of all rounds, and their medians beside the targets as a table or as JSON.

How it is measured is left to `__main__`.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import TypeAlias

from tests.bench.mailbox import CHANGES
from tests.bench.programs import Cost

FLOOR, MBSYNC, HASTY, NOTMUCH, MU, MAILCRM = PROGRAMS = (
    "bare FETCH", "mbsync", "mbsync, FSync no", "notmuch", "mu", "mailcrm",
)  # fmt: skip
FIRST, NOTHING, CHANGED = "first sync", "nothing new", f"{CHANGES} changes"
ENGLISH, KOREAN = "search, an English word", "search, a Korean word"
INBOX, TIMELINE = "inbox", "timeline of a customer"
#: Appended to the name of a work that was done in another way.
AWAY, IN_PROCESS = ", 50 ms away", ", in process"

Medians: TypeAlias = Mapping[str, Mapping[str, Cost]]


class Figures:
    """What each work cost each program, in every round."""

    def __init__(self) -> None:
        self._costs: dict[str, dict[str, list[Cost]]] = defaultdict(lambda: defaultdict(list))

    def add(self, work: str, program: str, cost: Cost) -> None:
        """Keep a figure and tell it."""
        self._costs[work][program].append(cost)
        print(f"  {work:<36} {program:<18} {_short(cost.seconds):>8} s", flush=True)

    def medians(self) -> Medians:
        """Return the medians, by work and program."""
        return {
            work: {program: median(costs) for program, costs in by_program.items()}
            for work, by_program in self._costs.items()
        }


def median(costs: list[Cost]) -> Cost:
    """Return the median of each figure for itself."""
    rows = [asdict(cost) for cost in costs]
    return Cost(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A figure of mailcrm that shall be at most `limit`.

    `by_cpu` is the same ratio of CPU times, which tells more where the machine had other work.
    """

    name: str
    limit: float
    measured: float
    by_cpu: float | None = None

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


def targets(medians: Medians) -> list[Target]:
    """Return what mailcrm shall reach, with what it did."""
    first = medians[FIRST][MAILCRM]
    away = medians[FIRST + AWAY][MAILCRM]
    searches = {work: medians[work][MAILCRM] for work in (ENGLISH, KOREAN)}
    in_process = {work: medians[work + IN_PROCESS][MAILCRM] for work in (ENGLISH, KOREAN)}
    return [
        *(_ratio(medians, FIRST, 0.35, mbsync, MU) for mbsync in (MBSYNC, HASTY)),
        *(_ratio(medians, FIRST, 0.2, mbsync, NOTMUCH) for mbsync in (MBSYNC, HASTY)),
        _ratio(medians, NOTHING, 3, MBSYNC),
        *(_ratio(medians, CHANGED, 1, mbsync, NOTMUCH) for mbsync in (MBSYNC, HASTY)),
        # 0.7 of the speed
        Target(
            name=f"{FIRST}{AWAY} / here",
            limit=1 / 0.7,
            measured=away.seconds / first.seconds,
            by_cpu=away.cpu_seconds / first.cpu_seconds,
        ),
        Target(name="peak MiB, the largest process", limit=150, measured=first.largest),
        Target(name="peak MiB, all processes", limit=150, measured=first.together),
        *(Target(name=f"{work}, s", limit=0.4, measured=cost.seconds) for work, cost in searches.items()),
        *(
            Target(name=f"{work}{IN_PROCESS}, ms", limit=20, measured=1000 * cost.seconds)
            for work, cost in in_process.items()
        ),
    ]


def _ratio(medians: Medians, work: str, limit: float, *others: str) -> Target:
    """Compare with other programs, one run after the other."""
    own, other = medians[work][MAILCRM], reduce(Cost.then, (medians[work][name] for name in others))
    return Target(
        name=f"{work} / ({' + '.join(others)})",
        limit=limit,
        measured=own.seconds / other.seconds,
        by_cpu=own.cpu_seconds / other.cpu_seconds,
    )


def tables(medians: Medians) -> str:
    """Return the medians and the targets, as Markdown."""
    lines = [_row("seconds (CPU seconds)", *PROGRAMS), _row(*["---"] * (1 + len(PROGRAMS)))]
    for work, costs in medians.items():
        lines.append(_row(work, *(_times(costs[name]) if name in costs else "" for name in PROGRAMS)))
    memory = (medians[FIRST][name] for name in PROGRAMS)
    lines += [
        _row(
            f"{FIRST}, peak MiB (all processes)",
            *(f"{cost.largest:.0f} ({cost.together:.0f})" for cost in memory),
        ),
        "",
        _row("mailcrm", "at most", "measured", "by CPU time", ""),
        _row(*["---"] * 5),
    ]
    for target in targets(medians):
        by_cpu = "" if target.by_cpu is None else _short(target.by_cpu)
        met = "met" if target.met else "NOT met"
        lines.append(_row(target.name, _short(target.limit), _short(target.measured), by_cpu, met))
    return "\n".join(lines)


def document(medians: Medians) -> dict[str, object]:
    """Return the medians and the targets, for JSON."""
    return {
        "costs": {
            work: {program: asdict(cost) for program, cost in costs.items()}
            for work, costs in medians.items()
        },
        "targets": [{**asdict(target), "met": target.met} for target in targets(medians)],
    }


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _times(cost: Cost) -> str:
    return f"{_short(cost.seconds)} ({_short(cost.cpu_seconds)})"


def _short(number: float) -> str:
    """Return a number with three digits, five decimals at most."""
    digits = 2 - math.floor(math.log10(number)) if number else 0
    return f"{number:.{min(max(digits, 0), 5)}f}"

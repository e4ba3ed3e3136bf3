"""How long a call takes in a process that runs already."""

import time
from collections.abc import Callable

from tests.bench.figures import median
from tests.bench.programs import Cost

#: One call says little of a work that takes so little.
_CALLS = 50


def in_process(call: Callable[[], object]) -> Cost:
    """Return the median of 50 calls."""

    def once() -> Cost:
        start, cpu_start = time.perf_counter(), time.process_time()
        call()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        return Cost(seconds=seconds, cpu_seconds=cpu_seconds, largest=0, together=0)

    return median([once() for _ in range(_CALLS)])

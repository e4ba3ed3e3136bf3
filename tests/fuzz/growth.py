"""How the time that a reader takes grows with its input: no pattern may be over-proportional.

A reader has a second of CPU for the most that an email gives it. To say so of thousands of patterns,
each is read in two sizes, and only those that take long enough to matter are looked at more closely.
"""

import time
from collections.abc import Callable

from tests.fuzz.targets import Pattern, Target

SECONDS = 1.0

#: For fourfold size: threefold for each doubling. Time in proportion gives 4, quadratic time 16.
_RATIO = 9.0
#: For a 32nd of the most: even if it grew in proportion only, the whole would take twice the second.
_HOPELESS = SECONDS / 16
#: For an eighth of the most: even if it grew with the square, the whole would take no more than the second.
_HARMLESS = SECONDS / 64


def cpu_seconds(read: Callable[[bytes], object], data: bytes) -> float:
    """Return how long a processor works on it."""
    start = time.process_time()
    read(data)
    return time.process_time() - start


def made(pattern: Pattern, size: int) -> bytes:
    """Return a pattern repeated to about `size` bytes."""
    before, word, after = pattern
    times = max(1, size // (len(word) + len(after)))
    if b"{}" in word:
        return (
            before + b"".join(word.replace(b"{}", b"%d" % number) for number in range(times)) + after * times
        )
    return before + word * times + after * times


def too_long(target: Target, pattern: Pattern) -> str | None:
    """Return what is wrong with the time that a pattern takes, or None."""
    few, many = made(pattern, target.most // 32), made(pattern, target.most // 8)
    small = cpu_seconds(target.read, few)
    if small > _HOPELESS and (small := cpu_seconds(target.read, few)) > _HOPELESS:
        return f"{small:.1f} s for {len(few):,} bytes"
    large = cpu_seconds(target.read, many)
    if large < _HARMLESS:
        return None
    if large > _RATIO * small:
        # Once is no proof: the machine has other things to do, and Python cleans up now and then.
        small = min(cpu_seconds(target.read, few) for _ in range(5))
        large = min(cpu_seconds(target.read, many) for _ in range(3))
        if large > _RATIO * small:
            return f"{large / small:.0f} times as long for four times the bytes"
    if 8 * large > SECONDS / 2 and (whole := cpu_seconds(target.read, made(pattern, target.most))) > SECONDS:
        return f"{whole:.1f} s for {target.most:,} bytes"
    return None

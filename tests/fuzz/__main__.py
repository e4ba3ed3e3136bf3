"""`make fuzz`: looks for inputs that raise, and for inputs that take over a second.

`FUZZ_SECONDS` is how long it looks, ten minutes if it is not set; names of targets choose some of
them. What was found before comes first, then patterns of growing size, then made inputs: half of the
time from Hypothesis, half from atheris where it is installed. What is found is kept in tests/fuzz/found.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.findings import SLOW, fault, keep, kept
from tests.fuzz.growth import too_long
from tests.fuzz.targets import TARGETS, Target

_SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
_EXAMPLES = 500
#: So many patterns that take too long show where the fault is; more would take all the time.
_ENOUGH = 5


class Fault(Exception):
    """An input has a fault that is not known yet; Hypothesis makes it smaller."""


def main() -> None:
    """Look as long as there is time; exit with 1 if anything was found."""
    start = time.monotonic()
    names = sys.argv[1:] or list(TARGETS)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if not has_atheris:
        print("atheris is not installed for this Python: Hypothesis looks alone.")
    found: list[str] = []
    for name in names:
        known = {path: fault(TARGETS[name], path.read_bytes()) for path in kept(name)}
        found += [f"{path}: {problem}" for path, problem in known.items() if problem]
        found += _grown(name)
    # To atheris, no time is endless.
    left = max(len(names) * 4.0, _SECONDS - (time.monotonic() - start))
    # The whole email is what everything else is part of.
    weights = {name: len(TARGETS) // 2 if name in ("parse", "files") else 1 for name in names}
    for name in names:
        share = left * weights[name] / sum(weights.values())
        found += _made(name, share / 2 if has_atheris else share)
        if has_atheris:
            found += _covered(name, share / 2)
    print("\n".join(found) or "Nothing was found.")
    sys.exit(bool(found))


def _grown(name: str) -> list[str]:
    """Try a target's patterns; they stand in the source, so that what they find is not kept."""
    target = TARGETS[name]
    found = []
    for pattern in target.patterns:
        try:
            problem = too_long(target, pattern)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what is looked for)
            problem = repr(error)[:200]
        if problem:
            found.append(f"{name}: {pattern!r} repeated: {problem}")
        if len(found) == _ENOUGH:
            break
    print(f"{name}: {len(target.patterns)} patterns, {len(found)} over-proportional", flush=True)
    return found


def _made(name: str, seconds: float) -> list[str]:
    """Try what Hypothesis makes."""
    target = TARGETS[name]
    end = time.monotonic() + seconds
    known: dict[str, bytes] = {}
    tried = 0
    while time.monotonic() < end:
        last: dict[str, bytes] = {}
        try:
            tried += _examples(target, known, last)
        except Fault:
            known |= last
    print(f"{name}: {tried} inputs from Hypothesis, {len(known)} with a fault", flush=True)
    return [f"{keep(name, data)}: {problem}" for problem, data in known.items()]


def _examples(target: Target, known: dict[str, bytes], last: dict[str, bytes]) -> int:
    """Try some examples, and raise Fault with the smallest in `last` if one has an unknown fault."""

    @settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(target.inputs)
    def attempt(data: bytes) -> None:
        problem = fault(target, data)
        if problem == SLOW:
            # To make it smaller would take minutes.
            known.setdefault(problem, data)
        elif problem and problem not in known:
            last.clear()
            last[problem] = data
            raise Fault

    attempt()
    return _EXAMPLES


def _covered(name: str, seconds: float) -> list[str]:
    """Try what atheris makes; without its instruments, each fault is judged again."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="mailcrm-fuzz-") as folder:
        command = [sys.executable, "-m", "tests.fuzz.coverage", name, folder, str(round(seconds))]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        for path in sorted(Path(folder).glob("found-*")):
            data = path.read_bytes()
            hangs = path.name.startswith(("found-timeout", "found-oom", "found-crash"))
            if problem := path.name if hangs else fault(TARGETS[name], data):
                found[problem] = data
    executed = re.search(r"number_of_executed_units: (\d+)", ended.stderr)
    if executed is None and not found:
        raise SystemExit(f"atheris did not run:\n{ended.stderr[-2_000:]}")
    print(
        f"{name}: {executed[1] if executed else '?'} inputs from atheris, {len(found)} with a fault",
        flush=True,
    )
    return [f"{keep(name, data)}: {problem}" for problem, data in found.items()]


if __name__ == "__main__":
    main()

"""One target under atheris, which changes inputs by what parts of the program they reach.

A process of its own (`python -m tests.fuzz.coverage TARGET FOLDER SECONDS`), because atheris ends its
process, and its instruments make everything slow. It writes what looks like a fault to FOLDER.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mailcrm"]):
    from tests.fuzz.findings import fault
    from tests.fuzz.targets import TARGETS

_MOST_BYTES = 20_000
_MOST_MEGABYTES = 1_000
#: A call that takes so long will not end; with instruments, a second can be many.
_HANGS = 60


def main() -> None:
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    target = TARGETS[name]
    seeds, words = folder / "seeds", folder / "words"
    seeds.mkdir()
    for number, seed in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if word), encoding="ascii")
    known: set[str] = set()

    def attempt(data: bytes) -> None:
        problem = fault(target, data)
        if problem and problem not in known:
            known.add(problem)
            (folder / f"found-{len(known)}").write_bytes(data)

    options = [
        *(f"-max_total_time={seconds}", f"-max_len={_MOST_BYTES}", f"-timeout={_HANGS}"),
        *(f"-rss_limit_mb={_MOST_MEGABYTES}", f"-dict={words}", f"-artifact_prefix={folder}/found-"),
        *("-print_final_stats=1", f"-report_slow_units={_HANGS}", str(seeds)),
    ]
    atheris.Setup([sys.argv[0], *options], attempt)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()

"""Build a mailbox, serve it with Dovecot on this machine, and time whole mailcrm processes.

`BENCH_N` sets the number of emails (20,000), `BENCH_RUNS` the runs of each command (3; the median is
told), `BENCH_JSON` a file for the figures.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.letters import OWNER, customer, letters
from tests.servers.dovecot import DovecotServer

_COUNT = int(os.environ.get("BENCH_N", "20000"))
_RUNS = int(os.environ.get("BENCH_RUNS", "3"))


class Bench:
    """One store in a folder of its own, and the commands timed on it."""

    def __init__(self, folder: Path, server: DovecotServer) -> None:
        self._server = server
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("MAILCRM_")},
            "HOME": str(folder),
            "MAILCRM_STORE": f"sqlite:///{folder / 'mailcrm.db'}",
            "MAILCRM_CONFIG": str(folder / "config.toml"),
            "MAILCRM_PASSWORD_ME_EXAMPLE_COM": server.password,
        }
        self.figures: dict[str, dict[str, float]] = {}

    def run(self, *words: str) -> float:
        """Run one command and return the seconds it took."""
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "mailcrm", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"mailcrm {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return seconds

    def measure(self, name: str, *words: str, runs: int = _RUNS) -> None:
        """Time a command and remember the median."""
        seconds = statistics.median(self.run(*words) for _ in range(runs))
        self.figures[name] = {"seconds": round(seconds, 3)}
        print(f"{name:<44} {seconds:9.3f} s", flush=True)


def main() -> None:
    """Measure, print a line for each figure, and write them as JSON when asked."""
    server = DovecotServer()
    try:
        with tempfile.TemporaryDirectory() as name:
            _measure(Bench(Path(name), server), server)
    finally:
        server.stop()


def _measure(bench: Bench, server: DovecotServer) -> None:
    size = 0
    for received_at, raw in letters(_COUNT):
        size += len(raw)
        server.deliver(OWNER, "INBOX", raw, internaldate=received_at)
    print(f"{_COUNT} emails, {size / 1e6:.0f} MB; median of {_RUNS} runs, one for the first sync", flush=True)
    bench.measure("mailcrm --help", "--help")
    bench.run(
        "connect", OWNER, "--imap-host", "localhost", "--imap-port", str(server.tls_port),
        "--ca-file", str(server.ca_file), "--since", "all", "--no-input",
    )  # fmt: skip
    for number in range(40):
        bench.run("contact", "create", customer(number)[0], "--address", customer(number)[1])
        bench.run("deal", "create", f"Deal {number}", "--contact", customer(number)[1])
    bench.measure("first sync", "sync", runs=1)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'peak memory of any command':<44} {peak:9.0f} MB", flush=True)
    bench.figures["peak memory"] = {"megabytes": round(peak)}
    bench.measure("sync with nothing new", "sync")
    for received_at, raw in letters(100, first=_COUNT):
        server.deliver(OWNER, "INBOX", raw, internaldate=received_at)
    bench.measure("sync of 100 new emails", "sync", runs=1)
    bench.measure("inbox", "inbox")
    bench.measure("search, an English word", "search", "warranty")
    bench.measure("search, a Korean word", "search", "계약서")
    bench.measure("deal show", "deal", "show", "7")
    bench.measure("contact show", "contact", "show", "7")
    if "BENCH_JSON" in os.environ:
        Path(os.environ["BENCH_JSON"]).write_text(
            json.dumps(bench.figures, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()

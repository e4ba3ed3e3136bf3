"""What grows with a mailbox: mailcrm alone, on mailboxes of several sizes.

`BENCH_SIZES` names the sizes ("20000 100000 200000"). Run with `make bench-growth`.
"""

import os
import statistics
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mailcrm.store import open_database
from mailcrm.timeline import search_emails
from tests.bench.letters import SOUGHT
from tests.bench.mailbox import Mailbox
from tests.bench.programs import HITS, Cost, Mailcrm, Server
from tests.bench.timing import in_process
from tests.servers.dovecot import DovecotServer

_SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "20000 100000 200000").split()]
_RUNS = 3


def main() -> None:
    """Measure each size and print a row of the table for it."""
    columns = [
        *("emails", "first sync, s", "emails a second", "largest process, MiB", "all processes, MiB"),
        *("nothing new, s", "100 changes, s", "search, s", "search in process, ms"),
    ]
    print(f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |", flush=True)
    for size in _SIZES:
        server = DovecotServer()
        try:
            with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as folder:
                print(f"| {' | '.join(_row(size, server, Path(folder)))} |", flush=True)
        finally:
            server.stop()


def _row(size: int, server: DovecotServer, folder: Path) -> list[str]:
    mailbox = Mailbox(server, size)
    mailcrm = Mailcrm(folder, Server(port=server.tls_port, ca_file=server.ca_file, password=server.password))
    first = mailcrm.sync()
    nothing = _median([mailcrm.sync() for _ in range(_RUNS)])
    mailbox.change()
    changed = mailcrm.sync()
    if mailcrm.count() != (mailbox.held, mailbox.flagged):
        raise SystemExit("mailcrm does not hold what the server does")
    words = list(SOUGHT)
    search = _median([mailcrm.search(word) for word in words for _ in range(_RUNS)])
    with closing(open_database(mailcrm.store, viewer=None)) as db:
        inside = max(
            in_process(partial(search_emails, db, word, datetime.now(UTC), limit=HITS)).seconds
            for word in words
        )
    return [
        *(f"{size:,}", f"{first.seconds:.1f}", f"{size / first.seconds:.0f}"),
        *(f"{first.largest:.0f}", f"{first.together:.0f}"),
        *(f"{nothing:.3f}", f"{changed.seconds:.3f}", f"{search:.3f}", f"{inside * 1000:.1f}"),
    ]


def _median(costs: list[Cost]) -> float:
    return statistics.median(cost.seconds for cost in costs)


if __name__ == "__main__":
    main()

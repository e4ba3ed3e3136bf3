"""Compare mailcrm with mbsync, notmuch and mu in one run on one mailbox: the rounds and their table.

`BENCH_N` sets the number of emails (20,000), `BENCH_RUNS` the rounds (3; medians are told), `BENCH_JSON`
the file for the figures (build/bench.json). A target that is missed is told and is no error.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from mailcrm.store import open_database
from mailcrm.timeline import search_emails
from tests.bench import figures as names
from tests.bench.figures import Figures, document, tables
from tests.bench.mailbox import Mailbox
from tests.bench.programs import COMMANDS, HITS, Cost, Floor, Mailcrm, Mbsync, Mu, Notmuch, Server
from tests.bench.timing import in_process
from tests.servers.dovecot import DovecotServer, dovecot_available

_EMAILS = int(os.environ.get("BENCH_N", "20000"))
_ROUNDS = int(os.environ.get("BENCH_RUNS", "3"))
_JSON = Path(os.environ.get("BENCH_JSON", "build/bench.json"))
_WORDS = {names.ENGLISH: "warranty", names.KOREAN: "계약서"}
#: In each round, because one says little of a work that takes so little.
_SEARCHES = 5

_Indexed: TypeAlias = Notmuch | Mu | Mailcrm
_Syncing: TypeAlias = Mbsync | _Indexed


def main() -> None:
    """Measure, print the table, and write the figures as JSON."""
    if not (dovecot_available() and all(map(shutil.which, COMMANDS))):
        raise SystemExit("make bench needs Dovecot, isync, notmuch and mu; see `tools/install-servers bench`")
    figures = Figures()
    server = DovecotServer()
    try:
        near = Server(port=server.tls_port, ca_file=server.ca_file, password=server.password)
        print(f"Delivering {_EMAILS} emails", flush=True)
        mailbox = Mailbox(server, _EMAILS)
        size = mailbox.size
        with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as name, _delayed(near) as far:
            for number in range(1, _ROUNDS + 1):
                print(f"Round {number} of {_ROUNDS}", flush=True)
                folder = Path(name) / "round"
                _round(figures, mailbox, folder, near, far)
                shutil.rmtree(folder)
    finally:
        server.stop()
    medians = figures.medians()
    rate = _EMAILS / medians[names.FIRST][names.MAILCRM].seconds
    print(f"\n{_EMAILS} emails, {size / 1e6:.0f} MB; medians of {_ROUNDS} rounds")
    print(f"mailcrm's first sync: {rate:.0f} emails a second\n\n{tables(medians)}")
    measured = {"emails": _EMAILS, "bytes": size, "rounds": _ROUNDS, **document(medians)}
    _JSON.parent.mkdir(parents=True, exist_ok=True)
    _JSON.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _delayed(near: Server) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.delay", str(near.port)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield replace(near, port=int(process.stdout.readline() if process.stdout else ""))
        finally:
            process.terminate()


def _round(figures: Figures, mailbox: Mailbox, folder: Path, near: Server, far: Server) -> None:
    """Let every program do everything once, each beginning with nothing."""
    folder.mkdir()
    pulled = Mbsync(folder / "pulled", near, fsync="no")
    notmuch, mu = Notmuch(folder, pulled.maildir), Mu(folder, pulled.maildir)
    mailcrm = Mailcrm(folder, near)
    here: dict[str, _Syncing] = {
        names.MBSYNC: Mbsync(folder / "pulled-safely", near, fsync="yes"),
        names.HASTY: pulled,
        names.NOTMUCH: notmuch,
        names.MU: mu,
        names.MAILCRM: mailcrm,
    }
    _syncs(figures, mailbox, "", Floor(folder, near), here)
    _searches(figures, {names.NOTMUCH: notmuch, names.MU: mu, names.MAILCRM: mailcrm})
    for work, word in _WORDS.items():
        figures.add(work + names.IN_PROCESS, names.MAILCRM, _search_in_process(mailcrm.store, word))
    away = folder / "away"
    away.mkdir()
    there: dict[str, _Syncing] = {
        names.MBSYNC: Mbsync(away / "pulled-safely", far, fsync="yes"),
        names.HASTY: Mbsync(away / "pulled", far, fsync="no"),
        names.MAILCRM: Mailcrm(away, far),
    }
    _syncs(figures, mailbox, names.AWAY, Floor(away, far), there)


def _syncs(
    figures: Figures, mailbox: Mailbox, where: str, floor: Floor, programs: Mapping[str, _Syncing]
) -> None:
    figures.add(names.FIRST + where, names.FLOOR, floor.fetch(mailbox.size))
    for work in (names.FIRST, names.NOTHING, names.CHANGED):
        if work == names.CHANGED:
            mailbox.change()
        for name, program in programs.items():
            figures.add(work + where, name, program.sync())
            found, expected = program.count(), (mailbox.held, mailbox.flagged)
            if found != expected:
                raise SystemExit(f"{name} has {found} emails and flagged emails instead of {expected}")


def _searches(figures: Figures, programs: Mapping[str, _Indexed]) -> None:
    for _ in range(_SEARCHES):
        for work, word in _WORDS.items():
            for name, program in programs.items():
                figures.add(work, name, program.search(word))
        for name, program in programs.items():
            figures.add(names.INBOX, name, program.inbox())
        for name, program in programs.items():
            figures.add(names.TIMELINE, name, program.timeline())


def _search_in_process(store: str, word: str) -> Cost:
    with closing(open_database(store, viewer=None)) as db:
        return in_process(lambda: search_emails(db, word, datetime.now(UTC), limit=HITS))


if __name__ == "__main__":
    main()

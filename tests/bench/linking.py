"""How long the automatic rule takes over all stored mail: `link auto --dry-run` and `link auto`.

`BENCH_N` says how many emails (100,000), `BENCH_CONTACTS` how many contacts (5,000). Run with
`make bench-records`.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psycopg

from mailcrm.linking import apply_rule_to_account, decisions_for_account, matching_threads
from mailcrm.store import Database, accounts, open_database
from tests.bench.stored import NOW, OWNER, fill
from tests.servers.postgres import PostgresServer, database_of, postgres_available

_EMAILS = int(os.environ.get("BENCH_N", "100000"))
_CONTACTS = int(os.environ.get("BENCH_CONTACTS", "5000"))


def main() -> None:
    """Measure both databases and print a row of the table for each."""
    print("| store | dry run, s | link auto, s | again, s | one contact, s | linked | suggested |")
    print(f"|{' --- |' * 7}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'mailcrm.db'}"
        fill(url, emails=_EMAILS, contacts=_CONTACTS)
        with closing(open_database(url, viewer=OWNER)) as db:
            print(f"| SQLite | {' | '.join(_row(db))} |", flush=True)
    if postgres_available():
        server = PostgresServer()
        try:
            url = server.create_database()
            server.create_login("ann", "secret")
            fill(url, emails=_EMAILS, contacts=_CONTACTS, login="ann")
            with psycopg.connect(server.superuser_url(database_of(url)), autocommit=True) as superuser:
                superuser.execute("GRANT mailcrm_member TO ann")
            with closing(open_database(server.url(database_of(url), "ann"), viewer=None)) as db:
                print(f"| PostgreSQL | {' | '.join(_row(db))} |", flush=True)
        finally:
            server.stop()


def _row(db: Database) -> list[str]:
    account = accounts.account(db, OWNER)
    dry, decided = _timed(lambda: decisions_for_account(db, account))
    real, done = _timed(lambda: apply_rule_to_account(db, account, now=NOW))
    again, _ = _timed(lambda: apply_rule_to_account(db, account, now=NOW))
    one, _ = _timed(lambda: matching_threads(db, [1]))
    if len(decided) < len(done.threads):
        raise SystemExit("the dry run told less than was done")
    seconds = [f"{each:.2f}" for each in (dry, real, again, one)]
    return [*seconds, f"{len(done.threads):,}", f"{len(done.suggested):,}"]


_Made = TypeVar("_Made")


def _timed(work: Callable[[], _Made]) -> tuple[float, _Made]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


if __name__ == "__main__":
    main()

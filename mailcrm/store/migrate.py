"""Making the schema and bringing it up to date, as the owner of the store.

A migration is `NNNN_name.sql` for both databases, with `.sqlite.sql` or `.postgres.sql` beside it for
what only one can say; all of one number is applied in one transaction. The visibility rule is
no migration: it is installed on every opening (SQLite) and after every migration (PostgreSQL), so
it cannot drift.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from mailcrm.core.errors import AlreadyExists, StoreError
from mailcrm.store.database import expand
from mailcrm.store.location import is_postgres, sqlite_path

_MIGRATIONS = Path(__file__).with_name("migrations")


@cache
def newest() -> frozenset[str]:
    """Return the names of all migrations of this version of mailcrm."""
    return frozenset(_names())


def _names() -> list[str]:
    found = {entry.name.split(".")[0] for entry in _MIGRATIONS.glob("*.sql")}
    return sorted(found)


def _text(name: str, kind: str) -> str:
    """Return the SQL of one migration for `kind`, sqlite or postgres."""
    parts = [_MIGRATIONS / f"{name}.sql", _MIGRATIONS / f"{name}.{kind}.sql"]
    return "\n".join(part.read_text("utf-8") for part in parts if part.is_file())


def statements(text: str) -> Iterator[str]:
    """Yield the statements of a script one by one; `executescript` would commit between them."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip() and not all(row.startswith("--") for row in pending.strip().splitlines()):
        raise StoreError(f"A migration ends in the middle of a statement: {pending.strip()[:60]}")


def migrate(url: str) -> list[str]:
    """Bring the store at `url` up to date, making it when it is not there; return what was applied.

    Raises StoreUnavailable when it cannot be opened and StoreError when a migration fails; a failed
    one leaves nothing behind.
    """
    return _migrate_postgres(url) if is_postgres(url) else _migrate_sqlite(url)


def create_first_member(url: str, *, name: str, address: str, login: str | None) -> None:
    """Add the first member, an admin; raises AlreadyExists when there is one.

    Only for an empty store: the schema's owner is above the rules, so nothing else is done as one.
    """
    values = {"name": name, "address": address, "login": login}
    question = "SELECT count(*) AS count FROM main.member"
    change = (
        "INSERT INTO main.member (name, address, role, active, login) VALUES ({0}, {1}, 'admin', {2}, {3})"
    )
    if is_postgres(url):
        from mailcrm.store import postgres

        with closing(postgres.connect(url)) as owner:
            if owner.execute(question).fetchone() != {"count": 0}:
                raise AlreadyExists("The store has members already.")
            owner.execute(change.format("%(name)s", "%(address)s", "TRUE", "%(login)s"), values)
        return
    from mailcrm.store import sqlite

    with closing(sqlite.connect(sqlite_path(url))) as connection:
        if connection.execute(question).fetchone()["count"]:
            raise AlreadyExists("The store has members already.")
        connection.execute(change.format(":name", ":address", "1", ":login"), values)


_RECORD = "CREATE TABLE IF NOT EXISTS main.migration (name TEXT PRIMARY KEY, applied_at {instant} NOT NULL)"


def _migrate_sqlite(url: str) -> list[str]:
    # sqlite-utils takes its time to import, and only a migration needs it.
    from sqlite_utils import Database

    from mailcrm.store import sqlite

    path = sqlite_path(url)
    if not path.exists():
        sqlite.create_file(path)
    applied = []
    with closing(sqlite.connect(path)) as connection:
        # Before the file has a page. Half as many pages for a source as with the usual 4 KB.
        connection.execute("PRAGMA page_size = 8192")
        store = Database(connection)
        store.enable_wal()
        connection.execute(expand(_RECORD, sqlite.TOKENS, sqlite.EACH))
        done = {row["name"] for row in connection.execute("SELECT name FROM main.migration")}
        for name in _names():
            if name in done:
                continue
            try:
                with store.atomic():
                    for statement in statements(expand(_text(name, "sqlite"), sqlite.TOKENS, sqlite.EACH)):
                        connection.execute(statement)
                    connection.execute(
                        "INSERT INTO main.migration (name, applied_at) VALUES (?, ?)",
                        (name, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
                    )
            except sqlite3.Error as error:
                raise StoreError(f"Migration {name} failed: {error}.") from error
            applied.append(name)
    return applied


def _migrate_postgres(url: str) -> list[str]:
    import psycopg

    from mailcrm.store import postgres

    applied = []
    with closing(postgres.connect(url)) as owner:
        try:
            with owner.transaction():
                # Two machines that start together must not make the schema twice.
                owner.execute("SELECT pg_advisory_xact_lock(hashtext('mailcrm migrate'))")
                owner.execute("CREATE SCHEMA IF NOT EXISTS main")
                owner.execute(expand(_RECORD, postgres.TOKENS, postgres.EACH))
                done = {row["name"] for row in owner.execute("SELECT name FROM main.migration")}
                for name in _names():
                    if name in done:
                        continue
                    owner.execute(expand(_text(name, "postgres"), postgres.TOKENS, postgres.EACH))
                    owner.execute("INSERT INTO main.migration (name, applied_at) VALUES (%s, now())", (name,))
                    applied.append(name)
                postgres.install_rules(owner)
        except psycopg.Error as error:
            reason = error.diag.message_primary or type(error).__name__
            raise StoreError(
                f"The migration failed and nothing was changed: {reason}.",
                hint="The owner of the database runs it, with the right to create roles.",
            ) from error
    return applied

"""The store: everything mailcrm remembers, in SQLite or PostgreSQL, seen through the eyes of one member.

There is no connection without a viewer: `open_database` asks for one, and the names of tables then
mean the rows that this viewer may see (`rules`). Making and changing the schema is left to
`migrate`, which only `mailcrm init` and `mailcrm store` use.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mailcrm.core.errors import (
    ConfigError,
    NeedsChoice,
    NotFound,
    NotPermitted,
    SchemaOutdated,
    StoreMissing,
    UnsafeRole,
    UsageError,
)
from mailcrm.core.model import Member, MemberRole
from mailcrm.store.database import Database
from mailcrm.store.location import is_postgres, sqlite_path

if TYPE_CHECKING:
    from sqlite3 import Connection

    from mailcrm.store.postgres import PostgresDatabase

__all__ = ["Database", "open_database"]


def open_database(url: str, *, viewer: str | None) -> Database:
    """Open the store at `url` for one member.

    On SQLite `viewer` is the member's address, name or id; None is enough while there is only one.
    On PostgreSQL the login says who it is, and `viewer` must be None or agree. Raises StoreMissing,
    SchemaOutdated, StoreUnavailable, UnsafeRole, NotFound, NeedsChoice or NotPermitted.
    """
    if is_postgres(url):
        return _open_postgres(url, viewer)
    return _open_sqlite(url, viewer)


def _open_sqlite(url: str, viewer: str | None) -> Database:
    from mailcrm.store import sqlite

    path = sqlite_path(url)
    if not path.exists():
        raise StoreMissing(f"There is no store at {path} yet.")
    if not path.is_file():
        raise ConfigError(f"{path} is not a file.", hint="--store, MAILCRM_STORE or config.toml names it.")
    if path.stat().st_mode & 0o077:
        raise UnsafeRole(
            f"Other users of this machine can read the store {path}.", hint=f"Run: chmod 600 {path}"
        )
    connection = sqlite.connect(path)
    try:
        return _as_member(connection, path, viewer)
    except BaseException:
        connection.close()
        raise


def _as_member(connection: "Connection", path: Path, viewer: str | None) -> Database:
    from mailcrm.store import sqlite

    tables = {row["name"] for row in sqlite.rows(connection, "SELECT name FROM sqlite_schema")}
    if "migration" not in tables:
        raise SchemaOutdated(f"The store {path} has no schema yet.")
    _refuse_other_schema({row["name"] for row in sqlite.rows(connection, "SELECT name FROM main.migration")})
    member = _choose(
        [
            Member(**{**row, "role": MemberRole(row["role"]), "active": bool(row["active"])})
            for row in sqlite.rows(
                connection, "SELECT id, name, address, role, active, login FROM main.member ORDER BY id"
            )
        ],
        viewer,
    )
    return sqlite.SqliteDatabase(connection, path, member)


def _refuse_other_schema(applied: set[str]) -> None:
    from mailcrm.store.migrate import newest

    if applied - newest():
        raise SchemaOutdated(
            "The store was made by a newer version of mailcrm.", hint="Update mailcrm on this machine."
        )
    if applied != newest():
        raise SchemaOutdated


def _choose(members: list[Member], viewer: str | None) -> Member:
    if not members:
        raise StoreMissing("The store has no members yet.")
    if viewer is None:
        if len(members) > 1:
            raise NeedsChoice(
                "The store has several members; say which one you are.",
                hint="Use --as ADDRESS, MAILCRM_MEMBER, or `member` in config.toml.",
                candidates=[member.address for member in members],
            )
        found = members
    else:
        wanted = viewer.strip().lower()
        found = [m for m in members if wanted in (str(m.id), m.address.lower(), m.name.lower())]
    if not found:
        raise NotFound(f"There is no member {viewer!r} in this store.", hint="See `mailcrm member list`.")
    if len(found) > 1:
        raise NeedsChoice(
            f"Several members are called {viewer!r}.", candidates=[member.address for member in found]
        )
    if not found[0].active:
        raise NotPermitted(f"{found[0].address} was deactivated in this store.")
    return found[0]


def _open_postgres(url: str, viewer: str | None) -> Database:
    # psycopg is an optional extra and takes longer to import than SQLite takes to answer.
    try:
        from mailcrm.store import postgres
    except ImportError as error:
        raise UsageError(
            "A PostgreSQL store needs the extra package psycopg.",
            hint="Run: .venv/bin/pip install --editable '.[postgres]'",
        ) from error

    connection = postgres.connect(url)
    try:
        return _as_login(postgres.PostgresDatabase(connection), viewer)
    except BaseException:
        connection.close()
        raise


def _as_login(database: "PostgresDatabase", viewer: str | None) -> Database:
    _refuse_other_schema({row["name"] for row in database.read("migrations")})
    if viewer is not None and viewer.strip().lower() not in (
        str(database.viewer.id),
        database.viewer.address.lower(),
        database.viewer.name.lower(),
    ):
        raise NotPermitted(
            f"This database login belongs to {database.viewer.address}, not to {viewer!r}.",
            hint="On PostgreSQL the login says who you are: leave --as out.",
        )
    return database

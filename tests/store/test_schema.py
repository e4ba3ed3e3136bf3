import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from mailcrm.core.errors import AlreadyExists, SchemaOutdated, StoreMissing, UnsafeRole
from mailcrm.store import open_database, rules
from mailcrm.store.location import sqlite_path
from mailcrm.store.migrate import create_first_member, migrate, newest, statements
from tests.conftest import FIRST, Store
from tests.store.worlds import connect, folder, letter, save

#: The search index of SQLite and the tables in which FTS5 keeps it (sqlite.org/fts5.html, 9).
FTS5 = {"email_index"} | {f"email_index_{part}" for part in ("data", "idx", "docsize", "config", "content")}

#: The column in which PostgreSQL keeps what SQLite keeps in the index.
OWN_COLUMNS = {("email_terms", "vector")}


@pytest.fixture
def owner(store: Store) -> Iterator[sqlite3.Connection | psycopg.Connection]:
    """Yield a connection above the rules."""
    if store.kind == "sqlite":
        with closing(sqlite3.connect(sqlite_path(store.url), isolation_level=None)) as connection:
            yield connection
    else:
        with closing(psycopg.connect(store.url, autocommit=True)) as other:
            yield other


def columns_of(owner: sqlite3.Connection | psycopg.Connection) -> dict[str, set[str]]:
    """Return the columns of every table and view in the schema `main`."""
    if isinstance(owner, sqlite3.Connection):
        names = [
            name
            for (name,) in owner.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        ]
        return {
            name: {row[1] for row in owner.execute(f"PRAGMA table_info({name})")}
            for name in names
            if not name.startswith("sqlite_")
        }
    found: dict[str, set[str]] = {}
    for table, column in owner.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'main'"
    ):
        found.setdefault(table, set()).add(column)
    return found


def test_every_table_and_view_is_classified(owner: sqlite3.Connection | psycopg.Connection) -> None:
    known = rules.VISIBLE.keys() | rules.FREE
    known |= FTS5 if isinstance(owner, sqlite3.Connection) else rules.HELPERS.keys()
    assert columns_of(owner).keys() - known == set()


def test_every_rule_has_its_table(owner: sqlite3.Connection | psycopg.Connection) -> None:
    assert (rules.VISIBLE.keys() | rules.FREE) - columns_of(owner).keys() == set()


def test_no_table_is_both_protected_and_free() -> None:
    assert not rules.VISIBLE.keys() & rules.FREE
    assert not (rules.VISIBLE.keys() | rules.FREE) & rules.HELPERS.keys()


def test_every_protected_table_has_a_rule_for_writing() -> None:
    assert rules.MANAGED.keys() == rules.VISIBLE.keys()


def test_fixed_columns_are_columns(owner: sqlite3.Connection | psycopg.Connection) -> None:
    columns = columns_of(owner)
    assert rules.FIXED
    for table, fixed in rules.FIXED.items():
        assert set(fixed) <= columns[table]


def test_both_databases_have_the_same_tables_and_columns(postgres_url: str, tmp_path: Path) -> None:
    path = tmp_path / "mailcrm.db"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as lite, closing(psycopg.connect(postgres_url)) as post:
        here, there = columns_of(lite), columns_of(post)
    pairs_here = {(table, column) for table in here.keys() - FTS5 for column in here[table]}
    pairs_there = {
        (table, column) for table in there.keys() - rules.HELPERS.keys() for column in there[table]
    }
    assert pairs_there - pairs_here == OWN_COLUMNS
    assert pairs_here - pairs_there == set()


def test_row_security_is_on_for_every_protected_table(postgres_url: str) -> None:
    with closing(psycopg.connect(postgres_url)) as owner:
        rows = owner.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'main'::regnamespace AND relrowsecurity"
        ).fetchall()
    assert {name for (name,) in rows} == rules.VISIBLE.keys()


def test_every_helper_view_is_a_barrier(postgres_url: str) -> None:
    with closing(psycopg.connect(postgres_url)) as owner:
        rows = owner.execute(
            "SELECT relname, reloptions FROM pg_class "
            "WHERE relnamespace = 'main'::regnamespace AND relkind = 'v'"
        ).fetchall()
    assert {name for name, _ in rows} == rules.HELPERS.keys()
    assert all("security_barrier=true" in (options or []) for _, options in rows)


def test_a_function_above_the_rules_has_a_fixed_search_path(postgres_url: str) -> None:
    with closing(psycopg.connect(postgres_url)) as owner:
        rows = owner.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'main'::regnamespace AND prosecdef"
        ).fetchall()
    assert [name for name, _ in rows] == ["search_email"]
    # pg_temp last: a member's own temporary objects must never stand in for ours.
    assert all(any(re.fullmatch(r"search_path=.*pg_temp", line) for line in config) for _, config in rows)


def test_migration_names_are_well_formed() -> None:
    assert newest()
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", name) for name in newest())
    numbers = sorted(int(name[:4]) for name in newest())
    assert numbers == list(range(1, len(numbers) + 1))


def test_migrating_twice_applies_nothing(store: Store) -> None:
    assert migrate(store.url) == []


def test_migrating_an_empty_store_applies_everything(tmp_path: Path) -> None:
    assert migrate(f"sqlite:///{tmp_path / 'new.db'}") == sorted(newest())


def test_migrating_again_keeps_the_mail(store: Store) -> None:
    db = store.as_member(FIRST)
    account = connect(db, "ann@example.com")
    save(db, account, folder(db, account), letter(1, "a@example.org"))
    migrate(store.url)
    assert db.read("account_email_count", account_id=account.id)[0]["count"] == 1


def test_a_script_is_cut_into_statements_also_where_a_trigger_holds_semicolons() -> None:
    trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN\nDELETE FROM t;\nEND;\n"
    script = f"CREATE TABLE t (a);\n-- a word; and another\n{trigger}"
    assert [text.strip().splitlines()[-1] for text in statements(script)] == ["CREATE TABLE t (a);", "END;"]


def test_only_an_empty_store_takes_a_first_member(store: Store) -> None:
    with pytest.raises(AlreadyExists):
        create_first_member(store.url, name="Eve", address="eve@example.com", login="eve")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_file_and_its_companions_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "mailcrm.db"
    before = os.umask(0o022)
    try:
        migrate(f"sqlite:///{path}")
        create_first_member(f"sqlite:///{path}", name="Ann", address=FIRST, login=None)
        with closing(open_database(f"sqlite:///{path}", viewer=None)) as db:
            connect(db, "ann@example.com")
            companions = {found.name: mode(found) for found in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert companions == {"mailcrm.db": 0o600, "mailcrm.db-wal": 0o600, "mailcrm.db-shm": 0o600}


def test_the_lock_of_a_lease_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "mailcrm.db"
    migrate(f"sqlite:///{path}")
    create_first_member(f"sqlite:///{path}", name="Ann", address=FIRST, login=None)
    with closing(open_database(f"sqlite:///{path}", viewer=None)) as db, db.lease(1):
        locks = list(tmp_path.glob("*.lock"))
        assert [mode(lock) for lock in locks] == [0o600]


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "mailcrm.db"
    migrate(f"sqlite:///{path}")
    create_first_member(f"sqlite:///{path}", name="Ann", address=FIRST, login=None)
    path.chmod(bits)
    with pytest.raises(UnsafeRole, match="can read"):
        open_database(f"sqlite:///{path}", viewer=None)


NEWER = "INSERT INTO main.migration (name, applied_at) VALUES ('9999_future', '2026-01-01')"


@pytest.mark.parametrize(
    ("change", "hint"),
    [(NEWER, "Update mailcrm"), ("DELETE FROM main.migration", "mailcrm store migrate")],
)
def test_a_store_of_another_version_says_so(
    store: Store, owner: sqlite3.Connection | psycopg.Connection, change: str, hint: str
) -> None:
    owner.execute(change)
    with pytest.raises(SchemaOutdated, match="version") as caught:
        store.as_member(FIRST)
    assert hint in caught.value.hint


def test_a_file_without_a_schema_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mailcrm.db"
    path.touch(0o600)
    with pytest.raises(SchemaOutdated):
        open_database(f"sqlite:///{path}", viewer=None)


def test_a_store_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        open_database(f"sqlite:///{tmp_path / 'none.db'}", viewer=None)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_opening_leaves_no_connection(postgres_url: str) -> None:
    with closing(psycopg.connect(postgres_url, autocommit=True)) as watcher:
        with pytest.raises(UnsafeRole) as caught:
            open_database(postgres_url, viewer=None)
        deadline = time.monotonic() + 30
        # The server notices the end of a connection a moment later; `caught` keeps a forgotten one open.
        while watcher.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall():
            assert time.monotonic() < deadline
    assert caught.value.exit_code == 78


def test_the_owner_of_the_database_is_no_viewer(postgres_url: str) -> None:
    with pytest.raises(UnsafeRole):
        open_database(postgres_url, viewer=None)

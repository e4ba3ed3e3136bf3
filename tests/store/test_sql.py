"""The named queries as text: what keeps them inside the rules without being run."""

import re
import sqlite3
from contextlib import nullcontext
from importlib.resources import files

import psycopg
import pytest

from mailcrm.store import rules
from mailcrm.store.database import SUBJECTS, blocks, raw_queries
from mailcrm.store.postgres import PostgresDatabase
from mailcrm.store.sqlite import SqliteDatabase
from tests.conftest import FIRST, Store

QUERIES = {name: re.sub(r"--.*", "", text).strip() for name, text in raw_queries().items()}
PYTHON = {
    entry.name: entry.read_text("utf-8")
    for entry in files("mailcrm.store").iterdir()
    if entry.name.endswith(".py")
}
IS_READ = re.compile(r"(?:WITH|SELECT)\b")
TARGET = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) main\.(\w+)")

#: What only the rules ask: who the viewer is, and what follows from it.
OF_THE_RULES = re.compile(
    r"\b(" + "|".join([*rules.HELPERS, "viewer_id", "session_user", "current_user"]) + r")\b", re.IGNORECASE
)


def test_every_query_prepares(store: Store) -> None:
    db = store.as_member(FIRST)
    assert isinstance(db, SqliteDatabase | PostgresDatabase)
    assert db._queries.keys() == QUERIES.keys()
    for name, text in db._queries.items():
        values = dict.fromkeys(re.findall(r"(?<!:):(\w+)", QUERIES[name] + " :query :ids :uids :texts"))
        try:
            if isinstance(db, PostgresDatabase):
                db._connection.execute(f"EXPLAIN {text}", values)
            else:
                with nullcontext() if IS_READ.match(QUERIES[name]) else db._changing():
                    db._connection.execute(f"EXPLAIN {text}", values)
        except (sqlite3.Error, psycopg.Error) as error:
            pytest.fail(f"{name}: {error}")


def test_every_subject_has_python_beside_its_queries() -> None:
    assert {f"{subject}.py" for subject in SUBJECTS} <= PYTHON.keys()
    found = {entry.name for entry in files("mailcrm.store").iterdir() if entry.name.endswith(".sql")}
    assert found == {f"{subject}.sql" for subject in SUBJECTS}


def test_a_block_ends_where_the_next_one_begins() -> None:
    text = "-- one --\nSELECT 1\n-- a remark\n\n-- two --\nSELECT 2\n"
    assert dict(blocks(text)) == {"one": "SELECT 1\n-- a remark", "two": "SELECT 2"}


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_is_used(name: str) -> None:
    assert any(f'"{name}"' in text for text in PYTHON.values())


def test_every_query_that_is_asked_for_is_there() -> None:
    asked = {
        found
        for text in PYTHON.values()
        for found in re.findall(r'\.(?:read|write|write_many|insert|insert_many)\(\s*"(\w+)"', text)
    }
    assert len(asked) > 50
    assert asked - QUERIES.keys() == set()


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_names_a_base_table_only_as_the_target_of_a_change(name: str) -> None:
    text = QUERIES[name]
    if IS_READ.match(text):
        assert "main." not in text
        return
    target = TARGET.match(text)
    assert target is not None, "a change begins with its target"
    assert target[1] in rules.MANAGED
    assert "main." not in text[target.end() :]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_is_one_statement(name: str) -> None:
    assert ";" not in QUERIES[name]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_no_part_of_a_query_takes_the_name_of_a_protected_table(name: str) -> None:
    text = QUERIES[name]
    names = re.findall(r"\b(\w+)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(\s*SELECT", text, re.IGNORECASE)
    aliases = re.findall(r"\)\s+(?:AS\s+)?(\w+)", text, re.IGNORECASE)
    taken = rules.VISIBLE.keys() | rules.HELPERS.keys() | rules.FREE
    assert not taken & {*names, *aliases}


def test_a_part_that_takes_the_name_of_a_protected_table_would_be_found() -> None:
    text = "WITH thread AS (SELECT * FROM main.thread) SELECT * FROM (SELECT 1) AS email"
    assert re.findall(r"\b(\w+)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(\s*SELECT", text) == ["thread"]
    assert "email" in re.findall(r"\)\s+(?:AS\s+)?(\w+)", text)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_leaves_the_viewer_to_the_rules(name: str) -> None:
    assert not OF_THE_RULES.search(QUERIES[name])


@pytest.mark.parametrize("module", sorted(PYTHON.keys() - {"rules.py"}))
def test_python_leaves_who_manages_what_to_the_rules(module: str) -> None:
    # `viewer` is also a word of Python's; postgres.py asks that view once, for who has logged in.
    for word in ("managed_account", "shared_thread", "my_team", "empty_team"):
        assert not re.search(rf"\b{word}\b", PYTHON[module])

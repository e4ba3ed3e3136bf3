"""Attacks by a member who writes SQL, and the faults that a review found, each as a named test.

On PostgreSQL Bob comes with his own login and any client he likes. On SQLite he holds the file, so only
mistakes are guarded against: a query that forgets the rules.
"""

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
import pytest
from psycopg import errors

from mailcrm import linking
from mailcrm.core.errors import (
    AlreadyExists,
    NotFound,
    NotPermitted,
    StoreBusy,
    StoreError,
    StoreUnavailable,
)
from mailcrm.core.headers import message_ids
from mailcrm.core.model import (
    Account,
    DealStatus,
    LinkOrigin,
    MemberRole,
    Visibility,
)
from mailcrm.core.query import parse_query
from mailcrm.store import (
    Database,
    accounts,
    contacts,
    deals,
    emails,
    folders,
    links,
    members,
    rules,
    search,
    suggestions,
    threads,
)
from mailcrm.store.location import sqlite_path
from mailcrm.store.migrate import create_first_member, migrate
from mailcrm.store.postgres import PostgresDatabase
from mailcrm.store.sqlite import SqliteDatabase
from mailcrm.store.timeline import timeline
from tests.conftest import FIRST, NOW, Store, login_of
from tests.store.conftest import BOB, SECRET, WITH_SECRETS, Scene, refused, rows, stage, undone
from tests.store.worlds import SERVER, connect, folder, letter, save

ON_POSTGRES = pytest.mark.parametrize("store", ["postgres"], indirect=True)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", list(rules.VISIBLE))
def test_select_star_shows_no_secret(town: Scene, bob: psycopg.Connection, table: str) -> None:
    assert SECRET not in repr(rows(bob, f"SELECT * FROM main.{table}"))


@pytest.mark.parametrize("table", list(rules.VISIBLE))
def test_the_secrets_are_there_for_their_owner(town: Scene, admin: psycopg.Connection, table: str) -> None:
    assert (SECRET in repr(rows(admin, f"SELECT * FROM main.{table}"))) is (table in WITH_SECRETS)


def test_helper_views_show_ids_of_the_viewers_own_things_alone(town: Scene, bob: psycopg.Connection) -> None:
    shown = {name: rows(bob, f"SELECT * FROM main.{name}") for name in rules.HELPERS}
    me = town.bob.viewer.id
    assert shown == {
        "viewer": [(me, "member")],
        "my_team": [(town.support_team.id,)],
        "managed_account": [(town.his.id,), (town.support.id,)],
        "shared_thread": [(town.shared, town.hers.id)],
        "empty_team": [],
        "merged_contact": [],
    }


@pytest.mark.parametrize("query", ["'hush'", "'hu':*", "!'nothing'", "'price' & 'hush'", "'hush' | 'hush2'"])
def test_search_email_finds_no_private_mail(town: Scene, bob: psycopg.Connection, query: str) -> None:
    found = {key for key, _ in rows(bob, "SELECT * FROM main.search_email(%s)", query)}
    assert found <= {town.email(town.shared), town.email(town.own)}


def test_search_email_finds_what_is_shared(town: Scene, bob: psycopg.Connection) -> None:
    found = {key for key, _ in rows(bob, "SELECT * FROM main.search_email('''price''')")}
    assert found == {town.email(town.shared), town.email(town.own)}


LEAK = """
CREATE FUNCTION pg_temp.leak(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN RAISE NOTICE '%', value; RETURN true; END $$
"""


@pytest.mark.parametrize(
    "source",
    [
        *(f"main.{table} AS x WHERE pg_temp.leak(x::text)" for table in rules.VISIBLE),
        "main.email e JOIN main.email_body b ON b.email_id = e.id WHERE pg_temp.leak(b.text)",
        "main.search_email('!''x''') s JOIN main.email_body b USING (email_id) WHERE pg_temp.leak(b.text)",
        "main.thread t WHERE t.visibility = 'private' AND pg_temp.leak(t.subject)",
        "main.thread t ORDER BY pg_temp.leak(t.subject)",
    ],
)
def test_a_function_of_ones_own_in_a_condition_is_shown_no_secret(
    town: Scene, bob: psycopg.Connection, source: str
) -> None:
    notices: list[str] = []

    def note(said: errors.Diagnostic) -> None:
        notices.append(said.message_primary or "")

    bob.add_notice_handler(note)
    try:
        bob.execute(LEAK)
        bob.execute(f"SELECT count(*) FROM (SELECT 1 FROM {source}) AS told")
    finally:
        bob.remove_notice_handler(note)
    assert not [said for said in notices if SECRET in said]


def test_a_function_of_ones_own_hears_no_hidden_id_from_a_helper_view(
    town: Scene, bob: psycopg.Connection
) -> None:
    heard: list[str] = []

    def note(said: errors.Diagnostic) -> None:
        heard.append(said.message_primary or "")

    bob.add_notice_handler(note)
    try:
        bob.execute(LEAK)
        bob.execute("SELECT * FROM main.shared_thread WHERE pg_temp.leak(id::text)")
        bob.execute("SELECT * FROM main.managed_account WHERE pg_temp.leak('account ' || id)")
    finally:
        bob.remove_notice_handler(note)
    assert sorted(heard) == sorted([str(town.shared), f"account {town.his.id}", f"account {town.support.id}"])


@pytest.mark.parametrize("table", sorted(WITH_SECRETS))
def test_copy_to_stdout_carries_no_secret(town: Scene, bob: psycopg.Connection, table: str) -> None:
    with bob.cursor().copy(f"COPY main.{table} TO STDOUT") as copy:
        carried = b"".join(bytes(block) for block in copy)
    assert SECRET.encode() not in carried


def test_the_planners_statistics_show_no_values(
    town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection
) -> None:
    lines["owner"].execute("ANALYZE main.email, main.thread, main.participant")
    assert rows(lines["owner"], "SELECT 1 FROM pg_stats WHERE schemaname = 'main' LIMIT 1")
    assert rows(bob, "SELECT * FROM pg_stats WHERE schemaname = 'main'") == []
    assert "42501" in refused(bob, "SELECT * FROM pg_statistic")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT last_value FROM main.email_id_seq",
        "SELECT nextval('main.email_id_seq')",
        "SELECT setval('main.thread_id_seq', 1)",
        "SELECT currval('main.thread_id_seq')",
    ],
)
def test_a_sequence_counts_for_nobody(town: Scene, bob: psycopg.Connection, statement: str) -> None:
    assert "42501" in refused(bob, statement)


def test_the_list_of_sequences_tells_no_count(town: Scene, bob: psycopg.Connection) -> None:
    told = rows(bob, "SELECT last_value FROM pg_sequences WHERE schemaname = 'main'")
    assert {value for (value,) in told} <= {None}


def test_row_security_cannot_be_switched_off(town: Scene, bob: psycopg.Connection) -> None:
    bob.execute("SET LOCAL row_security = off")
    assert "42501" in refused(bob, "SELECT * FROM main.email")


# --- being somebody else ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE owner",
        "SET ROLE ann",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION ann",
        "SELECT set_config('role', 'ann', false)",
        "SELECT set_config('session_authorization', 'ann', false)",
        "SET session_authorization = 'ann'",
        "ALTER ROLE bob BYPASSRLS",
        "ALTER ROLE bob SUPERUSER",
        "GRANT owner TO bob",
        "GRANT ann TO bob",
    ],
)
def test_nobody_becomes_somebody_else(town: Scene, bob: psycopg.Connection, statement: str) -> None:
    refused(bob, statement)
    assert rows(bob, "SELECT id FROM main.viewer") == [(town.bob.viewer.id,)]
    assert rows(bob, "SELECT id FROM main.thread WHERE id = %s", town.private) == []


def test_the_common_role_of_all_members_is_nobody_special(town: Scene, bob: psycopg.Connection) -> None:
    bob.execute("SET LOCAL ROLE mailcrm_member")
    assert rows(bob, "SELECT id FROM main.viewer") == [(town.bob.viewer.id,)]


@pytest.mark.parametrize("setting", ["mailcrm.viewer", "mailcrm.viewer_id", "app.viewer"])
def test_a_setting_says_nothing_about_who_is_asking(
    town: Scene, bob: psycopg.Connection, setting: str
) -> None:
    rows(bob, "SELECT set_config(%s, %s, false)", setting, str(town.ann.viewer.id))
    assert rows(bob, "SELECT id FROM main.viewer") == [(town.bob.viewer.id,)]


def test_a_temporary_view_stands_in_for_no_rule(town: Scene, bob: psycopg.Connection) -> None:
    bob.execute(f"CREATE TEMP VIEW viewer AS SELECT {town.ann.viewer.id}::bigint AS id, 'admin' AS role")
    bob.execute("CREATE TEMP VIEW managed_account AS SELECT id FROM main.account")
    bob.execute("SET LOCAL search_path = pg_temp, main")
    assert rows(bob, "SELECT id FROM main.thread WHERE id = %s", town.private) == []
    assert rows(bob, "SELECT * FROM main.search_email('''hush''')") == []


@pytest.mark.parametrize("line", ["bob", "ann"])
def test_a_login_moves_to_no_other_member(
    town: Scene, lines: dict[str, psycopg.Connection], line: str
) -> None:
    with undone(lines[line]) as connection:
        assert "42501" in refused(connection, "UPDATE main.member SET login = 'bob' WHERE login = 'ann'")
        assert "42501" in refused(connection, "UPDATE main.member SET login = NULL")


def test_a_member_makes_no_members_and_no_admin_of_himself(town: Scene, bob: psycopg.Connection) -> None:
    assert bob.execute("UPDATE main.member SET role = 'admin'").rowcount == 0
    assert bob.execute("DELETE FROM main.member").rowcount == 0
    assert "42501" in refused(
        bob,
        "INSERT INTO main.member (name, address, role, active) VALUES ('x', 'x@example.com', 'admin', true)",
    )


def test_an_admin_who_adds_a_member_with_a_taken_login_is_refused(
    town: Scene, admin: psycopg.Connection
) -> None:
    assert "23505" in refused(
        admin,
        "INSERT INTO main.member (name, address, role, active, login) "
        "VALUES ('x', 'x@example.com', 'member', true, 'bob')",
    )


def test_an_admin_deletes_no_member(town: Scene, admin: psycopg.Connection) -> None:
    assert admin.execute("DELETE FROM main.member WHERE login = 'bob'").rowcount == 0


# --- changing the rules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        *(f"UPDATE main.{name} SET id = 1" for name in rules.HELPERS),
        *(f"DELETE FROM main.{name}" for name in rules.HELPERS),
        *(f"INSERT INTO main.{name} (id) VALUES (1)" for name in rules.HELPERS),
        "UPDATE main.viewer SET role = 'admin'",
        "CREATE OR REPLACE VIEW main.viewer AS SELECT id, role FROM main.member",
        (
            "CREATE OR REPLACE FUNCTION main.search_email(query text) "
            "RETURNS TABLE (email_id bigint, rank real) LANGUAGE sql "
            "AS $$ SELECT id, 1::real FROM main.email $$"
        ),
        "CREATE FUNCTION main.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE main.mine (id int)",
        "ALTER TABLE main.email DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY open ON main.email USING (true)",
        "DROP POLICY see ON main.email",
        "CREATE TRIGGER spy BEFORE INSERT ON main.email EXECUTE FUNCTION main.email_terms_vector()",
        "CREATE RULE spy AS ON INSERT TO main.email DO ALSO NOTHING",
        "TRUNCATE main.email CASCADE",
        "DROP VIEW main.viewer CASCADE",
        "DELETE FROM main.migration",
    ],
)
def test_the_rules_are_changed_by_no_member(town: Scene, bob: psycopg.Connection, statement: str) -> None:
    refused(bob, statement)
    assert rows(bob, "SELECT id FROM main.thread WHERE id = %s", town.private) == []


def test_a_member_hands_out_no_right(town: Scene, bob: psycopg.Connection) -> None:
    bob.execute("GRANT ALL ON main.email TO bob, PUBLIC")  # a warning, and nothing is granted
    assert rows(bob, "SELECT has_table_privilege('main.email', 'TRUNCATE, TRIGGER, REFERENCES')") == [
        (False,)
    ]
    assert rows(bob, "SELECT has_table_privilege('cat', 'main.email', 'TRUNCATE')") == [(False,)]


# --- taking mail --------------------------------------------------------------------------------


def test_an_admin_joins_no_team_of_others(town: Scene, admin: psycopg.Connection) -> None:
    me, team = town.ann.viewer.id, town.support_team.id
    assert "42501" in refused(
        admin, "INSERT INTO main.team_member (team_id, member_id) VALUES (%s, %s)", team, me
    )
    assert admin.execute("DELETE FROM main.team_member WHERE team_id = %s", (team,)).rowcount == 0
    (mine,) = rows(admin, "INSERT INTO main.team (name) VALUES ('Mine') RETURNING id")
    admin.execute("INSERT INTO main.team_member (team_id, member_id) VALUES (%s, %s)", (*mine, me))
    assert "42501" in refused(
        admin, "UPDATE main.team_member SET team_id = %s WHERE member_id = %s", team, me
    )


def test_an_admin_empties_no_team_in_order_to_join_it(town: Scene, admin: psycopg.Connection) -> None:
    admin.execute("UPDATE main.member SET active = false WHERE login <> 'ann'")
    assert rows(admin, "SELECT id FROM main.empty_team") == []
    assert admin.execute("DELETE FROM main.team_member").rowcount == 0
    assert "23503" in refused(admin, "DELETE FROM main.team WHERE id = %s", town.support_team.id)


@pytest.mark.parametrize("column", ["owner_id", "team_id"])
def test_an_admin_makes_himself_owner_of_no_account(
    town: Scene, admin: psycopg.Connection, column: str
) -> None:
    assert "42501" in refused(
        admin, f"UPDATE main.account SET {column} = %s WHERE id = %s", town.ann.viewer.id, town.his.id
    )


def test_nobody_makes_an_account_for_somebody_else(town: Scene, bob: psycopg.Connection) -> None:
    columns = "address, owner_id, team_id, default_visibility"
    add = f"INSERT INTO main.account ({columns}) VALUES ('x', %s, %s, 'shared')"
    assert "42501" in refused(bob, add, town.ann.viewer.id, None)
    (other,) = rows(bob, "INSERT INTO main.team (name) VALUES ('Other') RETURNING id")
    assert "42501" in refused(bob, add, None, *other)


def test_a_private_email_moves_into_no_shared_thread(town: Scene, bob: psycopg.Connection) -> None:
    secret = town.email(town.private)
    for thread, account in ((town.shared, town.hers.id), (town.own, town.his.id)):
        moved = bob.execute(
            "UPDATE main.email SET thread_id = %s, account_id = %s WHERE id = %s", (thread, account, secret)
        )
        assert moved.rowcount == 0


def test_an_update_without_a_condition_touches_what_is_ones_own_alone(
    town: Scene, bob: psycopg.Connection
) -> None:
    assert bob.execute("UPDATE main.email SET subject = 'x'").rowcount == 1
    assert bob.execute("UPDATE main.thread SET visibility = 'shared'").rowcount == 1
    assert bob.execute("DELETE FROM main.link").rowcount == 0


def test_ones_own_email_goes_into_no_thread_of_somebody_else(town: Scene, bob: psycopg.Connection) -> None:
    move = "UPDATE main.email SET thread_id = %s, account_id = %s WHERE id = %s"
    own = town.email(town.own)
    assert "42501" in refused(bob, move, town.shared, town.hers.id, own)
    # With his own account on it, the pair of keys does not hold.
    assert "23503" in refused(bob, move, town.shared, town.his.id, own)


def test_a_thread_is_taken_into_no_other_account(town: Scene, bob: psycopg.Connection) -> None:
    for thread in (town.private, town.shared):
        taken = bob.execute("UPDATE main.thread SET account_id = %s WHERE id = %s", (town.his.id, thread))
        assert taken.rowcount == 0
    assert "42501" in refused(
        bob, "UPDATE main.thread SET account_id = %s WHERE id = %s", town.hers.id, town.own
    )


@pytest.mark.parametrize("target", ["contact_id", "deal_id"])
def test_a_link_makes_no_thread_of_somebody_else_visible(
    town: Scene, bob: psycopg.Connection, target: str
) -> None:
    (record,) = rows(bob, f"SELECT id FROM main.{target.removesuffix('_id')} LIMIT 1")
    add = (
        f"INSERT INTO main.link (thread_id, {target}, origin, linked_by, linked_at) "
        "VALUES (%s, %s, 'manual', %s, now())"
    )
    assert "42501" in refused(bob, add, town.unlinked, *record, town.bob.viewer.id)
    bob.execute(add, (town.own, *record, town.bob.viewer.id))
    assert "42501" in refused(
        bob, "UPDATE main.link SET thread_id = %s WHERE thread_id = %s", town.unlinked, town.own
    )
    assert rows(bob, "SELECT id FROM main.thread WHERE id = %s", town.unlinked) == []


@pytest.mark.parametrize("table", ["contact", "deal"])
def test_deleting_a_record_unlinks_no_thread_of_somebody_else(scene: Scene, table: str) -> None:
    deal = deals.deal(scene.ann, "Big deal")
    linking.link_thread(scene.ann, threads.thread(scene.ann, str(scene.shared)), deal, now=NOW)
    before = links.links(scene.ann, [scene.shared])
    assert len(before) == 2
    with suppress(NotPermitted, psycopg.Error):
        change(scene.bob, f"DELETE FROM main.{table}")
    assert links.links(scene.ann, [scene.shared]) == before


def change(db: Database, statement: str) -> int:
    """Run a change in plain SQL as this viewer, and say how many rows it changed."""
    assert isinstance(db, SqliteDatabase | PostgresDatabase)
    if isinstance(db, PostgresDatabase):
        return db._connection.execute(statement).rowcount
    with db._changing():
        return db._connection.execute(statement).rowcount


@pytest.mark.parametrize(
    ("table", "column"),
    [("thread", "account_id"), ("email", "account_id"), ("folder", "account_id"), ("account", "id")],
)
def test_those_who_manage_the_account_delete_with_all_that_hangs_on_it(
    scene: Scene, table: str, column: str
) -> None:
    assert change(scene.ann, f"DELETE FROM main.{table} WHERE {column} = {scene.hers.id}") > 0
    assert threads.inbox(scene.bob, account_id=None, unlinked=False, unread=False, limit=9)


# --- guessing -----------------------------------------------------------------------------------


@pytest.mark.rule("see-errors")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO main.email_body (email_id, text, spans) VALUES ({email}, 'x', '')",
        "INSERT INTO main.email_source (email_id, source) VALUES ({email}, 'x')",
        (
            "INSERT INTO main.email_terms (email_id, subject, people, body, quoted) "
            "VALUES ({email}, 'x', 'x', 'x', 'x')"
        ),
        (
            "INSERT INTO main.delivery (email_id, position, address, action, status, reason) "
            "VALUES ({email}, 0, 'x', 'x', 'x', 'x')"
        ),
        (
            "INSERT INTO main.participant (email_id, position, role, name, address, untagged) "
            "VALUES ({email}, 0, 'to', 'x', 'x', 'x')"
        ),
        (
            "INSERT INTO main.email_body (email_id, text, spans) VALUES ({email}, 'x', '') "
            "ON CONFLICT DO NOTHING"
        ),
        (
            "INSERT INTO main.email_body (email_id, text, spans) VALUES ({email}, 'x', '') "
            "ON CONFLICT (email_id) DO UPDATE SET text = 'x'"
        ),
        (
            "INSERT INTO main.placement (folder_id, uidvalidity, uid, email_id, flags) "
            "VALUES ((SELECT min(id) FROM main.folder), 1, 77, {email}, '')"
        ),
        (
            "INSERT INTO main.link (thread_id, contact_id, origin, linked_by, linked_at) "
            "VALUES ({thread}, 1, 'manual', 1, now())"
        ),
        (
            "INSERT INTO main.link_refusal (thread_id, contact_id, refused_by, refused_at) "
            "VALUES ({thread}, 1, 1, now())"
        ),
        "INSERT INTO main.thread_reference (account_id, message_id, thread_id) VALUES ({own}, 'x', {thread})",
        (
            "INSERT INTO main.thread_reference (account_id, message_id, thread_id) "
            "VALUES ({hers}, 'hush@example.org', {thread})"
        ),
        "UPDATE main.email SET thread_id = {thread} WHERE account_id = {own}",
        "UPDATE main.thread_reference SET thread_id = {thread} WHERE account_id = {own}",
    ],
)
def test_a_refusal_is_the_same_for_what_is_hidden_and_what_is_not_there(
    town: Scene, bob: psycopg.Connection, statement: str
) -> None:
    fixed = {"own": town.his.id, "hers": town.hers.id}
    hidden = statement.format(email=town.email(town.private), thread=town.private, **fixed)
    nothing = statement.format(email=987654, thread=987654, **fixed)
    assert refused(bob, hidden) == refused(bob, nothing)


def test_a_taken_address_can_be_tried_but_nothing_of_it_is_changed(
    town: Scene, bob: psycopg.Connection
) -> None:
    take = (
        "INSERT INTO main.account (address, owner_id, default_visibility) VALUES (%s, %s, 'shared') "
        "ON CONFLICT (address) DO UPDATE SET default_visibility = 'shared'"
    )
    assert "42501" in refused(bob, take, town.hers.address, town.bob.viewer.id)


IDS = [
    *("member", "member_event", "team", "account", "folder", "block_rule", "label", "organization"),
    *("contact", "pipeline", "stage", "deal", "lead", "thread", "thread_event", "email", "suggestion"),
]


@pytest.mark.parametrize("line", ["bob", "ann"])
@pytest.mark.parametrize("table", IDS)
def test_nobody_chooses_the_number_of_a_row(
    town: Scene, lines: dict[str, psycopg.Connection], line: str, table: str
) -> None:
    with undone(lines[line]) as connection:
        assert "42501" in refused(connection, f"INSERT INTO main.{table} (id) VALUES (1)")
        assert "42501" in refused(
            connection, f"INSERT INTO main.{table} (id) OVERRIDING SYSTEM VALUE VALUES (1)"
        )
        assert "42501" in refused(connection, f"UPDATE main.{table} SET id = 987654")


def test_every_table_with_a_number_is_tried_above(town: Scene, lines: dict[str, psycopg.Connection]) -> None:
    found = rows(
        lines["owner"],
        "SELECT table_name FROM information_schema.columns "
        "WHERE table_schema = 'main' AND column_name = 'id'",
    )
    assert {name for (name,) in found} == {*IDS, *rules.HELPERS}


# --- SQLite: mistakes ---------------------------------------------------------------------------


@pytest.fixture
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    """Yield Bob's connection to a scene on SQLite."""
    url = f"sqlite:///{tmp_path_factory.mktemp('lite') / 'mailcrm.db'}"
    migrate(url)
    create_first_member(url, name="Ann", address=FIRST, login=None)
    store = Store("sqlite", url, lambda login: login)
    found = stage(store).bob
    assert isinstance(found, SqliteDatabase)
    yield found
    store.close()


PROTECTED_READS = (
    "SELECT * FROM main.{table}",
    "SELECT count(*) FROM main.{table}",
    "SELECT 1 FROM main.{table} LIMIT 1",
    "SELECT * FROM (SELECT * FROM main.{table}) AS {table}",
    "WITH mine AS (SELECT * FROM main.{table}) SELECT * FROM mine",
    "SELECT (SELECT max(rowid) FROM main.{table})",
    "SELECT * FROM {table} UNION ALL SELECT * FROM main.{table}",
)


def test_the_authorizer_denies_every_way_to_a_base_table(lite: SqliteDatabase) -> None:
    for table in rules.VISIBLE:
        for text in PROTECTED_READS:
            with pytest.raises(
                sqlite3.DatabaseError, match=r"prohibited|not authorized|no such column: rowid"
            ):
                lite._connection.execute(text.format(table=table)).fetchall()


def test_the_authorizer_denies_every_change_outside_of_write(lite: SqliteDatabase) -> None:
    for table in rules.MANAGED:
        (column, *_) = [row[1] for row in lite._connection.execute(f"PRAGMA main.table_info({table})")]
        for text in (
            f"INSERT INTO main.{table} DEFAULT VALUES",
            f"UPDATE main.{table} SET {column} = {column}",
            f"DELETE FROM main.{table}",
        ):
            with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
                lite._connection.execute(text)


def test_a_change_asked_for_as_a_read_is_refused(lite: SqliteDatabase) -> None:
    with pytest.raises(StoreError):
        lite.read("set_visibility", id=1, visibility="shared")
    with pytest.raises(StoreError):
        lite.read("remove_item_links", thread_id=1)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT subject FROM email_index",
        "SELECT people FROM main.email_index",
        "SELECT body FROM email_index WHERE email_index MATCH 'hush'",
        "SELECT * FROM email_index",
        "SELECT highlight(email_index, 0, '', '') FROM email_index WHERE email_index MATCH 'hush'",
        "SELECT snippet(email_index, -1, '', '', '', 9) FROM email_index WHERE email_index MATCH 'hush'",
    ],
)
def test_the_search_index_shows_no_text(lite: SqliteDatabase, text: str) -> None:
    shown: set[object] = set()
    with suppress(sqlite3.DatabaseError):
        shown = {value for row in lite._connection.execute(text) for value in row}
    # highlight() and snippet() are asked for no column; the index has no text to give.
    assert shown <= {None}


def test_the_names_of_tables_mean_what_the_viewer_may_see(lite: SqliteDatabase) -> None:
    for table in rules.VISIBLE:
        assert SECRET not in repr([tuple(row) for row in lite._connection.execute(f"SELECT * FROM {table}")])


# --- faults of the first review ------------------------------------------------------------------


def visibility_of(db: Database, account: Account) -> Visibility:
    return accounts.account(db, account.address).default_visibility


@contextmanager
def forbidden(store: Store) -> Iterator[None]:
    """Expect what each database does with a forbidden change of a row."""
    if store.kind == "sqlite":
        with pytest.raises(NotPermitted):
            yield
    else:
        yield


def test_fault_1_a_stranger_changes_no_default_visibility_of_a_personal_account(scene: Scene) -> None:
    with forbidden(scene.store):
        assert scene.bob.write("set_default_visibility", id=scene.hers.id, visibility="shared") == 0
    assert visibility_of(scene.ann, scene.hers) is Visibility.PRIVATE


def test_fault_1_a_stranger_changes_no_default_visibility_of_a_team_account(scene: Scene) -> None:
    with forbidden(scene.store):
        assert scene.ann.write("set_default_visibility", id=scene.support.id, visibility="shared") == 0
    assert visibility_of(scene.bob, scene.support) is Visibility.PRIVATE


def test_fault_1_a_stranger_without_any_team_changes_nothing_either(scene: Scene) -> None:
    dan = scene.store.add_member("dan@example.com")
    for account in (scene.hers, scene.support):
        with forbidden(scene.store):
            assert dan.write("set_default_visibility", id=account.id, visibility="shared") == 0


def test_fault_1_nobody_adds_an_account_for_a_team_of_others(scene: Scene) -> None:
    with pytest.raises(NotPermitted):
        connect(scene.ann, "evil@example.com", team_id=scene.support_team.id)
    with pytest.raises(NotPermitted):
        scene.bob.insert(
            "create_account",
            address="evil@example.com",
            owner_id=scene.ann.viewer.id,
            team_id=None,
            default_visibility="shared",
        )
    assert connect(scene.bob, "evil@example.com").owner_id == scene.bob.viewer.id


def test_fault_2_an_account_connected_again_takes_the_new_visibility(db: Database) -> None:
    first = connect(db, FIRST, default_visibility=Visibility.SHARED)
    accounts.disconnect_account(db, first)
    again = connect(db, FIRST, default_visibility=Visibility.PRIVATE)
    assert again.id == first.id
    assert again.default_visibility is Visibility.PRIVATE


def test_fault_2_an_account_connected_again_for_others_is_refused(db: Database) -> None:
    team = members.create_team(db, "Sales")
    personal, common = connect(db, FIRST), connect(db, "sales@example.com", team_id=team.id)
    for account in (personal, common):
        accounts.disconnect_account(db, account)
    with pytest.raises(AlreadyExists, match="connected before"):
        connect(db, FIRST, team_id=team.id)
    with pytest.raises(AlreadyExists, match="connected before"):
        connect(db, "sales@example.com")
    assert accounts.accounts(db) == []


@pytest.mark.parametrize("field", ["subject", "text", "preview", "message_id", "references"])
def test_fault_3_a_nul_breaks_no_batch(db: Database, field: str) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    hostile = letter(1, "a@example.org")
    value: Any = ("a\0b@example.org",) if field == "references" else "a\0b"
    hostile = dataclasses.replace(
        hostile,
        content=dataclasses.replace(
            hostile.content, parsed=dataclasses.replace(hostile.content.parsed, **{field: value})
        ),
    )
    assert save(db, account, inbox, hostile, letter(2, "b@example.org")).new == 2


@ON_POSTGRES
def test_fault_3_an_index_row_too_large_is_no_lost_connection(db: Database) -> None:
    assert isinstance(db, PostgresDatabase)
    db._connection.execute("CREATE TEMP TABLE small (word text PRIMARY KEY)")
    db._queries["add_word"] = (
        "INSERT INTO small SELECT string_agg(md5(n::text), '') FROM generate_series(1, 999) n"
    )
    with pytest.raises(StoreError) as caught:
        db.write("add_word")
    assert not isinstance(caught.value, StoreUnavailable)


@ON_POSTGRES
def test_fault_3_a_cancelled_statement_is_no_lost_connection(db: Database) -> None:
    assert isinstance(db, PostgresDatabase)
    db._connection.execute("SET statement_timeout = '20ms'")
    db._queries["sleep"] = "SELECT pg_sleep(60)"
    with pytest.raises(StoreError) as caught:
        db.read("sleep")
    assert not isinstance(caught.value, StoreUnavailable)


@ON_POSTGRES
def test_fault_3_a_lost_connection_is_called_one(scene: Scene) -> None:
    db = scene.bob
    assert isinstance(db, PostgresDatabase)
    (backend,) = db._connection.execute("SELECT pg_backend_pid() AS pid").fetchall()
    with psycopg.connect(scene.store._login(login_of(BOB))) as second:
        second.execute("SELECT pg_terminate_backend(%s)", [backend["pid"]])
    with pytest.raises(StoreUnavailable):
        db.read("members")


def test_fault_3_a_text_with_very_many_words_is_stored(db: Database) -> None:
    account = connect(db, FIRST)
    words = " ".join(f"{'я' * 54}{number:06d}" for number in range(16_000))
    saved = save(db, account, folder(db, account), letter(1, "a@example.org", subject="Offer", text=words))
    assert saved.new == 1
    assert [
        hit.subject for hit in search.search_emails(db, parse_query(f"{'я' * 54}000000", NOW), limit=5)
    ] == ["Offer"]


def test_fault_3_the_longest_message_id_of_a_hostile_sender_is_stored(db: Database) -> None:
    name = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(998))
    message_id = next(iter(message_ids(f"<{name}>")), None)
    account = connect(db, FIRST)
    assert save(db, account, folder(db, account), letter(1, message_id, references=[name[:1]])).new == 1


@pytest.mark.parametrize("year", [1, 999, 9999])
def test_an_email_of_an_impossible_date_can_be_read_again(db: Database, year: int) -> None:
    account = connect(db, FIRST)
    then = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    save(db, account, folder(db, account), letter(1, "a@example.org", received_at=then, sent_at=then))
    (row,) = threads.inbox(db, account_id=None, unlinked=False, unread=False, limit=9)
    assert abs(row.last_received_at - then) < timedelta(days=2)


def test_fault_4_an_account_that_cannot_be_finished_is_not_begun(db: Database) -> None:
    broken = dataclasses.replace(SERVER, host=cast("str", None))
    with pytest.raises(StoreError):
        connect(db, FIRST, imap=broken)
    assert db.read("disconnected_account", address=FIRST) == []
    assert connect(db, FIRST).address == FIRST


def test_fault_4_an_address_of_somebody_else_is_told_apart(scene: Scene) -> None:
    with pytest.raises(AlreadyExists, match="somebody else"):
        connect(scene.bob, scene.hers.address)


def test_fault_4_a_busy_store_is_not_called_somebody_elses(scene: Scene) -> None:
    with busy(scene), pytest.raises(StoreBusy) as caught:
        connect(scene.bob, "new@example.com")
    assert "somebody" not in str(caught.value)
    assert connect(scene.bob, "new@example.com").address == "new@example.com"


@contextmanager
def busy(scene: Scene) -> Iterator[None]:
    """Let another connection hold what Bob's is going to write, and Bob's be impatient."""
    db = scene.bob
    if isinstance(db, SqliteDatabase):
        db._connection.execute("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(sqlite_path(scene.store.url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    assert isinstance(db, PostgresDatabase)
    db._connection.execute("SET lock_timeout = '50ms'")
    with psycopg.connect(scene.store.url) as owner:
        owner.execute("LOCK TABLE main.account IN EXCLUSIVE MODE")
        yield
        owner.rollback()


class Undo(Exception):
    """Raised inside a transaction to undo it."""


def add(db: Database, name: str) -> None:
    contacts.create_contact(db, name=name, addresses=[])


def names(db: Database) -> set[str]:
    return {contact.name for contact in contacts.contacts(db, limit=9)}


def test_fault_6_an_inner_transaction_rolls_back_alone(db: Database) -> None:
    with db.transaction():
        add(db, "Before")
        with suppress(Undo), db.transaction():
            add(db, "Half")
            raise Undo
        add(db, "After")
    assert names(db) == {"Before", "After"}


def test_fault_6_an_inner_transaction_that_failed_on_a_constraint_rolls_back_alone(db: Database) -> None:
    with db.transaction():
        contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"])
        with suppress(AlreadyExists), db.transaction():
            add(db, "Half")
            db.write("add_contact_address", address="kim@example.kr", contact_id=1, position=0)
        add(db, "After")
    assert names(db) == {"Kim", "After"}


def test_fault_6_a_transaction_around_one_that_rolled_back_rolls_back_all_of_itself(db: Database) -> None:
    with db.transaction():
        with suppress(Undo), db.transaction():
            add(db, "Middle")
            with suppress(Undo), db.transaction():
                add(db, "Inner")
                raise Undo
            raise Undo
        add(db, "Outer")
    assert names(db) == {"Outer"}


def test_fault_6_an_outer_transaction_takes_a_finished_inner_one_along(db: Database) -> None:
    with suppress(Undo), db.transaction():
        with db.transaction():
            add(db, "Inner")
        raise Undo
    assert names(db) == set()


def test_fault_7_the_source_of_a_hidden_email_is_not_found(scene: Scene) -> None:
    hidden = scene.email(scene.private)
    assert emails.email_source(scene.ann, hidden)
    with pytest.raises(NotFound) as of_hidden:
        emails.email_source(scene.bob, hidden)
    with pytest.raises(NotFound) as of_nothing:
        emails.email_source(scene.bob, 987654)
    assert str(of_hidden.value).replace(str(hidden), "") == str(of_nothing.value).replace("987654", "")


def test_fault_8_a_forbidden_update_changes_nothing(scene: Scene) -> None:
    for thread in (scene.private, scene.unlinked, scene.shared):
        before = threads.thread(scene.ann, str(thread)).visibility
        with forbidden(scene.store):
            assert scene.bob.write("set_visibility", id=thread, visibility=other(before)) == 0
        assert threads.thread(scene.ann, str(thread)).visibility is before


def other(visibility: Visibility) -> Visibility:
    return Visibility.PRIVATE if visibility is Visibility.SHARED else Visibility.SHARED


def test_fault_8_a_forbidden_deletion_changes_nothing(scene: Scene) -> None:
    deal = deals.deal(scene.ann, "Big deal")
    linking.link_thread(scene.ann, threads.thread(scene.ann, str(scene.shared)), deal, now=NOW)
    with forbidden(scene.store):
        assert scene.bob.write("remove_item_links", thread_id=scene.shared) == 0
    with forbidden(scene.store):
        scene.bob.write("remove_thread", thread_id=scene.private)
    assert len(links.links(scene.ann, [scene.shared])) == 2
    assert len(emails.thread_emails(scene.ann, scene.private)) == 1


def test_fault_8_a_forbidden_addition_is_not_permitted(scene: Scene) -> None:
    kim = contacts.contact(scene.bob, "Kim")
    link = {
        "contact_id": kim.id,
        "deal_id": None,
        "lead_id": None,
        "origin": LinkOrigin.MANUAL,
        "linked_at": NOW,
    }
    with pytest.raises(NotPermitted):
        scene.bob.write("add_link", thread_id=scene.unlinked, linked_by=scene.bob.viewer.id, **link)
    inbox = folders.folders(scene.ann, scene.hers)[0]
    with pytest.raises(NotPermitted):
        save(scene.bob, scene.hers, inbox, letter(9, "x@example.org"))
    assert links.links(scene.ann, [scene.unlinked]) == []
    assert len(links.threads_of_account(scene.ann, scene.hers, since=None)) == 3


def test_fault_8_one_forbidden_change_among_many_undoes_them_all(scene: Scene) -> None:
    kim = contacts.contact(scene.bob, "Kim")
    made = {
        "contact_id": kim.id,
        "deal_id": None,
        "lead_id": None,
        "origin": LinkOrigin.MANUAL,
        "linked_at": NOW,
    }
    wanted = [
        {"thread_id": thread, "linked_by": scene.bob.viewer.id, **made}
        for thread in (scene.own, scene.unlinked)
    ]
    with pytest.raises(NotPermitted), scene.bob.transaction():
        scene.bob.write_many("add_link", wanted)
    assert links.links(scene.bob, [scene.own]) == []


def test_fault_9_owner_and_team_of_an_account_stay(scene: Scene) -> None:
    for column in ("owner_id", "team_id"):
        statement = f"UPDATE main.account SET {column} = {scene.bob.viewer.id} WHERE id = {scene.his.id}"
        with pytest.raises((NotPermitted, errors.InsufficientPrivilege)):
            change(scene.bob, statement)


def test_fault_9_holders_of_one_message_agree_on_when_it_was_sent(scene: Scene) -> None:
    kim = contacts.contact(scene.ann, "Kim")
    shown = {}
    for db, account, sent in ((scene.ann, scene.hers, NOW), (scene.bob, scene.his, NOW - timedelta(days=1))):
        (thread,) = save(
            db, account, folders.folders(db, account)[0], letter(50, "same@example.org", sent_at=sent)
        ).threads
        threads.set_visibility(db, thread, Visibility.SHARED)
        linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    for row in timeline(scene.ann, kim, limit=9).emails:
        if row.message_id == "same@example.org":
            shown[row.sent_at] = row.holders
    assert shown == {NOW: (FIRST,), NOW - timedelta(days=1): (BOB,)}


def test_fault_9_a_flag_that_only_looks_like_seen_leaves_an_email_unread(db: Database) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    for uid, flags in enumerate(
        [["NotSeen"], ["\\SeenBefore"], ["x\\Seen"], ["\\Flagged", "\\Seen"]], start=1
    ):
        save(db, account, inbox, letter(uid, f"{uid}@example.org", subject=" ".join(flags), flags=flags))
    unread = {row.subject for row in threads.inbox(db, account_id=None, unlinked=False, unread=True, limit=9)}
    assert unread == {"NotSeen", "\\SeenBefore", "x\\Seen"}
    rows_ = threads.inbox(db, account_id=None, unlinked=False, unread=False, limit=9)
    assert {row.subject for row in rows_ if row.unread} == unread


def test_fault_9_candidates_leave_refused_deals_out(db: Database) -> None:
    account = connect(db, FIRST)
    kim = contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"])
    one, two, three = (
        deals.create_deal(db, title=title, contact_ids=[kim.id], value=None, currency=None, at=NOW)
        for title in ("One", "Two", "Three")
    )
    (thread,) = save(db, account, folder(db, account), letter(1, "a@example.org")).threads
    row = threads.thread(db, str(thread))
    linking.link_thread(db, row, two, now=NOW)
    linking.unlink_thread(db, row, two, now=NOW)
    linking.apply_rule(db, account, [thread], now=NOW)
    (suggestion,) = suggestions.suggestions(db, limit=99)
    assert [each.deal_id for each in suggestion.candidates] == [three.id, one.id]
    deals.set_deal_status(db, three, DealStatus.LOST, at=NOW)
    deals.set_deal_status(db, two, DealStatus.WON, at=NOW)
    assert linking.apply_rule(db, account, [thread], now=NOW).threads == (thread,)


@pytest.mark.rule("see-admin")
def test_an_admin_sees_no_more_than_any_colleague(scene: Scene) -> None:
    assert scene.ann.viewer.role is MemberRole.ADMIN
    with pytest.raises(NotFound):
        threads.thread(scene.ann, str(scene.own))
    assert accounts.accounts(scene.ann) == [accounts.account(scene.ann, FIRST)]

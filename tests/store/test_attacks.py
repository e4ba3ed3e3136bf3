"""A member with a login of their own, and any client they like, sees not one row too many on PostgreSQL.

Each test is one attack; `test_closed_doors` has those that a review found before. What PostgreSQL
itself tells everybody is written in docs/visibility.md, and the last tests hold it to that.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from mailcrm.store import members, rules
from mailcrm.store.postgres import PostgresDatabase
from tests.conftest import NOW, Store
from tests.servers.postgres import PostgresServer, database_of
from tests.store.conftest import BOB, SECRET, Scene, refused, rows, undone

pytestmark = pytest.mark.rule("psql")

VISIBILITY = Path(__file__).parents[2] / "docs" / "visibility.md"

ON_POSTGRES = pytest.mark.parametrize("store", ["postgres"], indirect=True)


@contextmanager
def listening(line: psycopg.Connection) -> Iterator[list[str]]:
    """Collect what the server says besides rows."""
    heard: list[str] = []

    def note(said: errors.Diagnostic) -> None:
        heard.append(f"{said.message_primary} {said.message_detail} {said.context}")

    line.add_notice_handler(note)
    try:
        yield heard
    finally:
        line.remove_notice_handler(note)


# --- other ways to the rows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT table_to_xml('main.email', true, false, '')",
        "SELECT schema_to_xml('main', true, false, '')",
        "SELECT query_to_xml('SELECT * FROM main.email_body', true, false, '')",
        "SELECT * FROM ts_stat('SELECT vector FROM main.email_terms')",
        "SELECT * FROM main.email TABLESAMPLE SYSTEM (100)",
        "SELECT ctid, xmin, email.* FROM main.email",
        "SELECT json_agg(t) FROM main.thread t",
        "SELECT * FROM ONLY main.thread",
        "SELECT * FROM main.email NATURAL FULL JOIN main.email_body",
        "SELECT (SELECT string_agg(subject, ',') FROM main.thread)",
        "SELECT * FROM main.thread t LEFT JOIN LATERAL (SELECT * FROM main.email e WHERE true) AS x ON true",
        "WITH RECURSIVE r AS (SELECT subject FROM main.email UNION SELECT subject FROM r) SELECT * FROM r",
        "SELECT max(subject), min(subject), count(DISTINCT preview) FROM main.email",
        "UPDATE main.email SET subject = subject RETURNING email.*",
        "DELETE FROM main.participant RETURNING participant.*",
        "WITH gone AS (DELETE FROM main.email RETURNING *) SELECT * FROM gone",
    ],
)
def test_no_way_of_reading_shows_a_secret(town: Scene, bob: psycopg.Connection, statement: str) -> None:
    assert SECRET not in repr(rows(bob, statement))


@pytest.mark.parametrize("kind", ["NO SCROLL", "SCROLL"])
def test_a_cursor_shows_no_secret(town: Scene, bob: psycopg.Connection, kind: str) -> None:
    bob.execute(f"DECLARE c {kind} CURSOR FOR SELECT * FROM main.email")
    assert SECRET not in repr(rows(bob, "FETCH ALL FROM c"))


def test_a_prepared_statement_shows_no_secret_after_a_change_of_role(
    town: Scene, bob: psycopg.Connection
) -> None:
    bob.execute("PREPARE p AS SELECT * FROM main.email")
    for _ in range(6):  # the sixth run may have a plan that was kept
        bob.execute("EXECUTE p")
    bob.execute("SET LOCAL ROLE mailcrm_member")
    assert SECRET not in repr(rows(bob, "EXECUTE p"))


def test_no_row_of_a_colleague_is_locked(town: Scene, bob: psycopg.Connection) -> None:
    for strength in ("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"):
        assert rows(bob, f"SELECT id FROM main.thread FOR {strength}") == [(town.own,)]


def test_merge_changes_no_thread_of_a_colleague(town: Scene, bob: psycopg.Connection) -> None:
    merge = (
        "MERGE INTO main.thread t USING (SELECT {}::bigint AS id) AS x ON t.id = x.id "
        "WHEN MATCHED THEN UPDATE SET visibility = 'private' WHEN NOT MATCHED THEN DO NOTHING"
    )
    assert "42501" in refused(bob, merge.format(town.shared))
    assert bob.execute(merge.format(town.private)).rowcount == 0


def test_copy_brings_no_rows_in(town: Scene, bob: psycopg.Connection) -> None:
    with (
        pytest.raises(psycopg.Error),
        bob.transaction(),
        bob.cursor().copy("COPY main.label (name) FROM STDIN"),
    ):
        pass


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_import('/etc/hostname')",
        "COPY main.label (name) FROM PROGRAM 'id'",
        "COPY main.email TO '/tmp/email'",
        "CREATE EXTENSION postgres_fdw",
        "SELECT passwd FROM pg_shadow",
        "SELECT rolpassword FROM pg_authid",
        "LOAD 'auto_explain'",
        "SET log_executor_stats = on",
        "SET session_preload_libraries = 'auto_explain'",
    ],
)
def test_nothing_of_the_server_itself_is_reached(
    town: Scene, bob: psycopg.Connection, statement: str
) -> None:
    refused(bob, statement)


def test_nobody_reads_what_a_colleague_is_asking(
    town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection
) -> None:
    lines["ann"].execute(f"SELECT '{SECRET}'")
    ann = lines["ann"].info.backend_pid
    assert rows(bob, "SELECT query, client_addr FROM pg_stat_activity WHERE pid = %s", ann) == [
        ("<insufficient privilege>", None)
    ]


# --- functions, operators and names of one's own ------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    [
        "1 / (length(subject) - length(subject)) = 1",
        "subject::integer = 1",
        "subject::timestamptz > now()",
        "subject::xml IS DOCUMENT",
        "subject::jsonb IS NOT NULL",
        "subject ~ ('(' || subject)",
        "(ARRAY[1])[subject::integer] = 1",
    ],
)
def test_no_error_is_raised_by_a_hidden_row(town: Scene, bob: psycopg.Connection, condition: str) -> None:
    for hidden in (town.private, town.unlinked):
        found = rows(bob, f"SELECT * FROM main.email WHERE thread_id = %s AND {condition}", hidden)
        assert found == []


def test_an_operator_of_ones_own_hears_no_value_from_rows_or_statistics(
    town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection
) -> None:
    lines["owner"].execute("ANALYZE main.email")
    bob.execute(
        "CREATE FUNCTION pg_temp.hear(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 "
        "AS $$ BEGIN RAISE NOTICE '% %', $1, $2; RETURN true; END $$"
    )
    for name, estimate in (("<<<", "scalarltsel"), ("===", "eqsel")):
        bob.execute(
            f"CREATE OPERATOR pg_temp.{name} (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.hear, "
            f"RESTRICT = {estimate})"
        )
        with listening(bob) as heard:
            bob.execute(f"SELECT count(*) FROM main.email WHERE subject OPERATOR(pg_temp.{name}) 'x'")
            bob.execute(f"EXPLAIN SELECT 1 FROM main.email WHERE preview OPERATOR(pg_temp.{name}) 'x'")
        assert heard
        assert SECRET not in " ".join(heard)


def test_a_function_of_ones_own_may_not_call_itself_leakproof(town: Scene, bob: psycopg.Connection) -> None:
    assert "42501" in refused(
        bob,
        "CREATE FUNCTION pg_temp.sly(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
    )


@pytest.mark.parametrize("table", ["thread", "link", "member", "email_terms", "email"])
def test_a_temporary_table_of_our_name_changes_no_rule(
    town: Scene, bob: psycopg.Connection, table: str
) -> None:
    bob.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} WHERE false")
    bob.execute(f"INSERT INTO pg_temp.{table} SELECT * FROM main.{table}")
    bob.execute("SET LOCAL search_path = pg_temp, main")
    assert rows(bob, "SELECT 1 FROM main.email WHERE thread_id = %s", town.private) == []
    assert rows(bob, f"SELECT * FROM main.search_email('''{SECRET}''')") == []


@pytest.mark.parametrize(
    "query", [f"'{SECRET}'", "'x' |", "", "!'x'", "'x':*", "'price' <-> 'x'", f"'{SECRET}':ABCD"]
)
def test_a_search_tells_no_more_by_what_it_refuses(town: Scene, bob: psycopg.Connection, query: str) -> None:
    words = refused(bob, "SELECT 1 / 0 FROM main.search_email(%s)", query) if query == "'x' |" else ""
    assert SECRET not in words
    if not words:
        seen = {email for (email,) in rows(bob, "SELECT email_id FROM main.search_email(%s)", query)}
        assert seen <= {town.email(town.shared), town.email(town.own)}


def test_explain_shows_nothing_of_what_a_search_looks_at(town: Scene, bob: psycopg.Connection) -> None:
    plans = [
        rows(
            bob,
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM main.search_email(%s)",
            f"'{word}'",
        )
        for word in (SECRET, "nosuchword")
    ]
    assert plans[0] == plans[1] == [("Function Scan on search_email (actual rows=0 loops=1)",)]


# --- guessing -----------------------------------------------------------------------------------


@pytest.mark.rule("see-errors")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO main.thread_split (thread_id, other_id) VALUES ({own}, {thread})",
        "INSERT INTO main.thread_split (thread_id, other_id) VALUES ({thread}, {own})",
        (
            "INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail) "
            "VALUES ({thread}, {bob}, now(), 'x', '')"
        ),
        "UPDATE main.thread_event SET thread_id = {thread}",
        "UPDATE main.thread_split SET other_id = {thread}",
        "INSERT INTO main.thread_label (thread_id, label_id) VALUES ({thread}, {label})",
        "UPDATE main.thread_label SET thread_id = {thread}",
        "INSERT INTO main.suggestion (thread_id, reason, made_at) VALUES ({thread}, 'x', now())",
        (
            "INSERT INTO main.suggestion (thread_id, reason, made_at) VALUES ({thread}, 'x', now()) "
            "ON CONFLICT (thread_id) DO UPDATE SET reason = 'x'"
        ),
        "UPDATE main.suggestion SET thread_id = {thread}",
        "INSERT INTO main.suggestion_candidate (suggestion_id, deal_id) VALUES ({suggestion}, {deal})",
        (
            "INSERT INTO main.block_rule (account_id, pattern, mode, added_by, added_at) "
            "VALUES ({account}, 'hush@example.kr', 'any', {bob}, now())"
        ),
        "INSERT INTO main.screened VALUES ({folder}, 1, 1, {rule}, 1)",
        "INSERT INTO main.screened VALUES ({inbox}, 1, 1, {rule}, 1)",
        "UPDATE main.screened SET block_rule_id = {rule}",
        "INSERT INTO main.account_alias (account_id, address) VALUES ({account}, 'hush@example.com')",
        "INSERT INTO main.email_identity (account_id, identity, email_id) VALUES ({mine}, 'x', {email})",
        "INSERT INTO main.email_identity (account_id, identity, email_id) VALUES ({account}, 'x', {email})",
        (
            "INSERT INTO main.folder (account_id, path, name, usual, selected, highest_uid) "
            "VALUES ({account}, 'hush', 'hush', true, true, 0)"
        ),
        (
            "INSERT INTO main.thread (account_id, subject, visibility, last_received_at, due) "
            "VALUES ({account}, 'x', 'private', now(), true)"
        ),
        "UPDATE main.placement SET email_id = {email}",
        "UPDATE main.placement SET folder_id = {folder}",
        "UPDATE main.link SET thread_id = {thread}",
    ],
)
def test_a_refusal_does_not_tell_what_is_there(hideout: "Hideout", statement: str) -> None:
    line = hideout.line
    nothing = dict.fromkeys(("thread", "email", "account", "folder", "suggestion", "rule"), 987654)
    with undone(line):
        there = refused(line, statement.format(**hideout.mine, **hideout.hidden))
        not_there = refused(line, statement.format(**hideout.mine, **nothing))
    assert there == not_there
    assert "42501" in there


class Hideout:
    """Bob's client, what is his, and numbers of Ann's that he guesses."""

    def __init__(self, line: psycopg.Connection, mine: dict[str, int], hidden: dict[str, int]) -> None:
        self.line = line
        self.mine = mine
        self.hidden = hidden


@pytest.fixture(scope="module")
def hideout(town: Scene, lines: dict[str, psycopg.Connection]) -> Hideout:
    """Return a town where each table in which numbers can be guessed has a row of Ann's and one of Bob's."""

    def made(statement: str, *values: object) -> int:
        ((number,),) = lines["owner"].execute(statement, values).fetchall()
        assert isinstance(number, int)
        return number

    label = made("INSERT INTO main.label (name) VALUES ('Hot') RETURNING id")
    of_both: list[dict[str, int]] = []
    for member, account, thread in (
        (town.bob.viewer.id, town.his.id, town.own),
        (town.ann.viewer.id, town.hers.id, town.private),
    ):
        rule = made(
            "INSERT INTO main.block_rule (account_id, pattern, mode, added_by, added_at) "
            "VALUES (%s, %s, 'any', %s, now()) RETURNING id",
            account,
            f"{SECRET}@example.kr" if account == town.hers.id else "x@example.kr",
            member,
        )
        folder = made("SELECT id FROM main.folder WHERE account_id = %s", account)
        second = made(
            "INSERT INTO main.thread (account_id, subject, visibility, last_received_at, due) "
            "VALUES (%s, 'x', 'private', now(), false) RETURNING id",
            account,
        )
        suggestion = made(
            "INSERT INTO main.suggestion (thread_id, reason, made_at) VALUES (%s, 'x', now()) RETURNING id",
            thread,
        )
        for statement, values in (
            ("INSERT INTO main.screened VALUES (%s, 1, 5, %s, 1)", (folder, rule)),
            ("INSERT INTO main.thread_split VALUES (%s, %s)", (thread, second)),
            ("INSERT INTO main.thread_label VALUES (%s, %s)", (thread, label)),
            (
                (
                    "INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail) "
                    "VALUES (%s, %s, now(), 'shared', '')"
                ),
                (thread, member),
            ),
        ):
            lines["owner"].execute(statement, values)
        email = made("SELECT id FROM main.email WHERE thread_id = %s", thread)
        of_both.append(
            {
                "thread": thread,
                "email": email,
                "account": account,
                "folder": folder,
                "suggestion": suggestion,
                "rule": rule,
            }
        )
    his, hidden = of_both
    deal = made("SELECT id FROM main.deal")
    lines["owner"].execute(
        "INSERT INTO main.link (thread_id, deal_id, origin, linked_by, linked_at) "
        "VALUES (%s, %s, 'manual', %s, now())",
        (town.own, deal, town.bob.viewer.id),
    )
    mine = {
        "own": town.own,
        "mine": town.his.id,
        "inbox": his["folder"],
        "bob": town.bob.viewer.id,
        "label": label,
        "deal": deal,
    }
    return Hideout(lines["bob"], mine, hidden)


@pytest.mark.rule("see-suggestions")
@pytest.mark.parametrize("table", ["thread_split", "thread_event", "suggestion", "block_rule", "screened"])
def test_what_managers_alone_are_told_is_shown_to_no_colleague(hideout: Hideout, table: str) -> None:
    assert len(rows(hideout.line, f"SELECT * FROM main.{table}")) == 1
    assert SECRET not in repr(rows(hideout.line, f"SELECT * FROM main.{table}"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE main.thread_event SET done_by = {ann}",
        "UPDATE main.thread_event SET done_at = now()",
        "UPDATE main.thread_event SET action = 'x'",
        "UPDATE main.thread_event SET detail = 'x'",
        "UPDATE main.link SET linked_by = {ann}",
        "UPDATE main.link SET linked_at = now()",
        "UPDATE main.link_refusal SET refused_by = {ann}",
        "UPDATE main.block_rule SET pattern = '*'",
        "UPDATE main.member_event SET action = 'x'",
        (
            "INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail) "
            "VALUES ({own}, {ann}, now(), 'shared', '')"
        ),
        (
            "INSERT INTO main.link (thread_id, contact_id, origin, linked_by, linked_at) "
            "VALUES ({own}, 1, 'manual', {ann}, now())"
        ),
        (
            "INSERT INTO main.link_refusal (thread_id, contact_id, refused_by, refused_at) "
            "VALUES ({own}, 1, {ann}, now())"
        ),
        (
            "INSERT INTO main.block_rule (account_id, pattern, mode, added_by, added_at) "
            "VALUES ({mine}, 'x', 'any', {ann}, now())"
        ),
        (
            "INSERT INTO main.block_rule (account_id, pattern, mode, added_by, added_at) "
            "VALUES (NULL, 'x', 'any', {bob}, now())"
        ),
        (
            "INSERT INTO main.member_event (member_id, done_by, done_at, action) "
            "VALUES ({ann}, {bob}, now(), 'deactivated')"
        ),
        "INSERT INTO main.migration SELECT * FROM main.migration",
        "UPDATE main.account SET id = 1",
    ],
)
def test_history_is_neither_forged_nor_rewritten(hideout: Hideout, town: Scene, statement: str) -> None:
    with undone(hideout.line):
        assert "42501" in refused(hideout.line, statement.format(ann=town.ann.viewer.id, **hideout.mine))


@pytest.mark.parametrize("table", ["thread_event", "member_event", "member"])
def test_what_was_done_is_removed_by_nobody(
    hideout: Hideout, lines: dict[str, psycopg.Connection], table: str
) -> None:
    for line in (hideout.line, lines["ann"]):
        with undone(line):
            assert line.execute(f"DELETE FROM main.{table}").rowcount == 0


# --- records that others' threads are linked to -------------------------------------------------


@pytest.mark.rule("records-who")
@pytest.mark.parametrize("table", sorted(rules.HANDED_ON))
def test_nobody_takes_a_record_of_a_colleague_to_remove_it(
    town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection, table: str
) -> None:
    needs = {"contact": ", title, notes", "organization": ", notes", "deal": ", status, stage_id, created_at"}
    needs["lead"] = ", status, created_at"
    values = {"contact": ", '', ''", "organization": ", ''", "deal": ", 'open', 1, now()"}
    values["lead"] = ", 'open', now()"
    name = "name" if table in {"contact", "organization"} else "title"
    columns = f"{name}, owner_id{needs[table]}"
    add = f"INSERT INTO main.{table} ({columns}) VALUES ('x', %s{values[table]}) RETURNING id"
    for owner in (town.ann.viewer.id, None):
        ((record,),) = rows(bob, add, owner)
        me = town.bob.viewer.id
        assert "42501" in refused(bob, f"UPDATE main.{table} SET owner_id = %s WHERE id = %s", me, record)
        assert bob.execute(f"DELETE FROM main.{table} WHERE id = %s", (record,)).rowcount == 0
        bob.execute(f"UPDATE main.{table} SET {name} = 'y', owner_id = owner_id WHERE id = %s", (record,))
    ((mine,),) = rows(bob, add, town.bob.viewer.id)
    bob.execute(f"UPDATE main.{table} SET owner_id = %s WHERE id = %s", (town.ann.viewer.id, mine))


def test_nobody_removes_a_colleagues_contact_by_making_it_part_of_ones_own(
    town: Scene, bob: psycopg.Connection
) -> None:
    ((kim,),) = rows(bob, "SELECT id FROM main.contact WHERE name = 'Kim'")
    ((mine,),) = rows(
        bob,
        "INSERT INTO main.contact (name, title, notes, owner_id) VALUES ('x', '', '', %s) RETURNING id",
        town.bob.viewer.id,
    )
    bob.execute("UPDATE main.contact SET merged_into_id = %s WHERE id = %s", (mine, kim))
    assert bob.execute("DELETE FROM main.contact WHERE id = %s", (mine,)).rowcount == 0


# --- counting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(rules.VISIBLE))
def test_no_sequence_tells_how_many_there_are(town: Scene, bob: psycopg.Connection, table: str) -> None:
    ((sequence,),) = rows(bob, "SELECT to_regclass(%s)::text", f"main.{table}_id_seq")
    if sequence is None:
        return
    for statement in (
        f"SELECT last_value FROM {sequence}",
        f"SELECT nextval('{sequence}')",
        f"SELECT setval('{sequence}', 1)",
        f"ALTER SEQUENCE {sequence} RESTART",
    ):
        assert "42501" in refused(bob, statement)
    assert rows(bob, "SELECT last_value FROM pg_sequences WHERE sequencename = %s", f"{table}_id_seq") == [
        (None,)
    ]


@pytest.mark.parametrize("view", ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"])
def test_no_statistics_show_values(
    town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection, view: str
) -> None:
    lines["owner"].execute(
        "CREATE STATISTICS IF NOT EXISTS main.two (mcv) ON subject, preview FROM main.email"
    )
    lines["owner"].execute("ANALYZE main.email")
    assert rows(bob, f"SELECT * FROM {view} WHERE schemaname = 'main'") == []
    for catalog in ("pg_statistic", "pg_statistic_ext_data"):
        assert "42501" in refused(bob, f"SELECT * FROM {catalog}")


# --- who is no longer there, and who administers ------------------------------------------------


@ON_POSTGRES
@pytest.mark.rule("see-deactivated")
def test_a_deactivated_member_reads_and_changes_nothing_with_a_client_of_their_own(scene: Scene) -> None:
    members.set_active(scene.ann, scene.bob.viewer, active=False, at=NOW)
    with psycopg.connect(scene.store._login("bob"), autocommit=True) as line:
        for table in rules.VISIBLE:
            assert rows(line, f"SELECT 1 FROM main.{table}") == []
        for helper in rules.HELPERS:
            assert rows(line, f"SELECT 1 FROM main.{helper}") == []
        assert rows(line, "SELECT 1 FROM main.search_email('!''x''')") == []
        assert "42501" in refused(line, "INSERT INTO main.label (name) VALUES ('x')")
        assert line.execute("UPDATE main.member SET active = true").rowcount == 0
        assert line.execute("DELETE FROM main.thread").rowcount == 0


@pytest.mark.rule("see-admin")
def test_an_admin_reads_no_private_mail_with_a_client_of_their_own(
    town: Scene, admin: psycopg.Connection
) -> None:
    for table in ("email", "thread_reference", "link", "suggestion"):
        found = rows(admin, f"SELECT 1 FROM main.{table} WHERE thread_id = %s", town.own)
        assert found == []
    assert (
        admin.execute("UPDATE main.thread SET visibility = 'shared' WHERE id = %s", (town.own,)).rowcount == 0
    )


# --- what PostgreSQL tells, and what a superuser can do about it --------------------------------


def told(line: psycopg.Connection, email: int, condition: str) -> bool:
    """Say whether a plan tells that a hidden row meets a condition: its rule was asked, or was not."""
    plan = rows(
        line,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "
        f"SELECT 1 FROM main.email WHERE id = {email} AND {condition}",
    )
    (rule,) = [said for (said,) in plan if "on thread t" in str(said)]
    return "never executed" not in str(rule)


#: Comparisons that PostgreSQL makes before it asks the rule; by them a text is guessed letter by letter.
LETTERS = [
    ("subject < 'i'", "subject < 'a'"),
    ("subject >= 'h'", "subject >= 'i'"),
    ("starts_with(subject, 'hu')", "starts_with(subject, 'ha')"),
    ("subject ~<~ 'i'", "subject ~<~ 'a'"),
    ("subject::bpchar < 'i'::bpchar", "subject::bpchar < 'a'::bpchar"),
    ("bttextcmp(subject, 'i') < 0", "bttextcmp(subject, 'a') < 0"),
    ("text_larger(subject, 'i') = 'i'", "text_larger(subject, 'a') = 'a'"),
    ("greatest(subject, 'i') = 'i'", "greatest(subject, 'a') = 'a'"),
    ("hashtext(subject) = hashtext('hush')", "hashtext(subject) = hashtext('x')"),
    ("subject::name = 'hush'", "subject::name = 'x'"),
]


def test_a_superuser_keeps_explain_from_telling_letters(
    postgres: PostgresServer, town: Scene, lines: dict[str, psycopg.Connection], bob: psycopg.Connection
) -> None:
    hidden = town.email(town.private)
    assert told(bob, hidden, "subject < 'i'")
    assert not told(bob, hidden, "subject < 'a'")
    (advice,) = re.findall(r"```sql\n(.*?)\n *```", VISIBILITY.read_text(encoding="utf-8"), re.DOTALL)
    with psycopg.connect(postgres.superuser_url(database_of(town.store.url)), autocommit=True) as superuser:
        superuser.execute(sql.SQL(advice))
    for meets, does_not in LETTERS:
        assert told(bob, hidden, meets) == told(bob, hidden, does_not), meets
    # A whole value can still be tried, and the program's own look-ups by a whole value keep their index.
    assert told(bob, hidden, f"subject = '{SECRET}'") != told(bob, hidden, "subject = 'x'")


@ON_POSTGRES
def test_who_holds_an_account_keeps_nobody_from_another(store: Store) -> None:
    db = store.add_member(BOB)
    assert isinstance(db, PostgresDatabase)
    with db.lease(1), store.as_member("ann@example.com").lease(2):
        pass

"""The rule of docs/visibility.md on both databases, against `core.visibility`, in random worlds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import dict_row

from mailcrm.core import visibility
from mailcrm.core.errors import AlreadyExists, NotPermitted, StoreError, UsageError
from mailcrm.core.model import Member, MemberRole, Visibility
from mailcrm.core.visibility import may_see
from mailcrm.store import postgres as postgres_store
from mailcrm.store import rules, sqlite, threads
from mailcrm.store.database import expand, raw_queries
from mailcrm.store.location import sqlite_path
from mailcrm.store.migrate import migrate
from mailcrm.store.threads import merge_thread
from mailcrm.threads_by_hand import split
from tests.conftest import NOW
from tests.servers.postgres import PostgresServer, database_of
from tests.store.worlds import (
    COMMON_WORD,
    NOBODY,
    PLACES,
    VILLAGE,
    Builder,
    World,
    key,
    keys_of,
    rows,
    sender,
    worlds,
)

_THEN = "2026-01-01T00:00:00Z"

VIEWERS = (*(key(place) for place in range(PLACES)), NOBODY)

#: The columns that tell a table's rows apart, and one that may be changed.
KEYS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "member": (("id",), "name"),
    "team": (("id",), "name"),
    "team_member": (("team_id", "member_id"), "member_id"),
    "member_event": (("id",), ""),
    "label": (("id",), "name"),
    "organization": (("id",), "name"),
    "organization_domain": (("domain",), "organization_id"),
    "contact": (("id",), "name"),
    "contact_address": (("address",), "position"),
    "contact_phone": (("contact_id", "position"), "phone"),
    "pipeline": (("id",), "name"),
    "stage": (("id",), "name"),
    "deal": (("id",), "title"),
    "deal_contact": (("deal_id", "contact_id"), "contact_id"),
    "lead": (("id",), "title"),
    "lead_contact": (("lead_id", "contact_id"), "contact_id"),
    "lead_label": (("lead_id", "label_id"), "label_id"),
    "account": (("id",), "default_visibility"),
    "account_alias": (("account_id", "address"), "address"),
    "account_connection": (("account_id",), "username"),
    "folder": (("id",), "name"),
    "thread": (("id",), "visibility"),
    "thread_reference": (("account_id", "message_id"), "thread_id"),
    "thread_split": (("thread_id", "other_id"), "other_id"),
    "thread_event": (("id",), "thread_id"),
    "thread_label": (("thread_id", "label_id"), "label_id"),
    "email": (("id",), "subject"),
    "email_identity": (("account_id", "identity"), "email_id"),
    "email_body": (("email_id",), "text"),
    "email_source": (("email_id",), "source"),
    "email_terms": (("email_id",), "subject"),
    "participant": (("email_id", "position"), "name"),
    "attachment": (("email_id", "position"), "name"),
    "forward": (("email_id", "position"), "subject"),
    "invitation": (("email_id", "position"), "summary"),
    "delivery": (("email_id", "position"), "reason"),
    "placement": (("folder_id", "uid"), "flags"),
    "fetch_failure": (("folder_id", "uid"), "error"),
    "block_rule": (("id",), ""),
    "screened": (("folder_id", "uid"), "block_rule_id"),
    "link": (("thread_id", "contact_id", "deal_id", "lead_id"), "thread_id"),
    "link_refusal": (("thread_id", "contact_id", "deal_id", "lead_id"), "thread_id"),
    "suggestion": (("id",), "reason"),
    "suggestion_candidate": (("suggestion_id", "contact_id", "deal_id", "lead_id"), "deal_id"),
}

#: Deleting one of their rows takes other rows along; test_schema and test_closed_doors look at that.
PARENTS = frozenset(
    {
        *("member", "team", "account", "folder", "thread", "email", "block_rule", "suggestion"),
        *("label", "organization", "contact", "pipeline", "stage", "deal", "lead"),
    }
)
OF_STORE = frozenset(
    {
        *("member", "member_event", "team", "team_member", "label", "pipeline", "stage"),
        *("organization", "organization_domain", "contact", "contact_address", "contact_phone"),
        *("deal", "deal_contact", "lead", "lead_contact", "lead_label"),
    }
)
#: Told to those who manage the thread's account alone.
OF_MANAGERS = frozenset({"thread_split", "thread_event", "suggestion", "suggestion_candidate"})
OF_EMAIL = frozenset(
    {
        "email_body",
        "email_source",
        "email_terms",
        "participant",
        "attachment",
        "forward",
        "invitation",
        "delivery",
    }
)
OF_FOLDER = frozenset({"placement", "fetch_failure", "screened"})
OF_ACCOUNT = frozenset(
    {"account_alias", "account_connection", "folder", "thread_reference", "email_identity"}
)


class Eyes(Protocol):
    """What one viewer can do with plain SQL, whoever that viewer is."""

    def ask(self, text: str) -> list[Mapping[str, Any]]:
        """Return the rows of a statement."""

    def read(self, name: str, **values: object) -> list[Mapping[str, Any]]:
        """Return the rows of a named query."""

    def attempt(self, statements: Sequence[str]) -> list[bool]:
        """Try each change and undo it; say which were allowed.

        A change that only a unique or foreign key refused has passed the guard, so it counts as allowed.
        """


class SqliteEyes:
    def __init__(self, path: Path, viewer: int) -> None:
        member = Member(id=viewer, name="", address="", role=MemberRole.MEMBER, active=True, login=None)
        self._connection = sqlite.connect(path)
        self._db = sqlite.SqliteDatabase(self._connection, path, member)

    def ask(self, text: str) -> list[Mapping[str, Any]]:
        return [dict(row) for row in self._connection.execute(text)]

    def read(self, name: str, **values: object) -> list[Mapping[str, Any]]:
        return self._db.read(name, **values)

    def attempt(self, statements: Sequence[str]) -> list[bool]:
        return [self._one(statement) for statement in statements]

    def _one(self, statement: str) -> bool:
        self._connection.execute("BEGIN")
        try:
            with self._db._changing():
                return self._connection.execute(statement).rowcount > 0
        except NotPermitted:
            return False
        except (AlreadyExists, StoreError):
            return True
        finally:
            self._connection.execute("ROLLBACK")

    def program(self) -> sqlite.SqliteDatabase:
        path, member = self._db._path, self._db.viewer
        return sqlite.SqliteDatabase(sqlite.connect(path), path, member)

    def close(self) -> None:
        self._db.close()


#: Runs each statement with the caller's rights and undoes it, all in one journey to the server.
ATTEMPT = """
CREATE FUNCTION public.attempt(statements text[]) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    answers boolean[] := '{}';
    statement text;
    changed bigint;
BEGIN
    FOREACH statement IN ARRAY statements LOOP
        BEGIN
            EXECUTE statement;
            GET DIAGNOSTICS changed = ROW_COUNT;
            RAISE EXCEPTION USING ERRCODE = 'MC001', MESSAGE = changed::text;
        EXCEPTION
            WHEN SQLSTATE 'MC001' THEN answers := answers || (SQLERRM <> '0');
            WHEN insufficient_privilege THEN answers := answers || false;
            WHEN integrity_constraint_violation THEN answers := answers || true;
        END;
    END LOOP;
    RETURN answers;
END $$
"""


class PostgresEyes:
    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._connection.execute("SET search_path = main, pg_temp")
        # Compiling a query takes longer than these few rows do, and so does planning it for each world.
        self._connection.execute("SET jit = off")
        self._connection.execute("SET plan_cache_mode = force_generic_plan")
        self._connection.prepared_max = 500

    def ask(self, text: str) -> list[Mapping[str, Any]]:
        return list(self._connection.execute(text, prepare=True).fetchall())

    def read(self, name: str, **values: object) -> list[Mapping[str, Any]]:
        text = expand(raw_queries()[name], postgres_store.TOKENS, postgres_store.EACH)
        query = postgres_store.placeholders(text)
        return list(self._connection.execute(query, values, prepare=True).fetchall())

    def attempt(self, statements: Sequence[str]) -> list[bool]:
        row = self._connection.execute("SELECT public.attempt(%s) AS answers", [list(statements)]).fetchone()
        assert row is not None
        answers: list[bool] = row["answers"]
        return answers

    def program(self) -> postgres_store.PostgresDatabase:
        return postgres_store.PostgresDatabase(postgres_store.connect(self._url))

    def close(self) -> None:
        self._connection.close()


class Stage:
    """One store for all examples, and one pair of eyes for each viewer."""

    def __init__(self, kind: str, url: str, eyes: Mapping[int, SqliteEyes | PostgresEyes]) -> None:
        self.kind = kind
        self.builder = Builder(url)
        self.eyes = eyes

    def program(self, viewer: int) -> sqlite.SqliteDatabase | postgres_store.PostgresDatabase:
        """Open the store as the program does for a member."""
        return self.eyes[viewer].program()

    def close(self) -> None:
        self.builder.close()
        for one in self.eyes.values():
            one.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("worlds") / "mailcrm.db"
        url = f"sqlite:///{path}"
        migrate(url)
        made = Stage("sqlite", url, {viewer: SqliteEyes(sqlite_path(url), viewer) for viewer in VIEWERS})
        yield made
        made.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(template=request.getfixturevalue("migrated_template"))
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(ATTEMPT)
    eyes: dict[int, SqliteEyes | PostgresEyes] = {}
    for viewer in VIEWERS:
        login = f"viewer{viewer - key(0)}"
        server.create_login(login, "secret")
        with psycopg.connect(server.superuser_url(database_of(url)), autocommit=True) as superuser:
            superuser.execute(sql.SQL("GRANT mailcrm_member TO {}").format(sql.Identifier(login)))
        eyes[viewer] = PostgresEyes(server.url(database_of(url), login))
    made = Stage("postgres", url, eyes)
    yield made
    made.close()
    server.drop_database(database_of(url))


def reads(world: World, viewer: int, table: str, row: Mapping[str, Any]) -> bool:
    """Say what the oracle says of one row."""
    if table in OF_STORE:
        return viewer in world.oracle.active_members
    if table == "account":
        place = row["id"] - key(0)
        return world.manages(viewer, place) or any(
            world.sees(viewer, n) for n, thread in enumerate(world.threads) if thread.account == place
        )
    if table == "block_rule" and row["account_id"] is None:
        return viewer in world.oracle.active_members
    if table in OF_ACCOUNT | OF_FOLDER | {"block_rule"}:
        # Every account has one folder, with the account's number.
        return world.manages(viewer, row.get("account_id", row.get("folder_id")) - key(0))
    if table in OF_MANAGERS:
        return world.manages(viewer, world.threads[_thread_of(world, table, row)].account)
    return world.sees(viewer, _thread_of(world, table, row))


def edits(world: World, viewer: int, table: str, row: Mapping[str, Any]) -> bool:
    """Say whether a viewer may change one row."""
    active = viewer in world.oracle.active_members
    if table == "member":
        return active and viewer == key(0)
    if table == "team_member":
        return active and viewer in world.oracle.team_members[row["team_id"]]
    if table in OF_STORE:
        return active
    if table == "account":
        return world.manages(viewer, row["id"] - key(0))
    if table == "block_rule" and row["account_id"] is None:
        return active and viewer == key(0)
    if table in OF_ACCOUNT | OF_FOLDER | {"block_rule"}:
        return reads(world, viewer, table, row)
    return world.manages(viewer, world.threads[_thread_of(world, table, row)].account)


def removes(world: World, viewer: int, table: str, row: Mapping[str, Any]) -> bool:
    """Say whether a viewer may remove one row."""
    if table in {"member", "member_event", "thread_event"}:
        return False
    if table in {"organization", "contact", "deal", "lead"}:
        return viewer in world.oracle.active_members and viewer in {key(0), row["owner_id"]}
    return edits(world, viewer, table, row)


def _thread_of(world: World, table: str, row: Mapping[str, Any]) -> int:
    if table in OF_EMAIL:
        email: int = row["email_id"]
        return world.emails[email - key(0)][0]
    # A suggestion has the number of its thread.
    named = {"thread": "id", "suggestion_candidate": "suggestion_id"}.get(table, "thread_id")
    thread: int = row[named]
    return thread - key(0)


@pytest.mark.rule("see-own")
@pytest.mark.rule("see-team")
@pytest.mark.rule("see-shared-linked")
@pytest.mark.rule("see-shared-unlinked")
@pytest.mark.rule("see-private-nobody")
@pytest.mark.rule("see-admin")
@pytest.mark.rule("see-deactivated")
@pytest.mark.rule("see-suggestions")
@pytest.mark.rule("see-errors")
@given(world=worlds())
@example(world=VILLAGE)
@settings(max_examples=settings().max_examples * 3 // 2)
def test_every_read_shows_what_the_oracle_allows(stage: Stage, world: World) -> None:
    stage.builder.build(world)
    content = rows(world, stage.builder.login_of)
    for viewer in (*world.member_ids(), NOBODY):
        eyes = stage.eyes[viewer]
        for table in rules.VISIBLE:
            columns = KEYS[table][0]
            expected = [row for row in content[table] if reads(world, viewer, table, row)]
            seen = eyes.ask(f"SELECT * FROM {table}")
            assert keys_of(columns, seen) == keys_of(columns, expected), (viewer, table)
            assert len(seen) == len(expected), (viewer, table)
        _check_queries(stage, world, viewer)


def _check_queries(stage: Stage, world: World, viewer: int) -> None:
    eyes = stage.eyes[viewer]
    seen = {n for n in range(len(world.threads)) if world.sees(viewer, n)}
    mine = {n for n in seen if world.manages(viewer, world.threads[n].account)}
    visible = {key(n) for n, (thread, _) in enumerate(world.emails) if thread in seen}
    threads = [key(n) for n in range(len(world.threads))]

    quoted = f'("{COMMON_WORD}")' if stage.kind == "sqlite" else f"('{COMMON_WORD}')"
    hits = eyes.read("search_emails", query=quoted, limit=100)
    assert [row["id"] for row in hits] == sorted(visible, reverse=True)
    if stage.kind == "postgres":
        assert {
            row["email_id"] for row in eyes.ask(f"SELECT * FROM search_email('{COMMON_WORD}')")
        } == visible

    whole: dict[str, object] = {"account_id": None, "limit": 100}
    whole |= dict.fromkeys(("archived", "unlinked", "unread", "suggested"), False)
    inbox = eyes.read("inbox_page", label_id=None, **whole)
    assert {row["id"] for row in inbox} == {key(n) for n in mine}
    inbox = eyes.read("inbox_page", label_id=key(1), **whole)
    assert {row["id"] for row in inbox} == {key(n) for n in mine if n % 2}
    counts = {row["thread_id"]: row["count"] for row in eyes.read("thread_email_counts", ids=threads)}
    assert counts == {key(n): len(world.threads[n].messages) for n in seen}
    managers = {n for n, thread in enumerate(threads) if eyes.read("account_manager", id=thread)}
    assert managers == mine

    for query, target, linked in _targets(world, seen):
        assert {row["thread_id"] for row in eyes.read(query, **target)} == {key(n) for n in linked}
    # Also who names threads that they must not see gets nothing of them.
    top = {"received_at": datetime(9999, 1, 1, tzinfo=UTC), "id": 0}
    page = eyes.read("timeline_page", ids=threads, **top, limit=100)
    assert sorted(row["id"] for row in page) == sorted(visible)
    texts = [f"message{message}@example.org" for message in range(3)]
    copies = eyes.read("timeline_copies", ids=threads, texts=texts)
    assert sorted((row["id"], row["holder"]) for row in copies) == sorted(
        (key(n), f"account{world.threads[thread].account}@example.com")
        for n, (thread, _) in enumerate(world.emails)
        if thread in seen
    )
    _check_what_is_told_of_mail(world, viewer, eyes, seen, mine)
    full = eyes.read("timeline_emails", ids=[key(n) for n in range(len(world.emails))])
    assert {row["id"] for row in full} == visible


def _check_what_is_told_of_mail(
    world: World, viewer: int, eyes: Eyes, seen: set[int], mine: set[int]
) -> None:
    """Look at suggestions, history, exports, strangers, counts and last contacts."""
    suggested = eyes.read("suggestions", ids=[], id=None, limit=99)
    assert {row["thread_id"] for row in suggested} == {key(n) for n in mine if world.threads[n].suggested}
    for n in range(len(world.threads)):
        assert len(eyes.read("thread_events", thread_id=key(n))) == (n in mine)
    exported = {
        row["id"]: {
            one["id"] for one in eyes.read("exported_emails", account_id=row["id"], after=0, limit=99)
        }
        for row in eyes.read("exported_accounts")
    }
    emails = [(n, thread) for n, (thread, _) in enumerate(world.emails) if thread in seen]
    assert exported == {
        account: {key(n) for n, thread in emails if key(world.threads[thread].account) == account}
        for account in {key(world.threads[thread].account) for _, thread in emails}
    }
    strangers = eyes.read("unknown_correspondents", account_id=None, limit=99)
    assert {row["address"] for row in strangers} == {
        sender(n) for n, thread in emails if n % 2 and thread in mine
    }
    for label in range(2):
        (told,) = eyes.read("labelled", id=key(label))
        assert told["threads"] == sum(n % 2 == label for n in seen)
    stands_for = {0, 1} if world.followed else {0}
    from_contact = [
        key(n) for n, thread in emails if not n % 2 and stands_for & world.threads[thread].contacts
    ]
    last = eyes.read("last_contacts", ids=[key(0)])
    newest = max(from_contact, default=None)
    assert [row["thread_id"] for row in last] == (
        [] if newest is None else [key(world.emails[newest - key(0)][0])]
    )


def _targets(world: World, seen: set[int]) -> Iterator[tuple[str, dict[str, int], set[int]]]:
    """Yield the query of each record's timeline with the threads that the viewer sees in it."""
    shapes = {n: world.threads[n] for n in seen}
    follows = {n for n, shape in shapes.items() if world.followed and 0 in shape.leads}
    for c in range(world.contacts):
        stands_for = {0, 1} if world.followed and c == 0 else {c}
        linked = {n for n, shape in shapes.items() if stands_for & shape.contacts}
        yield "contact_threads", {"contact_id": key(c)}, linked
    for d in range(world.deals):
        linked = {n for n, shape in shapes.items() if d in shape.deals} | (set() if d else follows)
        yield "deal_threads", {"deal_id": key(d)}, linked
    for x in range(world.leads):
        linked = {n for n, shape in shapes.items() if x in shape.leads}
        yield "lead_threads", {"lead_id": key(x)}, linked
    # All contacts and deals are of the first organization.
    linked = {n for n, shape in shapes.items() if shape.contacts or shape.deals} | follows
    yield "organization_threads", {"organization_id": key(0)}, linked
    yield "organization_threads", {"organization_id": key(1)}, set()


@pytest.mark.rule("thread-merge-visibility")
@pytest.mark.rule("see-errors")
@given(world=worlds(), data=st.data())
@settings(max_examples=settings().max_examples * 3 // 4)
def test_a_merge_shows_nobody_what_was_private(stage: Stage, world: World, data: st.DataObject) -> None:
    pairs = [
        (into, merged, viewer)
        for into, merged in itertools.permutations(range(len(world.threads)), 2)
        if world.threads[into].account == world.threads[merged].account
        for viewer in world.member_ids()
        if world.manages(viewer, world.threads[into].account)
    ]
    assume(pairs)
    into, merged, viewer = data.draw(st.sampled_from(pairs))
    stage.builder.build(world)
    with closing(stage.program(viewer)) as db, db.transaction():
        merge_thread(db, into=key(into), merged=key(merged))
    both = (world.threads[into], world.threads[merged])
    # All links of a world are the rule's, and what a person refused in either thread goes in both.
    contacts = frozenset.union(*(one.contacts for one in both)) - frozenset.union(
        *(one.refused for one in both)
    )
    linked = bool(contacts) or any(one.deals or one.leads for one in both)
    after = replace(
        world.oracle,
        thread_account={n: a for n, a in world.oracle.thread_account.items() if n != key(merged)},
        thread_visibility={
            **world.oracle.thread_visibility,
            key(into): Visibility.SHARED if all(one.shared for one in both) else Visibility.PRIVATE,
        },
        linked=(set(world.oracle.linked) - {key(into), key(merged)}) | ({key(into)} if linked else set()),
    )
    _check_after(stage, world, after)


@given(world=worlds(), data=st.data())
@settings(max_examples=settings().max_examples // 4)
def test_a_split_shows_nobody_what_was_private(stage: Stage, world: World, data: st.DataObject) -> None:
    several = [
        (n, viewer)
        for n, thread in enumerate(world.threads)
        if len(thread.messages) > 1
        for viewer in world.member_ids()
        if world.manages(viewer, thread.account)
    ]
    assume(several)
    n, viewer = data.draw(st.sampled_from(several))
    stage.builder.build(world)
    with closing(stage.program(viewer)) as db, suppress(UsageError):
        split(db, threads.thread(db, str(key(n))), data.draw(st.integers(1, 2)), now=NOW)
    _check_after(stage, world, stage.builder.oracle(world))


def _check_after(stage: Stage, world: World, after: visibility.World) -> None:
    """Compare what everybody sees with the rule, and with what they saw before."""
    now_in = stage.builder.threads_of_emails()
    assert len(now_in) == len(world.emails)
    for viewer in (*world.member_ids(), NOBODY):
        eyes = stage.eyes[viewer]
        seen = {thread for thread in after.thread_account if may_see(after, viewer, thread).allowed}
        assert {row["id"] for row in eyes.ask("SELECT id FROM thread")} == seen
        found = {row["id"]: row["thread_id"] for row in eyes.ask("SELECT id, thread_id FROM email")}
        assert found == {email: thread for email, thread in now_in.items() if thread in seen}
        # What was shared, and not linked, may be linked by it.
        private = {
            key(n)
            for n, (thread, _) in enumerate(world.emails)
            if not world.threads[thread].shared and not world.sees(viewer, thread)
        }
        assert not private & found.keys()
        for table in ("link", "link_refusal", "thread_label", "suggestion", "thread_event"):
            shown = {row["thread_id"] for row in eyes.ask(f"SELECT thread_id FROM {table}")}
            assert shown <= seen


@pytest.mark.rule("manage-who")
@pytest.mark.rule("records-who")
@given(world=worlds())
@example(world=VILLAGE)
@settings(max_examples=settings().max_examples // 8)
def test_every_write_is_allowed_to_those_who_manage_the_account_alone(stage: Stage, world: World) -> None:
    stage.builder.build(world)
    content = rows(world, stage.builder.login_of)
    for viewer in (*world.member_ids(), NOBODY):
        eyes = stage.eyes[viewer]
        wanted = [
            *_changes(world, content, viewer),
            *_insertions(world, viewer),
            *_moves(world, viewer),
        ]
        answers = eyes.attempt([statement for statement, _ in wanted])
        wrong = [
            (statement, allowed)
            for (statement, expected), allowed in zip(wanted, answers, strict=True)
            if allowed is not expected
        ]
        assert not wrong, viewer


def _changes(
    world: World, content: Mapping[str, list[dict[str, Any]]], viewer: int
) -> Iterator[tuple[str, bool]]:
    """Yield an update and a deletion of each row, and whether it is allowed."""
    first = {key(n) for n in _first_emails(world).values()}
    for table, (columns, changed) in KEYS.items():
        for place, row in enumerate(content[table]):
            if row.get("email_id", min(first)) not in first:
                continue  # emails of one thread are answered alike
            this = " AND ".join(
                f"{name} IS NULL" if row[name] is None else f"{name} = {_literal(row[name])}"
                for name in columns
            )
            if changed:
                allowed = edits(world, viewer, table, row)
                yield f"UPDATE main.{table} SET {changed} = {changed} WHERE {this}", allowed
            allowed = removes(world, viewer, table, row)
            if not (allowed and table in PARENTS):
                yield f"DELETE FROM main.{table} WHERE {this}", allowed
            for fixed in rules.FIXED.get(table, ()) if place == 0 else ():
                yield f"UPDATE main.{table} SET {fixed} = {fixed} WHERE {this}", False


def _insertions(world: World, viewer: int) -> Iterator[tuple[str, bool]]:
    """Yield a new row of each table below each parent, and whether it is allowed."""
    active = viewer in world.oracle.active_members
    yield (
        _insert("member", name="x", address="x@example.com", role="member", active=True),
        (active and viewer == key(0)),
    )
    yield _insert("team", name="x"), active
    yield from ((statement, active) for statement in _new_records())
    other = next(member for member in world.member_ids() if member != viewer)
    for author, allowed in ((viewer, active), (other, False)):
        by = {"done_by": author, "done_at": _THEN}
        yield (
            _insert("member_event", member_id=key(0), action="x", **by),
            allowed and viewer == key(0),
        )
        added = {"pattern": "x", "mode": "any", "added_by": author, "added_at": _THEN}
        yield _insert("block_rule", account_id=None, **added), allowed and viewer == key(0)
        for n in range(len(world.accounts)):
            yield _insert("block_rule", account_id=key(n), **added), allowed and world.manages(viewer, n)
        for n, thread in enumerate(world.threads[: None if allowed else 1]):
            inside = allowed and world.manages(viewer, thread.account)
            link = {"thread_id": key(n), "contact_id": None, "lead_id": key(0)}
            yield (
                _insert("link", origin="manual", linked_by=author, linked_at=_THEN, **link),
                inside,
            )
            yield _insert("link_refusal", refused_by=author, refused_at=_THEN, **link), inside
            yield _insert("thread_event", thread_id=key(n), action="x", detail="", **by), inside
    owning = {account.team for account in world.accounts}
    for n, team in enumerate(world.teams):
        inside = active and viewer in {key(m) for m in team}
        empty = active and not team and n not in owning
        yield _insert("team_member", team_id=key(n), member_id=viewer), inside or empty
        new = {"address": "x@example.com", "default_visibility": "private"}
        yield _insert("account", owner_id=None, team_id=key(n), **new), inside
    for member in world.member_ids():
        new = {"address": "x@example.com", "default_visibility": "private"}
        yield _insert("account", owner_id=member, team_id=None, **new), active and member == viewer
    for n in range(len(world.accounts)):
        yield from _insertions_of_account(n, world, viewer)
    for n, thread in enumerate(world.threads):
        inside = world.manages(viewer, thread.account)
        yield from _insertions_of_thread(n, thread.account, suggested=thread.suggested, allowed=inside)
        for m, other_thread in enumerate(world.threads):
            both = inside and world.manages(viewer, other_thread.account)
            yield _insert("thread_split", thread_id=key(n), other_id=key(m)), both
    for thread_place, n in _first_emails(world).items():
        inside = world.manages(viewer, world.threads[thread_place].account)
        yield from _insertions_of_email(n, allowed=inside)
        for folder in range(len(world.accounts)):
            place = {"uidvalidity": 1, "uid": 9, "flags": ""}
            both = inside and world.manages(viewer, folder)
            yield _insert("placement", folder_id=key(folder), email_id=key(n), **place), both
            yield _insert("email_identity", account_id=key(folder), identity="x", email_id=key(n)), both


def _new_records() -> list[str]:
    """Return a new row of each table that is every active member's."""
    item = {"title": "x", "status": "open", "created_at": _THEN}
    return [
        _insert("label", name="x"),
        _insert("organization", name="x", notes=""),
        _insert("organization_domain", domain="x.example", organization_id=key(0)),
        _insert("contact", name="x", title="", notes=""),
        _insert("contact_address", address="x@example.org", contact_id=key(0), position=0),
        _insert("contact_phone", contact_id=key(0), position=9, phone="x"),
        _insert("pipeline", name="x"),
        _insert("stage", pipeline_id=key(0), name="x", position=9),
        _insert("deal", stage_id=key(0), **item),
        _insert("deal_contact", deal_id=key(0), contact_id=key(0)),
        _insert("lead", **item),
        _insert("lead_contact", lead_id=key(0), contact_id=key(0)),
        _insert("lead_label", lead_id=key(0), label_id=key(1)),
    ]


def _first_emails(world: World) -> dict[int, int]:
    """Return one email of each thread: the others would be answered alike."""
    return {thread: n for n, (thread, _) in reversed(list(enumerate(world.emails)))}


def _insertions_of_account(n: int, world: World, viewer: int) -> Iterator[tuple[str, bool]]:
    allowed, account = world.manages(viewer, n), key(n)
    yield _insert("account_alias", account_id=account, address="x@example.com"), allowed
    connection = {"provider": "x", "imap_host": "x", "imap_port": 1, "imap_security": "tls", "username": "x"}
    connection["create_contacts"] = "never"
    flags = dict.fromkeys(
        ("all_folders", "auto_link_contacts", "auto_link_deals", "auto_link_leads", "connected"), True
    )
    yield _insert("account_connection", account_id=account, **connection, **flags), allowed
    folder = {"path": "x", "name": "x", "usual": True, "selected": True, "highest_uid": 0}
    yield _insert("folder", account_id=account, **folder), allowed
    failure = {"uidvalidity": 1, "uid": 9, "error": "x", "attempts": 1, "failed_at": _THEN}
    yield _insert("fetch_failure", folder_id=account, **failure), allowed
    for m in range(len(world.accounts) + 1):
        # The last rule is the store's, which all may name.
        named = allowed and (m == len(world.accounts) or world.manages(viewer, m))
        screened = {"uidvalidity": 1, "uid": 9, "block_rule_id": key(m), "rules": 1}
        yield _insert("screened", folder_id=account, **screened), named
    thread = {"subject": "x", "visibility": "private", "last_received_at": _THEN, "due": False}
    yield _insert("thread", account_id=account, **thread), allowed


def _insertions_of_thread(
    n: int, account: int, *, suggested: bool, allowed: bool
) -> Iterator[tuple[str, bool]]:
    below = {"thread_id": key(n), "account_id": key(account)}
    yield _insert("thread_reference", message_id="x", **below), allowed
    email = {"digest": "x", "subject": "x", "preview": "x", "from_address": "x", "from_name": "x", "size": 1}
    flags = dict.fromkeys(
        (
            "has_attachment",
            "truncated",
            "from_ambiguous",
            "automatic",
            "signed",
            "encrypted",
            "gone_from_junk",
        ),
        False,
    )
    rest = {
        "received_at": _THEN,
        "direction": "in",
        "repairs": "",
        "trackers": 0,
        "reading": 1,
    }
    yield _insert("email", **below, **email, **flags, **rest), allowed
    yield _insert("thread_label", thread_id=key(n), label_id=key(0)), allowed
    yield _insert("suggestion", thread_id=key(n), reason="x", made_at=_THEN), allowed
    if suggested:
        yield _insert("suggestion_candidate", suggestion_id=key(n), deal_id=key(0)), allowed


def _insertions_of_email(n: int, *, allowed: bool) -> Iterator[tuple[str, bool]]:
    email = {"email_id": key(n)}
    yield _insert("email_body", text="x", spans="", **email), allowed
    yield _insert("email_source", source="x", **email), allowed
    yield _insert("email_terms", subject="x", people="x", body="x", quoted="x", **email), allowed
    person = {"position": 9, "role": "to", "name": "x", "address": "x", "untagged": "x"}
    yield _insert("participant", **person, **email), allowed
    part = {"position": 9, "part_id": "9", "name": "x", "type": "x", "size": 1, "inline": False}
    yield _insert("attachment", **part, **email), allowed
    forward = {"position": 9, "name": "x", "address": "x", "recipients": "x", "date": "x", "subject": "x"}
    yield _insert("forward", **forward, **email), allowed
    meeting = {"method": "x", "summary": "x", "all_day": False, "location": "x", "organizer": "x"}
    answer = {"attendee": "x", "answer": "x", "repeats": False}
    yield _insert("invitation", position=9, **meeting, **answer, **email), allowed
    report = {"position": 9, "address": "x", "action": "x", "status": "x", "reason": "x"}
    yield _insert("delivery", **report, **email), allowed


def _moves(world: World, viewer: int) -> Iterator[tuple[str, bool]]:
    """Yield a move of an email, its place and the links of each thread, and whether it is allowed."""
    for thread, n in _first_emails(world).items():
        source = world.threads[thread]
        own = world.manages(viewer, source.account)
        for m, target in enumerate(world.threads):
            both = own and world.manages(viewer, target.account)
            into = f"thread_id = {key(m)}"
            account = f"account_id = {key(target.account)}"
            yield f"UPDATE main.email SET {into}, {account} WHERE id = {key(n)}", both
            if source.linked:
                yield f"UPDATE main.link SET {into} WHERE thread_id = {key(thread)}", both
            yield f"UPDATE main.thread_event SET {into} WHERE thread_id = {key(thread)}", both
        for folder in range(len(world.accounts)):
            both = own and world.manages(viewer, folder)
            yield f"UPDATE main.placement SET folder_id = {key(folder)} WHERE email_id = {key(n)}", both


def _insert(table: str, **values: object) -> str:
    return (
        f"INSERT INTO main.{table} ({', '.join(values)}) VALUES ({', '.join(map(_literal, values.values()))})"
    )


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case _:
            return f"'{value}'"


def test_every_protected_table_takes_part_in_the_property() -> None:
    assert KEYS.keys() == rules.VISIBLE.keys() == rules.MANAGED.keys()

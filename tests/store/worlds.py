"""Random worlds: members, teams, accounts, mail and links, as a strategy and as rows in a store.

Ids are places in the world's tuples, counted from `FIRST_ID`, above what a sequence hands out, so
that a row which a viewer adds never meets one of these. What a viewer may see of a world is left to
`core.visibility`. For a test that needs no world, `connect`, `inbox` and `letter` make one mailbox.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias

import psycopg
from hypothesis import strategies as st

from mailcrm.core import visibility
from mailcrm.core.model import (
    Account,
    Direction,
    Endpoint,
    Folder,
    FolderRole,
    Participant,
    ParticipantRole,
    Security,
    Visibility,
)
from mailcrm.core.parsed import Attachment, Delivery, Forward, Invitation, ParsedEmail, Span
from mailcrm.core.plan import Arrival, identity
from mailcrm.store import accounts, folders, rules, sqlite
from mailcrm.store.contents import content
from mailcrm.store.database import Database
from mailcrm.store.emails import NewEmail, save_batch, source
from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.packed import pack
from tests.conftest import NOW

FIRST_ID = 1_000_000

#: One viewer for each place, whether or not the world has a member there.
PLACES = 4

#: The viewer that is no member of any world.
NOBODY = FIRST_ID + 99

#: Each email also holds a word of its own, see `word`.
COMMON_WORD = "quotation"

_THEN = "2026-01-01T00:00:00Z"

Key: TypeAlias = int | tuple[int, int]
Rows: TypeAlias = dict[str, list[dict[str, object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountShape:
    """An account of one member or one team, by place."""

    owner: int | None
    team: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadShape:
    """A thread; each of `messages` is one email, and equal numbers are copies of one message."""

    account: int
    shared: bool
    contacts: frozenset[int]
    deals: frozenset[int]
    leads: frozenset[int]
    refused: frozenset[int]
    messages: tuple[int, ...]
    suggested: bool = False

    @property
    def linked(self) -> bool:
        """Say whether the thread is linked to anything."""
        return bool(self.contacts or self.deals or self.leads)


@dataclass(frozen=True)
class World:
    """A store's content; the first member is the admin, `active` says who was not deactivated."""

    active: tuple[bool, ...]
    teams: tuple[frozenset[int], ...]
    accounts: tuple[AccountShape, ...]
    contacts: int
    deals: int
    threads: tuple[ThreadShape, ...]
    leads: int = 1
    #: The first lead was converted to the first deal, and the second contact became part of the first.
    followed: bool = False

    @cached_property
    def oracle(self) -> visibility.World:
        """The world as the rule in Python sees it."""
        return visibility.World(
            active_members={key(place) for place, active in enumerate(self.active) if active},
            team_members={key(place): {key(m) for m in team} for place, team in enumerate(self.teams)},
            account_owner={key(n): _maybe(a.owner) for n, a in enumerate(self.accounts)},
            account_team={key(n): _maybe(a.team) for n, a in enumerate(self.accounts)},
            thread_account={key(n): key(t.account) for n, t in enumerate(self.threads)},
            thread_visibility={
                key(n): Visibility.SHARED if t.shared else Visibility.PRIVATE
                for n, t in enumerate(self.threads)
            },
            linked={key(n) for n, t in enumerate(self.threads) if t.linked},
        )

    @cached_property
    def emails(self) -> tuple[tuple[int, int], ...]:
        """The thread and the message of each email, by place."""
        return tuple((n, message) for n, t in enumerate(self.threads) for message in t.messages)

    def member_ids(self) -> list[int]:
        """Return the ids of all members."""
        return [key(place) for place in range(len(self.active))]

    def sees(self, viewer: int, thread: int) -> bool:
        """Say whether the oracle lets `viewer` read the thread at a place."""
        return visibility.may_see(self.oracle, viewer, key(thread)).allowed

    def manages(self, viewer: int, account: int) -> bool:
        """Say whether `viewer` manages the account at a place."""
        return visibility.manages(self.oracle, viewer, key(account))


def key(place: int) -> int:
    """Return the id of what stands at a place."""
    return FIRST_ID + place


def _maybe(place: int | None) -> int | None:
    return None if place is None else key(place)


def sender(email: int) -> str:
    """Return who wrote the email at this place: a contact, or somebody whom nobody knows."""
    return f"stranger{email}@example.net" if email % 2 else "contact0@example.org"


def word(email: int) -> str:
    """Return the word that only the email at this place holds."""
    return f"word{email}x"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world of up to four members, two teams, three accounts and four threads."""
    active = tuple(draw(st.lists(st.sampled_from([True, True, True, False]), min_size=2, max_size=PLACES)))
    people = st.integers(0, len(active) - 1)
    teams = tuple(draw(st.lists(st.frozensets(people, max_size=3), max_size=2)))
    personal = people.map(lambda owner: AccountShape(owner=owner, team=None))
    owners: st.SearchStrategy[AccountShape] = personal
    if teams:
        shared = st.integers(0, len(teams) - 1).map(lambda team: AccountShape(owner=None, team=team))
        owners = st.one_of(personal, shared)
    accounts = tuple(draw(st.lists(owners, min_size=1, max_size=3)))
    contacts, deals, leads = (draw(st.integers(1, 2)) for _ in range(3))
    thread = st.builds(
        ThreadShape,
        account=st.integers(0, len(accounts) - 1),
        shared=st.booleans(),
        contacts=st.frozensets(st.integers(0, contacts - 1), max_size=2),
        deals=st.frozensets(st.integers(0, deals - 1), max_size=1),
        leads=st.frozensets(st.integers(0, leads - 1), max_size=1),
        refused=st.frozensets(st.integers(0, contacts - 1), max_size=1),
        messages=st.lists(st.integers(0, 2), min_size=1, max_size=2).map(tuple),
        suggested=st.booleans(),
    )
    nothing: frozenset[int] = frozenset()
    unlinked = thread.map(lambda one: replace(one, contacts=nothing, deals=nothing, leads=nothing))
    threads = tuple(draw(st.lists(st.one_of(thread, unlinked), min_size=1, max_size=4)))
    return World(
        active=active,
        teams=teams,
        accounts=accounts,
        contacts=contacts,
        deals=deals,
        threads=threads,
        leads=leads,
        followed=draw(st.booleans()),
    )


def _thread(account: int, *, shared: bool, linked: bool, messages: tuple[int, ...]) -> ThreadShape:
    contacts = frozenset({0} if linked else ())
    return ThreadShape(
        account=account,
        shared=shared,
        contacts=contacts,
        deals=frozenset(),
        leads=frozenset(),
        refused=frozenset({1}),
        messages=messages,
    )


#: What chance alone seldom draws together: a deactivated owner, a team with a deactivated member, and
#: a team that all have left while it owns an account.
VILLAGE = World(
    active=(True, True, False, True),
    teams=(frozenset({1, 2}), frozenset()),
    accounts=(
        AccountShape(owner=2, team=None),
        AccountShape(owner=None, team=0),
        AccountShape(owner=None, team=1),
    ),
    contacts=2,
    deals=1,
    threads=(
        _thread(0, shared=True, linked=True, messages=(0,)),
        _thread(0, shared=False, linked=True, messages=(1,)),
        _thread(1, shared=True, linked=False, messages=(0, 2)),
        _thread(2, shared=False, linked=True, messages=(0,)),
    ),
)


def rows(world: World, login_of: Callable[[int], str | None]) -> Rows:
    """Return the rows of every protected table, in an order in which they can be added."""
    made: Rows = {
        "member": [
            {
                "id": key(n),
                "name": f"Member {n}",
                "address": f"member{n}@example.com",
                "role": "member" if n else "admin",
                "active": active,
                "login": login_of(key(n)),
            }
            for n, active in enumerate(world.active)
        ],
        "team": [{"id": key(n), "name": f"Team {n}"} for n in range(len(world.teams))],
        "team_member": [
            {"team_id": key(n), "member_id": key(m)} for n, team in enumerate(world.teams) for m in team
        ],
        "member_event": [
            {"id": key(n), "member_id": key(n), "done_by": key(0), "done_at": _THEN, "action": "created"}
            for n in range(len(world.active))
        ],
        "label": [{"id": key(n), "name": f"Label {n}"} for n in range(2)],
    }
    made |= _record_rows(world)
    made |= _account_rows(world)
    made |= _thread_rows(world)
    made |= _email_rows(world)
    return made


def owner_of(place: int) -> int | None:
    """Return whose the record at a place is: the admin's, that of the one after, then nobody's."""
    return key(place) if place < 2 else None


def _record_rows(world: World) -> Rows:
    merged = {1: key(0)} if world.followed else {}
    converted = {0: key(0)} if world.followed else {}
    return {
        "organization": [
            {"id": key(n), "name": f"Organization {n}", "owner_id": owner_of(n), "notes": ""}
            for n in range(3)
        ],
        "organization_domain": [{"domain": "example.org", "organization_id": key(0)}],
        "contact": [
            {
                "id": key(n),
                "name": f"Contact {n}",
                "owner_id": owner_of(n),
                "organization_id": key(0),
                "title": "",
                "notes": "",
                "merged_into_id": merged.get(n),
            }
            for n in range(world.contacts)
        ],
        "contact_address": [
            {"address": f"contact{n}@example.org", "contact_id": key(n), "position": 0}
            for n in range(world.contacts)
        ],
        "contact_phone": [
            {"contact_id": key(n), "position": 0, "phone": "+82 2 555 0100"} for n in range(world.contacts)
        ],
        "pipeline": [{"id": key(0), "name": "Projects"}],
        "stage": [{"id": key(0), "pipeline_id": key(0), "name": "Qualified", "position": 1}],
        "deal": [
            {
                "id": key(n),
                "title": f"Deal {n}",
                "status": "open",
                "owner_id": owner_of(n + 1),
                "organization_id": key(0),
                "stage_id": key(0),
                "created_at": _THEN,
                "value": None,
                "currency": None,
            }
            for n in range(world.deals)
        ],
        "deal_contact": [{"deal_id": key(n), "contact_id": key(0)} for n in range(world.deals)],
        "lead": [
            {
                "id": key(n),
                "title": f"Lead {n}",
                "status": "converted" if n in converted else "open",
                "owner_id": owner_of(n + 1),
                "organization_id": None,
                "created_at": _THEN,
                "value": None,
                "currency": None,
                "deal_id": converted.get(n),
            }
            for n in range(world.leads)
        ],
        "lead_contact": [{"lead_id": key(n), "contact_id": key(0)} for n in range(world.leads)],
        "lead_label": [{"lead_id": key(0), "label_id": key(0)}],
    }


def _account_rows(world: World) -> Rows:
    places = range(len(world.accounts))
    return {
        "account": [
            {
                "id": key(n),
                "address": f"account{n}@example.com",
                "owner_id": _maybe(a.owner),
                "team_id": _maybe(a.team),
                "default_visibility": "private",
            }
            for n, a in enumerate(world.accounts)
        ],
        "account_alias": [{"account_id": key(n), "address": f"alias{n}@example.com"} for n in places],
        "account_connection": [
            {
                "account_id": key(n),
                "provider": "imap",
                "imap_host": "imap.example.com",
                "imap_port": 993,
                "imap_security": "tls",
                "username": f"user{n}",
                "all_folders": True,
                "auto_link_contacts": True,
                "auto_link_deals": True,
                "auto_link_leads": True,
                "create_contacts": "never",
                "connected": True,
            }
            for n in places
        ],
        "folder": [
            {
                "id": key(n),
                "account_id": key(n),
                "path": "INBOX",
                "name": "INBOX",
                "role": "inbox",
                "usual": True,
                "selected": True,
                "highest_uid": 0,
            }
            for n in places
        ],
        "fetch_failure": [
            {"folder_id": key(n), "uidvalidity": 1, "uid": 7, "error": "x", "attempts": 1, "failed_at": _THEN}
            for n in places
        ],
        "block_rule": [
            {
                "id": key(n),
                "account_id": account,
                "pattern": f"blocked{n}@example.org",
                "mode": "only",
                "added_by": key(0),
                "added_at": _THEN,
            }
            for n, account in enumerate([*(key(n) for n in places), None])
        ],
        "screened": [
            {"folder_id": key(n), "uidvalidity": 1, "uid": 8, "block_rule_id": key(n), "rules": 1}
            for n in places
        ],
    }


def _thread_rows(world: World) -> Rows:
    return {
        "thread": [
            {
                "id": key(n),
                "account_id": key(t.account),
                "subject": f"Subject {n}",
                "visibility": "shared" if t.shared else "private",
                "last_received_at": _THEN,
                "due": False,
            }
            for n, t in enumerate(world.threads)
        ],
        "thread_reference": [
            {"account_id": key(t.account), "message_id": f"reference{n}@example.org", "thread_id": key(n)}
            for n, t in enumerate(world.threads)
        ],
        "thread_split": [
            {"thread_id": key(n), "other_id": key(other)}
            for n, other in itertools.permutations(range(len(world.threads)), 2)
            if world.threads[n].account == world.threads[other].account
        ],
        "thread_event": [
            {
                "id": key(n),
                "thread_id": key(n),
                "done_by": key(0),
                "done_at": _THEN,
                "action": "shared",
                "detail": "",
            }
            for n in range(len(world.threads))
        ],
        "thread_label": [{"thread_id": key(n), "label_id": key(n % 2)} for n in range(len(world.threads))],
        "link": [
            {
                "thread_id": key(n),
                **target,
                "origin": "auto",
                "linked_by": key(0),
                "linked_at": _THEN,
            }
            for n, t in enumerate(world.threads)
            for target in [
                *(target_of(contact=c) for c in sorted(t.contacts)),
                *(target_of(deal=d) for d in sorted(t.deals)),
                *(target_of(lead=x) for x in sorted(t.leads)),
            ]
        ],
        "link_refusal": [
            {
                "thread_id": key(n),
                **target_of(contact=contact),
                "refused_by": key(0),
                "refused_at": _THEN,
            }
            for n, t in enumerate(world.threads)
            for contact in t.refused
        ],
        "suggestion": [
            {"id": key(n), "thread_id": key(n), "reason": "several-open-items", "made_at": _THEN}
            for n, t in enumerate(world.threads)
            if t.suggested
        ],
        "suggestion_candidate": [
            {"suggestion_id": key(n), **target}
            for n, t in enumerate(world.threads)
            if t.suggested
            for target in (target_of(deal=0), target_of(lead=world.leads - 1))
        ],
    }


def target_of(
    *, contact: int | None = None, deal: int | None = None, lead: int | None = None
) -> dict[str, int | None]:
    """Return the three columns of which one names what a thread is linked to."""
    return {"contact_id": _maybe(contact), "deal_id": _maybe(deal), "lead_id": _maybe(lead)}


def _email_rows(world: World) -> Rows:
    emails = list(enumerate(world.emails))
    return {
        "email": [
            {
                "id": key(n),
                "account_id": key(world.threads[thread].account),
                "thread_id": key(thread),
                "message_id": f"message{message}@example.org",
                "digest": f"digest{n}",
                "subject": f"Message {message}",
                "preview": word(n),
                "from_address": sender(n),
                "from_name": "",
                "sent_at": _THEN,
                "received_at": _THEN,
                "size": 100,
                "direction": "in",
                "has_attachment": True,
                "truncated": False,
                "from_ambiguous": False,
                "automatic": False,
                "authserv_id": "",
                "dmarc": "",
                "signed": False,
                "encrypted": False,
                "trackers": 0,
                "repairs": "",
                "reading": 1,
                "gone_from_junk": False,
            }
            for n, (thread, message) in emails
        ],
        "email_identity": [
            {
                "account_id": key(world.threads[thread].account),
                "identity": f"identity{n}",
                "email_id": key(n),
            }
            for n, (thread, _) in emails
        ],
        "email_body": [
            {"email_id": key(n), "text": f"{COMMON_WORD} {word(n)}", "spans": ""} for n, _ in emails
        ],
        "email_source": [
            {"email_id": key(n), "source": pack(f"Message-ID: <message{message}@example.org>".encode())}
            for n, (_, message) in emails
        ],
        "email_terms": [
            {
                "email_id": key(n),
                "subject": "message",
                "people": "",
                "body": COMMON_WORD if n % 2 else f"{COMMON_WORD} {word(n)}",
                "quoted": word(n) if n % 2 else "",
            }
            for n, _ in emails
        ],
        "participant": [
            {
                "email_id": key(n),
                "position": 0,
                "role": "from",
                "name": "",
                "address": sender(n),
                "untagged": sender(n),
            }
            for n, _ in emails
        ],
        "attachment": [
            {
                "email_id": key(n),
                "position": 0,
                "part_id": "2",
                "name": "a.pdf",
                "type": "application/pdf",
                "size": 5,
                "inline": False,
            }
            for n, _ in emails
        ],
        "forward": [
            {
                "email_id": key(n),
                "position": 0,
                "name": "",
                "address": "contact1@example.org",
                "recipients": "",
                "date": "",
                "subject": word(n),
            }
            for n, _ in emails
        ],
        "invitation": [
            {
                "email_id": key(n),
                "position": 0,
                "method": "REQUEST",
                "summary": word(n),
                "starts_at": _THEN,
                "ends_at": None,
                "all_day": False,
                "location": "",
                "organizer": "",
                "attendee": "",
                "answer": "",
                "repeats": False,
            }
            for n, _ in emails
        ],
        "delivery": [
            {
                "email_id": key(n),
                "position": 0,
                "address": "contact1@example.org",
                "action": "failed",
                "status": "5.1.1",
                "reason": word(n),
            }
            for n, _ in emails
        ],
        "placement": [
            {
                "folder_id": key(world.threads[thread].account),
                "uidvalidity": 1,
                "uid": n + 1,
                "email_id": key(n),
                "flags": "",
            }
            for n, (thread, _) in emails
        ],
    }


class Builder:
    """Fills a migrated store with one world after another, as the owner of the schema."""

    def __init__(self, url: str) -> None:
        """Connect; members of the worlds get the logins that `login_of` names on PostgreSQL."""
        self._connection: sqlite3.Connection | psycopg.Connection[tuple[Any, ...]]
        self._postgres = is_postgres(url)
        if self._postgres:
            self._connection = psycopg.connect(url, autocommit=True)
            self._connection.execute("SET search_path = main")
        else:
            self._connection = sqlite.connect(sqlite_path(url))

    def login_of(self, member: int) -> str | None:
        """Return the database login of a member id."""
        return f"viewer{member - FIRST_ID}" if self._postgres else None

    def build(self, world: World) -> None:
        """Put `world` in the place of whatever the store holds."""
        connection = self._connection
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            # A child stands below its parent in the rules, so that emptied backwards nothing is left over.
            for table in reversed(list(rules.VISIBLE)):
                cursor.execute(f"DELETE FROM main.{table}")
            for table, content in rows(world, self.login_of).items():
                self._insert(cursor, table, content)
            if not self._postgres:
                ids = [key(n) for n in range(len(world.emails))]
                cursor.execute(sqlite.INDEX, {"ids": json.dumps(ids)})
            cursor.execute("COMMIT")

    def _insert(
        self,
        cursor: sqlite3.Cursor | psycopg.Cursor[tuple[Any, ...]],
        table: str,
        content: Sequence[Mapping[str, object]],
    ) -> None:
        if not content:
            return
        columns = list(content[0])
        if isinstance(cursor, sqlite3.Cursor):
            if table == "email_terms":
                content = [
                    {
                        **row,
                        **{name: pack(str(row[name]).encode()) for name in ("body", "quoted") if row[name]},
                    }
                    for row in content
                ]
            places = ", ".join(f":{name}" for name in columns)
            cursor.executemany(
                f"INSERT INTO main.{table} ({', '.join(columns)}) VALUES ({places})", list(content)
            )
            return
        # One statement of many rows is a single journey to the server.
        line = f"({', '.join(['%s'] * len(columns))})"
        cursor.execute(
            f"INSERT INTO main.{table} ({', '.join(columns)}) VALUES {', '.join([line] * len(content))}",
            [row[name] for row in content for name in columns],
        )

    def oracle(self, world: World) -> visibility.World:
        """Return the world as the rule in Python sees what the store holds by now."""
        accounts = dict(self._rows("SELECT id, account_id FROM main.thread"))
        return replace(
            world.oracle,
            thread_account=accounts,
            thread_visibility={
                key: Visibility(said) for key, said in self._rows("SELECT id, visibility FROM main.thread")
            },
            linked={thread for (thread,) in self._rows("SELECT thread_id FROM main.link")},
        )

    def threads_of_emails(self) -> dict[int, int]:
        """Return where each email stands by now."""
        return dict(self._rows("SELECT id, thread_id FROM main.email"))

    def _rows(self, text: str) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            return [tuple(row) for row in cursor.execute(text).fetchall()]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def keys_of(columns: Iterable[str], content: Iterable[Mapping[str, object]]) -> set[tuple[object, ...]]:
    """Return the values of `columns` in each row."""
    names = list(columns)
    return {tuple(row[name] for name in names) for row in content}


SERVER = Endpoint(host="imap.example.com", port=993, security=Security.TLS)


def connect(
    db: Database,
    address: str,
    *,
    team_id: int | None = None,
    default_visibility: Visibility = Visibility.PRIVATE,
    imap: Endpoint = SERVER,
) -> Account:
    """Add an account of the viewer, or of a team."""
    return accounts.create_account(
        db,
        address=address,
        owner_id=None if team_id is not None else db.viewer.id,
        team_id=team_id,
        default_visibility=default_visibility,
        provider="imap",
        imap=imap,
        username=address,
        history_start=None,
        all_folders=True,
    )


def folder(db: Database, account: Account, path: str = "INBOX", role: FolderRole | None = None) -> Folder:
    """Add a folder to an account."""
    folders.save_folder(db, account, path=path, name=path, role=role, usual=True, selected=True)
    return next(known for known in folders.folders(db, account) if known.path == path)


def letter(
    uid: int,
    message_id: str | None = None,
    *,
    references: Sequence[str] = (),
    subject: str = "Price list",
    text: str = "Hello",
    people: Mapping[ParticipantRole, str] | None = None,
    received_at: datetime = NOW,
    sent_at: datetime | None = NOW,
    raw: bytes | None = None,
    attachments: Sequence[Attachment] = (),
    spans: Sequence[Span] = (),
    forwards: Sequence[Forward] = (),
    invitations: Sequence[Invitation] = (),
    deliveries: Sequence[Delivery] = (),
    flags: Iterable[str] = (),
    automatic: bool = False,
    from_ambiguous: bool = False,
    authserv_id: str = "",
    dmarc: str = "",
) -> NewEmail:
    """Return an email as a sync would store it, from Kim to Ann unless `people` says otherwise."""
    raw = f"{uid} {message_id} {subject}".encode() if raw is None else raw
    named = people or {ParticipantRole.FROM: "kim@example.kr", ParticipantRole.TO: "ann@example.com"}
    arrived = Arrival(
        uid=uid,
        identity=identity(message_id, len(raw), received_at),
        size=len(raw),
        received_at=received_at,
        sent_at=sent_at,
        flags=frozenset(flags),
    )
    parsed = ParsedEmail(
        message_id=message_id,
        in_reply_to=(),
        references=tuple(references),
        sent_at=sent_at,
        subject=subject,
        participants=tuple(Participant(role=role, name="", address=at) for role, at in named.items()),
        from_ambiguous=from_ambiguous,
        automatic=automatic,
        authserv_id=authserv_id,
        dmarc=dmarc,
        text=text,
        preview=text[:200],
        spans=tuple(spans),
        forwards=tuple(forwards),
        attachments=tuple(attachments),
        invitations=tuple(invitations),
        deliveries=tuple(deliveries),
        signed=False,
        encrypted=False,
        trackers=0,
        repairs=(),
    )
    return NewEmail(source=source(arrived, raw, truncated=False), content=content(parsed, Direction.IN))


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """What a batch brought: how many emails were new, and the threads of all its emails."""

    new: int
    threads: frozenset[int]


def save(db: Database, account: Account, into: Folder, *letters: NewEmail) -> Saved:
    """Store letters in one batch under UIDVALIDITY 1."""
    new = save_batch(db, account, into, 1, letters)
    rows = db.read("emails_by_digest", account_id=account.id, texts=[letter.digest for letter in letters])
    return Saved(new=new, threads=frozenset(row["thread_id"] for row in rows))


class Mailboxes:
    """Fresh accounts in one store, so that one example of a property finds nothing of another."""

    def __init__(self, db: Database) -> None:
        """Take the connection of the member who will own them."""
        self.db = db
        self._numbers = itertools.count(1)

    def fresh(self) -> tuple[Account, Folder]:
        """Return a new account and its inbox."""
        account = connect(self.db, f"box{next(self._numbers)}@example.com")
        return account, folder(self.db, account)

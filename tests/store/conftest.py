"""A scene for the tests of who sees and changes what, and plain connections of its people to PostgreSQL."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from mailcrm import linking
from mailcrm.core.model import Account, ParticipantRole, Team, Visibility
from mailcrm.core.parsed import Attachment, Delivery, Forward, Invitation
from mailcrm.store import Database, contacts, deals, emails, folders, members, threads
from mailcrm.store.migrate import create_first_member
from tests.conftest import FIRST, NOW, Store, _login_maker, login_of
from tests.servers.postgres import PostgresServer, database_of
from tests.store.worlds import connect, folder, letter, save

#: Stands in every text of Ann's that nobody else may read.
SECRET = "hush"

BOB = "bob@example.com"
CAT = "cat@example.com"

#: The tables that hold a secret of Ann's in the scene.
WITH_SECRETS = {
    "account_alias",
    "account_connection",
    "attachment",
    "delivery",
    "email",
    "email_body",
    "email_source",
    "email_terms",
    "fetch_failure",
    "folder",
    "forward",
    "invitation",
    "participant",
    "thread",
    "thread_reference",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """Ann, an admin, has three threads; Bob has one; the team Support is Bob's and Cat's."""

    store: Store
    ann: Database
    bob: Database
    hers: Account
    his: Account
    support: Account
    support_team: Team
    private: int
    unlinked: int
    shared: int
    own: int

    def email(self, thread: int) -> int:
        """Return the one email of a thread."""
        for db in (self.ann, self.bob):
            for found in emails.thread_emails(db, thread):
                return found.row.id
        raise LookupError(thread)


def stage(store: Store) -> Scene:
    ann = store.as_member(FIRST)
    bob = store.add_member(BOB)
    cat = store.add_member(CAT)
    hers = connect(ann, FIRST)
    his = connect(bob, BOB)
    team = members.create_team(bob, "Support")
    members.add_team_member(bob, team, cat.viewer)
    support = connect(bob, "support@example.com", team_id=team.id)
    kim = contacts.create_contact(ann, name="Kim", addresses=["kim@example.kr"])
    deals.create_deal(ann, title="Big deal", contact_ids=[kim.id], value=None, currency=None, at=NOW)

    ann.write("add_account_alias", account_id=hers.id, address=f"{SECRET}@example.com")
    ann.write("record_sync_error", account_id=hers.id, error=SECRET)
    inbox = folder(ann, hers, path=SECRET)
    folders.record_failure(ann, inbox, 1, 99, SECRET, at=NOW)
    paper = Attachment(part_id="2", name=f"{SECRET}.pdf", type="application/pdf", size=5, inline=False)
    people = {ParticipantRole.FROM: f"{SECRET}@example.kr", ParticipantRole.TO: FIRST}
    secret = letter(
        1,
        f"{SECRET}@example.org",
        subject=SECRET,
        text=f"{SECRET} price",
        people=people,
        attachments=[paper],
        forwards=[Forward(name=SECRET, address="", to="", date="", subject="")],
        invitations=[
            Invitation(
                method="REQUEST",
                summary=SECRET,
                starts_at=NOW,
                ends_at=None,
                all_day=False,
                location="",
                organizer="",
                attendee="",
                answer="",
                repeats=False,
            )
        ],
        deliveries=[Delivery(address="", action="failed", status="", reason=SECRET)],
    )
    (private,) = save(ann, hers, inbox, secret).threads
    (unlinked,) = save(ann, hers, inbox, letter(2, f"{SECRET}2@example.org", subject=SECRET)).threads
    (shared,) = save(
        ann, hers, inbox, letter(3, "open@example.org", subject="Open", text="open price")
    ).threads
    linking.link_thread(ann, threads.thread(ann, str(private)), kim, now=NOW)
    linking.link_thread(ann, threads.thread(ann, str(shared)), kim, now=NOW)
    for thread in (unlinked, shared):
        threads.set_visibility(ann, thread, Visibility.SHARED)
    (own,) = save(bob, his, folder(bob, his), letter(1, "own@example.org", text="own price")).threads
    return Scene(
        store=store,
        ann=ann,
        bob=bob,
        hers=hers,
        his=his,
        support=support,
        support_team=team,
        private=private,
        unlinked=unlinked,
        shared=shared,
        own=own,
    )


@pytest.fixture
def scene(store: Store) -> Scene:
    """Return a scene that the test may change."""
    return stage(store)


@pytest.fixture(scope="module")
def town(postgres: PostgresServer, migrated_template: str) -> Iterator[Scene]:
    """Yield a scene on PostgreSQL that no test changes."""
    url = postgres.create_database(template=migrated_template)
    login = _login_maker(postgres, url)
    store = Store("postgres", url, login)
    login(login_of(FIRST))
    create_first_member(url, name="Ann", address=FIRST, login=login_of(FIRST))
    yield stage(store)
    store.close()
    postgres.drop_database(database_of(url))


@pytest.fixture(scope="module")
def lines(town: Scene) -> Iterator[dict[str, psycopg.Connection]]:
    """Yield a plain connection of Ann, of Bob and of the owner."""
    urls = {name: town.store._login(name) for name in ("ann", "bob")} | {"owner": town.store.url}
    found = {name: psycopg.connect(url, autocommit=True) for name, url in urls.items()}
    yield found
    for line in found.values():
        line.close()


@contextmanager
def undone(line: psycopg.Connection) -> Iterator[psycopg.Connection]:
    with line.transaction(force_rollback=True):
        yield line


@pytest.fixture
def bob(lines: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Yield Bob's own client; whatever he does is undone."""
    with undone(lines["bob"]) as line:
        yield line


@pytest.fixture
def admin(lines: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Yield Ann's own client; whatever she does is undone."""
    with undone(lines["ann"]) as line:
        yield line


def rows(line: psycopg.Connection, text: str, *values: object) -> list[tuple[object, ...]]:
    return list(line.execute(text, values).fetchall())


def refused(line: psycopg.Connection, text: str, *values: object) -> str:
    """Return how the server refuses a statement, without the numbers that the attacker has chosen."""
    with pytest.raises(psycopg.Error) as caught, line.transaction():
        line.execute(text, values)
    diag = caught.value.diag
    words = re.sub(r"\d+", "#", f"{diag.message_primary} {diag.message_detail}")
    return f"{diag.sqlstate} {words}"

"""Timelines: which emails count for a record, each message once, in pages."""

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking
from mailcrm.core.errors import UsageError
from mailcrm.core.model import Contact, Deal, Lead, Organization, ParticipantRole, Visibility
from mailcrm.core.parsed import Attachment
from mailcrm.store import Database, contacts, deals, leads, threads
from mailcrm.store.emails import NewEmail
from mailcrm.store.postgres import PostgresDatabase
from mailcrm.store.sqlite import SqliteDatabase
from mailcrm.store.timeline import timeline, timeline_emails
from mailcrm.timeline import contact_timeline, deal_timeline, lead_timeline, organization_timeline
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import Saved, connect, folder, letter, save

BOB = "bob@example.com"
CAT = "cat@example.com"


def deal_of(db: Database, title: str = "Pumps") -> Deal:
    return deals.create_deal(db, title=title, contact_ids=[], value=None, currency=None, at=NOW)


def lead_of(db: Database, title: str = "Valves") -> Lead:
    return leads.create_lead(db, title=title, contact_ids=[], value=None, currency=None, at=NOW)


def link(db: Database, saved: Saved, *records: Deal | Lead | Contact) -> None:
    for thread in saved.threads:
        for record in records:
            linking.link_thread(db, threads.thread(db, str(thread)), record, now=NOW)


def subjects(db: Database, record: Deal | Lead | Contact | Organization) -> list[str]:
    return [row.subject for row in timeline(db, record, limit=100).emails]


class Boxes:
    """The accounts of two members, Ann who looks and Bob who shares some."""

    def __init__(self, store: Store) -> None:
        self.ann = store.as_member(FIRST)
        self.bob = store.add_member(BOB)
        self.owners = (self.ann, self.ann, self.bob)
        self.accounts = tuple(
            connect(owner, f"box{n}@example.com") for n, owner in enumerate((self.ann, self.ann, self.bob))
        )
        self.folders = tuple(map(folder, self.owners, self.accounts))
        self.uids = iter(range(1, 1_000_000))


@pytest.fixture
def boxes(store: Store) -> Boxes:
    return Boxes(store)


#: A copy: in which account, of which message (or without Message-ID), received when, sent when, by whom.
COPIES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(0, 2),
        st.sampled_from([None, NOW, NOW, NOW, NOW - timedelta(1)]),
        st.sampled_from(["kim@example.kr", "kim@example.kr", "lee@example.kr"]),
    ),
    max_size=14,
)


@pytest.mark.rule("timeline-pages")
@pytest.mark.rule("timeline-once")
@pytest.mark.rule("timeline-holders")
@given(
    copies=COPIES,
    unlinked=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=2),
    private=st.sets(st.integers(0, 3), max_size=2),
    limit=st.integers(1, 5),
)
@settings(max_examples=settings().max_examples // 2)
def test_pages_hold_each_message_once_at_its_first_visible_copy(
    boxes: Boxes,
    copies: list[tuple[int, int | None, int, datetime | None, str]],
    unlinked: set[tuple[int, int]],
    private: set[int],
    limit: int,
) -> None:
    deal = deal_of(boxes.ann)
    tag = deal.id
    stored: list[tuple[int, int | None, NewEmail]] = []
    for box, message, second, sent_at, sender in copies:
        uid = next(boxes.uids)
        name = None if message is None else f"{message}.{tag}@example.org"
        people = {ParticipantRole.FROM: sender, ParticipantRole.TO: FIRST}
        received_at = NOW + timedelta(seconds=second)
        email = letter(uid, name, people=people, received_at=received_at, sent_at=sent_at)
        stored.append((box, message, email))
    groups: dict[object, list[tuple[datetime, int, str]]] = defaultdict(list)
    for box, owner in enumerate(boxes.owners):
        mine = [(message, email) for where, message, email in stored if where == box]
        if not mine:
            continue
        save(owner, boxes.accounts[box], boxes.folders[box], *(email for _, email in mine))
        digests = [email.digest for _, email in mine]
        rows = owner.read("emails_by_digest", account_id=boxes.accounts[box].id, texts=digests)
        known = {row["digest"]: row for row in rows}
        for message, email in mine:
            row = known[email.digest]
            if message is not None and (box, message) in unlinked:
                continue
            thread = threads.thread(owner, str(row["thread_id"]))
            if not thread.deals:
                linking.link_thread(owner, thread, deal, now=NOW)
            if owner is boxes.bob and message in private:
                continue
            if owner is boxes.bob:
                threads.set_visibility(owner, thread.id, Visibility.SHARED)
            parsed = email.content.parsed
            same = row["id"] if message is None else (message, parsed.sent_at, parsed.participants[0].address)
            place = (email.arrival.received_at, row["id"], boxes.accounts[box].address)
            groups[same].append(place)
    expected = sorted(
        ((*min(group)[:2], tuple(sorted({holder for *_, holder in group}))) for group in groups.values()),
        reverse=True,
    )
    shown = []
    before = None
    while True:
        view = deal_timeline(boxes.ann, str(deal.id), limit=limit, before=before)
        shown.append([(row.received_at, row.id, row.holders) for row in view.emails])
        before = view.next
        if before is None:
            break
        assert len(view.emails) == limit
    assert [row for page in shown for row in page] == expected
    assert len(shown) == max(1, -(-len(expected) // limit))


class Office:
    """Ann, Bob and Cat hold the same message from Kim; each thread is linked to Kim and to the deal."""

    def __init__(self, store: Store) -> None:
        self.people = [store.as_member(FIRST), store.add_member(BOB), store.add_member(CAT)]
        self.ann, self.bob, self.cat = self.people
        self.kim = contacts.create_contact(self.ann, name="Kim", addresses=["kim@example.kr"])
        self.deal = deals.create_deal(
            self.ann, title="Big", contact_ids=[], value=None, currency=None, at=NOW
        )
        self.boxes = [connect(db, db.viewer.address) for db in self.people]
        self.inboxes = [folder(db, box) for db, box in zip(self.people, self.boxes, strict=True)]
        self.threads = [self.receive(n, letter(1, "same@example.org")) for n in range(3)]

    def receive(self, who: int, mail: NewEmail) -> int:
        db = self.people[who]
        (thread,) = save(db, self.boxes[who], self.inboxes[who], mail).threads
        row = threads.thread(db, str(thread))
        if not row.contacts:
            linking.link_thread(db, row, self.kim, now=NOW)
            linking.link_thread(db, row, self.deal, now=NOW)
        return thread

    def share(self, who: int) -> None:
        threads.set_visibility(self.people[who], self.threads[who], Visibility.SHARED)

    def shown(self, viewer: Database) -> list[tuple[str | None, tuple[str, ...]]]:
        by_contact = timeline(viewer, self.kim, limit=9)
        assert by_contact == timeline(viewer, self.deal, limit=9)
        return [(row.message_id, row.holders) for row in by_contact.emails]


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)


@pytest.mark.rule("timeline-once")
@pytest.mark.rule("timeline-holders")
def test_a_timeline_shows_a_message_once_with_the_holders_whom_the_viewer_may_see(office: Office) -> None:
    assert office.shown(office.ann) == [("same@example.org", (FIRST,))]
    office.share(1)
    assert office.shown(office.ann) == [("same@example.org", (FIRST, BOB))]
    assert office.shown(office.bob) == [("same@example.org", (BOB,))]
    assert office.shown(office.cat) == [("same@example.org", (BOB, CAT))]
    office.share(2)
    assert office.shown(office.bob) == [("same@example.org", (BOB, CAT))]
    assert office.shown(office.ann) == [("same@example.org", (FIRST, BOB, CAT))]


def test_a_timeline_shows_nothing_of_threads_that_are_not_linked(office: Office) -> None:
    save(office.ann, office.boxes[0], office.inboxes[0], letter(2, "other@example.org"))
    assert office.shown(office.ann) == [("same@example.org", (FIRST,))]


def test_a_timeline_begins_with_the_newest_and_ends_at_its_limit(office: Office) -> None:
    for uid in (2, 3, 4):
        office.receive(0, letter(uid, f"{uid}@example.org", received_at=NOW + timedelta(hours=uid)))
    names = [name for name, _ in office.shown(office.ann)]
    assert names == ["4@example.org", "3@example.org", "2@example.org", "same@example.org"]
    assert len(timeline(office.ann, office.kim, limit=2).emails) == 2


@pytest.mark.rule("timeline-once")
@pytest.mark.parametrize("difference", ["sender", "date"])
def test_a_forged_message_id_hides_no_message(office: Office, difference: str) -> None:
    people = {ParticipantRole.FROM: "evil@example.org", ParticipantRole.TO: FIRST}
    forged = (
        letter(2, "same@example.org", people=people, raw=b"forged")
        if difference == "sender"
        else letter(2, "same@example.org", sent_at=NOW - timedelta(days=9), raw=b"forged")
    )
    office.receive(0, forged)
    assert len(office.shown(office.ann)) == 2


def test_messages_without_a_message_id_are_all_shown(office: Office) -> None:
    for uid in (2, 3):
        office.receive(0, letter(uid, None, raw=str(uid).encode()))
    assert [holders for name, holders in office.shown(office.ann) if name is None] == [(FIRST,), (FIRST,)]


def test_a_contact_and_a_deal_of_one_number_have_timelines_of_their_own(
    db: Database,
) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    deal = deals.create_deal(db, title="Big", contact_ids=[], value=None, currency=None, at=NOW)
    assert kim.id == deal.id
    (thread,) = save(db, account, inbox, letter(1, "a@example.org")).threads
    linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    assert len(timeline(db, kim, limit=9).emails) == 1
    assert timeline(db, deal, limit=9).emails == ()


# --- which threads count ------------------------------------------------------------------------


def change(db: Database, statement: str) -> None:
    """Run a change that no command makes yet, as the viewer."""
    if isinstance(db, SqliteDatabase):
        with db._changing():
            db._connection.execute(statement)
    else:
        assert isinstance(db, PostgresDatabase)
        db._connection.execute(statement)


@pytest.mark.rule("timeline-pages")
def test_a_link_to_a_converted_lead_counts_for_its_deal(db: Database) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    deal, lead, other = deal_of(db), lead_of(db), lead_of(db, "Other")
    link(db, save(db, account, inbox, letter(1, "1@example.org", subject="To the lead")), lead)
    later = letter(2, "2@example.org", subject="To the deal", received_at=NOW + timedelta(1))
    link(db, save(db, account, inbox, later), deal)
    link(db, save(db, account, inbox, letter(3, "3@example.org", subject="Elsewhere")), other)
    assert subjects(db, deal) == ["To the deal"]
    change(db, f"UPDATE main.lead SET status = 'converted', deal_id = {deal.id} WHERE id = {lead.id}")
    assert subjects(db, deal) == ["To the deal", "To the lead"]
    assert subjects(db, lead) == ["To the lead"]
    view = lead_timeline(db, "Valves", limit=9)
    assert (view.lead.deal_id, [row.subject for row in view.emails]) == (deal.id, ["To the lead"])


@pytest.mark.rule("timeline-pages")
def test_a_link_to_a_contact_that_was_merged_counts_for_the_other(db: Database) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    kim = contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"])
    minsu = contacts.create_contact(db, name="Minsu", addresses=[])
    link(db, save(db, account, inbox, letter(1, "1@example.org", subject="Minsu's")), minsu)
    saved = save(
        db, account, inbox, letter(2, "2@example.org", subject="Both", received_at=NOW + timedelta(1))
    )
    link(db, saved, kim, minsu)
    assert subjects(db, kim) == ["Both"]
    change(db, f"UPDATE main.contact SET merged_into_id = {kim.id} WHERE id = {minsu.id}")
    assert subjects(db, kim) == ["Both", "Minsu's"]
    assert contact_timeline(db, str(minsu.id), limit=9) == contact_timeline(db, "kim@example.kr", limit=9)


@pytest.mark.rule("timeline-organization")
def test_an_organization_has_what_its_contacts_deals_and_leads_have(db: Database) -> None:
    account = connect(db, FIRST)
    inbox = folder(db, account)
    change(db, "INSERT INTO main.organization (name, notes) VALUES ('Pumps Ltd', ''), ('Other', '')")
    pumps = Organization(id=1, name="Pumps Ltd", owner_id=None, domains=(), notes="")
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    merged = contacts.create_contact(db, name="Kim M.", addresses=[])
    lee = contacts.create_contact(db, name="Lee", addresses=[])
    deal, own, led, converted = deal_of(db), lead_of(db), lead_of(db, "Led"), lead_of(db, "Converted")
    for table, key in (("contact", kim.id), ("deal", deal.id), ("lead", own.id)):
        change(db, f"UPDATE main.{table} SET organization_id = 1 WHERE id = {key}")
    change(db, f"UPDATE main.contact SET merged_into_id = {kim.id} WHERE id = {merged.id}")
    change(db, f"UPDATE main.contact SET organization_id = 2 WHERE id IN ({lee.id}, {merged.id})")
    change(db, f"UPDATE main.lead SET deal_id = {deal.id} WHERE id = {converted.id}")
    names = ("kim", "merged", "lee", "deal", "own", "led", "converted")
    records: tuple[Deal | Lead | Contact, ...] = (kim, merged, lee, deal, own, led, converted)
    for uid, (name, record) in enumerate(zip(names, records, strict=True), start=1):
        received_at = NOW + timedelta(seconds=uid)
        link(db, save(db, account, inbox, letter(uid, name, subject=name, received_at=received_at)), record)
    assert subjects(db, pumps) == ["converted", "own", "deal", "merged", "kim"]
    view = organization_timeline(db, pumps, limit=2)
    assert [row.subject for row in view.emails] == ["converted", "own"]
    rest = organization_timeline(db, pumps, limit=9, before=view.next)
    assert ([row.subject for row in rest.emails], rest.next) == (["deal", "merged", "kim"], None)


@pytest.mark.rule("timeline-pages")
@pytest.mark.parametrize(
    "cursor", ["", "yesterday", "2026-06-15", "2026-06-15T12:00:00Z", "2026-06-15T12:00:00Z.x", "Z.1", "Z.²"]
)
def test_what_is_no_cursor_is_refused(db: Database, cursor: str) -> None:
    deal_of(db)
    with pytest.raises(UsageError):
        deal_timeline(db, "1", limit=9, before=cursor)


def test_a_page_names_the_files_and_tells_what_its_emails_say(db: Database) -> None:
    account = connect(db, FIRST)
    deal = deal_of(db)
    files = [
        Attachment(part_id="2", name="offer.pdf", type="application/pdf", size=9, inline=False),
        Attachment(part_id="3", name="", type="text/csv", size=9, inline=False),
        Attachment(part_id="4", name="logo.png", type="image/png", size=9, inline=True),
    ]
    link(db, save(db, account, folder(db, account), letter(1, "1@example.org", attachments=files)), deal)
    page = timeline(db, deal, limit=9)
    assert [row.files for row in page.emails] == [("offer.pdf", "text/csv")]
    (full,) = timeline_emails(db, page.emails)
    assert (full.text, full.row.files) == ("Hello", ("offer.pdf", "text/csv"))

"""Timelines: which emails count for a record, each message once, in pages."""

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking
from mailcrm.core.errors import UsageError
from mailcrm.core.model import Account, Contact, Deal, Lead, Organization, ParticipantRole, Visibility
from mailcrm.core.parsed import Attachment
from mailcrm.store import Database, contacts, deals, leads, threads
from mailcrm.store.emails import NewEmail
from mailcrm.store.timeline import TOP, timeline, timeline_emails
from mailcrm.timeline import contact_timeline, deal_timeline, lead_timeline, organization_timeline
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import Mailboxes, Saved, connect, folder, letter, save

BOB = "bob@example.com"


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

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking
from mailcrm.core.errors import NotFound, NotPermitted
from mailcrm.core.links import LinkDecision, Reason
from mailcrm.core.model import (
    Account,
    Contact,
    Deal,
    Folder,
    Item,
    ItemKind,
    LinkOrigin,
    ParticipantRole,
    Visibility,
)
from mailcrm.store import Database, accounts, contacts, deals, emails, links, threads
from mailcrm.store.emails import NewEmail
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import Mailboxes, connect, folder, letter, save

NAMES = [f"{letter_}@example.org" for letter_ in "abcdef"]


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


def partition(db: Database, account: Account) -> set[frozenset[str]]:
    """Return the subjects of the emails of each thread."""
    return {
        frozenset(full.row.subject for full in emails.thread_emails(db, thread))
        for thread in links.threads_of_account(db, account, since=None)
    }


def together(mails: Sequence[NewEmail]) -> set[frozenset[str]]:
    """Return the same by the definition: whatever shares an id belongs together."""
    groups: list[tuple[set[str], set[str]]] = []
    for mail in mails:
        ids = {
            *mail.content.parsed.references,
            *([mail.content.parsed.message_id] if mail.content.parsed.message_id else []),
        }
        subjects = {mail.content.parsed.subject}
        for other in [group for group in groups if group[0] & ids]:
            groups.remove(other)
            ids |= other[0]
            subjects |= other[1]
        groups.append((ids, subjects))
    return {frozenset(subjects) for _, subjects in groups}


@st.composite
def correspondence(draw: st.DrawFn) -> list[NewEmail]:
    shapes = draw(
        st.lists(
            st.tuples(st.none() | st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=2)),
            min_size=1,
            max_size=6,
        )
    )
    return [
        letter(
            n,
            name,
            references=references,
            subject=f"mail {n}",
            received_at=NOW + timedelta(minutes=n),
        )
        for n, (name, references) in enumerate(shapes, start=1)
    ]


@pytest.fixture
def boxes(db: Database) -> Mailboxes:
    return Mailboxes(db)


@given(mails=correspondence(), data=st.data())
@settings(max_examples=settings().max_examples // 3)
def test_threads_do_not_depend_on_the_order_of_arrival(
    boxes: Mailboxes, mails: list[NewEmail], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(mails))
    cut = data.draw(st.integers(0, len(order)))
    account, inbox = boxes.fresh()
    for batch in (order[:cut], order[cut:]):
        save(boxes.db, account, inbox, *batch)
    assert partition(boxes.db, account) == together(mails)
    for thread in links.threads_of_account(boxes.db, account, since=None):
        row = threads.thread(boxes.db, str(thread))
        held = [full.row for full in emails.thread_emails(boxes.db, thread)]
        assert row.email_count == len(held)
        assert row.subject == held[0].subject
        assert row.last_received_at == max(one.received_at for one in held)


@given(mails=correspondence())
@settings(max_examples=settings().max_examples // 10)
def test_one_email_at_a_time_gives_the_same_threads_as_one_batch(
    boxes: Mailboxes, mails: list[NewEmail]
) -> None:
    account, inbox = boxes.fresh()
    for mail in reversed(mails):
        save(boxes.db, account, inbox, mail)
    assert partition(boxes.db, account) == together(mails)


def test_a_reply_that_arrives_before_its_email_finds_the_same_thread(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, letter(2, "b@example.org", references=["a@example.org"], subject="Re: offer"))
    save(db, account, inbox, letter(1, "a@example.org", subject="offer"))
    assert partition(db, account) == {frozenset({"offer", "Re: offer"})}


def test_two_replies_to_an_email_that_nobody_has_are_one_thread(
    db: Database, account: Account, inbox: Folder
) -> None:
    for uid, name in ((1, "b@example.org"), (2, "c@example.org")):
        save(db, account, inbox, letter(uid, name, references=["lost@example.org"], subject=name))
    assert len(partition(db, account)) == 1


def test_a_subject_alone_makes_no_thread(db: Database, account: Account, inbox: Folder) -> None:
    for uid, name in ((1, "a@example.org"), (2, "b@example.org")):
        save(db, account, inbox, letter(uid, name, subject="Re: Price list"))
    assert len(links.threads_of_account(db, account, since=None)) == 2


def test_two_accounts_have_two_threads_of_one_conversation(
    db: Database, account: Account, inbox: Folder
) -> None:
    other = connect(db, "second@example.com")
    for held, place in ((account, inbox), (other, folder(db, other))):
        save(db, held, place, letter(1, "a@example.org"))
    assert (
        len(links.threads_of_account(db, account, since=None))
        == len(links.threads_of_account(db, other, since=None))
        == 1
    )


@pytest.mark.parametrize("default", list(Visibility))
def test_a_new_thread_takes_the_default_and_a_stored_one_keeps_its_own(
    db: Database, default: Visibility
) -> None:
    held = connect(db, FIRST, default_visibility=default)
    place = folder(db, held)
    (thread,) = save(db, held, place, letter(1, "a@example.org")).threads
    changed = Visibility.SHARED if default is Visibility.PRIVATE else Visibility.PRIVATE
    accounts.set_default_visibility(db, held, changed)
    again = accounts.account(db, FIRST)
    save(db, again, place, letter(2, "b@example.org", references=["a@example.org"]))
    (newer,) = save(db, again, place, letter(3, "c@example.org")).threads
    assert threads.thread(db, str(thread)).visibility is default
    assert threads.thread(db, str(newer)).visibility is changed


# --- merging ------------------------------------------------------------------------------------


class Pair:
    """Two threads that one more email turns out to be one, with a contact and two deals."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.account = connect(db, FIRST)
        self.inbox = folder(db, self.account)
        self.kim, self.lee = (
            contacts.create_contact(db, name=name, addresses=[f"{name.lower()}@example.kr"])
            for name in ("Kim", "Lee")
        )
        self.small, self.big = (
            deals.create_deal(db, title=title, contact_ids=[], value=None, currency=None, at=NOW)
            for title in ("Small", "Big")
        )
        (self.older,) = save(
            db, self.account, self.inbox, letter(1, "a@example.org", subject="older")
        ).threads
        (self.newer,) = save(
            db, self.account, self.inbox, letter(2, "b@example.org", subject="newer")
        ).threads

    def link(
        self, thread: int, *, origin: LinkOrigin, contact: Contact | None = None, deal: Deal | None = None
    ) -> None:
        """Link it as the rule does, or as a person does."""
        record = contact or deal
        assert record is not None
        if origin is not LinkOrigin.AUTO:
            links.add_link(self.db, thread, record, origin, at=NOW)
            return
        item = Item(ItemKind.DEAL, deal.id) if deal else None
        people = frozenset({contact.id} if contact else ())
        decided = LinkDecision(contacts=people, item=item, reason=Reason.ONLY_OPEN_ITEM, proposal=None)
        links.add_automatic_links(self.db, {thread: decided}, at=NOW)

    def merge(self) -> set[tuple[str, LinkOrigin]]:
        """Let the email arrive that names both, and return the links of the one thread."""
        bridge = letter(3, "c@example.org", references=["a@example.org", "b@example.org"])
        assert save(self.db, self.account, self.inbox, bridge).threads == {self.older}
        assert links.threads_of_account(self.db, self.account, since=None) == [self.older]
        assert len(emails.thread_emails(self.db, self.older)) == 3
        return {(link.title, link.origin) for link in links.links(self.db, [self.older])}


@pytest.fixture
def pair(db: Database) -> Pair:
    return Pair(db)


AUTO, MANUAL = LinkOrigin.AUTO, LinkOrigin.MANUAL


def test_a_merge_unites_links(pair: Pair) -> None:
    pair.link(pair.older, origin=AUTO, contact=pair.kim)
    pair.link(pair.newer, origin=AUTO, contact=pair.lee)
    pair.link(pair.newer, origin=AUTO, deal=pair.big)
    assert pair.merge() == {("Kim", AUTO), ("Lee", AUTO), ("Big", AUTO)}


@pytest.mark.parametrize("first", list(LinkOrigin))
@pytest.mark.parametrize("second", list(LinkOrigin))
def test_a_contact_that_a_person_linked_to_either_thread_stays_a_persons_link(
    pair: Pair, first: LinkOrigin, second: LinkOrigin
) -> None:
    pair.link(pair.older, origin=first, contact=pair.kim)
    pair.link(pair.newer, origin=second, contact=pair.kim)
    assert pair.merge() == {("Kim", second if first is AUTO else first)}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (MANUAL, AUTO, {("Small", MANUAL)}),
        (AUTO, MANUAL, {("Big", MANUAL)}),
        (AUTO, AUTO, {("Small", AUTO)}),
        # rules.md, section 4: two different manual items keep both, as a conflict shown to the owner.
        (MANUAL, MANUAL, {("Small", MANUAL), ("Big", MANUAL)}),
    ],
)
def test_a_deal_chosen_by_a_person_beats_an_automatic_one(
    pair: Pair, first: LinkOrigin, second: LinkOrigin, kept: set[tuple[str, LinkOrigin]]
) -> None:
    pair.link(pair.older, origin=first, deal=pair.small)
    pair.link(pair.newer, origin=second, deal=pair.big)
    assert pair.merge() == kept


@pytest.mark.parametrize("first", list(LinkOrigin))
@pytest.mark.parametrize("second", list(LinkOrigin))
def test_one_deal_on_both_threads_stays_one_link(pair: Pair, first: LinkOrigin, second: LinkOrigin) -> None:
    pair.link(pair.older, origin=first, deal=pair.big)
    pair.link(pair.newer, origin=second, deal=pair.big)
    assert pair.merge() == {("Big", second if first is AUTO else first)}


@pytest.mark.parametrize("first", list(Visibility))
@pytest.mark.parametrize("second", list(Visibility))
def test_a_merge_takes_the_stricter_visibility(pair: Pair, first: Visibility, second: Visibility) -> None:
    threads.set_visibility(pair.db, pair.older, first)
    threads.set_visibility(pair.db, pair.newer, second)
    pair.merge()
    strict = Visibility.PRIVATE if Visibility.PRIVATE in {first, second} else Visibility.SHARED
    assert threads.thread(pair.db, str(pair.older)).visibility is strict


def test_a_refusal_survives_a_merge(pair: Pair) -> None:
    pair.link(pair.newer, origin=AUTO, contact=pair.kim)
    links.remove_link(pair.db, pair.newer, pair.kim, at=NOW)
    assert pair.merge() == set()
    linking.apply_rule(pair.db, pair.account, [pair.older], now=NOW)
    assert links.links(pair.db, [pair.older]) == []


def test_later_mail_finds_the_merged_thread_by_the_ids_of_both(pair: Pair) -> None:
    pair.merge()
    for uid, name in ((4, "a@example.org"), (5, "b@example.org")):
        reply = letter(uid, f"reply{uid}@example.org", references=[name])
        assert save(pair.db, pair.account, pair.inbox, reply).threads == {pair.older}


def test_a_bridge_and_both_its_ends_in_one_batch_are_one_thread(
    db: Database, account: Account, inbox: Folder
) -> None:
    ends = [letter(1, "a@example.org"), letter(2, "b@example.org")]
    bridge = letter(3, "c@example.org", references=["a@example.org", "b@example.org"])
    saved = save(db, account, inbox, *ends, bridge)
    assert saved.new == 3
    assert saved.threads == frozenset(links.threads_of_account(db, account, since=None))
    assert len(saved.threads) == 1


# --- the inbox ----------------------------------------------------------------------------------


def newest(db: Database, **chosen: object) -> list[str]:
    asked = {"account_id": None, "unlinked": False, "unread": False, "limit": 9} | chosen
    return [row.subject for row in threads.inbox(db, **asked)]  # type: ignore[arg-type] # as the commands ask


def test_the_inbox_shows_the_newest_thread_first_and_no_more_than_asked_for(
    db: Database, account: Account, inbox: Folder
) -> None:
    for uid in (1, 2, 3):
        mail = letter(uid, f"{uid}@example.org", subject=str(uid), received_at=NOW + timedelta(hours=uid))
        save(db, account, inbox, mail)
    assert newest(db) == ["3", "2", "1"]
    assert newest(db, limit=2) == ["3", "2"]


def test_the_inbox_of_one_account_holds_nothing_of_another(
    db: Database, account: Account, inbox: Folder
) -> None:
    other = connect(db, "second@example.com")
    save(db, account, inbox, letter(1, "a@example.org", subject="here"))
    save(db, other, folder(db, other), letter(1, "b@example.org", subject="there"))
    assert newest(db, account_id=account.id) == ["here"]
    assert newest(db, account_id=other.id) == ["there"]


def test_the_inbox_can_leave_linked_and_read_threads_out(
    db: Database, account: Account, inbox: Folder
) -> None:
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    for uid, flags in ((1, []), (2, ["\\Seen"]), (3, [])):
        save(db, account, inbox, letter(uid, f"{uid}@example.org", subject=str(uid), flags=flags))
    linked = next(
        row
        for row in threads.inbox(db, account_id=None, unlinked=False, unread=False, limit=9)
        if row.subject == "3"
    )
    linking.link_thread(db, linked, kim, now=NOW)
    assert sorted(newest(db, unlinked=True)) == ["1", "2"]
    assert sorted(newest(db, unread=True)) == ["1", "3"]
    assert newest(db, unread=True, unlinked=True) == ["1"]


def test_a_line_of_the_inbox_says_who_wrote_and_what_it_is_linked_to(
    db: Database, account: Account, inbox: Folder
) -> None:
    kim = contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"])
    people = {ParticipantRole.FROM: "kim@example.kr", ParticipantRole.TO: FIRST}
    (thread,) = save(db, account, inbox, letter(1, "a@example.org", people=people)).threads
    linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    row = threads.thread(db, str(thread))
    assert row.correspondents == ("kim@example.kr",)
    assert row.contacts == ("Kim",)
    assert row.deals == ()
    assert row.account == FIRST
    assert not row.team


def test_the_inbox_leaves_a_colleagues_shared_threads_to_the_timelines(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member("bob@example.com")
    account = connect(db, FIRST, default_visibility=Visibility.SHARED)
    (thread,) = save(db, account, folder(db, account), letter(1, "a@example.org")).threads
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    assert newest(bob) == []
    assert threads.thread(bob, str(thread)).subject == "Price list"
    assert not threads.manages(bob, thread)


def test_a_thread_that_is_not_there_is_not_found(db: Database) -> None:
    for text in ("0", "999", "-1", "last", "x", "1" * 19, ""):
        with pytest.raises(NotFound):
            threads.thread(db, text)


def test_a_digit_that_is_no_number_names_no_thread(db: Database) -> None:
    with pytest.raises(NotFound):
        threads.thread(db, "²")


def test_the_last_thread_is_the_newest_of_ones_own(db: Database, account: Account, inbox: Folder) -> None:
    for uid in (2, 1):
        mail = letter(uid, f"{uid}@example.org", subject=str(uid), received_at=NOW + timedelta(hours=uid))
        save(db, account, inbox, mail)
    assert threads.thread(db, "last").subject == "2"


@pytest.mark.rule("manage-who")
def test_only_those_who_manage_the_account_share_and_privatize(store: Store) -> None:
    db, bob = store.as_member(FIRST), store.add_member("bob@example.com")
    account = connect(db, FIRST, default_visibility=Visibility.SHARED)
    (thread,) = save(db, account, folder(db, account), letter(1, "a@example.org")).threads
    kim = contacts.create_contact(db, name="Kim", addresses=[])
    linking.link_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    with pytest.raises(NotPermitted):
        threads.set_visibility(bob, thread, Visibility.PRIVATE)
    threads.set_visibility(db, thread, Visibility.PRIVATE)
    with pytest.raises(NotFound):
        threads.thread(bob, str(thread))


def test_two_connections_see_each_others_finished_work(store: Store) -> None:
    db = store.as_member(FIRST)
    account = connect(db, FIRST)
    with closing(store.as_member(FIRST)) as second:
        save(db, account, folder(db, account), letter(1, "a@example.org"))
        assert newest(second) == ["Price list"]

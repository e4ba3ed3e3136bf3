from dataclasses import replace

import pytest

from mailcrm import linking
from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound, NotPermitted
from mailcrm.core.model import (
    Account,
    Contact,
    Deal,
    DealStatus,
    Folder,
    FolderRole,
    LinkOrigin,
    ParticipantRole,
    Visibility,
)
from mailcrm.store import Database, accounts, contacts, deals, links, suggestions, threads
from mailcrm.store.emails import NewEmail
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save


class Desk:
    """An account, and what a test puts on it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.account: Account = connect(db, FIRST)
        self.inbox: Folder = folder(db, self.account)

    def contact(self, name: str, *addresses: str) -> Contact:
        return contacts.create_contact(self.db, name=name, addresses=addresses)

    def deal(self, title: str, *contacts: Contact) -> Deal:
        ids = [contact.id for contact in contacts]
        return deals.create_deal(self.db, title=title, contact_ids=ids, value=None, currency=None, at=NOW)

    def receive(self, mail: NewEmail, into: Folder | None = None) -> int:
        (thread,) = save(self.db, self.account, into or self.inbox, mail).threads
        return thread

    def apply_rule(self, thread: int) -> linking.Linked:
        return linking.apply_rule(self.db, accounts.account(self.db, FIRST), [thread], now=NOW)

    def links(self, thread: int) -> set[tuple[str, LinkOrigin]]:
        return {(link.title, link.origin) for link in links.links(self.db, [thread])}


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


AUTO, MANUAL = LinkOrigin.AUTO, LinkOrigin.MANUAL


# --- contacts and deals -------------------------------------------------------------------------


def test_a_contact_is_found_by_number_address_and_name(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr", "kim@example.org")
    assert kim.addresses == ("kim@example.kr", "kim@example.org")
    assert kim.owner_id == desk.db.viewer.id
    for text in (str(kim.id), "kim@example.kr", " KIM@example.org ", "Kim"):
        assert contacts.contact(desk.db, text) == kim


def test_an_address_belongs_to_one_contact(desk: Desk) -> None:
    desk.contact("Kim", "kim@example.kr")
    with pytest.raises(AlreadyExists, match="Kim"):
        desk.contact("Lee", "lee@example.kr", "kim@example.kr")
    assert [contact.name for contact in contacts.contacts(desk.db, limit=9)] == ["Kim"]


def test_an_address_named_twice_is_kept_once(desk: Desk) -> None:
    assert desk.contact("Kim", "kim@example.kr", "kim@example.kr").addresses == ("kim@example.kr",)


def test_two_of_one_name_have_to_be_told_apart(desk: Desk) -> None:
    first, second = desk.contact("Kim", "kim@example.kr"), desk.contact("Kim")
    desk.deal("Big")
    desk.deal("Big")
    with pytest.raises(NeedsChoice) as caught:
        contacts.contact(desk.db, "Kim")
    assert caught.value.candidates == (f"{first.id} Kim kim@example.kr", f"{second.id} Kim")
    with pytest.raises(NeedsChoice):
        deals.deal(desk.db, "Big")


def test_a_name_is_found_in_any_case_and_by_its_beginning(desk: Desk) -> None:
    small, capital = desk.contact("kim"), desk.contact("Kim Über")
    pumps, sensors = desk.deal("Pumps"), desk.deal("120 sensors")
    assert contacts.contact(desk.db, "KIM") == small
    for text in ("kim üBER", "kim ü"):
        assert contacts.contact(desk.db, text) == capital
    assert deals.deal(desk.db, "pum") == pumps
    assert deals.deal(desk.db, "120 s") == sensors
    with pytest.raises(NeedsChoice):
        contacts.contact(desk.db, "ki")
    with pytest.raises(NotFound):
        deals.deal(desk.db, "120")


def test_a_contact_gets_another_name_and_more_addresses(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    desk.contact("Lee", "lee@example.kr")
    added = ("kim@example.kr", "kim@example.org")
    changed = contacts.edit_contact(desk.db, replace(kim, name="M. Kim", addresses=added))
    assert (changed.name, changed.addresses) == ("M. Kim", added)
    with pytest.raises(AlreadyExists, match="Lee"):
        contacts.edit_contact(desk.db, replace(changed, name="Kim", addresses=("lee@example.kr",)))
    assert contacts.contact(desk.db, str(kim.id)) == changed


def test_a_deal_gets_another_title_value_and_contact(desk: Desk) -> None:
    kim, lee = desk.contact("Kim"), desk.contact("Lee")
    big = desk.deal("Big", kim)
    changed = deals.edit_deal(
        desk.db, replace(big, title="Bigger", contact_ids=(kim.id, lee.id), value="9.50", currency="EUR")
    )
    assert (changed.title, changed.value, changed.currency) == ("Bigger", "9.50", "EUR")
    assert changed.contacts == ("Kim", "Lee")


def test_our_own_addresses_are_known_with_and_without_a_tag(desk: Desk) -> None:
    accounts.add_alias(desk.db, desk.account, "sales@example.com")
    ours = {FIRST, "sales@example.com", "sales+x@example.com"}
    assert contacts.our_addresses(desk.db, [*ours, "kim@example.kr"]) == ours


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for text in ("1", "nobody", "nobody@example.org", "", "9" * 30, "-1"):
        with pytest.raises(NotFound):
            contacts.contact(desk.db, text)
        with pytest.raises(NotFound):
            deals.deal(desk.db, text)


def test_a_digit_that_is_no_number_names_nothing(desk: Desk) -> None:
    with pytest.raises(NotFound):
        contacts.contact(desk.db, "²")


def test_lists_are_limited(desk: Desk) -> None:
    for number in range(3):
        desk.contact(f"Contact {number}")
        desk.deal(f"Deal {number}")
    assert [contact.name for contact in contacts.contacts(desk.db, limit=2)] == ["Contact 0", "Contact 1"]
    assert [deal.title for deal in deals.deals(desk.db, status=None, limit=2)] == ["Deal 2", "Deal 1"]


def test_a_deal_knows_its_contacts_and_is_listed_by_status(desk: Desk) -> None:
    kim, lee = desk.contact("Kim"), desk.contact("Lee")
    deal = deals.create_deal(
        desk.db, title="Big", contact_ids=[lee.id, kim.id, kim.id], value="10.50", currency="EUR", at=NOW
    )
    assert (deal.contacts, deal.contact_ids) == (("Kim", "Lee"), (kim.id, lee.id))
    assert (deal.value, deal.currency, deal.status) == ("10.50", "EUR", DealStatus.OPEN)
    won = deals.set_deal_status(desk.db, deal, DealStatus.WON, at=NOW)
    assert deals.deals(desk.db, status=DealStatus.OPEN, limit=9) == []
    assert deals.deals(desk.db, status=DealStatus.WON, limit=9) == [won]
    assert deals.deal(desk.db, "Big") == won


def test_a_deal_with_an_unknown_contact_is_not_made(desk: Desk) -> None:
    with pytest.raises(Exception, match="refused"):
        deals.create_deal(desk.db, title="Big", contact_ids=[987654], value=None, currency=None, at=NOW)
    assert deals.deals(desk.db, status=None, limit=9) == []


# --- linking by hand ----------------------------------------------------------------------------


def test_linking_by_hand_makes_an_automatic_link_a_persons(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    thread = desk.receive(letter(1, "a@example.org"))
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Kim", AUTO)}
    links.add_link(desk.db, thread, kim, LinkOrigin.MANUAL, at=NOW)
    assert desk.links(thread) == {("Kim", MANUAL)}


def test_a_deal_chosen_by_hand_takes_the_place_of_the_one_before(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    one = desk.deal("One", kim)
    thread = desk.receive(letter(1, "a@example.org"))
    desk.apply_rule(thread)
    assert ("One", AUTO) in desk.links(thread)
    links.add_link(desk.db, thread, desk.deal("Two"), LinkOrigin.MANUAL, at=NOW)
    assert desk.links(thread) == {("Kim", AUTO), ("Two", MANUAL)}
    links.add_link(desk.db, thread, one, LinkOrigin.MANUAL, at=NOW)
    assert desk.links(thread) == {("Kim", AUTO), ("One", MANUAL)}


def test_linking_twice_is_linking_once(desk: Desk) -> None:
    kim, deal = desk.contact("Kim"), desk.deal("Big")
    thread = desk.receive(letter(1, "a@example.org"))
    for _ in range(2):
        links.add_link(desk.db, thread, kim, LinkOrigin.MANUAL, at=NOW)
        links.add_link(desk.db, thread, deal, LinkOrigin.MANUAL, at=NOW)
    assert desk.links(thread) == {("Kim", MANUAL), ("Big", MANUAL)}


def test_an_unlinked_contact_and_deal_stay_away_until_a_person_links_them_again(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    big = desk.deal("Big", kim)
    thread = desk.receive(letter(1, "a@example.org"))
    desk.apply_rule(thread)
    links.remove_link(desk.db, thread, big, at=NOW)
    links.remove_link(desk.db, thread, kim, at=NOW)
    assert desk.apply_rule(thread).threads == ()
    desk.receive(letter(2, "b@example.org", references=["a@example.org"]))
    assert desk.apply_rule(thread).threads == ()
    assert desk.links(thread) == set()
    links.add_link(desk.db, thread, kim, LinkOrigin.MANUAL, at=NOW)
    links.add_link(desk.db, thread, big, LinkOrigin.MANUAL, at=NOW)
    assert desk.links(thread) == {("Kim", MANUAL), ("Big", MANUAL)}


def test_unlinking_what_is_not_linked_is_not_found_and_refuses_nothing(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    thread = desk.receive(letter(1, "a@example.org"))
    with pytest.raises(NotFound):
        links.remove_link(desk.db, thread, kim, at=NOW)
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Kim", AUTO)}


def test_unlinking_a_contact_leaves_the_deal_of_the_same_number(desk: Desk) -> None:
    kim, deal = desk.contact("Kim"), desk.deal("Big")
    assert kim.id == deal.id
    thread = desk.receive(letter(1, "a@example.org"))
    links.add_link(desk.db, thread, kim, LinkOrigin.MANUAL, at=NOW)
    links.add_link(desk.db, thread, deal, LinkOrigin.MANUAL, at=NOW)
    links.remove_link(desk.db, thread, kim, at=NOW)
    assert desk.links(thread) == {("Big", MANUAL)}


@pytest.mark.rule("manage-who")
def test_a_colleague_neither_links_nor_unlinks_a_shared_thread(store: Store) -> None:
    desk = Desk(store.as_member(FIRST))
    bob = store.add_member("bob@example.com")
    kim, big = desk.contact("Kim"), desk.deal("Big")
    thread = desk.receive(letter(1, "a@example.org"))
    links.add_link(desk.db, thread, kim, LinkOrigin.MANUAL, at=NOW)
    threads.set_visibility(desk.db, thread, Visibility.SHARED)
    row = threads.thread(bob, str(thread))
    with pytest.raises(NotPermitted):
        linking.link_thread(bob, row, big, now=NOW)
    with pytest.raises(NotPermitted):
        links.add_link(bob, thread, big, LinkOrigin.MANUAL, at=NOW)
    with pytest.raises(NotPermitted):
        linking.unlink_thread(bob, row, kim, now=NOW)
    with pytest.raises((NotPermitted, NotFound)):
        links.remove_link(bob, thread, kim, at=NOW)
    assert desk.links(thread) == {("Kim", MANUAL)}


# --- what the automatic rule is told --------------------------------------------------------------


def test_the_rule_links_the_contact_and_the_single_open_deal(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    desk.deal("Big", kim)
    thread = desk.receive(letter(1, "a@example.org"))
    assert desk.apply_rule(thread) == linking.Linked(threads=(thread,), suggested=())
    assert desk.links(thread) == {("Kim", AUTO), ("Big", AUTO)}
    assert desk.apply_rule(thread) == linking.Linked(threads=(), suggested=())


def test_the_rule_asks_when_there_are_several_open_deals(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    one, two = desk.deal("One", kim), desk.deal("Two", kim)
    thread = desk.receive(letter(1, "a@example.org"))
    assert desk.apply_rule(thread).suggested == (thread,)
    (suggestion,) = suggestions.suggestions(desk.db, limit=99)
    assert [each.deal_id for each in suggestion.candidates] == [two.id, one.id]
    assert desk.links(thread) == {("Kim", AUTO)}


@pytest.mark.parametrize("status", [DealStatus.WON, DealStatus.LOST])
def test_a_closed_deal_is_no_candidate_and_keeps_its_threads(desk: Desk, status: DealStatus) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    old, new = desk.deal("Old", kim), desk.deal("New", kim)
    first = desk.receive(letter(1, "a@example.org"))
    links.add_link(desk.db, first, old, LinkOrigin.MANUAL, at=NOW)
    deals.set_deal_status(desk.db, old, status, at=NOW)
    second = desk.receive(letter(2, "b@example.org"))
    desk.apply_rule(second)
    desk.apply_rule(first)
    assert (new.title, AUTO) in desk.links(second)
    assert desk.links(first) == {("Old", MANUAL), ("Kim", AUTO)}


def test_an_exact_address_is_tried_before_the_one_without_its_tag(desk: Desk) -> None:
    desk.contact("Kim", "kim@example.kr")
    desk.contact("Orders", "kim+orders@example.kr")
    people = {ParticipantRole.FROM: "kim+orders@example.kr", ParticipantRole.TO: FIRST}
    exact = desk.receive(letter(1, "a@example.org", people=people))
    people = {ParticipantRole.FROM: "kim+other@example.kr", ParticipantRole.TO: FIRST}
    tagged = desk.receive(letter(2, "b@example.org", people=people))
    for thread in (exact, tagged):
        desk.apply_rule(thread)
    assert desk.links(exact) == {("Orders", AUTO)}
    assert desk.links(tagged) == {("Kim", AUTO)}


@pytest.mark.rule("link-contacts")
@pytest.mark.parametrize("role", list(ParticipantRole))
def test_a_contact_is_linked_in_whatever_field_it_stands(desk: Desk, role: ParticipantRole) -> None:
    desk.contact("Lee", "lee@example.kr")
    people = {ParticipantRole.FROM: "x@example.org", ParticipantRole.TO: FIRST, role: "lee@example.kr"}
    thread = desk.receive(letter(1, "a@example.org", people=people))
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Lee", AUTO)}


@pytest.mark.rule("link-junk")
@pytest.mark.parametrize("role", [FolderRole.JUNK, FolderRole.TRASH])
def test_mail_in_junk_or_trash_never_links_until_it_lies_elsewhere_too(desk: Desk, role: FolderRole) -> None:
    desk.contact("Kim", "kim@example.kr")
    mail = letter(1, "a@example.org")
    thread = desk.receive(mail, folder(desk.db, desk.account, path=role, role=role))
    desk.apply_rule(thread)
    assert desk.links(thread) == set()
    save(desk.db, desk.account, desk.inbox, mail)
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Kim", AUTO)}


def test_mail_whose_sender_is_ambiguous_never_links(desk: Desk) -> None:
    desk.contact("Kim", "kim@example.kr")
    thread = desk.receive(letter(1, "a@example.org", from_ambiguous=True))
    desk.apply_rule(thread)
    assert desk.links(thread) == set()


@pytest.mark.rule("link-automatic-mail")
def test_automatic_mail_links_its_contact_and_no_deal(desk: Desk) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    desk.deal("Big", kim)
    thread = desk.receive(letter(1, "a@example.org", automatic=True))
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Kim", AUTO)}
    desk.receive(letter(2, "b@example.org", references=["a@example.org"]))
    desk.apply_rule(thread)
    assert desk.links(thread) == {("Kim", AUTO), ("Big", AUTO)}


@pytest.mark.rule("link-internal")
def test_members_and_own_addresses_are_never_contacts(store: Store) -> None:
    desk = Desk(store.as_member(FIRST))
    store.add_member("bob@example.com")
    connect(desk.db, "sales@example.com")
    desk.db.write("add_account_alias", account_id=desk.account.id, address="ann.alias@example.com")
    own = ("bob@example.com", "sales@example.com", "ann.alias@example.com", FIRST)
    for uid, address in enumerate(own, start=1):
        desk.contact(address, address)
        people = {ParticipantRole.FROM: address, ParticipantRole.TO: f"x{uid}@example.org"}
        thread = desk.receive(letter(uid, f"{uid}@example.org", people=people))
        desk.apply_rule(thread)
        assert desk.links(thread) == set()


@pytest.mark.parametrize(
    ("contacts", "deals", "expected"),
    [
        (True, True, {("Kim", AUTO), ("Big", AUTO)}),
        (True, False, {("Kim", AUTO)}),
        (False, False, set()),
    ],
)
def test_the_switches_of_an_account_turn_the_rule_off(
    desk: Desk, *, contacts: bool, deals: bool, expected: set[tuple[str, LinkOrigin]]
) -> None:
    kim = desk.contact("Kim", "kim@example.kr")
    desk.deal("Big", kim)
    accounts.set_auto_link(desk.db, desk.account, contacts=contacts, deals=deals, leads=True)
    thread = desk.receive(letter(1, "a@example.org"))
    desk.apply_rule(thread)
    assert desk.links(thread) == expected


def test_all_threads_of_an_account_can_be_linked_after_the_contact_was_made(desk: Desk) -> None:
    made = [desk.receive(letter(uid, f"{uid}@example.org")) for uid in (1, 2, 3)]
    desk.contact("Kim", "kim@example.kr")
    assert linking.apply_rule_to_account(desk.db, desk.account, now=NOW).threads == tuple(made)
    assert linking.apply_rule_to_account(desk.db, desk.account, now=NOW).threads == ()

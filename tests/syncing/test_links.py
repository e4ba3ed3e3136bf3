"""What a sync links by itself: section 6 of the rules, from the bytes on the server to the links."""

from typing import Any

import pytest

from mailcrm.core.events import AccountFinished, ChoiceNeeded, SyncEvent
from mailcrm.core.model import Account, Contact, Deal, DealStatus, ThreadRow
from mailcrm.linking import apply_rule_to_account, link_thread, unlink_thread
from mailcrm.store import Database, accounts, contacts, deals, members, threads
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing import accounts as mail
from tests.syncing.accounts import connect, days_ago, letter, only, stored

KIM = "kim@example.org"
LEE = "lee@example.kr"


class Office:
    """A store with one account on the model server, to which mail comes."""

    def __init__(self, store: Store, model: ModelServer, *folders: str) -> None:
        self.url = store.url
        self.db = store.as_member(FIRST)
        self.server = model
        self.account = connect(self.db, ModelMailbox(model), folders=folders or None)

    def contact(self, address: str = KIM, name: str = "Kim") -> Contact:
        return contacts.create_contact(self.db, name=name, addresses=[address])

    def deal(self, title: str, *contacts: Contact) -> Deal:
        ids = [contact.id for contact in contacts]
        return deals.create_deal(self.db, title=title, contact_ids=ids, value=None, currency=None, at=NOW)

    def receive(self, message_id: str = "1@example.org", *, folder: str = "INBOX", **about: Any) -> None:
        """Bring an email; `about` says what is special about the letter."""
        self.server.append(folder, letter(message_id, **about), days_ago(1))

    def sync(self, db: Database | None = None, account: Account | None = None) -> list[SyncEvent]:
        mailbox = ModelMailbox(self.server)
        return mail.sync(db or self.db, mailbox, account or self.account)

    def links(self, subject: str = "offer") -> set[str]:
        return set(stored(self.url).thread_of(subject).links)

    def thread(self) -> ThreadRow:
        return threads.thread(self.db, "last")


@pytest.fixture
def office(store: Store, model: ModelServer) -> Office:
    return Office(store, model)


# --- contacts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "about",
    [
        {"sender": f"Kim <{KIM}>"},
        {"sender": "Kim <KIM@Example.ORG>"},
        {"sender": FIRST, "to": KIM},
        {"sender": LEE, "more": {"Cc": f"Kim <{KIM}>"}},
        {"sender": LEE, "more": {"Reply-To": KIM}},
    ],
    ids=["from", "case", "to", "cc", "reply-to"],
)
def test_a_known_participant_is_linked(office: Office, about: dict[str, Any]) -> None:
    office.contact()
    office.receive(**about)
    (finished,) = only(office.sync(), AccountFinished)
    assert office.links() == {"Kim"}
    assert finished.linked == 1


def test_every_known_participant_is_linked(office: Office) -> None:
    office.contact()
    office.contact(LEE, "Lee")
    office.receive(sender=KIM, to=f"{FIRST}, {LEE}, unknown@example.net")
    office.sync()
    assert office.links() == {"Kim", "Lee"}


def test_an_address_with_a_tag_is_the_contact_of_the_address_without_it(office: Office) -> None:
    office.contact()
    office.receive(sender="kim+crm@example.org")
    office.sync()
    assert office.links() == {"Kim"}


def test_a_contact_with_the_tagged_address_comes_first(office: Office) -> None:
    office.contact()
    office.contact("kim+crm@example.org", "Kim's assistant")
    office.receive(sender="kim+crm@example.org")
    office.sync()
    assert office.links() == {"Kim's assistant"}


def test_an_unknown_participant_links_nothing(office: Office) -> None:
    office.contact()
    office.receive(sender="kim@example.net")
    (finished,) = only(office.sync(), AccountFinished)
    assert office.links() == set()
    assert finished.linked == 0


def test_a_thread_that_is_linked_already_is_not_counted_again(office: Office) -> None:
    office.contact()
    office.receive()
    office.sync()
    office.receive("2@example.org", references=["1@example.org"])
    (finished,) = only(office.sync(), AccountFinished)
    assert finished.linked == 0
    assert office.links() == {"Kim"}


# --- deals ------------------------------------------------------------------------------------------


def test_no_open_deal_links_the_contact_alone(office: Office) -> None:
    kim = office.contact()
    for status in (DealStatus.WON, DealStatus.LOST):
        deals.set_deal_status(office.db, office.deal(status.value, kim), status, at=NOW)
    office.receive()
    assert not only(office.sync(), ChoiceNeeded)
    assert office.links() == {"Kim"}


def test_the_only_open_deal_is_linked(office: Office) -> None:
    kim = office.contact()
    deals.set_deal_status(office.db, office.deal("closed", kim), DealStatus.WON, at=NOW)
    office.deal("Pumps", kim)
    office.receive()
    office.sync()
    assert office.links() == {"Kim", "Pumps"}


def test_one_deal_of_two_contacts_is_one_deal(office: Office) -> None:
    office.deal("Pumps", office.contact(), office.contact(LEE, "Lee"))
    office.receive(to=f"{FIRST}, {LEE}")
    office.sync()
    assert office.links() == {"Kim", "Lee", "Pumps"}


@pytest.mark.parametrize("owners", ["one contact", "two contacts"])
def test_of_two_open_deals_none_is_linked_and_both_are_offered_the_newest_first(
    office: Office, owners: str
) -> None:
    kim, lee = office.contact(), office.contact(LEE, "Lee")
    pumps = office.deal("Pumps", kim)
    valves = office.deal("Valves", kim if owners == "one contact" else lee)
    office.receive(to=f"{FIRST}, {LEE}")
    (choice,) = only(office.sync(), ChoiceNeeded)
    assert office.links() == {"Kim", "Lee"}
    assert choice.thread_id == office.thread().id
    assert choice.deals == (f"{valves.id} Valves", f"{pumps.id} Pumps")


def test_a_thread_that_has_a_deal_keeps_it(office: Office) -> None:
    kim = office.contact()
    first = office.deal("Pumps", kim)
    office.receive()
    office.sync()
    deals.set_deal_status(office.db, first, DealStatus.WON, at=NOW)
    office.deal("Valves", kim)
    office.receive("2@example.org", references=["1@example.org"])
    assert not only(office.sync(), ChoiceNeeded)
    assert office.links() == {"Kim", "Pumps"}


def test_a_deal_linked_by_hand_is_never_overwritten(office: Office) -> None:
    kim = office.contact()
    other = office.deal("Something else")
    office.receive()
    office.sync()
    link_thread(office.db, office.thread(), other, now=NOW)
    office.deal("Pumps", kim)
    office.receive("2@example.org", references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim", "Something else"}


def test_contact_or_deal_created_later_is_linked_by_the_rule_on_demand(office: Office) -> None:
    office.receive()
    office.sync()
    assert office.links() == set()
    office.deal("Pumps", office.contact())
    linked = apply_rule_to_account(office.db, office.account, now=NOW)
    assert linked.threads == (office.thread().id,)
    assert office.links() == {"Kim", "Pumps"}
    assert apply_rule_to_account(office.db, office.account, now=NOW).threads == ()


def test_a_switch_keeps_contacts_or_deals_from_being_linked(office: Office) -> None:
    office.deal("Pumps", office.contact())
    accounts.set_auto_link(office.db, office.account, contacts=True, deals=False, leads=True)
    office.receive()
    office.sync()
    assert office.links() == {"Kim"}
    accounts.set_auto_link(office.db, office.account, contacts=False, deals=True, leads=True)
    office.receive("2@example.org", subject="second")
    office.sync()
    assert office.links("second") == set()


# --- unlinked by hand -------------------------------------------------------------------------------


def test_a_contact_unlinked_by_hand_is_not_linked_again_by_the_next_mail_of_the_thread(
    office: Office,
) -> None:
    kim = office.contact()
    office.deal("Pumps", kim)
    office.receive()
    office.sync()
    unlink_thread(office.db, office.thread(), deals.deal(office.db, "Pumps"), now=NOW)
    unlink_thread(office.db, office.thread(), kim, now=NOW)
    office.receive("2@example.org", references=["1@example.org"])
    office.sync()
    assert len(stored(office.url).threads) == 1
    assert office.links() == set()


def test_a_deal_unlinked_by_hand_is_not_linked_again_but_another_one_is(office: Office) -> None:
    kim = office.contact()
    pumps = office.deal("Pumps", kim)
    office.receive()
    office.sync()
    unlink_thread(office.db, office.thread(), pumps, now=NOW)
    office.receive("2@example.org", references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim"}
    deals.set_deal_status(office.db, pumps, DealStatus.LOST, at=NOW)
    office.deal("Valves", kim)
    office.receive("3@example.org", references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim", "Valves"}


def test_what_was_unlinked_in_one_of_two_threads_stays_so_when_they_turn_out_to_be_one(
    office: Office,
) -> None:
    kim = office.contact()
    office.receive("1@example.org")
    office.sync()
    unlink_thread(office.db, office.thread(), kim, now=NOW)
    office.receive("3@example.org", sender="unknown@example.net")
    office.sync()
    office.receive("2@example.org", references=["1@example.org", "3@example.org"])
    office.sync()
    assert len(stored(office.url).threads) == 1
    assert office.links() == set()


# --- what never links -------------------------------------------------------------------------------


def test_internal_mail_among_members_is_never_linked(store: Store, office: Office) -> None:
    store.add_member("bob@example.com")
    office.contact("bob@example.com", "Bob as a contact")
    office.receive(sender="Bob <bob@example.com>")
    office.sync()
    assert office.links() == set()


def test_own_addresses_are_never_contacts(office: Office) -> None:
    office.contact(FIRST, "Myself")
    office.contact()
    office.receive(sender=FIRST, to=f"{KIM}, ann+notes@example.com")
    office.sync()
    assert office.links() == {"Kim"}


@pytest.mark.parametrize(
    "sender",
    [
        f'"{KIM}" <evil@example.net>',
        f"{KIM} <evil@example.net>",
        f"{KIM}, evil@example.net",
        f"<{KIM}> <evil@example.net>",
    ],
)
@pytest.mark.parametrize("known", [KIM, "evil@example.net"])
def test_an_ambiguous_sender_never_links(office: Office, sender: str, known: str) -> None:
    office.deal("Pumps", office.contact(known))
    office.receive(sender=sender)
    office.sync()
    assert office.links() == set()


@pytest.mark.parametrize(
    "more",
    [
        {"List-Id": "News <news.example.org>"},
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"List-Unsubscribe": "<mailto:leave@example.org>"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_bounce_auto_reply_list_or_bulk_mail_links_the_contact_but_no_deal(
    office: Office, more: dict[str, str]
) -> None:
    office.deal("Pumps", office.contact())
    office.receive(more=more)
    office.sync()
    assert office.links() == {"Kim"}


def test_a_person_who_writes_in_the_thread_of_a_mailing_links_the_deal(office: Office) -> None:
    office.deal("Pumps", office.contact())
    office.receive(more={"List-Id": "News <news.example.org>"})
    office.sync()
    office.receive("2@example.org", references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim", "Pumps"}


@pytest.mark.parametrize("folder", ["Junk", "Trash"])
def test_mail_in_junk_or_trash_never_links(store: Store, model: ModelServer, folder: str) -> None:
    office = Office(store, model, "INBOX", folder)
    office.deal("Pumps", office.contact())
    office.receive(folder=folder)
    office.sync()
    assert office.links() == set()


@pytest.mark.parametrize("folder", ["Junk", "Trash"])
def test_mail_that_is_moved_out_of_junk_or_trash_links(store: Store, model: ModelServer, folder: str) -> None:
    office = Office(store, model, "INBOX", folder)
    office.contact()
    office.receive(folder=folder)
    office.sync()
    model.move(folder, 1, "INBOX")
    office.sync()
    assert office.links() == {"Kim"}


def test_mail_without_a_name_that_is_moved_out_of_junk_links(store: Store, model: ModelServer) -> None:
    # Nothing but its body tells that it is the same email.
    model.capabilities = tuple(name for name in model.capabilities if name != "OBJECTID")
    office = Office(store, model, "INBOX", "Junk")
    office.contact()
    model.append("Junk", letter(None), days_ago(1))
    office.sync()
    assert office.links() == set()
    model.move("Junk", 1, "INBOX")
    office.sync()
    assert office.links() == {"Kim"}


# --- teams ------------------------------------------------------------------------------------------


@pytest.fixture
def sales(store: Store, office: Office) -> Account:
    """The account of a team of Ann and Bob."""
    store.add_member("bob@example.com")
    team = members.create_team(office.db, "Sales")
    members.add_team_member(office.db, team, members.member(office.db, "bob@example.com"))
    team = members.team(office.db, "Sales")
    return connect(office.db, ModelMailbox(office.server), address="sales@example.com", team=team)


def test_mail_of_a_team_account_is_linked_whoever_of_the_team_syncs(
    store: Store, office: Office, sales: Account
) -> None:
    office.deal("Pumps", office.contact())
    office.receive(to="sales@example.com")
    office.sync(store.as_member("bob@example.com"), sales)
    assert office.links() == {"Kim", "Pumps"}
    office.receive("2@example.org", subject="second", to="sales@example.com")
    office.sync(office.db, sales)
    assert office.links("second") == {"Kim", "Pumps"}


def test_the_members_of_a_team_are_own_addresses_of_its_account(office: Office, sales: Account) -> None:
    office.contact("sales@example.com", "Ourselves")
    office.receive(sender="bob@example.com", to="sales@example.com")
    office.sync(office.db, sales)
    assert office.links() == set()
    (row,) = threads.inbox(office.db, account_id=None, unlinked=True, unread=False, limit=10)
    assert not row.unread, "what one of us wrote is not unread"


def test_each_account_has_a_thread_of_its_own_and_both_are_linked(office: Office, sales: Account) -> None:
    office.contact()
    office.receive(to=f"{FIRST}, sales@example.com")
    office.sync()
    office.sync(office.db, sales)
    assert [thread.links for thread in stored(office.url).threads.values()] == [{"Kim"}, {"Kim"}]

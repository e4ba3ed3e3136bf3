"""What a person decided about links holds, whatever happens to the records, the threads and the mail."""

import pytest

from mailcrm import threads_by_hand
from mailcrm.core.errors import NotFound
from mailcrm.core.model import CreateContacts, DealStatus
from mailcrm.linking import accept, apply_rule_to_account, dismiss, link_thread, unlink_thread
from mailcrm.store import accounts, contacts, deals, leads, suggestions, threads
from mailcrm.store.history import thread_events
from tests.conftest import NOW, Store
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import days_ago, stored
from tests.syncing.office import KIM, LEE, Office


def decide(office: Office) -> None:
    """Apply the rule to all stored mail."""
    apply_rule_to_account(office.db, office.account, now=NOW)


# --- suggestions ------------------------------------------------------------------------------------


@pytest.mark.rule("suggestion-again")
def test_a_suggestion_whose_candidates_were_deleted_keeps_no_later_one_away(office: Office) -> None:
    kim = office.contact()
    gone = [office.deal("Pumps", kim), office.deal("Valves", kim)]
    office.receive()
    office.sync()
    for deal in gone:
        deals.delete_deal(office.db, deal, at=NOW)
    assert suggestions.suggestions(office.db, limit=9) == []
    office.deal("Pipes", kim)
    office.deal("Seals", kim)
    office.receive("2@example.org", references=["1@example.org"], at=0.5)
    office.sync()
    assert {one.title for one in office.suggestion().candidates} == {"Pipes", "Seals"}


@pytest.mark.rule("suggestion-accept")
def test_a_suggestion_that_was_decided_is_not_decided_again(office: Office) -> None:
    kim = office.contact()
    pumps, valves = office.deal("Pumps", kim), office.deal("Valves", kim)
    office.receive()
    office.sync()
    found = office.suggestion()
    accept(office.db, found, pumps, now=NOW)
    with pytest.raises(NotFound):
        accept(office.db, found, valves, now=NOW)
    with pytest.raises(NotFound):
        dismiss(office.db, found, now=NOW)
    assert office.links() == {"Kim", "Pumps"}


@pytest.mark.rule("suggestion-open-only")
def test_what_a_person_links_or_unlinks_is_suggested_anew_at_once(office: Office) -> None:
    kim = office.contact()
    office.deal("Pumps", kim)
    office.deal("Valves", kim)
    office.receive()
    office.sync()
    unlink_thread(office.db, office.thread(), kim, now=NOW)
    assert suggestions.suggestions(office.db, limit=9) == []
    link_thread(office.db, office.thread(), kim, now=NOW)
    assert {one.title for one in office.suggestion().candidates} == {"Pumps", "Valves"}


@pytest.mark.rule("link-closed-item")
def test_a_deal_that_is_opened_again_needs_no_move(office: Office) -> None:
    kim = office.contact()
    pumps = office.deal("Pumps", kim)
    office.receive()
    office.sync()
    deals.set_deal_status(office.db, pumps, DealStatus.WON, at=days_ago(0.5))
    office.deal("Valves", kim)
    office.receive("2@example.org", references=["1@example.org"], at=0)
    office.sync()
    assert office.suggestion().reason == "item-closed"
    deals.set_deal_status(office.db, pumps, DealStatus.OPEN, at=NOW)
    office.sync()
    assert suggestions.suggestions(office.db, limit=9) == []


@pytest.mark.rule("suggestion-open-only")
def test_of_two_candidates_the_one_left_open_is_linked_by_the_next_sync(office: Office) -> None:
    kim = office.contact()
    pumps = office.deal("Pumps", kim)
    office.deal("Valves", kim)
    office.receive()
    office.sync()
    deals.set_deal_status(office.db, pumps, DealStatus.LOST, at=NOW)
    office.sync()
    assert office.links() == {"Kim", "Valves"}


# --- what the rule linked is not what a person linked -----------------------------------------------


@pytest.mark.rule("link-junk")
def test_a_conversation_that_went_to_junk_gets_no_deal(store: Store, model: ModelServer) -> None:
    office = Office(store, model, "INBOX", "Junk")
    kim = office.contact()
    office.receive()
    office.sync()
    model.move("INBOX", 1, "Junk")
    office.sync()
    office.deal("Pumps", kim)
    office.receive("2@example.org", folder="Junk", references=["1@example.org"])
    office.sync()
    decide(office)
    assert office.links() == {"Kim"}


@pytest.mark.rule("link-internal")
def test_the_deal_of_a_contact_who_became_a_member_is_not_linked(store: Store, office: Office) -> None:
    kim = office.contact("bob@example.com", "Bob")
    office.receive(sender="bob@example.com")
    office.sync()
    assert office.links() == {"Bob"}
    store.add_member("bob@example.com")
    office.deal("Pumps", kim)
    decide(office)
    assert office.links() == {"Bob"}


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.rule("link-refused")
@pytest.mark.parametrize("by", ["hand", "mail"])
def test_what_was_unlinked_in_one_thread_is_gone_when_two_become_one(office: Office, by: str) -> None:
    deal = office.deal("Pumps", office.contact())
    office.receive()
    office.receive("3@example.org", subject="second")
    office.sync()
    rows = threads.inbox(office.db, account_id=None, unlinked=False, unread=False, limit=9)
    second, first = sorted(rows, key=lambda row: row.subject, reverse=True)
    unlink_thread(office.db, second, deal, now=NOW)
    if by == "hand":
        threads_by_hand.merge(office.db, first, [second], now=NOW)
    else:
        office.receive("2@example.org", references=["1@example.org", "3@example.org"])
        office.sync()
    decide(office)
    assert office.thread().contacts == ("Kim",)
    assert office.thread().deals == ()


@pytest.mark.rule("link-refused")
def test_a_link_made_by_hand_takes_a_refusal_back_also_of_a_contact_that_was_merged(office: Office) -> None:
    kim = office.contact()
    other = office.contact(LEE, "Kim again")
    office.receive()
    office.sync()
    unlink_thread(office.db, office.thread(), kim, now=NOW)
    kept = contacts.merge_contacts(office.db, other, [kim])
    link_thread(office.db, office.thread(), kept, now=NOW)
    office.deal("Pumps", kept)
    decide(office)
    assert office.links() >= {"Pumps"}


@pytest.mark.rule("link-refused")
def test_a_lead_that_was_unlinked_as_a_deal_stays_away_as_a_lead(office: Office) -> None:
    lead = office.lead("Pumps", office.contact())
    office.receive()
    office.sync()
    lead, deal = leads.convert_lead(office.db, lead, at=NOW)
    unlink_thread(office.db, office.thread(), deal, now=NOW)
    deals.delete_deal(office.db, deal, at=NOW)
    leads.reopen_lead(office.db, leads.lead(office.db, str(lead.id)))
    decide(office)
    assert office.links() == {"Kim"}


# --- hostile names, and threads that went away ------------------------------------------------------


@pytest.mark.rule("contact-policy")
def test_a_name_that_is_too_long_is_cut_and_stops_nothing(office: Office) -> None:
    accounts.set_create_contacts(office.db, office.account, CreateContacts.BOTH)
    office.receive(sender=f"{'x' * 5000} <{KIM}>")
    office.sync(account=accounts.account(office.db, office.account.address))
    (made,) = contacts.contacts(office.db, limit=9)
    assert made.addresses == (KIM,)
    assert office.thread().contacts == (made.name,)


@pytest.mark.rule("thread-subject")
def test_a_reply_that_a_person_linked_does_not_leave_for_a_nearer_email(office: Office) -> None:
    office.contact()
    office.receive("r@example.org", subject="Re: price list", at=10)
    office.sync()
    deal = office.deal("Pumps")
    link_thread(office.db, office.thread(), deal, now=NOW)
    office.receive("m@example.org", subject="price list", at=30)
    office.sync()
    office.receive("n@example.org", subject="price list", at=20)
    office.sync()
    assert "Pumps" in stored(office.url).thread_of("Re: price list").links
    assert {thread.links for thread in stored(office.url).threads.values()} == {
        frozenset({"Kim"}),
        frozenset({"Kim", "Pumps"}),
    }


def test_a_thread_that_was_merged_away_is_not_called_a_colleague_s(office: Office) -> None:
    kim = office.contact()
    office.receive()
    office.receive("2@example.org", subject="second")
    office.sync()
    first, second = threads.inbox(office.db, account_id=None, unlinked=False, unread=False, limit=9)
    threads_by_hand.merge(office.db, first, [second], now=NOW)
    with pytest.raises(NotFound):
        link_thread(office.db, second, kim, now=NOW)


@pytest.mark.rule("history-thread")
def test_the_history_keeps_what_the_rule_linked_and_says_when_it_went(office: Office) -> None:
    deal = office.deal("Pumps", office.contact())
    office.receive()
    office.sync()
    deals.delete_deal(office.db, deal, at=NOW)
    told = [(one.action, one.detail) for one in thread_events(office.db, office.thread().id)]
    assert told == [
        ("linked by the rule", "contact 1 Kim"),
        ("linked by the rule", "deal 1 Pumps"),
        ("unlinked", "deal 1 Pumps, which was deleted"),
    ]

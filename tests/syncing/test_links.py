"""What a sync links by itself: section 6 of the rules, from the bytes on the server to the links."""

from typing import Any

import pytest

from mailcrm.core.errors import NeedsChoice, UsageError
from mailcrm.core.events import AccountFinished
from mailcrm.core.model import Account, DealStatus, Item, ItemKind
from mailcrm.linking import (
    accept,
    apply_rule_to_account,
    decisions_for_account,
    dismiss,
    link_thread,
    matching_threads,
    unlink_thread,
)
from mailcrm.store import accounts, contacts, deals, links, members, suggestions, threads
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import connect, days_ago, letter, only, stored
from tests.syncing.office import KIM, LEE, Office

# --- contacts ---------------------------------------------------------------------------------------


@pytest.mark.rule("link-contacts")
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


@pytest.mark.rule("link-contacts")
def test_every_known_participant_is_linked(office: Office) -> None:
    office.contact()
    office.contact(LEE, "Lee")
    office.receive(sender=KIM, to=f"{FIRST}, {LEE}, unknown@example.net")
    office.sync()
    assert office.links() == {"Kim", "Lee"}


@pytest.mark.rule("link-contacts")
def test_an_address_with_a_tag_is_the_contact_of_the_address_without_it(office: Office) -> None:
    office.contact()
    office.receive(sender="kim+crm@example.org")
    office.sync()
    assert office.links() == {"Kim"}


@pytest.mark.rule("link-contacts")
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


@pytest.mark.rule("link-none-open")
def test_no_open_deal_links_the_contact_alone(office: Office) -> None:
    kim = office.contact()
    for status in (DealStatus.WON, DealStatus.LOST):
        deals.set_deal_status(office.db, office.deal(status.value, kim), status, at=NOW)
    office.receive()
    (finished,) = only(office.sync(), AccountFinished)
    assert finished.suggested == 0
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
    (finished,) = only(office.sync(), AccountFinished)
    assert finished.suggested == 1
    assert office.links() == {"Kim", "Lee"}
    (suggestion,) = suggestions.suggestions(office.db, limit=99)
    assert suggestion.thread_id == office.thread().id
    assert [each.deal_id for each in suggestion.candidates] == [valves.id, pumps.id]


@pytest.mark.rule("link-one-item")
def test_a_thread_that_has_a_deal_keeps_it(office: Office) -> None:
    kim = office.contact()
    first = office.deal("Pumps", kim)
    office.receive()
    office.sync()
    deals.set_deal_status(office.db, first, DealStatus.WON, at=NOW)
    office.deal("Valves", kim)
    office.receive("2@example.org", references=["1@example.org"])
    (finished,) = only(office.sync(), AccountFinished)
    assert finished.suggested == 0
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


@pytest.mark.rule("link-refused")
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


@pytest.mark.rule("link-refused")
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


@pytest.mark.rule("link-internal")
def test_internal_mail_among_members_is_never_linked(store: Store, office: Office) -> None:
    store.add_member("bob@example.com")
    office.contact("bob@example.com", "Bob as a contact")
    office.receive(sender="Bob <bob@example.com>")
    office.sync()
    assert office.links() == set()


@pytest.mark.rule("link-internal")
def test_own_addresses_are_never_contacts(office: Office) -> None:
    office.contact(FIRST, "Myself")
    office.contact()
    office.receive(sender=FIRST, to=f"{KIM}, ann+notes@example.com")
    office.sync()
    assert office.links() == {"Kim"}


@pytest.mark.rule("trust-ambiguous-from")
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


@pytest.mark.rule("link-automatic-mail")
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


@pytest.mark.rule("link-automatic-mail")
def test_a_person_who_writes_in_the_thread_of_a_mailing_links_the_deal(office: Office) -> None:
    office.deal("Pumps", office.contact())
    office.receive(more={"List-Id": "News <news.example.org>"})
    office.sync()
    office.receive("2@example.org", references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim", "Pumps"}


@pytest.mark.rule("link-junk")
@pytest.mark.parametrize("folder", ["Junk", "Trash"])
def test_mail_in_junk_or_trash_never_links(store: Store, model: ModelServer, folder: str) -> None:
    office = Office(store, model, "INBOX", folder)
    office.deal("Pumps", office.contact())
    office.receive(folder=folder)
    office.sync()
    assert office.links() == set()


@pytest.mark.rule("link-junk")
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


@pytest.mark.rule("link-internal")
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


# --- leads ------------------------------------------------------------------------------------------


@pytest.mark.rule("link-one-open")
def test_the_only_open_lead_is_linked_and_leads_have_a_switch(office: Office) -> None:
    office.lead("Pumps one day", office.contact())
    office.receive()
    office.sync()
    assert office.links() == {"Kim", "Pumps one day"}
    accounts.set_auto_link(office.db, office.account, contacts=True, deals=True, leads=False)
    office.receive("2@example.org", subject="second")
    office.sync()
    assert office.links("second") == {"Kim"}


@pytest.mark.rule("link-several-open")
def test_an_open_deal_and_an_open_lead_are_two(office: Office) -> None:
    kim = office.contact()
    office.deal("Pumps", kim)
    office.lead("Valves", kim)
    office.receive()
    (finished,) = only(office.sync(), AccountFinished)
    assert (finished.linked, finished.suggested) == (1, 1)
    assert office.links() == {"Kim"}


# --- suggestions ------------------------------------------------------------------------------------


@pytest.fixture
def undecided(office: Office) -> Office:
    """An office with a thread of Kim, who has two open deals."""
    kim = office.contact()
    office.deal("Pumps", kim)
    office.deal("Valves", kim)
    office.receive()
    office.sync()
    return office


@pytest.mark.rule("suggestion-accept")
def test_an_accepted_candidate_is_linked_and_the_suggestion_is_gone(undecided: Office) -> None:
    db = undecided.db
    with pytest.raises(NeedsChoice):
        accept(db, undecided.suggestion(), None, now=NOW)
    other = undecided.deal("Not offered")
    with pytest.raises(UsageError):
        accept(db, undecided.suggestion(), other, now=NOW)
    accept(db, undecided.suggestion(), deals.deal(db, "Pumps"), now=NOW)
    assert undecided.links() == {"Kim", "Pumps"}
    assert suggestions.suggestions(db, limit=99) == []
    undecided.receive("2@example.org", references=["1@example.org"])
    undecided.sync()
    assert undecided.links() == {"Kim", "Pumps"}
    assert suggestions.suggestions(db, limit=99) == []


@pytest.mark.rule("link-dismissed")
def test_a_dismissed_suggestion_does_not_come_again_but_a_new_deal_does(undecided: Office) -> None:
    dismiss(undecided.db, undecided.suggestion(), now=NOW)
    undecided.receive("2@example.org", references=["1@example.org"])
    undecided.sync()
    assert suggestions.suggestions(undecided.db, limit=99) == []
    pipes = undecided.deal("Pipes", contacts.contact(undecided.db, KIM))
    apply_rule_to_account(undecided.db, undecided.account, now=NOW)
    assert [one.deal_id for one in undecided.suggestion().candidates] == [pipes.id]
    assert undecided.links() == {"Kim"}


@pytest.mark.rule("suggestion-open-only")
def test_a_candidate_that_was_closed_meanwhile_is_not_offered(undecided: Office) -> None:
    pumps = deals.deal(undecided.db, "Pumps")
    deals.set_deal_status(undecided.db, pumps, DealStatus.LOST, at=NOW)
    assert [one.title for one in undecided.suggestion().candidates] == ["Valves"]
    apply_rule_to_account(undecided.db, undecided.account, now=NOW)
    assert suggestions.suggestions(undecided.db, limit=99) == []
    assert undecided.links() == {"Kim", "Valves"}


@pytest.mark.rule("suggestion-order")
def test_the_deal_that_had_mail_most_recently_is_offered_first(undecided: Office) -> None:
    undecided.receive("2@example.org", subject="about pumps", sender=LEE)
    undecided.sync()
    link_thread(undecided.db, undecided.thread(), deals.deal(undecided.db, "Pumps"), now=NOW)
    assert [one.title for one in undecided.suggestion().candidates] == ["Pumps", "Valves"]
    undecided.receive("3@example.org", subject="about valves", sender=LEE, at=0)
    undecided.sync()
    link_thread(undecided.db, undecided.thread(), deals.deal(undecided.db, "Valves"), now=NOW)
    assert [one.title for one in undecided.suggestion().candidates] == ["Valves", "Pumps"]


@pytest.mark.rule("suggestion-again")
def test_a_suggestion_that_stays_the_same_keeps_its_number(undecided: Office) -> None:
    before = undecided.suggestion()
    undecided.receive("2@example.org", references=["1@example.org"])
    (finished,) = only(undecided.sync(), AccountFinished)
    assert finished.suggested == 0
    assert undecided.suggestion() == before


@pytest.mark.rule("link-closed-item")
def test_new_mail_on_a_closed_deal_suggests_the_one_open_deal_and_old_mail_does_not(office: Office) -> None:
    kim = office.contact()
    first = office.deal("Pumps", kim)
    office.receive()
    office.sync()
    deals.set_deal_status(office.db, first, DealStatus.WON, at=days_ago(0.5))
    second = office.deal("Valves", kim)
    apply_rule_to_account(office.db, office.account, now=NOW)
    assert suggestions.suggestions(office.db, limit=99) == []
    office.receive("2@example.org", references=["1@example.org"], at=0)
    office.sync()
    assert office.links() == {"Kim", "Pumps"}
    assert [one.deal_id for one in office.suggestion().candidates] == [second.id]
    accept(office.db, office.suggestion(), None, now=NOW)
    assert office.links() == {"Kim", "Valves"}


@pytest.mark.rule("link-manual-stays")
def test_linking_by_hand_answers_the_suggestion(undecided: Office) -> None:
    link_thread(undecided.db, undecided.thread(), deals.deal(undecided.db, "Pumps"), now=NOW)
    assert suggestions.suggestions(undecided.db, limit=99) == []
    apply_rule_to_account(undecided.db, undecided.account, now=NOW)
    assert suggestions.suggestions(undecided.db, limit=99) == []


# --- trust ------------------------------------------------------------------------------------------


def checked(result: str, by: str = "mx.example.com") -> dict[str, str]:
    return {"Authentication-Results": f"{by}; spf=pass smtp.mailfrom=example.org; dmarc={result}"}


def learn(office: Office) -> None:
    """Let the account see who tests its mail."""
    for number in range(3):
        office.receive(
            f"sound{number}@example.net", sender="shop@example.net", subject="sound", more=checked("pass")
        )
    office.sync()


@pytest.mark.rule("trust-authentication")
def test_mail_that_failed_authentication_is_suggested_only_and_says_why(office: Office) -> None:
    learn(office)
    office.deal("Pumps", office.contact())
    office.receive(more=checked("fail"))
    (finished,) = only(office.sync(), AccountFinished)
    assert (finished.linked, finished.suggested) == (0, 1)
    assert office.links() == set()
    found = office.suggestion()
    assert found.reason == "failed-authentication"
    assert [one.title for one in found.candidates] == ["Kim", "Pumps"]
    accept(office.db, found, None, now=NOW)
    assert office.links() == {"Kim", "Pumps"}


@pytest.mark.rule("trust-authentication")
def test_only_the_word_of_the_account_s_own_provider_counts(office: Office) -> None:
    learn(office)
    office.contact()
    office.receive(more=checked("fail", by="lists.example.net"))
    office.sync()
    assert office.links() == {"Kim"}


@pytest.mark.rule("trust-authentication")
def test_before_it_is_known_who_tests_the_mail_nobody_s_word_counts(office: Office) -> None:
    office.contact()
    office.receive(more=checked("fail"))
    office.sync()
    assert office.links() == {"Kim"}


@pytest.mark.rule("trust-ambiguous-from")
def test_an_ambiguous_sender_is_suggested(office: Office) -> None:
    office.contact()
    office.receive(sender=f"{KIM}, evil@example.net")
    office.sync()
    assert office.links() == set()
    assert office.suggestion().reason == "ambiguous-from"


# --- order ------------------------------------------------------------------------------------------


@pytest.mark.rule("link-order")
@pytest.mark.parametrize("first", [KIM, LEE])
def test_in_one_sync_it_does_not_matter_whose_mail_came_first(
    office: Office, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    # Batches of one email each: with a decision for each the first one's deal would be taken.
    monkeypatch.setattr("mailcrm.fetching.BATCH_EMAILS", 1)
    office.deal("Pumps", office.contact())
    office.deal("Valves", office.contact(LEE, "Lee"))
    second = LEE if first == KIM else KIM
    office.receive(sender=first)
    office.receive("2@example.org", sender=second, references=["1@example.org"])
    office.sync()
    assert office.links() == {"Kim", "Lee"}
    assert {one.title for one in office.suggestion().candidates} == {"Pumps", "Valves"}


@pytest.mark.rule("link-again")
def test_what_a_sync_did_not_link_before_it_was_lost_the_next_one_does(office: Office) -> None:
    office.contact()
    office.receive()
    office.server.append("INBOX", letter("2@example.org", subject="second"), days_ago(1))
    office.sync()
    thread = stored(office.url).thread_of("second").links
    assert thread == {"Kim"}
    links.mark_due(office.db, [office.thread().id])
    office.db.write("remove_link", thread_id=office.thread().id, contact_id=1, deal_id=None, lead_id=None)
    office.sync()
    assert office.links() == office.links("second") == {"Kim"}


# --- later ------------------------------------------------------------------------------------------


@pytest.mark.rule("link-later")
def test_a_dry_run_tells_and_does_nothing(office: Office) -> None:
    office.receive()
    office.sync()
    kim = office.contact()
    pumps = office.deal("Pumps", kim)
    (told,) = decisions_for_account(office.db, office.account).values()
    assert (told.contacts, told.item) == (frozenset({kim.id}), Item(ItemKind.DEAL, pumps.id))
    assert matching_threads(office.db, [kim.id]) == 1
    assert office.links() == set()
    apply_rule_to_account(office.db, office.account, now=NOW)
    assert office.links() == {"Kim", "Pumps"}
    assert matching_threads(office.db, [kim.id]) == 0


@pytest.mark.rule("link-later")
def test_the_rule_looks_at_mail_since_a_day_alone(office: Office) -> None:
    office.receive(at=10)
    office.receive("2@example.org", subject="second")
    office.sync()
    office.contact()
    apply_rule_to_account(office.db, office.account, since=days_ago(5), now=NOW)
    assert office.links() == set()
    assert office.links("second") == {"Kim"}

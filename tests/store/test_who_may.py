"""Who may link, share, change and disconnect, through the functions of the program, on both databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from mailcrm import linking, sharing, threads_by_hand
from mailcrm.core.errors import MailcrmError, NotFound, NotPermitted
from mailcrm.core.links import Proposal, Reason
from mailcrm.core.model import Account, CreateContacts, Item, ItemKind, ThreadRow, Visibility
from mailcrm.store import (
    Database,
    accounts,
    contacts,
    deals,
    emails,
    leads,
    members,
    organizations,
    suggestions,
    threads,
)
from mailcrm.store.history import thread_events
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save

Act = Callable[[Database, ThreadRow], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Office:
    """People by what they are to the accounts, and threads by account and state."""

    people: dict[str, Database]
    threads: dict[str, int]


@pytest.fixture
def office(store: Store) -> Office:
    """Return a personal account of the owner and one of a team, each with a shared and a private thread.

    The admin is Ann; who is gone was in the team and is deactivated.
    """
    admin = store.as_member(FIRST)
    owner, team, colleague, gone = (
        store.add_member(f"{name}@example.com") for name in ("oscar", "tess", "cole", "gone")
    )
    support = members.create_team(owner, "Support")
    for one in (team, gone):
        members.add_team_member(owner, support, one.viewer)
    kim = contacts.create_contact(owner, name="Kim", addresses=["kim@example.kr"])
    deal = deals.create_deal(owner, title="Pumps", contact_ids=[kim.id], value=None, currency=None, at=NOW)
    made: dict[str, int] = {}
    for kind, account in (
        ("personal", connect(owner, "oscar@example.com")),
        ("team", connect(owner, "support@example.com", team_id=support.id)),
    ):
        inbox = folder(owner, account)
        for uid, state in enumerate(("shared", "unlinked", "private"), start=1):
            (thread,) = save(
                owner,
                account,
                inbox,
                letter(uid, f"{kind}{uid}@example.org", subject=state),
                letter(uid + 10, f"{kind}{uid}x@example.org", references=[f"{kind}{uid}@example.org"]),
            ).threads
            row = threads.thread(owner, str(thread))
            if state != "unlinked":
                linking.link_thread(owner, row, kim, now=NOW)
            if state != "private":
                sharing.share_thread(owner, row, now=NOW)
            wanted = Proposal(
                contacts=frozenset(),
                items=frozenset({Item(ItemKind.DEAL, deal.id)}),
                reason=Reason.SEVERAL_OPEN_ITEMS,
            )
            suggestions.replace_suggestions(owner, [thread], {thread: wanted}, at=NOW)
            made[f"{kind} {state}"] = thread
    members.set_active(admin, gone.viewer, active=False, at=NOW)
    people = {"owner": owner, "team": team, "colleague": colleague, "admin": admin, "gone": gone}
    return Office(people=people, threads=made)


def manages(person: str, kind: str) -> bool:
    return person == "owner" or (person == "team" and kind == "team")


def expected(person: str, thread: str) -> type[MailcrmError] | None:
    """Return what somebody is told who wants to change a thread, None for nothing."""
    kind, state = thread.split()
    if manages(person, kind):
        return None
    return NotPermitted if state == "shared" and person != "gone" else NotFound


@contextmanager
def told(error: type[MailcrmError] | None) -> Iterator[None]:
    if error is None:
        yield
        return
    with pytest.raises(error):
        yield


ACTS: dict[str, Act] = {
    "link": lambda db, row: linking.link_thread(db, row, deals.deal(db, "Pumps"), now=NOW),
    "unlink": lambda db, row: linking.unlink_thread(db, row, contacts.contact(db, "Kim"), now=NOW),
    "share": lambda db, row: sharing.share_thread(db, row, now=NOW),
    "privatize": lambda db, row: sharing.privatize_thread(db, row, now=NOW),
    "archive": lambda db, row: threads_by_hand.archive(db, [row], now=NOW),
    "split": lambda db, row: threads_by_hand.split(db, row, 2, now=NOW),
    "label": lambda db, row: threads_by_hand.label(db, [row], add=["Hot"], remove=[], now=NOW),
}


@pytest.mark.rule("manage-who")
@pytest.mark.parametrize("act", ACTS)
def test_those_who_manage_the_account_alone_change_its_threads(office: Office, act: str) -> None:
    # Those who may not come first: after the owner a thread is another.
    for person in ("colleague", "admin", "gone", "team", "owner"):
        db = office.people[person]
        for name, number in office.threads.items():
            if act == "unlink" and (name.endswith("unlinked") or manages("team", name.split()[0])):
                continue  # nothing is there to be unlinked, or not any more for the second who may
            if act == "split" and person == "owner" and manages("team", name.split()[0]):
                continue  # it was split by the one before
            with told(expected(person, name)):
                ACTS[act](db, threads.thread(db, str(number)))


@pytest.mark.rule("manage-who")
@pytest.mark.rule("see-suggestions")
@pytest.mark.parametrize("act", ["accept", "dismiss"])
def test_a_suggestion_is_there_for_those_who_manage_the_account_alone(office: Office, act: str) -> None:
    numbers = {one.thread_id: one.id for one in suggestions.suggestions(office.people["owner"], limit=99)}
    assert numbers.keys() == set(office.threads.values())
    for person in ("colleague", "admin", "gone", "team", "owner"):
        db = office.people[person]
        shown = {one.thread_id for one in suggestions.suggestions(db, limit=99)}
        assert shown <= {n for name, n in office.threads.items() if manages(person, name.split()[0])}
        for name, number in office.threads.items():
            if person == "owner" and manages("team", name.split()[0]):
                continue  # answered by the team
            with told(None if manages(person, name.split()[0]) else NotFound):
                found = suggestions.suggestion(db, str(numbers[number]))
                if act == "accept":
                    linking.accept(db, found, deals.deal(db, "Pumps"), now=NOW)
                else:
                    linking.dismiss(db, found, now=NOW)


@pytest.mark.rule("manage-who")
def test_a_suggestion_in_the_hand_of_a_colleague_changes_nothing(office: Office) -> None:
    number = office.threads["personal shared"]
    (found,) = suggestions.suggestions_of(office.people["owner"], [number])
    for person in ("team", "colleague", "admin"):
        for act in (
            lambda db: linking.accept(db, found, deals.deal(db, "Pumps"), now=NOW),
            lambda db: linking.dismiss(db, found, now=NOW),
        ):
            with pytest.raises(NotPermitted):
                act(office.people[person])


@pytest.mark.rule("manage-who")
@pytest.mark.parametrize(
    "act",
    [
        lambda db, known: accounts.set_default_visibility(db, known, Visibility.SHARED),
        lambda db, known: accounts.set_history_start(db, known, NOW),
        lambda db, known: accounts.set_create_contacts(db, known, CreateContacts.NEVER),
        lambda db, known: accounts.set_auto_link(db, known, contacts=False, deals=False, leads=False),
        lambda db, known: accounts.add_alias(db, known, "sales@example.com"),
        accounts.disconnect_account,
    ],
    ids=["visibility", "history", "contacts", "auto-link", "alias", "disconnect"],
)
def test_those_who_manage_an_account_alone_set_and_disconnect_it(
    office: Office, act: Callable[[Database, Account], None]
) -> None:
    by_owner = {one.address: one for one in accounts.accounts(office.people["owner"])}
    for person in ("colleague", "admin", "gone", "team", "owner"):
        db = office.people[person]
        for kind, address in (("personal", "oscar@example.com"), ("team", "support@example.com")):
            if manages(person, kind):
                act(db, by_owner[address])
                continue
            with pytest.raises(NotFound):
                accounts.account(db, address)
            before = accounts.with_disconnected(office.people["owner"])
            # PostgreSQL finds no row to change, SQLite refuses.
            with suppress(NotPermitted):
                act(db, by_owner[address])
            assert accounts.with_disconnected(office.people["owner"]) == before


@pytest.mark.rule("see-own")
@pytest.mark.rule("see-team")
@pytest.mark.rule("see-shared-linked")
@pytest.mark.rule("see-private-nobody")
@pytest.mark.rule("see-shared-unlinked")
@pytest.mark.rule("see-admin")
@pytest.mark.rule("see-deactivated")
def test_who_reads_which_thread_and_why(office: Office) -> None:
    for person, db in office.people.items():
        for name, number in office.threads.items():
            kind, state = name.split()
            if person == "gone" or (not manages(person, kind) and state != "shared"):
                with pytest.raises(NotFound):
                    threads.thread(db, str(number))
                continue
            why = sharing.explain(db, threads.thread(db, str(number)))
            assert why.allowed
            mine = "the account is yours" if kind == "personal" else "the account is your team's"
            assert why.reason == (mine if manages(person, kind) else "the thread is shared and linked")


@pytest.mark.rule("see-shared-linked")
def test_a_thread_linked_to_a_lead_alone_is_read_and_says_why(office: Office) -> None:
    owner, colleague = office.people["owner"], office.people["colleague"]
    number = office.threads["personal unlinked"]
    lead = leads.create_lead(owner, title="Valves", contact_ids=[], value=None, currency=None, at=NOW)
    linking.link_thread(owner, threads.thread(owner, str(number)), lead, now=NOW)
    row = threads.thread(colleague, str(number))
    assert row.leads == ("Valves",)
    assert sharing.explain(colleague, row).reason == "the thread is shared and linked"


@pytest.mark.rule("see-own")
def test_a_thread_of_ones_own_account_is_ones_own_after_the_account_was_disconnected(office: Office) -> None:
    owner = office.people["owner"]
    accounts.disconnect_account(owner, accounts.account(owner, "oscar@example.com"))
    why = sharing.explain(owner, threads.thread(owner, str(office.threads["personal private"])))
    assert (why.allowed, why.reason) == (True, "the account is yours")


@pytest.mark.rule("see-suggestions")
def test_what_was_done_to_a_thread_is_told_to_those_who_manage_it_alone(office: Office) -> None:
    number = office.threads["team shared"]
    told_to = {person for person, db in office.people.items() if thread_events(db, number)}
    assert told_to == {"owner", "team"}


@pytest.mark.rule("see-errors")
def test_an_error_about_a_hidden_thing_is_that_of_one_that_is_not_there(office: Office) -> None:
    number = office.threads["personal private"]
    owner = office.people["owner"]
    email = emails.thread_emails(owner, number)[0].row.id
    (suggestion,) = suggestions.suggestions_of(owner, [number])
    account = accounts.account(owner, "oscar@example.com").id
    asked: list[tuple[Callable[[Database, str], object], int]] = [
        (threads.thread, number),
        (lambda db, text: threads.several(db, [text]), number),
        (lambda db, text: emails.email_source(db, int(text)), email),
        (suggestions.suggestion, suggestion.id),
        (accounts.account, account),
    ]
    for person in ("team", "colleague", "admin", "gone"):
        db = office.people[person]
        for ask, hidden in asked:
            assert words(ask, db, hidden) == words(ask, db, 987654)


def words(ask: Callable[[Database, str], object], db: Database, number: int) -> str:
    with pytest.raises(NotFound) as caught:
        ask(db, str(number))
    error = caught.value
    return f"{error} {error.hint}".replace(str(number), "#")


@pytest.mark.rule("see-errors")
def test_a_refusal_names_nothing_of_the_mail(office: Office) -> None:
    colleague = office.people["colleague"]
    row = threads.thread(colleague, str(office.threads["personal shared"]))
    for act in ACTS.values():
        with pytest.raises(NotPermitted) as caught:
            act(colleague, row)
        assert "oscar@example.com" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.rule("records-who")
def test_every_member_changes_a_record_and_its_owner_or_an_admin_deletes_it(office: Office) -> None:
    owner, admin = office.people["owner"], office.people["admin"]
    for remover in (owner, admin):
        item: dict[str, Any] = {"contact_ids": [], "value": None, "currency": None, "at": NOW}
        deal, lead = deals.create_deal(owner, title="x", **item), leads.create_lead(owner, title="x", **item)
        contact = contacts.create_contact(owner, name="x", addresses=[])
        made = organizations.create_organization(owner, name="x")
        for person in ("team", "colleague"):
            db = office.people[person]
            contact = contacts.edit_contact(db, replace(contact, title=person))
            deal = deals.edit_deal(db, replace(deal, title=person))
            lead = leads.edit_lead(db, replace(lead, title=person))
            with pytest.raises(NotPermitted):
                contacts.edit_contact(db, replace(contact, owner_id=db.viewer.id))
            deletions: list[tuple[Callable[[Database, Any], None], object]] = [
                (partial(contacts.delete_contact, at=NOW), contact),
                (partial(deals.delete_deal, at=NOW), deal),
                (partial(leads.delete_lead, at=NOW), lead),
                (organizations.delete_organization, made),
            ]
            for delete, record in deletions:
                with pytest.raises(NotPermitted):
                    delete(db, record)
        contacts.delete_contact(remover, contact, at=NOW)
        deals.delete_deal(remover, deal, at=NOW)
        leads.delete_lead(remover, lead, at=NOW)
        organizations.delete_organization(remover, made)

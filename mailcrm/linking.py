"""Linking threads to contacts, deals and leads: by the automatic rule, and by hand.

What the rule decides is left to `core.links`, what is stored to `store.links` and `store.suggestions`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mailcrm.core.errors import NeedsChoice, NotFound, UsageError
from mailcrm.core.links import LinkDecision, ThreadFacts, decide
from mailcrm.core.model import (
    Account,
    Contact,
    Deal,
    ItemKind,
    Lead,
    LinkOrigin,
    Suggestion,
    ThreadRow,
)
from mailcrm.store import accounts, contacts, deals, leads, links, suggestions, threads
from mailcrm.store.database import Database
from mailcrm.store.history import ThreadAction, add_links_by_rule, add_thread_events

#: Threads looked at together: a query for all of them is worth it, and memory stays flat.
_GROUP = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What the rule did: threads that got a link, and threads about which there is a new suggestion."""

    threads: tuple[int, ...]
    suggested: tuple[int, ...]


def decisions(db: Database, account: Account, thread_ids: Iterable[int]) -> dict[int, LinkDecision]:
    """Return what the rule decides of threads of one account, without doing it."""
    facts = links.thread_facts(db, account, sorted(thread_ids))
    return {key: decide(_allowed(account, found)) for key, found in facts.items()}


def apply_rule(db: Database, account: Account, thread_ids: Iterable[int], *, now: datetime) -> Linked:
    """Link threads of one account by the automatic rule."""
    linked: list[int] = []
    suggested: list[int] = []
    ids = sorted(thread_ids)
    for start in range(0, len(ids), _GROUP):
        group = ids[start : start + _GROUP]
        with db.transaction():
            threads.lock_threads(db, group)
            decided = decisions(db, account, group)
            links.add_automatic_links(db, decided, at=now)
            add_links_by_rule(db, _told(db, decided), at=now)
            proposals = {key: one.proposal for key, one in decided.items() if one.proposal is not None}
            suggested += suggestions.replace_suggestions(db, group, proposals, at=now)
            links.mark_decided(db, group)
        linked += [key for key, one in decided.items() if one.contacts or one.item is not None]
    return Linked(threads=tuple(linked), suggested=tuple(suggested))


def apply_rule_where_due(db: Database, account: Account, *, now: datetime) -> Linked:
    """Link the threads to which something came since the rule looked at them."""
    return apply_rule(db, account, links.due_threads(db, account), now=now)


def apply_rule_to_account(
    db: Database, account: Account, *, since: datetime | None = None, now: datetime
) -> Linked:
    """Link all stored threads of an account by the automatic rule, or those with mail since a day."""
    return apply_rule(db, account, links.threads_of_account(db, account, since=since), now=now)


def decisions_for_account(
    db: Database, account: Account, *, since: datetime | None = None
) -> dict[int, LinkDecision]:
    """Return what the rule would do with the stored threads of an account, where it would do anything."""
    decided = decisions(db, account, links.threads_of_account(db, account, since=since))
    known = suggestions.unchanged(db, {key: one.proposal for key, one in decided.items() if one.proposal})
    return _with_an_effect(
        {key: replace(one, proposal=None) if key in known else one for key, one in decided.items()}
    )


def matching_threads(db: Database, contact_ids: Iterable[int]) -> int:
    """Return how many stored threads the rule would link, or suggest to link, because of these contacts."""
    ids = list(contact_ids)
    if not ids:
        return 0
    return sum(
        len(_with_an_effect(decisions(db, account, links.threads_of_contacts(db, account, ids))))
        for account in accounts.with_disconnected(db)
    )


def _with_an_effect(decided: Mapping[int, LinkDecision]) -> dict[int, LinkDecision]:
    return {
        key: one
        for key, one in decided.items()
        if one.contacts or one.item is not None or one.proposal is not None
    }


def _allowed(account: Account, facts: ThreadFacts) -> ThreadFacts:
    """Return the facts without what the account's switches leave out."""
    if not account.auto_link_contacts:
        facts = replace(
            facts, named={key: value for key, value in facts.named.items() if key in facts.linked}
        )
    kinds = {
        kind
        for kind, on in ((ItemKind.DEAL, account.auto_link_deals), (ItemKind.LEAD, account.auto_link_leads))
        if on
    }
    if len(kinds) < len(ItemKind):
        people = {*facts.named, *facts.linked} & facts.open_items.keys()
        facts = replace(
            facts,
            open_items={
                key: {item for item in facts.open_items[key] if item.kind in kinds} for key in people
            },
        )
    return facts


def link_thread(db: Database, thread: ThreadRow, record: Contact | Deal | Lead, *, now: datetime) -> None:
    """Link a thread by hand, to an item in place of the one it had; raises NotPermitted."""
    threads.require_managed(db, thread.id)
    with db.transaction():
        if not isinstance(record, Contact):
            _tell_replaced(db, thread.id, record, now=now)
        links.add_link(db, thread.id, record, LinkOrigin.MANUAL, at=now)
        add_thread_events(db, [thread.id], ThreadAction.LINKED, record_name(record), at=now)
        _settle(db, thread, now=now)


def unlink_thread(db: Database, thread: ThreadRow, record: Contact | Deal | Lead, *, now: datetime) -> None:
    """Take a thread's link away, for good; raises NotPermitted or NotFound."""
    threads.require_managed(db, thread.id)
    with db.transaction():
        links.remove_link(db, thread.id, record, at=now)
        add_thread_events(db, [thread.id], ThreadAction.UNLINKED, record_name(record), at=now)
        _settle(db, thread, now=now)


def accept(
    db: Database, suggestion: Suggestion, item: Deal | Lead | None, *, now: datetime
) -> list[Contact | Deal | Lead]:
    """Make the links of a suggestion and return what was linked; of several items a person names one.

    Raises NeedsChoice when none was named, UsageError for one that is not among them.
    """
    threads.require_managed(db, suggestion.thread_id)
    offered = [one for one in suggestion.candidates if one.contact_id is None]
    if item is None and len(offered) > 1:
        raise NeedsChoice(
            f"Suggestion {suggestion.id} has {len(offered)} candidates; name the one that is right.",
            candidates=[str(one) for one in offered],
        )
    chosen: list[Contact | Deal | Lead] = [
        contacts.contact(db, str(one.contact_id))
        for one in suggestion.candidates
        if one.contact_id is not None
    ]
    if item is not None:
        if not any(_is(item, one.deal_id, one.lead_id) for one in offered):
            raise UsageError(
                f"{record_name(item)} is not among the candidates of suggestion {suggestion.id}.",
                hint=f"To link it all the same: mailcrm link {_kind(item)} {suggestion.thread_id} {item.id}",
            )
        chosen.append(item)
    else:
        chosen += [
            deals.deal(db, str(one.deal_id)) if one.deal_id is not None else leads.lead(db, str(one.lead_id))
            for one in offered
        ]
    with db.transaction():
        _take_up(db, suggestion)
        for record in chosen:
            if not isinstance(record, Contact):
                _tell_replaced(db, suggestion.thread_id, record, now=now)
            links.add_link(db, suggestion.thread_id, record, LinkOrigin.ACCEPTED, at=now)
            add_thread_events(db, [suggestion.thread_id], ThreadAction.ACCEPTED, record_name(record), at=now)
        suggestions.remove_suggestions(db, [suggestion.thread_id])
    return chosen


def dismiss(db: Database, suggestion: Suggestion, *, now: datetime) -> None:
    """Say that nothing of a suggestion is right: none of it is linked or suggested for its thread again."""
    threads.require_managed(db, suggestion.thread_id)
    with db.transaction():
        _take_up(db, suggestion)
        links.refuse(
            db,
            [
                {
                    "thread_id": suggestion.thread_id,
                    "contact_id": one.contact_id,
                    "deal_id": one.deal_id,
                    "lead_id": one.lead_id,
                }
                for one in suggestion.candidates
            ],
            at=now,
        )
        suggestions.remove_suggestions(db, [suggestion.thread_id])
        told = ", ".join(str(one) for one in suggestion.candidates)
        add_thread_events(db, [suggestion.thread_id], ThreadAction.DISMISSED, told, at=now)


def _told(db: Database, decided: Mapping[int, LinkDecision]) -> Iterator[tuple[int, str]]:
    """Yield each thread with what the rule links it to, as people name it."""
    items = {one.item for one in decided.values() if one.item is not None}
    people = contacts.names(db, {key for one in decided.values() for key in one.contacts})
    titles = {
        ItemKind.DEAL: deals.titles(db, {item.id for item in items if item.kind is ItemKind.DEAL}),
        ItemKind.LEAD: leads.titles(db, {item.id for item in items if item.kind is ItemKind.LEAD}),
    }
    for key, one in decided.items():
        yield from ((key, f"contact {contact} {people[contact]}") for contact in sorted(one.contacts))
        if one.item is not None:
            yield key, f"{one.item.kind} {one.item.id} {titles[one.item.kind][one.item.id]}"


def _tell_replaced(db: Database, thread_id: int, item: Deal | Lead, *, now: datetime) -> None:
    """Record that the items which a thread has give way to another one."""
    for link in links.links(db, [thread_id]):
        kept = _is(item, link.deal_id, link.lead_id)
        if link.contact_id is None and not kept:
            noun, number = ("deal", link.deal_id) if link.deal_id is not None else ("lead", link.lead_id)
            detail = f"{noun} {number} {link.title}"
            add_thread_events(db, [thread_id], ThreadAction.UNLINKED, detail, at=now)


def _settle(db: Database, thread: ThreadRow, *, now: datetime) -> None:
    """Let what a person decided of a thread hold: suggest anew, and let no subject take its emails away."""
    threads.settle_emails(db, [thread.id])
    links.mark_due(db, [thread.id])
    for account in accounts.with_disconnected(db):
        if account.address == thread.account:
            decided = decisions(db, account, [thread.id])
            proposals = {key: one.proposal for key, one in decided.items() if one.proposal is not None}
            suggestions.replace_suggestions(db, [thread.id], proposals, at=now)


def _take_up(db: Database, suggestion: Suggestion) -> None:
    """Hold a suggestion that is about to be decided; raises NotFound when somebody has just done so."""
    threads.lock_threads(db, [suggestion.thread_id])
    if suggestion.id not in {one.id for one in suggestions.suggestions_of(db, [suggestion.thread_id])}:
        raise NotFound(
            f"Suggestion {suggestion.id} has just been decided.", hint="See `mailcrm link suggestions`."
        )
    threads.settle_emails(db, [suggestion.thread_id])
    links.mark_due(db, [suggestion.thread_id])


def _is(item: Deal | Lead, deal_id: int | None, lead_id: int | None) -> bool:
    return item.id == (deal_id if isinstance(item, Deal) else lead_id)


def _kind(record: Contact | Deal | Lead) -> str:
    return type(record).__name__.lower()


def record_name(record: Contact | Deal | Lead) -> str:
    """Return a record as people name it: deal 42 Pumps."""
    return f"{_kind(record)} {record.id} {record.name if isinstance(record, Contact) else record.title}"

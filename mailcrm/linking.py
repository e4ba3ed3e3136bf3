"""Linking threads to contacts and deals: by the automatic rule, and by hand.

What the rule decides is left to `core.links`, what is stored to `store.crm`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from mailcrm.core.links import ThreadFacts, decide
from mailcrm.core.model import Account, Contact, Deal, ThreadRow
from mailcrm.store import crm, threads
from mailcrm.store.database import Database

#: Threads looked at together: enough to make a query worth it, few enough to keep memory flat.
_GROUP = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What the rule did: threads that got a link, and those where a person has to choose a deal."""

    threads: tuple[int, ...]
    choices: tuple[tuple[int, tuple[str, ...]], ...]


def apply_rule(db: Database, account: Account, thread_ids: Iterable[int], *, now: datetime) -> Linked:
    """Link threads of one account by the automatic rule, in one transaction."""
    linked: list[int] = []
    choices: list[tuple[int, tuple[str, ...]]] = []
    with db.transaction():
        for group in _groups(sorted(thread_ids)):
            threads.lock_threads(db, group)
            facts = crm.thread_facts(db, group)
            decisions = {key: decide(_allowed(account, found)) for key, found in facts.items()}
            crm.add_automatic_links(db, decisions, at=now)
            for key, decision in decisions.items():
                if decision.contacts or decision.deal is not None:
                    linked.append(key)
                if decision.candidates:
                    choices.append((key, crm.deal_titles(db, decision.candidates)))
    return Linked(threads=tuple(linked), choices=tuple(choices))


def apply_rule_to_account(db: Database, account: Account, *, now: datetime) -> Linked:
    """Link all stored threads of an account by the automatic rule."""
    return apply_rule(db, account, threads.thread_ids(db, account), now=now)


def _allowed(account: Account, facts: ThreadFacts) -> ThreadFacts:
    """Return the facts without what the account's switches leave out."""
    if not account.auto_link_contacts:
        facts = replace(
            facts, contacts={key: value for key, value in facts.contacts.items() if key in facts.linked}
        )
    if not account.auto_link_deals:
        facts = replace(facts, open_deals={})
    return facts


def _groups(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + _GROUP] for start in range(0, len(ids), _GROUP))


def link_thread(db: Database, thread: ThreadRow, target: Contact | Deal, *, now: datetime) -> None:
    """Link a thread by hand, to a deal in place of the one it had; raises NotPermitted."""
    threads.require_managed(db, thread.id)
    contact_id, deal_id = _ids(target)
    crm.add_link(db, thread.id, contact_id=contact_id, deal_id=deal_id, at=now)


def unlink_thread(db: Database, thread: ThreadRow, target: Contact | Deal, *, now: datetime) -> None:
    """Take a thread's link away, for good; raises NotPermitted or NotFound."""
    threads.require_managed(db, thread.id)
    contact_id, deal_id = _ids(target)
    crm.remove_link(db, thread.id, contact_id=contact_id, deal_id=deal_id, at=now)


def _ids(target: Contact | Deal) -> tuple[int | None, int | None]:
    match target:
        case Contact(id=contact_id):
            return contact_id, None
        case Deal(id=deal_id):
            return None, deal_id

"""What a thread is linked to by itself: the automatic rule, as one pure decision with its reason.

Everybody known among the participants is linked; a deal or lead only when it is the single open one of
all linked contacts. Reading participants and writing links is left to `mailcrm.linking`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from mailcrm.core.model import Item


class Reason(StrEnum):
    """Why the rule decided as it did; docs/rules.md tells each to users."""

    NO_OPEN_ITEM = "no-open-item"
    ONLY_OPEN_ITEM = "only-open-item"
    SEVERAL_OPEN_ITEMS = "several-open-items"
    HAS_ITEM = "has-item"
    ITEM_CLOSED = "item-closed"
    REFUSED = "refused"
    AMBIGUOUS_FROM = "ambiguous-from"
    FAILED_AUTHENTICATION = "failed-authentication"


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """How the emails of a thread name a contact.

    `personal`: an email of a person names them, one that is no bounce, auto-reply or mailing. `doubt`: why
    none of the emails that name them can be trusted; the worst reason.
    """

    personal: bool
    doubt: Reason | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedItem:
    """An item that a thread is linked to; `overtaken` when mail came after it was closed."""

    item: Item
    open: bool
    overtaken: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadFacts:
    """What is known of a thread when the rule is asked.

    `named` are the known participants, `linked` the contacts and `items` the items linked already, `chosen`
    those of the contacts whom a person linked, `refused_*` what a person took away or did not want,
    `open_items` the open items of each contact.
    """

    named: Mapping[int, Named]
    linked: AbstractSet[int]
    chosen: AbstractSet[int]
    items: tuple[LinkedItem, ...]
    refused_contacts: AbstractSet[int]
    refused_items: AbstractSet[Item]
    open_items: Mapping[int, AbstractSet[Item]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What the rule suggests to a person: contacts to link, and items of which one is chosen."""

    reason: Reason
    contacts: frozenset[int]
    items: frozenset[Item]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkDecision:
    """The links to make; `reason` says why there is that item, or none."""

    contacts: frozenset[int]
    item: Item | None
    reason: Reason
    proposal: Proposal | None


def decide(facts: ThreadFacts) -> LinkDecision:
    """Return the links that the automatic rule makes: none is ever taken away or overwritten."""
    doubtful = {contact: named.doubt for contact, named in facts.named.items() if named.doubt is not None}
    contacts = frozenset(facts.named.keys() - doubtful.keys() - facts.linked - facts.refused_contacts)
    item, reason, items = _item(facts, _open_items(facts))
    proposal = Proposal(reason=reason, contacts=frozenset(), items=items) if items else None
    if proposal is None:
        proposal = _doubted(facts, doubtful, chosen=item)
    return LinkDecision(contacts=contacts, item=item, reason=reason, proposal=proposal)


def _open_items(facts: ThreadFacts) -> frozenset[Item]:
    """Return the distinct open items of all linked contacts.

    Those that only a bounce, an auto-reply or a mailing names have none to offer; those that a person linked
    have, whatever names them.
    """
    by_rule = {
        contact
        for contact, named in facts.named.items()
        if named.personal and named.doubt is None and contact not in facts.refused_contacts
    }
    return frozenset(item for contact in by_rule | facts.chosen for item in facts.open_items.get(contact, ()))


def _item(facts: ThreadFacts, found: frozenset[Item]) -> tuple[Item | None, Reason, frozenset[Item]]:
    """Return the item to link, the reason, and what a person has to choose from."""
    none: frozenset[Item] = frozenset()
    wanted = found - facts.refused_items
    if facts.items:
        closed = not any(one.open for one in facts.items) and any(one.overtaken for one in facts.items)
        if closed and len(found) == 1 and wanted:
            return None, Reason.ITEM_CLOSED, wanted
        return None, Reason.HAS_ITEM, none
    match tuple(found):
        case ():
            return None, Reason.NO_OPEN_ITEM, none
        case (only,):
            # Refused once, an item is not offered again either.
            return (only, Reason.ONLY_OPEN_ITEM, none) if wanted else (None, Reason.REFUSED, none)
        case _:
            return None, Reason.SEVERAL_OPEN_ITEMS if wanted else Reason.REFUSED, wanted


def _doubted(facts: ThreadFacts, doubtful: Mapping[int, Reason], *, chosen: Item | None) -> Proposal | None:
    """Return what would be linked if the emails could be trusted."""
    contacts = doubtful.keys() - facts.linked - facts.refused_contacts
    if not contacts:
        return None
    items: frozenset[Item] = frozenset()
    if not facts.items and chosen is None:
        offered = frozenset(item for contact in contacts for item in facts.open_items.get(contact, ()))
        items = offered - facts.refused_items
    forged = Reason.FAILED_AUTHENTICATION in {doubtful[contact] for contact in contacts}
    return Proposal(
        reason=Reason.FAILED_AUTHENTICATION if forged else Reason.AMBIGUOUS_FROM,
        contacts=frozenset(contacts),
        items=items,
    )

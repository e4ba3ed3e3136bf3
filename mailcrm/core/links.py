"""What a thread is linked to by itself: the automatic rule, as one pure decision.

Everybody known among the participants is linked; a deal only when it is the single open one of
all linked contacts. Reading participants and writing links is left to `mailcrm.linking`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadFacts:
    """What is known of a thread when the rule is asked.

    `contacts` maps each known participant to whether an email of a person names them, one that is
    no bounce, auto-reply or mailing. `linked` are the contacts linked already, `refused_*` what a
    person took away, `open_deals` the open deals of a contact, the most recent first.
    """

    contacts: Mapping[int, bool]
    linked: AbstractSet[int]
    has_deal: bool
    refused_contacts: AbstractSet[int]
    refused_deals: AbstractSet[int]
    open_deals: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkDecision:
    """The links to make; `candidates` are open deals among which a person has to choose."""

    contacts: tuple[int, ...]
    deal: int | None
    candidates: tuple[int, ...]


def decide(facts: ThreadFacts) -> LinkDecision:
    """Return the links that the automatic rule makes: none is ever taken away or overwritten."""
    contacts = tuple(sorted(set(facts.contacts) - facts.linked - facts.refused_contacts))
    if facts.has_deal:
        return LinkDecision(contacts=contacts, deal=None, candidates=())
    by_rule = {contact for contact, personal in facts.contacts.items() if personal} - facts.refused_contacts
    by_hand = facts.linked - facts.contacts.keys()
    deals = {deal for contact in by_rule | by_hand for deal in facts.open_deals.get(contact, ())}
    match tuple(deals):
        case ():
            return LinkDecision(contacts=contacts, deal=None, candidates=())
        case (only,):
            # Refused once, a deal is not offered again either.
            deal = None if only in facts.refused_deals else only
            return LinkDecision(contacts=contacts, deal=deal, candidates=())
        case several:
            candidates = tuple(sorted(set(several) - facts.refused_deals, reverse=True))
            return LinkDecision(contacts=contacts, deal=None, candidates=candidates)

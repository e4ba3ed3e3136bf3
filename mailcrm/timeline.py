"""What happened with a contact or in a deal, newest first, and the search over all mail."""

from dataclasses import dataclass

from mailcrm.core.model import Contact, Deal, EmailRow
from mailcrm.store import contacts, deals, emails
from mailcrm.store.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class DealView:
    """A deal with the emails that this viewer may see."""

    deal: Deal
    emails: tuple[EmailRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactView:
    """A contact with the emails that this viewer may see."""

    contact: Contact
    emails: tuple[EmailRow, ...]


def deal_timeline(db: Database, text: str, *, limit: int) -> DealView:
    """Return a deal by number or title with its newest emails; raises NotFound or NeedsChoice."""
    deal = deals.deal(db, text)
    return DealView(deal=deal, emails=tuple(emails.timeline(db, deal_id=deal.id, limit=limit)))


def contact_timeline(db: Database, text: str, *, limit: int) -> ContactView:
    """Return a contact by number, address or name with its newest emails; raises NotFound or NeedsChoice."""
    contact = contacts.contact(db, text)
    return ContactView(contact=contact, emails=tuple(emails.timeline(db, contact_id=contact.id, limit=limit)))


def search_emails(db: Database, query: str, *, limit: int) -> list[EmailRow]:
    """Return the best matches of a query; raises UsageError when it holds no word."""
    return emails.search_emails(db, query, limit=limit)

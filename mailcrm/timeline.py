"""What happened with a record, newest first and page by page, and the search over all mail.

Which emails count for a record is left to `store.timeline`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from mailcrm.core.errors import UsageError
from mailcrm.core.model import Contact, Deal, EmailRow, Lead, Organization
from mailcrm.store import contacts, deals, leads
from mailcrm.store.database import Database
from mailcrm.store.timeline import TOP, Page, Position, timeline


@dataclass(frozen=True, kw_only=True, slots=True)
class DealView:
    """A deal with a page of the emails that this viewer may see; `next` says where the next page begins."""

    deal: Deal
    emails: tuple[EmailRow, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadView:
    """A lead with a page of the emails that this viewer may see, also once it is converted."""

    lead: Lead
    emails: tuple[EmailRow, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactView:
    """A contact with a page of the emails that this viewer may see."""

    contact: Contact
    emails: tuple[EmailRow, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrganizationView:
    """An organization with a page of the emails of its contacts, deals and leads that this viewer may see."""

    organization: Organization
    emails: tuple[EmailRow, ...]
    next: str | None


def deal_timeline(db: Database, text: str, *, limit: int, before: str | None = None) -> DealView:
    """Return a deal by number or title with its newest emails, or with those after the cursor `before`.

    Raises NotFound, NeedsChoice, or UsageError when `before` is no cursor.
    """
    deal = deals.deal(db, text)
    page = _page(db, deal, limit, before)
    return DealView(deal=deal, emails=page.emails, next=_cursor(page.next))


def lead_timeline(db: Database, text: str, *, limit: int, before: str | None = None) -> LeadView:
    """Return a lead by number or title with a page of its emails; raises as `deal_timeline` does."""
    lead = leads.lead(db, text)
    page = _page(db, lead, limit, before)
    return LeadView(lead=lead, emails=page.emails, next=_cursor(page.next))


def contact_timeline(db: Database, text: str, *, limit: int, before: str | None = None) -> ContactView:
    """Return a contact by number, address or name with a page of its emails; raises as `deal_timeline`."""
    contact = contacts.contact(db, text)
    page = _page(db, contact, limit, before)
    return ContactView(contact=contact, emails=page.emails, next=_cursor(page.next))


def organization_timeline(
    db: Database, organization: Organization, *, limit: int, before: str | None = None
) -> OrganizationView:
    """Return an organization with a page of its emails; raises UsageError when `before` is no cursor."""
    page = _page(db, organization, limit, before)
    return OrganizationView(organization=organization, emails=page.emails, next=_cursor(page.next))


def _page(db: Database, record: Deal | Lead | Contact | Organization, limit: int, before: str | None) -> Page:
    return timeline(db, record, before=TOP if before is None else _position(before), limit=limit)


def _cursor(position: Position | None) -> str | None:
    """Return a position as one word: the instant in UTC, and the number of the email."""
    if position is None:
        return None
    moment = position.received_at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{moment}Z.{position.id}"


def _position(cursor: str) -> Position:
    moment, _, number = cursor.strip().rpartition("Z.")
    try:
        # No database has a larger number.
        email_id = min(abs(int(number)), TOP.id)
        return Position(datetime.fromisoformat(moment).replace(tzinfo=UTC), email_id)
    except ValueError as error:
        raise UsageError(
            f"{cursor!r} is no place in a timeline.",
            hint="A page that is not the last one names the next: … more: --before PLACE",
        ) from error


def search_emails(db: Database, text: str, now: datetime, *, limit: int) -> list[EmailRow]:
    """Return the best matches of a query, or the newest; raises QueryError or UsageError."""
    from mailcrm.core.query import parse_query  # late: it takes its time to import
    from mailcrm.store import search

    return search.search_emails(db, parse_query(text, now), limit=limit)

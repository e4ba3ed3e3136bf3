"""Leads: the sales that may come, and how one becomes a deal."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from mailcrm.core.errors import AlreadyExists, UsageError
from mailcrm.core.model import Deal, Item, ItemKind, Lead, LeadStatus, Stage
from mailcrm.store import deals, records
from mailcrm.store.database import Database, Row
from mailcrm.store.history import add_deletion_events
from mailcrm.store.labels import made_labels
from mailcrm.store.rows import instant, sure_instant
from mailcrm.store.suggestions import look_again


def leads(
    db: Database,
    *,
    status: LeadStatus | None,
    limit: int,
    organization_id: int | None = None,
    contact_id: int | None = None,
    owner_id: int | None = None,
    label_id: int | None = None,
) -> list[Lead]:
    """Return leads, the newest first: all, or those for which all that is named holds."""
    rows = db.read(
        "leads",
        status=status,
        organization_id=organization_id,
        contact_id=contact_id,
        owner_id=owner_id,
        label_id=label_id,
        limit=limit,
    )
    return _leads(db, rows)


def lead(db: Database, text: str) -> Lead:
    """Return the lead with this number, title or beginning of a title; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if records.is_id(text):
        rows = db.read("leads_by_id", ids=[int(text)])
    rows = rows or db.read("leads_by_id", ids=records.named(db.read("lead_titles"), text))
    return records.only(_leads(db, rows), "lead", text, lambda one: (one.id, one.title, one.status.value))


def converted_to(db: Database, deal: Deal) -> list[Lead]:
    """Return the leads that became a deal: one, or none."""
    ids = [row["id"] for row in db.read("leads_of_deal", deal_id=deal.id)]
    return _leads(db, db.read("leads_by_id", ids=ids))


def create_lead(
    db: Database,
    *,
    title: str,
    contact_ids: Iterable[int],
    value: str | None,
    currency: str | None,
    at: datetime,
    organization_id: int | None = None,
    labels: Iterable[str] = (),
    owner_id: int | None = None,
) -> Lead:
    """Add an open lead, the viewer's unless `owner_id` names another member; labels are made as needed."""
    called = records.name(title, "lead")
    with db.transaction():
        lead_id = db.insert(
            "create_lead",
            title=called,
            owner_id=owner_id or db.viewer.id,
            organization_id=organization_id,
            value=value,
            currency=currency,
            at=at,
        )
        for contact_id in contact_ids:
            db.write("add_lead_contact", lead_id=lead_id, contact_id=contact_id)
        for label in made_labels(db, labels):
            db.write("add_lead_label", lead_id=lead_id, label_id=label.id)
    return lead(db, str(lead_id))


def edit_lead(db: Database, changed: Lead) -> Lead:
    """Store a lead as it is now: one that was read, with other values; threads linked to it stay linked.

    Status is left to `archive_lead`, `reopen_lead` and `convert_lead`.
    """
    called = records.name(changed.title, "lead")
    with db.transaction():
        before = lead(db, str(changed.id)).contact_ids
        with records.handing_on("lead"):
            db.write(
                "edit_lead",
                id=changed.id,
                title=called,
                owner_id=changed.owner_id,
                organization_id=changed.organization_id,
                value=changed.value,
                currency=changed.currency,
            )
        for contact_id in before:
            if contact_id not in changed.contact_ids:
                db.write("remove_lead_contact", lead_id=changed.id, contact_id=contact_id)
        for contact_id in changed.contact_ids:
            db.write("add_lead_contact", lead_id=changed.id, contact_id=contact_id)
        db.write("remove_lead_labels", lead_id=changed.id)
        for label in made_labels(db, changed.labels):
            db.write("add_lead_label", lead_id=changed.id, label_id=label.id)
    return lead(db, str(changed.id))


def archive_lead(db: Database, known: Lead, *, at: datetime) -> Lead:
    """Put an open lead aside; threads linked to it stay linked. Raises UsageError for a converted one."""
    if known.status is LeadStatus.OPEN:
        db.write("archive_lead", id=known.id, closed_at=at)
        look_again(db, Item(ItemKind.LEAD, known.id))
    return _unless_converted(lead(db, str(known.id)))


def reopen_lead(db: Database, known: Lead) -> Lead:
    """Open an archived lead again, or one whose deal was deleted; raises UsageError for a converted one."""
    db.write("reopen_lead", id=known.id)
    look_again(db, Item(ItemKind.LEAD, known.id))
    return _unless_converted(lead(db, str(known.id)))


def convert_lead(db: Database, known: Lead, *, step: Stage | None = None, at: datetime) -> tuple[Lead, Deal]:
    """Make a deal of an open lead, with its title, value, contacts, organization and owner.

    The lead's links stay as they are and count as the deal's. Raises AlreadyExists, naming the deal, for one
    that was converted, UsageError for one that is archived.
    """
    with db.transaction():
        # The change comes first: of two who convert at once the second finds nothing to change.
        if not db.write("convert_lead", id=known.id, closed_at=at):
            now = lead(db, str(known.id))
            if now.deal_id is not None:
                made = deals.deal(db, str(now.deal_id))
                raise AlreadyExists(
                    f"Lead {now.id} {now.title} was converted to deal {made.id} {made.title}.",
                    hint=f"See it: mailcrm deal show {made.id}",
                )
            raise UsageError(
                f"Lead {now.id} {now.title} is {now.status}.",
                hint=f"Open it again first: mailcrm lead unarchive {now.id}",
            )
        lead_now = lead(db, str(known.id))
        deal = deals.create_deal(
            db,
            title=lead_now.title,
            contact_ids=lead_now.contact_ids,
            value=lead_now.value,
            currency=lead_now.currency,
            at=at,
            organization_id=lead_now.organization_id,
            stage_id=None if step is None else step.id,
            owner_id=lead_now.owner_id,
        )
        db.write("set_lead_deal", id=known.id, deal_id=deal.id)
    return lead(db, str(known.id)), deal


def delete_lead(db: Database, known: Lead, *, at: datetime) -> None:
    """Remove a lead; its links go, mail stays. Raises NotPermitted, or UsageError for one that became a deal.

    The deal has its conversations by the lead's links, some of which are not the viewer's to change.
    """
    require_deletable(known)
    with db.transaction():
        add_deletion_events(db, known, at=at)
        records.delete(db, "delete_lead", known.id, "lead")


def require_deletable(known: Lead) -> None:
    """Raise UsageError for a lead that is a deal now."""
    if known.deal_id is not None:
        raise UsageError(
            f"Lead {known.id} {known.title} is deal {known.deal_id} now, which has its conversations.",
            hint=f"Without both: mailcrm deal delete {known.deal_id}, then lead delete {known.id}",
        )


def titles(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of these leads by number."""
    return {row["id"]: row["title"] for row in db.read("leads_by_id", ids=sorted(ids))}


def _unless_converted(known: Lead) -> Lead:
    if known.status is LeadStatus.CONVERTED:
        raise UsageError(
            f"Lead {known.id} {known.title} was converted.",
            hint=f"See its deal: mailcrm deal show {known.deal_id}"
            if known.deal_id
            else f"Its deal was deleted. Open it again: mailcrm lead unarchive {known.id}",
        )
    return known


def _leads(db: Database, rows: Sequence[Row]) -> list[Lead]:
    ids = [row["id"] for row in rows]
    people: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in db.read("lead_contacts", ids=ids):
        people[row["lead_id"]].append((row["id"], row["name"]))
    labels: dict[int, list[str]] = defaultdict(list)
    for row in db.read("lead_labels", ids=ids):
        labels[row["lead_id"]].append(row["name"])
    return [
        Lead(
            id=row["id"],
            title=row["title"],
            status=LeadStatus(row["status"]),
            owner_id=row["owner_id"],
            value=row["value"],
            currency=row["currency"],
            organization_id=row["organization_id"],
            organization=row["organization"],
            labels=tuple(labels[row["id"]]),
            created_at=sure_instant(row["created_at"]),
            closed_at=instant(row["closed_at"]),
            deal_id=row["deal_id"],
            contacts=tuple(name for _, name in people[row["id"]]),
            contact_ids=tuple(key for key, _ in people[row["id"]]),
        )
        for row in rows
    ]

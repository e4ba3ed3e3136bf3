"""Leads: the sales that may come."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from mailcrm.core.model import Lead, LeadStatus
from mailcrm.store.database import Database, Row
from mailcrm.store.records import is_id, named, only
from mailcrm.store.rows import instant, sure_instant


def leads(db: Database, *, status: LeadStatus | None, limit: int) -> list[Lead]:
    """Return leads, the newest first."""
    return _leads(db, db.read("leads", status=status, limit=limit))


def lead(db: Database, text: str) -> Lead:
    """Return the lead with this id, title or beginning of a title; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if is_id(text):
        rows = db.read("leads_by_id", ids=[int(text)])
    rows = rows or db.read("leads_by_id", ids=named(db.read("lead_titles"), text))
    return only(_leads(db, rows), "lead", text, lambda one: (one.id, one.title, one.status.value))


def create_lead(
    db: Database,
    *,
    title: str,
    contact_ids: Iterable[int],
    value: str | None,
    currency: str | None,
    at: datetime,
) -> Lead:
    """Add an open lead owned by the viewer."""
    with db.transaction():
        lead_id = db.insert(
            "create_lead", title=title, owner_id=db.viewer.id, value=value, currency=currency, at=at
        )
        for contact_id in contact_ids:
            db.write("add_lead_contact", lead_id=lead_id, contact_id=contact_id)
    return lead(db, str(lead_id))


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


def titles(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of these leads by number."""
    return {row["id"]: row["title"] for row in db.read("leads_by_id", ids=sorted(ids))}

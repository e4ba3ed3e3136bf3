"""Deals: the sales in progress."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from mailcrm.core.model import Deal, DealStatus
from mailcrm.store.database import Database, Row
from mailcrm.store.records import is_id, named, only
from mailcrm.store.rows import instant, sure_instant


def deals(db: Database, *, status: DealStatus | None, limit: int) -> list[Deal]:
    """Return deals, the newest first."""
    return _deals(db, db.read("deals", status=status, limit=limit))


def deal(db: Database, text: str) -> Deal:
    """Return the deal with this id, title or beginning of a title; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if is_id(text):
        rows = db.read("deal", id=int(text))
    rows = rows or db.read("deals_by_id", ids=named(db.read("deal_titles"), text))
    return only(
        _deals(db, rows),
        "deal",
        text,
        lambda one: (one.id, one.title, one.value, one.currency, one.status.value),
    )


def create_deal(
    db: Database,
    *,
    title: str,
    contact_ids: Iterable[int],
    value: str | None,
    currency: str | None,
    at: datetime,
) -> Deal:
    """Add an open deal owned by the viewer, in the first stage."""
    with db.transaction():
        deal_id = db.insert(
            "create_deal", title=title, owner_id=db.viewer.id, value=value, currency=currency, at=at
        )
        for contact_id in contact_ids:
            db.write("add_deal_contact", deal_id=deal_id, contact_id=contact_id)
    return deal(db, str(deal_id))


def edit_deal(
    db: Database,
    known: Deal,
    *,
    title: str,
    contact_ids: Iterable[int],
    value: str | None,
    currency: str | None,
) -> Deal:
    """Change title and value of a deal, and add contacts; threads linked to it stay linked."""
    with db.transaction():
        db.write("edit_deal", id=known.id, title=title, value=value, currency=currency)
        for contact_id in contact_ids:
            db.write("add_deal_contact", deal_id=known.id, contact_id=contact_id)
    return deal(db, str(known.id))


def set_deal_status(db: Database, known: Deal, status: DealStatus, *, at: datetime) -> Deal:
    """Open, win or lose a deal; threads linked to it stay linked."""
    db.write(
        "set_deal_status", id=known.id, status=status, closed_at=None if status is DealStatus.OPEN else at
    )
    return deal(db, str(known.id))


def _deals(db: Database, rows: Sequence[Row]) -> list[Deal]:
    people: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in db.read("deal_contacts", ids=[row["id"] for row in rows]):
        people[row["deal_id"]].append((row["id"], row["name"]))
    return [
        Deal(
            id=row["id"],
            title=row["title"],
            status=DealStatus(row["status"]),
            owner_id=row["owner_id"],
            value=row["value"],
            currency=row["currency"],
            pipeline=row["pipeline"],
            stage=row["stage"],
            organization_id=row["organization_id"],
            organization=row["organization"],
            expected_close=date.fromisoformat(row["expected_close"]) if row["expected_close"] else None,
            created_at=sure_instant(row["created_at"]),
            closed_at=instant(row["closed_at"]),
            contacts=tuple(name for _, name in people[row["id"]]),
            contact_ids=tuple(key for key, _ in people[row["id"]]),
        )
        for row in rows
    ]


def titles(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of these deals by number."""
    return {row["id"]: row["title"] for row in db.read("deals_by_id", ids=sorted(ids))}

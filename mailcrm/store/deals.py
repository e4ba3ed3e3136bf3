"""Deals: the sales in progress."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from mailcrm.core.model import Deal, DealStatus, Item, ItemKind, Stage
from mailcrm.store import records
from mailcrm.store.database import Database, Row
from mailcrm.store.history import add_deletion_events
from mailcrm.store.rows import instant, sure_instant
from mailcrm.store.suggestions import look_again


def deals(
    db: Database,
    *,
    status: DealStatus | None,
    limit: int,
    organization_id: int | None = None,
    contact_id: int | None = None,
    owner_id: int | None = None,
    stages: Iterable[Stage] | None = None,
) -> list[Deal]:
    """Return deals, the newest first: all, or those for which all that is named holds."""
    rows = db.read(
        "deals",
        status=status,
        organization_id=organization_id,
        contact_id=contact_id,
        owner_id=owner_id,
        anywhere=stages is None,
        ids=[step.id for step in stages or ()],
        limit=limit,
    )
    return _deals(db, rows)


def deal(db: Database, text: str) -> Deal:
    """Return the deal with this number, title or beginning of a title; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if records.is_id(text):
        rows = db.read("deals_by_id", ids=[int(text)])
    rows = rows or db.read("deals_by_id", ids=records.named(db.read("deal_titles"), text))
    return records.only(
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
    organization_id: int | None = None,
    stage_id: int | None = None,
    expected_close: date | None = None,
    owner_id: int | None = None,
) -> Deal:
    """Add an open deal, the viewer's unless `owner_id` names another member.

    `at` is when it began; without a stage it is in the first one of the first pipeline. `value` and
    `currency` are as `core.money` returns them.
    """
    called = records.name(title, "deal")
    with db.transaction():
        deal_id = db.insert(
            "create_deal",
            title=called,
            owner_id=owner_id or db.viewer.id,
            organization_id=organization_id,
            stage_id=stage_id,
            value=value,
            currency=currency,
            expected_close=_day(expected_close),
            at=at,
        )
        for contact_id in contact_ids:
            db.write("add_deal_contact", deal_id=deal_id, contact_id=contact_id)
    return deal(db, str(deal_id))


def edit_deal(db: Database, changed: Deal) -> Deal:
    """Store a deal as it is now: one that was read, with other values; threads linked to it stay linked.

    Stage and status are left to `move_deal` and `set_deal_status`.
    """
    called = records.name(changed.title, "deal")
    with db.transaction():
        before = deal(db, str(changed.id)).contact_ids
        with records.handing_on("deal"):
            db.write(
                "edit_deal",
                id=changed.id,
                title=called,
                owner_id=changed.owner_id,
                organization_id=changed.organization_id,
                value=changed.value,
                currency=changed.currency,
                expected_close=_day(changed.expected_close),
            )
        for contact_id in before:
            if contact_id not in changed.contact_ids:
                db.write("remove_deal_contact", deal_id=changed.id, contact_id=contact_id)
        for contact_id in changed.contact_ids:
            db.write("add_deal_contact", deal_id=changed.id, contact_id=contact_id)
    return deal(db, str(changed.id))


def move_deal(db: Database, known: Deal, step: Stage) -> Deal:
    """Put a deal into another stage, of any pipeline."""
    db.write("move_deal", id=known.id, stage_id=step.id)
    return deal(db, str(known.id))


def set_deal_status(db: Database, known: Deal, status: DealStatus, *, at: datetime) -> Deal:
    """Open, win or lose a deal; threads linked to it stay linked."""
    db.write(
        "set_deal_status", id=known.id, status=status, closed_at=None if status is DealStatus.OPEN else at
    )
    look_again(db, Item(ItemKind.DEAL, known.id))
    return deal(db, str(known.id))


def delete_deal(db: Database, known: Deal, *, at: datetime) -> None:
    """Remove a deal; its links go, mail stays, and so does the lead that it was. Raises NotPermitted."""
    with db.transaction():
        add_deletion_events(db, known, at=at)
        records.delete(db, "delete_deal", known.id, "deal")


def titles(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of these deals by number."""
    return {row["id"]: row["title"] for row in db.read("deals_by_id", ids=sorted(ids))}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


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

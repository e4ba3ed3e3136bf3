"""Contacts, deals, and the links from threads to them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from mailcrm.core.addresses import without_tag
from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound
from mailcrm.core.links import LinkDecision, ThreadFacts
from mailcrm.core.model import Contact, Deal, DealStatus, Link, LinkOrigin
from mailcrm.store.database import Database, Row

_Record = TypeVar("_Record", Contact, Deal)


def contacts(db: Database, *, limit: int) -> list[Contact]:
    """Return contacts by name."""
    return _contacts(db, db.read("contacts", limit=limit))


def contact(db: Database, text: str) -> Contact:
    """Return the contact with this id, address, name or its beginning; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if _is_id(text):
        rows = db.read("contact", id=int(text))
    rows = rows or db.read("contact_by_address", address=text.strip().lower())
    rows = rows or db.read("contacts_by_id", ids=_named(db.read("contact_names"), text))
    return _only(_contacts(db, rows), "contact", text)


def create_contact(db: Database, *, name: str, addresses: Sequence[str]) -> Contact:
    """Add a contact owned by the viewer; raises AlreadyExists when another has one of the addresses."""
    with db.transaction():
        _require_free(db, addresses)
        contact_id = db.insert("create_contact", name=name, owner_id=db.viewer.id)
        _add_addresses(db, contact_id, dict.fromkeys(addresses), first=0)
    return contact(db, str(contact_id))


def edit_contact(db: Database, known: Contact, *, name: str, addresses: Iterable[str]) -> Contact:
    """Rename a contact and add addresses; raises AlreadyExists when another contact has one of them."""
    new = [address for address in dict.fromkeys(addresses) if address not in known.addresses]
    with db.transaction():
        _require_free(db, new)
        db.write("rename_contact", id=known.id, name=name)
        _add_addresses(db, known.id, new, first=len(known.addresses))
    return contact(db, str(known.id))


def our_addresses(db: Database, addresses: Iterable[str]) -> set[str]:
    """Return those of `addresses` that are our own, with or without their tag: the rule never links them."""
    plain = {address: without_tag(address) for address in addresses}
    ours = {row["address"] for row in db.read("our_addresses", texts=sorted({*plain, *plain.values()}))}
    return {address for address, untagged in plain.items() if {address, untagged} & ours}


def _require_free(db: Database, addresses: Iterable[str]) -> None:
    for address in addresses:
        for row in db.read("contact_by_address", address=address):
            raise AlreadyExists(
                f"{address} belongs to {row['name']} (contact {row['id']}).",
                hint="An address belongs to one contact.",
            )


def _add_addresses(db: Database, contact_id: int, addresses: Iterable[str], *, first: int) -> None:
    for position, address in enumerate(addresses, start=first):
        db.write("add_contact_address", address=address, contact_id=contact_id, position=position)


def _contacts(db: Database, rows: Sequence[Row]) -> list[Contact]:
    addresses: dict[int, list[str]] = defaultdict(list)
    for row in db.read("contact_addresses", ids=[row["id"] for row in rows]):
        addresses[row["contact_id"]].append(row["address"])
    return [
        Contact(
            id=row["id"], name=row["name"], owner_id=row["owner_id"], addresses=tuple(addresses[row["id"]])
        )
        for row in rows
    ]


def deals(db: Database, *, status: DealStatus | None, limit: int) -> list[Deal]:
    """Return deals, the newest first."""
    return _deals(db, db.read("deals", status=status, limit=limit))


def deal(db: Database, text: str) -> Deal:
    """Return the deal with this id, title or beginning of a title; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if _is_id(text):
        rows = db.read("deal", id=int(text))
    rows = rows or db.read("deals_by_id", ids=_named(db.read("deal_titles"), text))
    return _only(_deals(db, rows), "deal", text)


def create_deal(
    db: Database, *, title: str, contact_ids: Iterable[int], value: str | None, currency: str | None
) -> Deal:
    """Add an open deal owned by the viewer."""
    with db.transaction():
        deal_id = db.insert("create_deal", title=title, owner_id=db.viewer.id, value=value, currency=currency)
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


def set_deal_status(db: Database, known: Deal, status: DealStatus) -> Deal:
    """Open, win or lose a deal; threads linked to it stay linked."""
    db.write("set_deal_status", id=known.id, status=status)
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
            contacts=tuple(name for _, name in people[row["id"]]),
            contact_ids=tuple(key for key, _ in people[row["id"]]),
        )
        for row in rows
    ]


def links(db: Database, thread_ids: Sequence[int]) -> list[Link]:
    """Return the links of threads."""
    return [Link(**{**row, "origin": LinkOrigin(row["origin"])}) for row in db.read("links", ids=thread_ids)]


def add_link(
    db: Database, thread_id: int, *, contact_id: int | None, deal_id: int | None, at: datetime
) -> None:
    """Link a thread by hand: a deal takes the place of the one before, and a refusal is taken back."""
    target: dict[str, Any] = {"thread_id": thread_id, "contact_id": contact_id, "deal_id": deal_id}
    with db.transaction():
        db.read("lock_threads", ids=[thread_id])
        db.write("remove_refusal", **target)
        if deal_id is not None:
            db.write("remove_deal_links", thread_id=thread_id)
        if db.write("make_link_manual", linked_by=db.viewer.id, **target):
            return
        db.write("add_link", origin=LinkOrigin.MANUAL, linked_by=db.viewer.id, linked_at=at, **target)


def remove_link(
    db: Database, thread_id: int, *, contact_id: int | None, deal_id: int | None, at: datetime
) -> None:
    """Take a link away and remember it, so that the rule does not make it again; raises NotFound."""
    target: dict[str, Any] = {"thread_id": thread_id, "contact_id": contact_id, "deal_id": deal_id}
    with db.transaction():
        if not db.write("remove_link", **target):
            raise NotFound(f"Thread {thread_id} is not linked to that.")
        db.write("remove_refusal", **target)
        db.write("add_refusal", refused_by=db.viewer.id, refused_at=at, **target)


def thread_facts(db: Database, thread_ids: Sequence[int]) -> dict[int, ThreadFacts]:
    """Return what the automatic rule needs to know of each thread."""
    named: dict[int, dict[int, bool]] = defaultdict(dict)
    for row in db.read("thread_contacts", ids=thread_ids):
        named[row["thread_id"]][row["contact_id"]] = bool(row["personal"])
    linked: dict[int, set[int]] = defaultdict(set)
    with_deal: set[int] = set()
    for row in db.read("links", ids=thread_ids):
        if row["deal_id"] is not None:
            with_deal.add(row["thread_id"])
        else:
            linked[row["thread_id"]].add(row["contact_id"])
    refused_contacts: dict[int, set[int]] = defaultdict(set)
    refused_deals: dict[int, set[int]] = defaultdict(set)
    for row in db.read("refusals", ids=thread_ids):
        if row["deal_id"] is not None:
            refused_deals[row["thread_id"]].add(row["deal_id"])
        else:
            refused_contacts[row["thread_id"]].add(row["contact_id"])
    people = {key for found in named.values() for key in found} | {
        key for found in linked.values() for key in found
    }
    open_deals: dict[int, list[int]] = defaultdict(list)
    for row in db.read("open_deals_of_contacts", ids=sorted(people)):
        open_deals[row["contact_id"]].append(row["id"])
    return {
        thread_id: ThreadFacts(
            contacts=named[thread_id],
            linked=linked[thread_id],
            has_deal=thread_id in with_deal,
            refused_contacts=refused_contacts[thread_id],
            refused_deals=refused_deals[thread_id],
            open_deals={
                key: tuple(open_deals[key])
                for key in (*named[thread_id], *linked[thread_id])
                if key in open_deals
            },
        )
        for thread_id in thread_ids
    }


def add_automatic_links(db: Database, decisions: Mapping[int, LinkDecision], *, at: datetime) -> None:
    """Store the links that the automatic rule decided on, by thread."""
    made = {"linked_by": db.viewer.id, "linked_at": at}
    rows = [
        {"thread_id": thread_id, "contact_id": contact_id, "deal_id": None, **made}
        for thread_id, decision in decisions.items()
        for contact_id in decision.contacts
    ]
    rows += [
        {"thread_id": thread_id, "contact_id": None, "deal_id": decision.deal, **made}
        for thread_id, decision in decisions.items()
        if decision.deal is not None
    ]
    db.write_many("add_automatic_link", rows)


def deal_titles(db: Database, ids: Collection[int]) -> tuple[str, ...]:
    """Return the titles of deals with their numbers, for a person to choose from."""
    return tuple(f"{known.id} {known.title}" for key in ids for known in [deal(db, str(key))])


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _named(rows: Sequence[Row], text: str) -> list[int]:
    """Return the ids of the rows called `text`: as it is written, else in any case, else by the beginning.

    A number is no beginning: who mistypes the number of a deal must not get "120 sensors".
    """
    name = text.strip()
    folded = name.casefold()
    known = [(row["id"], row["name"]) for row in rows]
    return (
        [key for key, full in known if full == name]
        or [key for key, full in known if full.casefold() == folded]
        or [key for key, full in known if full.casefold().startswith(folded) and folded and not _is_id(name)]
    )


def _described(record: Contact | Deal) -> str:
    """Return a record in one line that tells it from others of its name."""
    match record:
        case Contact():
            parts: list[str | None] = [str(record.id), record.name, ", ".join(record.addresses)]
        case Deal():
            parts = [str(record.id), record.title, record.value, record.currency, record.status.value]
    return " ".join(part for part in parts if part)


#: Candidates that a person can take in; more of them tell nothing.
_MOST_CANDIDATES = 20


def _only(found: list[_Record], noun: str, text: str) -> _Record:
    if not found:
        raise NotFound(f"There is no {noun} {text!r}.", hint=f"See `mailcrm {noun} list`.")
    if len(found) > 1:
        raise NeedsChoice(
            f"{len(found)} {noun}s are called {text!r}; name one by its number.",
            candidates=[_described(one) for one in found[:_MOST_CANDIDATES]],
        )
    return found[0]

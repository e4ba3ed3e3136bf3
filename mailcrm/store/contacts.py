"""Contacts: the people outside, with the addresses by which mail finds them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mailcrm.core.addresses import without_tag
from mailcrm.core.errors import AlreadyExists
from mailcrm.core.model import Contact
from mailcrm.store.database import Database, Row
from mailcrm.store.records import is_id, named, only


def contacts(db: Database, *, limit: int) -> list[Contact]:
    """Return contacts by name."""
    return _contacts(db, db.read("contacts", limit=limit))


def contact(db: Database, text: str) -> Contact:
    """Return the contact with this id, address, name or its beginning; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if is_id(text):
        rows = db.read("contact", id=int(text))
    rows = rows or db.read("contact_by_address", address=text.strip().lower())
    rows = rows or db.read("contacts_by_id", ids=named(db.read("contact_names"), text))
    return only(
        _contacts(db, rows), "contact", text, lambda one: (one.id, one.name, ", ".join(one.addresses))
    )


def create_contact(db: Database, *, name: str, addresses: Sequence[str]) -> Contact:
    """Add a contact owned by the viewer; raises AlreadyExists when another has one of the addresses."""
    with db.transaction():
        _require_free(db, addresses)
        contact_id = db.insert(
            "create_contact", name=name, owner_id=db.viewer.id, organization_id=None, title="", notes=""
        )
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
    phones: dict[int, list[str]] = defaultdict(list)
    for row in db.read("contact_phones", ids=[row["id"] for row in rows]):
        phones[row["contact_id"]].append(row["phone"])
    return [
        Contact(
            id=row["id"],
            name=row["name"],
            owner_id=row["owner_id"],
            addresses=tuple(addresses[row["id"]]),
            organization_id=row["organization_id"],
            organization=row["organization"],
            title=row["title"],
            phones=tuple(phones[row["id"]]),
            notes=row["notes"],
        )
        for row in rows
    ]


def names(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the names of these contacts by number."""
    return {row["id"]: row["name"] for row in db.read("contacts_by_id", ids=sorted(ids))}

"""Contacts: the people outside, with the addresses by which mail finds them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mailcrm.core.addresses import normalise, without_tag
from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound, UsageError
from mailcrm.core.model import Contact, ThreadRow, called
from mailcrm.store import organizations, records
from mailcrm.store.database import Database, Row
from mailcrm.store.history import add_deletion_events


def contacts(db: Database, *, organization_id: int | None = None, limit: int) -> list[Contact]:
    """Return contacts, or those of one organization, by name."""
    return _contacts(db, db.read("contacts", organization_id=organization_id, limit=limit))


def contact(db: Database, text: str) -> Contact:
    """Return the contact with this number, address, name or its beginning; raises NotFound or NeedsChoice.

    One that was merged into another is that other.
    """
    ids: list[int] = []
    address = normalise(text)
    if records.is_id(text):
        ids = [row["id"] for row in db.read("surviving_contact", id=int(text))]
    elif address is not None:
        ids = [row["id"] for row in db.read("contacts_by_address", texts=[address])]
    ids = ids or records.named(db.read("contact_names"), text)
    if not ids and address is not None:
        raise NotFound(
            f"No contact has the address {address}.",
            hint=f"Make one: mailcrm contact create NAME --address {address}",
        )
    return records.only(
        _contacts(db, db.read("contacts_by_id", ids=ids)),
        "contact",
        text,
        lambda one: (one.id, one.name, ", ".join(one.addresses)),
    )


def create_contact(
    db: Database,
    *,
    name: str,
    addresses: Sequence[str],
    organization_id: int | None = None,
    title: str = "",
    phones: Iterable[str] = (),
    notes: str = "",
    owner_id: int | None = None,
) -> Contact:
    """Add a contact, the viewer's unless `owner_id` names another member; `addresses` are normalised.

    Without an organization it joins the one that has the domain of an address. Raises AlreadyExists when
    another contact has one of the addresses.
    """
    fields = _fields(name=name, title=title, notes=notes)
    numbers = _phones(phones)
    with db.transaction():
        _require_free(db, addresses)
        if organization_id is None and (found := organizations.organization_at(db, addresses)) is not None:
            organization_id = found.id
        contact_id = db.insert(
            "create_contact", owner_id=owner_id or db.viewer.id, organization_id=organization_id, **fields
        )
        _put_addresses(db, contact_id, (), tuple(dict.fromkeys(addresses)))
        _put_phones(db, contact_id, numbers)
    return contact(db, str(contact_id))


def edit_contact(db: Database, changed: Contact) -> Contact:
    """Store a contact as it is now: one that was read, with other values; its first address is the primary.

    Raises AlreadyExists when another contact has one of the addresses, NotFound when it was merged or deleted
    meanwhile.
    """
    fields = _fields(name=changed.name, title=changed.title, notes=changed.notes)
    numbers = _phones(changed.phones)
    with db.transaction():
        _hold(db, changed)
        before = contact(db, str(changed.id)).addresses
        _require_free(db, [address for address in changed.addresses if address not in before])
        with records.handing_on("contact"):
            db.write(
                "edit_contact",
                id=changed.id,
                owner_id=changed.owner_id,
                organization_id=changed.organization_id,
                **fields,
            )
        _put_addresses(db, changed.id, before, tuple(dict.fromkeys(changed.addresses)))
        _put_phones(db, changed.id, numbers)
    return contact(db, str(changed.id))


def delete_contact(db: Database, known: Contact, *, at: datetime) -> None:
    """Remove a contact and what was merged into it; links go, mail stays. Raises NotPermitted or NotFound."""
    with db.transaction():
        _hold(db, known)
        add_deletion_events(db, known, at=at)
        records.delete(db, "delete_contact", known.id, "contact and of all that was merged into it")


def merge_contacts(db: Database, kept: Contact, merged: Sequence[Contact]) -> Contact:
    """Make one contact of several: `kept` gets the addresses, phones, notes, deals and leads of all others.

    It also gets title and organization where it has none. The others stay as rows that stand for it, because
    the links of threads that the viewer does not manage are not the viewer's to change. Raises UsageError
    when one is merged with itself, NotFound when one was merged or deleted meanwhile.
    """
    ids = [one.id for one in merged]
    if kept.id in ids or len(set(ids)) < len(ids):
        raise UsageError(
            f"A contact is not merged with itself: {kept.id} {kept.name}."
            if kept.id in ids
            else "Name each contact that is merged once.",
            hint="A contact that was merged already answers to its old number as the one that was kept.",
        )
    with db.transaction():
        _hold(db, kept, *merged)
        present = contact(db, str(kept.id))
        others = [contact(db, str(key)) for key in ids]
        for other in others:
            _put_addresses(db, other.id, other.addresses, ())
            _put_phones(db, other.id, ())
            both = {"contact_id": kept.id, "merged_id": other.id}
            for query in ("merge_deal_contacts", "merge_lead_contacts"):
                db.write(query, **both)
            for query in ("leave_deals", "leave_leads"):
                db.write(query, contact_id=other.id)
            db.write("merge_contact", **both)
        everybody = (present, *others)
        homes = [one.organization_id for one in everybody if one.organization_id is not None]
        return edit_contact(
            db,
            replace(
                present,
                addresses=tuple(address for one in everybody for address in one.addresses),
                phones=tuple(phone for one in everybody for phone in one.phones),
                notes="\n\n".join(dict.fromkeys(one.notes for one in everybody if one.notes)),
                title=next((one.title for one in everybody if one.title), ""),
                organization_id=homes[0] if homes else None,
            ),
        )


def our_addresses(db: Database, addresses: Iterable[str]) -> set[str]:
    """Return those of `addresses` that are our own, with or without their tag: the rule never links them."""
    plain = {address: without_tag(address) for address in addresses}
    ours = {row["address"] for row in db.read("our_addresses", texts=sorted({*plain, *plain.values()}))}
    return {address for address, untagged in plain.items() if {address, untagged} & ours}


def correspondent(db: Database, thread: ThreadRow, address: str | None = None) -> tuple[str, str]:
    """Return name and address of the person outside of a thread who is no contact yet.

    It is who wrote an email, else who got ours, else who is named beside us in one by a person; the newest
    email has the name. One whose sender may be forged names nobody. `address` picks any of its people, whose
    name such an email does not say. Raises NotFound, or NeedsChoice for several or one who may be forged.
    """
    rows = db.read("strangers", thread_id=thread.id)
    sure = [row for row in rows if not row["doubtful"]]
    people: dict[str, str] = {}
    if address is not None:
        if all(row["address"] != address for row in rows):
            raise NotFound(
                f"{address} is not among the people of thread {thread.id} who are no contacts yet.",
                hint=f"See who they are: mailcrm thread show {thread.id}",
            )
        people = _called([row for row in sure if row["address"] == address]) or {address: address}
    else:
        by_people = [row for row in sure if not row["automatic"]]
        people = (
            _called([row for row in by_people if row["role"] == "from"])
            or _called([row for row in sure if row["direction"] == "out"])
            or _called(by_people)
        )
    if not people:
        doubtful = sorted({row["address"] for row in rows if row["doubtful"] and row["role"] == "from"})
        if doubtful:
            raise NeedsChoice(
                f"The sender of thread {thread.id} may be forged; if you know better: --address ADDRESS",
                candidates=doubtful[: records.MOST_CANDIDATES],
            )
        raise NotFound(
            f"Nobody in thread {thread.id} is left to become a contact: all are known, ours, or programs.",
            hint="Make one by hand: mailcrm contact create NAME --address ADDRESS",
        )
    if len(people) > 1:
        raise NeedsChoice(
            f"{len(people)} people of thread {thread.id} are no contacts yet; pick one: --address ADDRESS",
            candidates=[found if name == found else f"{found} {name}" for found, name in people.items()][
                : records.MOST_CANDIDATES
            ],
        )
    ((found, name),) = people.items()
    return name[: records.NAME_CHARACTERS], found


def _called(rows: Iterable[Row]) -> dict[str, str]:
    """Return the first name that there is for each address, or the address."""
    people: dict[str, str] = {}
    for row in rows:
        found = row["address"]
        if people.get(found, found) == found:
            people[found] = called(row["name"], found)
    return people


def names(db: Database, ids: Iterable[int]) -> dict[int, str]:
    """Return the names of these contacts by number."""
    return {row["id"]: row["name"] for row in db.read("contacts_by_id", ids=sorted(ids))}


def _fields(*, name: str, title: str, notes: str) -> Mapping[str, str]:
    return {
        "name": records.name(name, "contact"),
        "title": records.brief(title, "a title"),
        "notes": records.notes(notes),
    }


def _phones(phones: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found for text in phones if (found := records.brief(text, "a phone number"))))


def _hold(db: Database, *known: Contact) -> None:
    """Let nobody else change these contacts in this transaction; raises NotFound for one that is no more."""
    rows = db.read("lock_contacts", ids=[one.id for one in known])
    merged = {row["id"]: row["merged_into_id"] for row in rows}
    for one in known:
        if merged.get(one.id, one.id) is not None:
            raise NotFound(f"Contact {one.id} {one.name} has just been merged or deleted.")


def _require_free(db: Database, addresses: Iterable[str]) -> None:
    for row in db.read("contacts_by_address", texts=sorted(addresses)):
        raise AlreadyExists(
            f"{row['address']} belongs to {row['name']} (contact {row['id']}).",
            hint="An address belongs to one contact; to make one of two: mailcrm contact merge KEEP OTHER",
        )


def _put_addresses(db: Database, contact_id: int, before: Sequence[str], after: Sequence[str]) -> None:
    for address in before:
        if address not in after:
            db.write("remove_contact_address", address=address, contact_id=contact_id)
    for position, address in enumerate(after):
        if address not in before:
            db.write("add_contact_address", address=address, contact_id=contact_id, position=position)
        elif before.index(address) != position:
            db.write("move_contact_address", address=address, contact_id=contact_id, position=position)


def _put_phones(db: Database, contact_id: int, phones: Sequence[str]) -> None:
    db.write("remove_contact_phones", contact_id=contact_id)
    for position, phone in enumerate(dict.fromkeys(phones)):
        db.write("add_contact_phone", contact_id=contact_id, position=position, phone=phone)


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

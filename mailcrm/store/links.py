"""The links from threads to contacts, deals and leads, what was refused, and what the rule needs to know."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from mailcrm.core.errors import NotFound
from mailcrm.core.links import LinkDecision, LinkedItem, Named, Reason, ThreadFacts
from mailcrm.core.model import Account, Contact, Deal, Item, ItemKind, Lead, Link, LinkOrigin
from mailcrm.store.database import Database, Row

#: Threads from which is learned who tests an account's mail, and how many of their emails must agree.
_NEWEST_THREADS = 200
_ENOUGH = 3


def links(db: Database, thread_ids: Sequence[int]) -> list[Link]:
    """Return the links of threads."""
    found = {}
    for row in db.read("links", ids=thread_ids):
        target = (row["thread_id"], row["contact_id"], row["deal_id"], row["lead_id"])
        found[target] = Link(
            thread_id=row["thread_id"],
            contact_id=row["contact_id"],
            deal_id=row["deal_id"],
            lead_id=row["lead_id"],
            title=row["title"],
            origin=LinkOrigin(row["origin"]),
        )
    return list(found.values())


def add_link(
    db: Database, thread_id: int, record: Contact | Deal | Lead, origin: LinkOrigin, *, at: datetime
) -> None:
    """Link a thread for a person: an item takes the place of the one before, a refusal is taken back."""
    target = _target(thread_id, record)
    with db.transaction():
        db.read("lock_threads", ids=[thread_id])
        db.write("remove_refusal", **target)
        if isinstance(record, Contact):
            db.write("remove_link", **target)
        else:
            db.write("remove_item_links", thread_id=thread_id)
        db.write("add_link", origin=origin, linked_by=db.viewer.id, linked_at=at, **target)


def remove_link(db: Database, thread_id: int, record: Contact | Deal | Lead, *, at: datetime) -> None:
    """Take a link away and remember it, so that the rule does not make it again; raises NotFound."""
    target = _target(thread_id, record)
    with db.transaction():
        refused = {"refused_by": db.viewer.id, "refused_at": at}
        db.write("refuse_links", **target, **refused)
        if not db.write("remove_link", **target):
            raise NotFound(f"Thread {thread_id} is not linked to that.")
        db.write("add_refusal", **target, **refused)


def refuse(db: Database, targets: Iterable[Mapping[str, int | None]], *, at: datetime) -> None:
    """Remember links that a person does not want; `targets` name a thread and what it is not linked to."""
    db.write_many(
        "add_refusal", [{**target, "refused_by": db.viewer.id, "refused_at": at} for target in targets]
    )


def _target(thread_id: int, record: Contact | Deal | Lead) -> dict[str, int | None]:
    return {
        "thread_id": thread_id,
        "contact_id": record.id if isinstance(record, Contact) else None,
        "deal_id": record.id if isinstance(record, Deal) else None,
        "lead_id": record.id if isinstance(record, Lead) else None,
    }


def usual_authserv(db: Database, account: Account) -> str | None:
    """Return who tests the account's incoming mail (authserv-id of RFC 8601, 2.5), as its newest emails tell.

    Anybody can write such a field into a mail that they send; only what the account's own provider put on top
    says something.
    """
    for row in db.read("usual_authserv", account_id=account.id, limit=_NEWEST_THREADS):
        if row["count"] >= _ENOUGH:
            name: str = row["authserv_id"]
            return name
    return None


def thread_facts(db: Database, account: Account, thread_ids: Sequence[int]) -> dict[int, ThreadFacts]:
    """Return what the automatic rule needs to know of each thread of an account."""
    named: dict[int, dict[int, Named]] = defaultdict(dict)
    for row in db.read("thread_contacts", ids=thread_ids, authserv_id=usual_authserv(db, account)):
        named[row["thread_id"]][row["contact_id"]] = _named(row)
    linked: dict[int, set[int]] = defaultdict(set)
    chosen: dict[int, set[int]] = defaultdict(set)
    for link in links(db, thread_ids):
        if link.contact_id is not None:
            linked[link.thread_id].add(link.contact_id)
            if link.origin is not LinkOrigin.AUTO:
                chosen[link.thread_id].add(link.contact_id)
    items: dict[int, list[LinkedItem]] = defaultdict(list)
    for row in db.read("linked_items", ids=thread_ids):
        one = LinkedItem(item=_item(row), open=bool(row["open"]), overtaken=bool(row["overtaken"]))
        items[row["thread_id"]].append(one)
    refused_contacts: dict[int, set[int]] = defaultdict(set)
    refused_items: dict[int, set[Item]] = defaultdict(set)
    for row in db.read("refusals", ids=thread_ids):
        if row["contact_id"] is not None:
            refused_contacts[row["thread_id"]].add(row["contact_id"])
        elif row["deal_id"] is not None:
            refused_items[row["thread_id"]].add(Item(ItemKind.DEAL, row["deal_id"]))
        else:
            refused_items[row["thread_id"]].add(Item(ItemKind.LEAD, row["lead_id"]))
    people = {key for found in (*named.values(), *linked.values()) for key in found}
    open_items: dict[int, set[Item]] = defaultdict(set)
    for row in db.read("open_items_of_contacts", ids=sorted(people)):
        open_items[row["contact_id"]].add(_item(row))
    return {
        key: ThreadFacts(
            named=named[key],
            linked=linked[key],
            chosen=chosen[key],
            items=tuple(items[key]),
            refused_contacts=refused_contacts[key],
            refused_items=refused_items[key],
            open_items=open_items,
        )
        for key in sorted({*named, *linked})
    }


def unknown_people(
    db: Database, account: Account, thread_ids: Sequence[int], *, writers: bool, most: int
) -> dict[str, str]:
    """Return names by address of those whom the account wrote to in these threads and who are no contacts.

    With `writers` those who wrote to it as well; emails with over `most` people tell nothing.
    """
    rows = db.read(
        "unknown_people",
        ids=thread_ids,
        writers=writers,
        most=most,
        authserv_id=usual_authserv(db, account),
    )
    return {row["address"]: row["name"] for row in rows}


def _named(row: Row) -> Named:
    if row["trust"]:
        return Named(personal=row["trust"] > 1)
    doubt = Reason.FAILED_AUTHENTICATION if row["failed"] else Reason.AMBIGUOUS_FROM
    return Named(personal=False, doubt=doubt)


def _item(row: Row) -> Item:
    return Item(ItemKind(row["kind"]), row["id"])


def add_automatic_links(db: Database, decisions: Mapping[int, LinkDecision], *, at: datetime) -> None:
    """Store the links that the automatic rule decided on, by thread."""
    made = {"linked_by": db.viewer.id, "linked_at": at}
    rows = [
        {"thread_id": thread_id, "contact_id": contact_id, "deal_id": None, "lead_id": None, **made}
        for thread_id, decision in decisions.items()
        for contact_id in sorted(decision.contacts)
    ]
    rows += [
        {"thread_id": thread_id, "contact_id": None, **of_item(decision.item), **made}
        for thread_id, decision in decisions.items()
        if decision.item is not None
    ]
    db.write_many("add_automatic_link", rows)


def of_item(item: Item) -> dict[str, int | None]:
    """Return the two columns that name an item."""
    deal = item.kind is ItemKind.DEAL
    return {"deal_id": item.id if deal else None, "lead_id": None if deal else item.id}


def due_threads(db: Database, account: Account) -> list[int]:
    """Return the threads of an account to which something came since the rule looked at them."""
    return [row["id"] for row in db.read("due_threads", account_id=account.id)]


def mark_due(db: Database, thread_ids: Iterable[int]) -> None:
    """Let the rule look at threads at the end of this sync, or else of the next one."""
    db.write("mark_due", ids=sorted(thread_ids))


def mark_decided(db: Database, thread_ids: Sequence[int]) -> None:
    """Remember that the rule has looked at threads."""
    db.write("mark_decided", ids=thread_ids)


def threads_of_account(db: Database, account: Account, *, since: datetime | None) -> list[int]:
    """Return the threads of an account, or those with mail that came at `since` or later."""
    return [row["id"] for row in db.read("threads_of_account", account_id=account.id, since=since)]


def threads_of_contacts(db: Database, account: Account, contact_ids: Iterable[int]) -> list[int]:
    """Return the threads of an account that name one of these contacts or are linked to one."""
    rows = db.read("threads_of_contacts", account_id=account.id, ids=sorted(contact_ids))
    return [row["id"] for row in rows]

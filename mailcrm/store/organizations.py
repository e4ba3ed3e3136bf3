"""Organizations: the companies outside, with the domains by which mail finds their people."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mailcrm.core.addresses import normalise
from mailcrm.core.errors import AlreadyExists
from mailcrm.core.free_mail import above, organization_domain
from mailcrm.core.model import Organization
from mailcrm.store import records
from mailcrm.store.database import Database, Row


def organizations(db: Database, *, limit: int) -> list[Organization]:
    """Return organizations by name."""
    return _organizations(db, db.read("organizations", limit=limit))


def organization(db: Database, text: str) -> Organization:
    """Return the one with this number, domain, name or its beginning; raises NotFound or NeedsChoice."""
    rows: list[Row] = []
    if records.is_id(text):
        rows = db.read("organizations_by_id", ids=[int(text)])
    domain = (normalise(f"x@{text.strip()}") or "").partition("@")[2]
    rows = rows or _at(db, [domain])
    rows = rows or db.read("organizations_by_id", ids=records.named(db.read("organization_names"), text))
    return records.only(
        _organizations(db, rows), "organization", text, lambda one: (one.id, one.name, ", ".join(one.domains))
    )


def create_organization(
    db: Database, *, name: str, domains: Iterable[str] = (), notes: str = "", owner_id: int | None = None
) -> Organization:
    """Add an organization, the viewer's unless `owner_id` names another member.

    `domains` may be URLs and addresses. Raises AlreadyExists when another organization has one of them,
    UsageError for one that no organization can have.
    """
    called = records.name(name, "organization")
    told = records.notes(notes)
    wanted = dict.fromkeys(organization_domain(text) for text in domains)
    with db.transaction():
        _require_free(db, wanted)
        organization_id = db.insert(
            "create_organization", name=called, owner_id=owner_id or db.viewer.id, notes=told
        )
        _add_domains(db, organization_id, wanted)
    return organization(db, str(organization_id))


def edit_organization(db: Database, changed: Organization) -> Organization:
    """Store an organization as it is now: one that was read, with other values; raises as creating does."""
    called = records.name(changed.name, "organization")
    told = records.notes(changed.notes)
    wanted = dict.fromkeys(organization_domain(text) for text in changed.domains)
    with db.transaction():
        before = organization(db, str(changed.id)).domains
        added = [domain for domain in wanted if domain not in before]
        _require_free(db, added)
        with records.handing_on("organization"):
            db.write("edit_organization", id=changed.id, name=called, owner_id=changed.owner_id, notes=told)
        for domain in before:
            if domain not in wanted:
                db.write("remove_organization_domain", domain=domain, organization_id=changed.id)
        _add_domains(db, changed.id, added)
    return organization(db, str(changed.id))


def delete_organization(db: Database, known: Organization) -> None:
    """Remove an organization; its contacts, deals and leads stay. Raises NotPermitted."""
    records.delete(db, "delete_organization", known.id, "organization")


def organization_at(db: Database, addresses: Iterable[str]) -> Organization | None:
    """Return the organization of the first of these addresses that is at a known domain, or below one."""
    for address in addresses:
        rows = _at(db, above(address.rpartition("@")[2]))
        if rows:
            return _organizations(db, rows)[0]
    return None


def used_by(db: Database, known: Organization) -> tuple[int, int, int]:
    """Return how many contacts, deals and leads an organization has."""
    (row,) = db.read("organization_used", id=known.id)
    return row["contacts"], row["deals"], row["leads"]


def _at(db: Database, domains: Sequence[str]) -> list[Row]:
    """Return the organization with the first of these domains that one has."""
    owners = {row["domain"]: row["organization_id"] for row in db.read("domain_owners", texts=domains)}
    for domain in domains:
        if domain in owners:
            return db.read("organizations_by_id", ids=[owners[domain]])
    return []


def _require_free(db: Database, domains: Iterable[str]) -> None:
    for domain in domains:
        for row in _at(db, [domain]):
            raise AlreadyExists(
                f"{domain} belongs to {row['name']} (organization {row['id']}).",
                hint="A domain belongs to one organization.",
            )


def _add_domains(db: Database, organization_id: int, domains: Iterable[str]) -> None:
    for domain in domains:
        db.write("add_organization_domain", domain=domain, organization_id=organization_id)


def _organizations(db: Database, rows: Sequence[Row]) -> list[Organization]:
    domains: dict[int, list[str]] = defaultdict(list)
    for row in db.read("organization_domains", ids=[row["id"] for row in rows]):
        domains[row["organization_id"]].append(row["domain"])
    return [
        Organization(
            id=row["id"],
            name=row["name"],
            owner_id=row["owner_id"],
            domains=tuple(domains[row["id"]]),
            notes=row["notes"],
        )
        for row in rows
    ]

"""Many records at once: what is new is made, what is there gains what it lacks, and nothing is overwritten.

A contact is recognised by an address, or by its name where a table gives none; an organization by its name
or a domain; a deal or lead by title, organization and contacts. What a table says is left to
`mailcrm.core.imports`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from mailcrm.core.csv_files import BadRow
from mailcrm.core.free_mail import above
from mailcrm.core.import_values import Unreadable
from mailcrm.core.imports import ImportedContact, ImportedDeal, ImportedLead, ImportedOrganization, Record
from mailcrm.core.model import DealStatus, LeadStatus
from mailcrm.store import contacts, labels, pipelines
from mailcrm.store.database import Database


@dataclass(kw_only=True, slots=True, eq=False)
class _Company:
    """An organization of the store, or one to be made: that has no id yet."""

    id: int | None
    name: str
    owner_id: int | None = None
    added_domains: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True, eq=False)
class _Person:
    """A contact of the store, or one to be made: that has no id yet."""

    id: int | None
    name: str
    company: _Company | None
    title: str = ""
    notes: str = ""
    owner_id: int | None = None
    addresses: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    added_addresses: list[str] = field(default_factory=list)
    added_phones: list[str] = field(default_factory=list)
    filled: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class _Step:
    """A stage of the store, or one to be made, maybe with its pipeline."""

    id: int | None
    name: str
    pipeline_id: int | None
    pipeline: str


@dataclass(kw_only=True, slots=True, eq=False)
class _Item:
    """A deal or lead to be made."""

    record: ImportedDeal | ImportedLead
    company: _Company | None
    people: list[_Person]
    owner_id: int
    step: _Step | None


@dataclass(kw_only=True, slots=True)
class ImportPlan:
    """What an import will do, and which rows it leaves out; `also_made` says in words what comes with it."""

    made: int = 0
    completed: int = 0
    unchanged: int = 0
    bad: list[BadRow] = field(default_factory=list)
    companies: dict[_Company, None] = field(default_factory=dict)
    people: dict[_Person, None] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)
    items: list[_Item] = field(default_factory=list)
    also_made: list[str] = field(default_factory=list)

    def contact_ids(self) -> list[int]:
        """Return the contacts whose mail an import that was carried out may link."""
        people = dict.fromkeys((*self.people, *(person for item in self.items for person in item.people)))
        return [person.id for person in people if person.id is not None]


def plan_import(db: Database, records: Sequence[Record], *, pipeline: str | None = None) -> ImportPlan:
    """Return what an import of these records will do; nothing is written.

    Deals without a pipeline are for the one called `pipeline`.
    """
    planning = _Planning(db, records, pipeline)
    plan = planning.plan
    for record in records:
        try:
            outcome = planning.add(record)
        except Unreadable as error:
            plan.bad += [BadRow(line=line, reason=str(error)) for line in record.lines]
            continue
        match outcome:
            case True:
                plan.made += 1
            case False:
                plan.unchanged += 1
            case None:
                plan.completed += 1
    plan.bad.sort(key=lambda row: row.line)
    return plan


class _Planning:
    """What the store holds, and what the plan adds to it, by the words that a table finds it with."""

    def __init__(self, db: Database, records: Sequence[Record], pipeline: str | None) -> None:
        self.viewer_id = db.viewer.id
        self.pipeline = pipeline
        self.plan = ImportPlan()
        named = {
            address
            for record in records
            if not isinstance(record, ImportedOrganization)
            for address in (
                record.addresses if isinstance(record, ImportedContact) else record.contact_addresses
            )
        }
        self.ours = contacts.our_addresses(db, named)
        self.owners: dict[str, int] = {
            word.casefold(): row["id"]
            for row in db.read("import_owners")
            for word in (row["name"], row["address"])
        }
        self._read_companies(db)
        self._read_people(db)
        self.items: dict[tuple[type, str, _Company | None], list[set[_Person]]] = defaultdict(list)
        kinds = {type(record) for record in records}
        if ImportedDeal in kinds:
            self._read_items(db, ImportedDeal, "import_deals", "import_deal_contacts")
        if ImportedLead in kinds:
            self._read_items(db, ImportedLead, "import_leads", "import_lead_contacts")
        self.steps = [
            _Step(id=stage.id, name=stage.name, pipeline_id=one.id, pipeline=one.name)
            for one in pipelines.pipelines(db)
            for stage in one.stages
        ]

    def _read_companies(self, db: Database) -> None:
        self.by_id = {
            row["id"]: _Company(id=row["id"], name=row["name"]) for row in db.read("import_organizations")
        }
        self.companies: dict[str, _Company] = {}
        for company in self.by_id.values():
            self.companies.setdefault(company.name.casefold(), company)
        # What a colleague has just deleted is passed over, here and below.
        self.domains = {
            row["domain"]: self.by_id[row["organization_id"]]
            for row in db.read("import_domains")
            if row["organization_id"] in self.by_id
        }

    def _read_people(self, db: Database) -> None:
        self.people = {
            row["id"]: _Person(
                id=row["id"],
                name=row["name"],
                company=self.by_id.get(row["organization_id"]),
                title=row["title"],
                notes=row["notes"],
                owner_id=row["owner_id"],
            )
            for row in db.read("import_contacts")
        }
        self.addresses: dict[str, _Person] = {}
        for row in db.read("import_addresses"):
            if row["contact_id"] in self.people:
                person = self.people[row["contact_id"]]
                person.addresses.append(row["address"])
                self.addresses[row["address"]] = person
        for row in db.read("import_phones"):
            if row["contact_id"] in self.people:
                self.people[row["contact_id"]].phones.append(row["phone"])
        self.names: dict[str, list[_Person]] = defaultdict(list)
        for person in self.people.values():
            self.names[person.name.casefold()].append(person)

    def _read_items(self, db: Database, kind: type, query: str, of_contacts: str) -> None:
        people: dict[int, set[_Person]] = defaultdict(set)
        for row in db.read(of_contacts):
            if row["contact_id"] in self.people:
                people[row["item_id"]].add(self.people[row["contact_id"]])
        for row in db.read(query):
            key = (kind, row["title"].casefold(), self.by_id.get(row["organization_id"]))
            self.items[key].append(people[row["id"]])

    def add(self, record: Record) -> bool | None:
        """Plan a record: True when it is new, None when it adds to what is there, False when it does not.

        Raises Unreadable for one that contradicts the store.
        """
        match record:
            case ImportedContact():
                return self._add_contact(record)
            case ImportedOrganization():
                return self._add_organization(record)
            case ImportedDeal():
                return self._add_item(record, self._step(record))
            case ImportedLead():
                return self._add_item(record, None)

    def _add_contact(self, record: ImportedContact) -> bool | None:
        person = self._known_contact(record)
        if person is None:
            # Only now, so that a bad row makes no organization.
            self._new_person(
                _Person(
                    id=None,
                    name=record.name,
                    company=self._company(record.organization) or self._company_at(record.addresses),
                    title=record.title or "",
                    notes=record.notes or "",
                    owner_id=self._owner(record.owner),
                    added_addresses=list(record.addresses),
                    added_phones=list(record.phones),
                )
            )
            return True
        addresses = [each for each in record.addresses if self.addresses.get(each) is not person]
        phones = [each for each in record.phones if each not in (*person.phones, *person.added_phones)]
        person.added_addresses += addresses
        person.added_phones += phones
        self.addresses |= dict.fromkeys(addresses, person)
        filled = False
        if person.name in person.addresses and record.name not in record.addresses:
            # Whoever has no name is called by the address.
            person.name, filled = record.name, True
        if person.company is None and record.organization:
            person.company, filled = self._company(record.organization), True
        if not person.title and record.title:
            person.title, filled = record.title, True
        if not person.notes and record.notes:
            person.notes, filled = record.notes, True
        if not (filled or addresses or phones):
            return False
        # One that is made by an earlier row is written once.
        person.filled |= filled and person.id is not None
        self.plan.people[person] = None
        return None

    def _known_contact(self, record: ImportedContact) -> _Person | None:
        for address in record.addresses:
            if address in self.ours:
                raise Unreadable(f"{address} is one of our own: a member's or an account's")
        found = {
            self.addresses[address]: address for address in record.addresses if address in self.addresses
        }
        if len(found) > 1:
            told = " and ".join(f"{address} to {person.name}" for person, address in found.items())
            raise Unreadable(f"its addresses belong to several contacts: {told}")
        if found or record.addresses:
            return next(iter(found), None)
        company = (record.organization or "").casefold()
        same = [
            person
            for person in self.names[record.name.casefold()]
            if (person.company.name.casefold() if person.company else "") == company
        ]
        # A row without an address made a contact without one when it was imported before.
        same = [person for person in same if not (person.addresses or person.added_addresses)] or same
        if len(same) > 1:
            raise Unreadable(f"there are {len(same)} contacts {record.name}, and it has no address")
        return same[0] if same else None

    def _new_person(self, person: _Person) -> _Person:
        self.plan.people[person] = None
        self.names[person.name.casefold()].append(person)
        self.addresses |= dict.fromkeys(person.added_addresses, person)
        return person

    def _add_organization(self, record: ImportedOrganization) -> bool | None:
        company = self.companies.get(record.name.casefold())
        at = {self.domains[domain]: domain for domain in record.domains if domain in self.domains}
        if company is not None:
            at.pop(company, None)
        if at and (company is not None or len(at) > 1):
            other, domain = next(iter(at.items()))
            raise Unreadable(f"{domain} belongs to {other.name}")
        company = company or next(iter(at), None)
        new = company is None
        if company is None:
            company = self._new_company(record.name, self._owner(record.owner))
        domains = [domain for domain in record.domains if domain not in self.domains]
        company.added_domains += domains
        self.domains |= dict.fromkeys(domains, company)
        if domains:
            self.plan.companies[company] = None
        return True if new else None if domains else False

    def _new_company(self, name: str, owner_id: int) -> _Company:
        company = _Company(id=None, name=name, owner_id=owner_id)
        self.plan.companies[company] = None
        self.companies[name.casefold()] = company
        return company

    def _company(self, name: str | None) -> _Company | None:
        """Return the organization of this name, which is made when there is none."""
        if name is None:
            return None
        company = self.companies.get(name.casefold())
        if company is None:
            company = self._new_company(name, self.viewer_id)
            self.plan.also_made.append(f"organization {name}")
        return company

    def _company_at(self, addresses: Iterable[str]) -> _Company | None:
        """Return the organization that has the domain of an address, as `create_contact` does."""
        found = (
            self.domains[domain]
            for address in addresses
            for domain in above(address.rpartition("@")[2])
            if domain in self.domains
        )
        return next(found, None)

    def _add_item(self, record: ImportedDeal | ImportedLead, step: _Step | None) -> bool:
        people = self._people(record)
        company = self._company(record.organization)
        same = self.items[type(record), record.title.casefold(), company]
        if any(set(people) <= others for others in same):
            return False
        if step is not None and step.id is None and step not in self.plan.steps:
            self.plan.steps.append(step)
            self.steps.append(step)
            self.plan.also_made.append(f"stage {step.name} of pipeline {step.pipeline}")
        same.append(set(people))
        self.plan.items.append(
            _Item(
                record=record, company=company, people=people, owner_id=self._owner(record.owner), step=step
            )
        )
        return True

    def _people(self, record: ImportedDeal | ImportedLead) -> list[_Person]:
        """Return the contacts that a deal or lead names; one with an address is made. Raises Unreadable."""
        addresses = [each for each in record.contact_addresses if each not in self.ours]
        known = [self.addresses[each] for each in addresses if each in self.addresses]
        if known:
            return list(dict.fromkeys(known))
        if record.contact is not None:
            named = self.names[record.contact.casefold()]
            company = (record.organization or "").casefold()
            if len(named) > 1:
                named = [each for each in named if each.company and each.company.name.casefold() == company]
                if len(named) != 1:
                    raise Unreadable(
                        f"there are several contacts {record.contact}; add a column of addresses"
                    )
            if named:
                return named[:1]
        if addresses:
            called = record.contact or addresses[0]
            self.plan.also_made.append(f"contact {called}")
            person = _Person(
                id=None,
                name=called,
                company=self._company(record.organization),
                owner_id=self.viewer_id,
                added_addresses=addresses,
            )
            return [self._new_person(person)]
        if record.contact is not None:
            raise Unreadable(f"there is no contact {record.contact}; import the contacts first")
        return []

    def _step(self, record: ImportedDeal) -> _Step:
        """Return the stage of a deal, which is made when the record names its pipeline, too."""
        pipeline = record.pipeline or self.pipeline
        of_pipeline = [
            step for step in self.steps if pipeline is None or step.pipeline.casefold() == pipeline.casefold()
        ]
        if record.stage is None:
            if not of_pipeline:
                raise Unreadable(f"there is no pipeline {pipeline}, and it names no stage")
            return of_pipeline[0]
        for step in of_pipeline:
            if step.name.casefold() == record.stage.casefold():
                return step
        if pipeline is None:
            raise Unreadable(
                f"no pipeline has a stage {record.stage}; name the pipeline, too, and it is made"
            )
        known = of_pipeline[0] if of_pipeline else None
        return _Step(
            id=None,
            name=record.stage,
            pipeline_id=known.pipeline_id if known else None,
            pipeline=known.pipeline if known else pipeline,
        )

    def _owner(self, name: str | None) -> int:
        return self.owners.get((name or "").casefold(), self.viewer_id)


def carry_out(db: Database, plan: ImportPlan, *, at: datetime) -> None:
    """Do what a plan says, together or not at all; raises AlreadyExists when the store changed meanwhile."""
    with db.transaction():
        _put_companies(db, list(plan.companies))
        _put_people(db, list(plan.people))
        _put_steps(db, plan.steps)
        _put_items(db, plan.items, at)


def _put_companies(db: Database, companies: Sequence[_Company]) -> None:
    new = [company for company in companies if company.id is None]
    rows = ({"name": company.name, "owner_id": company.owner_id, "notes": ""} for company in new)
    for company, made in zip(new, db.insert_many("create_organization", rows), strict=True):
        company.id = made
    db.write_many(
        "add_organization_domain",
        [
            {"domain": domain, "organization_id": company.id}
            for company in companies
            for domain in company.added_domains
        ],
    )


def _put_people(db: Database, people: Sequence[_Person]) -> None:
    new = [person for person in people if person.id is None]
    for person, made in zip(new, db.insert_many("create_contact", map(_fields, new)), strict=True):
        person.id = made
    filled = [person for person in people if person.filled]
    db.write_many("edit_contact", [{"id": person.id, **_fields(person)} for person in filled])
    db.write_many(
        "add_contact_address",
        [
            {"address": address, "contact_id": person.id, "position": position}
            for person in people
            for position, address in enumerate(person.added_addresses, start=len(person.addresses))
        ],
    )
    db.write_many(
        "add_contact_phone",
        [
            {"contact_id": person.id, "position": position, "phone": phone}
            for person in people
            for position, phone in enumerate(person.added_phones, start=len(person.phones))
        ],
    )


def _fields(person: _Person) -> dict[str, object]:
    return {
        "name": person.name,
        "owner_id": person.owner_id,
        "organization_id": person.company.id if person.company else None,
        "title": person.title,
        "notes": person.notes,
    }


def _put_steps(db: Database, steps: Iterable[_Step]) -> None:
    made: dict[str, int] = {}
    for step in steps:
        if step.pipeline_id is None:
            folded = step.pipeline.casefold()
            if folded not in made:
                made[folded] = db.insert("create_pipeline", name=step.pipeline)
            step.pipeline_id = made[folded]
        step.id = db.insert("import_stage", pipeline_id=step.pipeline_id, name=step.name)


def _put_items(db: Database, items: Sequence[_Item], at: datetime) -> None:
    deals = [item for item in items if isinstance(item.record, ImportedDeal)]
    leads = [item for item in items if isinstance(item.record, ImportedLead)]
    of_deals = db.insert_many("import_deal", [_row(item, at) for item in deals])
    of_leads = db.insert_many("import_lead", [_row(item, at) for item in leads])
    db.write_many(
        "add_deal_contact",
        [
            {"deal_id": key, "contact_id": person.id}
            for key, item in zip(of_deals, deals, strict=True)
            for person in item.people
        ],
    )
    db.write_many(
        "add_lead_contact",
        [
            {"lead_id": key, "contact_id": person.id}
            for key, item in zip(of_leads, leads, strict=True)
            for person in item.people
        ],
    )
    words: dict[str, str] = {}
    for item in leads:
        for word in item.record.labels if isinstance(item.record, ImportedLead) else ():
            words.setdefault(word.casefold(), word)
    known = {label.name.casefold(): label.id for label in labels.made_labels(db, words.values())}
    db.write_many(
        "add_lead_label",
        [
            {"lead_id": key, "label_id": known[word.casefold()]}
            for key, item in zip(of_leads, leads, strict=True)
            if isinstance(item.record, ImportedLead)
            for word in dict.fromkeys(item.record.labels)
        ],
    )


def _row(item: _Item, at: datetime) -> dict[str, object]:
    """Return a deal or lead as it is stored; when it was closed is as it says, or now."""
    record = item.record
    row: dict[str, object] = {
        "title": record.title,
        "owner_id": item.owner_id,
        "organization_id": item.company.id if item.company else None,
        "value": record.money.value if record.money else None,
        "currency": record.money.currency if record.money else None,
        "at": at,
    }
    match record:
        case ImportedDeal(status=status, closed=closed, expected_close=close):
            since = datetime.combine(closed, time(), UTC) if closed else at
            return row | {
                "status": status,
                "stage_id": item.step.id if item.step else None,
                "expected_close": close.isoformat() if close else None,
                "closed_at": None if status is DealStatus.OPEN else since,
            }
        case ImportedLead(archived=archived):
            return row | {
                "status": LeadStatus.ARCHIVED if archived else LeadStatus.OPEN,
                "closed_at": at if archived else None,
            }

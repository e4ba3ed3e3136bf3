"""What the rows of a table say: contacts, organizations, deals and leads, or why a row says none.

Each row is in one of the records or is a bad row. Which of them are in the store already is left to
`mailcrm.store.imports`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias

from mailcrm.core.csv_files import BadRow, CsvFile, CsvRow
from mailcrm.core.import_columns import Column, Kind
from mailcrm.core.import_values import (
    NAME_CHARACTERS,
    NOTES_CHARACTERS,
    Money,
    Unreadable,
    closed_stage,
    currency_code,
    day,
    day_first,
    deal_status,
    decimal_mark,
    domains,
    full_name,
    is_archived,
    labels,
    mailboxes,
    money,
    name,
    phones,
)
from mailcrm.core.model import DealStatus

#: What a program writes before an address to say which one it is.
_KINDS_OF_ADDRESS = frozenset({"work", "home", "other"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedContact:
    """A person; `lines` are the rows that say so, more than one when they share name and address."""

    lines: tuple[int, ...]
    name: str
    addresses: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    organization: str | None = None
    title: str | None = None
    notes: str | None = None
    owner: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedOrganization:
    """An organization and the domains of its web sites."""

    lines: tuple[int, ...]
    name: str
    domains: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedDeal:
    """A deal; contact and organization are named as the table names them."""

    lines: tuple[int, ...]
    title: str
    money: Money | None = None
    stage: str | None = None
    pipeline: str | None = None
    status: DealStatus = DealStatus.OPEN
    contact: str | None = None
    contact_addresses: tuple[str, ...] = ()
    organization: str | None = None
    expected_close: date | None = None
    closed: date | None = None
    owner: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedLead:
    """A lead; contact and organization are named as the table names them."""

    lines: tuple[int, ...]
    title: str
    money: Money | None = None
    contact: str | None = None
    contact_addresses: tuple[str, ...] = ()
    organization: str | None = None
    archived: bool = False
    labels: tuple[str, ...] = ()
    owner: str | None = None


Record: TypeAlias = ImportedContact | ImportedOrganization | ImportedDeal | ImportedLead


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """The records of a file in its order, and the rows that are none."""

    records: tuple[Record, ...]
    bad: tuple[BadRow, ...]


def read_records(
    kind: Kind,
    file: CsvFile,
    columns: Iterable[Column],
    *,
    mark: str | None = None,
    days_first: bool | None = None,
) -> Imported:
    """Return what the rows of a table say.

    `mark` is the mark before the cents, `days_first` whether dates have the day before the month, where a
    person says so; else the columns are asked.
    """
    positions: dict[str, list[int]] = defaultdict(list)
    for column in columns:
        if column.field is not None:
            positions[column.field].append(column.position)

    def whole_column(name_of_field: str) -> list[str]:
        places = positions.get(name_of_field, ())
        return [row.cells[place] for row in file.rows if isinstance(row, CsvRow) for place in places]

    dates = [cell for field in ("expected_close", "won", "lost") for cell in whole_column(field)]
    reading = _Reading(
        positions=positions,
        mark=mark or decimal_mark(whole_column("value")),
        days_first=day_first(dates) if days_first is None else days_first,
    )
    read = _READERS[kind]
    said: list[Record] = []
    bad: list[BadRow] = []
    for row in file.rows:
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        try:
            said.append(read(reading, row))
        except Unreadable as error:
            bad.append(BadRow(line=row.line, reason=str(error)))
    united = unite(said)
    return replace(united, bad=tuple(sorted((*bad, *united.bad), key=lambda each: each.line)))


def unite(said: Iterable[Record]) -> Imported:
    """Return records with each person and organization once; what contradicts an earlier one is a bad row."""
    records: list[Record] = []
    bad: list[BadRow] = []
    # Which record has an address, a domain, a name; the record at an index only ever gains.
    known: dict[tuple[str, ...], int] = {}
    for record in said:
        keys = _keys(record)
        places = {known[key] for key in keys if key in known}
        if not places:
            known |= dict.fromkeys(keys, len(records))
            records.append(record)
        elif len(places) == 1 and (both := _both(records[min(places)], record)):
            place = min(places)
            known |= dict.fromkeys(keys, place)
            records[place] = both
        else:
            first, key = min((known[key], key) for key in keys if key in known)
            bad.append(BadRow(line=record.lines[0], reason=_twice(key, records[first].lines[0])))
    return Imported(records=tuple(records), bad=tuple(bad))


def _keys(record: Record) -> list[tuple[str, ...]]:
    """Return what no other record of a file has."""
    match record:
        case ImportedContact(addresses=(), name=called, organization=organization):
            return [("person", called.casefold(), (organization or "").casefold())]
        case ImportedContact(addresses=addresses):
            return [("address", address) for address in addresses]
        case ImportedOrganization(name=called):
            return [("organization", called.casefold()), *(("domain", each) for each in record.domains)]
        case ImportedDeal() | ImportedLead():
            who = record.contact_addresses[0] if record.contact_addresses else record.contact or ""
            return [("item", record.title.casefold(), who.casefold(), (record.organization or "").casefold())]


def _both(first: Record, second: Record) -> Record | None:
    match first, second:
        case ImportedContact(), ImportedContact() if first.name.casefold() == second.name.casefold():
            return replace(
                first,
                lines=(*first.lines, *second.lines),
                addresses=tuple(dict.fromkeys((*first.addresses, *second.addresses))),
                phones=tuple(dict.fromkeys((*first.phones, *second.phones))),
                organization=first.organization or second.organization,
                title=first.title or second.title,
                notes=first.notes or second.notes,
                owner=first.owner or second.owner,
            )
        case ImportedOrganization(), ImportedOrganization() if (
            first.name.casefold() == second.name.casefold()
        ):
            return replace(
                first,
                lines=(*first.lines, *second.lines),
                domains=tuple(dict.fromkeys((*first.domains, *second.domains))),
                owner=first.owner or second.owner,
            )
        case _:
            return None


def _twice(key: tuple[str, ...], line: int) -> str:
    if key[0] == "item":
        return f"line {line} has the same title, contact and organization"
    return f"{key[1]} is in line {line} already, under another name"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """Where the fields stand, and how the columns write sums and dates."""

    positions: Mapping[str, Sequence[int]]
    mark: str | None
    days_first: bool | None

    def cells(self, row: CsvRow, field: str) -> list[str]:
        return [row.cells[place] for place in self.positions.get(field, ()) if row.cells[place]]

    def cell(self, row: CsvRow, field: str) -> str:
        return next(iter(self.cells(row, field)), "")

    def name(self, row: CsvRow, field: str) -> str | None:
        return name(self.cell(row, field)) or None

    def required(self, row: CsvRow, field: str) -> str:
        found = self.name(row, field)
        if found is None:
            raise Unreadable(f"it has no {field}")
        return found

    def several(self, row: CsvRow, field: str, read: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each for cell in self.cells(row, field) for each in read(cell)))

    def money(self, row: CsvRow) -> Money | None:
        unit = self.cell(row, "currency")
        code = currency_code(unit) if unit else None
        value = self.cell(row, "value")
        return money(value, mark=self.mark, currency=code) if value else None


def contact(
    line: int,
    *,
    whole_name: str = "",
    first_name: str = "",
    last_name: str = "",
    addresses: Iterable[str] = (),
    phone_cells: Iterable[str] = (),
    organization: str = "",
    title: str = "",
    notes: str = "",
    owner: str = "",
) -> ImportedContact:
    """Return what a row or a card says of a person, each text as it stands there; raises Unreadable."""
    found = [each for cell in addresses for each in mailboxes(cell)]
    called = full_name(name(whole_name), name(first_name), name(last_name))
    beside = (each.name for each in found if each.name.casefold() not in _KINDS_OF_ADDRESS)
    called = called or name(next(filter(None, beside), "")) or next((each.address for each in found), "")
    if not called:
        raise Unreadable("it has neither a name nor an address")
    if len(called) > NAME_CHARACTERS:
        raise Unreadable(f"the name has more than {NAME_CHARACTERS} characters")
    if len(notes) > NOTES_CHARACTERS:
        raise Unreadable(f"the notes have more than {NOTES_CHARACTERS:,} characters")
    return ImportedContact(
        lines=(line,),
        name=called,
        addresses=tuple(dict.fromkeys(each.address for each in found)),
        phones=tuple(dict.fromkeys(each for cell in phone_cells for each in phones(cell))),
        organization=name(organization) or None,
        title=name(title) or None,
        notes=notes.strip() or None,
        owner=name(owner) or None,
    )


def _contact(reading: _Reading, row: CsvRow) -> ImportedContact:
    return contact(
        row.line,
        whole_name=reading.cell(row, "name"),
        first_name=reading.cell(row, "first_name"),
        last_name=reading.cell(row, "last_name"),
        addresses=reading.cells(row, "address"),
        phone_cells=reading.cells(row, "phone"),
        organization=reading.cell(row, "organization"),
        title=reading.cell(row, "title"),
        notes="\n".join(reading.cells(row, "notes")),
        owner=reading.cell(row, "owner"),
    )


def _organization(reading: _Reading, row: CsvRow) -> ImportedOrganization:
    return ImportedOrganization(
        lines=(row.line,),
        name=reading.required(row, "name"),
        domains=reading.several(row, "domain", domains),
        owner=reading.name(row, "owner"),
    )


def _deal(reading: _Reading, row: CsvRow) -> ImportedDeal:
    status, won, lost = (reading.cell(row, field) for field in ("status", "won", "lost"))
    close = reading.cell(row, "expected_close")
    if status:
        state = deal_status(status)
    elif won or lost:
        state = DealStatus.WON if won else DealStatus.LOST
    else:
        # HubSpot's `Closed Won` is a stage.
        state = closed_stage(reading.cell(row, "stage")) or DealStatus.OPEN
    closed = {DealStatus.WON: won, DealStatus.LOST: lost}.get(state)
    called, addresses = _who(reading, row)
    return ImportedDeal(
        lines=(row.line,),
        title=reading.required(row, "title"),
        money=reading.money(row),
        stage=reading.name(row, "stage"),
        pipeline=reading.name(row, "pipeline"),
        status=state,
        contact=called,
        contact_addresses=addresses,
        organization=reading.name(row, "organization"),
        expected_close=day(close, first=reading.days_first) if close else None,
        closed=day(closed, first=reading.days_first) if closed else None,
        owner=reading.name(row, "owner"),
    )


def _lead(reading: _Reading, row: CsvRow) -> ImportedLead:
    status = reading.cell(row, "status")
    called, addresses = _who(reading, row)
    return ImportedLead(
        lines=(row.line,),
        title=reading.required(row, "title"),
        money=reading.money(row),
        contact=called,
        contact_addresses=addresses,
        organization=reading.name(row, "organization"),
        archived=is_archived(status) if status else False,
        labels=reading.several(row, "labels", labels),
        owner=reading.name(row, "owner"),
    )


def _who(reading: _Reading, row: CsvRow) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of an item's contact, and the addresses of its contacts, wherever they stand."""
    named = reading.cell(row, "contact")
    cells = reading.cells(row, "contact_address")
    if "@" in named:
        # HubSpot writes `Kim (kim@example.kr);Lee (lee@example.kr)`.
        cells.append(named.replace("(", "<").replace(")", ">"))
        named = ""
    found = tuple(each for cell in cells for each in mailboxes(cell))
    beside = next((each.name for each in found if each.name), "")
    return name(named or beside) or None, tuple(dict.fromkeys(each.address for each in found))


_READERS: Mapping[Kind, Callable[[_Reading, CsvRow], Record]] = {
    Kind.CONTACT: _contact,
    Kind.ORGANIZATION: _organization,
    Kind.DEAL: _deal,
    Kind.LEAD: _lead,
}

"""`mailcrm contact`: the people outside."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers, record, record_export, record_import
from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Contact, Deal, Lead
    from mailcrm.store import Database

_app = typer.Typer(help="Contacts and their conversations.", no_args_is_help=True)

_Contact = Annotated[str, typer.Argument(help="number, address or name")]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    record_import.add_to(_app, "contact")
    record_export.add_to(_app)
    app.add_typer(_app, name="contact")


@_app.command("list")
def list_contacts(context: typer.Context, org: record.Org = None, limit: record.Limit = 200) -> None:
    """List contacts by name, with when they were last contacted and whether their mail fails."""
    from mailcrm.render import Column, plain
    from mailcrm.store import contacts, correspondents

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = contacts.contacts(db, organization_id=record.organization_id(db, org), limit=limit + 1)
        ids = [row.id for row in rows]
        last = correspondents.last_contacts(db, ids)
        failing = correspondents.bounces(db, ids)
    if invocation.display.as_json:
        invocation.display.document(
            [
                {**plain(row), "last_contact": last.get(row.id), "bounces": failing.get(row.id, ())}
                for row in rows[:limit]
            ]
        )
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="ADDRESSES", ratio=3),
            Column(heading="ORGANIZATION", ratio=2, style="green"),
            Column(heading="LAST CONTACT"),
            Column(heading="NOTE", style="red", piped=not failing),
        ],
        [
            (
                row.id,
                row.name,
                ", ".join(row.addresses),
                row.organization,
                last[row.id].at if row.id in last else None,
                "bounces" if row.id in failing else None,
            )
            for row in rows
        ],
        limit=limit,
        empty="No contacts yet. Make one: mailcrm contact create NAME --address ADDRESS",
    )


@_app.command("show")
def show(
    context: typer.Context,
    contact: _Contact,
    limit: record.Emails = 50,
    before: record.Before = None,
    full: record.Full = False,
) -> None:
    """Show a contact with open deals and leads, and the timeline of conversations, the newest first."""
    from mailcrm.commands.columns import bounced, last_contact
    from mailcrm.core.model import DealStatus, LeadStatus
    from mailcrm.store import correspondents, deals, leads
    from mailcrm.timeline import contact_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = contact_timeline(db, contact, limit=limit, before=before)
        page = record.emails(db, view.emails, full=full)
        owner = record.owner_name(db, view.contact.owner_id)
        key = view.contact.id
        sales = deals.deals(db, status=DealStatus.OPEN, contact_id=key, limit=_SHOWN + 1)
        hopes = leads.leads(db, status=LeadStatus.OPEN, contact_id=key, limit=_SHOWN + 1)
        last = correspondents.last_contacts(db, [key]).get(key)
        failing = correspondents.bounces(db, [key]).get(key, ())
    if invocation.display.as_json:
        invocation.display.document(
            {
                "contact": view.contact,
                "last_contact": last,
                "bounces": failing,
                "deals": sales[:_SHOWN],
                "leads": hopes[:_SHOWN],
                "emails": page,
                "next": view.next,
            }
        )
        return
    found = view.contact
    invocation.display.heading(found.name)
    invocation.display.fields(
        [
            ("contact", found.id),
            ("addresses", ", ".join(found.addresses)),
            ("organization", found.organization),
            ("title", found.title),
            ("phones", ", ".join(found.phones)),
            ("open deals", _named(sales, f"deal list --contact {found.id} --status open")),
            ("open leads", _named(hopes, f"lead list --contact {found.id} --status open")),
            ("last contact", last_contact(last)),
            *(("mail fails", bounced(one)) for one in failing),
            ("owner", owner),
            ("notes", found.notes),
        ]
    )
    record.show_emails(invocation.display, page, view.next)


#: Deals and leads that are named each; a list has them all.
_SHOWN = 50


def _named(found: "Sequence[Deal | Lead]", listed: str) -> str:
    words = [f"{one.id} {one.title} ({one.status})" for one in found[:_SHOWN]]
    return ", ".join(words) + (f", and more: mailcrm {listed}" if len(found) > _SHOWN else "")


@_app.command("create")
def create(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="the person's name; with --from, another one than in the mail")
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="e-mail address; may be repeated, the first is primary"),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option("--from", metavar="THREAD", help="who wrote in this conversation; it is linked, too"),
    ] = None,
    org: Annotated[
        str | None,
        typer.Option("--org", metavar="ORG", help="number, domain or name; by its domain when left out"),
    ] = None,
    title: Annotated[str, typer.Option(help="what the person is there")] = "",
    phone: Annotated[list[str] | None, typer.Option(metavar="P", help="may be repeated")] = None,
    notes: Annotated[str, typer.Option(help="what else there is to know")] = "",
    owner: record.OwnerName = None,
) -> None:
    """Make a contact, by name and address or from a conversation."""
    from mailcrm.core.errors import UsageError
    from mailcrm.linking import link_thread
    from mailcrm.store import contacts, threads

    invocation: Invocation = context.obj
    addresses = [answers.email_address(text) for text in address or []]
    if thread is None and (name is None or not addresses):
        raise UsageError("A contact needs a name and an address.", hint="Or a conversation: --from THREAD")
    with invocation.open_store() as db:
        with db.transaction():
            _refuse_our_own(db, addresses)
            row = None
            called = name or ""
            if thread is not None:
                row = threads.thread(db, thread)
                threads.require_managed(db, row.id)
                found, first = contacts.correspondent(db, row, addresses[0] if addresses else None)
                called, addresses = name or found, [first, *addresses[1:]]
            made = contacts.create_contact(
                db,
                name=called,
                addresses=addresses,
                organization_id=record.organization_id(db, org),
                title=title,
                phones=phone or (),
                notes=notes,
                owner_id=record.owner_id(db, owner),
            )
            if row is not None:
                link_thread(db, row, made, now=invocation.now())
        told = record.waiting(db, [made.id])
    linked = f" Linked thread {row.id} to it." if row is not None else ""
    who = f"{made.name} ({made.addresses[0]})" if row is not None else made.name
    joined = f" at {made.organization}" if made.organization else ""
    invocation.display.done(f"Contact {made.id} {who}{joined} is made.{linked}{told}", made)


@_app.command("edit")
def edit(
    context: typer.Context,
    contact: _Contact,
    name: Annotated[str | None, typer.Option(help="another name")] = None,
    address: Annotated[
        list[str] | None, typer.Option(metavar="A", help="one more e-mail address; may be repeated")
    ] = None,
    remove_address: Annotated[
        list[str] | None, typer.Option(metavar="A", help="an address that is no longer right")
    ] = None,
    primary: Annotated[
        str | None, typer.Option(metavar="A", help="the address that comes first, known or new")
    ] = None,
    org: record.Org = None,
    no_org: record.NoOrg = False,
    title: Annotated[str | None, typer.Option(help="what the person is there")] = None,
    phone: Annotated[
        list[str] | None, typer.Option(metavar="P", help="one more number; may be repeated")
    ] = None,
    remove_phone: Annotated[
        list[str] | None, typer.Option(metavar="P", help="a number that is no longer right")
    ] = None,
    notes: Annotated[str | None, typer.Option(help="in place of the notes there are")] = None,
    owner: record.OtherOwner = None,
) -> None:
    """Change a contact: what is not named stays as it is."""
    from dataclasses import replace

    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    first = [answers.email_address(primary)] if primary is not None else []
    more = [answers.email_address(text) for text in address or []]
    fewer = [answers.email_address(text) for text in remove_address or []]
    with invocation.open_store() as db:
        with db.transaction():
            found = contacts.contact(db, contact)
            _refuse_our_own(db, [*first, *more])
            addresses = _without((*first, *found.addresses, *more), fewer, found, "address")
            changed = contacts.edit_contact(
                db,
                replace(
                    found,
                    name=found.name if name is None else name,
                    addresses=addresses,
                    organization_id=record.changed_organization_id(
                        db, found.organization_id, org, none=no_org
                    ),
                    title=found.title if title is None else title,
                    phones=_without(
                        (*found.phones, *(phone or [])), remove_phone or [], found, "phone number"
                    ),
                    notes=found.notes if notes is None else notes,
                    owner_id=record.owner_id(db, owner) or found.owner_id,
                ),
            )
        is_new = set(changed.addresses) - set(found.addresses)
        told = record.waiting(db, [changed.id]) if is_new else ""
    facts = [f"Contact {changed.id} {changed.name}", changed.title, changed.organization]
    parts = [", ".join(part for part in facts if part), ", ".join((*changed.addresses, *changed.phones))]
    invocation.display.done(": ".join(part for part in parts if part) + f".{told}", changed)


@_app.command("merge")
def merge(
    context: typer.Context,
    contact: Annotated[str, typer.Argument(metavar="KEEP", help="the contact that stays")],
    others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="contacts that become part of it")],
) -> None:
    """Make one contact of several: addresses, phones, notes, deals, leads and conversations come together."""
    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        with db.transaction():
            kept = contacts.contact(db, contact)
            merged = [contacts.contact(db, text) for text in others]
            changed = contacts.merge_contacts(db, kept, merged)
        told = record.waiting(db, [changed.id])
    parts = ", ".join(f"{one.id} {one.name}" for one in merged)
    invocation.display.done(
        f"Contact {parts} is part of contact {changed.id} {changed.name} now: "
        f"{', '.join((*changed.addresses, *changed.phones)) or 'no address'}.{told}",
        changed,
    )


@_app.command("delete")
def delete(context: typer.Context, contact: _Contact, yes: record.Yes = False) -> None:
    """Delete a contact, after saying how many conversations are linked; the mail stays."""
    from mailcrm.store import contacts, records

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = contacts.contact(db, contact)
        told = record.links_go(records.linked_threads(db, contact_id=found.id))
        record.agree_to_delete(invocation, f"contact {found.id} {found.name}", told, yes=yes)
        contacts.delete_contact(db, found, at=invocation.now())
    invocation.display.done(f"Contact {found.id} {found.name} is deleted.", {"deleted": found})


def _without(values: Sequence[str], fewer: Iterable[str], found: "Contact", noun: str) -> tuple[str, ...]:
    """Return values, each once, but for those that go; raises UsageError for one that was never there."""
    from mailcrm.core.errors import UsageError

    gone = set(fewer)
    for one in sorted(gone - {*found.addresses, *found.phones}):
        raise UsageError(f"{found.name} has no {noun} {one}.", hint=f"See `mailcrm contact show {found.id}`.")
    return tuple(one for one in dict.fromkeys(values) if one not in gone)


def _refuse_our_own(db: "Database", addresses: Iterable[str]) -> None:
    from mailcrm.core.errors import UsageError
    from mailcrm.store import contacts

    for address in sorted(contacts.our_addresses(db, addresses)):
        raise UsageError(
            f"{address} is one of our own, and mail is never linked to those.",
            hint="A contact is somebody outside: neither a member nor a connected account.",
        )

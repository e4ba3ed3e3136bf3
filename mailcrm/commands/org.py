"""`mailcrm org`: the companies outside."""

from typing import Annotated

import typer

from mailcrm.commands import record, record_import
from mailcrm.commands.invocation import Invocation

_app = typer.Typer(help="Organizations and their people.", no_args_is_help=True)

_Organization = Annotated[str, typer.Argument(metavar="ORG", help="number, domain or name")]
_Domain = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="D", help="where its people have mail: example.com; may be repeated"),
]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    record_import.add_to(_app, "org")
    app.add_typer(_app, name="org")


@_app.command("list")
def list_organizations(context: typer.Context, limit: record.Limit = 200) -> None:
    """List organizations by name."""
    from mailcrm.render import Column
    from mailcrm.store import organizations

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = organizations.organizations(db, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="DOMAINS", ratio=3),
        ],
        [(row.id, row.name, ", ".join(row.domains)) for row in rows],
        limit=limit,
        empty="No organizations yet. Make one: mailcrm org create NAME --domain DOMAIN",
    )


@_app.command("show")
def show(
    context: typer.Context,
    organization: _Organization,
    limit: record.Emails = 50,
    before: record.Before = None,
    full: record.Full = False,
) -> None:
    """Show an organization with its people, deals and leads, and the timeline of their conversations."""
    from mailcrm.store import contacts, deals, leads, organizations
    from mailcrm.timeline import organization_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = organizations.organization(db, organization)
        people = contacts.contacts(db, organization_id=found.id, limit=_SHOWN)
        sales = deals.deals(db, status=None, organization_id=found.id, limit=_SHOWN)
        hopes = leads.leads(db, status=None, organization_id=found.id, limit=_SHOWN)
        counts = organizations.used_by(db, found)
        owner = record.owner_name(db, found.owner_id)
        view = organization_timeline(db, found, limit=limit, before=before)
        page = record.emails(db, view.emails, full=full)
    if invocation.display.as_json:
        invocation.display.document(
            {
                "organization": found,
                "contacts": people,
                "deals": sales,
                "leads": hopes,
                "emails": page,
                "next": view.next,
            }
        )
        return
    invocation.display.heading(found.name)
    invocation.display.fields(
        [
            ("organization", found.id),
            ("domains", ", ".join(found.domains)),
            ("contacts", _named([f"{one.id} {one.name}" for one in people], counts[0])),
            ("deals", _named([f"{one.id} {one.title} ({one.status})" for one in sales], counts[1])),
            ("leads", _named([f"{one.id} {one.title} ({one.status})" for one in hopes], counts[2])),
            ("owner", owner),
            ("notes", found.notes),
        ]
    )
    record.show_emails(invocation.display, page, view.next)


#: Contacts, deals and leads that are named each; the rest is counted.
_SHOWN = 50


def _named(words: list[str], count: int) -> str:
    more = f", and {count - len(words):,} more" if count > len(words) else ""
    return ", ".join(words) + more


@_app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="what it is called")],
    domain: _Domain = None,
    notes: Annotated[str, typer.Option(help="what else there is to know")] = "",
    owner: record.OwnerName = None,
) -> None:
    """Make an organization; contacts made with an address at one of its domains join it by themselves."""
    from mailcrm.store import organizations

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        made = organizations.create_organization(
            db, name=name, domains=domain or (), notes=notes, owner_id=record.owner_id(db, owner)
        )
    at = f" with {', '.join(made.domains)}" if made.domains else ""
    invocation.display.done(f"Organization {made.id} {made.name}{at} is made.", made)


@_app.command("edit")
def edit(
    context: typer.Context,
    organization: _Organization,
    name: Annotated[str | None, typer.Option(help="another name")] = None,
    domain: _Domain = None,
    remove_domain: Annotated[
        list[str] | None, typer.Option(metavar="D", help="a domain that is not its own")
    ] = None,
    notes: Annotated[str | None, typer.Option(help="in place of the notes there are")] = None,
    owner: record.OtherOwner = None,
) -> None:
    """Change an organization: what is not named stays as it is."""
    from dataclasses import replace

    from mailcrm.core.errors import UsageError
    from mailcrm.core.free_mail import organization_domain
    from mailcrm.store import organizations

    invocation: Invocation = context.obj
    gone = {organization_domain(text) for text in remove_domain or []}
    with invocation.open_store() as db, db.transaction():
        found = organizations.organization(db, organization)
        for one in sorted(gone - set(found.domains)):
            raise UsageError(f"{found.name} has no domain {one}.", hint=f"See `mailcrm org show {found.id}`.")
        changed = organizations.edit_organization(
            db,
            replace(
                found,
                name=found.name if name is None else name,
                domains=(*(one for one in found.domains if one not in gone), *(domain or [])),
                notes=found.notes if notes is None else notes,
                owner_id=record.owner_id(db, owner) or found.owner_id,
            ),
        )
    told = [f"Organization {changed.id} {changed.name}", ", ".join(changed.domains)]
    invocation.display.done(": ".join(part for part in told if part) + ".", changed)


@_app.command("delete")
def delete(context: typer.Context, organization: _Organization, yes: record.Yes = False) -> None:
    """Delete an organization; its contacts, deals and leads stay."""
    from mailcrm.render import number
    from mailcrm.store import organizations

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = organizations.organization(db, organization)
        nouns = ("contact", "deal", "lead")
        used = [
            number(count, noun)
            for count, noun in zip(organizations.used_by(db, found), nouns, strict=True)
            if count
        ]
        told = f"{', '.join(used)} will be of no organization." if used else "Nothing belongs to it."
        record.agree_to_delete(invocation, f"organization {found.id} {found.name}", told, yes=yes)
        organizations.delete_organization(db, found)
    invocation.display.done(f"Organization {found.id} {found.name} is deleted.", {"deleted": found})

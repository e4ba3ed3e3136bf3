"""`mailcrm contact`: the people outside."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.store import Database

_app = typer.Typer(help="Contacts and their conversations.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="contact")


@_app.command("list")
def list_contacts(
    context: typer.Context, limit: Annotated[int, typer.Option(min=1, max=100_000, help="how many")] = 200
) -> None:
    """List contacts by name."""
    from mailcrm.render import Column
    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = contacts.contacts(db, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="ADDRESSES", ratio=3),
        ],
        [(row.id, row.name, ", ".join(row.addresses)) for row in rows],
        limit=limit,
        empty="No contacts yet. Make one: mailcrm contact create NAME --address ADDRESS",
    )


@_app.command("show")
def show(
    context: typer.Context,
    contact: Annotated[str, typer.Argument(help="number, address or name")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many emails")] = 50,
) -> None:
    """Show a contact and the timeline of conversations, the newest first."""
    from dataclasses import replace

    from mailcrm.commands.columns import email_cells, email_columns
    from mailcrm.timeline import contact_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = contact_timeline(db, contact, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(replace(view, emails=view.emails[:limit]))
        return
    invocation.display.heading(view.contact.name)
    invocation.display.fields(
        [("contact", view.contact.id), ("addresses", ", ".join(view.contact.addresses))]
    )
    invocation.display.text("")
    invocation.display.table(
        email_columns(view.emails),
        email_cells(view.emails),
        limit=limit,
        empty="No conversations that you may see are linked yet.",
    )


@_app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="the person's name")],
    address: Annotated[
        list[str], typer.Option(metavar="A", help="e-mail address; may be repeated, the first is primary")
    ],
) -> None:
    """Make a contact."""
    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    addresses = [answers.email_address(text) for text in address]
    called = answers.name(name, "contact")
    with invocation.open_store() as db:
        _refuse_our_own(db, addresses)
        made = contacts.create_contact(db, name=called, addresses=addresses)
    invocation.display.done(
        f"Contact {made.id} {made.name} is made. Link mail that is already here: mailcrm link auto", made
    )


@_app.command("edit")
def edit(
    context: typer.Context,
    contact: Annotated[str, typer.Argument(help="number, address or name")],
    name: Annotated[str | None, typer.Option(help="another name")] = None,
    address: Annotated[
        list[str] | None, typer.Option(metavar="A", help="one more e-mail address; may be repeated")
    ] = None,
) -> None:
    """Rename a contact, or give it more addresses."""
    from dataclasses import replace

    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    addresses = [answers.email_address(text) for text in address or []]
    with invocation.open_store() as db:
        found = contacts.contact(db, contact)
        _refuse_our_own(db, addresses)
        changed = contacts.edit_contact(
            db,
            replace(
                found,
                name=found.name if name is None else answers.name(name, "contact"),
                addresses=(*found.addresses, *addresses),
            ),
        )
    invocation.display.done(f"Contact {changed.id} {changed.name}: {', '.join(changed.addresses)}.", changed)


def _refuse_our_own(db: "Database", addresses: Iterable[str]) -> None:
    from mailcrm.core.errors import UsageError
    from mailcrm.store import contacts

    for address in sorted(contacts.our_addresses(db, addresses)):
        raise UsageError(
            f"{address} is one of our own, and mail is never linked to those.",
            hint="A contact is somebody outside: neither a member nor a connected account.",
        )

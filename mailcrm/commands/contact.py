"""`mailcrm contact`: the people outside."""

from typing import Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation

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
    from mailcrm.store import crm

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = crm.contacts(db, limit=limit)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="ADDRESSES", ratio=3),
        ],
        [(row.id, row.name, ", ".join(row.addresses)) for row in rows],
        empty="No contacts yet. Make one: mailcrm contact create NAME --address ADDRESS",
    )


@_app.command("show")
def show(
    context: typer.Context,
    contact: Annotated[str, typer.Argument(help="number, address or name")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many emails")] = 50,
) -> None:
    """Show a contact and the timeline of conversations, the newest first."""
    from mailcrm.commands.columns import EMAIL_COLUMNS, email_cells
    from mailcrm.timeline import contact_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = contact_timeline(db, contact, limit=limit)
    if invocation.display.as_json:
        invocation.display.document(view)
        return
    invocation.display.heading(view.contact.name)
    invocation.display.fields(
        [("contact", view.contact.id), ("addresses", ", ".join(view.contact.addresses))]
    )
    invocation.display.text("")
    invocation.display.table(
        EMAIL_COLUMNS, email_cells(view.emails), empty="No conversations that you may see are linked yet."
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
    from mailcrm.core.errors import UsageError
    from mailcrm.store import crm

    invocation: Invocation = context.obj
    addresses = [answers.email_address(text) for text in address]
    if not name.strip():
        raise UsageError("A contact needs a name.")
    with invocation.open_store() as db:
        made = crm.create_contact(db, name=name.strip(), addresses=addresses)
    invocation.display.done(
        f"Contact {made.id} {made.name} is made. Link mail that is already here: mailcrm link auto", made
    )

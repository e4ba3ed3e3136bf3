"""`mailcrm label`: the words that people put on conversations and leads."""

from typing import Annotated

import typer

from mailcrm.commands import record
from mailcrm.commands.invocation import Invocation

_app = typer.Typer(help="Labels on conversations and leads.", no_args_is_help=True)

_Label = Annotated[str, typer.Argument(help="name or number")]
_NewName = Annotated[str, typer.Argument(metavar="NAME", help="what it is called")]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="label")


@_app.command("list")
def list_labels(context: typer.Context) -> None:
    """List labels by name."""
    from mailcrm.render import Column
    from mailcrm.store import labels

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = labels.labels(db)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [Column(heading="#", right=True, style="cyan"), Column(heading="LABEL", ratio=1)],
        [(row.id, row.name) for row in rows],
        empty="No labels yet. Make one: mailcrm label create NAME",
    )


@_app.command("create")
def create(context: typer.Context, name: _NewName) -> None:
    """Make a label."""
    from mailcrm.store import labels

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        made = labels.create_label(db, name)
    invocation.display.done(f"Label {made.id} {made.name} is made.", made)


@_app.command("rename")
def rename(context: typer.Context, label: _Label, name: _NewName) -> None:
    """Call a label otherwise, wherever it is."""
    from mailcrm.store import labels

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        changed = labels.rename_label(db, labels.label(db, label), name)
    invocation.display.done(f"Label {changed.id} is called {changed.name}.", changed)


@_app.command("delete")
def delete(context: typer.Context, label: _Label, yes: record.Yes = False) -> None:
    """Delete a label; what carries it stays."""
    from mailcrm.render import number
    from mailcrm.store import labels

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = labels.label(db, label)
        threads, leads = labels.labelled(db, found)
        told = f"It is on {number(threads, 'conversation')} that you see and on {number(leads, 'lead')}."
        record.agree_to_delete(invocation, f"label {found.name}", told, yes=yes)
        labels.delete_label(db, found)
    invocation.display.done(f"Label {found.name} is deleted.", {"deleted": found})

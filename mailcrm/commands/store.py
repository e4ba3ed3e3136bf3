"""`mailcrm store`: care of the store."""

import typer

from mailcrm.commands.invocation import Invocation

_app = typer.Typer(help="Care of the store.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="store")


@_app.command("migrate")
def migrate_store(context: typer.Context) -> None:
    """Bring the store up to date with this version of mailcrm; on PostgreSQL, for its owner."""
    from mailcrm.store.migrate import migrate

    invocation: Invocation = context.obj
    applied = migrate(invocation.config().store)
    invocation.display.done(
        f"Applied {', '.join(applied)}." if applied else "The store is up to date.", {"applied": applied}
    )

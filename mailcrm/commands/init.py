"""`mailcrm init`: make a store and its first member."""

from typing import Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("init")(init)


def init(
    context: typer.Context,
    address: Annotated[str, typer.Option(help="your own e-mail address")],
    name: Annotated[str | None, typer.Option(help="your name")] = None,
    login: Annotated[str | None, typer.Option(help="on PostgreSQL: your database login")] = None,
) -> None:
    """Make the store and its first member, who is an admin.

    On PostgreSQL this is run once by the owner of the database, who is above the rules of the
    store; everybody then works with a login of their own.
    """
    from mailcrm.store.location import shown

    invocation: Invocation = context.obj
    own = answers.email_address(address)
    make_store(invocation, address=own, name=name, login=login)
    url = invocation.config().store
    invocation.display.done(f"The store {shown(url)} is ready.", {"store": shown(url), "member": own})


def make_store(invocation: Invocation, *, address: str, name: str | None, login: str | None) -> None:
    """Make the store of this invocation with its first member; raises AlreadyExists or UsageError.

    `address` is normalised. A store that was not made to its end is finished.
    """
    from mailcrm.core.errors import UsageError
    from mailcrm.store.location import is_postgres
    from mailcrm.store.migrate import create_first_member, migrate

    url = invocation.config().store
    if is_postgres(url) and login is None:
        raise UsageError(
            "On PostgreSQL the first member needs a database login.",
            hint="Add --login LOGIN; docs/postgresql.md shows how to make one.",
        )
    migrate(url)
    create_first_member(url, name=name or address.partition("@")[0], address=address, login=login)

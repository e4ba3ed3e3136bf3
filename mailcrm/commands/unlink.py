"""`mailcrm unlink`: take a link away, and keep the rule from making it again."""

from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.commands.link import several

_app = typer.Typer(help="Take a link away; the automatic rule does not make it again.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="unlink")


@_app.command("deal")
def deal(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="THREAD... DEAL", help="threads, then one deal")],
) -> None:
    """Unlink conversations from a deal."""
    from mailcrm.linking import unlink_deal
    from mailcrm.store import crm, threads

    invocation: Invocation = context.obj
    *names, target = several(words)
    with invocation.open_store() as db:
        found = crm.deal(db, target)
        chosen = list({thread.id: thread for thread in (threads.thread(db, name) for name in names)}.values())
        with db.transaction():
            for thread in chosen:
                unlink_deal(db, thread, found, now=invocation.now())
    invocation.display.done(
        f"Unlinked thread {', '.join(str(thread.id) for thread in chosen)} from deal {found.id}.",
        {"threads": [thread.id for thread in chosen], "deal": found},
    )


@_app.command("contact")
def contact(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="THREAD... CONTACT", help="threads, then one contact")
    ],
) -> None:
    """Unlink conversations from a contact."""
    from mailcrm.linking import unlink_contact
    from mailcrm.store import crm, threads

    invocation: Invocation = context.obj
    *names, target = several(words)
    with invocation.open_store() as db:
        found = crm.contact(db, target)
        chosen = list({thread.id: thread for thread in (threads.thread(db, name) for name in names)}.values())
        with db.transaction():
            for thread in chosen:
                unlink_contact(db, thread, found, now=invocation.now())
    invocation.display.done(
        f"Unlinked thread {', '.join(str(thread.id) for thread in chosen)} from contact {found.id}.",
        {"threads": [thread.id for thread in chosen], "contact": found},
    )

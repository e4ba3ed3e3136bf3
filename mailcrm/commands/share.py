"""`mailcrm share` and `mailcrm privatize`: who reads a conversation."""

from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.commands.link import numbers


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.command("share")(share)
    app.command("privatize")(privatize)


_Threads = Annotated[list[str], typer.Argument(metavar="THREAD...", help="numbers of threads, or last")]


def share(context: typer.Context, threads: _Threads) -> None:
    """Let all colleagues read conversations, as soon as they are linked to a contact or a deal."""
    from mailcrm.sharing import share_thread
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    with invocation.open_store() as db, db.transaction():
        chosen = several(db, threads)
        for one in chosen:
            share_thread(db, one, now=invocation.now())
    waiting = [str(one.id) for one in chosen if not (one.contacts or one.deals or one.leads)]
    invocation.display.done(
        f"Shared thread {numbers(chosen)}."
        + (
            f" Nobody else sees {', '.join(waiting)} until it is linked: mailcrm link deal {waiting[0]} DEAL"
            if waiting
            else ""
        ),
        {"threads": [one.id for one in chosen], "visibility": "shared"},
    )


def privatize(context: typer.Context, threads: _Threads) -> None:
    """Keep conversations to yourself, or to the team that owns the account."""
    from mailcrm.sharing import privatize_thread
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    with invocation.open_store() as db, db.transaction():
        chosen = several(db, threads)
        for one in chosen:
            privatize_thread(db, one, now=invocation.now())
    invocation.display.done(
        f"Thread {numbers(chosen)} is private.",
        {"threads": [one.id for one in chosen], "visibility": "private"},
    )

"""`mailcrm unlink`: take a link away, and keep the rule from making it again."""

from typing import TYPE_CHECKING

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.commands.link import ThreadsAndContact, ThreadsAndDeal, ThreadsAndLead, noun, numbers, several
from mailcrm.core.model import Contact, Deal, Lead

if TYPE_CHECKING:
    from mailcrm.store import Database

_app = typer.Typer(help="Take a link away; the automatic rule does not make it again.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="unlink")


@_app.command("deal")
def deal(context: typer.Context, words: ThreadsAndDeal) -> None:
    """Unlink conversations from a deal."""
    from mailcrm.store import deals

    *names, target = several(words)
    with context.obj.open_store() as db:
        _unlink(context.obj, db, names, deals.deal(db, target))


@_app.command("lead")
def lead(context: typer.Context, words: ThreadsAndLead) -> None:
    """Unlink conversations from a lead."""
    from mailcrm.store import leads

    *names, target = several(words)
    with context.obj.open_store() as db:
        _unlink(context.obj, db, names, leads.lead(db, target))


@_app.command("contact")
def contact(context: typer.Context, words: ThreadsAndContact) -> None:
    """Unlink conversations from a contact."""
    from mailcrm.store import contacts

    *names, target = several(words)
    with context.obj.open_store() as db:
        _unlink(context.obj, db, names, contacts.contact(db, target))


def _unlink(invocation: Invocation, db: "Database", names: list[str], record: Contact | Deal | Lead) -> None:
    from mailcrm.linking import unlink_thread
    from mailcrm.store import threads

    chosen = threads.several(db, names)
    with db.transaction():
        for thread in chosen:
            unlink_thread(db, thread, record, now=invocation.now())
    invocation.display.done(
        f"Unlinked thread {numbers(chosen)} from {noun(record)} {record.id}.",
        {"threads": [thread.id for thread in chosen], noun(record): record},
    )

"""`mailcrm link`: tie conversations to deals and contacts."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import ThreadRow

ThreadsAndDeal = Annotated[list[str], typer.Argument(metavar="THREAD... DEAL", help="threads, then one deal")]
ThreadsAndContact = Annotated[
    list[str], typer.Argument(metavar="THREAD... CONTACT", help="threads, then one contact")
]

_app = typer.Typer(help="Link conversations to a deal or a contact.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="link")


@_app.command("deal")
def deal(context: typer.Context, words: ThreadsAndDeal) -> None:
    """Link conversations to a deal; it takes the place of the deal they had."""
    from mailcrm.linking import link_thread
    from mailcrm.store import crm, threads

    invocation: Invocation = context.obj
    *names, target = several(words)
    with invocation.open_store() as db:
        found = crm.deal(db, target)
        chosen = threads.several(db, names)
        before = [
            link
            for link in crm.links(db, [thread.id for thread in chosen])
            if link.deal_id not in (None, found.id)
        ]
        with db.transaction():
            for thread in chosen:
                link_thread(db, thread, found, now=invocation.now())
    invocation.display.done(
        f"Linked thread {numbers(chosen)} to deal {found.id} {found.title}."
        + "".join(f" {one.thread_id} was linked to deal {one.deal_id} {one.title} before." for one in before),
        {"threads": [thread.id for thread in chosen], "deal": found},
    )


@_app.command("contact")
def contact(context: typer.Context, words: ThreadsAndContact) -> None:
    """Link conversations to a contact."""
    from mailcrm.linking import link_thread
    from mailcrm.store import crm, threads

    invocation: Invocation = context.obj
    *names, target = several(words)
    with invocation.open_store() as db:
        found = crm.contact(db, target)
        chosen = threads.several(db, names)
        with db.transaction():
            for thread in chosen:
                link_thread(db, thread, found, now=invocation.now())
    invocation.display.done(
        f"Linked thread {numbers(chosen)} to contact {found.id} {found.name}.",
        {"threads": [thread.id for thread in chosen], "contact": found},
    )


@_app.command("auto")
def auto(context: typer.Context) -> None:
    """Apply the automatic rule to all stored mail: for contacts and deals made after it came."""
    from mailcrm.core.events import ChoiceNeeded
    from mailcrm.linking import apply_rule_to_account
    from mailcrm.progress import trouble
    from mailcrm.render import number
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    linked: list[int] = []
    choices: list[ChoiceNeeded] = []
    with invocation.open_store() as db:
        for account in accounts.accounts(db):
            done = apply_rule_to_account(db, account, now=invocation.now())
            linked += done.threads
            choices += [
                ChoiceNeeded(account=account.address, thread_id=thread_id, deals=deals)
                for thread_id, deals in done.choices
            ]
    if not invocation.display.as_json:
        for choice in choices:
            invocation.display.note(trouble(choice) or "")
    sentence = f"{number(len(linked), 'thread')} linked." if linked or choices else "Nothing to link."
    invocation.display.done(sentence, {"threads": linked, "choices": choices})


def several(words: list[str]) -> list[str]:
    """Return threads and the record after them; raises UsageError when one of both is missing."""
    from mailcrm.core.errors import UsageError

    if len(words) < 2:
        raise UsageError("Name at least one thread, then what it is linked to.")
    return words


def numbers(threads: Sequence[ThreadRow]) -> str:
    """Return the numbers of threads as a sentence names them."""
    return ", ".join(str(thread.id) for thread in threads)

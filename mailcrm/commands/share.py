"""`mailcrm share` and `mailcrm privatize`: who reads a conversation."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.commands.link import numbers
from mailcrm.core.model import Visibility
from mailcrm.render import number

if TYPE_CHECKING:  # imported when the command runs, so that --help answers at once
    from mailcrm.sharing import Change


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.command("share")(share)
    app.command("privatize")(privatize)


_Threads = Annotated[
    list[str] | None,
    typer.Argument(metavar="THREAD...", help="numbers of threads, or last", show_default=False),
]
_Query = Annotated[
    str | None,
    typer.Option("--query", metavar="QUERY", help="all of yours that a search finds: 'deal:42 after:90d'"),
]
_Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def share(context: typer.Context, threads: _Threads = None, query: _Query = None, yes: _Yes = False) -> None:
    """Let all colleagues read conversations, as soon as they are linked to a contact, a deal or a lead."""
    from mailcrm.sharing import share_thread
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    if query is not None:
        _by_query(invocation, query, Visibility.SHARED, named=bool(threads), yes=yes)
        return
    with invocation.open_store() as db, db.transaction():
        chosen = several(db, _named(threads))
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


def privatize(
    context: typer.Context, threads: _Threads = None, query: _Query = None, yes: _Yes = False
) -> None:
    """Keep conversations to yourself, or to the team that owns the account."""
    from mailcrm.sharing import privatize_thread
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    if query is not None:
        _by_query(invocation, query, Visibility.PRIVATE, named=bool(threads), yes=yes)
        return
    with invocation.open_store() as db, db.transaction():
        chosen = several(db, _named(threads))
        for one in chosen:
            privatize_thread(db, one, now=invocation.now())
    invocation.display.done(
        f"Thread {numbers(chosen)} is private.",
        {"threads": [one.id for one in chosen], "visibility": "private"},
    )


def _named(threads: list[str] | None) -> list[str]:
    from mailcrm.core.errors import UsageError

    if not threads:
        raise UsageError("Name the threads, or say --query.", hint="See `mailcrm inbox`.")
    return threads


def _by_query(invocation: Invocation, text: str, visibility: Visibility, *, named: bool, yes: bool) -> None:
    """Change all that a query finds, after a question that says how many these are."""
    from mailcrm.core.errors import UsageError
    from mailcrm.core.query import parse_query
    from mailcrm.sharing import change_by_query, make_change

    if named:
        raise UsageError("Name threads or say --query, not both.")
    query = parse_query(text, invocation.now())
    with invocation.open_store() as db:
        change = change_by_query(db, query, visibility)
        told = number(len(change.threads), "conversation")
        beside = _beside(change, visibility)
        if change.threads and not yes:
            if not invocation.may_ask():
                raise UsageError(f"This would make {told} {visibility}{beside}.", hint="Do it with --yes.")
            if not typer.confirm(f"Make {told} {visibility}{beside}?", err=True):
                invocation.display.note("Nothing was changed.")
                raise typer.Exit(1)
        changed = make_change(db, change, visibility, now=invocation.now())
    invocation.display.done(
        f"{number(changed, 'conversation')} made {visibility}{beside}.",
        {"threads": list(change.threads), "visibility": visibility, "already": change.already},
    )


def _beside(change: "Change", visibility: Visibility) -> str:
    """Return what else there is to know, in parentheses."""
    told = []
    if visibility is Visibility.SHARED and change.unlinked:
        told.append(f"{change.unlinked:,} of them not linked, so that nobody else sees them yet")
    if change.already:
        told.append(f"{change.already:,} {visibility} already")
    return f" ({'; '.join(told)})" if told else ""

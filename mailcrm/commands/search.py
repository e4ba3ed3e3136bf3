"""`mailcrm search`: find mail by its words, its people, its dates and what it is linked to."""

from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    # A word to leave out begins with a minus, as an option does: -hello must not be -h.
    app.command("search", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})(
        search
    )


def search(
    context: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            help='words; "several words" together; -word to leave out; a OR b; (a b); '
            "from: to: cc: subject: body: has:attachment filename: contact: org: deal: lead: account: "
            "folder: label: is:unread|shared|private|linked|unlinked|archived after: before: larger: smaller:"
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many")] = 25,
) -> None:
    """Search all mail that you may see: the best matches first, without words the newest."""
    from mailcrm.commands.columns import email_cells, email_columns
    from mailcrm.core.errors import UsageError
    from mailcrm.core.query import joined_words
    from mailcrm.timeline import search_emails

    invocation: Invocation = context.obj
    for word in query:
        if word.startswith("--"):
            raise UsageError(f"search has no option {word}.", hint="See `mailcrm search --help`.")
    with invocation.open_store() as db:
        rows = search_emails(db, joined_words(query), invocation.now(), limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(email_columns(rows), email_cells(rows), limit=limit, empty="Nothing found.")

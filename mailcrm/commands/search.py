"""`mailcrm search`: find mail by its words."""

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
    query: Annotated[list[str], typer.Argument(help='words; "several words" together; -word to leave out')],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many")] = 25,
) -> None:
    """Search subjects, people, attachment names and texts of all mail that you may see."""
    from mailcrm.commands.columns import email_cells, email_columns
    from mailcrm.core.errors import UsageError
    from mailcrm.timeline import search_emails

    invocation: Invocation = context.obj
    for word in query:
        if word.startswith("--"):
            raise UsageError(f"search has no option {word}.", hint="See `mailcrm search --help`.")
    # The shell took the quotes away; a word with a space in it was a phrase.
    text = " ".join(f'"{word}"' if " " in word and len(query) > 1 else word for word in query)
    with invocation.open_store() as db:
        rows = search_emails(db, text, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(email_columns(rows), email_cells(rows), limit=limit, empty="Nothing found.")

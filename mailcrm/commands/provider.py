"""`mailcrm provider`: the mail providers whose servers are known."""

from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation

_app = typer.Typer(help="Mail providers that mailcrm knows.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="provider")


@_app.command("list")
def list_providers(context: typer.Context) -> None:
    """List the providers."""
    from mailcrm.providers.presets import presets
    from mailcrm.render import Column

    invocation: Invocation = context.obj
    rows = presets()
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="PROVIDER", style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="IMAP", ratio=2),
            Column(heading="PASSWORD"),
        ],
        [
            (row.id, row.name, row.imap.host, f"{row.password}: not yet" if row.unsupported else row.password)
            for row in rows
        ],
        empty="No providers are known.",
    )


@_app.command("show")
def show(
    context: typer.Context, provider: Annotated[str, typer.Argument(help="see `mailcrm provider list`")]
) -> None:
    """Show what mailcrm knows of a provider."""
    from mailcrm.core.errors import NotFound
    from mailcrm.providers.presets import by_name

    invocation: Invocation = context.obj
    row = by_name(provider)
    if row is None:
        raise NotFound(f"There is no provider {provider!r}.", hint="See `mailcrm provider list`.")
    if invocation.display.as_json:
        invocation.display.document(row)
        return
    invocation.display.fields(
        [
            ("provider", row.id),
            ("name", row.name),
            ("domains", ", ".join(row.domains)),
            ("imap", f"{row.imap.host}:{row.imap.port} ({row.imap.security.value})"),
            ("user name", row.username),
            ("password", row.password),
            ("prepare", row.advice),
            ("not yet", row.unsupported),
        ]
    )

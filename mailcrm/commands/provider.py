"""`mailcrm provider`: the mail providers whose servers are known."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Endpoint
    from mailcrm.providers.discovery import Discovery
    from mailcrm.providers.presets import Preset, Presets
    from mailcrm.render import Cell

_app = typer.Typer(help="Mail providers that mailcrm knows.", no_args_is_help=True)

#: Domains of a provider that a person is shown; --json has all.
_DOMAINS = 12


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="provider")


@_app.command("list")
def list_providers(context: typer.Context) -> None:
    """List the providers, those of config.toml first."""
    from mailcrm.render import Column

    invocation: Invocation = context.obj
    rows = _presets(invocation).rows
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="PROVIDER", style="cyan"),
            Column(heading="NAME", ratio=1),
            Column(heading="IMAP", ratio=1),
            Column(heading="SIGN-IN"),
        ],
        [
            (
                row.id,
                row.name,
                "" if row.imap is None else row.imap.host,
                row.sign_in[0].value if row.sign_in else "no IMAP",
            )
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

    invocation: Invocation = context.obj
    row = _presets(invocation).named(provider)
    if row is None:
        raise NotFound(f"There is no provider {provider!r}.", hint="See `mailcrm provider list`.")
    if invocation.display.as_json:
        invocation.display.document(row)
        return
    invocation.display.fields(_fields(row))


def _presets(invocation: Invocation) -> "Presets":
    from mailcrm.providers.presets import presets

    config = invocation.config()
    return presets(config.providers, issuers=config.oauth2)


def _fields(row: "Preset") -> "list[tuple[str, Cell]]":
    """Return what a person is shown of a provider; what is empty is left out by the display."""
    more = len(row.domains) - _DOMAINS
    domains = ", ".join(row.domains[:_DOMAINS]) + (f" and {more} more" if more > 0 else "")
    names = {"email": "the whole address", "localpart": "what stands before the @"}
    username = "" if row.imap is None else names[row.username]
    if row.imap is not None and row.smtp is not None and row.smtp_username != row.username:
        username += f"; for SMTP {names[row.smtp_username]}"
    return [
        ("provider", row.id),
        ("name", row.name),
        ("domains", domains),
        ("imap", _place(row.imap)),
        ("smtp", _place(row.smtp)),
        ("user name", username),
        ("sign-in", ", ".join(row.sign_in)),
        ("hint", row.hint),
        *((f"step {number}", step) for number, step in enumerate(row.steps, start=1)),
        ("page", row.page),
        ("connections", row.connections),
        ("bytes a day", None if row.daily_bytes is None else f"{row.daily_bytes:,}"),
        *(("remark", quirk) for quirk in row.quirks),
        ("sells also", ", ".join(row.resells)),
        ("not confirmed" if not row.confirmed else "not sure", row.doubt),
    ]


def _place(endpoint: "Endpoint | None") -> str:
    return "" if endpoint is None else f"{endpoint.host}:{endpoint.port} ({endpoint.security.value})"


@_app.command("detect")
def detect(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="the e-mail address whose server is looked for")],
    no_discovery: Annotated[
        bool, typer.Option("--no-discovery", help="look in the table only, ask nobody")
    ] = False,
    provider: Annotated[str | None, typer.Option(help="what this provider means for the address")] = None,
    imap_host: Annotated[str | None, typer.Option(help="what this IMAP server means for the address")] = None,
) -> None:
    """Show how the server of an address is found: what was asked, what came, and what mailcrm makes of it."""
    from mailcrm.commands import answers
    from mailcrm.providers.discovery import discover, of_host, of_provider
    from mailcrm.providers.presets import presets
    from mailcrm.render import Column

    invocation: Invocation = context.obj
    own = answers.email_address(address)
    table = presets(invocation.config().providers)
    if provider is not None:
        preset = _named(table, provider)
        found = of_provider(preset, own, table, network=not no_discovery, host=imap_host or "")
    elif imap_host is not None:
        found = of_host(imap_host, own, table)
    else:
        found = discover(own, table, network=not no_discovery)
    display = invocation.display
    if display.as_json:
        display.document(_detected(found))
    else:
        display.table(
            [
                Column(heading="SOURCE", style="cyan"),
                Column(heading="ASKED", ratio=2),
                Column(heading="ANSWER", ratio=3),
            ],
            [(step.source.value, step.asked, step.answer) for step in found.steps],
            empty="Nobody was asked.",
        )
    if found.server is None and found.preset is None:
        raise found.missing()
    if not display.as_json:
        display.rule()
        display.fields(_fields(found))
        if found.elsewhere:
            display.warn(found.doubt())


def _detected(found: "Discovery") -> dict[str, object]:
    """Return what was found for a program: preset and server as one, without what no address needs."""
    preset, server = found.preset, found.server
    return {
        "address": found.address,
        "steps": found.steps,
        "source": found.source,
        "provider": preset.id if preset else server and server.provider,
        "imap": server and server.imap,
        "smtp": server and server.smtp,
        "username": server and server.username,
        "smtp_username": server and server.smtp_username,
        "sign_in": found.sign_in,
        "elsewhere": found.elsewhere,
        "prepare": {"hint": preset.hint, "steps": preset.steps, "page": preset.page} if preset else None,
        "unsupported": preset.unsupported if preset else "",
    }


def _fields(found: "Discovery") -> list[tuple[str, str | None]]:
    preset, server = found.preset, found.server
    prepare = [preset.hint, *preset.steps] if preset else []
    return [
        ("found by", found.source and found.source.value),
        ("provider", preset and f"{preset.name} ({preset.id})"),
        ("imap", server and _endpoint(server.imap)),
        ("smtp", server and _endpoint(server.smtp)),
        ("user name", server and server.username),
        ("sign in", ", ".join(found.sign_in)),
        *(("prepare" if number == 0 else f"{number}.", text) for number, text in enumerate(prepare)),
        ("see", preset and preset.page),
        ("not possible", preset and preset.unsupported),
    ]


def _endpoint(endpoint: "Endpoint | None") -> str | None:
    return endpoint and f"{endpoint.host}:{endpoint.port} ({endpoint.security.value})"


def _named(table: "Presets", provider: str) -> "Preset":
    from mailcrm.core.errors import NotFound

    preset = table.named(provider.strip().lower())
    if preset is None:
        raise NotFound(f"There is no provider {provider!r}.", hint="See `mailcrm provider list`.")
    return preset

"""`mailcrm provider`: the mail providers whose servers are known."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Endpoint
    from mailcrm.providers.discovery import Discovery
    from mailcrm.providers.presets import Preset
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
    from mailcrm.advising import presets_of
    from mailcrm.render import Column

    invocation: Invocation = context.obj
    rows = presets_of(invocation.config()).rows
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
                _host(row.imap),
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
    from mailcrm.advising import presets_of
    from mailcrm.commands.mail_server import named

    invocation: Invocation = context.obj
    row = named(presets_of(invocation.config()), provider)
    if invocation.display.as_json:
        invocation.display.document(row)
        return
    invocation.display.fields(_fields(row))


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
    return "" if endpoint is None else f"{_host(endpoint)}:{endpoint.port} ({endpoint.security.value})"


def _host(endpoint: "Endpoint | None") -> str:
    """Return a host with what the person or the address fills in as a word in capitals, as in the help."""
    if endpoint is None:
        return ""
    return endpoint.host.replace("{host}", "HOST").replace("{domain}", "DOMAIN")


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
    from mailcrm.commands import answers, mail_server
    from mailcrm.render import Column

    invocation: Invocation = context.obj
    own = answers.email_address(address)
    found = mail_server.detected(
        invocation,
        own,
        provider=provider,
        host=answers.host(imap_host) if imap_host else "",
        ask_network=not no_discovery,
    )
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
        display.fields(_result(found))
        if found.elsewhere:
            display.warn(found.doubt())


def _detected(found: "Discovery") -> dict[str, object]:
    """Return what was found for a program; `preset` is what `show` has."""
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
        "doubt": found.doubt(),
        "preset": preset,
    }


def _result(found: "Discovery") -> "list[tuple[str, Cell]]":
    """Return what a person is shown of what was found, by the names that `show` has for it."""
    rows: list[tuple[str, Cell]] = [("found by", found.source and found.source.value)]
    preset, server = found.preset, found.server
    if preset is not None:
        rows += [("provider", f"{preset.name} ({preset.id})")]
    if server is not None:
        rows += [
            ("imap", _place(server.imap)),
            ("smtp", _place(server.smtp)),
            ("user name", server.username),
            ("sign-in", ", ".join(found.sign_in)),
        ]
    if preset is not None:
        rows += [
            ("hint", preset.hint),
            *((f"step {number}", step) for number, step in enumerate(preset.steps, start=1)),
            ("page", preset.page),
            ("not confirmed" if not preset.confirmed else "not sure", preset.doubt),
        ]
    return rows

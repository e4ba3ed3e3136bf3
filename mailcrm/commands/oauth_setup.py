"""`mailcrm account oauth-setup`: how mailcrm becomes a client of an OAuth2 issuer, once on each machine.

No client id ships with mailcrm: Google and Microsoft give one to each organization that asks, and what
one program does with a shared one ends it for all (docs/decisions/0032-oauth2.md).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import typer

from mailcrm.commands import answers, credentials
from mailcrm.commands.invocation import Invocation

#: What a person does at the issuer's site, in order; docs/oauth.md shows the same with more words.
STEPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "google": (
            "Open console.cloud.google.com and make a project, named mailcrm for example.",
            "APIs & Services, Library: search for Gmail API and enable it.",
            (
                "Google Auth Platform, Audience: Internal for a Workspace organization. For "
                "gmail.com External, then publish the app: in testing, each sign-in ends after 7 days."
            ),
            "Google Auth Platform, Data Access: add the scope https://mail.google.com/",
            (
                "Google Auth Platform, Clients: create a client of the type Desktop app, "
                "and copy its client ID and its client secret."
            ),
        ),
        "microsoft": (
            (
                "Open entra.microsoft.com, App registrations, New registration. Name: mailcrm for example. "
                "A personal account gets there with a free Azure account."
            ),
            (
                "Supported account types: any organizational directory and personal Microsoft accounts; or "
                "this organization alone, then its Directory (tenant) ID is needed, too."
            ),
            "Redirect URI: Public client/native (mobile & desktop), http://localhost",
            "Authentication: allow public client flows.",
            (
                "API permissions, Add, APIs my organization uses, Office 365 Exchange Online, Delegated: "
                "IMAP.AccessAsUser.All and SMTP.Send. In many organizations an administrator has to consent."
            ),
            "Overview: copy the Application (client) ID. There is no secret.",
        ),
        "yandex": (
            "Open oauth.yandex.com and register an app for API access.",
            "Redirect URI: http://127.0.0.1:47811/",
            "Permissions: mail:imap_full and mail:smtp.",
            "Copy the ClientID and the Client secret.",
        ),
        "mailru": (
            "Open o2.mail.ru/app and make an app.",
            "Redirect URI: http://127.0.0.1:47811/",
            "Copy the client ID and the client secret.",
        ),
        "fastmail": (
            "Ask Fastmail for an OAuth client: www.fastmail.com/for-developers/integrating/oauth.",
            "Redirect URI: http://127.0.0.1/",
            "Copy the client ID.",
        ),
    }
)


#: What a client ID looks like where it has one form: the wrong field is soon copied.
_FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "google": (r"[0-9a-z-]+\.apps\.googleusercontent\.com", "….apps.googleusercontent.com"),
        "microsoft": (
            r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
    }
)


def add_to(app: typer.Typer) -> None:
    """Hang the command into `mailcrm account`."""
    app.command("oauth-setup")(oauth_setup)


def oauth_setup(
    context: typer.Context,
    issuer: Annotated[str, typer.Argument(help="google, microsoft, yandex, mailru or fastmail")],
    client_id: Annotated[str | None, typer.Option(help="the client ID that the issuer gave")] = None,
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="read the client secret from standard input")
    ] = False,
    client_secret_command: Annotated[
        str | None, typer.Option(metavar="CMD", help="a command that prints the client secret")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="of Microsoft: common, consumers, organizations, or an ID")
    ] = None,
    store_secret: credentials.StoreSecret = None,
) -> None:
    """Make mailcrm known to Google, Microsoft or another issuer, so that you can sign in with OAuth2."""
    from dataclasses import replace

    from mailcrm.config import OAuth2Client, remember_client
    from mailcrm.core.errors import NotFound, UsageError
    from mailcrm.oauth2.issuers import KNOWN
    from mailcrm.oauth2.issuers import issuer as issuer_with
    from mailcrm.signing_in import keep_client_secret

    invocation: Invocation = context.obj
    name = issuer.strip().lower()
    if name not in STEPS:
        raise NotFound(
            f"mailcrm does not know an issuer {issuer!r}.",
            hint=f"It knows {', '.join(STEPS)}; for another write [oauth2.NAME] into config.toml, "
            "see docs/oauth.md.",
        )
    if tenant is not None and name != "microsoft":
        raise UsageError("--tenant is Microsoft's.")
    if client_secret_stdin and client_secret_command is not None:
        raise UsageError("--client-secret-stdin and --client-secret-command do not go together.")
    config = invocation.config()
    known = config.oauth2.get(name, OAuth2Client(client_id=""))
    if client_id is None:
        if not invocation.may_ask():
            raise UsageError("--client-id is needed when nobody can be asked.", hint="See docs/oauth.md.")
        invocation.display.items([(f"{number}.", step) for number, step in enumerate(STEPS[name], start=1)])
        client_id = answers.asked(invocation, "Client ID", lambda text: _client_id(name, text))
        if name == "microsoft" and tenant is None:
            tenant = answers.asked(
                invocation,
                "Tenant (common, or the Directory ID of your organization)",
                lambda text: _tenant(client_id, text),
                default=known.tenant or "common",
            )
    secret = None
    if client_secret_stdin:
        secret = answers.line()
    elif KNOWN[name].client_secret and client_secret_command is None and invocation.may_ask():
        secret = str(typer.prompt("Client secret", hide_input=True, err=True))
    if KNOWN[name].client_secret and not secret and client_secret_command is None:
        raise UsageError(
            f"{name} gives a client secret, too, and takes no sign-in without it.",
            hint="Use --client-secret-stdin, or --client-secret-command CMD.",
        )
    client = replace(
        known,
        client_id=_client_id(name, client_id),
        client_secret_command=client_secret_command or (None if secret else known.client_secret_command),
        tenant=tenant or known.tenant,
    )
    place = credentials.secret_place(invocation, store_secret, "the client secret") if secret else None
    # A mistake is found before anything is written.
    issuer_with(name, client, secret)
    if secret and place is not None:
        keep_client_secret(name, client.client_id, secret, place=place)
    remember_client(config, name, client)
    invocation.display.done(
        f"mailcrm is a client of {name} on this machine. Next: mailcrm connect YOUR-ADDRESS",
        {"issuer": name, "client_id": client.client_id},
    )


def _client_id(issuer: str, text: str) -> str:
    """Return a client ID; raises UsageError for what cannot be one of this issuer."""
    from mailcrm.core.errors import UsageError

    said = answers.name(text, "client ID")
    form, example = _FORMS.get(issuer, (r"[\x21-\x7e]+", "letters, digits and signs without a blank"))
    if re.fullmatch(form, said) is None:
        raise UsageError(f"{said!r} is no client ID of {issuer}.", hint=f"It looks like this: {example}")
    return said


def _tenant(client_id: str, text: str) -> str:
    """Return one of Microsoft's tenants; raises UsageError."""
    from mailcrm.config import OAuth2Client
    from mailcrm.core.errors import ConfigError, UsageError
    from mailcrm.oauth2.issuers import issuer

    try:
        issuer("microsoft", OAuth2Client(client_id=client_id, tenant=text.strip()), None)
    except ConfigError as error:
        raise UsageError(
            f"{text!r} is no tenant.", hint="Say common, consumers, organizations, or an ID."
        ) from error
    return text.strip()

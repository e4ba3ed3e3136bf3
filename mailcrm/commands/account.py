"""`mailcrm account`: the connected mail accounts and their settings."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers, credentials, oauth_setup
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import CreateContacts, Endpoint, Security

if TYPE_CHECKING:
    from mailcrm.config import Config
    from mailcrm.core.model import Account
    from mailcrm.render import Cell

_app = typer.Typer(help="Connected mail accounts.", no_args_is_help=True)

_NOT_ASKED = "The keyring does not open, so what it may keep for the account was not deleted."


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    oauth_setup.add_to(_app)
    app.add_typer(_app, name="account")


_Address = Annotated[str | None, typer.Argument(help="address or number; not needed while there is one")]


@_app.command("list")
def list_accounts(context: typer.Context) -> None:
    """List the accounts that you manage."""
    from mailcrm.render import Column
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = accounts.accounts(db)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="ADDRESS", ratio=3),
            Column(heading="OWNER", ratio=2),
            Column(heading="NEW THREADS"),
            Column(heading="LAST SYNC"),
        ],
        [(row.id, row.address, row.owner, _default(row), row.last_sync_at) for row in rows],
        empty="No account is connected yet. Run: mailcrm connect YOUR-ADDRESS",
    )


@_app.command("show")
def show(context: typer.Context, account: _Address = None) -> None:
    """Show the settings of an account."""
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        row = accounts.account(db, account)
        count = accounts.email_count(db, row)
    if invocation.display.as_json:
        invocation.display.document(row)
        return
    pairs: list[tuple[str, Cell]] = [
        ("account", row.id),
        ("address", row.address),
        ("aliases", ", ".join(row.aliases)),
        ("owner", row.owner),
        ("provider", row.provider),
        ("imap", f"{row.imap.host}:{row.imap.port} ({row.imap.security.value}) as {row.username}"),
        ("sign-in", credentials.opened_by(invocation.config(), row) or "not known on this machine"),
        ("new threads", _default(row)),
        ("history from", row.history_start.date().isoformat() if row.history_start else "the beginning"),
        ("link contacts", "yes" if row.auto_link_contacts else "no"),
        ("link deals", "yes" if row.auto_link_deals else "no"),
        ("link leads", "yes" if row.auto_link_leads else "no"),
        ("create contacts", row.create_contacts.value),
        ("emails", count),
        ("last sync", row.last_sync_at),
        ("trouble", row.last_error),
    ]
    invocation.display.fields(pairs)


@_app.command("set")
def set_account(
    context: typer.Context,
    account: _Address = None,
    visibility: Annotated[
        str | None, typer.Option(metavar="private|team|shared", help="of threads that come later")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help='history start: 2025-01-01, "6 months" or all')
    ] = None,
    folder: Annotated[
        list[str] | None, typer.Option(metavar="F", help="sync only these folders; may be repeated")
    ] = None,
    all_folders: Annotated[
        bool, typer.Option("--all-folders", help="all but junk, trash and drafts, also later ones")
    ] = False,
    link_contacts: Annotated[bool | None, typer.Option(help="link to contacts by the rule")] = None,
    link_deals: Annotated[bool | None, typer.Option(help="link to deals by the rule")] = None,
    link_leads: Annotated[bool | None, typer.Option(help="link to leads by the rule")] = None,
    create_contacts: Annotated[
        CreateContacts | None,
        typer.Option(help="whom to make a contact: nobody, who is written to, who writes as well"),
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="another address of yours; may be repeated")
    ] = None,
    imap_host: Annotated[
        str | None, typer.Option(help="another IMAP server; the password for the old one is deleted")
    ] = None,
    imap_port: Annotated[int | None, typer.Option(min=1, max=65_535, help="its port")] = None,
    imap_security: Annotated[Security | None, typer.Option(help="none is for this machine only")] = None,
    username: Annotated[str | None, typer.Option(help="the log-in name")] = None,
) -> None:
    """Change settings of an account; stored mail stays as it is."""
    from contextlib import ExitStack

    from mailcrm.accounts import choose_all_folders, choose_folders, set_server
    from mailcrm.core.errors import UsageError
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    if folder and all_folders:
        raise UsageError("Choose folders with --folder, or --all-folders, not both.")
    config = invocation.config()
    moves = (imap_host, imap_port, imap_security, username) != (None, None, None, None)
    with invocation.open_store() as db, ExitStack() as held:
        row = accounts.account(db, account)
        if moves:
            # A sync that is at work would go on storing what the old server says.
            held.enter_context(db.lease(row.id))
        held.enter_context(db.transaction())
        if visibility is not None:
            chosen = answers.visibility(visibility, team=row.team_id is not None)
            accounts.set_default_visibility(db, row, chosen)
        if since is not None:
            accounts.set_history_start(db, row, answers.history_start(since, invocation.now()))
        if folder:
            choose_folders(db, row, folder)
        if all_folders:
            choose_all_folders(db, row)
        accounts.set_auto_link(
            db,
            row,
            contacts=row.auto_link_contacts if link_contacts is None else link_contacts,
            deals=row.auto_link_deals if link_deals is None else link_deals,
            leads=row.auto_link_leads if link_leads is None else link_leads,
        )
        if create_contacts is not None:
            accounts.set_create_contacts(db, row, create_contacts)
        for address in alias or []:
            accounts.add_alias(db, row, answers.email_address(address))
        if moves:
            server = _other_server(row.imap, imap_host, imap_port, imap_security)
            name = row.username if username is None else answers.username(username)
            set_server(db, config, row, server, name)
        changed = accounts.account(db, row.address)
    sentence = f"{changed.address} is set."
    if changed.imap.host != row.imap.host:
        sentence += _left_behind(invocation, config, row)
    invocation.display.done(sentence, changed)


@_app.command("folders")
def show_folders(context: typer.Context, account: _Address = None) -> None:
    """List the folders of an account with role, count, and whether they are synced."""
    from mailcrm.render import Column
    from mailcrm.store import accounts, folders

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = folders.folders(db, accounts.account(db, account))
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="FOLDER", ratio=3),
            Column(heading="ROLE"),
            Column(heading="SYNCED"),
            Column(heading="STORED", right=True),
        ],
        [
            (row.name, row.role.value if row.role else "", "yes" if row.selected else "no", row.stored_count)
            for row in rows
        ],
        empty="The folders are not known yet. Run: mailcrm sync",
    )


@_app.command("check")
def check(context: typer.Context, account: _Address = None) -> None:
    """Log in to an account's servers, and say what the one that gives mail can do."""
    from mailcrm.advising import presets_of
    from mailcrm.core.errors import MailError
    from mailcrm.logging_in import check_smtp, open_imap
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    config = invocation.config()
    with invocation.open_store() as db:
        row = accounts.account(db, account)
    with credentials.first_contact(presets_of(config).of_host(row.imap.host)), open_imap(config, row) as imap:
        capabilities = sorted(imap.capabilities)
    _give_turn(invocation, row)
    # Mail is read without it, so a refusal is told and is no failure.
    try:
        smtp = check_smtp(config, row)
        sending = "not known" if smtp is None else f"{smtp.host}:{smtp.port} lets us in"
    except MailError as error:
        sending = f"{error} {error.hint}".rstrip()
    if invocation.display.as_json:
        invocation.display.document(
            {"account": row.address, "capabilities": capabilities, "sending": sending}
        )
        return
    invocation.display.fields(
        [
            ("log-in", "works"),
            ("server", row.imap.host),
            ("sending", sending),
            ("can", " ".join(capabilities)),
        ]
    )


@_app.command("reauth")
def reauth(
    context: typer.Context,
    account: _Address = None,
    auth: credentials.AuthOption = None,
    flow: credentials.FlowOption = None,
    password_stdin: credentials.PasswordStdin = False,
    password_command: credentials.PasswordCommand = None,
    token_command: credentials.TokenCommand = None,
    store_secret: credentials.StoreSecret = None,
    ca_file: credentials.CaFile = None,
) -> None:
    """Give an account a new password, or sign in again; it is kept only when the server takes it."""
    from dataclasses import replace

    from mailcrm.advising import presets_of
    from mailcrm.logging_in import keep_credential
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    config = invocation.config()
    with invocation.open_store() as db:
        row = accounts.account(db, account)
    given = credentials.Given(
        auth=auth,
        flow=flow,
        password_stdin=password_stdin,
        password_command=password_command,
        token_command=token_command,
        place=store_secret,
        ca_file=ca_file,
    )
    door = credentials.Door(
        address=row.address,
        imap=row.imap,
        username=row.username,
        preset=presets_of(config).of_host(row.imap.host),
    )
    here = config.reach(row.address, row.imap.host)
    before = None
    if here.token_command is not None and given.names_nothing:
        given = replace(given, token_command=here.token_command, place=None)
    elif here.host is not None:
        before = credentials.Auth.PASSWORD if here.oauth2 is None else credentials.Auth.OAUTH2
    way = credentials.chosen_way(invocation, given, door, before=before)
    login, _ = credentials.log_in(invocation, given, door, way)
    keep_credential(config, login)
    _give_turn(invocation, row)
    invocation.display.done(
        f"{row.address} has its new password."
        if way.auth is credentials.Auth.PASSWORD
        else f"{row.address} is signed in again.",
        {"account": row.address},
    )


@_app.command("disconnect")
def disconnect(
    context: typer.Context, account: Annotated[str, typer.Argument(help="address or number")]
) -> None:
    """Stop syncing an account and delete its password; its mail stays."""
    from mailcrm.accounts import disconnect_account
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        row = accounts.account(db, account)
        if invocation.may_ask() and not typer.confirm(f"Stop syncing {row.address}?", err=True):
            invocation.display.note("Nothing was changed.")
            raise typer.Exit(1)
        if not disconnect_account(db, invocation.config(), row):
            invocation.display.warn(_NOT_ASKED)
    invocation.display.done(f"{row.address} is disconnected; its mail is kept.", {"account": row.address})


def _give_turn(invocation: Invocation, row: "Account") -> None:
    """Let the next sync ask the account, because its server has just let us in."""
    from mailcrm.store import accounts

    with invocation.open_store() as db:
        accounts.give_turn(db, row)


def _left_behind(invocation: Invocation, config: "Config", row: "Account") -> str:
    """Delete what opened the server that an account has left, and say so."""
    import os

    from mailcrm.keychain import given_password
    from mailcrm.logging_in import forget_secrets

    opened, gone = credentials.opened_by(config, row), ""
    if not forget_secrets(row):
        invocation.display.warn(_NOT_ASKED)
    elif opened:
        gone = f" What opened {row.imap.host} ({opened}) is deleted, ca_file with it."
    if given_password(row.address, os.environ) is not None:
        invocation.display.warn("The password that was given with mailcrm's start goes to the new server.")
        return ""
    return f"{gone} Next: mailcrm account reauth {row.address}"


def _other_server(old: Endpoint, host: str | None, port: int | None, security: Security | None) -> Endpoint:
    """Return the server that the options name; what they leave out stays, where it can."""
    named = old.host if host is None else answers.host(host)
    secured = security or old.security
    usual = 993 if secured is Security.TLS else 143
    stays = (named, secured) == (old.host, old.security)
    return Endpoint(host=named, port=port or (old.port if stays else usual), security=secured)


def _default(row: "Account") -> str:
    if row.default_visibility.value == "shared":
        return "shared"
    return answers.closed_word(team=row.team_id is not None)

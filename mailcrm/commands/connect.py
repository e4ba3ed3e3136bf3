"""`mailcrm connect`: the set-up of one mail account."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers, credentials, mail_server
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Endpoint, Security, Visibility

if TYPE_CHECKING:
    from mailcrm.store import Database


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("connect")(connect)


def connect(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="the e-mail address of the account")],
    provider: Annotated[
        str | None, typer.Option(help="see `mailcrm provider list`; else found by the address")
    ] = None,
    imap_host: Annotated[str | None, typer.Option(help="your own IMAP server")] = None,
    imap_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="993, or 143 with starttls or none")
    ] = None,
    imap_security: Annotated[
        Security | None, typer.Option(help="tls unless said; none is for this machine only")
    ] = None,
    username: Annotated[str | None, typer.Option(help="the log-in name, when it is not the address")] = None,
    no_discovery: Annotated[
        bool, typer.Option("--no-discovery", help="ask nobody in the network for the server")
    ] = False,
    auth: credentials.AuthOption = None,
    flow: credentials.FlowOption = None,
    password_stdin: credentials.PasswordStdin = False,
    password_command: credentials.PasswordCommand = None,
    token_command: credentials.TokenCommand = None,
    store_secret: credentials.StoreSecret = None,
    ca_file: credentials.CaFile = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="the account is yours alone (the default)")
    ] = False,
    team: Annotated[str | None, typer.Option(metavar="NAME", help="the account belongs to this team")] = None,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", metavar="MEMBER", help="a member of the team; may be repeated"),
    ] = None,
    visibility: Annotated[
        str | None, typer.Option(metavar="private|team|shared", help="what new threads start with")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help='history start: 2025-01-01, "6 months" or all (90 days)'),
    ] = None,
    folder: Annotated[
        list[str] | None, typer.Option(metavar="F", help="sync only this folder; may be repeated")
    ] = None,
    all_folders: Annotated[
        bool, typer.Option("--all-folders", help="all but junk, trash and drafts (the default)")
    ] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="do not log in now")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="sync at once")] = False,
) -> None:
    """Connect a mail account: log in once, then remember how to sync it."""
    from mailcrm.accounts import Settings, connect_account
    from mailcrm.commands.sync import run_sync
    from mailcrm.core.errors import UsageError

    invocation: Invocation = context.obj
    own = answers.email_address(address)
    if personal and team is not None:
        raise UsageError("An account is --personal or of a --team, not both.")
    if folder and (all_folders or no_check):
        raise UsageError("--folder stands alone: with --no-check nobody can tell what folders there are.")
    given = credentials.Given(
        auth=auth,
        flow=flow,
        password_stdin=password_stdin,
        password_command=password_command,
        token_command=token_command,
        place=store_secret,
        ca_file=ca_file,
    )
    named = None
    if imap_host is not None:
        security = imap_security or Security.TLS
        usual = 993 if security is Security.TLS else 143
        named = Endpoint(host=answers.host(imap_host), port=imap_port or usual, security=security)
    elif imap_port is not None or imap_security is not None:
        raise UsageError("--imap-port and --imap-security go with --imap-host.")
    _refuse_connected(invocation, own)
    server, preset = mail_server.found(
        invocation, own, provider=provider, imap=named, ask_network=not no_discovery
    )
    door = credentials.Door(
        address=own,
        imap=server.imap,
        username=answers.username(username) if username else server.username,
        preset=preset,
    )
    way = credentials.chosen_way(invocation, given, door)
    credentials.show_preparation(invocation, door, way)
    choices = _ask(
        invocation, personal=personal, team=team, people=member, visibility=visibility, since=since
    )
    if choices.people and choices.team is None:
        raise UsageError("--member goes with --team.")
    settings = Settings(
        visibility=choices.visibility,
        history_start=choices.history_start,
        folders=tuple(folder) if folder else None,
    )
    # Nothing is stored, no store is made, before the server let us in.
    login, offered = credentials.log_in(invocation, given, door, way, check=not no_check)
    _make_store_if_new(invocation, own)
    with invocation.open_store() as db:
        with db.transaction():
            team_id = _team(db, choices.team, choices.people)
            account = connect_account(
                db,
                invocation.config(),
                login,
                settings,
                provider=server.provider,
                offered=offered,
                team_id=team_id,
            )
        sentence = f"{own} is connected ({server.provider}, {account.imap.host})."
        invocation.display.done(sentence if sync else f"{sentence} Next: mailcrm sync", account)
        if sync:
            config = invocation.config()
            raise typer.Exit(run_sync(invocation, db, config, [account], insist=True, accept_deletions=False))


def _refuse_connected(invocation: Invocation, address: str) -> None:
    """Raise AlreadyExists when the viewer has connected the address before, and open errors of the store."""
    from mailcrm.core.errors import AlreadyExists
    from mailcrm.store import accounts

    if _is_store_new(invocation):
        return
    with invocation.open_store() as db:
        if any(known.address == address for known in accounts.accounts(db)):
            raise AlreadyExists(
                f"{address} is connected already.",
                hint=f"To sign in anew: mailcrm account reauth {address}",
            )


def _is_store_new(invocation: Invocation) -> bool:
    """Say whether there is no store, or one without a member because it was not made to its end."""
    from mailcrm.core.errors import StoreMissing
    from mailcrm.store.location import is_postgres, sqlite_path

    url = invocation.config().store
    if is_postgres(url):
        return False
    path = sqlite_path(url)
    if not path.exists() or path.stat().st_size == 0:
        return True
    try:
        with invocation.open_store():
            return False
    except StoreMissing:
        return True


def _make_store_if_new(invocation: Invocation, address: str) -> None:
    from mailcrm.commands.init import make_store

    if _is_store_new(invocation):
        member = answers.email_address(invocation.config().member or address)
        make_store(invocation, address=member, name=None, login=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choices:
    """What a person chose, at the prompt or by options."""

    team: str | None
    people: list[str]
    visibility: Visibility
    history_start: datetime | None


def _ask(
    invocation: Invocation,
    *,
    personal: bool,
    team: str | None,
    people: list[str] | None,
    visibility: str | None,
    since: str | None,
) -> _Choices:
    """Ask what no option answered, when there is somebody to ask; raises UsageError."""

    def when(text: str) -> datetime | None:
        return answers.history_start(text, invocation.now())

    ask, note = invocation.may_ask(), invocation.display.note
    if (
        ask
        and not personal
        and team is None
        and typer.confirm("Does a team share this account?", default=False, err=True)
    ):
        team = typer.prompt("Name of the team", err=True)
        if people is None:
            people = _ask_people(invocation)
    if team is not None:
        team = answers.name(team, "team")
    closed = answers.closed_word(team=team is not None)
    if ask and visibility is None:
        note(f"New conversations: {closed} (nobody else) or shared (colleagues, once linked).")
    return _Choices(
        team=team,
        people=people or [],
        visibility=answers.asked(
            invocation,
            "Visibility",
            lambda text: answers.visibility(text, team=team is not None),
            default=closed,
        )
        if ask and visibility is None
        else answers.visibility(visibility or closed, team=team is not None),
        history_start=answers.asked(
            invocation, 'History from (a date, "6 months", all)', when, default="90 days"
        )
        if ask and since is None
        else when(since or "90 days"),
    )


def _ask_people(invocation: Invocation) -> list[str]:
    """Ask who else is in the team, which a store without members need not be asked."""
    from mailcrm.store import members

    if _is_store_new(invocation):
        invocation.display.note("Nobody else is a member yet: mailcrm member create, then mailcrm team add.")
        return []
    with invocation.open_store() as db:
        return answers.asked(
            invocation,
            "Who else is in the team? (addresses, empty for nobody)",
            lambda text: [members.member(db, one).address for one in text.replace(",", " ").split()],
            default="",
        )


def _team(db: "Database", name: str | None, people: list[str]) -> int | None:
    from mailcrm.core.errors import NotFound
    from mailcrm.store import members

    if name is None:
        return None
    try:
        team = members.team(db, name)
    except NotFound:
        team = members.create_team(db, name)
    for person in people:
        members.add_team_member(db, team, members.member(db, person))
    return team.id

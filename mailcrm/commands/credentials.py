"""What a person offers so that the server lets mailcrm in: a password, a command, a sign-in with OAuth2.

How a person signs in at the provider is left to `consent`, keeping what opens the account to `logging_in`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm import keychain
from mailcrm.commands import answers
from mailcrm.commands.consent import Flow
from mailcrm.commands.invocation import Invocation
from mailcrm.core.credentials import AccessToken, Credential, Password

if TYPE_CHECKING:
    from mailcrm.accounts import Offered
    from mailcrm.config import Config
    from mailcrm.core.model import Account, Endpoint
    from mailcrm.logging_in import Login, Source
    from mailcrm.providers.presets import Preset

#: How often a password is asked for before a wrong one is an error; servers lock accounts out.
_ATTEMPTS = 3


class Auth(StrEnum):
    """What is shown to the server: a password, or an access token."""

    PASSWORD = "password"  # noqa: S105 - the word, not one
    OAUTH2 = "oauth2"


AuthOption = Annotated[
    Auth | None, typer.Option("--auth", help="how to sign in; else as the provider wants it")
]
FlowOption = Annotated[
    Flow | None, typer.Option("--flow", help="of OAuth2: where there is a browser, else paste")
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from standard input")
]
PasswordCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="a command that prints the password")
]
TokenCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="a command that prints an OAuth2 access token")
]
StoreSecret = Annotated[
    keychain.SecretPlace | None, typer.Option(help="where the secret is kept: as before, else keyring")
]
CaFile = Annotated[str | None, typer.Option(metavar="FILE", help="trust the certificates in this PEM file")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the options of a command say of the credential; see the options for each."""

    auth: Auth | None
    flow: Flow | None
    password_stdin: bool
    password_command: str | None
    token_command: str | None
    place: keychain.SecretPlace | None
    ca_file: str | None

    def __post_init__(self) -> None:
        from mailcrm.core.errors import UsageError

        said = [name for name, _ in self._sources]
        said += [f"--auth {self.auth.value}" for _, auth in self._sources if self.auth not in (None, auth)]
        if self.place is not None and (self.password_command, self.token_command) != (None, None):
            said.append("--store-secret")
        if len(said) > 1:
            raise UsageError(f"{' and '.join(said)} do not go together.", hint="Choose one.")

    @property
    def names_nothing(self) -> bool:
        """Say whether no option says what opens the account."""
        return self.auth is None and not self._sources

    @property
    def _sources(self) -> list[tuple[str, Auth]]:
        """Return the options that say where the credential comes from, and what kind that is."""
        options = (
            ("--password-stdin", Auth.PASSWORD, self.password_stdin),
            ("--password-command", Auth.PASSWORD, self.password_command is not None),
            ("--token-command", Auth.OAUTH2, self.token_command is not None),
            ("--flow", Auth.OAUTH2, self.flow is not None),
        )
        return [(name, auth) for name, auth, is_said in options if is_said]


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """The server that is to let us in, and what is known of its provider."""

    address: str
    imap: "Endpoint"
    username: str
    preset: "Preset | None"


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How the door is opened: with what, as which client of OAuth2, and where a secret of it is kept."""

    auth: Auth
    client: str | None
    place: keychain.SecretPlace | None


def chosen_way(invocation: Invocation, given: Given, door: Door, *, before: Auth | None = None) -> Way:
    """Return how to sign in: as the options say, as it was `before`, or as the provider wants it.

    Raises ConfigError where it has to be OAuth2 and no client for that is set up, and where there is no
    place for what has to be kept.
    """
    auth = _wanted(invocation, given, door, before)
    # A command brings the token of a client that is its own.
    client = _client(invocation, door) if auth is Auth.OAUTH2 and given.token_command is None else None
    kept = client is not None or given.password_stdin or _is_typed(invocation, given, door, auth)
    place = None
    if kept:
        what = "the password" if auth is Auth.PASSWORD else "the sign-in"
        place = secret_place(invocation, given.place or _kept_at(door), what)
    return Way(auth=auth, client=client, place=place)


def _is_typed(invocation: Invocation, given: Given, door: Door, auth: Auth) -> bool:
    return (
        auth is Auth.PASSWORD
        and not given.password_stdin
        and given.password_command is None
        and not _in_environment(door.address)
        and invocation.may_ask()
    )


def _kept_at(door: Door) -> keychain.SecretPlace | None:
    from mailcrm.logging_in import kept_at

    return kept_at(door.address, door.imap.host)


def show_preparation(invocation: Invocation, door: Door, way: Way) -> None:
    """Say to a person what has to be prepared for this way, before anything is typed."""
    preset = door.preset
    if not invocation.may_ask() or preset is None:
        return
    if way.auth is Auth.OAUTH2:
        if way.client is not None:
            invocation.display.note(f"You sign in with OAuth2, by the client {way.client} of config.toml.")
        return
    if _takes_no_password(preset):
        invocation.display.warn(f"{preset.name} is not known to take a password. {preset.hint}")
    elif preset.steps or preset.hint:
        invocation.display.items([("·", step) for step in preset.steps or (preset.hint,)])
        if preset.page:
            invocation.display.note(f"See {preset.page}")


def _takes_no_password(preset: "Preset") -> bool:
    from mailcrm.providers.presets import SignIn

    return preset.sign_in == (SignIn.OAUTH2,)


def _wanted(invocation: Invocation, given: Given, door: Door, before: Auth | None) -> Auth:
    from mailcrm.core.errors import ConfigError
    from mailcrm.providers.presets import SignIn

    if given.auth is not None:
        return given.auth
    if given.token_command is not None or given.flow is not None:
        return Auth.OAUTH2
    kinds = () if door.preset is None else door.preset.sign_in
    has_password = given.password_stdin or given.password_command is not None
    if has_password or (before is None and _in_environment(door.address)):
        if door.preset is not None and before is not Auth.PASSWORD and _takes_no_password(door.preset):
            raise ConfigError(
                f"{door.preset.name} takes no password, only a sign-in with OAuth2.",
                hint=f"{door.preset.hint} (With --auth password the password is tried all the same.)",
            )
        return Auth.PASSWORD
    if before is not None:
        return before
    if door.preset is None or SignIn.OAUTH2 not in kinds:
        return Auth.PASSWORD
    # Who set up a client wants to use it.
    is_set_up = door.preset.oauth2 in invocation.config().oauth2
    return Auth.OAUTH2 if is_set_up or _takes_no_password(door.preset) else Auth.PASSWORD


def _client(invocation: Invocation, door: Door) -> str:
    """Return the name of the client whose tokens open the door; raises ConfigError without one."""
    from mailcrm.core.errors import ConfigError

    preset = door.preset
    if preset is not None and preset.oauth2 is None and preset.sign_in:
        raise ConfigError(
            f"{preset.name} is not known to let programs like mailcrm sign in with OAuth2.", hint=preset.hint
        )
    if preset is None or preset.oauth2 is None:
        raise ConfigError(
            f"mailcrm does not know where to sign in for {door.imap.host} with OAuth2.",
            hint="Describe the provider in config.toml: a [providers.NAME] table with oauth2, and an "
            "[oauth2.NAME] table; see docs/oauth.md. Or use --token-command.",
        )
    if preset.oauth2 not in invocation.config().oauth2:
        raise ConfigError(
            f"{preset.name} needs a sign-in with OAuth2, and no client is set up for it on this machine.",
            hint=f"Run once: mailcrm account oauth-setup {preset.oauth2}",
        )
    return preset.oauth2


def log_in(
    invocation: Invocation, given: Given, door: Door, way: Way, *, check: bool = True
) -> "tuple[Login, tuple[Offered, ...]]":
    """Get what opens the door, prove that it does, and return it with the server's folders.

    A wrong password that somebody typed is asked for again. Without `check` nothing is proved, and no
    folders are known. Raises MailError, ConfigError, CredentialMissing or SignInFailed.
    """
    from mailcrm.accounts import log_in_once
    from mailcrm.core.errors import AuthError, LogInBlocked
    from mailcrm.logging_in import Login
    from mailcrm.providers.presets import SignIn

    credential, source = _obtained(invocation, given, door, way, run=check)
    login = Login(
        address=door.address,
        imap=door.imap,
        username=door.username,
        ca_file=ca_file(invocation, door.address, given.ca_file),
        credential=credential,
        source=source,
    )
    if not check:
        return login, ()
    for _ in range(_ATTEMPTS - 1 if _is_typed(invocation, given, door, way.auth) else 0):
        try:
            with first_contact(door.preset):
                return login, log_in_once(invocation.config(), login)
        except AuthError as error:
            # Where passwords are not taken at all, another one would not help.
            if isinstance(error, LogInBlocked) or error.wanted == SignIn.OAUTH2:
                raise
            invocation.display.warn(f"{error} {error.hint}".rstrip())
        login = replace(login, credential=Password(_typed_password(door)))
    with first_contact(door.preset):
        return login, log_in_once(invocation.config(), login)


def _obtained(
    invocation: Invocation, given: Given, door: Door, way: Way, *, run: bool
) -> "tuple[Credential, Source]":
    """Return what opens the door, and where it comes from later; without `run` no command is run."""
    from mailcrm import logging_in
    from mailcrm.commands.consent import sign_in
    from mailcrm.core.errors import CredentialMissing

    if given.token_command is not None:
        token = keychain.run_command(given.token_command, key="token_command") if run else ""
        return AccessToken(token), logging_in.TokenCommand(command=given.token_command)
    if way.client is not None and way.place is not None:
        tokens = sign_in(invocation, way.client, door.address, given.flow)
        kept = logging_in.KeptTokens(client=way.client, tokens=tokens, place=way.place)
        return AccessToken(tokens.access_token), kept
    if given.password_command is not None:
        password = keychain.run_command(given.password_command) if run else ""
        return Password(password), logging_in.PasswordCommand(command=given.password_command)
    if way.place is not None:
        password = answers.line() if given.password_stdin else _typed_password(door)
        return Password(password), logging_in.KeptPassword(place=way.place)
    variable = keychain.environment_name(door.address)
    if variable in os.environ:
        return Password(os.environ[variable]), logging_in.Environment()
    needs = door.preset.hint if door.preset is not None else ""
    raise CredentialMissing(
        f"There is no password for {door.address}.",
        hint=f"Use --password-stdin, --password-command CMD, or the variable {variable}. {needs}".rstrip(),
    )


def secret_place(
    invocation: Invocation, place: keychain.SecretPlace | None, what: str
) -> keychain.SecretPlace:
    """Return where a secret will be kept, before it is used; raises ConfigError without a keyring."""
    from mailcrm.core.errors import ConfigError, KeyringClosed

    if place is keychain.SecretPlace.FILE:
        return place
    try:
        keychain.require_keyring()
    except (ConfigError, KeyringClosed):
        question = f"There is no keyring here. Keep {what} in a file that only you can read?"
        if place is None and invocation.may_ask() and typer.confirm(question, default=True, err=True):
            return keychain.SecretPlace.FILE
        raise
    return keychain.SecretPlace.KEYRING


def opened_by(config: "Config", account: "Account") -> str:
    """Return what opens an account on this machine, or nothing when nobody has said it here."""
    here = config.reach(account.address, account.imap.host)
    if here.oauth2 is not None:
        return f"OAuth2, client {here.oauth2}"
    if here.token_command is not None:
        return "an access token, printed by token_command"
    if here.password_command is not None:
        return "a password, printed by password_command"
    return "" if here.host is None else "a password"


def ca_file(invocation: Invocation, address: str, given: str | None) -> str | None:
    """Return the absolute path of the certificates to trust: as given, else as config.toml has it."""
    if given is not None:
        return str(Path(given).expanduser().absolute())
    return invocation.config().account(address).ca_file


@contextmanager
def first_contact(preset: "Preset | None") -> Iterator[None]:
    """Say of a log-in that a person waits for what to do now; no sync will try again."""
    from mailcrm.core.errors import ConnectError, Throttled

    try:
        yield
    except (ConnectError, Throttled) as error:
        if error.hint == type(error).hint:
            if isinstance(error, Throttled):
                error.hint = "Wait a while, then try again."
            elif preset is not None:
                error.hint = "Check the network: this is the server of the provider."
            else:
                error.hint = "Check the server's name and port."
        raise


def _in_environment(address: str) -> bool:
    return keychain.environment_name(address) in os.environ


def _typed_password(door: Door) -> str:
    kind = "Password"
    if door.preset is not None and door.preset.sign_in:
        from mailcrm.providers.presets import SignIn

        # Of the provider's kinds the first that is typed: "App password for me@example.com".
        kind = next((kind.value for kind in door.preset.sign_in if kind is not SignIn.OAUTH2), kind)
    return str(typer.prompt(f"{kind.capitalize()} for {door.address}", hide_input=True, err=True))

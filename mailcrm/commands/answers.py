"""What a person says in an option or at a prompt, and what it means, where several commands ask for it.

What is done with it is left to the commands.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mailcrm import keychain
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Visibility

if TYPE_CHECKING:
    from mailcrm.accounts import Login, Offered

_Meaning = TypeVar("_Meaning")

#: How often a password is asked for before a wrong one is an error; servers lock accounts out.
_ATTEMPTS = 3

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from standard input")
]
PasswordCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="a command that prints the password")
]
StoreSecret = Annotated[
    keychain.SecretPlace | None, typer.Option(help="where the password is kept; keyring when left out")
]
CaFile = Annotated[str | None, typer.Option(metavar="FILE", help="trust the certificates in this PEM file")]


def email_address(text: str) -> str:
    """Return an address as addresses are compared; raises UsageError."""
    from mailcrm.core.addresses import normalise
    from mailcrm.core.errors import UsageError

    address = normalise(text)
    if address is None:
        raise UsageError(f"{text!r} is not an e-mail address.", hint="Write it like kim@example.com.")
    return address


def name(text: str, noun: str) -> str:
    """Return a name without blanks around it; raises UsageError when nothing is left."""
    from mailcrm.core.errors import UsageError

    if not text.strip():
        raise UsageError(f"A {noun} needs a name.", hint="Give it at least one letter or digit.")
    return text.strip()


def closed_word(*, team: bool) -> str:
    """Return what a thread is called that only its owner, or only the team, reads."""
    return "team" if team else "private"


def visibility(text: str, *, team: bool) -> Visibility:
    """Return what new threads of an account start with, a team's or a person's own; raises UsageError."""
    from mailcrm.core.errors import UsageError

    closed = closed_word(team=team)
    word = text.strip().lower()
    if word not in (closed, "shared"):
        raise UsageError(
            f"The visibility of this account is {closed} or shared, not {text!r}.",
            hint=f"Say: {closed}, or: shared",
        )
    return Visibility.SHARED if word == "shared" else Visibility.PRIVATE


def history_start(text: str, now: datetime) -> datetime | None:
    """Return the day that `text` names, seen from `now`, or None for `all`; raises UsageError."""
    from mailcrm.core.dates import parse_when

    return None if text.strip().lower() == "all" else parse_when(text, now)


def asked(
    invocation: Invocation, question: str, meaning: Callable[[str], _Meaning], *, default: str | None = None
) -> _Meaning:
    """Ask until the answer means something: `meaning` raises UsageError or NotFound for one that does not."""
    from mailcrm.core.errors import NotFound, UsageError

    while True:
        said = typer.prompt(question, default=default, show_default=bool(default), err=True)
        try:
            return meaning(said)
        except (UsageError, NotFound) as error:
            invocation.display.warn(str(error))


def agree(invocation: Invocation, question: str, doing: str, *, yes: bool, hint: str) -> None:
    """Return when a person agrees, or did with --yes; ends the command with exit code 1 for a no.

    Raises UsageError, of `doing` and with the hint, where nobody can be asked.
    """
    from mailcrm.core.errors import UsageError
    from mailcrm.render import visible

    if yes:
        return
    if not invocation.may_ask():
        raise UsageError(f"{doing} needs --yes when nobody can be asked.", hint=hint)
    if not typer.confirm(visible(question), err=True):
        invocation.display.note("Nothing was changed.")
        raise typer.Exit(1)


def ca_file(invocation: Invocation, address: str, given: str | None) -> str | None:
    """Return the absolute path of the certificates to trust: as given, else as config.toml has it."""
    if given is not None:
        return str(Path(given).expanduser().absolute())
    return invocation.config().account(address).ca_file


def secret_place(
    invocation: Invocation,
    address: str,
    place: keychain.SecretPlace | None,
    *,
    from_stdin: bool,
    command: str | None,
) -> keychain.SecretPlace:
    """Return where a password will be kept, before it is used; raises ConfigError without a keyring."""
    from mailcrm.core.errors import ConfigError

    if place is keychain.SecretPlace.FILE:
        return place
    kept = command is None and keychain.environment_name(address) not in os.environ
    if not kept or not (from_stdin or invocation.may_ask()):
        return keychain.SecretPlace.KEYRING
    try:
        keychain.require_keyring()
    except ConfigError:
        question = "There is no keyring here. Keep the password in a file that only you can read?"
        if place is None and invocation.may_ask() and typer.confirm(question, err=True):
            return keychain.SecretPlace.FILE
        raise
    return keychain.SecretPlace.KEYRING


def log_in(
    invocation: Invocation, login: "Login", *, from_stdin: bool
) -> "tuple[Login, tuple[Offered, ...]]":
    """Prove that the server lets us in; a wrong password that somebody typed is asked for again.

    Returns the log-in that worked, and the folders. Raises MailError or ConfigError.
    """
    from dataclasses import replace

    from mailcrm.accounts import log_in_once
    from mailcrm.core.errors import AuthError

    typed = (
        not from_stdin
        and login.password_command is None
        and keychain.environment_name(login.address) not in os.environ
        and invocation.may_ask()
    )
    for _ in range(_ATTEMPTS - 1 if typed else 0):
        try:
            with first_contact():
                return login, log_in_once(login)
        except AuthError as error:
            invocation.display.warn(f"{error} {error.hint}".rstrip())
        login = replace(login, password=_typed_password(login.address))
    with first_contact():
        return login, log_in_once(login)


@contextmanager
def first_contact() -> Iterator[None]:
    """Say of a log-in that a person waits for what to do now; no sync will try again."""
    from mailcrm.core.errors import ConnectError, Throttled

    try:
        yield
    except (ConnectError, Throttled) as error:
        if error.hint == type(error).hint:
            waits = isinstance(error, Throttled)
            error.hint = "Wait a while, then try again." if waits else "Check the server's name and port."
        raise


def _typed_password(address: str) -> str:
    return str(typer.prompt(f"Password for {address}", hide_input=True, err=True))


def password(
    invocation: Invocation, address: str, *, from_stdin: bool, command: str | None, advice: str = ""
) -> str:
    """Return the password from where the options say, or ask for it; raises CredentialMissing.

    `advice` says what the provider wants to be done first.
    """
    from mailcrm.core.errors import CredentialMissing

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if command is not None:
        return keychain.run_command(command)
    name = keychain.environment_name(address)
    if name in os.environ:
        return os.environ[name]
    if invocation.may_ask():
        return _typed_password(address)
    raise CredentialMissing(
        f"There is no password for {address}.",
        hint=f"Use --password-stdin, --password-command CMD, or the variable {name}. {advice}".rstrip(),
    )

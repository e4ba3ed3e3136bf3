"""What a person says in an option or at a prompt, and what it means, where several commands ask for it.

What is done with it is left to the commands.
"""

import os
import sys
from datetime import datetime
from typing import Annotated

import typer

from mailcrm import keychain
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Visibility

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from standard input")
]
PasswordCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="a command that prints the password")
]
StoreSecret = Annotated[keychain.SecretPlace, typer.Option(help="where the password is kept")]
CaFile = Annotated[str | None, typer.Option(metavar="FILE", help="trust the certificates in this PEM file")]


def email_address(text: str) -> str:
    """Return an address as addresses are compared; raises UsageError."""
    from mailcrm.core.addresses import normalise
    from mailcrm.core.errors import UsageError

    address = normalise(text)
    if address is None:
        raise UsageError(f"{text!r} is not an e-mail address.")
    return address


def closed_word(*, team: bool) -> str:
    """Return what a thread is called that only its owner, or only the team, reads."""
    return "team" if team else "private"


def visibility(text: str, *, team: bool) -> Visibility:
    """Return what new threads of an account start with, a team's or a person's own; raises UsageError."""
    from mailcrm.core.errors import UsageError

    closed = closed_word(team=team)
    word = text.strip().lower()
    if word not in (closed, "shared"):
        raise UsageError(f"--visibility of this account is {closed} or shared, not {text!r}.")
    return Visibility.SHARED if word == "shared" else Visibility.PRIVATE


def history_start(text: str, now: datetime) -> datetime | None:
    """Return the day that `text` names, seen from `now`, or None for `all`; raises UsageError."""
    from mailcrm.core.dates import parse_when

    return None if text.strip().lower() == "all" else parse_when(text, now)


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
        return str(typer.prompt(f"Password for {address}", hide_input=True, err=True))
    raise CredentialMissing(
        f"There is no password for {address}.",
        hint=f"Use --password-stdin, --password-command CMD, or the variable {name}. {advice}".rstrip(),
    )

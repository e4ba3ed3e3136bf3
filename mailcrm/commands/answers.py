"""What a person says in an option or at a prompt, and what it means, where several commands ask for it.

What is done with it is left to the commands.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Visibility

_Meaning = TypeVar("_Meaning")


def email_address(text: str) -> str:
    """Return an address as addresses are compared; raises UsageError."""
    from mailcrm.core.addresses import normalise
    from mailcrm.core.errors import UsageError

    address = normalise(text)
    if address is None:
        raise UsageError(f"{text!r} is not an e-mail address.", hint="Write it like kim@example.com.")
    return address


def host(text: str) -> str:
    """Return a host as hosts are compared; raises UsageError."""
    from mailcrm.core.errors import UsageError
    from mailcrm.providers.domains import host_of

    named = host_of(text)
    if named is None:
        raise UsageError(
            f"{text!r} is no name of a host.", hint="Write it like imap.example.com, nothing else."
        )
    return named


def username(text: str) -> str:
    """Return a log-in name without blanks around it; raises UsageError for one that no server takes."""
    from mailcrm.core.errors import UsageError

    if not text.strip() or not text.isprintable():
        raise UsageError(f"{text!r} is no log-in name.")
    return text.strip()


def line() -> str:
    """Return the next line of standard input, without its end; raises UsageError."""
    from mailcrm.core.errors import UsageError

    try:
        said = sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("Standard input is no text in UTF-8.") from error
    if not said:
        raise UsageError("Standard input is empty.", hint="Nothing was given, so nothing was done.")
    return said


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
            invocation.display.warn(f"{error} {error.hint}".rstrip())


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

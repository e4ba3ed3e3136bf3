"""What was said before the command: which store, which member, and how to answer."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mailcrm.core.errors import UsageError
from mailcrm.render import Display

if TYPE_CHECKING:  # imported when a command needs them, so that --help answers at once
    from mailcrm.config import Config
    from mailcrm.store import Database

#: Options that may stand before or after the command, and whether a value follows them.
GLOBAL_OPTIONS = {
    "--store": True,
    "--as": True,
    "--config": True,
    "--json": False,
    "--no-input": False,
    "--no-color": False,
    "--quiet": False,
    "-q": False,
    "--verbose": False,
    "-v": False,
    "-vv": False,
}


def hoist(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the global options, wherever they stood, and the rest of the command line; raises UsageError."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in GLOBAL_OPTIONS:
            front.append(word)
            if GLOBAL_OPTIONS[word]:
                value = next(waiting, None)
                if value is None:
                    raise UsageError(f"{word} needs a value.")
                front.append(value)
        elif word.partition("=")[0] in GLOBAL_OPTIONS and word.startswith("--"):
            front.append(word)
        else:
            rest.append(word)
    return front, rest


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One call of the program: the global options, and where results go."""

    store: str | None
    member: str | None
    config_path: Path | None
    ask: bool
    display: Display

    def config(self) -> "Config":
        """Return the settings of this machine, the command line first; raises ConfigError."""
        from dataclasses import replace

        from mailcrm import config
        from mailcrm.core.errors import ConfigError

        if self.config_path is not None and not self.config_path.exists():
            raise ConfigError(f"There is no file {self.config_path}.")
        found = config.load(self.config_path or config.default_path(os.environ), os.environ)
        return replace(found, store=self.store or found.store, member=self.member or found.member)

    @contextmanager
    def open_store(self) -> "Iterator[Database]":
        """Open the store for the member who calls, and close it at the end."""
        from mailcrm.store import open_database

        settings = self.config()
        db = open_database(settings.store, viewer=settings.member)
        try:
            yield db
        finally:
            db.close()

    def may_ask(self) -> bool:
        """Say whether there is a person at the terminal who wants to be asked."""
        return self.ask and sys.stdin.isatty() and sys.stderr.isatty()

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)

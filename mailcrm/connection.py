"""A connection to an account's server that can be made anew.

When that is to be done is left to `syncing` and `fetching`, what is said on it to `mail.imap`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from mailcrm.mail.imap import ImapSession


class Connection:
    """An open session, `imap`, or the one in its place; to be used in a `with` statement."""

    def __init__(self, open_imap: Callable[[], ImapSession]) -> None:
        """Connect."""
        self._sessions = ExitStack()
        self._open_imap = open_imap
        self.imap = self._sessions.enter_context(open_imap())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._sessions.__exit__(*raised)  # type: ignore[arg-type] # the three that a with statement gives

    def connect_again(self) -> None:
        """Open a new session in place of one that is over."""
        self.imap = self._sessions.enter_context(self._open_imap())

"""Waiting for new mail: the server tells of it where it can (RFC 2177), and a clock where it cannot.

What to do with the accounts that it names is left to `rounds`.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event, Thread

from mailcrm.core.errors import (
    ConfigError,
    ConnectError,
    CredentialMissing,
    MailError,
    NotFound,
    SignInNeeded,
    StoreError,
    Throttled,
)
from mailcrm.core.model import Account
from mailcrm.mail.imap import ImapSession

logger = logging.getLogger(__name__)

#: Seconds after which IDLE is asked for anew: servers end it after 30 minutes (RFC 2177, 3), and
#: routers forget a silent connection sooner.
_RENEWED = 600.0
#: Seconds before a server that was lost is listened to again.
_LOST = 60.0


@contextmanager
def listening(
    chosen: Sequence[Account], open_imap: Callable[[Account], ImapSession], *, every: float
) -> Iterator[Iterator[list[Account]]]:
    """Listen to the inboxes of accounts; iterating waits, and yields those to be synced now.

    That is an account whose inbox changed, at once, and all of them every so many seconds: other folders
    change, too, and some servers tell nothing. Listening ends with the `with` statement.
    """
    told: SimpleQueue[Account] = SimpleQueue()
    listeners = [_Listener(account, open_imap, told) for account in chosen]
    for listener in listeners:
        listener.start()
    try:
        yield _due(chosen, told, every)
    finally:
        for listener in listeners:
            listener.stop()


def _due(chosen: Sequence[Account], told: "SimpleQueue[Account]", every: float) -> Iterator[list[Account]]:
    all_due = time.monotonic() + every
    while True:
        try:
            due = [told.get(timeout=max(0.0, all_due - time.monotonic()))]
        except Empty:
            all_due = time.monotonic() + every
            yield list(chosen)
            continue
        while not told.empty():
            due.append(told.get())
        yield [account for account in chosen if account in due]


class _Listener:
    """A thread with a connection of its own to one inbox."""

    def __init__(
        self, account: Account, open_imap: Callable[[Account], ImapSession], told: "SimpleQueue[Account]"
    ) -> None:
        self._account = account
        self._open_imap = open_imap
        self._told = told
        self._leaving = Event()
        self._imap: ImapSession | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self.start = self._thread.start

    def stop(self) -> None:
        """End the connection, which ends the wait for the server, and the thread with it."""
        self._leaving.set()
        if self._imap is not None:
            self._imap.abandon()
        # It may be connecting just now, and ends when it has.
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                with self._open_imap(self._account) as self._imap:
                    if "IDLE" not in self._imap.capabilities:
                        return
                    self._listen(self._imap)
            # The sync that the clock starts meets it, too, and tells it. A person may see to it meanwhile.
            except (
                ConnectError,
                Throttled,
                SignInNeeded,
                ConfigError,
                CredentialMissing,
                NotFound,
                StoreError,
            ) as error:
                logger.info("account %d is not listened to: %s", self._account.id, error)
                asked = error.retry_after if isinstance(error, Throttled) else None
                self._leaving.wait(max(_LOST, asked.total_seconds() if asked is not None else 0.0))
            except MailError as error:
                # A refused password is not tried again, nor an IDLE that the server does not take.
                logger.info("account %d is not listened to any more: %s", self._account.id, error)
                return

    def _listen(self, imap: ImapSession) -> None:
        imap.examine("INBOX")
        # What came while nobody listened.
        self._told.put(self._account)
        while not self._leaving.is_set():
            if imap.idle(_RENEWED):
                self._told.put(self._account)

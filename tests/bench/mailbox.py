"""The mailbox on Dovecot that all programs sync: filled once, then changed before a sync.

What the emails look like is left to `letters`.
"""

import random
import re

from tests.bench.letters import FOLDERS, OWNER, letters
from tests.servers.dovecot import DovecotServer

NEW, FLAGGED, EXPUNGED = 60, 30, 10
CHANGES = NEW + FLAGGED + EXPUNGED


class Mailbox:
    """The emails of `OWNER` in INBOX and Sent.

    `held` is the number of emails there, `flagged` how many of them carry \\Flagged, `size` is in bytes.
    """

    def __init__(self, server: DovecotServer, emails: int) -> None:
        """Deliver that many emails."""
        self.held = self.flagged = self.size = 0
        self._server = server
        self._next = 0
        self._chance = random.Random(1)  # noqa: S311 (the same changes every time, not a secret)
        for folder in FOLDERS:  # Dovecot makes a folder when it is selected
            with server.client(OWNER, folder):
                pass
        self._deliver(emails, ["\\Seen"])

    def change(self) -> None:
        """Deliver `NEW` emails, flag `FLAGGED` of INBOX and expunge `EXPUNGED` others of it."""
        with self._server.client(OWNER, "INBOX") as client:
            unflagged = client.uid("SEARCH", "UNFLAGGED")[1][0].split()
        chosen = [int(uid) for uid in self._chance.sample(unflagged, FLAGGED + EXPUNGED)]
        for uid in chosen[:FLAGGED]:
            self._server.flag(OWNER, "INBOX", uid, ["\\Seen", "\\Flagged"])
        self._server.expunge(OWNER, "INBOX", chosen[FLAGGED:])
        self.flagged += FLAGGED
        self.held -= EXPUNGED
        self._deliver(NEW, [])

    def _deliver(self, count: int, flags: list[str]) -> None:
        for folder, received_at, raw in letters(count, first=self._next):
            self._server.deliver(OWNER, folder, raw, received_at, flags)
        self._next += count
        self.held += count
        # Dovecot numbers new emails when a client asks for them; no program shall wait for that.
        self.size = sum(self._folder_size(folder) for folder in FOLDERS)

    def _folder_size(self, folder: str) -> int:
        with self._server.client(OWNER, folder) as client:
            answers = client.fetch("1:*", "(FLAGS INTERNALDATE RFC822.SIZE)")[1]
        return sum(int(size) for size in re.findall(r"RFC822.SIZE (\d+)", repr(answers)))

"""What the conformance suite asks of a mail server, and how each of the servers gives it.

The suite itself is `test_conformance`.
"""

import imaplib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Protocol

import pytest

from mailcrm.core.credentials import Password
from mailcrm.core.model import Endpoint
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.cyrus import SPECIAL_USE, CyrusServer
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer
from tests.servers.pymap import PymapServer
from tests.servers.writing import quoted

USER = "ann@example.com"

_users = count(1)


class Mailbox(Protocol):
    """One user's mail on a running server, changed behind the back of the session under test."""

    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def password(self) -> str: ...
    def log_in(self, password: str) -> ImapSession: ...
    def deliver(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> None: ...
    def append(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> int: ...
    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None: ...
    def expunge(self, folder: str, uid: int) -> None: ...
    def move(self, folder: str, uid: int, target: str) -> None: ...
    def create(self, folder: str) -> bool: ...
    def keeps_keywords(self) -> bool: ...
    def renumber(self, folder: str) -> None: ...


@contextmanager
def mailbox_on(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    """Open a mailbox of its own on the server that the parameter of a fixture names."""
    user = f"user{next(_users)}"
    match request.param:
        case "model":
            with ModelServer() as server:
                yield ModelMailbox(server)
        case "dovecot":
            yield DovecotMailbox(request.getfixturevalue("dovecot"), user)
        case other:
            running: CyrusServer | PymapServer = request.getfixturevalue(other)
            with running.client(user) as writer:
                for name in SPECIAL_USE:
                    writer.create(name)  # where the server has not made it itself
                yield ImapMailbox(running, user, writer)


@dataclass(frozen=True, slots=True)
class ModelMailbox:
    server: ModelServer

    @property
    def endpoint(self) -> Endpoint:
        return self.server.endpoint

    @property
    def password(self) -> str:
        return self.server.password

    def log_in(self, password: str) -> ImapSession:
        return open_session(self.endpoint, username=USER, credential=Password(password))

    def deliver(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> None:
        self.server.append(folder, raw, internaldate, flags)

    def append(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> int:
        return self.server.append(folder, raw, internaldate, flags)

    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        self.server.flag(folder, uid, flags)

    def expunge(self, folder: str, uid: int) -> None:
        self.server.expunge(folder, uid)

    def move(self, folder: str, uid: int, target: str) -> None:
        self.server.move(folder, uid, target)

    def create(self, folder: str) -> bool:
        self.server.create(folder)
        return True

    def keeps_keywords(self) -> bool:
        return True

    def renumber(self, folder: str) -> None:
        self.server.renumber(folder)


@dataclass(frozen=True, slots=True)
class DovecotMailbox:
    server: DovecotServer
    user: str

    @property
    def endpoint(self) -> Endpoint:
        return self.server.tls

    @property
    def password(self) -> str:
        return self.server.password

    def log_in(self, password: str) -> ImapSession:
        ca_file = str(self.server.ca_file)
        return open_session(self.endpoint, username=self.user, credential=Password(password), ca_file=ca_file)

    def deliver(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> None:
        self.server.deliver(self.user, folder, raw, internaldate, flags)

    def append(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> int:
        return self.server.append(self.user, folder, raw, internaldate, flags)

    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        self.server.flag(self.user, folder, uid, flags)

    def expunge(self, folder: str, uid: int) -> None:
        self.server.expunge(self.user, folder, [uid])

    def move(self, folder: str, uid: int, target: str) -> None:
        self.server.move(self.user, folder, [uid], target)

    def create(self, folder: str) -> bool:
        with self.server.client(self.user) as client:
            return client.create(quoted(folder))[0] == "OK"

    def keeps_keywords(self) -> bool:
        return True

    def renumber(self, folder: str) -> None:
        self.server.renumber(self.user, folder)


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """A mailbox on a server that can be changed by IMAP alone."""

    server: CyrusServer | PymapServer
    user: str
    writer: imaplib.IMAP4

    @property
    def endpoint(self) -> Endpoint:
        return self.server.endpoint

    @property
    def password(self) -> str:
        return self.server.password

    def log_in(self, password: str) -> ImapSession:
        ca_file = str(self.server.ca_file)
        return open_session(self.endpoint, username=self.user, credential=Password(password), ca_file=ca_file)

    def deliver(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> None:
        self.append(folder, raw, internaldate, flags)

    def append(self, folder: str, raw: bytes, internaldate: datetime, flags: Iterable[str] = ()) -> int:
        return self._append(folder, raw, imaplib.Time2Internaldate(internaldate), flags)

    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        self._change(folder, "STORE", str(uid), "FLAGS", f"({' '.join(flags)})")

    def expunge(self, folder: str, uid: int) -> None:
        self._change(folder, "STORE", str(uid), "+FLAGS", r"(\Deleted)")

    def move(self, folder: str, uid: int, target: str) -> None:
        self._change(folder, "MOVE", str(uid), quoted(target))

    def create(self, folder: str) -> bool:
        return self.writer.create(quoted(folder))[0] == "OK"

    def keeps_keywords(self) -> bool:
        with self._opened("INBOX"):
            return rb"\*" in self.writer.response("PERMANENTFLAGS")[1][0]

    def renumber(self, folder: str) -> None:
        """Replace the folder by one with the same emails, as a restored backup does."""
        with self._opened(folder):
            _, answer = self.writer.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
        before = self._uidvalidity(folder)
        while self._uidvalidity(folder) == before:
            self.server.recreate(self.user, folder)
        for said, raw in (record for record in answer if isinstance(record, tuple)):
            (when,) = re.findall(rb'INTERNALDATE ("[^"]+")', said)
            flags = {flag.decode() for flag in imaplib.ParseFlags(said)} - {"\\Recent"}
            self._append(folder, raw, when.decode(), flags)

    def _append(self, folder: str, raw: bytes, when: str, flags: Iterable[str]) -> int:
        status, data = self.writer.append(quoted(folder), f"({' '.join(flags)})", when, raw)
        assert status == "OK", data
        return int(re.findall(rb"\[APPENDUID \d+ (\d+)\]", data[-1])[0])

    def _uidvalidity(self, folder: str) -> bytes:
        answer: bytes = self.writer.status(quoted(folder), "(UIDVALIDITY)")[1][0]
        return answer

    def _change(self, folder: str, *command: str) -> None:
        with self._opened(folder):
            status, data = self.writer.uid(*command)
            assert status == "OK", data

    @contextmanager
    def _opened(self, folder: str) -> Iterator[None]:
        assert self.writer.select(quoted(folder))[0] == "OK"
        yield
        self.writer.close()  # and what is marked as deleted is expunged

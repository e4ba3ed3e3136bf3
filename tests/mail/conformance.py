"""What the conformance suite asks of a mail server, and how the model and Dovecot give it.

The suite itself is `test_conformance`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailcrm.core.model import Endpoint
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer

USER = "ann@example.com"


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
    def create(self, folder: str) -> None: ...
    def renumber(self, folder: str) -> None: ...


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
        return open_session(self.endpoint, username=USER, password=password)

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

    def create(self, folder: str) -> None:
        self.server.create(folder)

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
        return open_session(self.endpoint, username=self.user, password=password, ca_file=ca_file)

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

    def create(self, folder: str) -> None:
        self.server.create(self.user, folder)

    def renumber(self, folder: str) -> None:
        self.server.renumber(self.user, folder)

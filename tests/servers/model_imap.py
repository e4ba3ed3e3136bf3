"""A small IMAP server in memory: the part of RFC 9051 that mailcrm speaks, on a loopback socket.

It is changed from the test by plain calls, it can be told to misbehave, and the conformance suite
runs on it and on Dovecot, which keeps it honest. One server is one mailbox; any user name will do.
"""

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import parsedate
from typing import Self, TypeAlias

from imapclient.imap_utf7 import encode as mutf7

from mailcrm.core.model import Endpoint, Security

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SPECIAL_USE = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Junk": "\\Junk", "Trash": "\\Trash"}
CAPABILITIES = ("IMAP4rev1", "AUTH=PLAIN", "ID", "ENABLE", "CONDSTORE", "SPECIAL-USE")
PASSWORD = "secret"
LONG_AGO = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|((?:[^\s()"\[]|\[[^\]]*\](?:<[^>]*>)?)+))')
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:.*(?:\r?\n[ \t].*)*\r?\n?")

Arguments: TypeAlias = "list[str | Arguments]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    uid: int
    raw: bytes
    internaldate: datetime
    flags: frozenset[str]
    modseq: int


@dataclass(kw_only=True, slots=True)
class Folder:
    name: str
    uidvalidity: int
    uidnext: int = 1
    modseq: int = 1
    messages: dict[int, Message] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return str(mutf7(self.name), "ascii")


class Refused(Exception):
    """The text of a NO."""


class ModelServer:
    """An IMAP server at `endpoint`, with INBOX and the special-use folders.

    `commands` are all commands received, without tags; `downloads` counts the emails handed out
    whole, as (folder, UIDVALIDITY, UID). To misbehave: `greeting` is sent first; `twist` gets each
    command and the whole reply, and returns the reply to send, or raises `HangUp`; a connection is
    cut after `cut_after` bytes.
    """

    def __init__(
        self,
        *,
        password: str = PASSWORD,
        capabilities: Iterable[str] = CAPABILITIES,
        context: ssl.SSLContext | None = None,
        security: Security = Security.NONE,
    ) -> None:
        self.password = password
        self.capabilities = tuple(capabilities)
        self.security = security
        self.greeting = b"* OK model ready\r\n"
        self.twist: Callable[[str, bytes], bytes] = lambda _command, reply: reply
        self.cut_after: int | None = None
        self.commands: list[str] = []
        self.downloads: list[tuple[str, int, int]] = []
        self.lock = threading.RLock()
        self.folders: dict[str, Folder] = {}
        self.context = context
        for name in ("INBOX", *SPECIAL_USE):
            self.create(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        host = "localhost" if context else "127.0.0.1"
        self.endpoint = Endpoint(host=host, port=self._listener.getsockname()[1], security=security)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def create(self, name: str) -> None:
        with self.lock:
            self.folders[name] = Folder(name=name, uidvalidity=1000 + len(self.folders))

    def delete(self, name: str) -> None:
        with self.lock:
            del self.folders[name]

    def append(
        self, folder: str, raw: bytes, internaldate: datetime | None = None, flags: Iterable[str] = ()
    ) -> int:
        with self.lock:
            box = self.folders[folder]
            box.modseq += 1
            uid = box.uidnext
            box.messages[uid] = Message(
                uid=uid,
                raw=raw,
                internaldate=(internaldate or LONG_AGO).astimezone(UTC),
                flags=frozenset(flags),
                modseq=box.modseq,
            )
            box.uidnext += 1
            return uid

    def expunge(self, folder: str, uid: int) -> None:
        with self.lock:
            box = self.folders[folder]
            box.modseq += 1
            del box.messages[uid]

    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        with self.lock:
            box = self.folders[folder]
            box.modseq += 1
            box.messages[uid] = replace(box.messages[uid], flags=frozenset(flags), modseq=box.modseq)

    def move(self, folder: str, uid: int, target: str) -> int:
        with self.lock:
            message = self.folders[folder].messages[uid]
            self.expunge(folder, uid)
            return self.append(target, message.raw, message.internaldate, message.flags)

    def renumber(self, folder: str) -> None:
        """Give the folder another UIDVALIDITY, and its emails new UIDs in the same order."""
        with self.lock:
            old = self.folders[folder]
            new = Folder(name=folder, uidvalidity=old.uidvalidity + 1000)
            self.folders[folder] = new
            for message in old.messages.values():
                self.append(folder, message.raw, message.internaldate, message.flags)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = _Session(self, connection)
        try:
            session.run()
        except (OSError, ValueError, HangUp):  # the client went away, or is to be cut off
            pass
        finally:
            self._connections.discard(connection)
            session.close()
            connection.close()


class HangUp(Exception):
    """Ends the connection without a word."""


class _Session:
    def __init__(self, server: ModelServer, connection: socket.socket) -> None:
        self.server = server
        self.sent = 0
        self.state = "greeting"
        self.folder: Folder | None = None
        self.readonly = True
        self.view: list[int] = []
        self.connection = connection
        self.file = connection.makefile("rb")

    def run(self) -> None:
        if self.server.security is Security.TLS:
            self.encrypt()
        self.send(self.server.greeting)
        while line := self.file.readline():
            tag, _, text = line.decode("latin-1").rstrip("\r\n").partition(" ")
            with self.server.lock:
                self.server.commands.append(text)
                reply = self.reply(tag, text)
                twisted = self.server.twist(text, reply)
            self.send(twisted)
            if self.state == "logout":
                return
            if text.upper() == "STARTTLS":
                self.encrypt()

    def encrypt(self) -> None:
        assert self.server.context is not None
        self.file.close()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.file = self.connection.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.connection.close()

    def send(self, data: bytes) -> None:
        if self.server.cut_after is not None:
            left = max(0, self.server.cut_after - self.sent)
            if len(data) >= left:
                self.connection.sendall(data[:left])
                raise HangUp
        self.connection.sendall(data)
        self.sent += len(data)

    def reply(self, tag: str, text: str) -> bytes:
        verb, _, rest = text.partition(" ")
        if verb.upper() == "UID":
            verb, _, rest = rest.partition(" ")
            verb = f"UID {verb}"
        method = _COMMANDS.get(verb.upper())
        if method is None:
            return f"{tag} BAD Unknown command\r\n".encode()
        try:
            untagged, done = method(self, _parsed(rest))
        except Refused as refusal:
            return f"{tag} NO {refusal}\r\n".encode()
        except (LookupError, ValueError, TypeError, AssertionError) as error:
            return f"{tag} BAD Cannot parse: {error}\r\n".encode("ascii", "replace")
        return untagged + self.news() + f"{tag} OK {done}\r\n".encode()

    def news(self) -> bytes:
        """Tell what changed in the open folder; the highest numbers go first, so that they stay right."""
        if self.folder is None:
            return b""
        lines = []
        for number in range(len(self.view), 0, -1):
            if self.view[number - 1] not in self.folder.messages:
                del self.view[number - 1]
                lines.append(f"* {number} EXPUNGE\r\n")
        fresh = [uid for uid in self.folder.messages if not self.view or uid > self.view[-1]]
        if fresh:
            self.view += fresh
            lines.append(f"* {len(self.view)} EXISTS\r\n")
        return "".join(lines).encode()

    def capability(self, _: Arguments) -> tuple[bytes, str]:
        said = list(self.server.capabilities)
        if self.server.security is Security.STARTTLS and not isinstance(self.connection, ssl.SSLSocket):
            said += ["STARTTLS"]
        return f"* CAPABILITY {' '.join(said)}\r\n".encode(), "done"

    def starttls(self, _: Arguments) -> tuple[bytes, str]:
        return b"", "begin TLS"

    def login(self, arguments: Arguments) -> tuple[bytes, str]:
        _, password = arguments
        return self.admit(str(password))

    def authenticate(self, arguments: Arguments) -> tuple[bytes, str]:
        assert arguments == ["PLAIN"]
        self.send(b"+ \r\n")
        _, _, password = base64.b64decode(self.file.readline()).decode("utf-8").split("\0")
        return self.admit(password)

    def admit(self, password: str) -> tuple[bytes, str]:
        if password != self.server.password:
            raise Refused("[AUTHENTICATIONFAILED] Authentication failed.")
        self.state = "authenticated"
        return b"", "logged in"

    def identity(self, _: Arguments) -> tuple[bytes, str]:
        return b'* ID ("name" "model")\r\n', "done"

    def enable(self, arguments: Arguments) -> tuple[bytes, str]:
        assert self.state == "authenticated"
        return f"* ENABLED {' '.join(map(str, arguments))}\r\n".encode(), "done"

    def list_folders(self, _: Arguments) -> tuple[bytes, str]:
        lines = (
            f'* LIST (\\HasNoChildren {SPECIAL_USE.get(folder.name, "")}) "/" {_quoted(folder.path)}\r\n'
            for folder in self.server.folders.values()
        )
        return "".join(lines).replace(" )", ")").encode(), "done"

    def examine(self, arguments: Arguments) -> tuple[bytes, str]:
        return self.open(arguments, readonly=True)

    def select(self, arguments: Arguments) -> tuple[bytes, str]:
        return self.open(arguments, readonly=False)

    def open(self, arguments: Arguments, *, readonly: bool) -> tuple[bytes, str]:
        assert self.state in {"authenticated", "selected"}
        path = arguments[0]
        self.folder = None
        self.state = "authenticated"
        for folder in self.server.folders.values():
            if folder.path == path:
                self.folder = folder
        if self.folder is None:
            raise Refused(f"[NONEXISTENT] Mailbox doesn't exist: {path}")
        self.state = "selected"
        self.readonly = readonly
        self.view = list(self.folder.messages)
        lines = [
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
            f"* {len(self.view)} EXISTS",
            "* 0 RECENT",
            f"* OK [UIDVALIDITY {self.folder.uidvalidity}] UIDs valid",
            f"* OK [UIDNEXT {self.folder.uidnext}] Predicted next UID",
        ]
        if "CONDSTORE" in self.server.capabilities:
            lines.append(f"* OK [HIGHESTMODSEQ {self.folder.modseq}] Highest")
        return "".join(f"{line}\r\n" for line in lines).encode(), "[READ-ONLY] done"

    def noop(self, _: Arguments) -> tuple[bytes, str]:
        return b"", "done"

    def logout(self, _: Arguments) -> tuple[bytes, str]:
        self.state = "logout"
        self.folder = None
        return b"* BYE\r\n", "done"

    def search(self, arguments: Arguments) -> tuple[bytes, str]:
        keys = [str(key) for key in arguments]
        found = [message.uid for number, message in self.messages() if self.matches(number, message, keys)]
        return " ".join(["* SEARCH", *map(str, found)]).encode() + b"\r\n", "done"

    def messages(self) -> Iterator[tuple[int, Message]]:
        """Yield the emails of the open folder with their sequence numbers; an expunged one is skipped."""
        assert self.folder is not None
        for number, uid in enumerate(self.view, start=1):
            if uid in self.folder.messages:
                yield number, self.folder.messages[uid]

    def matches(self, number: int, message: Message, keys: list[str]) -> bool:
        rest = list(keys)
        result = True
        while rest:
            result &= self.matches_next(number, message, rest)
        return result

    def matches_next(self, number: int, message: Message, rest: list[str]) -> bool:
        """Take one search key, with its arguments, from the beginning of the list."""
        match rest.pop(0).upper():
            case "UID":
                return _in_set(message.uid, rest.pop(0), self.view[-1])
            case "SINCE":
                return message.internaldate.date() >= _date(rest.pop(0))
            case "SENTSINCE":
                start, sent = _date(rest.pop(0)), _sent(message.raw)
                return sent is not None and sent >= start
            case "OR":
                left = self.matches_next(number, message, rest)
                right = self.matches_next(number, message, rest)
                return left or right
            case sequence_set:
                return _in_set(number, sequence_set, len(self.view))

    def fetch(self, arguments: Arguments) -> tuple[bytes, str]:
        uids, items = str(arguments[0]), [str(name) for name in arguments[1]]
        changed_since = None
        if len(arguments) > 2:
            assert arguments[2][0] == "CHANGEDSINCE"
            changed_since = int(str(arguments[2][1]))
        lines = []
        for number, message in self.messages():
            if not _in_set(message.uid, uids, self.view[-1]):
                continue
            if changed_since is not None and message.modseq <= changed_since:
                continue
            said = [self.item(message, name) for name in items]
            if changed_since is not None:
                said.append(b"MODSEQ (%d)" % message.modseq)
            lines.append(b"* %d FETCH (%s)\r\n" % (number, b" ".join(said)))
        return b"".join(lines), "done"

    def item(self, message: Message, name: str) -> bytes:
        assert self.folder is not None
        match name.upper():
            case "UID":
                return b"UID %d" % message.uid
            case "FLAGS":
                return f"FLAGS ({' '.join(sorted(message.flags))})".encode()
            case "INTERNALDATE":
                moment = message.internaldate
                day = f"{moment.day:2d}-{MONTHS[moment.month - 1]}-{moment.year:04d}"
                return f'INTERNALDATE "{day} {moment:%H:%M:%S} +0000"'.encode()
            case "RFC822.SIZE":
                return b"RFC822.SIZE %d" % len(message.raw)
        body = re.fullmatch(r"(BODY(?:\.PEEK)?)\[(.*)\](?:<(\d+)\.(\d+)>)?", name)
        if body is None:
            raise ValueError(name)
        if body[1] == "BODY" and not self.readonly:
            self.server.flag(self.folder.name, message.uid, message.flags | {"\\Seen"})
        text = message.raw
        if body[2]:
            names = body[2].partition("(")[2].rstrip(")").split()
            text = _header_fields(message.raw, names)
        else:
            self.server.downloads.append((self.folder.name, self.folder.uidvalidity, message.uid))
        origin = ""
        if body[3]:
            text = text[int(body[3]) :][: int(body[4])]
            origin = f"<{body[3]}>"
        return f"BODY[{body[2]}]{origin} {{{len(text)}}}\r\n".encode() + text


_COMMANDS: dict[str, Callable[[_Session, Arguments], tuple[bytes, str]]] = {
    "CAPABILITY": _Session.capability,
    "STARTTLS": _Session.starttls,
    "LOGIN": _Session.login,
    "AUTHENTICATE": _Session.authenticate,
    "ID": _Session.identity,
    "ENABLE": _Session.enable,
    "LIST": _Session.list_folders,
    "EXAMINE": _Session.examine,
    "SELECT": _Session.select,
    "NOOP": _Session.noop,
    "LOGOUT": _Session.logout,
    "UID SEARCH": _Session.search,
    "UID FETCH": _Session.fetch,
}


def _parsed(text: str) -> Arguments:
    """Return the arguments of a command; a list in parentheses is a list."""
    stack: list[Arguments] = [[]]
    position = 0
    while text[position:].strip():
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(text[position:])
        position = token.end()
        match token.groups():
            case "(", _, _:
                stack.append([])
            case ")", _, _:
                inner = stack.pop()
                stack[-1].append(inner)
            case _, str(quoted), _:
                stack[-1].append(re.sub(r"\\(.)", r"\1", quoted))
            case _, _, str(atom):
                stack[-1].append(atom)
    (arguments,) = stack
    return arguments


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_set(number: int, sequence_set: str, highest: int) -> bool:
    for part in sequence_set.replace("*", str(highest)).split(","):
        low, _, high = part.partition(":")
        first, last = sorted((int(low), int(high or low)))
        if first <= number <= last:
            return True
    return False


def _date(text: str) -> date:
    day, month, year = text.split("-")
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _head(raw: bytes) -> bytes:
    return re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n"


def _header_fields(raw: bytes, names: list[str]) -> bytes:
    wanted = {name.lower().encode() for name in names}
    found = (m[0] for m in _FIELD.finditer(_head(raw)) if m[1].lower() in wanted)
    return b"".join(found) + b"\r\n"


def _sent(raw: bytes) -> date | None:
    for match in _FIELD.finditer(_head(raw)):
        if match[1].lower() == b"date":
            parsed = parsedate(match[0].partition(b":")[2].decode("latin-1"))
            return date(*parsed[:3]) if parsed else None
    return None

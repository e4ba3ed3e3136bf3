"""A small IMAP server in memory: the part of RFC 9051 that mailcrm speaks, on a loopback socket.

It is changed from the test by plain calls, it can be told to misbehave, and the conformance suite
runs on it and on Dovecot, which keeps it honest. One server is one mailbox; any user name will do.
"""

import base64
import contextlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import parsedate
from itertools import count
from typing import Self, TypeAlias

from imapclient.imap_utf7 import encode as mutf7

from mailcrm.core.model import Endpoint, Security

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Gmail's folder that holds every email once, with its labels.
ALL_MAIL = "[Gmail]/All Mail"
SPECIAL_USE = {
    "Sent": "\\Sent",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    ALL_MAIL: "\\All",
}
CAPABILITIES = (
    *("IMAP4rev1", "AUTH=PLAIN", "ID", "ENABLE", "CONDSTORE", "SPECIAL-USE", "ESEARCH"),
    *("LIST-EXTENDED", "LIST-STATUS", "OBJECTID", "IDLE"),
)
PASSWORD = "secret"
#: How long an appended email waits for its push, in seconds.
IDLE_TICK = 0.02
#: Where Gmail's ids begin, so that nobody keeps them in 32 bits or in a float.
GM_ID = 1_786_000_000_000_000_000
LONG_AGO = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|((?:[^\s()"\[]|\[[^\]]*\](?:<[^>]*>)?)+))')
#: RFC 7628, 3.1, and what Google calls XOAUTH2.
BEARER = {
    "XOAUTH2": rb"user=(?P<user>[^\x01]+)\x01auth=Bearer (?P<token>[!-~]+)\x01\x01",
    "OAUTHBEARER": (
        rb"n,a=(?P<user>(?:[^=,\x01]|=2C|=3D)+),\x01host=(?P<host>[^\x01]+)\x01port=(?P<port>\d+)"
        rb"\x01auth=Bearer (?P<token>[!-~]+)\x01\x01"
    ),
}
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:.*(?:\r?\n[ \t].*)*\r?\n?")

Arguments: TypeAlias = "list[str | Arguments]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An email in a folder.

    `key` tells the email, wherever it is copied or moved to; `thread` is the key of the first email
    of its conversation; `labels` are Gmail's, as `\\Inbox` or `Kunden`.
    """

    uid: int
    key: int
    thread: int
    raw: bytes
    internaldate: datetime
    flags: frozenset[str]
    modseq: int
    labels: frozenset[str] = frozenset()


@dataclass(kw_only=True, slots=True)
class Folder:
    """A folder; `key` outlives its UIDVALIDITY; `vanished` are the mod-sequences of expunged UIDs."""

    name: str
    key: int
    uidvalidity: int
    uidnext: int = 1
    modseq: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    vanished: dict[int, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return str(mutf7(self.name), "ascii")


class Refused(Exception):
    """The text of a NO."""


class ModelServer:
    """An IMAP server at `endpoint`, with INBOX and the special-use folders.

    It knows RFC 2177 (IDLE), 4731 (ESEARCH), 5819 (LIST-STATUS), 6154 (SPECIAL-USE), 7162 (CONDSTORE
    and, when asked for, QRESYNC), 8474 (OBJECTID), and the X-GM-EXT-1 of Gmail when asked for, then
    with All Mail, whose emails carry the labels. What is not in `capabilities` is BAD.

    `token` is the access token that it takes, where it offers a mechanism for one; `error_challenge` is
    what it tells, so many times, before it refuses another. `commands` are all commands received,
    without tags, and `answered` all lines in answer to a challenge; `downloads` counts the emails
    handed out whole, as (folder, UIDVALIDITY, UID). To misbehave: `greeting` is sent first; `twist`
    gets each command and the whole reply, and returns the reply to send, or raises `HangUp`; a
    connection is cut after `cut_after` bytes.
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
        self.token: str | None = None
        self.error_challenge = b'{"status":"invalid_token","scope":"mail","schemes":"bearer"}'
        self.error_challenges = 1
        self.commands: list[str] = []
        self.answered: list[bytes] = []
        self.downloads: list[tuple[str, int, int]] = []
        self.lock = threading.RLock()
        self.folders: dict[str, Folder] = {}
        self.context = context
        self._keys = count(1)
        self._threads: dict[str, int] = {}
        for name in ("INBOX", *SPECIAL_USE):
            if name != ALL_MAIL or "X-GM-EXT-1" in self.capabilities:
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
            uidvalidity = 1000 + len(self.folders)
            self.folders[name] = Folder(name=name, key=next(self._keys), uidvalidity=uidvalidity)

    def delete(self, name: str) -> None:
        with self.lock:
            del self.folders[name]

    def append(
        self,
        folder: str,
        raw: bytes,
        internaldate: datetime | None = None,
        flags: Iterable[str] = (),
        labels: Iterable[str] = (),
    ) -> int:
        with self.lock:
            key = next(self._keys)
            root = _root(raw)
            message = Message(
                uid=0,
                key=key,
                thread=self._threads.setdefault(root, key) if root else key,
                raw=raw,
                internaldate=(internaldate or LONG_AGO).astimezone(UTC),
                flags=frozenset(flags),
                modseq=0,
                labels=frozenset(labels),
            )
            return self._place(folder, message)

    def expunge(self, folder: str, uid: int) -> None:
        with self.lock:
            box = self.folders[folder]
            box.modseq += 1
            del box.messages[uid]
            box.vanished[uid] = box.modseq

    def flag(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        with self.lock:
            self._keep(folder, replace(self.folders[folder].messages[uid], flags=frozenset(flags)))

    def label(self, folder: str, uid: int, labels: Iterable[str]) -> None:
        with self.lock:
            self._keep(folder, replace(self.folders[folder].messages[uid], labels=frozenset(labels)))

    def copy(self, folder: str, uid: int, target: str) -> int:
        with self.lock:
            return self._place(target, self.folders[folder].messages[uid])

    def move(self, folder: str, uid: int, target: str) -> int:
        with self.lock:
            message = self.folders[folder].messages[uid]
            self.expunge(folder, uid)
            return self._place(target, message)

    def renumber(self, folder: str) -> None:
        """Give the folder another UIDVALIDITY, and its emails new UIDs in the same order."""
        with self.lock:
            old = self.folders[folder]
            self.folders[folder] = Folder(name=folder, key=old.key, uidvalidity=old.uidvalidity + 1000)
            for message in old.messages.values():
                self._place(folder, message)

    def _place(self, folder: str, message: Message) -> int:
        box = self.folders[folder]
        uid = box.uidnext
        box.uidnext += 1
        self._keep(folder, replace(message, uid=uid))
        return uid

    def _keep(self, folder: str, message: Message) -> None:
        box = self.folders[folder]
        box.modseq += 1
        box.messages[message.uid] = replace(message, modseq=box.modseq)

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
        except HangUp as hanging_up:
            with contextlib.suppress(OSError):
                session.connection.sendall(b"".join(hanging_up.args))
        except (OSError, ValueError):  # the client went away
            pass
        finally:
            self._connections.discard(connection)
            session.close()
            connection.close()


class HangUp(Exception):
    """Ends the connection, after these bytes or without a word."""


class _Session:
    def __init__(self, server: ModelServer, connection: socket.socket) -> None:
        self.server = server
        self.sent = 0
        self.state = "greeting"
        self.tag = ""
        self.enabled: set[str] = set()
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
            self.server.commands.append(text)
            if text.upper() == "IDLE" and self.offers("IDLE"):
                self.idle()
            with self.server.lock:
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

    def offers(self, name: str) -> bool:
        return name in self.server.capabilities

    def idle(self) -> None:
        """Push what changes, until the client says DONE; the mailbox is unlocked meanwhile."""
        self.send(b"+ idling\r\n")
        # DONE is not in the file's buffer: a client waits for the line above (RFC 2177, 3).
        while not select.select([self.connection], [], [], IDLE_TICK)[0]:
            with self.server.lock:
                pushed = self.news()
            self.send(pushed)
        said = self.file.readline()
        if not said:
            raise HangUp
        assert said.strip().upper() == b"DONE"

    def reply(self, tag: str, text: str) -> bytes:
        self.tag = tag
        verb, _, rest = text.partition(" ")
        if verb.upper() == "UID":
            verb, _, rest = rest.partition(" ")
            verb = f"UID {verb}"
        method = _COMMANDS.get(verb.upper())
        if method is None or (verb.upper() in _OFFERED and not self.offers(verb.upper())):
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
        gone = [number for number, uid in enumerate(self.view, 1) if uid not in self.folder.messages]
        if gone and "QRESYNC" in self.enabled:  # then there is no EXPUNGE (RFC 7162, 3.2.10)
            lines.append(f"* VANISHED {_set(self.view[number - 1] for number in gone)}\r\n")
        for number in reversed(gone):
            del self.view[number - 1]
            if "QRESYNC" not in self.enabled:
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
        mechanism, *initial = map(str, arguments)
        assert self.offers(f"AUTH={mechanism}")
        assert not initial or self.offers("SASL-IR")
        said = base64.b64decode(initial[0]) if initial else self.asked(b"")
        if mechanism == "PLAIN":
            return self.admit(said.decode("utf-8").split("\0")[2])
        match = re.fullmatch(BEARER[mechanism], said)
        assert match is not None
        if mechanism == "OAUTHBEARER":
            endpoint = self.server.endpoint
            assert (match["host"], match["port"]) == (endpoint.host.encode(), b"%d" % endpoint.port)
        if match["token"].decode() == self.server.token:
            return self.admit(self.server.password)
        for _ in range(self.server.error_challenges):
            assert self.asked(self.server.error_challenge) == (b"" if mechanism == "XOAUTH2" else b"\1")
        raise Refused("[AUTHENTICATIONFAILED] Authentication failed.")

    def asked(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge."""
        self.send(b"+ %b\r\n" % base64.b64encode(challenge))
        answer = self.file.readline()
        self.server.answered.append(answer)
        if answer.strip() == b"*":
            raise ValueError("given up")
        return base64.b64decode(answer)

    def admit(self, password: str) -> tuple[bytes, str]:
        if password != self.server.password:
            raise Refused("[AUTHENTICATIONFAILED] Authentication failed.")
        self.state = "authenticated"
        return b"", "logged in"

    def identity(self, _: Arguments) -> tuple[bytes, str]:
        return b'* ID ("name" "model")\r\n', "done"

    def enable(self, arguments: Arguments) -> tuple[bytes, str]:
        assert self.state == "authenticated"
        known = [name for name in map(str, arguments) if self.offers(name)]
        self.enabled |= set(known)
        return f"* ENABLED {' '.join(known)}\r\n".encode(), "done"

    def list_folders(self, arguments: Arguments) -> tuple[bytes, str]:
        items: Arguments = []
        if len(arguments) > 2:
            assert arguments[2] == "RETURN"
            items = self.list_options(list(arguments[3]))
        lines = []
        for folder in self.server.folders.values():
            use = SPECIAL_USE.get(folder.name) if self.offers("SPECIAL-USE") else None
            attributes = " ".join(filter(None, ["\\HasNoChildren", use]))
            lines.append(f'* LIST ({attributes}) "/" {_quoted(folder.path)}\r\n')
            if items:
                lines.append(self.status_line(folder, items))
        return "".join(lines).encode(), "done"

    def list_options(self, options: Arguments) -> Arguments:
        """Return the items that STATUS is to tell along with LIST (RFC 5258, 5819, 6154)."""
        items: Arguments = []
        while options:
            option = options.pop(0)
            assert option in {"SPECIAL-USE", "STATUS"}
            assert self.offers("SPECIAL-USE" if option == "SPECIAL-USE" else "LIST-STATUS")
            if option == "STATUS":
                items = list(options.pop(0))
        return items

    def status(self, arguments: Arguments) -> tuple[bytes, str]:
        return self.status_line(self.named(arguments[0]), list(arguments[1])).encode(), "done"

    def status_line(self, folder: Folder, items: Arguments) -> str:
        told = {
            "MESSAGES": len(folder.messages),
            "UIDNEXT": folder.uidnext,
            "UIDVALIDITY": folder.uidvalidity,
            "UNSEEN": sum("\\Seen" not in message.flags for message in folder.messages.values()),
        }
        if self.offers("CONDSTORE"):
            told["HIGHESTMODSEQ"] = folder.modseq
        said = " ".join(f"{item} {told[str(item)]}" for item in items)
        return f"* STATUS {_quoted(folder.path)} ({said})\r\n"

    def named(self, path: object) -> Folder:
        for folder in self.server.folders.values():
            if folder.path == path:
                return folder
        raise Refused(f"[NONEXISTENT] Mailbox doesn't exist: {path}")

    def examine(self, arguments: Arguments) -> tuple[bytes, str]:
        return self.open(arguments, readonly=True)

    def select(self, arguments: Arguments) -> tuple[bytes, str]:
        return self.open(arguments, readonly=False)

    def open(self, arguments: Arguments, *, readonly: bool) -> tuple[bytes, str]:
        assert self.state in {"authenticated", "selected"}
        self.folder = None
        self.state = "authenticated"
        self.folder = self.named(arguments[0])
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
        if self.offers("OBJECTID"):
            lines.append(f"* OK [MAILBOXID (F{self.folder.key})] Ok")
        if self.offers("CONDSTORE"):
            lines.append(f"* OK [HIGHESTMODSEQ {self.folder.modseq}] Highest")
        return "".join(f"{line}\r\n" for line in lines).encode(), "[READ-ONLY] done"

    def noop(self, _: Arguments) -> tuple[bytes, str]:
        return b"", "done"

    def logout(self, _: Arguments) -> tuple[bytes, str]:
        self.state = "logout"
        self.folder = None
        return b"* BYE\r\n", "done"

    def search(self, arguments: Arguments) -> tuple[bytes, str]:
        extended = arguments[:1] == ["RETURN"]
        if extended:
            assert self.offers("ESEARCH")
            assert arguments[1] in (["ALL"], [])
        keys = [str(key) for key in arguments[2 if extended else 0 :]]
        found = [message.uid for number, message in self.messages() if self.matches(number, message, keys)]
        if extended:
            every = f" ALL {_set(found)}" if found else ""
            return f'* ESEARCH (TAG "{self.tag}") UID{every}\r\n'.encode(), "done"
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
            case "ALL":
                return True
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
        if "UID" not in items:  # UID FETCH tells it unasked (RFC 9051, 6.4.9)
            items.insert(0, "UID")
        changed_since = None
        lines = []
        if len(arguments) > 2:
            assert arguments[2][0] == "CHANGEDSINCE"
            changed_since = int(str(arguments[2][1]))
            if "VANISHED" in arguments[2]:
                assert "QRESYNC" in self.enabled
                lines += self.vanished(uids, changed_since)
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

    def vanished(self, uids: str, since: int) -> list[bytes]:
        """Tell which UIDs were expunged after a mod-sequence (RFC 7162, 3.2.6)."""
        assert self.folder is not None
        last = self.folder.uidnext - 1
        gone = [
            uid for uid, modseq in self.folder.vanished.items() if modseq > since and _in_set(uid, uids, last)
        ]
        return [f"* VANISHED (EARLIER) {_set(gone)}\r\n".encode()] if gone else []

    def item(self, message: Message, name: str) -> bytes:
        assert self.folder is not None
        told = self.attributes(message).get(name.upper())
        if told is not None:
            return f"{name.upper()} {told}".encode()
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

    def attributes(self, message: Message) -> dict[str, str]:
        """Return the data items of FETCH that hold no text of the email."""
        moment = message.internaldate
        day = f"{moment.day:2d}-{MONTHS[moment.month - 1]}-{moment.year:04d}"
        told = {
            "UID": str(message.uid),
            "FLAGS": f"({' '.join(sorted(message.flags))})",
            "INTERNALDATE": f'"{day} {moment:%H:%M:%S} +0000"',
            "RFC822.SIZE": str(len(message.raw)),
        }
        if self.offers("OBJECTID"):
            told |= {"EMAILID": f"(M{message.key})", "THREADID": f"(T{message.thread})"}
        if self.offers("X-GM-EXT-1"):
            labels = " ".join(_quoted(str(mutf7(label), "ascii")) for label in sorted(message.labels))
            told |= {
                "X-GM-MSGID": str(GM_ID + message.key),
                "X-GM-THRID": str(GM_ID + message.thread),
                "X-GM-LABELS": f"({labels})",
            }
        return told


_COMMANDS: dict[str, Callable[[_Session, Arguments], tuple[bytes, str]]] = {
    "CAPABILITY": _Session.capability,
    "STARTTLS": _Session.starttls,
    "LOGIN": _Session.login,
    "AUTHENTICATE": _Session.authenticate,
    "ID": _Session.identity,
    "ENABLE": _Session.enable,
    "LIST": _Session.list_folders,
    "STATUS": _Session.status,
    "IDLE": _Session.noop,
    "EXAMINE": _Session.examine,
    "SELECT": _Session.select,
    "NOOP": _Session.noop,
    "LOGOUT": _Session.logout,
    "UID SEARCH": _Session.search,
    "UID FETCH": _Session.fetch,
}
#: The commands that are capabilities, too.
_OFFERED = {"ID", "ENABLE", "IDLE"}


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


def _set(uids: Iterable[int]) -> str:
    """Return a sequence-set of exactly these UIDs (RFC 9051, 9), such as `3:5,9`."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and uid == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], uid]
        else:
            runs.append([uid])
    return ",".join(":".join(map(str, run)) for run in runs)


def _date(text: str) -> date:
    day, month, year = text.split("-")
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _head(raw: bytes) -> bytes:
    return re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n"


def _header_fields(raw: bytes, names: list[str]) -> bytes:
    wanted = {name.lower().encode() for name in names}
    found = (m[0] for m in _FIELD.finditer(_head(raw)) if m[1].lower() in wanted)
    return b"".join(found) + b"\r\n"


def _root(raw: bytes) -> str | None:
    """Return the Message-ID at which an email's conversation begins."""
    said = _header_fields(raw, ["references", "in-reply-to", "message-id"]).decode("latin-1")
    fields = {line.partition(":")[0].lower(): re.findall(r"<[^<>]+>", line) for line in said.splitlines()}
    named = [*fields.get("references", []), *fields.get("in-reply-to", []), *fields.get("message-id", [])]
    return named[0] if named else None


def _sent(raw: bytes) -> date | None:
    for match in _FIELD.finditer(_head(raw)):
        if match[1].lower() == b"date":
            parsed = parsedate(match[0].partition(b":")[2].decode("latin-1"))
            return date(*parsed[:3]) if parsed else None
    return None

"""A TLS IMAP proxy through which a real Dovecot behaves like the servers of large providers.

A `Quirk` sees each command and decides what is asked of Dovecot and what the client gets to hear.
Which quirks a sync must survive is left to the tests.
"""

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Self, TypeAlias

from mailcrm.core.credentials import Password
from mailcrm.core.model import Endpoint, Security
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer

#: Whole answers with their literals and line ends; the tagged one comes last.
Answers: TypeAlias = list[bytes]

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_BODY = re.compile(rb"\* \d+ FETCH \([^{]*BODY\[\] \{(\d+)\}\r\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A command on its way to Dovecot; the greeting is the answer to the empty command.

    `earlier` are the commands before it on this connection, `bodies` counts the emails handed out
    on it.
    """

    tag: bytes
    command: str
    earlier: tuple[str, ...]
    bodies: int
    forward: Callable[[str], Answers]

    def ask(self, command: str | None = None) -> Answers:
        """Ask Dovecot what the client asked, or something else."""
        return self.forward(self.command if command is None else command)

    def says(self, text: str) -> Answers:
        """Return the tagged answer alone, such as `NO not here`."""
        return [self.tag + f" {text}\r\n".encode()]


Quirk: TypeAlias = Callable[[Exchange], Answers]


class Closes(Exception):
    """Ends the connection after these answers."""


class Proxy:
    """A server at `endpoint`, with the quirk of the moment.

    `commands` are all commands received, without tags; `bodies` are the digests of all emails handed
    out.
    """

    def __init__(self, server: DovecotServer, authority: Authority, quirk: Quirk) -> None:
        self.quirk = quirk
        self.commands: list[str] = []
        self.bodies: list[str] = []
        self._server = server
        self._context = authority.issue().context
        self._trust = ssl.create_default_context(cafile=str(server.ca_file))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.endpoint = Endpoint(host="localhost", port=port, security=Security.TLS)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as closing:
            client = closing.enter_context(self._context.wrap_socket(connection, server_side=True))
            plain = socket.create_connection(("localhost", self._server.tls_port))
            server = closing.enter_context(self._trust.wrap_socket(plain, server_hostname="localhost"))
            _Conversation(self, client, server).run()


class _Conversation:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.bodies = 0

    def run(self) -> None:
        earlier: list[str] = []
        with self.client.makefile("rb") as self.said, self.server.makefile("rb") as self.answered:
            self.tell(b"", "", earlier)
            while line := self.said.readline():
                tag, _, text = line.rstrip(b"\r\n").partition(b" ")
                command = text.decode("latin-1")
                self.proxy.commands.append(command)
                self.tell(tag, command, earlier)
                earlier.append(command)

    def tell(self, tag: bytes, command: str, earlier: Iterable[str]) -> None:
        exchange = Exchange(
            tag=tag,
            command=command,
            earlier=tuple(earlier),
            bodies=self.bodies,
            forward=partial(self.forward, tag),
        )
        try:
            answers = self.proxy.quirk(exchange)
        except Closes as last:
            self.client.sendall(b"".join(last.args))
            raise OSError from last
        for answer in answers:
            if handed_out := _BODY.match(answer):
                body = answer[handed_out.end() :][: int(handed_out[1])]
                self.proxy.bodies.append(hashlib.sha256(body).hexdigest())
                self.bodies += bool(body)
        self.client.sendall(b"".join(answers))

    def forward(self, tag: bytes, command: str) -> Answers:
        if not tag:
            return [self.answer()]
        self.server.sendall(tag + b" " + command.encode("latin-1") + b"\r\n")
        answers = [self.answer()]
        while not answers[-1].startswith(tag + b" "):
            if answers[-1].startswith(b"+"):
                self.client.sendall(answers.pop())
                self.server.sendall(self.said.readline())
            answers.append(self.answer())
        return answers

    def answer(self) -> bytes:
        """Return the next answer; a literal belongs to it, and what follows the literal."""
        whole = line = self.answered.readline()
        while literal := _LITERAL.search(line):
            line = self.answered.readline() if (text := self.answered.read(int(literal[1]))) else b""
            whole += text + line
        if not line:
            raise OSError
        return whole


@dataclass(frozen=True, slots=True)
class QuirkyMailbox:
    """One user's mail: read through the proxy, changed behind its back."""

    server: DovecotServer
    proxy: Proxy
    user: str
    ca_file: str

    @property
    def endpoint(self) -> Endpoint:
        return self.proxy.endpoint

    @property
    def password(self) -> str:
        return self.server.password

    def log_in(self, password: str) -> ImapSession:
        return open_session(
            self.endpoint, username=self.user, credential=Password(password), ca_file=self.ca_file
        )

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
        self.server.create(self.user, folder)
        return True

    def keeps_keywords(self) -> bool:
        return True

    def renumber(self, folder: str) -> None:
        self.server.renumber(self.user, folder)


def honest(exchange: Exchange) -> Answers:
    """Dovecot as it is."""
    return exchange.ask()


def together(outer: Quirk, *inner: Quirk) -> Quirk:
    """Return a quirk that has all of these; the first one is nearest to the client."""
    if not inner:
        return outer
    rest = together(*inner)
    return lambda exchange: outer(
        replace(exchange, forward=lambda command: rest(replace(exchange, command=command)))
    )


def swapped(answers: Answers, pattern: bytes, by: bytes) -> Answers:
    """Return the answers with `pattern` replaced in those that are no FETCH."""
    return [
        answer if b" FETCH " in answer[:20] else re.sub(pattern, by, answer, flags=re.IGNORECASE)
        for answer in answers
    ]


def without(answers: Answers, word: bytes) -> Answers:
    """Return the answers but those that hold a word."""
    return [answer for answer in answers if word not in answer]


#: How a command looks that needs an extension.
_NEEDS = {
    "ID": r"ID ",
    "ENABLE": r"ENABLE ",
    "IDLE": r"IDLE",
    "NAMESPACE": r"NAMESPACE",
    "CONDSTORE": r".*\b(CONDSTORE|CHANGEDSINCE|MODSEQ|HIGHESTMODSEQ)\b",
    "QRESYNC": r".*\b(QRESYNC|VANISHED)\b",
    "ESEARCH": r"(UID )?SEARCH RETURN",
    "LIST-STATUS": r"LIST .*RETURN \(.*STATUS",
    "SPECIAL-USE": r"LIST .*\(.*SPECIAL-USE",
    "OBJECTID": r".*\b(EMAILID|THREADID|MAILBOXID)\b",
    "X-GM-EXT-1": r".*\bX-GM-",
}


@dataclass(frozen=True, slots=True)
class Offers:
    """A server with these capabilities, and with nothing in its answers or commands that needs another."""

    capabilities: str

    def __call__(self, exchange: Exchange) -> Answers:
        offered = set(self.capabilities.split())
        for name, pattern in _NEEDS.items():
            if name not in offered and re.match(pattern, exchange.command):
                return exchange.says("BAD Error in IMAP command received by server.")
        said = rb"\g<1>" + self.capabilities.encode()
        answers = swapped(exchange.ask(), rb"^((?:\S+ OK \[|\* )CAPABILITY )[^\]\r\n]*", said)
        if "CONDSTORE" not in offered:
            answers = without(answers, b"[HIGHESTMODSEQ")
        if "SPECIAL-USE" not in offered:
            answers = swapped(answers, rb"(?<=^\* LIST \()[^)]*", b"\\\\HasNoChildren")
        return answers


_IDENTITY = re.compile(r'ID \("[^"]*" (?:"[^"]*"|NIL)(?: "[^"]*" (?:"[^"]*"|NIL))*\)')


def _netease(exchange: Exchange) -> Answers:
    if exchange.command.startswith("ID ") and not _IDENTITY.fullmatch(exchange.command):
        return exchange.says("BAD Parse command error")
    known = False
    for said in exchange.earlier:
        known = not said.startswith(("LOGIN", "AUTHENTICATE")) and (known or bool(_IDENTITY.fullmatch(said)))
    if exchange.command.startswith(("SELECT ", "EXAMINE ")) and not known:
        return exchange.says("NO SELECT Unsafe Login. Please contact kefu@188.com for help")
    return swapped(without(exchange.ask(), b"[UIDNEXT"), rb"\bUIDNEXT \d+ ?", b"")


#: NetEase's 163.com, 126.com, yeah.net: no folder is opened for a client that did not say who it is
#: after the log-in (himalaya #651, offlineimap3 #68, node-imap #908), in well-formed strings
#: (mcp-email-server #85); EXAMINE and STATUS tell no UIDNEXT (chatmail/core, select_folder.rs).
NETEASE = together(Offers("IMAP4rev1 XLIST SPECIAL-USE ID LITERAL+ STARTTLS UIDPLUS X-CM-EXT-1"), _netease)


def icloud(exchange: Exchange) -> Answers:
    """Be iCloud: SEARCH gives sequence numbers unless it names UIDs (msgvault), VANISHED is malformed.

    QRESYNC is offered all the same (Mailspring-Sync #91, developer.apple.com/forums/thread/694251).
    """
    command = exchange.command
    if command.startswith("UID SEARCH ") and " UID " not in command:
        return exchange.ask(command.removeprefix("UID "))
    return swapped(exchange.ask(), rb"^\* VANISHED .*", rb"* VANISHED (EARLIER 1:*")


def _numbers(answers: Answers) -> list[int]:
    return [
        int(word)
        for answer in answers
        if answer.startswith(b"* SEARCH")
        for word in answer.split()[2:]
        if word.isdigit()
    ]


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """Yahoo, AOL: a command touches no more emails than this, the newest ones (RFC 9738; MESSAGELIMIT).

    The tagged answer says how many and down to which UID, in OK after a part of the answer, or in NO
    without any when `strict`.
    """

    limit: int
    strict: bool = False

    def __call__(self, exchange: Exchange) -> Answers:
        command = exchange.command
        if not command.startswith(("UID SEARCH ", "UID FETCH ")):
            return exchange.ask()
        named = command.split()[2] if "FETCH" in command else None
        sets = [f"UID {named}"] if named else re.findall(r"(?:\bUID )?\b[\d*][\d:*,]*(?= |$)", command)
        touched = sorted(_numbers(exchange.ask(f"UID SEARCH {' '.join(sets) or 'ALL'}")))
        if len(touched) <= self.limit:
            return exchange.ask()
        if self.strict:
            return exchange.says(f"NO [MESSAGELIMIT {self.limit}] Too many messages.")
        part = touched[-self.limit :]
        ids = ",".join(map(str, part))
        if named:
            answers = exchange.ask(command.replace(f" {named} ", f" {ids} ", 1))
        else:
            answers = exchange.ask(f"{command} UID {ids}")
        return answers[:-1] + exchange.says(f"OK [MESSAGELIMIT {self.limit} {part[0]}] Partial result.")


def yahoo(limit: int, *, strict: bool = False) -> Quirk:
    """Be Yahoo: no CONDSTORE, and a limit for each command, there 1,000."""
    offers = Offers(f"IMAP4rev1 ID NAMESPACE UIDPLUS MOVE LIST-STATUS SPECIAL-USE MESSAGELIMIT={limit}")
    return together(offers, MessageLimit(limit, strict))


_ENGLISH = re.compile(rb'^\* LIST \([^)]*\) "/" "?(Sent|Drafts|Junk|Trash)"?\r\n')


def _localised(exchange: Exchange) -> Answers:
    return [answer for answer in exchange.ask() if not _ENGLISH.match(answer)]


#: Microsoft 365: the capabilities of email-oauth2-proxy #74; folders have names in the user's
#: language and nothing else tells what they are for.
MICROSOFT = together(
    Offers(
        "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE "
        "NAMESPACE LITERAL+"
    ),
    _localised,
)


def not_connected(exchange: Exchange) -> Answers:
    """Be Microsoft 365 with IMAP switched off: nothing works but the log-in (email-oauth2-proxy #275)."""
    if any(said.startswith(("LOGIN", "AUTHENTICATE")) for said in exchange.earlier):
        return exchange.says("BAD User is authenticated but not connected.")
    return exchange.ask()


@dataclass(frozen=True, slots=True)
class Stops:
    """Hand out so many emails on a connection, then end every FETCH of one with this answer.

    When it `hangs_up` the connection ends there, in the middle of the next email if nothing is said.
    """

    after: int
    answer: str
    hangs_up: bool = False

    def __call__(self, exchange: Exchange) -> Answers:
        answers = exchange.ask()
        bodies = [number for number, answer in enumerate(answers) if _BODY.match(answer)]
        left = self.after - exchange.bodies
        if len(bodies) <= left:
            return answers
        stop = bodies[left]
        last = exchange.says(self.answer) if self.answer else [answers[stop][:-20]]
        if self.hangs_up:
            raise Closes(*answers[:stop], *last)
        return answers[:stop] + last


#: Microsoft 365 in the middle of a sync (imapflow, imap-flow.js).
THROTTLES = "NO Request is throttled. Suggested Backoff Time: 92415 milliseconds"
#: Gmail above 2,500 MB a day (support.google.com/a/answer/1071518), after which it closes.
OVERQUOTA = "NO [OVERQUOTA] Account exceeded command or bandwidth limits"

#: Gmail's capabilities (MailKit #1841), as far as Dovecot has them.
GMAIL = Offers(
    "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN UIDPLUS ENABLE MOVE CONDSTORE ESEARCH "
    "UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584"
)


def bracketed_flags(exchange: Exchange) -> Answers:
    """Be Gmail: flags may hold `]` against the grammar; here those of every flagged email do."""
    return [
        re.sub(rb"^(\* \d+ FETCH [^{]*)(?<=FLAGS \()(?=[^)]*\\Flagged)", rb"\1[x]y] ", answer)
        for answer in exchange.ask()
    ]


@dataclass(frozen=True, slots=True)
class Lacks:
    """A server that cannot give one email, known by a word in it; the rest arrives.

    `answer` comes in its place: `NO [UNAVAILABLE] …` (Gmail, Dovecot with a broken file), or None for
    Exchange, which sends a body of no bytes (mailcore2 #1621).
    """

    word: bytes
    answer: str | None

    def __call__(self, exchange: Exchange) -> Answers:
        answers = exchange.ask()
        for number, answer in enumerate(answers):
            if (body := _BODY.match(answer)) and self.word in answer:
                if self.answer is not None:
                    return answers[:number] + exchange.says(self.answer)
                answers[number] = answer[: body.start(1) - 1] + b'"")\r\n'
        return answers


def strays(exchange: Exchange) -> Answers:
    """Be Gmail, or any busy server: FETCH answers that nobody asked for stand among those that were.

    Of other emails, without a UID, without the items asked for (Nylas, condstore_changed_flags).
    """
    answers = exchange.ask()
    if not exchange.command.startswith("UID FETCH"):
        return answers
    mixed: Answers = []
    for answer in answers:
        if asked := re.match(rb"\* (\d+) FETCH \([^{]*?\bUID (\d+)", answer):
            number, uid = asked.groups()
            mixed += [
                b"* %s FETCH (FLAGS (\\Answered))\r\n" % number,
                b"* %s FETCH (UID 4000000000 FLAGS (\\Answered))\r\n" % number,
                b"* %s FETCH (UID %s MODSEQ (1))\r\n" % (number, uid),
                b"* OK Still here\r\n",
            ]
        mixed.append(answer)
    return mixed


def empty_folders_are_bad(exchange: Exchange) -> Answers:
    """Be a server for which no set of UIDs is valid in an empty folder (msgvault, getmail)."""
    answers = exchange.ask()
    if exchange.command.startswith(("UID SEARCH", "UID FETCH")):
        there = exchange.ask("UID SEARCH ALL")
        if not _numbers(there):
            return exchange.says("BAD Invalid messageset")
    return answers


def without_text(exchange: Exchange) -> Answers:
    """Be a server whose OK has no text."""
    return [re.sub(rb"^(\S+ OK)(?! \[).*\r\n", rb"\1\r\n", answer) for answer in exchange.ask()]


def blank_lines(exchange: Exchange) -> Answers:
    """Be a server that sends an empty line after an answer with a literal (CPython gh-88574)."""
    return [answer + b"\r\n" if re.search(rb"\{\d+\}\r\n", answer) else answer for answer in exchange.ask()]


@dataclass(frozen=True, slots=True)
class Claims:
    """A server that says another number in EXAMINE than Dovecot, such as UIDNEXT 1."""

    what: str
    number: int

    def __call__(self, exchange: Exchange) -> Answers:
        if not exchange.command.startswith(("EXAMINE", "STATUS", "LIST")):
            return exchange.ask()
        pattern = rf"\b{self.what} \d+".encode()
        return swapped(exchange.ask(), pattern, f"{self.what} {self.number}".encode())


@dataclass(frozen=True, slots=True)
class Spells:
    """A server that spells the names of folders in LIST like this, and opens them under that name only.

    `names` maps Dovecot's path to the name as it stands in LIST and to the bytes that are meant, for
    EXAMINE; `more` are further lines of LIST.
    """

    names: Mapping[str, tuple[bytes, bytes]]
    more: tuple[bytes, ...]

    def __call__(self, exchange: Exchange) -> Answers:
        if exchange.command.startswith("LIST"):
            return [*self.more, *(self.spelt(answer) for answer in exchange.ask())]
        for path, (_, meant) in self.names.items():
            quoted = meant.replace(b"\\", b"\\\\").replace(b'"', b'\\"').decode("latin-1")
            if exchange.command == f'EXAMINE "{quoted}"':
                return exchange.ask(f'EXAMINE "{path}"')
        return exchange.ask()

    def spelt(self, answer: bytes) -> bytes:
        for path, (listed, _) in self.names.items():
            for name in (path, f'"{path}"'):
                if answer.endswith(b' "/" ' + name.encode() + b"\r\n"):
                    return answer[: -len(name) - 2] + listed + b"\r\n"
        return answer

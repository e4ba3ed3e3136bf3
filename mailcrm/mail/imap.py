"""One IMAP session (RFC 9051), read-only, in the project's own words.

The connection and its errors are left to `mailcrm.mail.wire`, taking answers apart to
`mailcrm.mail.answers`, names and roles of folders to `mailcrm.mail.folder_names`, and what to fetch
to `mailcrm.core.plan`.
"""

import contextlib
import imaplib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, cast

from imapclient.datetime_util import format_criteria_date

from mailcrm import __version__
from mailcrm.core.errors import MailError, ProtocolError
from mailcrm.core.model import Endpoint, FolderRole
from mailcrm.core.plan import Arrival, Flags
from mailcrm.mail import answers, folder_names, refusals
from mailcrm.mail.answers import Fields
from mailcrm.mail.wire import ANSWER_LIMIT, Wire, harmless, log_in, quoted, said_in, speaking_to

logger = logging.getLogger(__name__)

#: What is fetched of an email above the size limit, in bytes: all headers and some text.
HEAD_BYTES = 262_144
#: UIDs in one FETCH, and octets in its set: RFC 2683, 3.2.1.5, tells clients to stay below 1,000.
FETCH_UIDS = 500
SET_OCTETS = 900
#: Emails in one SEARCH: imaplib takes no line of more than 1,000,000 bytes, some 90,000 UIDs.
SEARCH_WINDOW = 50_000
#: SINCE counts days of the server's calendar, in a zone that it does not tell (RFC 9051, 6.4.4).
CALENDAR_SLACK = timedelta(days=2)

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC) + CALENDAR_SLACK
_IDENTIFY = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)])"
_IDENTIFY_WITHOUT_HEADER = "(UID FLAGS INTERNALDATE RFC822.SIZE)"
_LEFT_OUT = "The mail server left this email out; it may be gone by now."


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedFolder:
    """A folder as the server lists it.

    `path` is the server's spelling, one character per byte, for EXAMINE; `name` is for people.
    """

    path: str
    name: str
    role: FolderRole | None
    selectable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderStatus:
    """What EXAMINE says of a folder; None is what the server does not say, or keeps not."""

    uidvalidity: int
    uidnext: int | None
    highestmodseq: int | None
    exists: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """An email's source; when `truncated`, only its first `HEAD_BYTES`."""

    uid: int
    raw: bytes
    truncated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchFailed:
    """An email that the server does not hand out, and why."""

    uid: int
    error: str


def open_session(
    endpoint: Endpoint, *, username: str, password: str, ca_file: str | None = None, timeout: float = 60.0
) -> "ImapSession":
    """Connect, log in, and return the session, to be used in a `with` statement.

    `ca_file` names a PEM file whose certificates are trusted in place of the computer's own;
    `timeout`, in seconds, holds for connecting and for each wait for the server. Raises
    ConfigError, ConnectError, AuthError, Throttled, ProtocolError.
    """
    wire = log_in(endpoint, username=username, password=password, ca_file=ca_file, timeout=timeout)
    try:
        with speaking_to(endpoint):
            return ImapSession(wire, endpoint)
    except BaseException:
        wire.close_connection()
        raise


class ImapSession:
    """A logged-in session; at most one folder is open at a time, for reading.

    `capabilities` are those after the log-in, in upper case. Every method may raise ConnectError,
    Throttled, AuthError, ProtocolError; a session that raised ConnectError is over.
    """

    def __init__(self, wire: Wire, endpoint: Endpoint) -> None:
        """Take a connection that is logged in; introduce us and ask what the server can do."""
        self._wire = wire
        self._endpoint = endpoint
        self._exists = 0
        # Servers say more after the log-in than before (RFC 9051, 6.1.1).
        _, data = wire.capability()
        self.capabilities = frozenset(answers.last(data).decode("ascii", "replace").upper().split())
        # NetEase opens no folder for a client that did not introduce itself (RFC 2971).
        if "ID" in self.capabilities:
            self._offer("ID", f'("name" "mailcrm" "version" {quoted(__version__)})')
        # ENABLE is for the authenticated state, before any folder is open (RFC 5161, 3.1).
        if {"ENABLE", "CONDSTORE"} <= self.capabilities:
            self._offer("ENABLE", "CONDSTORE")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.logout()
        else:
            # An answer may be half read.
            self._wire.close_connection()

    def logout(self) -> None:
        """Say good-bye and close the connection; a server that is gone already is no error."""
        with contextlib.suppress(MailError), speaking_to(self._endpoint):
            self._wire.logout()
        self._wire.close_connection()

    def folders(self) -> tuple[ListedFolder, ...]:
        """Return all folders, in the server's order, each once."""
        with speaking_to(self._endpoint):
            status, data = self._wire.list('""', '"*"')
        if status != "OK":
            raise refusals.refused(answers.last(data))
        lines = folder_names.once(answers.listed(data))
        # Every account has an INBOX (RFC 9051, 5.1); a list without it would pass for deleted folders.
        if not any(line.name.upper() == "INBOX" for line in lines):
            raise ProtocolError("The mail server's list of folders has no INBOX, so it is not whole.")
        return tuple(
            ListedFolder(
                path=line.raw.decode("latin-1"), name=line.name, role=role, selectable=line.selectable
            )
            for line, role in zip(lines, folder_names.roles(lines), strict=True)
        )

    def examine(self, path: str) -> FolderStatus:
        """Open a folder for reading; `path` is a `ListedFolder.path`. Raises FolderMissing, too."""
        raw = quoted(harmless(path)).encode("latin-1")
        self._exists = 0
        with speaking_to(self._endpoint):
            # imaplib sends bytes as they are; it takes a string in ASCII only.
            status, data = self._wire.select(cast("str", raw), readonly=True)
        if status != "OK":
            raise refusals.folder_refused(folder_names.decode(path.encode("latin-1")), answers.last(data))
        uidvalidity = self._said("UIDVALIDITY", answers.LAST_UID)
        if not uidvalidity:
            raise ProtocolError(
                "The mail server gives this folder no UIDVALIDITY, so its emails cannot be told apart."
            )
        exists = self._said("EXISTS", answers.LAST_UID)
        if exists is None:
            raise ProtocolError("The mail server does not say how many emails this folder holds.")
        self._exists = exists
        # Zero is no mod-sequence (RFC 7162, 7): the server keeps none for this folder.
        modseq = self._said("HIGHESTMODSEQ", answers.LAST_NUMBER64) or None
        return FolderStatus(
            uidvalidity=uidvalidity,
            uidnext=self._said("UIDNEXT", answers.LAST_UID),
            highestmodseq=modseq,
            exists=self._exists,
        )

    def uids(self) -> frozenset[int]:
        """Return the UIDs of the examined folder.

        Raises ProtocolError when the server names fewer than it counts, because what is missing
        from a partial answer would be taken for deleted.
        """
        # iCloud answers a SEARCH that names no UIDs with sequence numbers.
        found = self._search("UID 1:*")
        if len(found) < self._exists:
            with speaking_to(self._endpoint):
                self._wire.noop()  # now the server may tell of an EXPUNGE (RFC 9051, 7.5.1)
            expunged = len(self._wire.untagged_responses.get("EXPUNGE", ()))
            if len(found) + expunged < self._exists:
                raise ProtocolError(
                    f"The mail server counts {self._exists} emails in this folder but names {len(found)}."
                )
        return found

    def uids_since(self, start: datetime) -> frozenset[int]:
        """Return the UIDs of emails received or sent since `start`, and of some up to two days older."""
        # Some servers know no date before 1970.
        day = format_criteria_date(max(start, _EARLIEST) - CALENDAR_SLACK).decode("ascii")
        return self._search(f"UID 1:* OR SINCE {day} SENTSINCE {day}")

    def identify(self, uids: Sequence[int]) -> Iterator[Arrival]:
        """Yield what identifies each email, in this order; an email that is gone is left out."""
        for group in groups(uids):
            found, refused = self._fetch_each(group, _IDENTIFY, answers.HEADER)
            # A header that the server cannot give must not hide the email.
            for rest in groups(list(refused)):
                found |= self._fetch(uid_set(rest), _IDENTIFY_WITHOUT_HEADER, answers.SIZE)[0]
            for uid in group:
                if uid in found:
                    yield answers.arrival(uid, found[uid])
                else:
                    logger.info("UID %d was not identified: %s", uid, refused[uid])

    def flags(self, uids: Sequence[int]) -> dict[int, Flags]:
        """Return the flags of these emails; one that is gone is left out."""
        found: dict[int, Flags] = {}
        for group in groups(uids):
            said = self._fetch_or_fail(uid_set(group), "(UID FLAGS)")
            found |= {uid: answers.flags(said[uid]) for uid in group if uid in said}
        return found

    def flags_since(self, modseq: int) -> dict[int, Flags]:
        """Return the flags changed after `modseq` (RFC 7162, 3.1.4.1), where CONDSTORE is offered."""
        if not self._exists:
            return {}
        said = self._fetch_or_fail("1:*", "(UID FLAGS)", f"(CHANGEDSINCE {modseq})")
        return {uid: answers.flags(fields) for uid, fields in said.items()}

    def download(self, arrivals: Sequence[Arrival], *, size_limit: int) -> Iterator[Fetched | FetchFailed]:
        """Yield the source of each email; of one above `size_limit`, in bytes, only the head."""
        whole = {arrival.uid: arrival for arrival in arrivals if arrival.size <= size_limit}
        for group in groups(list(whole)):
            self._wire.allowance = ANSWER_LIMIT + sum(whole[uid].size for uid in group)
            try:
                found, refused = self._fetch_each(group, "(UID BODY.PEEK[])", answers.BODY)
            finally:
                self._wire.allowance = ANSWER_LIMIT
            for uid in group:
                yield _source(whole[uid], found.get(uid), refused.get(uid), truncated=False)
        for arrival in arrivals:
            if arrival.uid not in whole:
                head = f"(UID BODY.PEEK[]<0.{HEAD_BYTES}>)"
                found, refused = self._fetch_each([arrival.uid], head, answers.BODY)
                yield _source(arrival, found.get(arrival.uid), refused.get(arrival.uid), truncated=True)

    def _search(self, criteria: str) -> frozenset[int]:
        # The newest window first: an EXPUNGE in between moves emails down, into a window still to come.
        window = min([SEARCH_WINDOW, *_message_limit(self.capabilities)])
        found: set[int] = set()
        for low in range((self._exists - 1) // window * window + 1, 0, -window):
            high = "*" if low + window > self._exists else str(low + window - 1)
            sequence = "" if self._exists <= window else f"{low}:{high} "
            with speaking_to(self._endpoint):
                status, data = self._wire.uid("SEARCH", sequence + criteria)
            if status != "OK":
                raise refusals.refused(answers.last(data))
            found |= answers.numbers(data)
        return frozenset(found)

    def _fetch_each(
        self, uids: Sequence[int], items: str, needed: bytes
    ) -> tuple[dict[int, Fields], dict[int, str]]:
        """Fetch a group, then what is missing one by one: a poison email must not hide its neighbours.

        The second dictionary tells why a UID is missing still.
        """
        found, refusal = self._fetch(uid_set(uids), items, needed)
        refused: dict[int, str] = {}
        for uid in uids:
            if uid not in found and len(uids) > 1:
                again, refusal = self._fetch(str(uid), items, needed)
                found |= again
            if uid not in found:
                refused[uid] = str(refusal or _LEFT_OUT)
        return found, refused

    def _fetch_or_fail(self, which: str, items: str, modifiers: str = "") -> dict[int, Fields]:
        found, refusal = self._fetch(which, items, answers.FLAGS, modifiers)
        if refusal is not None:
            raise refusal
        return found

    def _fetch(
        self, which: str, items: str, needed: bytes, modifiers: str = ""
    ) -> tuple[dict[int, Fields], ProtocolError | None]:
        """Return the answers that hold the needed item, and the refusal that ended them."""
        refusal: MailError | None = None
        data: Sequence[Any]
        with speaking_to(self._endpoint):
            try:
                status, data = self._wire.uid("FETCH", which, f"{items} {modifiers}".rstrip())
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                status, data = "BAD", [said_in(error).encode()]
            if status != "OK":
                refusal = refusals.refused(answers.last(data))
                # What came before the refusal holds.
                _, data = self._wire.response("FETCH")
        match refusal:
            case None | ProtocolError():
                return answers.fetched(data, needed), refusal
            case _:
                raise refusal

    def _offer(self, command: str, argument: str) -> None:
        """Send a command that helps where the server takes it."""
        try:
            self._wire.xatom(command, argument)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            logger.info("the server refused %s: %s", command, refusals.printable(said_in(error)))

    def _said(self, what: str, most: int) -> int | None:
        """Return the number that the server gave last under this name."""
        return answers.number(answers.last(self._wire.untagged_responses.get(what)), most)


def _source(
    arrival: Arrival, fields: Fields | None, refused: str | None, *, truncated: bool
) -> Fetched | FetchFailed:
    raw = answers.item(fields or {}, answers.BODY)
    if not isinstance(raw, bytes):
        return FetchFailed(uid=arrival.uid, error=refused or _LEFT_OUT)
    # Exchange sends an empty body for an email it cannot render.
    if not raw and arrival.size:
        return FetchFailed(uid=arrival.uid, error="The mail server sent this email empty.")
    return Fetched(uid=arrival.uid, raw=raw, truncated=truncated)


def _message_limit(capabilities: Iterable[str]) -> list[int]:
    """Return how many emails one command may touch, where the server sets a limit (RFC 9738)."""
    said = (name.partition("=")[2] for name in capabilities if name.startswith("MESSAGELIMIT="))
    return [int(limit) for limit in said if limit.isdecimal() and int(limit)]


def groups(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield groups of UIDs, in this order, each small enough for one command."""
    for start in range(0, len(uids), FETCH_UIDS):
        yield from _fitting(uids[start : start + FETCH_UIDS])


def _fitting(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    if len(uid_set(uids)) <= SET_OCTETS:
        yield uids
    else:
        half = len(uids) // 2
        yield from _fitting(uids[:half])
        yield from _fitting(uids[half:])


def uid_set(uids: Iterable[int]) -> str:
    """Return a sequence-set of exactly these UIDs (RFC 9051, 9), such as `3:5,9`."""
    runs: list[tuple[int, int]] = []
    for uid in sorted(uids):
        if runs and uid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in runs)

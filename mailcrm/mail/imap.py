"""One IMAP session (RFC 9051), read-only, in the project's own words.

The connection and its errors are left to `mailcrm.mail.wire`, taking answers apart to
`mailcrm.mail.answers`, names and roles of folders to `mailcrm.mail.folder_names`, and what to fetch
to `mailcrm.core.plan`.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from mailcrm import __version__
from mailcrm.core.credentials import Credential
from mailcrm.core.errors import ProtocolError
from mailcrm.core.model import Endpoint, FolderRole
from mailcrm.core.plan import Arrival, Flags
from mailcrm.core.printable import printable
from mailcrm.core.uids import UidSet, sequence_set
from mailcrm.mail import answers, folder_names, refusals
from mailcrm.mail.answers import Fields
from mailcrm.mail.wire import ANSWER_LIMIT, Answer, Done, Wire, harmless, log_in, quoted, speaking_to

logger = logging.getLogger(__name__)

#: What is fetched of an email above the size limit, in bytes: all headers and some text.
HEAD_BYTES = 262_144
#: Emails whose sources are asked for with one command, and their bytes: what a server that claims more
#: than it should can make us hold. One command costs one round trip.
DOWNLOADS = 500
_DOWNLOAD_BYTES = 16_000_000
#: Emails of which anything smaller is asked for with one command.
_LOOKED_AT = 5_000
#: Emails whose changed flags are asked for with one command: all may have changed.
_FLAGGED = 100_000
#: Octets of a sequence-set: RFC 2683, 3.2.1.5, tells clients to keep a command below 1,000, and RFC 7162, 4,
#: below 8,192 where a server knows CONDSTORE.
_SET_OCTETS = 900
_SET_OCTETS_WITH_CONDSTORE = 8_000
#: SINCE counts days of the server's calendar, in a zone that it does not tell (RFC 9051, 6.4.4).
CALENDAR_SLACK = timedelta(days=2)

#: Emails that may come between EXAMINE and SEARCH; more than these were made up, and asking for each
#: would take for ever.
_UNTOLD = 1_000

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC) + CALENDAR_SLACK
_PLACE = b"UID FLAGS INTERNALDATE RFC822.SIZE"
_OBJECT_IDS = {"OBJECTID": b"EMAILID", "X-GM-EXT-1": b"X-GM-MSGID"}
_HEADER = b"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)]"
_STATUS = b"UIDVALIDITY UIDNEXT MESSAGES"
_LEFT_OUT = "The mail server left this email out; it may be gone by now."


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedFolder:
    """A folder as the server lists it.

    `path` is the server's spelling, one character per byte, for EXAMINE; `name` is for people. `status`
    is there when the server tells it with the list (RFC 5819).
    """

    path: str
    name: str
    role: FolderRole | None
    selectable: bool
    status: "FolderStatus | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderStatus:
    """What a server says of a folder; None is what it does not say, or keeps not."""

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
    endpoint: Endpoint,
    *,
    username: str,
    credential: Credential,
    ca_file: str | None = None,
    timeout: float = 60.0,
) -> "ImapSession":
    """Connect, log in, and return the session, to be used in a `with` statement.

    `ca_file` names a PEM file whose certificates are trusted in place of the computer's own;
    `timeout`, in seconds, holds for connecting and for each wait for the server. Raises
    ConfigError, ConnectError, AuthError, Throttled, ProtocolError.
    """
    wire = log_in(endpoint, username=username, credential=credential, ca_file=ca_file, timeout=timeout)
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
        self.capabilities = wire.offered()
        # NetEase opens no folder for a client that did not introduce itself after the log-in (RFC 2971).
        if "ID" in self.capabilities.union(wire.capabilities):
            self._offer(b'ID ("name" "mailcrm" "version" %b)' % quoted(__version__).encode())
        # ENABLE is for the authenticated state, before any folder is open (RFC 5161, 3.1).
        if {"ENABLE", "CONDSTORE"} <= self.capabilities:
            self._offer(b"ENABLE CONDSTORE")
        self._set_octets = _SET_OCTETS_WITH_CONDSTORE if "CONDSTORE" in self.capabilities else _SET_OCTETS
        self._extended_search = "ESEARCH" in self.capabilities
        named = [item for capability, item in _OBJECT_IDS.items() if capability in self.capabilities]
        self._identified = b" ".join([_PLACE, *named])

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
        self._wire.leave()

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._wire.closed

    def abandon(self) -> None:
        """End the connection at once; another thread that waits for the server gets a ConnectError."""
        self._wire.close_connection()

    def folders(self) -> tuple[ListedFolder, ...]:
        """Return all folders, in the server's order, each once."""
        told = self._list()
        lines = folder_names.once(answers.listed(told))
        # Every account has an INBOX (RFC 9051, 5.1); a list without it would pass for deleted folders.
        if not any(line.name.upper() == "INBOX" for line in lines):
            raise ProtocolError("The mail server's list of folders has no INBOX, so it is not whole.")
        statuses = answers.statuses(told)
        return tuple(
            ListedFolder(
                path=line.raw.decode("latin-1"),
                name=line.name,
                role=role,
                selectable=line.selectable,
                status=_status(statuses.get(line.raw, {})),
            )
            for line, role in zip(lines, folder_names.roles(lines), strict=True)
        )

    def examine(self, path: str) -> FolderStatus:
        """Open a folder for reading; `path` is a `ListedFolder.path`. Raises FolderMissing, too."""
        self._exists = 0
        told, done = self._say(b"EXAMINE %b" % quoted(harmless(path)).encode("latin-1"))
        if done.status != "OK":
            raise refusals.folder_refused(folder_names.decode(path.encode("latin-1")), done.text)
        uidvalidity = answers.said(told, b"UIDVALIDITY", answers.LAST_UID)
        if not uidvalidity:
            raise ProtocolError(
                "The mail server gives this folder no UIDVALIDITY, so its emails cannot be told apart."
            )
        exists = answers.said(told, b"EXISTS", answers.LAST_UID)
        if exists is None:
            raise ProtocolError("The mail server does not say how many emails this folder holds.")
        self._exists = exists
        return FolderStatus(
            uidvalidity=uidvalidity,
            uidnext=answers.said(told, b"UIDNEXT", answers.LAST_UID),
            highestmodseq=_modseq(answers.said(told, b"HIGHESTMODSEQ", answers.LAST_NUMBER64)),
            exists=exists,
        )

    def uids(self) -> UidSet:
        """Return the UIDs of the examined folder.

        Raises ProtocolError when the server names fewer than it counts, because what is missing
        from a partial answer would be taken for deleted.
        """
        # iCloud answers a SEARCH that names no UIDs with sequence numbers.
        answer, expunged = self._search(b"UID 1:*")
        found = answer or UidSet()
        if len(found) + expunged < self._exists:
            told, _ = self._say(b"NOOP")  # now the server may tell of an EXPUNGE (RFC 9051, 7.5.1)
            expunged += answers.count(told, b"EXPUNGE")
            if len(found) + expunged < self._exists:
                raise self._miscounted(found)
        if len(found) > self._exists + _UNTOLD:
            raise self._miscounted(found)
        return found

    def _miscounted(self, found: UidSet) -> ProtocolError:
        return ProtocolError(
            f"The mail server counts {self._exists} emails in this folder but names {len(found)}."
        )

    def uids_since(self, start: datetime) -> UidSet:
        """Return the UIDs of emails received or sent since `start`, and of some up to two days older."""
        # Here, because it takes all of imapclient with it, and most syncs ask for no date.
        from imapclient.datetime_util import format_criteria_date

        # Some servers know no date before 1970.
        day = format_criteria_date(max(start, _EARLIEST) - CALENDAR_SLACK)
        found, _ = self._search(b"UID 1:* OR SINCE %b SENTSINCE %b" % (day, day))
        # Without an answer nothing is known of the dates, so every email is looked at.
        return self.uids() if found is None else found

    def identify(self, uids: Iterable[int]) -> Iterator[Arrival]:
        """Yield what identifies each email; one that is gone is left out."""
        for group in self._groups(list(uids), _LOOKED_AT):
            without = []
            items = b"(%b %b)" % (self._identified, _HEADER)
            for uid, fields in self._fetch_each(group, items, answers.HEADER, *answers.PLACE):
                if isinstance(fields, str):
                    without.append(uid)
                else:
                    yield answers.arrival(uid, fields)
            # A header that the server cannot give must not hide the email.
            for uid, fields in self._fetch_each(without, b"(%b)" % self._identified, *answers.PLACE):
                if isinstance(fields, str):
                    logger.info("UID %d was not identified: %s", uid, fields)
                else:
                    yield answers.arrival(uid, fields)

    def flags(self, uids: Iterable[int]) -> dict[int, Flags]:
        """Return the flags of these emails; one that is gone is left out."""
        found: dict[int, Flags] = {}
        for group in self._groups(list(uids), _LOOKED_AT):
            said = self._flags(sequence_set(UidSet(group)).encode())
            found |= {uid: said[uid] for uid in group if uid in said}
        return found

    def flags_since(self, modseq: int, uids: UidSet) -> dict[int, Flags]:
        """Return the flags changed after `modseq` (RFC 7162, 3.1.4.1), where CONDSTORE is offered.

        `uids` are all of the folder.
        """
        found: dict[int, Flags] = {}
        for part in uids.windows(min([_FLAGGED, *_message_limit(self.capabilities)])):
            span = b"%d:%d" % (part.runs[0][0], part.highest)
            found |= self._flags(span, b" (CHANGEDSINCE %d)" % modseq)
        return found

    def download(self, arrivals: Sequence[Arrival], *, size_limit: int) -> Iterator[Fetched | FetchFailed]:
        """Yield the source of each email as it comes; of one above `size_limit`, in bytes, only the head."""
        whole = [arrival for arrival in arrivals if arrival.size <= size_limit]
        for group in self._download_groups(whole):
            sizes = {arrival.uid: arrival.size for arrival in group}
            self._wire.allowance = ANSWER_LIMIT + sum(sizes.values())
            try:
                for uid, fields in self._fetch_each(list(sizes), b"(UID BODY.PEEK[])", answers.BODY):
                    yield _source(uid, fields, size=sizes[uid], truncated=False)
            finally:
                self._wire.allowance = ANSWER_LIMIT
        for arrival in arrivals:
            if arrival.size > size_limit:
                head = b"(UID BODY.PEEK[]<0.%d>)" % HEAD_BYTES
                for uid, fields in self._fetch_each([arrival.uid], head, answers.BODY):
                    yield _source(uid, fields, size=arrival.size, truncated=True)

    def idle(self, seconds: float) -> bool:
        """Wait until the server tells of a change in the examined folder (RFC 2177), for so long at most.

        Says whether there was one.
        """
        until = time.monotonic() + seconds
        with speaking_to(self._endpoint):
            asked = self._wire.ask(b"IDLE")
            begun = changed = False
            try:
                while not begun or (not changed and self._wire.wait(max(0.0, until - time.monotonic()))):
                    answer = next(asked)
                    begun = begun or answer[0].startswith(b"+")
                    changed = changed or answers.tells_of_change(answer)
                self._wire.send(b"DONE\r\n")
                for answer in asked:
                    changed = changed or answers.tells_of_change(answer)
            except StopIteration as end:  # the server takes no IDLE, whatever it offers
                raise refusals.refused(end.value.text) from end
        return changed

    def _list(self) -> list[Answer]:
        """Ask for all folders, with what is new in them where the server can tell it in one answer."""
        if {"LIST-STATUS", "LIST-EXTENDED"} <= self.capabilities:
            modseq = b" HIGHESTMODSEQ" if "CONDSTORE" in self.capabilities else b""
            use = b"SPECIAL-USE " if "SPECIAL-USE" in self.capabilities else b""
            told, done = self._say(b'LIST "" "*" RETURN (%bSTATUS (%b%b))' % (use, _STATUS, modseq))
            if done.status == "OK":
                return told
        told, done = self._say(b'LIST "" "*"')
        if done.status != "OK":
            raise refusals.refused(done.text)
        return told

    def _search(self, criteria: bytes) -> tuple[UidSet | None, int]:
        """Return the UIDs that were found, and how many emails went away meanwhile.

        None is for a server that says OK and nothing else, against RFC 9051, 6.4.4.
        """
        # The newest window first: an EXPUNGE in between moves emails down, into a window still to come.
        window = min([max(1, self._exists), *_message_limit(self.capabilities)])
        found, expunged = UidSet(), 0
        for low in range((self._exists - 1) // window * window + 1, 0, -window):
            high = b"*" if low + window > self._exists else b"%d" % (low + window - 1)
            sequence = b"" if self._exists <= window else b"%d:%b " % (low, high)
            told = self._searched(sequence + criteria)
            part = answers.found(told)
            if part is None:
                return None, expunged
            found |= part
            expunged += answers.count(told, b"EXPUNGE")
        return found, expunged

    def _searched(self, criteria: bytes) -> list[Answer]:
        if self._extended_search:
            # The answer is runs, not one number for each email (RFC 4731, 3.1).
            told, done = self._say(b"UID SEARCH RETURN (ALL) " + criteria)
            if done.status == "OK":
                return told
            self._extended_search = False
        told, done = self._say(b"UID SEARCH " + criteria)
        if done.status != "OK":
            raise refusals.refused(done.text)
        return told

    def _fetch_each(
        self, uids: Sequence[int], items: bytes, *needed: bytes
    ) -> Iterator[tuple[int, Fields | str]]:
        """Yield with each UID what was asked for, or why it did not come.

        What is missing is asked for again in halves, down to one email: a poison email must not hide its
        neighbours.
        """
        if not uids:
            return
        missing = set(uids)
        fetching = self._fetch(sequence_set(UidSet(uids)).encode(), items, needed)
        refusal = None
        while True:
            try:
                uid, fields = next(fetching)
            except StopIteration as end:
                refusal = end.value
                break
            if uid in missing:
                missing.discard(uid)
                yield uid, fields
        left = sorted(missing)
        if left and refusal is None and len(uids) > 1:
            # Of a UID that is not there any more a server says nothing (RFC 9051, 6.4.9).
            there, _ = self._search(b"UID %d:%d" % (left[0], left[-1]))
            if there is not None:
                yield from ((uid, _LEFT_OUT) for uid in left if uid not in there)
                left = [uid for uid in left if uid in there]
        if len(uids) == 1:
            for uid in left:
                yield uid, str(refusal or _LEFT_OUT)
        elif left:
            half = (len(left) + 1) // 2
            yield from self._fetch_each(left[:half], items, *needed)
            if left[half:]:
                yield from self._fetch_each(left[half:], items, *needed)

    def _fetch(
        self, which: bytes, items: bytes, needed: Sequence[bytes]
    ) -> Generator[tuple[int, Fields], None, ProtocolError | None]:
        """Yield the answers by UID as they come, and return the refusal that ended them.

        An answer counts when all needed items are there, or the first of them at the end.
        """
        parts: dict[int, Fields] = {}
        with speaking_to(self._endpoint):
            asked = self._wire.ask(b"UID FETCH %b %b" % (which, items))
            while True:
                try:
                    answer = next(asked)
                except StopIteration as end:
                    done: Done = end.value
                    break
                fields = answers.fetched(answer)
                uid = None if fields is None else answers.uid_of(fields)
                if fields is None or uid is None:
                    continue
                whole = parts.pop(uid) | fields if uid in parts else fields
                if all(answers.item(whole, name) is not None for name in needed):
                    yield uid, whole
                else:
                    parts[uid] = whole
        refusal = None if done.status == "OK" else refusals.refused(done.text)
        if refusal is not None and not isinstance(refusal, ProtocolError):
            raise refusal
        # What came before the refusal holds.
        for uid, fields in parts.items():
            if answers.item(fields, needed[0]) is not None:
                yield uid, fields
        return refusal

    def _flags(self, which: bytes, modifiers: bytes = b"") -> dict[int, Flags]:
        found: dict[int, Flags] = {}
        fetching = self._fetch(which, b"(UID FLAGS)" + modifiers, [answers.FLAGS])
        while True:
            try:
                uid, fields = next(fetching)
            except StopIteration as end:
                if end.value is not None:
                    raise end.value from None
                return found
            found[uid] = answers.flags(fields)

    def _say(self, command: bytes) -> tuple[list[Answer], Done]:
        with speaking_to(self._endpoint):
            return self._wire.say(command)

    def _offer(self, command: bytes) -> None:
        """Send a command that helps where the server takes it."""
        _, done = self._say(command)
        if done.status != "OK":
            logger.info("the server refused %s: %s", command, printable(done.text))

    def _groups(self, uids: Sequence[int], most: int) -> Iterator[Sequence[int]]:
        """Yield groups of UIDs, in this order, each small enough for one command."""
        size = min([most, *_message_limit(self.capabilities)])
        for start in range(0, len(uids), size):
            yield from _fitting(uids[start : start + size], self._set_octets)

    def _download_groups(self, arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
        by_uid = {arrival.uid: arrival for arrival in arrivals}
        for group in self._groups(list(by_uid), DOWNLOADS):
            part: list[Arrival] = []
            size = 0
            for uid in group:
                if part and size + by_uid[uid].size > _DOWNLOAD_BYTES:
                    yield part
                    part, size = [], 0
                part.append(by_uid[uid])
                size += by_uid[uid].size
            yield part


def _status(numbers: Mapping[bytes, int]) -> FolderStatus | None:
    uidvalidity, exists = numbers.get(b"UIDVALIDITY"), numbers.get(b"MESSAGES")
    if not uidvalidity or exists is None:
        return None
    return FolderStatus(
        uidvalidity=uidvalidity,
        uidnext=numbers.get(b"UIDNEXT"),
        highestmodseq=_modseq(numbers.get(b"HIGHESTMODSEQ")),
        exists=exists,
    )


def _modseq(said: int | None) -> int | None:
    """Return a mod-sequence that can be relied on.

    Zero is none (RFC 7162, 7), and 1 is what a server says that never moves it (Dovecot 2.0).
    """
    return said if said is not None and said > 1 else None


def _source(uid: int, fields: Fields | str, *, size: int, truncated: bool) -> Fetched | FetchFailed:
    if isinstance(fields, str):
        return FetchFailed(uid=uid, error=fields)
    raw = answers.item(fields, answers.BODY)
    if not isinstance(raw, bytes):
        return FetchFailed(uid=uid, error=_LEFT_OUT)
    # Exchange sends an empty body for an email it cannot render.
    if not raw and size:
        return FetchFailed(uid=uid, error="The mail server sent this email empty.")
    return Fetched(uid=uid, raw=raw, truncated=truncated)


def _message_limit(capabilities: Iterable[str]) -> list[int]:
    """Return how many emails one command may touch, where the server sets a limit (RFC 9738)."""
    said = (name.partition("=")[2] for name in capabilities if name.startswith("MESSAGELIMIT="))
    return [int(limit) for limit in said if limit.isdecimal() and int(limit)]


def _fitting(uids: Sequence[int], octets: int) -> Iterator[Sequence[int]]:
    """Yield the UIDs in parts whose sequence-sets are no longer than so many octets."""
    if len(sequence_set(UidSet(uids))) <= octets:
        yield uids
    else:
        half = len(uids) // 2
        yield from _fitting(uids[:half], octets)
        yield from _fitting(uids[half:], octets)

"""What a sync has to do in one folder: pure comparisons of the store with the server.

Every unknown UID is identified first, by a few bytes of its header; an email that the store
holds already is attached to its new place, and only the rest is downloaded. So nothing has to be
remembered when a mailbox is renumbered, moved, or a sync is killed (docs/decisions/0004). A folder is
gone through in windows of UIDs, so that a large one takes no more memory than a small one.

Talking to the server is left to `mailcrm.mail.imap`, carrying the steps out to `mailcrm.syncing`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mailcrm.core.uids import UidSet

Flags: TypeAlias = frozenset[str]

_RESEMBLANCE = "?"
_DRAFT = "\\Draft"


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderState:
    """What the store remembers of a folder.

    `uidvalidity` is that of the last finished sync, None before the first. `placed` are the UIDs
    stored under the *server's present* UIDVALIDITY, whoever stored them: a finished sync or one
    that was killed. `screened` are those of emails that the block list keeps out, `failed` those that
    the server did not give when it was asked. `highest_uid` is the highest UID that a finished sync has
    looked at.
    """

    uidvalidity: int | None
    highestmodseq: int | None
    highest_uid: int
    placed: UidSet
    screened: UidSet
    failed: UidSet

    @property
    def known(self) -> UidSet:
        """The UIDs of which there is nothing to find out."""
        return self.placed | self.screened


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A UID that the store has not placed, with its `identity`; `size` in bytes as the server claims it.

    `object_id` is the server's own name for the email, the same in every folder, where it has one.
    """

    uid: int
    identity: str
    object_id: str | None = None
    size: int
    received_at: datetime
    sent_at: datetime | None
    flags: Flags

    @property
    def identities(self) -> tuple[str, ...]:
        """What the email is known by once it is stored."""
        return (self.identity,) if self.object_id is None else (self.object_id, self.identity)

    def is_among(self, names: AbstractSet[str]) -> bool:
        """Say whether it is proved to be one of the emails that are known by `names`."""
        resembles = self.identity.startswith(_RESEMBLANCE)
        return self.object_id in names or (not resembles and self.identity in names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arriving:
    """What brings in the emails that were identified.

    Those of `attach` are stored already and only get a place; those of `download` are new; those of
    `attach_after` are, too, but their bodies come with another of them, or are on their way.
    """

    attach: tuple[Arrival, ...]
    download: tuple[Arrival, ...]
    attach_after: tuple[Arrival, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeAway:
    """Take away the places of UIDs that are gone, and all under another UIDVALIDITY."""

    uids: UidSet


@dataclass(frozen=True, kw_only=True, slots=True)
class Settle:
    """Remember that the folder was looked at up to here."""

    highestmodseq: int | None
    highest_uid: int


#: What all folders' arriving comes before, so that an email moved from one folder to another is never
#: without a place in between.
Departing: TypeAlias = TakeAway | Settle


def identity(message_id: str | None, size: int, received_at: datetime) -> str:
    """Return what tells one email of an account from the others before its body is known.

    Message-ID, size and INTERNALDATE together survive a move, a copy and a renumbering
    (RFC 9051, 6.4.7: COPY keeps the internal date). Without a Message-ID the rest is a mere
    resemblance: it begins with `?`, and only the body decides.
    """
    text = f"{message_id or ''}\0{size}\0{int(received_at.timestamp())}"
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return found if message_id else _RESEMBLANCE + found


def digest(raw: bytes) -> str:
    """Return the SHA-256 of an email's source, in hexadecimal: the identity of last resort."""
    return hashlib.sha256(raw).hexdigest()


def mark(
    *,
    uidvalidity: int,
    uidnext: int | None,
    highestmodseq: int | None,
    exists: int,
    start: datetime | None,
    blocked: str,
) -> str | None:
    """Return what changes whenever folder, window or block list do; None where the server does not tell.

    A flag moves HIGHESTMODSEQ (RFC 7162, 3.1.2.1), an arrival UIDNEXT; an expunge moves the count, and
    with an arrival both of the others.
    """
    if uidnext is None or highestmodseq is None:
        return None
    since = "all" if start is None else int(start.timestamp())
    return f"{uidvalidity} {uidnext} {highestmodseq} {exists} {since} {blocked}".rstrip()


def to_identify(state: FolderState, uidvalidity: int, alive: UidSet, since: UidSet) -> UidSet:
    """Return the UIDs to identify.

    `alive` are all UIDs of the folder, `since` those that the server counts to the history
    window. UIDs above the highest one seen are looked at whatever their date, because an old
    email may have been moved here, and those that failed, because they were wanted; after a
    renumbering all are, because any may be an old acquaintance.
    """
    if state.uidvalidity is None:
        wanted = since
    elif state.uidvalidity != uidvalidity:
        wanted = alive
    else:
        wanted = since | alive.above(state.highest_uid) | state.failed
    return (wanted & alive) - state.known


def is_wanted(arrival: Arrival, start: datetime | None) -> bool:
    """Say whether an email belongs into the store: received or sent on or after `start`, and no draft.

    A `start` of None means all of history. What somebody has not sent is nobody's conversation, and
    a folder with every email (Gmail's All Mail) holds each state of it that was saved.
    """
    if _DRAFT in arrival.flags:
        return False
    if start is None or arrival.received_at >= start:
        return True
    return arrival.sent_at is not None and arrival.sent_at >= start


def arriving(
    arrivals: Iterable[Arrival],
    *,
    have: AbstractSet[str],
    coming: AbstractSet[str],
    failed: AbstractSet[int],
    start: datetime | None,
) -> Arriving:
    """Return how to bring in what was identified, the newest emails first.

    `have` are the identities that the store holds, from any folder of the account, `coming` those
    of emails on their way to it. UIDs that `failed` come last: what they stop is stopped late, and
    another copy of the same email may be sound. An email that is not wanted is attached when it is
    known and otherwise left alone.
    """
    known, wanted, again = [], [], []
    soon = set(coming)
    for arrival in sorted(arrivals, key=lambda a: (a.uid in failed, -a.uid)):
        if arrival.is_among(have):
            known.append(arrival)
        elif arrival.is_among(soon):
            again.append(arrival)
        elif is_wanted(arrival, start) or arrival.identity in have:
            wanted.append(arrival)
            soon.update(arrival.identities)
    return Arriving(attach=tuple(known), download=tuple(wanted), attach_after=tuple(again))


def departing(
    state: FolderState,
    alive: UidSet,
    *,
    uidvalidity: int,
    highestmodseq: int | None,
    unidentified: UidSet,
) -> Iterator[Departing]:
    """Yield the steps that take away what is not on the server, and remember how far we looked.

    `unidentified` are the UIDs of which the server told nothing when we asked.
    """
    gone = state.known - alive
    if gone or state.uidvalidity != uidvalidity:
        yield TakeAway(uids=gone)
    # What was not identified now is looked at again.
    highest_uid = min(unidentified) - 1 if unidentified else alive.highest
    if (state.uidvalidity, state.highestmodseq, state.highest_uid) != (
        uidvalidity,
        highestmodseq,
        highest_uid,
    ):
        yield Settle(highestmodseq=highestmodseq, highest_uid=highest_uid)

"""What a sync has to do in one folder: a pure comparison of the store with the server.

Every unknown UID is identified first, by a few bytes of its header; an email that the store
holds already is attached to its new place, and only the rest is downloaded. So nothing has to be
remembered when a mailbox is renumbered, moved, or a sync is killed (docs/decisions/0004).

Talking to the server is left to `mailcrm.mail.imap`, carrying the steps out to `mailcrm.syncing`.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

Flags: TypeAlias = frozenset[str]

_RESEMBLANCE = "?"
_DRAFT = "\\Draft"

#: One step is one transaction: a killed sync repeats at most this much.
BATCH_EMAILS = 100
BATCH_BYTES = 8_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderState:
    """What the store remembers of a folder.

    `uidvalidity` is that of the last finished sync, None before the first. `placed` holds the
    UIDs stored under the *server's present* UIDVALIDITY with their flags, whoever stored them:
    a finished sync or one that was killed. `highest_uid` is the highest UID that a finished sync
    has looked at.
    """

    uidvalidity: int | None
    highestmodseq: int | None
    highest_uid: int
    placed: Mapping[int, Flags]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A UID that the store has not placed, with its `identity`; `size` in bytes as the server claims it."""

    uid: int
    identity: str
    size: int
    received_at: datetime
    sent_at: datetime | None
    flags: Flags


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSnapshot:
    """What the server says of a folder.

    `flags` holds whatever UIDs' flags were asked for, `unidentified` the UIDs of which the server
    told nothing when we asked.
    """

    uidvalidity: int
    highestmodseq: int | None
    alive: AbstractSet[int]
    arrivals: tuple[Arrival, ...]
    flags: Mapping[int, Flags]
    unidentified: AbstractSet[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Attach:
    """Place emails that the store holds already; no body is downloaded."""

    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """Fetch and store these emails."""

    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reflag:
    """Store the changed flags of placed emails."""

    flags: Mapping[int, Flags]


@dataclass(frozen=True, kw_only=True, slots=True)
class Vanish:
    """Take away the placements of UIDs that the server no longer has."""

    uids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forget:
    """Take away the placements made under any other UIDVALIDITY than this."""

    uidvalidity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Settle:
    """Remember that the folder was looked at up to here."""

    uidvalidity: int
    highestmodseq: int | None
    highest_uid: int


Arriving: TypeAlias = Attach | Download | Reflag
Departing: TypeAlias = Vanish | Forget | Settle


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The steps of one folder.

    All folders' `arriving` steps are run before any `departing` one, so that an email moved
    from one folder to another is never without a place in between.
    """

    arriving: tuple[Arriving, ...]
    departing: tuple[Departing, ...]

    @property
    def downloads(self) -> tuple[Arrival, ...]:
        """All arrivals to be downloaded."""
        return tuple(a for step in self.arriving if isinstance(step, Download) for a in step.arrivals)


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
) -> str | None:
    """Return what changes whenever a folder does, or the window; None where the server does not tell.

    A flag moves HIGHESTMODSEQ (RFC 7162, 3.1.2.1), an arrival UIDNEXT; an expunge moves the count, and
    with an arrival both of the others.
    """
    if uidnext is None or highestmodseq is None:
        return None
    since = "all" if start is None else int(start.timestamp())
    return f"{uidvalidity} {uidnext} {highestmodseq} {exists} {since}"


def to_identify(
    state: FolderState, uidvalidity: int, alive: AbstractSet[int], since: AbstractSet[int]
) -> list[int]:
    """Return the UIDs to identify, newest first.

    `alive` are all UIDs of the folder, `since` those that the server counts to the history
    window. UIDs above the highest one seen are looked at whatever their date, because an old
    email may have been moved here; after a renumbering all are, because any may be an old
    acquaintance.
    """
    if state.uidvalidity is None:
        wanted = set(since)
    elif state.uidvalidity != uidvalidity:
        wanted = set(alive)
    else:
        wanted = set(since) | {uid for uid in alive if uid > state.highest_uid}
    return sorted((wanted & alive) - state.placed.keys(), reverse=True)


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


def plan(
    state: FolderState,
    seen: FolderSnapshot,
    have: Collection[str],
    *,
    start: datetime | None,
    batch_emails: int = BATCH_EMAILS,
    batch_bytes: int = BATCH_BYTES,
) -> Plan:
    """Return the steps that make the store agree with the server.

    `have` are the identities that the store holds, from any folder of the account. An email that
    is not wanted is attached when it is known and otherwise left alone.
    """
    known, wanted, again = [], [], []
    coming: set[str] = set()
    for arrival in sorted(seen.arrivals, key=lambda a: a.uid, reverse=True):
        if arrival.uid in state.placed or arrival.uid not in seen.alive:
            continue
        sure = not arrival.identity.startswith(_RESEMBLANCE)
        if sure and arrival.identity in have:
            known.append(arrival)
        elif sure and arrival.identity in coming:
            again.append(arrival)
        elif is_wanted(arrival, start) or arrival.identity in have:
            wanted.append(arrival)
            coming.add(arrival.identity)

    changed = {
        uid: flags
        for uid, flags in seen.flags.items()
        if uid in state.placed and uid in seen.alive and state.placed[uid] != flags
    }
    gone = tuple(sorted(uid for uid in state.placed if uid not in seen.alive))

    arriving: list[Arriving] = []
    arriving += [Attach(arrivals=group) for group in _batches(known, batch_emails, None)]
    arriving += [Download(arrivals=group) for group in _batches(wanted, batch_emails, batch_bytes)]
    arriving += [Attach(arrivals=group) for group in _batches(again, batch_emails, None)]
    if changed:
        arriving.append(Reflag(flags=changed))

    departing: list[Departing] = []
    if gone:
        departing.append(Vanish(uids=gone))
    if state.uidvalidity != seen.uidvalidity:
        departing.append(Forget(uidvalidity=seen.uidvalidity))
    settled = Settle(
        uidvalidity=seen.uidvalidity,
        highestmodseq=seen.highestmodseq,
        # What was not identified now is looked at again.
        highest_uid=min(seen.unidentified) - 1 if seen.unidentified else max(seen.alive, default=0),
    )
    if (settled.uidvalidity, settled.highestmodseq, settled.highest_uid) != (
        state.uidvalidity,
        state.highestmodseq,
        state.highest_uid,
    ):
        departing.append(settled)
    return Plan(arriving=tuple(arriving), departing=tuple(departing))


def _batches(
    arrivals: Iterable[Arrival], most_emails: int, most_bytes: int | None
) -> Iterator[tuple[Arrival, ...]]:
    group: list[Arrival] = []
    size = 0
    for arrival in arrivals:
        if group and (
            len(group) >= most_emails or (most_bytes is not None and size + arrival.size > most_bytes)
        ):
            yield tuple(group)
            group, size = [], 0
        group.append(arrival)
        size += arrival.size
    if group:
        yield tuple(group)

"""Which thread an email belongs to: by Message-ID, In-Reply-To and References.

The ids of emails that were not seen yet count as well, so the order of arrival does not matter. What a
person split stays apart. A reply that names no other email is left to `core.lone_replies`, storing threads to
`mailcrm.store.threads`.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType

_NOTHING_APART: Mapping[int, AbstractSet[int]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Emails that belong together, by their positions, with the ids that they carry.

    `threads` are the stored threads that turn out to be one, the oldest first; none for a new one.
    """

    emails: tuple[int, ...]
    ids: tuple[str, ...]
    threads: tuple[int, ...]


@dataclass(kw_only=True, slots=True)
class _Group:
    """A conversation that is still being found."""

    emails: list[int] = field(default_factory=list)
    ids: dict[str, None] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)


def thread_ids(
    message_id: str | None, in_reply_to: Iterable[str], references: Sequence[str]
) -> tuple[str, ...]:
    """Return every id that ties an email to its thread (RFC 5322, 3.6.4), each once.

    Its own comes first, then those that it names, the nearest ancestor first: In-Reply-To, then the last of
    References.
    """
    own = (message_id,) if message_id else ()
    return tuple(dict.fromkeys((*own, *in_reply_to, *reversed(references))))


def conversations(
    emails: Sequence[Sequence[str]],
    known: Mapping[str, int],
    apart: Mapping[int, AbstractSet[int]] = _NOTHING_APART,
) -> list[Conversation]:
    """Return the conversations that emails make, given the ids of each, in the order of their first email.

    `known` maps ids to the account's threads. Whatever shares an id or a thread belongs together, unless it
    would unite two threads that are `apart`: then the first id of an email, as `thread_ids` orders them,
    says where it goes, and the id of the other thread goes on naming that one.
    """
    groups: list[_Group] = []
    at: dict[str | int, int] = {}
    for position, ids in enumerate(emails):
        here = _joined(groups, at, ids, known, apart)
        group = groups[here]
        group.emails.append(position)
        for name in ids:
            if at.setdefault(name, here) == here:
                group.ids[name] = None
    return [
        Conversation(
            emails=tuple(sorted(group.emails)),
            ids=tuple(group.ids),
            threads=tuple(sorted(group.threads)),
        )
        for group in sorted((one for one in groups if one.emails), key=lambda one: min(one.emails))
    ]


def _joined(
    groups: list[_Group],
    at: dict[str | int, int],
    ids: Sequence[str],
    known: Mapping[str, int],
    apart: Mapping[int, AbstractSet[int]],
) -> int:
    """Unite the groups that these ids name, as far as nothing forbids it, and return where that is."""
    here: int | None = None
    for name in ids:
        if name not in at and name in known:
            at[name] = _of_thread(groups, at, known[name])
            groups[at[name]].ids[name] = None
        there = at.get(name)
        if there is None or there == here:
            continue
        if here is None:
            here = there
        elif not _are_apart(groups[here].threads, groups[there].threads, apart):
            here, gone = min(here, there), max(here, there)
            _unite(groups, at, here, gone)
    if here is None:
        groups.append(_Group())
        here = len(groups) - 1
    return here


def _of_thread(groups: list[_Group], at: dict[str | int, int], thread: int) -> int:
    if thread not in at:
        groups.append(_Group(threads={thread}))
        at[thread] = len(groups) - 1
    return at[thread]


def _unite(groups: list[_Group], at: dict[str | int, int], here: int, gone: int) -> None:
    group, other = groups[here], groups[gone]
    group.emails += other.emails
    group.ids.update(other.ids)
    group.threads |= other.threads
    at.update(dict.fromkeys((*other.ids, *other.threads), here))
    groups[gone] = _Group()


def _are_apart(
    threads: AbstractSet[int], others: AbstractSet[int], apart: Mapping[int, AbstractSet[int]]
) -> bool:
    return any(not others.isdisjoint(apart[one]) for one in threads if one in apart)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A stored email by what it answers: its own Message-ID, and the ids in In-Reply-To and References."""

    id: int
    message_id: str | None
    named: frozenset[str]

    @property
    def ids(self) -> frozenset[str]:
        """Its own id and those that it names."""
        return self.named | {self.message_id} if self.message_id else self.named


def with_answers(emails: Sequence[Answer], first: AbstractSet[int]) -> frozenset[int]:
    """Return the emails with these ids, their other copies, and all that answer them or answer an answer."""
    waiting = [one for one in emails if one.id not in first]
    leaving = [one for one in emails if one.id in first]
    found = set(first)
    while leaving:
        ids = {one.message_id for one in leaving if one.message_id}
        leaving = [one for one in waiting if not ids.isdisjoint(one.ids)]
        found |= {one.id for one in leaving}
        waiting = [one for one in waiting if one.id not in found]
    return frozenset(found)


def parts(emails: Sequence[Answer], replies: AbstractSet[int]) -> list[frozenset[int]]:
    """Return the parts that a thread falls into when none of these `replies` is held by its subject.

    First all that hangs on none of them, which may be nothing, then each reply with all that it shares ids
    with, directly or through others.
    """
    tied = conversations([tuple(sorted(one.ids)) for one in emails], {})
    groups = [frozenset(emails[position].id for position in one.emails) for one in tied]
    rest = frozenset(key for group in groups if group.isdisjoint(replies) for key in group)
    return [rest, *(group for group in groups if not group.isdisjoint(replies))]

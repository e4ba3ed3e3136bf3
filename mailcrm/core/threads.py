"""Which thread an email belongs to: by Message-ID, In-Reply-To and References, never by subject alone.

The ids of emails that were not seen yet count as well, so the order of arrival does not matter.
Storing threads is left to `mailcrm.store.threads`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """The thread to join, None for a new one, and the threads that turn out to be part of it."""

    thread_id: int | None
    merged: tuple[int, ...]


def thread_ids(
    message_id: str | None, in_reply_to: Iterable[str], references: Iterable[str]
) -> tuple[str, ...]:
    """Return every id that ties an email to its thread (RFC 5322, 3.6.4), each once."""
    own = (message_id,) if message_id else ()
    return tuple(dict.fromkeys((*own, *in_reply_to, *references)))


def assign(ids: Iterable[str], known: Mapping[str, int]) -> Assignment:
    """Say which thread an email with `ids` joins, when `known` maps ids to the account's threads.

    An email that names ids of several threads shows that they are one; the oldest of them stays.
    """
    found = sorted({known[name] for name in ids if name in known})
    if not found:
        return Assignment(thread_id=None, merged=())
    return Assignment(thread_id=found[0], merged=tuple(found[1:]))

"""Which thread an email belongs to: by Message-ID, In-Reply-To and References, never by subject alone.

The ids of emails that were not seen yet count as well, so the order of arrival does not matter.
Storing threads is left to `mailcrm.store.threads`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Emails that belong together, by their positions, with the ids that they carry.

    `threads` are the stored threads that turn out to be one, the oldest first; none for a new one.
    """

    emails: tuple[int, ...]
    ids: tuple[str, ...]
    threads: tuple[int, ...]


def thread_ids(
    message_id: str | None, in_reply_to: Iterable[str], references: Iterable[str]
) -> tuple[str, ...]:
    """Return every id that ties an email to its thread (RFC 5322, 3.6.4), each once."""
    own = (message_id,) if message_id else ()
    return tuple(dict.fromkeys((*own, *in_reply_to, *references)))


def conversations(emails: Sequence[Sequence[str]], known: Mapping[str, int]) -> list[Conversation]:
    """Return the conversations that emails make, given the ids of each, in the order of their first email.

    `known` maps ids to the account's threads. Whatever shares an id or a thread belongs together.
    """
    found: list[tuple[list[int], dict[str, None], set[int]]] = []
    at: dict[str | int, int] = {}
    for position, ids in enumerate(emails):
        threads = {known[name] for name in ids if name in known}
        here, *others = sorted({at[key] for key in (*ids, *threads) if key in at}) or [len(found)]
        if here == len(found):
            found.append(([], {}, set()))
        held, names, joined = found[here]
        held.append(position)
        names.update(dict.fromkeys(ids))
        joined |= threads
        for other in others:
            held += found[other][0]
            names.update(found[other][1])
            joined |= found[other][2]
            found[other] = ([], {}, set())
        at.update(dict.fromkeys((*names, *joined) if others else (*ids, *threads), here))
    return [
        Conversation(emails=tuple(sorted(held)), ids=tuple(names), threads=tuple(sorted(joined)))
        for held, names, joined in found
        if held
    ]

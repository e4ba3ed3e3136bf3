"""Which email a reply answers that names none: among those with its subject, the newest one before it.

So the order in which they come does not matter. When a subject fits is left to `core.subjects`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from types import MappingProxyType

from mailcrm.core.subjects import SUBJECT_DAYS, SubjectCandidate, SubjectReply, joins_by_subject

_NOTHING_APART: Mapping[int, AbstractSet[int]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectEmail:
    """A stored email by its subject; `lone` is a reply that names no other email.

    `base` is that of `core.subjects`, `counterparts` who wrote it, or to whom we did; `digest` tells two
    emails of one moment apart, whichever came first.
    """

    id: int
    thread_id: int
    base: str
    counterparts: frozenset[str]
    at: datetime
    digest: str
    lone: bool


def answered_by_subject(
    emails: Sequence[SubjectEmail], apart: Mapping[int, AbstractSet[int]] = _NOTHING_APART
) -> dict[int, int]:
    """Return for each lone reply the email that it answers: the newest one before it that fits.

    What is in a thread `apart` from the reply's does not.
    """
    by_base: dict[str, list[SubjectEmail]] = defaultdict(list)
    for one in sorted(emails, key=_moment):
        by_base[one.base].append(one)
    found: dict[int, int] = {}
    for same in by_base.values():
        before: dict[str, list[int]] = defaultdict(list)
        for place, reply in enumerate(same):
            if reply.lone:
                asked = SubjectReply(
                    base=reply.base,
                    is_reply=True,
                    names_ids=False,
                    counterparts=reply.counterparts,
                    at=reply.at,
                )
                elsewhere = apart.get(reply.thread_id, frozenset())
                # Only those with somebody in common, the newest first.
                for other in merge(*(reversed(before[who]) for who in reply.counterparts), reverse=True):
                    one = same[other]
                    if reply.at - one.at > timedelta(days=SUBJECT_DAYS):
                        break
                    candidate = SubjectCandidate(
                        thread_id=one.thread_id,
                        base=one.base,
                        counterparts=one.counterparts,
                        newest_at=one.at,
                    )
                    if one.thread_id not in elsewhere and joins_by_subject(asked, candidate):
                        found[reply.id] = one.id
                        break
            for who in reply.counterparts:
                before[who].append(place)
    return found


def _moment(email: SubjectEmail) -> tuple[datetime, str]:
    return email.at, email.digest

"""Replies that name no other email find their thread by its subject, in whatever order the two came.

Which email such a reply answers is left to `core.lone_replies`. It is asked anew whenever mail
comes that has to do with it: a nearer one may turn up, and the reply then leaves for that one's thread.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mailcrm.core.lone_replies import SubjectEmail, answered_by_subject
from mailcrm.core.model import Account
from mailcrm.core.threads import Answer, parts
from mailcrm.store import emails, links, threads
from mailcrm.store.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """The emails whose subjects matter, which lone reply answers which, and who joined like that before."""

    emails: Mapping[int, SubjectEmail]
    answered: Mapping[int, int]
    joined: AbstractSet[int]

    def involved(self) -> set[int]:
        """Return the threads that it is about."""
        ends = {*self.answered, *self.answered.values(), *self.joined}
        return {self.emails[one].thread_id for one in ends}


@dataclass(eq=False, kw_only=True, slots=True)
class _Part:
    """Emails of one thread that stay together whatever the subjects tell; None stands for all of them."""

    thread_id: int
    emails: frozenset[int] | None
    stays: bool
    with_others: "set[_Part]" = field(default_factory=set)


def join_by_subject(db: Database, account: Account, due: list[int]) -> list[int]:
    """Let lone replies be where they belong, as far as the threads that are due have to do with them.

    Returns the threads of the account that are due then.
    """
    subjects = threads.subjects_to_look_at(db, account, due)
    if not subjects:
        return due
    with db.transaction():
        found = _look(db, account, subjects)
        # A thread may hold replies with several subjects, and they hang together.
        while more := threads.subjects_to_look_at(db, account, found.involved()) - subjects:
            subjects |= more
            found = _look(db, account, subjects)
        involved = found.involved()
        threads.lock_threads(db, involved)
        answers = {
            thread: emails.thread_answers(db, thread)
            for thread in sorted({found.emails[one].thread_id for one in found.joined})
        }
        groups = _groups(found, involved, answers, threads.splits(db, involved))
        _regroup(db, groups, answers)
        threads.mark_by_subject(db, found.joined - found.answered.keys(), by_subject=False)
        threads.mark_by_subject(db, found.answered, by_subject=True)
        return links.due_threads(db, account)


def _look(db: Database, account: Account, subjects: AbstractSet[str]) -> _Found:
    held, joined = threads.emails_by_subject(db, account, subjects)
    apart = threads.splits(db, {one.thread_id for one in held})
    return _Found(
        emails={one.id: one for one in held},
        answered=answered_by_subject(held, apart),
        joined=joined & {one.id for one in held if one.lone},
    )


def _groups(
    found: _Found,
    involved: Iterable[int],
    answers: Mapping[int, list[Answer]],
    apart: Mapping[int, AbstractSet[int]],
) -> list[set[_Part]]:
    """Return what is to be one thread each."""
    whole: dict[int, _Part] = {}
    of_email: dict[int, _Part] = {}
    for thread in sorted(involved):
        if thread not in answers:
            whole[thread] = _Part(thread_id=thread, emails=None, stays=True)
            continue
        pieces = [piece for piece in parts(answers[thread], found.joined) if piece]
        for number, piece in enumerate(pieces):
            part = _Part(thread_id=thread, emails=piece, stays=number == 0)
            of_email.update(dict.fromkeys(piece, part))
    every = {*whole.values(), *of_email.values()}
    for part in every:
        part.with_others = {part}
    for reply, answered in sorted(found.answered.items(), key=lambda pair: found.emails[pair[0]].digest):
        one, other = (
            (of_email.get(key) or whole[found.emails[key].thread_id]).with_others for key in (reply, answered)
        )
        if one is not other and not _are_apart(one, other, apart):
            one |= other
            for part in other:
                part.with_others = one
    return list({id(part.with_others): part.with_others for part in every}.values())


def _are_apart(
    one: AbstractSet[_Part], other: AbstractSet[_Part], apart: Mapping[int, AbstractSet[int]]
) -> bool:
    there = {part.thread_id for part in other}
    return any(not there.isdisjoint(apart[part.thread_id]) for part in one if part.thread_id in apart)


def _regroup(db: Database, groups: Iterable[set[_Part]], answers: Mapping[int, list[Answer]]) -> None:
    """Take apart what is not one thread any more, then unite what is one now."""
    united: list[set[int]] = []
    for group in groups:
        staying = {part.thread_id for part in group if part.stays}
        leaving: dict[int, set[int]] = defaultdict(set)
        for part in group:
            if part.thread_id not in staying and part.emails is not None:
                leaving[part.thread_id] |= part.emails
        new = {
            threads.move_emails(db, thread, answers[thread], gone) for thread, gone in sorted(leaving.items())
        }
        united.append(staying | new)
    for together in united:
        into, *others = sorted(together)
        for other in others:
            threads.merge_thread(db, into=into, merged=other)
        if others:
            threads.refresh_threads(db, [into])

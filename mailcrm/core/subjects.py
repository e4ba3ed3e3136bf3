"""What a subject says without the prefixes of replies and forwards, and which thread a subject tells.

The base subject is that of RFC 5256, 2.1, with the prefixes of the languages and programs that are met.
Threads by ids are `core.threads`; that a thread was found by subject is kept and undone elsewhere.
"""

# ruff: noqa: RUF001 (the signs of other scripts are what is looked for)

import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Shorter ones are `Hello`, `Invoice` and `견적`, which unrelated people write.
MIN_SUBJECT = 8

#: Characters of a base subject above which it is no line that people write; an index holds no longer ones
#: in PostgreSQL.
MAX_SUBJECT = 200
SUBJECT_DAYS = 30

#: What programs put before the subject of an answer, in lower case. `VS` forwards in Danish and Norwegian.
REPLY_PREFIXES = (
    "re|aw|antw|antwort|sv|vs|rif|r|res|odp|ynt|atb|bls|vá|tl|απ|σχετ|отв|ответ|на|השב|תגובה"
    "|답장|회신|返信|回复|回複|回覆|答复|答覆|回信"
)
#: What programs put before the subject of what they forward, in lower case. `VS` is not here: it is an
#: answer in Finnish. `RV` is, as Outlook forwards with it in Spanish.
FORWARD_PREFIXES = "fwd?|wg|tr|rv|enc|i|pd|vb|vl|i\u0307?lt|doorst|전달|転送|转发|轉寄|轉發"

_BLANKS = r"[ ]*+"
# The subject is folded and has single blanks when these look at it. `Re[2]:`, `Re^3:`, `Re(2):`, `RE :`.
_COUNT = r"(?:\[[^\[\]]*+\]|\^\d++|\(\d++\))?+"
_PREFIX = re.compile(
    rf"(?:(?P<reply>{REPLY_PREFIXES})|{FORWARD_PREFIXES})\.?{_BLANKS}{_COUNT}{_BLANKS}[:：]{_BLANKS}"
)
_TAG = re.compile(rf"(\[(?!fwd?:)[^\[\]]*+\]){_BLANKS}")
_TRAILERS = (" ", "(fwd)", "(fw)")
_WRAPPED = re.compile(rf"\[fwd?:{_BLANKS}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectReply:
    """An email that looks for its thread: `names_ids` when it has an In-Reply-To or References.

    `base` and `is_reply` are those of `base_subject`; `counterparts` its external addresses, sender or
    recipients; `at` when it was received.
    """

    base: str
    is_reply: bool
    names_ids: bool
    counterparts: AbstractSet[str]
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectCandidate:
    """A thread that may be the one: the base subject, external addresses and time of its newest email."""

    thread_id: int
    base: str
    counterparts: AbstractSet[str]
    newest_at: datetime


def base_subject(text: str) -> tuple[str, bool]:
    """Return a subject as subjects are compared, and whether it is that of a reply.

    Without prefixes, `(fwd)` and the tags of lists, in case-folded NFC with single blanks. Otherwise than
    in RFC 5256, a tag with a digit is kept: it is the number of an order or a ticket. Whether it is a
    reply is what the outermost prefix says.
    """
    text = _folded(text)
    start, end = 0, len(text)
    kept: list[str] = []
    outermost = None
    while start < end:
        if text.endswith(_TRAILERS, start, end):
            end = text.rindex("(" if text[end - 1] == ")" else " ", start, end)
        elif prefix := _PREFIX.match(text, start, end):
            outermost = outermost or prefix
            start = prefix.end()
        elif text[end - 1] == "]" and (wrapped := _WRAPPED.match(text, start, end - 1)):
            outermost = outermost or wrapped
            start, end = wrapped.end(), end - 1
        elif (tag := _TAG.match(text, start, end)) and tag.end() < end:
            if any(map(str.isdigit, tag[1])):
                kept.append(tag[1])
            start = tag.end()
        else:
            break
    base = " ".join((*kept, text[start:end])).strip(" ")
    return base, outermost is not None and outermost.groupdict().get("reply") is not None


def _folded(text: str) -> str:
    """Return text as Unicode compares it without case (Unicode, D145), with single blanks."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(folded.split())


def joins_by_subject(reply: SubjectReply, candidate: SubjectCandidate) -> bool:
    """Say whether an email that names no other may answer a thread with the same subject.

    It has a reply prefix and no ids, 8 characters or more that are the same, somebody outside who is in
    both, and is not older, nor over 30 days younger, than the thread's newest email.
    """
    return (
        reply.is_reply
        and not reply.names_ids
        and len(reply.base) >= MIN_SUBJECT
        and reply.base == candidate.base
        and timedelta(0) <= reply.at - candidate.newest_at <= timedelta(days=SUBJECT_DAYS)
        and not reply.counterparts.isdisjoint(candidate.counterparts)
    )


def thread_by_subject(reply: SubjectReply, candidates: Iterable[SubjectCandidate]) -> SubjectCandidate | None:
    """Return the candidate that the email joins: the one with the newest email, or else the newest thread."""
    joined = (candidate for candidate in candidates if joins_by_subject(reply, candidate))
    return max(joined, key=lambda candidate: (candidate.newest_at, candidate.thread_id), default=None)

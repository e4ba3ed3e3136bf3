"""A mailbox of any size, the same on every machine: conversations in English and Korean.

Lengths and words follow 1,703 public business emails (the Enron set with categories): half of them have
fewer than 224 words, a tenth more than 1,000, and of some 30,000 words the 10 commonest make a fifth of
all text, the 1,000 commonest three quarters. One email in three is plain text, one in two has an HTML
part as mail programs write it, one in seven an attachment; the mean size is some 25 KB.
"""

import base64
import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from math import log
from typing import NamedTuple

#: Words to search for, and the place among the commonest that they get.
SOUGHT = {"warranty": 300, "계약서": 300}
_VOCABULARY = 20_000
_MEDIAN_WORDS = 224
#: Of the logarithm of the number of words, so that one email in ten has more than 1,000.
_SPREAD = 1.2
_MOST_WORDS = 6_000

_ENGLISH = re.findall(
    r"\w+",
    "a an be con de der dis en ex for in ing ion ity ly mar ment o of on or per pre pro re sen ser sta tal "
    "ted ter the ti to tra un ver wa work y",
)
_KOREAN = "가고관구기나다단도라리마무부사상서선소수시실안업여요원위의이인일자장전정제주지진차처하한해"

CUSTOMERS = 400
OWNER = "me@example.com"
FOLDERS = ("INBOX", "Sent")
OLDEST = datetime(2022, 1, 1, tzinfo=UTC)


class Letter(NamedTuple):
    """An email, the folder it lies in and its INTERNALDATE."""

    folder: str
    received_at: datetime
    raw: bytes


def customer(number: int) -> tuple[str, str]:
    """Return name and address of a customer."""
    if number % 2:
        return f"Customer {number}", f"customer{number}@example.org"
    return f"김고객{number}", f"customer{number}@example.kr"


def letters(count: int, *, first: int = 0) -> Iterator[Letter]:
    """Yield `count` emails, the oldest first; our own lie in Sent."""
    for number in range(first, first + count):
        yield Letter(FOLDERS[_outgoing(number)], OLDEST + timedelta(minutes=10 * number), _source(number))


def _outgoing(number: int) -> bool:
    return number % 2 == 1


def _source(number: int) -> bytes:
    chance = random.Random(number)  # noqa: S311 (the same mailbox every time, not a secret)
    # Four emails in a row make a thread of one customer.
    thread, place = divmod(number, 4)
    name, address = customer(thread % CUSTOMERS)
    words = _Words(korean=thread % 2 == 0)
    people = (_named("Sales", OWNER), _named(name, address))
    sender, receiver = people if _outgoing(number) else people[::-1]
    same = random.Random(thread)  # noqa: S311 (the same subject for a whole thread, not a secret)
    subject = ("Re: " if place else "") + " ".join(words.chosen(same, 5))
    sent = (OLDEST + timedelta(minutes=10 * number)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    head = [
        f"From: {sender}",
        f"To: {receiver}",
        f"Subject: {_encoded(subject)}",
        f"Date: {sent}",
        f"Message-ID: <{number}.bench@example.com>",
    ]
    if place:
        ids = [f"<{thread * 4 + earlier}.bench@example.com>" for earlier in range(place)]
        head += [f"In-Reply-To: {ids[-1]}", f"References: {' '.join(ids)}"]
    count = min(_MOST_WORDS, int(chance.lognormvariate(log(_MEDIAN_WORDS), _SPREAD)) + 3)
    text = _paragraphs(words.chosen(chance, count))
    parts = [("text/plain; charset=utf-8", text.encode())]
    if number % 2:
        parts.append(("text/html; charset=utf-8", _html(text).encode()))
    kind = "alternative"
    if number % 7 == 0:
        parts.append(('application/pdf; name="offer.pdf"', chance.randbytes(chance.randint(10_000, 130_000))))
        kind = "mixed"
    lines = [*head, "MIME-Version: 1.0"]
    if len(parts) == 1:
        lines += _part(*parts[0])
    else:
        lines += [f"Content-Type: multipart/{kind}; boundary=bench", ""]
        for part in parts:
            lines += ["--bench", *_part(*part)]
        lines += ["--bench--", ""]
    return "\r\n".join(lines).encode()


def _part(content_type: str, body: bytes) -> list[str]:
    encoded = base64.encodebytes(body).decode().replace("\n", "\r\n")
    return [f"Content-Type: {content_type}", "Content-Transfer-Encoding: base64", "", encoded]


def _named(name: str, address: str) -> str:
    return f"{_encoded(name)} <{address}>"


def _encoded(text: str) -> str:
    return text if text.isascii() else f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


class _Words:
    """Words of a language, chosen as often as they are in texts: one over their place in the order (Zipf)."""

    def __init__(self, *, korean: bool) -> None:
        self._words = _vocabulary(korean=korean)

    def chosen(self, chance: random.Random, count: int) -> list[str]:
        return chance.choices(self._words, cum_weights=_frequencies(), k=count)


@cache
def _vocabulary(*, korean: bool) -> Sequence[str]:
    chance = random.Random(1 if korean else 2)  # noqa: S311 (the same words every time)
    syllables = list(_KOREAN) if korean else _ENGLISH
    made = {"".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(4 * _VOCABULARY)}
    # The commonest words are the shortest; a set has another order in every process.
    words = sorted(sorted(made), key=lambda word: (len(word) + chance.random() * 4, word))[:_VOCABULARY]
    for word, place in SOUGHT.items():
        if word.isascii() is not korean:
            words[place] = word
    return words


@cache
def _frequencies() -> Sequence[float]:
    return list(accumulate((place + 2.7) ** -1.1 for place in range(_VOCABULARY)))


def _paragraphs(words: Sequence[str]) -> str:
    return "\n".join(" ".join(words[start : start + 12]) for start in range(0, len(words), 12))


def _html(text: str) -> str:
    """Return a text as a mail program writes it, each paragraph with a style of its own."""
    style = "margin:0cm;font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif"
    lines = (
        f'<p class=MsoNormal style="{style}"><span lang=EN-US>{line}<o:p></o:p></span></p>'
        for line in text.splitlines()
    )
    rules = "".join(f"p.c{number} {{margin:0cm; color:#1F497D}}\n" for number in range(40))
    return f"<html><head><style>\n{rules}</style></head><body lang=KO>{''.join(lines)}</body></html>"

"""A mailbox of any size, the same on every machine: conversations in English and Korean.

One email in three is plain text, one in two has an HTML part, one in seven an attachment; the mean size
is some 25 KB, as measured in business mailboxes with few large attachments.
"""

import base64
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_ENGLISH = re.findall(
    r"\w+",
    "the offer order price delivery contract meeting sample invoice quarter please find attached review "
    "schedule shipment warranty team project budget approve sign customer regards thank question answer",
)
_KOREAN = re.findall(
    r"\w+",
    "견적서 계약서 납기 회의 검토 부탁드립니다 감사합니다 첨부 "
    "발주 수량 단가 일정 확인 회신 제품 설치 지원 담당자",
)

CUSTOMERS = 400
OWNER = "me@example.com"
NEWEST = datetime(2026, 6, 1, tzinfo=UTC)


def customer(number: int) -> tuple[str, str]:
    """Return name and address of a customer."""
    if number % 2:
        return f"Customer {number}", f"customer{number}@example.org"
    return f"김고객{number}", f"customer{number}@example.kr"


def letters(count: int, *, first: int = 0) -> Iterator[tuple[datetime, bytes]]:
    """Yield INTERNALDATE and source of `count` emails, the oldest first."""
    for number in range(first, first + count):
        yield NEWEST - timedelta(minutes=10 * (count - number)), _letter(number)


def _letter(number: int) -> bytes:
    chance = random.Random(number)  # noqa: S311 (the same mailbox every time, not a secret)
    # Four emails in a row make a thread of one customer.
    thread, place = divmod(number, 4)
    name, address = customer(thread % CUSTOMERS)
    korean = thread % 2 == 0
    words = _KOREAN if korean else _ENGLISH
    outgoing = place % 2 == 1
    people = (_named("Sales", OWNER), _named(name, address))
    sender, receiver = people if outgoing else people[::-1]
    subject = ("Re: " if place else "") + " ".join(random.Random(thread).choices(words, k=5))  # noqa: S311
    sent = (NEWEST - timedelta(minutes=number)).strftime("%a, %d %b %Y %H:%M:%S +0000")
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
    text = _paragraphs(chance, words, chance.randint(300, 1500))
    parts = [("text/plain; charset=utf-8", text.encode())]
    if number % 2:
        html = "".join(f"<p style='margin:0'>{line}</p>" for line in text.splitlines())
        parts.append(("text/html; charset=utf-8", f"<html><body>{html}</body></html>".encode()))
    kind = "alternative"
    if number % 7 == 0:
        parts.append(('application/pdf; name="offer.pdf"', chance.randbytes(chance.randint(5_000, 80_000))))
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


def _paragraphs(chance: random.Random, words: list[str], count: int) -> str:
    chosen = chance.choices(words, k=count)
    return "\n".join(" ".join(chosen[start : start + 12]) for start in range(0, count, 12))

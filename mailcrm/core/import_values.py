"""What people write into the cells of a table: sums of money, dates, names, addresses, and words for a state.

A sum or a date that can be read in two ways is read as the rest of its column is; where that does not
tell, it is an error. Which cell means what is left to `mailcrm.core.imports`.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from dateutil import parser

from mailcrm.core.addresses import Mailbox, normalise, parse_mailboxes
from mailcrm.core.errors import UsageError
from mailcrm.core.free_mail import above, is_free_mail, organization_domain
from mailcrm.core.model import DealStatus

#: A name longer than this is none.
NAME_CHARACTERS = 300
NOTES_CHARACTERS = 100_000
PHONE_CHARACTERS = 100
#: No sum and no date is longer.
CELL_CHARACTERS = 60
#: Digits of a sum of money, those behind the point included, as `deal create` takes them.
MONEY_DIGITS = 15


class Unreadable(ValueError):
    """A cell that means nothing here; the text is a reason for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """A sum as it is stored, and the currency that stands beside it."""

    value: str
    currency: str | None


# The dollar is the sign of many currencies, so a column of its own wins over it.
_SIGN_PAIRS = (
    "US$ USD, $ USD, R$ BRL, A$ AUD, C$ CAD, HK$ HKD, NT$ TWD, S$ SGD, € EUR, £ GBP, ₩ KRW, ￦ KRW,"
    " 원 KRW, ¥ JPY, ￥ JPY, 円 JPY, 元 CNY, ₹ INR, ₽ RUB, ₺ TRY, ₫ VND, ฿ THB, ₪ ILS, ₴ UAH, zł PLN,"
    " Kč CZK"
)
_SIGNS = dict(pair.split() for pair in _SIGN_PAIRS.split(","))
_BY_LENGTH = sorted(_SIGNS, key=len, reverse=True)
#: ISO 4217 gives these no smaller unit, so a mark before three digits parts thousands.
_NO_CENTS_CODES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_WITHOUT_CENTS = frozenset(_NO_CENTS_CODES.split())
_NUMBER = re.compile(r"[0-9]+(?:[.,'\u2019 ][0-9]+)*+")


def currency_code(text: str) -> str:
    """Return the ISO 4217 code of a currency named by its code or sign; raises Unreadable."""
    known = _SIGNS.get(text.strip(), text.strip().upper())
    if len(known) == 3 and known.isascii() and known.isalpha():
        return known
    raise Unreadable(f"{_short(text)} is no currency of three letters (ISO 4217)")


def decimal_mark(cells: Iterable[str]) -> str | None:
    """Return the mark before the cents that the sums of a column agree on, None when they do not tell."""
    short = (cell for cell in cells if len(cell) <= CELL_CHARACTERS)
    marks = {mark for cell in short if (mark := _own_mark(_parts(cell)[0])) is not None}
    return marks.pop() if len(marks) == 1 else None


def money(text: str, *, mark: str | None, currency: str | None = None) -> Money:
    """Return a sum like `1.200,50 €` or `₩1,200,000`; raises Unreadable.

    `mark` is the mark before the cents in the rest of the column, `currency` that of the row.
    """
    if len(text) > CELL_CHARACTERS:
        raise Unreadable(f"{_short(text)} is no sum of money")
    number, sign = _parts(text)
    unit = currency or (currency_code(sign) if sign else None)
    if not _NUMBER.fullmatch(number):
        raise Unreadable(f"{_short(text)} is no sum of money")
    own = _own_mark(number)
    if own is None and (found := re.search(r"[.,]", number)):
        if unit in _WITHOUT_CENTS:
            own = _other(found[0])
        elif mark is None:
            raise Unreadable(
                f"{_short(text)} can be {re.sub('[^0-9]', '', number)} or {number.replace(', ', '.')}"
            )
        else:
            own = mark
    own = own or "."
    whole, _, cents = number.partition(own)
    if re.search(r"[.,'\u2019 ]", cents) or not re.fullmatch(
        r"\d+|\d{1,3}(?:[.,'\u2019 ]\d{2,3})*[.,'\u2019 ]\d{3}", whole
    ):
        raise Unreadable(f"{_short(text)} is no sum of money")
    amount = Decimal(f"{re.sub('[^0-9]', '', whole)}.{cents or '0'}")
    shown = f"{amount:f}".rstrip("0").rstrip(".") if not cents.strip("0") else f"{amount:f}"
    if len(re.sub("[^0-9]", "", shown.lstrip("0"))) > MONEY_DIGITS:
        raise Unreadable(f"{_short(text)} has more than {MONEY_DIGITS} digits")
    return Money(value=shown or "0", currency=unit)


def _parts(text: str) -> tuple[str, str]:
    """Return the number of a sum, with one kind of blank, and what stands before or after it."""
    text = re.sub(r"[\s\u00a0\u202f]+", " ", unicodedata.normalize("NFC", text)).strip()
    for sign in _BY_LENGTH:
        if text.startswith(sign) or text.endswith(sign):
            return text.removeprefix(sign).removesuffix(sign).strip(), sign
    if found := re.fullmatch(r"([A-Za-z]{3}) ?([^A-Za-z]+)|([^A-Za-z]+?) ?([A-Za-z]{3})", text):
        return (found[2] or found[3]).strip(), found[1] or found[4]
    return text, ""


def _own_mark(number: str) -> str | None:
    """Return the mark before the cents, if a number itself tells: `1,200.5`, `12,5`, `1.200.000`."""
    marks = [letter for letter in number if letter in ".,"]
    if not marks:
        return None
    if len(set(marks)) == 2:
        return marks[-1] if marks.count(marks[-1]) == 1 else None
    if len(marks) > 1:
        return _other(marks[0])
    whole, _, behind = number.partition(marks[0])
    # Three digits behind one mark are thousands or thousandths, but no thousands begin with a zero,
    # have more than three digits before them, or other marks between them.
    if len(behind) != 3 or len(whole) > 3 or whole.startswith("0"):
        return marks[0]
    return None


def _other(mark: str) -> str:
    return "," if mark == "." else "."


_DATE = re.compile(
    r"(?P<a>\d{1,4})\s*(?P<mark>[./\-]|[년年])\s*(?P<b>\d{1,2})\s*(?:[./\-]|[월月])\s*(?P<c>\d{1,4})\s*[.일日]?"
    r"(?:[T,\s]\s*.*)?",
    re.ASCII,
)


def day_first(cells: Iterable[str]) -> bool | None:
    """Say whether the dates of a column have the day before the month, None when they do not tell."""
    short = (cell.strip() for cell in cells if len(cell) <= CELL_CHARACTERS)
    dates = (found for cell in short if (found := _DATE.fullmatch(cell)) and len(found["a"]) < 3)
    told = {
        found["mark"] == "." or int(found["a"]) > 12
        for found in dates
        if found["mark"] == "." or (int(found["a"]) > 12) != (int(found["b"]) > 12)
    }
    return told.pop() if len(told) == 1 else None


def day(text: str, *, first: bool | None) -> date:
    """Return a date like `2026-03-01`, `1.3.2026`, `3/1/2026` or `Mar 1, 2026`; raises Unreadable.

    `first` says whether the rest of the column has the day before the month.
    """
    text = text.strip()
    if len(text) > CELL_CHARACTERS:
        raise Unreadable(f"{_short(text)} is no date")
    try:
        if found := _DATE.fullmatch(text):
            return _numbered(text, found, first=first)
        if re.search(r"\b\d{4}\b", text) and re.search(r"[A-Za-z]{3}", text):
            # Without a day and a month in the text, those of the default would be taken.
            readings: set[date] = {
                parser.parse(text, default=datetime(2000, month, month)).date()  # noqa: DTZ001 (a day has no zone)
                for month in (1, 2)
            }
            if len(readings) == 1:
                return readings.pop()
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(f"{_short(text)} is no date") from error
    raise Unreadable(f"{_short(text)} is no date")


def _numbered(text: str, found: re.Match[str], *, first: bool | None) -> date:
    a, b, c = int(found["a"]), int(found["b"]), int(found["c"])
    if len(found["a"]) == 4:
        return date(a, b, c)
    if len(found["c"]) != 4 or len(found["a"]) > 2:
        raise Unreadable(f"{_short(text)} does not say the year in four digits")
    if found["mark"] == "." or a > 12:
        return date(c, b, a)
    if b > 12 or a == b:
        return date(c, a, b)
    if first is None:
        raise Unreadable(f"{_short(text)} can be {date(c, b, a)} or {date(c, a, b)}")
    return date(c, b, a) if first else date(c, a, b)


def name(text: str, *, most: int = NAME_CHARACTERS) -> str:
    """Return a name on one line; raises Unreadable for one that is too long or has control characters."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > most:
        raise Unreadable(f"{_short(text)} has more than {most} characters")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise Unreadable(f"{_short(text)} has characters that are none of a text")
    return text


def full_name(whole: str, first: str, last: str) -> str:
    """Return a person's name from what a table has of it, each part possibly empty."""
    if whole and all(part.casefold() in whole.casefold() for part in (first, last)):
        return whole
    # `Name` beside `Vorname` is the family name, `Nombre` beside `Apellidos` the given one.
    first, last = first or whole, last or (whole if first else "")
    together = _is_east_asian(first) and _is_east_asian(last)
    return f"{last}{first}" if together else f"{first} {last}".strip()


def _is_east_asian(text: str) -> bool:
    return bool(text) and all(
        "\u3400" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3" for letter in text
    )


_BETWEEN = re.compile(r"\s*:::\s*|[;,\s]+")


def mailboxes(text: str) -> tuple[Mailbox, ...]:
    """Return the addresses of a cell, with the names that stand before them; raises Unreadable."""
    pieces = [piece.removeprefix("mailto:") for piece in _BETWEEN.split(text) if piece]
    plain = [normalise(piece) for piece in pieces]
    if all(plain):
        return tuple(Mailbox(name="", address=address) for address in plain if address)
    found, _ = parse_mailboxes(text.replace(":::", ",").replace(";", ",").replace("\n", ","))
    if not found or len(found) < sum(map(text.count, "@\uff20")):
        raise Unreadable(f"{_short(text)} is no e-mail address")
    return found


def phones(text: str) -> tuple[str, ...]:
    """Return the telephone numbers of a cell, as they are written; raises Unreadable."""
    found = [name(piece, most=PHONE_CHARACTERS) for piece in re.split(r":::|[;,\n]", text)]
    return tuple(number for number in found if number)


def labels(text: str) -> tuple[str, ...]:
    """Return the labels of a cell; raises Unreadable."""
    found = [name(piece).removeprefix("* ") for piece in re.split(r":::|[;,\n]", text)]
    return tuple(dict.fromkeys(label for label in found if label))


#: Sites on which many organizations have a page.
_SHARED_SITES = frozenset(
    {
        "facebook.com",
        "instagram.com",
        "linkedin.com",
        "sites.google.com",
        "twitter.com",
        "wixsite.com",
        "wordpress.com",
        "x.com",
        "youtube.com",
    }
)


def domains(text: str) -> tuple[str, ...]:
    """Return the domains of the web sites in a cell that an organization can have; raises Unreadable.

    Those of free mail, and of sites that many share, are left out.
    """
    found = []
    for piece in filter(None, re.split(r":::|[;,\s]+", text)):
        host = re.split(r"[/?#]", re.sub(r"^[a-z][a-z0-9+.-]*://", "", piece.lower()))[0].removeprefix("www.")
        if any(name in _SHARED_SITES or is_free_mail(name) for name in above(host)):
            continue
        try:
            found.append(organization_domain(piece))
        except UsageError as error:
            raise Unreadable(f"{_short(piece)} is not the web site of an organization") from error
    return tuple(dict.fromkeys(found))


_STATUSES = {
    DealStatus.OPEN: (
        "open, in progress, active, 진행, 진행중, 진행 중, 열림, offen, ouvert, en cours, abierto,"
        " en curso, 进行中, 进行, 開"
    ),
    DealStatus.WON: (
        "won, closed won, closedwon, win, 성사, 수주, 성공, 계약, 계약완료, gewonnen, gagné, gagnée,"
        " ganado, ganada, 赢单, 成交, 已赢, 受注"
    ),
    DealStatus.LOST: (
        "lost, closed lost, closedlost, lose, 실패, 실주, 종료 실패, verloren, perdu, perdue, perdido,"
        " perdida, 输单, 丢单, 已丢失, 失注"
    ),
}
_STATUS_BY_WORD = {word.strip(): status for status, words in _STATUSES.items() for word in words.split(",")}
_ARCHIVED_WORDS = (
    "archived, yes, true, 1, y, x, disqualified, 보관, 보관됨, 예, archiviert, ja, archivé, archivée,"
    " oui, archivado, archivada, sí, 已归档, 是"
)
_KEPT_WORDS = (
    "open, not archived, no, false, 0, n, new, active, attempting, 진행, 진행중, 아니오, 아니요, offen,"
    " nein, ouvert, non, abierto, 否"
)
_CONVERTED_WORDS = "converted, konvertiert, converti, convertido, 전환, 전환됨, 已转化"
_ARCHIVED, _KEPT, _CONVERTED = (
    frozenset(word.strip() for word in words.split(","))
    for words in (_ARCHIVED_WORDS, _KEPT_WORDS, _CONVERTED_WORDS)
)


def deal_status(text: str) -> DealStatus:
    """Return what a word says of a deal; raises Unreadable."""
    status = _STATUS_BY_WORD.get(_word(text))
    if status is None:
        raise Unreadable(f"{_short(text)} is none of open, won and lost")
    return status


def closed_stage(text: str) -> DealStatus | None:
    """Return what a deal is in a stage that says that it is won or lost, None in another one."""
    status = _STATUS_BY_WORD.get(_word(text))
    return None if status is DealStatus.OPEN else status


def is_archived(text: str) -> bool:
    """Say what a word says of a lead; raises Unreadable, also for one that is a deal already."""
    word = _word(text)
    if word in _ARCHIVED:
        return True
    if word in _KEPT:
        return False
    if word in _CONVERTED:
        raise Unreadable("it is converted: a deal already")
    raise Unreadable(f"{_short(text)} is neither open nor archived")


def _word(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("_", " ").split())


def _short(text: str) -> str:
    """Return a cell as a reason quotes it."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 60 else f"{flat[:60]}…")

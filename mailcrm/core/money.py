"""What a sum of money is: a decimal number and a currency (ISO 4217)."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from mailcrm.core.errors import UsageError

#: Digits of a value, those behind the point included: more would be no sum of money.
_MOST_DIGITS = 15

_WRITE_IT = "Write it like 1500.50, and the currency apart: --currency EUR"


def amount(text: str) -> str:
    """Return a number as it is stored; raises UsageError."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is not a number.", hint=_WRITE_IT) from error
    if not value.is_finite():
        raise UsageError(f"{text!r} is not a number.", hint=_WRITE_IT)
    if value.is_signed():
        raise UsageError(f"A deal or lead is worth nothing or more, not {text!r}.", hint=_WRITE_IT)
    behind = max(0, -int(value.as_tuple().exponent))
    if max(1, value.adjusted() + 1) + behind > _MOST_DIGITS:
        raise UsageError(f"A value has {_MOST_DIGITS} digits at most.", hint=_WRITE_IT)
    return f"{value:f}"


def currency(text: str, value: str | None) -> str:
    """Return the currency of a value; raises UsageError."""
    if not (len(text) == 3 and text.isascii() and text.isalpha()):
        raise UsageError(
            f"{text!r} is not a currency of three letters (ISO 4217).", hint="Write it like EUR, KRW or USD."
        )
    if value is None:
        raise UsageError("A currency goes with a value.", hint="Add: --value N")
    return text.upper()


def totals(sums: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return what sums come to for a person, one for each currency, by its name."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for value, unit in sums:
        found[unit or ""] += Decimal(value)
    return [worth(f"{total:f}", unit) for unit, total in sorted(found.items())]


def worth(value: str | None, unit: str | None) -> str:
    """Return a sum for a person: 1,200.50 EUR, or nothing."""
    number = f"{Decimal(value):,}" if value else ""
    return " ".join(part for part in (number, unit) if part)

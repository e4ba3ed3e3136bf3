"""How people say since when: dates, and how long ago. The present moment is a parameter.

Dates of emails are left to `mailcrm.core.headers`.
"""

import re
from datetime import UTC, date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from mailcrm.core.errors import UsageError

_AGO = re.compile(r"(\d{1,5})\s*(d|days?|w|weeks?|m|months?|y|years?)(?:\s+ago)?")
_UNITS = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLES = "Say it like 2025-01-01, 90d, 2 weeks, 6 months, 1y, yesterday or today."


def parse_when(text: str, now: datetime) -> datetime:
    """Return the beginning, in UTC, of the day that `text` names, seen from `now`.

    Raises UsageError, with examples, for anything that is not a day between 1970 and today.
    """
    words = " ".join(text.lower().split())
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        day = _day(words, today)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no date.", hint=_EXAMPLES) from error
    if not _FIRST_DAY <= day <= today:
        raise UsageError(f"{text!r} is not between 1970 and today.", hint=_EXAMPLES)
    return day


def _day(words: str, today: datetime) -> datetime:
    if words == "today":
        return today
    if words == "yesterday":
        return today - timedelta(days=1)
    if found := _AGO.fullmatch(words):
        # Where the earlier month is too short, this is its last day.
        earlier: datetime = today - relativedelta(**{_UNITS[found[2][0]]: int(found[1])})
        return earlier
    day = date.fromisoformat(words)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

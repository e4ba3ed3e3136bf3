from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.dates import parse_when
from mailcrm.core.errors import UsageError

NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-01-01", (2025, 1, 1)),
        ("today", (2025, 3, 31)),
        ("Yesterday", (2025, 3, 30)),
        ("90d", (2024, 12, 31)),
        ("1 day ago", (2025, 3, 30)),
        ("2 weeks", (2025, 3, 17)),
        ("6m", (2024, 9, 30)),
        ("6 months", (2024, 9, 30)),
        ("3  months ago", (2024, 12, 31)),
        ("1 month", (2025, 2, 28)),
        ("1y", (2024, 3, 31)),
        ("13 months", (2024, 2, 29)),
    ],
)
def test_a_day_is_named_as_people_say_it(text: str, day: tuple[int, int, int]) -> None:
    assert parse_when(text, NOW) == datetime(*day, tzinfo=UTC)


def test_the_day_is_the_one_in_utc() -> None:
    in_seoul = datetime(2025, 4, 1, 8, tzinfo=timezone(timedelta(hours=9)))
    assert parse_when("today", in_seoul) == datetime(2025, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "6 moons", "2025-13-01", "2025-02-30", "99999y", "-3d", "6m 2w", "٣d ago x"]
)
def test_what_is_no_date_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="no date") as refused:
        parse_when(text, NOW)
    assert "6 months" in refused.value.hint


@given(st.text(max_size=20))
def test_any_words_are_a_beginning_of_a_day_or_refused(text: str) -> None:
    try:
        moment = parse_when(text, NOW)
    except UsageError:
        return
    assert (moment.hour, moment.minute, moment.second, moment.tzinfo) == (0, 0, 0, UTC)

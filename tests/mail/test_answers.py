from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailcrm.mail.answers import arrival


@pytest.mark.parametrize(
    ("told", "received_at"),
    [
        (datetime(2026, 6, 1, 9), datetime(2026, 6, 1, 9, tzinfo=UTC)),  # noqa: DTZ001 (a naive one is the case)
        (datetime(2026, 6, 1, 9, tzinfo=timezone(timedelta(hours=9))), datetime(2026, 6, 1, tzinfo=UTC)),
        (datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
        (datetime(9999, 12, 31, tzinfo=UTC), datetime(2100, 12, 31, tzinfo=UTC)),
        (None, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_internaldate_is_a_moment_in_utc_that_a_store_can_hold(
    told: datetime | None, received_at: datetime
) -> None:
    assert arrival(1, {b"INTERNALDATE": told}).received_at == received_at

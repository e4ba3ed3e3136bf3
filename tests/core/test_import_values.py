"""Sums, dates, names and addresses as people write them into tables."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core import import_values
from mailcrm.core.import_values import Money, Unreadable
from mailcrm.core.model import DealStatus


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("1200", "1200", None),
        ("1.200,50 €", "1200.50", "EUR"),
        ("1,200.50", "1200.50", None),
        ("₩1,200,000", "1200000", "KRW"),
        ("₩1,200", "1200", "KRW"),
        ("1,200원", "1200", "KRW"),
        ("1 200,50", "1200.50", None),
        ("1\u202f200,50 EUR", "1200.50", "EUR"),
        ("1'200.50", "1200.50", None),
        ("USD 12.5", "12.5", "USD"),
        ("12,5", "12.5", None),
        ("0,500", "0.500", None),
        ("1.200.000,5", "1200000.5", None),
        ("1200.00", "1200", None),
        ("0", "0", None),
    ],
)
def test_a_sum_is_read_as_its_country_writes_it(text: str, value: str, currency: str | None) -> None:
    assert import_values.money(text, mark=None) == Money(value=value, currency=currency)


@pytest.mark.parametrize(
    "text", ["1,200", "1.200", "EUR 1.200", "1,2,3", "", "abc", "-5", "1e5", "9" * 16, "٣"]
)
def test_a_sum_that_can_be_two_or_none_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        import_values.money(text, mark=None)


def test_an_ambiguous_sum_is_read_as_its_column_is() -> None:
    assert import_values.decimal_mark(["1,200", "12.5", "7"]) == "."
    assert import_values.decimal_mark(["1.200", "1.200.000", "7"]) == ","
    assert import_values.decimal_mark(["1,200", "3,400"]) is None
    assert import_values.decimal_mark(["12,5", "12.5"]) is None
    assert import_values.money("1,200", mark=".") == Money(value="1200", currency=None)
    assert import_values.money("1,200", mark=",") == Money(value="1.200", currency=None)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01", "2026-03-01 12:00:00", "2026-03-01T01:02:03Z", "1.3.2026", "01.03.2026", "2026. 3. 1.",
        "2026년 3월 1일", "2026年3月1日", "2026/3/1", "Mar 1, 2026", "1 March 2026",
    ],
)  # fmt: skip
def test_a_date_is_read_in_many_ways(text: str) -> None:
    assert import_values.day(text, first=None) == date(2026, 3, 1)


@pytest.mark.parametrize(
    "text", ["3/1/2026", "March 2026", "2026-13-01", "03/04/26", "tomorrow", "45631", ""]
)
def test_a_date_that_can_be_two_or_none_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        import_values.day(text, first=None)


def test_day_and_month_are_told_apart_by_their_column() -> None:
    assert import_values.day_first(["3/1/2026", "1/13/2026"]) is False
    assert import_values.day_first(["3/1/2026", "13/1/2026"]) is True
    assert import_values.day_first(["3/1/2026"]) is None
    assert import_values.day_first(["1/13/2026", "13/1/2026"]) is None
    assert import_values.day("3/1/2026", first=True) == date(2026, 1, 3)
    assert import_values.day("3/1/2026", first=False) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("whole", "first", "last", "expected"),
    [
        ("Min Kim", "Min", "Kim", "Min Kim"),
        ("", "Min", "Kim", "Min Kim"),
        ("Kim", "Min", "", "Min Kim"),
        ("Ana", "", "García López", "Ana García López"),
        ("민수", "", "김", "김민수"),
        ("", "伟", "王", "王伟"),
        ("", "", "Kim", "Kim"),
        ("", "", "", ""),
    ],
)
def test_a_name_is_put_together(whole: str, first: str, last: str, expected: str) -> None:
    assert import_values.full_name(whole, first, last) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kim@Example.kr", ["kim@example.kr"]),
        ("a@example.com, b@example.com", ["a@example.com", "b@example.com"]),
        ("a@example.com;b@example.com", ["a@example.com", "b@example.com"]),
        ("a@example.com ::: b@example.com", ["a@example.com", "b@example.com"]),
        ("Kim, Minsu <a@example.com>; b@example.com", ["a@example.com", "b@example.com"]),
        ("mailto:a@example.com", ["a@example.com"]),
    ],
)
def test_a_cell_may_hold_several_addresses(text: str, expected: list[str]) -> None:
    assert [each.address for each in import_values.mailboxes(text)] == expected


@pytest.mark.parametrize("text", ["none", "a@example.com / b@example.com", "@", "a@b@example.com, x@"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        import_values.mailboxes(text)


def test_the_domain_of_a_web_site_is_taken_unless_everybody_can_have_a_page_there() -> None:
    assert import_values.domains("https://www.Example.com/about?x=1, example.org naver.com") == (
        "example.com",
        "example.org",
    )
    assert import_values.domains("https://www.facebook.com/hanbit") == ()
    for text in ("n/a", "localhost", "http://[::1]/"):
        with pytest.raises(Unreadable):
            import_values.domains(text)


def test_a_state_is_told_by_words_of_many_languages() -> None:
    assert import_values.deal_status("Closed Won") is DealStatus.WON
    assert import_values.deal_status("verloren") is DealStatus.LOST
    assert import_values.deal_status("진행중") is DealStatus.OPEN
    assert import_values.is_archived("Archived")
    assert not import_values.is_archived("Not archived")
    for text, reads in (("maybe", import_values.deal_status), ("converted", import_values.is_archived)):
        with pytest.raises(Unreadable):
            reads(text)


_CELLS = st.text(max_size=40) | st.text(alphabet="0123456789.,'-/ €₩년월일:T@<>;\"", max_size=40)


@settings(max_examples=300)
@given(_CELLS)
def test_any_cell_is_a_value_or_has_a_reason(text: str) -> None:
    readers: list[Callable[[], str]] = [
        lambda: import_values.money(text, mark=import_values.decimal_mark([text])).value,
        lambda: import_values.day(text, first=import_values.day_first([text])).isoformat(),
        lambda: import_values.name(text),
        lambda: " ".join(each.address for each in import_values.mailboxes(text)),
        lambda: " ".join(import_values.domains(text)),
        lambda: " ".join(import_values.phones(text)),
        lambda: " ".join(import_values.labels(text)),
        lambda: import_values.currency_code(text),
    ]
    for read in readers:
        try:
            said = read()
        except Unreadable as error:
            said = str(error)
        assert isinstance(said, str)

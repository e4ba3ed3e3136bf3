from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.errors import QueryError, UsageError
from mailcrm.core.query import (
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_TERMS,
    And,
    Condition,
    Not,
    Operator,
    Or,
    Part,
    Query,
    Words,
    joined_words,
    parse_query,
    written,
)
from mailcrm.core.search_terms import SearchPhrase
from mailcrm.render import pointed, visible
from tests.conftest import NOW

pytestmark = pytest.mark.rule("search-operators")


def words(text: str, part: Part | None = None, *, unfinished: bool = False) -> Words:
    return Words(text=text, part=part, unfinished=unfinished)


def last(text: str, part: Part | None = None) -> Words:
    return words(text, part, unfinished=True)


def on(operator: Operator, value: str | int | datetime) -> Condition:
    return Condition(operator=operator, value=value)


def parsed(text: str) -> Query:
    return parse_query(text, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invoice", last("invoice")),
        ("price offer", And((words("price"), last("offer")))),
        ('"price list"', words("price list")),
        ("“price list”", words("price list")),
        ("offer -draft", And((words("offer"), Not(words("draft"))))),
        ('offer -"price list"', And((last("offer"), Not(words("price list"))))),
        ("offer - draft", And((words("offer"), last("draft")))),
        ("offer !! -?", last("offer")),
        ("a b OR c", Or((And((words("a"), words("b"))), last("c")))),
        ("a OR b c", Or((words("a"), And((words("b"), last("c")))))),
        ("a (b OR c)", And((words("a"), Or((words("b"), last("c")))))),
        ("(a b) c", And((words("a"), words("b"), last("c")))),
        ("a OR (b OR c)", Or((words("a"), words("b"), last("c")))),
        ("-(a OR b) c", And((Not(Or((words("a"), words("b")))), last("c")))),
        ("-(-a)", Not(Not(last("a")))),
        ('a or "OR" -OR', And((words("a"), words("or"), words("OR"), Not(words("OR"))))),
        ("offer(draft)", And((words("offer"), last("draft")))),
        ("subject:offer", last("offer", Part.SUBJECT)),
        ('body:"price list" offer', And((words("price list", Part.BODY), last("offer")))),
        ("from:kim", on(Operator.FROM, "kim")),
        ("From:Kim", on(Operator.FROM, "Kim")),
        ('-to:"Kim Minji"', Not(on(Operator.TO, "Kim Minji"))),
        ("invoice from:kim", And((last("invoice"), on(Operator.FROM, "kim")))),
        ("deal:42", on(Operator.DEAL, 42)),
        ('deal:"42"', on(Operator.DEAL, "42")),
        ("label:42", on(Operator.LABEL, "42")),
        ("HAS:Attachment", on(Operator.HAS, "attachment")),
        ("is:unread", on(Operator.IS, "unread")),
        ("-is:linked", Not(on(Operator.IS, "linked"))),
        ("after:2026-01-31", on(Operator.AFTER, datetime(2026, 1, 31, tzinfo=UTC))),
        ('before:"3 months"', on(Operator.BEFORE, datetime(2026, 3, 15, tzinfo=UTC))),
        ("after:90d", on(Operator.AFTER, datetime(2026, 3, 17, tzinfo=UTC))),
        ("after:yesterday", on(Operator.AFTER, datetime(2026, 6, 14, tzinfo=UTC))),
        ("larger:5MB", on(Operator.LARGER, 5_000_000)),
        ("smaller:1.5m", on(Operator.SMALLER, 1_500_000)),
        ("larger:500k", on(Operator.LARGER, 500_000)),
        ("larger:300", on(Operator.LARGER, 300)),
        ("from:a\u00e9@example.com", on(Operator.FROM, "a\u00e9@example.com")),
    ],
)
def test_a_query_is_read(text: str, expected: Query) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "re:offer",
        "fw:offer",
        "12:30",
        "https://example.com/a",
        "mailto:kim@example.kr",
        "tel:1",
        "date:today",
        "a:b",
    ],
)
def test_a_colon_alone_makes_no_operator(text: str) -> None:
    assert parsed(text) == last(text)


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("form:kim", 1, "no operator form:, the nearest is from:"),
        ("offer -subjekt:x", 8, "the nearest is subject:"),
        ("in:inbox", 1, "the nearest is folder:"),
        ("older_than:1y", 1, "the nearest is before:"),
        ('offer "price list', 7, "this quote is not closed"),
        ('from:"Kim', 6, "this quote is not closed"),
        ("offer (price", 7, "this parenthesis is not closed"),
        ("offer --(price", 9, "this parenthesis is not closed"),
        ("offer) price", 6, "no open parenthesis"),
        ("offer ()", 7, "nothing to look for"),
        ("offer (!!)", 7, "nothing to look for"),
        ("from: kim", 1, "from: needs a value"),
        ('offer from:""', 7, "from: needs a value"),
        ("from:(kim lee)", 1, "from: needs a value"),
        ("subject:!!", 9, "subject: needs a word"),
        ("OR offer", 1, "on its left"),
        ("offer OR", 7, "on its right"),
        ("a OR OR b", 3, "on its right"),
        ("offer OR !!", 7, "on its right"),
        ("offer (a OR)", 10, "on its right"),
        ("is:red", 4, "is: knows no 'red'"),
        ("has:link", 5, "has: knows no 'link'"),
        ("after:soon", 7, "'soon' is no date"),
        ("before:2999-01-01", 8, "not between 1970 and today"),
        ("larger:big", 8, "'big' is no size"),
        ("larger:٣", 8, "is no size"),
        ("deal:" + "9" * 19, 6, "too long"),
        ("(" * (MOST_DEPTH + 1) + "a", MOST_DEPTH + 1, f"more than {MOST_DEPTH}"),
        ("a " * (MOST_TERMS + 1), 2 * MOST_TERMS + 1, f"more than {MOST_TERMS}"),
    ],
)
def test_an_error_points_at_the_character(text: str, position: int, told: str) -> None:
    with pytest.raises(QueryError, match=f"At character {position}:") as caught:
        parsed(text)
    assert told in str(caught.value)
    assert caught.value.position == position
    assert caught.value.text == text
    assert caught.value.hint


def test_an_error_names_the_values_that_are_allowed() -> None:
    with pytest.raises(QueryError) as caught:
        parsed("is:open")
    assert caught.value.hint == "It knows: unread, shared, private, linked, unlinked and archived."


@pytest.mark.parametrize("text", ["", "  ", "!?", '""', "-draft", "-", "-(a b) -c", "-a OR -b"])
def test_a_query_without_anything_to_look_for_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no word to look for"):
        parsed(text)


def test_a_query_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="no more than"):
        parsed("a" * (MOST_CHARACTERS + 1))


def test_the_caret_stands_under_wide_characters() -> None:
    text = '계약서 form:"김'
    with pytest.raises(QueryError) as caught:
        parsed(text)
    assert caught.value.position == 5
    assert pointed(text, 5) == (text, " " * 7 + "^")


def test_the_caret_counts_what_is_shown_for_a_control_character() -> None:
    assert pointed("\x1b[a)", 4) == ("\\x1b[a)", " " * 6 + "^")


@pytest.mark.parametrize("letter", ["a", "약"])
def test_a_long_query_is_cut_around_the_caret(letter: str) -> None:
    line, caret = pointed(letter * 300 + ")" + letter * 300, 301)
    width = 2 if letter == "약" else 1
    assert (line[0], line[-1]) == ("…", "…")
    assert sum(width if shown == letter else 1 for shown in line) <= 72
    place = line.index(")")
    assert len(caret) - 1 == 1 + width * (place - 1)


ODD = ["a", "b!", "가", "계약서", "İ", "form:", "re:x", "deal:7", "\0", "\ud800", "“"]
PIECES = st.sampled_from(
    ["(", ")", '"', "-", " ", "OR", " OR ", "from:", "is:unread", "subject:", "after:90d", "larger:5k", *ODD]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    refused: UsageError | None = None
    try:
        found = parsed(text)
    except UsageError as error:
        refused = error
    if refused is None:
        assert parsed(written(found)) == found
    elif isinstance(refused, QueryError):
        assert 1 <= refused.position <= len(text)
        assert all(visible(line) == line for line in pointed(refused.text, refused.position))
    else:
        assert "no word" in str(refused)


def test_words_are_cut_as_the_index_is() -> None:
    assert words("Crème 계약서").phrase == SearchPhrase(terms=("creme", "계약", "약서"), prefix=False)
    assert last("of").phrase == SearchPhrase(terms=("of",), prefix=True)


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        (["price", "list"], "price list"),
        (["price list"], "price list"),
        (["price list", "offer"], '"price list" offer'),
        (["-price list", "offer"], '-"price list" offer'),
        (["from:Kim Minji", "offer"], 'from:"Kim Minji" offer'),
        (["-From:Kim Minji", "offer"], '-From:"Kim Minji" offer'),
        (["re: an offer", "kim"], '"re: an offer" kim'),
        (["(a OR b)", "c"], "(a OR b) c"),
        (['from:"Kim Minji" a', "c"], 'from:"Kim Minji" a c'),
    ],
)
def test_the_quotes_that_the_shell_took_away_come_back(typed: list[str], query: str) -> None:
    assert joined_words(typed) == query

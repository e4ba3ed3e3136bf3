import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.search_terms import TEXT_PER_TERM, SearchPhrase, joined_terms, phrase, terms


def word(*found: str, prefix: bool = False) -> SearchPhrase:
    return SearchPhrase(terms=found, prefix=prefix)


def sure(text: str) -> SearchPhrase:
    found = phrase(text, unfinished=False)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Price list, 2nd", ["price", "list", "2nd"]),
        ("jane.doe@example.com offer_v2.PDF", ["jane", "doe", "example", "com", "offer", "v2", "pdf"]),
        ("계약서", ["계약", "약서", "서"]),
        ("見", ["見"]),
        ("見積書を送る", ["見積", "積書", "書を", "を送", "送る", "る"]),
        ("계약서v2 확인", ["계약", "약서", "서", "v2", "확인", "인"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("ΆΛΦΑ ёлка", ["αλφα", "елка"]),
        ("Straße", ["strasse"]),
        ("ＡＢＣ ﾃﾞｰﾀ", ["abc", "デー", "ータ", "タ"]),
        ("हिन्दी", ["हिन्दी"]),
        ("x" * 100, ["x" * 60]),
        ("é" * 100, ["e" * 60]),
    ],
)
def test_text_is_cut_into_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_no_more_terms_than_wanted_are_returned() -> None:
    assert terms("a b c d", 2) == ["a", "b"]
    assert terms("é b c d", 2) == ["e", "b"]
    assert terms("é! .. b c", 2) == ["e", "b"]
    assert len(terms("가" * 100_000)) == 16_000
    assert len(terms("가 나 " * 100_000)) == 16_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invoice", word("invoice")),
        ("price list", word("price", "list")),
        ("jane@example.com", word("jane", "example", "com")),
        ("계약서", word("계약", "약서")),
        ("계", word("계", prefix=True)),
        ("계약서 확인", word("계약", "약서", "서", "확인")),
        ("v2계약서", word("v2", "계약", "약서")),
        ("!?", None),
    ],
)
def test_words_side_by_side_are_a_phrase(text: str, expected: SearchPhrase | None) -> None:
    assert phrase(text, unfinished=False) == expected


def test_a_word_that_is_still_being_typed_may_go_on() -> None:
    assert phrase("price li", unfinished=True) == word("price", "li", prefix=True)
    assert phrase("계약", unfinished=True) == word("계약")


def finds(wanted: SearchPhrase, text: str) -> bool:
    """Match as the databases do: terms side by side, the last one perhaps only by its beginning."""
    found, asked = terms(text), wanted.terms
    return any(
        tuple(found[start : start + len(asked) - 1]) == asked[:-1]
        and (
            found[start + len(asked) - 1] == asked[-1]
            or (wanted.prefix and found[start + len(asked) - 1].startswith(asked[-1]))
        )
        for start in range(len(found) - len(asked) + 1)
    )


WORDS = st.text(alphabet="abé가나다계약見積書あい1", min_size=1, max_size=8)


@given(WORDS, WORDS, WORDS)
def test_a_quoted_phrase_finds_the_text_that_it_quotes(before: str, first: str, second: str) -> None:
    assert finds(sure(f"{first} {second}"), f"{before} {first} {second} {before}")


CJK = st.text(alphabet="가나다계약見積書あいウ", min_size=1, max_size=6)


@given(CJK, CJK, CJK)
def test_a_cjk_word_is_found_anywhere_in_a_run(before: str, wanted: str, after: str) -> None:
    assert finds(sure(wanted), before + wanted + after)


MIXED = st.text(alphabet="aBz09._é́ÅﬁΣς “’…가힣ᄀ見が゙ｶﾞ。，हिด \n", max_size=40)


@given(MIXED, MIXED)
def test_the_terms_of_a_text_are_those_of_its_lines(first: str, second: str) -> None:
    assert terms(f"{first}\n{second}") == terms(first) + terms(second)


@given(MIXED)
def test_terms_are_joined_by_single_spaces(text: str) -> None:
    assert joined_terms(text, 100) == " ".join(terms(text, 100))


@given(st.lists(MIXED, max_size=3).map(" ".join), st.integers(1, 8))
def test_fewer_terms_are_the_first_of_all(text: str, most: int) -> None:
    assert terms(text, most) == terms(text[: most * TEXT_PER_TERM])[:most]


def test_letters_that_hardly_change_are_folded_like_all_others() -> None:
    # The last character has no simple form, so what stands before it goes the long way.
    for code in (
        *range(0x3000, 0x3100),
        *range(0x4E00, 0xA000),
        *range(0xAC00, 0xD7A4),
        *range(0xFF00, 0xFF60),
    ):
        alone = f"a{chr(code)}B"
        assert terms(f"{alone}\U0001f44d") == terms(alone), hex(code)


@given(st.text(max_size=60))
def test_any_text_has_terms_of_bounded_length(text: str) -> None:
    assert all(0 < len(term) <= 60 for term in terms(text))

import pytest

from mailcrm.core.text import preview, unflow


def test_flowed_lines_are_joined_within_their_quoting() -> None:
    flowed = "Dear \nJane,\n> quoted \n> words\n>> deeper\n from here\n-- \nsig"
    assert unflow(flowed, delete_space=False) == "Dear Jane,\n> quoted words\n>> deeper\nfrom here\n-- \nsig"


def test_flowed_text_of_scripts_without_blanks_deletes_the_space() -> None:
    assert unflow("日本 \n語", delete_space=True) == "日本語"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Hello\n\n  Jane,\tthanks.", "Hello Jane, thanks."),
        ("> you said\n> this\n\nMy answer", "My answer"),
        ("> only quoted", "> only quoted"),
        ("\u200b\u034f \ufeffOffer\u200c", "Offer"),
        ("\u200d👩\u200d💻 \u200c\u200dmi\u200cre\u200d \u200c", "👩\u200d💻 mi\u200cre"),
        ("👩\u200b\u200d💻" + "\u200c \u200c" * 200 + "!", "👩\u200d💻 !"),
        ("👩\u200d" * 150, "👩\u200d" * 99 + "👩"),
        ("가" * 300, "가" * 200),
        ("\u200b" * 1_900 + "Offer" + " " * 500 + "two", "Offer"),
        ("\u200b\n" * 150 + "a b " * 300, ("a b " * 50).rstrip()),
        (" \t\n\x1c\n> q\n \u2003> mine", "> mine"),
        (f"Join <https://example.com/{'x' * 450}>\nAt ten", "Join At ten"),
        ("Join\n<https://example.com/1>", "Join"),
        ("<https://example.com/1>\n<https://example.com/2>", "<https://example.com/1>"),
        ("> q\n" * 3_000 + "mine", ("> q " * 50).rstrip()),
    ],
)
def test_a_preview_is_one_line_of_200_characters(text: str, expected: str) -> None:
    assert preview(text) == expected

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.text import html_to_text, preview, unflow


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<p>One\n  line</p><p>Two</p>", "One line\n\nTwo"),
        ("a<br>b<br/>c<BR >d", "a\nb\nc\nd"),
        ("a<br><br>b", "a\n\nb"),
        ("<div>a</div><div>b<div>c</div></div>d", "a\nb\nc\nd"),
        ("<ul><li>one</li><li>two</ul>", "- one\n- two"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", "a b\nc"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("see <a href='https://example.com/?a>b'>the offer</a>.", "see the offer."),
        ("a&nbsp;&lt;b&gt; &amp;amp; &euro; &#44032;&#xAC01; &copy", "a <b> &amp; € 가각 ©"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<title>T</title><style>p {color: red}</style><script>if (a<b) x()</script>b", "b"),
        ("a<!-- <p>comment</p> -->b<![if !mso]>c<![endif]><?xml x?>d", "abcd"),
        ("<div style='DISPLAY : none'>pre<div>header</div></div>Hello", "Hello"),
        ("<p style='display:none'>never closed", "never closed"),
        ("<template><b>t</b></template>x", "x"),
        ("<noscript>n</noscript>", "n"),
        ('<a title="never closed>b</a> c', "b c"),
        ("<p>안녕하세요<b> 김</b>철수</p>", "안녕하세요 김철수"),
        ("a<!-->b<!---->c", "abc"),
        ("a \t\xa0<br> \n b", "a\nb"),
        ("<div style='display:none'>a<div>b</div>c</div>d<div style='display:none'>e", "d\ne"),
        ("<PRE>a <b>b</b>\n</Pre>c  d", "a b\n\nc d"),
        ("a</ p>b</>c</br>d", "abc\nd"),
        ("a<script>b</script", "a"),
    ],
)
def test_html_is_read_as_a_person_would(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        '<a "',
        "<div>",
        "<p><b x=1>",
        "<div style='display:none'>",
        "<!--",
        "<b> </b>",
        "&#9",
        "\v",
        "<li>",
        "</",
    ],
)
def test_a_megabyte_of_hostile_html_is_read(piece: str) -> None:
    assert len(html_to_text(piece * (1_000_000 // len(piece)))) <= 1_000_000


def test_numbers_of_thousands_of_digits_are_no_characters() -> None:
    assert html_to_text(f"a&#{'9' * 10_000};b") == "a\ufffdb"


HTML = st.lists(
    st.sampled_from(
        [
            "<p",
            "<div style='display:none'",
            "</div",
            "<td",
            "<pre",
            ">",
            "/>",
            '"',
            "'",
            "<!--",
            "-->",
            "&#0;",
            "&#xd800;",
            "<",
            "script>",
            "x",
            " \n",
        ]
    )
    | st.text(max_size=4)
).map("".join)


@given(HTML)
def test_any_html_is_text_without_nul_or_surrogates(html: str) -> None:
    text = html_to_text(html.replace("\0", ""))
    assert "\0" not in text
    assert text.encode("utf-8") is not None


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
        ("가" * 300, "가" * 200),
        ("\u200b" * 1_900 + "Offer" + " " * 500 + "two", "Offer"),
        ("\u200b\n" * 150 + "a b " * 300, ("a b " * 50).rstrip()),
        (" \t\n\x1c\n> q\n \u2003> mine", "> mine"),
        ("> q\n" * 3_000 + "mine", ("> q " * 50).rstrip()),
    ],
)
def test_a_preview_is_one_line_of_200_characters(text: str, expected: str) -> None:
    assert preview(text) == expected

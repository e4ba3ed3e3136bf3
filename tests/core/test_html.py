import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.html import HtmlReading, read_html


def text(html: str) -> str:
    return read_html(html).text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>One\n  line</p><p>Two</p>", "One line\n\nTwo"),
        ("a<br>b<br/>c<BR >d", "a\nb\nc\nd"),
        ("a<br><br>b", "a\n\nb"),
        ("a<br><br><br><br>b", "a\n\nb"),
        ("<div>a</div><div>b<div>c</div></div>d", "a\nb\nc\nd"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("<div>a<br></div><div>b</div>", "a\nb"),
        ("<h1>Title</h1>text<h2>Next</h2>", "Title\n\ntext\n\nNext"),
        ("a<hr>b", f"a\n\n{'_' * 32}\nb"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<pre>\na\tb\r\n\r\n\r\n  c \r\n</pre>d", "a       b\n\n  c\n\nd"),
        ("<PRE>a <b>b</b>\n</Pre>c  d", "a b\n\nc d"),
        ("<div style='white-space: pre-wrap'>a\n  b</div>c\nd", "a\n  b\n\nc d"),
        ("<div>x <span style='white-space:pre'>a\n b</span> c\nd</div>", "x a\n b c d"),
        ("<p class=MsoNormal>a</p><p class=MsoNormal>b</p>", "a\nb"),
        (
            "<p class=MsoNormal>a</p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>b</p>",
            "a\n\nb",
        ),
        ("<p class=MsoNormal style='margin-bottom:12.0pt'>a</p><p class=MsoNormal>b</p>", "a\n\nb"),
        ("<p class=MsoNormal style='mso-margin-top-alt:auto'>a</p><p class=MsoNormal>b</p>", "a\n\nb"),
        ("<p style='margin:0'>a</p><p style='margin: 0cm 0cm .0001pt'>b</p>", "a\nb"),
        ("<p style='margin:0 0 1em'>a</p><p>b</p>", "a\n\nb"),
        ("a&nbsp;&lt;b&gt; &amp;amp; &euro; &#44032;&#xAC01; &copy", "a <b> &amp; € 가각 ©"),
        ("&am<b>p; &l</b>t;", "&amp; &lt;"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<title>T</title><style>p {color: red}</style><script>if (a<b) x()</script>b", "b"),
        ("<STYLE>a</STYLE><Script>'<p>'</script >b<xml><w:View>Normal</w:View></xml>", "b"),
        ("a<script>b</script", "a"),
        ("<strong>a</strong><tt>b</tt><nobr>c</nobr><small>d</small>", "abcd"),
        ("a<!-- <p>comment</p> -->b<![if !mso]>c<![endif]><?xml x?>d", "abcd"),
        ("a<!-->b<!---->c<!-- - -- --!>d", "abcd"),
        ("<!--[if mso]><p>Outlook</p><![endif]-->a<!--[if !mso]><!-->b<!--<![endif]-->", "ab"),
        ("<!--[if !mso]> --><p>b</p><!-- <![endif]-->", "b"),
        ("<o:p></o:p><st1:City>Seoul</st1:City><v:shape id=x><v:imagedata src=y /></v:shape>", "Seoul"),
        ("<noscript>n</noscript>", "n"),
        ('<a title="never closed>b</a> c', "b c"),
        ("<p title='a > b'>c</p>", "c"),
        ("<p>안녕하세요<b> 김</b>철수</p>", "안녕하세요 김철수"),
        ("a \t\xa0<br> \n b", "a\nb"),
        ("a</ p>b</>c</br>d", "abc\nd"),
        ("so\xadft\u200b&shy;ly\x07 \x1b[31mred\x9b", "softly [31mred"),
        ("\u200c &zwnj;&nbsp;&#847;&#8203;a\u200cb 👩\u200d💻 \u202ec", "a\u200cb 👩\u200d💻 c"),
    ],
)
def test_html_is_read_as_a_person_would(html: str, expected: str) -> None:
    assert text(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<ul><li>one</li><li>two</ul>", "- one\n- two"),
        ("a<ul><li>one<li>two</ul>b", "a\n\n- one\n- two\n\nb"),
        ("<ul><li><p>one</p></li><li><p>two</p><p>more</p></li></ul>", "- one\n- two\n\n  more"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ol start=9><li>a<li>b<li value='20'>c</ol>", "9. a\n10. b\n20. c"),
        ("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c"),
        ("<ul><li>a</li><ul><li>b</li></ul><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ul><li></li><li>a</li></ul>b", "- a\n\nb"),
        ("<li>a<li>b", "- a\n- b"),
        ("</ul></ol>a", "a"),
        ("<ol start=x><li value=99999999999>a</ol>", "1. a"),
    ],
)
def test_lists_have_bullets_numbers_and_depth(html: str, expected: str) -> None:
    assert text(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "see <a href='https://example.com/?a>b'>the offer</a>.",
            "see the offer <https://example.com/?a%3Eb>.",
        ),
        ("<a href='https://www.example.com/'>example.com</a>", "example.com"),
        ("<a href='http://example.com'>HTTP://EXAMPLE.COM/</a>", "HTTP://EXAMPLE.COM/"),
        ("<a href='https://evil.example/'>www.example.com</a>", "www.example.com <https://evil.example/>"),
        ("<a href='mailto:jane@example.com?subject=x'>Jane</a>", "Jane <jane@example.com>"),
        ("<a href=mailto:jane@example.com>jane@example.com</a>", "jane@example.com"),
        ("<a href=' java\nscript:x()'>a</a> <a href='data:text/html,x'>b</a> <a href='#c'>c</a>", "a b c"),
        ("<a name=x>a</a> <a>b</a> <a href>c</a>", "a b c"),
        ("<a href='https://example.com/?a=1&amp;b=2'>a</a>", "a <https://example.com/?a=1&b=2>"),
        ("<a href='https://example.com/a b\u202e'>a</a>", "a <https://example.com/a%20b>"),
        ("<a href='https://example.com/" + "z" * 480 + "'>a</a>", f"a <https://example.com/{'z' * 480}>"),
        ("<a href='https://x:y@example.com/" + "z" * 480 + "'>a</a>", "a <https://example.com/…>"),
        (
            "<a href='https://example.com/x'>a</a> <a href='https://example.com/x'>b</a>",
            "a <https://example.com/x> b",
        ),
        ("<a href='https://example.com/x'><img alt=Pay></a>", "Pay <https://example.com/x>"),
        ("<a href='https://example.com/x'><img alt=Logo> Shop</a>", "Shop <https://example.com/x>"),
        ("<a href='https://example.com/x'><img></a>b", "b"),
        ("<a href='https://example.com/x'><div>Shop</div><img alt=Logo></a>", "Shop <https://example.com/x>"),
        (
            "<a href='https://example.com/x'><div><img alt=Logo></div><div>Shop</div></a>",
            "Shop <https://example.com/x>",
        ),
        ("<a href='https://example.com/x'><div>a</div><div>b</div></a>", "a <https://example.com/x>\nb"),
        (
            "<a href='https://example.com/x'>a<a href='https://example.com/y'>b",
            "a <https://example.com/x>b <https://example.com/y>",
        ),
        (
            "<a href='https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.com%2Fa&amp;data=05'>a</a>",
            "a <https://example.com/a>",
        ),
    ],
)
def test_a_link_shows_where_it_leads_unless_its_text_does(html: str, expected: str) -> None:
    assert text(html) == expected


def test_a_newsletter_of_many_links_has_their_text_alone() -> None:
    links = "".join(f"<p><a href='https://example.com/{number}'>Story {number}</a>" for number in range(80))
    assert text(links) == "\n\n".join(f"Story {number}" for number in range(80))


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a<img src='cid:1' alt='Chart of sales'>b", "a [Chart of sales] b"),
        ("a<img alt=''>b<img>c<img alt=image001.png>d<img alt='spacer'>e", "abcde"),
        ("<img alt='A &quot;good&quot; offer'>", '[A "good" offer]'),
        ("Thanks <img alt='😊' src='https://example.com/e.png' width=20>", "Thanks 😊"),
    ],
)
def test_an_image_is_its_alternative_text_where_that_says_something(html: str, expected: str) -> None:
    assert text(html) == expected


GMAIL = (
    '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex">'
)
APPLE = '<blockquote type="cite">'
YAHOO = '<blockquote style="border-left: 2px solid rgb(16, 16, 255); margin-left: 5px; padding-left: 5px;">'
WORD = "<blockquote style='border:none;border-left:solid #CCCCCC 1.0pt;padding:0cm 0cm 0cm 6.0pt'>"
INDENTED = '<blockquote style="margin:0 0 0 40px;border:none;padding:0px">'


@pytest.mark.parametrize("opening", [GMAIL, APPLE, YAHOO, WORD, "<blockquote>", "<BLOCKQUOTE dir=ltr>"])
def test_a_quotation_has_its_mark_on_every_line(opening: str) -> None:
    quoted = f"{opening}<p>One</p><p>Two</p>{opening}Three</blockquote></blockquote>"
    html = f"Yes.<br>On Monday Jane wrote:<br>{quoted}Four"
    assert text(html) == "Yes.\nOn Monday Jane wrote:\n\n> One\n>\n> Two\n>\n>> Three\n\nFour"


def test_a_blockquote_that_indents_is_no_quotation() -> None:
    assert (
        text(f"a{INDENTED}b</blockquote>{INDENTED}{APPLE}c</blockquote></blockquote>d")
        == "a\n\nb\n\n> c\n\nd"
    )


def test_no_more_levels_are_shown_than_a_person_reads() -> None:
    deep = "<blockquote>" * 100 + "a" + "</blockquote>" * 100
    assert text(deep + "b") == ">" * 30 + " a\n\nb"
    assert text("<ul><li>" * 100 + "a") == " " * 14 + "- a"


def test_a_list_that_is_not_closed_ends_with_its_quotation() -> None:
    assert text(f"{APPLE}<ul><li>a</blockquote>b") == "> - a\n\nb"


HIDDEN = [
    "style='DISPLAY : none'",
    'style="color:red;display:\n none !important"',
    "style='visibility:hidden'",
    "style='max-height:0px;overflow:hidden'",
    "style='opacity:0.0'",
    "style='mso-hide:all'",
    "style='width:0;height:0'",
    "hidden",
    "class=x hidden=''",
    "HIDDEN=hidden",
]
SMALL = ["style='font-size:0'", "style='font-size: 1px; line-height:1px'", "style='font-size:0.0em'"]
SHOWN = [
    "aria-hidden='true'",
    "class='hidden'",
    "style='overflow:hidden;max-width:0'",
    "style='line-height:0;opacity:0.9'",
    "style='color:#fff;text-decoration:none'",
    "style='font-size:0.9em'",
    "style='font-size:10px;max-height:0.5em'",
    "title='display:none'",
    "data-hidden=1",
]


@pytest.mark.parametrize(
    "name", ["div", "span", "p", "td", "table", "ul", "li", "font", "section", "center", "h1"]
)
@pytest.mark.parametrize("attributes", HIDDEN + SMALL)
def test_what_is_hidden_is_not_read(name: str, attributes: str) -> None:
    if "width" in attributes and name in ("td", "table"):
        return
    assert text(f"a<{name} {attributes}>no <b>no</b></{name}>b").split() in (["ab"], ["a", "b"])


@pytest.mark.parametrize("attributes", SHOWN)
def test_what_only_looks_hidden_is_read(attributes: str) -> None:
    assert text(f"<div {attributes}>yes</div>") == "yes"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<div style='display:none'>pre<div>header</div></div>Hello", "Hello"),
        ("<div style='display:none'>a<div>b</div>c</div>d<div style='display:none'>e", "d\ne"),
        ("<p style='display:none'>never closed", "never closed"),
        ("<p style='display:none'>no<p>yes", "yes"),
        ("<ul><li hidden>no<ul><li>no</ul><li>yes</ul>", "- yes"),
        ("<table><tr><td hidden>no<table><tr><td>no</table><td>yes</table>", "yes"),
        ("<table><tr hidden><td>no</td></tr><tr><td>yes</td></tr></table>", "yes"),
        ("<table><tr><td><div hidden>no</td></tr><tr><td>yes</div></td></tr></table>", "yes"),
        ("<template><b>t</b></template>x", "x"),
        ("<td style='font-size:0px'>no<div style='font-size:13px'>yes</div></td>", "yes"),
        ("<td style='font-size:0'><img alt='seen'></td>", "[seen]"),
        ("<td style='font-size:0'>no<font size=2>yes</font></td>", "yes"),
        ("<td style='font-size:0'>no<b STYLE='FONT : 12px Arial'>yes</b></td>", "yes"),
        (
            "<a href='https://example.com' style='color:red;mso-hide:all'>Button</a>",
            "Button <https://example.com>",
        ),
        ("<input type=hidden><br hidden>yes", "yes"),
    ],
)
def test_a_hidden_element_ends_where_it_does_in_a_browser(html: str, expected: str) -> None:
    assert text(html) == expected


@pytest.mark.parametrize(
    ("html", "trackers"),
    [
        ("<img src='https://example.com/o.gif' width=1 height='1' alt='x'>", 1),
        ("<img src=http://example.com/o width=0>", 1),
        ("<img src='//example.com/o' style='width:1px; height:1px'>", 1),
        ("<img src='https://example.com/o' style='display:none' width=100>", 1),
        ("<div hidden><img src='https://example.com/o'></div>", 1),
        ("<img src='https://example.com/o' width=1 height=1><img src='https://example.com/p' height='0'>", 2),
        ("<img src='https://example.com/line' width=600 height=1>", 0),
        ("<img src='https://example.com/photo' width='1%'>", 0),
        ("<img src='https://example.com/photo' width=1 style='width:100px'>", 0),
        ("<img src='cid:1' width=1 height=1>", 0),
        ("<img src='https://example.com/photo'>", 0),
        ("<!-- <img src='https://example.com/o' width=1 height=1> -->", 0),
    ],
)
def test_images_that_only_report_the_reading_are_counted(html: str, trackers: int) -> None:
    assert read_html(html) == HtmlReading(text="", trackers=trackers)


def rows(*cells: tuple[str, ...], name: str = "td") -> str:
    return "".join("<tr>" + "".join(f"<{name}>{cell}</{name}>" for cell in row) + "</tr>" for row in cells)


def test_a_table_of_data_has_columns() -> None:
    html = rows(("Item", "", "Count", "Price"), name="th") + rows(
        ("Desk", "", "2", "1,200.00"),
        ("<a href='https://example.com/l'>Lamp</a>, red", "&nbsp;", "10", "35.50 €"),
    )
    total = "<tr><td colspan=3>Total with delivery</td><td>1,555.00</td></tr>"
    assert text(f"Dear Jane,<table>{html}{total}</table>Yours") == (
        "Dear Jane,\n\n"
        "Item       Count     Price\n"
        "Desk           2  1,200.00\n"
        "Lamp, red     10   35.50 €\n"
        "Total with        1,555.00\n"
        "delivery\n\n"
        "Lamp <https://example.com/l>\n\nYours"
    )


def test_the_links_of_a_table_in_columns_stand_below_it_once() -> None:
    link = "<a href='https://example.com/{0}'>{0}\n file</a>"
    html = rows(("Item", "See"), name="th") + rows(
        *(("Desk", link.format(each)) for each in ("first", "second", "first")),
        ("Shop", "<a href='https://example.com/'>example.com</a>"),
    )
    assert text(f"<blockquote type=cite><table>{html}</table>Yours</blockquote>") == (
        "> Item  See\n> Desk  first file\n> Desk  second file\n> Desk  first file\n> Shop  example.com\n>\n"
        "> first file <https://example.com/first>\n> second file <https://example.com/second>\n>\n> Yours"
    )
    mail = rows(("Who", "Where"), ("Jane", "<a href='mailto:%0A jane@example.com '>by mail</a>"))
    assert text(f"<table>{mail}</table>").endswith("by mail\n\nby mail <jane@example.com>")
    wide = rows(*(("word " * 7, f"{link.format(each)} {'word ' * 6}", "word " * 7) for each in "ab"))
    assert text(f"<table>{wide}</table>").endswith(
        "\n\na file <https://example.com/a>\nb file <https://example.com/b>"
    )


def test_wide_letters_take_two_columns() -> None:
    html = rows(("품목", "수량"), ("책상", "3개"), ("Lamp", "12개"))
    assert text(f"<table>{html}</table>") == "품목  수량\n책상   3개\nLamp  12개"


def test_what_only_begins_or_ends_like_a_number_stands_at_the_left() -> None:
    html = rows(("No.", "Sum", "Day"), ("A-1", "-1,200.50 €", "2025-03-03"), ("B-17", "(3%)", "2025-3-4"))
    assert text(f"<table>{html}</table>") == (
        "No.           Sum  Day\nA-1   -1,200.50 €  2025-03-03\nB-17         (3%)  2025-3-4"
    )


def test_a_short_cell_stands_before_the_long_text_that_it_names() -> None:
    street = "1 Example Street, 12345 Exampletown, Exampleland, second floor on the left"
    assert text(f"<table>{rows(('Address:', street))}</table>") == f"Address:  {street}"
    assert text(f"<table>{rows(('Number:', '7'), ('Address:', street))}</table>") == (
        f"Number:   7\nAddress:  {street.removesuffix(' left')}\n          left"
    )


def test_a_long_cell_is_broken_to_fit() -> None:
    html = rows(("Item", "Note"), name="th") + rows(("Desk", "word " * 30), ("Lamp", "short"))
    lines = text(f"<table>{html}</table>").split("\n")
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Item  Note"
    assert lines[2].startswith("      word")
    assert lines[-1] == "Lamp  short"


def test_a_table_that_is_too_wide_has_a_line_for_each_value() -> None:
    heads = tuple(f"Heading{number}" for number in range(9))
    html = rows(heads, name="th") + rows(tuple("abcdefghi"), tuple("ABCDEFGHI"))
    assert text(f"<table>{html}</table>").split("\n\n")[1].startswith("Heading0: A\nHeading1: B\n")
    plain = rows(tuple("abcdefghi" + "x" * 10 for _ in range(5)), tuple("abcdefghi" for _ in range(5)))
    assert text(f"<table>{plain}</table>").endswith(
        "\nabcdefghi | abcdefghi | abcdefghi | abcdefghi | abcdefghi"
    )


def test_a_table_for_the_layout_is_read_as_paragraphs() -> None:
    long = "Many words " * 20
    html = f"<table>{rows((f'<h1>News</h1><p>{long}</p>', f'<p>{long}</p>'), ('a', 'b'))}</table>"
    assert text(html) == f"News\n\n{long.strip()}\n\n{long.strip()}\n\na  b"
    outer = f"<table><tr><td>{html}</td><td>side</td></tr></table>"
    assert text(outer) == text(html) + "\n\nside"


def test_a_table_in_a_quotation_is_quoted() -> None:
    assert text(f"{APPLE}<table>{rows(('a', 'b'), ('cc', 'dd'))}</table>") == "> a   b\n> cc  dd"


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        '<a "',
        "<a href='",
        "<div>",
        "<p><b x=1>",
        "<div style='display:none'>",
        "<div style='font-size:0'>",
        "<div style='white-space:pre'>",
        "<div hidden>a</div>",
        "<b hidden><i hidden>",
        "<!--",
        "<!-- -",
        "<style>",
        "<style></styl",
        "<b> </b>",
        "&#9",
        "&#x1F600;",
        "\v",
        "<li>",
        "<ul><li>x",
        "<ol><li>x</ol>",
        "<blockquote>x",
        "<blockquote></blockquote>",
        "<table><tr><td>",
        "<table><tr><td>x<td>y",
        "<table><tr><td>x<td>y<tr><td>x<td>y</table>",
        "<td style='font-size:0'>x",
        "<p style='margin:0 1em'>x",
        "<tr><td>x<td>y",
        "<th>x<tr>",
        "<td colspan=999>x",
        "<pre>\n",
        "<pre>\t",
        "<a href=https://example.com/>x",
        "<img alt=x>",
        "<a><img alt=x>",
        "<img src=https://example.com width=1 ",
        "\u200c",
        "\u200cx",
        "\xad",
        "</",
    ],
)
def test_a_megabyte_of_hostile_html_is_read(piece: str) -> None:
    hostile = piece * (1_000_000 // len(piece))
    # No piece is long, and what stands before each of its lines is bounded.
    assert len(text(hostile)) <= 20_000_000
    assert len(text(f"<table><tr><td>a<td>b<tr><td>{hostile}<td>d</table>")) <= 20_000_000


def test_a_million_attributes_are_one_tag() -> None:
    many = "a=1 " * 500_000
    assert (
        text(f"<div {many}style='display:none'>no</div><img {many}><p {many}>x</p><a {many}>y</a>")
        == "x\n\ny"
    )


def test_elements_of_many_names_that_are_left_open_are_read() -> None:
    assert text("".join(f"<x{number} hidden>a " for number in range(40_000))).count("a") == 40_000


def test_letters_with_thousands_of_accents_make_no_column() -> None:
    accents = "가" * 60 + "\u0301" * 200_000
    assert "\u0301" * 200_000 in text(f"<table><tr><th>a<th>b<tr><td>1<td>{accents}<tr><td>2<td>3</table>")


def test_numbers_of_thousands_of_digits_are_no_characters() -> None:
    assert text(f"a&#{'9' * 10_000};b") == "a\ufffdb"
    assert (
        text(f"<ol start={'9' * 10_000}><li>a</ol><img src=http://example.com width={'9' * 10_000}>")
        == "1. a"
    )


PIECES = """
<p|<div style='display:none'|</div|<td|<tr|<table|</table|<pre|<th|<a href=http://example.com|</a
<img alt=x |<li|<ol|<ul|</ul|<hr
<blockquote|</blockquote|<td style=font-size:0|<td colspan=3|<br|<span hidden|</span|>|/>|"
'|<!--|-->|&#0;|&#xd800;|&#27;|&nbsp;|<|script>|x|<>| |\x1f|\x01|\x04|\x03
"""
HTML = st.lists(st.sampled_from(re.split(r"[|\n]", PIECES)) | st.text(max_size=4)).map("".join)


@given(HTML)
@settings(max_examples=300)
def test_any_html_is_text_without_control_characters(html: str) -> None:
    read = read_html(html)
    assert read.trackers >= 0
    assert not [
        letter for letter in read.text if unicodedata.category(letter) in ("Cc", "Cs") and letter != "\n"
    ]
    assert read.text == read.text.strip("\n")
    assert "\n\n\n" not in read.text


WORDS = st.integers(0, 10_000)
SEEN = WORDS.map(lambda number: f"seen{number} ")
UNSEEN = WORDS.map(lambda number: f"lost{number} ")


def within(names: list[str], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda opening, content: f"<{opening}>{content}</{opening.split()[0]}>", st.sampled_from(names), inner
    )


BLOCKS = [
    "div",
    "table",
    "tr",
    "td",
    "th",
    "ul",
    "ol",
    "li",
    "blockquote",
    "center",
    "section",
    APPLE[1:-1],
    INDENTED[1:-1],
]
INLINE = ["b", "span", "a href='https://example.com/x'", "i", "font color=red", "o:p", "h2", "pre", "td"]


def nested(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return well-formed content; only blocks have blocks in them."""
    phrase = words | within(INLINE, words)
    return st.recursive(
        phrase, lambda inner: within(BLOCKS, st.lists(inner, max_size=4).map("".join)), max_leaves=12
    )


CONCEALED = within(
    [f"{name} {attributes}" for name in ("div", "span", "section") for attributes in HIDDEN], nested(UNSEEN)
) | within(["style", "script", "title", "template"], nested(UNSEEN))


@given(st.lists(nested(SEEN) | CONCEALED | within(BLOCKS, CONCEALED), max_size=6).map("".join))
@settings(max_examples=300)
def test_every_word_that_is_shown_is_read_and_none_that_is_hidden(html: str) -> None:
    assert sorted(re.findall(r"seen\d+", text(html))) == sorted(re.findall(r"seen\d+", html))
    assert "lost" not in text(html)

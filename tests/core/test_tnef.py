from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.mime import contents, html_body, parse
from mailcrm.core.rtf import decompressed, read_rtf
from mailcrm.core.tnef import FILES, SIGNATURE, unpack
from tests.core.messages import attachment, mail, multipart, part

STRING, UNICODE, BINARY, OBJECT = 0x1E, 0x1F, 0x102, 0x0D
BODY, RTF, HTML, CODE_PAGE, SUBJECT = 0x1000, 0x1009, 0x1013, 0x3FDE, 0x37
DATA, SHORT_NAME, LONG_NAME, MIME_TAG, CONTENT_ID = 0x3701, 0x3704, 0x3707, 0x370E, 0x3712


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    return pack("<BII", level, name, len(value)) + value + pack("<H", sum(value) & 0xFFFF)


def properties(*written: tuple[int, int, bytes]) -> bytes:
    """Return properties: type, id and value."""
    out = pack("<I", len(written))
    for kind, name, value in written:
        out += pack("<HH", kind, name)
        if kind == 3:
            out += value
        else:
            out += pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)
    return out


def tnef(*attributes: bytes, page: int = 1252) -> bytes:
    return SIGNATURE + b"\x01\x00" + attribute(0x69007, pack("<II", page, 0)) + b"".join(attributes)


def message(*written: tuple[int, int, bytes]) -> bytes:
    return attribute(0x69003, properties(*written))


def file(title: bytes, data: bytes, *written: tuple[int, int, bytes]) -> bytes:
    begun = attribute(0x69002, bytes(14), 2) + attribute(0x18010, title + b"\0", 2)
    told = attribute(0x69005, properties(*written), 2) if written else b""
    return begun + attribute(0x6800F, data, 2) + told


def winmail(data: bytes, *, text: bytes = b"") -> bytes:
    packed = part("application/ms-tnef; name=winmail.dat", data, "Content-Transfer-Encoding: binary")
    return mail(multipart("mixed", part("text/plain", text), packed))


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


# --- files


def test_the_files_of_a_winmail_are_attachments_with_their_long_names() -> None:
    data = tnef(
        file(b"ANGEBO~1.PDF", b"%PDF", (UNICODE, LONG_NAME, wide("견적서.pdf"))),
        file("가.txt".encode("cp949"), b"abc", (STRING, MIME_TAG, b"text/csv\0")),
        page=949,
    )
    raw = winmail(data, text=b"see")
    email = parse(raw)
    assert email.attachments == (
        attachment("2.1", "견적서.pdf", "application/pdf", 4),
        attachment("2.2", "가.txt", "text/csv", 3),
    )
    assert (email.text, email.repairs) == ("see", ())
    assert [content for _, content in contents(raw)] == [b"%PDF", b"abc"]


def test_a_winmail_without_files_is_no_attachment() -> None:
    assert parse(winmail(tnef(), text=b"hi")).attachments == ()


def test_a_winmail_is_told_by_its_name() -> None:
    raw = mail(part("application/octet-stream; name=WinMail.dat", tnef(file(b"a.bin", b"x"))))
    assert [each.name for each in parse(raw).attachments] == ["a.bin"]


def test_an_image_that_the_html_of_a_winmail_shows_is_inline() -> None:
    html = b'<p>hi</p><img src="cid:x1">'
    data = tnef(
        message((BINARY, HTML, html)),
        file(b"a.png", b"x", (STRING, CONTENT_ID, b"x1\0")),
        file(b"b.png", b"x", (STRING, CONTENT_ID, b"x2\0")),
    )
    email = parse(winmail(data))
    assert [(each.name, each.inline) for each in email.attachments] == [("a.png", True), ("b.png", False)]
    assert html_body(winmail(data)) == html.decode()


def test_an_email_in_a_winmail_is_named_by_its_subject_and_its_files_are_there() -> None:
    inner = tnef(attribute(0x18004, b"The offer\0"), file(b"a.txt", b"abc"))
    data = tnef(file(b"Untitled", b"", (OBJECT, DATA, bytes(16) + inner)))
    found = parse(winmail(data)).attachments
    assert [(each.part_id, each.name, each.type) for each in found] == [
        ("2.1", "The offer", "application/ms-tnef"),
        ("2.1.1", "a.txt", "text/plain"),
    ]


def test_emails_in_emails_in_a_winmail_are_opened_a_few_times() -> None:
    data = tnef(file(b"a.txt", b"abc"))
    for _ in range(20):
        data = tnef(file(b"inner", data))
    assert len(parse(winmail(data)).attachments) <= 6


def test_the_files_of_a_winmail_are_bounded() -> None:
    email = parse(winmail(tnef(*[file(b"a", b"x")] * (FILES + 50))))
    assert (len(email.attachments), email.repairs) == (FILES + 1, ("tnef:broken",))


def test_of_a_broken_winmail_there_is_what_comes_before_the_damage_and_itself() -> None:
    data = tnef(file(b"a.txt", b"abc"), file(b"b.txt", b"x" * 100))[:-60]
    email = parse(winmail(data))
    assert [(each.part_id, each.name) for each in email.attachments] == [
        ("2", "winmail.dat"),
        ("2.1", "a.txt"),
        ("2.2", "b.txt"),
    ]
    assert email.repairs == ("tnef:broken",)
    nonsense = parse(winmail(b"nonsense"))
    assert ([each.name for each in nonsense.attachments], nonsense.repairs) == (
        ["winmail.dat"],
        ("tnef:broken",),
    )


def test_what_a_server_adds_to_the_end_is_passed_over() -> None:
    assert unpack(tnef(file(b"a.txt", b"abc")) + b"\r\n\r\n___________ list footer").whole


# --- text


def test_the_text_of_a_winmail_is_read_when_there_is_no_other() -> None:
    body = tnef(attribute(0x2800C, "안녕하세요\r\n".encode("cp949") + b"\0"), page=949)
    assert parse(winmail(body)).text == "안녕하세요"
    assert parse(winmail(body, text=b"outside")).text == "outside"
    wide_body = tnef(message((3, 0x3705, pack("<I", 1)), (UNICODE, BODY, wide("héllo"))))
    assert parse(winmail(wide_body)).text == "héllo"
    html = tnef(message((3, CODE_PAGE, pack("<I", 51949)), (BINARY, HTML, "<p>가</p>".encode("euc-kr"))))
    assert parse(winmail(html)).text == "가"


def stored(rtf: bytes) -> bytes:
    return pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf


def test_rich_text_is_read_when_there_is_nothing_else() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}Hello\par caf\'e9 \{ok\}\par}"
    assert parse(winmail(tnef(message((BINARY, RTF, stored(rtf)))))).text == "Hello\ncafé {ok}"


def test_text_is_searched_for_in_a_few_winmails_only() -> None:
    silent = part("application/ms-tnef", tnef(message((BINARY, RTF, stored(b"{" * 900_000)))))
    speaking = part("application/ms-tnef", tnef(message((BINARY, RTF, stored(rb"{\rtf1 Hello}")))))
    assert parse(mail(multipart("mixed", silent, silent, speaking))).text == "Hello"
    assert parse(mail(multipart("mixed", *[silent] * 30, speaking))).text == ""


def test_compressed_text_is_decompressed() -> None:
    # The examples of MS-OXRTFCP, 3.1 and 3.2.
    simple = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompressed(simple) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert decompressed(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


FONTS = rb"{\fonttbl{\f1\fcharset129 x;}{\f2\fcharset128 y;}}"
FROM_HTML = (
    rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Hi {\*\htmltag84 &amp;}"
    rb"\htmlrtf &\htmlrtf0 bye}\htmlrtf }\htmlrtf0 {\*\htmltag72 </p>}}"
)


@pytest.mark.parametrize(
    ("rtf", "said"),
    [
        (rb"{\rtf1\ansi\ansicpg949 \'b0\'a1\u44032 ?b}", "가가b"),
        (rb"{\rtf1\ansi" + FONTS + rb"{\f1 \'b0\'a1}\f2 \'82\'a0}", "가あ"),
        (rb"{\rtf1\uc2\u-10179??\u-8704??x}", "😀x"),
        (rb"{\rtf1 a{\pict 00ff00}{\*\unknown b}c\line d\tab e\~f}", "ac\nd\te\xa0f"),
        (rb"{\rtf1}}}}\par{{{", "\n"),
        (b"", ""),
    ],
)
def test_rich_text_says(rtf: bytes, said: str) -> None:
    assert read_rtf(rtf) == (said, False)


def test_rich_text_that_was_html_is_html_again() -> None:
    assert read_rtf(FROM_HTML) == ("<p>Hi &amp;bye</p>", True)


# --- anything


@settings(max_examples=100)
@given(st.binary(max_size=400), st.integers(0, 400), st.binary(max_size=8))
def test_any_bytes_are_unpacked(noise: bytes, place: int, patch: bytes) -> None:
    good = tnef(message((UNICODE, BODY, wide("hi")), (BINARY, RTF, stored(b"{\\rtf1 x}"))), file(b"a", b"b"))
    broken = good[:place] + patch + good[place + len(patch) :]
    for data in (SIGNATURE + noise, broken):
        raw = winmail(data)
        assert tuple(each for each, _ in contents(raw)) == parse(raw).attachments
    read_rtf(decompressed(b"\0" * 8 + b"LZFu" + b"\0" * 4 + noise))
    read_rtf(noise)

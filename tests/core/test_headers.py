from base64 import b64encode, encodebytes
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailcrm.core.charsets import decode_charset
from mailcrm.core.headers import (
    Fields,
    base64_size,
    decode_base64,
    decode_words,
    fields_of,
    identify,
    message_ids,
    parse_date,
    split,
    unix_lines,
)


def word(charset: str, data: bytes) -> bytes:
    return b"=?" + charset.encode() + b"?B?" + b64encode(data) + b"?="


def header(raw: bytes, *names: bytes) -> tuple[Fields, bool]:
    raw = unix_lines(raw)
    return fields_of(raw[: split(raw)[0]], names)


# --- fields

NAMES = (b"from", b"subject", b"body", b"to", b"a", b"b", b"c")


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"From: a\r\nSubject: b\r\n c\r\n\td\r\n\r\nBody: x", {b"from": [b"a"], b"subject": [b"b c\td"]}),
        (b"A: 1\nA: 2\n\nx", {b"a": [b"1", b"2"]}),
        (b"A: 1\rB: 2\r\rC: 3", {b"a": [b"1"], b"b": [b"2"]}),
        (b"From jane@example.com Mon Jan  1 10:00:00 2024\nA : 1\n\n", {b"a": [b"1"]}),
        (b"A: 1\njunk in the midst\nB: 2\n\nC: 3", {b"a": [b"1"], b"b": [b"2"]}),
        (b"A: 1\nHello without an empty line\nbye\n\nC: 3", {b"a": [b"1"]}),
        (b"A: 1\n--boundary\nB: 2\n\nC: 3", {b"a": [b"1"]}),
        (b"A:\n\n", {b"a": [b""]}),
        (b"\nA: 1\n", {}),
        (b"A: 1\nB: 2\n\r\nC: 3", {b"a": [b"1"], b"b": [b"2"]}),
        (b"A: 1\r\nB: 2\r\r\n\n C: 3", {b"a": [b"1"], b"b": [b"2"]}),
        (b"A: 1\nB: 2", {b"a": [b"1"], b"b": [b"2"]}),
        (b"no header at all", {}),
        (b"", {}),
        (b"Subject: \xb0\xa1\n\n", {b"subject": [b"\xb0\xa1"]}),
    ],
)
def test_fields_are_unfolded_and_raw(raw: bytes, fields: Fields) -> None:
    assert header(raw, *NAMES) == (fields, True)


def test_fields_that_are_not_asked_for_are_left() -> None:
    assert header(b"A: 1\nB: 2\nC: 3\n\n", b"b") == ({b"b": [b"2"]}, True)


def test_a_header_is_bounded_in_fields_and_bytes() -> None:
    fields, whole = header(b"A: 1\n" * 5_000 + b"\nbody", b"a")
    assert (len(fields[b"a"]), whole) == (1_000, False)
    recipients = b", ".join(b"person%d@example.com" % number for number in range(80_000))
    fields, whole = header(b"To: " + recipients + b"\n\nbody", b"to")
    (value,) = fields[b"to"]
    assert not whole
    assert len(value) <= 1024 * 1024
    assert value.endswith(b"@example.com")


# --- charsets: ordinary mail first


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        ("안녕하세요, 견적서", "utf-8", "UTF-8"),
        ("안녕하세요, 견적서", "euc-kr", "euc-kr"),
        ("뷁 똠방각하 펲시", "cp949", "ks_c_5601-1987"),
        ("뷁 똠방각하 펲시", "cp949", "EUC-KR"),
        ("뷁 똠방각하 펲시", "cp949", "windows-949"),
        ("뷁 똠방각하 펲시", "cp949", "x-windows-949"),
        ("안녕", "iso2022_kr", "iso-2022-kr"),
        ("镕 朱镕基 价格表", "gb18030", "gb2312"),
        ("镕 朱镕基 价格表", "gbk", "x-gbk"),
        ("😀 价格表", "gb18030", "GB18030"),
        ("價格表 您好", "big5", "big5"),
        ("お見積書", "iso2022_jp", "ISO-2022-JP"),
        ("お見積書 ①髙～", "cp932", "Shift_JIS"),
        ("お見積書 ①髙", "cp932", "windows-31j"),
        ("お見積書", "euc_jp", "euc-jp"),
        ("Größe – „gut“ €", "cp1252", "iso-8859-1"),
        ("Größe – „gut“ €", "cp1252", "Windows-1252"),
        ("Größe €", "iso8859_15", "iso-8859-15"),
        ("Żółć", "iso8859_2", "iso-8859-2"),
        ("Привет", "koi8_r", "KOI8-R"),
        ("Привет", "cp1251", "windows-1251"),
        ("สวัสดี", "cp874", "windows-874"),
        ("שלום", "iso8859_8", "iso-8859-8-i"),
        ("naïve", "utf-8", '"utf8"'),
        ("naïve", "utf-8", "utf-8*en"),
        ("hello 가", "utf-16", "utf-16"),
    ],
)
def test_a_labelled_text_is_decoded_without_repair(text: str, codec: str, label: str) -> None:
    assert decode_charset(text.encode(codec), label) == (text, None)


def test_iso_2022_jp_may_hold_the_characters_of_code_page_932() -> None:
    # JIS row 13 (NEC) and row 115-119 as Windows writes them; also half-width katakana.
    assert decode_charset(b"\x1b$B-!-5|b\x1b(B No.\x1b(I1\x1b(B", "iso-2022-jp") == ("①Ⅰ髙 No.ｱ", None)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("안녕하세요, 견적서 보내드립니다", "utf-8"),
        ("안녕하세요, 견적서 보내드립니다", "cp949"),
        ("견적서", "cp949"),
        ("您好，我们的价格表在附件里，谢谢", "gb18030"),
        ("您好，我們的價格表在附件裡，謝謝", "big5"),
        ("お世話になっております。見積書をお送りします。", "cp932"),
        ("お世話になっております。", "iso2022_jp"),
        ("Die Größe des Gebäudes, schöne Grüße", "cp1252"),
        ("déjà vu à l’hôtel — 100 €", "cp1252"),
    ],
)
@pytest.mark.parametrize("label", [None, "unknown-8bit", "us-ascii", "x-nonsense"])
def test_without_a_usable_label_the_charset_is_guessed(text: str, codec: str, label: str | None) -> None:
    found, repair = decode_charset(text.encode(codec), label)
    assert found == text
    assert repair == (None if label is None and codec == "utf-8" else f"charset:{label or 'missing'}")


def test_a_wrong_label_is_found_out() -> None:
    assert decode_charset("안녕하세요 견적서".encode("cp949"), "utf-8") == (
        "안녕하세요 견적서",
        "charset:utf-8",
    )


def test_one_broken_character_is_shown_as_such() -> None:
    data = ("안녕하세요" * 10).encode() + b"\xea"
    assert decode_charset(data, "utf-8") == ("안녕하세요" * 10 + "\ufffd", "charset:utf-8")


def test_utf_7_is_never_decoded() -> None:
    assert decode_charset(b"+ADw-script+AD4-", "utf-7") == ("+ADw-script+AD4-", "charset:utf-7")


@pytest.mark.parametrize(
    "label", ["unicode_escape", "punycode", "idna", "rot13", "base64", "hex", "undefined", "mbcs"]
)
def test_python_codecs_that_are_no_charsets_are_not_used(label: str) -> None:
    assert decode_charset(b"\\ud800 abc", label)[0] == "\\ud800 abc"


LABELS = st.sampled_from(
    [
        "",
        "utf-8",
        "utf-16",
        "utf-32",
        "utf-7",
        "euc-kr",
        "gb2312",
        "big5",
        "iso-2022-jp",
        "iso-2022-kr",
        "hz",
        "shift_jis",
        "iso-8859-1",
        "johab",
        "euc-jp",
        "cp437",
        "koi8-r",
    ]
) | st.text(max_size=20)
MAIL_BYTES = st.binary(max_size=60) | st.lists(
    st.sampled_from(
        [
            b"\x1b$B",
            b"\x1b(B",
            b"\x1b(I",
            b"\x1b$(D",
            b"\x1b$)C",
            b"\x0e",
            b"~{",
            b"\0",
            b"\xed\xa0\x80",
            b"\x00\xd8",
            b'$"',
            b"\n",
            b"\xff",
        ]
    )
).map(b"".join)


@given(MAIL_BYTES, st.none() | LABELS)
def test_any_bytes_become_text_that_a_database_takes(data: bytes, label: str | None) -> None:
    text, repair = decode_charset(data, label)
    assert "\0" not in text
    assert text.encode("utf-8") is not None
    assert repair is None or repair.startswith("charset:")


# --- encoded words


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Hello", "Hello"),
        (b"=?utf-8?B?7JWI64WV?=", "안녕"),
        (b"=?UTF-8?q?Gr=C3=B6=C3=9Fe_1?= = 2", "Größe 1 = 2"),
        (word("ks_c_5601-1987", "뷁 똠".encode("cp949")), "뷁 똠"),
        (word("gb2312", "镕".encode("gbk")), "镕"),
        (word("iso-2022-jp", b"\x1b$B-!\x1b(B"), "①"),
        (b"=?iso-8859-1?Q?=80uro?=", "€uro"),
        (b"Re: =?utf-8?Q?a?= b =?utf-8?Q?c?=", "Re: a b c"),
        (b"=?utf-8?Q?a?=  =?utf-8?Q?b?=", "ab"),
        (b"=?utf-8?Q?a?==?utf-8?Q?b?=x", "abx"),
        (b"=?utf-8?Q?=EA=B0?= =?UTF-8?B?gA==?=", "가"),
        (word("euc-kr", b"\xb0") + b" " + word("EUC-KR", b"\xa1"), "가"),
        (b"=?utf-8?B?6rC?= =?utf-8?B?A?=", "가"),
        (word("euc-kr", b"\xb0\xa1") + b" " + word("utf-8", "나".encode()), "가나"),
        (b'"=?utf-8?Q?Jane_=C3=96?=" x', '"Jane Ö" x'),
        (b"=?utf-8*de?Q?=C3=96?=", "Ö"),
        (b"=?utf-8?Q?never closed", "=?utf-8?Q?never closed"),
        (b"=?utf-8?Q?open =?utf-8?Q?shut?=", "=?utf-8?Q?open shut"),
        (b"=?utf-8?X?a?= =??Q?b?=", "=?utf-8?X?a?= =??Q?b?="),
        (b"=?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        ("안녕하세요".encode(), "안녕하세요"),
    ],
)
def test_words_are_decoded(raw: bytes, text: str) -> None:
    assert decode_words(raw) == (text, [])


@pytest.mark.parametrize(
    ("raw", "text", "repairs"),
    [
        ("안녕하세요 견적서".encode("cp949"), "안녕하세요 견적서", ["charset:missing"]),
        (b"=?x-unknown?Q?caf=E9?=", "café", ["charset:x-unknown"]),
        (b"\x1b$B8+@Q=q\x1b(B", "見積書", ["charset:missing"]),
    ],
)
def test_what_had_to_be_guessed_is_told(raw: bytes, text: str, repairs: list[str]) -> None:
    assert decode_words(raw) == (text, repairs)


@given(
    st.text(max_size=30),
    st.sampled_from(["utf-8", "cp949", "gb18030", "iso2022_jp", "cp932", "cp1252"]),
    st.integers(1, 9),
)
def test_a_text_cut_anywhere_into_words_comes_back(text: str, codec: str, length: int) -> None:
    text = " ".join("".join(character for character in text if character.isprintable()).split())
    data = text.encode(codec, "ignore")
    if codec == "iso2022_jp":
        length = max(1, len(data))
    words = b" ".join(
        word(codec.replace("_", "-"), data[at : at + length]) for at in range(0, len(data), length)
    )
    # What says to be windows-1252, and is UTF-8, is that.
    assume(codec != "cp1252" or data.isascii() or "\ufffd" in data.decode("utf-8", "replace"))
    expected = data.decode(codec).strip()
    if codec == "iso2022_jp":
        expected = expected.translate(str.maketrans("〜‖−¢£¬", "～∥－￠￡￢"))
    assert decode_words(words)[0].replace("\ufeff", "") == expected.replace("\ufeff", "")


@given(
    st.lists(
        st.sampled_from([b"=?", b"?=", b"utf-8", b"?q?", b"?B?", b"=EA", b" ", b"\0", b"\xed\xa0\x80", b"x"])
        | st.binary(max_size=3)
    ).map(b"".join)
)
def test_any_value_is_one_line_of_text(raw: bytes) -> None:
    text, _ = decode_words(raw)
    assert not any(ord(character) < 32 for character in text)
    assert text.encode("utf-8") is not None


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (b"SGVsbG8=", (b"Hello", True)),
        (b"SGVs\r\nbG8=\r\n", (b"Hello", True)),
        (b"SGVsbG8", (b"Hello", False)),
        (b"SGVsbG8hA", (b"Hello!", False)),
        (b"", (b"", True)),
    ],
)
def test_base64_is_kept_as_far_as_it_goes(data: bytes, result: tuple[bytes, bool]) -> None:
    assert decode_base64(data) == result


@given(st.binary(max_size=200), st.sampled_from([b"\n", b"\r\n"]))
def test_the_size_of_sound_base64_is_known_without_decoding_it(data: bytes, end: bytes) -> None:
    assert base64_size(encodebytes(data).replace(b"\n", end)) == len(data)


@given(st.text("Ab1+/=\r\n -", max_size=20).map(str.encode))
def test_other_base64_has_no_size_or_the_right_one(data: bytes) -> None:
    decoded, whole = decode_base64(data)
    assert base64_size(data) in ((None, len(decoded)) if whole else (None,))


@pytest.mark.parametrize("data", [b"QUJD*", b"QUI", b"QQ=\n=", b"QQ==QUJD", b"QUJD QUJD", b"Q==="])
def test_base64_that_is_not_sound_must_be_decoded(data: bytes) -> None:
    assert base64_size(data) is None


# --- ids and dates


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("<a@example.com>", ("a@example.com",)),
        ("<a@example.com> <b@example.com>\t<a@example.com>", ("a@example.com", "b@example.com")),
        ("Your message of Monday <a@example.com> (comment)", ("a@example.com",)),
        ("<a b@ example.com>", ("ab@example.com",)),
        ("<a@[x>", ("a@[x",)),
        ("a@example.com", ("a@example.com",)),
        ("a@example.com, b@example.com", ("a@example.com", "b@example.com")),
        ("message of jane@example.com", ()),
        ("<> <", ()),
        ("<a\r\n@example.com> <b\x01@example.com> <c\x85@x> <d@example.com>", ("d@example.com",)),
        ("<" + "a" * 999 + ">", ()),
        ("", ()),
    ],
)
def test_ids_are_read_without_brackets(value: str, ids: tuple[str, ...]) -> None:
    assert message_ids(value) == ids


@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_an_id_without_brackets_is_read_whatever_the_line_end(line: bytes) -> None:
    assert identify(b"Message-ID: a@example.com" + line + line)[0] == "a@example.com"


def test_only_the_last_thousand_ids_are_kept() -> None:
    ids = message_ids(" ".join(f"<{number}@example.com>" for number in range(5_000)))
    assert len(ids) == 1_000
    assert ids[-1] == "4999@example.com"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Mon, 1 Jan 2024 10:00:00 +0900", (2024, 1, 1, 1, 0, 0)),
        ("1 Jan 2024 10:00:00 -0000", (2024, 1, 1, 10, 0, 0)),
        ("Mon, 01 Jan 24 10:00 GMT", (2024, 1, 1, 10, 0, 0)),
        ("Mon, 1 Jan 2024 10:00:00 EST", (2024, 1, 1, 15, 0, 0)),
        ("Mon, 1 Jan 2024 10:00:00 +0900 (KST)", (2024, 1, 1, 1, 0, 0)),
        ("Sat, 31 Dec 2016 23:59:60 +0000", (2016, 12, 31, 23, 59, 59)),
        ("2024-01-01T10:00:00+09:00", (2024, 1, 1, 1, 0, 0)),
        ("2024-01-01 10:00:00 +0900", (2024, 1, 1, 1, 0, 0)),
        ("2024-01-01 10:00", (2024, 1, 1, 10, 0, 0)),
    ],
)
def test_a_date_is_read_in_utc(value: str, moment: tuple[int, int, int, int, int, int]) -> None:
    assert parse_date(value) == datetime(*moment, tzinfo=UTC)


@given(
    st.tuples(
        st.sampled_from(["Mon, ", "Xyz, ", ""]),
        st.integers(0, 40),
        st.sampled_from([" Jan ", " Feb ", " Dec ", " Abc "]),
        st.sampled_from(["2024", "1969", "2100", "0000"]),
        st.sampled_from([" 00:00:00", " 23:59:60", " 24:00:00", " 10:61:10"]),
        st.sampled_from([" +0000", " -0730", " +2359", " -9999", ""]),
        st.sampled_from([" (KST)", " (", ""]),
    )
)
def test_a_usual_date_is_read_as_the_standard_library_reads_it(pieces: tuple[object, ...]) -> None:
    value = "".join(map(str, pieces))
    # Small letters are not usual.
    assert parse_date(value) == parse_date(value.lower())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "Mon, 1 Jan 2024 10:00:00 +9999",
        "1 Jan 1900 10:00:00 +0000",
        "1 Jan 2101 00:00:00 +0000",
        "Thu, 1 Jan 1970 00:00:00 +0900",
        "32 Jan 2024 10:00:00",
        "1 Jan 2024 99:00:00",
        "9" * 5000,
        "2024-13-01 10:00",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_date(value) is None


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(["Mon,", "1", "Jan", "2024", "10:00:00", "+0900", "-9999", ":", "99999999999", "٣"])
    ).map(" ".join)
)
def test_any_date_is_a_moment_of_our_time_or_none(value: str) -> None:
    moment = parse_date(value)
    assert moment is None or (moment.tzinfo is UTC and 1970 <= moment.year <= 2100)


def test_a_header_is_identified_by_id_and_date() -> None:
    block = b"Subject: x\r\nDate: Mon, 1 Jan 2024 10:00:00 +0900\r\nMessage-Id:\r\n <a@example.com>\r\n\r\n"
    assert identify(block) == ("a@example.com", datetime(2024, 1, 1, 1, tzinfo=UTC))
    assert identify(b"") == (None, None)
    assert identify(b"\r\nMessage-ID: <in-the-body@example.com>") == (None, None)

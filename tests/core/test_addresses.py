import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.addresses import Mailbox, normalise, parse_mailboxes, without_tag


def box(name: str, address: str) -> Mailbox:
    return Mailbox(name=name, address=address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jane@example.com", "jane@example.com"),
        (" Jane.Doe@Example.COM\n", "jane.doe@example.com"),
        ("jane+deal42@example.com", "jane+deal42@example.com"),
        ("kim@한국.kr", "kim@xn--3e0b707e.kr"),
        ("jane@MÜNCHEN.example", "jane@xn--mnchen-3ya.example"),
        ("jane@xn--mnchen-3ya.example", "jane@xn--mnchen-3ya.example"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("..dots..@example.com", "..dots..@example.com"),
        ('"jane"@example.com', "jane@example.com"),
        ('"Jane Doe"@example.com', '"jane doe"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("jane@[192.0.2.1]", "jane@[192.0.2.1]"),
        ("jane@example.com.", "jane@example.com"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_address_is_normalised(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "jane",
        "jane@",
        "@example.com",
        "jane doe@example.com",
        "a@b@example.com",
        "jane@exa mple.com",
        "jane@-example.com",
        "jane@example..com",
        "<jane@example.com>",
        "jane@example.com\nx",
        "ja\0ne@example.com",
        "jane@☃\u200d.example",
        "j" * 400 + "@example.com",
        "jane@" + "a" * 64 + ".com",
        "jane@" + "a." * 200 + "com",
        "ja\ud800ne@example.com",
        '"jane@example.com',
        "jane@[300",
        "jane,x@example.com",
        "jane@한" + "국" * 300 + ".kr",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert normalise(text) is None


@given(st.text(max_size=30) | st.builds("{}@{}".format, st.text(max_size=12), st.text(max_size=12)))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    if once is not None:
        assert normalise(once) == once
        assert unicodedata.is_normalized("NFC", once)
        assert once.partition("@")[2].isascii() or '"' in once


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("jane+news@example.com", "jane@example.com"),
        ("jane+a+b@example.com", "jane@example.com"),
        ("jane@example.com", "jane@example.com"),
        ("+jane@example.com", "+jane@example.com"),
        ('"a+b c"@example.com', '"a+b c"@example.com'),
    ],
)
def test_a_tag_is_dropped(address: str, plain: str) -> None:
    assert without_tag(address) == plain


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        ("jane@example.com", [box("", "jane@example.com")]),
        ("Jane Doe <Jane@Example.com>", [box("Jane Doe", "jane@example.com")]),
        ('"Doe, Jane" <jane@example.com>', [box("Doe, Jane", "jane@example.com")]),
        ('"Jane \\"JD\\" Doe" <jane@example.com>', [box('Jane "JD" Doe', "jane@example.com")]),
        ("Doe, Jane <jane@example.com>", [box("Doe, Jane", "jane@example.com")]),
        ("jane@example.com (Jane (Doe))", [box("Jane (Doe)", "jane@example.com")]),
        ("Jane (sales) <jane@example.com>", [box("Jane", "jane@example.com")]),
        ("=?utf-8?B?6rmA7LKg7IiY?= <kim@example.kr>", [box("김철수", "kim@example.kr")]),
        ('"=?EUC-KR?B?seg=?= (Kim)" <kim@example.kr>', [box("김 (Kim)", "kim@example.kr")]),
        ("=?utf-8?Q?Doe,_Jane?= <jane@example.com>", [box("Doe, Jane", "jane@example.com")]),
        ("김철수 <kim@example.kr>", [box("김철수", "kim@example.kr")]),
        ("<@relay.example,@b.example:jane@example.com>", [box("", "jane@example.com")]),
        ('"Jane Doe"@example.com', [box("", '"jane doe"@example.com')]),
        ('X <"a, b"@example.com>', [box("X", '"a, b"@example.com')]),
        ("'jane@example.com' <jane@example.com>", [box("'jane@example.com'", "jane@example.com")]),
        ("(Jane <jane@example.com>", [box("Jane", "jane@example.com")]),
        ('"Jane <jane@example.com>', [box('"Jane', "jane@example.com")]),
        ("Jane @work <jane@example.com>", [box("Jane @work", "jane@example.com")]),
    ],
)
def test_one_mailbox_is_read_and_clear(value: str, mailboxes: list[Mailbox]) -> None:
    assert parse_mailboxes(value) == (tuple(mailboxes), False)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("", []),
        ("undisclosed-recipients:;", []),
        ("MAILER-DAEMON", []),
        (
            "a@example.com, B <b@example.com>,, c@example.com",
            ["a@example.com", "b@example.com", "c@example.com"],
        ),
        ("a@example.com; b@example.com", ["a@example.com", "b@example.com"]),
        ("A <a@example.com> =?utf-8?q?=2C?= B <b@example.com>", ["a@example.com", "b@example.com"]),
        (
            "Team: A <a@example.com>, b@example.com;, c@example.com",
            ["a@example.com", "b@example.com", "c@example.com"],
        ),
        ("ceo@corp.com <x@evil.com>", ["x@evil.com"]),
        ('"ceo@corp.com" <x@evil.com>', ["x@evil.com"]),
        ("ceo＠corp.com <x@evil.com>", ["x@evil.com"]),
        ("=?utf-8?Q?ceo=40corp.com?= <x@evil.com>", ["x@evil.com"]),
        ('"=?utf-8?Q?CEO_=3Cceo=40corp.com=3E?=" <x@evil.com>', ["x@evil.com"]),
        ("<ceo@corp.com> <x@evil.com>", ["x@evil.com"]),
        ("x@evil.com (ceo@corp.com)", ["x@evil.com"]),
        ("Jane (ceo@corp.com) <x@evil.com>", ["x@evil.com"]),
        ("ceo@corp.com: <x@evil.com>", ["ceo@corp.com", "x@evil.com"]),
        ("ceo@corp.com x@evil.com", ["x@evil.com"]),
        ("Jane <ceo@corp.com@evil.com>", []),
        ("Jane <not an address>, jane@", []),
        ("=?utf-8?B?S2ltIDxraW1AZXhhbXBsZS5rcj4=?=", ["kim@example.kr"]),
    ],
)
def test_anything_but_one_clear_mailbox_is_ambiguous(value: str, addresses: list[str]) -> None:
    mailboxes, ambiguous = parse_mailboxes(value)
    assert [mailbox.address for mailbox in mailboxes] == addresses
    assert ambiguous


def test_ten_thousand_recipients_are_read() -> None:
    value = ", ".join(f'"Person, {number}" <person{number}@example.com>' for number in range(10_000))
    mailboxes, _ = parse_mailboxes(value)
    assert len(mailboxes) == 10_000
    assert mailboxes[-1] == box("Person, 9999", "person9999@example.com")


@pytest.mark.parametrize(
    "piece", ["<", "(", '"', "\\", '"\\', "@", "=?", "=?a?q?", ",", ".", "(a", "a@b ", "<a@b", '(")']
)
def test_a_hostile_field_of_256_kilobytes_is_read(piece: str) -> None:
    mailboxes, ambiguous = parse_mailboxes(piece * (256 * 1024 // len(piece)))
    assert len(mailboxes) <= 1
    assert ambiguous


FIELD = st.lists(
    st.sampled_from(
        [
            '"',
            "\\",
            "<",
            ">",
            "(",
            ")",
            ",",
            ";",
            ":",
            "@",
            " ",
            "jane@example.com",
            "x@evil.com",
            "=?utf-8?q?",
            "?=",
            "=3C",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@given(FIELD)
def test_any_field_gives_normalised_addresses_and_clean_names(value: str) -> None:
    mailboxes, ambiguous = parse_mailboxes(value)
    for mailbox in mailboxes:
        assert normalise(mailbox.address) == mailbox.address
        assert mailbox.name.isprintable() or not any(ord(character) < 32 for character in mailbox.name)
        assert mailbox.name.encode("utf-8") is not None
    assert ambiguous or len(mailboxes) == 1


@given(st.sampled_from(["jane", "a.b", "x+y"]), st.text(alphabet='abc 가"(),<>@.', max_size=12))
def test_the_address_in_the_last_bracket_wins(local: str, name: str) -> None:
    quoted = '"' + name.replace('"', '\\"') + '"'
    mailboxes, _ = parse_mailboxes(f"{quoted} <{local}@example.com>")
    assert [mailbox.address for mailbox in mailboxes] == [f"{local}@example.com"]

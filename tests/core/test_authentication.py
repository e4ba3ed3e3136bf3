"""What is read of the topmost Authentication-Results, and that nothing below it is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.authentication import RESULTS_BYTES, Authentication, authentication
from mailcrm.core.mime import parse
from tests.core.messages import mail, part

pytestmark = pytest.mark.rule("trust-authentication")


def says(authserv_id: str, dmarc: str) -> Authentication:
    return Authentication(authserv_id=authserv_id, dmarc=dmarc)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8601, 2.2 and appendix B
        ("example.org 1; none", says("example.org", "")),
        ("example.com; spf=pass smtp.mailfrom=example.net", says("example.com", "")),
        ("Example.COM; dmarc=PASS header.from=example.net", says("example.com", "pass")),
        ("example.com;dmarc=fail", says("example.com", "fail")),
        ("example.com/1; dmarc/1 = none", says("example.com", "none")),
        (
            '(a (nested) one) "example.com" (b) 1; (c) dmarc (d) = (e) temperror',
            says("example.com", "temperror"),
        ),
        (
            "example.com; dkim=pass (not dmarc=fail; dmarc=fail) header.d=x.example; dmarc=pass",
            says("example.com", "pass"),
        ),
        ('example.com; spf=fail reason="; dmarc=pass" smtp.helo=x; dmarc=none', says("example.com", "none")),
        (r'example.com; spf=fail reason="a \" ; dmarc=pass" ; dmarc=none', says("example.com", "none")),
        (
            "example.com; arc=fail (i=1 dmarc=fail fromdomain=x.example); dmarc=pass",
            says("example.com", "pass"),
        ),
        ("example.com; x-dmarc=fail; policy.dmarc=fail", says("example.com", "")),
        # Gmail
        (
            (
                "mx.google.example;       dkim=pass header.i=@example.org header.s=s1 header.b=abc;"
                " spf=pass (google.example: domain of kim@example.org designates 192.0.2.1)"
                " smtp.mailfrom=kim@example.org; dmarc=fail (p=NONE dis=NONE) header.from=example.org"
            ),
            says("mx.google.example", "fail"),
        ),
        # Microsoft, without an id
        (
            (
                "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none (message not signed)"
                " header.d=none;dmarc=fail action=none header.from=example.org;compauth=fail reason=001"
            ),
            says("", "fail"),
        ),
        (
            "spf=none (x) smtp.mailfrom=a.example; b.example; dmarc=bestguesspass action=none",
            says("", "bestguesspass"),
        ),
        ("spf/1 = pass; dmarc=pass", says("", "pass")),
        # Yahoo
        (
            "mta1.example.com  from=example.org; domainkeys=neutral (no sig); dmarc=pass(p=REJECT)",
            says("mta1.example.com", "pass"),
        ),
        # Milters that forget semicolons, or add comments to the id
        ("mail.example.com (amavisd-new); dkim=pass, dmarc=pass", says("mail.example.com", "pass")),
        ("mail.example.com;", says("mail.example.com", "")),
        ("mail.example.com", says("mail.example.com", "")),
        ("한국.example; dmarc=pass", says("한국.example", "pass")),
        # An address with a bracket or a quotation mark hides nothing.
        (
            "example.com; spf=none smtp.mailfrom=x(@evil.example; dmarc=fail (p=none) header.from=a",
            says("example.com", "fail"),
        ),
        ('example.com; spf=none smtp.mailfrom=x"@evil.example; dmarc=fail', says("example.com", "fail")),
        ("example.com; spf=none smtp.mailfrom=x dmarc=pass y; dmarc=fail", says("example.com", "fail")),
        ("; dmarc=fail", says("", "fail")),
        ("mx\0.example; dmarc=pass", says("", "pass")),
        ("x" * 300 + "; dmarc=pass", says("", "pass")),
        ("example.com; dmarc=" + "x" * 300, says("example.com", "x" * 31)),
        ("", None),
        (" \t ", None),
    ],
)
def test_a_field_says_who_checked_and_what_of_dmarc(value: str, expected: Authentication | None) -> None:
    assert authentication(value.encode()) == expected


FIELD = b"Authentication-Results: mx.example.com;\r\n\tdmarc=fail\r\n\t(p=none) header.from=x.example"
FORGED = b"Authentication-Results: mx.example.com; dmarc=pass"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), ("", "")),
        ((FIELD,), ("mx.example.com", "fail")),
        ((FIELD.upper(),), ("mx.example.com", "fail")),
        ((FIELD, FORGED), ("mx.example.com", "fail")),
        ((b"Authentication-Results:", FORGED), ("", "")),
        ((b"ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass", FIELD), ("mx.example.com", "fail")),
        ((b"Authentication-Results-Original: mx.example.com; dmarc=pass",), ("", "")),
        ((b"Subject: x\r\n Authentication-Results: mx.example.com; dmarc=pass",), ("", "")),
    ],
)
def test_only_the_topmost_field_of_an_email_counts(
    fields: tuple[bytes, ...], expected: tuple[str, str]
) -> None:
    email = parse(mail(part("text/plain", FORGED), *fields))
    assert (email.authserv_id, email.dmarc) == expected


@pytest.mark.parametrize(
    "piece", ["(", ")", '"', r"\"", r"\(", "(a)", '("', "((", "dmarc ", "dmarc/1", ";", "a=", " ", "\\"]
)
def test_a_hostile_field_is_read_in_one_go(piece: str) -> None:
    # Quadratic time would take minutes for this.
    value = piece.encode() * (RESULTS_BYTES // len(piece)) + b"; dmarc=pass"
    assert authentication(value) is None or authentication(b"a; " + value)


@given(st.binary(max_size=200) | st.text('mx.dr=fail;"\\()/1 ', max_size=100).map(str.encode))
def test_no_field_is_too_broken(value: bytes) -> None:
    read = authentication(value)
    if read is not None:
        assert (read.authserv_id + read.dmarc).isprintable()
        assert len(read.authserv_id) <= 255
        assert len(read.dmarc) <= 31


@given(
    st.sampled_from(["pass", "fail", "none", "permerror"]), st.lists(st.sampled_from(["(c)", " ", "(a(b))"]))
)
def test_comments_and_blanks_change_nothing(result: str, between: list[str]) -> None:
    gap = "".join(between)
    value = f"{gap}mx.example.com{gap or ' '}1{gap};{gap}dmarc{gap}={gap}{result}{gap}; spf=pass"
    assert authentication(value.encode()) == says("mx.example.com", result)

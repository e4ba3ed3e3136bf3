"""Names of hosts and their registrable domains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.providers.domains import host_name, registrable, same_registrable


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IMAP.Example.com.", "imap.example.com"),
        ("메일.한국.kr", "xn--h32bq4v.xn--3e0b707e.kr"),
        ("example.xn--3e0b707e", "example.xn--3e0b707e"),
        ("1.example.com", "1.example.com"),
        ("localhost", None),
        ("192.168.0.1", None),
        ("example.com\n", None),
        ("example.com..", None),
        ("a_b.example.com", None),
    ],
)
def test_a_host_name_is_full_and_in_ascii(text: str, name: str | None) -> None:
    assert host_name(text) == name


@given(st.text(max_size=300))
def test_what_is_a_host_name_stays_one(text: str) -> None:
    name = host_name(text)
    assert name is None or host_name(name) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("imap.example.com", "example.com", True),
        ("imap.example.co.kr", "example.co.kr", True),
        ("imap.other.co.kr", "example.co.kr", False),
        ("example.com", "example.org", False),
        ("one.github.io", "two.github.io", False),
        ("mail.xn--3e0b707e.kr", "xn--3e0b707e.kr", True),
        ("co.kr", "co.kr", False),
        ("notexample.com", "example.com", False),
    ],
)
def test_hosts_belong_together_when_one_registrant_has_both(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a row of the table
    assert same_registrable(one, other) is same


def test_a_public_suffix_belongs_to_nobody() -> None:
    assert registrable("co.kr") is None

"""What may be said of a store's address: never a piece of its password."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.store.location import shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////home/ann@work/mail.db", "sqlite:////home/ann@work/mail.db"),
        ("mail.db", "mail.db"),
        ("postgresql://db.example.com/crm", "postgresql://db.example.com/crm"),
        ("postgresql://ann@db.example.com:5433/crm", "postgresql://ann@db.example.com:5433/crm"),
        ("postgresql://ann:secret@db.example.com/crm", "postgresql://ann@db.example.com/crm"),
        ("postgres://:secret@db.example.com/crm", "postgres://@db.example.com/crm"),
        ("postgresql://ann@db/crm?password=secret&sslmode=require", "postgresql://ann@db/crm"),
        ("postgresql:///crm?user=ann&password=secret", "postgresql:///crm"),
        ("postgresql://ann:s3@cret@db.example.com/crm", "postgresql://ann@db.example.com/crm"),
        ("postgresql://ann:s3/cret@db.example.com/crm", "postgresql://ann@db.example.com/crm"),
        ("postgresql://ann:s3?cret@db.example.com/crm", "postgresql://ann@…"),
        ("postgresql://ann:s@3?cret@db.example.com/crm", "postgresql://ann@…"),
        ("postgresql://ann@db/crm?password=s3@cret", "postgresql://ann@…"),
    ],
)
def test_an_address_is_shown_without_password_and_query(url: str, told: str) -> None:
    assert shown(url) == told


@given(
    # Capitals stand in no other part of the address.
    password=st.text(alphabet=string.ascii_uppercase + "@:/?#&=%[]", min_size=1),
    tail=st.sampled_from(["", "?sslmode=require", "?password={}", "?user=ann&password={}&x=y"]),
)
def test_no_piece_of_a_password_is_shown_however_badly_it_is_escaped(password: str, tail: str) -> None:
    told = shown(f"postgresql://ann:{password}@db.example.com/crm{tail.format(password)}")
    assert not set(told) & set(string.ascii_uppercase)
    assert told.startswith("postgresql://ann@")

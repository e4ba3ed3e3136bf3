"""Keeping tokens as a text."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.errors import CredentialMissing
from mailcrm.oauth2.tokens import Tokens

TOKENS = Tokens(
    access_token="ya29.access",
    refresh_token="1//refresh",
    expires_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    token_endpoint="https://login.example.com/token",
    client_id="a-client",
)


def test_tokens_come_back_as_they_were() -> None:
    assert Tokens.from_json(TOKENS.to_json()) == TOKENS
    bare = Tokens(
        access_token="a", refresh_token=None, expires_at=None, token_endpoint="https://e/", client_id="c"
    )
    assert Tokens.from_json(bare.to_json()) == bare
    dead = replace(TOKENS, refusal="It expired.")
    assert Tokens.from_json(dead.to_json()) == dead


def test_tokens_that_were_kept_before_there_were_refusals_are_read() -> None:
    kept = json.loads(TOKENS.to_json())
    del kept["refusal"]
    assert Tokens.from_json(json.dumps(kept)) == TOKENS


def test_tokens_are_in_no_repr() -> None:
    assert "ya29.access" not in repr(TOKENS)
    assert "1//refresh" not in repr(TOKENS)


@pytest.mark.parametrize(
    "key", ["access_token", "refresh_token", "expires_at", "token_endpoint", "client_id"]
)
def test_a_piece_that_is_missing_asks_for_a_sign_in(key: str) -> None:
    kept = json.loads(TOKENS.to_json())
    del kept[key]
    with pytest.raises(CredentialMissing, match="cannot be read"):
        Tokens.from_json(json.dumps(kept))


@pytest.mark.parametrize("key", sorted(json.loads(TOKENS.to_json())))
@pytest.mark.parametrize("value", [1, [], False])
def test_a_piece_of_another_type_asks_for_a_sign_in(key: str, value: object) -> None:
    kept = json.loads(TOKENS.to_json()) | {key: value}
    with pytest.raises(CredentialMissing, match="cannot be read"):
        Tokens.from_json(json.dumps(kept))


def test_a_time_without_a_zone_is_none() -> None:
    text = TOKENS.to_json().replace("+00:00", "")
    with pytest.raises(CredentialMissing, match="cannot be read"):
        Tokens.from_json(text)


@given(
    st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5).map(json.dumps)
)
def test_no_other_text_is_tokens_and_none_is_repeated(text: str) -> None:
    with pytest.raises(CredentialMissing) as told:
        Tokens.from_json(text)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__

"""Getting and renewing tokens at a real authorization server over TLS."""

from datetime import UTC, datetime, timedelta

import pytest

from mailcrm.core.errors import SignInFailed, SignInNeeded
from mailcrm.oauth2.grants import begin, redeem, refresh
from mailcrm.oauth2.issuers import Issuer
from mailcrm.oauth2.tokens import Tokens
from tests.servers.authorization import AuthorizationServer

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def signed_in(server: AuthorizationServer, here: Issuer) -> Tokens:
    asked = begin(here, "ann@example.com", 4711)
    return redeem(here, asked, server.consent(asked.url), NOW)


def test_a_consent_becomes_tokens(server: AuthorizationServer, here: Issuer) -> None:
    tokens = signed_in(server, here)
    assert tokens.access_token
    assert tokens.refresh_token
    assert tokens.expires_at == NOW + timedelta(hours=1)
    assert (tokens.token_endpoint, tokens.client_id) == (server.token_endpoint, server.client_id)


def test_a_refresh_keeps_the_refresh_token_when_none_comes(server: AuthorizationServer, here: Issuer) -> None:
    first = signed_in(server, here)
    second = refresh(here, first, NOW + timedelta(hours=1))
    assert second.access_token != first.access_token
    assert second.refresh_token == first.refresh_token
    assert second.expires_at == NOW + timedelta(hours=2)


def test_a_rotated_refresh_token_replaces_the_old_one(server: AuthorizationServer, here: Issuer) -> None:
    server.rotate = True
    first = signed_in(server, here)
    second = refresh(here, first, NOW)
    assert second.refresh_token != first.refresh_token
    assert refresh(here, second, NOW).access_token
    with pytest.raises(SignInNeeded):
        refresh(here, first, NOW)


def test_a_wrong_verifier_is_refused(server: AuthorizationServer, here: Issuer) -> None:
    asked, other = begin(here, "", 4711), begin(here, "", 4711)
    code = server.consent(asked.url).partition("code=")[2].partition("&")[0]
    with pytest.raises(SignInFailed, match="PKCE verification failed"):
        redeem(here, other, code, NOW)

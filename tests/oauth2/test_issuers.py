"""What is known of issuers, and what a person may say of them."""

from dataclasses import replace
from typing import Any

import pytest

from mailcrm.commands.oauth_setup import STEPS
from mailcrm.config import OAuth2Client
from mailcrm.core.errors import ConfigError
from mailcrm.oauth2.issuers import FIXED_PORT, KNOWN, Issuer, issuer
from mailcrm.providers.presets import ISSUERS

CLIENT = OAuth2Client(client_id="a-client")
OWN = OAuth2Client(
    client_id="a-client",
    authorization_endpoint="https://login.example.com/authorize",
    token_endpoint="https://login.example.com/token",
    scopes=("mail",),
)


@pytest.mark.parametrize("name", KNOWN)
def test_a_client_id_is_all_that_a_known_issuer_needs(name: str) -> None:
    made = issuer(name, CLIENT, "a-secret")
    assert (made.name, made.client_id, made.client_secret) == (name, "a-client", "a-secret")
    assert "a-secret" not in repr(made)
    assert "{" not in made.authorization_endpoint + made.token_endpoint
    assert made.redirect_uri.replace("{port}", "4711") in {
        "http://127.0.0.1:4711",
        "http://127.0.0.1:4711/",
        "http://localhost:4711",
    }


def test_every_issuer_that_is_known_can_be_named_and_set_up() -> None:
    assert tuple(KNOWN) == ISSUERS
    assert tuple(STEPS) == ISSUERS


def test_no_client_is_shipped() -> None:
    assert not any(hasattr(known, "client_id") for known in KNOWN.values())


def test_microsoft_has_a_tenant() -> None:
    assert "/common/" in issuer("microsoft", CLIENT, None).token_endpoint
    for tenant in (
        "consumers",
        "organizations",
        "contoso.example.com",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
    ):
        made = issuer("microsoft", replace(CLIENT, tenant=tenant), None)
        for endpoint in (
            made.authorization_endpoint,
            made.token_endpoint,
            made.device_authorization_endpoint,
        ):
            assert endpoint is not None
            assert endpoint.startswith(f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/")


@pytest.mark.parametrize("tenant", ["", "a/b", "..", "a?b", "a b", "-", "a" * 254, "{port}", "é", "@x"])
def test_a_tenant_is_no_piece_of_an_address(tenant: str) -> None:
    with pytest.raises(ConfigError, match=r"oauth2\.microsoft\.tenant"):
        issuer("microsoft", replace(CLIENT, tenant=tenant), None)


def test_another_issuer_has_no_tenant() -> None:
    with pytest.raises(ConfigError, match=r"oauth2\.google\.tenant is for microsoft only"):
        issuer("google", replace(CLIENT, tenant="common"), None)


def test_an_issuer_that_compares_the_redirect_uri_has_one_port() -> None:
    assert issuer("yandex", CLIENT, None).redirect_port == FIXED_PORT
    assert issuer("yandex", replace(CLIENT, redirect_port=8080), None).redirect_port == 8080
    assert issuer("google", CLIENT, None).redirect_port is None


def test_the_person_says_what_is_not_known() -> None:
    assert issuer("ours", OWN, None) == Issuer(
        name="ours",
        client_id="a-client",
        client_secret=None,
        authorization_endpoint="https://login.example.com/authorize",
        token_endpoint="https://login.example.com/token",
        device_authorization_endpoint=None,
        scopes=("mail",),
        redirect_uri="http://127.0.0.1:{port}/",
        redirect_port=None,
        parameters={},
        ca_file=None,
    )


def test_what_the_person_says_goes_before_what_is_known() -> None:
    made = issuer("google", replace(OWN, ca_file="ours.pem"), None)
    assert made.token_endpoint == "https://login.example.com/token"
    assert made.scopes == ("mail",)
    assert made.ca_file == "ours.pem"


def test_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        issuer("ours", CLIENT, None)
    for key in ("authorization_endpoint", "token_endpoint", "scopes"):
        assert f"oauth2.ours.{key} is missing" in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/token",
        "login.example.com/token",
        "https:///token",
        "https://login.example.com:x/",
        "https://login.example.com:0/",
        "https://user@login.example.com/",
        "https://login.example.com/#x",
        "https://login.example.com/a b",
        "https://[::1",
        "https://login.example.com/\n",
        "https://é.example.com/",
    ],
)
@pytest.mark.parametrize("key", ["authorization_endpoint", "token_endpoint", "device_authorization_endpoint"])
def test_an_endpoint_is_an_https_address(key: str, url: Any) -> None:
    with pytest.raises(
        ConfigError, match=rf"oauth2\.ours\.{key} must be an address that begins with https://"
    ):
        issuer("ours", replace(OWN, **{key: url}), None)


@pytest.mark.parametrize("client_id", ["", "a b", "a\n", "é"])
def test_a_client_id_is_ascii(client_id: str) -> None:
    with pytest.raises(ConfigError, match=r"oauth2\.ours\.client_id"):
        issuer("ours", replace(OWN, client_id=client_id), None)


@pytest.mark.parametrize("scopes", [("a b",), ("",), ('"',), ("a\n",)])
def test_a_scope_is_one_word(scopes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"oauth2\.ours\.scopes"):
        issuer("ours", replace(OWN, scopes=scopes), None)


@pytest.mark.parametrize("port", [0, 65_536])
def test_a_port_is_one(port: int) -> None:
    with pytest.raises(ConfigError, match=r"oauth2\.ours\.redirect_port"):
        issuer("ours", replace(OWN, redirect_port=port), None)

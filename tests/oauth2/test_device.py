"""Signing in with a code that is typed at another device (RFC 8628)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.errors import ConnectError, MailcrmError, ProtocolError, SignInFailed
from mailcrm.oauth2.grants import DeviceCode, ask_device, wait_for_device
from mailcrm.oauth2.issuers import Issuer, issuer
from mailcrm.oauth2.tokens import Tokens
from tests.servers.authorization import LOG_IN_PAGE, AuthorizationServer, Raw

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Clock:
    """Time that passes by sleeping only; `at` says what happens at which of the naps."""

    def __init__(self, at: dict[int, Callable[[], object]] | None = None) -> None:
        self.naps: list[float] = []
        self._at = at or {}

    def now(self) -> datetime:
        return START + timedelta(seconds=sum(self.naps))

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._at.get(len(self.naps), lambda: None)()


def wait(here: Issuer, code: DeviceCode, clock: Clock) -> Tokens:
    return wait_for_device(here, code, clock=clock.now, sleep=clock.sleep)


def says(answer: object, status: int = 200) -> Raw:
    return Raw(status=status, body=json.dumps(answer).encode())


def test_a_typed_code_becomes_tokens(server: AuthorizationServer, here: Issuer) -> None:
    code = ask_device(here)
    assert code.verification_uri == f"{server.base}/device"
    assert code.device_code not in repr(code)
    clock = Clock({3: lambda: server.approve(code.user_code)})
    tokens = wait(here, code, clock)
    assert clock.naps == [5, 5, 5]
    assert tokens.refresh_token
    assert tokens.expires_at == clock.now() + timedelta(hours=1)
    assert server.asked["device_code"] == 3


def test_a_client_with_a_secret_proves_who_it_is_from_the_first_question(
    server: AuthorizationServer, here: Issuer
) -> None:
    server.client_secret = "client secret"
    known = replace(here, client_secret="client secret")
    code = ask_device(known)
    assert wait(known, code, Clock({1: lambda: server.approve(code.user_code)})).access_token
    with pytest.raises(SignInFailed, match="does not know the client"):
        ask_device(here)


def test_the_server_says_how_often_to_ask(server: AuthorizationServer, here: Issuer) -> None:
    server.device_interval, server.slow_downs = 2, 2
    code = ask_device(here)
    clock = Clock({3: lambda: server.approve(code.user_code)})
    assert wait(here, code, clock).access_token
    assert clock.naps == [2, 7, 12]


def test_a_person_may_say_no(server: AuthorizationServer, here: Issuer) -> None:
    server.user = None
    code = ask_device(here)
    with pytest.raises(SignInFailed, match="access was denied"):
        wait(here, code, Clock({2: lambda: server.approve(code.user_code)}))


def test_a_code_that_nobody_types_ends(server: AuthorizationServer, here: Issuer) -> None:
    server.device_lifetime = 60
    clock = Clock()
    with pytest.raises(SignInFailed, match="not used in time"):
        wait(here, ask_device(here), clock)
    assert clock.naps == [5] * 12


@pytest.mark.parametrize("error", ["expired_token", "code_expired"])
def test_the_server_may_end_it_sooner(server: AuthorizationServer, here: Issuer, error: str) -> None:
    code = ask_device(here)
    server.instead["/token"] = says({"error": error}, 400)
    clock = Clock()
    with pytest.raises(SignInFailed, match="not used in time"):
        wait(here, code, clock)
    assert clock.naps == [5]


def test_a_network_that_fails_is_asked_less_often(server: AuthorizationServer, here: Issuer) -> None:
    code = ask_device(here)
    server.instead["/token"] = replace(LOG_IN_PAGE, status=503)

    def mend() -> None:
        del server.instead["/token"]
        server.approve(code.user_code)

    clock = Clock({3: mend})
    assert wait(here, code, clock).access_token
    assert clock.naps == [5, 10, 20]


def test_a_page_is_no_token(server: AuthorizationServer, here: Issuer) -> None:
    code = ask_device(here)
    server.instead["/token"] = LOG_IN_PAGE
    with pytest.raises(ProtocolError, match="a network that wants you to log in first"):
        wait(here, code, Clock())


def test_a_secret_goes_with_the_question(server: AuthorizationServer) -> None:
    server.client_secret = "shh"
    here = issuer("here", server.client(), "shh")
    code = ask_device(here)
    assert wait(here, code, Clock({1: lambda: server.approve(code.user_code)})).access_token


def test_an_issuer_without_such_codes_is_told(here: Issuer) -> None:
    with pytest.raises(SignInFailed, match="does not sign in by a code"):
        ask_device(replace(here, device_authorization_endpoint=None))


def test_a_refusal_is_told(server: AuthorizationServer, here: Issuer) -> None:
    with pytest.raises(SignInFailed, match="does not know the client"):
        ask_device(replace(here, client_id="another"))
    with pytest.raises(SignInFailed, match="access that was asked for"):
        ask_device(replace(here, scopes=("everything",)))
    server.instead["/device_authorization"] = replace(LOG_IN_PAGE, status=503)
    with pytest.raises(ConnectError):
        ask_device(here)


GOOD: dict[str, Any] = {
    "device_code": "d",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://example.com/device",
    "expires_in": 900,
}


@pytest.mark.parametrize(
    ("changes", "interval", "expires_in"),
    [
        ({}, 5, 900),
        ({"interval": 0}, 5, 900),
        ({"interval": -1}, 5, 900),
        ({"interval": "7"}, 7, 900),
        ({"interval": 1e9, "expires_in": 1e9}, 60, 3600),
        ({"interval": None, "expires_in": None}, 5, 600),
        ({"verification_url": "https://example.com/old"}, 5, 900),
    ],
)
def test_times_are_bounded(
    server: AuthorizationServer, here: Issuer, changes: dict[str, Any], interval: int, expires_in: int
) -> None:
    server.instead["/device_authorization"] = says(GOOD | changes)
    code = ask_device(here)
    assert (code.interval, code.expires_in) == (interval, expires_in)
    assert code.verification_uri == "https://example.com/device"


def test_the_older_name_of_the_address_is_understood(server: AuthorizationServer, here: Issuer) -> None:
    old = {key.replace("_uri", "_url"): value for key, value in GOOD.items()}
    server.instead["/device_authorization"] = says(old)
    assert ask_device(here).verification_uri == "https://example.com/device"


@pytest.mark.parametrize(
    "changes",
    [
        {"verification_uri": "http://example.com/device"},
        {"verification_uri": "https://example.com/\x1b[2J"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": None},
        {"user_code": ""},
        {"user_code": "\x1b\x07"},
        {"user_code": 12},
        {"device_code": ""},
        {"device_code": None},
    ],
)
def test_a_code_that_cannot_be_shown_is_refused(
    server: AuthorizationServer, here: Issuer, changes: dict[str, Any]
) -> None:
    server.instead["/device_authorization"] = says(GOOD | changes)
    with pytest.raises(ProtocolError, match="without a code for the other device"):
        ask_device(here)


def test_a_complete_address_that_is_none_is_left_out(server: AuthorizationServer, here: Issuer) -> None:
    server.instead["/device_authorization"] = says(GOOD | {"verification_uri_complete": "file:///"})
    assert ask_device(here).verification_uri_complete is None
    server.instead["/device_authorization"] = says(
        GOOD | {"verification_uri_complete": "https://example.com/?c=1"}
    )
    assert ask_device(here).verification_uri_complete == "https://example.com/?c=1"


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "interval", "error", "verification_uri_complete"]),
        st.none() | st.text() | st.integers() | st.floats() | st.lists(st.text(), max_size=1),
    )
)
def test_any_json_is_a_code_or_an_error_of_ours(
    server: AuthorizationServer, here: Issuer, changes: dict[str, Any]
) -> None:
    server.instead["/device_authorization"] = says(GOOD | changes)
    match outcome(here):
        case DeviceCode() as code:
            assert code.user_code.isprintable()
            assert 1 <= code.interval <= 60
            assert 1 <= code.expires_in <= 3600
        case error:
            assert str(error).isprintable()


def outcome(here: Issuer) -> DeviceCode | MailcrmError:
    try:
        return ask_device(here)
    except MailcrmError as error:
        return error

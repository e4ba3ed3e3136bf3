"""Getting and renewing tokens at a real authorization server over TLS."""

import json
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.errors import (
    ConfigError,
    ConnectError,
    MailcrmError,
    ProtocolError,
    SignInFailed,
    SignInNeeded,
    UsageError,
)
from mailcrm.oauth2.grants import Asked, begin, redeem, refresh
from mailcrm.oauth2.issuers import Issuer, issuer
from mailcrm.oauth2.tokens import Tokens
from tests.servers.authorization import LOG_IN_PAGE, AuthorizationServer, Raw

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def signed_in(server: AuthorizationServer, here: Issuer) -> Tokens:
    asked = begin(here, "ann@example.com", 4711)
    return redeem(here, asked, server.consent(asked.url), NOW)


def says(answer: object, status: int = 200) -> Raw:
    return Raw(status=status, body=json.dumps(answer).encode())


# Authorization code with PKCE.


def test_a_consent_becomes_tokens(server: AuthorizationServer, here: Issuer) -> None:
    tokens = signed_in(server, here)
    assert tokens.access_token
    assert tokens.refresh_token
    assert tokens.expires_at == NOW + timedelta(hours=1)
    assert (tokens.token_endpoint, tokens.client_id) == (server.token_endpoint, server.client_id)


def test_the_request_has_what_the_standards_want(here: Issuer) -> None:
    google = replace(here, parameters={"access_type": "offline"}, scopes=("a", "b"))
    asked, another = begin(google, "ann@example.com", 4711), begin(google, "ann@example.com", 4711)
    query = {key: values[0] for key, values in parse_qs(urlsplit(asked.url).query).items()}
    challenge = query.pop("code_challenge")
    assert query == {
        "response_type": "code",
        "client_id": here.client_id,
        "redirect_uri": "http://127.0.0.1:4711/",
        "scope": "a b",
        "state": asked.state,
        "code_challenge_method": "S256",
        "login_hint": "ann@example.com",
        "access_type": "offline",
    }
    assert len(challenge) == 43
    assert asked.verifier not in asked.url
    assert asked.verifier not in repr(asked)
    assert (asked.state, asked.verifier) != (another.state, another.verifier)


def test_an_endpoint_may_have_a_query_of_its_own(here: Issuer) -> None:
    asked = begin(replace(here, authorization_endpoint="https://example.com/a?b=c"), "", 4711)
    assert asked.url.startswith("https://example.com/a?b=c&")


def test_a_secret_goes_with_the_code_and_the_refresh(server: AuthorizationServer) -> None:
    server.client_secret = "shh&="
    here = issuer("here", server.client(), "shh&=")
    assert refresh(here, signed_in(server, here), NOW).access_token
    with pytest.raises(SignInFailed, match="does not know the client"):
        signed_in(server, replace(here, client_secret="no"))


def test_a_wrong_verifier_is_refused(server: AuthorizationServer, here: Issuer) -> None:
    asked, other = begin(here, "", 4711), begin(here, "", 4711)
    with pytest.raises(SignInFailed, match="PKCE verification failed"):
        redeem(here, other, code_in(server.consent(asked.url)), NOW)


def test_a_code_works_once(server: AuthorizationServer, here: Issuer) -> None:
    asked = begin(here, "", 4711)
    answer = server.consent(asked.url)
    tokens = redeem(here, asked, answer, NOW)
    with pytest.raises(SignInFailed, match="code was not accepted"):
        redeem(here, asked, answer, NOW)
    with pytest.raises(SignInNeeded):
        refresh(here, tokens, NOW)


def test_an_answer_to_another_request_is_refused(server: AuthorizationServer, here: Issuer) -> None:
    asked, other = begin(here, "", 4711), begin(here, "", 4711)
    with pytest.raises(UsageError, match="answer to another sign-in"):
        redeem(here, asked, server.consent(other.url), NOW)
    assert server.forms == []


def test_a_person_may_say_no(server: AuthorizationServer, here: Issuer) -> None:
    server.user = None
    asked = begin(here, "", 4711)
    with pytest.raises(SignInFailed, match="access was denied"):
        redeem(here, asked, server.consent(asked.url), NOW)


def test_an_error_of_another_request_is_not_believed(here: Issuer) -> None:
    with pytest.raises(UsageError, match="answer to another sign-in"):
        redeem(here, begin(here, "", 4711), "http://127.0.0.1:4711/?error=access_denied&state=x", NOW)


# What people paste.


def code_in(answer: str) -> str:
    return parse_qs(urlsplit(answer).query)["code"][0]


@pytest.mark.parametrize(
    "paste",
    [
        lambda url: url,
        lambda url: f"  {url}\n",
        lambda url: f"'{url}'",
        lambda url: f"<{url}>",
        lambda url: "\n  ".join([url[:30], url[30:60], url[60:]]),
        lambda url: url.removeprefix("http://"),
        lambda url: url.partition("?")[2],
        lambda url: "?" + url.partition("?")[2],
        lambda url: f"{url}&scope=https://mail.google.com/&iss=https://accounts.google.com",
        lambda url: f"{url}#",
        lambda url: f"{url}#_=_",
        code_in,
        lambda url: f" {code_in(url)} \r\n",
        lambda url: f"{code_in(url)}&scope=mail",
    ],
)
def test_what_people_paste_is_understood(server: AuthorizationServer, here: Issuer, paste: Any) -> None:
    asked = begin(here, "", 4711)
    assert redeem(here, asked, paste(server.consent(asked.url)), NOW).access_token


@pytest.mark.parametrize(
    "pasted", ["4%2F0AX-y_z", "4/0AX-y_z", "http://127.0.0.1/?code=4%2F0AX-y_z&state={}"]
)
def test_a_code_of_google_has_a_slash(server: AuthorizationServer, here: Issuer, pasted: str) -> None:
    asked = begin(here, "", 4711)
    with pytest.raises(SignInFailed):
        redeem(here, asked, pasted.format(asked.state), NOW)
    assert server.forms[0]["code"] == "4/0AX-y_z"


@pytest.mark.parametrize(
    ("pasted", "sentence"),
    [
        ("", "no code"),
        ("  \n", "no code"),
        ("http://127.0.0.1:4711/", "no code"),
        ("http://127.0.0.1:4711/?state={state}", "no code"),
        ("http://127.0.0.1:4711/?code=&state={state}", "no code"),
        ("http://127.0.0.1:4711/?code=a&code=b&state={state}", "no code"),
        ("http://127.0.0.1:4711/?code=a&state={state}&state={state}", "no code"),
        ("http://127.0.0.1:4711/?code=%0a&state={state}", "no code"),
        ("http://127.0.0.1:4711/?code=%E2%98%83&state={state}", "no code"),
        ("☃", "no code"),
        ("x" * 9000, "no code"),
        ("hello", "no code"),
        ("http://127.0.0.1:4711/?code=a", "end of the address is missing"),
        ("http://127.0.0.1:4711/?code=a&state=", "end of the address is missing"),
        ("http://127.0.0.1:4711/?code=a&state={state}x", "another sign-in"),
        ("{url}", "where the sign-in begins"),
    ],
)
def test_what_is_no_answer_is_told(
    server: AuthorizationServer, here: Issuer, pasted: str, sentence: str
) -> None:
    asked = begin(here, "", 4711)
    with pytest.raises(UsageError, match=sentence) as told:
        redeem(here, asked, pasted.format(state=asked.state, url=asked.url), NOW)
    assert told.value.hint
    assert server.forms == []


@settings(max_examples=100)
@given(
    st.text()
    | st.text().map("http://127.0.0.1/?{}".format)
    | st.lists(
        st.tuples(st.sampled_from(["code", "error", "error_description", "state", "x"]), st.text())
    ).map(lambda pairs: "http://127.0.0.1/?" + urlencode(pairs, errors="replace"))
)
def test_any_pasted_text_is_an_error_of_ours(pasted: str) -> None:
    # Nothing listens at this endpoint, so a text that passes for a code is a ConnectError.
    asked = Asked(url="", state="state", verifier="verifier", redirect_uri="http://127.0.0.1:4711/")
    with pytest.raises(MailcrmError) as told:
        redeem(nowhere(), asked, pasted, NOW)
    assert str(told.value).isprintable()


def nowhere() -> Issuer:
    return Issuer(
        name="nowhere",
        client_id="c",
        client_secret=None,
        authorization_endpoint="https://localhost:1/",
        token_endpoint="https://localhost:1/",
        device_authorization_endpoint=None,
        scopes=("mail",),
        redirect_uri="http://127.0.0.1:{port}/",
        redirect_port=None,
        parameters={},
        ca_file=None,
    )


# Refresh.


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
    third = refresh(here, second, NOW)
    assert third.access_token
    with pytest.raises(SignInNeeded, match="no longer good"):
        refresh(here, first, NOW)
    # The server takes the use of an old one for a theft.
    with pytest.raises(SignInNeeded):
        refresh(here, third, NOW)


def test_a_revoked_sign_in_has_to_be_made_again(server: AuthorizationServer, here: Issuer) -> None:
    tokens = signed_in(server, here)
    server.revoke("ann@example.com")
    with pytest.raises(SignInNeeded, match="no longer good: it expired") as told:
        refresh(here, tokens, NOW)
    assert "account reauth" in told.value.hint


def test_a_refresh_without_a_refresh_token_is_a_sign_in(server: AuthorizationServer, here: Issuer) -> None:
    server.gives_refresh_token = False
    tokens = signed_in(server, here)
    assert tokens.refresh_token is None
    with pytest.raises(SignInNeeded, match="gave no refresh token"):
        refresh(here, tokens, NOW)


# What issuers answer with.


def test_fewer_scopes_are_taken(server: AuthorizationServer, here: Issuer) -> None:
    server.extra = {"scope": "something else"}
    assert signed_in(server, here).access_token


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3599, 3599),
        ("3599", 3599),
        (3599.9, 3599),
        (0, 0),
        (124_234_123_534, 315_360_000),
        ("1e999", 315_360_000),
    ],
)
def test_a_life_time_is_counted_from_our_clock(
    server: AuthorizationServer, here: Issuer, expires_in: object, seconds: int
) -> None:
    server.extra = {"expires_in": expires_in}
    assert signed_in(server, here).expires_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("expires_in", [None, -1, True, "soon", [], {}, float("nan"), "9" * 5000, ""])
def test_a_life_time_that_is_none_is_unknown(
    server: AuthorizationServer, here: Issuer, expires_in: object
) -> None:
    server.extra = {"expires_in": expires_in}
    expires_at = signed_in(server, here).expires_at
    assert expires_at is None or expires_at == NOW + timedelta(days=3650)


def test_a_life_time_may_be_left_out(server: AuthorizationServer, here: Issuer) -> None:
    server.lifetime = None
    assert signed_in(server, here).expires_at is None


@pytest.mark.parametrize("kind", ["bearer", "BEARER"])
def test_the_type_of_a_token_has_no_case(server: AuthorizationServer, here: Issuer, kind: str) -> None:
    server.extra = {"token_type": kind}
    assert signed_in(server, here).access_token


@pytest.mark.parametrize("kind", ["mac", "DPoP", "", None, 1, []])
def test_another_type_of_token_is_refused(server: AuthorizationServer, here: Issuer, kind: object) -> None:
    server.extra = {"token_type": kind}
    with pytest.raises(ProtocolError, match="not of the type Bearer"):
        signed_in(server, here)


@pytest.mark.parametrize("token", ["", None, 1, "a b", "a\x01auth=x", "é", "a\n", "x" * 20_000])
@pytest.mark.parametrize("key", ["access_token", "refresh_token"])
def test_a_token_that_is_none_is_refused(
    server: AuthorizationServer, here: Issuer, key: str, token: object
) -> None:
    server.extra = {key: token}
    if key == "refresh_token" and not token:
        assert signed_in(server, here).refresh_token is None
        return
    with pytest.raises(ProtocolError, match="without a token"):
        signed_in(server, here)


@pytest.mark.parametrize(
    "raw",
    [
        LOG_IN_PAGE,
        replace(LOG_IN_PAGE, status=404),
        replace(LOG_IN_PAGE, content_type="application/json"),
        Raw(body=b""),
        Raw(body=b"access_token=abc&token_type=Bearer"),
        Raw(body=b"\xff\xfe"),
        Raw(body=b"[" * 100_000),
        says([]),
        says("x"),
        says(None),
    ],
)
def test_a_page_is_no_token(server: AuthorizationServer, here: Issuer, raw: Raw) -> None:
    tokens = signed_in(server, here)
    server.instead["/token"] = raw
    with pytest.raises(ProtocolError, match="localhost answered with a page instead of a token; a network"):
        refresh(here, tokens, NOW)
    with pytest.raises(ProtocolError, match="a network that wants you to log in first"):
        signed_in(server, here)


@pytest.mark.parametrize(
    "raw",
    [
        replace(LOG_IN_PAGE, status=500),
        replace(LOG_IN_PAGE, status=503),
        says({"error": "rate_limit_exceeded"}, 429),
        says({"error": "temporarily_unavailable"}, 400),
        says({"error": "server_error"}, 400),
    ],
)
def test_a_server_in_trouble_is_asked_later(server: AuthorizationServer, here: Issuer, raw: Raw) -> None:
    tokens = signed_in(server, here)
    server.instead["/token"] = raw
    with pytest.raises(ConnectError, match="localhost cannot answer now"):
        refresh(here, tokens, NOW)
    with pytest.raises(ConnectError, match="localhost cannot answer now"):
        signed_in(server, here)


def test_an_endless_answer_is_cut(server: AuthorizationServer, here: Issuer) -> None:
    server.instead["/token"] = Raw(body=b'{"access_token":"', endless=True)
    with pytest.raises(ConnectError, match="more than"):
        signed_in(server, here)


def test_a_form_with_secrets_is_not_redirected(server: AuthorizationServer, here: Issuer) -> None:
    server.instead["/token"] = Raw(status=307, location=f"{server.base}/elsewhere")
    with pytest.raises(ConnectError, match="redirects a form"):
        signed_in(server, here)


def test_a_server_that_nobody_vouches_for_gets_no_code(server: AuthorizationServer, here: Issuer) -> None:
    asked = begin(here, "", 4711)
    answer = server.consent(asked.url)
    with pytest.raises(ConnectError, match="certificate of localhost is not trusted"):
        redeem(replace(here, ca_file=None), asked, answer, NOW)
    assert server.forms == []


REFUSALS = [
    # (error, description, a piece of our sentence, a piece of the hint)
    (
        "invalid_grant",
        "AADSTS65001: has not consented",
        "must agree first",
        "administrator",
    ),
    ("interaction_required", "AADSTS65004: User declined to consent", "must agree first", "administrator"),
    ("consent_required", "", "must agree first", "administrator"),
    ("access_denied", "AADSTS90094: Admin consent is required", "must agree first", "administrator"),
    ("admin_policy_enforced", "", "must agree first", "administrator"),
    ("invalid_grant", "AADSTS50020: account from another provider", "does not belong", "tenant"),
    (
        "invalid_request",
        "AADSTS50194: not multi-tenant",
        "this kind of account",
        "tenant",
    ),
    ("invalid_request", "AADSTS9002331: use the /consumers endpoint", "this kind of account", "consumers"),
    ("invalid_grant", "AADSTS53003: Access has been blocked by Conditional Access", "rules", "administrator"),
    ("invalid_grant", "AADSTS530003: Your device is required to be managed", "rules", "administrator"),
    ("invalid_grant", "AADSTS50105: not assigned to a role", "chosen people", "administrator"),
    ("invalid_grant", "AADSTS50057: The user account is disabled", "switched off", "administrator"),
    (
        "invalid_client",
        "AADSTS7000218: must contain client_secret",
        "public",
        "public client flows",
    ),
    ("invalid_request", "client_secret is missing.", "this machine has none", "account oauth-setup"),
    ("unauthorized_client", "AADSTS700016: Application not found in the directory", "not know", "client_id"),
    ("invalid_client", "AADSTS7000215: Invalid client secret provided", "not know", "secret"),
    ("invalid_client", "The OAuth client was not found.", "not know", "client_id"),
    ("invalid_client", "", "not know", "client_id"),
    ("invalid_request", "AADSTS50011: The redirect URI does not match", "redirect URI", "redirect_port"),
    ("redirect_uri_mismatch", "", "redirect URI", "redirect_port"),
    (
        "invalid_grant",
        "AADSTS70011: scope is not valid",
        "access that was asked for",
        "scopes",
    ),
    ("invalid_scope", "", "access that was asked for", "scopes"),
    ("invalid_grant", "AADSTS50076: you must use multi-factor authentication", "see you", ""),
    ("interaction_required", "", "see you", ""),
    ("login_required", "", "see you", ""),
    ("unauthorized_client", "", "this way to sign in", "desktop"),
    ("unsupported_grant_type", "", "this way to sign in", "desktop"),
    ("access_denied", "", "denied", ""),
]


@pytest.mark.parametrize(("error", "description", "sentence", "hint"), REFUSALS)
def test_a_refusal_is_told_in_plain_words(
    server: AuthorizationServer, here: Issuer, error: str, description: str, sentence: str, hint: str
) -> None:
    tokens = signed_in(server, here)
    server.instead["/token"] = says({"error": error, "error_description": description}, 400)
    with pytest.raises(SignInFailed, match=sentence) as failed:
        signed_in(server, here)
    with pytest.raises(SignInNeeded, match=sentence) as needed:
        refresh(here, tokens, NOW)
    for told in (failed.value, needed.value):
        assert hint in told.hint
        assert f"localhost says: {error}" in str(told)
        assert description in str(told)


def test_a_refusal_with_status_200_is_one(server: AuthorizationServer, here: Issuer) -> None:
    server.instead["/token"] = says({"error": "invalid_grant"})
    with pytest.raises(SignInFailed, match="code was not accepted"):
        signed_in(server, here)


@pytest.mark.parametrize("error", ["something_new", "invalid_request", "slow_down", ""])
def test_a_refusal_that_nobody_knows_is_no_reason_to_sign_in_again(
    server: AuthorizationServer, here: Issuer, error: str
) -> None:
    tokens = signed_in(server, here)
    server.instead["/token"] = says({"error": error, "error_description": "It is new."}, 400)
    with pytest.raises(SignInFailed, match=r"refused\. localhost says: .*It is new"):
        signed_in(server, here)
    with pytest.raises(ConnectError, match=r"It says: .*It is new") as told:
        refresh(here, tokens, NOW)
    assert told.value.hint == "Try again in a while."


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"error": None},
        {"error": ["x"]},
        {"error": {"code": 403, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded."}},
    ],
)
@pytest.mark.parametrize("status", [400, 403, 408])
def test_an_answer_without_a_word_of_oauth2_is_of_something_else_and_asked_later(
    server: AuthorizationServer, here: Issuer, answer: dict[str, Any], status: int
) -> None:
    tokens = signed_in(server, here)
    server.instead["/token"] = says(answer, status)
    with pytest.raises(ConnectError, match=f"localhost cannot answer now .HTTP status {status}."):
        refresh(here, tokens, NOW)
    with pytest.raises(ConnectError):
        signed_in(server, here)


def test_the_words_of_a_server_are_cleaned(server: AuthorizationServer, here: Issuer) -> None:
    server.instead["/token"] = says({"error": "x\x1b[31m", "error_description": "a\r\n\u202eb" * 500}, 400)
    with pytest.raises(SignInFailed) as told:
        signed_in(server, here)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 400


def test_no_secret_is_repeated(server: AuthorizationServer) -> None:
    server.client_secret = "the-client-secret"
    here = issuer("here", server.client(), "the-client-secret")
    tokens = signed_in(server, here)
    asked = begin(here, "", 4711)
    code = code_in(server.consent(asked.url))

    def renew() -> Tokens:
        return refresh(here, tokens, NOW)

    def sign_in() -> Tokens:
        return redeem(here, asked, code, NOW)

    secrets = [(tokens.refresh_token or "", renew), (code, sign_in), (asked.verifier, sign_in)]
    for secret, ask in [*secrets, *((here.client_secret or "", ask) for ask in (renew, sign_in))]:
        server.instead["/token"] = says({"error": "x", "error_description": f"bad {secret}!"}, 400)
        with pytest.raises(MailcrmError, match="bad …!") as told:
            ask()
        assert secret not in "".join(traceback.format_exception(told.value))


DRESSES: list[Callable[[str], str]] = [
    quote_plus,
    lambda secret: quote_plus(secret).replace("%2F", "%2f"),
    lambda secret: b64encode(secret.encode()).decode(),
]


@pytest.mark.parametrize("quoted", DRESSES)
def test_no_secret_is_repeated_in_the_dress_that_it_was_sent_in(
    server: AuthorizationServer, here: Issuer, quoted: Callable[[str], str]
) -> None:
    known = replace(here, client_secret="client/secret+1=")
    tokens = replace(signed_in(server, here), refresh_token="1//0a/refresh/token")
    for secret in ("client/secret+1=", "1//0a/refresh/token"):
        server.instead["/token"] = says(
            {"error": "invalid_grant", "error_description": f"bad: x={quoted(secret)}&"}, 400
        )
        with pytest.raises(SignInNeeded, match="bad: x=…") as told:
            refresh(known, tokens, NOW)
        assert quoted(secret).rstrip("=") not in str(told.value)


def test_no_secret_is_logged(
    server: AuthorizationServer, here: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = refresh(here, signed_in(server, here), NOW)
    assert tokens.access_token not in caplog.text
    for form in server.forms:
        for key in form.keys() & {"code", "code_verifier", "refresh_token"}:
            assert form[key] not in caplog.text


def test_the_environment_switches_nothing_off(
    server: AuthorizationServer, here: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INSECURE_TRANSPORT", "RELAX_TOKEN_SCOPE", "STRICT_TOKEN_TYPE"):
        monkeypatch.setenv(f"OAUTHLIB_{name}", "1")
    tokens = signed_in(server, here)
    with pytest.raises(ConfigError, match="begins with https://"):
        refresh(
            replace(here, token_endpoint="http://localhost/token"),
            replace(tokens, token_endpoint="http://localhost/token"),
            NOW,
        )
    server.instead["/token"] = says({"access_token": "a"})
    assert refresh(here, tokens, NOW).access_token == "a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["access_token", "token_type", "refresh_token", "expires_in", "scope", "error", "error_description"]


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(KEYS), JSON | st.just("Bearer") | st.just("abc")) | JSON,
    st.sampled_from([200, 200, 201, 400, 401, 403, 500]),
)
def test_any_json_is_tokens_or_an_error_of_ours(
    server: AuthorizationServer, here: Issuer, answer: object, status: int
) -> None:
    tokens = Tokens(
        access_token="a",
        refresh_token="r",
        expires_at=None,
        token_endpoint=here.token_endpoint,
        client_id=here.client_id,
    )
    server.instead["/token"] = says(answer, status)
    match outcome(lambda: refresh(here, tokens, NOW)):
        case Tokens() as renewed:
            assert Tokens.from_json(renewed.to_json()) == renewed
        case error:
            assert str(error).isprintable()


def outcome(ask: Callable[[], Tokens]) -> Tokens | MailcrmError:
    try:
        return ask()
    except MailcrmError as error:
        return error

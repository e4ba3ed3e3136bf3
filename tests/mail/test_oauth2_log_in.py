"""Logging in with an access token, on Dovecot and on the scripted server, and what refuses one."""

import base64
import contextlib
import logging
import secrets
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.credentials import AccessToken, Password
from mailcrm.core.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    LogInBlocked,
    MailError,
    ProtocolError,
    Throttled,
    TokenRefused,
)
from mailcrm.core.model import Security
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.authorization import AuthorizationServer, Raw
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer
from tests.servers.fixtures import require_dovecot
from tests.servers.model_imap import CAPABILITIES, ModelServer

MECHANISMS = ["XOAUTH2", "OAUTHBEARER"]


def log_in(server: ModelServer, token: str, timeout: float = 10) -> ImapSession:
    return open_session(
        server.endpoint, username="ann@example.com", credential=AccessToken(token), timeout=timeout
    )


def log_in_to_dovecot(server: DovecotServer, token: str, user: str) -> ImapSession:
    return open_session(
        server.starttls,
        username=user,
        credential=AccessToken(token),
        ca_file=str(server.ca_file),
        timeout=10,
    )


def tag_of(reply: bytes) -> bytes:
    return reply.splitlines()[-1].split()[0]


@pytest.fixture
def user() -> str:
    return f"{secrets.token_hex(4)}@example.com"


@pytest.fixture(params=MECHANISMS)
def mechanism(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["with SASL-IR", "without SASL-IR"])
def server(request: pytest.FixtureRequest, mechanism: str) -> Iterator[ModelServer]:
    """A server that takes access tokens, with an initial response along with the command or without."""
    more = [f"AUTH={mechanism}", *(["SASL-IR"] if request.param else [])]
    with ModelServer(capabilities=[*CAPABILITIES, *more]) as started:
        started.token = "ya29.a0AfH6SMBx-" + "long_and_winding" * 8
        yield started


@pytest.fixture
def microsoft() -> Iterator[ModelServer]:
    """A server that offers what Microsoft's does before a log-in."""
    with ModelServer(capabilities=[*CAPABILITIES, "AUTH=XOAUTH2", "SASL-IR"]) as started:
        started.append("INBOX", b"Message-ID: <1@example.com>\r\n\r\n")
        started.token = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJ.c2lnbmF0dXJl"
        yield started


@pytest.fixture(scope="module", params=["xoauth2 oauthbearer", "oauthbearer"])
def only_oauth2(
    request: pytest.FixtureRequest, introspection: AuthorizationServer
) -> Iterator[DovecotServer]:
    """A Dovecot on which each mechanism has its turn: with both offered it is XOAUTH2."""
    require_dovecot()
    started = DovecotServer(introspection=introspection.plain_introspection_endpoint, bearer=request.param)
    yield started
    started.stop()


def said_in_log(server: DovecotServer, user: str) -> str:
    lines = (server.folder / "dovecot.log").read_text().splitlines()
    return next(line for line in lines if "Login: user" in line and user in line)


def test_dovecot_lets_a_good_token_in(
    only_oauth2: DovecotServer, introspection: AuthorizationServer, user: str, request: pytest.FixtureRequest
) -> None:
    token, _ = introspection.issue(user)
    with log_in_to_dovecot(only_oauth2, token, user) as session:
        assert session.examine("INBOX").exists == 0
    both = "xoauth2 oauthbearer" in request.node.name
    assert f"method={'XOAUTH2' if both else 'OAUTHBEARER'}," in said_in_log(only_oauth2, user)


@pytest.mark.parametrize("user", ["a=b,c@example.com", "ann lee@example.com"])
def test_dovecot_reads_the_name_as_it_was_meant(
    only_oauth2: DovecotServer, introspection: AuthorizationServer, user: str
) -> None:
    token, _ = introspection.issue(user)
    with log_in_to_dovecot(only_oauth2, token, user) as session:
        assert session.examine("INBOX").exists == 0


def test_dovecot_takes_a_password_beside_tokens(only_oauth2: DovecotServer, user: str) -> None:
    with open_session(
        only_oauth2.tls,
        username=user,
        credential=Password(only_oauth2.password),
        ca_file=str(only_oauth2.ca_file),
    ) as session:
        assert session.examine("INBOX").exists == 0


@pytest.mark.parametrize("why", ["expired", "revoked", "of another user", "made up", "a password"])
def test_dovecot_refuses_a_token_that_is_not_good(
    only_oauth2: DovecotServer, introspection: AuthorizationServer, user: str, why: str
) -> None:
    token, _ = introspection.issue(user)
    match why:
        case "expired":
            introspection.expire(user)
        case "revoked":
            introspection.revoke(user)
        case "of another user":
            token, _ = introspection.issue(f"other-{user}")
        case "made up":
            token = "x" + token
        case _:
            token = only_oauth2.password
    with pytest.raises(TokenRefused, match=r"access token.*AUTHENTICATIONFAILED.*status") as caught:
        log_in_to_dovecot(only_oauth2, token, user)
    assert token not in "".join(traceback.format_exception(caught.value))


def test_a_session_outlives_its_token_on_dovecot_and_the_next_one_needs_a_new_one(
    only_oauth2: DovecotServer, introspection: AuthorizationServer, user: str
) -> None:
    token, _ = introspection.issue(user)
    with log_in_to_dovecot(only_oauth2, token, user) as session:
        introspection.expire(user)
        assert session.examine("INBOX").exists == 0
    with pytest.raises(TokenRefused):
        log_in_to_dovecot(only_oauth2, token, user)
    token, _ = introspection.issue(user)
    with log_in_to_dovecot(only_oauth2, token, user) as session:
        assert session.examine("INBOX").exists == 0


def test_an_authorization_server_that_is_down_does_not_cost_the_token(
    introspection: AuthorizationServer, only_oauth2: DovecotServer, user: str
) -> None:
    token, _ = introspection.issue(user)
    introspection.instead["/introspect"] = Raw(status=503, body=b"down")
    try:
        with pytest.raises(ConnectError, match="UNAVAILABLE"):
            log_in_to_dovecot(only_oauth2, token, user)
    finally:
        introspection.instead.clear()


def test_a_token_opens_the_mailbox(server: ModelServer, mechanism: str) -> None:
    assert server.token is not None
    with log_in(server, server.token) as session:
        assert session.examine("INBOX").exists == 0
    sent_along = server.commands[1].startswith(f"AUTHENTICATE {mechanism} ")
    assert sent_along is ("SASL-IR" in server.capabilities)
    assert len(server.answered) == (0 if sent_along else 1)


def times_sent(server: ModelServer, token: str) -> int:
    """Say how many lines that came to the server hold the token."""
    lines = [*server.commands, *(line.decode() for line in server.answered)]
    words = (line.split()[-1] for line in lines if line.strip())
    return sum(token in word or token.encode() in b64decoded(word) for word in words)


def b64decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except ValueError:
        return b""


def test_a_refused_token_is_sent_once_and_the_error_is_told(server: ModelServer) -> None:
    with pytest.raises(TokenRefused, match=r"status invalid_token, scope mail") as caught:
        log_in(server, "another")
    assert "account reauth" in caught.value.hint
    assert times_sent(server, "another") == 1


def test_a_server_that_tells_its_error_twice_gets_a_cancel(server: ModelServer) -> None:
    server.error_challenges = 2
    with pytest.raises(TokenRefused):
        log_in(server, "another")
    assert server.answered[-1] == b"*\r\n"
    assert times_sent(server, "another") == 1


def test_a_server_that_asks_on_and_on_is_left(server: ModelServer) -> None:
    server.twist = lambda said, reply: b"+ \r\n" * 99 if said.startswith("AUTHENTICATE") else reply
    assert server.token is not None
    with pytest.raises(ProtocolError, match="protocol"):
        log_in(server, server.token)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (b"AUTHENTICATE failed.", TokenRefused, "AUTHENTICATE failed"),
        (b"[AUTHENTICATIONFAILED] Invalid credentials (Failure)", TokenRefused, "Invalid credentials"),
        (b"", TokenRefused, "refused the access token"),
        (b"[UNAVAILABLE] Temporary authentication failure.", ConnectError, "cannot log anybody in now"),
        (b"[LIMIT] Maximum number of connections from user+IP exceeded", Throttled, "slow down"),
        (b"[ALERT] Please log in via your web browser: https://example.com", LogInBlocked, "web site first"),
    ],
)
@pytest.mark.parametrize("status", [b"NO", b"BAD"])
def test_a_refusal_says_what_it_means(
    server: ModelServer, status: bytes, text: bytes, error: type[MailError], words: str
) -> None:
    server.twist = lambda said, reply: (
        tag_of(reply) + b" " + status + b" " + text + b"\r\n" if said.startswith("AUTHENTICATE") else reply
    )
    assert server.token is not None
    with pytest.raises(error, match=words) as caught:
        log_in(server, server.token)
    assert isinstance(caught.value, TokenRefused) is (error is TokenRefused)


@pytest.mark.parametrize("how", [str.encode, lambda token: base64.b64encode(b"user=a\1" + token.encode())])
@pytest.mark.parametrize("ending", ["NO", "BAD", "BYE"])
def test_a_token_that_the_server_repeats_is_in_no_error_and_no_log(
    server: ModelServer, caplog: pytest.LogCaptureFixture, ending: str, how: Callable[[str], bytes]
) -> None:
    caplog.set_level(logging.DEBUG)
    assert server.token is not None
    echo = b"cannot: " + how(server.token)
    server.error_challenge = b'{"status":"' + how(server.token) + b'"}'
    server.twist = lambda said, reply: (
        (b"* BYE " if ending == "BYE" else tag_of(reply) + b" " + ending.encode() + b" ") + echo + b"\r\n"
        if said.startswith("AUTHENTICATE")
        else reply
    )
    with pytest.raises(MailError, match=r"cannot: \S*…") as caught:
        log_in(server, server.token)
    seen = "".join(traceback.format_exception(caught.value)) + caplog.text
    for piece in (server.token[:24], server.token[-24:], how(server.token).decode()[12:36]):
        assert piece not in seen
    server.twist = lambda _said, reply: reply
    with pytest.raises(TokenRefused) as caught_token:
        log_in(server, server.token + "-old")
    assert server.token[:24] not in str(caught_token.value)


def test_a_server_that_takes_no_tokens_is_not_sent_one(model: ModelServer) -> None:
    with pytest.raises(AuthError, match="neither XOAUTH2 nor OAUTHBEARER") as caught:
        log_in(model, "token")
    assert not isinstance(caught.value, TokenRefused)
    assert "app password" in caught.value.hint
    assert model.commands == ["CAPABILITY"]


def test_a_server_that_takes_only_tokens_is_not_sent_a_password(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.TLS) as server:
        server.capabilities = ("IMAP4rev1", "LOGINDISABLED", "AUTH=XOAUTH2", "SASL-IR")
        with pytest.raises(AuthError, match="only a sign-in with OAuth2"):
            open_session(
                server.endpoint,
                username="ann@example.com",
                credential=Password("secret"),
                ca_file=str(authority.ca_file),
            )
        assert server.commands == ["CAPABILITY"]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "a\1b", ""])
def test_what_is_no_token_is_not_sent(server: ModelServer, token: str) -> None:
    with pytest.raises(ConfigError):
        log_in(server, token)
    assert not any(said.startswith("AUTHENTICATE") for said in server.commands)


@pytest.mark.parametrize("command", ["CAPABILITY", "LIST", "EXAMINE"])
@pytest.mark.parametrize("status", [b"NO", b"BAD"])
def test_a_log_in_without_a_mailbox_behind_it_is_found_out_at_the_next_command(
    microsoft: ModelServer, command: str, status: bytes
) -> None:
    def disconnected(said: str, reply: bytes) -> bytes:
        logged_in = any(earlier.startswith("AUTHENTICATE") for earlier in microsoft.commands)
        if logged_in and said.startswith(command):
            return tag_of(reply) + b" " + status + b" User is authenticated but not connected.\r\n"
        return reply

    microsoft.twist = disconnected
    assert microsoft.token is not None
    with (
        pytest.raises(LogInBlocked, match="no mailbox behind it") as caught,
        log_in(microsoft, microsoft.token) as session,
    ):
        work(session)
    assert type(caught.value) is LogInBlocked


@pytest.mark.parametrize(
    "text",
    [
        b"Session invalidated - AccessTokenExpired",
        b"AccessTokenExpired",
        b"Session expired, please reauthenticate",
        b"[AUTHENTICATIONFAILED] Token expired",
    ],
)
@pytest.mark.parametrize("command", ["LIST", "EXAMINE", "UID SEARCH", "IDLE"])
def test_a_token_that_expires_ends_the_session_and_a_new_one_opens_the_next(
    microsoft: ModelServer, command: str, text: bytes
) -> None:
    assert microsoft.token is not None
    microsoft.twist = lambda said, reply: b"* BYE " + text + b"\r\n" if said.startswith(command) else reply
    session = log_in(microsoft, microsoft.token)
    with pytest.raises(ConnectError) as caught:
        work(session)
    assert type(caught.value) is ConnectError
    assert session.closed
    microsoft.twist = lambda _said, reply: reply
    microsoft.token = "fresh"
    with log_in(microsoft, "fresh") as session:
        assert session.examine("INBOX").exists == 1


def work(session: ImapSession) -> None:
    session.folders()
    session.examine("INBOX")
    session.uids()
    session.idle(0)
    pytest.fail("the session goes on")


said_at_a_log_in = st.lists(
    st.sampled_from(
        [
            *(b"+ ", b"+", b"* ", b"m1 ", b"m2 ", b"OK ", b"NO ", b"BAD ", b"BYE ", b"CAPABILITY "),
            *(
                b"\r\n",
                b"\n",
                b"e30=",
                b"eyJzdGF0dXMiOiJ4In0=",
                b"====",
                b"{3}",
                b"AUTH=XOAUTH2 ",
                b"[",
                b"]",
            ),
            *(b"\xff", b"\0", b" ", b"PREAUTH "),
        ]
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=100)
@given(said_at_a_log_in)
def test_whatever_a_server_says_at_the_log_in_is_taken_or_one_of_our_errors(
    microsoft: ModelServer, junk: bytes
) -> None:
    microsoft.commands.clear()
    microsoft.answered.clear()
    microsoft.twist = lambda said, reply: junk + b"\r\n" + reply if said.startswith("AUTHENTICATE") else reply
    token = microsoft.token
    assert token is not None
    # A literal that never comes whole is waited for.
    with contextlib.suppress(MailError), log_in(microsoft, token, timeout=0.3) as session:
        session.examine("INBOX")
    assert times_sent(microsoft, token) <= 1

"""Logging in to a server that takes mail, and what refuses it."""

import base64
import contextlib
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.credentials import AccessToken, Credential, Password
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
from mailcrm.core.model import Endpoint, Security
from mailcrm.mail.smtp import check_log_in
from tests.servers.certificates import Authority
from tests.servers.exim import USER, EximServer
from tests.servers.model_smtp import PASSWORD, ModelSmtpServer

LONG = "eyJ0eXAiOiJKV1Qi" * 100


@pytest.fixture
def server() -> Iterator[ModelSmtpServer]:
    with ModelSmtpServer(auth=["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]) as started:
        yield started


def check(
    endpoint: Endpoint,
    credential: Credential | None = None,
    username: str = "ann@example.com",
    ca_file: Path | None = None,
    timeout: float = 10,
) -> None:
    check_log_in(
        endpoint,
        username=username,
        credential=credential or Password(PASSWORD),
        ca_file=str(ca_file) if ca_file else None,
        timeout=timeout,
    )


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize(
    ("mechanism", "credential"),
    [
        ("PLAIN", Password(PASSWORD)),
        ("LOGIN", Password(PASSWORD)),
        ("XOAUTH2", AccessToken("token")),
        ("OAUTHBEARER", AccessToken("token")),
        ("XOAUTH2", AccessToken(LONG)),
    ],
)
def test_a_good_credential_is_let_in_and_no_mail_is_sent(
    authority: Authority, security: Security, mechanism: str, credential: Credential
) -> None:
    with ModelSmtpServer(authority.issue().context, security, [mechanism]) as server:
        server.token = credential.secret
        check(server.endpoint, credential, ca_file=authority.ca_file)
        introduced = ["EHLO", "STARTTLS", "EHLO"] if security is Security.STARTTLS else ["EHLO"]
        assert server.verbs == [*introduced, "AUTH", "QUIT"]


def test_a_user_and_password_outside_ascii_are_let_in(server: ModelSmtpServer) -> None:
    server.password = "비밀번호"
    check(server.endpoint, Password("비밀번호"), username="안나@example.kr")


def test_this_computer_does_not_tell_its_name(server: ModelSmtpServer) -> None:
    check(server.endpoint)
    assert server.heard[0] == b"ehlo [127.0.0.1]"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("token", ["another", LONG])
def test_a_refused_token_is_sent_once_and_the_error_is_told(
    server: ModelSmtpServer, mechanism: str, token: str
) -> None:
    server.auth = ["PLAIN", mechanism]
    with pytest.raises(TokenRefused, match=r"bad credentials.*status 400, scope mail"):
        check(server.endpoint, AccessToken(token))
    said = [base64.b64decode(word) for line in server.heard for word in line.split()[-1:] if len(word) > 30]
    assert [token.encode() in one for one in said] == [True]


def test_a_wrong_password_is_refused(server: ModelSmtpServer) -> None:
    wrong = Password("wrong" + PASSWORD)
    with pytest.raises(AuthError, match="bad credentials") as caught:
        check(server.endpoint, wrong)
    assert not isinstance(caught.value, TokenRefused)
    assert wrong.secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (b"535 5.7.8 Authentication credentials invalid", AuthError, "user name or the password"),
        (
            (
                b"535-5.7.8 Username and Password not accepted. For more information, go to\r\n"
                b"535 5.7.8  https://support.google.com/mail/?p=BadCredentials"
            ),
            AuthError,
            "not accepted",
        ),
        (
            b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            LogInBlocked,
            "does not let mail programs send",
        ),
        (
            (
                b"535 5.7.139 Authentication unsuccessful, user is locked by your organization's security "
                b"defaults policy. Contact your administrator."
            ),
            LogInBlocked,
            "does not let mail programs send",
        ),
        (
            (
                b"535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be "
                b"authenticated successfully. Contact your administrator."
            ),
            LogInBlocked,
            "does not let mail programs send",
        ),
        (
            b"535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
            AuthError,
            "user name or the password",
        ),
        (
            b"534-5.7.9 Application-specific password required.\r\n534 5.7.9  https://support.google.com/x",
            AuthError,
            "app password",
        ),
        (b"534 5.7.14 Please log in via your web browser and then try again.", AuthError, "web site first"),
        (b"530 5.7.0 Must issue a STARTTLS command first", LogInBlocked, "encrypted connection"),
        (b"538 5.7.11 Encryption required for requested authentication mechanism", LogInBlocked, "encrypted"),
        (b"454 4.7.0 Temporary authentication failure", ConnectError, "cannot log anybody in now"),
        (b"432 4.7.12 A password transition is needed", ConnectError, "cannot log anybody in now"),
        (b"421 4.7.0 Too many simultaneous connections", Throttled, "slow down"),
        (b"421 4.3.0 Service shutting down", ConnectError, "cannot log anybody in now"),
        (b"535", AuthError, "user name or the password"),
        (b"250 what", AuthError, "refused"),
        (b"9000 what", ProtocolError, "protocol"),
        (b"", ConnectError, "in time"),
    ],
)
def test_a_refused_log_in_says_what_to_do(
    server: ModelSmtpServer, reply: bytes, error: type[MailError], words: str
) -> None:
    server.twist = lambda line, normal: (reply and reply + b"\r\n") if line.startswith(b"AUTH") else normal
    with pytest.raises(error, match=words):
        check(server.endpoint, timeout=10 if reply else 0.2)


def test_disabled_smtp_does_not_cost_the_token(server: ModelSmtpServer) -> None:
    reply = (
        b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.\r\n"
    )
    server.twist = lambda line, normal: reply if line.startswith(b"AUTH") else normal
    with pytest.raises(AuthError, match="does not let") as caught:
        check(server.endpoint, AccessToken(server.token))
    assert not isinstance(caught.value, TokenRefused)
    assert "administrator" in caught.value.hint


def test_a_token_that_the_server_repeats_is_in_no_error(server: ModelSmtpServer) -> None:
    token = "ya29.a0AfH6SMBx-long_and_winding"
    server.twist = lambda line, normal: b"535 no: " + line + b"\r\n" if line.startswith(b"AUTH") else normal
    with pytest.raises(TokenRefused) as caught:
        check(server.endpoint, AccessToken(token))
    seen = "".join(traceback.format_exception(caught.value))
    assert (
        base64.b64encode(b"user=ann@example.com\1auth=Bearer " + token.encode()).decode()[48:64] not in seen
    )


def test_a_server_that_asks_on_and_on_is_left(server: ModelSmtpServer) -> None:
    server.twist = lambda line, normal: b"334 \r\n" * 9 if line.startswith(b"AUTH") else normal
    for credential in (Password(PASSWORD), AccessToken("token")):
        with pytest.raises(ProtocolError, match="protocol"):
            check(server.endpoint, credential)


@pytest.mark.parametrize(
    ("auth", "credential", "words"),
    [
        (["PLAIN"], AccessToken("token"), "neither XOAUTH2 nor OAUTHBEARER"),
        (["XOAUTH2"], Password(PASSWORD), "only a sign-in with OAuth2"),
        (["GSSAPI"], Password(PASSWORD), "takes no password"),
        ([], Password(PASSWORD), "offers no log-in"),
        ([], AccessToken("token"), "offers no log-in"),
    ],
)
def test_what_the_server_cannot_take_is_not_sent(
    server: ModelSmtpServer, auth: list[str], credential: Credential, words: str
) -> None:
    server.auth = auth
    with pytest.raises(AuthError, match=words):
        check(server.endpoint, credential)
    assert not any(line.startswith(b"AUTH") for line in server.heard)


def test_without_an_offer_of_starttls_no_password_is_sent(server: ModelSmtpServer) -> None:
    stripped = Endpoint(host="127.0.0.1", port=server.endpoint.port, security=Security.STARTTLS)
    with pytest.raises(ProtocolError, match="STARTTLS"):
        check(stripped)
    assert server.heard == [b"ehlo [127.0.0.1]"]


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", b"250 fine\r\n"])
def test_starttls_that_is_refused_ends_it(authority: Authority, reply: bytes) -> None:
    with ModelSmtpServer(authority.issue().context, Security.STARTTLS) as server:
        server.twist = lambda line, normal: reply if line == b"STARTTLS" else normal
        with pytest.raises(MailError):
            check(server.endpoint, ca_file=authority.ca_file)
        assert server.heard == [b"ehlo [127.0.0.1]", b"STARTTLS"]


@pytest.mark.parametrize("forged", [b"250 AUTH GSSAPI\r\n", b"235 2.7.0 welcome\r\n"])
def test_what_was_said_before_tls_does_not_count_after_it(authority: Authority, forged: bytes) -> None:
    with ModelSmtpServer(authority.issue().context, Security.STARTTLS) as server:
        server.twist = lambda line, normal: normal + forged if line == b"STARTTLS" else normal
        check(server.endpoint, ca_file=authority.ca_file)
        assert server.heard[-1] == b"QUIT"


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_certificate_that_is_not_good_is_refused(authority: Authority, security: Security) -> None:
    for certificate, ca_file, words in (
        (authority.issue(), None, "issuer"),
        (authority.issue("smtp.example.org"), authority.ca_file, "another host name"),
        (authority.issue(expired=True), authority.ca_file, "expired"),
    ):
        with ModelSmtpServer(certificate.context, security) as server:
            with pytest.raises(ConnectError, match=words):
                check(server.endpoint, ca_file=ca_file)
            assert not any(line.startswith(b"AUTH") for line in server.heard)


def test_a_server_that_speaks_no_tls_is_told_apart(server: ModelSmtpServer) -> None:
    with pytest.raises(ConnectError, match="TLS") as caught:
        check(Endpoint(host="127.0.0.1", port=server.endpoint.port, security=Security.TLS))
    assert "465" in caught.value.hint


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"220-" + b"x" * 20_000 + b"\r\n", ProtocolError),
        (b"220-more\r\n" * 300, ProtocolError),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", ProtocolError),
        (b"\r\n", ProtocolError),
        (b"220 \xff\xfe\r\n", None),
        (b"554 5.7.1 no service for you\r\n", ConnectError),
        (b"421 4.7.0 Too many simultaneous connections\r\n", Throttled),
    ],
)
def test_a_greeting_can_be_anything(
    server: ModelSmtpServer, greeting: bytes, error: type[MailError] | None
) -> None:
    server.greeting = greeting
    if error is None:
        check(server.endpoint)
    else:
        with pytest.raises(error):
            check(server.endpoint)


def test_a_server_that_hangs_up_is_a_connect_error(server: ModelSmtpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConnectError, match="in time"):
            check(Endpoint(host="127.0.0.1", port=port, security=Security.NONE), timeout=0.1)
    with pytest.raises(ConnectError, match="refuses connections"):
        check(Endpoint(host="127.0.0.1", port=port, security=Security.NONE))


def test_without_encryption_only_a_loopback_address_is_spoken_to() -> None:
    with pytest.raises(ConfigError, match="loopback"):
        check(Endpoint(host="192.0.2.1", port=25, security=Security.NONE))


@pytest.mark.parametrize("bad", ["ann\r\nQUIT", "ann\0", "ann\x01"])
def test_a_line_break_never_gets_into_a_command(server: ModelSmtpServer, bad: str) -> None:
    with pytest.raises(ConfigError):
        check(server.endpoint, username=bad)
    assert not any(line.startswith(b"AUTH") for line in server.heard)


said_by_a_server = st.lists(
    st.sampled_from(
        [
            *(
                b"220 ",
                b"250 ",
                b"250-",
                b"334 ",
                b"334-",
                b"235 ",
                b"235",
                b"535 ",
                b"454-",
                b"421 ",
                b"99 ",
            ),
            *(b"AUTH XOAUTH2", b"AUTH=LOGIN", b"AUTH", b"STARTTLS", b"SIZE x", b"e30=", b"====", b" ", b"-"),
            *(b"\r\n", b"\n", b"\r", b"\xff", b"\0"),
        ]
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=100)
@given(said_by_a_server, st.sampled_from([b"", b"ehlo", b"AUTH", b"QUIT"]))
def test_whatever_a_server_says_is_taken_or_one_of_our_errors(
    server: ModelSmtpServer, junk: bytes, when: bytes
) -> None:
    server.greeting = (b"" if when else junk + b"\r\n") + b"220 model\r\n"
    server.twist = lambda line, reply: junk + b"\r\n" + reply if when and line.startswith(when) else reply
    server.heard.clear()
    with contextlib.suppress(MailError):
        check(server.endpoint, AccessToken("a-token-that-is-sent-once"), timeout=0.3)
    sent = [base64.b64decode(line.split()[-1]) for line in server.heard if len(line) > 60]
    assert len(sent) <= 1


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
class TestExim:
    def test_a_good_password_and_a_good_token_are_let_in(self, exim: EximServer, security: Security) -> None:
        for credential in (Password(exim.password), AccessToken(exim.token)):
            check(exim.at(security), credential, username=USER, ca_file=exim.ca_file)

    def test_others_are_not(self, exim: EximServer, security: Security) -> None:
        with pytest.raises(AuthError, match="Incorrect authentication data") as caught:
            check(exim.at(security), Password(exim.token), username=USER, ca_file=exim.ca_file)
        assert not isinstance(caught.value, TokenRefused)
        with pytest.raises(TokenRefused, match="Incorrect authentication data"):
            check(exim.at(security), AccessToken(exim.password), username=USER, ca_file=exim.ca_file)

    def test_an_unknown_issuer_is_refused(self, exim: EximServer, security: Security) -> None:
        with pytest.raises(ConnectError, match="issuer"):
            check(exim.at(security), Password(exim.password), username=USER)


def test_exim_offers_no_log_in_without_tls(exim: EximServer) -> None:
    plain = Endpoint(host="127.0.0.1", port=exim.at(Security.STARTTLS).port, security=Security.NONE)
    with pytest.raises(AuthError, match="offers no log-in"):
        check(plain, Password(exim.password), username=USER)

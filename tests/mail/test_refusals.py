"""What is made of the texts that servers send when they refuse a log-in."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.advising import advised
from mailcrm.config import Config
from mailcrm.core.credentials import Password
from mailcrm.core.errors import (
    AuthError,
    ConnectError,
    LogInBlocked,
    MailError,
    ProtocolError,
    SignInNeeded,
    Throttled,
    TokenRefused,
)
from mailcrm.core.model import Endpoint, Security
from mailcrm.core.printable import TEXT_LIMIT
from mailcrm.mail import refusals
from mailcrm.mail.imap import ImapSession, open_session
from mailcrm.mail.refusals import KNOWN
from mailcrm.providers.presets import presets
from tests.servers.model_imap import ModelServer

GMAIL_WRONG = "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"
YAHOO_WRONG = "[AUTHENTICATIONFAILED] LOGIN Invalid credentials"
ICLOUD_WRONG = "[AUTHENTICATIONFAILED] Authentication Failed"
DOVECOT_WRONG = "[AUTHENTICATIONFAILED] Authentication failed."
FASTMAIL_WRONG = "Incorrect username or password."
GMX_WRONG = "authentication failed"
MICROSOFT_WRONG = "LOGIN failed."
MAILRU_WRONG = (
    "[AUTHENTICATIONFAILED] NEOBHODIM parol prilozheniya "
    "https://help.mail.ru/mail/security/protection/external / Application password is REQUIRED"
)
YANDEX_WRONG = (
    "[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled "
    "sc=cYXlpv732Cg1_010534_2-1e59ad28a72c"
)
NETEASE_WRONG = "LOGIN Login error or password error"
QQ_WRONG = (
    "Login fail. Account is abnormal, service is not open, password is incorrect, "
    "login frequency limited, or system is busy."
)

ANN = "ann@example.com"
CONFIG = Config(path=Path("config.toml"), store="sqlite:///unused.db")

WRONG = "user name or the password."

#: (as the server sends it, error, exit code, what our sentence says)
SAID = [
    # a wrong user name or password
    (GMAIL_WRONG, AuthError, 77, WRONG),
    (YAHOO_WRONG, AuthError, 77, WRONG),
    ("[AUTHENTICATIONFAILED] AUTHENTICATE Invalid credentials", AuthError, 77, WRONG),
    ("[AUTHENTICATIONFAILED] (#AUTH012) Incorrect username or password.", AuthError, 77, WRONG),
    ("[AUTHORIZATIONFAILED] Incorrect username or password. (#MBR1212)", AuthError, 77, WRONG),
    ("Invalid login or password", AuthError, 77, WRONG),
    (ICLOUD_WRONG, AuthError, 77, WRONG),
    (DOVECOT_WRONG, AuthError, 77, WRONG),
    (FASTMAIL_WRONG, AuthError, 77, WRONG),
    (GMX_WRONG, AuthError, 77, WRONG),
    (MICROSOFT_WRONG, AuthError, 77, WRONG),
    ("AUTHENTICATE failed.", AuthError, 77, WRONG),
    (NETEASE_WRONG, AuthError, 77, WRONG),
    ("LOGIN Login error password error", AuthError, 77, WRONG),
    ("LOGIN failed", AuthError, 77, WRONG),
    ("LOGIN GroupWise login failed", AuthError, 77, WRONG),
    ("[ALERT] Invalid credentials(Failure)", AuthError, 77, WRONG),
    ("", AuthError, 77, WRONG),
    (YANDEX_WRONG, AuthError, 77, "or IMAP is switched off"),
    (QQ_WRONG, AuthError, 77, "several reasons"),
    ("no such user", AuthError, 77, "does not know this user name"),
    ("user ann@example.com not found", AuthError, 77, "does not know this user name"),
    # another kind of password
    (
        (
            "[ALERT] Application-specific password required: "
            "https://support.google.com/accounts/answer/185833 (Failure)"
        ),
        AuthError,
        77,
        "an app password",
    ),
    (
        (
            "5.7.9 Application-specific password required. For more information, go to "
            "https://support.google.com/mail/?p=InvalidSecondFactor"
        ),
        AuthError,
        77,
        "an app password",
    ),
    (MAILRU_WRONG, AuthError, 77, "an app password"),
    ("Login fail. Please using authorized code to login.", AuthError, 77, "authorization code"),
    ("Authorized code is incorrect", AuthError, 77, "authorization code"),
    ("Login fail. Please using weixin token", AuthError, 77, "authorization code"),
    ("Basic authentication is disabled.", AuthError, 77, "passwords from mail programs"),
    (
        (
            "[AUTHENTICATIONFAILED] AuthFailed:LogonDenied-BasicAuthBlocked-"
            "<UserType:OutlookCom> LogonFailed-BasicAuthBlocked"
        ),
        AuthError,
        77,
        "passwords from mail programs",
    ),
    ("[EXPIRED] Password expired", AuthError, 77, "has expired"),
    # something else to do first
    (
        (
            "[ALERT] Please log in via your web browser: "
            "https://support.google.com/mail/accounts/answer/78754 (Failure)"
        ),
        LogInBlocked,
        77,
        "web site first",
    ),
    (
        "[WEBALERT https://accounts.google.com/signin/continue?sarp=1&scc=1&plt=AKgnsb] Web login required.",
        LogInBlocked,
        77,
        "web site first",
    ),
    (
        (
            "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and "
            "enable your account for IMAP access. (Failure)"
        ),
        LogInBlocked,
        77,
        "IMAP is switched off",
    ),
    (
        "[ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)",
        LogInBlocked,
        77,
        "IMAP is switched off",
    ),
    (
        (
            "[ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for "
            "questions about this feature. (Failure)"
        ),
        LogInBlocked,
        77,
        "administrator of the mail domain",
    ),
    (
        "Access to your account has been temporarily restricted as Yandex suspects it may have been hacked.",
        LogInBlocked,
        77,
        "locked this account",
    ),
    (
        "[CONTACTADMIN] This account has been administratively locked.",
        LogInBlocked,
        77,
        "locked this account",
    ),
    ("[CONTACTADMIN] MySQL error", LogInBlocked, 77, "administrator"),
    ("[NOPERM] Access denied", LogInBlocked, 77, "administrator"),
    ("[AUTHORIZATIONFAILED] Authorization failed", LogInBlocked, 77, "may not open the mailbox"),
    ("LOGIN Unsafe Login. Please contact kefu@188.com for help", LogInBlocked, 77, "mail programs in yet"),
    ("User is authenticated but not connected.", LogInBlocked, 77, "no mailbox behind it"),
    (
        "[PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
        LogInBlocked,
        77,
        "encrypted connection only",
    ),
    # not now
    ("[LIMIT] LOGIN Rate limit hit.", Throttled, 75, "no log-ins for a while"),
    ("4.7.0 Too many login attempts, please try again later.", Throttled, 75, "no log-ins for a while"),
    ("5.7.0 (#AUTH005) Too many bad auth attempts.", Throttled, 75, "no log-ins for a while"),
    ("Login frequency limited", Throttled, 75, "no log-ins for a while"),
    ("Ip is rejected, smtp auth error limit exceed,163 gzga-smtp", Throttled, 75, "no log-ins for a while"),
    ("[OVERQUOTA] Account exceeded command or bandwidth limits.", Throttled, 75, "slow down"),
    ("[ALERT] Too many simultaneous connections. (Failure)", Throttled, 75, "slow down"),
    (
        "[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        Throttled,
        75,
        "slow down",
    ),
    ("[LIMIT] UID FETCH Rate limit hit.", Throttled, 75, "slow down"),
    ("Request is throttled. Suggested Backoff Time: 92415 milliseconds", Throttled, 75, "slow down"),
    ("[UNAVAILABLE] Temporary authentication failure. [mx1:2026-11-22 08:00:00]", ConnectError, 75, "now"),
    ("[UNAVAILABLE] Account is temporarily unavailable.", ConnectError, 75, "now"),
    ("[INUSE] Mailbox in use", ConnectError, 75, "now"),
    ("[SERVERBUG] This should not happen", ConnectError, 75, "now"),
    ("Server Unavailable. 15", ConnectError, 75, "now"),
    ("Session invalidated - AccessTokenExpired", ConnectError, 75, "access token ran out"),
    ("[CLIENTBUG] Unbalanced parentheses", ProtocolError, 76, "mistake"),
]


def log_in(endpoint: Endpoint) -> ImapSession:
    return open_session(endpoint, username=ANN, credential=Password("secret"))


def at(host: str, port: int = 993) -> Endpoint:
    return Endpoint(host=host, port=port, security=Security.TLS)


def refuse(server: ModelServer, command: str, text: str) -> None:
    server.twist = lambda said, reply: (
        b"%b NO %b\r\n" % (reply.splitlines()[-1].split()[0], text.encode())
        if said.startswith(command)
        else reply
    )


@pytest.mark.parametrize(("text", "error", "exit_code", "sentence"), SAID)
def test_a_refused_log_in_says_what_is_wrong_and_what_to_do(
    model: ModelServer, text: str, error: type[MailError], exit_code: int, sentence: str
) -> None:
    refuse(model, "LOGIN", text)
    with pytest.raises(MailError) as caught:
        log_in(model.endpoint)
    assert type(caught.value) is error
    assert caught.value.exit_code == exit_code
    ours, _, theirs = str(caught.value).partition(" The server says: ")
    assert sentence in ours
    assert theirs.rstrip(".") == (f'"{text[:TEXT_LIMIT]}"' if text else "")
    assert caught.value.hint


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.pattern[:40])
def test_each_row_of_the_table_is_there_for_a_text_that_no_row_above_it_takes(known: refusals.Known) -> None:
    above = KNOWN[: KNOWN.index(known)]
    assert any(
        re.search(known.pattern, text, re.IGNORECASE)
        and not any(re.search(row.pattern, text, re.IGNORECASE) for row in above)
        for text, *_ in SAID
    )


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("[LIMIT] LOGIN Rate limit hit.", timedelta(hours=1)),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits.", timedelta(hours=1)),
        ("Too many login attempts, try again in 15 minutes.", timedelta(minutes=15)),
        ("Request is throttled. Suggested Backoff Time: 92415 milliseconds", timedelta(seconds=92.415)),
        ("[ALERT] Too many simultaneous connections. (Failure)", None),
    ],
)
def test_a_lock_out_is_waited_for_and_not_knocked_at(
    model: ModelServer, text: str, wait: timedelta | None
) -> None:
    refuse(model, "LOGIN", text)
    with pytest.raises(Throttled) as caught:
        log_in(model.endpoint)
    assert caught.value.retry_after == wait


def test_what_means_a_wrong_password_at_the_log_in_means_nothing_of_it_later(model: ModelServer) -> None:
    refuse(model, "LIST", "[UNAVAILABLE] invalid password for this shared folder")
    with log_in(model.endpoint) as session, pytest.raises(ProtocolError):
        session.folders()


def test_a_session_that_outlives_its_token_is_opened_again(model: ModelServer) -> None:
    model.twist = lambda said, reply: (
        b"* BYE Session invalidated - AccessTokenExpired\r\n" if said.startswith("EXAMINE") else reply
    )
    with log_in(model.endpoint) as session, pytest.raises(ConnectError, match="token ran out") as caught:
        session.examine("INBOX")
    assert "next sync" in caught.value.hint


def test_a_refused_token_is_no_wrong_password() -> None:
    for text in (GMAIL_WRONG, YANDEX_WRONG, "AUTHENTICATE failed.", "[EXPIRED] Token expired"):
        assert type(refusals.token_refused(text)) is TokenRefused
    assert type(refusals.token_refused("User is authenticated but not connected.")) is LogInBlocked
    assert type(refusals.token_refused("[UNAVAILABLE] Temporary authentication failure.")) is ConnectError


# --- texts that nobody expected ------------------------------------------------------------------------


@given(st.text() | st.binary())
def test_any_text_becomes_an_error_that_a_terminal_can_show(said: str | bytes) -> None:
    for error in (refusals.log_in_refused(said), refusals.refused(said)):
        assert str(error).isprintable()
        assert len(str(error)) < 2 * TEXT_LIMIT


def test_a_server_does_not_speak_in_our_name() -> None:
    error = refusals.log_in_refused('no". Then run: mailcrm account delete "')
    assert str(error).endswith("""The server says: "no'. Then run: mailcrm account delete '".""")


@given(st.sampled_from([text for text, *_ in SAID]), st.text(max_size=20), st.text(max_size=20))
def test_a_known_text_with_anything_around_it_is_still_an_error(text: str, before: str, after: str) -> None:
    assert isinstance(refusals.log_in_refused(before + text + after), MailError)


@pytest.mark.parametrize(
    "again",
    [
        "a",
        " ",
        "[",
        "too many ",
        "account is ",
        "app",
        "user ",
        "wait ",
        "invalid ",
        "IMAP access ",
        "\x1b[",
        "。",
    ],
)
def test_a_very_long_text_is_read_no_further_than_it_is_shown(again: str) -> None:
    error = refusals.log_in_refused(again * 1_000_000 + GMAIL_WRONG)
    assert GMAIL_WRONG not in str(error)
    assert len(str(error)) < 2 * TEXT_LIMIT


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "cp949", "koi8-r", "utf-16"])
def test_a_text_in_another_charset_is_harmless(charset: str) -> None:
    error = refusals.log_in_refused("登录失败 로그인 실패 вход".encode(charset, "replace"))
    assert type(error) is AuthError
    assert str(error).isprintable()


# --- what the provider wants -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "text", "needs"),
    [
        ("me@gmail.com", GMAIL_WRONG, ("Gmail", "app password")),
        ("me@yahoo.com", YAHOO_WRONG, ("Yahoo", "app password")),
        ("me@icloud.com", ICLOUD_WRONG, ("iCloud", "app-specific password")),
        ("me@aol.com", YAHOO_WRONG, ("AOL", "app password")),
        ("me@fastmail.com", FASTMAIL_WRONG, ("Fastmail", "app password")),
        ("me@gmx.de", GMX_WRONG, ("GMX", "IMAP switched off at first")),
        ("me@mail.ru", MAILRU_WRONG, ("Mail.ru", "password for external applications")),
        ("me@yandex.ru", YANDEX_WRONG, ("Yandex", "app password", "IMAP allowed")),
        ("me@163.com", NETEASE_WRONG, ("163", "IMAP switched on", "authorization code")),
        ("me@qq.com", QQ_WRONG, ("QQ", "IMAP switched on", "authorization code")),
        ("me@qq.com", "Login fail. Please using authorized code to login.", ("QQ", "authorization code")),
        # No public text of these two is known; they refuse like any other.
        ("me@naver.com", "", ("Naver", "IMAP switched on", "application password")),
        ("me@daum.net", "", ("Daum", "IMAP switched on", "app password")),
        ("me@outlook.com", MICROSOFT_WRONG, ("Outlook.com", "OAuth2")),
        ("me@outlook.com", "Basic authentication is disabled.", ("Outlook.com", "OAuth2")),
    ],
)
def test_a_wrong_password_says_what_this_provider_wants(
    model: ModelServer, address: str, text: str, needs: tuple[str, ...]
) -> None:
    preset = presets().of_address(address)
    assert preset is not None
    assert preset.imap is not None
    refuse(model, "LOGIN", text)
    with pytest.raises(AuthError) as caught, advised(CONFIG, preset.imap, address, connected=True):
        log_in(model.endpoint)
    assert all(word in str(caught.value) for word in needs)
    assert str(caught.value).endswith(preset.hint)
    assert caught.value.hint == f"Then run: mailcrm account reauth {address}"


def test_a_provider_of_the_persons_own_has_its_own_words(model: ModelServer) -> None:
    acme = {"imap": "imaps://imap.example.com", "hint": "Acme wants the badge number."}
    own, here = replace(CONFIG, providers={"acme": acme}), at("imap.example.com")
    refuse(model, "LOGIN", DOVECOT_WRONG)
    with (
        pytest.raises(AuthError) as caught,
        advised(own, here, ANN, connected=False),
    ):
        log_in(model.endpoint)
    assert str(caught.value).endswith("Acme wants the badge number.")
    assert caught.value.hint == "See: mailcrm provider show acme"


def test_a_mistake_in_their_own_table_does_not_hide_the_refusal(model: ModelServer) -> None:
    refuse(model, "LOGIN", GMAIL_WRONG)
    wrong = replace(CONFIG, providers={"acme": {"imap": 7}})
    with (
        pytest.raises(AuthError, match="Gmail wants"),
        advised(wrong, at("imap.gmail.com"), ANN, connected=False),
    ):
        log_in(model.endpoint)


def test_not_every_server_on_this_computer_is_proton_mail_bridge(model: ModelServer) -> None:
    refuse(model, "LOGIN", DOVECOT_WRONG)
    with pytest.raises(AuthError) as caught, advised(CONFIG, at("127.0.0.1", 1143), ANN, connected=False):
        log_in(model.endpoint)
    assert "Bridge" in str(caught.value)
    with pytest.raises(AuthError) as caught, advised(CONFIG, at("127.0.0.1", 1144), ANN, connected=False):
        log_in(model.endpoint)
    assert "Bridge" not in str(caught.value)


def test_who_is_not_connected_yet_is_shown_the_providers_steps(model: ModelServer) -> None:
    refuse(model, "LOGIN", GMAIL_WRONG)
    with pytest.raises(AuthError) as caught, advised(CONFIG, at("IMAP.gmail.com"), ANN, connected=False):
        log_in(model.endpoint)
    assert "Gmail wants an app password" in str(caught.value)
    assert caught.value.hint == "See: mailcrm provider show gmail"


def test_who_connects_to_an_unknown_server_is_told_what_the_server_said(model: ModelServer) -> None:
    refuse(model, "LOGIN", GMAIL_WRONG)
    with pytest.raises(AuthError) as caught, advised(CONFIG, at("imap.example.com"), ANN, connected=False):
        log_in(model.endpoint)
    assert caught.value.hint == AuthError.hint


@pytest.mark.parametrize(
    ("host", "text", "hint"),
    [
        # Blocked: no other password would help.
        ("imap.gmail.com", "[ALERT] Please log in via your web browser: https://example.com", "web browser"),
        ("imap.zoho.com", "[ALERT] You are yet to enable IMAP for your account.", "Switch IMAP on"),
    ],
)
def test_a_blocked_log_in_keeps_its_own_hint_and_the_same_password(
    model: ModelServer, host: str, text: str, hint: str
) -> None:
    refuse(model, "LOGIN", text)
    with pytest.raises(LogInBlocked) as caught, advised(CONFIG, at(host), ANN, connected=True):
        log_in(model.endpoint)
    assert type(caught.value) is LogInBlocked
    assert hint in str(caught.value)
    assert "app password" not in str(caught.value)
    assert caught.value.hint == f"Then run: mailcrm sync {ANN}"


@pytest.mark.parametrize("host", ["imap.gmx.net", "imap.example.com"])
def test_what_the_server_says_counts_more_than_what_is_known_of_its_provider(
    model: ModelServer, host: str
) -> None:
    refuse(model, "LOGIN", "[ALERT] Application-specific password required")
    with pytest.raises(AuthError) as caught, advised(CONFIG, at(host), ANN, connected=True):
        log_in(model.endpoint)
    assert str(caught.value).endswith("in the provider's security settings, and use it here.")


def test_where_nothing_is_known_of_the_provider_the_usual_hint_stays(model: ModelServer) -> None:
    refuse(model, "LOGIN", DOVECOT_WRONG)
    with (
        pytest.raises(AuthError) as caught,
        advised(CONFIG, at("imap.example.com"), ANN, connected=True),
    ):
        log_in(model.endpoint)
    assert str(caught.value).endswith(AuthError.hint)
    assert caught.value.hint == f"Then run: mailcrm account reauth {ANN}"


def test_a_refusal_that_is_not_about_the_password_keeps_its_hint() -> None:
    with (
        pytest.raises(AuthError) as caught,
        advised(CONFIG, at("imap.gmail.com"), ANN, connected=True),
    ):
        raise AuthError("The mail server takes no password on this connection.", hint="Use TLS or STARTTLS.")
    assert str(caught.value) == "The mail server takes no password on this connection. Use TLS or STARTTLS."


@pytest.mark.parametrize("error", [TokenRefused, SignInNeeded])
def test_an_account_that_signs_in_with_oauth2_is_told_of_no_password(error: type[AuthError]) -> None:
    with pytest.raises(error) as caught, advised(CONFIG, at("imap.gmail.com"), ANN, connected=True):
        raise error
    assert caught.value.hint == error.hint


def test_a_server_that_waits_gets_no_hint_on_passwords(model: ModelServer) -> None:
    refuse(model, "LOGIN", "[LIMIT] LOGIN Rate limit hit.")
    with (
        pytest.raises(Throttled) as caught,
        advised(CONFIG, at("imap.mail.yahoo.com"), ANN, connected=True),
    ):
        log_in(model.endpoint)
    assert "Yahoo" not in str(caught.value) + caught.value.hint

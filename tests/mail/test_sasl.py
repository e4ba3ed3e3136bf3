"""What is said to log in, and that nothing of the secret is told."""

import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.credentials import AccessToken
from mailcrm.core.errors import AuthError, ConfigError
from mailcrm.core.model import Endpoint, Security
from mailcrm.core.printable import TEXT_LIMIT, masked
from mailcrm.mail import sasl

ENDPOINT = Endpoint(host="server.example.com", port=143, security=Security.STARTTLS)
TOKEN = AccessToken("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")


def test_oauthbearer_is_the_example_of_rfc_7628() -> None:
    exchange = sasl.oauthbearer("user@example.com", TOKEN.secret, "server.example.com", 143)
    assert list(exchange.encoded()) == [
        # RFC 7628, 4.1
        (
            b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
            b"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        ),
        b"AQ==",  # RFC 7628, 4.3
        b"*",
    ]


def test_xoauth2_is_the_example_of_google() -> None:
    exchange = sasl.xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    assert list(exchange.encoded()) == [
        (
            b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJo"
            b"ZG1semRHRXVZMjl0Q2cBAQ=="
        ),
        b"",
        b"*",
    ]


def test_plain_is_the_example_of_rfc_4616() -> None:
    assert sasl.plain("tim", "tanstaaftanstaaf").answers == (b"\0tim\0tanstaaftanstaaf",)


def test_a_user_name_with_a_comma_and_an_equals_sign_is_a_saslname() -> None:
    said = sasl.oauthbearer("a=b,c@example.com", "t", "h", 1).answers[0]
    assert said.startswith(b"n,a=a=3Db=2Cc@example.com,\1")


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [
        ({"PLAIN", "XOAUTH2", "OAUTHBEARER"}, "XOAUTH2"),
        ({"PLAIN", "XOAUTH2"}, "XOAUTH2"),
        ({"PLAIN", "OAUTHBEARER"}, "OAUTHBEARER"),
    ],
)
def test_the_best_mechanism_offered_is_taken(offered: set[str], mechanism: str) -> None:
    assert sasl.bearer(offered, ENDPOINT, "ann@example.com", TOKEN).mechanism == mechanism


def test_without_a_mechanism_for_tokens_none_is_said() -> None:
    with pytest.raises(AuthError, match="neither XOAUTH2 nor OAUTHBEARER"):
        sasl.bearer({"PLAIN", "XOAUTH", "OAUTH10A"}, ENDPOINT, "ann@example.com", TOKEN)


@pytest.mark.parametrize(
    "name", ["ann\1auth=Bearer x", "ann\0", "ann\r\n", "ann\x7f", "ann\x85", "ann\udc80"]
)
def test_a_control_character_is_never_said(name: str) -> None:
    with pytest.raises(ConfigError, match="control character"):
        sasl.plain(name, "secret")
    with pytest.raises(ConfigError, match="control character"):
        sasl.plain("ann", name)
    with pytest.raises(ConfigError, match="control character"):
        sasl.login(name, "secret")
    with pytest.raises(ConfigError, match="control character"):
        sasl.xoauth2(name, "token")
    with pytest.raises(ConfigError, match="control character"):
        sasl.oauthbearer(name, "token", "h", 1)
    with pytest.raises(ConfigError, match="control character"):
        sasl.oauthbearer("ann", "token", name, 1)


@pytest.mark.parametrize("token", ["", "two words", '{"access_token":\n"x"}', "a\1b", "a\r\nb", "tök"])
def test_what_is_no_access_token_is_not_sent_and_not_told(token: str) -> None:
    with pytest.raises(ConfigError, match="access token") as caught:
        sasl.xoauth2("ann@example.com", token)
    assert not token or token not in str(caught.value)
    assert "token_command" in caught.value.hint
    with pytest.raises(ConfigError, match="access token"):
        sasl.oauthbearer("ann@example.com", token, "h", 1)


def test_no_secret_is_in_what_python_shows_of_an_exchange() -> None:
    assert "abcdef" not in repr(sasl.xoauth2("ann@example.com", "abcdef"))


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        (b'{"status":"invalid_token","scope":"example_scope"}', "status invalid_token, scope example_scope"),
        (b'{"status":"400","schemes":"Bearer","scope":"mail"}', "status 400, scope mail"),
        (b'{"status":401}', "status 401"),
        (b'{"status":["x"],"scope":null}', ""),
        (b'["status"]', ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b'{"status":"\\u001b[31m\\u202e"}', "status [31m"),
    ],
)
def test_a_challenge_tells_of_an_error_in_harmless_words(challenge: bytes, told: str) -> None:
    assert sasl.error_told(b64encode(challenge)) == told


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_any_challenge_is_read_or_passed_over(challenge: bytes) -> None:
    assert sasl.error_told(challenge).isprintable()


@given(status=st.text(max_size=1000), scope=st.text(max_size=1000))
@settings(max_examples=50)
def test_what_a_challenge_tells_is_short_and_printable(status: str, scope: str) -> None:
    told = sasl.error_told(b64encode(json.dumps({"status": status, "scope": scope}).encode()))
    assert told.isprintable()
    assert len(told) <= TEXT_LIMIT


SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=200)


@given(SECRETS, st.binary(max_size=20), st.binary(max_size=20))
@settings(max_examples=100)
def test_a_secret_that_a_server_repeats_is_hidden(secret: str, before: bytes, after: bytes) -> None:
    text = "no " + b64encode(before + secret.encode() + after).decode() + " and " + secret + " end"
    seen = masked(text, secret)
    assert secret not in seen
    for word in seen.replace("…", " ").split():
        # What is left of the Base64 is of the neighbours, and of at most one byte of the secret.
        assert len(word) <= (max(len(before), len(after)) + 2) * 4 / 3 + 4 or word in {"no", "and", "end"}


def test_a_part_of_a_token_is_hidden_too() -> None:
    secret = "ya29." + "".join(chr(ord("a") + i * i * 7 % 26) for i in range(200))
    assert masked(f"bad token {secret[20:60]}", secret) == "bad token …"
    assert masked(f"bad token {secret}"[:300], secret) == "bad token …"


def test_words_that_are_not_of_the_secret_stay() -> None:
    said = "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"
    assert masked(said, "Invalid") == "[AUTHENTICATIONFAILED] … credentials (Failure)"
    assert masked(said, "another secret, longer than sixteen") == said
    for short in ("", "e", "ed"):
        assert masked(said, short) == said

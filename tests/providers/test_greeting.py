"""What a host that was guessed says, and what we make of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.greeting import Greeting, greeting
from tests.providers.internet import imap_server
from tests.servers.certificates import Authority


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    return authority


def asked(port: int, security: Security) -> Greeting:
    return greeting(Endpoint(host="localhost", port=port, security=security), seconds=2)


@pytest.mark.parametrize(
    ("answered", "heard"),
    [
        (b"a OK begin\r\n", Greeting.IMAP),
        (b"* CAPABILITY IMAP4rev1\r\na OK begin\r\n", Greeting.IMAP),
        (b"a NO not here\r\n", Greeting.NO_STARTTLS),
        (b"a BAD what?\r\n", Greeting.NO_STARTTLS),
        # Somebody in between who speaks before TLS begins would have it believed afterwards.
        (b"a OK begin\r\n* OK [CAPABILITY IMAP4rev1] evil\r\n", Greeting.NO_TLS),
        (b"b OK begin\r\n", Greeting.OTHER),
        (b"* OK again\r\n" * 100, Greeting.OTHER),
        (b"* " + b"x" * 10_000, Greeting.OTHER),
    ],
)
def test_starttls_is_believed_when_tls_begins_at_once(
    answered: bytes, heard: Greeting, trusting: Authority
) -> None:
    good = trusting.issue().context
    with imap_server(b"* OK ready\r\n", good, answered=answered) as port:
        assert asked(port, Security.STARTTLS) is heard


def test_the_certificate_is_checked_after_starttls_too(trusting: Authority) -> None:
    bad = trusting.issue("imap.example.com").context
    with imap_server(b"* OK ready\r\n", bad, answered=b"a OK begin\r\n") as port:
        assert asked(port, Security.STARTTLS) is Greeting.CERTIFICATE


@settings(max_examples=30)
@given(said=st.binary(max_size=200), answered=st.binary(min_size=1, max_size=200))
def test_whatever_is_said_without_tls_is_no_imap_server(said: bytes, answered: bytes) -> None:
    with imap_server(said + b"\r\n", None, answered=answered) as port:
        assert asked(port, Security.STARTTLS) is not Greeting.IMAP
        assert asked(port, Security.TLS) is not Greeting.IMAP


def test_a_host_that_cannot_be_asked_is_told_from_one_that_does_not_answer() -> None:
    assert asked(1, Security.TLS) is Greeting.NO_CONNECTION

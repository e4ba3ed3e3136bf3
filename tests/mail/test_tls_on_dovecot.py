"""Somebody in the way of a real server, and real servers with bad certificates: nothing secret gets out."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from mailcrm.core.credentials import AccessToken, Credential, Password
from mailcrm.core.errors import AuthError, ConnectError, MailError, ProtocolError
from mailcrm.core.model import Endpoint, Security
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer
from tests.servers.fixtures import require_dovecot

USER = "tls@example.com"
TOKEN = AccessToken("ya29-a-token-that-nobody-may-see")


class Middle:
    """Somebody between the client and Dovecot's port without TLS, until TLS begins.

    `alter` gets what the client said (nothing, for the greeting) and what Dovecot answers, and returns
    what the client gets to hear. `heard` is all that came from the client.
    """

    def __init__(self, server: DovecotServer, alter: Callable[[bytes, bytes], bytes]) -> None:
        self.heard = bytearray()
        self._server = server
        self._alter = alter
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.endpoint = Endpoint(host="localhost", port=port, security=Security.STARTTLS)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._server.plain_port))
            with client, server:
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with server.makefile("rb") as answered:
            client.sendall(self._alter(b"", answered.readline()))
            while said := client.recv(65_536):
                self.heard += said
                server.sendall(said)
                answer = lines = answered.readline()
                while answer.startswith(b"*"):
                    answer = answered.readline()
                    lines += answer
                client.sendall(self._alter(said, lines))
                if b"STARTTLS" in said:
                    break
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := source.recv(65_536):
                if source.getsockname()[1] == self.endpoint.port:
                    self.heard += said
                target.sendall(said)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def log_in(endpoint: Endpoint, credential: Credential, ca_file: Path | None) -> ImapSession:
    return open_session(
        endpoint, username=USER, credential=credential, ca_file=str(ca_file) if ca_file else None, timeout=10
    )


def assert_nothing_leaked(heard: bytes, credential: Credential) -> None:
    assert credential.secret.encode() not in heard
    assert base64.b64encode(credential.secret.encode())[3:15] not in heard
    assert b"LOGIN" not in heard
    assert b"AUTHENTICATE" not in heard


def tag_of(said: bytes) -> bytes:
    return said.split()[0]


def test_somebody_who_only_listens_sees_no_secret(dovecot: DovecotServer) -> None:
    password = Password(dovecot.password)
    with Middle(dovecot, lambda _said, answer: answer) as middle:
        with log_in(middle.endpoint, password, dovecot.ca_file) as session:
            assert session.examine("INBOX").exists == 0
        assert_nothing_leaked(bytes(middle.heard), password)


def stripped(_said: bytes, answer: bytes) -> bytes:
    return answer.replace(b" STARTTLS", b"").replace(b" LOGINDISABLED", b"")


def preauth(said: bytes, answer: bytes) -> bytes:
    return answer if said else answer.replace(b"* OK", b"* PREAUTH")


def refused(said: bytes, answer: bytes) -> bytes:
    return tag_of(said) + b" NO not today\r\n" if b"STARTTLS" in said else answer


def injected(said: bytes, answer: bytes) -> bytes:
    """Slip in an answer that would be read as said under TLS."""
    return answer + b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n" if b"STARTTLS" in said else answer


def early(said: bytes, answer: bytes) -> bytes:
    """Answer STARTTLS, whose tag can be guessed, before it was asked."""
    return answer + b"m1 OK begin TLS\r\n" if b"CAPABILITY" in said else answer


def early_refusal(said: bytes, answer: bytes) -> bytes:
    return answer + b"m1 NO no TLS today\r\n" if b"CAPABILITY" in said else answer


def early_greeting(said: bytes, answer: bytes) -> bytes:
    return answer if said else answer + b"m1 OK begin TLS\r\nm2 OK [CAPABILITY IMAP4rev1] logged in\r\n"


def talks_on(said: bytes, answer: bytes) -> bytes:
    """Go on without TLS, as if it had begun."""
    return answer + b"m2 OK done\r\n" if b"STARTTLS" in said else answer


@pytest.mark.parametrize(
    ("alter", "error"),
    [
        (stripped, ProtocolError),
        (preauth, ProtocolError),
        (refused, MailError),
        (injected, ProtocolError),
        (early, MailError),
        (early_refusal, MailError),
        (early_greeting, MailError),
        (talks_on, ProtocolError),
    ],
)
@pytest.mark.parametrize("credential", [Password("a-password-that-nobody-may-see"), TOKEN])
def test_somebody_in_the_way_of_starttls_gets_no_secret(
    dovecot: DovecotServer,
    alter: Callable[[bytes, bytes], bytes],
    error: type[MailError],
    credential: Credential,
) -> None:
    with Middle(dovecot, alter) as middle:
        with pytest.raises(error):
            log_in(middle.endpoint, credential, dovecot.ca_file)
        assert_nothing_leaked(bytes(middle.heard), credential)


def test_a_mechanism_forged_before_starttls_is_forgotten_after_it(dovecot: DovecotServer) -> None:
    def forged(said: bytes, answer: bytes) -> bytes:
        more = b"* CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=XOAUTH2\r\n" if b"STARTTLS" in said else b""
        return more + answer.replace(b" STARTTLS", b" STARTTLS AUTH=XOAUTH2")

    with Middle(dovecot, forged) as middle:
        with pytest.raises(AuthError, match="neither XOAUTH2 nor OAUTHBEARER"):
            log_in(middle.endpoint, TOKEN, dovecot.ca_file)
        assert_nothing_leaked(bytes(middle.heard), TOKEN)


@pytest.fixture(scope="module", params=["another host name", "expired"])
def bad(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[DovecotServer, str]]:
    """A Dovecot with a bad certificate, and the word for what is bad."""
    require_dovecot()
    expired = request.param == "expired"
    certificate = authority.issue(expired=True) if expired else authority.issue("imap.example.org")
    server = DovecotServer(certificate=certificate)
    yield server, request.param
    server.stop()


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize("credential", [Password("secret"), TOKEN])
def test_a_bad_certificate_of_dovecot_is_refused(
    bad: tuple[DovecotServer, str], authority: Authority, security: Security, credential: Credential
) -> None:
    server, words = bad
    endpoint = server.tls if security is Security.TLS else server.starttls
    with pytest.raises(ConnectError, match=words):
        log_in(endpoint, credential, authority.ca_file)
    assert USER not in (server.folder / "dovecot.log").read_text()


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_an_unknown_issuer_of_dovecot_is_refused(
    dovecot: DovecotServer, authority: Authority, security: Security
) -> None:
    endpoint = dovecot.tls if security is Security.TLS else dovecot.starttls
    for ca_file in (None, authority.ca_file):
        with pytest.raises(ConnectError, match="issuer") as caught:
            log_in(endpoint, TOKEN, ca_file)
        assert "--ca-file" in caught.value.hint

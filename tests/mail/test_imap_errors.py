"""What a person is told when the server cannot be reached, or refuses."""

import socket
import traceback
from pathlib import Path

import pytest

from mailcrm.core.credentials import Password
from mailcrm.core.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    FolderMissing,
    LogInBlocked,
    MailError,
    ProtocolError,
    Throttled,
)
from mailcrm.core.model import Endpoint, Security
from mailcrm.core.printable import TEXT_LIMIT
from mailcrm.mail.imap import ImapSession, open_session
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer


def log_in(endpoint: Endpoint, ca_file: Path | None = None, timeout: float = 10) -> ImapSession:
    trusted = str(ca_file) if ca_file else None
    return open_session(
        endpoint, username="ann@example.com", credential=Password("secret"), ca_file=trusted, timeout=timeout
    )


def refuse(server: ModelServer, command: str, text: bytes) -> None:
    """Answer a command with NO and this text."""
    server.twist = lambda said, reply: (
        reply.splitlines()[-1].split()[0] + b" NO " + text + b"\r\n" if said.startswith(command) else reply
    )


def test_microsoft_says_bad_when_there_is_no_mailbox_behind_the_log_in(model: ModelServer) -> None:
    model.twist = lambda said, reply: (
        reply.splitlines()[-1].split()[0] + b" BAD User is authenticated but not connected.\r\n"
        if said.startswith("EXAMINE")
        else reply
    )
    with log_in(model.endpoint) as session, pytest.raises(AuthError) as caught:
        session.examine("INBOX")
    assert "Switch IMAP on" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        (b"EXAMINE Unsafe Login. Please contact kefu@188.com for help", LogInBlocked, "Switch IMAP on"),
        (b"[NONEXISTENT] Unknown Mailbox: x (Failure)", FolderMissing, "account folders"),
        (b"Mailbox does not exist", FolderMissing, "account folders"),
        (b"The folder could not be found: not found", FolderMissing, "account folders"),
        (b"[NOPERM] Access denied", ProtocolError, ""),
        (b"[INUSE] Mailbox in use", ProtocolError, ""),
        (b"Request is throttled.", Throttled, "Wait"),
    ],
)
def test_a_folder_that_is_not_opened_says_why(
    model: ModelServer, text: bytes, error: type[MailError], hint: str
) -> None:
    refuse(model, "EXAMINE", text)
    with log_in(model.endpoint) as session, pytest.raises(error) as caught:
        session.examine("INBOX")
    assert type(caught.value) is error
    assert hint in caught.value.hint


def test_a_servers_text_is_made_harmless_and_short(model: ModelServer) -> None:
    refuse(model, "LIST", b"\x1b]52;c;AAAA\x07\x1b[31m \xe2\x80\xae evil \xff" + b"x" * 5000)
    with log_in(model.endpoint) as session, pytest.raises(ProtocolError) as caught:
        session.folders()
    assert str(caught.value).isprintable()
    assert "\u202e" not in str(caught.value)
    assert len(str(caught.value)) < TEXT_LIMIT + 100


@pytest.mark.parametrize("status", [b"NO", b"BAD"])
def test_a_password_that_the_server_repeats_is_in_no_error(model: ModelServer, status: bytes) -> None:
    model.twist = lambda said, reply: (
        reply.split()[0] + b" " + status + b' cannot: LOGIN "ann" "secret"\r\n'
        if said.startswith("LOGIN")
        else reply
    )
    with pytest.raises(AuthError) as caught:
        log_in(model.endpoint)
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace('password="secret"', "")


def test_a_good_certificate_is_trusted_by_its_ca(authority: Authority) -> None:
    with (
        ModelServer(context=authority.issue().context, security=Security.TLS) as server,
        log_in(server.endpoint, authority.ca_file) as session,
    ):
        assert session.examine("INBOX").exists == 0


def test_an_unknown_issuer_is_refused_with_a_hint_to_the_ca_file(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.TLS) as server:
        with pytest.raises(ConnectError, match="issuer") as caught:
            log_in(server.endpoint)
        assert "--ca-file" in caught.value.hint
        assert server.commands == []


def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    certificate = authority.issue("imap.example.org")
    with ModelServer(context=certificate.context, security=Security.TLS) as server:
        with pytest.raises(ConnectError, match="another host name"):
            log_in(server.endpoint, authority.ca_file)
        by_address = Endpoint(host="127.0.0.1", port=server.endpoint.port, security=Security.TLS)
        with pytest.raises(ConnectError, match="another host name"):
            log_in(by_address, authority.ca_file)
        assert server.commands == []


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    certificate = authority.issue(expired=True)
    with (
        ModelServer(context=certificate.context, security=Security.TLS) as server,
        pytest.raises(ConnectError, match="expired"),
    ):
        log_in(server.endpoint, authority.ca_file)


def test_starttls_checks_the_certificate_before_the_password_is_sent(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.STARTTLS) as server:
        with pytest.raises(ConnectError, match="issuer"):
            log_in(server.endpoint)
        assert server.commands == ["CAPABILITY", "STARTTLS"]
        with log_in(server.endpoint, authority.ca_file) as session:
            assert session.examine("INBOX").exists == 0


def test_starttls_works_with_dovecot(dovecot: DovecotServer) -> None:
    with open_session(
        dovecot.starttls,
        username="tls@example.com",
        credential=Password(dovecot.password),
        ca_file=str(dovecot.ca_file),
    ) as session:
        assert session.examine("INBOX").exists == 0


def test_without_an_offer_of_starttls_no_password_is_sent(model: ModelServer) -> None:
    stripped = Endpoint(host="127.0.0.1", port=model.endpoint.port, security=Security.STARTTLS)
    with pytest.raises(ProtocolError, match="STARTTLS"):
        log_in(stripped)
    assert model.commands == ["CAPABILITY"]


def test_starttls_that_is_refused_ends_it(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.STARTTLS) as server:
        refuse(server, "STARTTLS", b"not today")
        with pytest.raises(MailError):
            log_in(server.endpoint, authority.ca_file)
        assert server.commands == ["CAPABILITY", "STARTTLS"]


def test_preauth_does_not_skip_starttls(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.STARTTLS) as server:
        server.greeting = b"* PREAUTH hello\r\n"
        with pytest.raises(ProtocolError, match="logged in"):
            log_in(server.endpoint, authority.ca_file)


def test_what_was_said_before_tls_does_not_count_after_it(authority: Authority) -> None:
    with ModelServer(context=authority.issue().context, security=Security.STARTTLS) as server:
        server.twist = lambda said, reply: (
            b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n" + reply if said == "STARTTLS" else reply
        )
        with log_in(server.endpoint, authority.ca_file) as session:
            assert "LOGINDISABLED" not in session.capabilities


def test_a_server_that_speaks_no_tls_is_told_apart(model: ModelServer) -> None:
    wrong = Endpoint(host="127.0.0.1", port=model.endpoint.port, security=Security.TLS)
    with pytest.raises(ConnectError, match="TLS") as caught:
        log_in(wrong)
    assert "993" in caught.value.hint


@pytest.mark.parametrize("host", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_without_encryption_only_a_loopback_address_is_spoken_to(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback"):
        log_in(Endpoint(host=host, port=143, security=Security.NONE))


def test_localhost_is_a_loopback_address(model: ModelServer) -> None:
    with log_in(Endpoint(host="localhost", port=model.endpoint.port, security=Security.NONE)) as session:
        assert session.examine("INBOX").exists == 0


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port} refuses connections"):
        log_in(Endpoint(host="127.0.0.1", port=port, security=Security.NONE))


@pytest.mark.parametrize("host", ["no-such-server.invalid", "two..dots.example.com", "", "x" * 80])
def test_a_name_without_a_server_is_a_connect_error(host: str) -> None:
    with pytest.raises((ConnectError, ConfigError)):
        log_in(Endpoint(host=host, port=993, security=Security.TLS))


@pytest.mark.parametrize("security", Security)
def test_a_server_that_says_nothing_is_not_waited_for(security: Security) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConnectError, match="in time"):
            log_in(Endpoint(host="127.0.0.1", port=port, security=security), timeout=0.1)


def test_a_server_that_falls_silent_is_not_waited_for(model: ModelServer) -> None:
    model.twist = lambda said, reply: b"" if said.startswith("UID") else reply
    model.append("INBOX", b"Subject: x\r\n\r\n")
    with log_in(model.endpoint, timeout=0.2) as session:
        session.examine("INBOX")
        with pytest.raises(ConnectError, match="in time"):
            session.uids()


def test_a_ca_file_must_be_one(tmp_path: Path, authority: Authority) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    with ModelServer(context=authority.issue().context, security=Security.TLS) as server:
        for ca_file in (empty, tmp_path / "missing.pem"):
            with pytest.raises(ConfigError, match="CA file"):
                log_in(server.endpoint, ca_file)

"""Asking web servers: what is refused, what is bounded, and in which words."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailcrm import https
from mailcrm.core.errors import ConfigError, ConnectError
from tests.servers.certificates import Authority

Behave = Callable[[ssl.SSLSocket, str], None]


class WebServer:
    """A TLS server on which each connection is answered by `behave(connection, request)`."""

    def __init__(self, authority: Authority, behave: Behave, *hosts: str, expired: bool = False) -> None:
        self._context = authority.issue(*hosts, expired=expired).context
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.base = f"https://localhost:{self.port}"
        self.requests: list[str] = []
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        # A client that hangs up, or trusts nobody, is what the tests are about.
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secure:
            self._open.append(secure)
            request = ""
            with secure.makefile("rb") as reader:
                while not request.endswith("\r\n\r\n"):
                    line = reader.readline()
                    if not line:
                        return
                    request += line.decode()
                length = re.search(r"^Content-Length: (\d+)", request, re.MULTILINE)
                request += reader.read(int(length[1]) if length else 0).decode()
            self.requests.append(request)
            self._behave(secure, request)

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def says(status: str, *headers: str, body: bytes = b"") -> Behave:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]).encode()
    return lambda connection, _: connection.sendall(head + body)


Serve = Callable[..., WebServer]


@pytest.fixture
def serve(authority: Authority) -> Iterator[Serve]:
    started: list[WebServer] = []

    def start(behave: Behave, *hosts: str, expired: bool = False, by: Authority = authority) -> WebServer:
        started.append(WebServer(by, behave, *hosts, expired=expired))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def ca(authority: Authority) -> str:
    return str(authority.ca_file)


def test_an_answer_is_returned_with_its_status(serve: Serve, ca: str) -> None:
    web = serve(says("404 Not Found", "Content-Type: text/html; charset=x", body=b"<p>no"))
    answer = https.get(f"{web.base}/a?b=c", seconds=10, ca_file=ca)
    assert (answer.status, answer.content_type, answer.body) == (404, "text/html", b"<p>no")
    assert answer.url == f"{web.base}/a?b=c"
    assert web.requests[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert "<p>no" not in repr(answer)


def test_a_form_is_posted(serve: Serve, ca: str) -> None:
    web = serve(says("200 OK", "Content-Type: application/json", body=b"{}"))
    assert https.post(f"{web.base}/token", "a=b", seconds=10, ca_file=ca).body == b"{}"
    assert web.requests[0].startswith("POST /token")
    assert web.requests[0].endswith("\r\n\r\na=b")
    assert "Content-Type: application/x-www-form-urlencoded" in web.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "HTTP://localhost/",
        "file:///etc/hostname",
        "ftp://localhost/",
        "localhost",
        "",
        "https://",
        "https:///x",
        "https://[::1",
        "data:,x",
    ],
)
def test_anything_but_https_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="begins with https://"):
        https.get(url, seconds=5)
    with pytest.raises(ConfigError, match="begins with https://"):
        https.post(url, "a=b", seconds=5)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Again", "308 Moved"])
def test_a_redirect_is_followed(serve: Serve, ca: str, status: str) -> None:
    end = serve(says("200 OK", body=b"here"))
    web = serve(says(status, f"Location: {end.base}/there it is?\xe9".encode().decode("latin-1")))
    answer = https.get(web.base, seconds=10, ca_file=ca)
    assert answer.body == b"here"
    assert answer.url.startswith(f"{end.base}/there%20it%20is?")


def test_a_redirect_can_be_relative(serve: Serve, ca: str) -> None:
    def behave(connection: ssl.SSLSocket, request: str) -> None:
        answer = (
            says("200 OK", body=b"x") if request.startswith("GET /b/d ") else says("302 F", "Location: d")
        )
        answer(connection, request)

    assert https.get(f"{serve(behave).base}/b/c", seconds=10, ca_file=ca).body == b"x"


@pytest.mark.parametrize("location", ["http://localhost/", "//[", "file:///etc/hostname", "gopher:x"])
def test_a_redirect_away_from_tls_is_refused(serve: Serve, ca: str, location: str) -> None:
    web = serve(says("302 Found", f"Location: {location}"))
    with pytest.raises(ConnectError, match="localhost could not be asked: it redirects to"):
        https.get(web.base, seconds=10, ca_file=ca)


def test_a_redirect_loop_ends(serve: Serve, ca: str) -> None:
    web = serve(says("302 Found", "Location: /"))
    with pytest.raises(ConnectError, match="redirects again and again"):
        https.get(web.base, seconds=10, ca_file=ca)
    assert len(web.requests) == 6


@pytest.mark.parametrize("status", ["302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_form_is_never_redirected(serve: Serve, ca: str, status: str) -> None:
    other = serve(says("200 OK"))
    web = serve(says(status, f"Location: {other.base}/"))
    with pytest.raises(ConnectError, match="redirects a form"):
        https.post(web.base, "secret=x", seconds=10, ca_file=ca)
    assert other.requests == []


def test_the_server_that_fails_is_the_one_that_is_named(serve: Serve, ca: str) -> None:
    web = serve(says("302 Found", "Location: https://127.0.0.1:1/"))
    with pytest.raises(ConnectError, match=r"^127\.0\.0\.1 could not be asked: Connection refused"):
        https.get(web.base, seconds=10, ca_file=ca)


def test_an_endless_body_is_cut(serve: Serve, ca: str) -> None:
    def behave(connection: ssl.SSLSocket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 10_000)

    with pytest.raises(ConnectError, match="more than 256,000 bytes"):
        https.get(serve(behave).base, seconds=30, ca_file=ca)


def test_a_promised_length_does_not_matter_until_it_comes(serve: Serve, ca: str) -> None:
    web = serve(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"))
    with pytest.raises(ConnectError, match="broke off"):
        https.get(web.base, seconds=10, ca_file=ca)


def drip(first: bytes, piece: bytes) -> Behave:
    def behave(connection: ssl.SSLSocket, _: str) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        drip(b"HTTP/1.1 200 ", b"x"),
        lambda connection, _: connection.recv(1),
    ],
    ids=["body", "header", "status", "silence"],
)
def test_an_answer_that_does_not_end_ends_in_time(serve: Serve, ca: str, behave: Behave) -> None:
    with pytest.raises(ConnectError, match="localhost did not answer in time"):
        https.get(serve(behave).base, seconds=0.5, ca_file=ca)


def test_a_server_without_a_handshake_ends_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectError, match="did not answer in time"),
    ):
        https.get(f"https://localhost:{silent.getsockname()[1]}/", seconds=0.5)


def test_an_expired_certificate_is_told(serve: Serve, ca: str) -> None:
    with pytest.raises(ConnectError, match="certificate of localhost is not trusted: it has expired") as told:
        https.get(serve(says("200 OK"), expired=True).base, seconds=10, ca_file=ca)
    assert "clock" in told.value.hint


def test_a_certificate_of_another_name_is_told(serve: Serve, ca: str) -> None:
    with pytest.raises(ConnectError, match="it is made for another host name"):
        https.get(serve(says("200 OK"), "other.example.com").base, seconds=10, ca_file=ca)


def test_an_unknown_issuer_is_told(serve: Serve, ca: str, tmp_path: Path) -> None:
    web = serve(says("200 OK"), by=Authority(tmp_path))
    with pytest.raises(ConnectError, match="its issuer is unknown"):
        https.get(web.base, seconds=10, ca_file=ca)
    assert web.requests == []


@pytest.mark.parametrize("noise", [b"SSH-2.0-x\r\n", b"\x1b[31mHTTP\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
def test_noise_is_an_error_without_control_characters(serve: Serve, ca: str, noise: bytes) -> None:
    web = serve(lambda connection, _: connection.sendall(noise))
    with pytest.raises(ConnectError) as told:
        https.get(web.base, seconds=10, ca_file=ca)
    assert str(told.value).isprintable()


def test_a_server_without_tls_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectError, match="localhost could not be asked"):
            https.get(f"https://localhost:{plain.getsockname()[1]}/", seconds=10)
        thread.join()


def test_a_closed_port_is_told() -> None:
    with pytest.raises(ConnectError, match="localhost could not be asked: Connection refused"):
        https.get("https://localhost:1/?code=secret", seconds=10)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(ConnectError, match=r"name nobody\.invalid leads to no server"):
        https.get("https://nobody.invalid/", seconds=20)


class Proxy:
    """An HTTP proxy that leads one CONNECT to a port of this machine, or says `refusal`."""

    def __init__(self, port: int, refusal: bytes = b"") -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked = ""
        self._thread = threading.Thread(target=self._serve, args=(port, refusal))
        self._thread.start()

    def _serve(self, port: int, refusal: bytes) -> None:
        near, _ = self._listening.accept()
        with near, near.makefile("rb") as reader:
            self.asked = reader.readline().decode()
            while reader.readline() != b"\r\n":
                pass
            if refusal:
                near.sendall(refusal)
                return
            near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as far:
                back = threading.Thread(target=self._carry, args=(far, near))
                back.start()
                self._carry(near, far)
                back.join()

    @staticmethod
    def _carry(origin: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := origin.recv(4096):
                to.sendall(piece)
            to.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        self._thread.join()
        self._listening.close()


def through(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)


def test_a_proxy_of_the_environment_is_used(serve: Serve, ca: str, monkeypatch: pytest.MonkeyPatch) -> None:
    web = serve(says("200 OK", body=b"x"), "mail.example.com")
    proxy = Proxy(web.port)
    through(monkeypatch, proxy)
    assert https.get("https://mail.example.com/", seconds=10, ca_file=ca).body == b"x"
    proxy.stop()
    assert proxy.asked.startswith("CONNECT mail.example.com:443 ")


def test_a_certificate_behind_a_proxy_is_that_of_the_host(
    serve: Serve, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(serve(says("200 OK"), "other.example.com").port)
    through(monkeypatch, proxy)
    with pytest.raises(ConnectError, match=r"certificate of mail\.example\.com .* another host name"):
        https.get("https://mail.example.com/", seconds=10, ca_file=ca)
    proxy.stop()


def test_a_proxy_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(1, refusal=b"HTTP/1.1 407 Who are you\x1b[2J\r\n\r\n")
    through(monkeypatch, proxy)
    with pytest.raises(ConnectError, match=r"mail\.example\.com could not be asked: .*407") as told:
        https.get("https://mail.example.com/", seconds=10)
    assert str(told.value).isprintable()
    proxy.stop()


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CA file"):
        https.get("https://localhost/", seconds=5, ca_file=str(tmp_path / "none.pem"))
    bad = tmp_path / "bad.pem"
    bad.write_text("x")
    with pytest.raises(ConfigError, match="CA file"):
        https.get("https://localhost/", seconds=5, ca_file=str(bad))

"""Waiting for a browser: what counts as its answer, and what is sent away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest

from mailcrm.core.errors import SignInFailed
from mailcrm.oauth2.grants import begin, redeem
from mailcrm.oauth2.issuers import Issuer
from mailcrm.oauth2.loopback import Listener
from tests.oauth2.test_grants import NOW
from tests.servers.authorization import AuthorizationServer

STATE = "s-t-a-t-e"
ANSWER = f"/?code=the-code&state={STATE}"


def visit(
    listener: Listener, target: str, *, method: str = "GET", host: str | None = None, at: str = "127.0.0.1"
) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection(at, listener.port, timeout=10)
    try:
        connection.request(method, target, headers={} if host is None else {"Host": host})
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


@contextmanager
def waiting(listener: Listener) -> Iterator[list[str]]:
    """Wait in a thread; the answer is in the list once the block has ended."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(listener.wait(STATE, 20)))
    thread.start()
    try:
        yield answers
    finally:
        visit(listener, ANSWER)
        thread.join()


def test_a_browser_that_agrees_ends_in_tokens(server: AuthorizationServer, here: Issuer) -> None:
    with Listener() as listener:
        asked = begin(here, "ann@example.com", listener.port)
        pages: list[str] = []
        browser = threading.Thread(target=lambda: pages.append(server.browser(asked.url)))
        browser.start()
        answer = listener.wait(asked.state, 20)
        browser.join()
    assert redeem(here, asked, answer, NOW).access_token
    assert "Back to mailcrm" in pages[0]


def test_the_page_has_no_secret_and_no_script() -> None:
    with Listener() as listener:
        seen: list[tuple[HTTPResponse, str]] = []
        browser = threading.Thread(target=lambda: seen.append(visit(listener, ANSWER)))
        browser.start()
        assert listener.wait(STATE, 20) == f"http://127.0.0.1:{listener.port}{ANSWER}"
        browser.join()
    response, page = seen[0]
    assert response.status == 200
    assert "the-code" not in page
    assert STATE not in page
    assert "<script" not in page
    assert response.getheader("Content-Security-Policy", "").startswith("default-src 'none'")
    assert response.getheader("Referrer-Policy") == "no-referrer"
    assert response.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("target", "method", "host", "status"),
    [
        ("/favicon.ico", "GET", None, 404),
        ("/", "GET", None, 404),
        ("/?code=x", "GET", None, 404),
        (f"/other?code=x&state={STATE}", "GET", None, 404),
        (ANSWER, "POST", None, 404),
        (ANSWER, "HEAD", None, 404),
        (ANSWER, "GET", "rebound.example.com", 404),
        ("/?code=x&state=another", "GET", None, 400),
        ("/?state=%ff%fe", "GET", None, 400),
        ("/?" + "&" * 5000, "GET", None, 404),
    ],
)
def test_foreign_requests_are_sent_away(target: str, method: str, host: str | None, status: int) -> None:
    with Listener() as listener:
        with waiting(listener) as answers:
            assert visit(listener, target, method=method, host=host)[0].status == status
            assert answers == []
        assert answers == [f"http://127.0.0.1:{listener.port}{ANSWER}"]


def test_only_the_first_answer_counts() -> None:
    with Listener() as listener:
        first = threading.Thread(target=visit, args=(listener, f"/?code=first&state={STATE}"))
        first.start()
        answer = listener.wait(STATE, 20)
        first.join()
    assert "code=first" in answer
    with pytest.raises(ConnectionRefusedError):
        visit(listener, ANSWER)


def test_connections_that_say_nothing_hold_nobody_up() -> None:
    with Listener() as listener:
        with waiting(listener) as answers:
            idle = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(40)]
        for one in idle:
            one.close()
    assert len(answers) == 1


def test_a_request_that_never_ends_is_cut() -> None:
    with Listener() as listener:
        with waiting(listener) as answers, socket.create_connection(("127.0.0.1", listener.port)) as endless:
            # The cut is seen by any of the writes.
            with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - see above
                endless.sendall(b"GET /?code=x HTTP/1.1\r\n")
                while True:
                    endless.sendall(b"X-More: and more\r\n" * 500)
            assert answers == []
        assert len(answers) == 1


def test_noise_is_no_answer() -> None:
    with Listener() as listener:
        with waiting(listener) as answers:
            for noise in (
                b"\x16\x03\x01\x02\x00\r\n\r\n",
                b"\r\n\r\n",
                b"GET\r\n\r\n",
                b"GET /?x FTP\r\n\r\n",
                b"\xff",
            ):
                with socket.create_connection(("127.0.0.1", listener.port)) as visitor:
                    visitor.sendall(noise)
                    visitor.shutdown(socket.SHUT_WR)
                    assert b"200 OK" not in visitor.makefile("rb").read()
        assert len(answers) == 1


def test_nobody_comes() -> None:
    with Listener() as listener, pytest.raises(SignInFailed, match="in time"):
        listener.wait(STATE, 0.05)


def test_a_taken_port_is_told() -> None:
    with Listener() as taken, pytest.raises(SignInFailed, match=f"at port {taken.port}") as told:
        Listener(taken.port)
    assert "redirect_port" in told.value.hint


def test_a_fixed_port_is_free_again_at_once() -> None:
    with Listener() as first:
        port = first.port
        with waiting(first):
            pass
    with Listener(port) as second:
        assert second.port == port


def test_both_loopback_addresses_are_heard() -> None:
    with Listener() as listener:
        try:
            probe = socket.create_connection(("::1", listener.port), timeout=5)
        except OSError:
            pytest.skip("This machine has no ::1.")
        probe.close()
        with waiting(listener) as answers:
            assert visit(listener, "/favicon.ico", at="::1")[0].status == 404
        assert len(answers) == 1


def test_a_port_that_another_has_on_the_other_address_is_not_taken() -> None:
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("This machine has no ::1.")
    with other, pytest.raises(SignInFailed, match="at port"):
        Listener(other.getsockname()[1])

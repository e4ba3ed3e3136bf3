"""Fixtures of the mail servers; tests/conftest.py loads them as a plugin."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.servers.authorization import AuthorizationServer
from tests.servers.certificates import Authority
from tests.servers.cyrus import CyrusServer, cyrus_available
from tests.servers.dovecot import DovecotServer, dovecot_available
from tests.servers.exim import EximServer, exim_available
from tests.servers.model_imap import ModelServer
from tests.servers.pymap import PymapServer


def _require(available: bool, sentence: str) -> None:  # noqa: FBT001 - it reads as an assertion
    if not available:
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)


def require_dovecot() -> None:
    """Skip what needs Dovecot where it is not installed; fail in CI."""
    _require(
        dovecot_available(), "Dovecot is not installed, so NOTHING is tested against a real IMAP server."
    )


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    require_dovecot()
    server = DovecotServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def introspection(authority: Authority) -> Iterator[AuthorizationServer]:
    """The authorization server that `oauth2_dovecot` asks; a test takes users of its own."""
    server = AuthorizationServer(authority)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def oauth2_dovecot(introspection: AuthorizationServer) -> Iterator[DovecotServer]:
    require_dovecot()
    server = DovecotServer(introspection=introspection.plain_introspection_endpoint)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cyrus() -> Iterator[CyrusServer]:
    _require(cyrus_available(), "Cyrus is not installed, so nothing is tested against a second IMAP server.")
    server = CyrusServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def exim() -> Iterator[EximServer]:
    _require(
        exim_available(),
        "Exim is not installed, so nothing is tested against a real server for outgoing mail.",
    )
    server = EximServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mbsync() -> None:
    _require(
        shutil.which("mbsync") is not None, "mbsync is not installed, so mailcrm is compared with nothing."
    )


@pytest.fixture(scope="session")
def pymap() -> Iterator[PymapServer]:
    server = PymapServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server

"""Fixtures of the mail servers; tests/conftest.py loads them as a plugin."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer, dovecot_available
from tests.servers.model_imap import ModelServer


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    if not dovecot_available():
        sentence = "Dovecot is not installed, so NOTHING is tested against a real IMAP server."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    server = DovecotServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server

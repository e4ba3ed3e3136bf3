from collections.abc import Iterator

import pytest

from mailcrm.oauth2.issuers import Issuer, issuer
from tests.servers.authorization import AuthorizationServer
from tests.servers.certificates import Authority


@pytest.fixture
def server(authority: Authority) -> Iterator[AuthorizationServer]:
    server = AuthorizationServer(authority)
    yield server
    server.stop()


@pytest.fixture
def here(server: AuthorizationServer) -> Issuer:
    return issuer("here", server.client(), None)

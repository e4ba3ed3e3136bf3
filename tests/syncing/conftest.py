import pytest

from tests.conftest import Store
from tests.servers.model_imap import ModelServer
from tests.syncing.office import Office


@pytest.fixture
def office(store: Store, model: ModelServer) -> Office:
    return Office(store, model)

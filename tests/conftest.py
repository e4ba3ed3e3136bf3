"""Fixtures for all tests: one store on each database, real servers, Hypothesis profiles."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mailcrm.core.model import MemberRole
from mailcrm.store import Database, members, open_database
from mailcrm.store.migrate import create_first_member, migrate
from tests.servers.postgres import PostgresServer, database_of, postgres_available

pytest_plugins = ["tests.servers.fixtures"]

_SLOW_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=_SLOW_FIXTURES)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=_SLOW_FIXTURES, derandomize=True
)
settings.register_profile("long", max_examples=1500, deadline=None, suppress_health_check=_SLOW_FIXTURES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev"))

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)

#: The first member of every store under test, an admin.
FIRST = "ann@example.com"


class Store:
    """A fresh store on one database, and a way to open it as any of its members."""

    def __init__(self, kind: str, url: str, login: Callable[[str], str]) -> None:
        self.kind = kind
        self.url = url
        self._login = login
        self._open: list[Database] = []

    def as_member(self, address: str) -> Database:
        """Open the store as the member with this address; closed at the end of the test."""
        if self.kind == "sqlite":
            db = open_database(self.url, viewer=address)
        else:
            db = open_database(self._login(login_of(address)), viewer=None)
        self._open.append(db)
        return db

    def add_member(self, address: str, *, role: MemberRole = MemberRole.MEMBER) -> Database:
        """Add a member, with a database login on PostgreSQL, and open the store as that member."""
        login = login_of(address) if self.kind == "postgres" else None
        if login is not None:
            self._login(login)
        members.create_member(
            self.as_member(FIRST), name=login_of(address), address=address, role=role, login=login, at=NOW
        )
        return self.as_member(address)

    def close(self) -> None:
        for db in self._open:
            db.close()


def login_of(address: str) -> str:
    """Return the database login that the tests give a member."""
    return address.partition("@")[0]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if not postgres_available():
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    url = postgres.create_database()
    migrate(url)
    return database_of(url)


@pytest.fixture
def postgres_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Yield the URL, with the owner's login, of a fresh migrated database."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(database_of(url))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Yield a store with one member, on each database in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'mailcrm.db'}"
        migrate(url)
        create_first_member(url, name="Ann", address=FIRST, login=None)
        made = Store("sqlite", url, lambda login: login)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = request.getfixturevalue("postgres_url")
        made = Store("postgres", url, _login_maker(server, url))
        made._login(login_of(FIRST))
        create_first_member(url, name="Ann", address=FIRST, login=login_of(FIRST))
    yield made
    made.close()


def _login_maker(server: PostgresServer, url: str) -> Callable[[str], str]:
    """Return a function that makes a login, a member of mailcrm_member, and gives its URL."""
    import psycopg
    from psycopg import sql

    def login(name: str) -> str:
        server.create_login(name, f"secret-{name}")
        with psycopg.connect(server.superuser_url(database_of(url)), autocommit=True) as superuser:
            superuser.execute(sql.SQL("GRANT mailcrm_member TO {}").format(sql.Identifier(name)))
        return server.url(database_of(url), name)

    return login


@pytest.fixture
def db(store: Store) -> Database:
    """Return the store opened by its first member."""
    return store.as_member(FIRST)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the settings and secrets of the person who runs it."""
    for name in [name for name in os.environ if name.startswith("MAILCRM_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)

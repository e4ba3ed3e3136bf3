"""A private PostgreSQL for tests: started in a temporary folder, reached by password, gone afterwards.

Tables, migrations and policies are left to the tests and to `mailcrm.store`.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

HOST = "127.0.0.1"
START_WITHIN = 30.0

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # Nothing has to survive the tests.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # A server of a user need not run in UTC, and the store must not mind.
    "timezone": "Asia/Seoul",
}


def postgres_available() -> bool:
    """Say whether the programs of a PostgreSQL server are on this machine."""
    return _programs() is not None


def database_of(url: str) -> str:
    """Return the name of the database in a URL that `PostgresServer` gave."""
    return urlsplit(url).path.removeprefix("/")


class PostgresServer:
    """A running server with the role `owner`, which owns every database and may create roles.

    `owner` is no superuser, like the owner that docs/postgresql.md asks for. A database is meant by
    its name; `database_of` finds it in a URL. Roles belong to the server, not to one database: a
    login and its memberships outlive the database of the test that made them.
    """

    def __init__(self) -> None:
        """Make the cluster and start the server, in about half a second."""
        self._passwords = {"postgres": secrets.token_hex(8)}
        self._numbers = count(1)
        self._port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="mailcrm-postgres-"))
        self._server = _start(self._folder, self._port, self._passwords["postgres"])
        self._admin = _connect(self.superuser_url("postgres"), self._server, self._folder / "log")
        self.create_login("owner", secrets.token_hex(8))
        self._admin.execute("ALTER ROLE owner CREATEROLE")

    def create_database(self, template: str | None = None) -> str:
        """Create a database and return the owner's URL of it.

        `template` is the name of a database to copy, to which nobody may be connected.
        """
        name = f"test{next(self._numbers)}"
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER owner TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template1")
            )
        )
        return self.url(name, "owner")

    def drop_database(self, name: str) -> None:
        """Remove a database, and end the sessions that are still in it."""
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def create_login(self, name: str, password: str) -> None:
        """Let a role log in with this password; make the role when it is not there yet."""
        self._passwords[name] = password
        known = self._admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        verb = sql.SQL(
            "CREATE ROLE {} LOGIN PASSWORD {}" if known is None else "ALTER ROLE {} LOGIN PASSWORD {}"
        )
        self._admin.execute(verb.format(sql.Identifier(name), sql.Literal(password)))

    def url(self, database: str, login: str) -> str:
        """Return the URL under which a login of `create_login`, or `owner`, reaches a database."""
        who = f"{quote(login, safe='')}:{quote(self._passwords[login], safe='')}"
        return f"postgresql://{who}@{HOST}:{self._port}/{database}"

    def superuser_url(self, database: str) -> str:
        """Return the URL of the superuser, whom no policy binds."""
        return self.url(database, "postgres")

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._admin.close()
        # An immediate shutdown: what it would still write is removed in the next line.
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(timeout=START_WITHIN)
        shutil.rmtree(self._folder)


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    # Debian keeps them off the PATH, in one folder for each version.
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _start(folder: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    programs = _programs()
    if programs is None:
        raise FileNotFoundError("initdb and postgres are not installed")
    user = _server_user()
    password_file = folder / "password"
    password_file.write_text(password)
    for path in (folder, password_file):
        os.chown(path, user.pw_uid, user.pw_gid)
    initdb = [f"{programs}/initdb", "-D", f"{folder}/data", "-U", "postgres", f"--pwfile={password_file}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    postgres = [f"{programs}/postgres", "-D", f"{folder}/data", "-p", str(port)]
    for name, value in SETTINGS.items():
        postgres += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        subprocess.run(initdb, check=True, stdout=log, cwd=folder, user=user.pw_uid, group=user.pw_gid)
        return subprocess.Popen(
            postgres,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=user.pw_uid,
            group=user.pw_gid,
        )


def _server_user() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    # PostgreSQL refuses to run as root, and initdb wants a user with a name.
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _connect(url: str, server: subprocess.Popen[bytes], log: Path) -> psycopg.Connection:
    deadline = time.monotonic() + START_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:  # refused, or "the database system is starting up"
            time.sleep(0.02)
    raise TimeoutError(f"PostgreSQL did not start:\n{log.read_text()}")

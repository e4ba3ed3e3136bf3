"""Fixtures of the command line: desks on which something was done already."""

import shutil
from pathlib import Path

import pytest

from tests.cli.desk import (
    ANN,
    BOB,
    HOSTILE,
    KIM,
    LETTERS,
    USER,
    YESTERDAY,
    Desk,
    Done,
    OnModel,
    letter,
    words_to_connect,
)
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer


@pytest.fixture(scope="session")
def secret(dovecot: DovecotServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the password, for --password-command."""
    path = tmp_path_factory.mktemp("secret") / "password"
    path.write_text(f"{dovecot.password}\nsecond line\n")
    return path


@pytest.fixture
def new_desk(tmp_path: Path) -> Desk:
    """A desk on which nothing was done yet."""
    home = tmp_path / "desk"
    home.mkdir()
    return Desk(home)


@pytest.fixture(scope="session")
def first_desk(
    dovecot: DovecotServer, secret: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Desk, Done, Done]:
    """A desk after `connect`, a contact and a deal, and `sync`, with what connect and sync said."""
    for folder, raw, flags in LETTERS:
        dovecot.append(USER, folder, raw, YESTERDAY, flags)
    desk = Desk(tmp_path_factory.mktemp("first-desk"))
    connected = desk.try_to(*words_to_connect(dovecot), "--password-command", f"cat {secret}")
    desk.run("contact", "create", "Kim", "--address", KIM)
    desk.run("deal", "create", "Pumps", "--contact", KIM, "--value", "90", "--currency", "eur")
    return desk, connected, desk.try_to("sync")


@pytest.fixture
def desk(first_desk: tuple[Desk, Done, Done], tmp_path: Path) -> Desk:
    """A copy of the first desk, to be changed at will."""
    return Desk(Path(shutil.copytree(first_desk[0].home, tmp_path / "desk")))


@pytest.fixture
def shared_desk(desk: Desk) -> Desk:
    """A desk where Bob is a member, too."""
    desk.run("member", "create", BOB, "--name", "Bob")
    return desk


@pytest.fixture
def on_model(new_desk: Desk, model: ModelServer) -> OnModel:
    port = str(model.endpoint.port)
    new_desk.run(
        *("connect", ANN, "--imap-host", "127.0.0.1", "--imap-port", port, "--imap-security", "none"),
        *("--password-command", f"echo {model.password}"),
    )
    for number in range(8):
        model.append("INBOX", letter(f"{number}@example.org", f"Nr. {number}", "x"), YESTERDAY)
    return OnModel(new_desk, model)


@pytest.fixture(scope="session")
def hostile_desk(first_desk: tuple[Desk, Done, Done], tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk on which everything carries a hostile name; it is only read."""
    home = tmp_path_factory.mktemp("hostile") / "desk"
    desk = Desk(Path(shutil.copytree(first_desk[0].home, home)))
    desk.run("contact", "create", HOSTILE, "--address", "evil@example.net")
    desk.run("deal", "create", HOSTILE, "--contact", "evil@example.net")
    desk.run("link", "auto")
    return desk

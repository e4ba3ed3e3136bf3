"""The server of an account: named, changed, asked for sending; and what opens it, wherever that is kept."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailcrm.commands.invocation import Invocation
from mailcrm.commands.sync import open_anew
from mailcrm.core.errors import NotFound
from mailcrm.core.model import Security
from mailcrm.render import Display
from mailcrm.store import accounts
from tests.cli.desk import ANN, YESTERDAY, Desk, letter
from tests.servers.certificates import Authority
from tests.servers.model_imap import PASSWORD, ModelServer
from tests.servers.model_smtp import ModelSmtpServer

#: A back end that keyring takes for the desktop's, and that never opens, as under cron.
LOCKED = """
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

class Locked(KeyringBackend):
    priority = 9
    def get_password(self, service, username):
        raise KeyringLocked
    set_password = delete_password = get_password

Locked.__module__ = "keyring.backends.SecretService"
"""


@pytest.fixture
def other() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def locked(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine whose keyring never opens."""
    (tmp_path / "locked_keyring.py").write_text(LOCKED)
    return {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "locked_keyring.Locked"}


def at(server: ModelServer) -> list[str]:
    port = str(server.endpoint.port)
    return ["--imap-host", "127.0.0.1", "--imap-port", port, "--imap-security", "none"]


def connect(desk: Desk, server: ModelServer, **environment: str) -> None:
    done = desk.try_to(
        *("connect", ANN, "--no-input", "--since", "all", *at(server)),
        *("--password-stdin", "--store-secret", "file"),
        said=f"{PASSWORD}\n",
        **environment,
    )
    assert done.code == 0, done.err


def secrets(desk: Desk) -> list[str]:
    folder = desk.home / ".local/share/mailcrm/secrets"
    return sorted(path.name for path in folder.glob("*") if not path.name.startswith("lock="))


# --- another server -------------------------------------------------------------------------------------


@pytest.mark.parametrize("username", [ANN, "shared@example.com"])
def test_all_mail_of_another_server_comes_and_none_is_taken_for_the_old(
    new_desk: Desk, model: ModelServer, other: ModelServer, username: str
) -> None:
    for server, word in ((model, "old"), (other, "new")):
        for number in range(3):
            raw = letter(f"{word}{number}@example.org", f"{word} {number}", "body")
            server.append("INBOX", raw, YESTERDAY)
    connect(new_desk, model)
    new_desk.run("sync")
    new_desk.run("account", "set", "--imap-port", str(other.endpoint.port), "--username", username)
    new_desk.run("sync", "--accept-deletions")
    subjects = {row["subject"] for row in new_desk.run("inbox", "--json").json}
    assert {"new 0", "new 1", "new 2"} <= subjects


def test_what_opened_the_old_server_is_deleted_and_said(
    new_desk: Desk, model: ModelServer, other: ModelServer
) -> None:
    connect(new_desk, model)
    assert len(secrets(new_desk)) == 1
    done = new_desk.try_to(
        "account", "set", "--imap-host", "localhost", "--imap-port", str(other.endpoint.port)
    )
    assert done.code == 0
    assert (
        "What opened 127.0.0.1 (a password) is deleted, ca_file with it. Next: mailcrm account reauth"
        in done.err
    )
    assert secrets(new_desk) == []
    assert new_desk.try_to("sync").code == 78


def test_a_watching_sync_opens_its_sessions_at_the_server_of_the_moment(
    new_desk: Desk, model: ModelServer, other: ModelServer
) -> None:
    new_desk.run("connect", ANN, "--no-input", *at(model), "--password-command", f"echo {PASSWORD}")
    invocation = Invocation(
        store=f"sqlite:///{new_desk.store}",
        member=None,
        config_path=new_desk.config,
        ask=False,
        display=Display(as_json=False, quiet=True, color=False),
    )
    with invocation.open_store() as db:
        known = accounts.account(db, ANN)
    model.commands.clear()
    new_desk.run("account", "set", "--imap-port", str(other.endpoint.port))
    with open_anew(invocation, known) as imap:
        imap.examine("INBOX")
    assert (model.commands, bool(other.commands)) == ([], True)
    new_desk.run("account", "disconnect", ANN)
    with pytest.raises(NotFound):
        open_anew(invocation, known)


def test_the_same_server_in_capitals_stays_the_same(new_desk: Desk, model: ModelServer) -> None:
    connect(new_desk, model)
    new_desk.run("account", "set", "--imap-host", "127.0.0.1")
    assert len(secrets(new_desk)) == 1
    new_desk.run("sync")


def test_a_server_is_not_changed_when_the_settings_cannot_be_written(
    new_desk: Desk, model: ModelServer
) -> None:
    connect(new_desk, model)
    new_desk.config.with_name("config.toml.new").mkdir()
    done = new_desk.try_to("account", "set", "--imap-host", "localhost")
    assert done.code == 78
    assert len(secrets(new_desk)) == 1
    new_desk.run("sync")


def test_nothing_is_kept_when_an_account_is_not_connected_to_its_end(
    new_desk: Desk, model: ModelServer
) -> None:
    new_desk.config.parent.mkdir(parents=True)
    new_desk.config.with_name("config.toml.new").mkdir()
    done = new_desk.try_to(
        *("connect", ANN, "--no-input", *at(model), "--password-stdin", "--store-secret", "file"),
        said=f"{PASSWORD}\n",
    )
    assert done.code == 78
    assert secrets(new_desk) == []


@pytest.mark.parametrize(
    "words",
    [
        ("connect", "kim@gmail.com", "--imap-port", "1143"),
        ("connect", "kim@gmail.com", "--imap-security", "starttls"),
        ("connect", "kim@example.com", "--imap-host", ""),
        ("connect", "kim@example.com", "--imap-host", "imaps://imap.example.com:993"),
        ("connect", "kim@example.com", "--imap-host", "imap example.com"),
        ("connect", "kim@example.com", "--imap-host", "imap.example.com", "--username", "a\nb"),
        ("account", "set", ANN, "--imap-host", ""),
        ("account", "set", ANN, "--imap-host", "imap.example.com\n"[:-1] + "\x1b"),
        ("account", "set", ANN, "--username", "a\nb"),
        ("provider", "detect", "kim@example.com", "--imap-host", "a b"),
    ],
    ids=repr,
)
def test_a_server_that_is_none_is_refused_before_anything_happens(
    new_desk: Desk, model: ModelServer, words: tuple[str, ...]
) -> None:
    connect(new_desk, model)
    before = new_desk.run("account", "show", "--json").json
    done = (
        new_desk.try_to(*words, "--no-input", "--password-command", "echo x")
        if words[0] == "connect"
        else (new_desk.try_to(*words))
    )
    assert done.code == 2, done.err
    assert new_desk.run("account", "show", "--json").json == before
    assert len(secrets(new_desk)) == 1


# --- a keyring that never opens ---------------------------------------------------------------------------


def test_beside_a_locked_keyring_files_and_commands_do_all_that_is_needed(
    new_desk: Desk, model: ModelServer, other: ModelServer, locked: dict[str, str]
) -> None:
    connect(new_desk, model, **locked)
    new_desk.run("sync", **locked)
    command = ("--password-command", f"echo {PASSWORD}")
    new_desk.run("account", "reauth", *command, **locked)
    assert secrets(new_desk) == [], "the password is in one place"
    new_desk.run("sync", **locked)
    words = ("account", "set", "--imap-host", "localhost", "--imap-port", str(other.endpoint.port))
    done = new_desk.try_to(*words, **locked)
    assert done.code == 0
    assert "The keyring does not open" in done.err
    new_desk.run("account", "reauth", *command, **locked)
    new_desk.run("sync", **locked)
    done = new_desk.try_to("account", "disconnect", ANN, **locked)
    assert done.code == 0
    assert "The keyring does not open" in done.err


def test_a_new_password_stays_where_the_last_one_was(new_desk: Desk, model: ModelServer) -> None:
    connect(new_desk, model)
    done = new_desk.try_to("account", "reauth", "--password-stdin", said=f"{PASSWORD}\n")
    assert done.code == 0, done.err
    assert len(secrets(new_desk)) == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [(b"", "Standard input is empty."), (b"p\xe4ss\n", "Standard input is no text in UTF-8.")],
)
def test_a_password_that_cannot_be_read_is_said(
    new_desk: Desk, model: ModelServer, said: bytes, sentence: str
) -> None:
    words = ("connect", ANN, "--no-input", *at(model), "--password-stdin", "--store-secret", "file")
    done = subprocess.run(
        [sys.executable, "-m", "mailcrm", *words],
        env=new_desk.environment | {"PYTHONIOENCODING": "utf-8:strict"},
        input=said,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert sentence in done.stderr.decode()
    assert not new_desk.store.exists()


def test_who_has_to_switch_imap_on_is_not_asked_for_another_password(
    new_desk: Desk, model: ModelServer
) -> None:
    refusal = b" NO [ALERT] Your account is not enabled for IMAP use.\r\n"
    model.twist = lambda command, reply: reply.split()[0] + refusal if command.startswith("LOGIN") else reply
    words = ("connect", ANN, *at(model), "--store-secret", "file", "--personal", "--since", "all")
    code, told = new_desk.talk(
        *words, "--visibility", "private", said=[(f"Password for {ANN}: ", f"{PASSWORD}\n")]
    )
    assert code == 77
    assert told.count("Password for") == 1


# --- the server that takes mail ----------------------------------------------------------------------------


def test_a_check_logs_in_to_both_servers_with_the_name_that_was_given(
    new_desk: Desk, authority: Authority
) -> None:
    context = authority.issue().context
    with (
        ModelServer(context=context, security=Security.TLS) as imap,
        ModelSmtpServer(context, Security.TLS) as smtp,
    ):
        new_desk.config.parent.mkdir(parents=True)
        new_desk.config.write_text(
            f'[providers.corp]\nimap = "imaps://localhost:{imap.endpoint.port}"\n'
            f'smtp = "smtps://localhost:{smtp.endpoint.port}"\ndomains = ["example.com"]\n'
        )
        done = new_desk.try_to(
            *("connect", ANN, "--no-input", "--username", "CORP\\ann", "--ca-file", str(authority.ca_file)),
            *("--password-stdin", "--store-secret", "file"),
            said=f"{PASSWORD}\n",
        )
        assert done.code == 0, done.err
        checked = new_desk.run("account", "check")
        assert f"sending\tlocalhost:{smtp.endpoint.port} lets us in\n" in checked.out
        (shown,) = [line for line in smtp.heard if line.startswith(b"AUTH PLAIN")]
        assert base64.b64decode(shown.split()[-1]) == f"\0CORP\\ann\0{PASSWORD}".encode()


def test_a_secret_that_cannot_be_deleted_keeps_the_account_until_it_can(
    new_desk: Desk, model: ModelServer
) -> None:
    connect(new_desk, model)
    folder = new_desk.home / ".local/share/mailcrm/secrets"
    (name,) = secrets(new_desk)
    (folder / name).unlink()
    (folder / name).mkdir()
    done = new_desk.try_to("account", "disconnect", ANN)
    assert done.code == 78
    assert "cannot be deleted" in done.err
    (folder / name).rmdir()
    new_desk.run("account", "disconnect", ANN)


def test_a_password_of_the_environment_is_not_said_to_be_deleted(
    new_desk: Desk, model: ModelServer, other: ModelServer
) -> None:
    given = {"MAILCRM_PASSWORD_ANN_EXAMPLE_COM": PASSWORD}
    new_desk.run("connect", ANN, "--no-input", *at(model), **given)
    words = ("account", "set", "--imap-host", "localhost", "--imap-port", str(other.endpoint.port))
    done = new_desk.try_to(*words, **given)
    assert done.code == 0
    assert "is deleted" not in done.err
    assert "goes to the new server" in done.err
    new_desk.run("sync", **given)


def test_a_keyring_that_cannot_be_loaded_leaves_the_file_as_the_place(
    new_desk: Desk, model: ModelServer
) -> None:
    connect(new_desk, model)
    words = ("account", "reauth", "--password-stdin")
    done = new_desk.try_to(*words, said=f"{PASSWORD}\n", PYTHON_KEYRING_BACKEND="nope.Nope")
    assert done.code == 0, done.err
    assert len(secrets(new_desk)) == 1


def test_the_tenant_stays_what_it_was(new_desk: Desk) -> None:
    client = "01234567-89ab-cdef-0123-456789abcdef"
    new_desk.run("account", "oauth-setup", "microsoft", "--client-id", client, "--tenant", "organizations")
    code, told = new_desk.talk(
        *("account", "oauth-setup", "microsoft"),
        said=[("Client ID: ", f"{client}\n"), ("[organizations]: ", "a b\n"), ("[organizations]: ", "\n")],
    )
    assert code == 0, told
    assert 'tenant = "organizations"' in new_desk.config.read_text()

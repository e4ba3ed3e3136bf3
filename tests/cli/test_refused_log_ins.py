"""What a person reads when the mail server does not let them in, from the first try to the next sync."""

from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.servers.model_imap import ModelServer

ANN = "ann@example.com"
APP_PASSWORD = (
    b"[ALERT] Application-specific password required: "
    b"https://support.google.com/accounts/answer/185833 (Failure)"
)
BROWSER = b"[ALERT] Please log in via your web browser: https://example.com (Failure)"
LOCKED_OUT = b"[LIMIT] LOGIN Rate limit hit."


@pytest.fixture
def desk(tmp_path: Path, model: ModelServer) -> Desk:
    home = tmp_path / "desk"
    home.mkdir()
    return Desk(home)


def connecting(model: ModelServer) -> list[str]:
    return [
        *("connect", ANN, "--imap-host", "127.0.0.1", "--imap-port", str(model.endpoint.port)),
        *("--imap-security", "none", "--password-command", "echo secret"),
    ]


def refuse(model: ModelServer, text: bytes) -> None:
    model.twist = lambda said, reply: (
        b"%b NO %b\r\n" % (reply.split()[0], text) if said.startswith("LOGIN") else reply
    )


def test_connect_says_what_the_provider_wants(desk: Desk, model: ModelServer) -> None:
    refuse(model, APP_PASSWORD)
    failed = desk.try_to(*connecting(model))
    assert failed.code == 77
    assert "The provider wants an app password." in failed.err
    assert "Make an app password" in failed.err


def test_a_sync_says_it_with_the_command_to_run_and_status_goes_on_saying_it(
    desk: Desk, model: ModelServer
) -> None:
    desk.run(*connecting(model))
    refuse(model, APP_PASSWORD)
    for words in (("account", "check"), ("sync",), ("sync",), ("status",)):
        told = desk.try_to(*words)
        assert "Make an app password" in told.out + told.err, words
        assert f"mailcrm account reauth {ANN}" in told.out + told.err, words


def test_who_has_to_visit_the_web_site_is_not_asked_for_another_password(
    desk: Desk, model: ModelServer
) -> None:
    desk.run(*connecting(model))
    refuse(model, BROWSER)
    failed = desk.try_to("sync")
    assert failed.code == 77
    assert "confirm that it was you, then try again." in failed.err
    assert f"Then run: mailcrm sync {ANN}" in failed.err
    model.twist = lambda _, reply: reply
    assert desk.run("sync", ANN).code == 0


def test_a_lock_out_is_waited_for_by_the_machine(desk: Desk, model: ModelServer) -> None:
    desk.run(*connecting(model))
    refuse(model, LOCKED_OUT)
    assert desk.try_to("sync").code == 75
    asked = len(model.commands)
    held = desk.try_to("sync")
    assert held.code == 75
    assert "waits until" in held.err
    assert len(model.commands) == asked

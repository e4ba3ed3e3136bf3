"""Signing in with OAuth2, from the first command to cron, against a real authorization server and Dovecot."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.cli.desk import LETTERS, YESTERDAY, Desk
from tests.servers.authorization import AuthorizationServer
from tests.servers.dovecot import DovecotServer

_USERS = count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """A company with a mail server and an authorization server, and one of its people at a desk."""

    desk: Desk
    address: str
    issuer: AuthorizationServer
    dovecot: DovecotServer

    def connect(self, *options: str) -> list[str]:
        kept = () if any(option.endswith("-command") for option in options) else ("--store-secret", "file")
        return [
            *("connect", self.address, "--ca-file", str(self.dovecot.ca_file), *kept),
            *("--since", "all", "--visibility", "private", *options),
        ]

    def sign_in(self, told: str) -> str:
        """Sign in on another machine, and return the address where the browser ended."""
        (url,) = re.findall(r"https://localhost:\d+/authorize\S+", told)
        return self.issuer.consent(url) + "\n"

    @property
    def renewals(self) -> int:
        return self.issuer.asked["refresh_token"]


@pytest.fixture
def company(new_desk: Desk, introspection: AuthorizationServer, oauth2_dovecot: DovecotServer) -> Company:
    address = f"ann{next(_USERS)}@example.com"
    for folder, raw, flags in LETTERS:
        oauth2_dovecot.append(address, folder, raw, YESTERDAY, flags)
    introspection.user = address
    introspection.asked.clear()
    new_desk.config.parent.mkdir(parents=True)
    new_desk.config.write_text(
        f"""
{introspection.toml("mycorp")}
[providers.mycorp]
name = "My company"
domains = ["example.com"]
imap = "imaps://localhost:{oauth2_dovecot.tls_port}"
username = "email"
sign_in = ["OAuth2"]
oauth2 = "mycorp"
hint = "My company wants a sign-in with OAuth2."
"""
    )
    return Company(desk=new_desk, address=address, issuer=introspection, dovecot=oauth2_dovecot)


@pytest.fixture
def signed_in(company: Company) -> Company:
    code, told = company.desk.talk(
        *company.connect("--personal"),
        said=[("Address of the page: ", company.sign_in)],
    )
    assert code == 0, told
    return company


def test_a_terminal_without_a_browser_ends_with_a_sync(company: Company) -> None:
    code, told = company.desk.talk(
        *company.connect("--sync"),
        said=[("share this account? [y/N]: ", "n\n"), ("Address of the page: ", company.sign_in)],
    )
    assert code == 0, told
    assert f"{company.address} is connected (mycorp, localhost)." in told
    assert len(company.desk.run("inbox").rows) == 3
    assert company.issuer.asked["authorization_code"] == 1


def test_the_next_sync_of_cron_renews_a_token_that_expired(signed_in: Company) -> None:
    desk = signed_in.desk
    desk.run("sync")
    assert signed_in.renewals == 0
    # Nothing here knows of it, as when the clock was wrong or an administrator ended all sessions.
    signed_in.issuer.expire(signed_in.address)
    assert "4 emails" in desk.run("status").out or desk.run("sync").code == 0
    assert signed_in.renewals == 1
    desk.run("sync")
    assert signed_in.renewals == 1


def test_a_token_is_renewed_before_it_expires(company: Company) -> None:
    company.issuer.lifetime = 60
    try:
        code, told = company.desk.talk(
            *company.connect("--personal"), said=[("Address of the page: ", company.sign_in)]
        )
        assert code == 0, told
        company.desk.run("sync")
        assert company.renewals == 1
    finally:
        company.issuer.lifetime = 3600


def test_a_sign_in_that_was_taken_back_waits_for_a_person(signed_in: Company) -> None:
    desk = signed_in.desk
    desk.run("sync")
    signed_in.issuer.revoke(signed_in.address)
    done = desk.try_to("sync")
    assert done.code == 77
    assert f"mailcrm account reauth {signed_in.address}" in done.err
    asked = signed_in.renewals
    assert desk.try_to("sync").code == 77
    assert signed_in.renewals == asked, "no sync asks again before a person signed in"
    code, told = desk.talk("account", "reauth", said=[("Address of the page: ", signed_in.sign_in)])
    assert code == 0, told
    assert f"{signed_in.address} is signed in again." in told
    assert "trouble" not in desk.run("status").out
    desk.run("sync")


def test_what_was_pasted_wrong_is_asked_for_again(company: Company) -> None:
    code, told = company.desk.talk(
        *company.connect("--personal"),
        said=[
            ("Address of the page: ", "hello\n"),
            ("no code in what was pasted", "https://www.example.com/\n"),
            ("no code in what was pasted", lambda told: company.sign_in(told)[:-40] + "\n"),
            ("The end of the address is missing", company.sign_in),
        ],
    )
    assert code == 0, told
    assert company.issuer.asked["authorization_code"] == 1, "the issuer is asked with an answer only"


def test_an_address_longer_than_a_line_of_a_terminal_can_be_pasted(company: Company) -> None:
    def paste(told: str) -> str:
        return company.sign_in(told).replace("?", f"?session_state={'x' * 6_000}&")

    code, told = company.desk.talk(
        *company.connect("--personal"),
        said=[("Address of the page: ", paste)],
    )
    assert code == 0, told[-500:]


def test_a_code_is_typed_on_another_machine(company: Company) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mailcrm", *company.connect("--no-input", "--flow", "device")],
        env=company.desk.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    while (code := re.search(r"type this code: (\S+)", told)) is None:
        line = process.stderr.readline()
        assert line, told
        told += line
    company.issuer.approve(code[1])
    assert process.wait(60) == 0, told + process.stderr.read()
    process.stderr.close()
    company.desk.run("sync")


def test_a_browser_of_this_machine_brings_the_answer(company: Company, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\nenv >{opened}.env\nprintf %s "$1" >{opened}.new\nmv {opened}.new {opened}\n'
    )
    browser.chmod(0o755)

    def act() -> None:
        while not opened.exists():
            time.sleep(0.05)
        company.issuer.browser(opened.read_text())

    person = threading.Thread(target=act, daemon=True)
    person.start()
    done = company.desk.try_to(
        *company.connect("--no-input", "--flow", "browser"),
        BROWSER=f"{browser} %s",
        MAILCRM_PASSWORD_BOB_EXAMPLE_COM="plantedpassword",
    )
    assert done.code == 0, done.err
    person.join(10)
    assert "plantedpassword" not in Path(f"{opened}.env").read_text(), "a browser needs no password"
    company.desk.run("sync")


def test_who_looks_for_a_browser_is_told_no_password(company: Company, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    asked = programs / "xdg-settings"
    asked.write_text(f"#!/bin/sh\n/usr/bin/env >{tmp_path}/seen\nexit 1\n")
    asked.chmod(0o755)
    code, told = company.desk.talk(
        *company.connect("--personal"),
        said=[("Address of the page: ", company.sign_in)],
        DISPLAY=":0",
        PATH=f"{programs}",
        MAILCRM_PASSWORD_BOB_EXAMPLE_COM="plantedpassword",
        PGPASSWORD="plantedpassword",
    )
    assert code == 0, told
    seen = (tmp_path / "seen").read_text()
    assert "DISPLAY" in seen
    assert "plantedpassword" not in seen


def test_somebody_else_who_signed_in_is_said(company: Company) -> None:
    mine, company.issuer.user = company.issuer.user, "other@example.com"
    try:
        code, told = company.desk.talk(
            *company.connect("--personal"), said=[("Address of the page: ", company.sign_in)]
        )
    finally:
        company.issuer.user = mine
    assert code == 77, told
    assert f"Sign in as {company.address}" in told
    assert "reauth" not in told
    assert not company.desk.store.exists()


def test_a_command_for_tokens_is_tried_again_by_reauth(company: Company, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(company.issuer.issue(company.address)[0])
    company.desk.run(*company.connect("--no-input", "--token-command", f"cat {token}"))
    company.desk.run("account", "reauth", "--no-input")
    token.write_text("worn-out")
    assert company.desk.try_to("account", "reauth", "--no-input").code == 77
    assert "token_command" in company.desk.config.read_text()


def test_a_sign_in_needs_a_person_or_a_device_code(company: Company) -> None:
    done = company.desk.try_to(*company.connect("--no-input"))
    assert done.code == 2
    assert "--flow device" in done.err


def test_a_person_who_says_no_is_told_so(company: Company) -> None:
    company.issuer.user = None
    code, told = company.desk.talk(
        *company.connect("--personal"),
        said=[("Address of the page: ", company.sign_in)],
    )
    assert code == 77, told
    assert not company.desk.store.exists(), "nothing is stored before the server let us in"


def test_a_token_command_opens_an_account_without_a_client(company: Company, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(company.issuer.issue(company.address)[0])
    company.desk.config.write_text("")
    server = ("--imap-host", "localhost", "--imap-port", str(company.dovecot.tls_port))
    company.desk.run(*company.connect(*server, "--no-input", "--token-command", f"cat {token}"))
    company.desk.run("sync")
    token.write_text(company.issuer.issue("other@example.com")[0])
    done = company.desk.try_to("sync", company.address)
    assert done.code == 77
    token.write_text("")
    assert company.desk.try_to("sync", company.address).code == 78


def test_a_password_takes_the_place_of_tokens(signed_in: Company) -> None:
    desk = signed_in.desk
    done = desk.try_to(
        *("account", "reauth", "--auth", "password", "--password-stdin", "--store-secret", "file"),
        said=f"{signed_in.dovecot.password}\n",
    )
    assert (done.code, done.err) == (0, f"{signed_in.address} has its new password.\n")
    signed_in.issuer.revoke(signed_in.address)
    desk.run("sync")
    (kept,) = (desk.home / ".local/share/mailcrm/secrets").glob("*@example.com@*")
    assert kept.read_text() == f"{signed_in.dovecot.password}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--auth", "oauth2", "--password-stdin"), "do not go together"),
        (("--password-command", "x", "--token-command", "y"), "do not go together"),
        (("--password-command", "x", "--flow", "paste"), "--password-command and --flow do not"),
        (("--auth", "password", "--token-command", "y"), "--token-command and --auth password do not"),
    ],
)
def test_two_ways_at_once_are_refused(company: Company, words: tuple[str, ...], sentence: str) -> None:
    done = company.desk.try_to(*company.connect("--no-input", *words))
    assert done.code == 2
    assert sentence in done.err


def test_without_a_client_the_set_up_is_named(new_desk: Desk) -> None:
    done = new_desk.try_to("connect", "kim@outlook.com", "--no-input")
    assert done.code == 78
    assert "mailcrm account oauth-setup microsoft" in done.err
    assert not new_desk.store.exists()


# --- secrets ------------------------------------------------------------------------------------------


def _watched(act: Callable[[], None]) -> str:
    """Return the command lines and environments of all other processes while something is done."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        me = str(os.getpid())
        while not over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                if process.name != me:
                    for file in ("cmdline", "environ"):
                        try:
                            seen.add((process / file).read_bytes().decode("utf-8", "replace"))
                        except OSError:  # it has ended, or is another user's
                            continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        act()
    finally:
        over.set()
        watcher.join()
    return "\n".join(seen)


def test_no_secret_is_anywhere_but_in_its_place(signed_in: Company) -> None:
    desk, told = signed_in.desk, []

    def act() -> None:
        for words in (
            ("-vv", "sync", "--json"),
            ("-vv", "account", "check", "--json"),
            ("-vv", "account", "show", "--json"),
            ("-vv", "status", "--json"),
        ):
            done = desk.run(*words)
            told.append(done.out + done.err)
        signed_in.issuer.expire(signed_in.address)
        told.append(desk.run("-vv", "sync").err)
        signed_in.issuer.revoke(signed_in.address)
        told.append(desk.try_to("-vv", "sync").err)

    seen = _watched(act)
    assert "mailcrm" in seen, "the watcher saw the program"
    secrets_folder = desk.home / ".local/share/mailcrm/secrets"
    kept = [path for path in desk.files() if path.is_relative_to(secrets_folder)]
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    secrets = signed_in.issuer.secrets
    assert len(secrets) >= 4, "a code, two access tokens and a refresh token"
    written = {path: path.read_bytes() for path in desk.files() if path not in kept}
    for secret in secrets:
        assert secret not in seen
        assert not any(secret in text for text in told)
        assert not [path for path, raw in written.items() if secret.encode() in raw]

"""Connecting an address whose server is found in the network: a small one, with a real Dovecot in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import LETTERS, YESTERDAY, Desk
from tests.providers.internet import ISPDB, KIM, MX, config, internet, own
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer
from tests.servers.fixtures import require_dovecot
from tests.servers.web import Site, page

HOST = "imap.example.com"
ELSEWHERE = "imap.example.org"
QUIET = ("--store-secret", "file", "--since", "all", "--visibility", "private", "--personal")


@pytest.fixture(scope="module")
def found_dovecot(authority: Authority) -> Iterator[DovecotServer]:
    require_dovecot()
    server = DovecotServer(certificate=authority.issue(HOST, ELSEWHERE, "localhost", "127.0.0.1"))
    server.ca_file = authority.ca_file
    for folder, raw, flags in LETTERS:
        server.append(KIM, folder, raw, YESTERDAY, flags)
    yield server
    server.stop()


def served_by(server: DovecotServer, host: str) -> str:
    """Return an autoconfig file that names the server by this name."""
    return config(host).replace("<port>993</port>", f"<port>{server.tls_port}</port>")


def zone(host: str) -> dict[tuple[str, str], list[str]]:
    return {**MX, (host, "A"): ["127.0.0.1"]}


def test_an_address_and_a_password_are_all_that_is_needed(
    tmp_path: Path, authority: Authority, found_dovecot: DovecotServer
) -> None:
    with internet(authority, zone(HOST), own(page(served_by(found_dovecot, HOST)))) as there:
        done = there.run(
            *(tmp_path, "connect", KIM, "--no-input", "--password-stdin", *QUIET, "--sync"),
            said=f"{found_dovecot.password}\n",
        )
        assert done.code == 0, done.err
        assert f"{KIM} is connected (imap, {HOST})." in done.err
        assert len(there.run(tmp_path, "inbox").rows) == 3


def test_nobody_but_a_person_sends_a_password_to_another_domain(
    tmp_path: Path, authority: Authority, found_dovecot: DovecotServer
) -> None:
    sites = {ISPDB: Site(pages={"/v1.1/example.com": page(served_by(found_dovecot, ELSEWHERE))})}
    with internet(authority, zone(ELSEWHERE), sites) as there:
        done = there.run(tmp_path, "connect", KIM, "--no-input", "--password-stdin", *QUIET, said="secret\n")
        assert done.code == 66
        assert f"{ELSEWHERE} belongs to example.org, not to example.com" in done.err
        assert f"--imap-host {ELSEWHERE}" in done.err
        assert not Desk(tmp_path).store.exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 78), ("y\n", 0)], ids=["no", "yes"])
def test_a_person_is_asked_before_a_password_goes_to_another_domain(
    tmp_path: Path, authority: Authority, found_dovecot: DovecotServer, answer: str, code: int
) -> None:
    sites = {ISPDB: Site(pages={"/v1.1/example.com": page(served_by(found_dovecot, ELSEWHERE))})}
    said = [("Is your mail there? [y/N]: ", answer)]
    if code == 0:
        said += [(f"Password for {KIM}: ", f"{found_dovecot.password}\n")]
    with internet(authority, zone(ELSEWHERE), sites) as there:
        ended, told = there.desk(tmp_path).talk("connect", KIM, *QUIET, said=said, **there.environment)
    assert ended == code, told
    assert "found by ISPDB" in told
    assert Desk(tmp_path).store.exists() == (code == 0)


def test_a_domain_that_microsoft_keeps_leads_to_its_sign_in(tmp_path: Path, authority: Authority) -> None:
    names = {("example.com", "MX"): ["0 example-com.mail.protection.outlook.com."]}
    with internet(authority, names, {}) as there:
        done = there.run(tmp_path, "connect", KIM, "--no-input", *QUIET)
    assert done.code == 78
    assert "mailcrm account oauth-setup microsoft" in done.err


def test_a_brand_that_resells_is_where_its_mx_leads(tmp_path: Path, authority: Authority) -> None:
    names = {("example.com", "MX"): ["1 aspmx.l.google.com."]}
    with internet(authority, names, {}) as there:
        done = there.run(tmp_path, "connect", KIM, "--provider", "godaddy", "--no-input", *QUIET)
    assert done.code == 78
    assert "Gmail wants an app password" in done.err


def test_with_no_discovery_a_server_has_to_be_named(tmp_path: Path, authority: Authority) -> None:
    with internet(authority, MX, {}) as there:
        done = there.run(tmp_path, "connect", KIM, "--no-discovery", "--no-input", *QUIET)
        assert (there.names.asked, there.web.asked) == ([], [])
    assert done.code == 66
    assert "--imap-host HOST" in done.err

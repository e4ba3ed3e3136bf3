"""`mailcrm provider detect`, in processes of their own that live in the small internet."""

from pathlib import Path

import pytest

from tests.cli.desk import HARMFUL, Desk
from tests.providers.internet import AUTOCONFIG, ISPDB, KIM, MX, config, internet, own
from tests.servers.certificates import Authority
from tests.servers.web import Site, page

OWN = """
[providers.big]
name = "Big Mail"
domains = ["big.example.net"]
mx = ["*.big.example.net"]
imap = "imaps://imap.big.example.net"
smtp = "smtps://smtp.big.example.net"
sign_in = ["app password"]
hint = "Big Mail wants an app password."
steps = ["Open the settings.", "Make a password for mailcrm."]
page = "https://big.example.net/help"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a person who has a provider of their own in config.toml."""
    desk = Desk(tmp_path)
    desk.config.parent.mkdir(parents=True)
    desk.config.write_text(OWN)
    desk.config.chmod(0o600)
    return tmp_path


def test_an_address_of_the_table_is_shown_with_its_preparation_and_nobody_is_asked(
    home: Path, authority: Authority
) -> None:
    with internet(authority, {}, {}) as there:
        done = there.run(home, "provider", "detect", "Kim@big.example.net")
        assert (there.names.asked, there.web.asked) == ([], [])
    assert (done.code, done.err) == (0, "")
    assert done.rows == [
        ["table", "big.example.net", "Big Mail"],
        [""],
        ["found by", "table"],
        ["provider", "Big Mail (big)"],
        ["imap", "imap.big.example.net:993 (tls)"],
        ["smtp", "smtp.big.example.net:465 (tls)"],
        ["user name", "kim@big.example.net"],
        ["sign-in", "app password"],
        ["hint", "Big Mail wants an app password."],
        ["step 1", "Open the settings."],
        ["step 2", "Make a password for mailcrm."],
        ["page", "https://big.example.net/help"],
    ]


def test_each_step_is_shown_and_a_server_elsewhere_is_warned_of(home: Path, authority: Authority) -> None:
    sites = {ISPDB: Site(pages={"/v1.1/example.com": page(config("imap.example.org"))})}
    with internet(authority, MX, sites) as there:
        done = there.run(home, "provider", "detect", KIM)
    assert done.code == 0
    assert done.rows[:5] == [
        ["table", "example.com", "not in the table"],
        ["MX", "example.com", "mx.example.com: not in the table"],
        [
            "autoconfig",
            f"https://autoconfig.example.com{AUTOCONFIG}",
            "autoconfig.example.com could not be asked: Tunnel connection failed: 502 Bad Gateway.",
        ],
        [
            "autoconfig",
            f"https://example.com/.well-known/autoconfig{AUTOCONFIG}",
            "example.com could not be asked: Tunnel connection failed: 502 Bad Gateway.",
        ],
        ["ISPDB", f"https://{ISPDB}/v1.1/example.com", "imap.example.org:993 (tls)"],
    ]
    assert ["imap", "imap.example.org:993 (tls)"] in done.rows
    assert ["sign-in", "password"] in done.rows
    assert done.err.splitlines()[1].startswith("imap.example.org belongs to example.org, not to example.com;")
    assert not HARMFUL.search(done.out + done.err)


def test_json_has_the_steps_and_what_was_made_of_them(home: Path, authority: Authority) -> None:
    zone = {("example.com", "MX"): ["1 mx.big.example.net."]}
    with internet(authority, zone, {}) as there:
        told = there.run(home, "provider", "detect", KIM, "--json").json
    assert list(told) == [
        *("address", "steps", "source", "provider", "imap", "smtp", "username", "smtp_username"),
        *("sign_in", "elsewhere", "doubt", "preset"),
    ]
    assert told["steps"][1] == {
        "source": "MX",
        "asked": "example.com",
        "answer": "mx.big.example.net: Big Mail",
        "found": None,
        "reached": True,
        "hint": "",
    }
    assert told["source"] == "MX"
    assert told["imap"] == {"host": "imap.big.example.net", "port": 993, "security": "tls"}
    assert told["preset"]["steps"] == ["Open the settings.", "Make a password for mailcrm."]


def test_hostile_bytes_of_files_and_records_reach_no_output(home: Path, authority: Authority) -> None:
    evil = "\\027[31m\\007evil.example.com."
    zone = {
        ("example.com", "MX"): [f"1 {evil}"],
        ("example.com", "TXT"): ['"\\027[31m"'],
        ("_imaps._tcp.example.com", "SRV"): [f"1 1 993 {evil}"],
    }
    sites = own(page(config("\x9b2Jimap.example.com", username="\x85")))
    with internet(authority, zone, sites) as there:
        for more in ((), ("--json",)):
            done = there.run(home, "provider", "detect", KIM, *more)
            assert done.code == 66
            assert "mailcrm does not know the mail server of kim@example.com." in done.err
            assert not HARMFUL.search(done.out + done.err)


def test_with_no_discovery_nobody_is_asked(home: Path, authority: Authority) -> None:
    with internet(authority, MX, own(page(config()))) as there:
        done = there.run(home, "provider", "detect", KIM, "--no-discovery")
        assert (there.names.asked, there.web.asked) == ([], [])
    assert done.code == 66
    assert done.rows == [["table", "example.com", "not in the table"]]
    assert "--imap-host" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("kim",), 2, "'kim' is not an e-mail address."),
        (("kim@",), 2, "'kim@' is not an e-mail address."),
        ((KIM, "--provider", "none"), 66, "There is no provider 'none'."),
    ],
)
def test_what_is_no_address_or_provider_is_said(
    words: tuple[str, ...], code: int, said: str, home: Path
) -> None:
    done = Desk(home).try_to("provider", "detect", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_what_a_person_named_is_shown_without_asking_anybody(home: Path, authority: Authority) -> None:
    with internet(authority, MX, {}) as there:
        named = there.run(home, "provider", "detect", KIM, "--provider", "big")
        host = there.run(home, "provider", "detect", KIM, "--imap-host", "imap.big.example.net")
        other = there.run(home, "provider", "detect", KIM, "--imap-host", "imap.example.org")
        assert (there.names.asked, there.web.asked) == ([], [])
    assert named.rows[1:] == host.rows[1:]
    assert ["hint", "Big Mail wants an app password."] in named.rows
    assert ["imap", "imap.example.org:993 (tls)"] in other.rows
    assert other.err == ""


def test_it_works_at_eighty_columns(home: Path) -> None:
    out = Desk(home).at_a_terminal("provider", "detect", "kim@big.example.net", COLUMNS="80")
    assert "SOURCE" in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_an_international_domain_is_shown_and_asked_in_ascii(home: Path, authority: Authority) -> None:
    with internet(authority, {("xn--3e0b707e.kr", "MX"): ["1 mx.big.example.net."]}, {}) as there:
        done = there.run(home, "provider", "detect", "kim@한국.kr")
    assert done.rows[1] == ["MX", "xn--3e0b707e.kr", "mx.big.example.net: Big Mail"]
    assert ["user name", "kim@xn--3e0b707e.kr"] in done.rows


def test_a_provider_without_imap_is_named_with_the_reason(home: Path) -> None:
    done = Desk(home).run("provider", "detect", "kim@hey.com")
    assert ["hint", "HEY has no IMAP, so mailcrm cannot read mail there."] in done.rows
    assert "imap" not in [row[0] for row in done.rows]

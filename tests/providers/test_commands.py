"""`mailcrm provider`, run as people run it."""

from pathlib import Path

import pytest

from mailcrm.providers.presets import presets
from tests.cli.desk import Desk

OWN = """
[providers.mycorp]
name = "My Corporation"
domains = ["mycorp.example"]
imap = "imaps://mail.mycorp.example"
hint = "My Corporation wants the password of the intranet."
sign_in = ["app password", "OAuth2"]
oauth2 = "mycorp"

[oauth2.mycorp]
client_id = "mailcrm"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.config.parent.mkdir(parents=True)
    return desk


def test_all_providers_are_listed_those_of_ones_own_first(desk: Desk) -> None:
    desk.config.write_text(OWN, "utf-8")
    rows = desk.run("provider", "list").rows
    assert rows[0] == ["mycorp", "My Corporation", "mail.mycorp.example", "app password"]
    assert [row[0] for row in rows[1:]] == [row.id for row in presets().rows]
    listed = desk.run("provider", "list", "--json").json
    assert [row["id"] for row in listed] == [row[0] for row in rows]
    assert listed[0]["imap"] == {"host": "mail.mycorp.example", "port": 993, "security": "tls"}
    assert listed[0]["sign_in"] == ["app password", "OAuth2"]


def test_the_list_fits_in_80_columns_with_id_and_sign_in_whole(desk: Desk) -> None:
    lines = desk.at_a_terminal("provider", "list", COLUMNS="80", NO_COLOR="1").splitlines()
    assert len(lines) == len(presets().rows) + 1
    for row, line in zip(presets().rows, lines[1:], strict=True):
        words = line.split()
        assert words[0] == row.id
        assert " ".join(words).endswith(row.sign_in[0] if row.sign_in else "no IMAP")


def test_a_provider_is_shown_with_what_to_prepare_and_what_is_not_sure(desk: Desk) -> None:
    shown = desk.run("provider", "show", "Bluehost").rows
    assert ["imap", "mail.DOMAIN:993 (tls)"] in shown
    assert ["sells also", "titan, gmail, microsoft365"] in shown
    assert [row[0] for row in shown].count("not confirmed") == 1
    assert [row[0] for row in shown if row[0].startswith("step")] == ["step 1", "step 2"]


def test_log_in_names_of_reading_and_sending_are_both_shown(desk: Desk) -> None:
    shown = dict(desk.run("provider", "show", "icloud").rows)
    assert shown["user name"] == "what stands before the @; for SMTP the whole address"
    assert shown["smtp"] == "smtp.mail.me.com:587 (starttls)"
    assert shown["page"].startswith("https://support.apple.com/")


def test_many_domains_are_shortened_for_people_only(desk: Desk) -> None:
    outlook = presets().named("outlook")
    assert outlook is not None
    shown = dict(desk.run("provider", "show", "outlook").rows)
    assert shown["domains"].endswith(f" and {len(outlook.domains) - 12} more")
    assert desk.run("provider", "show", "outlook", "--json").json["domains"] == list(outlook.domains)


def test_a_mistake_in_a_provider_of_ones_own_is_said_by_each_command(desk: Desk) -> None:
    desk.config.write_text('[providers.mycorp]\nimapp = "imaps://mail.mycorp.example"\n', "utf-8")
    for words in (["provider", "list"], ["provider", "show", "gmail"], ["connect", "me@example.com"]):
        done = desk.try_to(*words)
        assert done.code == 78
        assert "providers.mycorp: unknown key imapp (did you mean imap?)" in done.err
        assert "providers.mycorp.imap is missing" in done.err


def test_an_unknown_provider_leads_to_the_list(desk: Desk) -> None:
    done = desk.try_to("provider", "show", "nobody")
    assert done.code == 66
    assert "mailcrm provider list" in done.err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("me@outlook.com", "mailcrm account oauth-setup microsoft"),
        ("me@tuta.com", "Tuta has no IMAP"),
        ("me@hey.com", "HEY has no IMAP"),
        ("me@hiworks.com", "Hiworks has no IMAP"),
    ],
)
def test_who_cannot_connect_with_a_password_reads_why_at_once(desk: Desk, address: str, said: str) -> None:
    done = desk.try_to("connect", address, "--no-input")
    assert done.code == 78
    assert said in done.err

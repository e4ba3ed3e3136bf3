"""What is refused, asked and answered at the command line, where no mail comes in."""

import json
import os
from pathlib import Path

import pytest

from mailcrm.commands import answers
from mailcrm.core.errors import UsageError
from mailcrm.core.money import amount
from tests.cli.desk import ANN, Desk, words_to_connect
from tests.servers.dovecot import DovecotServer

# --- a command line that cannot be read -------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence", "command"),
    [
        ("provider list --nope", "No such option: --nope", "mailcrm provider list"),
        ("provider lost", "No such command 'lost'.", "mailcrm provider"),
        ("connect a@example.com --imap-port 0", "Invalid value for '--imap-port'", "mailcrm connect"),
    ],
)
def test_a_mistake_in_the_command_line_is_an_error_as_any_other(
    new_desk: Desk, line: str, sentence: str, command: str
) -> None:
    done = new_desk.try_to(*line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"mailcrm: {sentence}")
    assert done.err.endswith(f"  See `{command} --help`.\n")
    told = json.loads(new_desk.try_to(*line.split(), "--json").err)["error"]
    assert told["code"] == "usage"
    assert told["message"].startswith(sentence)


def test_a_configuration_that_was_named_is_there(new_desk: Desk) -> None:
    done = new_desk.try_to("inbox", "--config", "nowhere.toml")
    assert (done.code, done.err) == (78, "mailcrm: There is no file nowhere.toml.\n")


def test_a_member_of_postgresql_needs_a_login(new_desk: Desk) -> None:
    done = new_desk.try_to(
        *(
            "member",
            "create",
            "bob@example.com",
            "--name",
            "Bob",
            "--store",
            "postgresql://ann@db.invalid/crm",
        )
    )
    assert done.code == 2
    assert "Add --login LOGIN" in done.err


def test_microsoft_is_told_to_be_out_of_reach(new_desk: Desk) -> None:
    done = new_desk.try_to("connect", "ann@hotmail.com", "--password-command", "echo x")
    assert done.code == 78
    assert "OAuth2" in done.err
    assert "OAuth2" in new_desk.run("provider", "show", "outlook").out


# --- values that are refused, lists that are cut ----------------------------------------------------


@pytest.mark.parametrize(
    "value", ["-1", "-0", "NaN", "inf", "1e999999", "1234567890123456", "0.123456789012345", "x"]
)
def test_a_value_is_a_sum_of_money(value: str) -> None:
    with pytest.raises(UsageError):
        amount(value)


def test_a_currency_goes_with_a_value_of_fifteen_digits_at_most(desk: Desk) -> None:
    assert desk.try_to("deal", "create", "Bad", "--currency", "EUR").code == 2
    desk.run("deal", "create", "Good", "--value", "123456789012345", "--currency", "krw")
    assert desk.run("deal", "list", "--limit", "1").rows[0][3] == "123,456,789,012,345 KRW"


@pytest.mark.parametrize("noun", ["member", "team", "contact", "deal"])
def test_nothing_is_called_by_blanks(noun: str) -> None:
    with pytest.raises(UsageError, match=noun):
        answers.name(" \t", noun)


def test_one_of_us_is_no_contact(desk: Desk) -> None:
    for words in (("create", "Ann"), ("edit", "Kim")):
        done = desk.try_to("contact", *words, "--address", ANN)
        assert done.code == 2
        assert "one of our own" in done.err


def test_a_list_that_was_cut_says_so(desk: Desk) -> None:
    done = desk.run("inbox", "--limit", "2")
    assert (len(done.rows), done.err) == (2, "… more: --limit 8\n")
    assert desk.run("inbox", "--limit", "3").err == ""
    cut = desk.run("deal", "show", "Pumps", "--limit", "1", "--json")
    assert (len(cut.json["emails"]), cut.err) == (1, "")


def test_a_word_to_leave_out_is_no_option(desk: Desk) -> None:
    done = desk.try_to("search", "-hello")
    assert (done.code, done.out) == (2, "")
    assert len(desk.run("search", "-hello pump").rows) == 2


def test_a_deal_that_is_replaced_is_named(desk: Desk) -> None:
    desk.run("deal", "create", "Valves")
    (offer,) = {str(row["thread_id"]) for row in desk.run("search", "pump", "--json").json}
    done = desk.run("link", "deal", offer, offer, "Valves")
    assert done.err == f"Linked thread {offer} to deal 2 Valves. {offer} was linked to deal 1 Pumps before.\n"


def test_a_narrow_terminal_leaves_out_what_says_nothing(desk: Desk) -> None:
    wide, narrow = (
        desk.at_a_terminal("inbox", "--unlinked", TERM="xterm", COLUMNS=width) for width in ("120", "60")
    )
    assert "MAILS" in wide
    assert "DEAL · CONTACT" in wide
    assert "MAILS" not in narrow
    assert "CONTACT" not in narrow
    assert "HELD BY" not in desk.at_a_terminal("deal", "show", "Pumps")


# --- questions --------------------------------------------------------------------------------------


def test_connect_asks_again_for_what_it_did_not_understand(new_desk: Desk, dovecot: DovecotServer) -> None:
    words = [word for word in words_to_connect(dovecot) if word != "--no-input"]
    code, told = new_desk.talk(
        *words,
        said=[
            ("There is no keyring here", "y\n"),
            ("team share", "n\n"),
            ("Visibility", "secret\n"),
            ("Visibility", "private\n"),
            ("History from", "soon\n"),
            ("History from", "\n"),
            (f"Password for {ANN}: ", "wrong\n"),
            (f"Password for {ANN}: ", f"{dovecot.password}\n"),
        ],
    )
    assert code == 0, told
    assert "refused the user name or the password" in told
    (kept,) = (new_desk.home / ".local/share/mailcrm/secrets").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_connect_asks_for_a_server_and_ctrl_d_ends_it(new_desk: Desk) -> None:
    said = [
        ("IMAP server: ", "https://imap.example.com\n"),
        ("Write it like imap.example.com", "127.0.0.1\n"),
        ("There is no keyring here", "\n"),
        ("team share", "\x04"),
    ]
    code, told = new_desk.talk("connect", "ann@nowhere.example", said=said)
    assert code == 130
    assert told.endswith("\nmailcrm: stopped; nothing was stored.\n")
    assert new_desk.files() == []


def test_without_a_keyring_nobody_logs_in_to_find_out(new_desk: Desk) -> None:
    words = ("connect", ANN, "--imap-host", "192.0.2.1", "--password-stdin")
    done = new_desk.try_to(*words, said="x\n")
    assert done.code == 78
    assert "--store-secret file" in done.err


def test_certificates_are_remembered_by_their_full_path_and_taken_from_there(
    new_desk: Desk, dovecot: DovecotServer, secret: Path
) -> None:
    words = words_to_connect(dovecot)
    words[-1] = os.path.relpath(dovecot.ca_file)
    new_desk.run(*words, "--password-command", f"cat {secret}")
    assert f'ca_file = "{Path(words[-1]).absolute()}"' in new_desk.config.read_text()
    new_desk.store.unlink()
    new_desk.run(*words[:-2], "--password-command", f"cat {secret}")

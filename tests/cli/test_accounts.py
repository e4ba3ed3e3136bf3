"""Accounts from the command line: connecting, settings, a new password, leaving; also what fails half-way."""

from pathlib import Path

import pytest

from tests.cli.desk import ANN, KIM, YESTERDAY, Desk, OnModel, letter, words_to_connect
from tests.servers.dovecot import DovecotServer

GONE = "gone@example.com"


# --- a store that was left half-made ----------------------------------------------------------------


def test_connect_finishes_a_store_that_has_no_member_yet(
    new_desk: Desk, dovecot: DovecotServer, secret: Path
) -> None:
    new_desk.run("store", "migrate")
    done = new_desk.try_to("inbox")
    assert done.code == 78
    assert "mailcrm connect YOUR-ADDRESS" in done.err
    new_desk.run(*words_to_connect(dovecot), "--password-command", f"cat {secret}")
    assert [row[2] for row in new_desk.run("member", "list").rows] == [ANN]
    assert [row[1] for row in new_desk.run("account", "list").rows] == [ANN]


def test_connect_makes_a_store_of_an_empty_file(new_desk: Desk, dovecot: DovecotServer, secret: Path) -> None:
    new_desk.store.parent.mkdir(parents=True)
    new_desk.store.touch(mode=0o600)
    new_desk.run(*words_to_connect(dovecot), "--password-command", f"cat {secret}")
    assert [row[1] for row in new_desk.run("account", "list").rows] == [ANN]


def test_a_wrong_password_leaves_a_half_made_store_as_it_is(new_desk: Desk, dovecot: DovecotServer) -> None:
    new_desk.run("store", "migrate")
    done = new_desk.try_to(*words_to_connect(dovecot), "--password-command", "echo wrong")
    assert done.code == 77
    assert new_desk.try_to("member", "list").code == 78


# --- a new password, and none ------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("connect", ANN), ("account", "reauth", ANN)], ids=" ".join)
def test_a_password_is_kept_in_a_place_that_there_is(desk: Desk, words: tuple[str, ...]) -> None:
    done = desk.try_to(*words, "--store-secret", "drawer", "--password-stdin", said="x\n")
    assert done.code == 2
    assert "--store-secret" in done.err


def test_a_new_password_goes_where_it_is_asked_to_be(desk: Desk, dovecot: DovecotServer) -> None:
    words = ("account", "reauth", "--store-secret", "file", "--password-stdin")
    assert desk.try_to(*words, said="wrong\n").code == 77
    assert "password_command" in desk.config.read_text()
    done = desk.try_to(*words, said=f"{dovecot.password}\n")
    assert (done.code, done.err) == (0, f"{ANN} has its new password.\n")
    assert "password_command" not in desk.config.read_text()
    assert (desk.home / ".local/share/mailcrm/secrets").is_dir()
    desk.run("sync")


def test_a_disconnect_that_failed_is_finished_by_the_next_one(desk: Desk, dovecot: DovecotServer) -> None:
    words = ("account", "reauth", "--store-secret", "file", "--password-stdin")
    assert desk.try_to(*words, said=f"{dovecot.password}\n").code == 0
    written = desk.config.read_text().replace(ANN, "Ann@Example.com")
    desk.config.write_text(f"# mine\nsize_limit = 1000\n{written}")
    in_the_way = desk.config.with_name("config.toml.new")
    in_the_way.mkdir()

    done = desk.try_to("account", "disconnect", ANN)
    assert done.code == 78
    assert "config.toml cannot be written" in done.err
    assert list((desk.home / ".local/share/mailcrm/secrets").iterdir()) == []
    assert [row[1] for row in desk.run("account", "list").rows] == [ANN]

    in_the_way.rmdir()
    desk.run("account", "disconnect", ANN)
    assert desk.run("account", "list").rows == []
    assert desk.config.read_text().split("[")[0].strip() == "# mine\nsize_limit = 1000"
    assert "localhost" not in desk.config.read_text()
    assert len(desk.run("search", "pump").rows) == 2, "the mail stays"


# --- settings ----------------------------------------------------------------------------------------


def test_mail_from_an_alias_goes_out_and_an_alias_is_no_contact(on_model: OnModel) -> None:
    desk = on_model.desk
    aliases = ("Ann.Old@example.org", "sales@example.com")
    desk.run("contact", "create", "Myself", "--address", aliases[0])
    changed = desk.run("account", "set", "--alias", aliases[0], "--alias", aliases[1], "--json").json
    assert changed["aliases"] == ["ann.old@example.org", "sales@example.com"]
    assert "aliases\tann.old@example.org, sales@example.com\n" in desk.run("account", "show").out
    desk.run("contact", "create", "Kim", "--address", KIM)
    on_model.server.append(
        "INBOX",
        letter(
            "alias@example.org", "From my other address", "x", sender=f"Ann <{aliases[0]}>", to=f"Kim <{KIM}>"
        ),
        YESTERDAY,
    )
    desk.run("sync")
    (found,) = desk.run("search", "other address", "--json").json
    assert found["direction"] == "out"
    (thread,) = [one for one in desk.run("inbox", "--json").json if one["id"] == found["thread_id"]]
    assert thread["contacts"] == ["Kim"]


def test_a_setting_that_cannot_be_leaves_all_settings_as_they_are(desk: Desk) -> None:
    before = desk.run("account", "show", "--json").json
    for wrong in (("--alias", "nobody"), ("--since", "soon"), ("--visibility", "team")):
        done = desk.try_to("account", "set", "--link-deals", "--alias", "new@example.com", *wrong)
        assert done.code == 2, wrong
    assert desk.run("account", "show", "--json").json == before


@pytest.mark.parametrize(
    "words",
    [
        ("connect", "nobody"),
        ("contact", "create", "Kim", "--address", "nobody"),
        ("member", "create", "nobody", "--name", "Nobody"),
        ("account", "set", "--alias", "nobody"),
        ("init", "--address", "nobody"),
    ],
    ids=" ".join,
)
def test_what_is_no_address_is_refused_everywhere_in_the_same_words(
    desk: Desk, words: tuple[str, ...]
) -> None:
    done = desk.try_to(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mailcrm: 'nobody' is not an e-mail address.\n")


# --- a dry run ---------------------------------------------------------------------------------------


def test_an_account_that_fails_does_not_end_a_dry_run(on_model: OnModel) -> None:
    desk = on_model.desk
    desk.run(
        *("connect", GONE, "--imap-host", "127.0.0.1", "--imap-port", "1", "--imap-security", "none"),
        *("--password-command", "echo x", "--no-check"),
    )
    done = desk.try_to("sync", GONE, ANN, "--dry-run", "--quiet")
    assert done.code == 75
    assert [row[:3] for row in done.rows] == [[ANN, "INBOX", "8"], [ANN, "Sent", "0"]]
    assert done.err.startswith(f"{GONE}: 127.0.0.1:1 refuses connections.")
    listed = desk.try_to("sync", GONE, ANN, "--dry-run", "--json")
    assert listed.code == 75
    assert [one["folder"] for one in listed.json[:-1]] == ["INBOX", "Sent"]
    assert (listed.json[-1]["account"], listed.json[-1]["code"]) == (GONE, "connect_failed")
    synced = desk.try_to("sync")
    assert synced.code == done.code
    assert done.err.rstrip() in synced.err

"""`mailcrm block` at the command line, on the model server."""

import os
import sqlite3
from contextlib import closing

import pytest

from tests.cli.desk import ANN, BOB, HARMFUL, YESTERDAY, Desk, OnModel, letter

NEWS = "news@lists.example.net"


@pytest.fixture
def synced(on_model: OnModel) -> OnModel:
    """Eight letters of Kim, two from a list, and a sync."""
    for number in (1, 2):
        on_model.server.append(
            "INBOX", letter(f"n{number}@example.net", f"News {number}", "x", sender=NEWS), YESTERDAY
        )
    on_model.desk.run("sync")
    return on_model


def count(desk: Desk) -> int:
    with closing(sqlite3.connect(desk.store)) as store:
        return int(store.execute("SELECT count(*) FROM email").fetchone()[0])


@pytest.mark.rule("block-stored")
@pytest.mark.rule("block-removal")
def test_blocking_with_apply_takes_mail_out_and_removing_brings_it_back(synced: OnModel) -> None:
    desk = synced.desk
    looked = desk.run("block", "add", "@example.net", "--apply", "--dry-run")
    assert looked.rows[-1] == [ANN, "2", "2", "0"]
    assert count(desk) == 10
    done = desk.run("block", "add", "@example.net", "--apply", "--yes", "--json").json
    assert done == {
        "pattern": "@example.net",
        "mode": "only",
        "account": ANN,
        "removed": [{"account": ANN, "threads": 2, "emails": 2, "gone": 0}],
    }
    assert count(desk) == 8
    assert desk.run("block", "list").rows[-1][:4] == ["@example.net", "only", ANN, "2"]
    desk.run("sync")
    assert count(desk) == 8
    status = desk.run("status")
    assert "2 emails screened out" in status.err
    assert desk.run("status", "--json").json[0]["screened"] == 2
    gone = desk.run("block", "remove", "@example.net")
    assert "To come with the next sync: 2 emails." in gone.err
    desk.run("sync")
    assert count(desk) == 10
    assert desk.run("block", "list", "--json").json == []


@pytest.mark.rule("block-stored")
def test_stored_mail_stays_when_nobody_says_apply_or_nobody_agrees(synced: OnModel) -> None:
    desk = synced.desk
    refused = desk.try_to("block", "add", NEWS, "--apply")
    assert refused.code == 2
    assert "2 emails in 2 threads" in refused.err
    assert "--yes" in refused.err
    code, told = desk.talk("block", "add", NEWS, "--apply", said=[("from the store?", "n\n")])
    assert (code, "Nothing was changed." in told) == (1, True)
    assert desk.run("block", "list", "--json").json == []
    assert "Stored mail stays" in desk.run("block", "add", NEWS).err
    assert count(desk) == 10
    code, told = desk.talk("block", "add", NEWS, "--apply", said=[("from the store?", "y\n")])
    assert (code, count(desk)) == (0, 8), told


def test_what_is_blocked_already_or_not_blocked_is_said(synced: OnModel) -> None:
    desk = synced.desk
    desk.run("block", "add", NEWS)
    again = desk.try_to("block", "add", NEWS.upper())
    assert (again.code, "--apply" in again.err) == (65, True)
    other = desk.try_to("block", "add", NEWS, "--any")
    assert (other.code, "in mode only" in other.err) == (65, True)
    assert desk.try_to("block", "remove", "@nowhere.example.net").code == 66
    assert desk.try_to("block", "add", "no pattern").code == 2
    assert desk.try_to("block", "add", NEWS, "--everywhere", "--account", ANN).code == 2


@pytest.mark.rule("block-scope")
def test_a_rule_is_for_the_only_account_or_the_named_one_or_for_all(synced: OnModel) -> None:
    desk = synced.desk
    desk.run("block", "add", NEWS)
    desk.run("block", "add", NEWS, "--everywhere")
    assert [rule["account"] for rule in desk.run("block", "list", "--json").json] == [None, ANN]
    unclear = desk.try_to("block", "remove", NEWS)
    assert (unclear.code, "--everywhere" in unclear.err) == (65, True)
    desk.run("block", "remove", NEWS, "--everywhere")
    assert [rule["account"] for rule in desk.run("block", "list", "--json").json] == [ANN]


@pytest.mark.rule("block-scope")
def test_only_an_admin_blocks_for_all_and_a_colleague_sees_only_that(synced: OnModel) -> None:
    desk = synced.desk
    desk.run("member", "create", BOB, "--name", "Bob")
    asked = {"MAILCRM_MEMBER": BOB}
    refused = desk.try_to("block", "add", NEWS, "--everywhere", **asked)
    assert refused.code == 77
    assert refused.err.startswith("mailcrm: Only an admin")
    desk.run("block", "add", NEWS, MAILCRM_MEMBER=ANN)
    desk.run("block", "add", "@example.kr", "--everywhere", MAILCRM_MEMBER=ANN)
    assert [rule["pattern"] for rule in desk.run("block", "list", "--json", **asked).json] == ["@example.kr"]
    assert desk.try_to("block", "remove", NEWS, **asked).code == 66
    assert desk.try_to("block", "remove", "@example.kr", **asked).code == 77
    assert len(desk.run("block", "list", "--json", MAILCRM_MEMBER=ANN).json) == 2


def test_the_list_fits_eighty_columns_and_is_harmless(synced: OnModel) -> None:
    desk = synced.desk
    desk.run("block", "add", f"{'long-' * 10}name*@{'sub.' * 5}例え.example.jp")
    shown = desk.at_a_terminal("block", "list", COLUMNS="80", NO_COLOR="1")
    assert max(len(line) for line in shown.replace("\r", "").split("\n")) <= 80
    assert not HARMFUL.search(shown.replace("\r", ""))
    assert os.linesep in shown


@pytest.mark.rule("block-only")
def test_nobody_blocks_one_of_our_own_addresses(synced: OnModel) -> None:
    refused = synced.desk.try_to("block", "add", ANN)
    assert refused.code == 2
    assert "our own addresses" in refused.err
    assert synced.desk.run("block", "list").out == ""

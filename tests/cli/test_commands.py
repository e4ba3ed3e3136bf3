"""The program as people and cron run it: real processes, a real mail server, their output and exit codes."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mailcrm.commands.email_view import repair_notes
from mailcrm.core import mime
from mailcrm.core.model import Security
from mailcrm.store import accounts, open_database
from tests.cli.desk import (
    ANN,
    BOB,
    HARMFUL,
    HOSTILE,
    KIM,
    LETTERS,
    YESTERDAY,
    Desk,
    Done,
    OnModel,
    letter,
    thread_about,
    words_to_connect,
)
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer

# --- connect and sync -------------------------------------------------------------------------------


def test_connect_without_questions_says_what_is_next(first_desk: tuple[Desk, Done, Done]) -> None:
    _, connected, _ = first_desk
    assert connected.code == 0
    assert connected.out == ""
    assert connected.err == f"{ANN} is connected (imap, localhost). Next: mailcrm sync\n"


def test_sync_in_cron_says_one_line_on_standard_output(first_desk: tuple[Desk, Done, Done]) -> None:
    _, _, synced = first_desk
    assert synced.code == 0
    assert synced.out == f"{ANN}: 4 new emails, 1 thread linked, complete\n"
    assert synced.err == ""


def test_a_second_sync_has_nothing_to_do_and_quiet_says_nothing(desk: Desk) -> None:
    assert desk.run("sync").out == f"{ANN}: 0 new emails, complete\n"
    assert desk.run("sync", "--quiet") == Done(code=0, out="", err="")


def test_sync_takes_the_password_from_a_credential_of_systemd(
    new_desk: Desk, dovecot: DovecotServer, tmp_path: Path
) -> None:
    (tmp_path / f"mailcrm-{ANN}").write_text(f"{dovecot.password}\n")
    new_desk.run(*words_to_connect(dovecot), MAILCRM_PASSWORD_ANN_EXAMPLE_COM=dovecot.password)
    assert new_desk.run("sync", CREDENTIALS_DIRECTORY=str(tmp_path)).out.endswith("complete\n")
    done = new_desk.try_to("sync")
    assert done.code == 78
    assert "There is no password for ann@example.com at localhost here." in done.err
    assert "password_command" in done.err


def test_sync_takes_the_password_from_a_file_that_only_its_owner_reads(
    new_desk: Desk, dovecot: DovecotServer
) -> None:
    done = new_desk.try_to(
        *words_to_connect(dovecot), "--password-stdin", "--store-secret", "file", said=f"{dovecot.password}\n"
    )
    assert done.code == 0, done.err
    (kept,) = (new_desk.home / ".local/share/mailcrm/secrets").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    new_desk.run("sync")
    kept.chmod(0o644)
    done = new_desk.try_to("sync")
    assert done.code == 78
    assert f"chmod 600 {kept}" in done.err


def test_a_second_sync_at_the_same_time_is_told_to_try_again_later(desk: Desk) -> None:
    with closing(open_database(str(desk.store), viewer=None)) as db:
        with db.lease(accounts.account(db, ANN).id):
            done = desk.try_to("sync")
        assert done.code == 75
        assert done.err == f"{ANN}: Another mailcrm is at work on this account. Try again later.\n"
        assert accounts.account(db, ANN).last_error is None
    assert desk.run("sync").code == 0


def test_a_wrong_password_is_refused_with_a_hint_and_nothing_is_stored(
    new_desk: Desk, dovecot: DovecotServer
) -> None:
    done = new_desk.try_to(*words_to_connect(dovecot), "--password-command", "echo wrong-hunter2")
    assert done.code == 77
    assert "refused the user name or the password" in done.err
    assert "app password" in done.err
    assert "hunter2" not in done.err + done.out
    assert new_desk.files() == []


def test_a_wrong_password_makes_no_team_either(shared_desk: Desk, dovecot: DovecotServer) -> None:
    words = words_to_connect(dovecot)
    words[1] = "sales@example.com"
    done = shared_desk.try_to(
        *words, "--as", ANN, "--team", "Sales", "--member", BOB, "--password-command", "echo wrong"
    )
    assert done.code == 77
    assert shared_desk.run("team", "list", "--json", "--as", ANN).json == []


def test_a_certificate_of_an_unknown_issuer_is_refused_with_a_hint(
    new_desk: Desk, dovecot: DovecotServer, secret: Path
) -> None:
    words = words_to_connect(dovecot)[:-2]
    done = new_desk.try_to(*words, "--password-command", f"cat {secret}")
    assert done.code == 75
    assert "issuer that this computer does not trust" in done.err
    assert "--ca-file" in done.err
    assert new_desk.files() == []


def test_a_server_that_is_not_there_is_said_in_one_sentence(new_desk: Desk) -> None:
    with ModelServer() as gone:
        port = str(gone.endpoint.port)
    done = new_desk.try_to(
        *("connect", ANN, "--no-input", "--imap-host", "127.0.0.1", "--imap-port", port),
        *("--imap-security", "none", "--password-command", "echo x"),
    )
    assert done.code == 75
    assert done.err.startswith(
        f"mailcrm: 127.0.0.1:{port} refuses connections.\n  Check the server's name and port"
    )
    assert new_desk.files() == []


def test_an_account_is_connected_once(desk: Desk, dovecot: DovecotServer) -> None:
    done = desk.try_to(*words_to_connect(dovecot), "--password-command", "echo x")
    assert done.code == 65
    assert f"mailcrm account reauth {ANN}" in done.err


def test_without_a_store_every_command_says_how_to_begin(new_desk: Desk) -> None:
    for words in ([], ["inbox"], ["sync"], ["status"], ["contact", "list"]):
        done = new_desk.try_to(*words)
        assert done.code == 78
        assert "mailcrm connect YOUR-ADDRESS" in done.err
    assert new_desk.files() == []


# --- what goes wrong during a sync ------------------------------------------------------------------


def test_status_tells_of_an_email_that_the_server_does_not_give(on_model: OnModel) -> None:
    on_model.server.twist = lambda command, reply: (
        reply.splitlines()[-1].split()[0] + b" NO [SERVERBUG] broken \x1b[31m\r\n"
        if re.match(r"UID FETCH (\d+:)?8 .*BODY.PEEK\[\]", command)
        else reply
    )
    done = on_model.desk.try_to("sync")
    assert done.code == 1
    assert done.out == f"{ANN}: 7 new emails, 1 failed, not complete: see mailcrm status\n"
    assert f"{ANN}: INBOX: email 8 could not be fetched" in done.err
    told = on_model.desk.try_to("status")
    assert told.code == 1
    assert "8\t7" in told.out
    assert "INBOX: email 8, asked for 1 time:" in told.err
    assert not HARMFUL.search((done.out + done.err + told.out + told.err).replace("\t", ""))
    on_model.server.twist = lambda _command, reply: reply
    on_model.desk.run("sync")
    assert on_model.desk.run("status", "--json").json[0]["failures"] == []


def test_more_than_half_gone_asks_for_a_word_and_takes_it(on_model: OnModel) -> None:
    on_model.desk.run("sync")
    for uid in range(1, 9):
        on_model.server.expunge("INBOX", uid)
    done = on_model.desk.try_to("sync")
    assert done.code == 1
    assert "8 of 8 emails are gone from the server" in done.err
    assert "mailcrm sync --accept-deletions" in done.err
    assert on_model.desk.try_to("status").code == 1
    assert on_model.desk.run("sync", "--accept-deletions").out.endswith("complete\n")
    assert on_model.desk.run("status").code == 0
    assert len(on_model.desk.run("inbox").rows) == 8


def test_a_dry_run_says_what_would_be_done_and_does_nothing(on_model: OnModel) -> None:
    on_model.desk.try_to("sync", "--dry-run")
    on_model.desk.run("sync")
    on_model.server.append("INBOX", letter("9@example.org", "new", "x"), YESTERDAY)
    done = on_model.desk.run("sync", "--dry-run", "--json")
    assert {plan["folder"]: plan["downloads"] for plan in done.json} == {"INBOX": 1, "Sent": 0}
    assert len(on_model.desk.run("inbox").rows) == 8


def test_ctrl_c_ends_a_sync_with_one_sentence_and_130(on_model: OnModel) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def twist(command: str, reply: bytes) -> bytes:
        if "BODY.PEEK[]" in command:
            at_work.set()
            go_on.wait(60)
        return reply

    on_model.server.twist = twist
    with subprocess.Popen(
        [sys.executable, "-m", "mailcrm", "sync"],
        env=on_model.desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert at_work.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    go_on.set()
    assert process.returncode == 130, err
    assert out == ""
    assert err.strip() == "mailcrm: stopped; what was done is kept."
    on_model.server.twist = lambda _command, reply: reply
    assert on_model.desk.run("sync").out == f"{ANN}: 8 new emails, complete\n"


def test_a_watching_sync_stays_and_brings_what_comes_at_once(on_model: OnModel) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mailcrm", "sync", "--watch"],
        env=on_model.desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"{ANN}: 8 new emails, complete\n"
            while "IDLE" not in on_model.server.commands:
                time.sleep(0.01)
            on_model.server.append("INBOX", letter("new@example.org", "News", "hello"))
            assert process.stdout.readline() == f"{ANN}: 1 new email, complete\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()


def test_a_watching_sync_goes_by_the_settings_of_the_moment(on_model: OnModel) -> None:
    desk, server = on_model.desk, on_model.server
    with subprocess.Popen(
        [sys.executable, "-m", "mailcrm", "sync", "--watch"],
        env=desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == f"{ANN}: 8 new emails, complete\n"
            while "IDLE" not in server.commands:
                time.sleep(0.01)
            before = desk.config.read_text()
            desk.config.write_text("half a")
            server.append("INBOX", letter("first@example.org", "News", "hello"))
            assert "config.toml" in process.stderr.readline()
            # Another way to sign in, and the old one is closed.
            server.password = "another"
            desk.config.write_text(before)
            desk.run("account", "reauth", "--password-command", "echo another", "--no-input")
            server.append("INBOX", letter("second@example.org", "News", "hello"))
            # The first may come alone: the settings are good again before there is a second.
            come = 0
            while come < 2:
                line = process.stdout.readline()
                told = re.fullmatch(rf"{re.escape(ANN)}: (\d) new emails?, complete\n", line)
                assert told is not None, line
                come += int(told[1])
        finally:
            process.kill()


# --- the shapes of answers --------------------------------------------------------------------------


def test_lists_in_a_pipe_are_tab_separated_without_headings(desk: Desk) -> None:
    inbox = {row[3]: row for row in desk.run("inbox").rows}
    assert len(inbox) == 3
    offer = inbox["* Offer for pumps"]
    assert datetime.fromisoformat(offer[1]) == YESTERDAY
    assert offer[2] == "Kim"
    assert offer[4:] == ["2", "Pumps · Kim", "only me", ""]
    ((*kim, last, note),) = desk.run("contact", "list").rows
    assert (kim, note) == (["1", "Kim", KIM, ""], "")
    assert datetime.fromisoformat(last) == YESTERDAY
    assert desk.run("deal", "list").out == "1\topen\tPumps\t90 EUR\tKim\tQualified\t\t\n"
    (hit,) = desk.run("search", "다이어프램").rows
    assert "견적 요청" in hit
    assert [row[:2] for row in desk.run("account", "list").rows] == [["1", ANN]]


def test_an_empty_list_says_so_on_standard_error_only(desk: Desk) -> None:
    assert desk.run("search", "nowhere") == Done(code=0, out="", err="Nothing found.\n")
    assert desk.run("search", "nowhere", "--json").json == []
    assert desk.run("team", "list", "--quiet") == Done(code=0, out="", err="")


def test_json_of_lists_has_the_fields_of_the_records(desk: Desk) -> None:
    inbox = desk.run("inbox", "--json").json
    assert {"id", "account", "subject", "visibility", "correspondents", "email_count"} <= inbox[0].keys()
    (found,) = desk.run("search", "diaphragm", "ninety", "--json").json
    assert found["subject"] == "Re: Offer for pumps"
    assert found["direction"] == "out"
    assert found["sent_at"] == YESTERDAY.strftime("%Y-%m-%dT%H:%M:%SZ")
    (contact,) = desk.run("contact", "list", "--json").json
    assert contact == {
        "id": 1,
        "name": "Kim",
        "owner_id": 1,
        "addresses": [KIM],
        "organization_id": None,
        "organization": None,
        "title": "",
        "phones": [],
        "notes": "",
        "last_contact": {"thread_id": 1, "at": YESTERDAY.strftime("%Y-%m-%dT%H:%M:%SZ"), "direction": "out"},
        "bounces": [],
    }
    (deal,) = desk.run("deal", "list", "--json").json
    assert (deal["title"], deal["status"], deal["value"], deal["currency"]) == ("Pumps", "open", "90", "EUR")
    (account,) = desk.run("account", "list", "--json").json
    assert account["imap"]["security"] == "tls"
    assert not [key for key in account if "password" in key]


def test_json_of_a_conversation_a_timeline_and_a_status(desk: Desk) -> None:
    offer = thread_about(desk, "Offer for pumps")
    shown = desk.run("thread", "show", offer, "--json").json
    assert shown["thread"]["deals"] == ["Pumps"]
    assert [email["row"]["subject"] for email in shown["emails"]] == [
        "Offer for pumps",
        "Re: Offer for pumps",
    ]
    assert shown["emails"][0]["text"].startswith("How much is a diaphragm pump?")
    assert {"role": "from", "name": "Kim", "address": KIM} in shown["emails"][0]["participants"]
    for view in (desk.run("deal", "show", "Pumps", "--json"), desk.run("contact", "show", KIM, "--json")):
        assert {email["message_id"] for email in view.json["emails"]} == {"1@example.org", "2@example.com"}
    (status,) = desk.run("status", "--json").json
    assert status["account"]["address"] == ANN
    counts = {folder["name"]: folder["server_count"] for folder in status["folders"]}
    assert (counts["INBOX"], counts["Sent"]) == (3, 1)
    assert {folder["name"]: folder["stored_count"] for folder in status["folders"]} == counts


def test_json_of_a_sync_is_one_event_a_line(desk: Desk) -> None:
    events = [json.loads(line) for line in desk.run("sync", "--json").out.splitlines()]
    assert events[0]["event"] == "account_started"
    assert events[-1] == {
        "event": "account_finished",
        "account": ANN,
        "new": 0,
        "linked": 0,
        "suggested": 0,
        "failed": 0,
        "whole": True,
    }


def test_json_of_an_error_has_code_message_and_hint(desk: Desk) -> None:
    done = desk.try_to("deal", "show", "nowhere", "--json")
    assert done.code == 66
    assert done.out == ""
    error = json.loads(done.err)["error"]
    assert error == {
        "code": "not_found",
        "message": "There is no deal 'nowhere'.",
        "hint": "See `mailcrm deal list`.",
    }


def test_global_options_stand_before_or_after_the_command(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    shutil.move(desk.store, elsewhere)
    before = desk.run("--json", "--store", f"sqlite:///{elsewhere}", "--as", ANN, "inbox", "--limit", "1")
    after = desk.run("inbox", "--limit", "1", f"--store=sqlite:///{elsewhere}", "--json", "--as", "ann")
    assert before == after
    assert desk.run("inbox", "--limit", "1", "--json", MAILCRM_STORE=f"sqlite:///{elsewhere}") == before


def test_after_two_dashes_nothing_is_a_global_option(desk: Desk) -> None:
    desk.run("contact", "create", "--address", "json@example.org", "--", "--json")
    assert desk.run("contact", "list").rows[0][1] == "--json"


def test_a_terminal_that_is_not_unicode_gets_what_it_can_show(desk: Desk) -> None:
    done = desk.run("inbox", PYTHONIOENCODING="ascii")
    assert "Offer for pumps" in done.out
    assert len(done.rows) == 3


# --- a round with contacts, deals and colleagues ----------------------------------------------------


def test_a_conversation_is_read_with_its_quotes_folded(desk: Desk) -> None:
    offer = thread_about(desk, "Offer for pumps")
    folded = desk.run("thread", "show", offer).out
    assert "Ninety.\n\n[2 quoted lines; --full shows them]" in folded
    assert "seen by\tonly me" in folded
    assert "> a diaphragm pump?" in desk.run("thread", "show", offer, "--full").out


def test_the_source_of_a_conversation_is_in_a_pipe_as_it_came(desk: Desk) -> None:
    offer = thread_about(desk, "Offer for pumps")
    sources = [raw for _, raw, _ in LETTERS[:2]]
    assert desk.run("thread", "show", offer, "--raw").out == b"\n".join(sources).decode().replace(
        "\r\n", "\n"
    )
    for option in ("--full", "--json"):
        assert desk.try_to("thread", "show", offer, "--raw", option).code == 2


def test_what_had_to_be_guessed_in_a_mail_is_said(on_model: OnModel) -> None:
    raw = letter("charset@example.org", "Angebot", "x").replace(
        b"utf-8\r\n\r\nx", b"x-none\r\n\r\nGr\xfc\xdfe"
    )
    on_model.server.append("INBOX", raw, YESTERDAY)
    on_model.desk.run("sync")
    thread = thread_about(on_model.desk, "Angebot")
    assert (
        "note\tsome characters were guessed (charset:x-none)\n"
        in on_model.desk.run("thread", "show", thread).out
    )
    (email,) = on_model.desk.run("thread", "show", thread, "--json").json["emails"]
    assert email["repairs"] == ["charset:x-none"]
    assert "Gr\ufffd\ufffde" in on_model.desk.run("thread", "show", thread, "--raw").out


def test_every_kind_of_repair_has_plain_words() -> None:
    sources = "".join(path.read_text() for path in Path(mime.__file__).parent.glob("*.py"))
    kinds = set(re.findall(r"(?:repair\(|repair = f?|return )\"([a-z]+):(?:[a-z0-9]+\"|\{name)", sources))
    assert {"charset", "limit", "boundary", "transfer"} <= kinds
    for kind in kinds:
        (note,) = repair_notes([f"{kind}:one", f"{kind}:two"])
        assert note.endswith(f" ({kind}:one, {kind}:two)")
        assert not note.startswith("something")


def test_links_are_made_by_hand_replaced_and_taken_away(desk: Desk) -> None:
    lee = thread_about(desk, "견적 요청")
    desk.run("contact", "create", "Lee", "--address", "lee@example.kr")
    assert desk.run("link", "auto").err == "1 thread linked.\n"
    desk.run("deal", "create", "Valves")
    desk.run("link", "deal", lee, "Pumps")
    desk.run("link", "deal", lee, "Valves")
    assert desk.run("thread", "show", lee, "--json").json["thread"]["deals"] == ["Valves"]
    desk.run("unlink", "deal", lee, "Valves")
    desk.run("unlink", "contact", lee, "Lee")
    desk.run("deal", "create", "Spare parts", "--contact", "Lee")
    assert desk.run("link", "auto").err == "Nothing to link.\n"
    assert desk.run("thread", "show", lee, "--json").json["thread"]["contacts"] == []


@pytest.mark.rule("link-several-open")
@pytest.mark.rule("suggestion-accept")
def test_several_open_deals_are_offered_and_one_is_chosen(desk: Desk) -> None:
    desk.run("contact", "create", "Lee", "--address", "lee@example.kr")
    for title in ("Valves", "Spare parts"):
        desk.run("deal", "create", title, "--contact", "Lee")
    lee = thread_about(desk, "견적 요청")
    done = desk.run("link", "auto")
    assert "1 new suggestion: mailcrm link suggestions" in done.err
    ((number, thread, *_, why, candidates),) = desk.run("link", "suggestions").rows
    assert (thread, candidates, why) == (lee, "deal 3 Spare parts, deal 2 Valves", "several open")
    assert "suggested" in desk.run("thread", "show", lee).out
    desk.run("link", "accept", number, "Spare")
    assert desk.run("link", "suggestions") == Done(code=0, out="", err="No suggestions.\n")
    assert f"\t{lee}\t" in "\t" + desk.run("deal", "show", "Spare parts").out.replace("\n", "\n\t")


@pytest.mark.rule("see-shared-linked")
@pytest.mark.rule("see-shared-unlinked")
@pytest.mark.rule("see-private-nobody")
@pytest.mark.rule("see-errors")
@pytest.mark.rule("manage-who")
def test_a_colleague_sees_nothing_until_a_linked_conversation_is_shared(shared_desk: Desk) -> None:
    desk = shared_desk
    offer = thread_about(desk, "Offer for pumps", "--as", ANN)
    lee = thread_about(desk, "견적 요청", "--as", ANN)

    def of_bob() -> dict[str, Any]:
        return {
            "inbox": desk.run("inbox", "--json", "--as", BOB).json,
            "search": len(desk.run("search", "pump", "--json", "--as", BOB).json),
            "deal": len(desk.run("deal", "show", "Pumps", "--json", "--as", BOB).json["emails"]),
            "thread": desk.try_to("thread", "show", offer, "--as", BOB).code,
            "accounts": desk.run("account", "list", "--json", "--as", BOB).json,
        }

    nothing = {"inbox": [], "search": 0, "deal": 0, "thread": 66, "accounts": []}
    assert of_bob() == nothing
    assert desk.run("share", offer, lee, "--as", ANN).err.startswith(
        f"Shared thread {offer}, {lee}. Nobody else sees {lee} until it is linked"
    )
    assert of_bob() == nothing | {"search": 2, "deal": 2, "thread": 0}
    assert desk.try_to("thread", "show", lee, "--as", BOB).code == 66
    why = desk.run("thread", "why", offer, "--as", BOB).out
    assert (
        why == f"You read thread {offer} because the thread is shared and linked. So do all active members.\n"
    )
    assert desk.run("thread", "why", offer, "--as", ANN).out == (
        f"You read thread {offer} because the account is yours. So do all active members.\n"
    )
    assert desk.try_to("privatize", offer, "--as", BOB).code == 77
    assert desk.try_to("link", "deal", offer, "Pumps", "--as", BOB).code == 77
    desk.run("privatize", offer, "--as", ANN)
    assert of_bob() == nothing


def test_with_two_members_everybody_says_who_they_are(shared_desk: Desk) -> None:
    done = shared_desk.try_to("inbox", "--json")
    assert done.code == 65
    assert json.loads(done.err)["error"]["candidates"] == [ANN, BOB]
    assert shared_desk.run("inbox", MAILCRM_MEMBER=ANN).rows
    assert shared_desk.try_to("inbox", "--as", "eve@example.com").code == 66


@pytest.mark.rule("see-deactivated")
def test_a_deactivated_member_is_shut_out(shared_desk: Desk) -> None:
    shared_desk.run("member", "deactivate", BOB, "--as", ANN)
    assert shared_desk.try_to("inbox", "--as", BOB).code == 77


# --- what stands in a mail does nothing to a terminal -------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("inbox",),
        ("search", "gpj"),
        ("thread", "show", "THREAD"),
        ("contact", "list"),
        ("contact", "show", "evil@example.net"),
        ("deal", "list"),
        ("deal", "show", "2"),
    ],
    ids=" ".join,
)
def test_a_hostile_mail_is_harmless_in_every_list(hostile_desk: Desk, words: tuple[str, ...]) -> None:
    (hostile,) = [r["id"] for r in hostile_desk.run("inbox", "--json").json if "[/x]" in r["subject"]]
    said = [word.replace("THREAD", str(hostile)) for word in words]
    piped = hostile_desk.run(*said)
    shown = hostile_desk.at_a_terminal(*said)
    for output in (piped.out.replace("\t", ""), piped.err, shown.replace("\r\n", "\n")):
        assert not HARMFUL.search(output)
    # As it stands there, not as markup.
    assert "[/x]" in piped.out
    assert "[/x]" in shown
    assert "\\u202e" in piped.out


def test_a_hostile_mail_is_harmless_in_json(hostile_desk: Desk) -> None:
    for words in (
        ("inbox",),
        ("search", "gpj"),
        ("contact", "list"),
        ("deal", "list"),
        ("deal", "show", "2"),
    ):
        done = hostile_desk.run(*words, "--json")
        assert not HARMFUL.search(done.out), words
        assert "\u202egpj" in json.dumps(done.json, ensure_ascii=False), words
    done = hostile_desk.try_to("deal", "show", f"no {HOSTILE}", "--json")
    assert not HARMFUL.search(done.err)
    assert json.loads(done.err)["error"]["code"] == "not_found"


def test_the_source_of_a_hostile_mail_is_harmless_at_a_terminal(hostile_desk: Desk) -> None:
    (hostile,) = [r["id"] for r in hostile_desk.run("inbox", "--json").json if "[/x]" in r["subject"]]
    shown = hostile_desk.at_a_terminal("thread", "show", str(hostile), "--raw").replace("\r\n", "\n")
    assert not HARMFUL.search(shown)
    assert "Subject: [/x] \\x1b[31m" in shown


# --- starting and secrets ---------------------------------------------------------------------------


def test_help_starts_without_any_heavy_module(new_desk: Desk) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mailcrm", "--help"],
        env=new_desk.environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    heavy = {
        "imapclient",
        "imaplib",
        "sqlite3",
        "sqlite_utils",
        "psycopg",
        "keyring",
        "rich.table",
        "tomlkit",
    }
    heavy |= {"selectolax", "fast_mail_parser", "dateutil", "idna", "ssl", "mailcrm.store", "mailcrm.mail"}
    assert "mailcrm.cli" in imported
    assert not heavy & imported
    assert "connect" in done.stdout


def test_the_password_is_in_no_argument_no_store_and_no_config(
    new_desk: Desk, dovecot: DovecotServer, secret: Path, tmp_path: Path
) -> None:
    log = tmp_path / "processes"
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "def note(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system'):\n"
        f"        with open({str(log)!r}, 'a') as file:\n"
        "            print(event, arguments, file=file)\n"
        "sys.addaudithook(note)\n"
    )
    watched = {"PYTHONPATH": str(hook)}
    words = [*words_to_connect(dovecot), "--password-command", f"cat {secret}"]
    done = [
        new_desk.run(*words, **watched),
        new_desk.run("sync", "-vv", **watched),
        new_desk.run("account", "check", "-vv", **watched),
        new_desk.run("account", "show", "--json", **watched),
    ]
    assert f"cat {secret}" in log.read_text(), "the hook saw the processes"
    assert dovecot.password not in log.read_text()
    assert dovecot.password not in "".join(one.out + one.err for one in done)
    assert new_desk.store in new_desk.files()
    assert new_desk.config in new_desk.files()
    for path in new_desk.files():
        assert dovecot.password.encode() not in path.read_bytes(), path
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_password_command_of_one_host_gives_nothing_to_another(desk: Desk, model: ModelServer) -> None:
    with closing(sqlite3.connect(desk.store)) as connection:
        connection.execute("UPDATE account_connection SET imap_host = '127.0.0.1', imap_security = 'none'")
        connection.execute("UPDATE account_connection SET imap_port = ?", [model.endpoint.port])
        connection.commit()
    assert model.endpoint.security is Security.NONE
    assert desk.try_to("sync").code == 78
    assert not [command for command in model.commands if command.startswith(("LOGIN", "AUTHENTICATE"))]

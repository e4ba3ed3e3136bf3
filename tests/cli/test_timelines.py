"""Records at the command line: their emails page by page, the last contact, and failing addresses."""

from datetime import timedelta

import pytest

from tests.cli.desk import ANN, KIM, YESTERDAY, Desk, OnModel, letter

REPORT = f"""\
From: mailer-daemon@example.org
To: {ANN}
Subject: Undelivered
Message-ID: <bounce@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {KIM}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 user unknown
--b--
""".replace("\n", "\r\n").encode()


@pytest.mark.rule("timeline-pages")
@pytest.mark.parametrize("words", [("contact", "show", "Kim"), ("deal", "show", "Pumps")])
def test_a_page_names_the_next_one_and_tells_its_texts(desk: Desk, words: tuple[str, ...]) -> None:
    page = desk.run(*words, "--limit", "1")
    (more,) = page.err.splitlines()
    assert more.startswith("… more: --before ")
    cursor = more.rpartition(" ")[2]
    last = desk.run(*words, "--limit", "1", "--before", cursor)
    assert last.err == ""
    assert {"Offer for pumps", "Re: Offer for pumps"} == {
        row[4] for done in (page, last) for row in done.rows if len(row) > 4
    }
    assert desk.run(*words, "--limit", "1", "--json").json["next"] == cursor
    told = desk.run(*words, "--full").out
    assert "Ninety." in told
    assert "How much is a diaphragm pump?" in told
    assert "> a diaphragm pump?" not in told
    texts = desk.run(*words, "--full", "--json").json["emails"]
    assert [email["text"].splitlines()[0] for email in texts] == ["Ninety.", "How much is a diaphragm pump?"]


@pytest.mark.rule("last-contacted")
@pytest.mark.rule("bounce-flag")
def test_a_contact_has_its_last_contact_and_its_failing_address(on_model: OnModel) -> None:
    desk, server = on_model.desk, on_model.server
    desk.run("contact", "create", "Kim", "--address", KIM)
    assert desk.run("contact", "list").rows == [["1", "Kim", KIM, "", "", ""]]
    server.append("INBOX", letter("a@example.org", "Offer", "Hello"), YESTERDAY)
    desk.run("sync")
    (row,) = desk.run("contact", "list").rows
    assert row[4]
    assert "they wrote" in desk.run("contact", "show", "1").out
    assert "bounced" not in desk.run("contact", "show", "1").out
    server.append("INBOX", REPORT, YESTERDAY + timedelta(hours=1))
    desk.run("sync")
    (row,) = desk.run("contact", "list").rows
    assert row[5] == "bounces"
    assert ": 550 5.1.1 user unknown" in desk.run("contact", "show", "1").out
    (contact,) = desk.run("contact", "list", "--json").json
    assert (contact["bounces"][0]["status"], contact["last_contact"]["direction"]) == ("5.1.1", "in")

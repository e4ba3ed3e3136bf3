"""The log says what was done, never what is written in anybody's mail."""

import logging

import pytest

from mailcrm.core.credentials import Password
from mailcrm.rounds import sync_accounts
from mailcrm.store import Database, contacts, deals
from tests.conftest import FIRST, NOW
from tests.mail.conformance import USER, ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import connect, days_ago, letter

#: One word for everything that a log must not tell.
PLANTED = (
    "plantedsubject",
    "plantedbody",
    "plantedsender",
    "plantedrecipient",
    "plantedname",
    "plantedid",
    "plantedfile",
    "plantedpassword",
    "plantedcontact",
    "planteddeal",
    FIRST,
)

LETTER = letter(
    "plantedid@example.org",
    sender="plantedname <plantedsender@example.org>",
    to=f"{FIRST}, plantedrecipient@example.kr",
    subject="plantedsubject",
    body="plantedbody",
    more={"Content-Type": 'text/plain; name="plantedfile.txt"'},
)
BROKEN = (
    b"Subject: plantedsubject\r\nContent-Type: multipart/mixed\r\nDate: plantedbody\r\n\r\n\xffplantedbody"
)


def test_the_log_of_a_sync_at_debug_tells_nothing_of_the_mail(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    from mailcrm.mail.imap import open_session

    with ModelServer(password="plantedpassword") as server, caplog.at_level(logging.DEBUG):
        account = connect(db, ModelMailbox(server))
        contact = contacts.create_contact(db, name="plantedcontact", addresses=["plantedsender@example.org"])
        deals.create_deal(
            db, title="planteddeal", contact_ids=[contact.id], value=None, currency=None, at=NOW
        )

        def sync() -> None:
            list(
                sync_accounts(
                    db,
                    [account],
                    lambda _: open_session(
                        account.imap, username=USER, credential=Password(server.password), timeout=10
                    ),
                    clock=lambda: NOW,
                    size_limit=50_000_000,
                )
            )

        for folder in ("INBOX", "Sent"):
            server.append(folder, LETTER, days_ago(1))
            server.append(folder, BROKEN, days_ago(1), ["\\Seen"])
        sync()
        # Everything that a log might be tempted to explain.
        server.move("INBOX", 1, "Sent")
        server.flag("Sent", 2, ["\\Flagged"])
        server.renumber("Sent")
        server.twist = lambda command, reply: (
            reply.splitlines()[-1].split()[0] + b" NO plantedbody\r\n" if "BODY.PEEK" in command else reply
        )
        server.append("INBOX", LETTER + b"second", days_ago(1))
        sync()
        server.twist = lambda command, reply: b"* plantedsubject\r\n" if "BODY.PEEK" in command else reply
        sync()
        server.twist = lambda _command, reply: reply
        server.cut_after = 2_000
        sync()
        server.cut_after = None
        server.password = "another"
        sync()
    ours = [record for record in caplog.records if record.name.startswith("mailcrm")]
    assert any("saved" in record.getMessage() for record in ours)
    assert not [word for word in PLANTED if word in caplog.text.lower()]


def test_the_log_of_a_refused_log_in_tells_no_password(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    from mailcrm.mail.imap import open_session

    with ModelServer() as server, caplog.at_level(logging.DEBUG):
        account = connect(db, ModelMailbox(server))
        server.twist = lambda command, reply: (
            reply.splitlines()[-1].split()[0] + b" NO [ALERT] " + command.encode() + b"\r\n"
            if command.startswith("LOGIN")
            else reply
        )
        events = list(
            sync_accounts(
                db,
                [account],
                lambda _: open_session(account.imap, username=USER, credential=Password("plantedpassword")),
                clock=lambda: NOW,
                size_limit=1,
            )
        )
    assert events
    assert "plantedpassword" not in caplog.text + repr(events)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.delivery import standard_deliveries, told_deliveries
from mailcrm.core.mime import parse
from mailcrm.core.parsed import Delivery, ParsedEmail
from tests.core.messages import multipart, part
from tests.core.test_corpora import messages, without_corpora

REPORT = b"""Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 1 Jan 2024 10:00:00 +0900

Original-Recipient: rfc822;Jane@Example.com
Final-Recipient: rfc822; jane@mailbox.example.com
Action: failed
Status: 5.1.1 (no such mailbox)
Diagnostic-Code: smtp; 550 5.1.1 <jane@example.com>:
    Recipient address rejected

Final-Recipient: RFC822; <kim@example.kr>
Action: delayed (will retry)
Status: 4.4.1
"""


def delivery(address: str, action: str = "failed", status: str = "", reason: str = "") -> Delivery:
    return Delivery(address=address, action=action, status=status, reason=reason)


EXPECTED = (
    delivery(
        "jane@example.com", "failed", "5.1.1", "550 5.1.1 <jane@example.com>: Recipient address rejected"
    ),
    delivery("kim@example.kr", "delayed", "4.4.1"),
)


@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_a_standard_report_is_read(line: bytes) -> None:
    assert standard_deliveries(REPORT.replace(b"\n", line)) == EXPECTED


def test_a_report_is_read_without_its_empty_lines_or_with_too_many() -> None:
    assert standard_deliveries(REPORT.replace(b"\n\n", b"\n \n\n\n")) == EXPECTED
    assert standard_deliveries(REPORT.partition(b"\n\n")[2].replace(b"\n\n", b"\n"))[0] == EXPECTED[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"Final-Recipient: rfc822;a@example.com\nAction: error", delivery("a@example.com")),
        (b"Final-Recipient: a@example.com\nStatus: 4.2.2", delivery("a@example.com", "delayed", "4.2.2")),
        (b"Final-Recipient: a@example.com\nStatus: 2.0.0", delivery("a@example.com", "delivered", "2.0.0")),
        (
            b"Original-Recipient: x400; /S=a/\nFinal-Recipient: rfc822;a@example.com\nAction: relayed",
            delivery("a@example.com", "relayed"),
        ),
        (
            b"Final-Recipient: rfc822;a@example.com\nDiagnostic-Code: smtp;=?utf-8?B?7IiY7Iug?= 5.2.2 full",
            delivery("a@example.com", "failed", "5.2.2", "수신 5.2.2 full"),
        ),
    ],
)  # fmt: skip
def test_what_a_report_leaves_out_is_made_up_for(fields: bytes, expected: Delivery) -> None:
    assert standard_deliveries(fields) == (expected,)


def report(kind: str, *parts: bytes) -> ParsedEmail:
    head = b"From: MAILER-DAEMON@mx.example.org\r\nTo: me@example.com\r\nSubject: failure notice\r\n"
    return parse(head + multipart(kind, *parts))


def test_a_report_is_read_with_or_without_its_type() -> None:
    words, status = part("text/plain", b"It failed."), part("message/delivery-status", REPORT)
    returned = part("message/rfc822", b"From: me@example.com\r\nTo: other@example.com\r\n\r\nhi")
    for kind in ("report; report-type=delivery-status", "mixed"):
        email = report(kind, words, status, returned)
        assert (email.deliveries, email.automatic, email.text) == (EXPECTED, True, "It failed.")
        assert "other@example.com" not in {someone.address for someone in email.participants}


# --- the words of servers, in texts of our own

QMAIL = """Hi. This is the qmail-send program at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<jane@example.com>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 No such user

--- Below this line is a copy of the message.

To: other@example.com
"""
EXIM = """A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  jane@example.com
    SMTP error from remote mail server after RCPT TO:<jane@example.com>:
    550 mailbox unavailable

------ This is a copy of the message, including all the headers. ------

To: other@example.com
"""
POSTFIX = """This is the mail system at host mx.example.org.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. For further assistance, please send mail to postmaster.

<jane@example.com>: host mx.example.com[192.0.2.1] said: 550 5.1.1
    User unknown (in reply to RCPT TO command)
"""
GMX = """Ihre E-Mail konnte nicht zugestellt werden:

jane@example.com:
Mailbox voll.
"""
KOREAN = """메일을 전송하지 못했습니다.

받는사람: jane@example.com
사유: 존재하지 않는 사용자
"""
YAHOO = """Sorry, we were unable to deliver your message to the following address.

<jane@example.com>:
554: delivery error: This user doesn't have an account
"""
DELAYED = """Your message has not yet been delivered to

    jane@example.com

Delivery attempts will continue for some time.
"""


REMOTE = "192.0.2.1 does not like recipient. Remote host said: 550 5.1.1 No such user"
AFTER_RCPT = "SMTP error from remote mail server after RCPT TO:<jane@example.com>: 550 mailbox unavailable"
IN_REPLY = "host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"
DOVECOT = "Your message to jane@example.com was automatically rejected: Quota exceeded"


@pytest.mark.parametrize(
    ("text", "action", "status", "reason"),
    [
        (QMAIL, "failed", "5.1.1", REMOTE),
        (EXIM, "failed", "", AFTER_RCPT),
        (POSTFIX, "failed", "5.1.1", IN_REPLY),
        (GMX, "failed", "", "Mailbox voll."),
        (KOREAN, "failed", "", "사유: 존재하지 않는 사용자"),
        (YAHOO, "failed", "", "554: delivery error: This user doesn't have an account"),
        (DELAYED, "delayed", "", "Delivery attempts will continue for some time."),
        ("Delivery failed 20 attempts: jane@example.com", "failed", "", ""),
        (DOVECOT, "failed", "", DOVECOT),
    ],
)
def test_a_server_says_it_in_its_own_words(text: str, action: str, status: str, reason: str) -> None:
    email = report("mixed", part("text/plain; charset=utf-8", text.encode()))
    assert email.deliveries == (delivery("jane@example.com", action, status, reason),)


def test_failed_recipients_of_the_header_are_believed() -> None:
    raw = (
        b"From: Kim <kim@example.kr>\r\nX-Failed-Recipients: jane@example.com, lee@example.com\r\n"
        b"Subject: hello\r\n\r\nThe following address(es) failed:\r\n\r\n  lee@example.com\r\n    full\r\n"
    )
    email = parse(raw)
    assert email.deliveries == (
        delivery("jane@example.com"),
        delivery("lee@example.com", reason="full"),
    )
    assert email.automatic


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("Subject: Your parcel", "It could not be delivered, ask kim@example.kr"),
        ("Auto-Submitted: auto-replied\nSubject: Away", "I cannot be reached; write to\n\nkim@example.kr"),
        ("List-Unsubscribe: <x>\nSubject: News", "Undeliverable? Write to kim@example.kr"),
        ("From: postmaster@example.com\nSubject: Welcome", "Your account kim@example.kr is ready."),
        ("Subject: Delivery delay of PO 17", "The pumps could not be delivered.\n\nKim\nkim@example.kr"),
        ("Subject: Delivery failure of pump 17", "It could not be delivered.\n\nKim\nkim@example.kr"),
        ("List-Unsubscribe: <x>\nSubject: Delivery failed: your parcel", "Not delivered.\nhelp@example.kr"),
        ("Auto-Submitted: auto-generated\nSubject: 배송 실패", "배달하지 못했습니다.\nhelp@example.kr"),
    ],
)
def test_what_people_write_is_no_report(head: str, text: str) -> None:
    assert parse(f"{head}\nSender: jane@example.com\n\n{text}\n".encode()).deliveries == ()


def test_the_recipients_of_a_report_are_bounded() -> None:
    block = b"Final-Recipient: rfc822;a%d@example.com\nAction: failed\n\n"
    assert len(standard_deliveries(b"".join(block % number for number in range(5_000)))) == 1_000


@pytest.mark.parametrize("text", ["Hello. ", "It was not delivered. "])
def test_so_are_those_of_the_header_whatever_the_text_says(text: str) -> None:
    failed = b", ".join(b"a%d@example.com" % number for number in range(5_000))
    assert len(told_deliveries(text * 1_000, [failed], ())) == 1_000


@without_corpora
def test_nearly_all_bounces_of_the_corpus_name_their_recipient() -> None:
    bounces = [parse(raw) for name, raw in messages() if name.startswith("flufl-bounce")]
    assert sum(bool(bounce.deliveries) for bounce in bounces) >= 105


@settings(max_examples=100)
@given(st.text(max_size=300) | st.text("a@.<>: \n-", max_size=300))
def test_any_words_are_read(text: str) -> None:
    for each in told_deliveries("could not be delivered\n" + text, [text.encode("utf-8", "ignore")], ()):
        assert "@" in each.address
        assert "\n" not in each.reason
    standard_deliveries(b"Final-Recipient: " + text.encode("utf-8", "ignore"))

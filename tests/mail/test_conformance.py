"""One suite on the model and on Dovecot: what the model says, a real server says, too."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import pytest

from mailcrm.core.errors import AuthError, FolderMissing
from mailcrm.core.model import FolderRole
from mailcrm.core.plan import Arrival
from mailcrm.mail.imap import Fetched, FetchFailed, ImapSession
from tests.mail.conformance import DovecotMailbox, Mailbox, ModelMailbox
from tests.servers.model_imap import ModelServer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIMIT = 50_000_000

_users = count(1)


@pytest.fixture(params=["model", "dovecot"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    if request.param == "model":
        with ModelServer() as server:
            yield ModelMailbox(server)
    else:
        yield DovecotMailbox(request.getfixturevalue("dovecot"), f"user{next(_users)}@example.com")


@pytest.fixture
def session(mailbox: Mailbox) -> Iterator[ImapSession]:
    with mailbox.log_in(mailbox.password) as opened:
        yield opened


def mail(
    number: int = 1, *, date: str = "Mon, 02 Mar 2026 21:00:00 +0900", body: bytes = b"hello\r\n"
) -> bytes:
    return (
        f"Message-ID: <{number}@example.com>\r\nDate: {date}\r\nFrom: ann@example.com\r\n"
        f"Subject: Nr. {number}\r\n\r\n"
    ).encode() + body


def path_of(session: ImapSession, name: str) -> str:
    (path,) = [folder.path for folder in session.folders() if folder.name == name]
    return path


def all_arrivals(session: ImapSession) -> list[Arrival]:
    return list(session.identify(sorted(session.uids())))


def test_after_the_log_in_the_capabilities_are_known(session: ImapSession) -> None:
    assert {"IMAP4REV1", "CONDSTORE", "SPECIAL-USE"} <= session.capabilities


def test_a_wrong_password_is_an_auth_error_that_does_not_repeat_it(mailbox: Mailbox) -> None:
    with pytest.raises(AuthError) as caught:
        mailbox.log_in("hunter2-wrong")
    assert "hunter2" not in str(caught.value)


def test_a_password_outside_ascii_is_sent_as_utf8(mailbox: Mailbox) -> None:
    with pytest.raises(AuthError):
        mailbox.log_in("비밀번호")


def test_folders_have_the_roles_that_the_server_flags(session: ImapSession) -> None:
    roles = {folder.name: folder.role for folder in session.folders()}
    assert roles["INBOX"] is FolderRole.INBOX
    assert roles["Sent"] is FolderRole.SENT
    assert roles["Drafts"] is FolderRole.DRAFTS
    assert roles["Junk"] is FolderRole.JUNK
    assert roles["Trash"] is FolderRole.TRASH


@pytest.mark.parametrize("name", ["Kunden Süd", "R&D", "견적 요청", "报价/2026", "a+b, c-d"])
def test_a_folder_of_any_name_is_listed_and_can_be_opened(mailbox: Mailbox, name: str) -> None:
    mailbox.create(name)
    mailbox.append(name, mail(), NOON)
    with mailbox.log_in(mailbox.password) as session:
        assert session.examine(path_of(session, name)).exists == 1


def test_a_folder_that_is_not_there_is_missing(session: ImapSession) -> None:
    with pytest.raises(FolderMissing, match="Entwürfe von gestern"):
        session.examine("Entw&APw-rfe von gestern")


def test_after_a_missing_folder_the_session_goes_on(session: ImapSession) -> None:
    with pytest.raises(FolderMissing):
        session.examine("nowhere")
    assert session.examine("INBOX").exists == 0


def test_an_empty_folder_has_nothing(session: ImapSession) -> None:
    status = session.examine("INBOX")
    assert status.exists == 0
    assert status.uidvalidity > 0
    assert session.uids() == frozenset()
    assert session.uids_since(NOON) == frozenset()
    assert session.flags_since(1) == {}
    assert list(session.identify([])) == []
    assert list(session.download([], size_limit=LIMIT)) == []


def test_uids_are_those_of_the_emails_that_are_left(mailbox: Mailbox, session: ImapSession) -> None:
    first, second, third = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2, 3))
    mailbox.expunge("INBOX", second)
    assert session.examine("INBOX").exists == 2
    assert session.uids() == {first, third}


def test_an_expunge_by_somebody_else_is_no_partial_answer(mailbox: Mailbox, session: ImapSession) -> None:
    first, second = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2))
    session.examine("INBOX")
    mailbox.expunge("INBOX", first)
    # The session may still see it as it was (RFC 9051, 5.5).
    assert {second} <= session.uids() <= {first, second}
    session.examine("INBOX")
    assert session.uids() == {second}


def test_an_email_that_arrives_meanwhile_is_seen(mailbox: Mailbox, session: ImapSession) -> None:
    first = mailbox.append("INBOX", mail(1), NOON)
    session.examine("INBOX")
    second = mailbox.append("INBOX", mail(2), NOON)
    assert first in session.uids()
    assert session.uids() == {first, second}


def test_since_goes_by_the_time_of_arrival_or_by_the_date(mailbox: Mailbox, session: ImapSession) -> None:
    old = NOON - timedelta(days=60)
    neither = mailbox.append("INBOX", mail(1, date="Thu, 01 Jan 2026 12:00:00 +0000"), old)
    received = mailbox.append("INBOX", mail(2, date="Thu, 01 Jan 2026 12:00:00 +0000"), NOON)
    sent = mailbox.append("INBOX", mail(3), old)
    undated = mailbox.append("INBOX", b"Subject: no date\r\n\r\n", NOON)
    session.examine("INBOX")
    assert session.uids_since(NOON) == {received, sent, undated}
    assert session.uids_since(datetime(1, 1, 1, tzinfo=UTC)) == {neither, received, sent, undated}


@pytest.mark.parametrize("hours", [-12, -1, 0, 1, 14])
def test_since_leaves_nothing_out_whatever_the_zone_of_the_server(
    mailbox: Mailbox, session: ImapSession, hours: int
) -> None:
    uid = mailbox.append("INBOX", mail(), NOON)
    session.examine("INBOX")
    assert uid in session.uids_since(NOON.astimezone(timezone(timedelta(hours=hours))))


def test_an_email_is_identified_by_what_a_copy_keeps(mailbox: Mailbox, session: ImapSession) -> None:
    uid = mailbox.append("INBOX", mail(), NOON, ["\\Seen", "\\Flagged"])
    mailbox.append("Sent", mail(), NOON)
    session.examine("INBOX")
    (arrival,) = session.identify([uid])
    assert (arrival.uid, arrival.size, arrival.received_at) == (uid, len(mail()), NOON)
    assert arrival.received_at.utcoffset() == timedelta(0)
    assert arrival.sent_at == NOON
    assert arrival.flags == {"\\Seen", "\\Flagged"}
    session.examine("Sent")
    (copy,) = all_arrivals(session)
    assert copy.identity == arrival.identity
    assert not arrival.identity.startswith("?")


def test_an_email_without_message_id_has_a_mere_resemblance(mailbox: Mailbox, session: ImapSession) -> None:
    mailbox.append("INBOX", b"Subject: plain\r\n\r\nhello\r\n", NOON)
    session.examine("INBOX")
    (arrival,) = all_arrivals(session)
    assert arrival.identity.startswith("?")
    assert arrival.sent_at is None


def test_a_folded_message_id_is_found(mailbox: Mailbox, session: ImapSession) -> None:
    mailbox.append("INBOX", b"Message-ID:\r\n <1@example.com>\r\nSubject: x\r\n\r\n", NOON)
    session.examine("INBOX")
    (arrival,) = all_arrivals(session)
    assert not arrival.identity.startswith("?")


def test_the_order_asked_for_is_kept_and_what_is_gone_is_left_out(
    mailbox: Mailbox, session: ImapSession
) -> None:
    first, second, third = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2, 3))
    mailbox.expunge("INBOX", second)
    session.examine("INBOX")
    assert [a.uid for a in session.identify([third, second, first, 4_000_000_000])] == [third, first]


def test_a_move_keeps_the_identity(mailbox: Mailbox, session: ImapSession) -> None:
    uid = mailbox.append("INBOX", mail(), NOON)
    session.examine("INBOX")
    (before,) = session.identify([uid])
    mailbox.move("INBOX", uid, "Trash")
    session.examine("Trash")
    (after,) = all_arrivals(session)
    assert after.identity == before.identity


def test_a_renumbering_keeps_the_identity(mailbox: Mailbox) -> None:
    for number in (1, 2, 3):
        mailbox.append("INBOX", mail(number), NOON)
    mailbox.expunge("INBOX", 1)
    with mailbox.log_in(mailbox.password) as session:
        before = session.examine("INBOX")
        old = {a.identity for a in all_arrivals(session)}
    mailbox.renumber("INBOX")
    with mailbox.log_in(mailbox.password) as session:
        after = session.examine("INBOX")
        assert {a.identity for a in all_arrivals(session)} == old
        assert session.uids() == {1, 2}
    assert after.uidvalidity > before.uidvalidity


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b".\r\n..\r\n)\r\n* 1 FETCH (UID 1)\r\n",
        "견적서를 보내 드립니다\r\n".encode("cp949"),
        bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n",
        b"x" * 5000 + b"\r\n",
        b"{100}\r\n" * 30_000,
    ],
    ids=["empty", "like-imap", "cp949", "all-bytes", "long-line", "large"],
)
def test_a_download_is_identical_byte_by_byte(mailbox: Mailbox, session: ImapSession, body: bytes) -> None:
    mailbox.append("INBOX", mail(body=body), NOON)
    session.examine("INBOX")
    (fetched,) = session.download(all_arrivals(session), size_limit=LIMIT)
    assert fetched == Fetched(uid=1, raw=mail(body=body), truncated=False)


def test_of_an_email_above_the_limit_only_the_head_is_fetched(mailbox: Mailbox, session: ImapSession) -> None:
    big = mail(1, body=b"0123456789abcde\r\n" * 20_000)
    mailbox.append("INBOX", big, NOON)
    mailbox.append("INBOX", mail(2), NOON)
    session.examine("INBOX")
    found = {f.uid: f for f in session.download(all_arrivals(session), size_limit=100_000)}
    assert found[1] == Fetched(uid=1, raw=big[:262_144], truncated=True)
    assert found[2] == Fetched(uid=2, raw=mail(2), truncated=False)


def test_an_email_that_is_gone_fails_alone(mailbox: Mailbox, session: ImapSession) -> None:
    for number in (1, 2, 3):
        mailbox.append("INBOX", mail(number), NOON)
    session.examine("INBOX")
    arrivals = all_arrivals(session)
    mailbox.expunge("INBOX", 2)
    found = {f.uid: f for f in session.download(arrivals, size_limit=LIMIT)}
    assert isinstance(found.pop(2), FetchFailed)
    assert {uid: f.raw for uid, f in found.items() if isinstance(f, Fetched)} == {1: mail(1), 3: mail(3)}


def test_flags_are_those_of_now(mailbox: Mailbox, session: ImapSession) -> None:
    first = mailbox.append("INBOX", mail(1), NOON, ["\\Seen"])
    second = mailbox.append("INBOX", mail(2), NOON)
    mailbox.flag("INBOX", second, ["\\Answered", "$Forwarded"])
    session.examine("INBOX")
    assert session.flags([second, first, 99]) == {first: {"\\Seen"}, second: {"\\Answered", "$Forwarded"}}


def test_flags_since_are_only_those_changed_later(mailbox: Mailbox, session: ImapSession) -> None:
    first, second = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2))
    modseq = session.examine("INBOX").highestmodseq
    assert modseq is not None
    assert session.flags_since(modseq) == {}
    mailbox.flag("INBOX", second, ["\\Flagged"])
    later = session.examine("INBOX").highestmodseq
    assert later is not None
    assert later > modseq
    assert session.flags_since(modseq) == {second: {"\\Flagged"}}
    assert set(session.flags_since(1)) <= {first, second}


def test_reading_marks_nothing_as_read(mailbox: Mailbox, session: ImapSession) -> None:
    mailbox.append("INBOX", mail(), NOON)
    session.examine("INBOX")
    arrivals = all_arrivals(session)
    assert len(list(session.download(arrivals, size_limit=LIMIT))) == 1
    assert len(list(session.download(arrivals, size_limit=1))) == 1
    session.examine("INBOX")
    assert session.flags([1]) == {1: frozenset()}


def test_twelve_hundred_emails_are_read(mailbox: Mailbox, session: ImapSession) -> None:
    for number in range(1200):
        mailbox.deliver("INBOX", mail(number), NOON + timedelta(seconds=number))
    assert session.examine("INBOX").exists == 1200
    uids = sorted(session.uids(), reverse=True)
    assert len(uids) == 1200
    assert session.uids_since(NOON) == set(uids)
    arrivals = list(session.identify(uids))
    assert [a.uid for a in arrivals] == uids
    assert len({a.identity for a in arrivals}) == 1200
    # Every other one, so that the set does not fit into one command.
    every_other = session.flags(uids[::2])
    assert set(every_other) == set(uids[::2])
    raws = {f.raw for f in session.download(arrivals, size_limit=LIMIT) if isinstance(f, Fetched)}
    assert raws == {mail(number) for number in range(1200)}

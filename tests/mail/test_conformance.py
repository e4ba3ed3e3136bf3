"""One suite on the model, Dovecot, Cyrus and pymap, so that no server's habits become ours.

What a server cannot do, it tells by its capabilities, and the suite asks for that.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailcrm.core.errors import AuthError, FolderMissing, ProtocolError
from mailcrm.core.model import FolderRole
from mailcrm.core.plan import Arrival
from mailcrm.mail.imap import Fetched, FetchFailed, ImapSession
from tests.mail.conformance import Mailbox, mailbox_on

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIMIT = 50_000_000


@pytest.fixture(params=["model", "dovecot", "cyrus", "pymap"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    with mailbox_on(request) as opened:
        yield opened


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
    assert {"IMAP4REV1", "ID"} <= session.capabilities


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


@pytest.mark.parametrize("name", ["Kunden Süd", "R&D", "견적 & 계약", "报价/2026", "a+b, c-d", "& so on"])
def test_a_folder_of_any_name_is_listed_and_can_be_opened(mailbox: Mailbox, name: str) -> None:
    assert mailbox.create(name)
    mailbox.append(name, mail(), NOON)
    with mailbox.log_in(mailbox.password) as session:
        assert session.examine(path_of(session, name)).exists == 1


@pytest.mark.parametrize("name", ["[Mail] (old) {7}", 'a "b"', "c\\d", "e\\\\", " f  g "])
def test_a_name_full_of_syntax_is_listed_and_can_be_opened_where_a_server_takes_it(
    mailbox: Mailbox, session: ImapSession, name: str
) -> None:
    if mailbox.create(name):
        assert session.examine(path_of(session, name)).exists == 0
    else:
        assert name not in {folder.name for folder in session.folders()}


def test_what_is_told_with_the_list_is_what_an_opened_folder_shows(
    mailbox: Mailbox, session: ImapSession
) -> None:
    uid = mailbox.append("INBOX", mail(1), NOON)
    mailbox.append("INBOX", mail(2), NOON)
    mailbox.move("INBOX", uid, "Sent")
    told = {"LIST-STATUS", "LIST-EXTENDED"} <= session.capabilities
    for folder in session.folders():
        assert folder.status == (session.examine(folder.path) if told else None)


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
    assert session.flags_since(1, session.uids()) == {}
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


def test_what_is_gone_is_left_out(mailbox: Mailbox, session: ImapSession) -> None:
    first, second, third = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2, 3))
    mailbox.expunge("INBOX", second)
    session.examine("INBOX")
    found = session.identify([third, second, first, 4_000_000_000])
    assert sorted(arrival.uid for arrival in found) == [first, third]


def test_a_move_keeps_the_identity(mailbox: Mailbox, session: ImapSession) -> None:
    uid = mailbox.append("INBOX", mail(), NOON)
    session.examine("INBOX")
    (before,) = session.identify([uid])
    mailbox.move("INBOX", uid, "Trash")
    session.examine("Trash")
    (after,) = all_arrivals(session)
    assert after.identity == before.identity


def test_an_object_id_is_kept_by_a_move_where_there_are_any(mailbox: Mailbox, session: ImapSession) -> None:
    uid = mailbox.append("INBOX", mail(1), NOON)
    mailbox.append("INBOX", mail(2), NOON)
    session.examine("INBOX")
    before = [arrival.object_id for arrival in all_arrivals(session)]
    mailbox.move("INBOX", uid, "Trash")
    session.examine("Trash")
    (after,) = all_arrivals(session)
    assert before[0] == after.object_id != before[1] or before == [None, None]
    assert (after.object_id is not None) == ("OBJECTID" in session.capabilities)


def test_a_renumbering_keeps_the_identity(mailbox: Mailbox, session: ImapSession) -> None:
    mailbox.create("Projects")
    uids = [mailbox.append("Projects", mail(number), NOON) for number in (1, 2, 3)]
    mailbox.expunge("Projects", uids[0])
    with mailbox.log_in(mailbox.password) as earlier:
        before = earlier.examine("Projects")
        old = [a.identity for a in all_arrivals(earlier)]
    mailbox.renumber("Projects")
    after = session.examine("Projects")
    assert after.uidvalidity != before.uidvalidity
    assert [a.identity for a in all_arrivals(session)] == old


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b".\r\n..\r\n)\r\n* 1 FETCH (UID 1)\r\n",
        "견적서를 보내 드립니다\r\n".encode("cp949"),
        bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n",
        b"x" * 5000 + b"\r\n",
        b"{100}\r\n" * 400_000,
    ],
    ids=["empty", "like-imap", "cp949", "all-bytes", "long-line", "three-megabytes"],
)
def test_a_download_is_identical_byte_by_byte(mailbox: Mailbox, session: ImapSession, body: bytes) -> None:
    uid = mailbox.append("INBOX", mail(body=body), NOON)
    session.examine("INBOX")
    (fetched,) = session.download(all_arrivals(session), size_limit=LIMIT)
    assert fetched == Fetched(uid=uid, raw=mail(body=body), truncated=False)


def test_a_header_in_raw_8_bit_is_left_as_it_is(mailbox: Mailbox, session: ImapSession) -> None:
    raw = "Message-ID: <1@example.kr>\r\nSubject: 견적서\r\n\r\n".encode() + b"\xb0\xdf\r\n"
    uid = mailbox.append("INBOX", raw, NOON)
    session.examine("INBOX")
    (arrival,) = all_arrivals(session)
    assert not arrival.identity.startswith("?")
    assert list(session.download([arrival], size_limit=LIMIT)) == [Fetched(uid=uid, raw=raw, truncated=False)]


def test_of_an_email_above_the_limit_only_the_head_is_fetched(mailbox: Mailbox, session: ImapSession) -> None:
    big = mail(1, body=b"0123456789abcde\r\n" * 20_000)
    first, second = (mailbox.append("INBOX", raw, NOON) for raw in (big, mail(2)))
    session.examine("INBOX")
    assert {f.uid: f for f in session.download(all_arrivals(session), size_limit=100_000)} == {
        first: Fetched(uid=first, raw=big[:262_144], truncated=True),
        second: Fetched(uid=second, raw=mail(2), truncated=False),
    }


def test_an_email_that_is_gone_fails_alone(mailbox: Mailbox, session: ImapSession) -> None:
    first, second, third = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2, 3))
    session.examine("INBOX")
    arrivals = all_arrivals(session)
    mailbox.expunge("INBOX", second)
    found = {f.uid: f for f in session.download(arrivals, size_limit=LIMIT)}
    # A session may still hand out what another one expunged (RFC 2180, 4.1.1).
    assert isinstance(gone := found.pop(second), FetchFailed) or gone.raw == mail(2)
    assert {uid: f.raw for uid, f in found.items() if isinstance(f, Fetched)} == {
        first: mail(1),
        third: mail(3),
    }


def test_flags_are_those_of_now(mailbox: Mailbox, session: ImapSession) -> None:
    first = mailbox.append("INBOX", mail(1), NOON, ["\\Seen"])
    second = mailbox.append("INBOX", mail(2), NOON)
    flags = {"\\Answered", *(["$Forwarded"] if mailbox.keeps_keywords() else [])}
    mailbox.flag("INBOX", second, flags)
    session.examine("INBOX")
    assert session.flags([second, first, second + 99]) == {first: {"\\Seen"}, second: flags}


def test_flags_since_are_only_those_changed_later(mailbox: Mailbox, session: ImapSession) -> None:
    first, second = (mailbox.append("INBOX", mail(n), NOON) for n in (1, 2))
    modseq = session.examine("INBOX").highestmodseq
    if "CONDSTORE" not in session.capabilities:
        assert modseq is None
        return
    assert modseq is not None
    assert session.flags_since(modseq, session.uids()) == {}
    mailbox.flag("INBOX", second, ["\\Flagged"])
    later = session.examine("INBOX").highestmodseq
    assert later is not None
    assert later > modseq
    assert session.flags_since(modseq, session.uids()) == {second: {"\\Flagged"}}
    assert set(session.flags_since(1, session.uids())) <= {first, second}


def test_a_session_that_waits_is_told_of_an_arrival(mailbox: Mailbox, session: ImapSession) -> None:
    session.examine("INBOX")
    if "IDLE" not in session.capabilities:
        with pytest.raises(ProtocolError):
            session.idle(0.1)
        return
    assert not session.idle(0.1)
    somebody = threading.Timer(0.2, mailbox.append, ("INBOX", mail(), NOON))
    somebody.start()
    # However soon it comes, the server tells of it during IDLE or at its end.
    assert session.idle(20)
    somebody.join()
    assert session.examine("INBOX").exists == len(session.uids()) == 1


def test_reading_marks_nothing_as_read(mailbox: Mailbox, session: ImapSession) -> None:
    uid = mailbox.append("INBOX", mail(), NOON)
    session.examine("INBOX")
    arrivals = all_arrivals(session)
    assert len(list(session.download(arrivals, size_limit=LIMIT))) == 1
    assert len(list(session.download(arrivals, size_limit=1))) == 1
    session.examine("INBOX")
    assert session.flags([uid]) == {uid: frozenset()}


def test_twelve_hundred_emails_are_read(mailbox: Mailbox, session: ImapSession) -> None:
    for number in range(1200):
        mailbox.deliver("INBOX", mail(number), NOON + timedelta(seconds=number))
    assert session.examine("INBOX").exists == 1200
    uids = sorted(session.uids())
    assert len(uids) == 1200
    assert session.uids_since(NOON) == set(uids)
    arrivals = list(session.identify(uids))
    assert sorted(a.uid for a in arrivals) == uids
    assert len({a.identity for a in arrivals}) == 1200
    # Every other one, so that the set does not fit into one command.
    every_other = session.flags(uids[::2])
    assert set(every_other) == set(uids[::2])
    raws = {f.raw for f in session.download(arrivals, size_limit=LIMIT) if isinstance(f, Fetched)}
    assert raws == {mail(number) for number in range(1200)}

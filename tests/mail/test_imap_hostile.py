"""What a broken or hostile server can say, and that it harms nobody."""

import contextlib
import logging
import re
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailcrm.core.credentials import Password
from mailcrm.core.errors import AuthError, ConfigError, ConnectError, MailError, ProtocolError, Throttled
from mailcrm.core.model import FolderRole
from mailcrm.core.plan import Arrival
from mailcrm.core.uids import UidSet, sequence_set
from mailcrm.mail.imap import (
    HEAD_BYTES,
    Fetched,
    FetchFailed,
    ImapSession,
    ListedFolder,
    open_session,
)
from mailcrm.mail.wire import ANSWER_LIMIT
from tests.servers.model_imap import CAPABILITIES, ModelServer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIMIT = 50_000_000


def log_in(server: ModelServer, username: str = "ann@example.com") -> ImapSession:
    return open_session(server.endpoint, username=username, credential=Password(server.password), timeout=10)


@pytest.fixture
def server(model: ModelServer) -> ModelServer:
    """A server with three emails; UID and sequence number differ."""
    for number in (1, 2, 3, 4):
        model.append("INBOX", mail(number), NOON)
    model.expunge("INBOX", 1)
    return model


@pytest.fixture
def session(server: ModelServer) -> Iterator[ImapSession]:
    with log_in(server) as opened:
        opened.examine("INBOX")
        yield opened


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@example.com>\r\nSubject: Nr. {number}\r\n\r\nhello\r\n".encode()


def twist(server: ModelServer, command: str, change: Callable[[bytes], bytes]) -> None:
    """Change the replies to the commands that begin so."""
    server.twist = lambda said, reply: change(reply) if said.startswith(command) else reply


def tag_of(reply: bytes) -> bytes:
    return reply.splitlines()[-1].split()[0]


def arrivals(session: ImapSession) -> list[Arrival]:
    return list(session.identify(sorted(session.uids())))


def test_a_stray_answer_without_uid_is_not_taken_for_the_email_of_that_number(
    server: ModelServer, session: ImapSession
) -> None:
    twist(server, "UID FETCH", lambda reply: b"* 2 FETCH (FLAGS (\\Deleted))\r\n" + reply)
    assert session.flags([2, 3]) == {2: frozenset(), 3: frozenset()}


def test_a_stray_answer_for_another_email_is_ignored(server: ModelServer, session: ImapSession) -> None:
    twist(server, "UID FETCH", lambda reply: b"* 9 FETCH (UID 77 FLAGS (\\Deleted))\r\n" + reply)
    assert session.flags([2]) == {2: frozenset()}
    found = list(session.identify([2]))
    assert [a.uid for a in found] == [2]
    assert [f.uid for f in session.download(found, size_limit=LIMIT)] == [2]


def test_a_stray_flag_update_does_not_pass_for_the_body(server: ModelServer, session: ImapSession) -> None:
    found = arrivals(session)
    twist(server, "UID FETCH", lambda reply: b"* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n" + reply)
    assert list(session.download(found[:1], size_limit=LIMIT)) == [
        Fetched(uid=2, raw=mail(2), truncated=False)
    ]


def test_numbers_that_shift_between_answers_mix_nothing_up(server: ModelServer, session: ImapSession) -> None:
    def expunging(reply: bytes) -> bytes:
        tag = tag_of(reply)
        return (
            b"* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n"
            b"* 1 FETCH (UID 3 FLAGS (\\Flagged))\r\n" + tag + b" OK done\r\n"
        )

    twist(server, "UID FETCH", expunging)
    assert session.flags([2, 3]) == {2: {"\\Seen"}, 3: {"\\Flagged"}}


@pytest.mark.parametrize("refusal", [b"NO [SERVERBUG] cannot read it", b"BAD internal error"])
def test_a_poison_email_fails_alone(server: ModelServer, session: ImapSession, refusal: bytes) -> None:
    found = arrivals(session)

    def poisoned(said: str, reply: bytes) -> bytes:
        hit = re.match(r"UID FETCH (2:4|2:3|3:4|3) ", said) and "BODY.PEEK[]" in said
        return tag_of(reply) + b" " + refusal + b"\r\n" if hit else reply

    server.twist = poisoned
    downloads = {f.uid: f for f in session.download(found, size_limit=LIMIT)}
    failed = downloads.pop(3)
    assert isinstance(failed, FetchFailed)
    assert refusal.split()[-1].decode() in failed.error
    assert {uid: f.raw for uid, f in downloads.items() if isinstance(f, Fetched)} == {2: mail(2), 4: mail(4)}


def test_what_came_before_a_refusal_is_not_asked_for_again(server: ModelServer, session: ImapSession) -> None:
    found = arrivals(session)

    def stops(said: str, reply: bytes) -> bytes:
        if said.startswith("UID FETCH 2:4"):
            return (
                reply.partition(b"* 2 FETCH")[0]
                + tag_of(reply)
                + b" NO Some messages could not be FETCHed\r\n"
            )
        return reply

    server.twist = stops
    assert all(isinstance(f, Fetched) for f in session.download(found, size_limit=LIMIT))
    asked = [said.split()[2] for said in server.commands if "BODY.PEEK[]" in said]
    assert asked == ["2:4", "3", "4"]


def test_an_email_left_out_is_asked_for_once_more(server: ModelServer, session: ImapSession) -> None:
    found = arrivals(session)
    server.twist = lambda said, reply: (
        re.sub(rb"\* 2 FETCH .*?\r\n\)\r\n", b"", reply, flags=re.DOTALL)
        if "2:4 (UID BODY" in said
        else reply
    )
    assert [type(f) for f in session.download(found, size_limit=LIMIT)] == [Fetched] * 3


def test_an_email_sent_empty_has_failed(server: ModelServer, session: ImapSession) -> None:
    found = arrivals(session)[:1]
    sent = b'* 1 FETCH (UID 2 BODY[] "")\r\n'
    twist(server, "UID FETCH", lambda reply: sent + tag_of(reply) + b" OK done\r\n")
    (failed,) = session.download(found, size_limit=LIMIT)
    assert isinstance(failed, FetchFailed)


@pytest.mark.parametrize("answer", [b"NIL", b"(1 2)"])
def test_a_body_that_is_no_text_has_failed(server: ModelServer, session: ImapSession, answer: bytes) -> None:
    found = arrivals(session)[:1]
    twist(
        server,
        "UID FETCH",
        lambda reply: b"* 1 FETCH (UID 2 BODY[] " + answer + b")\r\n" + tag_of(reply) + b" OK done\r\n",
    )
    (failed,) = session.download(found, size_limit=LIMIT)
    assert isinstance(failed, FetchFailed)


def test_an_email_whose_header_is_refused_is_not_hidden(server: ModelServer, session: ImapSession) -> None:
    def headless(said: str, reply: bytes) -> bytes:
        hit = re.match(r"UID FETCH (2:4|2:3|3:4|3) ", said) and "HEADER" in said
        return tag_of(reply) + b" NO [UNAVAILABLE] Server error\r\n" if hit else reply

    server.twist = headless
    found = {a.uid: a.identity for a in session.identify([2, 3, 4])}
    assert set(found) == {2, 3, 4}
    assert [uid for uid, identity in found.items() if identity.startswith("?")] == [3]


def test_being_throttled_is_no_failure_of_the_emails(server: ModelServer, session: ImapSession) -> None:
    found = arrivals(session)
    twist(server, "UID FETCH", lambda reply: tag_of(reply) + b" NO [THROTTLED] Request is throttled.\r\n")
    with pytest.raises(Throttled, match="Request is throttled"):
        list(session.download(found, size_limit=LIMIT))


def test_flags_that_are_refused_are_an_error(server: ModelServer, session: ImapSession) -> None:
    twist(server, "UID FETCH", lambda reply: tag_of(reply) + b" NO no flags today\r\n")
    with pytest.raises(ProtocolError, match="no flags today"):
        session.flags([2])
    with pytest.raises(ProtocolError, match="no flags today"):
        session.flags_since(1, session.uids())


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        (b"\\SEEN \\recent", {"\\Seen"}),
        (b"$Junk[x] 17 NIL a]b", {"$Junk[x]", "17", "a]b"}),
        (b"\\*", {"\\*"}),
    ],
)
def test_odd_flags_are_read(server: ModelServer, session: ImapSession, said: bytes, flags: set[str]) -> None:
    twist(server, "UID FETCH", lambda reply: reply.replace(b"FLAGS ()", b"FLAGS (" + said + b")"))
    assert session.flags([2]) == {2: flags}


@pytest.mark.parametrize(
    "date", [b'"yesterday"', b"NIL", b'"31-Dec-9999 23:59:59 -1200"', b'"99-Mar-2026 12:00:00 +0000"']
)
def test_an_email_whose_time_cannot_be_read_counts_from_its_date(model: ModelServer, date: bytes) -> None:
    model.append("INBOX", b"Message-ID: <1@example.com>\r\nDate: Mon, 02 Mar 2026 12:00:00 +0000\r\n\r\n")
    twist(model, "UID FETCH", lambda reply: re.sub(rb'INTERNALDATE "[^"]*"', b"INTERNALDATE " + date, reply))
    with log_in(model) as session:
        session.examine("INBOX")
        (arrival,) = session.identify([1])
    assert arrival.received_at == arrival.sent_at == NOON


@pytest.mark.parametrize(("size", "truncated"), [(b"7", False), (b"9" * 30, True), (b"NIL", False)])
def test_a_wrong_size_loses_nothing(
    server: ModelServer, session: ImapSession, size: bytes, *, truncated: bool
) -> None:
    server.twist = lambda said, reply: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE " + size, reply)
    found = list(session.identify([2]))
    assert list(session.download(found, size_limit=LIMIT)) == [
        Fetched(uid=2, raw=mail(2), truncated=truncated)
    ]
    assert found[0].size < 2**63


LISTING = (
    rb"""* LIST (\HasNoChildren) "/" INBOX
* LIST (\HasNoChildren) "/" Inbox
* LIST this is no line of a list
* LIST (\Noselect \HasChildren) "/" "[Gmail]"
* LIST (\HasNoChildren \Sent) "/" "[Gmail]/Sent Mail"
* LIST () "/" Junk	E-Mail
* LIST () "/" "Entw&APw"
* LIST () "/" "Caf%s"
* LIST () "/" 2026
* LIST () "/" {8}
a "b" \c
* LIST () "/" {4}
x%sA1
* LIST () "/" "Clients"
* LIST () "/" "Clients"
""".replace(b"\n", b"\r\n")
    % ("é".encode(), b"\0")
)


def test_one_bad_line_does_not_lose_the_other_folders(model: ModelServer) -> None:
    twist(model, "LIST", lambda reply: LISTING + tag_of(reply) + b" OK done\r\n")
    with log_in(model) as session:
        found = {folder.name: folder for folder in session.folders()}
    assert list(found) == [
        "INBOX",
        "[Gmail]",
        "[Gmail]/Sent Mail",
        "Junk\tE-Mail",
        "Entw&APw",
        "Café",
        "2026",
        'a "b" \\c',
        "Clients",
    ]
    assert not found["[Gmail]"].selectable
    assert found["[Gmail]/Sent Mail"].role is FolderRole.SENT
    assert found["Café"] == ListedFolder(path="CafÃ©", name="Café", role=None, selectable=True)


OPENED = b"* 0 EXISTS\r\n* OK [UIDVALIDITY 5]\r\n"


@pytest.mark.parametrize("path", ["CafÃ©", 'a "b" \\c', "Junk\tE-Mail", "100%", "*"])
def test_a_folder_is_opened_by_the_bytes_of_its_path(model: ModelServer, path: str) -> None:
    model.create("x")
    twist(model, "EXAMINE", lambda reply: OPENED + tag_of(reply) + b" OK done\r\n")
    with log_in(model) as session:
        assert session.examine(path).uidvalidity == 5
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    assert model.commands[-2] == f'EXAMINE "{escaped}"'


@pytest.mark.parametrize("bad", ["a\r\nA1 DELETE INBOX", "a\nb", "a\0b"])
def test_a_line_break_never_gets_into_a_command(model: ModelServer, bad: str) -> None:
    with log_in(model) as session, pytest.raises(ConfigError):
        session.examine(bad)
    with pytest.raises(ConfigError):
        log_in(model, username=bad)
    with pytest.raises(ConfigError):
        open_session(model.endpoint, username="ann@example.com", credential=Password(bad))
    assert not any("DELETE" in said for said in model.commands)


def test_a_user_name_is_one_argument(model: ModelServer) -> None:
    with log_in(model, username='EXAMPLE\\ann "x'):
        assert 'LOGIN "EXAMPLE\\\\ann \\"x" "secret"' in model.commands


def test_a_user_and_password_outside_ascii_log_in(model: ModelServer) -> None:
    model.password = "비밀번호"
    with open_session(model.endpoint, username="안나@example.kr", credential=Password("비밀번호")) as session:
        assert session.examine("INBOX").exists == 0


def test_the_client_introduces_itself_before_it_opens_a_folder_and_never_for_writing(
    server: ModelServer, session: ImapSession
) -> None:
    verbs = [said.split()[0] for said in server.commands]
    assert verbs.index("ID") < verbs.index("ENABLE") < verbs.index("EXAMINE")
    assert "SELECT" not in verbs


def test_the_client_introduces_itself_where_that_was_offered_before_the_log_in(model: ModelServer) -> None:
    def unsafe(said: str, reply: bytes) -> bytes:
        if said == "CAPABILITY" and any(earlier.startswith("LOGIN") for earlier in model.commands):
            return reply.replace(b" ID ", b" ")
        if said.startswith("EXAMINE") and not any(earlier.startswith("ID ") for earlier in model.commands):
            return tag_of(reply) + b" NO EXAMINE Unsafe Login\r\n"
        return reply

    model.twist = unsafe
    with log_in(model) as session:
        assert "ID" not in session.capabilities
        assert session.examine("INBOX").exists == 0


@pytest.mark.parametrize("command", ["ID", "ENABLE"])
@pytest.mark.parametrize("refusal", [b"NO not here", b"BAD what"])
def test_a_courtesy_that_is_refused_does_no_harm(model: ModelServer, command: str, refusal: bytes) -> None:
    twist(model, command, lambda reply: tag_of(reply) + b" " + refusal + b"\r\n")
    with log_in(model) as session:
        assert session.examine("INBOX").exists == 0


def test_a_plain_server_without_extensions_will_do(model: ModelServer) -> None:
    model.capabilities = ("IMAP4rev1",)
    with log_in(model) as session:
        assert session.examine("INBOX").highestmodseq is None
    assert [said.split()[0] for said in model.commands] == [
        "CAPABILITY",
        "LOGIN",
        "CAPABILITY",
        "EXAMINE",
        "LOGOUT",
    ]


@pytest.mark.parametrize("said", [b"", b"[UIDVALIDITY 0]", b"[UIDVALIDITY -1]", b"[UIDVALIDITY 99999999999]"])
def test_a_folder_without_uidvalidity_is_refused(model: ModelServer, said: bytes) -> None:
    twist(model, "EXAMINE", lambda reply: re.sub(rb"\[UIDVALIDITY \d+\]", said, reply))
    with log_in(model) as session, pytest.raises(ProtocolError, match="UIDVALIDITY"):
        session.examine("INBOX")


@pytest.mark.parametrize("said", [b"[NOMODSEQ]", b"[HIGHESTMODSEQ 0]", b"[HIGHESTMODSEQ x]"])
def test_a_folder_may_have_no_mod_sequences(model: ModelServer, said: bytes) -> None:
    twist(model, "EXAMINE", lambda reply: re.sub(rb"\[HIGHESTMODSEQ \d+\]", said, reply))
    with log_in(model) as session:
        assert session.examine("INBOX").highestmodseq is None


def test_a_partial_answer_is_not_taken_for_deletions(server: ModelServer, session: ImapSession) -> None:
    twist(server, "UID SEARCH", lambda reply: reply.replace(b"2:4", b"2:3"))
    with pytest.raises(ProtocolError, match="counts 3 emails in this folder but names 2"):
        session.uids()


def test_uids_that_cannot_be_are_not_taken(server: ModelServer, session: ImapSession) -> None:
    twist(
        server,
        "UID SEARCH",
        lambda reply: reply.replace(b"* SEARCH", b"* SEARCH 0 4294967296 -1 x " + b"9" * 9999),
    )
    assert session.uids() == {2, 3, 4}


def test_the_mod_sequence_in_a_search_answer_is_no_uid(server: ModelServer, session: ImapSession) -> None:
    twist(server, "UID SEARCH", lambda reply: reply.replace(b"2 3 4", b"2 3 4 (MODSEQ 917162500)"))
    assert session.uids() == {2, 3, 4}


def test_a_server_that_limits_its_answers_is_asked_in_windows(model: ModelServer) -> None:
    model.capabilities = (*CAPABILITIES, "MESSAGELIMIT=3")
    uids = {model.append("INBOX", mail(number), NOON) for number in range(10)}
    with log_in(model) as session:
        session.examine("INBOX")
        assert session.uids() == uids
    searches = [said for said in model.commands if "SEARCH" in said]
    assert searches == [
        f"UID SEARCH RETURN (ALL) {window} UID 1:*" for window in ("10:*", "7:9", "4:6", "1:3")
    ]


def test_an_expunge_between_two_windows_loses_nothing(model: ModelServer) -> None:
    model.capabilities = (*CAPABILITIES, "MESSAGELIMIT=3")
    uids = {model.append("INBOX", mail(number), NOON) for number in range(6)}

    def expunging(said: str, reply: bytes) -> bytes:
        if said.startswith("UID SEARCH RETURN (ALL) 4:*"):
            for uid in (1, 2):
                model.expunge("INBOX", uid)
        return reply

    model.twist = expunging
    with log_in(model) as session:
        session.examine("INBOX")
        assert session.uids() >= uids - {1, 2}


@pytest.mark.parametrize("runs", [True, False])
def test_a_folder_of_140000_emails_is_listed(model: ModelServer, runs: bool) -> None:  # noqa: FBT001 (a case)
    model.capabilities = tuple(name for name in CAPABILITIES if runs or name != "ESEARCH")
    first, last = 4_000_000_001, 4_000_140_000
    told = (
        f"ESEARCH UID ALL {first}:{last}" if runs else "SEARCH " + " ".join(map(str, range(first, last + 1)))
    )

    def many(said: str, reply: bytes) -> bytes:
        if said.startswith("EXAMINE"):
            return reply.replace(b"* 0 EXISTS", b"* 140000 EXISTS")
        return f"* {told}\r\n".encode() + tag_of(reply) + b" OK done\r\n" if "SEARCH" in said else reply

    model.twist = many
    with log_in(model) as session:
        assert session.examine("INBOX").exists == 140_000
        assert session.uids() == UidSet.of_runs([(first, last)])


@pytest.mark.parametrize(("extension", "octets"), [("CONDSTORE", 8192), ("IDLE", 1000)])
def test_no_command_is_longer_than_a_server_must_take(
    model: ModelServer, extension: str, octets: int
) -> None:
    model.capabilities = ("IMAP4rev1", extension)
    first = 4_000_000_000
    with log_in(model) as session:
        model.append("INBOX", mail(1))
        session.examine("INBOX")
        session.flags(range(first, first + 6000, 2))
    assert octets // 2 < max(len(said) for said in model.commands) < octets - 10


@given(
    st.lists(st.integers(1, 2**32 - 1), unique=True, min_size=1) | st.lists(st.integers(1, 30), min_size=1)
)
def test_a_set_names_exactly_the_uids_asked_for(uids: list[int]) -> None:
    named: set[int] = set()
    for part in sequence_set(UidSet(uids)).split(","):
        low, _, high = part.partition(":")
        named |= set(range(int(low), int(high or low) + 1))
    assert named == set(uids)


@pytest.mark.parametrize("greeting", [b"* PREAUTH welcome back\r\n"])
def test_a_server_that_says_we_are_logged_in_is_not_believed(model: ModelServer, greeting: bytes) -> None:
    model.greeting = greeting
    with pytest.raises(ProtocolError, match="logged in"):
        log_in(model)
    assert not any(said.startswith("LOGIN") for said in model.commands)


def test_where_log_in_is_disabled_no_password_is_sent(model: ModelServer) -> None:
    model.capabilities = ("IMAP4rev1", "LOGINDISABLED")
    with pytest.raises(AuthError):
        log_in(model)
    assert not any(model.password in said for said in model.commands)


@pytest.mark.parametrize(
    ("command", "claim"),
    [
        ("UID FETCH", b"* 1 FETCH (UID 2 BODY[] {100000000000}\r\nabc"),
        ("LIST", b'* LIST () "/" {100000000000}\r\nabc'),
        ("LOGIN", b"* OK {100000000000}\r\nabc"),
        ("CAPABILITY", b"* CAPABILITY {100000000000}\r\nabc"),
    ],
)
def test_a_literal_of_100_gigabytes_is_not_awaited(server: ModelServer, command: str, claim: bytes) -> None:
    twist(server, command, lambda reply: claim + reply)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="more than was asked for"), log_in(server) as session:
            work(session)
        assert tracemalloc.get_traced_memory()[1] < ANSWER_LIMIT
    finally:
        tracemalloc.stop()


def test_a_greeting_of_100_gigabytes_is_not_awaited(model: ModelServer) -> None:
    model.greeting = b"* OK {100000000000}\r\n"
    with pytest.raises(ProtocolError):
        log_in(model)


def test_a_flood_of_lines_is_stopped(server: ModelServer, session: ImapSession) -> None:
    line = b"* OK " + b"x" * 900_000 + b"\r\n"
    twist(server, "UID SEARCH", lambda reply: line * (ANSWER_LIMIT // len(line) + 1) + reply)
    with pytest.raises(ProtocolError, match="more than was asked for"):
        session.uids()


def test_a_line_without_an_end_is_stopped_and_the_rest_of_it_is_not_taken_for_an_answer(
    server: ModelServer, session: ImapSession
) -> None:
    twist(server, "UID SEARCH", lambda reply: b"* SEARCH " + b"1 " * (ANSWER_LIMIT // 2))
    with pytest.raises(ProtocolError):
        session.uids()
    with pytest.raises(ConnectError):
        session.folders()


def test_emails_may_together_be_larger_than_an_answer(model: ModelServer) -> None:
    body = b"Subject: large\r\n\r\n" + b"0123456789abcd\r\n" * (ANSWER_LIMIT // 32)
    for _ in range(3):
        model.append("INBOX", body)
    with log_in(model) as session:
        session.examine("INBOX")
        found = list(session.download(arrivals(session), size_limit=LIMIT))
    assert [len(f.raw) for f in found if isinstance(f, Fetched)] == [len(body)] * 3


def test_the_head_of_a_larger_email_is_all_that_is_asked_for(
    server: ModelServer, session: ImapSession
) -> None:
    list(session.download(arrivals(session)[:1], size_limit=5))
    assert server.commands[-1] == f"UID FETCH 2 (UID BODY.PEEK[]<0.{HEAD_BYTES}>)"


def work(session: ImapSession) -> None:
    session.folders()
    session.examine("INBOX")
    found = arrivals(session)
    session.uids_since(NOON)
    session.flags([2])
    session.flags_since(1, session.uids())
    list(session.download(found, size_limit=LIMIT))


def test_wherever_the_connection_is_cut_it_is_a_connect_error(server: ModelServer) -> None:
    octets = [len(server.greeting)]

    def counting(said: str, reply: bytes) -> bytes:
        if said != "LOGOUT":
            octets.append(len(reply))
        return reply

    server.twist = counting
    with log_in(server) as session:
        work(session)
    for cut_after in range(0, sum(octets), 7):
        server.cut_after = cut_after
        with pytest.raises(ConnectError), log_in(server) as session:
            work(session)


def test_nothing_of_a_mail_and_no_password_is_logged(
    server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    twist(server, "UID FETCH", lambda reply: b'* 1 FETCH ("hello\r\n' + reply)
    with log_in(server) as session:
        work(session)
    assert "FETCH answer" in caplog.text
    for word in ("secret", "ann@", "example.com", "Nr.", "hello"):
        assert word not in caplog.text


def test_a_line_out_of_step_is_not_repeated(server: ModelServer, session: ImapSession) -> None:
    twist(server, "UID FETCH", lambda reply: b"Dear Bob, the price is 900\r\n" + reply)
    with pytest.raises(ProtocolError) as caught:
        session.flags([2])
    assert "Bob" not in str(caught.value)


def test_a_server_that_is_gone_at_the_end_is_no_error(model: ModelServer) -> None:
    twist(model, "LOGOUT", lambda _reply: b"")
    with log_in(model) as session:
        assert session.examine("INBOX").exists == 0


@pytest.mark.parametrize(
    ("bye", "error"),
    [
        (b"* BYE Autologout; idle for too long\r\n", ConnectError),
        (b"* BYE [OVERQUOTA] Account exceeded command or bandwidth limits\r\n", Throttled),
        (b"* BYE Too many simultaneous connections\r\n", Throttled),
    ],
)
def test_a_server_that_says_good_bye_says_why(
    server: ModelServer, session: ImapSession, bye: bytes, error: type[MailError]
) -> None:
    twist(server, "UID SEARCH", lambda _reply: bye)
    with pytest.raises(error, match=bye.split()[-1].decode()):
        session.uids()


@pytest.mark.parametrize(
    "junk", [b"(" * 5000, b"1 2", b"(1 2)", b"(UID)", b"()", b'(UID 2 FLAGS "', b"(UID 2 ENVELOPE ())"]
)
def test_an_answer_that_cannot_be_read_does_not_spoil_the_others(
    server: ModelServer, session: ImapSession, junk: bytes
) -> None:
    twist(server, "UID FETCH", lambda reply: b"* 1 FETCH " + junk + b"\r\n" + reply)
    assert session.flags([2]) == {2: frozenset()}


protocol_text = st.lists(
    st.sampled_from(
        [
            b"* ",
            b"1 ",
            b"FETCH ",
            b"(",
            b")",
            b"UID ",
            b"2 ",
            b"FLAGS ",
            b"\\Seen",
            b'"',
            b"{",
            b"3",
            b"}",
            b"\r\n",
            b"BODY[",
            b"]",
            b"RFC822.SIZE ",
            b"INTERNALDATE ",
            b"NIL ",
            b"+ ",
            b"OK ",
            b"\xff",
            b"\0",
            b"EXISTS",
            b"BODYSTRUCTURE ",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(protocol_text)
def test_whatever_a_server_says_is_an_answer_or_one_of_our_errors(server: ModelServer, junk: bytes) -> None:
    server.twist = lambda said, reply: (
        junk + b"\r\n" + reply if said.startswith(("UID", "LIST", "EXAMINE")) else reply
    )
    with contextlib.suppress(MailError), log_in(server) as session:
        work(session)

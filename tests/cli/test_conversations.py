"""How an email is shown and its attachments are saved, whatever it says; no server is asked."""

import base64
import resource
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mailcrm.commands.email_view import folded
from mailcrm.core import mime
from mailcrm.core.errors import FileError
from mailcrm.core.model import Direction, Participant, ParticipantRole
from mailcrm.core.parsed import Delivery, EmailFull, Forward, Invitation, Span, SpanKind
from mailcrm.new_files import Folder
from mailcrm.store import contents, emails, open_database
from tests.cli.desk import ANN, HARMFUL, HOSTILE, Desk
from tests.store import worlds
from tests.store.worlds import connect, letter, save

Filled: TypeAlias = Callable[..., Desk]

NOW = datetime(2026, 6, 15, 5, 0, tzinfo=UTC)
SEOUL = {"TZ": "Asia/Seoul"}


@pytest.fixture
def filled(new_desk: Desk) -> Filled:
    """Return what puts emails into the store of a desk, in one conversation, number 1."""

    def fill(*letters: emails.NewEmail) -> Desk:
        new_desk.run("init", "--address", ANN)
        with closing(open_database(f"sqlite:///{new_desk.store}", viewer=None)) as db:
            account = connect(db, ANN)
            save(db, account, worlds.folder(db, account), *letters)
        return new_desk

    return fill


def says(text: str, *spans: tuple[SpanKind, str], **more: Any) -> emails.NewEmail:
    """Return an email whose spans are the given pieces of its text."""
    found = []
    for kind, piece in spans:
        start = text.index(piece)
        found.append(Span(kind=kind, start=start, end=start + len(piece)))
    return letter(1, "1@example.org", text=text, spans=found, received_at=NOW, **more)


def with_notes(mail: emails.NewEmail, **notes: Any) -> emails.NewEmail:
    return replace(mail, content=replace(mail.content, parsed=replace(mail.content.parsed, **notes)))


def shown(text: str, *spans: tuple[SpanKind, str], forwards: Sequence[Forward] = ()) -> str:
    parsed = says(text, *spans, forwards=forwards).content.parsed
    values: dict[str, Any] = {name: getattr(parsed, name, None) for name in EmailFull.__dataclass_fields__}
    return folded(EmailFull(**values))


QUOTE = "Kim님이 작성:\n> 안녕하세요\n> 견적서 부탁드립니다"
HEADER = "-----Original Message-----\nFrom: Lee\n\nThe offer,\nin two lines."
LEE = Forward(
    name="Lee", address="lee@example.kr", to="Kim <kim@example.kr>", date="어제 3시", subject="Offer"
)


# --- the text ---------------------------------------------------------------------------------------


def test_quotes_and_signatures_are_one_line_each() -> None:
    text = f"안녕하세요.\n\n{QUOTE}\n\n감사합니다.\n\n-- \n이민수\n"
    parts = [(SpanKind.QUOTE, QUOTE), (SpanKind.SIGNATURE, "-- \n이민수")]
    assert shown(text, *parts) == (
        "안녕하세요.\n\n[3 quoted lines; --full shows them]\n\n감사합니다.\n\n"
        "[signature of 2 lines; --full shows them]"
    )


def test_the_header_of_a_forwarded_email_stays() -> None:
    assert shown(f"FYI\n\n{HEADER}", (SpanKind.FORWARD, HEADER), forwards=[LEE]) == (
        "FYI\n\nForwarded:\n  from     Lee <lee@example.kr>\n  to       Kim <kim@example.kr>\n"
        "  date     어제 3시\n  subject  Offer\n[5 forwarded lines; --full shows them]"
    )


def test_an_email_that_says_nothing_of_its_own_is_shown_with_what_it_forwards() -> None:
    text = f"\n{HEADER}\n\n-- \nKim"
    assert shown(text, (SpanKind.FORWARD, HEADER), (SpanKind.SIGNATURE, "-- \nKim"), forwards=[LEE]) == (
        f"{HEADER}\n\n[signature of 2 lines; --full shows them]"
    )


def test_a_forward_without_a_header_is_folded_all_the_same() -> None:
    assert shown(f"FYI\n{HEADER}", (SpanKind.FORWARD, HEADER)) == (
        "FYI\n\n[5 forwarded lines; --full shows them]"
    )
    assert shown("only\n> one", (SpanKind.QUOTE, "> one")) == "only\n\n[1 quoted line; --full shows it]"
    assert shown("nothing to fold\n\n  here \n") == "nothing to fold\n\n  here "


def test_full_shows_all_of_it(filled: Filled) -> None:
    desk = filled(says(f"Yes.\n{QUOTE}", (SpanKind.QUOTE, QUOTE)))
    assert "Yes.\n\n[3 quoted lines; --full shows them]\n" in desk.run("thread", "show", "1").out
    assert f"Yes.\n{QUOTE}\n" in desk.run("thread", "show", "1", "--full").out


# --- the fields -------------------------------------------------------------------------------------

MEETING = Invitation(
    method="REQUEST",
    summary="분기 검토",
    starts_at=NOW,
    ends_at=NOW + timedelta(minutes=90),
    all_day=False,
    location="Seoul, 3F",
    organizer="kim@example.kr",
    attendee="",
    answer="",
    repeats=False,
)


def fields(desk: Desk, **environment: str) -> list[list[str]]:
    return [row for row in desk.run("thread", "show", "1", **environment).rows if len(row) == 2]


@pytest.mark.parametrize(
    ("meeting", "told"),
    [
        (MEETING, ("invites", "2026-06-15 14:00 to 15:30")),
        (replace(MEETING, method="cancel"), ("cancels", "2026-06-15 14:00 to 15:30")),
        (replace(MEETING, method="X-NEW", ends_at=None), ("calendar", "2026-06-15 14:00")),
        (
            replace(MEETING, ends_at=NOW + timedelta(hours=12)),
            ("invites", "2026-06-15 14:00 to 2026-06-16 02:00"),
        ),
        (replace(MEETING, repeats=True), ("invites", "2026-06-15 14:00 to 15:30, repeats")),
        (replace(MEETING, starts_at=None), ("invites", "at a time that could not be read")),
        (
            replace(MEETING, starts_at=datetime(2026, 6, 15, tzinfo=UTC), ends_at=None, all_day=True),
            ("invites", "2026-06-15, all day"),
        ),
        (
            replace(
                MEETING,
                starts_at=datetime(2026, 6, 15, tzinfo=UTC),
                ends_at=datetime(2026, 6, 16, tzinfo=UTC),
                all_day=True,
            ),
            ("invites", "2026-06-15, all day"),
        ),
        (
            replace(
                MEETING,
                starts_at=datetime(2026, 6, 15, tzinfo=UTC),
                ends_at=datetime(2026, 6, 18, tzinfo=UTC),
                all_day=True,
            ),
            ("invites", "2026-06-15 to 2026-06-17, all day"),
        ),
        (
            replace(
                MEETING, starts_at=datetime(1, 1, 1, tzinfo=UTC), ends_at=datetime.max.replace(tzinfo=UTC)
            ),
            ("invites", None),
        ),
    ],
)
def test_an_invitation_is_told_in_words_and_local_time(
    filled: Filled, meeting: Invitation, told: tuple[str, str | None]
) -> None:
    rows = fields(filled(says("See you", invitations=[meeting])), **SEOUL)
    word, when = told
    assert [word, "분기 검토"] in rows
    assert ["where", "Seoul, 3F"] in rows
    assert ["organizer", "kim@example.kr"] in rows
    assert when is None or ["when", when] in rows


@pytest.mark.parametrize(
    ("attendee", "answer", "told"),
    [
        ("kim@example.kr", "accepted", "kim@example.kr accepts: 분기 검토"),
        ("kim@example.kr", "tentative", "kim@example.kr may come: 분기 검토"),
        ("lee@example.kr", "declined", "Lee <lee@example.kr> declines: 분기 검토"),
        ("kim@example.kr", "", "kim@example.kr: 분기 검토"),
        ("", "accepted", "accepts: 분기 검토"),
        ("", "", "분기 검토"),
    ],
)
def test_a_reply_to_an_invitation_is_told_with_who_says_what(
    filled: Filled, attendee: str, answer: str, told: str
) -> None:
    reply = replace(MEETING, method="REPLY", attendee=attendee, answer=answer)
    lee = Participant(role=ParticipantRole.FROM, name="Lee", address="lee@example.kr")
    mail = with_notes(says("Yes.", invitations=[reply]), participants=(lee,))
    assert ["answers", told] in fields(filled(mail))


def test_what_became_of_an_email_is_told_with_the_reason(filled: Filled) -> None:
    reports = [
        Delivery(address="kim@example.kr", action="failed", status="5.2.2", reason="mailbox full"),
        Delivery(address="lee@example.kr", action="delayed", status="", reason=""),
        Delivery(address="", action="failed", status="5.0.0", reason=""),
    ]
    rows = fields(filled(says("Sorry", deliveries=reports)))
    assert ["not delivered", "kim@example.kr: mailbox full (5.2.2)"] in rows
    assert ["delayed", "lee@example.kr"] in rows
    assert ["not delivered", "(5.0.0)"] in rows


def test_notes_tell_of_signatures_encryption_and_trackers(filled: Filled) -> None:
    (note,) = [
        value
        for name, value in fields(filled(with_notes(says("x"), signed=True, encrypted=True, trackers=2)))
        if name == "note"
    ]
    assert note == (
        "encrypted, to be read with a mail program that has the key; signed (mailcrm does not check it); "
        "2 invisible pictures to tell the sender who opens it (not loaded)"
    )


def test_a_note_tells_of_a_sender_that_is_not_clear(filled: Filled) -> None:
    desk = filled(with_notes(says("x"), from_ambiguous=True))
    assert ["note", "it is not clear who sent it, so it is not linked by itself"] in fields(desk)
    assert desk.run("thread", "show", "1", "--json").json["emails"][0]["from_ambiguous"] is True


def test_json_has_every_field(filled: Filled) -> None:
    mail = says("new\n> old", (SpanKind.QUOTE, "> old"), forwards=[LEE], invitations=[MEETING])
    report = Delivery(address="a@example.org", action="failed", status="5.1.1", reason="unknown")
    desk = filled(with_notes(mail, deliveries=(report,), signed=True, trackers=1))
    (email,) = desk.run("thread", "show", "1", "--json").json["emails"]
    assert email["spans"] == [{"kind": "quote", "start": 4, "end": 9}]
    assert email["forwards"][0]["address"] == "lee@example.kr"
    assert email["invitations"][0]["starts_at"] == "2026-06-15T05:00:00Z"
    assert email["deliveries"][0]["reason"] == "unknown"
    assert (email["signed"], email["encrypted"], email["trackers"]) == (True, False, 1)


def test_hostile_words_in_every_field_are_harmless(filled: Filled) -> None:
    text = f"{HOSTILE}\n> {HOSTILE}\n-- \n{HOSTILE}"
    mail = says(
        text,
        (SpanKind.SIGNATURE, f"-- \n{HOSTILE}"),
        forwards=[Forward(name=HOSTILE, address=HOSTILE, to=HOSTILE, date=HOSTILE, subject=HOSTILE)],
        invitations=[
            replace(
                MEETING,
                method=HOSTILE,
                summary=HOSTILE,
                location=HOSTILE,
                organizer=HOSTILE,
                attendee=HOSTILE,
                answer=HOSTILE,
            )
        ],
        deliveries=[Delivery(address=HOSTILE, action=HOSTILE, status=HOSTILE, reason=HOSTILE)],
    )
    desk = filled(mail)
    for words in (["thread", "show", "1"], ["thread", "show", "1", "--full"]):
        for output in (desk.run(*words).out, desk.at_a_terminal(*words).replace("\r\n", "\n")):
            assert not HARMFUL.search(output.replace("\t", ""))


# --- as HTML ----------------------------------------------------------------------------------------

PAGE = b"""\
Message-ID: <page@example.org>
From: Kim <kim@example.kr>
Subject: page
Content-Type: text/html; charset=utf-8

<p>\xea\xb2\xac\xec\xa0\x81\xec\x84\x9c <b>\x1b[31m</b></p>
"""


def as_parsed(raw: bytes) -> emails.NewEmail:
    made = letter(1, "1@example.org", raw=raw, received_at=NOW)
    return replace(made, content=contents.content(mime.parse(raw), Direction.IN))


def test_html_is_printed_as_it_is_into_a_pipe_and_harmless_at_a_terminal(filled: Filled) -> None:
    desk = filled(as_parsed(PAGE))
    assert desk.run("thread", "show", "1", "--html").out.strip() == "<p>견적서 <b>\x1b[31m</b></p>"
    assert "<p>견적서 <b>\\x1b[31m</b></p>" in desk.at_a_terminal("thread", "show", "1", "--html")
    for option in ("--full", "--raw", "--json"):
        assert desk.try_to("thread", "show", "1", "--html", option).code == 2


def test_an_email_without_html_says_so(filled: Filled) -> None:
    done = filled(says("plain")).run("thread", "show", "1", "--html")
    assert (done.out, done.err) == ("", "None of these emails has HTML.\n")


# --- attachments ------------------------------------------------------------------------------------

PROGRAM = b"MZ\x90\0" + bytes(60) + b"PE\0\0"
PDF = b"%PDF-1.7 first"


def part(name: str, content: bytes, kind: str = "application/octet-stream", cid: str = "none") -> bytes:
    return (
        b"--b\nContent-Type: %s\nContent-Transfer-Encoding: base64\nContent-ID: <%s>\n"
        b'Content-Disposition: attachment; filename="%s"\n\n%s\n'
        % (kind.encode(), cid.encode(), name.encode(), base64.encodebytes(content))
    )


def packet(*parts: bytes, number: int = 1) -> emails.NewEmail:
    raw = (
        b"Message-ID: <%d@example.org>\nIn-Reply-To: <first@example.org>\nFrom: Kim <kim@example.kr>\n"
        b"Subject: files\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nSee the files\n%s--b--\n" % (number, b"".join(parts))
    )
    made = letter(number, f"{number}@example.org", raw=raw, received_at=NOW + timedelta(hours=number))
    return replace(made, content=contents.content(mime.parse(raw), Direction.IN))


def test_attachments_are_listed_with_whom_they_are_from(filled: Filled) -> None:
    desk = filled(
        packet(
            part("견적서.pdf", PDF, "application/pdf"),
            part("logo.png", b"\x89PNG\r\n\x1a\n", "image/png", cid="logo"),
            b'--b\nContent-Type: text/html\n\n<img src="cid:logo">See\n',
        ),
        packet(part("invoice.pdf", PROGRAM, "application/pdf"), part("copy.pdf", PDF), number=2),
    )
    done = desk.run("thread", "attachments", "1")
    first, third, fourth = done.rows
    assert first == [
        "1",
        "견적서.pdf",
        "application/pdf",
        str(len(PDF)),
        "Kim",
        "2026-06-15T06:00:00Z",
        "",
        "",
    ]
    assert done.err == "3: invoice.pdf is a program for Windows, which its name does not say.\n"
    assert (third[0], third[1], third[6]) == ("3", "invoice.pdf", "is a program for Windows")
    assert (fourth[0], fourth[1], fourth[6]) == ("4", "copy.pdf", "same content as 1")
    assert [row[1] for row in desk.run("thread", "attachments", "1", "--all").rows] == [
        "견적서.pdf",
        "logo.png",
        "invoice.pdf",
        "copy.pdf",
    ]
    told = desk.run("thread", "attachments", "1", "--json").json
    assert [row["number"] for row in told] == [1, 3, 4]
    assert told[0]["sha256"] == told[2]["sha256"]
    assert told[1]["disguise"] == "a program for Windows"


def test_saved_files_have_their_bytes_safe_names_and_no_reader_but_their_owner(
    filled: Filled, tmp_path: Path
) -> None:
    desk = filled(
        packet(
            part("견적서.pdf", PDF),
            part("../../../.bashrc", b"one"),
            part("report.pdf", b"%PDF-2"),
            part("report.pdf", b"%PDF-3"),
            part("same.pdf", PDF),
            part("invoice.pdf", PROGRAM),
            part("", b"nameless", "image/jpeg"),
        )
    )
    out = tmp_path / "new" / "files"
    done = desk.run("thread", "attachments", "1", "--save", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "견적서.pdf": PDF,
        "bashrc": b"one",
        "report.pdf": b"%PDF-2",
        "report (2).pdf": b"%PDF-3",
        "invoice.pdf": PROGRAM,
        "part-8.jpg": b"nameless",
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    assert [row[7] for row in done.rows][4] == "견적서.pdf"
    assert "6: invoice.pdf is a program for Windows, which its name does not say.\n" in done.err
    assert done.err.endswith(f"7 attachments saved in {out} as 6 files.\n")


def test_saving_again_writes_nothing_twice_and_nothing_over(filled: Filled, tmp_path: Path) -> None:
    desk = filled(packet(part("a.pdf", PDF), part("b.pdf", b"%PDF-b"), part("c.pdf", b"%PDF-c")))
    (tmp_path / "b.pdf").write_bytes(b"mine")
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "c.pdf").symlink_to(tmp_path / "target")
    for _ in range(2):
        desk.run("thread", "attachments", "1", "--save", str(tmp_path))
    saved = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert saved == {
        "a.pdf": PDF,
        "b.pdf": b"mine",
        "b (2).pdf": b"%PDF-b",
        "c.pdf": b"target",
        "c (2).pdf": b"%PDF-c",
        "target": b"target",
    }


def test_a_hostile_name_is_harmless_in_the_list(filled: Filled, tmp_path: Path) -> None:
    desk = filled(packet(part(HOSTILE.replace('"', ""), PROGRAM)))
    words = ["thread", "attachments", "1", "--save", str(tmp_path / "out")]
    for output in (desk.at_a_terminal(*words).replace("\r\n", "\n"), *vars_of(desk, words)):
        assert not HARMFUL.search(output.replace("\t", ""))
    assert len(list((tmp_path / "out").iterdir())) == 1


def vars_of(desk: Desk, words: Sequence[str]) -> tuple[str, str]:
    done = desk.run(*words)
    return done.out, done.err


def test_a_conversation_without_attachments_says_so(filled: Filled, tmp_path: Path) -> None:
    done = filled(says("x")).run("thread", "attachments", "1", "--save", str(tmp_path / "out"))
    assert (done.out, done.err) == ("", "No attachments.\n")


def test_a_folder_that_is_none_is_an_error_in_one_sentence(filled: Filled, tmp_path: Path) -> None:
    desk = filled(packet(part("a.pdf", PDF)))
    (tmp_path / "file").touch()
    done = desk.try_to("thread", "attachments", "1", "--save", str(tmp_path / "file"))
    assert (done.code, done.out) == (73, "")
    assert done.err.startswith(f"mailcrm: {tmp_path / 'file'} ")


# --- new files --------------------------------------------------------------------------------------


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nothing_half_written_stays_on_a_full_disk(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, room_for(50_000):
        assert folder.add("small.txt", b"x") == "small.txt"
        with pytest.raises(FileError, match="large"):
            folder.add("large.bin", bytes(200_000))
    assert [path.name for path in tmp_path.iterdir()] == ["small.txt"]


def test_a_folder_that_is_swapped_meanwhile_gets_nothing(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    with Folder(out) as folder:
        out.rename(tmp_path / "moved")
        out.symlink_to(outside)
        folder.add("a.txt", b"x")
    assert list(outside.iterdir()) == []
    assert (tmp_path / "moved" / "a.txt").read_bytes() == b"x"


def test_thousands_of_one_name_are_numbered_without_asking_for_each(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        names = [folder.add("a.txt", b"%d" % number) for number in range(1_500)]
    assert names[-1] == "a (1500).txt"
    assert len(set(names)) == 1_500


# --- care of the store ------------------------------------------------------------------------------


def test_reading_again_says_what_changed(filled: Filled) -> None:
    mail = as_parsed(PAGE)
    old = replace(mail.content, parsed=replace(mail.content.parsed, text="x", participants=()), reading=0)
    desk = filled(replace(mail, content=old))
    sentence = "participants of 1 email, text of 1 email changed.\n"
    assert desk.run("store", "reparse", "--dry-run").err.startswith(
        f"1 email would be read again: {sentence}"
    )
    done = desk.run("store", "reparse")
    assert done.err.startswith(f"1 email read again: {sentence}")
    assert "Other people take part in 1 conversation (1), whose links stay as they were." in done.err
    assert desk.run("store", "reparse").err == "All emails were read by this version.\n"
    assert desk.run("store", "reparse", "--json").json["read"] == 0


def test_an_account_at_work_is_left_out_with_75(filled: Filled) -> None:
    mail = as_parsed(PAGE)
    desk = filled(replace(mail, content=replace(mail.content, reading=0)))
    with closing(open_database(f"sqlite:///{desk.store}", viewer=None)) as db, db.lease(1):
        done = desk.try_to("store", "reparse")
    assert done.code == 75
    assert done.err == (
        f"No email was read again.\n{ANN}: Another mailcrm is at work on this account. Try again later.\n"
    )


def test_an_export_says_what_it_wrote_and_never_writes_over(filled: Filled, tmp_path: Path) -> None:
    desk = filled(as_parsed(PAGE))
    done = desk.run("store", "export", str(tmp_path))
    assert done.err == f"{tmp_path}/{ANN}.mbox: 1 email\n"
    assert PAGE in (tmp_path / f"{ANN}.mbox").read_bytes()
    again = desk.try_to("store", "export", str(tmp_path))
    assert (again.code, again.out) == (65, "")
    assert "is there already" in again.err
    (told,) = desk.run("store", "export", "--format", "jsonl", str(tmp_path), "--json").json
    assert told == {"account": ANN, "file": f"{tmp_path}/{ANN}.jsonl", "emails": 1, "truncated": 0}
    assert "견적서" in (tmp_path / f"{ANN}.jsonl").read_text("utf-8")

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.calendar import invitations
from mailcrm.core.mime import contents, parse
from mailcrm.core.parsed import Invitation
from tests.core.messages import mail, multipart, part

EXCHANGE = """BEGIN:VTIMEZONE
TZID:Our Office
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*event: str, method: str = "REQUEST", zone: str = "") -> str:
    told = f"METHOD:{method}\n" if method else ""
    lines = "\n".join(("BEGIN:VEVENT", *event, "END:VEVENT"))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{told}{zone}{lines}\nEND:VCALENDAR\n".replace("\n", "\r\n")


def one(text: str) -> Invitation:
    (found,) = invitations(text, "") or ()
    return found


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_a_method_is_one_line_without_controls() -> None:
    assert one(calendar("UID:1", "DTSTART:20260301T090000Z", method="REQ\x1b[31m\x9b")).method == "REQ [31M"


def test_an_invitation_is_read() -> None:
    found = one(
        calendar(
            "UID:1",
            "DTSTART:20260301T090000Z",
            "DTEND:20260301T100000Z",
            r"SUMMARY;LANGUAGE=ko:견적 검토\, 2차\; 최종\n안내",
            "LOCATION:서울 본사",
            " 3층",
            'ORGANIZER;CN="Kim; Sales: Seoul":MAILTO:Kim@Example.kr',
        )
    )
    assert found == Invitation(
        method="REQUEST",
        summary="견적 검토, 2차; 최종 안내",
        starts_at=utc(2026, 3, 1, 9),
        ends_at=utc(2026, 3, 1, 10),
        all_day=False,
        location="서울 본사3층",
        organizer="kim@example.kr",
        attendee="",
        answer="",
        repeats=False,
    )


@pytest.mark.parametrize(
    ("attendees", "method", "told"),
    [
        (
            ["ATTENDEE;PARTSTAT=ACCEPTED;CN=Kim:mailto:Kim@Example.kr"],
            "REPLY",
            ("kim@example.kr", "accepted"),
        ),
        (
            ['ATTENDEE;CN="K; PARTSTAT=X";PARTSTAT=declined:MAILTO:kim@example.kr'],
            "REPLY",
            ("kim@example.kr", "declined"),
        ),
        (
            ["ATTENDEE;PARTSTAT=TENTATIVE;EMAIL=kim@example.kr:urn:uuid:1"],
            "REPLY",
            ("kim@example.kr", "tentative"),
        ),
        (["ATTENDEE;PARTSTAT=ACCEPTED:invalid:nomail"], "REPLY", ("", "accepted")),
        (["ATTENDEE;PARTSTAT=X-PERHAPS:mailto:kim@example.kr"], "REPLY", ("kim@example.kr", "")),
        (["ATTENDEE:mailto:kim@example.kr"], "REPLY", ("kim@example.kr", "")),
        ([], "REPLY", ("", "")),
        (["ATTENDEE;PARTSTAT=ACCEPTED:mailto:kim@example.kr"] * 2, "REPLY", ("", "")),
        (["ATTENDEE;PARTSTAT=ACCEPTED:mailto:kim@example.kr"], "REQUEST", ("", "")),
    ],
)
def test_a_reply_says_who_answers_and_what(attendees: list[str], method: str, told: tuple[str, str]) -> None:
    found = one(calendar("UID:1", *attendees, method=method))
    assert (found.attendee, found.answer) == told


@pytest.mark.parametrize(
    ("rule", "repeats"),
    [
        ("RRULE:FREQ=WEEKLY", True),
        ("RDATE;VALUE=DATE:20260401,20260501", True),
        ("EXDATE:20260401T090000Z", False),
        ("RECURRENCE-ID:20260401T090000Z", False),
    ],
)
def test_a_series_is_told_from_a_single_event(rule: str, repeats: bool) -> None:  # noqa: FBT001 (a case)
    assert one(calendar("UID:1", "DTSTART:20260301T090000Z", rule)).repeats is repeats


@pytest.mark.parametrize(
    ("start", "zone", "moment"),
    [
        ("DTSTART;TZID=Asia/Seoul:20260301T090000", "", utc(2026, 3, 1, 0)),
        ('DTSTART;TZID="Europe/Berlin":20260701T090000', "", utc(2026, 7, 1, 7)),
        ("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260101T090000", "", utc(2026, 1, 1, 8)),
        ("DTSTART;TZID=Korea Standard Time:20260301T090000", "", utc(2026, 3, 1, 0)),
        ("DTSTART;TZID=W. Europe Standard Time:20260701T090000", "", utc(2026, 7, 1, 7)),
        ("DTSTART;TZID=Our Office:20260328T090000", EXCHANGE, utc(2026, 3, 28, 8)),
        ("DTSTART;TZID=Our Office:20260329T090000", EXCHANGE, utc(2026, 3, 29, 7)),
        ("DTSTART;TZID=Our Office:20261024T090000", EXCHANGE, utc(2026, 10, 24, 7)),
        ("DTSTART;TZID=Our Office:20261025T090000", EXCHANGE, utc(2026, 10, 25, 8)),
        ("DTSTART;TZID=Our Office:20260101T090000", EXCHANGE, utc(2026, 1, 1, 8)),
        ("DTSTART:20260701T090000", EXCHANGE, utc(2026, 7, 1, 7)),
        ("DTSTART:20260701T090000", "X-WR-TIMEZONE:Asia/Tokyo\n", utc(2026, 7, 1, 0)),
        ("DTSTART:20260701T090000", "", utc(2026, 7, 1, 9)),
        ("DTSTART;TZID=Nowhere:20260701T090000", "", None),
        ("DTSTART:tomorrow", "", None),
        ("DTSTART;TZID=Asia/Seoul:00010101T000000", "", None),
        ("SUMMARY:no start", "", None),
    ],
)
def test_times_are_read_in_utc(start: str, zone: str, moment: datetime | None) -> None:
    assert one(calendar(start, zone=zone)).starts_at == moment


@pytest.mark.parametrize(
    ("rule", "moment"),
    [
        ("BYMONTH=11;BYDAY=1SU", utc(2026, 11, 1, 15)),
        ("BYMONTH=11;BYDAY=SU;BYMONTHDAY=1,2,3,4,5,6,7", utc(2026, 11, 1, 15)),
        ("BYMONTH=12;BYDAY=1SU", utc(2026, 11, 1, 14)),
        ("BYMONTH=11;BYDAY=1SU;UNTIL=20061101T000000Z", utc(2026, 11, 1, 14)),
        ("BYMONTH=11", utc(2026, 11, 1, 15)),
        ("BYMONTH=99;BYDAY=9SU", utc(2026, 11, 1, 14)),
        ("BYMONTH=11;BYDAY=1SU;BYMONTHDAY=1" + ",1" * 100_000, utc(2026, 11, 1, 15)),
    ],
)
def test_the_rules_of_zones_are_followed(rule: str, moment: datetime) -> None:
    observances = (
        f"BEGIN:STANDARD\nDTSTART:20051101T020000\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\n"
        f"RRULE:FREQ=YEARLY;{rule}\nEND:STANDARD\n"
        "BEGIN:DAYLIGHT\nDTSTART:20070311T020000\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\n"
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\nEND:DAYLIGHT\n"
    )
    zone = f"BEGIN:VTIMEZONE\nTZID:Ours\n{observances}END:VTIMEZONE\n"
    assert one(calendar("DTSTART;TZID=Ours:20261101T100000", zone=zone)).starts_at == moment


DAY, NINE = "DTSTART;VALUE=DATE:20260301", "DTSTART:20260301T090000Z"


@pytest.mark.parametrize(
    ("lines", "starts", "ends"),
    [
        ([NINE, "DURATION:PT1H30M"], utc(2026, 3, 1, 9), utc(2026, 3, 1, 10, 30)),
        ([NINE, "DURATION:P1W"], utc(2026, 3, 1, 9), utc(2026, 3, 8, 9)),
        ([NINE], utc(2026, 3, 1, 9), utc(2026, 3, 1, 9)),
        ([NINE, "DURATION:soon"], utc(2026, 3, 1, 9), None),
        (["DTSTART:99991231T090000Z", "DURATION:P9W"], utc(9999, 12, 31, 9), None),
    ],
)
def test_an_event_ends(lines: list[str], starts: datetime, ends: datetime | None) -> None:
    found = one(calendar(*lines))
    assert (found.starts_at, found.ends_at, found.all_day) == (starts, ends, False)


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        ([DAY], utc(2026, 3, 2)),
        ([DAY, "DTEND;VALUE=DATE:20260304"], utc(2026, 3, 4)),
        (["DTSTART:20260301T000000", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"], utc(2026, 3, 2)),
    ],
)
def test_an_event_takes_whole_days(lines: list[str], ends: datetime) -> None:
    found = one(calendar(*lines))
    assert (found.starts_at, found.ends_at, found.all_day) == (utc(2026, 3, 1), ends, True)


def test_the_times_of_one_email_do_not_move_those_of_another() -> None:
    event = "DTSTART;TZID=Ours:20260301T090000"
    for offset, hour in (("+0100", 8), ("+0900", 0)):
        zone = (
            f"BEGIN:VTIMEZONE\nTZID:Ours\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\n"
            f"TZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
        assert one(calendar(event, zone=zone)).starts_at == utc(2026, 3, 1, hour)


def test_a_series_is_one_invitation_and_several_events_are_several() -> None:
    def event(uid: str, summary: str) -> str:
        return f"BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260301T090000Z\nSUMMARY:{summary}\nEND:VEVENT\n"

    events = event("1", "a") + event("1", "moved") + event("2", "b")
    text = f"BEGIN:VCALENDAR\nMETHOD:publish\n{events}END:VCALENDAR"
    found = invitations(text, "") or ()
    assert [(each.method, each.summary) for each in found] == [("PUBLISH", "a"), ("PUBLISH", "b")]


def test_a_calendar_that_asks_for_nothing_is_no_invitation() -> None:
    assert invitations(calendar("DTSTART:20260301T090000Z", method=""), "") == ()
    assert len(invitations(calendar("DTSTART:20260301T090000Z", method=""), "request") or ()) == 1


@pytest.mark.parametrize(
    "text", ["", "hello", "BEGIN:VCALENDAR", "BEGIN:VEVENT\nEND:VEVENT", "BEGIN:VCALENDAR\nEND:VCALENDAR"]
)
def test_what_is_no_calendar_is_told(text: str) -> None:
    assert invitations(text, "REQUEST") is None


# --- in emails


def test_the_calendar_of_an_email_is_an_invitation_once() -> None:
    text = calendar("DTSTART:20260301T090000Z", "SUMMARY:검토")
    shown = part("text/calendar; charset=utf-8; method=REQUEST", text.encode())
    attached = part("application/ics; name=invite.ics", text.encode(), "Content-Disposition: attachment")
    body = multipart("alternative", part("text/plain", b"Please come"), shown, boundary="b2")
    email = parse(mail(multipart("mixed", body, attached)))
    assert [each.summary for each in email.invitations] == ["검토"]
    assert (email.text, email.repairs) == ("Please come", ())
    assert [(each.name, each.inline, each.is_file()) for each in email.attachments] == [
        ("", True, False),
        ("invite.ics", True, False),
    ]


@pytest.mark.parametrize("kind", ["text/calendar", "application/ics", "application/octet-stream"])
def test_a_calendar_that_asks_for_nothing_is_a_file(kind: str) -> None:
    text = calendar("DTSTART:20260301T090000Z", "SUMMARY:Fair", method="")
    fair = part(f"{kind}; name=fair.ics", text.encode(), "Content-Disposition: attachment")
    email = parse(mail(multipart("mixed", part("text/plain", b"See you"), fair)))
    assert ([each.is_file() for each in email.attachments], email.invitations) == ([True], ())
    assert [each for each, _ in contents(mail(fair))] == list(parse(mail(fair)).attachments)


def test_of_an_invitation_and_a_calendar_only_the_calendar_is_a_file() -> None:
    asks = part("text/calendar; method=REQUEST", calendar("DTSTART:20260301T090000Z").encode())
    task = "BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:Call\nEND:VTODO\nEND:VCALENDAR\n"
    todo = part("text/calendar; method=PUBLISH; name=todo.ics", task.encode())
    email = parse(mail(multipart("mixed", part("text/plain", b"See you"), asks, todo)))
    assert [(each.name, each.is_file()) for each in email.attachments] == [("", False), ("todo.ics", True)]
    assert len(email.invitations) == 1


def test_a_calendar_that_cannot_be_read_is_told() -> None:
    email = parse(mail(part("text/calendar; method=REQUEST", b"")))
    assert (email.invitations, email.repairs) == ((), ("calendar:unreadable",))
    email = parse(mail(part("text/calendar; method=REQUEST", calendar("DTSTART:soon").encode())))
    assert ([each.starts_at for each in email.invitations], email.repairs) == (
        [None],
        ("calendar:unreadable",),
    )


LINES = r"""
    BEGIN:VCALENDAR
    END:VCALENDAR
    BEGIN:VEVENT
    END:VEVENT
    BEGIN:VTIMEZONE
    END:VTIMEZONE
    BEGIN:STANDARD
    END:STANDARD
    TZID:Ours
    DTSTART;TZID=Ours:20260301T090000
    DTSTART;TZID=Europe:20260301T090000
    DTSTART;TZID=posixrules:99991231T235959
    DTSTART;VALUE=DATE:20260301
    DTSTART:00010101T000000
    DTEND:20260399T999999Z
    DURATION:-P1D
    TZOFFSETTO:+9999
    TZOFFSETTO:-0100
    RRULE:FREQ=YEARLY;BYDAY=-9SU;BYMONTH=0
    RRULE:FREQ=YEARLY;BYMONTHDAY=99;UNTIL=00010101T000000
    METHOD:REQUEST
    SUMMARY:\
    ORGANIZER;EMAIL=a@example.com:urn:x
    LOCATION;X=";:a
"""
PIECES = st.sampled_from([*map(str.strip, LINES.splitlines()), " folded"])


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=25).map("\r\n".join) | st.text(max_size=80))
def test_any_calendar_is_read(text: str) -> None:
    for each in invitations("BEGIN:VCALENDAR\r\n" + text, "REQUEST") or ():
        assert each.starts_at is None or each.starts_at.tzinfo is UTC

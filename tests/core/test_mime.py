import dataclasses
from base64 import b64encode, encodebytes
from datetime import UTC, datetime
from email.message import EmailMessage
from quopri import encodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.headers import fields_of, identify, split
from mailcrm.core.mime import parse
from mailcrm.core.model import Participant, ParticipantRole
from mailcrm.core.parsed import ParsedEmail
from tests.core.messages import attachment, mail, multipart, part

# --- ordinary mail

ORDINARY = [
    ("안녕하세요, 견적서입니다.", "utf-8", "utf-8"),
    ("안녕하세요, 견적서입니다.", "euc-kr", "euc-kr"),
    ("뷁 똠방각하, 펲시", "cp949", "ks_c_5601-1987"),
    ("镕：我们的价格表", "gb18030", "gb2312"),
    ("お見積書です。", "iso2022_jp", "iso-2022-jp"),
    ("お見積書 ①髙", "cp932", "shift_jis"),
    ("Größe: 5 – „schön“ €", "cp1252", "iso-8859-1"),
    ("Größe: schön", "iso8859_1", "iso-8859-1"),
    ("Größe: schön €", "cp1252", "windows-1252"),
]


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize(("text", "codec", "label"), ORDINARY)
def test_an_ordinary_mail_is_read(text: str, codec: str, label: str, encoding: str) -> None:
    data = text.encode(codec)
    body = {"8bit": data, "base64": encodebytes(data), "quoted-printable": encodestring(data)}[encoding]
    word = b"=?" + label.encode() + b"?B?" + b64encode(data) + b"?="
    raw = (
        b"Message-ID: <1@example.com>\r\nIn-Reply-To: <0@example.com>\r\n"
        b"References: <a@example.com>\r\n <0@example.com>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0900\r\n"
        b"Subject: "
        + word
        + b"\r\nFrom: "
        + word
        + b" <jane@example.com>\r\nTo: Kim <kim@example.kr>, lee@example.kr\r\n"
        b"Cc: park@example.kr\r\nMIME-Version: 1.0\r\n"
        + part(f"text/plain; charset={label}", body, f"Content-Transfer-Encoding: {encoding}")
    )
    assert parse(raw) == ParsedEmail(
        message_id="1@example.com",
        in_reply_to=("0@example.com",),
        references=("a@example.com", "0@example.com"),
        sent_at=datetime(2024, 1, 1, 1, tzinfo=UTC),
        subject=text,
        participants=(
            Participant(role=ParticipantRole.FROM, name=text, address="jane@example.com"),
            Participant(role=ParticipantRole.TO, name="Kim", address="kim@example.kr"),
            Participant(role=ParticipantRole.TO, name="", address="lee@example.kr"),
            Participant(role=ParticipantRole.CC, name="", address="park@example.kr"),
        ),
        from_ambiguous=False,
        automatic=False,
        authserv_id="",
        dmarc="",
        text=text,
        preview=text,
        spans=(),
        forwards=(),
        attachments=(),
        invitations=(),
        deliveries=(),
        signed=False,
        encrypted=False,
        trackers=0,
        repairs=(),
    )


def test_iso_2022_jp_holds_row_13_in_subject_and_body() -> None:
    jis = b"\x1b$B-!\x1b(B"
    raw = mail(
        part("text/plain; charset=iso-2022-jp", jis), b"Subject: =?iso-2022-jp?B?" + b64encode(jis) + b"?="
    )
    email = parse(raw)
    assert (email.subject, email.text, email.repairs) == ("①", "①", ())


@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r"])
def test_any_line_end_will_do(line: bytes) -> None:
    raw = mail(
        multipart("mixed", part("text/plain", b"one\r\ntwo"), part("a/b; name=c", b"data")), b"Subject: x"
    )
    email = parse(raw.replace(b"\r\n", line))
    assert (email.subject, email.text) == ("x", "one\ntwo")
    assert email.attachments == (attachment("2", "c", "a/b", 4),)


def test_raw_eight_bit_headers_are_guessed() -> None:
    email = parse("Subject: 견적서 보내드립니다\nFrom: 김철수 <kim@example.kr>\n\n".encode("cp949"))
    assert email.subject == "견적서 보내드립니다"
    assert email.participants[0].name == "김철수"
    assert email.repairs == ("charset:missing",)


# --- which text is read


def test_plain_text_is_preferred_to_html() -> None:
    html = part("text/html", b"<p>rich</p>")
    assert parse(mail(multipart("alternative", part("text/plain", b"plain"), html))).text == "plain"
    assert parse(mail(multipart("alternative", html, part("text/plain", b"plain")))).text == "plain"


@pytest.mark.parametrize(
    "stub",
    [
        "HTML 메일을 지원하지 않는 프로그램입니다.",
        "Your mail client does not support HTML. See https://example.com/m/" + "7" * 200,
        "このメールはHTML形式です。",
        "此邮件为 html 格式",
        "-- ",
        "\u200b \u00a0\r\n***",
    ],
)
def test_an_alternative_that_only_says_that_there_is_html_is_not_the_text(stub: str) -> None:
    plain = part("text/plain; charset=utf-8", stub.encode())
    rich = part("text/html", b"<p>Yes, ten.</p><img width=1 height=1 src='https://example.com/p.gif'>")
    email = parse(mail(multipart("alternative", plain, rich)))
    assert (email.text, email.preview, email.trackers) == ("Yes, ten.", "Yes, ten.", 1)
    related = multipart("related", rich, part("image/png", b"png"), boundary="b2")
    assert parse(mail(multipart("alternative", plain, related))).text == "Yes, ten."
    for empty in (part("text/html", b"<p> </p>"), part("image/png", b"png")):
        assert parse(mail(multipart("alternative", plain, empty))).text == stub.replace("\r\n", "\n").rstrip()


def test_the_html_beside_an_alternative_that_is_a_text_is_not_read() -> None:
    rich = part("text/html", b"rich<img width=1 height=1 src='https://example.com/p.gif'>")
    for text in ("OK", "네", "The page is in HTML. " + "word " * 100):
        plain = part("text/plain; charset=utf-8", text.encode())
        email = parse(mail(multipart("alternative", plain, rich)))
        assert (email.text, email.trackers) == (text.rstrip(), 0)


def test_html_is_read_when_the_plain_part_says_nothing() -> None:
    raw = mail(multipart("alternative", part("text/plain", b" \r\n"), part("text/html", b"<p>rich</p>")))
    assert parse(raw).text == "rich"
    assert parse(mail(part("text/html; charset=utf-8", "<p>가</p>".encode()))).text == "가"


def test_html_may_tell_its_charset_itself() -> None:
    html = "<meta http-equiv=Content-Type content='text/html; charset=ks_c_5601-1987'><p>똠</p>".encode(
        "cp949"
    )
    assert parse(mail(part("text/html", html))).text == "똠"


def test_all_parts_that_are_read_in_place_are_joined() -> None:
    related = multipart("related", part("text/html", b"<p>one</p>"), part("image/png", b"x"), boundary="b2")
    email = parse(mail(multipart("mixed", related, part("text/plain", b"-- \r\nlist footer"))))
    assert email.text == "one\n\n-- \nlist footer"
    assert email.attachments == (attachment("1.2", "", "image/png", 1, inline=True),)


def test_flowed_text_is_unfolded() -> None:
    assert parse(mail(part("text/plain; format=flowed", b"one \r\ntwo\r\n"))).text == "one two"


def test_the_preview_leaves_out_what_is_quoted_first() -> None:
    assert parse(mail(part("text/plain", b"> old\r\n\r\nnew\r\nline"))).preview == "new line"


HEADER = "From: Lee <lee@example.com>\nSent: Monday, June 15, 2026 9:00\nTo: Jane\nSubject: Offer\n\n"


@pytest.mark.parametrize(
    "above",
    [
        f"-----Original Message-----\n{HEADER}",
        HEADER,
        f"---------- Forwarded message ---------\n{HEADER}".replace("Sent", "Date"),
        f"Begin forwarded message:\n\n{HEADER}".replace("Sent", "Date"),
        f"\n-----Original Message-----\n{HEADER}-----Original Message-----\n{HEADER}",
        f"-- \nJane Roe\n\n-----Original Message-----\n{HEADER}",
    ],
)
def test_the_preview_of_an_email_that_only_forwards_is_what_is_forwarded(above: str) -> None:
    text = f"{above}The price is 100.\n\n-- \nLee\n"
    raw = mail(part("text/plain", text.encode()), b"Subject: FW: Offer")
    assert parse(raw).preview == "The price is 100."
    whole = f"{above}The price is 100.".removeprefix("-- \nJane Roe\n").strip()
    quoted = "\n".join(f"> {line}" for line in whole.split("\n"))
    raw = mail(part("text/plain", f"Begin forwarded message:\n\n{quoted}".encode()), b"Subject: FW: Offer")
    assert parse(raw).preview == "The price is 100."
    raw = mail(part("text/plain", f"Please look\n\n{text}".encode()), b"Subject: FW: Offer")
    assert parse(raw).preview.startswith("Please look")


def test_the_preview_of_a_forward_without_a_text_is_its_header() -> None:
    raw = mail(part("text/plain", f"-----Original Message-----\n{HEADER}".encode()), b"Subject: FW: Offer")
    assert parse(raw).preview.startswith("-----Original Message----- From: Lee")


# --- structure


def test_attachments_have_imap_part_numbers_and_decoded_sizes() -> None:
    inner = multipart("alternative", part("text/plain", b"hi"), part("text/html", b"hi"), boundary="b2")
    calendar = part("text/calendar; method=REQUEST", b"BEGIN:VCALENDAR")
    pdf = part(
        "application/pdf",
        encodebytes(b"x" * 100),
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment; filename=a.pdf",
    )
    notes = part("text/plain; name=notes.txt", b"n", "Content-Disposition: inline")
    email = parse(mail(multipart("mixed", inner, pdf, multipart("mixed", calendar, notes, boundary="b3"))))
    assert email.text == "hi"
    assert email.attachments == (
        attachment("2", "a.pdf", "application/pdf", 100),
        attachment("3.1", "", "text/calendar", 15),
        attachment("3.2", "notes.txt", "text/plain", 1),
    )


def test_an_embedded_message_is_an_attachment_and_nothing_of_it_is_read() -> None:
    inner = b"From: evil@example.org\r\nSubject: Inner\r\nMessage-ID: <in@example.org>\r\n\r\ninner text"
    email = parse(mail(multipart("mixed", part("text/plain", b"see below"), part("message/rfc822", inner))))
    assert email.text == "see below"
    assert email.message_id is None
    assert {participant.address for participant in email.participants} == {
        "jane@example.com",
        "kim@example.kr",
    }
    assert email.attachments == (attachment("2", "Inner", "message/rfc822", len(inner)),)


def test_the_parts_of_a_digest_are_messages() -> None:
    email = parse(mail(multipart("digest", b"\r\nSubject: One\r\n\r\ntext")))
    assert [(each.type, each.name) for each in email.attachments] == [("message/rfc822", "One")]
    assert email.text == ""


def test_a_mail_that_is_one_file_has_part_1() -> None:
    email = parse(mail(part("application/pdf; name=a.pdf", b"%PDF")))
    assert (email.text, email.attachments) == ("", (attachment("1", "a.pdf", "application/pdf", 4),))


def test_a_boundary_that_begins_like_another_is_another() -> None:
    inner = multipart("alternative", part("text/plain", b"inner"), part("text/html", b"x"), boundary="b12")
    email = parse(mail(multipart("mixed", inner, part("a/b; name=c", b"d"))))
    assert email.text == "inner"
    assert email.attachments == (attachment("2", "c", "a/b", 1),)


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/mixed\n\n--x\n\nhello\n--x--\n",
        b'Content-Type: multipart/mixed; boundary=""\n\n--x\n\nhello\n--x--\n',
        b"Content-Type: multipart/mixed; boundary=y\n\n--x\n\nhello\n--x--\n",
        b"Content-Type: multipart/mixed; boundary=y\n\nhello\n",
    ],
)
def test_the_text_under_a_lost_boundary_is_found(raw: bytes) -> None:
    email = parse(raw)
    assert (email.text, email.repairs) == ("hello", ("boundary:missing",))


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/mixed; boundary=x\n\npreamble\n--x\n\nhello",
        b"Content-Type: multipart/mixed; boundary=x \n--x\n\nhello\n--x  \n",
        b"From a@x Mon\nContent-Type: MULTIPART/mixed (c); boundary=x\n\n--x\n\nhello\n--x--\nepilogue",
        b"Content-Type: nonsense\n\nhello",
        b"\nhello",
        b"hello",
        b"Subject: x\nhello",
    ],
)
def test_the_text_of_a_careless_mail_is_found(raw: bytes) -> None:
    assert parse(raw).text == "hello"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="a b.pdf"', "a b.pdf"),
        (b"attachment; filename=a.pdf; size=3", "a.pdf"),
        (b"attachment; filename*=utf-8''%EA%B2%AC%EC%A0%81.pdf", "견적.pdf"),
        (b"attachment; filename*=ks_c_5601-1987'ko'%8cc.pdf", "똠.pdf"),
        (b"attachment; filename*1*=%81; filename*0*=utf-8''%EA%B0; filename*2=.pdf", "각.pdf"),
        (b'attachment; filename*0="long "; filename*1="name.pdf"', "long name.pdf"),
        (b"attachment; filename=old.pdf; filename*=utf-8''new.pdf", "new.pdf"),
        (b'attachment; filename="=?utf-8?B?6rCALnBkZg==?="', "가.pdf"),
        (b'attachment; filename="=?euc-kr?B?sKE=?=\r\n =?euc-kr?B?LnBkZg==?="', "가.pdf"),
        (b'attachment; filename="\xb0\xdf\xc0\xfb\xbc\xad.pdf"', "견적서.pdf"),
        ('attachment; filename="견적서.pdf"'.encode(), "견적서.pdf"),
        (b'attachment; filename="C:\\Temp\\a \\"b\\".pdf"', 'C:\\Temp\\a "b".pdf'),
        (b"attachment; filename*=utf-8''a%00%1b%0d%0ab.pdf", "a b.pdf"),
        (b'attachment; filename="open.pdf', "open.pdf"),
        (b"attachment", "from-type.pdf"),
        (b'attachment; filename=""', "from-type.pdf"),
    ],
)
def test_file_names_are_decoded(disposition: bytes, name: str) -> None:
    raw = (
        b"Content-Type: application/pdf; name=from-type.pdf\r\nContent-Disposition: "
        + disposition
        + b"\r\n\r\nx"
    )
    (found,) = parse(raw).attachments
    assert found.name == name
    assert not found.inline


@pytest.mark.parametrize(
    ("encoding", "content", "text", "repairs"),
    [
        ("base64", b"SGVsbG8", "Hello", ("transfer:base64",)),
        ("base64;", b"SGVsbG8=", "Hello", ()),
        ("BASE64 (comment)", b"SGVsbG8=", "Hello", ()),
        (
            "base64",
            b"plain words under a wrong label",
            "plain words under a wrong label",
            ("transfer:base64",),
        ),
        ("quoted-printable", b"=ZZ = \r\nx=\r\ny=E", "=ZZ = \nxy=E", ()),
        ("x-unknown", b"as it is", "as it is", ()),
    ],
)
def test_broken_transfer_encodings_are_mended(
    encoding: str, content: bytes, text: str, repairs: tuple[str, ...]
) -> None:
    email = parse(part("text/plain", content, f"Content-Transfer-Encoding: {encoding}"))
    assert (email.text, email.repairs) == (text, repairs)


# --- who and what kind


def test_every_address_field_gives_participants() -> None:
    fields = (
        b"From: a@example.com\nSender: b@example.com\nReply-To: c@example.com\n"
        b"To: Team: d@example.com, D <d@example.com>;\nTo: e@example.com\n"
        b"Cc: f@example.com\nBcc: g@example.com\n\n"
    )
    found = [(person.role.value, person.address) for person in parse(fields).participants]
    assert found == [
        ("from", "a@example.com"),
        ("sender", "b@example.com"),
        ("reply_to", "c@example.com"),
        ("to", "d@example.com"),
        ("to", "e@example.com"),
        ("cc", "f@example.com"),
        ("bcc", "g@example.com"),
    ]


@pytest.mark.parametrize(
    ("fields", "ambiguous"),
    [
        (b"From: Jane <jane@example.com>", False),
        (b"From: ceo@corp.com <x@evil.com>", True),
        (b"From: =?utf-8?Q?ceo=40corp.com?= <x@evil.com>", True),
        (b"From: a@example.com, b@example.com", True),
        (b"From: a@example.com\nFrom: b@example.com", True),
        (b"From: nobody", True),
        (b"To: a@example.com", True),
    ],
)
def test_from_is_ambiguous_unless_it_is_one_address(fields: bytes, ambiguous: bool) -> None:  # noqa: FBT001 - a table's column
    assert parse(fields + b"\n\n").from_ambiguous is ambiguous


@pytest.mark.parametrize(
    ("field", "automatic"),
    [
        (b"X-Mailer: x", False),
        (b"Auto-Submitted: no", False),
        (b"Auto-Submitted: No; x=y", False),
        (b"Auto-Submitted: auto-replied", True),
        (b"Auto-Submitted: auto-generated (nightly)", True),
        (b"Precedence: normal", False),
        (b"Precedence: Bulk", True),
        (b"Precedence: list", True),
        (b"List-Id: <news.example.com>", True),
        (b"List-Unsubscribe: <mailto:x@example.com>", True),
        (b"X-Auto-Response-Suppress: All", True),
        (b"Return-Path: <>", True),
        (b"Return-Path: <jane@example.com>", False),
        (b"From: Mail Delivery <MAILER-DAEMON@example.com>", True),
        (b"Content-Type: multipart/report; boundary=x", False),
    ],
)
def test_automatic_mail_is_told_apart(field: bytes, automatic: bool) -> None:  # noqa: FBT001 - a table's column
    assert parse(field + b"\n\nhello").automatic is automatic


def test_a_report_is_automatic() -> None:
    status = part("message/delivery-status", b"Action: failed")
    email = parse(mail(multipart("report", part("text/plain", b"could not be delivered"), status)))
    assert email.automatic
    assert email.text == "could not be delivered"
    assert [each.type for each in email.attachments] == ["message/delivery-status"]


@pytest.mark.parametrize("filler", [b"x", b"\n", b"-", b"\n-", b"\n--", b"\n--b"])
@pytest.mark.parametrize("boundary", ["b1", "-", "b" * 70])
def test_a_delimiter_is_found_after_any_distance(filler: bytes, boundary: str) -> None:
    for length in (0, *range(880, 1_010), 5_000):
        content = (filler * length)[:length]
        body = multipart("mixed", b"\r\n" + content, part("a/b", b"c"), boundary=boundary)
        assert [each.part_id for each in parse(mail(body)).attachments] == ["2"], length


# --- limits


def test_nesting_is_bounded() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2_000))
    assert parse(raw).repairs == ("limit:depth",)


def test_parts_are_bounded() -> None:
    email = parse(
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: a/b\n\nx\n" * 100_000
    )
    assert len(email.attachments) == 1_000
    assert email.repairs == ("limit:parts",)


def test_text_is_bounded() -> None:
    email = parse(mail(multipart("mixed", *[part("text/plain", b"x" * 1_500_000)] * 3)))
    assert len(email.text) <= 2_000_000 + 10
    assert email.repairs == ("limit:text",)


def test_the_header_is_bounded() -> None:
    email = parse(b"X-Filler: x\n" * 100_000 + b"Subject: far away\n\nbody")
    assert (email.subject, email.text, email.repairs) == ("", "body", ("limit:header",))


def test_ten_thousand_recipients_are_read_and_what_comes_after() -> None:
    people = ",\r\n ".join(f'"Customer {number}" <customer{number}@example.com>' for number in range(10_000))
    email = parse(f"To: {people}\r\nSubject: after\r\n\r\nx".encode())
    assert (len(email.participants), email.subject, email.repairs) == (10_000, "after", ())


def test_people_are_bounded() -> None:
    people = ",".join(f"a{number}@example.kr" for number in range(30_000))
    email = parse(f"To: {people}\r\nCc: b@example.com\r\nSubject: after\r\n\r\nx".encode())
    assert (len(email.participants), email.subject) == (20_000, "after")
    assert email.repairs == ("limit:people",)


def test_references_keep_the_newest_hundred() -> None:
    ids = " ".join(f"<{number}@example.com>" for number in range(500))
    found = parse(f"References: {ids}\n\n".encode()).references
    assert len(found) == 100
    assert found[-1] == "499@example.com"


def test_repairs_are_bounded() -> None:
    words = b" ".join(b"=?x%d?q?=ff?=" % number for number in range(1_000))
    email = parse(b"Subject: " + words + b"\n\n")
    assert (len(email.repairs), len(email.subject)) == (50, 1_000)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: " + b"<" * 3_000 + b"\n\n",
        b"To: " + b", ".join(b"Person %d <p%d@example.com>" % (n, n) for n in range(10_000)) + b"\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"\n--xy" * 500_000,
        b"Content-Type: multipart/mixed\n\n\n--x" + b" " * 5_000_000 + b"y",
        b"Content-Transfer-Encoding: base64\n\n" + b"QUFB" * 2_000_000,
        b"Content-Type: a/b" + b';a="\\' * 60_000 + b"\n\n",
        b"Subject: " + b"=?a?q?" * 40_000 + b"\n\n",
        b"Message-ID: x\n" * 200_000,
        b"Content-Type: text/html\n\n" + b"<div><b x=1>" * 200_000,
        b"\xff\xfe\0" * 500_000,
    ],
)
def test_hostile_mail_of_megabytes_is_read(raw: bytes) -> None:
    assert_storable(parse(raw))


# --- properties


def strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case tuple():
            return [found for each in value for found in strings(each)]
        case _ if dataclasses.is_dataclass(value):
            return [
                found for each in dataclasses.fields(value) for found in strings(getattr(value, each.name))
            ]
    return []


def assert_storable(email: ParsedEmail) -> None:
    for each in strings(email):
        assert "\0" not in each
        each.encode("utf-8")
    names = [*(person.name for person in email.participants), *(each.name for each in email.attachments)]
    one_line = [email.subject, email.preview, *names]
    assert not any(ord(character) < 32 for each in one_line for character in each)
    assert len(email.preview) <= 200
    assert email.sent_at is None or email.sent_at.tzinfo is UTC


@given(st.binary(max_size=300))
def test_any_bytes_are_an_email(raw: bytes) -> None:
    assert_storable(parse(raw))


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"From: ",
    b"To: ",
    b"Subject: ",
    b"Date: ",
    b"Message-ID: ",
    b"References: ",
    b"Content-Type: ",
    b"Content-Transfer-Encoding: ",
    b"Content-Disposition: ",
    b"multipart/mixed; boundary=",
    b"multipart/alternative; boundary=",
    b"multipart/digest; boundary=b",
    b"text/html",
    b"text/plain; charset=",
    b"message/rfc822",
    b"; name=",
    b"; filename*0*=",
    b"utf-16",
    b"iso-2022-jp",
    b"\x1b$B",
    b"gb2312",
    b"base64",
    b"quoted-printable",
    b"b",
    b"--b",
    b"--b--",
    b"\n--b\n",
    b"\n\n",
    b"=?utf-8?q?=00=ED=A0=80?=",
    b"jane@example.com",
    b"<",
    b">",
    b'"',
    b"(",
    b"&#0;",
    b"&#xd800;",
    b"Mon, 1 Jan 2024 10:00:00 +0900",
    b"=",
    b"format=flowed",
    b"attachment",
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_any_heap_of_mail_pieces_is_an_email(raw: bytes) -> None:
    assert_storable(parse(raw))


WHOLE = mail(
    multipart(
        "mixed",
        multipart(
            "alternative",
            part("text/plain; charset=euc-kr", b"\xb0\xa1"),
            part("text/html", b"<p>x"),
            boundary="b2",
        ),
        part(
            "application/pdf",
            b"AAAA",
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment; filename*=utf-8''a",
        ),
    ),
    b"Message-ID: <1@example.com>",
    b"Date: Mon, 1 Jan 2024 10:00:00 +0900",
    b"Subject: =?euc-kr?B?sKE=?= =?utf-8?Q?=EA=B0=80?=",
)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 20), st.binary(max_size=6)), max_size=6))
def test_a_mutated_mail_is_an_email(changes: list[tuple[int, int, bytes]]) -> None:
    raw = WHOLE
    for at, length, new in changes:
        raw = raw[:at] + new + raw[at + length :]
    assert_storable(parse(raw))


HEADS = st.lists(
    st.sampled_from(
        [
            b"Message-ID: <a@example.com>",
            b"Message-ID: <b@example.com>",
            b"message-id:",
            b"Message-ID:\r\n <c @example.com>",
            b"Message-ID: x",
            b"Date: Mon, 1 Jan 2024 10:00:00 +0900",
            b"Date: never",
            b"Date:\r\n Tue, 2 Jan 2024 10:00:00 +0000",
            b"Subject: x\r\n y",
            b"junk",
            b"X-Message-ID: <x@example.com>",
            b"Message-ID: <\xb0\xa1@example.com>",
            b"Message-ID: =?utf-8?q?=3Cd=40example=2Ecom=3E?=",
            b"Message-ID: <e\x01@example.com> <f@example.com>",
        ]
    ),
)


@given(HEADS, st.sampled_from([b"", b"\r\n", b"\r\nbody\r\nMessage-ID: <body@example.com>"]))
def test_a_header_is_identified_as_its_email_is_parsed(lines: list[bytes], rest: bytes) -> None:
    head = b"".join(line + b"\r\n" for line in lines)
    email = parse(head + rest)
    assert identify(head + b"\r\n") == (email.message_id, email.sent_at)
    # What BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)] gives (RFC 9051, 6.4.5).
    end, _ = split(head + rest)
    fields, _ = fields_of((head + rest)[:end], (b"message-id", b"date"))
    picked = b"".join(name + b": " + value + b"\r\n" for name, values in fields.items() for value in values)
    assert identify(picked + b"\r\n") == (email.message_id, email.sent_at)


TEXTS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80
)


@given(TEXTS, TEXTS, st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "8bit"]))
def test_what_another_program_writes_is_read_back(
    subject: str, text: str, data: bytes, encoding: str
) -> None:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Jane <jane@example.com>"
    message.set_content(text, cte=encoding)
    message.add_alternative("<p>rich</p>", subtype="html")
    message.add_attachment(data, maintype="application", subtype="pdf", filename="견적서.pdf")
    email = parse(message.as_bytes())
    assert email.subject.split() == subject.removeprefix("\ufeff").split()
    assert email.text == (text.removeprefix("\ufeff").rstrip() if any(map(str.isalnum, text)) else "rich")
    assert email.attachments == (attachment("2", "견적서.pdf", "application/pdf", len(data)),)
    assert email.repairs == ()

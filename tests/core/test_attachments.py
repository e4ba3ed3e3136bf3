"""Attachments, their bytes, and what the text shows in its place."""

from base64 import b64encode, encodebytes
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.mime import contents, html_body, parse
from tests.core.messages import attachment, mail, multipart, part
from tests.core.test_corpora import messages, without_corpora

PNG = b"\x89PNG\r\n\x1a\n"
HTML = part("text/html; charset=utf-8", b'<p>Hi<img src="cid:Logo%40example.com"></p>')


def named(raw: bytes) -> list[tuple[str, bool]]:
    return [(each.name, each.inline) for each in parse(raw).attachments]


# --- inline


def test_an_image_that_the_html_shows_is_inline() -> None:
    logo = part("image/png; name=logo.png", PNG, "Content-ID: <logo@example.com>")
    chart = part("image/png; name=chart.png", PNG, "Content-ID: <chart@example.com>")
    assert named(mail(multipart("related", HTML, logo))) == [("logo.png", True)]
    assert named(mail(multipart("mixed", HTML, logo, chart))) == [("logo.png", True), ("chart.png", False)]


def test_an_image_of_a_related_multipart_is_inline_unless_it_says_otherwise() -> None:
    shown = part("image/png; name=a.png", PNG)
    file = part("image/png; name=b.png", PNG, "Content-Disposition: attachment")
    assert named(mail(multipart("related", HTML, shown, file))) == [("a.png", True), ("b.png", False)]


def test_an_image_is_inline_whatever_its_label_when_the_html_shows_it() -> None:
    logo = part(
        "application/octet-stream; name=logo.PNG",
        PNG,
        "Content-Disposition: attachment",
        "Content-ID: <logo@example.com>",
    )
    assert named(mail(multipart("mixed", HTML, logo))) == [("logo.PNG", True)]


def test_a_file_is_no_inline_image_because_its_sender_says_inline() -> None:
    pdf = part("application/pdf; name=a.pdf", b"%PDF", "Content-Disposition: inline")
    photo = part("image/jpeg; name=b.jpg", b"x", "Content-Disposition: inline")
    raw = mail(multipart("mixed", part("text/plain", b"see"), pdf, photo, part("text/plain", b"bye")))
    assert named(raw) == [("a.pdf", False), ("b.jpg", False)]


def test_what_mail_programs_add_is_no_file() -> None:
    signed = multipart(
        "signed", part("text/plain", b"hi"), part("application/pkcs7-signature; name=smime.p7s", b"x")
    )
    (signature,) = parse(mail(signed)).attachments
    assert (signature.name, signature.inline, signature.is_file()) == ("smime.p7s", False, False)
    (pdf,) = parse(mail(part("application/pdf; name=a.pdf", b"%PDF"))).attachments
    assert pdf.is_file()
    assert not any(
        each.is_file() for each in parse(mail(multipart("related", HTML, part("image/png", PNG)))).attachments
    )


# --- names

B2231 = "parameter:rfc2231"


@pytest.mark.parametrize(
    ("disposition", "name", "repairs"),
    [
        (b"attachment; filename*=utf-8'%EA%B0%80.pdf", "가.pdf", (B2231,)),
        (b"attachment; filename*=%EA%B0%80.pdf", "가.pdf", (B2231,)),
        (b"attachment; filename*=euc-kr''%B0%A1.pdf", "가.pdf", ()),
        (b"attachment; filename*=\"utf-8''%EA%B0%80.pdf\"", "가.pdf", ()),
        (b"attachment; filename=\"utf-8''%EA%B0%80.pdf\"", "가.pdf", (B2231,)),
        (b'attachment; filename*0="utf-8\'\'%EA%B0"; filename*1="%80.pdf"', "가.pdf", (B2231,)),
        (b"attachment; filename*0*=utf-8''%EA%B0%8; filename*1*=0.pdf", "가.pdf", ()),
        (
            b'attachment; filename*="=?utf-8?B?6rCALnBkZg==?="',
            "가.pdf",
            (B2231,),
        ),
        (b'attachment; filename="=?utf-8?B?6rCALnBkZg==?="', "가.pdf", ()),
        (
            b'attachment; filename*0="=?utf-8?B?6rCA"; filename*1="LnBkZg==?="',
            "가.pdf",
            (),
        ),
        (b"attachment; filename*1=b.pdf; filename*0=a", "ab.pdf", ()),
        (b"attachment; filename*2=b.pdf; filename*1=a", "ab.pdf", ()),
        (b'attachment filename="a.pdf"', "a.pdf", ()),
        (b'attachment; filename="a.pdf" size=3', "a.pdf", ()),
        (b'attachment; filename="5" screen.pdf"', '5" screen.pdf', ()),
        (b'attachment; filename="a;b.pdf"', "a;b.pdf", ()),
        (b"attachment; filename=it's 100%25.pdf", "it's 100%25.pdf", ()),
        (b"attachment; filename=Anna's and Jo's 50%ab.pdf", "Anna's and Jo's 50%ab.pdf", ()),
        (b'attachment; FileName = "a.pdf"', "a.pdf", ()),
        (b'attachment; filename="\xb0\xa1.pdf"', "가.pdf", ("charset:missing",)),
        (b"attachment; filename=", "", ()),
    ],
)
def test_a_file_name_is_read_whatever_was_done_to_it(
    disposition: bytes, name: str, repairs: tuple[str, ...]
) -> None:
    email = parse(b"Content-Type: application/pdf\r\nContent-Disposition: " + disposition + b"\r\n\r\nx")
    assert ([each.name for each in email.attachments], email.repairs) == ([name], repairs)


# --- bytes


def test_an_attached_email_is_its_original_bytes() -> None:
    inner = b"From: jane@example.com\r\nSubject: =?utf-8?B?6rCA?=\r\n\r\ninner \xb0\xa1\r\n"
    raw = mail(multipart("mixed", part("text/plain", b"see"), part("message/rfc822", inner)))
    ((found, content),) = contents(raw)
    assert (found.name, found.size, content) == ("가", len(inner), inner)


def test_an_attached_email_in_base64_has_its_subject() -> None:
    inner = b"Subject: Inner\r\n\r\ntext"
    raw = mail(part("message/rfc822", encodebytes(inner), "Content-Transfer-Encoding: base64"))
    assert [*contents(raw)] == [(attachment("1", "Inner", "message/rfc822", len(inner)), inner)]


def test_uuencoded_bytes_are_decoded() -> None:
    body = b"begin 644 a.bin\n#86)C\n`\nend\n"
    raw = mail(part("application/octet-stream; name=a.bin", body, "Content-Transfer-Encoding: x-uuencode"))
    assert [*contents(raw)] == [(attachment("1", "a.bin", "application/octet-stream", 3), b"abc")]


@without_corpora
def test_contents_are_what_parse_says_of_all_corpora() -> None:
    for name, raw in messages():
        found = [*contents(raw)]
        assert tuple(each for each, _ in found) == parse(raw).attachments, name
        assert all(each.size == len(content) for each, content in found), name


@given(st.binary(max_size=300))
def test_the_size_is_that_of_the_bytes(data: bytes) -> None:
    for encoding in ("base64", "quoted-printable", "x-uuencode", "8bit"):
        for found, content in contents(mail(part("a/b", data, f"Content-Transfer-Encoding: {encoding}"))):
            assert found.size == len(content)


# --- HTML as it stands


def test_the_html_is_given_as_it_stands() -> None:
    html = "<p>가<script>x</script></p>\r\n"
    page = part("text/html; charset=euc-kr", html.encode("euc-kr"))
    assert html_body(mail(multipart("alternative", part("text/plain", b"x"), page))) == html
    assert html_body(mail(page)) == html
    assert html_body(mail(part("text/plain", b"<p>"))) == ""
    file = part("text/html; name=page.html", b"<p>file</p>", "Content-Disposition: attachment")
    assert html_body(mail(multipart("mixed", part("text/plain", b"x"), file))) == ""


# --- one structure, whichever parser

WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
NAMES = st.lists(WORDS.filter(lambda word: "=?" not in word), min_size=1, max_size=3).map(" ".join)
ADDRESSES = st.from_regex(r"[a-z][a-z0-9.]{0,8}[a-z]@[a-z]{1,8}\.example\.(com|org|kr)", fullmatch=True)
FILES = st.tuples(
    st.from_regex(r"[a-zA-Z0-9가-힣 _()-]{1,40}\.(pdf|xlsx|png)", fullmatch=True).map(str.strip),
    st.binary(max_size=200),
    st.sampled_from([("application", "pdf"), ("application", "octet-stream"), ("image", "png")]),
)


@settings(max_examples=60)
@given(
    subject=NAMES,
    people=st.tuples(*[st.tuples(NAMES, ADDRESSES)] * 3),
    # A text without a letter is a stub beside HTML.
    text=st.lists(NAMES, max_size=5).map(lambda lines: "\n".join(["Hello", *lines])),
    html=st.booleans(),
    files=st.lists(FILES, max_size=3),
)
def test_the_standard_library_reads_the_same(
    subject: str,
    people: tuple[tuple[str, str], ...],
    text: str,
    html: bool,  # noqa: FBT001 (Hypothesis gives it by its name)
    files: list[tuple[str, bytes, tuple[str, str]]],
) -> None:
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = subject
    # One in each field: the library folds longer lists in ways that it does not read back.
    for field, (name, address) in zip(("From", "To", "Cc"), people, strict=True):
        message[field] = f'"{_quoted(name)}" <{address}>'
    message.set_content(text)
    if html:
        message.add_alternative("<p>rich</p>", subtype="html")
    for name, data, (main, sub) in files:
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    raw = message.as_bytes()
    theirs = BytesParser(policy=policy.default).parsebytes(raw)
    ours = parse(raw)
    assert ours.repairs == ()
    assert ours.subject == " ".join(str(theirs["Subject"]).split())
    assert [(each.role.value, _solid(each.name), each.address) for each in ours.participants] == [
        (field, _solid(box.display_name), box.addr_spec)
        for field in ("from", "to", "cc")
        for box in theirs[field].addresses
    ]
    body = theirs.get_body(("plain",))
    assert body is not None
    assert ours.text == body.get_content().replace("\r\n", "\n").rstrip().lstrip("\n")
    expected_files = [
        (each.get_filename(), each.get_content_type(), each.get_content())
        for each in theirs.iter_attachments()
    ]
    assert [(each.name, each.type, content) for each, content in contents(raw)] == expected_files


def _solid(name: str) -> str:
    # Where the library folds a long name between two encoded words, it reads a blank of its own back.
    return "".join(name.split())


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


# --- signed and encrypted

# A ContentInfo of CMS (RFC 5652, 3) up to its type.
SIGNED_DATA = bytes.fromhex("308006092a864886f70d010702a080")
ENVELOPED_DATA = bytes.fromhex("308006092a864886f70d010703a080")


def test_signed_and_encrypted_emails_are_marked() -> None:
    text = part("text/plain", b"hi")
    signed = parse(mail(multipart("signed", text, part("application/pgp-signature", b"x"))))
    assert (signed.signed, signed.encrypted, signed.text, signed.repairs) == (True, False, "hi", ())
    version = part("application/pgp-encrypted", b"Version: 1")
    sealed = parse(mail(multipart("encrypted", version, part("application/octet-stream", b"x"))))
    assert (sealed.signed, sealed.encrypted) == (False, True)
    plain = parse(mail(text))
    assert (plain.signed, plain.encrypted) == (False, False)


def test_smime_is_told_by_what_it_is() -> None:
    base64 = "Content-Transfer-Encoding: base64"
    opaque = parse(mail(part("application/pkcs7-mime; name=smime.p7m", b64encode(SIGNED_DATA), base64)))
    assert (opaque.signed, opaque.encrypted, opaque.repairs) == (True, False, ("signed:opaque",))
    sealed = parse(mail(part("application/octet-stream; name=smime.p7m", b64encode(ENVELOPED_DATA), base64)))
    assert (sealed.signed, sealed.encrypted, sealed.repairs) == (False, True, ())


@pytest.mark.parametrize(
    ("text", "signed", "encrypted"),
    [
        (b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhi\r\n", True, False),
        (b"hello\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n", False, True),
        (b"> -----BEGIN PGP MESSAGE-----\r\n", False, False),
        (b"what does -----BEGIN PGP MESSAGE----- mean?\r\n", False, False),
    ],
)
def test_pgp_in_the_text_is_seen(text: bytes, signed: bool, encrypted: bool) -> None:  # noqa: FBT001 (pytest gives them by name)
    email = parse(mail(part("text/plain", text)))
    assert (email.signed, email.encrypted) == (signed, encrypted)

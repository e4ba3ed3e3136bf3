"""Every message of the public corpora beside the repository, where they are.

What is expected of a message stands beside it in the corpora, or is read from it by the standard
library, which is an independent judge where a message is sound.
"""

import email
import json
import re
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email import policy
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path

import pytest

from mailcrm.core.addresses import normalise, parse_mailboxes
from mailcrm.core.charsets import decode_charset
from mailcrm.core.mime import parse
from mailcrm.core.parsed import ParsedEmail
from tests.fuzz import promises

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
SUFFIXES = {".eml", ".golden", ".msg", ".raw", ".txt"}
FOLDERS = ("cpython-test_email", "enmime", "enron-categories", "flufl-bounce", "mail-parser-reply", "mimekit")
MOST_BYTES = 60_000_000
MOST_MEMORY = 300_000_000

without_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="there are no corpora at ../shared/corpora")
pytestmark = without_corpora


def messages() -> Iterable[tuple[str, bytes]]:
    """Return the messages with their names."""
    return sources().items()


@cache
def sources() -> dict[str, bytes]:
    """Return the messages by their path; those of a mailbox file have a number after it."""
    found: dict[str, bytes] = {}
    room = MOST_BYTES
    for folder in FOLDERS:
        for path in sorted((CORPORA / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            room -= path.stat().st_size
            assert room > 0, "the corpora have grown; choose again what to read"
            name, raw = str(path.relative_to(CORPORA)), path.read_bytes()
            if folder == "mail-parser-reply":
                raw = b"Content-Type: text/plain; charset=utf-8\n\n" + raw
            found[name] = raw
            if ".mbox." in name:
                found |= {f"{name}#{number}": each for number, each in enumerate(mailbox(raw), 1)}
    return found


def mailbox(raw: bytes) -> Iterator[bytes]:
    """Yield the messages of an mbox file, by their Content-Length where another one begins after it."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    while raw.startswith(b"From "):
        _, _, raw = raw.partition(b"\n")
        header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        length = re.search(rb"^Content-Length:\s*(\d+)", header, re.MULTILINE | re.IGNORECASE)
        until = len(header) + int(length[1]) if length else 0
        ending = re.compile(rb"\n(?=From )|\Z")
        end = (ending.search(raw, until) if raw[until:] else None) or ending.search(raw)
        assert end
        yield raw[: end.start() + 1]
        raw = raw[end.end() :]


@cache
def parsed(name: str) -> ParsedEmail:
    return parse(sources()[name])


@cache
def judged(name: str) -> Message:
    return email.message_from_bytes(sources()[name])


def is_sound(name: str) -> bool:
    return not parsed(name).repairs and not any(part.defects for part in judged(name).walk())


def leaves(message: Message) -> Iterator[Message]:
    """Yield what is no container; an embedded message is not looked into."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for child in payload:
            assert isinstance(child, Message)
            yield from leaves(child)
    else:
        yield message


def kind(message: Message) -> str:
    # The library keeps what follows a type without a semicolon.
    return re.split(r"[ >]", message.get_content_type())[0]


def test_every_message_is_parsed_to_what_a_database_takes() -> None:
    for name, raw in messages():
        try:
            promises.email(raw)
            promises.files(raw)
        except Exception as error:  # any error at all, to say of which message
            error.add_note(name)
            raise
    assert len(sources()) > 2_000


def test_the_largest_message_takes_little_memory() -> None:
    largest = max(sources().values(), key=len)
    tracemalloc.start()
    parse(largest)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY


# --- what comes with the corpora ---------------------------------------------------------------


def golden(name: str) -> str:
    return f"enmime/testdata/encode/{name}"


@pytest.mark.parametrize(
    ("source", "encoded"),
    [
        ("parser-raw-content-html-option.raw", "parser-raw-content-html-option-false.raw.golden"),
        ("parser-raw-content-html-option.raw", "parser-raw-content-html-option-true.raw.golden"),
        ("parser-raw-content-text-option.raw", "parser-raw-content-text-option-false.raw.golden"),
        ("parser-raw-content-text-option.raw", "parser-raw-content-text-option-true.raw.golden"),
        ("part-quoted-headers.golden", "part-quoted-printable-headers.golden"),
        ("part-file-mod-date.golden", "part-quoted-content.golden"),
        ("nocontent-with-children.golden", "part-with-children.golden"),
    ],
)
def test_what_another_program_encoded_in_two_ways_is_the_same(source: str, encoded: str) -> None:
    assert parsed(golden(source)) == parsed(golden(encoded))


def test_what_another_program_encoded_says_what_it_was_told_to() -> None:
    spoken = {
        "build-qp-addr-headers": "RFC 2047; Olle Järnefors; Patrik Fältström; Keld Jørn Simonsen",
        "nocontent-with-children": "Plain text part",
        "part-bin-content": "image/jpeg 2000",
        "part-bin-header": "¡Hola, señor!; This is a test of a plain text part.\n\nAnother line.",
        "part-content-only": "No header, only content.",
        "part-content-only-qp": "☆ No header, only content.",
        "part-default-headers": "stuff.zip application/zip 9",
        "part-empty": "",
        "part-header-only": "",
        "part-header-only-default-encoding": "",
        "part-message-rfc822": "message/rfc822 2000",
        "part-plain": "This is a test of a plain text part.\n\nAnother line.",
        "part-quotable-content": "Hello=",
        "part-quoted-content": "¡Hola, señor! Welcome to MIME",
        "part-quoted-headers": 'árvíztűrő "x" tükörfúrógép.zip application/zip 9',
        "utf8-to.raw": "test utf8 to; Weiß; Jøhn Døe; This is a test mailing",
    }
    for name, expected in spoken.items():
        found = parsed(golden(f"{name}.golden"))
        files = (f"{each.name} {each.type} {each.size}".strip() for each in found.attachments)
        people = (someone.name for someone in found.participants)
        assert "; ".join(filter(None, (found.subject, *people, found.text, *files))) == expected, name


#: Where we rightly say something else than a summary does, and why.
SUMMARISED_OTHERWISE: dict[tuple[str, int, str], object] = {
    # `develop!nextmime@ebony@sblab.att.com`: which of the two @ counts is a guess, and mail is linked by it.
    ("content-length", 7, "from"): (),
    # `12:24:23 cst`: RFC 5322, 4.3 gives this zone a meaning, and its letters have no case.
    ("content-length", 23, "date"): datetime(1996, 5, 28, 18, 24, 23, tzinfo=UTC),
}


@pytest.mark.parametrize("name", ["content-length", "issue1189"])
def test_mailbox_files_hold_what_their_summary_says(name: str) -> None:
    folder = "mimekit/UnitTests/TestData/mbox"
    summaries = (CORPORA / folder / f"{name}-summary.txt").read_text(encoding="utf-8").strip().split("\n\n")
    for number, summary in enumerate(summaries, 1):
        found = parsed(f"{folder}/{name}.mbox.txt#{number}")
        fields = dict(re.findall(r"^(From|To|Subject|Date): (.*)", summary, re.MULTILINE))
        assert found.subject == fields["Subject"]
        sent_at = parsedate_to_datetime(fields["Date"]).astimezone(UTC)
        assert found.sent_at == SUMMARISED_OTHERWISE.get((name, number, "date"), sent_at)
        for role in ("from", "to"):
            people = tuple(
                (someone.name, someone.address) for someone in found.participants if someone.role == role
            )
            named = parse_mailboxes(fields.get(role.title(), ""))[0]
            expected = tuple((someone.name, someone.address) for someone in named)
            assert people == SUMMARISED_OTHERWISE.get((name, number, role), expected)
        files = [each.type for each in found.attachments if each.type not in ("text/plain", "text/html")]
        assert files == list(summarised_files(summary)), number
    assert f"{folder}/{name}.mbox.txt#{len(summaries) + 1}" not in sources()


def summarised_files(summary: str) -> Iterator[str]:
    """Yield the types that a summary's indented tree has for what is neither container nor text."""
    inside_message = None
    for indent, each in re.findall(r"^( *)Content-Type: (\S+)", summary, re.MULTILINE):
        if inside_message is not None and len(indent) > inside_message:
            continue
        inside_message = len(indent) if each == "message/rfc822" else None
        if not each.startswith("multipart/") and each not in ("text/plain", "text/html"):
            yield each.lower()


@pytest.mark.parametrize(
    "name", ["delivery-status", "disposition-notification", "simple-embedded-message", "simple-multipart"]
)
def test_a_message_with_its_letters_replaced_has_the_same_shape(name: str) -> None:
    folder = "mimekit/UnitTests/TestData/messages"
    original = next(path for suffix in (".eml", ".txt") if (path := f"{folder}/{name}{suffix}") in sources())
    shown, hidden = parsed(original), parsed(f"{folder}/{name}.anonymized.eml")
    assert len(shown.text.split("\n")) == len(hidden.text.split("\n"))
    assert [(each.part_id, each.type) for each in shown.attachments] == [
        (each.part_id, each.type) for each in hidden.attachments
    ]
    assert [someone.role for someone in shown.participants] == [
        someone.role for someone in hidden.participants
    ]


def test_every_charset_label_of_the_web_is_known() -> None:
    labels = json.loads((CORPORA / "whatwg-encoding/lib/labels-to-names.json").read_text(encoding="utf-8"))
    # ASCII is too often a lie to be believed; the others are no charsets in which mail is written.
    unknown = {"windows-1252": ("ansi_x3.4-1968", "ascii", "us-ascii")}
    for label, name in labels.items():
        if label in unknown.get(name, ()) or name in (
            "replacement",
            "x-user-defined",
            "UTF-8",
            "ISO-2022-JP",
        ):
            continue
        # These two bytes are a text in each of them.
        assert decode_charset(b"\xe1\xe1", label)[1] is None, label


# --- what the standard library says of sound messages ------------------------------------------


def test_the_business_mails_have_sender_date_id_and_text() -> None:
    mails = [
        name
        for name, raw in sources().items()
        if name.startswith("enron-categories") and b"Message-ID:" in raw[:2_000]
    ]
    assert len(mails) > 1_000
    for name in mails:
        found = parsed(name)
        assert found.message_id, name
        assert found.sent_at, name
        assert found.participants, name
        assert found.text or not sources()[name].partition(b"\n\n")[2].strip(), name


def test_nearly_all_bounces_are_automatic() -> None:
    bounces = [parsed(name) for name in sources() if name.startswith("flufl-bounce")]
    # Those that are not come from a postmaster or a person's program and say so nowhere in the header.
    assert sum(bounce.automatic for bounce in bounces) > 0.85 * len(bounces)


def test_deliveries_are_what_the_standard_library_reads_of_a_report() -> None:
    compared = 0
    for name in sources():
        reports = [leaf for leaf in leaves(judged(name)) if kind(leaf) == "message/delivery-status"]
        if not reports or "#" in name:
            continue
        blocks = [block for report in reports for block in report.walk() if "final-recipient" in block]
        expected = {recipient(block) for block in blocks} - {None}
        assert {each.address for each in parsed(name).deliveries} >= expected, name
        assert parsed(name).automatic, name
        compared += len(expected)
    assert compared > 25


def recipient(block: Message) -> str | None:
    """Return the address that the sender wrote to, or the last one (RFC 3464, 2.3.1 and 2.3.2)."""
    # `rfc822; kim@example.kr`: a type before the address; those of X.400 are none that we know.
    values = [str(block[field]) for field in ("original-recipient", "final-recipient") if field in block]
    addresses = [normalise(value.partition(";")[2].strip(" <>")) for value in values]
    return next(filter(None, addresses), None)


def test_what_has_a_signature_is_marked_as_signed() -> None:
    compared = 0
    for name in filter(is_sound, sources()):
        signature = any(kind(leaf).endswith("signature") for leaf in leaves(judged(name)))
        if signature and judged(name).get_content_type() == "multipart/signed":
            assert parsed(name).signed, name
            assert not parsed(name).encrypted, name
            compared += 1
    assert compared >= 5


def test_sound_messages_of_plain_text_have_the_text_that_the_standard_library_decodes() -> None:
    compared = 0
    for name in filter(is_sound, sources()):
        message = judged(name)
        plain = message.get_content_type() == "text/plain" and not message.get_content_disposition()
        content = message.get_payload(decode=True)
        # Blanks are not compared, since flowed lines have others; an escape may be one of ISO-2022.
        if plain and isinstance(content, bytes) and content.isascii() and b"\x1b" not in content:
            assert "".join(parsed(name).text.split()) == "".join(content.decode("ascii").split()), name
            compared += 1
    assert compared > 1_000


def test_sound_messages_have_the_attachments_that_the_standard_library_finds() -> None:
    compared = 0
    for name in filter(is_sound, sources()):
        if b"application/ms-tnef" in sources()[name]:
            # To the library, what is inside a winmail.dat is not there.
            continue
        expected = []
        for leaf in leaves(judged(name)):
            # The library reads the lines of message/delivery-status as headers; it has no size for them.
            if not kind(leaf).startswith("message/") and kind(leaf) not in ("text/plain", "text/html"):
                content = leaf.get_payload(decode=True)
                assert isinstance(content, bytes)
                expected.append((kind(leaf), len(content)))
        found = [
            (each.type, each.size)
            for each in parsed(name).attachments
            if not each.type.startswith("message/") and each.type not in ("text/plain", "text/html")
        ]
        assert found == expected, name
        compared += bool(expected)
    assert compared > 20


def test_sound_messages_have_the_subject_and_people_that_the_standard_library_reads() -> None:
    compared = 0
    for name in filter(is_sound, sources()):
        found = parsed(name)
        strict = email.message_from_bytes(sources()[name], policy=policy.default)
        try:
            subject = strict["subject"]
            fields = {role: strict.get_all(role, []) for role in ("from", "to", "cc")}
        except (ValueError, IndexError, AttributeError):
            # Fields that this library cannot read at all.
            continue
        if any(field.defects for role in fields.values() for field in role):
            continue
        assert found.subject.split() == (subject or "").split(), name
        for role, each in fields.items():
            expected = {normalise(someone.addr_spec) for field in each for someone in field.addresses}
            people = {someone.address for someone in found.participants if someone.role == role}
            assert people == expected - {None}, name
            compared += len(people)
    assert compared > 2_000

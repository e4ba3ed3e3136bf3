"""Every message of the public corpora beside the repository, where they are."""

import email
import json
import re
from collections.abc import Iterator
from email.message import Message
from functools import cache
from pathlib import Path

import pytest

from mailcrm.core.charsets import decode_charset
from mailcrm.core.headers import identify
from mailcrm.core.mime import parse

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
SUFFIXES = {".eml", ".msg", ".raw", ".txt"}
FOLDERS = ("cpython-test_email", "enmime", "enron-categories", "flufl-bounce", "mimekit")
MOST_BYTES = 60_000_000

without_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="there are no corpora at ../shared/corpora")
pytestmark = without_corpora


@cache
def messages() -> tuple[tuple[str, bytes], ...]:
    found: list[tuple[str, bytes]] = []
    room = MOST_BYTES
    for folder in FOLDERS:
        for path in sorted((CORPORA / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            room -= path.stat().st_size
            assert room > 0, "the corpora have grown; choose again what to read"
            found.append((str(path.relative_to(CORPORA)), path.read_bytes()))
    return tuple(found)


def leaves(message: Message) -> Iterator[tuple[str, int]]:
    """Yield type and decoded size of what is no container and no message."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for child in payload:
            assert isinstance(child, Message)
            yield from leaves(child)
    elif message.get_content_maintype() not in ("message", "multipart"):
        content = message.get_payload(decode=True)
        assert isinstance(content, bytes)
        # The library keeps what follows a type without a semicolon.
        yield re.split(r"[ >]", message.get_content_type())[0], len(content)


def test_every_message_is_parsed_to_what_a_database_takes() -> None:
    for name, raw in messages():
        parsed = parse(raw)
        everything = repr(parsed)
        assert "\\x00" not in everything, name
        assert not any(f"\\ud{digit}" in everything for digit in "89abcdef"), name
    assert len(messages()) > 1_000


def test_every_header_is_identified_as_its_message_is_parsed() -> None:
    for name, raw in messages():
        parsed = parse(raw)
        assert identify(raw) == (parsed.message_id, parsed.sent_at), name


def test_the_business_mails_have_sender_date_id_and_text() -> None:
    mails = [
        (name, raw)
        for name, raw in messages()
        if name.startswith("enron-categories") and b"Message-ID:" in raw[:2_000]
    ]
    assert len(mails) > 1_000
    for name, raw in mails:
        parsed = parse(raw)
        assert parsed.message_id, name
        assert parsed.sent_at, name
        assert parsed.participants, name
        assert parsed.text or not raw.partition(b"\n\n")[2].strip(), name


def test_nearly_all_bounces_are_automatic() -> None:
    bounces = [parse(raw) for name, raw in messages() if name.startswith("flufl-bounce")]
    # Those that are not come from a postmaster or a person's program and say so nowhere in the header.
    assert sum(bounce.automatic for bounce in bounces) > 0.85 * len(bounces)


def test_sound_messages_have_the_attachments_that_the_standard_library_finds() -> None:
    compared = 0
    for name, raw in messages():
        message = email.message_from_bytes(raw)
        parsed = parse(raw)
        if parsed.repairs or b"ms-tnef" in raw or any(part.defects for part in message.walk()):
            continue
        expected = [(kind, size) for kind, size in leaves(message) if kind not in ("text/plain", "text/html")]
        # The library reads the lines of message/delivery-status as headers; it has no size for them.
        found = [
            (each.type, each.size)
            for each in parsed.attachments
            if not each.type.startswith("message/") and each.type not in ("text/plain", "text/html")
        ]
        assert found == expected, name
        compared += bool(expected)
    assert compared > 20


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

"""What holds of everything that is read from an email, whatever the email is.

Each function reads its input and asserts it. Which inputs are tried is left to the callers.
"""

from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

from mailcrm.core.addresses import normalise, parse_mailboxes
from mailcrm.core.calendar import invitations
from mailcrm.core.charsets import decode_charset
from mailcrm.core.delivery import standard_deliveries, told_deliveries
from mailcrm.core.errors import UsageError
from mailcrm.core.headers import decode_words, identify, ids_of
from mailcrm.core.html import read_html
from mailcrm.core.mime import contents, html_body, parse
from mailcrm.core.parsed import Forward, ParsedEmail, Span, SpanKind
from mailcrm.core.query import parse_query, written
from mailcrm.core.quotes import separate
from mailcrm.core.rtf import decompressed, read_rtf
from mailcrm.core.search_terms import TERM_CHARACTERS, terms
from mailcrm.core.text import PREVIEW_CHARACTERS, preview, unflow
from mailcrm.core.tnef import FILES, unpack


def email(raw: bytes) -> ParsedEmail:
    """Parse an email; from its header alone, its id and date are the same."""
    parsed = parse(raw)
    storable(parsed)
    assert identify(raw) == (parsed.message_id, parsed.sent_at)
    assert len({each.part_id for each in parsed.attachments}) == len(parsed.attachments)
    assert all(someone.address == normalise(someone.address) for someone in parsed.participants)
    assert len(set(parsed.repairs)) == len(parsed.repairs)
    separated(parsed.text, parsed.spans, parsed.forwards)
    return parsed


def files(raw: bytes) -> None:
    """Take what an email brings along: the attachments that parsing names, of the size that it says."""
    found = [(each, len(content)) for each, content in contents(raw)]
    assert found == [(each, each.size) for each in parse(raw).attachments]
    storable(html_body(raw))


def header(block: bytes) -> None:
    """Read the identity of a header, and the whole of it as the value of a field."""
    storable(identify(block))
    text, repairs = decode_words(block)
    storable((text, *repairs, *ids_of(block)))
    assert not any(character in text for character in "\r\n\x1b")


def charset(data: bytes) -> None:
    """Decode bytes under the label that stands in their first line."""
    label, _, rest = data.partition(b"\n")
    text, repair = decode_charset(rest, label.decode("latin-1"))
    storable((text, repair))


def addresses(value: str) -> None:
    """Read the mailboxes of a field; each address is as addresses are compared."""
    mailboxes, ambiguous = parse_mailboxes(value)
    storable(mailboxes)
    assert all(each.address == normalise(each.address) for each in mailboxes)
    assert ambiguous or len(mailboxes) == 1


def html(source: str) -> None:
    """Read a document."""
    reading = read_html(source)
    storable(reading)
    assert reading.trackers >= 0


def quotes(text: str) -> None:
    """Tell the new text from the rest."""
    found = separate(text)
    storable(found)
    separated(text, found.spans, found.forwards)


def calendar(text: str) -> None:
    """Read the events of a calendar."""
    storable(invitations(text, "REQUEST") or ())


def tnef(data: bytes) -> None:
    """Unpack a winmail.dat with its rich text; nothing in it is larger than the whole."""
    packed = unpack(data)
    storable((packed.subject, packed.text, packed.html, *((file.name, file.type) for file in packed.files)))
    assert len(packed.files) <= FILES
    assert sum(len(file.content) for file in packed.files) <= len(data)
    storable(read_rtf(decompressed(packed.rtf)))


def rtf(data: bytes) -> None:
    """Read a rich text, packed or not."""
    storable(read_rtf(data))
    storable(read_rtf(decompressed(data)))


def report(data: bytes) -> None:
    """Read a delivery report, by the standard and in its own words."""
    text, _ = decode_charset(data, None)
    told = (*standard_deliveries(data), *told_deliveries(text, [data[:100]], frozenset()))
    storable(told)
    assert all(each.address == normalise(each.address) for each in told)
    assert all("\n" not in each.reason for each in told)


def plain(text: str) -> None:
    """Unfold a text in both ways of RFC 3676 and take its first line."""
    for delete_space in (False, True):
        storable(unflow(text, delete_space=delete_space))
    assert len(preview(text)) <= PREVIEW_CHARACTERS
    assert "\n" not in preview(text)


def search(text: str) -> None:
    """Cut a text into terms, and what a person could type of it as a question."""
    found = terms(text)
    storable(tuple(found))
    assert all(0 < len(term) <= TERM_CHARACTERS for term in found)
    now = datetime(2026, 6, 15, tzinfo=UTC)
    with suppress(UsageError):
        asked = parse_query(text[:1_000], now)
        assert parse_query(written(asked), now) == asked


def storable(value: object) -> None:
    """Every string inside, at any depth, is one that both databases take: no NUL, no lone surrogate."""
    match value:
        case str():
            assert "\0" not in value, value
            value.encode("utf-8")
        case tuple():
            for each in value:
                storable(each)
        case _ if is_dataclass(value):
            for each in fields(value):
                storable(getattr(value, each.name))
        case _:
            pass


def separated(text: str, spans: tuple[Span, ...], forwards: tuple[Forward, ...]) -> None:
    """The spans of a text are whole lines of it, in order and apart, without the blank lines around."""
    position = 0
    for span in spans:
        assert position <= span.start < span.end <= len(text), span
        assert span.start == 0 or text[span.start - 1] == "\n", span
        assert span.end == len(text) or text[span.end] == "\n", span
        assert text[span.start : span.end].strip("\n") == text[span.start : span.end], span
        position = span.end
    assert len(forwards) == sum(span.kind is SpanKind.FORWARD for span in spans)
    assert all(not each.address or each.address == normalise(each.address) for each in forwards)

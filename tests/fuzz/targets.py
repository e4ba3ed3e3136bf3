"""What is fuzzed: each reader of hostile bytes, what its inputs are made of, and what could take it long."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from mailcrm.core.headers import HEADER_BYTES
from mailcrm.core.mime import TEXT_BYTES
from tests.fuzz import promises, shapes

#: A beginning, what is repeated, and an end that is repeated as often; `{}` is the number of the repetition.
Pattern = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A reader that asserts what it promises, and four ways to trouble it.

    `most` is how many bytes an email can give it; `inputs` are made by Hypothesis; `seeds` and
    `words` are where a fuzzer starts; `patterns` make inputs of any size.
    """

    read: Callable[[bytes], object]
    most: int
    inputs: st.SearchStrategy[bytes]
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    patterns: Sequence[Pattern]


def _of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Return a reader of text as `core.headers.decode_charset` hands it on."""
    return lambda data: read(data.decode("utf-8", "replace").replace("\0", ""))


def _encoded(words: Sequence[str]) -> list[bytes]:
    return [word.encode() for word in words]


def _repeated(words: Sequence[bytes], *, after: bytes = b"") -> Iterator[Pattern]:
    """Yield each word over and over: at once, with a letter between, on lines of its own."""
    for word in dict.fromkeys(words):
        yield after, word, b""
        yield after, word + b"a", b""
        yield after, word + b"\n", b""


_NESTED = (
    b'( )|< >|[ ]|" "|<div> </div>|<b> </b>|<blockquote> </blockquote>|<table><tr><td> </table>|<pre> </pre>'
    b"|<ul><li> </ul>|<div\tstyle=display:none> </div>|<span\thidden> </span>|<a\thref=x> </a>|<font> </p>"
    b"|<!-- -->|=?utf-8?q? ?=|<template> </template>|<script> </script>|<style> <"
).split(b"|")
_CHANGING = b"<{}@example.com>|a{}@example.com,|a*{}*=b;|x{}: y\n|<p>{}|&#{};|{}@|\n{}|<h{}>".split(b"|")


def _nested(*, after: bytes = b"") -> Iterator[Pattern]:
    """Yield what is opened as often as it is closed, and what is different each time."""
    for pair in _NESTED:
        opening, closing = pair.split(b" ")
        yield after, opening.replace(b"\t", b" "), closing
    for word in _CHANGING:
        yield after, word, b""


_HTML = b"Content-Type: text/html\n\n"
_MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"

#: What a body begins after.
_BODIES = (
    b"\n",
    _HTML,
    *(b"Content-Type: text/plain; %b\n\n" % each for each in (b"format=flowed", b"charset=x")),
    *(
        b"Content-Type: text/plain; charset=%b\n\n" % each
        for each in (b"iso-2022-jp", b"iso-2022-kr", b"euc-kr")
    ),
    *(
        b"Content-Transfer-Encoding: %b\n\n" % each
        for each in (b"base64", b"quoted-printable", b"x-uuencode")
    ),
    *(b"Content-Type: %b\n\n" % each for each in (b"multipart/mixed", b"message/rfc822", b"text/calendar")),
    _MIXED,
    _MIXED + b"--b",
    _MIXED + b"--b\n" + _HTML,
    b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n",
    b"Content-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22\x00\x00",
)

#: One of each kind of field.
_FIELDS = (b"From", b"Subject", b"Date", b"References", b"Content-Type", b"Content-Disposition", b"List-Id")


def _of_mail() -> Iterator[Pattern]:
    """Yield the repetitions in each field that is read, and in each kind of body."""
    header = [*shapes.HEADER_WORDS, *shapes.STRUCTURE_WORDS]
    for name in _FIELDS:
        yield from ((name + b": ", word, b"") for word in header)
        yield from _nested(after=name + b": ")
        yield b"", name + b": <a{}@example.com>\n", b""
    yield from _repeated(header)
    more = (b"a ", b"A", b"=41", b"\xbe\xc8", b"\x1b$B")
    body = [*shapes.STRUCTURE_WORDS, *_encoded(shapes.TEXT_WORDS), *_encoded(shapes.CALENDAR_WORDS), *more]
    for start in _BODIES:
        yield from ((start, word, b"") for word in body)
    yield from ((_BODIES[-1], word, b"") for word in shapes.TNEF_WORDS)
    yield from _repeated(_encoded(shapes.HTML_WORDS), after=_HTML)
    yield from _nested(after=_HTML)
    for kind in shapes.MULTIPARTS:
        yield b"", b"Content-Type: multipart/%b; boundary=b{}\n\n--b{}\n" % kind, b""
        yield b"", b"Content-Type: multipart/%b; boundary=b\n\n--b\n" % kind, b"--b--\n"
    yield b"", b"Content-Type: message/rfc822\n\n", b""
    for part in (
        b"Content-Type: message/rfc822\n\nSubject: a",
        _HTML + b"<p>a",
        b"Content-Disposition: attachment\n",
    ):
        yield _MIXED, b"--b\n" + part + b"\n", b""


TARGETS = {
    "parse": Target(
        read=promises.email,
        most=TEXT_BYTES,
        inputs=shapes.edited(shapes.mails() | st.sampled_from(shapes.MAILS), shapes.STRUCTURE_WORDS),
        seeds=shapes.MAILS,
        words=[*shapes.STRUCTURE_WORDS, *shapes.HEADER_WORDS, *(name + b": " for name in shapes.FIELD_NAMES)],
        patterns=list(_of_mail()),
    ),
    "files": Target(
        read=promises.files,
        most=TEXT_BYTES,
        inputs=shapes.edited(shapes.mails() | st.sampled_from(shapes.MAILS), shapes.STRUCTURE_WORDS),
        seeds=shapes.MAILS,
        words=shapes.STRUCTURE_WORDS,
        patterns=[(_MIXED, b"--b\nContent-Type: a/b\nContent-Transfer-Encoding: base64\n\nAAAA\n", b"")],
    ),
    "header": Target(
        read=promises.header,
        most=HEADER_BYTES,
        inputs=shapes.bytes_of(
            [*shapes.HEADER_WORDS, *(b"\n" + name + b": " for name in shapes.FIELD_NAMES)]
        ),
        seeds=[mail.partition(b"\r\n\r\n")[0] for mail in shapes.MAILS],
        words=[*shapes.HEADER_WORDS, *(name + b": " for name in shapes.FIELD_NAMES)],
        patterns=[
            *_repeated(shapes.HEADER_WORDS, after=b"Subject: "),
            *_repeated(shapes.HEADER_WORDS, after=b"References: "),
        ],
    ),
    "charset": Target(
        read=promises.charset,
        most=TEXT_BYTES,
        inputs=st.builds(
            lambda label, data: label.encode() + b"\n" + data,
            shapes.LABELS,
            shapes.bytes_of(shapes.HEADER_WORDS) | st.binary(),
        ),
        seeds=[f"{label}\n안녕 您好 ü".encode() for label in shapes.CHARSETS],
        words=[
            *shapes.HEADER_WORDS,
            *_encoded(shapes.CHARSETS),
            *b"cp windows- ibm dos iso-8859- 85 86 125".split(),
        ],
        patterns=[
            (label.encode() + b"\n" + before, word, b"")
            for label in shapes.CHARSETS
            for before in (b"", b"\xbe")
            for word in b"a|\xbe\xc8|\xff|\x1b$B|\x1b(I0|+AGE-|\x0e\x30|~{|\xed\xa0\x80".split(b"|")
        ],
    ),
    "addresses": Target(
        read=_of_text(promises.addresses),
        most=HEADER_BYTES,
        inputs=shapes.bytes_of(shapes.HEADER_WORDS),
        seeds=[
            b'"Kim, Jane" <kim@example.kr>, a@example.com (b), group: c@example.org;',
            b"=?utf-8?q?a?= <b@example.kr>",
        ],
        words=shapes.HEADER_WORDS,
        patterns=[*_repeated(shapes.HEADER_WORDS), *_nested(), *_repeated(shapes.HEADER_WORDS, after=b'"')],
    ),
    "html": Target(
        read=_of_text(promises.html),
        most=TEXT_BYTES,
        inputs=shapes.text_of(shapes.HTML_WORDS).map(str.encode),
        seeds=[shapes.HTML.encode()],
        words=_encoded(shapes.HTML_WORDS),
        patterns=[
            *_repeated(_encoded(shapes.HTML_WORDS)),
            *_repeated(_encoded(shapes.HTML_WORDS), after=b"<div style=display:none>"),
            *_nested(),
        ],
    ),
    "quotes": Target(
        read=_of_text(promises.quotes),
        most=TEXT_BYTES,
        inputs=shapes.text_of(shapes.TEXT_WORDS).map(str.encode),
        seeds=[shapes.REPLY.encode()],
        words=_encoded(shapes.TEXT_WORDS),
        patterns=[
            *_repeated(_encoded(shapes.TEXT_WORDS)),
            *(
                (before, word, after)
                for before in _encoded(
                    ("> ", "On Mon, 1 Jan 2024, ", "From: a <a@example.com>\n", "a\n\n", "보낸사람: ")
                )
                for word in _encoded(shapes.TEXT_WORDS)
                for after in (b"", b"\nTo: b\n")
            ),
        ],
    ),
    "calendar": Target(
        read=_of_text(promises.calendar),
        most=TEXT_BYTES,
        inputs=shapes.edited(
            st.just(shapes.CALENDAR.encode()) | shapes.text_of(shapes.CALENDAR_WORDS).map(str.encode),
            _encoded(shapes.CALENDAR_WORDS),
        ),
        seeds=[shapes.CALENDAR.encode()],
        words=_encoded(shapes.CALENDAR_WORDS),
        patterns=[
            *_repeated(_encoded(shapes.CALENDAR_WORDS)),
            *_repeated(_encoded(shapes.CALENDAR_WORDS), after=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n"),
            (b"", b"BEGIN:VEVENT\n", b"END:VEVENT\n"),
            (b"BEGIN:VCALENDAR\n", b"BEGIN:VEVENT\n", b"END:VEVENT\n"),
            (b"BEGIN:VCALENDAR\n", b"BEGIN:VTIMEZONE\nTZID:{}\nEND:VTIMEZONE\n", b""),
        ],
    ),
    "tnef": Target(
        read=promises.tnef,
        most=TEXT_BYTES,
        inputs=shapes.edited(st.just(shapes.TNEF), shapes.TNEF_WORDS),
        seeds=[shapes.TNEF],
        words=shapes.TNEF_WORDS,
        patterns=[
            *((shapes.TNEF, word, b"") for word in shapes.TNEF_WORDS),
            (shapes.TNEF, shapes.TNEF[6:], b""),
            *(
                (b"\x78\x9f\x3e\x22\x00\x00" + level, word, b"")
                for level in (b"\1", b"\2")
                for word in shapes.TNEF_WORDS
            ),
        ],
    ),
    "rtf": Target(
        read=promises.rtf,
        most=TEXT_BYTES,
        inputs=shapes.edited(st.sampled_from((shapes.RTF, shapes.PACKED_RTF)), shapes.RTF_WORDS),
        seeds=[shapes.RTF, shapes.PACKED_RTF],
        words=shapes.RTF_WORDS,
        patterns=[
            *_repeated(shapes.RTF_WORDS),
            *_repeated(shapes.RTF_WORDS, after=shapes.RTF[:-1]),
            (b"{", b"{", b"}"),
        ],
    ),
    "report": Target(
        read=promises.report,
        most=TEXT_BYTES,
        inputs=shapes.edited(st.just(shapes.REPORT), shapes.REPORT_WORDS)
        | shapes.bytes_of(shapes.REPORT_WORDS),
        seeds=[shapes.REPORT],
        words=shapes.REPORT_WORDS,
        patterns=[
            *_repeated(shapes.REPORT_WORDS),
            *_repeated(shapes.REPORT_WORDS, after=b"could not be delivered\n"),
        ],
    ),
    "plain": Target(
        read=_of_text(promises.plain),
        most=TEXT_BYTES,
        inputs=shapes.text_of(shapes.TEXT_WORDS).map(str.encode),
        seeds=[shapes.REPLY.encode()],
        words=_encoded(shapes.TEXT_WORDS),
        patterns=list(_repeated(_encoded(shapes.TEXT_WORDS))),
    ),
    "search": Target(
        read=_of_text(promises.search),
        most=TEXT_BYTES,
        inputs=shapes.text_of(shapes.TEXT_WORDS).map(str.encode),
        seeds=['계약서 "price list" -draft 見積書'.encode()],
        words=_encoded(shapes.TEXT_WORDS),
        patterns=list(_repeated(_encoded(shapes.TEXT_WORDS))),
    ),
}

"""What hostile and broken mail is made of: words, seeds, and Hypothesis strategies for whole emails.

All people are at example.com, .org and .kr. What is read from it is left to `tests.fuzz.targets`.
"""

import base64
import quopri
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

# --- words ------------------------------------------------------------------------------------


def _cut(words: str) -> list[str]:
    return words.split("|")


#: What means something to a reader of header fields.
HEADER_WORDS = (
    b"=?|?=|?B?|?Q?|=?utf-8?B?|=?utf-8?q?|=?euc-kr?B?|=?iso-2022-jp?b?|=?x?q?|=?utf-8?B?7JWI64WV?="
    b"|=?utf-8?q?=C3=BC?=|=?us-ascii*en?q?a?=|\x1b$B|\x1b(B|\x1b$)C|\xec\x95\x88|\xbe\xc8|\xc4\xe3|\x82\xa0"
    b"|\xff\xfe|\xfe\xff|\x00|\x80|\xa4|<|>|(|)|\"|\\|@|,|;|:|[|]| |\t|=|%|'|*|.|\n |\r\n\t|\n|\r"
    b'|<a@example.com>|jane@example.org|kim@example.kr|"Kim, Jane" |undisclosed-recipients:;'
    b"|<@a,@b:c@example.com>|Re: |+0900|Mon, 1 Jan 2024 00:00:00 |99999|a*0*=utf-8''%E4;|a*1=b;"
).split(b"|")

FIELD_NAMES = (
    b"From To Cc Bcc Reply-To Sender Subject Date Message-ID In-Reply-To References Return-Path Received "
    b"Auto-Submitted Precedence List-Id Authentication-Results X-Failed-Recipients MIME-Version Content-ID "
    b"Content-Type Content-Disposition Content-Transfer-Encoding"
).split()

MULTIPARTS = b"mixed alternative related report digest signed encrypted".split()

#: What means something to a reader of the structure.
STRUCTURE_WORDS = (
    b"--b\n|--b--\n|--b|\r\n--b\r\n|--bb\n|--\n|--c\n|--c--\n|\n\n|\r\n\r\n|From x\n|message/rfc822"
    b"|message/delivery-status|message/partial|text/plain|text/html|text/calendar; method=REQUEST"
    b'|application/ms-tnef|application/pkcs7-mime|; boundary=b|; boundary="b"|; boundary=|; charset=|; name='
    b"|; filename*0*=utf-8''%E4|; name*1=|; format=flowed|; delsp=yes|base64|quoted-printable|8bit|x-uuencode"
    b"|inline|attachment|Final-Recipient: rfc822; jane@example.org\n|Action: failed\n|Status: 5.1.1\n"
    b"|begin 644 a\n|`\nend\n|=\n|=E4|Content-Type: |Content-Transfer-Encoding: |=2D=2D"
).split(b"|") + [b"multipart/" + kind for kind in MULTIPARTS]

CHARSETS = _cut(
    "utf-8|us-ascii|iso-8859-1|windows-1252|euc-kr|ks_c_5601-1987|cp949|johab|iso-2022-kr|gb2312|gb18030|"
    "hz-gb-2312|big5|shift_jis|euc-jp|iso-2022-jp|iso-2022-jp-ms|koi8-r|windows-1251|utf-7|utf-16|utf-16le|"
    "utf-32|unknown-8bit|default|unicode_escape|''"
)

#: Those that a program could take for a charset by their form.
LABELS = st.sampled_from(CHARSETS) | st.builds(
    "{}{}{}".format,
    st.sampled_from(
        ("cp", "x-cp", "ibm", "windows", "dos", "iso", "iso8859", "iso-8859", "koi8", "utf", "mac", "")
    ),
    st.sampled_from(("-", "_", "")),
    st.integers(0, 17) | st.integers(0, 1_300) | st.integers(),
)

HTML_WORDS = _cut(
    "<p>|</p>|<div>|</div>|<br>|<table>|<tr>|<td>|</td>|</tr>|</table>|<ul>|<ol>|<li>|</li>|<blockquote>"
    '|</blockquote>|<pre>|</pre>|<a href="https://example.com/">|</a>|<script>|</script>|<style>|</style>'
    '|<!--|-->|<!-->|<!|<?|?>|<![CDATA[|]]>|<div style="display:none">|<span hidden>|<template>|</template>'
    '|<img width=1 height=1 src="https://example.com/t.gif">|<img |<img src="cid:a@example.com" alt="'
    '|<title>|<textarea>|<svg>|<math>|<div class="gmail_quote">|<div id="appendonsend">|<o:p>|<v:shape>'
    "|<![if !mso]>|<b|<a href='|&|&nbsp;|&#x110000;|&#0;|&#xd800;|&amp;amp;|&#99999999999;|&lt|<|>|\"|'|=|/"
    "|안녕하세요|您好|\u200b|\u00ad|\x1d|\x1e|\x1f|\0|\n| |\t|word|display:none|style="
)

TEXT_WORDS = _cut(
    "> |>|>> |>>>>|On |On Mon, 1 Jan 2024 at 10:00, Jane <jane@example.com> wrote:\n|wrote:|wrote:\n|From: "
    "|From: Jane <jane@example.com>\n|Sent: |To: |Cc: |Date: |Subject: |보낸사람: |받는사람: |님이 작성:"
    "|2024년 1월 1일 (월) 오전 10:00, 김철수 <kim@example.kr>님이 작성:\n|发件人：|发送时间：|收件人："
    "|写道：\n|差出人: |件名: |Le | a écrit :\n|Am | schrieb |schrieb:\n|El | escribió:\n|Em | escreveu:\n"
    "|Il | ha scritto:\n|Op | schreef:\n|W dniu | napisał:\n| пишет:\n|От: |-----Original Message-----\n"
    "|---------- Forwarded message ---------\n|________________________________\n|-- \n|--\n|*From:* "
    "|Sent from my iPhone\n|Begin forwarded message:\n|<jane@example.com>|https://example.com/|\n|\n\n| |\t"
    "|\r\n|\r|\u3000|\u00a0|\u2028|\0|안녕하세요 |您好|お世話になります|word |1|:|e\u0301|\u0e33|\u1100\u1161"
    '|\ufdfa|\ufb01|\u2167|\U0001f468\u200d\U0001f469|"|-|ß|İ'
)

CALENDAR_WORDS = _cut(
    "BEGIN:VCALENDAR\n|END:VCALENDAR\n|BEGIN:VEVENT\n|END:VEVENT\n|BEGIN:VTIMEZONE\n|END:VTIMEZONE\n|METHOD:"
    "|BEGIN:STANDARD\n|BEGIN:DAYLIGHT\n|TZID:Korea\n|TZOFFSETTO:+0900\n|TZOFFSETFROM:+2460\n|DTSTART|DTEND"
    "|;TZID=Korea|;TZID=|;VALUE=DATE|:20240101T100000Z|:20240101T100000\n|:00000000\n|:99999999T999999\n"
    "|:00010101T000000\n|:99991231T235959\n|;TZID=Asia/Seoul|;TZID=America/Los_Angeles|DURATION:P99999D\n"
    "|DURATION:PT1H\n|DURATION:-P99999999999W\n|RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\n|RRULE:FREQ=SECONDLY\n"
    '|SUMMARY|;LANGUAGE=ko|:회의\\, 서울|ORGANIZER;CN="|mailto:jane@example.com|LOCATION:|\n |\n\t|\n|\\n'
    '|\\|;|:|"'
)

TNEF_WORDS = (
    b'x\x9f>"|\x00|\xff\xff\xff\xff|\xff\xff\xff\x7f|\x01|\x02|\x02\x02\x90\x06\x00|\x02\x0f\x80\x06\x00'
    b"|\x02\x10\x80\x01\x00|\x02\x05\x90\x06\x00|\x01\x03\x90\x06\x00|\x1f\x00\x077|\x1e\x00\x077|\x02\x01"
    b"|\r\x00\x017|\x1f\x10|\x02\x10|\x14\x00|\x01\x00\x00\x00|\x00\x00\x00\x10"
).split(b"|")

RTF_WORDS = (
    b"{\\rtf1|\\ansi|\\ansicpg949|\\fromhtml1|\\fromtext|{\\*\\htmltag|\\htmlrtf|\\htmlrtf0|{\\fonttbl|\\f0 "
    b"|\\deff0|{\\f0\\fcharset129 a;}|\\u50504?|\\u-1234|\\uc0|\\uc9|\\'be\\'c8|\\'|\\par\n|\\tab |\\line "
    b"|\\bin9|\\bin99999999 |{|}|\\{|\\}|\\\\|\\*|\\~|{\\*\\mhtmltag|{\\pict|LZFu|MELA|\x00|\xff\xff"
    b"|\xff\xff\xff\x7f|a|1|-| |;"
).split(b"|")

REPORT_WORDS = (
    b"Final-Recipient: rfc822; kim@example.kr\n|Original-Recipient: rfc822;|Action: failed\n"
    b"|Action: delayed\n|Status: 5.1.1\n|Status: 4.|Diagnostic-Code: smtp; 550 no such user\n|\n\n|\n"
    b"|kim@example.kr|.a|\t|@|a@|<kim@example.kr>|kim@example.kr: 550 |could not be delivered|not delivered"
    b"|failed|permanent error|will retry|delayed| |:|-----|=====|To: |From: |original message"
    b"|Reporting-MTA: dns; example.com\n|rfc822;|5.1.1"
).split(b"|")

# --- seeds ------------------------------------------------------------------------------------

REPLY = (
    "Thank you.\n\n-- \nJane\n\nOn Mon, 1 Jan 2024 at 10:00, Kim <kim@example.kr> wrote:\n> Hello\n> > 안녕\n"
    "\n---------- Forwarded message ---------\nFrom: Lee <lee@example.org>\nDate: Mon, 1 Jan 2024\n"
    "Subject: Offer\nTo: <jane@example.com>\n\nThe offer.\n"
)
HTML = (
    "<html><head><style>p {}</style></head><body><div style='display:none'>Preview</div>\n"
    "<p>Hello&nbsp;<b>you</b><br><a href='https://example.com/'>link</a><ul><li>one</ul>\n"
    "<table><tr><td>a<td>b</table><img width=1 height=1 src='https://example.com/t.gif'>\n"
    "<div class='gmail_quote'>On Monday Kim wrote:<blockquote>안녕하세요</blockquote></div></body></html>\n"
)
CALENDAR = (
    "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:Korea\nBEGIN:STANDARD\nDTSTART:16010101T000000\n"
    "TZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nRRULE:FREQ=YEARLY;BYMONTH=1\nEND:STANDARD\nEND:VTIMEZONE\n"
    "BEGIN:VEVENT\nUID:1@example.com\nSUMMARY;LANGUAGE=ko:회의\\, 서울\nDTSTART;TZID=Korea:20240101T100000\n"
    'DURATION:PT1H\nORGANIZER;CN="Doe, Jane":mailto:jane@example.com\nLOCATION:Room\n 1\nEND:VEVENT\n'
    "END:VCALENDAR\n"
)


def _tnef() -> bytes:
    """Return a winmail.dat (MS-OXTNEF, 2.1) with one file, whose name stands there in two ways."""

    def attribute(level: int, name: int, data: bytes) -> bytes:
        checksum = (sum(data) & 0xFFFF).to_bytes(2, "little")
        return (
            bytes((level,)) + name.to_bytes(4, "little") + len(data).to_bytes(4, "little") + data + checksum
        )

    long_name = "a.txt\0".encode("utf-16-le")
    properties = b"\x01\0\0\0\x1f\0\x07\x37\x01\0\0\0" + len(long_name).to_bytes(4, "little") + long_name
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(
        (
            attribute(1, 0x00089006, b"\0\0\x01\0"),
            attribute(1, 0x00078008, b"IPM.Note\0"),
            attribute(2, 0x00069002, b"\x01\0" + b"\xff" * 4 + b"\0" * 8),
            attribute(2, 0x00018010, b"a.txt\0"),
            attribute(2, 0x0006800F, b"what is in the file"),
            attribute(2, 0x00069005, properties),
        )
    )


TNEF = _tnef()

RTF = (
    b"{\\rtf1\\ansi\\ansicpg1252\\fromhtml1{\\fonttbl{\\f0\\fcharset129 Gulim;}}{\\*\\htmltag64 <p>}"
    b"\\htmlrtf \\par\\htmlrtf0 Hello \\f0\\'be\\'c8\\u50504?{\\*\\htmltag72 </p>}\\par}"
)
#: MS-OXRTFCP, 2.1.3.1.1: the rich text as it stands, behind the header of one that is packed.
PACKED_RTF = (len(RTF) + 12).to_bytes(4, "little") + len(RTF).to_bytes(4, "little") + b"MELA\0\0\0\0" + RTF

REPORT = (
    b"Reporting-MTA: dns; example.com\n\nOriginal-Recipient: rfc822;kim@example.kr\n"
    b"Final-Recipient: rfc822; kim@example.kr\nAction: failed\nStatus: 5.1.1\n"
    b"Diagnostic-Code: smtp; 550 no\n such user\n\nThe mail to\n<lee@example.org>: 550 no such user\n"
    b"could not be delivered.\n"
)

_HEAD = "From: Jane <jane@example.com>\nTo: kim@example.kr\nDate: Mon, 1 Jan 2024 10:00:00 +0900\n"

_MIXED = "Content-Type: multipart/mixed; boundary=b\n\n"

#: One email of each kind.
MAILS = [
    mail.replace("\n", "\r\n").encode()
    for mail in (
        (
            _HEAD + "Subject: Hello\nMessage-ID: <1@example.com>\nReferences: <0@example.com>\n"
            "List-Id: <list.example.org>\n\n" + REPLY
        ),
        _HEAD + "Subject: =?euc-kr?B?vsiz58fPvLy/5A==?=\nContent-Type: text/html; charset=utf-8\n\n" + HTML,
        (
            _HEAD + _MIXED + "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nText\n"
            "--c\nContent-Type: text/html\n\n<p>Text\n--c--\n"
            "--b\nContent-Type: application/pdf; name*0*=utf-8''%EA%B2%AC; name*1=.pdf\n"
            "Content-Transfer-Encoding: base64\n\nJVBERg==\n"
            "--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner\n--b--\n"
        ),
        (
            "From: MAILER-DAEMON@example.com\nAuto-Submitted: auto-replied\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n"
            "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; example.com\n\n"
            "Final-Recipient: rfc822; kim@example.kr\nAction: failed\nStatus: 5.1.1\n"
            "Diagnostic-Code: smtp; 550 no\n such user\n\n--b--\n"
        ),
        (
            _HEAD + "Content-Type: multipart/alternative; boundary=b\n\n"
            "--b\nContent-Type: text/plain; format=flowed; delsp=yes\n\nsoft \nbreak\n"
            "--b\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\n\n" + CALENDAR + "--b--\n"
        ),
        (
            _HEAD + _MIXED + '--b\n\nText\n--b\nContent-Type: application/ms-tnef; name="winmail.dat"\n'
            "Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(TNEF).decode() + "--b--\n"
        ),
        (
            _HEAD + "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=b\n\n"
            "--b\n\nSigned\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n"
            "Content-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
        ),
    )
]

# --- strategies -------------------------------------------------------------------------------


def bytes_of(words: Sequence[bytes], *, most: int = 30) -> st.SearchStrategy[bytes]:
    """Return strings of these words and of any others."""
    return st.lists(st.sampled_from(words) | st.binary(max_size=6), max_size=most).map(b"".join)


def text_of(words: Sequence[str], *, most: int = 40) -> st.SearchStrategy[str]:
    """Return strings of these words and of any others."""
    return st.lists(st.sampled_from(words) | st.text(max_size=6), max_size=most).map("".join)


_ENCODINGS: dict[bytes, Callable[[bytes], bytes]] = {
    b"base64": base64.encodebytes,
    b"quoted-printable": quopri.encodestring,
    b"8bit": bytes,
}

_CONTENTS = {
    b"text/plain": text_of(TEXT_WORDS),
    b"text/plain; format=flowed": text_of(TEXT_WORDS),
    b"text/html": text_of(HTML_WORDS),
    b"text/calendar; method=REQUEST": text_of(CALENDAR_WORDS),
}


@st.composite
def edited(draw: st.DrawFn, originals: st.SearchStrategy[bytes], words: Sequence[bytes]) -> bytes:
    """Return the originals after a few cuts, repetitions, insertions and changed bytes."""
    data = draw(originals)
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        old = data[start : start + draw(st.integers(0, 40))]
        new = draw(
            st.sampled_from((b"", *words)) | st.binary(max_size=4) | st.integers(2, 60).map(old.__mul__)
        )
        data = data[:start] + new + data[start + len(old) :]
    return data


@st.composite
def _leaves(draw: st.DrawFn) -> bytes:
    """Return a part that holds something, its charset not always the one that it says."""
    kind = draw(
        st.sampled_from((*_CONTENTS, b"application/ms-tnef", b"message/delivery-status", b"message/rfc822"))
    )
    if kind in _CONTENTS:
        charset = draw(LABELS)
        used = draw(st.sampled_from(("utf-8", "euc-kr", "gb18030", "big5", "shift_jis", "utf-16", charset)))
        try:
            data = draw(_CONTENTS[kind]).encode(used, "replace")
        except (LookupError, UnicodeError):
            data = b"\x00\xff+AGE-"
        kind += b"; charset=" + charset.encode()
    elif kind == b"application/ms-tnef":
        data = draw(edited(st.just(TNEF), TNEF_WORDS))
    else:
        data = draw(bytes_of((*HEADER_WORDS, *STRUCTURE_WORDS)))
    encoding = draw(st.sampled_from(sorted(_ENCODINGS)))
    named = draw(
        st.sampled_from((b"", b"Content-Disposition: attachment; filename=a\r\n", b"Content-ID: <a@b>\r\n"))
    )
    head = b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n%b\r\n" % (kind, encoding, named)
    return head + _ENCODINGS[encoding](data)


@st.composite
def _multiparts(draw: st.DrawFn, parts: st.SearchStrategy[bytes]) -> bytes:
    boundary = draw(st.sampled_from((b"b", b"bb", b"c", b"=_x y", b"")))
    end = draw(st.sampled_from((b"\r\n", b"\n")))
    edge = end + b"--" + boundary
    body = b"".join(edge + end + part for part in draw(st.lists(parts, max_size=4)))
    last = draw(st.sampled_from((edge + b"--" + end, b"", edge)))
    return b'Content-Type: multipart/%b; boundary="%b"%b' % (
        draw(st.sampled_from(MULTIPARTS)),
        boundary,
        end + body + last,
    )


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """Return emails with nested parts, as programs write them apart from what they say."""
    names = st.sampled_from(FIELD_NAMES[:-3])
    fields = draw(st.lists(st.tuples(names, bytes_of(HEADER_WORDS, most=12)), max_size=8))
    head = b"".join(b"%b: %b\r\n" % (name, value.replace(b"\n", b"\n ")) for name, value in fields)
    return head + draw(st.recursive(_leaves(), _multiparts, max_leaves=6))

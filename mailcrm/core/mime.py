"""What an email says: bytes in, a `ParsedEmail` out, whatever the bytes are.

Which part is text, file, invitation or report is decided here. The structure is left to `core.parts`,
header fields to `core.headers` and `core.authentication`, mailboxes to `core.addresses`, HTML to
`core.html`, what of the text is new to `core.quotes`; and what is rare, calendars, reports and
winmail.dat, to modules that are imported when an email has one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mailcrm.core.addresses import MAILBOXES, parse_mailboxes
from mailcrm.core.authentication import authentication
from mailcrm.core.charsets import decode_charset
from mailcrm.core.headers import (
    Fields,
    decode_words,
    fields_of,
    identify_header,
    identity_of,
    ids_of,
    split,
    value_of,
)
from mailcrm.core.html import read_html
from mailcrm.core.model import Participant, ParticipantRole
from mailcrm.core.parsed import Attachment, Delivery, Invitation, ParsedEmail
from mailcrm.core.parts import PART_FIELDS, Message, Part, word
from mailcrm.core.quotes import Separated, separate
from mailcrm.core.spans import new_and_quoted
from mailcrm.core.text import preview, unflow

if TYPE_CHECKING:
    from mailcrm.core.tnef import Tnef

#: The version of the reading of emails: raised when it, or what it is left to, reads something otherwise.
#: `mailcrm store reparse` then reads again what was read by an older one.
READING = 1

#: No real email comes near; what was cut off is told in `repairs`, as `limit:text` and so on.
TEXT_BYTES = 2_000_000
REFERENCES = 100
#: Emails in a winmail.dat have one of their own, and so on.
TNEF_DEPTH = 5
#: To decompress takes more time than to read; Outlook makes one.
TNEF_TEXTS = 3
#: That a program shows no HTML is said in one or two sentences, in two languages and with a link to a page.
STUB_CHARACTERS = 400
INVITATIONS = 20
#: What the preview of an email that only forwards is looked for in.
FORWARDS = 5
FORWARD_CHARACTERS = 10_000

_ROLES = {
    b"from": ParticipantRole.FROM,
    b"sender": ParticipantRole.SENDER,
    b"reply-to": ParticipantRole.REPLY_TO,
    b"to": ParticipantRole.TO,
    b"cc": ParticipantRole.CC,
    b"bcc": ParticipantRole.BCC,
}
#: That an email has one of these at all says that a program sent it, or that it asks for no answer.
_BULK_FIELDS = frozenset(
    (b"list-id", b"list-unsubscribe", b"x-auto-response-suppress", b"x-failed-recipients")
)
_EMAIL_FIELDS = frozenset(
    (
        *_ROLES,
        *_BULK_FIELDS,
        *PART_FIELDS,
        *(b"message-id", b"date", b"subject", b"in-reply-to", b"references"),
        *(b"auto-submitted", b"precedence", b"return-path", b"authentication-results"),
    )
)
#: Longer address fields are those of many people, and do not come again as they are.
PEOPLE_BYTES = 200


def parse(raw: bytes) -> ParsedEmail:
    """Return what an email says; never raises, and takes time linear in its size.

    What had to be guessed, mended or cut off is named in `repairs`.
    """
    email = _Email(raw)
    fields, message = email.fields, email.message
    message_id, sent_at = email.identity()
    subject = message.repaired(*decode_words(value_of(fields, b"subject")))
    participants, ambiguous = _participants(message, fields)
    text = email.text()
    attachments = tuple(attachment for attachment, _ in email.attached())
    answered = email.root.type == "multipart/report" or _is_answer_of_program(fields)
    automatic = answered or _is_automatic(fields)
    deliveries = email.deliveries(subject, text, participants, answered=answered)
    signed, encrypted = email.protection(text)
    # The first in the header is the last written: by the server that delivered it (RFC 8601, 4.1).
    checked = authentication(value_of(fields, b"authentication-results"))
    separated = separate(text, subject)
    return ParsedEmail(
        message_id=message_id,
        in_reply_to=ids_of(_joined(fields, b"in-reply-to"))[-REFERENCES:],
        references=ids_of(_joined(fields, b"references"))[-REFERENCES:],
        sent_at=sent_at,
        subject=subject,
        participants=participants,
        from_ambiguous=ambiguous,
        automatic=automatic or bool(deliveries),
        authserv_id=checked.authserv_id if checked else "",
        dmarc=checked.dmarc if checked else "",
        text=text,
        preview=_preview(text, separated) or preview(text),
        spans=separated.spans,
        forwards=separated.forwards,
        attachments=attachments,
        invitations=email.invitations(),
        deliveries=deliveries,
        signed=signed,
        encrypted=encrypted,
        trackers=email.trackers,
        repairs=tuple(message.repairs),
    )


def contents(raw: bytes) -> Iterator[tuple[Attachment, bytes]]:
    """Yield the attachments that `parse` names, in the same order, with their bytes.

    An attached email is its original bytes.
    """
    email = _Email(raw)
    for attachment, content in email.attached():
        yield attachment, content if isinstance(content, bytes) else email.message.content(content)


def html_body(raw: bytes) -> str:
    """Return the HTML of an email as it stands there, empty when there is none."""
    return _Email(raw).html


def _preview(text: str, separated: Separated, depth: int = 1) -> str:
    """Return the preview of what is new, else of the email that is forwarded, which may only forward, too."""
    new, _ = new_and_quoted(text, separated.spans)
    shown, start = preview(new), separated.forwarded_at
    if shown or start is None or depth > FORWARDS:
        return shown
    inner = text[start : start + FORWARD_CHARACTERS].strip("\n")
    if inner.startswith(">"):
        inner = "\n".join(line.lstrip("> ") for line in inner.split("\n"))
    return _preview(inner, separate(inner), depth + 1)


# --- the header -------------------------------------------------------------------------------


def _joined(fields: Fields, name: bytes) -> bytes:
    return b" ".join(fields.get(name, ()))


def _participants(message: Message, fields: Fields) -> tuple[tuple[Participant, ...], bool]:
    """Return who is named in the address fields, each once per field, and whether From is ambiguous."""
    found: dict[tuple[ParticipantRole, str], Participant] = {}
    doubts: list[bool] = []
    for name, role in _ROLES.items():
        for value in fields.get(name, ()):
            if len(found) >= MAILBOXES:
                message.repair("limit:people")
                break
            read = _people_once if len(value) <= PEOPLE_BYTES else _people
            people, doubt, repairs = read(role, value)
            for repair in repairs:
                message.repair(repair)
            for someone in people:
                found.setdefault((role, someone.address), someone)
            if role is ParticipantRole.FROM:
                doubts.append(doubt)
    return tuple(found.values()), doubts != [False]


def _people(role: ParticipantRole, value: bytes) -> tuple[tuple[Participant, ...], bool, tuple[str, ...]]:
    """Return who an address field names, whether that is ambiguous, and what was mended."""
    # Encoded words stay as they are until the mailboxes are told apart.
    plain, repair = decode_charset(value, None)
    repairs = [repair] if repair else []
    if b"=?" in value:
        repairs += decode_words(value)[1]
    mailboxes, doubt = parse_mailboxes(plain)
    if len(mailboxes) >= MAILBOXES:
        repairs.append("limit:people")
    people = tuple(Participant(role=role, name=each.name, address=each.address) for each in mailboxes)
    return people, doubt, tuple(repairs)


#: The same few people write most of the emails; some 1 MB.
_people_once = lru_cache(maxsize=1_000)(_people)

_SUBMITTED_BY_PERSON = re.compile(rb"(?:no)?(?=[;(\s]|\Z)", re.IGNORECASE)


def _is_automatic(fields: Fields) -> bool:
    """Say whether the header shows what a program sends, list or bulk mail (RFC 3834, 2919, 2369)."""
    return (
        not _BULK_FIELDS.isdisjoint(fields)
        or _SUBMITTED_BY_PERSON.match(value_of(fields, b"auto-submitted")) is None
        or value_of(fields, b"precedence").lower() in (b"bulk", b"list", b"junk", b"auto_reply")
    )


def _is_answer_of_program(fields: Fields) -> bool:
    """Say whether the header shows a bounce or an auto-reply (RFC 5321, 4.5.5; RFC 3834, 5)."""
    return (
        value_of(fields, b"auto-submitted").lower().startswith(b"auto-replied")
        or value_of(fields, b"return-path").replace(b" ", b"") == b"<>"
        or b"mailer-daemon" in (value_of(fields, b"from") + value_of(fields, b"return-path")).lower()
    )


# --- the parts --------------------------------------------------------------------------------

_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset=[\"']?([a-z0-9_:-]{1,40})", re.IGNORECASE)
_REFERRED = re.compile(r"cid:([^\"'\s<>)]{1,300})", re.IGNORECASE)
_IMAGE_NAMES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".svg", ".tif", ".tiff", ".heic")
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_TNEF_NAMES = frozenset(("winmail.dat", "win.dat"))
_EMAIL_TYPES = frozenset(("message/rfc822", "message/global"))
_REPORT_TYPES = frozenset(("message/delivery-status", "message/global-delivery-status"))
_CALENDAR_TYPES = frozenset(("text/calendar", "application/ics"))
_SMIME_TYPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
# RFC 9580, 6.2: a line that begins what PGP wrote.
_ARMOR = re.compile(r"^-----BEGIN PGP ((?:SIGNED )?MESSAGE)-----[ \t]*+$", re.MULTILINE)
# RFC 5652, 4 and 6.1, and RFC 5083, 2.1: which object a message of S/MIME is that does not say so.
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_ENVELOPED_DATA = (bytes.fromhex("2a864886f70d010703"), bytes.fromhex("2a864886f70d0109100117"))
_SERVERS = ("mailer-daemon@", "postmaster@", "mailerdaemon@", "mdaemon@")
_REPORT_SUBJECT = re.compile(
    r"undeliver|non.?deliver|not (?:be )?deliver|reject|bounce"
    r"|deliver.{0,30}(?:fail|status|delay|problem|error|report|suspend)"
    r"|fail.{0,20}(?:notice|deliver)|returned mail|mail (?:delivery|system)"
    r"|unzustell|nicht zu|non remis|non distribu|반송|배달|전송 ?실패|退信|退回|配信|配達",
    re.IGNORECASE,
)
# Suppliers write of a delay of delivery, too: of goods.
_SURE_REPORT_SUBJECT = re.compile(
    r"undeliver(?:able|ed) ?(?:mail|message|e-?mail|:)"
    r"|delivery (?:status notification|failure(?: notice| notification)?\s*\Z)"
    r"|(?:mail|message) (?:delivery (?:fail|problem|warn)|could not be deliver)|returned mail|failure notice",
    re.IGNORECASE,
)


class _Email:
    """An email taken apart, and what is read of its parts."""

    def __init__(self, raw: bytes) -> None:
        self.message = Message(raw)
        end, body = split(self.message.raw)
        self._header = self.message.raw[:end]
        self.fields, self._whole = fields_of(self._header, _EMAIL_FIELDS)
        if not self._whole:
            self.message.repair("limit:header")
        self.root = self.message.root(self.fields, body)
        self._others = [part for part in self.message.parts if not (part.is_multipart() or _is_body(part))]
        self._unpacked: dict[str, Tnef] = {}
        self._text_left = TEXT_BYTES
        self.trackers = 0

    def identity(self) -> tuple[str | None, datetime | None]:
        """Return the Message-ID and the Date, the same as `core.headers.identify`."""
        if self._whole:
            return identity_of(self.fields.get(b"message-id", ()), self.fields.get(b"date", ()))
        return identify_header(self._header)

    # --- text

    def text(self) -> str:
        """Return what is to be read; of a winmail.dat only when there is nothing else."""
        text = self._text(self.root)
        if text or not self._others:
            return text
        packed = islice(self._packed(), TNEF_TEXTS)
        return next(filter(None, map(self._packed_text, packed)), "")

    def _text(self, part: Part) -> str:
        """Return all body parts in order; an alternative in plain text is preferred, if it is one."""
        if not part.children:
            return self._leaf_text(part) if _is_body(part) else ""
        if part.type == "multipart/alternative":
            texts = filter(None, map(self._text, sorted(part.children, key=_begins_with_html)))
            text = next(texts, "")
            return (next(texts, "") or text) if _is_stub(text) else text
        return "\n\n".join(text for text in map(self._text, part.children) if text)

    def _leaf_text(self, part: Part) -> str:
        data = self.message.content(part) if self._text_left else b""
        if len(data) > self._text_left or not self._text_left:
            self.message.repair("limit:text")
        data = data[: self._text_left]
        self._text_left -= len(data)
        text = self._decoded(part, data)
        if part.type == "text/html":
            return self._html_text(text)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if word(part.parameter("format")) == "flowed":
            text = unflow(text, delete_space=word(part.parameter("delsp")) == "yes")
        return text.rstrip().lstrip("\n")

    def _html_text(self, html: str) -> str:
        reading = read_html(html)
        self.trackers += reading.trackers
        return reading.text

    def _decoded(self, part: Part, data: bytes) -> str:
        charset = part.charset
        if part.type == "text/html" and not charset and (meta := _META_CHARSET.search(data, 0, 2_000)):
            charset = meta[1].decode("ascii")
        return self.message.repaired(*decode_charset(data, charset))

    @cached_property
    def html(self) -> str:
        """All HTML that is read in place, as it stands there."""
        found: list[str] = []
        left = TEXT_BYTES
        for part in self.message.parts:
            if part.type != "text/html" or not _is_body(part):
                continue
            data = self.message.content(part)[:left]
            left -= len(data)
            found.append(self._decoded(part, data))
        return "\n".join(found) or next((tnef.html for tnef in self._packed() if tnef.html), "")

    # --- attachments

    def attached(self) -> Iterator[tuple[Attachment, Part | bytes]]:
        """Yield every leaf that is not read in place, with its part, or its bytes from a winmail.dat."""
        for part in self._others:
            tnef = self._opened(part) if _is_tnef(part) else None
            if tnef and tnef.whole:
                yield from self._files(tnef, part.number, depth=1)
                continue
            name = part.name or (self._inner_subject(part) if part.type in _EMAIL_TYPES else "")
            attachment = Attachment(
                part_id=part.number,
                name=name,
                type=part.type,
                size=self.message.size(part),
                inline=self._is_shown(part),
            )
            yield attachment, part
            if tnef:
                yield from self._files(tnef, part.number, depth=1)

    def _inner_subject(self, part: Part) -> str:
        raw = self.message.content(part)
        fields, _ = fields_of(raw[: split(raw)[0]], (b"subject",))
        return self.message.repaired(*decode_words(value_of(fields, b"subject")))

    def _is_shown(self, part: Part) -> bool:
        """Say whether a part is shown: an image by the text, a calendar as the invitation that it is."""
        if not _is_image(part.type, part.name):
            return bool(self._calendars.get(part.number))
        if part.parent == "multipart/related" and part.disposition != "attachment" and not part.first:
            return True
        return self._is_referred(part.content_id.decode("utf-8", "replace"))

    def _is_referred(self, content_id: str) -> bool:
        # Most images have no id, and for those the HTML need not be decoded.
        return content_id != "" and content_id.lower() in self._referred

    @cached_property
    def _referred(self) -> frozenset[str]:
        """The ids of the parts that the HTML shows (RFC 2392)."""
        return frozenset(unquote(found).lower() for found in _REFERRED.findall(self.html))

    # --- winmail.dat

    def _packed(self) -> "Iterator[Tnef]":
        return (self._opened(part) for part in self._others if _is_tnef(part))

    def _opened(self, part: Part) -> "Tnef":
        from mailcrm.core.tnef import unpack  # late: rare

        if part.number not in self._unpacked:
            tnef = self._unpacked[part.number] = unpack(self.message.content(part))
            if not tnef.whole:
                self.message.repair("tnef:broken")
        return self._unpacked[part.number]

    def _packed_text(self, tnef: "Tnef") -> str:
        from mailcrm.core.rtf import RTF_BYTES, decompressed, read_rtf  # late: rare

        text, html = tnef.text, tnef.html
        if not text and not html:
            rtf = decompressed(tnef.rtf)
            if len(rtf) >= RTF_BYTES:
                self.message.repair("limit:text")
            said, is_html = read_rtf(rtf)
            text, html = ("", said) if is_html else (said, "")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return "\n".join(map(str.rstrip, lines)).strip("\n") or self._html_text(html)

    def _files(self, tnef: "Tnef", number: str, *, depth: int) -> Iterator[tuple[Attachment, bytes]]:
        from mailcrm.core.tnef import unpack  # late: rare

        for place, file in enumerate(tnef.files, 1):
            inner = unpack(file.content) if file.type in _TNEF_TYPES and depth < TNEF_DEPTH else None
            shown = _is_image(file.type, file.name) and self._is_referred(file.content_id)
            attachment = Attachment(
                part_id=f"{number}.{place}",
                name=(inner and inner.subject) or file.name,
                type=file.type,
                size=len(file.content),
                inline=shown,
            )
            yield attachment, file.content
            if inner:
                yield from self._files(inner, attachment.part_id, depth=depth + 1)

    # --- what is rare

    def invitations(self) -> tuple[Invitation, ...]:
        """Return what the calendars ask for, each once: many are sent as a part and as a file."""
        found = dict.fromkeys(chain.from_iterable(self._calendars.values()))
        return tuple(found)[:INVITATIONS]

    @cached_property
    def _calendars(self) -> Mapping[str, tuple[Invitation, ...]]:
        """What each calendar that can be read asks for, by the number of its part."""
        found: dict[str, tuple[Invitation, ...]] = {}
        for part in self._others:
            if part.type in _CALENDAR_TYPES or part.name.lower().endswith(".ics"):
                from mailcrm.core.calendar import CALENDAR_BYTES, invitations  # late: rare

                content = self.message.content(part)
                if len(content) > CALENDAR_BYTES:
                    self.message.repair("limit:calendar")
                text = self._decoded(part, content[:CALENDAR_BYTES])
                asked = invitations(text, word(part.parameter("method")))
                if asked is None or not all(invitation.starts_at for invitation in asked):
                    self.message.repair("calendar:unreadable")
                found[part.number] = asked or ()
        return found

    def deliveries(
        self, subject: str, text: str, participants: Sequence[Participant], *, answered: bool
    ) -> tuple[Delivery, ...]:
        """Return what a delivery report says, by the standard or in its own words.

        `answered`: a program sent it in answer to an email, as reports are; parcels are delivered, too.
        """
        reports = [part for part in self._others if part.type in _REPORT_TYPES]
        failed = self.fields.get(b"x-failed-recipients", ())
        # An answer that is sent while somebody is away names other people, too, and has no sender either.
        sounds = _REPORT_SUBJECT.search(subject) if answered else _SURE_REPORT_SUBJECT.match(subject)
        if not reports and not failed and not sounds and not _from_server(participants):
            return ()
        from mailcrm.core.delivery import standard_deliveries, told_deliveries  # late: rare

        found: dict[str, Delivery] = {}
        for part in reports:
            found |= {each.address: each for each in standard_deliveries(self.message.content(part))}
        known = frozenset(someone.address for someone in participants)
        return tuple(found.values()) or told_deliveries(text, failed, known)

    def protection(self, text: str) -> tuple[bool, bool]:
        """Return whether the email, or a part of it, is signed and encrypted, by S/MIME or PGP."""
        multiparts = {part.parent for part in self._others}
        signed, encrypted = "multipart/signed" in multiparts, "multipart/encrypted" in multiparts
        for part in self._others:
            if part.type in _SMIME_TYPES or part.name.lower().endswith(".p7m"):
                begin = self.message.content(part)[:100]
                encrypted |= any(name in begin for name in _ENVELOPED_DATA)
                if _SIGNED_DATA in begin:
                    signed = True
                    # The text is inside the signed object, which is not opened.
                    self.message.repair("signed:opaque")
        if "-----BEGIN PGP " in text:
            armors = set(_ARMOR.findall(text))
            signed |= "SIGNED MESSAGE" in armors
            encrypted |= "MESSAGE" in armors
        return signed, encrypted


def _is_body(part: Part) -> bool:
    """Say whether a leaf is text to be read in place, as RFC 8621, 4.1.4 finds it."""
    return (
        part.type in ("text/plain", "text/html")
        and part.disposition != "attachment"
        and (part.first or (part.parent != "multipart/related" and not part.name))
    )


def _from_server(participants: Sequence[Participant]) -> bool:
    """Say whether the first person in From is a mail server."""
    return bool(participants) and participants[0].address.startswith(_SERVERS)


def _begins_with_html(part: Part) -> bool:
    return _begins_with_html(part.children[0]) if part.children else part.type == "text/html"


def _is_stub(text: str) -> bool:
    """Say whether a text may stand only for the HTML beside it, as it has no letters, or speaks of HTML.

    All languages write HTML with these letters. An email that is about HTML says the same in its HTML.
    """
    return len(text) <= STUB_CHARACTERS and ("html" in text.lower() or not any(map(str.isalnum, text)))


def _is_image(kind: str, name: str) -> bool:
    return kind.startswith("image/") or name.lower().endswith(_IMAGE_NAMES)


def _is_tnef(part: Part) -> bool:
    return part.type in _TNEF_TYPES or part.name.lower() in _TNEF_NAMES

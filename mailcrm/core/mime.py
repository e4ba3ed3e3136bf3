"""A message taken apart: what a person would read, who is on it, and what is attached."""

from email import message_from_bytes, policy
from email.message import Message

from mailcrm.core import headers
from mailcrm.core.addresses import parse_mailboxes
from mailcrm.core.model import Attachment, ParsedEmail, Participant, ParticipantRole
from mailcrm.core.text import html_to_text, preview

_ROLES = {"from": ParticipantRole.FROM, "to": ParticipantRole.TO, "cc": ParticipantRole.CC}


def parse(raw: bytes) -> ParsedEmail:
    """Return what a message says."""
    fields = headers.header_fields(raw)
    told = {name: value for name, value in reversed(fields)}
    people, ambiguous = [], True
    for name, value in fields:
        if name in _ROLES:
            found, unsure = parse_mailboxes(value.decode("utf-8", "replace"))
            people += [Participant(role=_ROLES[name], name=m.name, address=m.address) for m in found]
            if name == "from":
                ambiguous = unsure
    message: Message = message_from_bytes(raw, policy=policy.compat32)
    plain, html, files = [], [], []
    for index, part in enumerate(message.walk()):
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        if part.get_content_type() == "text/plain" and not part.get_filename():
            plain.append(headers.decode_charset(payload, part.get_content_charset())[0])
        elif part.get_content_type() == "text/html":
            html.append(headers.decode_charset(payload, part.get_content_charset())[0])
        else:
            files.append(Attachment(part_id=str(index), name=str(part.get_filename() or ""), type=part.get_content_type(), size=len(payload), inline=False))
    text = "\n".join(plain) or "\n".join(html_to_text(h) for h in html)
    text = text.replace("\r\n", "\n")
    message_id, sent_at = headers.identify(raw)
    return ParsedEmail(
        message_id=message_id,
        in_reply_to=headers.message_ids(told.get("in-reply-to", b"").decode("utf-8", "replace")),
        references=headers.message_ids(told.get("references", b"").decode("utf-8", "replace")),
        sent_at=sent_at,
        subject=headers.decode_words(told.get("subject", b""))[0],
        participants=tuple(people),
        from_ambiguous=ambiguous,
        automatic="list-id" in told,
        text=text,
        preview=preview(text),
        attachments=tuple(files),
        repairs=(),
    )

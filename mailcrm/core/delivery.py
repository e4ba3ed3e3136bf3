"""What a delivery report says of each recipient: by RFC 3464, or in the words of a mail server.

Only the words of programs are read, never those of the returned email. Which emails are reports is left
to `core.mime`.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice

from mailcrm.core.addresses import normalise, parse_mailboxes
from mailcrm.core.headers import decode_words, fields_of, one_line
from mailcrm.core.parsed import Delivery

#: Real reports name a few recipients; those of large mailings some hundreds.
RECIPIENTS = 1_000
STATUS_BYTES = 512 * 1024
#: Servers say what they have to say at the beginning, before the email that they return.
TEXT_CHARACTERS = 20_000
REASON_CHARACTERS = 500

_ACTIONS = {word: word for word in ("failed", "delayed", "delivered", "relayed", "expanded")}
# Written by OpenSMTPD and by old servers.
_ACTIONS |= {"error": "failed", "failure": "failed", "fail": "failed", "delay": "delayed"}
_CLASSES = {"2": "delivered", "4": "delayed", "5": "failed"}

_BLOCKS = re.compile(rb"\n(?:[ \t\r]*+\n)++")
_FIELDS = frozenset((b"original-recipient", b"final-recipient", b"action", b"status", b"diagnostic-code"))
_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)", re.ASCII)


def standard_deliveries(content: bytes) -> tuple[Delivery, ...]:
    """Return what a `message/delivery-status` says of each recipient (RFC 3464, 2.3)."""
    found: dict[str, Delivery] = {}
    # Some servers leave out the empty line between recipients, others write several.
    for block in _BLOCKS.split(content[:STATUS_BYTES].replace(b"\r\n", b"\n")):
        fields, _ = fields_of(block, _FIELDS)
        finals = fields.get(b"final-recipient", ())
        originals = fields.get(b"original-recipient", ())
        for number in range(max(len(finals), len(originals))):
            one = {name: values[number] for name, values in fields.items() if number < len(values)}
            # The original is the one that the sender wrote to (2.3.1), but is often not an address.
            address = next(filter(None, (_address(one.get(name, b"")) for name in _RECIPIENT)), "")
            if address and len(found) < RECIPIENTS:
                found.setdefault(address, _delivery(address, one))
    return tuple(found.values())


_RECIPIENT = (b"original-recipient", b"final-recipient")


def _address(value: bytes) -> str:
    kind, _, rest = decode_words(value)[0].partition(";")
    mailboxes, _ = parse_mailboxes(rest or kind)
    return mailboxes[0].address if mailboxes else ""


def _delivery(address: str, fields: dict[bytes, bytes]) -> Delivery:
    diagnosis = decode_words(fields.get(b"diagnostic-code", b""))[0]
    kind, mark, reason = diagnosis.partition(";")
    reason = _on_one_line(reason if mark and " " not in kind.strip() else diagnosis)
    told = _STATUS.search(decode_words(fields.get(b"status", b""))[0]) or _STATUS.search(reason)
    status = told[0] if told else ""
    word = re.match("[a-z]*", decode_words(fields.get(b"action", b""))[0].lower())
    return Delivery(
        address=address,
        action=_ACTIONS.get(word[0] if word else "", _CLASSES.get(status[:1], "failed")),
        status=status,
        reason=reason,
    )


def _on_one_line(text: str) -> str:
    return " ".join(one_line(text).split())[:REASON_CHARACTERS].rstrip()


# --- the words of servers ---------------------------------------------------------------------

# Where the words of the server end and the returned email begins.
_RETURNED = re.compile(
    r"^[ \t>*=_-]*+(?:below this line|this is a copy|(?:the )?original (?:message|e?-?mail)\b(?! was)"
    r"|(?:the )?(?:unsent|returned|bounced|undelivered) (?:message|mail) (?:below|follows|header|--)"
    r"|(?:the )?(?:header|text|contents?|body) of (?:the|your) (?:original )?(?:message|mail)"
    r"|message (?:header|text|contents?)\b|start of returned|received: |return-path: )",
    re.IGNORECASE | re.MULTILINE,
)
# How servers say that something was not delivered; a person's words are not asked.
_REFUSED = re.compile(
    r"undeliver|fatal error|bounced|aborted|postponed|suspended|over quota|quota exceeded|mailbox full"
    r"|(?:\bnot|\bnever|n['\u2019]t)\b[^.\n]{0,30}(?:deliver|sent|reach|send|accept)"
    r"|(?:unable|fail|inability|error|invalid)[^.\n]{0,40}(?:deliver|recipient|address|transmi|process)"
    r"|(?:deliver|address|recipient)[^.\n]{0,60}(?:fail|delay|attempts|error|problem)"
    r"|returned mail|(?:mail|message)[^\n]{0,60}(?:returned|rejected)"
    r"|(?:no such|unknown|bad) (?:local )?(?:user|mailbox|recipient|address|account)"
    r"|(?:user|mailbox|recipient|address|account)\b[^.\n]{0,60}"
    r"(?:unknown|not (?:found|exist|known|listed)|full|rejected|unavailable|disabled|no longer)"
    r"|nicht (?:zu(?:ge)?stell|ausgeliefert|übermittelt)|unzustellbar|pas pu être|non (?:remis|distribu)"
    r"|no se (?:ha podido|pudo)|não (?:foi possível|pôde)|impossibile (?:consegnare|recapitare)"
    r"|niet (?:worden )?(?:bezorgd|afgeleverd)|nie (?:można|może|został)|не (?:может|был|удалось)"
    r"|못했|못하|실패|반송|할 수 없|되지 않|できません|不能|失敗|退信|退回|无法|未能|失败|無法",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"not yet been delivered|\bdelayed|attempts? will"
    r"|will (?:be |continue to |keep )*(?:retr|try|attempt (?:to )?(?:re)?deliver)"
    r"|not need to re-?send|do not re-?send|no action is required",
    re.IGNORECASE,
)
_RULED = re.compile(r"[=*_-]{5,}")
_TO_LINE = re.compile(r"\s*to:", re.IGNORECASE)
_ADDRESS = r"[^\s@<>()\[\]:;,\"'=/]{1,64}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,8}+"
#: A line that begins with an address, or with some words, a colon and an address.
_RECIPIENT_LINE = re.compile(r"[^\w@]{0,20}(?:([^@:\n]{0,60}):[^\w@]{0,10})?(" + _ADDRESS + r")(.*+)")
_ANYWHERE = re.compile(_ADDRESS)
#: Who a line speaks of that is not the recipient.
_OTHERS = re.compile(r"from|sender|reply|contact|help|return-path|message-id|expanded", re.IGNORECASE)
_NO_RECIPIENTS = ("postmaster@", "mailer-daemon@", "abuse@", "helpdesk@", "support@", "noreply@", "no-reply@")


def told_deliveries(text: str, failed: Iterable[bytes], known: Container[str]) -> tuple[Delivery, ...]:
    """Return what a report says of each recipient that is no `message/delivery-status`.

    `failed` are the values of `X-Failed-Recipients` (Exim, Gmail); `known` the addresses that the report
    comes from and goes to, and does not mean. Without them, there is a recipient where a text says that
    something was not delivered, and names an address after that.
    """
    boxes = (box for value in failed for box in parse_mailboxes(decode_words(value)[0])[0])
    named = dict.fromkeys(box.address for box in islice(boxes, RECIPIENTS))
    text = text[:TEXT_CHARACTERS]
    refused = _REFUSED.search(text)
    if refused is None:
        action = _told_action(text)
        return tuple(_told(address, "", action) for address in named)
    returned = _RETURNED.search(text, refused.end())
    said = text[: returned.start()] if returned else text
    lines = said[said.rfind("\n", 0, refused.start()) + 1 :].split("\n")
    # Nearly all name the recipients after that, each in a line of its own; some before, or in a sentence.
    before = [line for line in said.split("\n") if not _TO_LINE.match(line)]
    reasons = dict(_recipients(lines, known)) or dict(_recipients(before, known))
    if not reasons and not named:
        reasons = dict(_mentioned(said.split("\n"), known))
    action = _told_action(said)
    return tuple(
        _told(address, reasons.get(address, ""), action) for address in islice(named or reasons, RECIPIENTS)
    )


def _recipients(lines: Sequence[str], known: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield the address that each entry begins with, and what it says up to the next one or an empty line."""
    address, reason = "", [""]
    for line in (*lines, ""):
        found = _RECIPIENT_LINE.match(line)
        meant = found and not _OTHERS.search(found[1] or "") and _recipient(found[2], known)
        if address and (meant or not line.strip()) and meant != address:
            # Some leave a line empty before they say why.
            if meant or any(reason):
                yield address, " ".join(reason)
                address = ""
        elif address:
            reason.append(line)
        if meant and meant != address:
            address, reason = meant, [found[3].strip(" \t>:;,.\"'()") if found else ""]
    if address:
        yield address, " ".join(reason)


def _mentioned(lines: Sequence[str], known: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield the addresses that stand anywhere, each with its line."""
    for line in lines:
        for found in _ANYWHERE.findall(line):
            if address := _recipient(found, known):
                yield address, line


def _recipient(written: str, known: Container[str]) -> str:
    address = normalise(written.strip(".'`")) or ""
    return "" if address in known or address.startswith(_NO_RECIPIENTS) else address


def _told_action(text: str) -> str:
    return "delayed" if _DELAYED.search(text) else "failed"


def _told(address: str, reason: str, action: str) -> Delivery:
    reason = _on_one_line(_RULED.sub(" ", reason))
    status = _STATUS.search(reason)
    return Delivery(
        address=address,
        action=action,
        status=status[0] if status else "",
        reason=reason,
    )

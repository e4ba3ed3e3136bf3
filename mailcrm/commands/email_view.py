"""How one email of a conversation is shown to a person: fields, notes, and its text with what is old folded.

What the fields mean is told in `core.parsed`; how text is made harmless is left to `render`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from mailcrm.core.model import ParticipantRole
from mailcrm.core.parsed import Delivery, EmailFull, Forward, Invitation, Span, SpanKind
from mailcrm.core.spans import pieces
from mailcrm.render import Cell, Display, local_time, number, size

#: What a reader should know of a repair, by its kind: `charset` for `charset:euc-kr`.
_REPAIRS = MappingProxyType(
    {
        "charset": "some characters were guessed",
        "limit": "what is beyond the limits was cut off",
        "boundary": "the parts were told apart by guessing",
        "transfer": "damaged data was read as far as it goes",
        "parameter": "a file's name was written against the rules",
        "calendar": "an invitation could not be read",
        "tnef": "a winmail.dat was read as far as it goes",
        "signed": "the text is inside a signed object, which is not opened",
    }
)

#: What an invitation does (RFC 5546, 1.4), as the name of the field that holds its summary.
_METHODS = MappingProxyType(
    {
        "ADD": "adds a date",
        "CANCEL": "cancels",
        "COUNTER": "proposes another time",
        "DECLINECOUNTER": "keeps the time",
        "PUBLISH": "announces",
        "REFRESH": "asks for the date",
        "REPLY": "answers",
        "REQUEST": "invites",
    }
)

#: What a reply to an invitation says (RFC 5545, 3.2.12).
_ANSWERS = MappingProxyType(
    {
        "accepted": "accepts",
        "declined": "declines",
        "delegated": "sends somebody else",
        "needs-action": "has not decided",
        "tentative": "may come",
    }
)

#: What became of an email (RFC 3464, 2.3.3), as the name of the field that holds the address.
_ACTIONS = MappingProxyType(
    {
        "failed": "not delivered",
        "delayed": "delayed",
        "delivered": "delivered",
        "relayed": "relayed",
        "expanded": "sent on",
    }
)

#: People and files of one kind that are named; the others are counted.
_NAMED = 8


def show_email(display: Display, email: EmailFull, place: int | None, *, full: bool) -> None:
    """Write an email; unless `full`, what is not new is folded.

    `place` is where it stands in its thread, None where no thread is shown.
    """
    display.rule()
    display.fields([("email", place), *_fields(email)])
    display.text("")
    display.text(email.text.strip("\n") if full else folded(email))


def _fields(email: EmailFull) -> Iterator[tuple[str, Cell]]:
    yield "date", local_time(email.row.received_at)
    people: dict[str, list[str]] = {}
    for one in email.participants:
        if one.role in (ParticipantRole.FROM, ParticipantRole.TO, ParticipantRole.CC, ParticipantRole.BCC):
            people.setdefault(one.role.value, []).append(_person(one.name, one.address))
    for role, names in people.items():
        yield role, _shortened(names)
    files = [f"{a.name or a.type} ({size(a.size)})" for a in email.attachments if a.is_file()]
    yield "files", _shortened(files)
    for invitation in email.invitations:
        yield from _invitation(invitation, {one.address: one.name for one in email.participants})
    for delivery in email.deliveries:
        yield _ACTIONS.get(delivery.action, "report"), _delivered(delivery)
    yield "note", "; ".join(_notes(email))


def _invitation(invitation: Invitation, names: Mapping[str, str]) -> Iterator[tuple[str, Cell]]:
    told = (
        _person(names.get(invitation.attendee, ""), invitation.attendee),
        _ANSWERS.get(invitation.answer, ""),
    )
    answer = " ".join(filter(None, told))
    summary = invitation.summary or "(no title)"
    yield (
        _METHODS.get(invitation.method.upper(), "calendar"),
        f"{answer}: {summary}" if answer else summary,
    )
    yield "when", _when(invitation) + (", repeats" if invitation.repeats else "")
    yield "where", invitation.location
    yield "organizer", invitation.organizer


def _when(invitation: Invitation) -> str:
    """Return the time in words: in local time, or the days when it is about whole days."""
    start, end = invitation.starts_at, invitation.ends_at
    if start is None:
        return "at a time that could not be read"
    if invitation.all_day:
        # They are midnights of UTC, wherever we are; the last one is the day after.
        first, last = start.date(), (start if end is None or end <= start else end - timedelta(days=1)).date()
        return f"{first}, all day" if first == last else f"{first} to {last}, all day"
    begins = local_time(start)
    if end is None or end == start:
        return begins
    ends = local_time(end)
    # The day is said once.
    return f"{begins} to {ends[11:] if ends[:10] == begins[:10] else ends}"


def _delivered(delivery: Delivery) -> str:
    reason = delivery.reason + (f" ({delivery.status})" if delivery.status else "")
    return ": ".join(part for part in (delivery.address, reason.strip()) if part)


def _notes(email: EmailFull) -> Iterator[str]:
    if email.row.truncated:
        yield "truncated"
    if email.row.gone:
        yield "gone from the server"
    if email.from_ambiguous:
        yield "it is not clear who sent it, so it is not linked by itself"
    if email.dmarc == "fail":
        who = email.authserv_id or "the server"
        yield f"the sender may be forged: {who} could not confirm it (dmarc=fail)"
    if email.encrypted:
        yield "encrypted, to be read with a mail program that has the key"
    if email.signed:
        yield "signed (mailcrm does not check it)"
    if email.trackers:
        yield f"{number(email.trackers, 'invisible picture')} to tell the sender who opens it (not loaded)"
    yield from repair_notes(email.repairs)


def repair_notes(repairs: Sequence[str]) -> list[str]:
    """Return in plain words what had to be guessed, mended or cut, one note for each kind of repair."""
    kinds: dict[str, list[str]] = {}
    for repair in repairs:
        kinds.setdefault(repair.partition(":")[0], []).append(repair)
    return [
        f"{_REPAIRS.get(kind, 'something was mended')} ({', '.join(names)})" for kind, names in kinds.items()
    ]


def folded(email: EmailFull) -> str:
    """Return the text with a line in place of each quote, forwarded email and signature.

    The header of a forwarded email stays. When there is nothing else to read, so does all of it.
    """
    cut = list(pieces(email.text, email.spans))
    silent = not any(span is None and piece.strip() for piece, span in cut)
    headers = iter(email.forwards)
    shown: list[str] = []
    for piece, span in cut:
        if span is None:
            shown.append(piece.strip("\n"))
        elif span.kind is SpanKind.FORWARD:
            header = _forwarded(next(headers, None))
            shown.append(piece if silent else "\n".join([*header, _fold(span, piece)]))
        else:
            shown.append(_fold(span, piece))
    return "\n\n".join(part for part in shown if part)


def _fold(span: Span, piece: str) -> str:
    count = len(piece.splitlines())
    match span.kind:
        case SpanKind.QUOTE:
            what = number(count, "quoted line")
        case SpanKind.FORWARD:
            what = number(count, "forwarded line")
        case SpanKind.SIGNATURE:
            what = f"signature of {number(count, 'line')}"
    return f"[{what}; --full shows {'it' if count == 1 else 'them'}]"


def _forwarded(forward: Forward | None) -> list[str]:
    if forward is None:
        return []
    named = (
        ("from", _person(forward.name, forward.address)),
        ("to", forward.to),
        ("date", forward.date),
        ("subject", forward.subject),
    )
    return ["Forwarded:", *(f"  {name:8} {value}" for name, value in named if value)]


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and address else name or address


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return ", ".join(names[:_NAMED]) + f" and {len(names) - _NAMED} more"

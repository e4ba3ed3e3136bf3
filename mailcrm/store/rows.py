"""Rows to dataclasses; SQLite gives instants as text and flags as numbers, PostgreSQL as what they are."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailcrm.core.model import Direction, EmailRow, Visibility

if TYPE_CHECKING:
    from mailcrm.core.parsed import Span


def instant(value: Any) -> datetime | None:  # noqa: ANN401 (the two drivers' own types)
    """Return a stored instant in UTC, or None."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    moment: datetime = value
    return moment.astimezone(UTC)


def sure_instant(value: Any) -> datetime:  # noqa: ANN401 (likewise)
    """Return a stored instant of a column that is NOT NULL."""
    moment = instant(value)
    if moment is None:
        raise ValueError("an instant is missing")
    return moment


def email_row(
    row: Mapping[str, Any],
    recipients: tuple[str, ...],
    holders: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
) -> EmailRow:
    """Return a line of a timeline, a search or a thread."""
    return EmailRow(
        id=row["id"],
        thread_id=row["thread_id"],
        account=row["account"],
        message_id=row["message_id"],
        subject=row["subject"],
        preview=row["preview"],
        sender=row["from_address"],
        sender_name=row["from_name"],
        recipients=recipients,
        sent_at=instant(row["sent_at"]),
        received_at=sure_instant(row["received_at"]),
        direction=Direction(row["direction"]),
        has_attachment=bool(row["has_attachment"]),
        truncated=bool(row["truncated"]),
        gone=row["gone_at"] is not None,
        visibility=Visibility(row["visibility"]),
        team=row["team_id"] is not None,
        holders=holders or (row["account"],),
        files=files,
    )


def span_text(spans: "Sequence[Span]") -> str:
    """Return spans as they are stored: `quote 12 340, signature 400 420`."""
    return ", ".join([f"{span.kind} {span.start} {span.end}" for span in spans])


def spans_of(text: str) -> "tuple[Span, ...]":
    """Return spans that were stored."""
    from mailcrm.core.parsed import Span, SpanKind  # late: most commands show no email

    found = [each.split() for each in text.split(", ")] if text else []
    return tuple(Span(kind=SpanKind(kind), start=int(start), end=int(end)) for kind, start, end in found)

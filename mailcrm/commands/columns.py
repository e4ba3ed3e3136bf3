"""How threads and emails are named in tables: the same words in every command."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailcrm.core.model import Direction, EmailRow, ThreadRow, Visibility, called
from mailcrm.render import Cell, Column, local_time

if TYPE_CHECKING:
    from mailcrm.store.correspondents import Bounce, LastContact


def visibility(row: ThreadRow | EmailRow) -> str:
    """Return who reads a thread: only me, team, or all, which holds only while it is linked."""
    if row.visibility is Visibility.PRIVATE:
        return "team" if row.team else "only me"
    if isinstance(row, ThreadRow) and not (row.contacts or row.deals or row.leads):
        return "all, once linked"
    return "all"


def linked_to(row: ThreadRow) -> str:
    """Return the deal or lead of a thread or what is suggested, which tells more, and then its contacts."""
    offered = f"? {', '.join(row.suggested)}" if row.suggested else ""
    return " · ".join(
        part for part in (", ".join((*row.deals, *row.leads)), offered, ", ".join(row.contacts)) if part
    )


def other_side(row: EmailRow) -> str:
    """Return who an email is from, or, when it is ours, whom it is to."""
    if row.direction is Direction.OUT and row.recipients:
        return ", ".join(row.recipients)
    return called(row.sender_name, row.sender) or "(nobody)"


def last_contact(last: "LastContact | None") -> str:
    """Return when a contact was last contacted, and who wrote."""
    if last is None:
        return ""
    return f"{local_time(last.at)}, {'we' if last.direction is Direction.OUT else 'they'} wrote"


def bounced(bounce: "Bounce") -> str:
    """Return to which address mail failed, on which day, and why."""
    # Most reasons begin with the status.
    status = "" if bounce.status in bounce.reason else bounce.status
    why = f"{status} {bounce.reason}".strip()
    return f"{bounce.address} bounced {local_time(bounce.at)[:10]}" + (f": {why}" if why else "")


def email_columns(rows: Sequence[EmailRow]) -> list[Column]:
    """Return the columns of a list of emails, as timelines and the search show it."""
    holders = {holder for row in rows for holder in row.holders}
    return [
        Column(heading="THREAD", right=True, style="cyan"),
        Column(heading="WHEN"),
        Column(heading="", style="dim"),
        Column(heading="FROM / TO", ratio=3),
        Column(heading="SUBJECT", ratio=4, style="bold"),
        Column(heading="BEGINS", ratio=6, style="dim", room=100),
        # One holder of everything is no news.
        Column(heading="HELD BY", ratio=3, style="dim", piped=len(holders) == 1),
        Column(heading="SEEN BY"),
        Column(heading="FILES", ratio=3, style="dim", room=100, piped=not any(row.files for row in rows)),
    ]


def email_cells(rows: Sequence[EmailRow]) -> list[tuple[Cell, ...]]:
    """Return the cells of `email_columns`."""
    return [
        (
            row.thread_id,
            row.received_at,
            "→" if row.direction is Direction.OUT else "←",
            other_side(row),
            row.subject or "(no subject)",
            row.preview,
            ", ".join(row.holders),
            visibility(row),
            ", ".join(row.files),
        )
        for row in rows
    ]

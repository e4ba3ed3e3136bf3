"""What the commands of contacts, organizations, deals and leads have in common: owners, deleting, what waits.

What each record has, and how it is shown, is left to the command of its noun.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Contact, Deal, EmailRow, Lead
    from mailcrm.core.parsed import EmailFull
    from mailcrm.render import Display
    from mailcrm.store import Database

Limit = Annotated[int, typer.Option(min=1, max=100_000, help="how many")]
OwnerName = Annotated[
    str | None, typer.Option("--owner", metavar="MEMBER", help="whose it is; yours when left out")
]
OtherOwner = Annotated[str | None, typer.Option("--owner", metavar="MEMBER", help="whose it is from now on")]
Org = Annotated[str | None, typer.Option("--org", metavar="ORG", help="number, domain or name")]
OnlyOrg = Annotated[str | None, typer.Option("--org", metavar="ORG", help="only of this organization")]
OnlyContact = Annotated[str | None, typer.Option("--contact", metavar="C", help="only with this contact")]
OnlyOwner = Annotated[str | None, typer.Option("--owner", metavar="MEMBER", help="only of this member")]
NoOrg = Annotated[bool, typer.Option("--no-org", help="of no organization")]
Emails = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="how many emails")]
Before = Annotated[
    str | None, typer.Option("--before", metavar="PLACE", help="the next page, as the one before names it")
]
Full = Annotated[bool, typer.Option("--full", help="the emails with their texts, quoted text folded")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


def emails(
    db: "Database", rows: "Sequence[EmailRow]", *, full: bool
) -> "Sequence[EmailRow] | Sequence[EmailFull]":
    """Return the emails of a page as they are listed, or in `full` with all that they say."""
    from mailcrm.store.timeline import timeline_emails

    return timeline_emails(db, rows) if full else rows


def show_emails(
    display: "Display", page: "Sequence[EmailRow] | Sequence[EmailFull]", following: str | None
) -> None:
    """Show a page of a timeline, and where the next one begins."""
    from mailcrm.commands.columns import email_cells, email_columns
    from mailcrm.core.model import EmailRow

    display.text("")
    rows = [one for one in page if isinstance(one, EmailRow)]
    texts = [one for one in page if not isinstance(one, EmailRow)]
    if texts:
        _show_texts(display, texts)
    else:
        display.table(
            email_columns(rows),
            email_cells(rows),
            empty="No conversations that you may see are linked yet.",
        )
    if following is not None:
        display.note(f"… more: --before {following}")


def _show_texts(display: "Display", texts: "Sequence[EmailFull]") -> None:
    from mailcrm.commands.email_view import show_email

    for email in texts:
        display.heading(f"{email.row.thread_id}  {email.row.subject or '(no subject)'}")
        show_email(display, email, None, full=False)


def owner_id(db: "Database", text: str | None) -> int | None:
    """Return the number of the member who is named; raises NotFound, or UsageError for a former member."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import members

    if text is None:
        return None
    found = members.member(db, text)
    if not found.active:
        raise UsageError(
            f"{found.name} is deactivated and owns nothing new.",
            hint="See who is active: mailcrm member list",
        )
    return found.id


def owner_name(db: "Database", member_id: int | None) -> str:
    """Return the name of the member who owns a record, or nothing."""
    from mailcrm.store import members

    return next((one.name for one in members.members(db) if one.id == member_id), "")


def any_owner_id(db: "Database", text: str | None) -> int | None:
    """Return the number of the member who is named, a former one too; raises NotFound."""
    from mailcrm.store import members

    return None if text is None else members.member(db, text).id


def contact_id(db: "Database", text: str | None) -> int | None:
    """Return the number of the contact that is named; raises NotFound or NeedsChoice."""
    from mailcrm.store import contacts

    return None if text is None else contacts.contact(db, text).id


def organization_id(db: "Database", text: str | None) -> int | None:
    """Return the number of the organization that is named; raises NotFound or NeedsChoice."""
    from mailcrm.store import organizations

    return None if text is None else organizations.organization(db, text).id


def changed_organization_id(
    db: "Database", before: int | None, text: str | None, *, none: bool
) -> int | None:
    """Return what --org and --no-org make of a record's organization; raises UsageError for both."""
    from mailcrm.core.errors import UsageError

    if text is not None and none:
        raise UsageError("Say --org or --no-org, not both.", hint="Leave one of them out.")
    if none:
        return None
    return before if text is None else organization_id(db, text)


def contacts_of(db: "Database", texts: Iterable[str] | None) -> "list[Contact]":
    """Return the contacts that are named, each once; raises NotFound or NeedsChoice."""
    from mailcrm.store import contacts

    return list({one.id: one for one in (contacts.contact(db, text) for text in texts or [])}.values())


def changed_contact_ids(
    db: "Database", found: "Deal | Lead", more: Iterable[str] | None, fewer: Iterable[str] | None
) -> tuple[int, ...]:
    """Return what --contact and --remove-contact make of an item's contacts; raises UsageError, NotFound."""
    from mailcrm.core.errors import UsageError
    from mailcrm.core.model import Deal

    known = list(found.contact_ids)
    leaving = contacts_of(db, fewer)
    for one in leaving:
        if one.id not in known:
            noun = "deal" if isinstance(found, Deal) else "lead"
            raise UsageError(
                f"{one.name} is not among its contacts.", hint=f"See `mailcrm {noun} show {found.id}`."
            )
    gone = {one.id for one in leaving}
    return tuple(
        key for key in dict.fromkeys([*known, *(one.id for one in contacts_of(db, more))]) if key not in gone
    )


def waiting(db: "Database", contact_ids: Iterable[int]) -> str:
    """Return the sentence that says how many stored conversations the rule would link because of contacts."""
    from mailcrm.linking import matching_threads
    from mailcrm.render import number

    count = matching_threads(db, contact_ids)
    if not count:
        return ""
    return f" {number(count, 'stored conversation')} would be linked: mailcrm link auto"


def links_go(count: int) -> str:
    """Return the sentence that says what deleting a record does to its conversations."""
    from mailcrm.render import number

    if not count:
        return "No conversation that you see is linked to it."
    are, go = ("is", "link goes") if count == 1 else ("are", "links go")
    return f"{number(count, 'conversation')} {are} linked to it; the {go}, the mail stays."


def agree_to_delete(invocation: Invocation, what: str, told: str, *, yes: bool) -> None:
    """Say what deleting does, and ask; as `answers.agree`, which ends the command for a no."""
    if yes or invocation.may_ask():
        invocation.display.note(told)
    answers.agree(invocation, f"Delete {what}?", f"Deleting {what}", yes=yes, hint=told)

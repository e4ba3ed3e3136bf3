"""`mailcrm inbox`: the newest conversations, and the people in them who are no contacts."""

from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("inbox")(inbox)


def inbox(
    context: typer.Context,
    unread: Annotated[bool, typer.Option("--unread", help="only with mail that nobody read")] = False,
    unlinked: Annotated[bool, typer.Option("--unlinked", help="only without contact and deal")] = False,
    suggested: Annotated[bool, typer.Option("--suggested", help="only with a suggestion to decide")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="the people who are no contacts, in place of conversations")
    ] = False,
    account: Annotated[str | None, typer.Option(metavar="A", help="only of this account")] = None,
    label: Annotated[str | None, typer.Option(metavar="L", help="only with this label")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="the archived ones instead")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many")] = 25,
) -> None:
    """Show the newest conversations of your accounts with contact, deal and visibility."""
    from mailcrm.commands.columns import linked_to, visibility
    from mailcrm.core.errors import UsageError
    from mailcrm.render import Column
    from mailcrm.store import accounts, labels, threads

    invocation: Invocation = context.obj
    if unknown and (unread or unlinked or suggested or label is not None or archived):
        raise UsageError(
            "--unknown lists people; of the other choices only --account goes with it.",
            hint="See `mailcrm inbox --help`.",
        )
    if unknown:
        _show_unknown(invocation, account, limit)
        return
    with invocation.open_store() as db:
        account_id = accounts.account(db, account).id if account is not None else None
        rows = threads.inbox(
            db,
            account_id=account_id,
            unlinked=unlinked,
            unread=unread,
            label=labels.label(db, label) if label is not None else None,
            suggested=suggested,
            archived=archived,
            limit=limit + 1,
        )
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="WHEN"),
            Column(heading="WITH", ratio=3),
            Column(heading="SUBJECT", ratio=5),
            Column(heading="MAILS", right=True, room=80),
            Column(heading="DEAL · CONTACT", ratio=4, style="green"),
            Column(heading="SEEN BY"),
            Column(heading="LABELS", ratio=2, piped=not any(row.labels for row in rows)),
        ],
        [
            (
                row.id,
                row.last_received_at,
                ", ".join(row.correspondents) or row.account,
                ("* " if row.unread else "") + (row.subject or "(no subject)"),
                row.email_count,
                linked_to(row),
                visibility(row),
                ", ".join(row.labels),
            )
            for row in rows
        ],
        limit=limit,
        empty=(
            "No such conversations."
            if unread or unlinked or suggested or label is not None or archived
            else "No conversations. Connect an account with mailcrm connect, bring mail in with mailcrm sync."
        ),
    )
    if any(row.suggested for row in rows):
        invocation.display.note("What stands after a ? is suggested; decide it: mailcrm link suggestions")


def _show_unknown(invocation: Invocation, account: str | None, limit: int) -> None:
    from mailcrm.core.model import Direction
    from mailcrm.render import Column
    from mailcrm.store import accounts
    from mailcrm.store.correspondents import unknown_correspondents

    with invocation.open_store() as db:
        account_id = accounts.account(db, account).id if account is not None else None
        people = unknown_correspondents(db, account_id=account_id, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(people[:limit])
        return
    invocation.display.table(
        [
            Column(heading="THREAD", right=True, style="cyan"),
            Column(heading="WHEN"),
            Column(heading="", style="dim"),
            Column(heading="ADDRESS", ratio=4),
            Column(heading="NAME", ratio=3, style="bold"),
            Column(heading="MAILS", right=True),
            Column(heading="THREADS", right=True, room=80),
            Column(heading="NOTE", style="dim", piped=not any(one.role for one in people)),
        ],
        [
            (
                one.thread_id,
                one.last_at,
                "→" if one.direction is Direction.OUT else "←",
                one.address,
                one.name,
                one.emails,
                one.threads,
                "a role" if one.role else None,
            )
            for one in people
        ],
        limit=limit,
        empty="Everybody in your conversations is a contact.",
    )
    if people:
        invocation.display.note("Make one a contact: mailcrm contact create --from THREAD --address ADDRESS")

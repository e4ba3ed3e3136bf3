"""`mailcrm thread`: one conversation."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.attachments import AttachmentRow
    from mailcrm.core.model import ThreadRow
    from mailcrm.render import Display

_app = typer.Typer(help="Read a conversation.", no_args_is_help=True)

Thread = Annotated[str, typer.Argument(help="number of the thread, or last")]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="thread")


@_app.command("show")
def show(
    context: typer.Context,
    thread: Thread,
    full: Annotated[bool, typer.Option("--full", help="quoted text and signatures, too")] = False,
    html: Annotated[bool, typer.Option("--html", help="the emails as HTML, as they were sent")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="the emails as the server gave them")] = False,
) -> None:
    """Print a conversation, oldest email first, quoted text and signatures folded."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import emails, threads

    invocation: Invocation = context.obj
    display = invocation.display
    if full + html + raw + (display.as_json and (html or raw)) > 1:
        raise UsageError("--full, --html and --raw are three ways to print emails: say one, without --json.")
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        conversation = emails.thread_emails(db, row.id)
        sources = (emails.email_source(db, one.row.id) for one in conversation)
        if raw:
            _show_sources(display, sources)
            return
        if html:
            _show_html(display, sources)
            return
    if display.as_json:
        display.document({"thread": row, "emails": conversation})
        return
    from mailcrm.commands.email_view import show_email

    _show_thread(display, row)
    for email in conversation:
        show_email(display, email, full=full)


@_app.command("attachments")
def list_attachments(
    context: typer.Context,
    thread: Thread,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="write them into this folder")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also pictures shown within the text, signatures and the like")
    ] = False,
) -> None:
    """List the attachments of a conversation, or save them."""
    from contextlib import ExitStack

    from mailcrm.attachments import attachments
    from mailcrm.new_files import Folder
    from mailcrm.render import number
    from mailcrm.store import threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db, ExitStack() as stack:
        row = threads.thread(db, thread)
        folder = stack.enter_context(Folder(save)) if save is not None else None
        found = list(attachments(db, row.id, everything=everything, folder=folder))
    if invocation.display.as_json:
        invocation.display.document(found)
        return
    _show_attachments(invocation.display, found)
    for one in found:
        if one.disguise:
            name = one.saved_as or one.attachment.name or "(no name)"
            invocation.display.warn(f"{one.number}: {name} is {one.disguise}, which its name does not say.")
    if folder is not None and found:
        files = number(len({one.saved_as for one in found}), "file")
        invocation.display.note(f"{number(len(found), 'attachment')} saved in {folder.path} as {files}.")


@_app.command("why")
def why(context: typer.Context, thread: Thread) -> None:
    """Say by which rule you may read a conversation, and who else does."""
    from mailcrm.commands.columns import visibility
    from mailcrm.sharing import explain
    from mailcrm.store import threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        verdict = explain(db, row)
    if invocation.display.as_json:
        invocation.display.document({"thread": row.id, "allowed": verdict.allowed, "reason": verdict.reason})
        return
    others = {
        "only me": "Nobody else reads it.",
        "team": "So does everybody in the team, and nobody else.",
        "all": "So do all active members.",
        "all, once linked": "The others read it as soon as it is linked.",
    }
    invocation.display.text(f"You read thread {row.id} because {verdict.reason}. {others[visibility(row)]}")


def _show_thread(display: "Display", row: "ThreadRow") -> None:
    from mailcrm.commands.columns import visibility

    display.heading(_cut(row.subject) or "(no subject)")
    display.fields(
        [
            ("thread", row.id),
            ("account", row.account),
            ("contact", ", ".join(row.contacts)),
            ("deal", ", ".join(row.deals)),
            ("seen by", visibility(row)),
        ]
    )


def _show_sources(display: "Display", sources: Iterable[bytes]) -> None:
    for index, source in enumerate(sources):
        if index:
            display.rule()
        display.source(source)


def _show_html(display: "Display", sources: Iterable[bytes]) -> None:
    from mailcrm.core.mime import html_body

    pages = [page for page in map(html_body, sources) if page]
    if not pages:
        display.note("None of these emails has HTML.")
    _show_sources(display, (page.encode() for page in pages))


def _show_attachments(display: "Display", found: "Sequence[AttachmentRow]") -> None:
    from mailcrm.render import Column, size

    first: dict[str, int] = {}
    notes = [_attachment_notes(row, first.setdefault(row.sha256, row.number)) for row in found]
    display.table(
        [
            Column(heading="", right=True, style="cyan"),
            Column(heading="NAME", ratio=5, style="bold"),
            Column(heading="TYPE", ratio=3, style="dim", room=100),
            Column(heading="SIZE", right=True),
            Column(heading="FROM", ratio=2),
            Column(heading="WHEN"),
            Column(heading="NOTE", ratio=5, style="red", piped=not any(notes)),
            # A terminal shows what it is called otherwise.
            Column(heading="SAVED AS", ratio=3, piped=not any(map(_renamed, found))),
        ],
        [
            (
                row.number,
                row.attachment.name or "(no name)",
                row.attachment.type,
                size(row.attachment.size) if display.terminal else row.attachment.size,
                row.sender,
                row.received_at,
                note,
                row.saved_as if _renamed(row) or not display.terminal else None,
            )
            for row, note in zip(found, notes, strict=True)
        ],
        empty="No attachments.",
    )


def _attachment_notes(row: "AttachmentRow", first: int) -> str:
    notes = (
        (f"is {row.disguise}", row.disguise),
        (f"same content as {first}", first != row.number),
        ("shown in the email", row.attachment.inline),
    )
    return "; ".join(note for note, true in notes if true)


def _renamed(row: "AttachmentRow") -> bool:
    return row.saved_as not in (None, row.attachment.name)


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]}…"

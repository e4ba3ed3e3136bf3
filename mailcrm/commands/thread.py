"""`mailcrm thread`: one conversation."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.attachments import AttachmentRow
    from mailcrm.core.model import Suggestion, ThreadRow
    from mailcrm.render import Display

_app = typer.Typer(help="Read a conversation, and put it in order.", no_args_is_help=True)

#: Of people who wrote in a conversation and are no contacts, so many are named.
_STRANGERS = 3

Thread = Annotated[str, typer.Argument(help="number of the thread, or last")]
_Threads = Annotated[list[str], typer.Argument(metavar="THREAD...", help="numbers of threads, or last")]


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
    history: Annotated[
        bool, typer.Option("--history", help="what was done to it, by whom and when, in place of its emails")
    ] = False,
) -> None:
    """Print a conversation, oldest email first, quoted text and signatures folded."""
    from shlex import quote

    from mailcrm.core.errors import UsageError
    from mailcrm.store import emails, threads
    from mailcrm.store.correspondents import unknown_senders
    from mailcrm.store.suggestions import suggestions_of

    invocation: Invocation = context.obj
    display = invocation.display
    if history:
        if full or html or raw:
            raise UsageError("--history prints no emails; leave out --full, --html and --raw.")
        _show_history(invocation, thread)
        return
    if full + html + raw + (display.as_json and (html or raw)) > 1:
        raise UsageError("--full, --html and --raw are three ways to print emails: say one, without --json.")
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        conversation = emails.thread_emails(db, row.id)
        strangers = unknown_senders(db, row.id)
        sources = (emails.email_source(db, one.row.id) for one in conversation)
        if raw:
            _show_sources(display, sources)
            return
        if html:
            _show_html(display, sources)
            return
        suggested = suggestions_of(db, [row.id])
        joined = emails.joined_by_subject(db, row.id)
    if display.as_json:
        display.document({"thread": row, "emails": conversation, "by_subject": sorted(joined)})
        return
    from mailcrm.commands.email_view import show_email

    _show_thread(display, row, suggested)
    for number, email in enumerate(conversation, start=1):
        show_email(display, email, number, full=full)
        if email.row.id in joined:
            display.note(
                f"Email {number} is here for its subject alone; if it is not of this conversation: "
                f"mailcrm thread split {row.id}"
            )
    for one in strangers[:_STRANGERS]:
        # People paste commands, and the address was chosen by a stranger.
        address = quote(one.address)
        display.note(
            f"{one.address} is unknown: mailcrm contact create --from {row.id} --address {address},"
            f" or mailcrm contact edit CONTACT --address {address}"
        )


def _show_history(invocation: Invocation, thread: str) -> None:
    from mailcrm.render import Column
    from mailcrm.store import history, threads

    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        threads.require_managed(db, row.id)
        events = history.thread_events(db, row.id)
    if invocation.display.as_json:
        invocation.display.document({"thread": row.id, "history": events})
        return
    invocation.display.table(
        [
            Column(heading="WHEN"),
            Column(heading="WHO", ratio=2),
            Column(heading="DID", style="bold"),
            Column(heading="WHAT", ratio=5),
        ],
        [(one.done_at, one.done_by, one.action, one.detail) for one in events],
        empty=f"Nothing was done to thread {row.id} yet.",
    )


@_app.command("merge")
def merge(
    context: typer.Context,
    thread: Thread,
    others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="threads that become part of it")],
) -> None:
    """Make one conversation of several; links are united, and the stricter visibility holds."""
    from mailcrm import threads_by_hand
    from mailcrm.core.model import Visibility
    from mailcrm.store import threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        before = threads.thread(db, thread)
        merged = [one for one in threads.several(db, others) if one.id != before.id]
        row = threads_by_hand.merge(db, before, merged, now=invocation.now())
    stricter = row.visibility is Visibility.PRIVATE and Visibility.SHARED in {
        one.visibility for one in (before, *merged)
    }
    invocation.display.done(
        f"Thread {', '.join(str(one.id) for one in merged)} is part of thread {row.id} now."
        + (" It is private, as one of them was." if stricter else ""),
        {"thread": row, "merged": [one.id for one in merged]},
    )
    if choice := _choice(row):
        invocation.display.warn(choice)


@_app.command("split")
def split(
    context: typer.Context,
    thread: Thread,
    email: Annotated[
        int | None,
        typer.Argument(
            metavar="[EMAIL]", help="its number in thread show; those found by subject if left out"
        ),
    ] = None,
) -> None:
    """Make an email and what answers it a conversation of its own, for good."""
    from mailcrm import threads_by_hand
    from mailcrm.render import number
    from mailcrm.store import threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        done = threads_by_hand.split(db, threads.thread(db, thread), email, now=invocation.now())
    invocation.display.done(
        f"{number(done.moved, 'email')} of thread {done.thread.id} "
        f"{'is' if done.moved == 1 else 'are'} thread {done.new.id} now.",
        {"thread": done.thread, "new": done.new, "moved": done.moved},
    )


@_app.command("archive")
def archive(context: typer.Context, threads: _Threads) -> None:
    """Take conversations out of the inbox, until somebody writes."""
    from mailcrm import threads_by_hand
    from mailcrm.commands.link import numbers
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        chosen = several(db, threads)
        threads_by_hand.archive(db, chosen, now=invocation.now())
    invocation.display.done(
        f"Archived thread {numbers(chosen)}.", {"threads": [one.id for one in chosen], "archived": True}
    )


@_app.command("unarchive")
def unarchive(context: typer.Context, threads: _Threads) -> None:
    """Bring archived conversations back to the inbox."""
    from mailcrm import threads_by_hand
    from mailcrm.commands.link import numbers
    from mailcrm.store.threads import several

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        chosen = several(db, threads)
        threads_by_hand.unarchive(db, chosen, now=invocation.now())
    invocation.display.done(
        f"Thread {numbers(chosen)} is in the inbox.",
        {"threads": [one.id for one in chosen], "archived": False},
    )


@_app.command("label")
def label(
    context: typer.Context,
    threads: _Threads,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="LABEL", help="put it on")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="LABEL", help="take it off")] = None,
) -> None:
    """Put labels on conversations, or take them off; whoever reads a conversation sees them."""
    from mailcrm import threads_by_hand
    from mailcrm.core.errors import UsageError
    from mailcrm.store.threads import by_ids, several

    if not add and not remove:
        raise UsageError("Say which label: --add LABEL or --remove LABEL.")
    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        chosen = several(db, threads)
        threads_by_hand.label(
            db,
            chosen,
            add=add or (),
            remove=remove or (),
            now=invocation.now(),
        )
        rows = by_ids(db, [one.id for one in chosen])
    invocation.display.done(
        "\n".join(f"Thread {row.id}: {', '.join(row.labels) or 'no label'}." for row in rows),
        {"threads": [{"id": row.id, "labels": row.labels} for row in rows]},
    )


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


def _choice(row: "ThreadRow") -> str | None:
    """Return what a person has to choose when a thread has several items, which only a merge gives it."""
    items = [*row.deals, *row.leads]
    if len(items) < 2:
        return None
    noun = "deals" if not row.leads else "leads" if not row.deals else "deals and leads"
    which = "link lead {} LEAD" if not row.deals else "link deal {} DEAL"
    count = {2: "two"}.get(len(items), str(len(items)))
    return f"Thread {row.id} is linked to {count} {noun}; choose: mailcrm {which.format(row.id)}"


def _show_thread(display: "Display", row: "ThreadRow", suggested: "Sequence[Suggestion]") -> None:
    from mailcrm.commands.columns import visibility
    from mailcrm.commands.link import candidates, why

    display.heading(_cut(row.subject) or "(no subject)")
    display.fields(
        [
            ("thread", row.id),
            ("account", row.account),
            ("contact", ", ".join(row.contacts)),
            ("deal", ", ".join(row.deals)),
            ("lead", ", ".join(row.leads)),
            *(("suggested", f"{candidates(one)} ({why(one)})") for one in suggested),
            ("labels", ", ".join(row.labels)),
            ("seen by", visibility(row)),
            ("archived", "yes" if row.archived else ""),
        ]
    )
    if choice := _choice(row):
        display.warn(choice)
    for one in suggested:
        display.note(f"To decide: mailcrm link accept {one.id} [DEAL], or mailcrm link dismiss {one.id}")


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

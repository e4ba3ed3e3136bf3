"""`mailcrm thread`: one conversation."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import EmailFull, ThreadRow
    from mailcrm.render import Display

_app = typer.Typer(help="Read a conversation.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="thread")


@_app.command("show")
def show(
    context: typer.Context,
    thread: Annotated[str, typer.Argument(help="number of the thread, or last")],
    full: Annotated[bool, typer.Option("--full", help="quoted text, too")] = False,
) -> None:
    """Print a conversation, oldest email first, quoted text folded."""
    from mailcrm.store import emails, threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        conversation = emails.thread_emails(db, row.id)
    if invocation.display.as_json:
        invocation.display.document({"thread": row, "emails": conversation})
        return
    _show_thread(invocation.display, row)
    for email in conversation:
        _show_email(invocation.display, email, full=full)


@_app.command("why")
def why(
    context: typer.Context, thread: Annotated[str, typer.Argument(help="number of the thread, or last")]
) -> None:
    """Say by which rule you may read a conversation, and who else does."""
    from mailcrm.sharing import explain
    from mailcrm.store import threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        verdict = explain(db, row)
    if invocation.display.as_json:
        invocation.display.document({"thread": row.id, "allowed": verdict.allowed, "reason": verdict.reason})
        return
    invocation.display.text(f"You read thread {row.id} because {verdict.reason}.")


def _show_thread(display: "Display", row: "ThreadRow") -> None:
    from mailcrm.commands.columns import visibility

    display.heading(row.subject or "(no subject)")
    display.fields(
        [
            ("thread", row.id),
            ("account", row.account),
            ("contact", ", ".join(row.contacts)),
            ("deal", ", ".join(row.deals)),
            ("seen by", visibility(row)),
        ]
    )


def _show_email(display: "Display", email: "EmailFull", *, full: bool) -> None:
    from mailcrm.core.model import ParticipantRole
    from mailcrm.render import size

    people: dict[str, list[str]] = {}
    for one in email.participants:
        if one.role in (ParticipantRole.FROM, ParticipantRole.TO, ParticipantRole.CC, ParticipantRole.BCC):
            shown = f"{one.name} <{one.address}>" if one.name else one.address
            people.setdefault(one.role.value, []).append(shown)
    display.rule()
    notes = [
        note
        for note, true in (("truncated", email.row.truncated), ("gone from the server", email.row.gone))
        if true
    ]
    display.fields(
        [
            ("date", email.row.received_at.astimezone().strftime("%Y-%m-%d %H:%M")),
            *((role, _shortened(names)) for role, names in people.items()),
            (
                "files",
                ", ".join(f"{a.name or a.type} ({size(a.size)})" for a in email.attachments if not a.inline),
            ),
            ("note", ", ".join(notes)),
        ]
    )
    display.text("")
    display.text(email.text.strip("\n") if full else fold_quotes(email.text))


def _shortened(names: list[str], most: int = 8) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return ", ".join(names[:most]) + f" and {len(names) - most} more"


def fold_quotes(text: str) -> str:
    """Return `text` with each run of lines that begin with `>` as one line that says how many there were."""
    lines: list[str] = []
    quoted = 0
    for line in [*text.strip("\n").splitlines(), ""]:
        if line.startswith(">"):
            quoted += 1
            continue
        if quoted:
            lines.append(f"[{quoted} quoted line{'' if quoted == 1 else 's'}; --full shows them]")
            quoted = 0
        lines.append(line)
    return "\n".join(lines).rstrip("\n")

"""`mailcrm thread`: one conversation."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import ThreadRow
    from mailcrm.core.parsed import EmailFull
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
    raw: Annotated[bool, typer.Option("--raw", help="the emails as the server gave them")] = False,
) -> None:
    """Print a conversation, oldest email first, quoted text folded."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import emails, threads

    invocation: Invocation = context.obj
    if raw and (full or invocation.display.as_json):
        raise UsageError("--raw prints the emails as they are: leave --full and --json out.")
    with invocation.open_store() as db:
        row = threads.thread(db, thread)
        conversation = emails.thread_emails(db, row.id)
        if raw:
            _show_sources(invocation.display, (emails.email_source(db, one.row.id) for one in conversation))
            return
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
    notes += repair_notes(email.repairs)
    display.fields(
        [
            ("date", email.row.received_at.astimezone().strftime("%Y-%m-%d %H:%M")),
            *((role, _shortened(names)) for role, names in people.items()),
            (
                "files",
                ", ".join(f"{a.name or a.type} ({size(a.size)})" for a in email.attachments if not a.inline),
            ),
            ("note", "; ".join(notes)),
        ]
    )
    display.text("")
    display.text(email.text.strip("\n") if full else fold_quotes(email.text))


#: What a reader should know of a repair, by its kind: `charset` for `charset:euc-kr`.
_REPAIRS = {
    "charset": "some characters were guessed",
    "limit": "what is beyond the limits was cut off",
    "boundary": "the parts were told apart by guessing",
    "transfer": "damaged data was read as far as it goes",
}


def repair_notes(repairs: Sequence[str]) -> list[str]:
    """Return in plain words what had to be guessed, mended or cut, one note for each kind of repair."""
    kinds: dict[str, list[str]] = {}
    for repair in repairs:
        kinds.setdefault(repair.partition(":")[0], []).append(repair)
    return [
        f"{_REPAIRS.get(kind, 'something was mended')} ({', '.join(names)})" for kind, names in kinds.items()
    ]


def _show_sources(display: "Display", sources: Iterable[bytes]) -> None:
    for index, source in enumerate(sources):
        if index:
            display.rule()
        display.source(source)


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


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

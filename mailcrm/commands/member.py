"""`mailcrm member`: the people who use the store."""

from typing import Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import MemberRole

_app = typer.Typer(help="Members of the store.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="member")


@_app.command("list")
def list_members(context: typer.Context) -> None:
    """List the members."""
    from mailcrm.render import Column
    from mailcrm.store import members

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = members.members(db)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="NAME", ratio=2),
            Column(heading="ADDRESS", ratio=3),
            Column(heading="ROLE"),
            Column(heading="ACTIVE"),
            Column(heading="LOGIN"),
        ],
        [
            (row.id, row.name, row.address, row.role.value, "yes" if row.active else "no", row.login)
            for row in rows
        ],
        empty="The store has no members.",
    )


@_app.command("create")
def create(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="the member's own address")],
    name: Annotated[str, typer.Option(help="the member's name")],
    role: Annotated[MemberRole, typer.Option(help="an admin manages members")] = MemberRole.MEMBER,
    login: Annotated[str | None, typer.Option(help="on PostgreSQL: the member's database login")] = None,
) -> None:
    """Add a member; for admins."""
    from mailcrm.store import members
    from mailcrm.store.location import is_postgres

    invocation: Invocation = context.obj
    own = answers.email_address(address)
    with invocation.open_store() as db:
        admin = db.viewer.address
        made = members.create_member(db, name=name, address=own, role=role, login=login)
    sentence = f"Member {made.id} {made.name} is made."
    if not is_postgres(invocation.config().store):
        sentence += (
            f" From now on say who you are, in cron, too: --as {admin}, MAILCRM_MEMBER={admin}, "
            f'or member = "{admin}" in config.toml.'
        )
    invocation.display.done(sentence, made)


@_app.command("deactivate")
def deactivate(
    context: typer.Context, member: Annotated[str, typer.Argument(help="number, address or name")]
) -> None:
    """Close the store for a member; shared conversations stay visible, private ones stay closed."""
    _set_active(context.obj, member, active=False)


@_app.command("reactivate")
def reactivate(
    context: typer.Context, member: Annotated[str, typer.Argument(help="number, address or name")]
) -> None:
    """Open the store for a member again."""
    _set_active(context.obj, member, active=True)


def _set_active(invocation: Invocation, text: str, *, active: bool) -> None:
    from mailcrm.core.errors import UsageError
    from mailcrm.store import members

    with invocation.open_store() as db:
        found = members.member(db, text)
        others = [
            m for m in members.members(db) if m.active and m.role is MemberRole.ADMIN and m.id != found.id
        ]
        if not active and found.role is MemberRole.ADMIN and not others:
            raise UsageError(f"{found.address} is the only admin; make another one first.")
        members.set_active(db, found, active=active)
        changed = members.member(db, found.address)
    invocation.display.done(f"{changed.address} is {'active' if changed.active else 'deactivated'}.", changed)

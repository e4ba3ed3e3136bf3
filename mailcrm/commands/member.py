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


_Member = Annotated[str, typer.Argument(help="number, address or name")]


@_app.command("show")
def show(context: typer.Context, member: _Member) -> None:
    """Print a member, and what admins did to the member, when and who."""
    from mailcrm.render import Column
    from mailcrm.store import history, members

    invocation: Invocation = context.obj
    display = invocation.display
    with invocation.open_store() as db:
        found = members.member(db, member)
        events = history.member_events(db, found.id)
    if display.as_json:
        display.document({"member": found, "history": events})
        return
    display.heading(found.name)
    display.fields(
        [
            ("member", found.id),
            ("address", found.address),
            ("role", found.role.value),
            ("active", "yes" if found.active else "no"),
            ("login", found.login),
        ]
    )
    display.table(
        [
            Column(heading="WHEN"),
            Column(heading="WHO", ratio=2),
            Column(heading="DID", style="bold"),
        ],
        [(one.done_at, one.done_by, one.action) for one in events],
        empty="The first member of the store.",
    )


@_app.command("create")
def create(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="the member's own address")],
    name: Annotated[str, typer.Option(help="the member's name")],
    role: Annotated[MemberRole, typer.Option(help="an admin manages members")] = MemberRole.MEMBER,
    login: Annotated[
        str | None, typer.Option(help="needed on PostgreSQL: the member's database login")
    ] = None,
) -> None:
    """Add a member; for admins."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import members
    from mailcrm.store.location import is_postgres

    invocation: Invocation = context.obj
    own, called = answers.email_address(address), answers.name(name, "member")
    on_postgres = is_postgres(invocation.config().store)
    if on_postgres and not login:
        raise UsageError(
            "On PostgreSQL a member needs a database login.",
            hint="Add --login LOGIN; docs/postgresql.md shows how to make one.",
        )
    with invocation.open_store() as db:
        admin = db.viewer.address
        made = members.create_member(
            db, name=called, address=own, role=role, login=login, at=invocation.now()
        )
    sentence = f"Member {made.id} {made.name} is made."
    if not on_postgres:
        sentence += (
            f" From now on say who you are, in cron, too: --as {admin}, MAILCRM_MEMBER={admin}, "
            f'or member = "{admin}" in config.toml.'
        )
    invocation.display.done(sentence, made)


@_app.command("edit")
def edit(
    context: typer.Context,
    member: _Member,
    name: Annotated[str | None, typer.Option(help="another name")] = None,
    role: Annotated[MemberRole | None, typer.Option(help="an admin manages members")] = None,
) -> None:
    """Change the name or the role of a member; for admins."""
    from mailcrm.store import members

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = members.member(db, member)
        changed = members.edit_member(
            db,
            found,
            name=found.name if name is None else answers.name(name, "member"),
            role=found.role if role is None else role,
            at=invocation.now(),
        )
    invocation.display.done(f"Member {changed.id} {changed.name} is {changed.role.value}.", changed)


@_app.command("deactivate")
def deactivate(context: typer.Context, member: _Member) -> None:
    """Close the store for a member; shared conversations stay visible, private ones stay closed."""
    _set_active(context.obj, member, active=False)


@_app.command("reactivate")
def reactivate(context: typer.Context, member: _Member) -> None:
    """Open the store for a member again."""
    _set_active(context.obj, member, active=True)


def _set_active(invocation: Invocation, text: str, *, active: bool) -> None:
    from mailcrm.store import members

    with invocation.open_store() as db:
        found = members.member(db, text)
        if not active:
            members.require_another_admin(db, found)
        members.set_active(db, found, active=active, at=invocation.now())
        changed = members.member(db, found.address)
    invocation.display.done(f"{changed.address} is {'active' if changed.active else 'deactivated'}.", changed)

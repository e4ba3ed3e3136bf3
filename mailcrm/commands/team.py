"""`mailcrm team`: members who own accounts together."""

from typing import Annotated

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation

_app = typer.Typer(help="Teams, which own accounts together.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="team")


_Team = Annotated[str, typer.Argument(help="number or name of the team")]
_Member = Annotated[str, typer.Argument(help="number, address or name of the member")]


@_app.command("list")
def list_teams(context: typer.Context) -> None:
    """List teams and their members."""
    from mailcrm.render import Column
    from mailcrm.store import members

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = members.teams(db)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="TEAM", ratio=1),
            Column(heading="MEMBERS", ratio=3),
        ],
        [(row.id, row.name, ", ".join(row.members)) for row in rows],
        empty="No teams yet. Make one: mailcrm team create NAME",
    )


@_app.command("create")
def create(context: typer.Context, name: Annotated[str, typer.Argument(help="the team's name")]) -> None:
    """Make a team; you are its first member."""
    from mailcrm.store import members

    invocation: Invocation = context.obj
    called = answers.name(name, "team")
    with invocation.open_store() as db:
        made = members.create_team(db, called)
    invocation.display.done(f"Team {made.id} {made.name} is made.", made)


@_app.command("add")
def add(context: typer.Context, team: _Team, member: _Member) -> None:
    """Let a member into a team, and so read its mail; for those who are in it."""
    from mailcrm.store import members

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found, added = members.team(db, team), members.member(db, member)
        members.add_team_member(db, found, added)
        changed = members.team(db, str(found.id))
    invocation.display.done(f"{added.address} is in the team {changed.name}.", changed)


@_app.command("remove")
def remove(context: typer.Context, team: _Team, member: _Member) -> None:
    """Take a member out of a team; for those who are in it."""
    from mailcrm.store import members

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found, removed = members.team(db, team), members.member(db, member)
        members.remove_team_member(db, found, removed)
        changed = members.team(db, str(found.id))
    invocation.display.done(f"{removed.address} is no longer in the team {changed.name}.", changed)

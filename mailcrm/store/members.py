"""Members and teams."""

from datetime import datetime

from mailcrm.core.errors import AlreadyExists, NotFound, NotPermitted, UsageError
from mailcrm.core.model import Member, MemberRole, Team
from mailcrm.store.database import Database
from mailcrm.store.history import MemberAction, add_member_event


def members(db: Database) -> list[Member]:
    """Return all members, also those who were deactivated."""
    return [
        Member(**{**row, "role": MemberRole(row["role"]), "active": bool(row["active"])})
        for row in db.read("members")
    ]


def member(db: Database, text: str) -> Member:
    """Return the member with this address, name or id; raises NotFound."""
    wanted = text.strip().lower()
    for found in members(db):
        if wanted in (str(found.id), found.address, found.name.lower()):
            return found
    raise NotFound(f"There is no member {text!r}.", hint="See `mailcrm member list`.")


def create_member(
    db: Database, *, name: str, address: str, role: MemberRole, login: str | None, at: datetime
) -> Member:
    """Add a member; raises AlreadyExists for a known address or login, NotPermitted unless an admin asks."""
    for known in members(db):
        if address == known.address:
            raise AlreadyExists(f"{address} is a member already.")
        if login is not None and login == known.login:
            raise AlreadyExists(f"The login {login!r} belongs to {known.address}.")
    # The active flag travels as a parameter because the two databases spell it differently.
    with db.transaction():
        made = db.insert("create_member", name=name, address=address, role=role, active=True, login=login)
        add_member_event(db, made, MemberAction.CREATED, at=at)
    return member(db, address)


def edit_member(db: Database, known: Member, *, name: str, role: MemberRole, at: datetime) -> Member:
    """Change name and role of a member, for admins.

    Raises NotPermitted, or UsageError when nobody would be an admin any more.
    """
    if role is not MemberRole.ADMIN:
        require_another_admin(db, known)
    with db.transaction():
        if (name, role) != (known.name, known.role):
            # First, because who steps down can record nothing afterwards.
            add_member_event(db, known.id, MemberAction.EDITED, at=at)
        if not db.write("edit_member", id=known.id, name=name, role=role):
            raise NotPermitted("Only an admin changes members.")
    return member(db, known.address)


def require_another_admin(db: Database, known: Member) -> None:
    """Raise UsageError when the store would be without an active admin if `known` were none."""
    others = [m for m in members(db) if m.active and m.role is MemberRole.ADMIN and m.id != known.id]
    if known.role is MemberRole.ADMIN and not others:
        raise UsageError(
            f"{known.address} is the only admin; make another one first.",
            hint="Run: mailcrm member edit MEMBER --role admin",
        )


def set_active(db: Database, known: Member, *, active: bool, at: datetime) -> None:
    """Deactivate a member, or take one back; raises NotPermitted, or NotFound."""
    if all(one.id != known.id for one in members(db)):
        raise NotFound(f"There is no member {known.address}.")
    with db.transaction():
        if active is not known.active:
            # First, because who deactivates themselves can record nothing afterwards.
            action = MemberAction.ACTIVATED if active else MemberAction.DEACTIVATED
            add_member_event(db, known.id, action, at=at)
        if not db.write("deactivate_member", id=known.id, active=active):
            raise NotPermitted("Only an admin changes members.")


def teams(db: Database) -> list[Team]:
    """Return all teams with the addresses of their members."""
    found: dict[int, tuple[str, list[str]]] = {}
    for row in db.read("teams"):
        entry = found.setdefault(row["id"], (row["name"], []))
        if row["address"] is not None:
            entry[1].append(row["address"])
    return [Team(id=key, name=name, members=tuple(people)) for key, (name, people) in found.items()]


def team(db: Database, text: str) -> Team:
    """Return the team with this name or id; raises NotFound."""
    for found in teams(db):
        if text.strip().lower() in (str(found.id), found.name.lower()):
            return found
    raise NotFound(f"There is no team {text!r}.", hint="See `mailcrm team list`.")


def create_team(db: Database, name: str) -> Team:
    """Make a team whose first member is the viewer; raises AlreadyExists."""
    if any(name.lower() == known.name.lower() for known in teams(db)):
        raise AlreadyExists(f"There is a team {name!r} already.")
    with db.transaction():
        team_id = db.insert("create_team", name=name)
        db.write("add_team_member", team_id=team_id, member_id=db.viewer.id)
    return team(db, str(team_id))


def add_team_member(db: Database, known: Team, added: Member) -> None:
    """Let a member into a team; raises NotPermitted unless the viewer belongs to it."""
    db.write("add_team_member", team_id=known.id, member_id=added.id)


def remove_team_member(db: Database, known: Team, removed: Member) -> None:
    """Take a member out of a team; raises NotFound, or NotPermitted for the last one of a team with accounts.

    A team without members is closed for good, and its mail with it.
    """
    if known.members == (removed.address,) and db.read("accounts_of_team", team_id=known.id):
        raise NotPermitted(
            f"{removed.address} is the last member of {known.name!r}, which owns an account.",
            hint="Let somebody else in first: mailcrm team add TEAM MEMBER",
        )
    if not db.write("remove_team_member", team_id=known.id, member_id=removed.id):
        raise NotFound(f"{removed.address} is not in the team {known.name!r}.")

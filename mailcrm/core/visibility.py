"""The rule of who reads a thread, in Python: it explains, and the store's SQL is tested against it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mailcrm.core.model import Visibility


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Members, teams, accounts, threads and links by id; `linked` holds the threads linked to anything."""

    active_members: AbstractSet[int]
    team_members: Mapping[int, AbstractSet[int]]
    account_owner: Mapping[int, int | None]
    account_team: Mapping[int, int | None]
    thread_account: Mapping[int, int]
    thread_visibility: Mapping[int, Visibility]
    linked: AbstractSet[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether the viewer reads the thread, and by which rule."""

    allowed: bool
    reason: str


def manages(world: World, viewer: int | None, account: int) -> bool:
    """Say whether the viewer owns the account, or belongs to the team that does."""
    if viewer is None or viewer not in world.active_members:
        return False
    team = world.account_team[account]
    return world.account_owner[account] == viewer or (team is not None and viewer in world.team_members[team])


def may_see(world: World, viewer: int | None, thread: int) -> Verdict:
    """Return the verdict; `viewer` None is somebody who is no member at all."""
    if viewer is None or viewer not in world.active_members:
        return Verdict(allowed=False, reason="only active members read mail")
    account = world.thread_account[thread]
    if manages(world, viewer, account):
        own = world.account_owner[account] == viewer
        return Verdict(allowed=True, reason="the account is yours" if own else "the account is your team's")
    if world.thread_visibility[thread] is Visibility.PRIVATE:
        return Verdict(allowed=False, reason="the thread is private")
    if thread not in world.linked:
        return Verdict(allowed=False, reason="the thread is shared but not linked to anything")
    return Verdict(allowed=True, reason="the thread is shared and linked")

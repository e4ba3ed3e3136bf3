"""What the block list keeps out of the store: emails that come, and emails that are stored already.

Whom a rule screens out is left to `core.block_list`, rows to `store.block_list`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from mailcrm.accounts import own_addresses
from mailcrm.core.errors import AlreadyExists
from mailcrm.core.model import Account
from mailcrm.core.plan import Arrival, is_wanted
from mailcrm.store import accounts, block_list, folders
from mailcrm.store.block_list import ScreenedOut
from mailcrm.store.database import Database

if TYPE_CHECKING:
    from mailcrm.core.block_list import BlockList, BlockPattern, BlockRule
    from mailcrm.store.emails import NewEmail


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What of the stored mail a rule takes, or took, out of an account.

    `gone` counts those of the emails that are not on the server any more: they cannot come back.
    """

    account: str
    threads: int
    emails: int
    gone: int


@dataclass(frozen=True, kw_only=True)
class Screening:
    """The block list for one account, for the time of one sync or one command; to be loaded with `screening`.

    `rules` are the ids of the rules by pattern and mode, as they are stored.
    """

    db: Database
    account: Account
    rules: dict[tuple[str, str], int]
    #: What was screened out in this sync, by identity: another copy need not be downloaded.
    _out: dict[str, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def mark(self) -> str:
        """What changes whenever the rules do; empty without rules."""
        if not self.rules:
            return ""
        text = "\n".join(sorted(f"{mode} {pattern}" for pattern, mode in self.rules))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @cached_property
    def _ids(self) -> "dict[BlockRule, int]":
        # Late: most stores have no rules.
        from mailcrm.core.block_list import BlockMode, BlockPattern, BlockRule

        ids = {}
        for (pattern, mode), key in self.rules.items():
            # As it is stored, it was read and normalised before.
            local, _, domain = pattern.rpartition("@")
            rule = BlockRule(pattern=BlockPattern(local=local, domain=domain), mode=BlockMode(mode))
            ids[rule] = key
        return ids

    @cached_property
    def _list(self) -> "BlockList":
        from mailcrm.core.block_list import BlockList  # late: see above

        return BlockList(self._ids)

    @cached_property
    def _own(self) -> frozenset[str]:
        return own_addresses(self.db, self.account)

    def rules_against(self, participants: AbstractSet[str]) -> frozenset[int]:
        """Return the rules that it takes to screen out an email with these addresses; none: it stays."""
        from mailcrm.core.block_list import BlockMode  # late: see above

        found = self._list.screens(participants, self._own)
        if found is None:
            return frozenset()
        if found.mode is BlockMode.ANY:
            return frozenset({self._ids[found]})
        blocking = (self._list.blocking(each) for each in participants - self._own)
        return frozenset(self._ids[rule] for rule in blocking if rule is not None)

    def sort(self, batch: Sequence["NewEmail"]) -> "tuple[Sequence[NewEmail], list[ScreenedOut]]":
        """Return what of a batch is to be stored, and what is screened out.

        An email that is stored already stays, whatever the rules say now: this is another place of it.
        """
        if not self.rules:
            return batch, []
        against = {
            item.arrival.uid: self.rules_against({p.address for p in item.content.parsed.participants})
            for item in batch
        }
        suspects = {item.digest for item in batch if against[item.arrival.uid]}
        known = block_list.stored_digests(self.db, self.account, suspects) if suspects else frozenset()
        stay: list[NewEmail] = []
        out: list[ScreenedOut] = []
        for item in batch:
            rules = against[item.arrival.uid]
            if not rules or item.digest in known:
                stay.append(item)
                continue
            out.append(ScreenedOut(uid=item.arrival.uid, rules=rules))
            self._out.update(dict.fromkeys(item.arrival.identities, rules))
        return stay, out

    def met_again(self, arrivals: Iterable[Arrival]) -> list[ScreenedOut]:
        """Return those that are proved to be emails which this sync has screened out."""
        if not self._out:
            return []
        start = self.account.history_start
        return [
            ScreenedOut(uid=each.uid, rules=next(self._out[n] for n in each.identities if n in self._out))
            for each in arrivals
            if each.is_among(self._out.keys()) and is_wanted(each, start)
        ]

    def stored(self, pattern: "BlockPattern") -> dict[int, frozenset[int]]:
        """Return stored emails that are screened out and in which somebody takes part whom `pattern` blocks.

        By their ids, with the rules that it takes.
        """
        blocked = cache(pattern.matches)
        return {
            key: rules
            for people in block_list.people_of_emails(self.db, self.account)
            for key, addresses in people.items()
            if any(map(blocked, addresses)) and (rules := self.rules_against(addresses))
        }


def screening(db: Database, account: Account) -> Screening:
    """Load the block list for an account."""
    return Screening(db=db, account=account, rules=block_list.rules_for(db, account))


def is_blocked(db: Database, rule: "BlockRule", whose: Account | None) -> bool:
    """Say whether a rule is there, of one account or of all; raises AlreadyExists for the other mode."""
    address = whose.address if whose else None
    for one in block_list.block_rules(db):
        if (one.account, one.pattern) == (address, str(rule.pattern)):
            if one.mode is not rule.mode:
                raise AlreadyExists(
                    f"{rule.pattern} is blocked already, in mode {one.mode}.",
                    hint=f"Remove that first: mailcrm block remove {rule.pattern}",
                )
            return True
    return False


def applied(db: Database, rule: "BlockRule", whose: Account | None) -> list[Applied]:
    """Return what of the stored mail a rule, present or to come, would take out, by account."""
    found = []
    for account in _managed(db, whose):
        rules = {(str(rule.pattern), str(rule.mode)): 0} | block_list.rules_for(db, account)
        emails = Screening(db=db, account=account, rules=rules).stored(rule.pattern)
        if emails:
            found.append(_applied(db, account, emails))
    return found


def apply_rule(db: Database, rule: "BlockRule", whose: Account | None, *, at: datetime) -> list[Applied]:
    """Add a rule, unless it is there, and remove what it screens out of the accounts that the viewer manages.

    All or nothing; raises StoreBusy during a sync.
    """
    done = []
    managed = _managed(db, whose)
    with ExitStack() as until_the_end:
        for account in managed:
            # A sync under way holds the rules that were there before.
            until_the_end.enter_context(db.lease(account.id))
        until_the_end.enter_context(db.transaction())
        if not is_blocked(db, rule, whose):
            block_list.add_rule(db, rule, whose, at=at)
        for account in managed:
            emails = screening(db, account).stored(rule.pattern)
            if emails:
                done.append(_applied(db, account, emails))
                block_list.take_out(db, emails)
                # When the rule goes before the next sync, it finds the rules and the folders as they were.
                folders.forget_marks(db, account)
    return done


def _managed(db: Database, whose: Account | None) -> list[Account]:
    return accounts.with_disconnected(db) if whose is None else [whose]


def _applied(db: Database, account: Account, emails: dict[int, frozenset[int]]) -> Applied:
    threads, gone = block_list.threads_and_gone(db, sorted(emails))
    return Applied(account=account.address, threads=len(threads), emails=len(emails), gone=gone)

"""What the block list keeps out of the store: emails that come, and emails that are stored already.

Whom a rule screens out is left to `core.block_list`, rows to `store.block_list`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mailcrm.accounts import own_addresses
from mailcrm.core.model import Account
from mailcrm.core.plan import Arrival, is_wanted
from mailcrm.store import block_list
from mailcrm.store.block_list import ScreenedOut
from mailcrm.store.database import Database

if TYPE_CHECKING:
    from mailcrm.core.block_list import BlockList, BlockRule
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


def screening(db: Database, account: Account) -> Screening:
    """Load the block list for an account."""
    return Screening(db=db, account=account, rules=block_list.rules_for(db, account))

"""The block list as it is stored: rules, the places that they keep out, and taking emails out.

Whom a rule screens out is left to `core.block_list`, what is done about it to `screening`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mailcrm.core.errors import NotPermitted
from mailcrm.core.model import Account, Folder, MemberRole
from mailcrm.store.database import Database
from mailcrm.store.rows import sure_instant

if TYPE_CHECKING:
    # Late where it is needed: most syncs find nothing new, and most stores have no rules.
    from mailcrm.core.block_list import BlockMode, BlockRule

#: Emails that are looked at, or taken out, at a time.
_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRule:
    """A rule of one account, or where `account` is None, of the store.

    `account` is its address. `screened` counts the places, in folders of accounts that the viewer manages,
    of emails that the rule keeps out.
    """

    id: int
    pattern: str
    mode: "BlockMode"
    account: str | None
    added_by: str
    added_at: datetime
    screened: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreenedOut:
    """A UID that is not stored, and the rules that it takes; when one of them goes, it is looked at again."""

    uid: int
    rules: frozenset[int]


def block_rules(db: Database) -> list[StoredRule]:
    """Return the rules of the store, then those of each account that the viewer manages."""
    from mailcrm.core.block_list import BlockMode

    counts = {row["id"]: row["count"] for row in db.read("screened_by_rule")}
    return [
        StoredRule(
            id=row["id"],
            pattern=row["pattern"],
            mode=BlockMode(row["mode"]),
            account=row["account"],
            added_by=row["added_by"],
            added_at=sure_instant(row["added_at"]),
            screened=counts.get(row["id"], 0),
        )
        for row in db.read("block_rules")
    ]


def rules_for(db: Database, account: Account) -> dict[tuple[str, str], int]:
    """Return the ids of the rules that hold for an account, its own and the store's, by pattern and mode.

    Of two that say the same, the store's.
    """
    rows = db.read("block_rules_for", account_id=account.id)
    return {(row["pattern"], row["mode"]): row["id"] for row in rows}


def add_rule(db: Database, rule: "BlockRule", account: Account | None, *, at: datetime) -> int:
    """Add a rule for an account, or for all, and return its id; raises AlreadyExists or NotPermitted."""
    require_permission(db, account)
    return db.insert(
        "add_block_rule",
        account_id=account.id if account else None,
        pattern=str(rule.pattern),
        mode=rule.mode,
        added_by=db.viewer.id,
        added_at=at,
    )


def require_permission(db: Database, account: Account | None) -> None:
    """Raise NotPermitted for a rule of the store unless the viewer is an admin."""
    if account is None and db.viewer.role is not MemberRole.ADMIN:
        raise NotPermitted(
            "Only an admin blocks somebody for all accounts.", hint="Name one of your own: --account ADDRESS"
        )


def remove_rule(db: Database, rule: StoredRule) -> None:
    """Remove a rule and forget the places that it took; raises NotPermitted."""
    with db.transaction():
        # What other rules had to do with them goes with these.
        db.write("forget_screened", id=rule.id)
        if not db.write("remove_block_rule", id=rule.id):
            raise NotPermitted("Only an admin removes a rule of the store.")


def screen_out(db: Database, folder: Folder, uidvalidity: int, screened: Iterable[ScreenedOut]) -> None:
    """Remember UIDs that are screened out; where a rule has just been removed, they stay unknown."""
    together: defaultdict[frozenset[int], list[int]] = defaultdict(list)
    for one in screened:
        together[one.rules].append(one.uid)
    with db.transaction():
        for rules, uids in together.items():
            _remember(db, folder.id, uidvalidity, uids, rules)
            db.write("clear_failure", folder_id=folder.id, uidvalidity=uidvalidity, uids=uids)


def _remember(
    db: Database, folder_id: int, uidvalidity: int, uids: Sequence[int], rules: frozenset[int]
) -> None:
    place = {"folder_id": folder_id, "uidvalidity": uidvalidity, "uids": uids}
    db.write("unscreen", **place, low=min(uids), high=max(uids))
    db.write("screen_out", **place, rule_ids=sorted(rules), rules=len(rules))


def stored_digests(db: Database, account: Account, digests: Iterable[str]) -> frozenset[str]:
    """Return those of these sources that the store holds for the account."""
    rows = db.read("emails_by_digest", account_id=account.id, texts=sorted(digests))
    return frozenset(row["digest"] for row in rows)


def screened_count(db: Database, account: Account) -> int:
    """Return how many places in the account's chosen folders are screened out."""
    return int(db.read("screened_count", account_id=account.id)[0]["count"])


def people_of_emails(db: Database, account: Account) -> Iterator[dict[int, set[str]]]:
    """Yield who takes part in the stored emails of an account, by email id, many at a time."""
    ids = [row["id"] for row in db.read("email_ids", account_id=account.id)]
    for some in _parts(ids):
        people: defaultdict[int, set[str]] = defaultdict(set)
        for row in db.read("addresses_of_emails", ids=some):
            people[row["email_id"]].add(row["address"])
        yield people


def threads_and_gone(db: Database, ids: Sequence[int]) -> tuple[set[int], int]:
    """Return the threads that emails stand in, and how many of the emails are gone from their server."""
    rows = [row for some in _parts(ids) for row in db.read("threads_of_emails", ids=some)]
    return {row["thread_id"] for row in rows}, sum(row["gone_at"] is not None for row in rows)


def take_out(db: Database, found: dict[int, frozenset[int]]) -> None:
    """Remove emails, with all that hangs on them, and remember their places with the rules that each took.

    A thread that is left empty goes; the others are brought up to date.
    """
    from mailcrm.store.threads import lock_threads, refresh_threads  # late: see above

    for ids in _parts(sorted(found)):
        together: defaultdict[tuple[int, int, frozenset[int]], list[int]] = defaultdict(list)
        for row in db.read("places_of_emails", ids=ids):
            together[row["folder_id"], row["uidvalidity"], found[row["email_id"]]].append(row["uid"])
        threads, _ = threads_and_gone(db, ids)
        lock_threads(db, threads)
        db.write("remove_emails", ids=ids)
        left = {row["thread_id"] for row in db.read("threads_with_emails", ids=sorted(threads))}
        db.write("remove_threads", ids=sorted(threads - left))
        refresh_threads(db, left)
        for (folder_id, uidvalidity, rules), uids in together.items():
            _remember(db, folder_id, uidvalidity, uids, rules)


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(ids), _AT_ONCE):
        yield ids[begin : begin + _AT_ONCE]

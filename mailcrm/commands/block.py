"""`mailcrm block`: whose mail is kept out of the store."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcrm.core.model import Account
    from mailcrm.screening import Applied
    from mailcrm.store import Database
    from mailcrm.store.block_list import StoredRule

_app = typer.Typer(help="Whose mail is kept out of the store.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="block")


_Pattern = Annotated[
    str, typer.Argument(help="jane@example.com, @example.com with its sub-domains, or news*@example.com")
]
_Account = Annotated[str | None, typer.Option(help="for this account; may be left out where there is one")]
_Everywhere = Annotated[bool, typer.Option("--everywhere", help="for all accounts of the store (admins)")]


@_app.command("list")
def list_rules(context: typer.Context) -> None:
    """List who is blocked, for all and for your accounts."""
    from mailcrm.render import Column
    from mailcrm.store import block_list

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rules = block_list.block_rules(db)
    if invocation.display.as_json:
        invocation.display.document(rules)
        return
    invocation.display.table(
        [
            Column(heading="PATTERN", ratio=3, style="cyan"),
            Column(heading="MODE"),
            Column(heading="FOR", ratio=3),
            Column(heading="SCREENED OUT", right=True),
            Column(heading="ADDED"),
            Column(heading="BY", ratio=3),
        ],
        [
            (
                rule.pattern,
                rule.mode.value,
                rule.account or "all accounts",
                rule.screened,
                rule.added_at,
                rule.added_by,
            )
            for rule in rules
        ],
        empty="Nobody is blocked. Block somebody: mailcrm block add @example.com",
    )


@_app.command("add")
def add(
    context: typer.Context,
    pattern: _Pattern,
    any_of_them: Annotated[
        bool, typer.Option("--any", help="also when others take part in the email")
    ] = False,
    account: _Account = None,
    everywhere: _Everywhere = False,
    apply: Annotated[bool, typer.Option("--apply", help="remove stored mail, too, after a question")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what --apply would remove, and do nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Keep mail of somebody out from now on.

    An email is screened out when nobody takes part in it but blocked people and you.
    """
    from mailcrm.core.block_list import BlockMode, BlockRule, parse_pattern
    from mailcrm.core.errors import AlreadyExists, UsageError
    from mailcrm.screening import applied, apply_rule, is_blocked
    from mailcrm.store import block_list, contacts

    invocation: Invocation = context.obj
    rule = BlockRule(pattern=parse_pattern(pattern), mode=BlockMode.ANY if any_of_them else BlockMode.ONLY)
    with invocation.open_store() as db:
        whose = _whose(db, account, everywhere=everywhere)
        block_list.require_permission(db, whose)
        if contacts.our_addresses(db, [str(rule.pattern)]):
            raise UsageError(
                f"{rule.pattern} is one of our own addresses, and those are never screened out.",
                hint="See who is blocked: mailcrm block list",
            )
        there = is_blocked(db, rule, whose)
        if there and not (apply or dry_run):
            raise AlreadyExists(
                f"{rule.pattern} is blocked already.",
                hint="To remove mail that is stored: the same with --apply",
            )
        found = applied(db, rule, whose) if apply or dry_run else []
        if dry_run:
            _show(invocation, found)
            return
        if found and not yes and not _agreed(invocation, found):
            invocation.display.note("Nothing was changed.")
            raise typer.Exit(1)
        removed: list[Applied] = []
        if apply:
            removed = apply_rule(db, rule, whose, at=invocation.now())
        else:
            block_list.add_rule(db, rule, whose, at=invocation.now())
    told = f"{rule.pattern} is blocked for {whose.address if whose else 'all accounts'}."
    if apply:
        told += f" Removed: {_counts(removed)}."
    else:
        told += " Stored mail stays; to remove it as well: the same with --apply"
    invocation.display.done(
        told,
        {
            "pattern": str(rule.pattern),
            "mode": rule.mode,
            "account": whose.address if whose else None,
            "removed": removed,
        },
    )


@_app.command("remove")
def remove(
    context: typer.Context,
    pattern: _Pattern,
    account: _Account = None,
    everywhere: _Everywhere = False,
) -> None:
    """Block somebody no more.

    What was screened out comes with the next sync, unless other rules keep it out.
    """
    from mailcrm.core.block_list import parse_pattern
    from mailcrm.render import number
    from mailcrm.store import block_list

    invocation: Invocation = context.obj
    wanted = str(parse_pattern(pattern))
    with invocation.open_store() as db:
        rules = [rule for rule in block_list.block_rules(db) if rule.pattern == wanted]
        if account is not None or everywhere:
            whose = _whose(db, account, everywhere=everywhere)
            rules = [rule for rule in rules if rule.account == (whose.address if whose else None)]
        found = _only(rules, wanted)
        block_list.remove_rule(db, found)
    waiting = f" To come with the next sync: {number(found.screened, 'email')}." if found.screened else ""
    invocation.display.done(
        f"{found.pattern} is not blocked any more for {found.account or 'all accounts'}.{waiting}", found
    )


def _whose(db: "Database", account: str | None, *, everywhere: bool) -> "Account | None":
    """Return the account that a rule is for, the only one when none is named; None for all accounts."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import accounts

    if everywhere:
        if account is not None:
            raise UsageError("A rule is for one account, or with --everywhere for all, not for both.")
        return None
    return accounts.account(db, account)


def _only(rules: "Sequence[StoredRule]", wanted: str) -> "StoredRule":
    from mailcrm.core.errors import NeedsChoice, NotFound

    if not rules:
        raise NotFound(f"{wanted} is not blocked.", hint="See `mailcrm block list`.")
    if len(rules) > 1:
        raise NeedsChoice(
            f"{wanted} is blocked more than once; name one.",
            candidates=[f"--account {rule.account}" if rule.account else "--everywhere" for rule in rules],
        )
    return rules[0]


def _agreed(invocation: Invocation, found: "Sequence[Applied]") -> bool:
    """Show what would be removed and ask; raises UsageError where nobody can answer."""
    from mailcrm.core.errors import UsageError

    if not invocation.may_ask():
        raise UsageError(
            f"This would remove {_counts(found)}.", hint="Look with --dry-run, then agree with --yes."
        )
    _show(invocation, found)
    return typer.confirm(f"Remove {_counts(found)} from the store?", err=True)


def _show(invocation: Invocation, found: "Sequence[Applied]") -> None:
    from mailcrm.render import Column

    if invocation.display.as_json:
        invocation.display.document(found)
        return
    invocation.display.table(
        [
            Column(heading="ACCOUNT", ratio=3),
            Column(heading="THREADS", right=True),
            Column(heading="EMAILS", right=True),
            Column(heading="GONE FROM SERVER", right=True),
        ],
        [(one.account, one.threads, one.emails, one.gone) for one in found],
        empty="No stored mail is screened out.",
    )
    if any(one.gone for one in found):
        invocation.display.note("What is gone from the server cannot come back when the rule is removed.")


def _counts(found: "Sequence[Applied]") -> str:
    """Return how much that is, in words."""
    from mailcrm.render import number

    emails = number(sum(one.emails for one in found), "email")
    return f"{emails} in {number(sum(one.threads for one in found), 'thread')}"

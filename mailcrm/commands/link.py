"""`mailcrm link`: tie conversations to records, and decide what the rule did not dare to link."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Contact, Deal, Item, Lead, Suggestion, ThreadRow

if TYPE_CHECKING:
    from mailcrm.core.links import LinkDecision
    from mailcrm.store import Database

ThreadsAndDeal = Annotated[list[str], typer.Argument(metavar="THREAD... DEAL", help="threads, then one deal")]
ThreadsAndLead = Annotated[list[str], typer.Argument(metavar="THREAD... LEAD", help="threads, then one lead")]
ThreadsAndContact = Annotated[
    list[str], typer.Argument(metavar="THREAD... CONTACT", help="threads, then one contact")
]
_Suggestion = Annotated[str, typer.Argument(metavar="SUGGESTION", help="number; see link suggestions")]

#: Why something is suggested, for a person, in a word or two.
REASONS = {
    "several-open-items": "several open",
    "item-closed": "deal closed",
    "ambiguous-from": "unclear sender",
    "failed-authentication": "forged sender?",
}

_app = typer.Typer(
    help="Link conversations to a deal, a lead or a contact, and decide suggestions.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="link")


@_app.command("deal")
def deal(context: typer.Context, words: ThreadsAndDeal) -> None:
    """Link conversations to a deal; it takes the place of the deal or lead they had."""
    from mailcrm.store import deals

    *names, target = several(words)
    with context.obj.open_store() as db:
        _link(context.obj, db, names, deals.deal(db, target))


@_app.command("lead")
def lead(context: typer.Context, words: ThreadsAndLead) -> None:
    """Link conversations to a lead; it takes the place of the deal or lead they had."""
    from mailcrm.store import leads

    *names, target = several(words)
    with context.obj.open_store() as db:
        _link(context.obj, db, names, leads.lead(db, target))


@_app.command("contact")
def contact(context: typer.Context, words: ThreadsAndContact) -> None:
    """Link conversations to a contact."""
    from mailcrm.store import contacts

    *names, target = several(words)
    with context.obj.open_store() as db:
        _link(context.obj, db, names, contacts.contact(db, target))


def _link(invocation: Invocation, db: "Database", names: list[str], found: Contact | Deal | Lead) -> None:
    from mailcrm.linking import link_thread, record_name
    from mailcrm.store import links, threads

    chosen = threads.several(db, names)
    before = []
    if not isinstance(found, Contact):
        here = (found.id, None) if isinstance(found, Deal) else (None, found.id)
        before = [
            link
            for link in links.links(db, [thread.id for thread in chosen])
            if link.contact_id is None and (link.deal_id, link.lead_id) != here
        ]
    with db.transaction():
        for thread in chosen:
            link_thread(db, thread, found, now=invocation.now())
    instead = "".join(
        f" {one.thread_id} was linked to {_item(one.deal_id, one.lead_id, one.title)} before."
        for one in before
    )
    invocation.display.done(
        f"Linked thread {numbers(chosen)} to {record_name(found)}.{instead}",
        {"threads": [thread.id for thread in chosen], noun(found): found},
    )


@_app.command("suggestions")
def show_suggestions(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many")] = 50,
) -> None:
    """List what the automatic rule did not dare to link, with the candidates."""
    from mailcrm.render import Column
    from mailcrm.store import suggestions, threads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = suggestions.suggestions(db, limit=limit + 1)
        rows = {row.id: row for row in threads.by_ids(db, [one.thread_id for one in found])}
    if invocation.display.as_json:
        invocation.display.document(found[:limit])
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="THREAD", right=True, style="cyan"),
            Column(heading="WITH", ratio=3, room=100),
            Column(heading="SUBJECT", ratio=3),
            Column(heading="WHY"),
            Column(heading="CANDIDATES", ratio=7, style="green"),
        ],
        [
            (
                one.id,
                one.thread_id,
                ", ".join(rows[one.thread_id].correspondents),
                rows[one.thread_id].subject or "(no subject)",
                why(one),
                candidates(one),
            )
            for one in found
        ],
        limit=limit,
        empty="No suggestions.",
    )
    if found:
        invocation.display.note(
            f"Next: mailcrm link accept {found[0].id} [DEAL], or mailcrm link dismiss {found[0].id}"
        )


def why(suggestion: Suggestion) -> str:
    """Return why something is suggested; of several open items a person may have refused all but one."""
    items = [one for one in suggestion.candidates if one.contact_id is None]
    if suggestion.reason == "several-open-items" and len(items) == 1:
        return "open as well"
    return REASONS[suggestion.reason]


def candidates(suggestion: Suggestion) -> str:
    """Return what a suggestion offers, in one line."""
    return ", ".join(str(one) for one in suggestion.candidates)


def _item(deal_id: int | None, lead_id: int | None, title: str) -> str:
    return f"deal {deal_id} {title}" if deal_id is not None else f"lead {lead_id} {title}"


@_app.command("accept")
def accept(
    context: typer.Context,
    suggestion: _Suggestion,
    item: Annotated[
        str | None, typer.Argument(metavar="[DEAL]", help="the right deal or lead, when there are several")
    ] = None,
) -> None:
    """Make the links of a suggestion."""
    from mailcrm.linking import accept as accept_suggestion
    from mailcrm.linking import record_name
    from mailcrm.store import suggestions

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = suggestions.suggestion(db, suggestion)
        chosen = _chosen(db, found, item) if item is not None else None
        linked = accept_suggestion(db, found, chosen, now=invocation.now())
    invocation.display.done(
        f"Linked thread {found.thread_id} to {', '.join(record_name(one) for one in linked)}.",
        {"thread": found.thread_id, "linked": linked},
    )


def _chosen(db: "Database", suggestion: Suggestion, text: str) -> Deal | Lead:
    """Return the candidate that a person names by number or title; a lead may have the number of a deal."""
    from mailcrm.core.errors import NeedsChoice, NotFound
    from mailcrm.store import deals, leads

    wanted = text.strip().casefold()
    offered = [one for one in suggestion.candidates if one.contact_id is None]
    named = [
        one
        for one in offered
        if wanted in (str(one.deal_id or one.lead_id), _item(one.deal_id, one.lead_id, "").strip())
    ] or [one for one in offered if one.title.casefold().startswith(wanted)]
    if len(named) > 1:
        raise NeedsChoice(
            f"{len(named)} candidates are called {text!r}; say which.",
            candidates=[str(one) for one in named],
            hint="Say it like: deal 42",
        )
    if not named:
        raise NotFound(
            f"{text!r} is no candidate of suggestion {suggestion.id}: {candidates(suggestion)}.",
            hint=f"To link another one: mailcrm link deal {suggestion.thread_id} DEAL",
        )
    (one,) = named
    if one.deal_id is not None:
        return deals.deal(db, str(one.deal_id))
    return leads.lead(db, str(one.lead_id))


@_app.command("dismiss")
def dismiss(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="SUGGESTION...", help="see link suggestions")],
) -> None:
    """Say that nothing of a suggestion is right; it is not made again."""
    from mailcrm.linking import dismiss as dismiss_suggestion
    from mailcrm.store import suggestions

    invocation: Invocation = context.obj
    with invocation.open_store() as db, db.transaction():
        found = [suggestions.suggestion(db, text) for text in names]
        for one in found:
            dismiss_suggestion(db, one, now=invocation.now())
    told = ", ".join(str(one.id) for one in found)
    invocation.display.done(
        f"Dismissed suggestion {told}; it is not made again.", {"suggestions": [one.id for one in found]}
    )


@_app.command("auto")
def auto(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="only conversations with mail since: 2026-01-01, 90d")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be linked")] = False,
) -> None:
    """Apply the automatic rule to all stored mail: for contacts, deals and leads made after it came."""
    from mailcrm.core.dates import parse_when
    from mailcrm.linking import apply_rule_to_account, decisions_for_account
    from mailcrm.render import number
    from mailcrm.store import accounts

    invocation: Invocation = context.obj
    start = parse_when(since, invocation.now()) if since is not None else None
    with invocation.open_store() as db:
        managed = accounts.with_disconnected(db)
        if dry_run:
            decided = {
                key: one
                for account in managed
                for key, one in decisions_for_account(db, account, since=start).items()
            }
            _show_decisions(invocation, db, decided)
            return
        done = [apply_rule_to_account(db, account, since=start, now=invocation.now()) for account in managed]
    linked = [thread for one in done for thread in one.threads]
    suggested = [thread for one in done for thread in one.suggested]
    parts = [number(len(linked), "thread") + " linked"] if linked else []
    if suggested:
        parts.append(f"{number(len(suggested), 'new suggestion')}: mailcrm link suggestions")
    invocation.display.done(
        "; ".join(parts) + "." if parts else "Nothing to link.", {"threads": linked, "suggested": suggested}
    )


def _show_decisions(invocation: Invocation, db: "Database", decided: "dict[int, LinkDecision]") -> None:
    """Show what the rule would do, the newest conversations first."""
    from mailcrm.core.model import ItemKind
    from mailcrm.render import Column, number
    from mailcrm.store import contacts, deals, leads, threads

    if invocation.display.as_json:
        invocation.display.document([{"thread": key, **_as_result(one)} for key, one in decided.items()])
        return
    people = contacts.names(db, {key for one in decided.values() for key in _contact_ids(one)})
    items = [item for one in decided.values() for item in _items_of(one)]
    titles = {
        ItemKind.DEAL: deals.titles(db, {item.id for item in items if item.kind is ItemKind.DEAL}),
        ItemKind.LEAD: leads.titles(db, {item.id for item in items if item.kind is ItemKind.LEAD}),
    }
    rows = threads.by_ids(db, sorted(decided, reverse=True)[:_SHOWN])
    invocation.display.table(
        [
            Column(heading="THREAD", right=True, style="cyan"),
            Column(heading="WHEN"),
            Column(heading="SUBJECT", ratio=4),
            Column(heading="CONTACT", ratio=3, style="green"),
            Column(heading="DEAL OR LEAD", ratio=5, style="green"),
            Column(heading="SUGGESTED"),
        ],
        [
            (
                row.id,
                row.last_received_at,
                row.subject or "(no subject)",
                ", ".join(people[key] for key in _contact_ids(one)),
                ", ".join(f"{kind} {key} {titles[kind][key]}" for kind, key in _items_of(one)),
                REASONS[one.proposal.reason] if one.proposal else "",
            )
            for row in rows
            for one in [decided[row.id]]
        ],
        empty="Nothing to link.",
    )
    linked = sum(1 for one in decided.values() if one.contacts or one.item)
    suggested = sum(1 for one in decided.values() if one.proposal)
    if decided:
        invocation.display.note(
            f"{number(linked, 'thread')} would be linked, {number(suggested, 'suggestion')} made. "
            "Do it: mailcrm link auto"
        )


#: Lines of a dry run; the rest is counted.
_SHOWN = 50


def _contact_ids(decision: "LinkDecision") -> list[int]:
    return sorted(decision.contacts | (decision.proposal.contacts if decision.proposal else frozenset()))


def _items_of(decision: "LinkDecision") -> list[Item]:
    items = {decision.item} if decision.item else set()
    return sorted(items | (decision.proposal.items if decision.proposal else frozenset()))


def _as_result(decision: "LinkDecision") -> dict[str, object]:
    proposal = decision.proposal
    return {
        "contacts": sorted(decision.contacts),
        "item": decision.item._asdict() if decision.item else None,
        "reason": decision.reason,
        "suggestion": {
            "reason": proposal.reason,
            "contacts": sorted(proposal.contacts),
            "items": [item._asdict() for item in sorted(proposal.items)],
        }
        if proposal
        else None,
    }


def noun(record: Contact | Deal | Lead) -> str:
    """Return what a record is: contact, deal or lead."""
    return type(record).__name__.lower()


def several(words: list[str]) -> list[str]:
    """Return threads and the record after them; raises UsageError when one of both is missing."""
    from mailcrm.core.errors import UsageError

    if len(words) < 2:
        raise UsageError("Name at least one thread, then what it is linked to.")
    return words


def numbers(threads: Sequence[ThreadRow]) -> str:
    """Return the numbers of threads as a sentence names them."""
    return ", ".join(str(thread.id) for thread in threads)

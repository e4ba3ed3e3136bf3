"""`mailcrm deal`: the sales in progress."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import record, record_import
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import DealStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from mailcrm.core.model import Contact, Deal, Stage
    from mailcrm.store import Database

_app = typer.Typer(help="Deals and their conversations.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    record_import.add_to(_app, "deal")
    app.add_typer(_app, name="deal")


_Deal = Annotated[str, typer.Argument(help="number or title")]
StageName = Annotated[
    str | None, typer.Option("--stage", metavar="S", help="number or name, in its pipeline")
]
PipelineName = Annotated[str | None, typer.Option("--pipeline", metavar="P", help="number or name")]


@_app.command("list")
def list_deals(
    context: typer.Context,
    status: Annotated[DealStatus | None, typer.Option(help="only deals of this status")] = None,
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", metavar="P", help="only in this pipeline")
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="S", help="only in this stage, of any pipeline")
    ] = None,
    org: record.OnlyOrg = None,
    contact: record.OnlyContact = None,
    owner: record.OnlyOwner = None,
    limit: record.Limit = 200,
) -> None:
    """List deals, the newest first."""
    from mailcrm.core.money import worth
    from mailcrm.render import Column
    from mailcrm.store import deals, pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        several = pipeline is None and len(pipelines.pipelines(db)) > 1
        rows = deals.deals(
            db,
            status=status,
            organization_id=record.organization_id(db, org),
            contact_id=record.contact_id(db, contact),
            owner_id=record.any_owner_id(db, owner),
            stages=_stages(db, pipeline, stage),
            limit=limit + 1,
        )
    if invocation.display.as_json:
        invocation.display.document(rows[:limit])
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="STATUS"),
            Column(heading="TITLE", ratio=3),
            Column(heading="VALUE", right=True, most=24),
            Column(heading="CONTACTS", ratio=2, style="green"),
            Column(heading="STAGE", ratio=3 if several else 2, room=80),
            Column(heading="ORGANIZATION", ratio=2, style="green", room=100),
            Column(heading="EXPECTED", piped=not any(row.expected_close for row in rows)),
        ],
        [
            (
                row.id,
                row.status.value,
                row.title,
                worth(row.value, row.currency),
                ", ".join(row.contacts),
                f"{row.stage} ({row.pipeline})" if several else row.stage,
                row.organization,
                None if row.expected_close is None else row.expected_close.isoformat(),
            )
            for row in rows
        ],
        limit=limit,
        empty="No such deals."
        if status or pipeline or stage or org or contact or owner
        else "No deals yet. Make one: mailcrm deal create TITLE --contact CONTACT",
    )
    if invocation.display.terminal and (told := _totals(rows[:limit])):
        invocation.display.note(told)


@_app.command("show")
def show(
    context: typer.Context,
    deal: _Deal,
    limit: record.Emails = 50,
    before: record.Before = None,
    full: record.Full = False,
) -> None:
    """Show a deal and the timeline of conversations, the newest first."""
    from mailcrm.core.money import worth
    from mailcrm.timeline import deal_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = deal_timeline(db, deal, limit=limit, before=before)
        page = record.emails(db, view.emails, full=full)
        owner = record.owner_name(db, view.deal.owner_id)
    if invocation.display.as_json:
        invocation.display.document({"deal": view.deal, "emails": page, "next": view.next})
        return
    found = view.deal
    invocation.display.heading(found.title)
    invocation.display.fields(
        [
            ("deal", found.id),
            ("status", found.status.value),
            ("stage", f"{found.stage} ({found.pipeline})"),
            ("value", worth(found.value, found.currency)),
            ("contacts", ", ".join(found.contacts)),
            ("organization", found.organization),
            ("expected", None if found.expected_close is None else found.expected_close.isoformat()),
            ("closed", found.closed_at),
            ("owner", owner),
        ]
    )
    record.show_emails(invocation.display, page, view.next)


@_app.command("create")
def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="what is being sold")],
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="number, address or name; may be repeated")
    ] = None,
    org: Annotated[
        str | None, typer.Option("--org", metavar="ORG", help="when left out, that of its first contact")
    ] = None,
    value: Annotated[str | None, typer.Option(help="what it is worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
    pipeline: PipelineName = None,
    stage: StageName = None,
    expected_close: Annotated[
        str | None, typer.Option(metavar="DATE", help="when it should be decided: 2026-09-30")
    ] = None,
    owner: record.OwnerName = None,
) -> None:
    """Make an open deal."""
    from mailcrm.core import money
    from mailcrm.store import deals

    invocation: Invocation = context.obj
    amount = None if value is None else money.amount(value)
    unit = None if currency is None else money.currency(currency, amount)
    day = None if expected_close is None else _day(expected_close)
    with invocation.open_store() as db:
        with db.transaction():
            people = record.contacts_of(db, contact)
            step = chosen_stage(db, pipeline, stage)
            made = deals.create_deal(
                db,
                title=title,
                contact_ids=[person.id for person in people],
                value=amount,
                currency=unit,
                at=invocation.now(),
                organization_id=record.organization_id(db, org) if org else home_of(people),
                stage_id=None if step is None else step.id,
                expected_close=day,
                owner_id=record.owner_id(db, owner),
            )
        told = record.waiting(db, made.contact_ids)
    joined = f" with {made.organization}" if made.organization else ""
    invocation.display.done(f"Deal {made.id} {made.title}{joined} is made.{told}", made)


@_app.command("edit")
def edit(
    context: typer.Context,
    deal: _Deal,
    title: Annotated[str | None, typer.Option(help="another title")] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="one more contact; may be repeated")
    ] = None,
    remove_contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="one contact less; may be repeated")
    ] = None,
    org: record.Org = None,
    no_org: record.NoOrg = False,
    value: Annotated[str | None, typer.Option(help="what it is worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", metavar="P", help="into its first stage, or the one that --stage names"),
    ] = None,
    stage: StageName = None,
    expected_close: Annotated[
        str | None, typer.Option(metavar="DATE", help="when it should be decided, or none")
    ] = None,
    owner: record.OtherOwner = None,
) -> None:
    """Change a deal: what is not named stays as it is."""
    from dataclasses import replace

    from mailcrm.core import money
    from mailcrm.store import deals

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        with db.transaction():
            found = deals.deal(db, deal)
            amount = found.value if value is None else money.amount(value)
            day = found.expected_close
            if expected_close is not None:
                day = None if expected_close.strip().lower() == "none" else _day(expected_close)
            changed = deals.edit_deal(
                db,
                replace(
                    found,
                    title=found.title if title is None else title,
                    contact_ids=record.changed_contact_ids(db, found, contact, remove_contact),
                    organization_id=record.changed_organization_id(
                        db, found.organization_id, org, none=no_org
                    ),
                    value=amount,
                    currency=found.currency if currency is None else money.currency(currency, amount),
                    expected_close=day,
                    owner_id=record.owner_id(db, owner) or found.owner_id,
                ),
            )
            step = chosen_stage(db, pipeline, stage, usual=found.pipeline)
            if step is not None:
                changed = deals.move_deal(db, changed, step)
        new = set(changed.contact_ids) - set(found.contact_ids)
        waits = record.waiting(db, new)
    worth = money.worth(changed.value, changed.currency)
    told = [f"Deal {changed.id} {changed.title}", changed.stage, worth, ", ".join(changed.contacts)]
    invocation.display.done(", ".join(part for part in told if part) + f".{waits}", changed)


@_app.command("won")
def won(context: typer.Context, deal: _Deal) -> None:
    """Win a deal; its conversations stay linked."""
    _set_status(context.obj, deal, DealStatus.WON)


@_app.command("lost")
def lost(context: typer.Context, deal: _Deal) -> None:
    """Lose a deal; its conversations stay linked."""
    _set_status(context.obj, deal, DealStatus.LOST)


@_app.command("reopen")
def reopen(context: typer.Context, deal: _Deal) -> None:
    """Open a deal again."""
    _set_status(context.obj, deal, DealStatus.OPEN)


@_app.command("delete")
def delete(context: typer.Context, deal: _Deal, yes: record.Yes = False) -> None:
    """Delete a deal, after saying how many conversations are linked; the mail stays."""
    from mailcrm.store import deals, leads, records

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = deals.deal(db, deal)
        told = record.links_go(records.linked_threads(db, deal_id=found.id))
        told += "".join(
            f" Lead {one.id} {one.title}, which it was, keeps its own."
            for one in leads.converted_to(db, found)
        )
        record.agree_to_delete(invocation, f"deal {found.id} {found.title}", told, yes=yes)
        deals.delete_deal(db, found, at=invocation.now())
    invocation.display.done(f"Deal {found.id} {found.title} is deleted.", {"deleted": found})


def _set_status(invocation: Invocation, text: str, status: DealStatus) -> None:
    from mailcrm.store import deals

    with invocation.open_store() as db:
        changed = deals.set_deal_status(db, deals.deal(db, text), status, at=invocation.now())
    invocation.display.done(f"Deal {changed.id} {changed.title} is {changed.status.value}.", changed)


def chosen_stage(
    db: "Database", pipeline: str | None, stage: str | None, *, usual: str | None = None
) -> "Stage | None":
    """Return the stage that --pipeline and --stage name, or None; raises NotFound, NeedsChoice or UsageError.

    A pipeline alone means its first stage, a stage alone one of the `usual` pipeline, or of the first.
    """
    from mailcrm.store import pipelines

    if pipeline is None and stage is None:
        return None
    if pipeline is not None:
        found = pipelines.pipeline(db, pipeline)
    else:
        found = next(one for one in pipelines.pipelines(db) if usual in (None, one.name))
    return found.stages[0] if stage is None else pipelines.stage(found, stage)


def _stages(db: "Database", pipeline: str | None, stage: str | None) -> "Sequence[Stage] | None":
    """Return the stages to list, None for all; raises NotFound, NeedsChoice or UsageError."""
    from mailcrm.store import pipelines

    if pipeline is not None:
        found = pipelines.pipeline(db, pipeline)
        return found.stages if stage is None else [pipelines.stage(found, stage)]
    return None if stage is None else pipelines.stages_called(pipelines.pipelines(db), stage)


def _totals(rows: "Sequence[Deal]") -> str:
    """Return how many of these deals are open, and what they are worth, or nothing."""
    from mailcrm.core.money import totals
    from mailcrm.render import number

    going = [row for row in rows if row.status is DealStatus.OPEN]
    if not going:
        return ""
    told = totals((row.value, row.currency) for row in going if row.value is not None)
    unknown = sum(row.value is None for row in going)
    told += [f"{unknown:,} without a value"] if unknown and told else []
    return f"{number(len(going), 'open deal')}{': ' if told else ''}{', '.join(told)}"


def home_of(people: "list[Contact]") -> int | None:
    """Return the organization of the first of these contacts that has one."""
    return next((one.organization_id for one in people if one.organization_id is not None), None)


def _day(text: str) -> "date":
    """Return the day that a person writes as 2026-09-30; raises UsageError."""
    from datetime import date

    from mailcrm.core.errors import UsageError

    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not a day.", hint="Write it like 2026-09-30.") from error

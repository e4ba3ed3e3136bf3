"""`mailcrm lead`: the sales that may come."""

from typing import Annotated

import typer

from mailcrm.commands import record, record_import
from mailcrm.commands.deal import PipelineName, StageName, chosen_stage, home_of
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import LeadStatus

_app = typer.Typer(help="Leads, until they become deals.", no_args_is_help=True)

_Lead = Annotated[str, typer.Argument(help="number or title")]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    record_import.add_to(_app, "lead")
    app.add_typer(_app, name="lead")


@_app.command("list")
def list_leads(
    context: typer.Context,
    status: Annotated[LeadStatus | None, typer.Option(help="only leads of this status")] = None,
    org: record.OnlyOrg = None,
    contact: record.OnlyContact = None,
    owner: record.OnlyOwner = None,
    label: Annotated[str | None, typer.Option("--label", metavar="L", help="only with this label")] = None,
    limit: record.Limit = 200,
) -> None:
    """List leads, the newest first."""
    from mailcrm.core.money import worth
    from mailcrm.render import Column
    from mailcrm.store import labels, leads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = leads.leads(
            db,
            status=status,
            organization_id=record.organization_id(db, org),
            contact_id=record.contact_id(db, contact),
            owner_id=record.any_owner_id(db, owner),
            label_id=None if label is None else labels.label(db, label).id,
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
            Column(heading="LABELS", ratio=2),
            Column(heading="ORGANIZATION", ratio=2, style="green", room=100),
        ],
        [
            (
                row.id,
                row.status.value,
                row.title,
                worth(row.value, row.currency),
                ", ".join(row.contacts),
                ", ".join(row.labels),
                row.organization,
            )
            for row in rows
        ],
        limit=limit,
        empty="No such leads."
        if status or org or contact or owner or label
        else "No leads yet. Make one: mailcrm lead create TITLE --contact CONTACT",
    )


@_app.command("show")
def show(
    context: typer.Context,
    lead: _Lead,
    limit: record.Emails = 50,
    before: record.Before = None,
    full: record.Full = False,
) -> None:
    """Show a lead and the timeline of conversations, the newest first."""
    from mailcrm.core.money import worth
    from mailcrm.timeline import lead_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = lead_timeline(db, lead, limit=limit, before=before)
        page = record.emails(db, view.emails, full=full)
        owner = record.owner_name(db, view.lead.owner_id)
    if invocation.display.as_json:
        invocation.display.document({"lead": view.lead, "emails": page, "next": view.next})
        return
    found = view.lead
    invocation.display.heading(found.title)
    invocation.display.fields(
        [
            ("lead", found.id),
            ("status", found.status.value),
            ("deal", found.deal_id),
            ("value", worth(found.value, found.currency)),
            ("contacts", ", ".join(found.contacts)),
            ("organization", found.organization),
            ("labels", ", ".join(found.labels)),
            ("closed", found.closed_at),
            ("owner", owner),
        ]
    )
    record.show_emails(invocation.display, page, view.next)


@_app.command("create")
def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="what may be sold")],
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="number, address or name; may be repeated")
    ] = None,
    org: Annotated[
        str | None, typer.Option("--org", metavar="ORG", help="when left out, that of its first contact")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="L", help="made when it is new; may be repeated")
    ] = None,
    value: Annotated[str | None, typer.Option(help="what it may be worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
    owner: record.OwnerName = None,
) -> None:
    """Make an open lead, of a contact or an organization."""
    from mailcrm.core import money
    from mailcrm.core.errors import UsageError
    from mailcrm.store import leads

    invocation: Invocation = context.obj
    amount = None if value is None else money.amount(value)
    unit = None if currency is None else money.currency(currency, amount)
    if not contact and org is None:
        raise UsageError("A lead needs a contact or an organization.", hint="Add: --contact C, or --org ORG")
    with invocation.open_store() as db:
        with db.transaction():
            people = record.contacts_of(db, contact)
            made = leads.create_lead(
                db,
                title=title,
                contact_ids=[person.id for person in people],
                value=amount,
                currency=unit,
                at=invocation.now(),
                organization_id=record.organization_id(db, org) if org else home_of(people),
                labels=label or (),
                owner_id=record.owner_id(db, owner),
            )
        told = record.waiting(db, made.contact_ids)
    joined = f" with {made.organization}" if made.organization else ""
    invocation.display.done(f"Lead {made.id} {made.title}{joined} is made.{told}", made)


@_app.command("edit")
def edit(
    context: typer.Context,
    lead: _Lead,
    title: Annotated[str | None, typer.Option(help="another title")] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="one more contact; may be repeated")
    ] = None,
    remove_contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="one contact less; may be repeated")
    ] = None,
    org: record.Org = None,
    no_org: record.NoOrg = False,
    label: Annotated[list[str] | None, typer.Option(metavar="L", help="one more label")] = None,
    remove_label: Annotated[list[str] | None, typer.Option(metavar="L", help="one label less")] = None,
    value: Annotated[str | None, typer.Option(help="what it may be worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
    owner: record.OtherOwner = None,
) -> None:
    """Change a lead: what is not named stays as it is."""
    from dataclasses import replace

    from mailcrm.core import money
    from mailcrm.store import labels, leads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        with db.transaction():
            found = leads.lead(db, lead)
            amount = found.value if value is None else money.amount(value)
            gone = {labels.label(db, text).name for text in remove_label or []}
            changed = leads.edit_lead(
                db,
                replace(
                    found,
                    title=found.title if title is None else title,
                    contact_ids=record.changed_contact_ids(db, found, contact, remove_contact),
                    organization_id=record.changed_organization_id(
                        db, found.organization_id, org, none=no_org
                    ),
                    labels=(*(one for one in found.labels if one not in gone), *(label or [])),
                    value=amount,
                    currency=found.currency if currency is None else money.currency(currency, amount),
                    owner_id=record.owner_id(db, owner) or found.owner_id,
                ),
            )
        waits = record.waiting(db, set(changed.contact_ids) - set(found.contact_ids))
    told = [
        f"Lead {changed.id} {changed.title}",
        money.worth(changed.value, changed.currency),
        ", ".join((*changed.contacts, *changed.labels)),
    ]
    invocation.display.done(", ".join(part for part in told if part) + f".{waits}", changed)


@_app.command("convert")
def convert(
    context: typer.Context, lead: _Lead, pipeline: PipelineName = None, stage: StageName = None
) -> None:
    """Make a deal of a lead, with all it has; its conversations follow."""
    from mailcrm.store import leads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = leads.lead(db, lead)
        step = chosen_stage(db, pipeline, stage)
        changed, deal = leads.convert_lead(db, found, step=step, at=invocation.now())
    invocation.display.done(
        f"Lead {changed.id} {changed.title} is deal {deal.id} now, in stage {deal.stage}.",
        {"lead": changed, "deal": deal},
    )


@_app.command("archive")
def archive(context: typer.Context, lead: _Lead) -> None:
    """Put a lead aside; its conversations stay linked."""
    from mailcrm.store import leads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        changed = leads.archive_lead(db, leads.lead(db, lead), at=invocation.now())
    invocation.display.done(f"Lead {changed.id} {changed.title} is {changed.status.value}.", changed)


@_app.command("unarchive")
def unarchive(context: typer.Context, lead: _Lead) -> None:
    """Open a lead again that was put aside, or whose deal was deleted."""
    from mailcrm.store import leads

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        changed = leads.reopen_lead(db, leads.lead(db, lead))
    invocation.display.done(f"Lead {changed.id} {changed.title} is {changed.status.value}.", changed)


@_app.command("delete")
def delete(context: typer.Context, lead: _Lead, yes: record.Yes = False) -> None:
    """Delete a lead, after saying how many conversations are linked; the mail stays."""
    from mailcrm.store import leads, records

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = leads.lead(db, lead)
        told = record.links_go(records.linked_threads(db, lead_id=found.id))
        leads.require_deletable(found)
        record.agree_to_delete(invocation, f"lead {found.id} {found.title}", told, yes=yes)
        leads.delete_lead(db, found, at=invocation.now())
    invocation.display.done(f"Lead {found.id} {found.title} is deleted.", {"deleted": found})

"""`mailcrm deal`: the sales in progress."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import DealStatus

_app = typer.Typer(help="Deals and their conversations.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="deal")


_Deal = Annotated[str, typer.Argument(help="number or title")]


@_app.command("list")
def list_deals(
    context: typer.Context,
    status: Annotated[DealStatus | None, typer.Option(help="only deals of this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="how many")] = 200,
) -> None:
    """List deals, the newest first."""
    from mailcrm.render import Column
    from mailcrm.store import crm

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = crm.deals(db, status=status, limit=limit)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="STATUS"),
            Column(heading="TITLE", ratio=3),
            Column(heading="VALUE", right=True),
            Column(heading="CONTACTS", ratio=2, style="green"),
        ],
        [
            (row.id, row.status.value, row.title, _value(row.value, row.currency), ", ".join(row.contacts))
            for row in rows
        ],
        empty="No deals yet. Make one: mailcrm deal create TITLE --contact CONTACT",
    )


@_app.command("show")
def show(
    context: typer.Context,
    deal: _Deal,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many emails")] = 50,
) -> None:
    """Show a deal and the timeline of conversations, the newest first."""
    from mailcrm.commands.columns import EMAIL_COLUMNS, email_cells
    from mailcrm.timeline import deal_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = deal_timeline(db, deal, limit=limit)
    if invocation.display.as_json:
        invocation.display.document(view)
        return
    invocation.display.heading(view.deal.title)
    invocation.display.fields(
        [
            ("deal", view.deal.id),
            ("status", view.deal.status.value),
            ("value", _value(view.deal.value, view.deal.currency)),
            ("contacts", ", ".join(view.deal.contacts)),
        ]
    )
    invocation.display.text("")
    invocation.display.table(
        EMAIL_COLUMNS, email_cells(view.emails), empty="No conversations that you may see are linked yet."
    )


@_app.command("create")
def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="what is being sold")],
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="number, address or name; may be repeated")
    ] = None,
    value: Annotated[str | None, typer.Option(help="what it is worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
) -> None:
    """Make an open deal."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import crm

    invocation: Invocation = context.obj
    if not title.strip():
        raise UsageError("A deal needs a title.")
    amount = _amount(value, currency)
    with invocation.open_store() as db:
        people = [crm.contact(db, text) for text in contact or []]
        made = crm.create_deal(
            db,
            title=title.strip(),
            contact_ids=[person.id for person in people],
            value=amount,
            currency=currency.upper() if currency else None,
        )
    invocation.display.done(
        f"Deal {made.id} {made.title} is made. Link mail that is already here: mailcrm link auto", made
    )


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


def _set_status(invocation: Invocation, text: str, status: DealStatus) -> None:
    from mailcrm.store import crm

    with invocation.open_store() as db:
        changed = crm.set_deal_status(db, crm.deal(db, text), status)
    invocation.display.done(f"Deal {changed.id} {changed.title} is {changed.status.value}.", changed)


def _value(value: str | None, currency: str | None) -> str:
    amount = f"{Decimal(value):,}" if value else ""
    return " ".join(part for part in (amount, currency) if part)


def _amount(value: str | None, currency: str | None) -> str | None:
    from mailcrm.core.errors import UsageError

    if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise UsageError(f"{currency!r} is not a currency of three letters (ISO 4217).")
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise UsageError(f"{value!r} is not a number.") from error
    if not amount.is_finite():
        raise UsageError(f"{value!r} is not a number.")
    return f"{amount:f}"

"""`mailcrm deal`: the sales in progress."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from mailcrm.commands import answers
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
    from mailcrm.store import deals

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = deals.deals(db, status=status, limit=limit + 1)
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
        ],
        [
            (row.id, row.status.value, row.title, _value(row.value, row.currency), ", ".join(row.contacts))
            for row in rows
        ],
        limit=limit,
        empty="No deals yet. Make one: mailcrm deal create TITLE --contact CONTACT",
    )


@_app.command("show")
def show(
    context: typer.Context,
    deal: _Deal,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many emails")] = 50,
) -> None:
    """Show a deal and the timeline of conversations, the newest first."""
    from dataclasses import replace

    from mailcrm.commands.columns import email_cells, email_columns
    from mailcrm.timeline import deal_timeline

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        view = deal_timeline(db, deal, limit=limit + 1)
    if invocation.display.as_json:
        invocation.display.document(replace(view, emails=view.emails[:limit]))
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
        email_columns(view.emails),
        email_cells(view.emails),
        limit=limit,
        empty="No conversations that you may see are linked yet.",
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
    from mailcrm.store import contacts, deals

    invocation: Invocation = context.obj
    called = answers.name(title, "deal")
    amount = None if value is None else _amount(value)
    unit = None if currency is None else _currency(currency, amount)
    with invocation.open_store() as db:
        people = [contacts.contact(db, text) for text in contact or []]
        made = deals.create_deal(
            db,
            title=called,
            contact_ids=[person.id for person in people],
            value=amount,
            currency=unit,
            at=invocation.now(),
        )
    invocation.display.done(
        f"Deal {made.id} {made.title} is made. Link mail that is already here: mailcrm link auto", made
    )


@_app.command("edit")
def edit(
    context: typer.Context,
    deal: _Deal,
    title: Annotated[str | None, typer.Option(help="another title")] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="C", help="one more contact; may be repeated")
    ] = None,
    value: Annotated[str | None, typer.Option(help="what it is worth, a decimal number")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, KRW, USD …")] = None,
) -> None:
    """Change title or value of a deal, or give it more contacts."""
    from dataclasses import replace

    from mailcrm.store import contacts, deals

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = deals.deal(db, deal)
        people = [contacts.contact(db, text) for text in contact or []]
        amount = found.value if value is None else _amount(value)
        changed = deals.edit_deal(
            db,
            replace(
                found,
                title=found.title if title is None else answers.name(title, "deal"),
                contact_ids=(*found.contact_ids, *(person.id for person in people)),
                value=amount,
                currency=found.currency if currency is None else _currency(currency, amount),
            ),
        )
    worth = _value(changed.value, changed.currency)
    told = [f"Deal {changed.id} {changed.title}", worth, ", ".join(changed.contacts)]
    invocation.display.done(", ".join(part for part in told if part) + ".", changed)


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
    from mailcrm.store import deals

    with invocation.open_store() as db:
        changed = deals.set_deal_status(db, deals.deal(db, text), status, at=invocation.now())
    invocation.display.done(f"Deal {changed.id} {changed.title} is {changed.status.value}.", changed)


def _value(value: str | None, currency: str | None) -> str:
    amount = f"{Decimal(value):,}" if value else ""
    return " ".join(part for part in (amount, currency) if part)


#: Digits of a value, those behind the point included: more would be no sum of money.
_MOST_DIGITS = 15


def _amount(text: str) -> str:
    """Return a sum of money as it is stored; raises UsageError."""
    from mailcrm.core.errors import UsageError

    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is not a number.") from error
    if not amount.is_finite():
        raise UsageError(f"{text!r} is not a number.")
    if amount.is_signed():
        raise UsageError(f"A deal is worth nothing or more, not {text!r}.")
    behind = max(0, -int(amount.as_tuple().exponent))
    if max(1, amount.adjusted() + 1) + behind > _MOST_DIGITS:
        raise UsageError(f"A value has {_MOST_DIGITS} digits at most.")
    return f"{amount:f}"


def _currency(text: str, amount: str | None) -> str:
    """Return the currency of an amount; raises UsageError."""
    from mailcrm.core.errors import UsageError

    if not (len(text) == 3 and text.isascii() and text.isalpha()):
        raise UsageError(f"{text!r} is not a currency of three letters (ISO 4217).")
    if amount is None:
        raise UsageError("A currency goes with a value: add --value N.")
    return text.upper()

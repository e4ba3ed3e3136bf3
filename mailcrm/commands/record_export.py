"""`mailcrm contact export`: all contacts in a file that other programs read.

The group of contacts hangs it in. How tables and vCards are written is left to `core.csv_files` and `vcards`.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Contact


class Format(StrEnum):
    """How contacts are written."""

    CSV = "csv"
    VCARD_3 = "vcard3"
    VCARD_4 = "vcard4"


_BY_SUFFIX = {".csv": Format.CSV, ".vcf": Format.VCARD_4, ".vcard": Format.VCARD_4}

#: The words by which `contact import` and other programs know the columns.
_HEADER = ("Name", "E-mail", "Phone", "Organization", "Job title", "Notes")


def add_to(app: typer.Typer) -> None:
    """Hang `export` into the group of contacts."""
    app.command("export")(export_contacts)


def export_contacts(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="a new file, .csv or .vcf; - for standard output")
    ],
    kind: Annotated[
        Format | None, typer.Option("--format", help="by the name of the file when left out, else csv")
    ] = None,
) -> None:
    """Write all contacts into a new file: a table, or vCards of version 4.0 or 3.0."""
    from mailcrm.core.errors import AlreadyExists, UsageError
    from mailcrm.new_files import Folder
    from mailcrm.render import number
    from mailcrm.store import contacts

    invocation: Invocation = context.obj
    to_output = str(file) == "-"
    kind = kind or (Format.CSV if to_output else _BY_SUFFIX.get(file.suffix.lower()))
    if kind is None:
        raise UsageError(
            f"The name of {file} says no format: it ends neither in .csv nor in .vcf.",
            hint="Call it so, or add --format.",
        )
    with invocation.open_store() as db:
        people = contacts.contacts(db, limit=sys.maxsize)
    content = _written(people, kind)
    if to_output:
        sys.stdout.buffer.write(content)
        return
    try:
        with Folder(file.parent) as folder, folder.new(file.name) as opened:
            opened.write(content)
    except AlreadyExists as error:
        error.hint = "Name another file."
        raise
    invocation.display.done(
        f"{number(len(people), 'contact')} written to {file}.",
        {"file": str(file), "format": kind.value, "contacts": len(people)},
    )


def _written(people: "list[Contact]", kind: Format) -> bytes:
    from mailcrm.core.csv_files import write_csv
    from mailcrm.vcards import write_vcards

    if kind is not Format.CSV:
        return write_vcards(people, "3.0" if kind is Format.VCARD_3 else "4.0")
    return write_csv(
        _HEADER,
        [
            (
                one.name,
                ", ".join(one.addresses),
                ", ".join(one.phones),
                one.organization or "",
                one.title,
                one.notes,
            )
            for one in people
        ],
    )

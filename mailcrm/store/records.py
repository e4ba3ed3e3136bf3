"""What all records have in common: how one is found by what it is called, what a name may be, who deletes.

What a record holds is left to `contacts`, `organizations`, `deals` and `leads`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from mailcrm.core.errors import NeedsChoice, NotFound, NotPermitted, UsageError
from mailcrm.store.database import Database, Row

_Record = TypeVar("_Record")

#: Candidates that a person can take in; more of them tell nothing.
MOST_CANDIDATES = 20

#: Characters of a name, a title, a label or a telephone number, and of notes.
NAME_CHARACTERS = 300
NOTES_CHARACTERS = 100_000


def is_id(text: str) -> bool:
    """Say whether `text` can be the number of a record."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def named(rows: Sequence[Row], text: str) -> list[int]:
    """Return the ids of the rows called `text`: as it is written, else in any case, else by the beginning.

    A number is no beginning: who mistypes the number of a deal must not get "120 sensors".
    """
    name = text.strip()
    folded = name.casefold()
    known = [(row["id"], row["name"]) for row in rows]
    return (
        [key for key, full in known if full == name]
        or [key for key, full in known if full.casefold() == folded]
        or [key for key, full in known if full.casefold().startswith(folded) and folded and not is_id(name)]
    )


def only(
    found: Sequence[_Record], noun: str, text: str, described: Callable[[_Record], Sequence[object]]
) -> _Record:
    """Return the one that was found; raises NotFound, or NeedsChoice with what `described` says of each."""
    if not found:
        command = "org" if noun == "organization" else noun
        raise NotFound(f"There is no {noun} {text!r}.", hint=f"See `mailcrm {command} list`.")
    if len(found) > 1:
        raise NeedsChoice(
            f"{len(found)} {noun}s are called {text!r}; name one by its number.",
            candidates=[
                " ".join(str(part) for part in described(one) if part) for one in found[:MOST_CANDIDATES]
            ],
        )
    return found[0]


def name(text: str, noun: str) -> str:
    """Return a name as it is stored, on one line; raises UsageError for an empty or an overlong one."""
    plain = " ".join(_storable(text).split())
    if not plain:
        raise UsageError(
            f"{'An' if noun == 'organization' else 'A'} {noun} needs a name.",
            hint="Give it at least one letter or digit.",
        )
    return brief(plain, f"the name of a {noun}")


def brief(text: str, what: str) -> str:
    """Return what takes a few words, such as a title, on one line; raises UsageError for an overlong one."""
    plain = " ".join(_storable(text).split())
    if len(plain) > NAME_CHARACTERS:
        raise UsageError(
            f"{what[:1].upper()}{what[1:]} has at most {NAME_CHARACTERS} characters, not {len(plain):,}.",
            hint="Make it shorter.",
        )
    return plain


def notes(text: str) -> str:
    """Return notes as they are stored; raises UsageError for overlong ones."""
    plain = _storable(text).strip()
    if len(plain) > NOTES_CHARACTERS:
        raise UsageError(
            f"Notes have at most {NOTES_CHARACTERS:,} characters, not {len(plain):,}.",
            hint="Make them shorter.",
        )
    return plain


def _storable(text: str) -> str:
    """Return `text` without what PostgreSQL cannot store: NUL, and halves of a character."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def delete(db: Database, query: str, record_id: int, noun: str) -> None:
    """Delete a record by a query of one id; raises NotPermitted unless its owner or an admin asks."""
    try:
        deleted = db.write(query, id=record_id)
    except NotPermitted:
        deleted = 0
    if not deleted:
        raise NotPermitted(
            f"Only the owner of a {noun}, or an admin, deletes it.",
            hint="With it go links that colleagues made; ask its owner or an admin.",
        )


@contextmanager
def handing_on(noun: str) -> Iterator[None]:
    """Say in words why the rules refuse a change: of what a member edits only the owner is guarded."""
    try:
        yield
    except NotPermitted as error:
        raise NotPermitted(
            f"Only the owner of a {noun}, or an admin, hands it on to somebody else."
        ) from error


def linked_threads(
    db: Database, *, contact_id: int | None = None, deal_id: int | None = None, lead_id: int | None = None
) -> int:
    """Return how many of the threads that the viewer may see are linked to a record itself.

    One to a contact that was merged into it counts; one to the lead that became a deal stays with the lead.
    """
    (row,) = db.read("linked_threads", contact_id=contact_id, deal_id=deal_id, lead_id=lead_id)
    count: int = row["count"]
    return count

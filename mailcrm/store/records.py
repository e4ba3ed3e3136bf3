"""Finding one record by what a person calls it: its number, its name, or the beginning of its name.

What a record holds is left to `contacts`, `organizations`, `deals` and `leads`.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from mailcrm.core.errors import NeedsChoice, NotFound
from mailcrm.store.database import Row

_Record = TypeVar("_Record")

#: Candidates that a person can take in; more of them tell nothing.
_MOST_CANDIDATES = 20


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
        raise NotFound(f"There is no {noun} {text!r}.", hint=f"See `mailcrm {noun} list`.")
    if len(found) > 1:
        raise NeedsChoice(
            f"{len(found)} {noun}s are called {text!r}; name one by its number.",
            candidates=[
                " ".join(str(part) for part in described(one) if part) for one in found[:_MOST_CANDIDATES]
            ],
        )
    return found[0]

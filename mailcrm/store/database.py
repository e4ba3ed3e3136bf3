"""What the two databases have in common: named queries and the five words they spell differently.

A subject of the store is a pair of files, `emails.py` beside `emails.sql`; a block of the .sql file
is one query, headed by its name. Connecting is left to `sqlite` and `postgres`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mailcrm.core.model import Member

if TYPE_CHECKING:
    from mailcrm.core.query import Query

Row: TypeAlias = Mapping[str, Any]

#: The named query files of the store.
SUBJECTS = (
    "accounts",
    "block_list",
    "contacts",
    "contents",
    "correspondents",
    "deals",
    "emails",
    "folders",
    "history",
    "imports",
    "labels",
    "leads",
    "links",
    "members",
    "organizations",
    "pipelines",
    "records",
    "search",
    "suggestions",
    "threads",
    "timeline",
)

#: Of a word that is everywhere, only so many emails are compared, the newest.
NEWEST = 500

_HEADER = re.compile(r"^-- ((?:where )?\w+) --$", re.MULTILINE)
_CONDITION = "where "
_VALUE = re.compile(r":value\b")
_EACH = re.compile(r"\{each:(\w+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """A condition that stands in a .sql file under `where NAME`, with what its `:value` is."""

    name: str
    value: object = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of these hold."""

    parts: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these holds."""

    parts: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class Never:
    """This does not hold."""

    part: "Where"


Where: TypeAlias = Holds | AllOf | OneOf | Never


class Database(Protocol):
    """A viewer's connection: an unqualified table name means the rows that this viewer may see.

    `read` and `write` take the name of a query and its parameters. `write` returns the number of
    rows changed, `insert` the new row's id. A row of an account that the viewer does not manage is
    never changed: SQLite raises NotPermitted, PostgreSQL counts no row. Raises AlreadyExists when
    a unique row is there, StoreBusy when another writer holds the database for too long.
    """

    viewer: Member

    def read(self, name: str, /, **values: object) -> list[Row]:
        """Return the rows of a query."""

    def select(self, name: str, where: Where, /, **values: object) -> list[Row]:
        """Return those rows of a query with `{where}` for which all that is named there holds."""

    def write(self, name: str, /, **values: object) -> int:
        """Change rows and say how many."""

    def write_many(self, name: str, /, rows: Iterable[Mapping[str, object]]) -> None:
        """Run one change for each of `rows`."""

    def insert_many(self, name: str, /, rows: Iterable[Mapping[str, object]]) -> list[int]:
        """Add rows and return their ids, in the order of `rows`."""

    def insert(self, name: str, /, **values: object) -> int:
        """Add a row and return its id."""

    def match(self, query: "Query") -> str:
        """Return the search expression that finds emails by `query`, which has no condition."""

    def index(self, ids: Sequence[int]) -> None:
        """Make emails findable whose terms have just been stored."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside happen together or not at all; may be nested."""

    def lease(self, account_id: int) -> AbstractContextManager[None]:
        """Hold an account, so that only one sync at a time works on it; raises StoreBusy."""

    def close(self) -> None:
        """End the connection."""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and SQL of each block of a .sql file."""
    parts = _HEADER.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        yield name, body.strip()


@cache
def raw_queries() -> Mapping[str, str]:
    """Return all queries of the store by name, as they are written."""
    return MappingProxyType(
        {name: body for name, body in _all_blocks().items() if not name.startswith(_CONDITION)}
    )


@cache
def raw_conditions() -> Mapping[str, str]:
    """Return all conditions that can stand for `{where}` by name, as they are written."""
    return MappingProxyType(
        {
            name.removeprefix(_CONDITION): body
            for name, body in _all_blocks().items()
            if name.startswith(_CONDITION)
        }
    )


@cache
def _all_blocks() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for subject in SUBJECTS:
        text = Path(__file__).with_name(f"{subject}.sql").read_text("utf-8")
        for name, body in blocks(text):
            if name in found:
                raise ValueError(f"query {name} stands twice")
            found[name] = body
    return found


def expand(text: str, tokens: Mapping[str, str], each: str) -> str:
    """Return `text` in the spelling of one database.

    `tokens` maps the words in braces; `each` is what `{each:ids}`, a list given as one parameter,
    becomes, with `NAME` for the parameter.
    """
    for word, spelling in tokens.items():
        text = text.replace("{" + word + "}", spelling)
    return _EACH.sub(lambda found: each.replace("NAME", found[1]), text)


def composed(name: str, where: Where, tokens: Mapping[str, str], each: str) -> tuple[str, dict[str, object]]:
    """Return a query with its `{where}` filled in, in the spelling of one database, and its parameters.

    The text is made of nothing but what stands in the .sql files; values are parameters `:value0`,
    `:value1` and so on.
    """
    values: dict[str, object] = {}

    def text(part: Where) -> str:
        match part:
            case Holds(name=condition, value=value):
                key = f"value{len(values)}"
                values[key] = value
                return f"({_VALUE.sub(f':{key}', expand(raw_conditions()[condition], tokens, each))})"
            case AllOf(parts=parts):
                return f"({' AND '.join(map(text, parts))})"
            case OneOf(parts=parts):
                return f"({' OR '.join(map(text, parts))})"
            case Never(part=denied):
                return f"NOT {text(denied)}"

    return expand(raw_queries()[name], {**tokens, "where": text(where)}, each), values

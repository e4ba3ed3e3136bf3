"""The search: a query becomes one statement, made of the conditions in `search.sql`.

What a query says is left to `core.query`, the index of words to the databases.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailcrm.core.model import EmailRow, Visibility
from mailcrm.store.alike import Alike
from mailcrm.store.database import AllOf, Database, Holds, Never, OneOf, Where
from mailcrm.store.emails import rows_of

if TYPE_CHECKING:
    from mailcrm.core.query import Condition, Query


def search_emails(db: Database, query: "Query", *, limit: int) -> list[EmailRow]:
    """Return the emails that fit `query`: the best first, by its words, or where it has none the newest."""
    words, rest = _words_and_rest(query)
    if words is None:
        found = db.select("search_newest", _where(db, query), limit=limit)
    elif rest is None:
        found = db.read("search_emails", query=db.match(words), limit=limit)
    else:
        found = db.select("search_emails_where", _where(db, rest), query=db.match(words), limit=limit)
    return rows_of(db, found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A thread with an email that fits a query."""

    id: int
    visibility: Visibility
    linked: bool


def matching_threads(db: Database, query: "Query") -> list[Match]:
    """Return the threads with an email that fits `query`, of the accounts that the viewer manages."""
    return [
        Match(id=row["id"], visibility=Visibility(row["visibility"]), linked=bool(row["linked"]))
        for row in db.select("matching_threads", _where(db, query))
    ]


def _words_and_rest(query: "Query") -> "tuple[Query | None, Query | None]":
    """Return what decides the order, words that must be there, and the conditions beside them."""
    from mailcrm.core.query import And, Not

    parts = query.parts if isinstance(query, And) else (query,)
    if not any(map(_has_rank, parts)):
        return None, query
    words = [part for part in parts if _has_rank(part) or (isinstance(part, Not) and _has_rank(part.part))]
    rest = [part for part in parts if part not in words]
    return _all(words), _all(rest)


def _all(parts: "list[Query]") -> "Query | None":
    from mailcrm.core.query import And

    if len(parts) < 2:
        return parts[0] if parts else None
    return And(tuple(parts))


def _has_rank(query: "Query") -> bool:
    """Say whether a query consists of words of which one must be there, so that the index can be asked."""
    from mailcrm.core.query import And, Not, Or, Words

    match query:
        case Words():
            return True
        case Or(parts=parts):
            return all(map(_has_rank, parts))
        case And(parts=parts):
            there = list(map(_has_rank, parts))
            return any(there) and all(
                ranked or (isinstance(part, Not) and _has_rank(part.part))
                for part, ranked in zip(parts, there, strict=True)
            )
        case _:
            return False


def _where(db: Database, query: "Query") -> Where:
    from mailcrm.core.query import And, Condition, Not, Or

    if _has_rank(query):
        return Holds(name="words", value=db.match(query))
    match query:
        case And(parts=parts):
            return AllOf(tuple(_where(db, part) for part in parts))
        case Or(parts=parts):
            return OneOf(tuple(_where(db, part) for part in parts))
        case Not(part=part):
            return Never(_where(db, part))
        case Condition():
            return _condition(query)
        case _:
            raise ValueError(f"words have a rank: {query}")


def _condition(condition: "Condition") -> Where:
    from mailcrm.core.query import Operator

    operator, value = condition.operator, condition.value
    match operator, value:
        case Operator.HAS, _:
            return Holds(name="has_attachment")
        case Operator.IS, ("shared" | "private"):
            return Holds(name="visibility", value=value)
        case Operator.IS, "unlinked":
            return Never(Holds(name="linked"))
        case Operator.IS, _:
            return Holds(name=str(value))
        case ((Operator.CONTACT | Operator.ORG | Operator.DEAL | Operator.LEAD), str()):
            return Holds(name=f"{operator}_like", value=Alike(text=value))
        case ((Operator.FOLDER | Operator.LABEL), str()):
            return Holds(name=operator, value=Alike(text=value, whole=True))
        case _, str():
            return Holds(name=operator, value=Alike(text=value))
        case _:
            return Holds(name=operator, value=value)

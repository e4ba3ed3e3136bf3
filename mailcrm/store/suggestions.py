"""Suggestions: the links that the automatic rule did not dare to make, at most one for each thread."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from mailcrm.core.errors import NotFound
from mailcrm.core.links import Proposal
from mailcrm.core.model import Candidate, Item, Suggestion
from mailcrm.store.database import Database, Row
from mailcrm.store.links import of_item
from mailcrm.store.rows import sure_instant

_Target: TypeAlias = tuple[int | None, int | None, int | None]


def suggestions(db: Database, *, limit: int) -> list[Suggestion]:
    """Return suggestions about threads that the viewer manages, the newest first."""
    return _suggestions(db.read("suggestions", ids=[], id=None, limit=limit))


def suggestions_of(db: Database, thread_ids: Sequence[int]) -> list[Suggestion]:
    """Return the suggestions about these threads."""
    return _suggestions(db.read("suggestions", ids=thread_ids, id=None, limit=0))


def suggestion(db: Database, text: str) -> Suggestion:
    """Return the suggestion with this number; raises NotFound."""
    if text.isascii() and text.isdecimal() and len(text) < 19:
        for found in _suggestions(db.read("suggestions", ids=[], id=int(text), limit=0)):
            return found
    raise NotFound(f"There is no suggestion {text!r}.", hint="See `mailcrm link suggestions`.")


def _suggestions(rows: Sequence[Row]) -> list[Suggestion]:
    candidates: dict[int, dict[_Target, Candidate]] = defaultdict(dict)
    for row in rows:
        target = (row["contact_id"], row["deal_id"], row["lead_id"])
        candidates[row["id"]][target] = Candidate(
            contact_id=target[0], deal_id=target[1], lead_id=target[2], title=row["title"]
        )
    return [
        Suggestion(
            id=row["id"],
            thread_id=row["thread_id"],
            reason=row["reason"],
            made_at=sure_instant(row["made_at"]),
            candidates=tuple(candidates[row["id"]].values()),
        )
        for row in {row["id"]: row for row in rows}.values()
    ]


def replace_suggestions(
    db: Database, thread_ids: Sequence[int], proposals: Mapping[int, Proposal], *, at: datetime
) -> list[int]:
    """Let these threads have the suggestions that `proposals` say, and no other; return whose is new.

    A suggestion that stays the same keeps its number.
    """
    known = _stored(db, thread_ids)
    wanted = {key: _said(proposal) for key, proposal in proposals.items()}
    new = [key for key, said in wanted.items() if known.get(key) != said]
    remove_suggestions(db, [key for key, said in known.items() if wanted.get(key) != said])
    made = db.insert_many(
        "add_suggestion", [{"thread_id": key, "reason": wanted[key][0], "made_at": at} for key in new]
    )
    db.write_many(
        "add_candidate",
        [
            {"suggestion_id": number, "contact_id": contact, "deal_id": deal, "lead_id": lead}
            for number, key in zip(made, new, strict=True)
            for contact, deal, lead in _targets(proposals[key])
        ],
    )
    return new


def unchanged(db: Database, proposals: Mapping[int, Proposal]) -> set[int]:
    """Return the threads about which the same is suggested already."""
    known = _stored(db, sorted(proposals))
    return {key for key, proposal in proposals.items() if known.get(key) == _said(proposal)}


def _stored(db: Database, thread_ids: Sequence[int]) -> dict[int, tuple[str, set[_Target]]]:
    known: dict[int, tuple[str, set[_Target]]] = {}
    for row in db.read("stored_suggestions", ids=thread_ids):
        target = (row["contact_id"], row["deal_id"], row["lead_id"])
        known.setdefault(row["thread_id"], (row["reason"], set()))[1].add(target)
    return known


def _said(proposal: Proposal) -> tuple[str, set[_Target]]:
    return proposal.reason.value, set(_targets(proposal))


def _targets(proposal: Proposal) -> list[_Target]:
    items = (of_item(item) for item in sorted(proposal.items))
    return [
        *((contact, None, None) for contact in sorted(proposal.contacts)),
        *((None, each["deal_id"], each["lead_id"]) for each in items),
    ]


def look_again(db: Database, item: Item) -> None:
    """Let the rule look again at suggestions that an item has to do with, because it was opened or closed."""
    db.write("mark_item_due", **of_item(item))


def remove_suggestions(db: Database, thread_ids: Iterable[int]) -> None:
    """Forget the suggestions about these threads."""
    ids = sorted(thread_ids)
    if ids:
        db.write("remove_suggestions", ids=ids)

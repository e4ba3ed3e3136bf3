"""Labels: words that people put on leads and on threads."""

from collections.abc import Iterable

from mailcrm.core.errors import AlreadyExists, NotFound
from mailcrm.core.model import Label
from mailcrm.store import records
from mailcrm.store.database import Database


def labels(db: Database) -> list[Label]:
    """Return all labels by name."""
    return [Label(id=row["id"], name=row["name"]) for row in db.read("labels")]


def label(db: Database, text: str) -> Label:
    """Return the label with this name, in any case, or number; raises NotFound."""
    known = labels(db)
    found = [one for one in known if one.name == text.strip()] or [
        one for one in known if text.strip().casefold() in (one.name.casefold(), str(one.id))
    ]
    if not found:
        raise NotFound(f"There is no label {text!r}.", hint="See `mailcrm label list`.")
    return found[0]


def made_labels(db: Database, texts: Iterable[str]) -> list[Label]:
    """Return the labels with these names, each once, making those that are not there."""
    known = {one.name.casefold(): one for one in labels(db)}
    wanted = {name.casefold(): name for name in (records.name(text, "label") for text in texts)}
    for folded, name in wanted.items():
        if folded not in known:
            # A colleague may make the same one at the same time.
            db.write("create_label", name=name)
            known[folded] = next(one for one in labels(db) if one.name == name)
    return [known[folded] for folded in wanted]


def create_label(db: Database, text: str) -> Label:
    """Add a label; raises AlreadyExists."""
    name = records.name(text, "label")
    with db.transaction():
        _require_free(db, name)
        db.write("create_label", name=name)
    return next(one for one in labels(db) if one.name == name)


def rename_label(db: Database, known: Label, text: str) -> Label:
    """Call a label otherwise, wherever it is; raises AlreadyExists."""
    name = records.name(text, "label")
    with db.transaction():
        _require_free(db, name, known)
        db.write("rename_label", id=known.id, name=name)
    return Label(id=known.id, name=name)


def delete_label(db: Database, known: Label) -> None:
    """Take a label off everything, and remove it."""
    db.write("delete_label", id=known.id)


def labelled(db: Database, known: Label) -> tuple[int, int]:
    """Return on how many threads that the viewer may see, and on how many leads, a label is."""
    (row,) = db.read("labelled", id=known.id)
    return row["threads"], row["leads"]


def _require_free(db: Database, name: str, but: Label | None = None) -> None:
    for one in labels(db):
        if one.name.casefold() == name.casefold() and one != but:
            raise AlreadyExists(f"There is a label {one.name} already.")

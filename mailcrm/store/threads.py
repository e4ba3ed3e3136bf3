"""Threads: finding, making and merging them, the inbox, and their visibility."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mailcrm.core.errors import NotFound, NotPermitted
from mailcrm.core.model import Account, Direction, Label, Link, ThreadRow, Visibility, called
from mailcrm.core.threads import Answer, Conversation, conversations
from mailcrm.store import links
from mailcrm.store.database import Database, Row
from mailcrm.store.rows import sure_instant
from mailcrm.store.suggestions import suggestions_of

if TYPE_CHECKING:
    from mailcrm.core.lone_replies import SubjectEmail


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What decides the thread of an email: the ids that it carries, as `core.threads` orders them.

    Subject and date are for a new thread, `direction` says whether it brings an archived one back.
    """

    ids: tuple[str, ...]
    subject: str
    received_at: datetime
    direction: Direction


def threads_for(db: Database, account: Account, found: Sequence[Received]) -> list[int]:
    """Return the thread of each email, making and merging threads as needed; `found` is oldest first."""
    names = {name for one in found for name in one.ids}
    known = {
        row["message_id"]: row["thread_id"]
        for row in db.read("threads_by_reference", account_id=account.id, texts=sorted(names))
    }
    together = conversations([one.ids for one in found], known, splits(db, set(known.values())))
    _unarchive(db, found, together)
    made = db.insert_many(
        "create_thread",
        [
            {
                "account_id": account.id,
                "subject": found[one.emails[0]].subject,
                "last_received_at": found[one.emails[-1]].received_at,
            }
            for one in together
            if not one.threads
        ],
    )
    threads: dict[int, int] = {}
    references = []
    new = iter(made)
    for one in together:
        thread_id, *merged = one.threads or (next(new),)
        for other in merged:
            merge_thread(db, into=thread_id, merged=other)
        threads.update(dict.fromkeys(one.emails, thread_id))
        references += [
            {"account_id": account.id, "message_id": name, "thread_id": thread_id}
            for name in one.ids
            if name not in known
        ]
    db.write_many("add_thread_reference", references)
    return [threads[position] for position in range(len(found))]


def _unarchive(db: Database, found: Sequence[Received], together: Iterable[Conversation]) -> None:
    """Bring archived threads back to the inbox, to which somebody wrote something newer than they had."""
    stored = {thread: one for one in together for thread in one.threads if one.emails}
    for row in db.read("archived_threads", ids=sorted(stored)):
        received = [
            found[position].received_at
            for position in stored[row["id"]].emails
            if found[position].direction is Direction.IN
        ]
        if received:
            db.write("unarchive_for", id=row["id"], received_at=max(received))


def splits(db: Database, ids: Iterable[int]) -> dict[int, set[int]]:
    """Return for each of these threads those that a person split from it."""
    found: dict[int, set[int]] = defaultdict(set)
    wanted = sorted(ids)
    if wanted:
        for row in db.read("splits", ids=wanted):
            found[row["thread_id"]].add(row["other_id"])
    return found


def merge_thread(db: Database, *, into: int, merged: int) -> None:
    """Make one thread of two: links are united, the stricter visibility wins, `merged` is no more."""
    both = {"thread_id": into, "merged_id": merged}
    lock_threads(db, (into, merged))
    db.write("merge_visibility", **both)
    db.write("merge_archived", **both)
    db.write("merge_away_automatic_links", **both)
    db.write("merge_links", **both)
    db.write("merge_refusals", **both)
    db.write("merge_away_refused_links", thread_id=into)
    db.write("merge_away_answered_refusals", thread_id=into)
    db.write("merge_labels", **both)
    db.write("merge_events", **both)
    db.write("merge_splits", **both)
    db.write("merge_emails", **both)
    db.write("merge_references", **both)
    # What is left of it, such as a link that both had, goes along.
    db.write("remove_thread", thread_id=merged)


def move_emails(db: Database, thread_id: int, emails: Sequence[Answer], leaving: AbstractSet[int]) -> int:
    """Make a thread of those of a thread's emails that are `leaving`, and return it.

    Its ids go along, and what those emails alone name. What a person refused for the one thread is refused
    for the other, and what was split from it stays split from both.
    """
    lock_threads(db, [thread_id])
    new_id = db.insert("move_away", thread_id=thread_id)
    db.write("move_emails", new_id=new_id, ids=sorted(leaving))
    kept = {name for one in emails if one.id not in leaving for name in one.ids}
    moved = {name for one in emails if one.id in leaving for name in one.ids - kept}
    moved |= {one.message_id for one in emails if one.id in leaving and one.message_id}
    db.write("move_references", new_id=new_id, thread_id=thread_id, texts=sorted(moved))
    db.write("copy_refusals", new_id=new_id, thread_id=thread_id, refused_by=db.viewer.id)
    db.write("copy_splits", new_id=new_id, thread_id=thread_id)
    refresh_threads(db, [thread_id, new_id])
    return new_id


def keep_apart(db: Database, thread_id: int, other_id: int) -> None:
    """Remember that a person split two threads, so that no email unites them again."""
    pairs = ((thread_id, other_id), (other_id, thread_id))
    db.write_many("add_split", [{"thread_id": one, "other_id": other} for one, other in pairs])


def settle_emails(db: Database, ids: Iterable[int]) -> None:
    """Let the subjects of emails in these threads decide nothing any more, as a person has."""
    db.write("settle_emails", ids=sorted(ids))


def lock_threads(db: Database, ids: Iterable[int]) -> None:
    """Keep everybody else from changing these threads, their links and who sees them, in this transaction."""
    db.read("lock_threads", ids=sorted(ids))


def add_names(db: Database, account: Account, names: Iterable[tuple[str, int]]) -> None:
    """Let Message-IDs name threads; one that names a thread already goes on naming that one."""
    db.write_many(
        "add_name",
        [{"account_id": account.id, "message_id": name, "thread_id": thread} for name, thread in names],
    )


def subjects_to_look_at(db: Database, account: Account, ids: Iterable[int]) -> set[str]:
    """Return the base subjects in these threads for which a reply of the account looks for its thread."""
    rows = db.read("subjects_to_look_at", account_id=account.id, ids=sorted(ids))
    return {row["base_subject"] for row in rows}


def emails_by_subject(
    db: Database, account: Account, subjects: Iterable[str]
) -> "tuple[list[SubjectEmail], set[int]]":
    """Return the emails of an account with these base subjects, and which of them joined by subject."""
    from mailcrm.core.lone_replies import SubjectEmail  # late: most commands look at no subject

    rows = db.read("emails_by_subject", account_id=account.id, texts=sorted(subjects))
    people: dict[int, set[str]] = defaultdict(set)
    for row in db.read("counterparts", ids=[row["id"] for row in rows]):
        people[row["id"]].add(row["address"])
    found = [
        SubjectEmail(
            id=row["id"],
            thread_id=row["thread_id"],
            base=row["base_subject"],
            counterparts=frozenset(people[row["id"]]),
            at=sure_instant(row["received_at"]),
            digest=row["digest"],
            lone=bool(row["lone_reply"]),
        )
        for row in rows
    ]
    return found, {row["id"] for row in rows if row["by_subject"]}


def mark_by_subject(db: Database, ids: Iterable[int], *, by_subject: bool) -> None:
    """Remember of emails whether they stand in their thread for their subject alone."""
    wanted = sorted(ids)
    if wanted:
        db.write("mark_by_subject", ids=wanted, by_subject=by_subject)


def refresh_threads(db: Database, ids: Iterable[int]) -> None:
    """Bring subject and newest date of threads up to date with their emails."""
    db.write("refresh_threads", ids=sorted(ids))


def thread(db: Database, text: str) -> ThreadRow:
    """Return the thread with this id, or the newest for `last`; raises NotFound, also for what is hidden."""
    if text == "last":
        rows = db.read("last_thread")
        if not rows:
            raise NotFound("There are no threads yet.", hint="Run: mailcrm sync")
        text = str(rows[0]["id"])
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise NotFound(
            f"There is no thread {text!r}.", hint="A thread is named by its number; see `mailcrm inbox`."
        )
    rows = db.read("thread", id=int(text))
    if not rows:
        raise NotFound(f"There is no thread {text}.", hint="See `mailcrm inbox`.")
    return _rows(db, rows)[0]


def by_ids(db: Database, ids: Sequence[int]) -> list[ThreadRow]:
    """Return those of these threads that the viewer may see, the newest first."""
    return _rows(db, db.read("threads_by_id", ids=ids))


def several(db: Database, texts: Sequence[str]) -> list[ThreadRow]:
    """Return the threads with these ids, each once; raises NotFound."""
    return list({row.id: row for row in (thread(db, text) for text in texts)}.values())


def inbox(
    db: Database,
    *,
    account_id: int | None,
    unlinked: bool,
    unread: bool,
    limit: int,
    label: Label | None = None,
    suggested: bool = False,
    archived: bool = False,
) -> list[ThreadRow]:
    """Return the newest threads of the accounts that the viewer manages, archived ones or the others."""
    rows = db.read(
        "inbox_page",
        account_id=account_id,
        unlinked=unlinked,
        unread=unread,
        label_id=label.id if label is not None else None,
        suggested=suggested,
        archived=archived,
        limit=limit,
    )
    return _rows(db, rows)


def manages(db: Database, thread_id: int) -> bool:
    """Say whether the viewer manages the thread's account."""
    return bool(db.read("account_manager", id=thread_id))


def require_managed(db: Database, thread_id: int) -> None:
    """Raise NotPermitted unless the viewer manages the account of a thread, NotFound when it is not there."""
    if not manages(db, thread_id):
        if not db.read("thread", id=thread_id):
            raise NotFound(
                f"Thread {thread_id} has just become part of another one.", hint="See `mailcrm inbox`."
            )
        raise NotPermitted(f"Thread {thread_id} belongs to a colleague, who alone can change it.")


def set_visibility(db: Database, thread_id: int, visibility: Visibility) -> None:
    """Share or privatize a thread; raises NotPermitted, or NotFound when it was merged away meanwhile."""
    require_managed(db, thread_id)
    if not db.write("set_visibility", id=thread_id, visibility=visibility):
        raise NotFound(
            f"Thread {thread_id} has just become part of another one.", hint="See `mailcrm inbox`."
        )


def set_archived(db: Database, ids: Iterable[int], *, archived: bool) -> None:
    """Take threads out of the inbox, or bring them back."""
    db.write("set_archived", ids=sorted(ids), archived=archived)


def add_label(db: Database, thread_id: int, label: Label) -> bool:
    """Put a label on a thread, and say whether it was not there yet."""
    return bool(db.write("add_thread_label", thread_id=thread_id, label_id=label.id))


def remove_label(db: Database, thread_id: int, label: Label) -> bool:
    """Take a label off a thread, and say whether it was there."""
    return bool(db.write("remove_thread_label", thread_id=thread_id, label_id=label.id))


def of_other_visibility(db: Database, ids: Sequence[int], visibility: Visibility) -> list[int]:
    """Return those threads that have not this visibility."""
    rows = db.read("threads_of_other_visibility", ids=ids, visibility=visibility)
    return [row["id"] for row in rows]


def set_visibilities(db: Database, ids: Sequence[int], visibility: Visibility) -> None:
    """Share or privatize threads at once; raises NotPermitted."""
    db.write("set_visibilities", ids=ids, visibility=visibility)


def _rows(db: Database, rows: list[Row]) -> list[ThreadRow]:
    ids = [row["id"] for row in rows]
    counts = {row["thread_id"]: row["count"] for row in db.read("thread_email_counts", ids=ids)}
    unread = {row["thread_id"] for row in db.read("thread_unread", ids=ids)}
    people: dict[int, list[str]] = defaultdict(list)
    for row in db.read("thread_correspondents", ids=ids):
        people[row["thread_id"]].append(called(row["name"], row["address"]))
    linked: dict[int, list[Link]] = defaultdict(list)
    for link in links.links(db, ids):
        linked[link.thread_id].append(link)
    labels: dict[int, list[str]] = defaultdict(list)
    for row in db.read("thread_labels", ids=ids):
        labels[row["thread_id"]].append(row["name"])
    suggested = {
        one.thread_id: tuple(str(each) for each in one.candidates) for one in suggestions_of(db, ids)
    }
    return [
        ThreadRow(
            id=row["id"],
            account=row["account"],
            subject=row["subject"],
            visibility=Visibility(row["visibility"]),
            team=row["team_id"] is not None,
            correspondents=tuple(people[row["id"]]),
            email_count=counts.get(row["id"], 0),
            unread=row["id"] in unread,
            last_received_at=sure_instant(row["last_received_at"]),
            contacts=tuple(link.title for link in linked[row["id"]] if link.contact_id is not None),
            deals=tuple(link.title for link in linked[row["id"]] if link.deal_id is not None),
            leads=tuple(link.title for link in linked[row["id"]] if link.lead_id is not None),
            labels=tuple(labels[row["id"]]),
            archived=bool(row["archived"]),
            suggested=suggested.get(row["id"], ()),
        )
        for row in rows
    ]

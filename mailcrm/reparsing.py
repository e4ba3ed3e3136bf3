"""Reading stored emails again after an upgrade that reads them better; nothing is downloaded.

Threads and links stay as they are (docs/decisions/0023): a link can open a conversation to all colleagues,
and no upgrade may do that. How an email is read is left to `core.mime`, storing it to `store.contents`.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailcrm.accounts import own_addresses
from mailcrm.core import mime
from mailcrm.core.errors import StoreBusy
from mailcrm.core.model import Account
from mailcrm.reading import direction
from mailcrm.store import Database, accounts, contents, threads

if TYPE_CHECKING:
    from mailcrm.core.parsed import ParsedEmail

#: What may have changed of an email, and the fields that say so.
KINDS = MappingProxyType(
    {
        "subject": ("subject",),
        "participants": ("participants", "from_ambiguous"),
        "date": ("sent_at",),
        "message_id": ("message_id",),
        "text": ("text", "preview", "spans"),
        "attachments": ("attachments",),
        "forwards": ("forwards",),
        "invitations": ("invitations",),
        "deliveries": ("deliveries",),
        "notes": ("automatic", "authserv_id", "dmarc", "signed", "encrypted", "trackers", "repairs"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reread:
    """How far reading again has come: `read` so far, `ahead` of it.

    `emails_changed` say something else now; `changed` counts them by kind (see `KINDS`). In `threads` other
    people take part than before. Accounts that another mailcrm is at work on are `left_out`.
    """

    read: int
    ahead: int
    emails_changed: int
    changed: Mapping[str, int]
    threads: tuple[int, ...]
    left_out: tuple[str, ...]


def reparse(db: Database, *, dry_run: bool) -> Generator[Reread, None, None]:
    """Read again what an older version has read, of the accounts that the viewer manages.

    Yields how far it is, at the beginning and after each batch, which is one transaction: what was done
    stays done, whatever happens, and is not done again. With `dry_run` nothing is changed.
    """
    held = accounts.with_disconnected(db)
    waiting = {account.id: contents.outdated_count(db, account, mime.READING) for account in held}
    so_far = Reread(
        read=0,
        ahead=sum(waiting.values()),
        emails_changed=0,
        changed=dict.fromkeys(KINDS, 0),
        threads=(),
        left_out=(),
    )
    yield so_far
    for account in (account for account in held if waiting[account.id]):
        try:
            with nullcontext() if dry_run else db.lease(account.id):
                for one in _account(db, account, dry_run=dry_run):
                    so_far = _sum(so_far, one)
                    yield so_far
        except StoreBusy:
            so_far = replace(so_far, left_out=(*so_far.left_out, account.address))
    yield so_far


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    """What one batch brought; as in `Reread`."""

    emails: int
    emails_changed: int
    kinds: Counter[str]
    threads: frozenset[int]


def _sum(so_far: Reread, one: _Batch) -> Reread:
    return replace(
        so_far,
        read=so_far.read + one.emails,
        ahead=max(0, so_far.ahead - one.emails),
        emails_changed=so_far.emails_changed + one.emails_changed,
        changed={kind: count + one.kinds[kind] for kind, count in so_far.changed.items()},
        threads=tuple(sorted({*so_far.threads, *one.threads})),
    )


def _account(db: Database, account: Account, *, dry_run: bool) -> Iterator[_Batch]:
    own = own_addresses(db, account)
    for batch in contents.outdated(db, account, mime.READING):
        changed: list[tuple[contents.Kept, contents.Content]] = []
        kinds: Counter[str] = Counter()
        people: set[int] = set()
        for kept in batch:
            parsed = mime.parse(kept.source)
            found = differences(kept.said, parsed)
            kinds.update(found)
            if "participants" in found:
                people.add(kept.thread_id)
            if found:
                # An address that became our own later turns no email that was there before.
                towards = direction(parsed, own) if "participants" in found else kept.direction
                changed.append((kept, contents.content(parsed, towards)))
        if not dry_run:
            _save(db, account, batch, changed)
        yield _Batch(emails=len(batch), emails_changed=len(changed), kinds=kinds, threads=frozenset(people))


def _save(
    db: Database,
    account: Account,
    batch: Sequence[contents.Kept],
    changed: Sequence[tuple[contents.Kept, contents.Content]],
) -> None:
    again = {kept.id for kept, _ in changed}
    with db.transaction():
        contents.mark_read_again(db, [kept.id for kept in batch if kept.id not in again], mime.READING)
        if changed:
            contents.replace_contents(db, [(kept.id, said) for kept, said in changed])
            # Answers to an email whose Message-ID is known now find its thread.
            threads.add_names(
                db,
                account,
                [
                    (said.parsed.message_id, kept.thread_id)
                    for kept, said in changed
                    if said.parsed.message_id is not None
                ],
            )
            threads.refresh_threads(db, {kept.thread_id for kept, _ in changed})


def differences(before: "ParsedEmail", now: "ParsedEmail") -> list[str]:
    """Return the kinds (see `KINDS`) in which an email says something else now."""
    return [
        kind
        for kind, fields in KINDS.items()
        if any(_differ(getattr(before, field), getattr(now, field)) for field in fields)
    ]


def _differ(before: object, now: object) -> bool:
    # PostgreSQL's text holds every character but NUL, and keeps a sign in its place.
    return before != now and _without_nul(before) != _without_nul(now)


def _without_nul(value: object) -> str:
    return repr(value).replace("\\x00", "\ufffd")

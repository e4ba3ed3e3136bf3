"""What happens during a sync, in the order in which it happens; the shell shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStarted:
    """The server let us in; `folders` will be synced, in this order."""

    account: str
    folders: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderPlanned:
    """A folder, or a window of a large one, was compared with the store.

    So many emails and bytes will be downloaded; `ahead` are still to be looked at.
    """

    account: str
    folder: str
    downloads: int
    bytes: int
    attached: int
    vanished: int
    ahead: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSaved:
    """A batch of emails is in the store for good; `bytes` counts their raw sources."""

    account: str
    folder: str
    count: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailFailed:
    """One email could not be fetched; it is recorded and tried again next time."""

    account: str
    folder: str
    uid: int
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFailed:
    """A folder could not be finished; the other folders go on."""

    account: str
    folder: str
    error: str
    hint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletionsHeld:
    """More than half of a folder is gone from the server; nothing is taken away until a person agrees."""

    account: str
    folder: str
    vanished: int
    placed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFinished:
    """A folder is done: emails in the window on the server, and how many of them are stored."""

    account: str
    folder: str
    server_count: int
    stored_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountFinished:
    """The account is done; `whole` is false when anything above went wrong.

    `linked` and `suggested` count threads that got a link and about which a person has to decide.
    """

    account: str
    new: int
    linked: int
    suggested: int
    failed: int
    whole: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountSkipped:
    """The account was not synced, or not to its end; before `next_retry_at`, when given, no round asks it."""

    account: str
    code: str
    error: str
    hint: str
    exit_code: int
    next_retry_at: datetime | None


SyncEvent: TypeAlias = (
    AccountStarted
    | FolderPlanned
    | BatchSaved
    | EmailFailed
    | FolderFailed
    | DeletionsHeld
    | FolderFinished
    | AccountFinished
    | AccountSkipped
)

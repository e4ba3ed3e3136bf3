"""Folders, and the place of each email in them: one UID in one folder under one UIDVALIDITY."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.model import Account, Folder, FolderRole
from mailcrm.core.plan import Flags, FolderState
from mailcrm.core.uids import UidSet
from mailcrm.store.database import Database
from mailcrm.store.rows import instant, sure_instant

#: What lies there is nobody's conversation.
_JUNK = frozenset({FolderRole.JUNK, FolderRole.TRASH})


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchFailure:
    """An email that the server did not give; it is asked for again on every sync."""

    folder: str
    uid: int
    error: str
    attempts: int
    failed_at: datetime


def folders(db: Database, account: Account) -> list[Folder]:
    """Return the account's folders: inbox, sent mail, then the others by name."""
    return [
        Folder(
            id=row["id"],
            account_id=row["account_id"],
            path=row["path"],
            name=row["name"],
            role=FolderRole(row["role"]) if row["role"] else None,
            selected=bool(row["selected"]),
            uidvalidity=row["uidvalidity"],
            highestmodseq=row["highestmodseq"],
            highest_uid=row["highest_uid"],
            server_count=row["server_count"],
            stored_count=row["stored_count"],
            mark=row["mark"],
            last_sync_at=instant(row["last_sync_at"]),
            last_error=row["last_error"],
        )
        for row in db.read("folders", account_id=account.id)
    ]


def save_folder(
    db: Database,
    account: Account,
    *,
    path: str,
    name: str,
    role: FolderRole | None,
    usual: bool,
    selected: bool,
) -> None:
    """Remember a folder; for a known one all but the choice follows the server.

    `usual`: a sync takes it when nobody chose.
    """
    db.write(
        "save_folder",
        account_id=account.id,
        path=path,
        name=name,
        role=role,
        usual=usual,
        selected=selected,
    )


def select_usual_folders(db: Database, account: Account) -> None:
    """Choose the folders that a sync takes when nobody chose, and no others."""
    db.write("select_usual_folders", account_id=account.id)


def select_folder(db: Database, folder: Folder, *, selected: bool) -> None:
    """Choose a folder for the sync, or leave it out from now on."""
    db.write("select_folder", id=folder.id, selected=selected)


def folder_state(db: Database, folder: Folder, uidvalidity: int) -> FolderState:
    """Return what is stored of the folder under the server's present UIDVALIDITY."""
    runs = db.read("placed", folder_id=folder.id, uidvalidity=uidvalidity)
    screened = db.read("screened_uids", folder_id=folder.id, uidvalidity=uidvalidity)
    failed = db.read("failed_uids", folder_id=folder.id, uidvalidity=uidvalidity)
    return FolderState(
        uidvalidity=folder.uidvalidity,
        highestmodseq=folder.highestmodseq,
        highest_uid=folder.highest_uid,
        placed=UidSet.of_runs((row["low"], row["high"]) for row in runs),
        screened=UidSet.of_runs((row["low"], row["high"]) for row in screened),
        failed=UidSet(row["uid"] for row in failed),
    )


def place(db: Database, folder: Folder, uidvalidity: int, places: Iterable[tuple[int, int, Flags]]) -> None:
    """Give emails their places: (uid, email id, flags) each; an email that was gone is back."""
    wanted = list(places)
    db.write_many(
        "place",
        [
            {
                "folder_id": folder.id,
                "uidvalidity": uidvalidity,
                "uid": uid,
                "email_id": email_id,
                "flags": flags_text(flags),
            }
            for uid, email_id, flags in wanted
        ],
    )
    db.write("mark_present", ids=sorted({email_id for _, email_id, _ in wanted}))
    db.write(
        "clear_failure", folder_id=folder.id, uidvalidity=uidvalidity, uids=[uid for uid, _, _ in wanted]
    )


def reflag(db: Database, folder: Folder, uidvalidity: int, flags: Mapping[int, Flags]) -> None:
    """Store the flags of placed emails, where they are others than before."""
    db.write_many(
        "reflag",
        [
            {"folder_id": folder.id, "uidvalidity": uidvalidity, "uid": uid, "flags": flags_text(values)}
            for uid, values in flags.items()
        ],
    )


def take_away(
    db: Database, folder: Folder, uidvalidity: int | None, uids: UidSet, *, at: datetime
) -> tuple[int, int]:
    """Take the places of these UIDs away, and all places under any other UIDVALIDITY (None: all places).

    An email left without any place is marked gone, and stays. Returns how many were, and how many
    emails had a place in the folder before.
    """
    departing = {"folder_id": folder.id, "uidvalidity": uidvalidity, "uids": list(uids)}
    db.write("take_away_screened", **departing)
    before = int(db.read("placement_count", folder_id=folder.id)[0]["count"])
    ids = [row["email_id"] for row in db.read("departing", **departing)]
    if not ids:
        return 0, before
    db.write("take_away", **departing)
    return db.write("mark_gone", ids=ids, at=at, from_junk=folder.role in _JUNK), before


def forget_uids(db: Database, folder: Folder) -> None:
    """Begin anew with a folder when it is there again."""
    db.write("forget_uids", id=folder.id)


def forget_marks(db: Database, account: Account) -> None:
    """Let the next sync look at every folder of the account, whether it seems changed or not."""
    db.write("forget_marks", account_id=account.id)


def remove_folder(db: Database, folder: Folder) -> None:
    """Forget a folder; its places must have been taken away before."""
    db.write("remove_folder", id=folder.id)


def settle(
    db: Database, folder: Folder, *, uidvalidity: int, highestmodseq: int | None, highest_uid: int
) -> None:
    """Remember that a sync looked at all of the folder up to here."""
    db.write(
        "settle",
        folder_id=folder.id,
        uidvalidity=uidvalidity,
        highestmodseq=highestmodseq,
        highest_uid=highest_uid,
    )


def record_folder_sync(
    db: Database,
    folder: Folder,
    *,
    server_count: int,
    stored_count: int,
    mark: str | None,
    at: datetime,
    error: str | None,
) -> None:
    """Remember how complete the folder was at the end of a sync; `mark` when nothing was missing."""
    db.write(
        "record_folder_sync",
        folder_id=folder.id,
        server_count=server_count,
        stored_count=stored_count,
        mark=mark,
        at=at,
        error=error,
    )


def record_folder_error(db: Database, folder: Folder, error: str) -> None:
    """Remember why the folder could not be finished."""
    db.write("record_folder_error", folder_id=folder.id, error=error)


def record_failure(
    db: Database, folder: Folder, uidvalidity: int, uid: int, error: str, *, at: datetime
) -> None:
    """Remember an email that the server did not give."""
    db.write("record_failure", folder_id=folder.id, uidvalidity=uidvalidity, uid=uid, error=error, at=at)


def forget_failures(db: Database, folder: Folder, uidvalidity: int, asked_for: UidSet) -> None:
    """Forget failures of emails that a finished sync had no reason to ask for any more."""
    failed = UidSet(
        row["uid"] for row in db.read("failed_uids", folder_id=folder.id, uidvalidity=uidvalidity)
    )
    db.write("forget_failures", folder_id=folder.id, uidvalidity=uidvalidity, uids=list(failed & asked_for))


def failures(db: Database, account: Account) -> list[FetchFailure]:
    """Return the emails of the account that the server did not give."""
    return [
        FetchFailure(**{**row, "failed_at": sure_instant(row["failed_at"])})
        for row in db.read("failures", account_id=account.id)
    ]


def flags_text(flags: Flags) -> str:
    """Return flags as they are stored: sorted, with a space between."""
    return " ".join(sorted(flags))

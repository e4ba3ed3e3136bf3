"""Folders, and the place of each email in them: one UID in one folder under one UIDVALIDITY."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.model import Account, Folder, FolderRole
from mailcrm.core.plan import Flags, FolderState
from mailcrm.store.database import Database
from mailcrm.store.rows import instant, sure_instant

#: No folder has this UIDVALIDITY (RFC 9051, 2.3.1.1: it is a non-zero number).
NO_UIDVALIDITY = 0


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
            last_sync_at=instant(row["last_sync_at"]),
            last_error=row["last_error"],
        )
        for row in db.read("folders", account_id=account.id)
    ]


def save_folder(
    db: Database, account: Account, *, path: str, name: str, role: FolderRole | None, selected: bool
) -> None:
    """Remember a folder; for a known one its name and role follow the server and the choice stays."""
    db.write("save_folder", account_id=account.id, path=path, name=name, role=role, selected=selected)


def select_folder(db: Database, folder: Folder, *, selected: bool) -> None:
    """Choose a folder for the sync, or leave it out from now on."""
    db.write("select_folder", id=folder.id, selected=selected)


def folder_state(db: Database, folder: Folder, uidvalidity: int) -> FolderState:
    """Return what is stored of the folder under the server's present UIDVALIDITY."""
    rows = db.read("placed", folder_id=folder.id, uidvalidity=uidvalidity)
    return FolderState(
        uidvalidity=folder.uidvalidity,
        highestmodseq=folder.highestmodseq,
        highest_uid=folder.highest_uid,
        placed={row["uid"]: frozenset(row["flags"].split()) for row in rows},
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
    """Store changed flags by UID."""
    db.write_many(
        "reflag",
        [
            {"folder_id": folder.id, "uidvalidity": uidvalidity, "uid": uid, "flags": flags_text(values)}
            for uid, values in flags.items()
        ],
    )


def lost_by_vanishing(db: Database, folder: Folder, uidvalidity: int, uids: Collection[int]) -> int:
    """Count the emails that would have no place anywhere without these UIDs."""
    rows = db.read(
        "emails_without_other_place", folder_id=folder.id, uidvalidity=uidvalidity, uids=sorted(uids)
    )
    return int(rows[0]["count"])


def vanish(db: Database, folder: Folder, uidvalidity: int, uids: Collection[int], *, at: datetime) -> None:
    """Take the places of expunged UIDs away; an email left without any is marked gone, and stays."""
    gone = {"folder_id": folder.id, "uidvalidity": uidvalidity, "uids": sorted(uids)}
    db.write("mark_gone_by_uid", at=at, **gone)
    db.write("vanish", **gone)
    db.write("clear_failure", **gone)


def lost_by_renumbering(db: Database, folder: Folder, uidvalidity: int) -> tuple[int, int]:
    """Count the emails without a place once old UIDVALIDITYs are forgotten, and all placed under them."""
    values = {"folder_id": folder.id, "uidvalidity": uidvalidity}
    lost = db.read("emails_lost_by_renumbering", **values)[0]["count"]
    return int(lost), int(db.read("emails_placed_before_renumbering", **values)[0]["count"])


def forget(db: Database, folder: Folder, uidvalidity: int, *, at: datetime) -> None:
    """Take away all places under any other UIDVALIDITY than this one."""
    db.write("mark_gone_by_renumbering", folder_id=folder.id, uidvalidity=uidvalidity, at=at)
    db.write("forget", folder_id=folder.id, uidvalidity=uidvalidity)
    db.write("forget_failures", folder_id=folder.id, uidvalidity=uidvalidity)


def remove_folder(db: Database, folder: Folder, *, at: datetime) -> None:
    """Take away a folder with all its places; emails left without any are marked gone, and stay."""
    forget(db, folder, NO_UIDVALIDITY, at=at)
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
    db: Database, folder: Folder, *, server_count: int, stored_count: int, at: datetime, error: str | None
) -> None:
    """Remember how complete the folder was at the end of a sync."""
    db.write(
        "record_folder_sync",
        folder_id=folder.id,
        server_count=server_count,
        stored_count=stored_count,
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


def failures(db: Database, account: Account) -> list[FetchFailure]:
    """Return the emails of the account that the server did not give."""
    return [
        FetchFailure(**{**row, "failed_at": sure_instant(row["failed_at"])})
        for row in db.read("failures", account_id=account.id)
    ]


def flags_text(flags: Flags) -> str:
    """Return flags as they are stored: sorted, with a space between."""
    return " ".join(sorted(flags))

"""The accounts: connecting one, choosing its folders, changing its server, leaving it.

How its server lets us in is left to `logging_in`, how folders are named there to `mail.imap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailcrm.advising import advised, presets_of
from mailcrm.config import AccountConfig, Config, forget_account, remember_account
from mailcrm.core.errors import MailcrmError, NotFound
from mailcrm.core.model import Account, Endpoint, FolderRole, Visibility
from mailcrm.logging_in import Login, forget_secrets, keep_credential
from mailcrm.mail.imap import ImapSession, ListedFolder, open_session
from mailcrm.store import accounts, folders, members
from mailcrm.store.database import Database

#: Folders that a sync leaves out unless they are named: nobody's conversation is in them.
_LEFT_OUT = frozenset({FolderRole.JUNK, FolderRole.TRASH, FolderRole.DRAFTS, FolderRole.ALL})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What an account starts with; `history_start` None means all, `folders` None all that are usual."""

    visibility: Visibility
    history_start: datetime | None
    folders: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A folder of the server, and whether a sync takes it when nobody chose."""

    folder: ListedFolder
    usual: bool


def log_in_once(config: Config, login: Login) -> tuple[Offered, ...]:
    """Prove that the server lets us in, and return its folders; raises MailError or ConfigError."""
    with (
        advised(config, login.imap, login.address, connected=False),
        open_session(
            login.imap, username=login.username, credential=login.credential, ca_file=login.ca_file
        ) as imap,
    ):
        return offered_folders(imap)


def offered_folders(imap: ImapSession) -> tuple[Offered, ...]:
    """Return the server's folders, and which of them a sync takes when nobody chose.

    Where labels are folders too (Gmail's X-GM-EXT-1), All Mail alone holds every email once.
    """
    listed = [folder for folder in imap.folders() if folder.selectable]
    labels = "X-GM-EXT-1" in imap.capabilities and any(folder.role is FolderRole.ALL for folder in listed)
    return tuple(
        Offered(
            folder=folder,
            usual=folder.role is FolderRole.ALL if labels else folder.role not in _LEFT_OUT,
        )
        for folder in listed
    )


def connect_account(
    db: Database,
    config: Config,
    login: Login,
    settings: Settings,
    *,
    provider: str,
    offered: Sequence[Offered],
    team_id: int | None,
) -> Account:
    """Store an account with its folders, then what opens it; raises AlreadyExists or NotFound.

    The account is the viewer's own, or with `team_id` a team's. `offered` is empty when nobody
    logged in; the first sync finds the folders then.
    """
    if settings.folders is not None:
        known = {one.folder.name for one in offered}
        for name in settings.folders:
            if name not in known:
                raise NotFound(
                    f"There is no folder {name!r} on the server.",
                    hint="It has: " + ", ".join(sorted(known)) + ".",
                )
    with db.transaction():
        account = accounts.create_account(
            db,
            address=login.address,
            owner_id=db.viewer.id if team_id is None else None,
            team_id=team_id,
            default_visibility=settings.visibility,
            provider=provider,
            imap=login.imap,
            username=login.username,
            history_start=settings.history_start,
            all_folders=settings.folders is None,
        )
        remember_folders(db, account, offered)
        for folder in folders.folders(db, account):
            if settings.folders is not None:
                folders.select_folder(db, folder, selected=folder.name in settings.folders)
        try:
            keep_credential(config, login)
        except MailcrmError:
            # Nobody would find it again: there is no account that it opens.
            forget_secrets(account)
            raise
    return account


def set_server(db: Database, config: Config, account: Account, imap: Endpoint, username: str) -> None:
    """Sync an account from another server from now on; config.toml leads to nothing for it any more.

    The caller holds the account's lease, and forgets the secrets of the old server when all is stored.
    """
    preset = presets_of(config).of_host(imap.host)
    with db.transaction():
        accounts.set_server(
            db, account, imap=imap, username=username, provider=preset.id if preset is not None else "imap"
        )
        if imap.host != account.imap.host:
            remember_account(config, account.address, AccountConfig())


def remember_folders(db: Database, account: Account, offered: Sequence[Offered]) -> None:
    """Store the server's folders; one that is new is chosen only when the account takes all."""
    with db.transaction():
        for one in offered:
            folders.save_folder(
                db,
                account,
                path=one.folder.path,
                name=one.folder.name,
                role=one.folder.role,
                usual=one.usual,
                selected=account.all_folders and one.usual,
            )


def choose_folders(db: Database, account: Account, names: Sequence[str]) -> None:
    """Sync exactly these folders from now on; raises NotFound for a name that the account does not have."""
    found = folders.folders(db, account)
    for name in names:
        if name not in {folder.name for folder in found}:
            raise NotFound(
                f"{account.address} has no folder {name!r}.",
                hint=f"See: mailcrm account folders {account.address}",
            )
    with db.transaction():
        accounts.set_all_folders(db, account, all_folders=False)
        for folder in found:
            folders.select_folder(db, folder, selected=folder.name in names)


def choose_all_folders(db: Database, account: Account) -> None:
    """Sync all folders but junk, trash and drafts from now on, also those that appear later."""
    with db.transaction():
        accounts.set_all_folders(db, account, all_folders=True)
        folders.select_usual_folders(db, account)


def disconnect_account(db: Database, config: Config, account: Account) -> bool:
    """Delete the account's secrets and its table in config.toml, and sync it no more; its mail stays.

    The store comes last, so that whatever fails, the account is there to be disconnected again. Says
    whether the secrets are gone for sure.
    """
    gone = forget_secrets(account)
    forget_account(config, account.address)
    accounts.disconnect_account(db, account)
    return gone


def own_addresses(db: Database, account: Account) -> frozenset[str]:
    """Return the addresses that are us: the account's, its aliases, and those of its owner or team."""
    people = members.members(db)
    if account.owner_id is not None:
        ours = {member.address for member in people if member.id == account.owner_id}
    else:
        team = next(team for team in members.teams(db) if team.id == account.team_id)
        ours = set(team.members)
    return frozenset({account.address, *account.aliases, *ours})

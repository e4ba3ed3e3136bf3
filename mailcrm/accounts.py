"""Connecting an account: log in once, choose folders, keep what opens it, remember all of it.

How a secret is kept is left to `keychain`, how folders are named on the server to `mail.imap`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from mailcrm import keychain
from mailcrm.advising import advised, presets_of
from mailcrm.config import AccountConfig, Config, forget_account, remember_account
from mailcrm.core.credentials import AccessToken, Credential
from mailcrm.core.errors import (
    KeyringClosed,
    MailcrmError,
    NotFound,
    SignInNeeded,
    TokenRefused,
)
from mailcrm.core.model import Account, Endpoint, FolderRole, Visibility
from mailcrm.keychain import SecretName, SecretPlace, password_of, tokens_of
from mailcrm.mail.imap import ImapSession, ListedFolder, open_session
from mailcrm.signing_in import credential, forget, keep_tokens, renewed, secrets_folder
from mailcrm.store import accounts, folders, members
from mailcrm.store.database import Database

if TYPE_CHECKING:  # most accounts have a password
    from mailcrm.oauth2.tokens import Tokens

logger = logging.getLogger(__name__)

#: Folders that a sync leaves out unless they are named: nobody's conversation is in them.
_LEFT_OUT = frozenset({FolderRole.JUNK, FolderRole.TRASH, FolderRole.DRAFTS, FolderRole.ALL})


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptPassword:
    """A password that mailcrm keeps at a place of this machine."""

    place: SecretPlace


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordCommand:
    """A command that prints the password."""

    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenCommand:
    """A command that prints an access token and renews it by itself."""

    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTokens:
    """Tokens that mailcrm keeps and renews, of the client with this name in config.toml."""

    client: str
    tokens: "Tokens"
    place: SecretPlace


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The variable of this address, which whoever starts mailcrm sets."""


#: Where the next sync gets what opens an account.
Source: TypeAlias = KeptPassword | PasswordCommand | TokenCommand | KeptTokens | Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """How the server of an account lets us in now, and where that comes from later.

    `ca_file` names a PEM file whose certificates are trusted in place of the computer's own.
    """

    address: str
    imap: Endpoint
    username: str
    ca_file: str | None
    credential: Credential
    source: Source


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


def keep_credential(config: Config, login: Login) -> None:
    """Keep what opens the account where it was asked to be kept; raises ConfigError when it cannot be."""
    address, host, secrets = login.address, login.imap.host, secrets_folder()
    reach = AccountConfig(host=host, ca_file=login.ca_file)
    unused: tuple[Callable[[str, str], SecretName], ...] = (password_of, tokens_of)
    match login.source:
        case KeptPassword(place=place):
            keychain.keep(password_of(address, host), login.credential.secret, place=place, secrets=secrets)
            unused = (tokens_of,)
        case KeptTokens(client=client, tokens=tokens, place=place):
            keep_tokens(address, host, tokens, place=place)
            unused = (password_of,)
            reach = replace(reach, oauth2=client)
        case PasswordCommand(command=command):
            reach = replace(reach, password_command=command)
        case TokenCommand(command=command):
            reach = replace(reach, token_command=command)
        case Environment():
            pass
    remember_account(config, address, reach)
    for name in unused:
        _forget_unused(name(address, host))


def _forget_unused(name: SecretName) -> bool:
    """Delete a secret that config.toml does not lead to any more, and say whether it is gone for sure.

    Raises ConfigError for a file that stays, StoreBusy while another process renews tokens.
    """
    try:
        forget(name)
    except KeyringClosed:
        # One that never opens must not keep the new secret from being used.
        logger.info("the keyring was not asked whether it holds an older secret")
        return False
    return True


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


def forget_secrets(account: Account) -> bool:
    """Delete the password and the tokens that this machine keeps for an account.

    Says whether they are gone for sure: a keyring that does not open cannot be asked. Raises ConfigError
    for a file that stays, StoreBusy while another process renews tokens.
    """
    gone = [_forget_unused(name(account.address, account.imap.host)) for name in (password_of, tokens_of)]
    return all(gone)


def kept_at(address: str, host: str) -> SecretPlace | None:
    """Return where this machine keeps what opens an account, as far as it can be asked."""
    for name in (tokens_of, password_of):
        try:
            kept = keychain.stored(name(address, host), secrets=secrets_folder())
        except KeyringClosed:
            continue
        if kept is not None:
            return kept[1]
    return None


def open_imap(config: Config, account: Account) -> ImapSession:
    """Open a session for an account with what opens it on this machine.

    A refused access token is renewed once, in case it is not as good as this machine believes.
    """
    with _hint_for(config, account), advised(config, account.imap, account.address, connected=True):
        offered = credential(config, account)
        try:
            return _session(config, account, offered)
        except TokenRefused:
            fresh = renewed(config, account, offered) if isinstance(offered, AccessToken) else None
            if fresh is None:
                raise
        return _session(config, account, fresh)


def _session(config: Config, account: Account, offered: Credential) -> ImapSession:
    return open_session(
        account.imap,
        username=account.username,
        credential=offered,
        ca_file=config.reach(account.address, account.imap.host).ca_file,
    )


@contextmanager
def _hint_for(config: Config, account: Account) -> Iterator[None]:
    """Say of a refused token what to do for this account, after what has to be seen to before."""
    try:
        yield
    except (TokenRefused, SignInNeeded) as error:
        reauth = f"mailcrm account reauth {account.address}"
        if error.hint != type(error).hint:
            error.hint = f"{error.hint} Then: {reauth}"
        elif config.account(account.address).token_command is not None:
            error.hint = f"Run the token_command of {account.address} by hand and see what it prints."
        else:
            error.hint = f"Sign in again: {reauth}"
        raise


def check_smtp(config: Config, account: Account) -> Endpoint | None:
    """Prove that the server that takes the account's mail lets us in, and return it; raises MailError.

    None where no such server is known: an account stores the server that gives mail, and the provider
    with that server says which one takes it.
    """
    from mailcrm.mail.smtp import check_log_in

    preset = presets_of(config).of_host(account.imap.host)
    server = None if preset is None else preset.server(account.address)
    if server is None or server.smtp is None:
        return None
    check_log_in(
        server.smtp,
        # A log-in name that the person gave holds for both servers.
        username=server.smtp_username if account.username == server.username else account.username,
        credential=credential(config, account),
        ca_file=config.reach(account.address, account.imap.host).ca_file,
    )
    return server.smtp


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

"""Logging in to an account's servers: with what now, and where that comes from at the next sync.

How a secret is kept is left to `keychain`, how tokens are renewed to `signing_in`, what an account is to
`accounts`.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from mailcrm import keychain
from mailcrm.advising import advised, presets_of
from mailcrm.config import AccountConfig, Config, remember_account
from mailcrm.core.credentials import AccessToken, Credential
from mailcrm.core.errors import KeyringClosed, SignInNeeded, TokenRefused
from mailcrm.core.model import Account, Endpoint
from mailcrm.keychain import SecretName, SecretPlace, password_of, tokens_of
from mailcrm.mail.imap import ImapSession, open_session
from mailcrm.signing_in import credential, forget, keep_tokens, renewed, secrets_folder

if TYPE_CHECKING:  # most accounts have a password
    from mailcrm.oauth2.tokens import Tokens

logger = logging.getLogger(__name__)


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

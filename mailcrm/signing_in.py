"""What opens an account on this machine: its password, or an access token that is renewed in time.

A renewal may void the refresh token that it was made with, and two at once may void both (RFC 9700,
4.14.2). So it is one process at a time that renews the tokens of an account, and what it gets is kept
before it is used. A refusal that only a new sign-in ends is kept, too, and the issuer is not asked again;
it is this machine's alone, as others may have tokens that are good. Where secrets are kept is left to
`keychain`, how tokens are asked for to `oauth2`.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mailcrm import keychain
from mailcrm.config import Config, OAuth2Client, data_folder
from mailcrm.core.credentials import AccessToken, Credential, Password
from mailcrm.core.errors import ConfigError, CredentialMissing, SignInNeeded
from mailcrm.core.model import Account
from mailcrm.keychain import SecretKind, SecretName, SecretPlace

if TYPE_CHECKING:  # most accounts have a password
    from mailcrm.oauth2.issuers import Issuer
    from mailcrm.oauth2.tokens import Tokens

logger = logging.getLogger(__name__)

#: A token is renewed this long before its end: clocks differ by minutes, and the log-in comes later.
_AHEAD = timedelta(minutes=5)


#: Renewals of which the answer is not kept yet; it may be all that is good of a sign-in.
_under_way: set[object] = set()


def secrets_folder() -> Path:
    """Return the folder of secret files."""
    return data_folder() / "secrets"


def credential(config: Config, account: Account) -> Credential:
    """Return what opens an account.

    Raises CredentialMissing, ConfigError; of a renewal also SignInNeeded, ConnectError, ProtocolError,
    and StoreBusy while another process renews.
    """
    here = config.reach(account.address, account.imap.host)
    if here.token_command is not None:
        return AccessToken(keychain.run_command(here.token_command, "token_command"))
    if here.oauth2 is not None:
        tokens, _ = _kept(config, account, here.oauth2)
        if tokens.refusal is not None or _ends_soon(tokens, datetime.now(UTC)):
            tokens = _renew(config, account, here.oauth2, tokens.access_token)
        return AccessToken(tokens.access_token)
    return Password(
        keychain.find_password(
            account.address,
            account.imap.host,
            command=here.password_command,
            environ=os.environ,
            secrets=secrets_folder(),
        )
    )


def renewed(config: Config, account: Account, refused: AccessToken) -> AccessToken | None:
    """Return another access token than the one that the server refused; None when there is none.

    It may have been taken back before its time, or this machine's clock is wrong about the time. Raises
    what `credential` raises.
    """
    here = config.reach(account.address, account.imap.host)
    if here.token_command is not None:
        fresh = keychain.run_command(here.token_command, "token_command")
    elif here.oauth2 is not None:
        fresh = _renew(config, account, here.oauth2, refused.secret).access_token
    else:
        return None
    return AccessToken(fresh) if fresh != refused.secret else None


def let_renewals_end() -> None:
    """Let SIGTERM and SIGHUP end this process as ever, but after the renewals that are under way.

    For the main thread. A renewal there calls it; who lets other threads renew calls it before.
    """
    import signal

    def end(number: int, _frame: object) -> None:
        while _under_way:
            time.sleep(0.02)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup SIGHUP ends nothing.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def keep_tokens(address: str, host: str, tokens: "Tokens", *, place: SecretPlace) -> None:
    """Keep what a sign-in gave, in place of older tokens.

    Raises ConfigError, CredentialMissing, and StoreBusy while another process renews the older ones.
    """
    name = keychain.tokens_of(address, host)
    with keychain.alone(name, secrets=secrets_folder()):
        keychain.keep(name, tokens.to_json(), place=place, secrets=secrets_folder())


def forget(name: SecretName) -> None:
    """Delete a secret, and tokens when nobody renews them, who would keep the new ones afterwards.

    Raises ConfigError, CredentialMissing, and StoreBusy while another process goes on renewing.
    """
    with keychain.alone(name, secrets=secrets_folder()) if _is_renewed(name) else nullcontext():
        keychain.forget(name, secrets=secrets_folder())


def _is_renewed(name: SecretName) -> bool:
    """Tell whether a process may be renewing a secret."""
    try:
        return name.kind is SecretKind.TOKENS and keychain.stored(name, secrets=secrets_folder()) is not None
    except (ConfigError, CredentialMissing):  # what cannot be read is not renewed
        return False


def client_secret(config: Config, name: str) -> str | None:
    """Return the secret by which an issuer knows the client of this name; None when there is none here.

    Raises ConfigError, and CredentialMissing when its command fails, or the keyring does not open that may
    have the one without which the issuer gives nothing.
    """
    from mailcrm.oauth2.issuers import KNOWN

    client = _client(config, name)
    if client.client_secret_command is not None:
        return keychain.run_command(client.client_secret_command, "client_secret_command")
    try:
        found = keychain.stored(keychain.client_secret_of(name, client.client_id), secrets=secrets_folder())
    except CredentialMissing:
        if name in KNOWN and KNOWN[name].client_secret:
            raise
        # A keyring that does not open need not hold up a client that has no secret, as most have none that
        # sign in where no desktop is. An issuer that misses one says so.
        return None
    return None if found is None else found[0]


def keep_client_secret(name: str, client_id: str, secret: str, *, place: SecretPlace) -> None:
    """Keep the secret by which an issuer knows a client; raises ConfigError or CredentialMissing."""
    keychain.keep(keychain.client_secret_of(name, client_id), secret, place=place, secrets=secrets_folder())


def issuer_of(config: Config, name: str) -> "Issuer":
    """Return an issuer with mailcrm as its client; raises ConfigError or CredentialMissing."""
    from mailcrm.oauth2.issuers import issuer

    return issuer(name, _client(config, name), client_secret(config, name))


def _client(config: Config, name: str) -> OAuth2Client:
    if name not in config.oauth2:
        raise ConfigError(
            f"The table [oauth2.{name}] is missing in {config.path}.",
            hint=f"Run: mailcrm account oauth-setup {name}",
        )
    return config.oauth2[name]


def _kept(config: Config, account: Account, name: str) -> "tuple[Tokens, SecretPlace]":
    """Return the tokens of an account that the client in config.toml got, and where they are."""
    from mailcrm.oauth2.issuers import issuer
    from mailcrm.oauth2.tokens import Tokens

    configured = issuer(name, _client(config, name), None)
    sign_in = f"Sign in: mailcrm account reauth {account.address}"
    found = keychain.stored(keychain.tokens_of(account.address, account.imap.host), secrets=secrets_folder())
    if found is None:
        raise CredentialMissing(f"Nobody has signed in to {account.address} on this machine.", hint=sign_in)
    tokens = Tokens.from_json(found[0])
    if (tokens.token_endpoint, tokens.client_id) != (configured.token_endpoint, configured.client_id):
        raise CredentialMissing(
            f"{account.address} was signed in with another client than [oauth2.{name}] names now.",
            hint=sign_in,
        )
    return tokens, found[1]


def _ends_soon(tokens: "Tokens", now: datetime) -> bool:
    """Tell whether it is time to renew; what cannot be renewed is used until it is refused.

    A clock that was wrong makes a token seem good for longer than it is: the server will refuse it.
    """
    if tokens.expires_at is None or tokens.refresh_token is None:
        return False
    return tokens.expires_at - now < _AHEAD


def _renew(config: Config, account: Account, name: str, stale: str) -> "Tokens":
    """Return other tokens than those with the access token `stale`, and keep them."""
    from concurrent.futures import ThreadPoolExecutor

    secret = keychain.tokens_of(account.address, account.imap.host)
    # Before the others wait for us: its command may take a minute.
    configured = issuer_of(config, name)
    with keychain.alone(secret, secrets=secrets_folder()):
        if threading.current_thread() is threading.main_thread():
            let_renewals_end()
        tokens, place = _kept(config, account, name)
        if tokens.access_token != stale:
            # Another process was faster.
            return tokens
        if tokens.refusal is not None:
            raise SignInNeeded(tokens.refusal)

        def keep(text: str) -> None:
            keychain.replace(secret, text, place=place, secrets=secrets_folder())

        # A full disk, or a keyring that was locked meanwhile, is met while the old ones are still good.
        keep(tokens.to_json())
        # Ctrl-C ends the wait for the thread, but not before the thread has ended.
        with ThreadPoolExecutor(1) as thread:
            fresh = thread.submit(_ask_and_keep, configured, tokens, keep).result()
    logger.info("account %d: the access token was renewed", account.id)
    return fresh


def _ask_and_keep(configured: "Issuer", tokens: "Tokens", keep: Callable[[str], None]) -> "Tokens":
    """Return renewed tokens that are kept, or keep why there will be none, so that nobody asks again."""
    from mailcrm.oauth2.grants import refresh

    one = object()
    _under_way.add(one)
    try:
        fresh = refresh(configured, tokens, datetime.now(UTC))
        keep(fresh.to_json())
    except SignInNeeded as error:
        # What somebody can see to elsewhere may be seen to any time, and nothing tells us of it.
        if error.hint == SignInNeeded.hint:
            keep(replace(tokens, refusal=str(error)).to_json())
        raise
    finally:
        _under_way.discard(one)
    return fresh

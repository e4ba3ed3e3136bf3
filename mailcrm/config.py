"""config.toml: what belongs to this machine, and where its secrets are found; config.example.toml shows all.

Accounts themselves live in the store. Secrets are never in this file, only the command that
prints one. Every problem of the file is reported at once.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import platformdirs

from mailcrm.core.errors import ConfigError

if TYPE_CHECKING:  # only a change of the file needs it
    from tomlkit import TOMLDocument

_KEYS: Mapping[str, type] = MappingProxyType(
    {
        "store": str,
        "member": str,
        "size_limit": int,
        "sync": dict,
        "accounts": dict,
        "oauth2": dict,
        "providers": dict,
    }
)
_SYNC_KEYS: Mapping[str, type] = MappingProxyType({"parallel": int})
_ACCOUNT_KEYS: Mapping[str, type] = MappingProxyType(
    {
        "host": str,
        "password_command": str,
        "token_command": str,
        "oauth2": str,
        "ca_file": str,
        "daily_bytes": int,
    }
)
_CLIENT_KEYS: Mapping[str, type] = MappingProxyType(
    {
        "client_id": str,
        "client_secret_command": str,
        "tenant": str,
        "authorization_endpoint": str,
        "token_endpoint": str,
        "device_authorization_endpoint": str,
        "scopes": list,
        "redirect_port": int,
        "ca_file": str,
    }
)
#: What `connect` and `account reauth` write; the rest of an account's table is the person's.
_REACH = ("host", "password_command", "token_command", "oauth2", "ca_file")

#: Bytes above which only the beginning of an email is stored (rules.md, section 3: 50 MB).
SIZE_LIMIT = 50_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountConfig:
    """How this machine reaches one account; a password or a token goes to `host` only.

    `password_command` prints the password, `token_command` an access token. `oauth2` names the client
    in `Config.oauth2` whose tokens open the account. `daily_bytes` may be downloaded in a day in place
    of what is known of the provider; 0: any number.
    """

    host: str | None = None
    password_command: str | None = None
    token_command: str | None = None
    oauth2: str | None = None
    ca_file: str | None = None
    daily_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuth2Client:
    """mailcrm as an authorization server knows it (RFC 6749, 2), registered by the person.

    Endpoints and scopes are those that mailcrm knows of the issuer where they are left out. `tenant`
    is Microsoft's. `client_secret_command` prints the secret where the issuer gave one and the keyring
    does not keep it. `redirect_port` is for an issuer that takes one redirect URI only; `ca_file` for
    one with certificates of its own.
    """

    client_id: str
    client_secret_command: str | None = None
    tenant: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    scopes: tuple[str, ...] | None = None
    redirect_port: int | None = None
    ca_file: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncConfig:
    """How a sync of several accounts goes: `parallel` of them at the same time."""

    parallel: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The settings of this machine; `store` is a URL, `size_limit` in bytes.

    `oauth2` are clients by the name of their issuer, `providers` the person's own, as they stand in
    the file: what they mean is `mailcrm.providers.presets`' to say.
    """

    path: Path
    store: str
    member: str | None = None
    size_limit: int = SIZE_LIMIT
    sync: SyncConfig = field(default_factory=SyncConfig)
    accounts: Mapping[str, AccountConfig] = field(default_factory=dict)
    oauth2: Mapping[str, OAuth2Client] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def account(self, address: str) -> AccountConfig:
        """Return what is configured for an account, which may be nothing."""
        return self.accounts.get(address, AccountConfig())

    def reach(self, address: str, host: str) -> AccountConfig:
        """Return what is configured for an account at its host: what opens one host is for no other."""
        here = self.account(address)
        return here if here.host in (None, host) else AccountConfig()


def default_path(environ: Mapping[str, str]) -> Path:
    """Return where config.toml is when nobody says otherwise."""
    if "MAILCRM_CONFIG" in environ:
        return Path(environ["MAILCRM_CONFIG"])
    return Path(platformdirs.user_config_dir("mailcrm")) / "config.toml"


def default_store() -> str:
    """Return the URL of this user's own store."""
    return f"sqlite:///{data_folder() / 'mailcrm.db'}"


def data_folder() -> Path:
    """Return the folder of this user's own data."""
    return Path(platformdirs.user_data_dir("mailcrm"))


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file at `path`, which need not exist; raises ConfigError with all its problems."""
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}.") from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    problems = _problems(values, _KEYS, "")
    sync = values.get("sync", {})
    if isinstance(sync, dict):
        problems += _problems(sync, _SYNC_KEYS, "sync.")
        if sync.get("parallel") == 0:
            problems.append("sync.parallel must be 1 or more")
    accounts, clients = values.get("accounts", {}), values.get("oauth2", {})
    if isinstance(accounts, dict):
        for address, entry in accounts.items():
            problems += _problems(entry, _ACCOUNT_KEYS, f'accounts."{address}".')
    if isinstance(clients, dict):
        for issuer, entry in clients.items():
            problems += _problems(entry, _CLIENT_KEYS, f"oauth2.{issuer}.")
            if isinstance(entry, dict) and "client_id" not in entry:
                problems.append(f"oauth2.{issuer}.client_id is missing")
    if problems:
        raise ConfigError(
            f"{path}: " + "; ".join(problems) + ".", hint="config.example.toml shows every key."
        )
    return Config(
        path=path,
        store=environ.get("MAILCRM_STORE") or values.get("store") or default_store(),
        member=environ.get("MAILCRM_MEMBER") or values.get("member"),
        size_limit=values.get("size_limit", SIZE_LIMIT),
        sync=SyncConfig(**sync),
        accounts={address.lower(): _account(entry) for address, entry in accounts.items()},
        oauth2={issuer.lower(): _client(entry) for issuer, entry in clients.items()},
        providers=values.get("providers", {}),
    )


def _account(entry: Mapping[str, Any]) -> AccountConfig:
    found = AccountConfig(**entry)
    return found if found.oauth2 is None else replace(found, oauth2=found.oauth2.lower())


def _client(entry: Mapping[str, Any]) -> OAuth2Client:
    scopes = entry.get("scopes")
    return OAuth2Client(**{**entry, "scopes": None if scopes is None else tuple(scopes)})


def _problems(values: object, keys: Mapping[str, type], prefix: str) -> list[str]:
    if not isinstance(values, dict):
        return [f"{prefix.removesuffix('.')} is not a table"]
    found = []
    for key, value in values.items():
        if key not in keys:
            import difflib  # late: most files have no mistake

            near = difflib.get_close_matches(key, keys, n=1)
            found.append(f"unknown key {prefix}{key}" + (f" (did you mean {near[0]}?)" if near else ""))
        elif not isinstance(value, keys[key]) or isinstance(value, bool):
            found.append(f"{prefix}{key} must be {_TYPE_NAMES[keys[key]]}")
        elif isinstance(value, int) and value < 0:
            found.append(f"{prefix}{key} must not be below 0")
        elif isinstance(value, list) and not all(isinstance(one, str) for one in value):
            found.append(f"{prefix}{key} must be a list of texts")
    return found


_TYPE_NAMES: Mapping[type, str] = MappingProxyType(
    {str: "a text", int: "a whole number", dict: "a table", list: "a list of texts"}
)


def remember_account(config: Config, address: str, entry: AccountConfig) -> None:
    """Write how this machine reaches an account to config.toml, keeping all else that stands there.

    Raises ConfigError when the file cannot be written.
    """
    import tomlkit

    document = _document(config.path)
    entries = document.setdefault("accounts", tomlkit.table(is_super_table=True))
    table = entries.setdefault(_spelled(entries, address), tomlkit.table())
    for key in _REACH:
        value = getattr(entry, key)
        if value is not None:
            table[key] = value
        elif key in table:
            del table[key]
    if not table:
        del entries[_spelled(entries, address)]
    _write(config.path, tomlkit.dumps(document))


def forget_account(config: Config, address: str) -> None:
    """Take an account out of config.toml, keeping all else that stands there; raises ConfigError."""
    import tomlkit

    document = _document(config.path)
    entries = document.get("accounts", {})
    if entries.pop(_spelled(entries, address), None) is not None:
        _write(config.path, tomlkit.dumps(document))


def remember_client(config: Config, name: str, client: OAuth2Client) -> None:
    """Write a client of OAuth2 to config.toml, keeping all else that stands there; raises ConfigError."""
    import tomlkit

    document = _document(config.path)
    clients = document.setdefault("oauth2", tomlkit.table(is_super_table=True))
    table = clients.setdefault(_spelled(clients, name), tomlkit.table())
    for key in _CLIENT_KEYS:
        value = getattr(client, key)
        if value is not None:
            table[key] = list(value) if isinstance(value, tuple) else value
        elif key in table:
            del table[key]
    _write(config.path, tomlkit.dumps(document))


def _spelled(entries: Mapping[str, Any], address: str) -> str:
    """Return the key of an account as the person wrote it, in capitals perhaps."""
    return next((key for key in entries if key.lower() == address), address)


def _document(path: Path) -> "TOMLDocument":
    import tomlkit

    return tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()


def _write(path: Path, text: str) -> None:
    # Written beside and renamed, so that a crash leaves either the old file or the new one.
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(
            os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error

"""Where the password of an account comes from: environment, credential file, command, keyring, secret file.

The order is that of docs/passwords.md. In the keyring and in the secret files a password belongs to an
address *and* a host, so that it is never sent to another server than the one it was given for. The
environment variable and the credential file are bound to no host: they name the address only, and
`a.b@example.com` and `a-b@example.com` share one variable. Nothing here is logged.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from mailcrm.core.errors import ConfigError, CredentialMissing


class SecretPlace(StrEnum):
    """Where mailcrm keeps a password that it was given."""

    KEYRING = "keyring"
    FILE = "file"


#: Back ends that keep a secret encrypted by the desktop or the system. Anything else, first of all
#: a plain-text file that an installed package slips in, is refused.
_KEYRINGS = frozenset(
    {
        "keyring.backends.SecretService",
        "keyring.backends.kwallet",
        "keyring.backends.libsecret",
        "keyring.backends.macOS",
        "keyring.backends.Windows",
    }
)

#: Seconds that a password command may take; somebody may have to unlock a key first.
_COMMAND_SECONDS = 60


def environment_name(address: str) -> str:
    """Return the variable that may hold the password of `address`.

    Other addresses share it when they differ in dots and dashes only.
    """
    return "MAILCRM_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", address.upper())


def find_password(
    address: str, host: str, *, command: str | None, environ: Mapping[str, str], secrets: Path
) -> str:
    """Return the password of `address` at `host`; raises CredentialMissing or ConfigError.

    `command` prints it; `secrets` is the folder of secret files.
    """
    if environment_name(address) in environ:
        return environ[environment_name(address)]
    if "CREDENTIALS_DIRECTORY" in environ:
        # systemd.exec(5), LoadCredential=
        path = Path(environ["CREDENTIALS_DIRECTORY"]) / f"mailcrm-{address}"
        if path.is_file():
            return _first_line(_read(path))
    if command is not None:
        return run_command(command)
    stored = _from_keyring(address, host)
    if stored is not None:
        return stored
    path = _secret_file(secrets, address, host)
    if path.is_file():
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"Other users can read {path}.", hint=f"Run: chmod 600 {path}")
        return _first_line(_read(path))
    raise CredentialMissing(f"There is no password for {address} at {host} here.")


def run_command(command: str) -> str:
    """Return the first line that a shell command prints; raises CredentialMissing when it fails."""
    try:
        done = subprocess.run(  # noqa: S602 (the person's own command line, as in mbsync's PassCmd)
            command, shell=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CredentialMissing(f"password_command took more than {_COMMAND_SECONDS} seconds.") from error
    if done.returncode or not _first_line(done.stdout):
        raise CredentialMissing(
            f"password_command failed with exit code {done.returncode} or printed nothing.",
            hint="Run the command by hand and see what it says.",
        )
    return _first_line(done.stdout)


def require_keyring() -> None:
    """Raise ConfigError when this machine has no keyring that mailcrm trusts."""
    if _keyring() is None:
        raise ConfigError(
            "This machine has no keyring that mailcrm trusts.",
            hint="Use --password-command, or --store-secret file for a file that only you can read.",
        )


def keep(address: str, host: str, password: str, *, place: SecretPlace, secrets: Path) -> None:
    """Keep a password in one place and no longer in the other; raises ConfigError or CredentialMissing."""
    match place:
        case SecretPlace.KEYRING:
            _keep_in_keyring(address, host, password)
            _secret_file(secrets, address, host).unlink(missing_ok=True)
        case SecretPlace.FILE:
            _keep_in_file(_secret_file(secrets, address, host), password)
            _delete_from_keyring(address, host)


def forget(address: str, host: str, *, secrets: Path) -> None:
    """Delete the stored password of an account, wherever it is; raises CredentialMissing."""
    _secret_file(secrets, address, host).unlink(missing_ok=True)
    _delete_from_keyring(address, host)


def _keep_in_keyring(address: str, host: str, password: str) -> None:
    require_keyring()
    backend = _keyring()
    with _asking_keyring(address):
        backend.set_password(_service(host), address, password)  # type: ignore[attr-defined] # a keyring back end


def _keep_in_file(path: Path, password: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(
            os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(password + "\n")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _delete_from_keyring(address: str, host: str) -> None:
    backend = _keyring()
    if backend is not None and _from_keyring(address, host) is not None:
        with _asking_keyring(address):
            backend.delete_password(_service(host), address)  # type: ignore[attr-defined] # a keyring back end


def _from_keyring(address: str, host: str) -> str | None:
    backend = _keyring()
    if backend is None:
        return None
    with _asking_keyring(address):
        found: str | None = backend.get_password(_service(host), address)  # type: ignore[attr-defined]
    return found


@contextmanager
def _asking_keyring(address: str) -> Iterator[None]:
    import keyring.errors

    try:
        yield
    except keyring.errors.KeyringError as error:
        raise CredentialMissing(
            f"The keyring did not open for the password of {address}: it may be locked.",
            hint="Unlock it, or use password_command where no desktop session runs (cron).",
        ) from error


def _keyring() -> object | None:
    import keyring

    backend = keyring.get_keyring()
    candidates = getattr(backend, "backends", [backend])
    for candidate in candidates:
        if type(candidate).__module__ in _KEYRINGS:
            return candidate  # type: ignore[no-any-return]
    return None


def _service(host: str) -> str:
    return f"mailcrm:{host}"


def _secret_file(secrets: Path, address: str, host: str) -> Path:
    # Both come from outside, so nothing in them may climb out of the folder.
    return secrets / re.sub(r"[^A-Za-z0-9@._+-]", "_", f"{address}@{host}")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read.", hint="It is a file of UTF-8 text.") from error


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].rstrip("\r")

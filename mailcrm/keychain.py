"""Where the secrets of this machine are: environment, credential file, command, secret file, keyring.

The order in which a password is looked for is that of docs/passwords.md. What mailcrm keeps itself (a
password, an account's tokens, a client's secret) belongs to a name *and* a host or issuer, so that it
is never sent to another server than the one it was given for. The environment variable and the
credential file are bound to no host: they name the address only, and `a.b@example.com` and
`a-b@example.com` share one variable. What a secret opens is left to others. Nothing here is logged, and
an error of a keyring is not passed on, because it may quote the secret.

Tokens are several thousand characters of JSON. Secret Service, KWallet and the macOS Keychain take them;
the Windows Credential Manager, which ends at 2,560 bytes, takes passwords only. Secret files lean on
POSIX modes.
"""

import logging
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mailcrm.core.errors import ConfigError, CredentialMissing, KeyringClosed, StoreBusy

if TYPE_CHECKING:  # it takes a tenth of a second, which a secret file or a command saves
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)


class SecretPlace(StrEnum):
    """Where mailcrm keeps a secret that it was given."""

    KEYRING = "keyring"
    FILE = "file"


class SecretKind(StrEnum):
    """What a secret is, by the first part of its service's name in the keyring."""

    PASSWORD = "mailcrm"  # noqa: S105 (the name that keyrings know it by)
    TOKENS = "mailcrm-oauth2"
    CLIENT_SECRET = "mailcrm-oauth2-client"  # noqa: S105 (likewise)


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretName:
    """Which secret: `name` is an address, or a client id; `host` the server, or the issuer, it goes to."""

    kind: SecretKind
    name: str
    host: str

    def __str__(self) -> str:
        match self.kind:
            case SecretKind.PASSWORD:
                return f"the password of {self.name}"
            case SecretKind.TOKENS:
                return f"the tokens of {self.name}"
            case SecretKind.CLIENT_SECRET:
                return f"the client secret for {self.host}"


def password_of(address: str, host: str) -> SecretName:
    """Return the name of the password that opens `address` at the server `host`."""
    return SecretName(kind=SecretKind.PASSWORD, name=address, host=host)


def tokens_of(address: str, host: str) -> SecretName:
    """Return the name of the OAuth2 tokens that open `address` at the server `host`."""
    return SecretName(kind=SecretKind.TOKENS, name=address, host=host)


def client_secret_of(issuer: str, client_id: str) -> SecretName:
    """Return the name of the secret by which `issuer` knows the client (RFC 6749, 2.3.1)."""
    return SecretName(kind=SecretKind.CLIENT_SECRET, name=client_id, host=issuer)


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

#: Seconds that a command may take; somebody may have to unlock a key first.
_COMMAND_SECONDS = 60

#: Seconds to wait for a process that asks an issuer, which `oauth2` gives half a minute.
_ALONE_SECONDS = 35

#: Characters of a file's name; file systems end at 255 bytes, and a few more stand in a new file's.
_FILE_NAME = 200


def environment_name(address: str) -> str:
    """Return the variable that may hold the password of `address`.

    Other addresses share it when they differ in dots and dashes only.
    """
    return "MAILCRM_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", address.upper())


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a child process: without our own variables and the database's password.

    Passwords are among ours, and the store's URL may hold one. libpq takes PGPASSWORD from us alone.
    """
    return {
        key: value for key, value in environ.items() if not key.startswith("MAILCRM_") and key != "PGPASSWORD"
    }


def find_password(
    address: str, host: str, *, command: str | None, environ: Mapping[str, str], secrets: Path
) -> str:
    """Return the password of `address` at `host`; raises CredentialMissing or ConfigError.

    `command` prints it; `secrets` is the folder of secret files.
    """
    given = given_password(address, environ)
    if given is not None:
        return given
    if command is not None:
        return run_command(command)
    found = stored(password_of(address, host), secrets=secrets)
    if found is None:
        raise CredentialMissing(f"There is no password for {address} at {host} here.")
    return found[0]


def given_password(address: str, environ: Mapping[str, str]) -> str | None:
    """Return the password that whoever starts mailcrm gives, for whatever server; raises ConfigError."""
    if environment_name(address) in environ:
        return environ[environment_name(address)]
    if "CREDENTIALS_DIRECTORY" in environ:
        # systemd.exec(5), LoadCredential=
        path = Path(environ["CREDENTIALS_DIRECTORY"]) / f"mailcrm-{address}"
        if path.is_file():
            with _reading(path):
                return _first_line(path.read_text("utf-8"))
    return None


def run_command(command: str, key: str = "password_command") -> str:
    """Return the first line that a shell command prints; raises CredentialMissing when it fails.

    `key` is where config.toml has the command.
    """
    try:
        done = subprocess.run(  # noqa: S602 (the person's own command line, as in mbsync's PassCmd)
            command,
            shell=True,
            capture_output=True,
            encoding="utf-8",
            timeout=_COMMAND_SECONDS,
            check=False,
            env=without_secrets(os.environ),
        )
    except subprocess.TimeoutExpired:
        # Python's error holds what was printed until then.
        raise CredentialMissing(f"{key} took more than {_COMMAND_SECONDS} seconds.") from None
    except UnicodeDecodeError:
        # Likewise.
        raise CredentialMissing(f"{key} printed something else than UTF-8 text.") from None
    if done.returncode or not _first_line(done.stdout):
        failed = f"failed with exit code {done.returncode}" if done.returncode else "printed nothing"
        raise CredentialMissing(
            f"{key} {failed}.",
            hint="Run the command by hand and see what it says.",
        )
    return _first_line(done.stdout)


def require_keyring() -> None:
    """Raise ConfigError when this machine has no keyring that mailcrm trusts."""
    _trusted_keyring()


def keep(name: SecretName, secret: str, *, place: SecretPlace, secrets: Path) -> None:
    """Keep one line in one place and no longer in the other; raises ConfigError or CredentialMissing."""
    replace(name, secret, place=place, secrets=secrets)
    match place:
        case SecretPlace.KEYRING:
            _delete_files(secrets, name)
        case SecretPlace.FILE:
            try:
                _delete_from_keyring(name)
            except (ConfigError, CredentialMissing):
                # A server's keyring may never open; the file counts before it.
                logger.info("the keyring was not asked whether it holds an older secret")


def replace(name: SecretName, secret: str, *, place: SecretPlace, secrets: Path) -> None:
    """Keep one line in the place where an older one is; raises ConfigError or CredentialMissing."""
    match place:
        case SecretPlace.KEYRING:
            backend = _trusted_keyring()
            with _asking_keyring(name):
                backend.set_password(_service(name), name.name, secret)
        case SecretPlace.FILE:
            _write(secrets / _file_name(name), secret)


def stored(name: SecretName, *, secrets: Path) -> tuple[str, SecretPlace] | None:
    """Return a secret that was kept, and where it is; raises ConfigError or CredentialMissing.

    CredentialMissing: the keyring does not open. A file counts first, so that it works beside a
    keyring that is locked.
    """
    found = _read_file(secrets / _file_name(name))
    if found is not None:
        return found, SecretPlace.FILE
    found = _from_keyring(name)
    return None if found is None else (found, SecretPlace.KEYRING)


def forget(name: SecretName, *, secrets: Path) -> None:
    """Delete a stored secret, wherever it is; raises CredentialMissing or ConfigError."""
    _delete_files(secrets, name)
    _delete_from_keyring(name)


@contextmanager
def alone(name: SecretName, *, secrets: Path) -> Iterator[None]:
    """Keep other processes that do the same away from a secret; raises StoreBusy or ConfigError."""
    import hashlib

    import filelock

    # filelock writes the path to the log, which tells no address.
    path = secrets / f"lock={hashlib.sha256(_file_name(name).encode()).hexdigest()[:32]}"
    with _writing(path):
        _make_folder(secrets)
        lock = filelock.FileLock(path, timeout=_ALONE_SECONDS, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreBusy(f"Another mailcrm has been renewing {name} for a while.") from error
    try:
        yield
    finally:
        lock.release()


def _make_folder(secrets: Path) -> None:
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_open(secrets, secrets.stat())


def _write(path: Path, secret: str) -> None:
    import tempfile  # late: most runs only read

    with _writing(path):
        _make_folder(path.parent)
        # Of mode 0600 from its first moment, under a name that nobody can have prepared.
        number, beside = tempfile.mkstemp(prefix=_beginning_of_new(path.name), dir=path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(secret + "\n")
                file.flush()
                # A refresh token that the machine forgets in a power cut may be the only good one.
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    except UnicodeEncodeError:
        # Python's error quotes from the secret.
        raise ConfigError("The secret cannot be kept: it is not made of Unicode characters.") from None


def _delete_files(secrets: Path, name: SecretName) -> None:
    path = secrets / _file_name(name)
    # Also what a process left that was killed while it wrote.
    for one in (path, *secrets.glob(_beginning_of_new(path.name) + "*")):
        try:
            one.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise ConfigError(f"{one} cannot be deleted: {error.strerror}.") from error


def _beginning_of_new(file_name: str) -> str:
    return f"{file_name}=new"


def _read_file(path: Path) -> str | None:
    """Return the first line of a file that only we can read; None when there is no such file."""
    with _reading(path):
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        # In a folder that is ours alone nobody changes what we look at here.
        _refuse_open(path.parent, path.parent.stat())
        if not stat.S_ISREG(found.st_mode):
            # A link may lead out of the folder, and a pipe would keep us waiting.
            raise ConfigError(f"{path} is not a file.", hint="Delete it, and give the secret again.")
        _refuse_open(path, found)
        return _first_line(path.read_text("utf-8"))


def _refuse_open(path: Path, found: os.stat_result) -> None:
    if found.st_mode & 0o077:
        mode = 700 if stat.S_ISDIR(found.st_mode) else 600
        raise ConfigError(f"Other users can read {path}.", hint=f"Run: chmod {mode} {shlex.quote(str(path))}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        # Python's error holds the whole text.
        raise ConfigError(f"{path} cannot be read.", hint="It is a file of UTF-8 text.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _delete_from_keyring(name: SecretName) -> None:
    backend = _keyring()
    if backend is not None and _from_keyring(name) is not None:
        with _asking_keyring(name):
            backend.delete_password(_service(name), name.name)


def _from_keyring(name: SecretName) -> str | None:
    backend = _keyring()
    if backend is None:
        return None
    with _asking_keyring(name):
        return backend.get_password(_service(name), name.name)


@contextmanager
def _asking_keyring(name: SecretName) -> Iterator[None]:
    try:
        yield
    # A back end is foreign code over a bus of the desktop, and raises what they please; any of it may
    # quote the secret, so only its kind is told.
    except Exception as error:  # noqa: BLE001 (see above)
        logger.info("the keyring raised %s", type(error).__name__)
        raise KeyringClosed(
            f"The keyring did not open for {name}: it may be locked.",
            hint="Unlock it. Where no desktop session runs (cron), use --store-secret file, or a command.",
        ) from None


def _trusted_keyring() -> "KeyringBackend":
    backend = _keyring()
    if backend is None:
        raise ConfigError(
            "This machine has no keyring that mailcrm trusts.",
            hint="Use --store-secret file for a file that only you can read, or a command that prints it.",
        )
    return backend


def _keyring() -> "KeyringBackend | None":
    try:
        import keyring

        backend = keyring.get_keyring()
        candidates = getattr(backend, "backends", [backend])
    # It loads what a variable or a file of the person names, and every back end that is installed.
    except Exception as error:
        raise KeyringClosed(
            f"The keyring could not be loaded ({type(error).__name__}).",
            hint="See what PYTHON_KEYRING_BACKEND and keyringrc.cfg say, or run: keyring diagnose",
        ) from error
    for candidate in candidates:
        if type(candidate).__module__ in _KEYRINGS:
            return candidate  # type: ignore[no-any-return] # the chainer's list has no type
    return None


def _service(name: SecretName) -> str:
    return f"{name.kind}:{name.host}"


def _file_name(name: SecretName) -> str:
    """Return a file name that no other secret has, and that stays in its folder."""
    from urllib.parse import quote

    # Percent-encoding (RFC 3986, 2.1) leaves neither a slash nor an equals sign, and takes no two texts
    # for the same. The last @ stands before the host.
    plain = f"{quote(name.name, safe='@+')}@{quote(name.host, safe='')}"
    if name.kind is not SecretKind.PASSWORD:
        plain = f"{name.kind}={plain}"
    if len(plain) > _FILE_NAME:
        import hashlib

        plain = f"{plain[:100]}=={hashlib.sha256(plain.encode()).hexdigest()}"
    return plain


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].rstrip("\r")

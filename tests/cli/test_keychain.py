"""A password is kept in one place, for its address and host; the keyring of the desktop is played here."""

from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from keyring.errors import KeyringLocked, PasswordDeleteError

from mailcrm.core.errors import ConfigError, CredentialMissing
from mailcrm.keychain import SecretPlace, environment_name, find_password, forget, keep

ANN = "ann@example.com"
HOST = "imap.example.com"


class Keyring:
    """What a back end of keyring does, in memory; it can be locked."""

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, name: str) -> str | None:
        self._open()
        return self.passwords.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self._open()
        self.passwords[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        self._open()
        if self.passwords.pop((service, name), None) is None:
            raise PasswordDeleteError

    def _open(self) -> None:
        if self.locked:
            raise KeyringLocked


Keyring.__module__ = "keyring.backends.SecretService"


class Untrusted(Keyring):
    """A back end that an installed package slipped in."""


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    found = Keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: found)
    return found


def found_at(secrets: Path, host: str = HOST) -> str:
    return find_password(ANN, host, command=None, environ={}, secrets=secrets)


def test_the_newest_password_counts_whichever_place_had_the_old_one(desktop: Keyring, tmp_path: Path) -> None:
    keep(ANN, HOST, "first", place=SecretPlace.KEYRING, secrets=tmp_path)
    assert found_at(tmp_path) == "first"
    keep(ANN, HOST, "second", place=SecretPlace.FILE, secrets=tmp_path)
    assert found_at(tmp_path) == "second"
    assert desktop.passwords == {}
    keep(ANN, HOST, "third", place=SecretPlace.KEYRING, secrets=tmp_path)
    assert found_at(tmp_path) == "third"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", SecretPlace)
def test_a_password_is_for_one_host_until_it_is_forgotten(
    desktop: Keyring, tmp_path: Path, place: SecretPlace
) -> None:
    keep(ANN, HOST, "secret", place=place, secrets=tmp_path)
    with pytest.raises(CredentialMissing):
        found_at(tmp_path, "imap.example.org")
    forget(ANN, "imap.example.org", secrets=tmp_path)
    assert found_at(tmp_path) == "secret"
    forget(ANN, HOST, secrets=tmp_path)
    with pytest.raises(CredentialMissing):
        found_at(tmp_path)
    assert desktop.passwords == {}


@pytest.mark.parametrize(
    "use",
    [
        found_at,
        lambda secrets: keep(ANN, HOST, "new", place=SecretPlace.KEYRING, secrets=secrets),
        lambda secrets: forget(ANN, HOST, secrets=secrets),
    ],
)
def test_a_locked_keyring_is_said_in_a_sentence(
    desktop: Keyring, tmp_path: Path, use: Callable[[Path], object]
) -> None:
    keep(ANN, HOST, "secret", place=SecretPlace.KEYRING, secrets=tmp_path)
    desktop.locked = True
    with pytest.raises(CredentialMissing, match="may be locked"):
        use(tmp_path)
    assert list(desktop.passwords.values()) == ["secret"]


def test_a_keyring_that_nobody_vouches_for_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", Untrusted)
    with pytest.raises(ConfigError, match="no keyring that mailcrm trusts"):
        keep(ANN, HOST, "secret", place=SecretPlace.KEYRING, secrets=tmp_path)
    keep(ANN, HOST, "secret", place=SecretPlace.FILE, secrets=tmp_path)
    assert found_at(tmp_path) == "secret"


def test_a_secret_file_that_cannot_be_used_is_said_in_a_sentence(desktop: Keyring, tmp_path: Path) -> None:
    keep(ANN, HOST, "secret", place=SecretPlace.FILE, secrets=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        found_at(tmp_path)
    desktop.set_password(f"mailcrm:{HOST}", ANN, "old")
    with pytest.raises(ConfigError, match="cannot be written"):
        keep(ANN, HOST, "new", place=SecretPlace.FILE, secrets=kept)
    assert desktop.passwords, "what is there stays until the new one is kept"


def test_addresses_that_differ_in_dots_and_dashes_share_a_variable() -> None:
    assert environment_name("a.b@example.com") == environment_name("a-b@example.com")
    assert environment_name("a.b@example.com") == "MAILCRM_PASSWORD_A_B_EXAMPLE_COM"

"""The keyring of a desktop, played in memory."""

from keyring.errors import KeyringLocked, PasswordDeleteError


class Keyring:
    """What a back end of keyring does; it can be locked, or raise whatever is given."""

    priority = 5

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}
        self.locked = False
        self.raises: Exception | None = None

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
        if self.raises is not None:
            raise self.raises
        if self.locked:
            raise KeyringLocked


Keyring.__module__ = "keyring.backends.SecretService"


class Untrusted(Keyring):
    """A back end that an installed package slipped in."""

    priority = 9

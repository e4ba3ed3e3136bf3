"""What a mail server lets us in with.

Where it comes from is left to `keychain` and `signing_in`, how it is said to a server to `mail`.
"""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Password:
    """A password, an app password or an authorization code: all of them are sent as they are."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token (RFC 6750) that opens one mailbox for about an hour."""

    secret: str = field(repr=False)


Credential: TypeAlias = Password | AccessToken

"""What is said to log in (SASL, RFC 4422).

Bytes in and bytes out, the same for IMAP and SMTP: how they travel is left to `mailcrm.mail.wire` and
`mailcrm.mail.smtp`, what a refusal means to `mailcrm.mail.refusals`.
"""

import binascii
import json
import unicodedata
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from mailcrm.core.credentials import AccessToken
from mailcrm.core.errors import AuthError, ConfigError, LogInBlocked
from mailcrm.core.model import Endpoint
from mailcrm.core.printable import printable

#: The answer that gives up, for IMAP (RFC 9051, 6.2.2) and SMTP (RFC 4954, 4) alike.
CANCEL = b"*"
#: A longer tale of an error tells nobody anything.
_CHALLENGE_LIMIT = 8_192


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A log-in: the name of the mechanism, and the answers to the server's challenges, one each.

    Where the client speaks first, the first answer may be sent along with the command. A server that
    asks once more than there are answers gets `CANCEL`.
    """

    mechanism: str
    answers: tuple[bytes, ...] = field(repr=False)
    client_first: bool = True

    def encoded(self) -> deque[bytes]:
        """Return the answers as they go over the wire, in Base64, and `CANCEL` after the last."""
        return deque([*map(b64encode, self.answers), CANCEL])


def plain(username: str, password: str) -> Exchange:
    """Return the log-in with PLAIN (RFC 4616, 2); raises ConfigError for control characters."""
    said = f"\0{_speakable(username)}\0{_speakable(password)}"
    return Exchange(mechanism="PLAIN", answers=(said.encode(),))


def login(username: str, password: str) -> Exchange:
    """Return the log-in with LOGIN, older than SASL: the server asks for one, then for the other.

    Raises ConfigError for control characters.
    """
    answers = (_speakable(username).encode(), _speakable(password).encode())
    return Exchange(mechanism="LOGIN", answers=answers, client_first=False)


def bearer(offered: Collection[str], endpoint: Endpoint, username: str, token: AccessToken) -> Exchange:
    """Return the log-in with an access token by the best mechanism that is offered.

    XOAUTH2 goes first: all providers whose tokens mailcrm can get take it and document it, Microsoft
    and Yandex nothing else, and it is what other mail programs send them. OAUTHBEARER, the standard,
    is for the servers that offer only that. Raises AuthError when neither is offered, ConfigError for
    characters that no token has.
    """
    if "XOAUTH2" in offered:
        return xoauth2(username, token.secret)
    if "OAUTHBEARER" in offered:
        return oauthbearer(username, token.secret, endpoint.host, endpoint.port)
    raise AuthError(
        "The mail server takes no access tokens: it offers neither XOAUTH2 nor OAUTHBEARER.",
        hint="Use a password or an app password for this server; check its name, too.",
    )


def no_password(offered: Collection[str]) -> AuthError:
    """Return the error for a server that takes no password on this connection."""
    if "XOAUTH2" in offered or "OAUTHBEARER" in offered:
        return AuthError(
            "The mail server takes no passwords, only a sign-in with OAuth2.",
            hint="See docs/oauth.md.",
            wanted="OAuth2",
        )
    return LogInBlocked("The mail server takes no password on this connection.", hint="Use TLS or STARTTLS.")


def xoauth2(username: str, token: str) -> Exchange:
    """Return the log-in with XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol).

    A challenge tells of an error, and the refusal comes after an empty answer to it.
    """
    said = f"user={_speakable(username)}\1auth=Bearer {_token(token)}\1\1"
    return Exchange(mechanism="XOAUTH2", answers=(said.encode(), b""))


def oauthbearer(username: str, token: str, host: str, port: int) -> Exchange:
    """Return the log-in with OAUTHBEARER (RFC 7628, 3.1).

    A challenge tells of an error, and the refusal comes after a lone ^A in answer (RFC 7628, 3.2.3).
    """
    name = _speakable(username).replace("=", "=3D").replace(",", "=2C")  # saslname, RFC 5801, 4
    said = f"n,a={name},\1host={_speakable(host)}\1port={port}\1auth=Bearer {_token(token)}\1\1"
    return Exchange(mechanism="OAUTHBEARER", answers=(said.encode(), b"\1"))


def error_told(challenge: bytes) -> str:
    """Return what a challenge in Base64 says of an error, in one short line; empty if it says nothing.

    It is JSON with `status` and `scope` (RFC 7628, 3.2.2).
    """
    try:
        told = json.loads(b64decode(challenge[:_CHALLENGE_LIMIT], validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    words = [f"{name} {told[name]}" for name in ("status", "scope") if isinstance(told.get(name), str | int)]
    return printable(", ".join(words))


def _speakable(said: str) -> str:
    """Return what may stand between the separators of a mechanism, which are control characters."""
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in said):
        raise ConfigError("A name or a password for the mail server holds a control character.")
    return said


def _token(token: str) -> str:
    """Return an access token that is one (RFC 6750, 2.1, is narrower; some issuers are not)."""
    if not token or not all("!" <= c <= "~" for c in token):
        raise ConfigError(
            "The access token holds a space, a line break or another character that no token has.",
            hint="If it comes from token_command, see that the command prints the token alone.",
        )
    return token

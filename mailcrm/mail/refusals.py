"""What mail servers mean when they refuse, and what connections mean when they fail.

One place turns server texts, socket errors and certificate errors into `mailcrm.core.errors`.
Raising them is left to `mailcrm.mail.imap`.
"""

import re
import socket
import ssl
from datetime import timedelta

from mailcrm.core.errors import (
    AuthError,
    ConnectError,
    FolderMissing,
    MailError,
    ProtocolError,
    Throttled,
    TokenRefused,
)
from mailcrm.core.model import Endpoint
from mailcrm.core.printable import printable

_IMAP_OFF = "Switch IMAP on in the settings of the provider's web mail, then try again."

#: (what the text contains, error, our sentence, hint); the first match wins. The texts are those of
#: Gmail, Microsoft, NetEase, Tencent, Yahoo, Dovecot; the codes those of RFC 5530.
_KNOWN: tuple[tuple[str, type[MailError], str, str], ...] = (
    (
        (
            r"\[(OVERQUOTA|THROTTLED|LIMIT)\b|too many simultaneous connections|request is throttled"
            r"|maximum number of connections|exceeded command or bandwidth"
        ),
        Throttled,
        "The mail server asks us to slow down.",
        "",
    ),
    (
        r"application-specific password|app(lication)? password|app-specific password",
        AuthError,
        "The provider wants an app password.",
        "Make an app password for mail programs in the provider's security settings, and use it here.",
    ),
    (
        r"web ?browser|web ?login required|WEBALERT",
        AuthError,
        "The provider wants you to log in on its web site first.",
        "Log in with a web browser, confirm that it was you, then try again.",
    ),
    (
        r"basic authentication is (disabled|blocked)",
        AuthError,
        "The provider does not take passwords from mail programs.",
        "This provider accepts OAuth2 only, which mailcrm does not speak; an app password does not help.",
    ),
    (
        r"authori[sz](ed|ation) code|weixin token",
        AuthError,
        "The provider wants its authorization code in place of the password.",
        "Switch IMAP on in the provider's web mail; it shows an authorization code to use as password.",
    ),
    (r"unsafe login", AuthError, "The provider does not let mail programs in yet.", _IMAP_OFF),
    (
        r"authenticated but not connected",
        AuthError,
        "The log-in worked, but there is no mailbox behind it for mail programs.",
        _IMAP_OFF,
    ),
    (
        r"\[PRIVACYREQUIRED\]|plaintext authentication disallowed",
        AuthError,
        "The mail server takes a password over an encrypted connection only.",
        "Use TLS or STARTTLS for this server.",
    ),
)

#: `Request is throttled. Suggested Backoff Time: 92415 milliseconds` (Microsoft).
_SUGGESTED = re.compile(
    r"(?:back-?off time|retry after|try again (?:in|after)|wait)\D{0,12}(\d{1,9}) ?(m(?:illi)?s|s|min|h)",
    re.IGNORECASE,
)
_UNITS = {"ms": 0.001, "millis": 0.001, "s": 1, "min": 60, "h": 3600}

#: Gmail locks an account that downloaded more than 2,500 MB in a day for up to 24 hours, and does not
#: say for how long.
_BANDWIDTH = re.compile(r"\[OVERQUOTA\]|bandwidth", re.IGNORECASE)

_NO_SUCH_FOLDER = re.compile(
    r"\[(NONEXISTENT|TRYCREATE)\]|not exist|n't exist|not found|no such|unknown (mailbox|folder)"
    r"|invalid (mailbox|folder)|nonexist",
    re.IGNORECASE,
)


def _quoted(text: str) -> str:
    return f" The server says: {text}" if text else ""


def _recognised(text: str) -> MailError | None:
    for pattern, error, sentence, hint in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            if issubclass(error, Throttled):
                return error(sentence + _quoted(text), hint=hint, retry_after=_retry_after(text))
            return error(sentence + _quoted(text), hint=hint)
    return None


def _retry_after(text: str) -> timedelta | None:
    """Return how long the server wants to be left alone, as far as it is known."""
    suggested = _SUGGESTED.search(text)
    if suggested is not None:
        return timedelta(seconds=int(suggested[1]) * _UNITS[suggested[2].lower()])
    return timedelta(hours=1) if _BANDWIDTH.search(text) else None


def refused(said: str | bytes) -> MailError:
    """Return the error for a command that the server answered with NO, BAD or BYE."""
    text = printable(said)
    return _recognised(text) or ProtocolError("The mail server refused a command." + _quoted(text))


def log_in_refused(said: str | bytes) -> MailError:
    """Return the error for a refused log-in."""
    text = printable(said)
    # RFC 5530, 3: a part of the server is down, or the account is in use; the password may be right.
    if re.search(r"\[(UNAVAILABLE|INUSE|SERVERBUG)\]", text, re.IGNORECASE):
        return ConnectError("The mail server cannot log anybody in now." + _quoted(text))
    return _recognised(text) or AuthError(
        "The mail server refused the user name or the password." + _quoted(text)
    )


def token_refused(said: str | bytes, reason: str = "") -> MailError:
    """Return the error for a refused access token; `reason` is what the server told before it refused."""
    error = log_in_refused(said)
    if type(error) is not AuthError or _recognised(printable(said)) is not None:
        return error
    told = f"{printable(said)} ({reason})" if reason else printable(said)
    return TokenRefused("The mail server refused the access token." + _quoted(told.strip()))


def folder_refused(name: str, said: str | bytes) -> MailError:
    """Return the error for a folder that the server does not open; `name` is the one for people."""
    text = printable(said)
    if _NO_SUCH_FOLDER.search(text):
        return FolderMissing(f"The folder {printable(name)} is not on the server." + _quoted(text))
    return _recognised(text) or ProtocolError(
        f"The mail server does not open the folder {printable(name)}." + _quoted(text)
    )


def closed(endpoint: Endpoint, said: str | bytes) -> MailError:
    """Return the error for a connection that the server ended, with or without a word."""
    text = printable(said)
    if "socket error" in text:
        return ConnectError(f"The connection to {_place(endpoint)} was cut.")
    return _recognised(text) or ConnectError(f"{_place(endpoint)} closed the connection." + _quoted(text))


def unreachable(endpoint: Endpoint, error: OSError) -> MailError:
    """Return the error for a connection that could not be made or kept."""
    place = _place(endpoint)
    match error:
        case ssl.SSLCertVerificationError():
            return _untrusted(place, error)
        case ssl.SSLError():
            return ConnectError(
                f"{place} does not speak TLS as expected ({printable(error.reason or 'no reason given')}).",
                hint="Check the port: 993 is for TLS, 143 for STARTTLS.",
            )
        case socket.gaierror():
            sentence = f"The name {printable(endpoint.host)} leads to no server."
        case TimeoutError():
            sentence = f"{place} did not answer in time."
        case ConnectionRefusedError():
            sentence = f"{place} refuses connections."
        case ConnectionResetError() | BrokenPipeError():
            sentence = f"The connection to {place} was cut."
        case _:
            sentence = f"{place} could not be reached: {printable(error.strerror or str(error))}."
    return ConnectError(sentence)


#: X509_V_ERR_* of OpenSSL, x509_vfy.h.
_EXPIRED, _NOT_YET_VALID, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
_UNKNOWN_ISSUER = {2, 18, 19, 20, 21}


def _untrusted(place: str, error: ssl.SSLCertVerificationError) -> ConnectError:
    code = error.verify_code
    if code in _UNKNOWN_ISSUER:
        return ConnectError(
            f"The certificate of {place} comes from an issuer that this computer does not trust.",
            hint="If the server is your own, name its CA certificate with ca_file or --ca-file.",
        )
    if code in {_WRONG_NAME, _WRONG_ADDRESS}:
        return ConnectError(
            f"The certificate of {place} is made for another host name.",
            hint="Check the server's name; somebody may be in the middle.",
        )
    if code == _EXPIRED:
        return ConnectError(
            f"The certificate of {place} has expired.",
            hint="Its keeper has to renew it; check this computer's clock, too.",
        )
    if code == _NOT_YET_VALID:
        return ConnectError(
            f"The certificate of {place} is not valid yet.", hint="Check this computer's clock."
        )
    return ConnectError(f"The certificate of {place} is not trusted: {printable(error.verify_message)}.")


def _place(endpoint: Endpoint) -> str:
    return f"{printable(endpoint.host)}:{endpoint.port}"

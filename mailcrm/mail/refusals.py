"""What mail servers mean when they refuse, and what connections mean when they fail.

One place turns server texts, by one table, socket errors and certificate errors into
`mailcrm.core.errors`. Raising them is left to `mailcrm.mail.imap`, what a provider wants of its people
to `mailcrm.advising`.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta

from mailcrm.core.errors import (
    AuthError,
    ConnectError,
    FolderMissing,
    LogInBlocked,
    MailError,
    ProtocolError,
    Throttled,
    TokenRefused,
)
from mailcrm.core.model import Endpoint
from mailcrm.core.printable import printable


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A text that servers are known to send when they refuse, and what it means.

    `pattern` is searched for in any case. `wanted` is for AuthError alone, `retry_after` for Throttled:
    it holds where the text itself names no time. With `log_in` the text means this at a log-in only.
    """

    pattern: str
    error: type[MailError]
    sentence: str
    hint: str = ""
    wanted: str = ""
    retry_after: timedelta | None = None
    log_in: bool = False


_SLOW_DOWN = "The mail server asks us to slow down."
_WRONG = "The mail server refused the user name or the password."
_IMAP_OFF = (
    "Switch IMAP on in the settings of the provider's web mail (in an organisation, its administrator "
    "may have to allow it first), then try again."
)
_CODE = "Switch IMAP on in the provider's web mail; it shows an authorization code to use as password."
_AT_THE_WEB_SITE = "Log in on the provider's web site, do what it asks for, then try again."

#: The first that is found wins. What stands behind a row is where its text was seen: an RFC, the
#: server's source, or a thread of a public project. Codes in brackets: RFC 5530, 3.
KNOWN: tuple[Known, ...] = (
    # QQ and Exmail send one text for every reason (chengazhen/cursor-auto-free#294). It stands before
    # "frequency limited": most often the code is wrong, and more tries would only lock the account.
    Known(
        pattern=r"account is abnormal, service is not open",
        error=AuthError,
        sentence="The provider names several reasons at once: a wrong authorization code, IMAP switched off, "
        "too many log-ins, or trouble of its own.",
        hint=_CODE,
        wanted="authorization code",
        log_in=True,
    ),
    # Yahoo: LOGIN Rate limit hit (M66B/FairEmail FAQ 22). Gmail: Too many login attempts
    # (support.google.com/mail/answer/7126229). Yahoo, SMTP: Too many bad auth attempts. NetEase, SMTP:
    # auth error limit exceed. No server says for how long; the wait doubles from an hour.
    Known(
        pattern=r"too many (?:bad |failed |invalid )?(?:auth|authentication|log-?in) (?:attempts|failures)"
        r"|log-?in rate limit hit|log-?in frequency limited|auth error limit exceed",
        error=Throttled,
        sentence="The provider takes no log-ins for a while, because there were too many.",
        hint="Wait an hour or more. If the password was wrong, give the right one before the next try.",
        retry_after=timedelta(hours=1),
    ),
    # Gmail locks an account that downloaded more than 2,500 MB in a day for up to 24 hours, and does
    # not say for how long (support.google.com/a/answer/1071518).
    Known(
        pattern=r"\[OVERQUOTA\]|exceeded command or bandwidth",
        error=Throttled,
        sentence=_SLOW_DOWN,
        retry_after=timedelta(hours=1),
    ),
    # Gmail (zone-eu/wildduck#35), Dovecot (src/login-common), Yahoo (M66B/FairEmail),
    # Microsoft (postalsys/imapflow).
    Known(
        pattern=r"\[(?:THROTTLED|LIMIT)\b|too many simultaneous connections|maximum number of connections"
        r"|request is throttled",
        error=Throttled,
        sentence=_SLOW_DOWN,
    ),
    # Microsoft ends a session whose token ran out: BYE Session invalidated - AccessTokenExpired.
    Known(
        pattern=r"AccessTokenExpired",
        error=ConnectError,
        sentence="The access token ran out, and the mail server ended the session.",
        hint="The next sync goes on with a new one.",
    ),
    # Yandex (mscdex/node-imap#782), lavabit/magma. Before UNAVAILABLE, which some send with it.
    Known(
        pattern=r"account (?:is|has been) (?:administratively |temporarily )?"
        r"(?:locked|suspended|disabled|blocked|restricted)",
        error=LogInBlocked,
        sentence="The provider has locked this account.",
        hint=_AT_THE_WEB_SITE,
    ),
    # A part of the server is down, or the account is in use; the password may be right. Dovecot
    # (src/login-common), Exchange: Server Unavailable. 15 (lefcha/imapfilter#146).
    Known(
        pattern=r"\[(?:UNAVAILABLE|INUSE|SERVERBUG)\]|temporary authentication failure"
        r"|account is temporarily unavailable|server unavailable",
        error=ConnectError,
        sentence="The mail server cannot log anybody in now.",
        hint="The password may be right: try again later.",
        log_in=True,
    ),
    # Gmail (andreiaugustin/gmail_extractor#4), Mail.ru (thunderbird/thunderbird-android#9069).
    Known(
        pattern=r"app(?:lication)?(?:-specific)? password|parol prilozheniya",
        error=AuthError,
        sentence="The provider wants an app password.",
        hint="Make an app password for mail programs in the provider's security settings, and use it here.",
        wanted="app password",
    ),
    # Gmail (lovelysystems/robotframework-imaplibrary#23).
    Known(
        pattern=r"web ?browser|web ?login required|WEBALERT",
        error=LogInBlocked,
        sentence="The provider wants you to log in on its web site first.",
        hint="Log in with a web browser, confirm that it was you, then try again.",
    ),
    # Microsoft (holon-run/uxc#445), and AuthFailed:LogonDenied-BasicAuthBlocked.
    Known(
        pattern=r"basic authentication is (?:disabled|blocked)|BasicAuthBlocked",
        error=AuthError,
        sentence="The provider does not take passwords from mail programs.",
        hint="This provider accepts OAuth2 only; an app password does not help. See docs/oauth.md.",
        wanted="OAuth2",
    ),
    # QQ and Exmail (nylas/sync-engine, inbox/auth/generic.py).
    Known(
        pattern=r"authori[sz](?:ed|ation) code|weixin token",
        error=AuthError,
        sentence="The provider wants its authorization code in place of the password.",
        hint=_CODE,
        wanted="authorization code",
    ),
    # NetEase, to a program that did not introduce itself with ID (pimalaya/himalaya#651). mailcrm does.
    Known(
        pattern=r"unsafe login",
        error=LogInBlocked,
        sentence="The provider does not let mail programs in yet.",
        hint=_IMAP_OFF,
    ),
    # Google Workspace (google/googleapps-message-recall).
    Known(
        pattern=r"IMAP access is disabled for your domain",
        error=LogInBlocked,
        sentence="The administrator of the mail domain has switched IMAP off.",
        hint="Ask the administrator to allow IMAP, then try again.",
    ),
    # Yandex (Foundry376/Mailspring#2111).
    Known(
        pattern=r"invalid credentials or IMAP is disabled",
        error=AuthError,
        sentence="The mail server refused the user name or the password, or IMAP is switched off.",
        log_in=True,
    ),
    # Gmail (mozilla-b2g/gaia-email-libs-and-more), Zoho (closeio/sync-engine).
    Known(
        pattern=r"not enabled for IMAP|yet to enable IMAP|IMAP (?:access |service )?is disabled",
        error=LogInBlocked,
        sentence="IMAP is switched off for this account.",
        hint=_IMAP_OFF,
    ),
    # Microsoft (simonrob/email-oauth2-proxy#275): another mailbox, another scope, or IMAP switched off.
    Known(
        pattern=r"authenticated but not connected",
        error=LogInBlocked,
        sentence="The log-in worked, but there is no mailbox behind it for mail programs.",
        hint=_IMAP_OFF,
    ),
    # Dovecot (src/login-common).
    Known(
        pattern=r"\[PRIVACYREQUIRED\]|plaintext authentication disallowed|authentication not allowed until",
        error=LogInBlocked,
        sentence="The mail server takes a password over an encrypted connection only.",
        hint="Use TLS or STARTTLS for this server.",
    ),
    Known(
        pattern=r"\[EXPIRED\]|password (?:has |is )?expired",
        error=AuthError,
        sentence="The password has expired.",
        hint="Choose a new one on the provider's web site, then give it here.",
        log_in=True,
    ),
    # Proton Mail Bridge (LukeSmithxyz/mutt-wizard#500).
    Known(
        pattern=r"no such user|user [^ ]{1,100} not found",
        error=AuthError,
        sentence="The mail server does not know this user name.",
        hint="Check the user name: for some providers it is the whole address, for others what stands before "
        "the @.",
        log_in=True,
    ),
    # Before AUTHORIZATIONFAILED, which Yahoo sent for a wrong password, too.
    Known(
        pattern=r"\[AUTHENTICATIONFAILED\]|(?:incorrect|invalid) (?:user ?name|login|credentials|password)",
        error=AuthError,
        sentence=_WRONG,
        log_in=True,
    ),
    Known(
        pattern=r"\[AUTHORIZATIONFAILED\]",
        error=LogInBlocked,
        sentence="The log-in is right, but this user may not open the mailbox.",
        hint="Check the user name, or ask the administrator to allow IMAP for this mailbox.",
        log_in=True,
    ),
    Known(
        pattern=r"\[(?:CONTACTADMIN|NOPERM)\]",
        error=LogInBlocked,
        sentence="The mail server does not let this account in, and names its administrator.",
        hint="Ask the administrator or the provider's support, then try again.",
        log_in=True,
    ),
    Known(
        pattern=r"\[CLIENTBUG\]",
        error=ProtocolError,
        sentence="The mail server takes what mailcrm said for a mistake.",
        hint="The next sync tries again; if it stays so, report what the server says.",
        log_in=True,
    ),
)

#: `Request is throttled. Suggested Backoff Time: 92415 milliseconds` (Microsoft).
_SUGGESTED = re.compile(
    r"(?:back-?off time|retry after|try again (?:in|after)|wait)\D{0,12}(\d{1,9}) ?(m(?:illi)?s|s|min|h)",
    re.IGNORECASE,
)
_UNITS = {"ms": 0.001, "millis": 0.001, "s": 1, "min": 60, "h": 3600}

_NO_SUCH_FOLDER = re.compile(
    r"\[(NONEXISTENT|TRYCREATE)\]|not exist|n't exist|not found|no such|unknown (mailbox|folder)"
    r"|invalid (mailbox|folder)|nonexist",
    re.IGNORECASE,
)


def _quoted(text: str) -> str:
    if not text:
        return ""
    # A text cannot end its own quotation and go on in our name.
    inside = text.replace('"', "'")
    return f' The server says: "{inside}"' + ("" if inside[-1] in ".!?" else ".")


def _recognised(text: str, *, log_in: bool = False) -> MailError | None:
    for known in KNOWN:
        if (log_in or not known.log_in) and re.search(known.pattern, text, re.IGNORECASE):
            return _error(known, text)
    return None


def _error(known: Known, text: str) -> MailError:
    message = known.sentence + _quoted(text)
    if issubclass(known.error, Throttled):
        return known.error(message, hint=known.hint, retry_after=_suggested(text) or known.retry_after)
    if issubclass(known.error, AuthError):
        return known.error(message, hint=known.hint, wanted=known.wanted)
    return known.error(message, hint=known.hint)


def _suggested(text: str) -> timedelta | None:
    """Return how long the server says that it wants to be left alone."""
    suggested = _SUGGESTED.search(text)
    if suggested is None:
        return None
    return timedelta(seconds=int(suggested[1]) * _UNITS[suggested[2].lower()])


def refused(said: str | bytes) -> MailError:
    """Return the error for a command that the server answered with NO, BAD or BYE."""
    text = printable(said)
    return _recognised(text) or ProtocolError("The mail server refused a command." + _quoted(text))


def log_in_refused(said: str | bytes) -> MailError:
    """Return the error for a refused log-in."""
    text = printable(said)
    return _recognised(text, log_in=True) or AuthError(_WRONG + _quoted(text))


def token_refused(said: str | bytes, reason: str = "") -> MailError:
    """Return the error for a refused access token; `reason` is what the server told before it refused."""
    error = log_in_refused(said)
    # What only says that something about the log-in is wrong says it of the token.
    if type(error) is not AuthError or error.wanted:
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

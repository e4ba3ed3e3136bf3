"""Everything that can go wrong, in words for a person.

MailcrmError                  exit code
├─ UsageError                  2
│  └─ QueryError               2
├─ ConfigError                78
├─ MailError
│  ├─ ConnectError            75
│  ├─ Throttled               75
│  ├─ AuthError               77
│  │  ├─ LogInBlocked         77
│  │  ├─ TokenRefused         77
│  │  └─ SignInNeeded         77
│  ├─ FolderMissing           65
│  └─ ProtocolError           76
├─ StoreError
│  ├─ StoreMissing            78
│  ├─ SchemaOutdated          78
│  ├─ StoreBusy               75
│  ├─ StoreUnavailable        75
│  └─ UnsafeRole              78
├─ Waiting                    75
├─ BudgetSpent                75
├─ FileError                  73
├─ CredentialMissing          78
│  └─ KeyringClosed           78
├─ SignInFailed               77
├─ NotPermitted               77
├─ NotFound                   66
├─ AlreadyExists              65
└─ NeedsChoice                65

The class docstring is the default message; `hint` says what to do. Exit codes follow
sysexits.h, where 75 tells cron to try again later.
"""

from collections.abc import Sequence
from datetime import timedelta


class MailcrmError(Exception):
    """Something went wrong."""

    code = "error"
    exit_code = 70
    hint = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        """Take the sentence for this case, and what the user can do when it is not the usual thing."""
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])
        if hint:
            self.hint = hint


class UsageError(MailcrmError):
    """The command was not understood."""

    code = "usage"
    exit_code = 2
    hint = "See `mailcrm --help`."


class QueryError(UsageError):
    """The query was not understood."""

    code = "query"
    hint = "See `mailcrm search --help`."

    def __init__(self, message: str = "", *, text: str = "", position: int = 1, hint: str = "") -> None:
        """Take what is wrong, without a full stop, and carry where: a character of `text`, from 1."""
        super().__init__(f"At character {position}: {message or 'the query was not understood'}.", hint=hint)
        self.text = text
        self.position = position


class ConfigError(MailcrmError):
    """The configuration has a problem."""

    code = "config"
    exit_code = 78


class MailError(MailcrmError):
    """The mail server could not be used."""

    code = "mail"
    exit_code = 76


class ConnectError(MailError):
    """The mail server could not be reached."""

    code = "connect_failed"
    exit_code = 75
    hint = "Check the network and the server's name."


class Throttled(MailError):
    """The mail server asks us to slow down."""

    code = "throttled"
    exit_code = 75
    hint = "Wait a while; the next sync goes on where this one stopped."

    def __init__(self, message: str = "", *, hint: str = "", retry_after: timedelta | None = None) -> None:
        """Carry how long to wait at least, when the server or what is known of it says so."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class AuthError(MailError):
    """The mail server refused the user name or the password."""

    code = "auth_failed"
    exit_code = 77
    hint = "Check the password; many providers want an app password made for mail programs."

    def __init__(self, message: str = "", *, hint: str = "", wanted: str = "") -> None:
        """Carry what the server wants in place of the password, as "app password", when it says so."""
        super().__init__(message, hint=hint)
        self.wanted = wanted


class LogInBlocked(AuthError):
    """The provider does not let mail programs into this account."""

    code = "log_in_blocked"
    hint = "Log in on the provider's web site, allow IMAP there, then try again."


class TokenRefused(AuthError):
    """The mail server refused the access token."""

    code = "token_refused"
    hint = "Sign in again with `mailcrm account reauth`."


class SignInNeeded(AuthError):
    """The provider wants you to sign in again."""

    code = "sign_in_needed"
    hint = "Sign in again with `mailcrm account reauth`."


class FolderMissing(MailError):
    """The folder is not on the server."""

    code = "folder_missing"
    exit_code = 65
    hint = "See `mailcrm account folders`."


class ProtocolError(MailError):
    """The mail server gave an answer that mailcrm does not understand."""

    code = "protocol"
    exit_code = 76


class StoreError(MailcrmError):
    """The store could not be used."""

    code = "store"
    exit_code = 74


class StoreMissing(StoreError):
    """There is no store here yet."""

    code = "store_missing"
    exit_code = 78
    hint = "Start with: mailcrm connect YOUR-ADDRESS"


class SchemaOutdated(StoreError):
    """The store was made by another version of mailcrm."""

    code = "schema_outdated"
    exit_code = 78
    hint = "Run: mailcrm store migrate"


class StoreBusy(StoreError):
    """Another mailcrm is at work on this account."""

    code = "store_busy"
    exit_code = 75
    hint = "Try again later."


class StoreUnavailable(StoreError):
    """The database could not be reached."""

    code = "store_unavailable"
    exit_code = 75
    hint = "Check the store's address and that the database runs."


class UnsafeRole(StoreError):
    """This database login is above the visibility rules."""

    code = "unsafe_role"
    exit_code = 78
    hint = "Connect with the login of a member, not with the owner of the database; see docs/postgresql.md."


class Waiting(MailcrmError):
    """It is not yet time to ask the mail server again."""

    code = "waiting"
    exit_code = 75


class BudgetSpent(MailcrmError):
    """What may be downloaded in one day is spent."""

    code = "budget_spent"
    exit_code = 75
    hint = "`daily_bytes` in config.toml sets another limit."


class FileError(MailcrmError):
    """A file could not be written."""

    code = "file"
    exit_code = 73
    hint = "Name a folder that you may write to."


class CredentialMissing(MailcrmError):
    """There is no password for this account here."""

    code = "credential_missing"
    exit_code = 78
    hint = "Run `mailcrm account reauth`, or set password_command for the account in config.toml."


class KeyringClosed(CredentialMissing):
    """The keyring does not open, so nobody can say what is in it."""

    code = "keyring_closed"
    hint = "Unlock it. Where no desktop session runs (cron), use --store-secret file, or a command."


class SignInFailed(MailcrmError):
    """The sign-in at the provider did not come to its end."""

    code = "sign_in_failed"
    exit_code = 77


class NotPermitted(MailcrmError):
    """You may not do this here."""

    code = "not_permitted"
    exit_code = 77


class NotFound(MailcrmError):
    """There is no such thing, or not for you."""

    code = "not_found"
    exit_code = 66


class AlreadyExists(MailcrmError):
    """It is there already."""

    code = "already_exists"
    exit_code = 65


class NeedsChoice(MailcrmError):
    """Several fit; say which one."""

    code = "needs_choice"
    exit_code = 65

    def __init__(self, message: str = "", *, hint: str = "", candidates: Sequence[str] = ()) -> None:
        """Carry the candidates, one line each, beside the sentence."""
        super().__init__(message, hint=hint)
        self.candidates = tuple(candidates)

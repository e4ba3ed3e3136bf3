"""Connected mail accounts, how to reach them, and when each may be asked again.

When that is, is decided in `rounds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from mailcrm.core.errors import AlreadyExists, NeedsChoice, NotFound
from mailcrm.core.model import Account, CreateContacts, Endpoint, Security, Visibility
from mailcrm.store.database import Database, Row
from mailcrm.store.rows import instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What decides whether an account is asked now.

    `failures` in a row; before `next_retry_at` no round asks, and none by itself when the password was
    `refused`; `error` says why. `bytes_today` were downloaded on the day that was asked for.
    """

    error: str | None
    failures: int
    next_retry_at: datetime | None
    refused: bool
    bytes_today: int


def accounts(db: Database) -> list[Account]:
    """Return the accounts that the viewer manages."""
    return _accounts(db, disconnected=False)


def with_disconnected(db: Database) -> list[Account]:
    """Return the same, and those that were disconnected: their mail stays."""
    return _accounts(db, disconnected=True)


def _accounts(db: Database, *, disconnected: bool) -> list[Account]:
    aliases: dict[int, list[str]] = {}
    for row in db.read("account_aliases"):
        aliases.setdefault(row["account_id"], []).append(row["address"])
    return [
        Account(
            id=row["id"],
            address=row["address"],
            aliases=tuple(aliases.get(row["id"], ())),
            owner_id=row["owner_id"],
            owner=row["owner"],
            team_id=row["team_id"],
            default_visibility=Visibility(row["default_visibility"]),
            provider=row["provider"],
            imap=Endpoint(
                host=row["imap_host"], port=row["imap_port"], security=Security(row["imap_security"])
            ),
            username=row["username"],
            history_start=instant(row["history_start"]),
            all_folders=bool(row["all_folders"]),
            auto_link_contacts=bool(row["auto_link_contacts"]),
            auto_link_deals=bool(row["auto_link_deals"]),
            auto_link_leads=bool(row["auto_link_leads"]),
            create_contacts=CreateContacts(row["create_contacts"]),
            last_sync_at=instant(row["last_sync_at"]),
            last_error=row["last_error"],
        )
        for row in db.read("managed_accounts", disconnected=disconnected)
    ]


def account(db: Database, text: str | None) -> Account:
    """Return the account with this address or id, or the only one; raises NotFound or NeedsChoice."""
    found = accounts(db)
    if text is None:
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFound("No account is connected yet.", hint="Run: mailcrm connect YOUR-ADDRESS")
        raise NeedsChoice("Several accounts are connected.", candidates=[a.address for a in found])
    for candidate in found:
        if text.strip().lower() in (str(candidate.id), candidate.address):
            return candidate
    raise NotFound(f"There is no account {text!r}.", hint="See `mailcrm account list`.")


def create_account(
    db: Database,
    *,
    address: str,
    owner_id: int | None,
    team_id: int | None,
    default_visibility: Visibility,
    provider: str,
    imap: Endpoint,
    username: str,
    history_start: datetime | None,
    all_folders: bool,
) -> Account:
    """Add an account with its connection; raises AlreadyExists when the address is connected.

    An account that was disconnected before gets its mail back when its owner connects it again.
    """
    for known in accounts(db):
        if known.address == address:
            raise AlreadyExists(
                f"{address} is connected already.",
                hint=f"To sign in anew: mailcrm account reauth {address}",
            )
    connection = {
        "provider": provider,
        "imap_host": imap.host,
        "imap_port": imap.port,
        "imap_security": imap.security,
        "username": username,
        "history_start": history_start,
        "all_folders": all_folders,
        "connected": True,
    }
    with db.transaction():
        disconnected = db.read("disconnected_account", address=address)
        if disconnected:
            _reconnect(db, disconnected[0], owner_id, team_id, default_visibility, connection)
        else:
            try:
                account_id = db.insert(
                    "create_account",
                    address=address,
                    owner_id=owner_id,
                    team_id=team_id,
                    default_visibility=default_visibility,
                )
            except AlreadyExists as error:
                # The address is unique in the store; the other account may be one that we may not see.
                raise AlreadyExists(f"{address} is connected by somebody else in this store.") from error
            db.write(
                "create_account_connection",
                account_id=account_id,
                auto_link_contacts=True,
                auto_link_deals=True,
                auto_link_leads=True,
                create_contacts=CreateContacts.NEVER,
                **connection,
            )
    return account(db, address)


def _reconnect(
    db: Database,
    earlier: Row,
    owner_id: int | None,
    team_id: int | None,
    default_visibility: Visibility,
    connection: Mapping[str, object],
) -> None:
    if (earlier["owner_id"], earlier["team_id"]) != (owner_id, team_id):
        raise AlreadyExists(
            "This account was connected before, for somebody else, and its mail is still here.",
            hint="Connect it for the same member or team as before.",
        )
    db.write("set_default_visibility", id=earlier["id"], visibility=default_visibility)
    db.write("reconnect_account", account_id=earlier["id"], refused=False, **connection)
    if any(earlier[name] != connection[name] for name in ("imap_host", "imap_port", "username")):
        _forget_places(db, earlier["id"])


def _forget_places(db: Database, account_id: int) -> None:
    """Forget where emails are on the server, because it is another one or another's mailbox.

    UIDs belong to a server (RFC 9051, 2.3.1.1), and so do object ids (RFC 8474, 4): the new one may give
    the same to other emails.
    """
    db.write("forget_account_places", account_id=account_id)
    db.write("forget_account_screened", account_id=account_id)
    db.write("forget_account_uids", account_id=account_id)
    db.write("forget_account_object_ids", account_id=account_id)


def add_alias(db: Database, known: Account, address: str) -> None:
    """Add an own address: mail from it goes out, and it is never a contact."""
    db.write("add_account_alias", account_id=known.id, address=address)


def set_default_visibility(db: Database, known: Account, visibility: Visibility) -> None:
    """Change what new threads of the account start with; stored threads keep what they have."""
    db.write("set_default_visibility", id=known.id, visibility=visibility)


def set_history_start(db: Database, known: Account, start: datetime | None) -> None:
    """Move the history start; the next sync fetches what is now inside, and nothing is deleted."""
    db.write("set_history_start", account_id=known.id, history_start=start)


def set_server(db: Database, known: Account, *, imap: Endpoint, username: str, provider: str) -> None:
    """Sync the account from another server; it has its turn at once, and its mail stays.

    The caller holds the account's lease: a sync that is at work goes on with the old server.
    """
    with db.transaction():
        db.write(
            "set_server",
            account_id=known.id,
            provider=provider,
            imap_host=imap.host,
            imap_port=imap.port,
            imap_security=imap.security,
            username=username,
        )
        give_turn(db, known)
        if (known.imap.host, known.imap.port, known.username) != (imap.host, imap.port, username):
            _forget_places(db, known.id)


def set_all_folders(db: Database, known: Account, *, all_folders: bool) -> None:
    """Say whether a folder that appears later is synced."""
    db.write("set_all_folders", account_id=known.id, all_folders=all_folders)


def set_create_contacts(db: Database, known: Account, policy: CreateContacts) -> None:
    """Say who becomes a contact by itself when mail of the account comes."""
    db.write("set_create_contacts", account_id=known.id, policy=policy)


def set_auto_link(db: Database, known: Account, *, contacts: bool, deals: bool, leads: bool) -> None:
    """Switch the automatic rule for contacts and for deals."""
    db.write("set_auto_link", account_id=known.id, contacts=contacts, deals=deals, leads=leads)


def record_sync(db: Database, known: Account, *, at: datetime, error: str | None) -> None:
    """Remember when the account was last synced to its end, and what did not work."""
    db.write("record_sync", account_id=known.id, at=at, error=error, refused=False)


def record_sync_error(db: Database, known: Account, error: str) -> None:
    """Remember why the account could not be synced, which is a failure that nobody waits for.

    A refusal stays the error, as it is what rounds wait for.
    """
    db.write("record_sync_error", account_id=known.id, error=error)


def turn(db: Database, known: Account, day: date) -> Turn:
    """Return what decides whether the account is asked now; `day` is the present one in UTC."""
    (row,) = db.read("turn", account_id=known.id)
    return Turn(
        error=row["last_error"],
        failures=row["failures"],
        next_retry_at=instant(row["next_retry_at"]),
        refused=bool(row["refused"]),
        bytes_today=row["downloaded_bytes"] if row["downloaded_on"] == day.isoformat() else 0,
    )


def postpone(db: Database, known: Account, error: str, *, failures: int, until: datetime) -> None:
    """Remember that the account is not asked before `until`, after so many failures in a row.

    A refusal stays the error, as it is what rounds wait for.
    """
    db.write("postpone_account", account_id=known.id, error=error, failures=failures, until=until)


def record_refusal(db: Database, known: Account, error: str) -> None:
    """Remember that the server refused the password, which no round tries again."""
    db.write("record_refusal", account_id=known.id, error=error, refused=True)


def record_log_in(db: Database, known: Account) -> None:
    """Remember that the server takes the password after all."""
    db.write("record_log_in", account_id=known.id, refused=False)


def give_turn(db: Database, known: Account) -> None:
    """Let the next round ask the account, whatever it waited for; the error of a folder stays."""
    db.write("give_turn", account_id=known.id, refused=False)


def count_download(db: Database, known: Account, day: date, size: int) -> None:
    """Add so many bytes to what the account downloaded on a day, in UTC."""
    db.write("count_download", account_id=known.id, day=day.isoformat(), bytes=size)


def disconnect_account(db: Database, known: Account) -> None:
    """Sync the account no more; its mail and its settings stay."""
    db.write("disconnect_account", account_id=known.id, connected=False)


def email_count(db: Database, known: Account) -> int:
    """Count the emails stored for the account."""
    return int(db.read("account_email_count", account_id=known.id)[0]["count"])

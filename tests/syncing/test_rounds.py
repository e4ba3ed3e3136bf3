"""Whose turn it is: after failures, refusals and a spent budget, on several machines and side by side."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mailcrm.config import AccountConfig, Config, load, remember_account
from mailcrm.core.credentials import Password
from mailcrm.core.errors import (
    ConfigError,
    ConnectError,
    CredentialMissing,
    MailcrmError,
    MailError,
    ProtocolError,
    SignInNeeded,
    StoreUnavailable,
    Throttled,
    TokenRefused,
)
from mailcrm.core.events import (
    AccountFinished,
    AccountSkipped,
    AccountStarted,
    BatchSaved,
    FolderPlanned,
    SyncEvent,
)
from mailcrm.core.model import Account
from mailcrm.keychain import environment_name
from mailcrm.mail.imap import ImapSession, open_session
from mailcrm.progress import _LiveProgress, until
from mailcrm.providers.presets import presets
from mailcrm.rounds import daily_bytes, sync_accounts, wait
from mailcrm.store import Database, accounts, open_database
from tests.cli.desk import ANN, YESTERDAY, Desk
from tests.cli.desk import letter as short_letter
from tests.conftest import FIRST, NOW, Store, login_of
from tests.mail.conformance import USER, ModelMailbox
from tests.servers.model_imap import HangUp, ModelServer
from tests.syncing.accounts import connect, days_ago, letter, only, stored, wait_until

SECOND = "second@example.com"
THIRD = "third@example.com"
TODAY = NOW.date()

#: Seconds after which a test that waits for another thread or process gives up.
PATIENCE = 30


def open_model(account: Account) -> ImapSession:
    return open_session(account.imap, username=USER, credential=Password("secret"), timeout=PATIENCE)


def a_round(
    db: Database,
    chosen: Sequence[Account],
    *,
    at: datetime = NOW,
    insist: bool = False,
    budget: int | None = None,
) -> list[SyncEvent]:
    return list(
        sync_accounts(
            db,
            chosen,
            open_model,
            clock=lambda: at,
            size_limit=1_000_000,
            daily_bytes=lambda _: budget,
            insist=insist,
        )
    )


def skipped(events: Sequence[SyncEvent]) -> AccountSkipped:
    (event,) = only(events, AccountSkipped)
    return event


def answering_log_ins(text: bytes) -> Callable[[str, bytes], bytes]:
    """Return a twist that answers every log-in with NO and this text."""

    def twist(command: str, reply: bytes) -> bytes:
        if not command.startswith(("LOGIN", "AUTHENTICATE")):
            return reply
        return reply.splitlines()[-1].split()[0] + b" NO " + text + b"\r\n"

    return twist


def hanging_up(command: str, reply: bytes) -> bytes:
    raise HangUp


def log_ins(server: ModelServer) -> int:
    return sum(command.startswith(("LOGIN", "AUTHENTICATE")) for command in server.commands)


def untwisted(_command: str, reply: bytes) -> bytes:
    return reply


# --- back-off ---------------------------------------------------------------------------------------


def test_a_wait_doubles_up_to_an_hour() -> None:
    minutes = [wait(ConnectError(), failures, 0.0) / timedelta(minutes=1) for failures in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_that_the_server_suggests_takes_the_place_of_the_minute_up_to_a_day() -> None:
    suggested = Throttled(retry_after=timedelta(seconds=90))
    assert [wait(suggested, failures, 0.0).total_seconds() for failures in (1, 2, 3)] == [90, 180, 360]
    assert wait(suggested, 30, 0.0) == timedelta(hours=24)
    assert wait(Throttled(retry_after=timedelta(days=400)), 1, 0.0) == timedelta(hours=24)


@given(
    error=st.sampled_from([ConnectError(), ProtocolError(), Throttled()])
    | st.builds(Throttled, retry_after=st.timedeltas(timedelta(0), timedelta(days=9999))),
    failures=st.integers(1, 10**9),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_never_shorter_than_the_last_and_chance_adds_a_quarter_at_most(
    error: ConnectError, failures: int, chance: float
) -> None:
    plain, waited = wait(error, failures, 0.0), wait(error, failures, chance)
    assert timedelta(0) <= plain <= waited <= plain * 1.25
    assert plain <= wait(error, failures + 1, 0.0) <= timedelta(hours=24)


def test_after_a_failure_the_server_is_left_alone_for_longer_each_time(
    db: Database, model: ModelServer
) -> None:
    account = connect(db, ModelMailbox(model))
    model.append("INBOX", letter("1@example.org"), days_ago(1))
    model.twist = hanging_up
    at = NOW
    for minutes in (1, 2, 4):
        event = skipped(a_round(db, [account], at=at))
        assert (event.code, event.exit_code) == ("connect_failed", 75)
        assert event.next_retry_at is not None
        assert minutes * 60 <= (event.next_retry_at - at).total_seconds() <= minutes * 75 + 1
        asked = len(model.commands)
        held = skipped(a_round(db, [account], at=event.next_retry_at - timedelta(seconds=1)))
        assert (held.code, held.exit_code, held.next_retry_at) == ("waiting", 75, event.next_retry_at)
        assert held.error == event.error
        assert len(model.commands) == asked
        at = event.next_retry_at
    model.twist = untwisted
    (finished,) = only(a_round(db, [account], at=at), AccountFinished)
    assert finished.whole
    turn = accounts.turn(db, account, TODAY)
    assert (turn.failures, turn.next_retry_at, turn.error) == (0, None, None)


def test_a_failure_after_something_was_saved_counts_as_the_first(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    model.append("INBOX", letter("1@example.org"), days_ago(1))
    accounts.postpone(db, account, "It was down.", failures=5, until=days_ago(1))
    events = []
    for event in sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=1_000_000):
        events.append(event)
        if isinstance(event, BatchSaved):
            model.twist = hanging_up
    assert skipped(events).code == "connect_failed"
    assert accounts.turn(db, account, TODAY).failures == 1


def test_a_named_account_is_asked_whatever_it_waits_for(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.postpone(db, account, "It was down.", failures=5, until=NOW + timedelta(hours=1))
    assert skipped(a_round(db, [account])).code == "waiting"
    assert only(a_round(db, [account], insist=True), AccountFinished)[0].whole


def test_a_moment_that_only_a_wrong_clock_can_have_stored_is_not_waited_for(
    db: Database, model: ModelServer
) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.postpone(db, account, "It was down.", failures=5, until=NOW + timedelta(days=2000))
    assert only(a_round(db, [account]), AccountFinished)[0].whole


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"Request is throttled. Suggested Backoff Time: 92415 milliseconds", 92.415),
        (b"[LIMIT] Rate limit hit. Please try again in 15 minutes", 900),
        (b"[THROTTLED] retry after 40 seconds", 40),
        (b"[ALERT] Too many simultaneous connections. (Failure)", 60),
        (b"[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", 3600),
    ],
)
def test_a_server_that_asks_to_slow_down_is_left_alone_as_long_as_it_says(
    db: Database, model: ModelServer, text: bytes, seconds: float
) -> None:
    account = connect(db, ModelMailbox(model))
    model.twist = answering_log_ins(text)
    event = skipped(a_round(db, [account]))
    assert (event.code, event.exit_code) == ("throttled", 75)
    assert event.next_retry_at is not None
    assert seconds <= (event.next_retry_at - NOW).total_seconds() <= seconds * 1.25 + 1
    assert skipped(a_round(db, [account], at=event.next_retry_at - timedelta(seconds=1))).code == "waiting"
    assert log_ins(model) == 1


# --- a refused password -----------------------------------------------------------------------------


def test_a_refused_password_is_tried_again_by_nobody_but_a_person(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    model.password = "changed"
    for days in range(4):
        event = skipped(a_round(db, [account], at=NOW + timedelta(days=days)))
        assert (event.code, event.exit_code, event.next_retry_at) == ("auth_failed", 77, None)
    assert f"account reauth {FIRST}" in event.hint
    assert log_ins(model) == 1
    assert skipped(a_round(db, [account], insist=True)).code == "auth_failed"
    assert log_ins(model) == 2
    model.password = "secret"
    assert skipped(a_round(db, [account])).code == "auth_failed"
    accounts.give_turn(db, account)
    assert only(a_round(db, [account]), AccountFinished)[0].whole


@pytest.mark.parametrize("refusal", [TokenRefused(), TokenRefused(f"{TokenRefused()} It says: status 400")])
def test_a_refused_token_stays_one_while_it_waits_for_a_person(
    db: Database, model: ModelServer, refusal: TokenRefused
) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.record_refusal(db, account, str(refusal))
    event = skipped(a_round(db, [account]))
    assert (event.code, event.exit_code) == ("token_refused", 77)
    assert event.error == f"Not tried again, because somebody has to see to it. {refusal}"
    assert f"account reauth {FIRST}" in event.hint
    assert log_ins(model) == 0


@pytest.mark.parametrize(
    "error", [SignInNeeded("The sign-in is no longer good."), ConnectError("The connection was cut.")]
)
def test_what_a_person_meets_who_tries_again_does_not_take_the_place_of_the_refusal(
    db: Database, model: ModelServer, error: MailError
) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.record_refusal(db, account, str(TokenRefused()))

    def fail(_account: Account) -> ImapSession:
        raise error

    named = sync_accounts(db, [account], fail, clock=lambda: NOW, size_limit=1_000_000, insist=True)
    assert skipped(list(named)).error == str(error)
    event = skipped(a_round(db, [account]))
    assert event.code == "token_refused"
    assert event.error == f"Not tried again, because somebody has to see to it. {TokenRefused()}"
    assert accounts.account(db, FIRST).last_error == str(TokenRefused())


def test_a_sign_in_that_this_machine_lacks_does_not_stop_the_others(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))

    def refuse(_account: Account) -> ImapSession:
        raise SignInNeeded("The sign-in is no longer good.")

    events = sync_accounts(db, [account], refuse, clock=lambda: NOW, size_limit=1_000_000)
    assert skipped(list(events)).code == "sign_in_needed"
    turn = accounts.turn(db, account, TODAY)
    assert (turn.refused, turn.next_retry_at, turn.error) == (False, None, "The sign-in is no longer good.")
    assert only(a_round(db, [account]), AccountFinished)[0].whole


@pytest.mark.parametrize(
    "error",
    [
        SignInNeeded("The sign-in is no longer good."),
        CredentialMissing("There is no password."),
        ConfigError("It is half-written."),
        TokenRefused(),
        ConnectError("The connection was cut."),
    ],
)
def test_a_log_in_that_works_again_ends_the_trouble_with_it(
    db: Database, model: ModelServer, error: MailcrmError
) -> None:
    account = connect(db, ModelMailbox(model))

    def fail(_account: Account) -> ImapSession:
        raise error

    events = sync_accounts(db, [account], fail, clock=lambda: NOW, size_limit=1_000_000)
    assert skipped(list(events)).error == str(error)
    assert accounts.account(db, FIRST).last_error == str(error)
    accounts.give_turn(db, account)
    assert accounts.account(db, FIRST).last_error is None
    assert accounts.turn(db, account, TODAY).failures == 0


def test_a_log_in_that_works_says_nothing_of_a_folder_that_fails(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.record_sync_error(db, account, "The sign-in is no longer good.")
    accounts.record_sync(db, account, at=NOW, error="Sent: the server refused a command")
    accounts.give_turn(db, account)
    assert accounts.account(db, FIRST).last_error == "Sent: the server refused a command"


def test_another_server_has_not_the_trouble_of_the_old_one(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.record_sync_error(db, account, "The sign-in is no longer good.")
    there = replace(account.imap, host="imap.example.org")
    accounts.set_server(db, account, imap=there, username=account.username, provider="imap")
    turn = accounts.turn(db, account, TODAY)
    assert (turn.error, turn.failures, turn.refused) == (None, 0, False)


def test_a_password_that_works_again_is_remembered_before_the_end(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.record_refusal(db, account, "The mail server refused the user name or the password.")
    with closing(
        sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=1_000_000, insist=True)
    ) as events:
        assert isinstance(next(events), AccountStarted)
    turn = accounts.turn(db, account, TODAY)
    assert (turn.refused, turn.error) == (False, None)


def test_an_account_that_is_connected_again_has_its_turn(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    accounts.postpone(db, account, "It was down.", failures=3, until=NOW + timedelta(hours=1))
    accounts.record_refusal(db, account, "Refused.")
    accounts.disconnect_account(db, account)
    turn = accounts.turn(db, connect(db, ModelMailbox(model)), TODAY)
    assert (turn.refused, turn.failures, turn.next_retry_at, turn.error) == (False, 0, None, None)


# --- the budget of a day ----------------------------------------------------------------------------


def test_a_mailbox_above_the_budget_comes_in_day_by_day(
    db: Database, store: Store, model: ModelServer
) -> None:
    account = connect(db, ModelMailbox(model))
    for number in range(7):
        model.create(f"Folder {number}")
        model.append(f"Folder {number}", letter(f"{number}@example.org"), days_ago(1))
    came = []
    for day in range(4):
        at = NOW + timedelta(days=day)
        events = a_round(db, [account], at=at, budget=1)
        came.append(len(stored(store.url).emails))
        saved = sum(event.bytes for event in only(events, BatchSaved))
        assert accounts.turn(db, account, at.date()).bytes_today == saved > 0
        if day < 3:
            event = skipped(events)
            midnight = datetime(2026, 6, 16 + day, tzinfo=UTC)
            assert (event.code, event.exit_code, event.next_retry_at) == ("budget_spent", 75, midnight)
            sent = len(model.commands)
            held = skipped(a_round(db, [account], at=midnight - timedelta(seconds=1), budget=1))
            assert (held.code, held.error, held.next_retry_at) == ("waiting", event.error, midnight)
            assert len(model.commands) == sent
    # The batch that spends a day's budget is followed by the one that was on its way.
    assert came == [2, 4, 6, 7]
    assert only(events, AccountFinished)[0].whole
    assert len(model.downloads) == len(set(model.downloads)) == 7


def test_a_sync_that_is_stopped_has_counted_what_it_saved(db: Database, model: ModelServer) -> None:
    account = connect(db, ModelMailbox(model))
    for folder in ("INBOX", "Sent"):
        model.append(folder, letter(f"{folder}@example.org"), days_ago(1))
    with closing(sync_accounts(db, [account], open_model, clock=lambda: NOW, size_limit=1_000_000)) as events:
        saved = next(event for event in events if isinstance(event, BatchSaved))
    assert accounts.turn(db, account, TODAY).bytes_today == saved.bytes
    assert accounts.turn(db, account, TODAY + timedelta(days=1)).bytes_today == 0
    a_round(db, [account])
    assert accounts.turn(db, account, TODAY).bytes_today > saved.bytes


def test_the_budget_is_that_of_the_provider_unless_the_person_sets_another(
    db: Database, model: ModelServer, tmp_path: Path
) -> None:
    account = connect(db, ModelMailbox(model))
    gmail = presets().named("gmail")
    assert gmail is not None
    assert gmail.imap is not None
    assert gmail.daily_bytes == 2_000_000_000
    assert presets().of_host("IMAP.gmail.com") == gmail
    config = Config(path=tmp_path / "config.toml", store="")
    assert daily_bytes(config, account) is None
    own_domain = replace(account, imap=gmail.imap)
    assert daily_bytes(config, own_domain) == 2_000_000_000
    for said, meant in ((5, 5), (0, None)):
        config = Config(
            path=tmp_path / "config.toml", store="", accounts={FIRST: AccountConfig(daily_bytes=said)}
        )
        assert daily_bytes(config, own_domain) == meant
    own = {"mycorp": {"imap": f"imaps://{account.imap.host}", "daily_bytes": 7}}
    config = Config(path=tmp_path / "config.toml", store="", providers=own)
    assert daily_bytes(config, account) == 7


# --- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sync]\nparallel = 0", "sync.parallel must be 1 or more"),
        ("[sync]\nparallell = 3", "did you mean parallel"),
        ("sync = 3", "sync must be a table"),
        ("[sync]\nparallel = true", "sync.parallel must be a whole number"),
        ("size_limit = -1", "size_limit must not be below 0"),
        ('[accounts."a@example.com"]\ndaily_bytes = -1', "daily_bytes must not be below 0"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(path, {})


def test_a_new_password_leaves_the_budget_that_a_person_set(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[accounts."{FIRST}"]\nca_file = "/old.pem"\n# Mine.\ndaily_bytes = 7\n[sync]\nparallel = 3\n'
    )
    remember_account(load(path, {}), FIRST, AccountConfig(host="imap.example.com"))
    loaded = load(path, {})
    assert loaded.account(FIRST) == AccountConfig(host="imap.example.com", daily_bytes=7)
    assert loaded.sync.parallel == 3
    assert "# Mine." in path.read_text()


# --- side by side -----------------------------------------------------------------------------------


@contextmanager
def opened_again(store: Store) -> Iterator[Database]:
    db = open_again(store)
    try:
        yield db
    finally:
        db.close()


def open_again(store: Store) -> Database:
    if store.kind == "sqlite":
        return open_database(store.url, viewer=FIRST)
    return open_database(store._login(login_of(FIRST)), viewer=None)


def side_by_side(
    store: Store, db: Database, chosen: Sequence[Account], parallel: int = 2
) -> "Iterator[SyncEvent]":
    return sync_accounts(
        db,
        chosen,
        open_model,
        clock=lambda: NOW,
        size_limit=1_000_000,
        open_store=lambda: opened_again(store),
        parallel=parallel,
    )


@pytest.fixture
def three_servers() -> Iterator[list[ModelServer]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(ModelServer()) for _ in range(3)]
        for number, server in enumerate(servers):
            server.append("INBOX", letter(f"{number}@example.org", subject=str(number)), days_ago(1))
        yield servers


def connect_all(db: Database, servers: Sequence[ModelServer]) -> list[Account]:
    return [
        connect(db, ModelMailbox(server), address=address)
        for server, address in zip(servers, (FIRST, SECOND, THIRD), strict=True)
    ]


def test_two_accounts_are_synced_at_the_same_time(
    store: Store, db: Database, three_servers: list[ModelServer]
) -> None:
    servers = three_servers[:2]
    meeting = threading.Barrier(2)

    def twist(command: str, reply: bytes) -> bytes:
        if command.startswith("LOGIN"):
            meeting.wait(PATIENCE)
        return reply

    for server in servers:
        server.twist = twist
    chosen = [connect(db, ModelMailbox(s), address=a) for s, a in zip(servers, (FIRST, SECOND), strict=True)]
    events = list(side_by_side(store, db, chosen))
    assert {event.account: event.new for event in only(events, AccountFinished)} == {FIRST: 1, SECOND: 1}
    for account in chosen:
        own = [type(event) for event in events if event.account == account.address]
        assert own == [type(event) for event in events if event.account == chosen[0].address]
        assert own[0] is AccountStarted
        assert own[-1] is AccountFinished


def test_of_accounts_side_by_side_the_failure_of_one_does_not_stop_the_others(
    store: Store, db: Database, three_servers: list[ModelServer]
) -> None:
    chosen = connect_all(db, three_servers)
    three_servers[0].twist = hanging_up
    three_servers[1].twist = answering_log_ins(b"[AUTHENTICATIONFAILED] no")
    events = list(side_by_side(store, db, chosen))
    assert {event.account: event.code for event in only(events, AccountSkipped)} == {
        FIRST: "connect_failed",
        SECOND: "auth_failed",
    }
    assert [event.account for event in only(events, AccountFinished)] == [THIRD]
    assert accounts.turn(db, chosen[0], TODAY).failures == 1
    assert accounts.turn(db, chosen[1], TODAY).refused


#: Commands that every sync sends while it looks for mail, and while it downloads.
STAGES = ("UID ", "BODY.PEEK[]")


def silent_from(word: str, servers: Sequence[ModelServer]) -> tuple[threading.Semaphore, threading.Event]:
    """Let servers say nothing to a command with this word; returns what counts them, and what ends it."""
    silent, go_on = threading.Semaphore(0), threading.Event()

    def twist(command: str, reply: bytes) -> bytes:
        if word in command:
            silent.release()
            go_on.wait(2 * PATIENCE)
        return reply

    for server in servers:
        server.twist = twist
    return silent, go_on


@pytest.mark.parametrize("stage", STAGES)
def test_a_round_that_is_closed_waits_for_no_server_and_blames_none(
    store: Store, db: Database, three_servers: list[ModelServer], stage: str
) -> None:
    chosen = connect_all(db, three_servers)
    silent, go_on = silent_from(stage, three_servers)
    before = set(threading.enumerate())
    events = side_by_side(store, db, chosen)
    assert isinstance(next(events), AccountStarted)
    for _ in range(2):
        assert silent.acquire(timeout=PATIENCE)
    events.close()  # type: ignore[attr-defined] # a generator
    assert not go_on.is_set()
    assert not [thread for thread in set(threading.enumerate()) - before if "_work" in thread.name]
    for account in chosen:
        turn = accounts.turn(db, account, TODAY)
        assert (turn.failures, turn.error, turn.next_retry_at) == (0, None, None)
        with db.lease(account.id):
            pass
    go_on.set()
    for server in three_servers:
        server.twist = untwisted
    assert len(only(list(side_by_side(store, db, chosen)), AccountFinished)) == 3


def test_a_store_that_fails_for_one_account_ends_the_round(
    store: Store, db: Database, three_servers: list[ModelServer]
) -> None:
    chosen = connect_all(db, three_servers)
    silent, go_on = silent_from("UID ", three_servers)
    first = threading.Lock()

    @contextmanager
    def once() -> Iterator[Database]:
        if not first.acquire(blocking=False):
            assert silent.acquire(timeout=PATIENCE)
            raise StoreUnavailable
        with opened_again(store) as own:
            yield own

    with pytest.raises(StoreUnavailable):
        list(
            sync_accounts(
                db, chosen, open_model, clock=lambda: NOW, size_limit=1, open_store=once, parallel=2
            )
        )
    assert not go_on.is_set()
    go_on.set()


# --- two machines -----------------------------------------------------------------------------------


class Machine:
    """A machine whose cron runs `mailcrm sync` for the accounts of one store."""

    def __init__(self, store: Store) -> None:
        self._environment = os.environ | {
            "MAILCRM_STORE": store.url if store.kind == "sqlite" else store._login(login_of(FIRST)),
            **{environment_name(address): "secret" for address in (FIRST, SECOND, THIRD)},
        }

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "mailcrm", "--json", "sync"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> tuple[int, dict[str, str]]:
        """Return the exit code, and how each account ended."""
        with self.start() as process:
            output, errors = process.communicate(timeout=2 * PATIENCE)
        assert not errors
        events = [json.loads(line) for line in output.splitlines()]
        return process.returncode, {
            event["account"]: event.get("code", "done")
            for event in events
            if event["event"] in ("account_finished", "account_skipped")
        }


@pytest.mark.parametrize("end", ["killed", "finished"])
def test_two_machines_share_the_accounts_and_a_dead_one_holds_none(
    store: Store, db: Database, three_servers: list[ModelServer], end: str
) -> None:
    connect_all(db, three_servers)
    silent, go_on = silent_from("UID ", three_servers[:1])
    machine = Machine(store)
    with machine.start() as first:
        assert silent.acquire(timeout=PATIENCE)
        # By then the first machine holds the silent account alone.
        wait_until(lambda: all(accounts.account(db, one).last_sync_at for one in (SECOND, THIRD)))
        assert machine.run() == (75, {FIRST: "store_busy", SECOND: "done", THIRD: "done"})
        if end == "killed":
            first.kill()
        go_on.set()
        first.communicate(timeout=2 * PATIENCE)
    assert first.returncode == (-signal.SIGKILL if end == "killed" else 0)
    three_servers[0].twist = untwisted
    assert machine.run() == (0, {FIRST: "done", SECOND: "done", THIRD: "done"})
    assert stored(store.url).subjects == ["0", "1", "2"]


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_ends_all_accounts_and_the_next_round_goes_on(
    store: Store, db: Database, three_servers: list[ModelServer], stage: str
) -> None:
    connect_all(db, three_servers)
    silent, go_on = silent_from(stage, three_servers[:2])
    machine = Machine(store)
    with machine.start() as process:
        for _ in range(2):
            assert silent.acquire(timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert not go_on.is_set()
    go_on.set()
    assert (process.returncode, errors.strip()) == (130, "mailcrm: stopped; what was done is kept.")
    for server in three_servers:
        server.twist = untwisted
    assert machine.run() == (0, {FIRST: "done", SECOND: "done", THIRD: "done"})


def test_a_silent_connection_to_postgresql_is_asked_whether_it_is_there(postgres_url: str) -> None:
    from mailcrm.store import postgres

    with closing(postgres.connect(postgres_url)) as connection:
        found = connection.execute("SHOW tcp_keepalives_idle").fetchone()
    assert found == {"tcp_keepalives_idle": "30"}


# --- what a person sees -----------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, model: ModelServer) -> Desk:
    home = tmp_path / "desk"
    home.mkdir()
    made = Desk(home)
    made.run(
        *("connect", ANN, "--imap-host", "127.0.0.1", "--imap-port", str(model.endpoint.port)),
        *("--imap-security", "none", "--password-command", "echo secret"),
    )
    model.append("INBOX", short_letter("1@example.org", "One", "x"), YESTERDAY)
    return made


def test_an_account_that_waits_says_until_when_and_why(desk: Desk, model: ModelServer) -> None:
    model.twist = hanging_up
    failed = desk.try_to("sync")
    assert failed.code == 75
    assert "Next try: " in failed.err
    asked = len(model.commands)
    for words in (("sync",), ("sync", "--dry-run")):
        held = desk.try_to(*words)
        assert held.code == 75
        assert held.err.startswith(f"{ANN}: waits until ")
        assert ", because: The connection to 127.0.0.1:" in held.err
        assert held.err.endswith(f"To try now: mailcrm sync {ANN}\n")
    assert len(model.commands) == asked
    status = desk.try_to("status")
    assert status.code == 1
    assert "next retry\t20" in status.out
    assert "was cut" in status.out
    model.twist = untwisted
    assert desk.run("sync", ANN).out == f"{ANN}: 1 new email, complete\n"
    assert "next retry" not in desk.run("status").out


def test_status_tells_the_bytes_of_today_and_json_has_all_of_it(desk: Desk) -> None:
    desk.run("sync")
    assert "bytes today\t" in desk.run("status").out
    (told,) = desk.run("status", "--json").json
    assert told["bytes_today"] > 0
    assert (told["daily_bytes"], told["next_retry_at"], told["refused"]) == (None, None, False)
    desk.config.write_text(desk.config.read_text() + "daily_bytes = 5_000_000\n")
    assert " of 5.0 MB" in desk.run("status").out


def test_a_refused_password_is_told_until_a_new_one_is_given(desk: Desk, model: ModelServer) -> None:
    model.password = "changed"
    assert desk.try_to("sync").code == 77
    held = desk.try_to("sync")
    assert held.code == 77
    assert "Not tried again" in held.err
    assert f"mailcrm account reauth {ANN}" in held.err
    status = desk.try_to("status")
    assert status.code == 1
    assert f"next retry\twhen somebody runs mailcrm account reauth {ANN}" in status.out
    assert desk.try_to("account", "check").code == 77
    desk.run("account", "reauth", "--password-command", "echo changed")
    assert desk.run("sync").out == f"{ANN}: 1 new email, complete\n"


def test_a_check_that_gets_in_ends_the_waiting(desk: Desk, model: ModelServer) -> None:
    model.twist = hanging_up
    assert desk.try_to("sync").code == 75
    model.twist = untwisted
    desk.run("account", "check")
    desk.run("sync")


def test_an_instant_to_come_has_its_day_unless_it_is_today(monkeypatch: pytest.MonkeyPatch) -> None:
    local = NOW.astimezone()
    later = local.replace(hour=23, minute=5)
    assert until(later, local.replace(hour=0)) == "23:05"
    assert until(later + timedelta(days=1), later) == f"{(later + timedelta(days=1)).day} Jun, 23:05"


def lines(live: _LiveProgress) -> list[str]:
    return [task.description for task in live._progress.tasks if task.visible]


def test_accounts_side_by_side_are_told_apart_while_they_run() -> None:
    output = io.StringIO()
    with _LiveProgress(Console(file=output, force_terminal=True, width=120, highlight=False)) as live:
        assert lines(live) == ["connecting"]
        live.show(AccountStarted(account=FIRST, folders=("INBOX",)))
        assert lines(live) == [FIRST]
        live.show(planned(FIRST, "INBOX", 3))
        assert lines(live) == ["INBOX"]
        live.show(AccountStarted(account=SECOND, folders=("INBOX",)))
        assert lines(live) == [SECOND, f"{FIRST}: INBOX"] or lines(live) == [f"{FIRST}: INBOX", SECOND]
        live.show(planned(SECOND, "INBOX", 1))
        # A folder is planned in parts.
        live.show(planned(FIRST, "INBOX", 4))
        live.show(BatchSaved(account=FIRST, folder="INBOX", count=5, bytes=7))
        told = {task.description: task for task in live._progress.tasks}
        bar = told[f"{FIRST}: INBOX"]
        assert (bar.completed, bar.total, bar.fields["told"]) == (5, 7, "5 of 7 emails, 7 B")
        assert told[f"{SECOND}: INBOX"].completed == 0
        live.show(AccountFinished(account=FIRST, new=5, linked=0, suggested=0, failed=0, whole=True))
        assert lines(live) == ["INBOX"]
        live.show(
            AccountSkipped(
                account=SECOND,
                code="throttled",
                error="Slow down.",
                hint="",
                exit_code=75,
                next_retry_at=None,
            )
        )
        assert lines(live) == ["connecting"]
    assert f"{FIRST}: 5 new emails, complete" in output.getvalue()
    assert f"{SECOND}: Slow down." in output.getvalue()


def planned(account: str, folder: str, downloads: int) -> FolderPlanned:
    return FolderPlanned(
        account=account, folder=folder, downloads=downloads, bytes=0, attached=0, vanished=0, ahead=0
    )

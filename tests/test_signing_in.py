"""An account's tokens are renewed in time, by one process at a time, and none is lost on the way."""

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import keyring
import pytest

from mailcrm import keychain
from mailcrm.config import AccountConfig, Config, load
from mailcrm.core.credentials import AccessToken, Password
from mailcrm.core.errors import (
    ConfigError,
    ConnectError,
    CredentialMissing,
    ProtocolError,
    SignInNeeded,
    StoreBusy,
    TokenRefused,
)
from mailcrm.core.events import AccountFinished, AccountSkipped, SyncEvent
from mailcrm.core.model import Account, CreateContacts, Endpoint, Security, Visibility
from mailcrm.keychain import SecretPlace, environment_name
from mailcrm.logging_in import KeptPassword, KeptTokens, Login, forget_secrets, keep_credential, open_imap
from mailcrm.oauth2.tokens import Tokens
from mailcrm.rounds import sync_accounts
from mailcrm.signing_in import (
    client_secret,
    credential,
    issuer_of,
    keep_tokens,
    let_renewals_end,
    renewed,
    secrets_folder,
)
from mailcrm.store import Database, accounts
from mailcrm.syncing import sync_account
from tests.conftest import FIRST, NOW
from tests.keyrings import Keyring
from tests.leaks import traces, watched
from tests.mail.conformance import ModelMailbox
from tests.servers.authorization import LOG_IN_PAGE, AuthorizationServer, Raw
from tests.servers.certificates import Authority
from tests.servers.model_imap import CAPABILITIES, HangUp, ModelServer
from tests.syncing.accounts import (
    check_integrity,
    connect,
    days_ago,
    letter,
    on_server,
    only,
    sqlite_store,
    wait_until,
)
from tests.syncing.accounts import stored as stored_mail

ANN = "ann@example.com"
HOST = "127.0.0.1"
ISSUER = "example"
HOUR = timedelta(hours=1)
SPAWN = get_context("spawn")

#: Seconds after which a test that waits for another thread or process gives up.
PATIENCE = 30


@dataclass
class Issuing(AuthorizationServer):
    """An authorization server that rotates refresh tokens, and calls `after_renewal` before it answers."""

    rotate: bool = True
    after_renewal: Callable[[dict[str, str]], object] = field(default=lambda _form: None)
    latest: str = ""

    def _tokens(self, grant: Any) -> dict[str, Any]:
        given = super()._tokens(grant)
        self.latest = given["access_token"]
        return given

    def _renew(self, form: dict[str, str]) -> Raw:
        answer = super()._renew(form)
        self.after_renewal(form)
        return answer

    @property
    def renewals(self) -> int:
        return self.asked["refresh_token"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[Issuing]:
    server = Issuing(authority=authority)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without a keyring, for this process and those that it starts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    return tmp_path


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    found = Keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: found)
    return found


def account(host: str = HOST) -> Account:
    return Account(
        id=7,
        address=ANN,
        aliases=(),
        owner_id=1,
        owner="Ann",
        team_id=None,
        default_visibility=Visibility.PRIVATE,
        provider="",
        imap=Endpoint(host=host, port=143, security=Security.NONE),
        username=ANN,
        history_start=None,
        all_folders=True,
        auto_link_contacts=True,
        auto_link_deals=True,
        auto_link_leads=True,
        create_contacts=CreateContacts.NEVER,
        last_sync_at=None,
        last_error=None,
    )


def configured(server: Issuing, home: Path, **changes: Any) -> Config:
    return Config(
        path=home / "config.toml",
        store="",
        accounts={ANN: AccountConfig(host=HOST, oauth2=ISSUER)},
        oauth2={ISSUER: server.client(**changes)},
    )


@pytest.fixture
def config(server: Issuing, home: Path) -> Config:
    return configured(server, home)


def sign_in(
    server: Issuing, *, left: timedelta | None, place: SecretPlace = SecretPlace.FILE, **changes: Any
) -> Tokens:
    """Keep tokens that are good for so long by the clock of this machine."""
    access, refresh = server.issue(ANN)
    tokens = Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_at=None if left is None else datetime.now(UTC) + left,
        token_endpoint=server.token_endpoint,
        client_id=server.client_id,
    )
    tokens = replace(tokens, **changes)
    keep_tokens(ANN, HOST, tokens, place=place)
    return tokens


def stored() -> Tokens:
    found = keychain.stored(keychain.tokens_of(ANN, HOST), secrets=secrets_folder())
    assert found is not None
    return Tokens.from_json(found[0])


def no_server_was_asked(server: Issuing) -> bool:
    return not server.forms


# In time, and not before.


def test_a_good_token_is_used_and_nobody_is_asked(server: Issuing, config: Config) -> None:
    tokens = sign_in(server, left=HOUR)
    assert credential(config, account()) == AccessToken(tokens.access_token)
    assert no_server_was_asked(server)


@pytest.mark.parametrize("place", SecretPlace)
@pytest.mark.parametrize("left", [timedelta(minutes=4), -HOUR, -timedelta(days=20_000)])
def test_a_token_is_renewed_ahead_of_its_end_and_kept_where_it_was(
    server: Issuing, config: Config, desktop: Keyring, place: SecretPlace, left: timedelta
) -> None:
    old = sign_in(server, left=left, place=place)
    opens = credential(config, account())
    assert opens == AccessToken(server.latest)
    kept = stored()
    assert (kept.access_token, server.renewals) == (server.latest, 1)
    assert kept.refresh_token != old.refresh_token
    assert len(desktop.passwords) == (place is SecretPlace.KEYRING)
    # It is good for an hour, so it is not renewed again.
    assert credential(config, account()) == opens
    assert server.renewals == 1


def test_a_chain_of_renewals_uses_each_refresh_token_once(server: Issuing, config: Config) -> None:
    server.lifetime = 60
    sign_in(server, left=-HOUR)
    opened = {credential(config, account()) for _ in range(5)}
    assert len(opened) == server.renewals == 5
    assert len({form["refresh_token"] for form in server.forms}) == 5


@pytest.mark.parametrize(
    "changes", [{"expires_at": None}, {"refresh_token": None}, {"expires_at": None, "refresh_token": None}]
)
def test_what_cannot_be_renewed_or_has_no_end_is_used_until_it_is_refused(
    server: Issuing, config: Config, changes: dict[str, Any]
) -> None:
    tokens = sign_in(server, left=-HOUR, **changes)
    assert credential(config, account()) == AccessToken(tokens.access_token)
    assert no_server_was_asked(server)


# One at a time.


def tell_credential(config: Config, start: Any, told: Any) -> None:
    start.wait(PATIENCE)
    told.put(credential(config, account()))


def test_processes_that_renew_at_the_same_moment_make_one_refresh(server: Issuing, config: Config) -> None:
    sign_in(server, left=-HOUR)
    slow = threading.Event()
    server.after_renewal = lambda _form: slow.wait(0.5)
    start, told = SPAWN.Barrier(4), SPAWN.Queue()
    processes = [SPAWN.Process(target=tell_credential, args=(config, start, told)) for _ in range(4)]
    for process in processes:
        process.start()
    opened = {told.get(timeout=PATIENCE) for _ in processes}
    for process in processes:
        process.join(PATIENCE)
    assert opened == {AccessToken(server.latest)}
    assert server.renewals == 1
    assert stored().access_token == server.latest


def test_who_waits_too_long_for_another_process_is_told_to_come_again(
    server: Issuing, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(server, left=-HOUR)
    monkeypatch.setattr(keychain, "_ALONE_SECONDS", 0.1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with keychain.alone(keychain.tokens_of(ANN, HOST), secrets=secrets_folder()):
            held.set()
            done.wait(PATIENCE)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(PATIENCE)
    with pytest.raises(StoreBusy, match=ANN):
        credential(config, account())
    done.set()
    other.join(PATIENCE)
    assert no_server_was_asked(server)


def test_a_sign_in_during_a_renewal_is_what_counts(server: Issuing, config: Config) -> None:
    sign_in(server, left=-HOUR)
    asked = threading.Event()

    def answer_late(_form: dict[str, str]) -> None:
        asked.set()
        threading.Event().wait(0.3)

    server.after_renewal = answer_late
    renewing = threading.Thread(target=credential, args=(config, account()))
    renewing.start()
    assert asked.wait(PATIENCE)
    server.after_renewal = lambda _form: None
    fresh = sign_in(server, left=HOUR)
    renewing.join(PATIENCE)
    assert stored() == fresh
    assert server.renewals == 1


def take_another_password(config: Config) -> None:
    login = Login(
        address=ANN,
        imap=account().imap,
        username=ANN,
        ca_file=None,
        credential=Password("password"),
        source=KeptPassword(place=SecretPlace.FILE),
    )
    keep_credential(config, login)


@pytest.mark.parametrize(
    "end", [lambda _config: forget_secrets(account()), take_another_password], ids=["forget", "password"]
)
@pytest.mark.parametrize("place", SecretPlace)
def test_tokens_that_are_deleted_during_a_renewal_do_not_come_back(
    server: Issuing, config: Config, desktop: Keyring, place: SecretPlace, end: Callable[[Config], object]
) -> None:
    sign_in(server, left=-HOUR, place=place)
    config.path.write_text("", "utf-8")
    asked, go_on = threading.Event(), threading.Event()

    def answer_late(_form: dict[str, str]) -> None:
        asked.set()
        go_on.wait(PATIENCE)

    server.after_renewal = answer_late
    renewing = threading.Thread(target=credential, args=(config, account()))
    ending = threading.Thread(target=end, args=(config,))
    renewing.start()
    assert asked.wait(PATIENCE)
    ending.start()
    ending.join(0.3)
    go_on.set()
    for thread in (renewing, ending):
        thread.join(PATIENCE)
    assert keychain.stored(keychain.tokens_of(ANN, HOST), secrets=secrets_folder()) is None
    assert not any("oauth2" in str(service) for service in desktop.passwords)


def test_tokens_that_somebody_renews_all_the_time_are_not_said_to_be_gone(
    server: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(server, left=HOUR)
    monkeypatch.setattr(keychain, "_ALONE_SECONDS", 0.1)
    with keychain.alone(keychain.tokens_of(ANN, HOST), secrets=secrets_folder()), pytest.raises(StoreBusy):
        forget_secrets(account())
    assert forget_secrets(account())


def test_tokens_that_others_can_read_are_deleted_all_the_same(server: Issuing) -> None:
    sign_in(server, left=HOUR)
    secrets_folder().chmod(0o755)
    assert forget_secrets(account())
    assert [path.name for path in secrets_folder().iterdir() if not path.name.startswith("lock=")] == []


# A token that the mail server refuses.


def test_a_refused_token_is_renewed_before_its_time(server: Issuing, config: Config) -> None:
    tokens = sign_in(server, left=timedelta(days=400))
    assert renewed(config, account(), AccessToken(tokens.access_token)) == AccessToken(server.latest)
    assert (stored().access_token, server.renewals) == (server.latest, 1)


def test_a_refused_token_that_another_process_has_renewed_is_not_renewed_again(
    server: Issuing, config: Config
) -> None:
    old = sign_in(server, left=HOUR)
    new = sign_in(server, left=HOUR)
    assert renewed(config, account(), AccessToken(old.access_token)) == AccessToken(new.access_token)
    assert no_server_was_asked(server)


def test_a_refused_token_without_a_refresh_token_wants_a_new_sign_in(server: Issuing, config: Config) -> None:
    tokens = sign_in(server, left=HOUR, refresh_token=None)
    with pytest.raises(SignInNeeded):
        renewed(config, account(), AccessToken(tokens.access_token))


@pytest.fixture
def mail() -> Iterator[ModelServer]:
    with ModelServer(capabilities=[*CAPABILITIES, "AUTH=XOAUTH2"]) as mail:
        yield mail


def at(mail: ModelServer) -> Account:
    return replace(account(), imap=mail.endpoint)


def test_a_session_opens_with_a_token_that_was_renewed_after_a_refusal(
    server: Issuing, config: Config, mail: ModelServer
) -> None:
    # This machine's clock was a year ahead when it signed in.
    sign_in(server, left=timedelta(days=365))

    def let_in(_form: dict[str, str]) -> None:
        mail.token = server.latest

    server.after_renewal = let_in
    with open_imap(config, at(mail)) as imap:
        assert imap.folders()
    assert server.renewals == 1


def test_a_second_refusal_stands_and_says_what_to_do(
    server: Issuing, config: Config, mail: ModelServer
) -> None:
    sign_in(server, left=HOUR)
    with pytest.raises(TokenRefused) as raised:
        open_imap(config, at(mail))
    assert raised.value.hint == "Sign in again: mailcrm account reauth ann@example.com"
    assert server.renewals == 1
    assert sum("AUTHENTICATE" in command for command in mail.commands) == 2


@pytest.mark.parametrize("moment", ["BODY.PEEK[]", "EXAMINE"])
def test_a_session_that_ends_with_its_token_is_opened_anew_and_nothing_is_lost_or_doubled(
    server: Issuing, home: Path, mail: ModelServer, moment: str
) -> None:
    path = home / "mailcrm.db"
    db = sqlite_store(path).as_member(FIRST)
    known = connect(db, ModelMailbox(mail))
    config = replace(configured(server, home), accounts={known.address: AccountConfig(oauth2=ISSUER)})
    for number in range(60):
        folder = ("INBOX", "Sent")[number % 2]
        mail.append(folder, letter(f"{number}@example.org", subject=f"letter {number}"), days_ago(number))
    access, refresh = server.issue(known.address)
    tokens = Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_at=datetime.now(UTC) + HOUR,
        token_endpoint=server.token_endpoint,
        client_id=server.client_id,
    )
    keep_tokens(known.address, known.imap.host, tokens, place=SecretPlace.FILE)
    mail.token = access

    def run_out(command: str, reply: bytes) -> bytes:
        if moment in command and mail.token == access:
            mail.token = "of nobody"
            raise HangUp(b"* BYE Session invalidated - AccessTokenExpired\r\n")
        return reply

    def let_in(_form: dict[str, str]) -> None:
        mail.token = server.latest

    mail.twist = run_out
    server.after_renewal = let_in

    def a_sync() -> AccountFinished:
        events = sync_account(
            db, partial(open_imap, config, known), known, clock=lambda: NOW, size_limit=1_000_000
        )
        return only(events, AccountFinished)[0]

    first = a_sync()
    assert mail.token == server.latest
    # A folder that was not even opened is left to the next sync, which says so.
    assert first.whole is (moment == "BODY.PEEK[]")
    assert first.whole or a_sync().whole
    db.close()
    found = stored_mail(f"sqlite:///{path}")
    assert found.places == on_server(mail, ["INBOX", "Sent"])
    assert len(found.emails) == 60
    check_integrity(f"sqlite:///{path}")
    assert max(Counter(mail.downloads).values()) <= 2
    assert server.renewals == 1


# A provider that says no, or nothing.


def test_after_a_revoked_sign_in_no_round_asks_again_until_a_person_signs_in(
    server: Issuing, home: Path, db: Database, mail: ModelServer
) -> None:
    known = connect(db, ModelMailbox(mail))
    config = configured(server, home)
    config = replace(config, accounts={known.address: AccountConfig(oauth2=ISSUER)})
    name = keychain.tokens_of(known.address, known.imap.host)

    def keep(left: timedelta) -> None:
        access, refresh = server.issue(known.address)
        tokens = Tokens(
            access_token=access,
            refresh_token=refresh,
            expires_at=datetime.now(UTC) + left,
            token_endpoint=server.token_endpoint,
            client_id=server.client_id,
        )
        keychain.keep(name, tokens.to_json(), place=SecretPlace.FILE, secrets=secrets_folder())
        mail.token = access

    def a_round(*, insist: bool = False) -> list[SyncEvent]:
        return list(
            sync_accounts(
                db,
                [known],
                partial(open_imap, config),
                clock=lambda: NOW,
                size_limit=1_000_000,
                insist=insist,
            )
        )

    keep(-HOUR)
    server.revoke(known.address)
    held = [only(a_round(insist=insist), AccountSkipped) for insist in (False, False, True)]
    assert [one.code for (one,) in held] == ["sign_in_needed"] * 3
    assert len({one.error for (one,) in held}) == 1
    assert f"mailcrm account reauth {known.address}" in held[2][0].hint
    assert (server.renewals, mail.commands) == (1, [])
    # It was this machine's sign-in; another one may have its own.
    assert not accounts.turn(db, known, NOW.date()).refused
    keep(HOUR)
    assert isinstance(a_round()[-1], AccountFinished)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"error": "invalid_client"}',
        b'{"error": "invalid_grant", "error_description": "AADSTS53003: blocked by Conditional Access."}',
        b'{"error": "invalid_client", "error_description": "AADSTS7000218: must contain client_secret"}',
        b'{"error": "invalid_grant", "error_description": "AADSTS50057: The account is disabled."}',
        b'{"error": "access_denied"}',
    ],
)
def test_a_refusal_that_somebody_has_seen_to_ends_without_a_sign_in(
    server: Issuing, config: Config, mail: ModelServer, answer: bytes
) -> None:
    old = sign_in(server, left=-HOUR)
    server.instead["/token"] = Raw(status=400, body=answer)
    for _ in range(2):
        with pytest.raises(SignInNeeded) as raised:
            open_imap(config, at(mail))
        assert raised.value.hint.endswith(f". Then: mailcrm account reauth {ANN}")
    assert stored() == old
    del server.instead["/token"]
    assert credential(config, account()) == AccessToken(server.latest)


@pytest.mark.parametrize("error", ["invalid_grant", "interaction_required"])
def test_a_refusal_that_only_a_sign_in_ends_is_remembered(
    server: Issuing, config: Config, mail: ModelServer, error: str
) -> None:
    old = sign_in(server, left=-HOUR)
    server.instead["/token"] = Raw(status=400, body=f'{{"error": "{error}"}}'.encode())
    said = []
    for _ in range(3):
        with pytest.raises(SignInNeeded) as raised:
            open_imap(config, at(mail))
        said.append((str(raised.value), raised.value.hint))
        server.instead.clear()
    assert set(said) == {(stored().refusal, f"Sign in again: mailcrm account reauth {ANN}")}
    assert no_server_was_asked(server)
    assert replace(stored(), refusal=None) == old


def test_a_token_that_the_server_refused_is_not_shown_to_it_again_without_a_renewal(
    server: Issuing, config: Config, mail: ModelServer
) -> None:
    sign_in(server, left=timedelta(days=400))
    server.revoke(ANN)
    for _ in range(3):
        with pytest.raises(SignInNeeded):
            open_imap(config, at(mail))
    assert server.renewals == sum("AUTHENTICATE" in command for command in mail.commands) == 1


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        (Raw(status=503, body=b"busy"), ConnectError),
        (Raw(body=b'{"error": "temporarily_unavailable"}', status=400), ConnectError),
        (LOG_IN_PAGE, ProtocolError),
        (Raw(body=b"{}"), ProtocolError),
        (Raw(body=b'{"access_token": "planted\\r\\nA1 LOGOUT", "token_type": "Bearer"}'), ProtocolError),
    ],
    ids=["busy", "unavailable", "page", "empty", "lines"],
)
def test_a_failed_renewal_keeps_what_is_there_and_is_tried_again(
    server: Issuing, config: Config, instead: Raw, error: type[Exception]
) -> None:
    old = sign_in(server, left=-HOUR)
    server.instead["/token"] = instead
    with pytest.raises(error):
        credential(config, account())
    assert stored() == old
    del server.instead["/token"]
    assert credential(config, account()) == AccessToken(server.latest)


def test_a_token_endpoint_that_is_down_is_tried_again(server: Issuing, config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nowhere = f"https://localhost:{gone.getsockname()[1]}/token"
    down = replace(config, oauth2={ISSUER: server.client(token_endpoint=nowhere)})
    old = sign_in(server, left=-HOUR, token_endpoint=nowhere)
    with pytest.raises(ConnectError):
        credential(down, account())
    assert stored() == old


# What is lost when the machine fails between asking and keeping.


def renew_in_a_process(config: Config) -> BaseProcess:
    process = SPAWN.Process(target=credential, args=(config, account()))
    process.start()
    return process


@pytest.mark.parametrize("rotates", [False, True])
def test_a_process_killed_while_it_renews_leaves_what_was_there_and_no_lock(
    server: Issuing, config: Config, *, rotates: bool
) -> None:
    old = sign_in(server, left=-HOUR)
    server.rotate = rotates
    processes: list[BaseProcess] = []
    started = threading.Event()

    def kill(_form: dict[str, str]) -> None:
        started.wait(PATIENCE)
        os.kill(processes[0].pid or 0, signal.SIGKILL)
        server.after_renewal = lambda _form: None

    server.after_renewal = kill
    processes.append(renew_in_a_process(config))
    started.set()
    processes[0].join(PATIENCE)
    assert processes[0].exitcode == -signal.SIGKILL
    assert stored() == old
    if rotates:
        # The issuer has spent the one we hold; that is all that a person notices.
        with pytest.raises(SignInNeeded):
            credential(config, account())
        assert sign_in(server, left=HOUR) == stored()
    assert credential(config, account()) == AccessToken(server.latest)


def renewing_at(home: Path, server: Issuing, mail: ModelServer, *words: str) -> subprocess.Popen[bytes]:
    """Connect an account, keep tokens of it that ended, and start a command that renews them."""
    host, port = mail.endpoint.host, str(mail.endpoint.port)
    where = ["--imap-host", host, "--imap-port", port, "--imap-security", "none", "--username", ANN]
    opened_by = {environment_name(ANN): mail.password}
    with mailcrm(home, "connect", ANN, *where, "--no-input", "--no-check", **opened_by) as connecting:
        said = connecting.communicate(timeout=PATIENCE)
    assert connecting.returncode == 0, said
    (home / "config.toml").write_text(
        f'[accounts."{ANN}"]\nhost = "{host}"\noauth2 = "{ISSUER}"\n\n{server.toml(ISSUER)}', "utf-8"
    )
    sign_in(server, left=-HOUR)
    return mailcrm(home, *words)


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [["sync"], ["account", "check"]], ids=["sync", "check"])
def test_a_command_that_is_told_to_end_keeps_what_it_asked_for_before(
    server: Issuing, home: Path, mail: ModelServer, words: list[str], ended_by: signal.Signals
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answer_late(_form: dict[str, str]) -> None:
        asked.set()
        go_on.wait(PATIENCE)

    server.after_renewal = answer_late
    with renewing_at(home, server, mail, *words) as renewing:
        assert asked.wait(PATIENCE)
        renewing.send_signal(ended_by)
        with pytest.raises(subprocess.TimeoutExpired):
            renewing.wait(0.5)
        go_on.set()
        renewing.communicate(timeout=PATIENCE)
    assert renewing.returncode == (130 if ended_by is signal.SIGINT else -ended_by)
    assert stored().access_token == server.latest
    assert mail.commands == []


def test_what_nohup_ignores_stays_ignored() -> None:
    held = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        let_renewals_end()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


def test_the_others_do_not_wait_for_the_command_of_the_client_secret(
    server: Issuing, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client_secret = "client-secret"
    sign_in(server, left=-HOUR)
    command = f"touch {home}/asked; until test -e {home}/go; do sleep 0.02; done; echo client-secret"
    slow = configured(server, home, client_secret_command=command)
    waiting = threading.Thread(target=credential, args=(slow, account()))
    waiting.start()
    wait_until((home / "asked").exists)
    monkeypatch.setattr(keychain, "_ALONE_SECONDS", 0.1)
    quick = configured(server, home, client_secret_command="echo client-secret")
    assert credential(quick, account()) == AccessToken(server.latest)
    (home / "go").touch()
    waiting.join(PATIENCE)
    assert server.renewals == 1


def test_a_place_that_cannot_be_written_is_met_before_the_refresh_token_is_spent(
    server: Issuing, config: Config, desktop: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = sign_in(server, left=-HOUR, place=SecretPlace.KEYRING)

    def full(_service: str, _name: str, _secret: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(desktop, "set_password", full)
        with pytest.raises(CredentialMissing, match=ANN):
            credential(config, account())
    assert no_server_was_asked(server)
    assert stored() == old
    assert credential(config, account()) == AccessToken(server.latest)


def test_tokens_that_cannot_be_kept_after_all_are_not_used(server: Issuing, config: Config) -> None:
    sign_in(server, left=-HOUR)

    def lose_the_folder(_form: dict[str, str]) -> None:
        secrets_folder().rename(secrets_folder().with_name("lost"))
        secrets_folder().write_bytes(b"")

    server.after_renewal = lose_the_folder
    with pytest.raises(ConfigError, match="cannot be written"):
        credential(config, account())


# Whose tokens are used.


def test_without_a_sign_in_there_is_a_hint(server: Issuing, config: Config) -> None:
    with pytest.raises(CredentialMissing, match="Nobody has signed in") as raised:
        credential(config, account())
    assert raised.value.hint == "Sign in: mailcrm account reauth ann@example.com"


@pytest.mark.parametrize(
    "changes", [{"client_id": "another"}, {"token_endpoint": "https://login.example.org/token"}]
)
def test_tokens_of_another_client_or_issuer_are_not_used(
    server: Issuing, home: Path, changes: dict[str, str]
) -> None:
    tokens = sign_in(server, left=-HOUR)
    config = configured(server, home, **changes)
    with pytest.raises(CredentialMissing, match=r"another client than \[oauth2\.example\]"):
        credential(config, account())
    with pytest.raises(CredentialMissing):
        renewed(config, account(), AccessToken(tokens.access_token))
    assert no_server_was_asked(server)


def test_tokens_are_for_one_host_only(server: Issuing, config: Config) -> None:
    sign_in(server, left=HOUR)
    elsewhere = account("imap.example.org")
    with pytest.raises(CredentialMissing):
        credential(config, elsewhere)
    unbound = replace(config, accounts={ANN: AccountConfig(oauth2=ISSUER)})
    with pytest.raises(CredentialMissing):
        credential(unbound, elsewhere)


def test_a_client_that_config_toml_does_not_have_is_said(server: Issuing, config: Config) -> None:
    sign_in(server, left=HOUR)
    with pytest.raises(ConfigError, match=r"\[oauth2\.example\] is missing") as raised:
        credential(replace(config, oauth2={}), account())
    assert raised.value.hint == "Run: mailcrm account oauth-setup example"


def test_a_client_is_found_however_its_name_is_written(server: Issuing, home: Path) -> None:
    sign_in(server, left=-HOUR)
    path = home / "config.toml"
    path.write_text(f'[accounts."{ANN}"]\noauth2 = "My-Provider"\n\n{server.toml("my-PROVIDER")}', "utf-8")
    assert credential(load(path, {}), account()) == AccessToken(server.latest)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"access_token": 1}', "\x00"])
def test_tokens_that_are_damaged_are_as_good_as_none(config: Config, text: str) -> None:
    keychain.keep(keychain.tokens_of(ANN, HOST), text, place=SecretPlace.FILE, secrets=secrets_folder())
    with pytest.raises(CredentialMissing, match="cannot be read"):
        credential(config, account())


def test_a_file_of_tokens_that_others_can_read_is_refused(server: Issuing, config: Config) -> None:
    sign_in(server, left=-HOUR)
    (kept,) = (path for path in secrets_folder().iterdir() if not path.name.startswith("lock="))
    kept.chmod(0o644)
    with pytest.raises(ConfigError, match="Other users can read"):
        credential(config, account())
    assert no_server_was_asked(server)


def test_a_locked_keyring_is_said_and_a_file_works_beside_it(
    server: Issuing, config: Config, desktop: Keyring
) -> None:
    sign_in(server, left=HOUR, place=SecretPlace.KEYRING)
    desktop.locked = True
    with pytest.raises(CredentialMissing, match="may be locked"):
        credential(config, account())
    tokens = sign_in(server, left=HOUR, place=SecretPlace.FILE)
    assert credential(config, account()) == AccessToken(tokens.access_token)


@pytest.mark.parametrize("tokens", [False, True])
def test_an_account_is_connected_by_files_beside_a_keyring_that_never_opens(
    server: Issuing, config: Config, desktop: Keyring, *, tokens: bool
) -> None:
    desktop.locked = True
    given = sign_in(server, left=HOUR)
    source = (
        KeptTokens(client=ISSUER, tokens=given, place=SecretPlace.FILE)
        if tokens
        else KeptPassword(place=SecretPlace.FILE)
    )
    opened_by = AccessToken(given.access_token) if tokens else Password("password")
    config.path.write_text(server.toml(ISSUER), "utf-8")
    login = Login(
        address=ANN, imap=account().imap, username=ANN, ca_file=None, credential=opened_by, source=source
    )
    keep_credential(config, login)
    assert credential(load(config.path, {}), account()) == opened_by


# The client's secret.


def test_the_secret_of_the_client_comes_from_its_command(server: Issuing, home: Path) -> None:
    server.client_secret = "client-secret"
    sign_in(server, left=-HOUR)
    config = configured(server, home, client_secret_command="echo client-secret")
    assert credential(config, account()) == AccessToken(server.latest)


def test_the_secret_of_the_client_comes_from_where_it_is_kept(
    server: Issuing, config: Config, desktop: Keyring
) -> None:
    name = keychain.client_secret_of(ISSUER, server.client_id)
    keychain.keep(name, "client-secret", place=SecretPlace.KEYRING, secrets=secrets_folder())
    server.client_secret = "client-secret"
    sign_in(server, left=-HOUR)
    assert credential(config, account()) == AccessToken(server.latest)
    assert client_secret(config, ISSUER) == "client-secret"


@pytest.mark.parametrize("name", ["microsoft", "fastmail", ISSUER])
def test_a_client_without_a_secret_needs_no_keyring(
    server: Issuing, home: Path, desktop: Keyring, name: str
) -> None:
    config = Config(
        path=home / "config.toml",
        store="",
        accounts={ANN: AccountConfig(host=HOST, oauth2=name)},
        oauth2={name: server.client()},
    )
    sign_in(server, left=-HOUR)
    assert client_secret(config, name) is None
    desktop.locked = True
    assert credential(config, account()) == AccessToken(server.latest)


def test_a_secret_in_a_keyring_that_does_not_open_is_missed_by_the_issuer(
    server: Issuing, config: Config, desktop: Keyring
) -> None:
    name = keychain.client_secret_of(ISSUER, server.client_id)
    keychain.keep(name, "client-secret", place=SecretPlace.KEYRING, secrets=secrets_folder())
    server.client_secret = "client-secret"
    sign_in(server, left=-HOUR)
    desktop.locked = True
    with pytest.raises(SignInNeeded, match="does not know the client"):
        credential(config, account())
    desktop.locked = False
    assert credential(config, account()) == AccessToken(server.latest)


@pytest.mark.parametrize("name", ["google", "yandex", "mailru"])
def test_where_no_issuer_gives_anything_without_a_secret_a_keyring_that_does_not_open_is_said(
    server: Issuing, home: Path, desktop: Keyring, name: str
) -> None:
    config = Config(
        path=home / "config.toml",
        store="",
        accounts={ANN: AccountConfig(host=HOST, oauth2=name)},
        oauth2={name: server.client()},
    )
    sign_in(server, left=-HOUR)
    desktop.locked = True
    with pytest.raises(CredentialMissing, match="may be locked"):
        credential(config, account())
    with pytest.raises(CredentialMissing, match="may be locked"):
        issuer_of(config, name)
    assert no_server_was_asked(server)


def test_a_wrong_command_for_the_secret_is_named(server: Issuing, home: Path) -> None:
    sign_in(server, left=-HOUR)
    config = configured(server, home, client_secret_command="exit 3")
    with pytest.raises(CredentialMissing, match="client_secret_command"):
        credential(config, account())
    assert no_server_was_asked(server)


# Helpers from outside, and passwords.


def test_a_token_command_prints_the_token_for_its_host(config: Config) -> None:
    here = AccountConfig(host=HOST, token_command="echo token; echo more", password_command="echo password")
    config = replace(config, accounts={ANN: here})
    assert credential(config, account()) == AccessToken("token")
    with pytest.raises(CredentialMissing):
        credential(config, account("imap.example.org"))


def test_a_token_command_is_asked_once_more_after_a_refusal(config: Config, home: Path) -> None:
    count = f"echo >> {home}/count; wc -l < {home}/count"
    config = replace(config, accounts={ANN: AccountConfig(token_command=count)})
    refused = credential(config, account())
    assert isinstance(refused, AccessToken)
    assert renewed(config, account(), refused) not in (None, refused)
    same = replace(config, accounts={ANN: AccountConfig(token_command="echo same")})
    assert renewed(same, account(), AccessToken("same")) is None


def test_a_refused_token_of_a_command_says_which_command(config: Config, mail: ModelServer) -> None:
    config = replace(config, accounts={ANN: AccountConfig(token_command="echo stale")})
    with pytest.raises(TokenRefused) as raised:
        open_imap(config, at(mail))
    assert "token_command of ann@example.com" in raised.value.hint
    assert sum("AUTHENTICATE" in command for command in mail.commands) == 1


def test_a_password_is_found_as_ever(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(config, accounts={ANN: AccountConfig(host=HOST, password_command="echo password")})
    assert credential(config, account()) == Password("password")
    with pytest.raises(CredentialMissing):
        credential(config, account("imap.example.org"))
    monkeypatch.setenv(environment_name(ANN), "from the environment")
    assert credential(config, account("imap.example.org")) == Password("from the environment")


def test_the_log_tells_of_a_renewal_and_of_no_secret(
    server: Issuing, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    server.client_secret = "planted-client-secret"
    with caplog.at_level("DEBUG"):
        keep_tokens(ANN, HOST, sign_in(server, left=-HOUR), place=SecretPlace.FILE)
        client = server.client(client_secret_command="echo planted-client-secret")
        credential(replace(config, oauth2={ISSUER: client}), account())
    assert "account 7: the access token was renewed" in caplog.messages

    for secret in (server.latest, "planted", ANN, *(form["refresh_token"] for form in server.forms)):
        assert secret not in caplog.text


# What others can see of a run.

PLANTED = {
    environment_name("another@example.com"): "planted-password-of-another",
    "PGPASSWORD": "planted-password-of-the-store",
}


def mailcrm(home: Path, *words: str, **environ: str) -> subprocess.Popen[bytes]:
    around = os.environ | {
        "MAILCRM_STORE": f"sqlite:///{home}/mailcrm.db",
        "MAILCRM_CONFIG": str(home / "config.toml"),
        **environ,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mailcrm", *words], env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
def test_a_sync_shows_no_secret_to_anybody(server: Issuing, home: Path, mail: ModelServer) -> None:
    host, port = mail.endpoint.host, str(mail.endpoint.port)
    where = ["--imap-host", host, "--imap-port", port, "--imap-security", "none", "--username", ANN]
    opened_by = {environment_name(ANN): mail.password}
    with mailcrm(home, "connect", ANN, *where, "--no-input", **opened_by) as connecting:
        said = connecting.communicate(timeout=PATIENCE)
    assert connecting.returncode == 0, said
    # So many that they are read in a process of its own.
    for number in range(300):
        mail.append("INBOX", letter(f"{number}@example.org"), datetime.now(UTC))
    server.client_secret = "planted-client-secret"
    (home / "secret").write_text(server.client_secret, "utf-8")
    (home / "config.toml").write_text(
        f'[accounts."{ANN}"]\nhost = "{host}"\noauth2 = "{ISSUER}"\n\n{server.toml(ISSUER)}'
        f'client_secret_command = "sleep 0.3; cat {home}/secret"\n',
        "utf-8",
    )
    old = sign_in(server, left=-HOUR)

    def let_in(_form: dict[str, str]) -> None:
        mail.token = server.latest

    server.after_renewal = let_in
    with mailcrm(home, "sync", "-vv", **PLANTED) as syncing, watched(syncing.pid) as seen:
        stdout, stderr = syncing.communicate(timeout=PATIENCE)
    assert syncing.returncode == 0, stderr
    assert b"account 1: the access token was renewed" in stderr
    for child in ("sleep 0.3", "mailcrm.reading"):
        assert any(name.startswith("environ of") and child in name and seen[name] for name in seen), child
    kept = stored()
    secrets = [
        server.client_secret,
        old.access_token,
        old.refresh_token or "",
        kept.access_token,
        kept.refresh_token or "",
        *PLANTED.values(),
    ]
    told = {"stdout": stdout, "stderr": stderr, **seen}
    assert traces(secrets, folders=[home], texts=told, apart=[secrets_folder(), home / "secret"]) == []
    # It can tell: the secrets are where they belong.
    assert len(traces(secrets, folders=[home])) == 3


def test_a_trace_is_found_in_whatever_form_it_is_in() -> None:
    secret = "s3cret/with+signs=="
    for before in range(4):
        raw = b"x" * before + secret.encode() + b"y" * before
        assert traces([secret], texts={"here": b"AUTHENTICATE " + base64.b64encode(raw)})
    assert traces([secret], texts={"here": f"?token={quote_plus(secret)}&a=b"})
    assert traces([secret], texts={"here": f"in {secret}"}) == ["here has s3cr…"]
    assert traces([secret], texts={"here": secret[:-3]}) == []

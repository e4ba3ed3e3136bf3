"""What a server tells of its inbox reaches the sync at once, and a silent server is asked by the clock."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailcrm import watching
from mailcrm.core.credentials import Password
from mailcrm.core.errors import (
    ConfigError,
    CredentialMissing,
    MailcrmError,
    NotFound,
    SignInNeeded,
    StoreUnavailable,
)
from mailcrm.core.model import Account
from mailcrm.mail.imap import ImapSession, open_session
from mailcrm.watching import listening
from tests.conftest import FIRST, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import CAPABILITIES, ModelServer
from tests.syncing.accounts import connect, letter

LONG = 3_600.0
#: Seconds after which a test that waits for a listener gives up.
PATIENCE = 10.0


def opening(servers: dict[str, ModelServer]) -> Callable[[Account], ImapSession]:
    def open_imap(account: Account) -> ImapSession:
        server = servers[account.address]
        return open_session(
            server.endpoint, username=account.address, credential=Password(server.password), timeout=10
        )

    return open_imap


@pytest.fixture
def account(store: Store, model: ModelServer) -> Account:
    return connect(store.as_member(FIRST), ModelMailbox(model), start=None)


def test_an_email_that_comes_while_we_listen_is_told_at_once(model: ModelServer, account: Account) -> None:
    with listening([account], opening({account.address: model}), every=LONG) as due:
        assert next(due) == [account]  # whatever came before
        model.append("INBOX", letter("1@example.org"))
        assert next(due) == [account]
    assert [said for said in model.commands if said.startswith("SELECT")] == []


def test_only_the_account_with_news_is_due(model: ModelServer, account: Account) -> None:
    other = replace(account, id=account.id + 1, address="other@example.com")
    with (
        ModelServer() as second,
        listening(
            [account, other], opening({account.address: model, other.address: second}), every=LONG
        ) as due,
    ):
        begun: list[Account] = []
        while len(begun) < 2:
            begun += next(due)
        second.append("INBOX", letter("1@example.org"))
        assert next(due) == [other]


def test_a_server_without_idle_is_asked_by_the_clock(model: ModelServer, account: Account) -> None:
    model.capabilities = tuple(name for name in CAPABILITIES if name != "IDLE")
    with listening([account], opening({account.address: model}), every=0.05) as due:
        assert next(due) == [account]
        assert next(due) == [account]
    assert "IDLE" not in model.commands


def test_listening_ends_while_it_waits_for_the_server(model: ModelServer, account: Account) -> None:
    with listening([account], opening({account.address: model}), every=LONG) as due:
        next(due)
    model.append("INBOX", letter("1@example.org"))  # nobody is there to be told


def test_a_refused_password_is_not_tried_again(model: ModelServer, account: Account) -> None:
    def refused(_account: Account) -> ImapSession:
        return open_session(model.endpoint, username="ann", credential=Password("old"), timeout=10)

    with listening([account], refused, every=0.05) as due:
        assert [next(due) for _ in range(3)] == [[account]] * 3
    assert len([said for said in model.commands if said.startswith("LOGIN")]) == 1


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("config.toml is half-written."),
        CredentialMissing("The keyring did not open."),
        SignInNeeded("The sign-in is no longer good."),
        NotFound("There is no such account."),
        StoreUnavailable("The database is down."),
    ],
)
def test_what_a_person_can_see_to_does_not_end_the_listening(
    model: ModelServer, account: Account, monkeypatch: pytest.MonkeyPatch, error: MailcrmError
) -> None:
    monkeypatch.setattr(watching, "_LOST", 0.01)
    failing = iter([error, error])

    def open_imap(account: Account) -> ImapSession:
        for failure in failing:
            raise failure
        return opening({account.address: model})(account)

    with listening([account], open_imap, every=PATIENCE) as due:
        asked = time.monotonic()
        assert next(due) == [account]
        assert time.monotonic() - asked < PATIENCE, "it was the clock"


def test_news_of_one_account_do_not_keep_the_others_waiting(model: ModelServer, account: Account) -> None:
    silent = replace(account, id=account.id + 1, address="silent@example.com")
    with (
        ModelServer(capabilities=["IMAP4rev1"]) as second,
        listening(
            [account, silent], opening({account.address: model, silent.address: second}), every=0.3
        ) as due,
    ):
        for number in range(1_000):
            model.append("INBOX", letter(f"{number}@example.org"))
            if silent in next(due):
                break
        else:
            pytest.fail("it was never its turn")

"""What the block list keeps out of a sync, and what comes back when a rule goes.

The truth is the model server, and the bytes that it handed out.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import pytest

from mailcrm.core.block_list import BlockMode, BlockRule, parse_pattern
from mailcrm.core.events import AccountFinished, FolderFinished, SyncEvent
from mailcrm.core.model import Account
from mailcrm.observing import plan_account
from mailcrm.screening import apply_rule
from mailcrm.store import Database, accounts, block_list
from tests.conftest import FIRST, NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import CAPABILITIES, ModelServer
from tests.syncing.accounts import (
    EXTENSIONS,
    check_integrity,
    connect,
    days_ago,
    downloads,
    letter,
    only,
    rows,
    stored,
    sync,
)

BOB = "bob@example.com"
KIM = "kim@example.org"
NEWS = "news@lists.example.org"
OFFERS = "offers@shop.example.org"


def block(
    db: Database, pattern: str, account: Account | None = None, mode: BlockMode = BlockMode.ONLY
) -> None:
    block_list.add_rule(db, BlockRule(pattern=parse_pattern(pattern), mode=mode), account, at=NOW)


def unblock(db: Database, pattern: str) -> None:
    (rule,) = [rule for rule in block_list.block_rules(db) if rule.pattern == pattern]
    block_list.remove_rule(db, rule)


#: On which a sync is told of changes in one of three ways, or not at all.
EVERY_SERVER = pytest.mark.parametrize(
    "server",
    [
        CAPABILITIES,
        (*CAPABILITIES, "QRESYNC"),
        tuple(name for name in CAPABILITIES if name not in EXTENSIONS),
    ],
    ids=["condstore", "qresync", "neither"],
    indirect=True,
)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    server = ModelServer(capabilities=set(getattr(request, "param", CAPABILITIES)))
    yield server
    server.stop()


@pytest.fixture
def mailbox(server: ModelServer) -> ModelMailbox:
    return ModelMailbox(server)


@pytest.fixture
def account(db: Database, mailbox: ModelMailbox) -> Account:
    return connect(db, mailbox)


def bring(  # what a letter is, in a line
    server: ModelServer, subject: str, sender: str, *, folder: str = "INBOX", to: str = FIRST, **more: str
) -> bytes:
    raw = letter(f"{subject}@example.org", sender=sender, subject=subject, to=to, more=more)
    server.append(folder, raw, days_ago(1))
    return raw


def is_whole(events: Sequence[SyncEvent]) -> bool:
    """Say whether a sync was whole, and the counts of all folders agree."""
    (finished,) = only(events, AccountFinished)
    return finished.whole and all(
        one.server_count == one.stored_count for one in only(events, FolderFinished)
    )


def work(db: Database, mailbox: ModelMailbox) -> set[tuple[int, int, int]]:
    """Return what the next sync would do."""
    with mailbox.log_in(mailbox.password) as imap:
        plans = list(plan_account(db, imap, accounts.account(db, FIRST)))
    return {(one.downloads, one.attached, one.vanished) for one in plans}


@EVERY_SERVER
@pytest.mark.rule("block-sync")
def test_screened_mail_is_not_stored_counts_as_known_and_is_not_downloaded_again(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, "@lists.example.org")
    bring(server, "offer", KIM)
    bring(server, "news", NEWS)
    first = sync(db, mailbox, account)
    assert stored(store.url).subjects == ["offer"]
    assert is_whole(first)
    assert block_list.screened_count(db, account) == 1
    assert work(db, mailbox) == {(0, 0, 0)}
    bring(server, "more", KIM)
    given = len(server.downloads)
    assert downloads(sync(db, mailbox, account)) == 1
    assert len(server.downloads) == given + 1


@pytest.mark.rule("block-only")
def test_mail_on_which_somebody_else_is_stays(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, NEWS)
    bring(server, "among us", FIRST)
    bring(server, "with kim", NEWS, to=f"{FIRST}, {KIM}")
    bring(server, "kim in bcc", NEWS, Bcc=KIM)
    bring(server, "reply to kim", NEWS, **{"Reply-To": KIM})
    bring(server, "sent for kim", NEWS, Sender=KIM)
    bring(server, "blocked", NEWS)
    bring(server, "to a blocked one", FIRST, to=NEWS, folder="Sent")
    sync(db, mailbox, account)
    assert stored(store.url).subjects == [
        "among us",
        "kim in bcc",
        "reply to kim",
        "sent for kim",
        "with kim",
    ]


@pytest.mark.rule("block-any")
def test_in_mode_any_one_blocked_participant_is_enough(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, NEWS, mode=BlockMode.ANY)
    bring(server, "with kim", KIM, to=f"{FIRST}, {NEWS}")
    bring(server, "in bcc", KIM, Bcc=NEWS)
    bring(server, "kim alone", KIM)
    sync(db, mailbox, account)
    assert stored(store.url).subjects == ["kim alone"]


@pytest.mark.rule("block-scope")
def test_a_rule_of_an_account_does_not_hold_for_another_and_one_of_the_store_does(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    bob = store.add_member(BOB)
    his = connect(bob, mailbox, address=BOB)
    block(db, NEWS, account)
    block(db, OFFERS)
    bring(server, "news", NEWS, to="undisclosed-recipients:;")
    bring(server, "offers", OFFERS, to="undisclosed-recipients:;")
    sync(db, mailbox, account)
    sync(bob, mailbox, his)
    assert [(row["account_id"], row["subject"]) for row in rows(store.url, "SELECT * FROM main.email")] == [
        (his.id, "news")
    ]


@pytest.mark.rule("block-sync")
def test_nothing_that_screened_mail_says_stays_anywhere(
    store: Store,
    db: Database,
    server: ModelServer,
    mailbox: ModelMailbox,
    account: Account,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    block(db, "@lists.example.org")
    bring(server, "zeppelin", "zeppelin@lists.example.org")
    events = sync(db, mailbox, account)
    for table in ("email", "email_body", "email_source", "email_terms", "email_identity", "participant"):
        assert rows(store.url, f"SELECT * FROM main.{table}") == []
    for table in ("thread", "thread_reference", "attachment", "placement", "fetch_failure"):
        assert rows(store.url, f"SELECT * FROM main.{table}") == []
    assert len(rows(store.url, "SELECT * FROM main.screened")) == 1
    assert "zeppelin" not in repr(events)
    assert "zeppelin" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("mailcrm")
    )


@pytest.mark.rule("block-sync")
def test_copies_of_screened_mail_are_downloaded_once_in_a_sync(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    server.create("Projects")
    block(db, NEWS)
    bring(server, "news", NEWS)
    for folder in ("INBOX", "Projects"):
        server.copy("INBOX", 1, folder)
    assert is_whole(sync(db, mailbox, account))
    assert len(server.downloads) == 1
    assert block_list.screened_count(db, account) == 3
    assert work(db, mailbox) == {(0, 0, 0)}


@pytest.mark.rule("block-sync")
def test_after_a_renumbering_and_after_a_move_screened_mail_is_downloaded_once_more(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    server.create("Projects")
    block(db, NEWS)
    bring(server, "news", NEWS)
    sync(db, mailbox, account)
    changes: list[Callable[[], object]] = [
        lambda: server.renumber("INBOX"),
        lambda: server.move("INBOX", 1, "Projects"),
    ]
    for count, change in enumerate(changes, start=2):
        change()
        for _ in range(2):
            assert is_whole(sync(db, mailbox, account))
        assert len(server.downloads) == count
        assert len(rows(store.url, "SELECT * FROM main.screened")) == 1
    server.expunge("Projects", 1)
    sync(db, mailbox, account)
    assert rows(store.url, "SELECT * FROM main.screened") == []


@pytest.mark.rule("block-stored")
def test_a_rule_is_for_later_mail_and_what_is_stored_stays_where_it_is(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    bring(server, "known", NEWS)
    # Without a Message-ID it is told from others by its bytes alone, so it is downloaded again.
    server.append("INBOX", letter(None, sender=NEWS, subject="known by its bytes"), days_ago(1))
    sync(db, mailbox, account)
    block(db, NEWS)
    server.renumber("INBOX")
    bring(server, "later", NEWS)
    assert is_whole(sync(db, mailbox, account))
    assert stored(store.url).subjects == ["known", "known by its bytes"]
    assert stored(store.url).gone == []


@EVERY_SERVER
@pytest.mark.rule("block-removal")
def test_removing_a_rule_brings_the_mail_with_the_next_sync_though_nothing_came(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, "@lists.example.org")
    bring(server, "news", NEWS)
    bring(server, "offer", KIM)
    for _ in range(2):
        sync(db, mailbox, account)
    unblock(db, "@lists.example.org")
    # The same number, the same moment: only what it says is different.
    block(db, "@elsewhere.example.org")
    sync(db, mailbox, account)
    assert stored(store.url).subjects == ["news", "offer"]
    check_integrity(store.url)


@pytest.mark.rule("block-removal")
def test_removing_one_of_two_rules_brings_the_mail_that_took_both(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, NEWS)
    block(db, OFFERS)
    bring(server, "both", NEWS, Bcc=OFFERS)
    bring(server, "news alone", NEWS)
    bring(server, "offers alone", OFFERS)
    sync(db, mailbox, account)
    assert stored(store.url).subjects == []
    unblock(db, OFFERS)
    given = len(server.downloads)
    assert is_whole(sync(db, mailbox, account))
    assert stored(store.url).subjects == ["both", "offers alone"]
    assert len(server.downloads) == given + 2


@pytest.mark.rule("block-removal")
def test_removing_a_rule_of_the_store_brings_the_mail_of_every_account(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox
) -> None:
    bob = store.add_member(BOB)
    his = connect(bob, mailbox, address=BOB)
    block(db, NEWS)
    bring(server, "news", NEWS, to=BOB)
    sync(bob, mailbox, his)
    assert stored(store.url).subjects == []
    unblock(db, NEWS)
    sync(bob, mailbox, his)
    assert stored(store.url).subjects == ["news"]


@EVERY_SERVER
@pytest.mark.rule("block-stored")
@pytest.mark.rule("block-removal")
def test_what_was_taken_out_of_the_store_stays_away_until_its_rule_goes(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    bring(server, "news", NEWS)
    bring(server, "offer", KIM)
    sync(db, mailbox, account)
    before = stored(store.url)
    apply_rule(db, BlockRule(pattern=parse_pattern(NEWS), mode=BlockMode.ONLY), account, at=NOW)
    assert stored(store.url).subjects == ["offer"]
    given = len(server.downloads)
    assert is_whole(sync(db, mailbox, account))
    assert len(server.downloads) == given
    unblock(db, NEWS)
    assert is_whole(sync(db, mailbox, account))
    assert stored(store.url).digests == before.digests
    assert stored(store.url).places == before.places


@pytest.mark.rule("block-removal")
def test_a_rule_that_was_applied_and_removed_between_two_syncs_changes_nothing(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    bring(server, "news", NEWS)
    sync(db, mailbox, account)
    before = stored(store.url)
    apply_rule(db, BlockRule(pattern=parse_pattern(NEWS), mode=BlockMode.ONLY), account, at=NOW)
    unblock(db, NEWS)
    assert is_whole(sync(db, mailbox, account))
    assert stored(store.url).places == before.places


def test_a_rule_that_goes_while_a_sync_is_at_work_leaves_no_mail_behind(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    from mailcrm.config import SIZE_LIMIT
    from mailcrm.syncing import sync_account

    block(db, NEWS)
    bring(server, "news", NEWS)
    steps = sync_account(
        db,
        lambda: mailbox.log_in(mailbox.password),
        accounts.account(db, FIRST),
        clock=lambda: NOW,
        size_limit=SIZE_LIMIT,
    )
    next(steps)
    unblock(store.as_member(FIRST), NEWS)
    assert not is_whole(list(steps)), "it says that an email is missing"
    assert is_whole(sync(db, mailbox, account))
    assert stored(store.url).subjects == ["news"]


@pytest.mark.rule("block-only")
def test_who_is_named_in_a_bounce_or_a_forwarded_message_takes_no_part(
    store: Store, db: Database, server: ModelServer, mailbox: ModelMailbox, account: Account
) -> None:
    block(db, "@lists.example.org")
    forwarded = f"---------- Forwarded message ---------\r\nFrom: Kim <{KIM}>\r\nSubject: offer\r\n\r\nhello"
    raw = letter("1@example.org", sender=NEWS, subject="Fwd: offer", body=forwarded)
    server.append("INBOX", raw, days_ago(1))
    sync(db, mailbox, account)
    assert stored(store.url).subjects == []

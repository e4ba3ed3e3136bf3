"""What the block list keeps out of a sync, and what comes back when a rule goes.

The truth is the model server, and the bytes that it handed out.
"""

import pytest

from mailcrm.core.block_list import BlockMode, BlockRule, parse_pattern
from mailcrm.core.events import AccountFinished, FolderFinished
from mailcrm.core.model import Account
from mailcrm.store import Database, block_list
from tests.conftest import NOW, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import connect, days_ago, downloads, letter, only, rows, stored, sync

KIM = "kim@example.org"
SPAM = "news@lists.example.org"


def block(
    db: Database, pattern: str, mode: BlockMode = BlockMode.ONLY, account: Account | None = None
) -> int:
    rule = BlockRule(pattern=parse_pattern(pattern), mode=mode)
    return block_list.add_rule(db, rule, account, at=NOW)


def unblock(db: Database, pattern: str) -> None:
    (rule,) = [rule for rule in block_list.block_rules(db) if rule.pattern == pattern]
    block_list.remove_rule(db, rule)


def bring(server: ModelServer, folder: str, name: str, sender: str, **more: str) -> int:
    raw = letter(f"{name}@example.org", sender=sender, subject=name, body=name, **more)  # type: ignore[arg-type] # to
    return server.append(folder, raw, days_ago(1))


def whole(events: list[object]) -> bool:
    (finished,) = only(events, AccountFinished)  # type: ignore[arg-type] # a list is invariant
    return finished.whole


@pytest.fixture
def mailbox() -> ModelMailbox:
    return ModelMailbox(ModelServer())


@pytest.mark.rule("block-sync")
def test_screened_mail_is_not_stored_counts_as_known_and_is_not_downloaded_again(
    store: Store, db: Database
) -> None:
    server = ModelServer()
    mailbox = ModelMailbox(server)
    account = connect(db, mailbox)
    block(db, "@lists.example.org")
    bring(server, "INBOX", "offer", KIM)
    bring(server, "INBOX", "secret-news", SPAM)
    first = sync(db, mailbox, account)
    assert stored(store.url).subjects == ["offer"]
    assert whole(first)  # type: ignore[arg-type] # a list is invariant
    assert block_list.screened_count(db, account) == 1
    inbox = next(event for event in only(first, FolderFinished) if event.folder == "INBOX")
    assert inbox.server_count == inbox.stored_count == 2
    bring(server, "INBOX", "more", KIM)
    given = len(server.downloads)
    assert downloads(sync(db, mailbox, account)) == 1
    assert len(server.downloads) == given + 1
    server.stop()


@pytest.mark.rule("block-removal")
def test_removing_a_rule_brings_the_mail_with_the_next_sync(store: Store, db: Database) -> None:
    server = ModelServer()
    mailbox = ModelMailbox(server)
    account = connect(db, mailbox)
    block(db, "@lists.example.org")
    bring(server, "INBOX", "offer", KIM)
    bring(server, "INBOX", "news", SPAM)
    sync(db, mailbox, account)
    sync(db, mailbox, account)
    unblock(db, "@lists.example.org")
    assert rows(store.url, "SELECT * FROM main.screened") == []
    sync(db, mailbox, account)
    assert stored(store.url).subjects == ["news", "offer"]
    server.stop()

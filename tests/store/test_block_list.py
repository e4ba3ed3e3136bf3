"""Rules of the block list, and taking stored emails out; whom a rule blocks is left to tests/core."""

from collections.abc import Iterable

import pytest

from mailcrm.core.block_list import BlockMode, BlockRule, parse_pattern
from mailcrm.core.errors import AlreadyExists, NotPermitted, StoreBusy
from mailcrm.core.model import Account, Folder, MemberRole, ParticipantRole
from mailcrm.core.query import parse_query
from mailcrm.core.uids import UidSet
from mailcrm.screening import applied, apply_rule, screening
from mailcrm.store import Database, block_list, emails, folders, members, search
from mailcrm.store.block_list import ScreenedOut
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save
from tests.syncing.accounts import check_integrity, rows

BOB = "bob@example.com"
KIM = "kim@example.kr"
NEWS = "news@lists.example.org"
OFFERS = "offers@shop.example.org"


def rule(pattern: str, mode: BlockMode = BlockMode.ONLY) -> BlockRule:
    return BlockRule(pattern=parse_pattern(pattern), mode=mode)


def add(db: Database, pattern: str, account: Account | None = None, mode: BlockMode = BlockMode.ONLY) -> int:
    return block_list.add_rule(db, rule(pattern, mode), account, at=NOW)


def remove(db: Database, pattern: str) -> None:
    (found,) = [one for one in block_list.block_rules(db) if one.pattern == pattern]
    block_list.remove_rule(db, found)


def written_by(uid: int, sender: str, *others: str, answers: Iterable[str] = ()) -> emails.NewEmail:
    roles = (ParticipantRole.CC, ParticipantRole.BCC, ParticipantRole.SENDER, ParticipantRole.REPLY_TO)
    people = {ParticipantRole.FROM: sender, ParticipantRole.TO: FIRST}
    people |= dict(zip(roles, others, strict=False))
    return letter(uid, f"{uid}@example.org", people=people, subject=f"nr {uid}", references=list(answers))


def subjects(store: Store) -> list[str]:
    return sorted(row["subject"] for row in rows(store.url, "SELECT subject FROM main.email"))


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


# --- whose rules --------------------------------------------------------------------------------------


@pytest.mark.rule("block-scope")
def test_rules_of_the_store_are_everybodys_to_see_and_those_of_an_account_its_managers(
    store: Store, db: Database, account: Account
) -> None:
    bob = store.add_member(BOB)
    add(db, "@lists.example.org")
    add(db, KIM, account)
    assert [(one.pattern, one.account) for one in block_list.block_rules(db)] == [
        ("@lists.example.org", None),
        (KIM, FIRST),
    ]
    assert [one.pattern for one in block_list.block_rules(bob)] == ["@lists.example.org"]
    his = connect(bob, BOB)
    assert screening(bob, his).rules_against({NEWS})
    assert not screening(bob, his).rules_against({KIM})


@pytest.mark.rule("block-scope")
def test_a_team_has_the_rules_of_its_account_in_common(store: Store, db: Database) -> None:
    bob = store.add_member(BOB)
    team = members.create_team(db, "Sales")
    for who in (FIRST, BOB):
        members.add_team_member(db, team, members.member(db, who))
    ours = connect(db, "sales@example.com", team_id=team.id)
    add(db, KIM, ours)
    assert [one.added_by for one in block_list.block_rules(bob)] == [FIRST]
    remove(bob, KIM)
    assert block_list.block_rules(db) == []


@pytest.mark.rule("block-scope")
def test_only_an_admin_makes_and_removes_a_rule_of_the_store(store: Store, db: Database) -> None:
    bob = store.add_member(BOB)
    add(db, "@lists.example.org")
    with pytest.raises(NotPermitted):
        add(bob, "@shop.example.org")
    with pytest.raises(NotPermitted):
        remove(bob, "@lists.example.org")
    with pytest.raises(NotPermitted):
        # Past the sentence for people.
        bob.insert(
            "add_block_rule", account_id=None, pattern=KIM, mode="any", added_by=bob.viewer.id, added_at=NOW
        )
    assert [one.pattern for one in block_list.block_rules(db)] == ["@lists.example.org"]


@pytest.mark.rule("block-scope")
def test_nobody_blocks_for_the_account_of_a_colleague(store: Store, db: Database, account: Account) -> None:
    admin = store.add_member(BOB, role=MemberRole.ADMIN)
    with pytest.raises(NotPermitted):
        add(admin, KIM, account)
    add(db, KIM, account)
    assert block_list.block_rules(admin) == []


def test_a_pattern_is_blocked_once_for_an_account_and_once_for_all(db: Database, account: Account) -> None:
    add(db, KIM, account)
    add(db, KIM)
    for whose in (account, None):
        with pytest.raises(AlreadyExists):
            add(db, KIM, whose, BlockMode.ANY)


# --- places -------------------------------------------------------------------------------------------


def test_a_place_is_screened_out_while_all_its_rules_are_there(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    both = frozenset({add(db, NEWS), add(db, OFFERS)})
    block_list.screen_out(db, inbox, 1, [ScreenedOut(uid=uid, rules=both) for uid in (3, 4)])
    assert folders.folder_state(db, inbox, 1).screened == {3, 4}
    assert {one.screened for one in block_list.block_rules(db)} == {2}
    remove(db, OFFERS)
    assert folders.folder_state(db, inbox, 1).screened == set()
    assert rows(store.url, "SELECT * FROM main.screened") == []


def test_a_rule_of_the_store_that_goes_frees_places_in_folders_of_others(store: Store, db: Database) -> None:
    bob = store.add_member(BOB)
    his = connect(bob, BOB)
    his_inbox = folder(bob, his)
    both = frozenset({add(db, NEWS), add(bob, OFFERS, his)})
    block_list.screen_out(bob, his_inbox, 1, [ScreenedOut(uid=3, rules=both)])
    assert [one.screened for one in block_list.block_rules(db)] == [0], "what others have is not told"
    before = screening(bob, his).mark
    remove(db, NEWS)
    assert folders.folder_state(bob, his_inbox, 1).screened == set()
    assert screening(bob, his).mark != before, "a sync looks at his folders again"


def test_a_rule_that_has_just_gone_takes_no_place(db: Database, inbox: Folder) -> None:
    key = add(db, NEWS)
    remove(db, NEWS)
    block_list.screen_out(db, inbox, 1, [ScreenedOut(uid=3, rules=frozenset({key}))])
    assert folders.folder_state(db, inbox, 1).screened == set()


def test_places_go_with_their_uids_and_with_their_uidvalidity(db: Database, inbox: Folder) -> None:
    rules = frozenset({add(db, NEWS)})
    block_list.screen_out(db, inbox, 1, [ScreenedOut(uid=uid, rules=rules) for uid in (3, 4)])
    folders.take_away(db, inbox, 1, UidSet([3]), at=NOW)
    assert folders.folder_state(db, inbox, 1).screened == {4}
    folders.take_away(db, inbox, 2, UidSet(), at=NOW)
    assert folders.folder_state(db, inbox, 1).screened == set()


# --- mail that is stored ------------------------------------------------------------------------------


@pytest.mark.rule("block-stored")
def test_applying_a_rule_removes_what_it_screens_out_and_nothing_else(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    archive = folder(db, account, path="Archive")
    news = written_by(1, NEWS)
    save(db, account, inbox, news, written_by(2, KIM), written_by(3, NEWS, KIM))
    save(db, account, archive, news)
    wanted = rule("@lists.example.org")
    (shown,) = applied(db, wanted, account)
    assert (shown.threads, shown.emails, shown.gone) == (1, 1, 0)
    assert subjects(store) == ["nr 1", "nr 2", "nr 3"], "showing changes nothing"
    assert apply_rule(db, wanted, account, at=NOW) == [shown]
    assert subjects(store) == ["nr 2", "nr 3"]
    assert folders.folder_state(db, inbox, 1).screened == {1}
    assert folders.folder_state(db, archive, 1).screened == {1}
    assert applied(db, wanted, account) == []
    check_integrity(store.url)


@pytest.mark.rule("block-any")
def test_applying_a_rule_of_mode_any_removes_mail_that_others_are_on_too(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, *(written_by(uid, KIM, *["x@example.net"] * uid, NEWS) for uid in range(4)))
    save(db, account, inbox, written_by(9, KIM))
    apply_rule(db, rule(NEWS, BlockMode.ANY), account, at=NOW)
    assert subjects(store) == ["nr 9"], "in cc, bcc, sender or reply-to"


@pytest.mark.rule("block-stored")
def test_a_thread_that_keeps_an_email_is_brought_up_to_date_and_an_empty_one_goes(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, written_by(1, NEWS), written_by(2, KIM, answers=["1@example.org"]))
    save(db, account, inbox, written_by(3, NEWS))
    apply_rule(db, rule(NEWS), account, at=NOW)
    assert [row["subject"] for row in rows(store.url, "SELECT subject FROM main.thread")] == ["nr 2"]


@pytest.mark.rule("block-stored")
def test_mail_that_was_taken_out_is_not_found_any_more(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    saved = [letter(1, "1@example.org", text="zeppelin", people={ParticipantRole.FROM: NEWS})]
    saved += [letter(2, "2@example.org", text="zeppelin")]
    save(db, account, inbox, *saved)
    assert len(search.search_emails(db, parse_query("zeppelin", NOW), limit=9)) == 2
    apply_rule(db, rule(NEWS), account, at=NOW)
    (found,) = search.search_emails(db, parse_query("zeppelin", NOW), limit=9)
    assert found.sender == KIM
    if store.kind == "sqlite":
        query = "SELECT rowid FROM email_index WHERE email_index MATCH 'zeppelin'"
        assert len(rows(store.url, query)) == 1


@pytest.mark.rule("block-stored")
def test_mail_that_only_rules_together_screen_out_names_them_all(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    add(db, OFFERS, account)
    save(db, account, inbox, written_by(1, NEWS, OFFERS), written_by(2, OFFERS))
    apply_rule(db, rule(NEWS), account, at=NOW)
    assert subjects(store) == ["nr 2"], "what another rule alone screens out was not asked about"
    remove(db, OFFERS)
    assert folders.folder_state(db, inbox, 1).screened == set()


@pytest.mark.rule("block-stored")
def test_a_rule_of_the_store_is_applied_to_the_accounts_of_who_applies_it(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    bob = store.add_member(BOB)
    his = connect(bob, BOB)
    save(bob, his, folder(bob, his), written_by(1, NEWS))
    save(db, account, inbox, written_by(2, NEWS))
    done = apply_rule(db, rule(NEWS), None, at=NOW)
    assert [(one.account, one.emails) for one in done] == [(FIRST, 1)]
    assert subjects(store) == ["nr 1"]


def test_ten_thousand_rules_and_as_many_recipients_are_one_email(
    db: Database, account: Account, inbox: Folder
) -> None:
    people = [f"x{number}@example.net" for number in range(10_000)]
    with db.transaction():
        keys = {add(db, one, account) for one in people}
    against = screening(db, account).rules_against({FIRST, *people})
    assert against == keys
    assert not screening(db, account).rules_against({FIRST, KIM, *people})
    block_list.screen_out(db, inbox, 1, [ScreenedOut(uid=7, rules=against)])
    assert folders.folder_state(db, inbox, 1).screened == {7}


@pytest.mark.rule("block-stored")
def test_mail_that_is_gone_from_the_server_is_counted_as_such(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, written_by(1, NEWS), written_by(2, NEWS))
    folders.take_away(db, inbox, 1, UidSet([1]), at=NOW)
    (shown,) = applied(db, rule(NEWS), account)
    assert (shown.emails, shown.gone) == (2, 1)


def test_nothing_is_changed_while_a_sync_is_at_work(
    store: Store, db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, written_by(1, NEWS))
    with store.as_member(FIRST).lease(account.id), pytest.raises(StoreBusy):
        apply_rule(db, rule(NEWS), account, at=NOW)
    assert block_list.block_rules(db) == []
    assert subjects(store) == ["nr 1"]


def test_applying_a_rule_that_is_there_in_the_other_mode_is_refused(db: Database, account: Account) -> None:
    add(db, NEWS, account)
    with pytest.raises(AlreadyExists):
        apply_rule(db, rule(NEWS, BlockMode.ANY), account, at=NOW)

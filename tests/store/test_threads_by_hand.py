from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking, sharing, threads_by_hand
from mailcrm.core.errors import NotFound, NotPermitted, UsageError
from mailcrm.core.model import Account, Direction, Folder, Label, ParticipantRole, ThreadRow, Visibility
from mailcrm.store import Database, contacts, deals, emails, history, labels, links, suggestions, threads
from mailcrm.store.contents import content
from mailcrm.store.emails import NewEmail
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import Mailboxes, connect, folder, letter, save

KIM = "kim@example.kr"
BOB = "bob@example.com"


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


def mail(uid: int, *named: int, sender: str = KIM, subject: str = "", **about: object) -> NewEmail:
    """Return the email `mail UID`, which names others; its source says so, too."""
    references = [f"{each}@example.org" for each in named]
    field = f"References: {' '.join(f'<{name}>' for name in references)}\r\n" if references else ""
    return letter(
        uid,
        f"{uid}@example.org",
        references=references,
        subject=subject or f"mail {uid}",
        received_at=NOW + timedelta(minutes=uid),
        people={ParticipantRole.FROM: sender, ParticipantRole.TO: FIRST},
        raw=f"Message-ID: <{uid}@example.org>\r\n{field}Subject: mail {uid}\r\n\r\n".encode(),
        **about,  # type: ignore[arg-type] # as the letter takes it
    )


def row(db: Database, thread: int) -> ThreadRow:
    return threads.thread(db, str(thread))


def subjects(db: Database, thread: int) -> list[str]:
    return [full.row.subject for full in emails.thread_emails(db, thread)]


def one_thread(db: Database, account: Account, inbox: Folder, *mails: NewEmail) -> ThreadRow:
    (thread,) = save(db, account, inbox, *mails).threads
    return row(db, thread)


def told(db: Database, thread: int) -> list[tuple[str | None, str, str]]:
    return [(one.done_by, one.action, one.detail) for one in history.thread_events(db, thread)]


def links_of(db: Database, thread: int) -> set[str]:
    return {link.title for link in links.links(db, [thread])}


# --- merging ------------------------------------------------------------------------------------


@pytest.mark.rule("thread-merge")
def test_a_merge_makes_one_thread_of_several(db: Database, account: Account, inbox: Folder) -> None:
    first, second, third = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2, 3))
    merged = threads_by_hand.merge(db, second, [first, third], now=NOW)
    assert merged.id == second.id
    assert merged.subject == "mail 1"
    assert subjects(db, second.id) == ["mail 1", "mail 2", "mail 3"]
    for gone in (first, third):
        with pytest.raises(NotFound):
            row(db, gone.id)
    assert one_thread(db, account, inbox, mail(4, 3)).id == second.id
    assert told(db, second.id) == [
        ("Ann", "merged", f"{first.id} mail 1"),
        ("Ann", "merged", f"{third.id} mail 3"),
    ]


@pytest.mark.rule("thread-merge")
def test_threads_of_two_accounts_are_not_merged(db: Database, account: Account, inbox: Folder) -> None:
    other = connect(db, "second@example.com")
    first = one_thread(db, account, inbox, mail(1))
    second = one_thread(db, other, folder(db, other), mail(1))
    with pytest.raises(UsageError, match="of second@"):
        threads_by_hand.merge(db, first, [second], now=NOW)
    with pytest.raises(UsageError):
        threads_by_hand.merge(db, first, [first], now=NOW)


@pytest.mark.rule("thread-merge")
def test_of_cyclic_merges_the_second_finds_nothing(db: Database, account: Account, inbox: Folder) -> None:
    first, second = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    threads_by_hand.merge(db, first, [second], now=NOW)
    with pytest.raises(NotFound):
        threads_by_hand.merge(db, second, [first], now=NOW)
    assert subjects(db, first.id) == ["mail 1", "mail 2"]


@pytest.mark.rule("thread-merge-visibility")
@pytest.mark.parametrize("first", list(Visibility))
@pytest.mark.parametrize("second", list(Visibility))
def test_the_stricter_visibility_holds(
    db: Database, account: Account, inbox: Folder, first: Visibility, second: Visibility
) -> None:
    one, other = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    threads.set_visibility(db, one.id, first)
    threads.set_visibility(db, other.id, second)
    strict = Visibility.PRIVATE if Visibility.PRIVATE in {first, second} else Visibility.SHARED
    assert threads_by_hand.merge(db, one, [other], now=NOW).visibility is strict


@pytest.mark.rule("thread-merge-items")
@pytest.mark.parametrize("into", [0, 1])
def test_two_items_that_people_chose_are_both_kept(
    db: Database, account: Account, inbox: Folder, into: int
) -> None:
    one, other = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    for thread, title in ((one, "Small"), (other, "Big")):
        deal = deals.create_deal(db, title=title, contact_ids=[], value=None, currency=None, at=NOW)
        linking.link_thread(db, thread, deal, now=NOW)
    pair = (one, other) if into == 0 else (other, one)
    merged = threads_by_hand.merge(db, pair[0], [pair[1]], now=NOW)
    assert set(merged.deals) == {"Small", "Big"}
    linking.link_thread(db, merged, deals.deal(db, "Big"), now=NOW)
    assert row(db, merged.id).deals == ("Big",)


@pytest.mark.rule("thread-merge-items")
@pytest.mark.parametrize("into", [0, 1])
def test_an_item_of_the_rule_gives_way_to_one_that_a_person_chose(
    db: Database, account: Account, inbox: Folder, into: int
) -> None:
    kim = contacts.create_contact(db, name="Kim", addresses=[KIM])
    made = [
        deals.create_deal(db, title=title, contact_ids=ids, value=None, currency=None, at=NOW)
        for title, ids in (("Small", [kim.id]), ("Big", []))
    ]
    one = one_thread(db, account, inbox, mail(1))
    linking.apply_rule(db, account, [one.id], now=NOW)
    assert row(db, one.id).deals == ("Small",)
    other = one_thread(db, account, inbox, mail(2, sender="lee@example.kr"))
    linking.link_thread(db, other, made[1], now=NOW)
    pair = (one, other) if into == 0 else (other, one)
    assert threads_by_hand.merge(db, pair[0], [pair[1]], now=NOW).deals == ("Big",)


@pytest.mark.rule("thread-merge")
def test_what_was_refused_and_labelled_and_done_is_united(
    db: Database, account: Account, inbox: Folder
) -> None:
    kim = contacts.create_contact(db, name="Kim", addresses=[KIM])
    one, other = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    linking.apply_rule(db, account, [other.id], now=NOW)
    linking.unlink_thread(db, other, kim, now=NOW)
    threads_by_hand.label(db, [one], add=["hot"], remove=[], now=NOW)
    threads_by_hand.label(db, [other], add=["hot", "cold"], remove=[], now=NOW)
    merged = threads_by_hand.merge(db, one, [other], now=NOW)
    assert merged.contacts == ()
    assert merged.labels == ("cold", "hot")
    assert {action for _, action, _ in told(db, one.id)} == {
        *("linked by the rule", "unlinked", "labelled", "merged")
    }


@pytest.mark.rule("thread-merge")
def test_the_rule_looks_at_a_merged_thread_at_once(db: Database, account: Account, inbox: Folder) -> None:
    people = {name: contacts.create_contact(db, name=name, addresses=[f"{name}@example.kr"]) for name in "kl"}
    for name, contact in people.items():
        deals.create_deal(db, title=name, contact_ids=[contact.id], value=None, currency=None, at=NOW)
    one, other = (
        one_thread(db, account, inbox, mail(uid, sender=f"{name}@example.kr"))
        for uid, name in ((1, "k"), (2, "l"))
    )
    merged = threads_by_hand.merge(db, one, [other], now=NOW)
    assert set(merged.contacts) == {"k", "l"}
    assert merged.deals == ()
    (suggestion,) = suggestions.suggestions_of(db, [one.id])
    assert len(suggestion.candidates) == 2


@pytest.mark.rule("thread-merge")
@pytest.mark.parametrize("archived", [{1}, {2}, {1, 2}])
def test_a_merged_thread_is_archived_when_both_were(
    db: Database, account: Account, inbox: Folder, archived: set[int]
) -> None:
    held = {uid: one_thread(db, account, inbox, mail(uid)) for uid in (1, 2)}
    threads_by_hand.archive(db, [held[uid] for uid in archived], now=NOW)
    assert threads_by_hand.merge(db, held[1], [held[2]], now=NOW).archived is (archived == {1, 2})


# --- splitting ----------------------------------------------------------------------------------


@pytest.mark.rule("thread-split")
def test_an_email_leaves_with_all_that_answers_it(db: Database, account: Account, inbox: Folder) -> None:
    thread = one_thread(db, account, inbox, mail(1), mail(2, 1), mail(3, 1), mail(4, 2), mail(5, 1, 2, 4))
    done = threads_by_hand.split(db, thread, 2, now=NOW)
    assert done.moved == 3
    assert subjects(db, thread.id) == ["mail 1", "mail 3"]
    assert subjects(db, done.new.id) == ["mail 2", "mail 4", "mail 5"]
    assert done.thread.last_received_at == NOW + timedelta(minutes=3)
    assert done.new.subject == "mail 2"
    assert told(db, thread.id) == [("Ann", "split", f"into {done.new.id} mail 2")]
    assert told(db, done.new.id) == [("Ann", "split", f"from {thread.id} mail 1")]


@pytest.mark.rule("thread-split")
def test_an_email_leaves_that_answers_one_nobody_has(db: Database, account: Account, inbox: Folder) -> None:
    thread = one_thread(db, account, inbox, mail(1, 9), mail(2, 9), mail(3, 8, 2))
    done = threads_by_hand.split(db, thread, 2, now=NOW)
    assert subjects(db, done.new.id) == ["mail 2", "mail 3"]
    # What both name stays; what the leaving ones alone name goes along.
    assert one_thread(db, account, inbox, mail(4, 9)).id == thread.id
    assert one_thread(db, account, inbox, mail(5, 8)).id == done.new.id


@pytest.mark.rule("thread-split")
def test_what_would_leave_nothing_is_no_split(db: Database, account: Account, inbox: Folder) -> None:
    thread = one_thread(db, account, inbox, mail(1))
    with pytest.raises(UsageError, match="one email only"):
        threads_by_hand.split(db, thread, 1, now=NOW)
    save(db, account, inbox, mail(2, 1))
    with pytest.raises(UsageError, match="every other email answers"):
        threads_by_hand.split(db, thread, 1, now=NOW)
    with pytest.raises(UsageError, match="by its subject"):
        threads_by_hand.split(db, thread, None, now=NOW)
    for number in (0, 3, -1):
        with pytest.raises(NotFound):
            threads_by_hand.split(db, thread, number, now=NOW)
    assert subjects(db, thread.id) == ["mail 1", "mail 2"]


@pytest.mark.rule("thread-split")
@pytest.mark.parametrize("visibility", list(Visibility))
def test_the_new_thread_is_seen_by_the_same_and_has_the_links_of_the_rule_only(
    db: Database, account: Account, inbox: Folder, visibility: Visibility
) -> None:
    kim, lee = (
        contacts.create_contact(db, name=name, addresses=[f"{name.lower()}@example.kr"])
        for name in ("Kim", "Lee")
    )
    deal = deals.create_deal(db, title="Pumps", contact_ids=[], value=None, currency=None, at=NOW)
    thread = one_thread(
        db, account, inbox, mail(1), mail(2, 1, sender="lee@example.kr"), mail(3, 2, sender=KIM)
    )
    linking.apply_rule(db, account, [thread.id], now=NOW)
    linking.link_thread(db, thread, deal, now=NOW)
    linking.unlink_thread(db, thread, kim, now=NOW)
    threads.set_visibility(db, thread.id, visibility)
    done = threads_by_hand.split(db, row(db, thread.id), 2, now=NOW)
    assert done.new.visibility is visibility
    assert links_of(db, thread.id) == {"Lee", "Pumps"}
    # Kim is in it, but what was unlinked never comes back.
    assert links_of(db, done.new.id) == {lee.name}


@pytest.mark.rule("thread-split")
def test_merging_takes_a_split_back(db: Database, account: Account, inbox: Folder) -> None:
    thread = one_thread(db, account, inbox, mail(1), mail(2, 1))
    new = threads_by_hand.split(db, thread, 2, now=NOW).new
    merged = threads_by_hand.merge(db, row(db, thread.id), [new], now=NOW)
    assert subjects(db, merged.id) == ["mail 1", "mail 2"]
    assert threads.splits(db, [thread.id]) == {}
    assert one_thread(db, account, inbox, mail(3, 1, 2)).id == thread.id
    assert [action for _, action, _ in told(db, thread.id)] == ["split", "split", "merged"]


@st.composite
def later_mail(draw: st.DrawFn) -> list[NewEmail]:
    """Draw emails that name those of a stored thread, 1 to 4, and each other."""
    count = draw(st.integers(1, 6))
    named = [draw(st.lists(st.integers(1, 4 + count), max_size=3)) for _ in range(count)]
    return [mail(5 + number, *names) for number, names in enumerate(named)]


@pytest.fixture
def boxes(db: Database) -> Mailboxes:
    return Mailboxes(db)


def in_batches(data: st.DataObject, mails: Sequence[NewEmail]) -> list[Sequence[NewEmail]]:
    order = data.draw(st.permutations(mails))
    cuts = sorted({0, len(order), *data.draw(st.sets(st.integers(0, len(order)), max_size=3))})
    return [order[start:end] for start, end in pairwise(cuts)]


@pytest.mark.rule("thread-split")
@given(mails=later_mail(), data=st.data())
@settings(max_examples=settings().max_examples // 3)
def test_no_mail_unites_what_a_person_split(
    boxes: Mailboxes, mails: list[NewEmail], data: st.DataObject
) -> None:
    db = boxes.db
    account, inbox = boxes.fresh()
    thread = one_thread(db, account, inbox, mail(1), mail(2, 1), mail(3, 2), mail(4, 1))
    number = data.draw(st.sampled_from([2, 3, 4]))
    new = threads_by_hand.split(db, thread, number, now=NOW).new
    left, gone = set(subjects(db, thread.id)), set(subjects(db, new.id))
    for batch in in_batches(data, mails):
        save(db, account, inbox, *batch)
    held = [set(subjects(db, one)) for one in links.threads_of_account(db, account, since=None)]
    assert sum(map(len, held)) == 4 + len(mails)
    assert not [names for names in held if names & left and names & gone]
    assert [names for names in held if names >= left]
    assert [names for names in held if names >= gone]


# --- the archive and labels ---------------------------------------------------------------------


def inbox_of(db: Database, *, archived: bool = False, label: Label | None = None) -> list[str]:
    found = threads.inbox(
        db, account_id=None, unlinked=False, unread=False, limit=9, archived=archived, label=label
    )
    return [one.subject for one in found]


@pytest.mark.rule("thread-archive")
def test_an_archived_thread_leaves_the_inbox_until_somebody_writes(
    db: Database, account: Account, inbox: Folder
) -> None:
    thread = one_thread(db, account, inbox, mail(2))
    save(db, account, inbox, mail(3))
    assert [one.id for one in threads_by_hand.archive(db, [thread], now=NOW)] == [thread.id]
    assert threads_by_hand.archive(db, [row(db, thread.id)], now=NOW) == []
    assert (inbox_of(db), inbox_of(db, archived=True)) == (["mail 3"], ["mail 2"])
    ours = mail(4, 2, sender=FIRST)
    save(
        db, account, inbox, NewEmail(source=ours.source, content=content(ours.content.parsed, Direction.OUT))
    )
    save(db, account, inbox, mail(1, 2))
    assert row(db, thread.id).archived, "our own mail, and older mail, bring nothing back"
    save(db, account, inbox, mail(5, 2))
    assert not row(db, thread.id).archived
    threads_by_hand.archive(db, [row(db, thread.id)], now=NOW)
    threads_by_hand.unarchive(db, [row(db, thread.id)], now=NOW)
    assert inbox_of(db, archived=True) == []
    assert [action for _, action, _ in told(db, thread.id)] == ["archived", "archived", "unarchived"]


@pytest.mark.rule("thread-label")
def test_labels_are_put_on_and_taken_off(db: Database, account: Account, inbox: Folder) -> None:
    one, other = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    threads_by_hand.label(db, [one, other], add=["Hot lead", "이벤트"], remove=[], now=NOW)
    threads_by_hand.label(db, [one], add=["hot LEAD"], remove=["이벤트"], now=NOW)
    assert row(db, one.id).labels == ("Hot lead",)
    assert row(db, other.id).labels == ("Hot lead", "이벤트")
    assert inbox_of(db, label=labels.label(db, "이벤트")) == ["mail 2"]
    assert told(db, one.id) == [
        ("Ann", "labelled", "Hot lead"),
        ("Ann", "labelled", "이벤트"),
        ("Ann", "unlabelled", "이벤트"),
    ]
    with pytest.raises(NotFound):
        threads_by_hand.label(db, [one], add=["new"], remove=["nothing"], now=NOW)
    assert row(db, one.id).labels == ("Hot lead",)


# --- who may, and what is told ------------------------------------------------------------------


@pytest.mark.rule("history-thread")
def test_a_colleague_reads_the_labels_but_changes_nothing_and_learns_nothing_of_what_was_done(
    store: Store,
) -> None:
    db, bob = store.as_member(FIRST), store.add_member(BOB)
    account = connect(db, FIRST)
    inbox = folder(db, account)
    contacts.create_contact(db, name="Kim", addresses=[KIM])
    one, other = (one_thread(db, account, inbox, mail(uid)) for uid in (1, 2))
    save(db, account, inbox, mail(3, 1))
    linking.apply_rule(db, account, [one.id, other.id], now=NOW)
    for thread in (one, other):
        sharing.share_thread(db, thread, now=NOW)
    threads_by_hand.label(db, [one], add=["hot"], remove=[], now=NOW)
    seen = row(bob, one.id)
    assert seen.labels == ("hot",)
    assert history.thread_events(bob, one.id) == []
    with pytest.raises(NotPermitted):
        threads_by_hand.merge(bob, seen, [row(bob, other.id)], now=NOW)
    with pytest.raises(NotPermitted):
        threads_by_hand.split(bob, seen, 2, now=NOW)
    with pytest.raises(NotPermitted):
        threads_by_hand.archive(bob, [seen], now=NOW)
    with pytest.raises(NotPermitted):
        threads_by_hand.label(bob, [seen], add=["x"], remove=[], now=NOW)
    assert row(db, one.id).labels == ("hot",)


@pytest.mark.rule("history-thread")
def test_the_history_tells_what_people_and_the_rule_did(
    db: Database, account: Account, inbox: Folder
) -> None:
    kim = contacts.create_contact(db, name="Kim", addresses=[KIM])
    deal = deals.create_deal(db, title="Pumps", contact_ids=[], value=None, currency=None, at=NOW)
    thread = one_thread(db, account, inbox, mail(1))
    linking.apply_rule(db, account, [thread.id], now=NOW - timedelta(hours=1))
    linking.link_thread(db, thread, deal, now=NOW)
    sharing.share_thread(db, thread, now=NOW + timedelta(hours=1))
    sharing.share_thread(db, row(db, thread.id), now=NOW + timedelta(hours=2))
    sharing.privatize_thread(db, row(db, thread.id), now=NOW + timedelta(hours=3))
    linking.unlink_thread(db, thread, deal, now=NOW + timedelta(hours=4))
    assert told(db, thread.id) == [
        ("Ann", "linked by the rule", f"contact {kim.id} Kim"),
        ("Ann", "linked", f"deal {deal.id} Pumps"),
        ("Ann", "shared", ""),
        ("Ann", "privatized", ""),
        ("Ann", "unlinked", f"deal {deal.id} Pumps"),
    ]

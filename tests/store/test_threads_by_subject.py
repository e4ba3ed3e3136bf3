from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import threads_by_hand
from mailcrm.core.errors import UsageError
from mailcrm.core.model import Account, Direction, Folder, ParticipantRole, Visibility
from mailcrm.linking import apply_rule_where_due
from mailcrm.store import Database, emails, history, links, threads
from mailcrm.store.contents import content
from mailcrm.store.emails import NewEmail
from mailcrm.threads_by_subject import join_by_subject
from tests.conftest import FIRST, NOW
from tests.store.worlds import Mailboxes, connect, folder, letter, save

KIM, LEE = "kim@example.kr", "lee@example.kr"


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


@pytest.fixture
def boxes(db: Database) -> Mailboxes:
    return Mailboxes(db)


def mail(
    uid: int,
    subject: str = "Re: price list",
    *named: int,
    day: float = 0,
    who: str = KIM,
    out: bool = False,
    own: str = FIRST,
) -> NewEmail:
    """Return an email from or to `who`, whose preview is its number; its source says what it names."""
    references = [f"{each}@example.org" for each in named]
    field = f"References: {' '.join(f'<{name}>' for name in references)}\r\n" if references else ""
    ends = (own, who) if out else (who, own)
    made = letter(
        uid,
        f"{uid}@example.org",
        references=references,
        subject=subject,
        text=str(uid),
        received_at=NOW + timedelta(days=day, minutes=uid),
        people={ParticipantRole.FROM: ends[0], ParticipantRole.TO: ends[1]},
        raw=f"Message-ID: <{uid}@example.org>\r\n{field}Subject: {subject}\r\n\r\n{uid}".encode(),
    )
    direction = Direction.OUT if out else Direction.IN
    return NewEmail(source=made.source, content=content(made.content.parsed, direction))


def sync(db: Database, account: Account, inbox: Folder, *mails: NewEmail) -> None:
    """Save emails and do what the end of a sync does."""
    if mails:
        save(db, account, inbox, *mails)
    due = links.due_threads(db, account)
    join_by_subject(db, account, due)
    apply_rule_where_due(db, account, now=NOW)


def partition(db: Database, account: Account) -> set[frozenset[int]]:
    return {
        frozenset(int(full.row.preview) for full in emails.thread_emails(db, thread))
        for thread in links.threads_of_account(db, account, since=None)
    }


def groups(*held: Iterable[int]) -> set[frozenset[int]]:
    return {frozenset(numbers) for numbers in held}


def joined(db: Database, account: Account) -> set[int]:
    """Return the emails that stand in their thread by subject."""
    return {
        int(full.row.preview)
        for thread in links.threads_of_account(db, account, since=None)
        for full in emails.thread_emails(db, thread)
        if full.row.id in emails.joined_by_subject(db, thread)
    }


# --- when it joins ------------------------------------------------------------------------------


@pytest.mark.rule("thread-subject")
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("first", "reply"),
    [
        pytest.param(mail(1, "Price list"), mail(2, "Re: price list", out=True), id="we answer"),
        pytest.param(mail(1, "Price list", out=True), mail(2, "AW: Price List"), id="they answer"),
        pytest.param(mail(1, "견적서 요청드립니다"), mail(2, "회신: 견적서 요청드립니다"), id="Korean"),
        pytest.param(
            mail(1, "Re: price list", 99), mail(2, "RE: Re: price list"), id="its thread began before"
        ),
        pytest.param(mail(1, "price list"), mail(2, day=29.9), id="within 30 days"),
    ],
)
def test_a_reply_that_names_nothing_joins(
    db: Database,
    account: Account,
    inbox: Folder,
    first: NewEmail,
    reply: NewEmail,
    late: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    for one in (reply, first) if late else (first, reply):
        sync(db, account, inbox, one)
    assert partition(db, account) == groups([1, 2])
    assert joined(db, account) == {2}


@pytest.mark.rule("thread-subject")
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(mail(2, "price list"), id="no reply"),
        pytest.param(mail(2, "Fwd: price list"), id="forwarded"),
        pytest.param(mail(2, "Re: price list", 99), id="names another email"),
        pytest.param(mail(2, who=LEE), id="somebody else"),
        pytest.param(mail(2, day=30.1), id="too late"),
        pytest.param(mail(2, day=-1), id="before the email"),
        pytest.param(mail(2, "Re: price lists"), id="another subject"),
    ],
)
def test_an_email_does_not_join(db: Database, account: Account, inbox: Folder, reply: NewEmail) -> None:
    sync(db, account, inbox, mail(1, "price list"), reply)
    assert partition(db, account) == groups([1], [2])
    assert joined(db, account) == set()


@pytest.mark.rule("thread-subject")
def test_a_short_subject_joins_nothing(db: Database, account: Account, inbox: Folder) -> None:
    sync(db, account, inbox, mail(1, "invoice"), mail(2, "Re: invoice"))
    assert partition(db, account) == groups([1], [2])


@pytest.mark.rule("thread-subject")
def test_a_colleague_in_two_conversations_does_not_make_them_one(
    db: Database, account: Account, inbox: Folder
) -> None:
    connect(db, "second@example.com")
    sync(db, account, inbox, mail(1, "price list", who="second@example.com"))
    sync(db, account, inbox, mail(2, who="second@example.com"))
    assert partition(db, account) == groups([1], [2])


@pytest.mark.rule("thread-subject")
def test_each_account_has_its_own_thread(db: Database, account: Account, inbox: Folder) -> None:
    other = connect(db, "second@example.com")
    sync(db, account, inbox, mail(1, "price list"))
    sync(db, other, folder(db, other), mail(2))
    assert partition(db, account) == groups([1])


@pytest.mark.rule("thread-subject")
def test_a_reply_leaves_for_a_nearer_email_that_comes_later(
    db: Database, account: Account, inbox: Folder
) -> None:
    sync(db, account, inbox, mail(1, "price list"), mail(5), mail(6, "Re: price list", 5))
    assert partition(db, account) == groups([1, 5, 6])
    sync(db, account, inbox, mail(3, "price list"))
    assert partition(db, account) == groups([1], [3, 5, 6])
    assert joined(db, account) == {5}
    sync(db, account, inbox, mail(7, "Re: price list", 6), mail(8, "Re: price list", 1))
    assert partition(db, account) == groups([1, 8], [3, 5, 6, 7])


@pytest.mark.rule("thread-subject")
@pytest.mark.rule("thread-merge-visibility")
def test_a_private_email_that_joins_makes_the_thread_private(
    db: Database, account: Account, inbox: Folder
) -> None:
    sync(db, account, inbox, mail(1, "price list"))
    (thread,) = links.threads_of_account(db, account, since=None)
    threads.set_visibility(db, thread, Visibility.SHARED)
    sync(db, account, inbox, mail(2))
    assert threads.thread(db, str(thread)).visibility is Visibility.PRIVATE
    assert history.thread_events(db, thread) == []


# --- order does not matter ----------------------------------------------------------------------

SUBJECTS = ("price list", "Re: price list", "AW: order 4711")
Shape = tuple[str, list[int], int, str, bool]


def by_definition(shapes: Sequence[Shape]) -> tuple[set[frozenset[int]], set[int]]:
    """Return the threads, and who joined by subject, of emails numbered from 1."""
    held = [{number, *named} for number, (_, named, *_) in enumerate(shapes, start=1)]
    moments = {number: (day, number) for number, (_, _, day, *_) in enumerate(shapes, start=1)}
    edges = []
    for number, (subject, named, day, who, _) in enumerate(shapes, start=1):
        if not subject.startswith(("Re", "AW")) or named:
            continue
        fitting = [
            other
            for other, (its, _, its_day, its_who, _) in enumerate(shapes, start=1)
            if its.rpartition(": ")[2] == subject.rpartition(": ")[2]
            and its_who == who
            and moments[other] < moments[number]
            and (day - its_day) * 1440 + number - other <= 30 * 1440
        ]
        if fitting:
            edges.append((number, max(fitting, key=moments.__getitem__)))
    held += [set(edge) for edge in edges]
    found: list[set[int]] = []
    for ids in held:
        whole = set(ids)
        for other in [group for group in found if group & ids]:
            found.remove(other)
            whole |= other
        found.append(whole)
    real = set(range(1, len(shapes) + 1))
    return {frozenset(group & real) for group in found}, {number for number, _ in edges}


shapes = st.lists(
    st.tuples(
        # One subject mostly, so that emails have to do with each other.
        st.sampled_from(SUBJECTS[:2]) | st.sampled_from(SUBJECTS),
        st.just([]) | st.just([]) | st.lists(st.integers(1, 8), max_size=2),
        st.just(0) | st.sampled_from([0, 20, 40]),
        st.just(KIM) | st.sampled_from([KIM, LEE]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.rule("thread-subject")
@pytest.mark.rule("thread-references")
@given(shapes=shapes, data=st.data())
@settings(max_examples=settings().max_examples // 2)
def test_threads_by_subject_do_not_depend_on_the_order_of_arrival(
    boxes: Mailboxes, shapes: list[Shape], data: st.DataObject
) -> None:
    db = boxes.db
    account, inbox = boxes.fresh()
    mails = [
        mail(number, subject, *named, day=day, who=who, out=out, own=account.address)
        for number, (subject, named, day, who, out) in enumerate(shapes, start=1)
    ]
    order = data.draw(st.permutations(mails))
    some = st.sets(st.integers(0, len(order)), max_size=3)
    cuts = sorted({0, len(order), *data.draw(st.just(range(len(order))) | some)})
    for start, end in pairwise(cuts):
        sync(db, account, inbox, *order[start:end])
    assert (partition(db, account), joined(db, account)) == by_definition(shapes)
    sync(db, account, inbox)
    assert (partition(db, account), joined(db, account)) == by_definition(shapes)


# --- what a person says ---------------------------------------------------------------------------


def only_thread(db: Database, account: Account) -> int:
    (thread,) = links.threads_of_account(db, account, since=None)
    return thread


@pytest.mark.rule("thread-subject")
@pytest.mark.rule("thread-split")
def test_a_split_undoes_what_the_subject_joined_for_good(
    db: Database, account: Account, inbox: Folder
) -> None:
    sync(db, account, inbox, mail(1, "price list"), mail(2), mail(3, "Re: price list", 2), mail(4, "x", 1))
    thread = threads.thread(db, str(only_thread(db, account)))
    done = threads_by_hand.split(db, thread, None, now=NOW)
    assert done.moved == 2
    for later in (mail(5, "Re: price list", 3), mail(6, "Re: price list", 1, 2), mail(7, "price list", 4)):
        sync(db, account, inbox, later)
    assert partition(db, account) == groups([1, 4, 7], [2, 3, 5, 6])
    assert joined(db, account) == set()
    with pytest.raises(UsageError):
        threads_by_hand.split(db, threads.thread(db, str(thread.id)), None, now=NOW)


@pytest.mark.rule("thread-split")
def test_a_later_reply_by_subject_does_not_unite_what_a_person_split(
    db: Database, account: Account, inbox: Folder
) -> None:
    sync(
        db, account, inbox, mail(1, "price list"), mail(2, "Re: price list", 1), mail(3, "Re: price list", 1)
    )
    threads_by_hand.split(db, threads.thread(db, str(only_thread(db, account))), 2, now=NOW)
    # It names nothing and is nearest to 3; then an email ties it to 2 by id.
    sync(db, account, inbox, mail(4))
    assert partition(db, account) == groups([1, 3, 4], [2])
    sync(db, account, inbox, mail(5, "Re: price list", 4, 2))
    assert not [held for held in partition(db, account) if held >= {1, 2}]


@pytest.mark.rule("thread-merge")
def test_what_a_person_merged_stays_together_whatever_subjects_tell(
    db: Database, account: Account, inbox: Folder
) -> None:
    sync(db, account, inbox, mail(1, "something else"), mail(5))
    first, second = (
        threads.thread(db, str(thread)) for thread in links.threads_of_account(db, account, since=None)
    )
    threads_by_hand.merge(db, first, [second], now=NOW)
    sync(db, account, inbox, mail(3, "price list"))
    assert partition(db, account) == groups([1, 5], [3])

"""Searching by conditions: the same answer on both databases, and what Python says of the same mail."""

import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import sharing
from mailcrm.core.model import (
    Account,
    Contact,
    Deal,
    Direction,
    Folder,
    FolderRole,
    Lead,
    LinkOrigin,
    Participant,
    ParticipantRole,
    Visibility,
)
from mailcrm.core.parsed import Attachment
from mailcrm.core.query import (
    VALUES,
    And,
    Condition,
    Not,
    Operator,
    Or,
    Part,
    Query,
    Words,
    parse_query,
    written,
)
from mailcrm.store import Database, contacts, deals, history, leads, links, open_database, search, threads
from mailcrm.store.alike import Alike
from mailcrm.store.contents import content
from mailcrm.store.database import NEWEST, AllOf, Holds, composed, raw_conditions
from mailcrm.store.emails import NewEmail
from mailcrm.store.location import is_postgres, sqlite_path
from mailcrm.store.migrate import create_first_member, migrate
from mailcrm.store.sqlite import EACH, TOKENS
from tests.conftest import FIRST, NOW, Store, _login_maker, login_of
from tests.servers.postgres import PostgresServer
from tests.store.worlds import connect, folder, letter, save

pytestmark = pytest.mark.rule("search-operators")

DAY = timedelta(days=1)


def run(url: str, statement: str, *values: object) -> None:
    """Change a store as the owner of its schema."""
    if is_postgres(url):
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(statement.replace("?", "%s"), values)
    else:
        with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as file:
            file.execute(statement, values)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """An email and all that a condition may ask of it, each in a thread of its own."""

    subject: str = "pump"
    text: str = "hello"
    sender: tuple[str, str] = ("Kim", "kim@example.kr")
    second_author: tuple[str, str] | None = None
    to: tuple[str, str] = ("Ann", "ann@example.com")
    cc: tuple[str, str] | None = None
    file: str | None = None
    days: int = 1
    size: int = 100
    seen: bool = False
    archive: bool = False
    shared: bool = False
    archived: bool = False
    contact: bool = False
    deal: bool = False
    lead: bool = False
    label: bool = False

    def email(self, uid: int) -> NewEmail:
        """Return it as a sync would store it."""
        people = [(ParticipantRole.FROM, self.sender), (ParticipantRole.TO, self.to)]
        if self.second_author is not None:
            people.append((ParticipantRole.FROM, self.second_author))
        if self.cc is not None:
            people.append((ParticipantRole.CC, self.cc))
        file = Attachment(part_id="2", name=self.file or "", type="application/pdf", size=5, inline=False)
        made = letter(
            uid,
            f"{uid}@example.org",
            subject=self.subject,
            text=self.text,
            received_at=NOW - self.days * DAY,
            raw=str(uid).encode().ljust(self.size, b" "),
            attachments=[file] if self.file is not None else (),
            flags={"\\Seen"} if self.seen else (),
            from_ambiguous=self.second_author is not None,
        )
        parsed = replace(
            made.content.parsed,
            participants=tuple(Participant(role=role, name=n, address=a) for role, (n, a) in people),
        )
        return NewEmail(source=made.source, content=content(parsed, Direction.IN))


class Desk:
    """A store with one viewer, records to link to, and mailboxes to fill and search."""

    def __init__(self, db: Database, url: str) -> None:
        self.db = db
        self.url = url
        self._boxes = 0
        run(url, "INSERT INTO main.organization (id, name, notes) VALUES (7, ?, '')", "Élan 50% (Seoul)")
        run(url, "INSERT INTO main.organization_domain VALUES ('elan.example.kr', 7)")
        run(url, "INSERT INTO main.label (id, name) VALUES (5, 'Wichtig')")
        self.contact: Contact = contacts.create_contact(db, name="Kim Minji", addresses=["kim@example.kr"])
        self.deal: Deal = deals.create_deal(
            db, title="Pumps_for Seoul", contact_ids=(), value=None, currency=None, at=NOW
        )
        self.lead: Lead = leads.create_lead(
            db, title="Ventile Ü", contact_ids=(), value=None, currency=None, at=NOW
        )
        run(url, "UPDATE main.contact SET organization_id = 7")

    def fill(self, *mails: Mail) -> tuple[Account, list[NewEmail]]:
        """Put mails into a fresh account."""
        self._boxes += 1
        account = connect(self.db, f"box{self._boxes}@example.com")
        inbox = folder(self.db, account)
        archive = folder(self.db, account, "Alt/Archiv", FolderRole.ARCHIVE)
        made = [mail.email(uid) for uid, mail in enumerate(mails, 1)]
        for place, chosen in ((inbox, False), (archive, True)):
            save(
                self.db,
                account,
                place,
                *(one for one, mail in zip(made, mails, strict=True) if mail.archive is chosen),
            )
        found = search.matching_threads(self.db, on(Operator.ACCOUNT, account.address))
        by_uid = {}
        for match in found:
            (row,) = self.db.read("thread_emails", thread_id=match.id)
            by_uid[int(row["message_id"].partition("@")[0])] = match.id
        for uid, mail in enumerate(mails, 1):
            self._mark(by_uid[uid], mail)
        return account, made

    def _mark(self, thread: int, mail: Mail) -> None:
        for wanted, record in ((mail.contact, self.contact), (mail.deal, self.deal), (mail.lead, self.lead)):
            if wanted:
                links.add_link(self.db, thread, record, LinkOrigin.MANUAL, at=NOW)
        if mail.shared:
            threads.set_visibility(self.db, thread, Visibility.SHARED)
        if mail.archived:
            run(self.url, "UPDATE main.thread SET archived = TRUE WHERE id = ?", thread)
        if mail.label:
            run(self.url, "INSERT INTO main.thread_label VALUES (?, 5)", thread)

    def found(self, account: Account, query: Query) -> list[int]:
        """Return which mails of an account a query finds, by number."""
        return [
            int((hit.message_id or "").partition("@")[0])
            for hit in search.search_emails(self.db, query, limit=10_000)
            if hit.account == account.address
        ]


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[list[Desk]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('search') / 'mailcrm.db'}"
    migrate(url)
    create_first_member(url, name="Ann", address=FIRST, login=None)
    other = postgres.create_database()
    migrate(other)
    login = login_of(FIRST)
    login_url = _login_maker(postgres, other)(login)
    create_first_member(other, name="Ann", address=FIRST, login=login)
    with (
        closing(open_database(url, viewer=None)) as first,
        closing(open_database(login_url, viewer=None)) as second,
    ):
        yield [Desk(first, url), Desk(second, other)]


def on(operator: Operator, value: str | int | datetime) -> Condition:
    return Condition(operator=operator, value=value)


def ask(text: str) -> Query:
    return parse_query(text, NOW)


MAILS = (
    Mail(
        subject="Angebot pump",
        text="invoice attached",
        file="Rechnung_Ä.pdf",
        size=5_000,
        deal=True,
        seen=True,
    ),
    Mail(
        sender=("Émile 100%", "emile@example.org"),
        cc=("Lee", "lee@example.kr"),
        shared=True,
        contact=True,
        days=40,
    ),
    Mail(
        sender=("A", "a@example.com"),
        second_author=("Hidden", "hidden@example.com"),
        archive=True,
        label=True,
    ),
    Mail(
        to=("Bob", "bob@example.com"),
        text="invoice angebot 견적서",
        lead=True,
        archived=True,
        days=100,
        size=2_000,
    ),
)


@pytest.fixture(scope="module")
def filled(desks: list[Desk]) -> list[tuple[Desk, Account]]:
    return [(desk, desk.fill(*MAILS)[0]) for desk in desks]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from:kim", {1, 4}),
        ("from:KIM@EXAMPLE.kr", {1, 4}),
        ("from:émile", {2}),
        ("from:ÉMILE", {2}),
        ("from:emile", {2}),  # the address; accents count
        ('from:"100%"', {2}),
        ("from:1%", set()),
        ("from:k_m", set()),
        ("from:*", set()),
        ("from:.", {1, 2, 3, 4}),
        ("from:hidden", {3}),
        ("to:bob", {4}),
        ("cc:lee", {2}),
        ("cc:bob", set()),
        ("subject:angebot", {1}),
        ("body:angebot", {4}),
        ("angebot", {1, 4}),
        ("subject:ang", {1}),
        ("body:견적", {4}),
        ("has:attachment", {1}),
        ("filename:RECHNUNG_ä", {1}),
        ("filename:rechnungx", set()),
        ("contact:minji", {2}),
        ("contact:kim@example", {2}),
        ('org:"élan 50%"', {2}),
        ("org:7", {2}),
        ("org:8", set()),
        ("org:elan.example", {2}),
        ("deal:pumps_for", {1}),
        ("deal:pumpsxfor", set()),
        ("lead:ü", {4}),
        ("folder:inbox", {1, 2, 4}),
        ("folder:archive", {3}),
        ("folder:alt/archiv", {3}),
        ("folder:archiv", set()),  # a folder is named whole
        ("label:WICHTIG", {3}),
        ("label:wicht", set()),
        ("is:unread", {2, 3, 4}),
        ("is:shared", {2}),
        ("is:private", {1, 3, 4}),
        ("is:linked", {1, 2, 4}),
        ("is:unlinked", {3}),
        ("is:archived", {4}),
        ("-is:archived", {1, 2, 3}),
        ("after:30d", {1, 3}),
        ("before:30d", {2, 4}),
        ("before:3months", {4}),
        ("after:2026-06-14", {1, 3}),
        ("larger:2k", {1, 4}),
        ("larger:2001", {1}),
        ("smaller:2k", {2, 3}),
        ("from:kim invoice", {1, 4}),
        ("from:kim invoice -subject:angebot", {4}),
        ("invoice has:attachment", {1}),
        ("invoice OR cc:lee", {1, 2, 4}),
        ("(angebot OR cc:lee) -is:archived", {1, 2}),
        ("-(invoice OR cc:lee)", {3}),
        ("-invoice after:30d", {3}),
        ("angebot -invoice", set()),
        ("invoice -(hello OR is:archived)", {1}),
        ("(invoice OR pump) from:kim", {1, 4}),
        ("is:unread -(-is:shared)", {2}),
    ],
)
def test_an_operator_finds_the_same_on_both_databases(
    filled: list[tuple[Desk, Account]], text: str, found: set[int]
) -> None:
    for desk, account in filled:
        assert set(desk.found(account, ask(text))) == found


def test_a_record_is_named_by_its_number_or_by_text(filled: list[tuple[Desk, Account]]) -> None:
    for desk, account in filled:
        assert desk.found(account, on(Operator.CONTACT, desk.contact.id)) == [2]
        assert desk.found(account, on(Operator.DEAL, desk.deal.id)) == [1]
        assert desk.found(account, on(Operator.LEAD, desk.lead.id)) == [4]
        assert desk.found(account, on(Operator.DEAL, str(desk.deal.id))) == []


def test_without_words_the_newest_come_first(filled: list[tuple[Desk, Account]]) -> None:
    for desk, account in filled:
        assert desk.found(account, ask("from:kim OR cc:lee")) == [1, 2, 4]


def test_conditions_beside_words_lose_nothing_to_newer_mail(desks: list[Desk]) -> None:
    for desk in desks:
        old = Mail(subject="zebra", sender=("Rare", "rare@example.org"), days=300)
        account, _ = desk.fill(old)
        inbox = next(one for one in _folders(desk.db, account) if one.path == "INBOX")
        save(
            desk.db,
            account,
            inbox,
            *(letter(n, f"{n}@example.org", subject="zebra") for n in range(10, NEWEST + 20)),
        )
        (hit,) = search.search_emails(desk.db, ask("zebra from:rare"), limit=5)
        assert hit.sender == "rare@example.org"
        assert len(search.search_emails(desk.db, ask("zebra OR from:rare"), limit=5)) == 5


def _folders(db: Database, account: Account) -> Sequence[Folder]:
    from mailcrm.store.folders import folders

    return folders(db, account)


def test_the_deepest_and_the_longest_query_can_be_asked(filled: list[tuple[Desk, Account]]) -> None:
    deep = "from:kim" + "".join(f" (to:x{n} OR -(is:unread" for n in range(7)) + ")" * 14
    long = " OR ".join(f"(from:x{n} -word{n})" for n in range(50))
    for desk, account in filled:
        for text in (deep, long, "is:linked " * 100, "from:" + "é" * 1_900):
            assert isinstance(desk.found(account, ask(text)), list)


def test_a_value_never_stands_in_the_statement() -> None:
    value = "Robert'); DROP TABLE email; --"
    where = AllOf(tuple(Holds(name=name, value=value) for name in raw_conditions()))
    text, values = composed("search_newest", where, TOKENS, EACH)
    assert "Robert" not in text
    assert set(values.values()) == {value}
    assert "main." not in text
    assert "{" not in text.replace("{each", "")


# --- the same as Python says ---------------------------------------------------------------------

NAMES = st.sampled_from(
    ["Kim", "kIM", "Éva", "éva", "İpek", "ipek", "Straße", "50%", "a_b", "金", "", "[x]*"]
)
PEOPLE = st.tuples(NAMES, st.sampled_from(["kim@example.kr", "eva@example.org", "x_y@example.com"]))
TEXTS = st.lists(st.sampled_from(["red", "Apple", "견적서", "견", "reddish"]), min_size=1, max_size=3).map(
    " ".join
)
FLAGS = st.booleans()
RANDOM_MAILS = st.builds(
    Mail,
    subject=TEXTS,
    text=TEXTS,
    sender=PEOPLE,
    second_author=st.none() | PEOPLE,
    to=PEOPLE,
    cc=st.none() | PEOPLE,
    file=st.none() | st.sampled_from(["Éva.pdf", "a_b.txt", "red.doc"]),
    days=st.integers(0, 4),
    size=st.sampled_from([100, 1_000, 5_000]),
    seen=FLAGS,
    archive=FLAGS,
    shared=FLAGS,
    archived=FLAGS,
    contact=FLAGS,
    deal=FLAGS,
    lead=FLAGS,
    label=FLAGS,
    # A thread has one item.
).map(lambda mail: replace(mail, lead=mail.lead and not mail.deal))
SOUGHT = st.sampled_from(
    ["kim", "É", "é", "i", "İ", "ß", "SS", "%", "_", "[", "*", "example", "金", "x_y", "éva.pdf"]
)
CONDITIONS = st.one_of(
    st.builds(on, st.sampled_from([Operator.FROM, Operator.TO, Operator.CC, Operator.FILENAME]), SOUGHT),
    st.builds(
        on,
        st.sampled_from([Operator.CONTACT, Operator.ORG, Operator.DEAL, Operator.LEAD]),
        SOUGHT | st.just(7),
    ),
    st.sampled_from(Operator)
    .filter(VALUES.__contains__)
    .flatmap(lambda operator: st.sampled_from(VALUES[operator]).map(lambda value: on(operator, value))),
    st.builds(
        on, st.just(Operator.FOLDER), st.sampled_from(["INBOX", "inbox", "archive", "Alt/Archiv", "x"])
    ),
    st.builds(on, st.just(Operator.LABEL), st.sampled_from(["wichtig", "x"])),
    st.builds(
        on,
        st.sampled_from([Operator.AFTER, Operator.BEFORE]),
        st.integers(0, 4).map(lambda days: NOW - days * DAY),
    ),
    st.builds(on, st.sampled_from([Operator.LARGER, Operator.SMALLER]), st.sampled_from([100, 1_000, 1_001])),
)
WORDS = st.builds(
    Words,
    text=st.sampled_from(["red", "apple", "견적", "견", "red apple", "kim", "redd", "eva"]),
    part=st.none() | st.sampled_from(Part),
    unfinished=FLAGS,
)
QUERIES: st.SearchStrategy[Query] = st.recursive(
    CONDITIONS | WORDS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


def contains(text: str, value: str) -> bool:
    """Say the rule of names plainly: letter by letter the same, in this case or the other."""

    def same(one: str, other: str) -> bool:
        return one == other or (len(one.lower()) == 1 and one.lower() == other.lower())

    return any(
        all(same(*pair) for pair in zip(value, text[start : start + len(value)], strict=True))
        for start in range(len(text) - len(value) + 1)
    )


def holds(query: Query, mail: Mail, email: NewEmail, desk: Desk) -> bool:
    match query:
        case And(parts=parts):
            return all(holds(part, mail, email, desk) for part in parts)
        case Or(parts=parts):
            return any(holds(part, mail, email, desk) for part in parts)
        case Not(part=part):
            return not holds(part, mail, email, desk)
        case Words():
            return has_words(query, email)
        case Condition(operator=operator, value=value):
            return meets(operator, value, mail, desk)


def has_words(words: Words, email: NewEmail) -> bool:
    said = email.content
    parts = {Part.SUBJECT: [said.subject], Part.BODY: [said.body.text()]}
    texts = parts[words.part] if words.part else [said.subject, said.people, said.body.text()]
    wanted = words.phrase

    def at(found: list[str], start: int) -> bool:
        *first, last = found[start : start + len(wanted.terms)]
        return (*first,) == wanted.terms[:-1] and (
            last == wanted.terms[-1] or (wanted.prefix and last.startswith(wanted.terms[-1]))
        )

    return any(
        at(text.split(), start)
        for text in texts
        for start in range(len(text.split()) - len(wanted.terms) + 1)
    )


def meets(operator: Operator, value: str | int | datetime, mail: Mail, desk: Desk) -> bool:
    match value:
        case datetime():
            received = NOW - mail.days * DAY
            return received >= value if operator is Operator.AFTER else received < value
        case int():
            return {
                Operator.LARGER: mail.size >= value,
                Operator.SMALLER: mail.size < value,
                Operator.CONTACT: mail.contact and value == desk.contact.id,
                Operator.ORG: mail.contact and value == 7,
                Operator.DEAL: mail.deal and value == desk.deal.id,
                Operator.LEAD: mail.lead and value == desk.lead.id,
            }[operator]
    linked = mail.contact or mail.deal or mail.lead
    whole = {
        "attachment": mail.file is not None,
        "unread": not mail.seen,
        "shared": mail.shared,
        "private": not mail.shared,
        "linked": linked,
        "unlinked": not linked,
        "archived": mail.archived,
    }
    match operator:
        case Operator.HAS | Operator.IS:
            return whole[value]
        case Operator.LABEL:
            return mail.label and value.lower() == "wichtig"
        case Operator.FOLDER:
            return value.lower() in ({"alt/archiv", "archive"} if mail.archive else {"inbox"})
        case _:
            return any(contains(text, value) for text in asked(operator, mail, desk))


def asked(operator: Operator, mail: Mail, desk: Desk) -> Sequence[str]:
    """Return the texts in which an operator looks for its value."""
    texts: dict[Operator, Callable[[], Sequence[str]]] = {
        Operator.FROM: lambda: (*mail.sender, *(mail.second_author or ())),
        Operator.TO: lambda: mail.to,
        Operator.CC: lambda: mail.cc or (),
        Operator.FILENAME: lambda: (mail.file,) if mail.file else (),
        Operator.CONTACT: lambda: (desk.contact.name, *desk.contact.addresses) if mail.contact else (),
        Operator.ORG: lambda: ("Élan 50% (Seoul)", "elan.example.kr") if mail.contact else (),
        Operator.DEAL: lambda: (desk.deal.title,) if mail.deal else (),
        Operator.LEAD: lambda: (desk.lead.title,) if mail.lead else (),
    }
    return texts[operator]()


@given(
    mails=st.lists(RANDOM_MAILS, min_size=1, max_size=4), queries=st.lists(QUERIES, min_size=4, max_size=8)
)
@settings(max_examples=settings().max_examples // 2)
def test_both_databases_find_what_python_says(
    desks: list[Desk], mails: list[Mail], queries: list[Query]
) -> None:
    for desk in desks:
        account, emails = desk.fill(*mails)
        for query in queries:
            mine = And((on(Operator.ACCOUNT, account.address), query))
            expected = {
                uid
                for uid, (mail, email) in enumerate(zip(mails, emails, strict=True), 1)
                if holds(query, mail, email, desk)
            }
            assert set(desk.found(account, mine)) == expected, written(query)
            assert len(search.matching_threads(desk.db, mine)) == len(expected)


@given(value=st.text(max_size=6), text=st.text(max_size=12), whole=st.booleans())
def test_names_are_compared_alike_on_both_databases(
    desks: list[Desk], *, value: str, text: str, whole: bool
) -> None:
    value = unicodedata.normalize("NFC", value).replace("\0", "")
    text = text.replace("\0", "")
    pattern = Alike(text=value, whole=whole)
    answers = [
        bool(desk.db._connection.execute(statement, (text, pattern_of(pattern))).fetchall())  # type: ignore[attr-defined]
        for desk, statement, pattern_of in (
            (desks[0], "SELECT 1 WHERE ? GLOB ?", Alike.as_glob),
            (desks[1], "SELECT 1 WHERE CAST(%s AS TEXT) ~ CAST(%s AS TEXT)", Alike.as_regex),
        )
    ]
    assert answers[0] is answers[1]
    if whole:
        return
    assert answers[0] or not (value in text or contains(text, value))


# --- who finds what ------------------------------------------------------------------------------


@pytest.mark.rule("search-visibility")
def test_nobody_finds_by_a_condition_what_they_may_not_see(store: Store) -> None:
    ann = store.as_member(FIRST)
    bob = store.add_member("bob@example.com")
    desk = Desk(ann, store.url)
    secret = Mail(
        subject="xylophone", contact=True, deal=True, label=True, file="plan.pdf", cc=("Lee", "l@example.kr")
    )
    desk.fill(secret, replace(secret, shared=True, archive=True))
    for text in (
        "xylophone",
        "from:kim",
        "-from:lee",
        "xylophone OR from:kim",
        "subject:xylophone -is:shared",
        "contact:kim",
        "org:7",
        "deal:pumps",
        "label:wichtig",
        "filename:plan",
        "has:attachment",
        "cc:lee",
        "-is:unlinked",
        "after:30d",
        "larger:1",
        "account:box",
        "is:private OR is:shared",
        "-(xylophone from:lee)",
    ):
        hits = search.search_emails(bob, ask(text), limit=9)
        assert all(hit.visibility is Visibility.SHARED for hit in hits), text
        assert len(hits) == (0 if text == "subject:xylophone -is:shared" else 1), text
        assert search.matching_threads(bob, ask(text)) == []
    # Whether a colleague has read it, and into which folder it was put, is the colleague's own.
    assert search.search_emails(bob, ask("is:unread OR folder:inbox OR folder:archive"), limit=9) == []
    assert len(search.search_emails(ann, ask("is:unread"), limit=9)) == 2


@pytest.mark.rule("visibility-bulk")
def test_all_that_a_query_finds_is_shared_at_once(store: Store) -> None:
    ann = store.as_member(FIRST)
    bob = store.add_member("bob@example.com")
    desk = Desk(ann, store.url)
    desk.fill(
        Mail(contact=True), Mail(), Mail(shared=True, contact=True), Mail(sender=("Lee", "lee@example.kr"))
    )
    change = sharing.change_by_query(ann, ask("from:kim"), Visibility.SHARED)
    assert (len(change.threads), change.unlinked, change.already) == (2, 1, 1)
    assert sharing.make_change(ann, change, Visibility.SHARED, now=NOW) == 2
    assert sharing.make_change(ann, change, Visibility.SHARED, now=NOW) == 0, "it is done already"
    assert len(search.search_emails(bob, ask("from:kim"), limit=9)) == 2, "one is not linked"
    for thread in change.threads:
        assert [event.action for event in history.thread_events(ann, thread)] == ["shared"]
    back = sharing.change_by_query(ann, ask("from:kim OR from:lee"), Visibility.PRIVATE)
    assert (len(back.threads), back.already) == (3, 1)
    assert sharing.make_change(ann, back, Visibility.PRIVATE, now=NOW) == 3
    assert search.search_emails(bob, ask("from:kim"), limit=9) == []


@pytest.mark.rule("visibility-bulk")
def test_a_query_changes_nothing_of_a_colleague(store: Store) -> None:
    ann = store.as_member(FIRST)
    bob = store.add_member("bob@example.com")
    Desk(ann, store.url).fill(Mail(contact=True, shared=True))
    assert sharing.change_by_query(bob, ask("from:kim"), Visibility.PRIVATE).threads == ()
    assert len(search.search_emails(bob, ask("from:kim"), limit=9)) == 1

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.errors import NotFound, NotPermitted, UsageError
from mailcrm.core.model import Account, Direction, Folder, ParticipantRole
from mailcrm.core.parsed import Attachment, Delivery, Forward, Invitation, Span, SpanKind
from mailcrm.core.plan import digest
from mailcrm.core.query import parse_query
from mailcrm.core.search_terms import terms
from mailcrm.store import Database, emails, folders, links, open_database, search, sqlite
from mailcrm.store.database import NEWEST
from mailcrm.store.migrate import create_first_member, migrate
from mailcrm.store.postgres import PostgresDatabase
from mailcrm.store.sqlite import SqliteDatabase
from tests.conftest import FIRST, NOW, Store, _login_maker, login_of
from tests.servers.postgres import PostgresServer, database_of
from tests.store.worlds import Mailboxes, connect, folder, letter, save

BOB = "bob@example.com"
CAT = "cat@example.com"


@pytest.fixture
def account(db: Database) -> Account:
    return connect(db, FIRST)


@pytest.fixture
def inbox(db: Database, account: Account) -> Folder:
    return folder(db, account)


@pytest.fixture
def boxes(db: Database) -> Mailboxes:
    return Mailboxes(db)


def stored(db: Database, account: Account) -> int:
    return int(db.read("account_email_count", account_id=account.id)[0]["count"])


# --- saving -------------------------------------------------------------------------------------


def test_saving_twice_doubles_nothing(db: Database, account: Account, inbox: Folder) -> None:
    mails = [letter(1, "a@example.org"), letter(2, None), letter(3, "c@example.org")]
    first = save(db, account, inbox, *mails)
    again = save(db, account, inbox, *mails)
    assert (first.new, again.new) == (3, 0)
    assert stored(db, account) == 3
    assert len(links.threads_of_account(db, account, since=None)) == 3
    assert set(folders.folder_state(db, inbox, 1).placed) == {1, 2, 3}
    assert len(search.search_emails(db, parse_query("hello", NOW), limit=9)) == 3


def test_one_email_twice_in_a_batch_is_one_email_in_two_places(
    db: Database, account: Account, inbox: Folder
) -> None:
    copies = [letter(uid, "a@example.org", raw=b"same") for uid in (1, 2)]
    assert save(db, account, inbox, *copies).new == 1
    assert stored(db, account) == 1
    assert set(folders.folder_state(db, inbox, 1).placed) == {1, 2}


def test_an_email_in_a_second_folder_is_attached_without_its_body(
    db: Database, account: Account, inbox: Folder
) -> None:
    mail = letter(1, "a@example.org")
    save(db, account, inbox, mail)
    archive = folder(db, account, path="Archive")
    assert emails.known_identities(db, account, [mail.arrival.identity, "other"]) == {mail.arrival.identity}
    unknown = letter(8, "other@example.org").arrival
    arrivals = [dataclasses.replace(mail.arrival, uid=7, flags=frozenset({"\\Seen"})), unknown]
    emails.attach(db, account, archive, 1, arrivals)
    assert set(folders.folder_state(db, archive, 1).placed) == {7}
    assert stored(db, account) == 1


def test_two_accounts_hold_one_message_each_on_its_own(db: Database, account: Account, inbox: Folder) -> None:
    other = connect(db, "second@example.com")
    for held, place in ((account, inbox), (other, folder(db, other))):
        assert save(db, held, place, letter(1, "a@example.org")).new == 1


def test_emails_of_one_message_id_and_different_bodies_are_both_kept(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, letter(1, "a@example.org", raw=b"one"), letter(2, "a@example.org", raw=b"two"))
    assert stored(db, account) == 2
    assert len(links.threads_of_account(db, account, since=None)) == 1


def test_an_empty_batch_changes_nothing(db: Database, account: Account, inbox: Folder) -> None:
    assert save(db, account, inbox).new == 0


def test_a_batch_that_fails_leaves_nothing_behind(db: Database, account: Account, inbox: Folder) -> None:
    broken = dataclasses.replace(inbox, id=987654)
    with pytest.raises(NotPermitted):
        save(db, account, broken, letter(1, "a@example.org"))
    assert stored(db, account) == 0
    assert links.threads_of_account(db, account, since=None) == []
    assert save(db, account, inbox, letter(1, "a@example.org")).new == 1


@given(raw=st.binary(max_size=2000))
@settings(max_examples=settings().max_examples // 5)
def test_the_source_comes_back_byte_for_byte(boxes: Mailboxes, raw: bytes) -> None:
    account, inbox = boxes.fresh()
    (thread,) = save(boxes.db, account, inbox, letter(1, None, raw=raw)).threads
    (full,) = emails.thread_emails(boxes.db, thread)
    assert emails.email_source(boxes.db, full.row.id) == raw


def test_a_large_source_comes_back(db: Database, account: Account, inbox: Folder) -> None:
    raw = b"".join(digest(str(n).encode()).encode() for n in range(30_000))
    (thread,) = save(db, account, inbox, letter(1, "a@example.org", raw=raw)).threads
    (full,) = emails.thread_emails(db, thread)
    assert emails.email_source(db, full.row.id) == raw


def test_an_email_comes_back_with_all_that_hangs_on_it(db: Database, account: Account, inbox: Folder) -> None:
    people = {
        ParticipantRole.FROM: "kim@example.kr",
        ParticipantRole.TO: FIRST,
        ParticipantRole.CC: "lee+orders@example.kr",
        ParticipantRole.BCC: "park@example.kr",
    }
    parts = [
        Attachment(part_id="2", name="견적서.pdf", type="application/pdf", size=5, inline=False),
        Attachment(part_id="3", name="", type="image/png", size=0, inline=True),
    ]
    forwards = [Forward(name="이", address="lee@example.kr", to="Ann", date="어제", subject="")] * 2
    reports = [
        Delivery(address="kim@example.kr", action="failed", status="5.2.2", reason="mailbox full"),
        Delivery(address="", action="delayed", status="", reason=""),
    ]
    text = "Zeile 1\n\nZeile 2\n> old\n-- \nKim"
    spans = [
        Span(kind=SpanKind.QUOTE, start=17, end=22),
        Span(kind=SpanKind.SIGNATURE, start=23, end=len(text)),
    ]
    mail = letter(
        1,
        "a@example.org",
        text=text,
        people=people,
        attachments=parts,
        spans=spans,
        forwards=forwards,
        invitations=[MEETING, dataclasses.replace(MEETING, all_day=True, starts_at=None, ends_at=None)],
        deliveries=reports,
    )
    said = dataclasses.replace(
        mail.content.parsed, signed=True, encrypted=True, trackers=3, repairs=("charset:a", "limit:text")
    )
    mail = dataclasses.replace(mail, content=dataclasses.replace(mail.content, parsed=said))
    (thread,) = save(db, account, inbox, mail).threads
    (full,) = emails.thread_emails(db, thread)
    shown = {field.name for field in dataclasses.fields(full)} - {"row"}
    assert {name: getattr(full, name) for name in shown} == {name: getattr(said, name) for name in shown}
    assert full.text == text
    assert full.row.has_attachment
    assert full.row.sender == "kim@example.kr"
    assert (full.row.sent_at, full.row.received_at) == (NOW, NOW)
    assert full.row.direction is Direction.IN
    assert not full.row.gone


def test_an_inline_picture_alone_is_no_attachment(db: Database, account: Account, inbox: Folder) -> None:
    logo = Attachment(part_id="2", name="logo.png", type="image/png", size=5, inline=True)
    (thread,) = save(db, account, inbox, letter(1, "a@example.org", attachments=[logo])).threads
    assert not emails.thread_emails(db, thread)[0].row.has_attachment


def test_an_email_without_sender_id_or_date_is_kept(db: Database, account: Account, inbox: Folder) -> None:
    bare = letter(1, None, sent_at=None, subject="", text="", people={ParticipantRole.TO: FIRST})
    (thread,) = save(db, account, inbox, bare).threads
    (full,) = emails.thread_emails(db, thread)
    assert (full.row.message_id, full.row.sender, full.row.sent_at) == (None, "", None)


def test_the_source_of_an_unknown_email_is_not_found(db: Database) -> None:
    for email in (0, -1, 987654):
        with pytest.raises(NotFound):
            emails.email_source(db, email)


# --- searching ----------------------------------------------------------------------------------

MEETING = Invitation(
    method="REQUEST",
    summary="리뷰",
    starts_at=NOW,
    ends_at=NOW + timedelta(hours=1),
    all_day=False,
    location="Seoul",
    organizer="lee@example.kr",
    attendee="kim@example.kr",
    answer="accepted",
    repeats=True,
)

LIBRARY = {
    "quote": ("Quotation 2026-17", "Please find our price list and the delivery terms attached."),
    "list": ("Price", "The list of prices follows; delivery is free."),
    "korean": ("견적서 보냅니다", "안녕하세요, 계약서를 첨부합니다."),
    "chinese": ("報價單", "請查收附件中的見積書與合同。"),
    "german": ("Angebot für Müller", "Die Lieferung erfolgt nächste Woche."),
    "mixed": ("계약 ABC123", "Contract 계약 number 17"),
}


@pytest.fixture(scope="module")
def both(
    postgres: PostgresServer, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mailboxes, Mailboxes]]:
    """Yield mailboxes on SQLite and on PostgreSQL."""
    lite_url = f"sqlite:///{tmp_path_factory.mktemp('both') / 'mailcrm.db'}"
    migrate(lite_url)
    url = postgres.create_database(template=migrated_template)
    login = _login_maker(postgres, url)
    login(login_of(FIRST))
    stores = (Store("sqlite", lite_url, lambda name: name), Store("postgres", url, login))
    for made in stores:
        create_first_member(made.url, name="Ann", address=FIRST, login=login_of(FIRST))
    here, there = (Mailboxes(made.as_member(FIRST)) for made in stores)
    yield here, there
    for made in stores:
        made.close()
    postgres.drop_database(database_of(url))


@pytest.fixture(scope="module")
def libraries(both: tuple[Mailboxes, Mailboxes]) -> list[tuple[Database, Account]]:
    found = []
    for boxes in both:
        account, inbox = boxes.fresh()
        mails = [
            letter(uid, f"{name}@example.org", subject=subject, text=text)
            for uid, (name, (subject, text)) in enumerate(LIBRARY.items(), start=1)
        ]
        save(boxes.db, account, inbox, *mails)
        found.append((boxes.db, account))
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("quotation", {"quote"}),
        ("QUOTATION", {"quote"}),
        ("quot", {"quote"}),  # the last word may go on
        ("price", {"quote", "list"}),
        ("price list", {"quote", "list"}),
        ('"price list"', {"quote"}),
        ('"list price"', set()),
        ("price -quotation", {"list"}),
        ('price -"price list"', {"list"}),
        ("deliver price", set()),  # only the last word may go on
        ("price deliver", {"quote", "list"}),
        ("견적서", {"korean"}),
        ("견적", {"korean"}),
        ("계약", {"korean", "mixed"}),
        ("계약서", {"korean"}),
        ("계약서를", {"korean"}),
        ("서를", {"korean"}),
        ("계약 -contract", {"korean"}),
        ("견", {"korean"}),
        ("서보", set()),  # a phrase crosses no blank between words
        ("見積書", {"chinese"}),
        ("見積", {"chinese"}),
        ("合同", {"chinese"}),
        ("報價單", {"chinese"}),
        ("積", {"chinese"}),
        ("muller", {"german"}),
        ("Müller", {"german"}),
        ("nachste", {"german"}),
        ("abc123", {"mixed"}),
        ("kim@example.kr", set(LIBRARY)),
        ("nothing-of-the-kind", set()),
        ("'; DROP TABLE email; --", set()),
        ('"OR 1"', set()),
        ("a* NEAR(b)", set()),
        ("subject:quotation", {"quote"}),
        ("!quotation", {"quote"}),
        ("quotation & price", {"quote"}),
    ],
)
def test_a_search_finds_the_same_on_both_databases(
    libraries: list[tuple[Database, Account]], query: str, found: set[str]
) -> None:
    for db, account in libraries:
        hits = search.search_emails(db, parse_query(query, NOW), limit=10_000)
        names = {hit.message_id for hit in hits if hit.account == account.address}
        assert names == {f"{name}@example.org" for name in found}


@pytest.mark.parametrize("query", ["", "   ", "-price", "!!!", '""', "-"])
def test_a_search_for_nothing_is_refused(libraries: list[tuple[Database, Account]], query: str) -> None:
    for db, _ in libraries:
        with pytest.raises(UsageError):
            search.search_emails(db, parse_query(query, NOW), limit=5)


def test_the_subject_weighs_more_than_the_body(db: Database, account: Account, inbox: Folder) -> None:
    save(
        db,
        account,
        inbox,
        letter(1, "body@example.org", subject="Hello", text="the warranty"),
        letter(2, "subject@example.org", subject="Warranty", text="hello there"),
    )
    hits = search.search_emails(db, parse_query("warranty", NOW), limit=5)
    assert [hit.message_id for hit in hits] == ["subject@example.org", "body@example.org"]


def quoting(uid: int, name: str, new: str, old: str, **more: Any) -> emails.NewEmail:
    """Return an email that says `new` above what it quotes."""
    text = f"{new}\n{old}"
    return letter(
        uid,
        f"{name}@example.org",
        text=text,
        spans=[Span(kind=SpanKind.QUOTE, start=len(new) + 1, end=len(text))],
        **more,
    )


@pytest.mark.parametrize("query", ["warranty", "warranty terms", "warr", '"warranty terms"', "품질보증"])
def test_new_text_comes_before_quoted_text_and_the_subject_before_both(
    db: Database, account: Account, inbox: Folder, query: str
) -> None:
    words = query.strip('"') + " of the pumps. " if query != "warr" else "warranty of the pumps. "
    padding = "An email with many other words is no worse for it. " * 200
    save(
        db,
        account,
        inbox,
        quoting(1, "quoted", "Thank you.", f"> {words * 40}"),
        quoting(2, "quoted-once", "Thank you for everything.", f"> {words}"),
        quoting(3, "new", f"{padding}{words}", "> hello"),
        quoting(4, "subject", f"{padding}hello", f"> {padding}", subject=words),
    )
    hits = [hit.message_id for hit in search.search_emails(db, parse_query(query, NOW), limit=9)]
    assert hits[:2] == ["subject@example.org", "new@example.org"]
    assert set(hits[2:]) == {"quoted@example.org", "quoted-once@example.org"}


def test_what_one_word_adds_to_new_text_is_found_in_the_quote(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, quoting(1, "a", "The red one.", "> Which apple?"))
    assert len(search.search_emails(db, parse_query("red apple", NOW), limit=5)) == 1
    assert search.search_emails(db, parse_query('"one which"', NOW), limit=5) == []
    assert search.search_emails(db, parse_query("red -apple", NOW), limit=5) == []


@pytest.mark.parametrize("letters", ["ab ", "견적서를 ", "\U00010400\U00010401", "𠀀𠀁"])
@pytest.mark.parametrize("share", [0, 10, 6_000, 119_990, 150_000])
def test_the_longest_text_with_the_longest_quote_is_taken(
    db: Database, account: Account, inbox: Folder, letters: str, share: int
) -> None:
    # A tsvector takes 1 MB; a word of 60 characters of four bytes costs the most of it.
    text = (letters * 300_000)[:300_000]
    text = " ".join(text[start : start + 59] for start in range(0, len(text), 59))
    save(
        db,
        account,
        inbox,
        quoting(1, "a", f"beginning {text[:share]}", f"between {text[share:300_000]}", subject=text),
    )
    assert len(search.search_emails(db, parse_query("beginning", NOW), limit=5)) == 1
    assert len(search.search_emails(db, parse_query("between", NOW), limit=5)) == (
        1 if share < 119_990 else 0
    )


def test_a_search_gives_no_more_than_asked_for(libraries: list[tuple[Database, Account]]) -> None:
    for db, _ in libraries:
        assert len(search.search_emails(db, parse_query("kim", NOW), limit=2)) == 2


def test_of_a_word_that_is_everywhere_the_newest_emails_are_found(
    db: Database, account: Account, inbox: Folder
) -> None:
    # The index must know the newest by their dates: a first sync stores them first.
    mails = [
        letter(
            number,
            f"{number}@example.org",
            text="tender",
            received_at=NOW - timedelta(days=1 + number),
        )
        for number in range(1, NEWEST + 30)
    ]
    save(db, account, inbox, *mails)
    newest = {hit.message_id for hit in search.search_emails(db, parse_query("tender", NOW), limit=NEWEST)}
    assert newest == {f"{number}@example.org" for number in range(1, NEWEST + 1)}
    assert len(search.search_emails(db, parse_query("tender", NOW), limit=NEWEST + 9)) == NEWEST + 9


def delete(db: Database, email_id: int) -> None:
    """Delete an email as whoever manages its account may."""
    if isinstance(db, SqliteDatabase):
        with db._changing():
            db._connection.execute("DELETE FROM main.email WHERE id = ?", (email_id,))
    elif isinstance(db, PostgresDatabase):
        db._connection.execute("DELETE FROM main.email WHERE id = %s", (email_id,))


def test_an_email_that_is_deleted_is_found_no_more(db: Database, account: Account, inbox: Folder) -> None:
    save(
        db,
        account,
        inbox,
        quoting(1, "a", "견적서 xylophone", "> xylophone of old", subject="Xylophone tender"),
        letter(2, "b@example.org", subject="tender"),
    )
    (hit,) = search.search_emails(db, parse_query("xylophone", NOW), limit=9)
    delete(db, hit.id)
    assert search.search_emails(db, parse_query("xylophone", NOW), limit=9) == []
    (left,) = search.search_emails(db, parse_query("tender", NOW), limit=9)
    assert left.message_id == "b@example.org"


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Yield an owner's connection to an empty store, with the words of its index as a table."""
    path = tmp_path_factory.mktemp("index") / "mailcrm.db"
    migrate(f"sqlite:///{path}")
    create_first_member(f"sqlite:///{path}", name="Ann", address=FIRST, login=None)
    with closing(sqlite.connect(path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.word USING fts5vocab(main, email_index, row)")
        yield connection


def words(index: sqlite3.Connection) -> set[str]:
    return {row["term"] for row in index.execute("SELECT term FROM word")}


@given(text=st.text(max_size=40))
@settings(max_examples=settings().max_examples // 2)
def test_the_index_of_sqlite_splits_terms_at_spaces_alone(index: sqlite3.Connection, text: str) -> None:
    index.execute("INSERT INTO email_index (email_index) VALUES ('delete-all')")
    index.execute("INSERT INTO email_index (rowid, quoted) VALUES (1, ?)", (" ".join(terms(text)),))
    assert words(index) == set(terms(text))


def test_the_index_of_sqlite_forgets_the_words_of_a_deleted_email(index: sqlite3.Connection) -> None:
    (path,) = (row["file"] for row in index.execute("PRAGMA database_list") if row["name"] == "main")
    with closing(open_database(f"sqlite:///{path}", viewer=None)) as db:
        account = connect(db, FIRST)
        inbox = folder(db, account)
        secret = quoting(1, "a", "見積書 บาท don't", "> бумага", subject="Xylophone")
        save(db, account, inbox, secret, letter(2, "b@example.org", subject="offer", text="hello"))
        (hit,) = search.search_emails(db, parse_query("xylophone", NOW), limit=9)
        delete(db, hit.id)
    index.execute("INSERT INTO email_index (email_index) VALUES ('optimize')")
    index.execute("INSERT INTO email_index (email_index) VALUES ('integrity-check')")
    assert words(index) == set(terms("offer hello kim@example.kr ann@example.com"))


def test_the_name_of_an_attachment_is_found(db: Database, account: Account, inbox: Folder) -> None:
    paper = Attachment(part_id="2", name="Blueprint.pdf", type="application/pdf", size=5, inline=False)
    save(db, account, inbox, letter(1, "a@example.org", attachments=[paper]))
    assert len(search.search_emails(db, parse_query("blueprint", NOW), limit=5)) == 1


def test_a_phrase_crosses_no_border_between_subject_and_body(
    db: Database, account: Account, inbox: Folder
) -> None:
    save(db, account, inbox, letter(1, "a@example.org", subject="red", text="apple"))
    assert len(search.search_emails(db, parse_query("red apple", NOW), limit=5)) == 1
    assert search.search_emails(db, parse_query('"red apple"', NOW), limit=5) == []


@given(
    texts=st.lists(st.text("ab 견적서見 -", max_size=12), min_size=1, max_size=4),
    query=st.text('ab 견적서見 -"', min_size=1, max_size=8),
)
@settings(max_examples=settings().max_examples // 2)
def test_both_databases_find_the_same(
    both: tuple[Mailboxes, Mailboxes], texts: list[str], query: str
) -> None:
    answers: list[set[str | None] | None] = []
    for boxes in both:
        account, inbox = boxes.fresh()
        mails = [
            quoting(uid, f"{uid}", text[: len(text) // 2], text[len(text) // 2 :], subject="")
            for uid, text in enumerate(texts)
        ]
        save(boxes.db, account, inbox, *mails)
        try:
            hits = search.search_emails(boxes.db, parse_query(query, NOW), limit=10_000)
        except UsageError:
            answers.append(None)
        else:
            answers.append({hit.message_id for hit in hits if hit.account == account.address})
    assert answers[0] == answers[1]

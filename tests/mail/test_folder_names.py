from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.imap_utf7 import encode

from mailcrm.core.model import FolderRole
from mailcrm.mail.folder_names import ListLine, decode, once, parse_line, roles

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def line(name: str, *attributes: str, delimiter: str = "/") -> ListLine:
    lowered = frozenset(attribute.lower() for attribute in attributes)
    return ListLine(raw=encode(name), delimiter=delimiter, attributes=lowered)


def roles_of(*lines: ListLine) -> dict[str, FolderRole | None]:
    return {listed.name: role for listed, role in zip(lines, roles(lines), strict=True)}


@given(names)
def test_a_name_survives_modified_utf7(name: str) -> None:
    assert decode(encode(name)) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # the example of RFC 3501, 5.1.3
        (b"R&-D", "R&D"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&2D3eAA-", "😀"),
        ("Entwürfe".encode(), "Entwürfe"),
        ("Entwürfe".encode("latin-1"), "Entwürfe"),
    ],
)
def test_a_name_is_decoded(raw: bytes, name: str) -> None:
    assert decode(raw) == name


@pytest.mark.parametrize("raw", [b"R&D", b"&A-", b"&Jjo", b"&Jj!-", b"&2D0-", b"a&-b&", b"&=-"])
def test_a_name_that_is_no_modified_utf7_stays_as_it_is(raw: bytes) -> None:
    assert decode(raw) == raw.decode("ascii")


@given(st.binary())
def test_any_bytes_have_a_name(raw: bytes) -> None:
    decode(raw).encode("utf-8")


@given(st.binary(), st.none() | st.binary())
def test_any_line_is_read_or_refused_but_never_raises(junk: bytes, literal: bytes | None) -> None:
    for text in (junk, b"(" + junk, b'() "/" ' + junk):
        listed = parse_line(text, literal)
        assert listed is None or roles([listed]) is not None


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (rb'(\HasNoChildren) "/" INBOX', b"INBOX"),
        (rb'() "/" "a \"quoted\" \\ name"', rb'a "quoted" \ name'),
        (rb'(\Noselect) NIL ""', b""),
        (b'() "." Junk\tE-Mail', b"Junk\tE-Mail"),
        (rb'() "\\" Sent', b"Sent"),
        (b'() "/" 2026', b"2026"),
        (b'() "/" 0815', b"0815"),
        (b'() "/" NIL', b"NIL"),
        (b'() "/" 100%', b"100%"),
        (b'() "/" [Gmail]/All Mail', b"[Gmail]/All Mail"),
        (rb'(\Sent) "/" "Sent" ("OLDNAME" ("Old"))', b"Sent"),
        ('() "/" "Entwürfe"'.encode(), "Entwürfe".encode()),
    ],
)
def test_a_line_gives_the_name_as_sent(text: bytes, raw: bytes) -> None:
    listed = parse_line(text)
    assert listed is not None
    assert listed.raw == raw


def test_a_literal_gives_the_name_as_sent() -> None:
    listed = parse_line(rb'(\Sent) "/" {12}', b'Sent "\\ Mail')
    assert listed is not None
    assert listed.raw == b'Sent "\\ Mail'


@pytest.mark.parametrize("text", [b"", b"junk", rb'(\Sent "/" Sent', b'() "/"', b'() "ab" x', b"() / x"])
def test_a_line_that_is_none_is_refused(text: bytes) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize(
    ("attributes", "selectable"),
    [([], True), (["\\Noselect"], False), (["\\NONEXISTENT"], False), (["\\HasChildren"], True)],
)
def test_only_a_folder_that_holds_mail_is_selectable(attributes: Sequence[str], *, selectable: bool) -> None:
    assert line("Clients", *attributes).selectable is selectable


@pytest.mark.parametrize(
    ("attribute", "role"),
    [
        ("\\Sent", FolderRole.SENT),
        ("\\DRAFTS", FolderRole.DRAFTS),
        ("\\Junk", FolderRole.JUNK),
        ("\\Spam", FolderRole.JUNK),
        ("\\Trash", FolderRole.TRASH),
        ("\\Archive", FolderRole.ARCHIVE),
        ("\\All", FolderRole.ALL),
        ("\\Flagged", None),
        ("\\HasNoChildren", None),
    ],
)
def test_a_flag_gives_the_role_whatever_the_name(attribute: str, role: FolderRole | None) -> None:
    assert roles([line("Whatever", attribute)]) == [role]


@pytest.mark.parametrize("name", ["INBOX", "Inbox", "inbox"])
def test_the_inbox_has_no_case(name: str) -> None:
    assert roles([line(name)]) == [FolderRole.INBOX]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Sent Items", FolderRole.SENT),
        ("보낸메일함", FolderRole.SENT),
        ("보낸 편지함", FolderRole.SENT),
        ("送信済みアイテム", FolderRole.SENT),
        ("已发送", FolderRole.SENT),
        ("Gesendete Elemente", FolderRole.SENT),
        ("ENTWÜRFE", FolderRole.DRAFTS),
        ("임시보관함", FolderRole.DRAFTS),
        ("草稿箱", FolderRole.DRAFTS),
        ("스팸메일함", FolderRole.JUNK),
        ("垃圾邮件", FolderRole.JUNK),
        ("迷惑メール", FolderRole.JUNK),
        ("Junk E-mail", FolderRole.JUNK),
        ("휴지통", FolderRole.TRASH),
        ("Gelöschte Elemente", FolderRole.TRASH),
        ("ごみ箱", FolderRole.TRASH),
        ("Deleted Messages", FolderRole.TRASH),
        ("보관함", FolderRole.ARCHIVE),
        ("견적", None),
        ("Sentiment", None),
        ("Clients", None),
    ],
)
def test_a_name_gives_the_role_where_nothing_is_flagged(name: str, role: FolderRole | None) -> None:
    assert roles([line("INBOX"), line(name)]) == [FolderRole.INBOX, role]


def test_a_name_in_decomposed_unicode_is_the_same_name() -> None:
    # A Mac writes an ü as u and a combining diaeresis.
    assert roles([line("Entwu\u0308rfe")]) == [FolderRole.DRAFTS]


def test_who_flags_a_folder_means_that_one() -> None:
    found = roles_of(line("Sent"), line("Sent Messages", "\\Sent"), line("Trash"))
    assert found == {"Sent": None, "Sent Messages": FolderRole.SENT, "Trash": FolderRole.TRASH}


def test_every_unflagged_name_counts() -> None:
    found = roles_of(line("Trash"), line("Deleted Items"))
    assert found == {"Trash": FolderRole.TRASH, "Deleted Items": FolderRole.TRASH}


def test_a_name_deep_in_the_hierarchy_is_a_users_own() -> None:
    found = roles_of(
        line("Projects/Sent"), line("INBOX.Sent", delimiter="."), line("[Gmail]/Spam"), line("INBOX/A/Trash")
    )
    assert found == {
        "Projects/Sent": None,
        "INBOX.Sent": FolderRole.SENT,
        "[Gmail]/Spam": FolderRole.JUNK,
        "INBOX/A/Trash": None,
    }


def test_a_folder_listed_twice_counts_once() -> None:
    listed = [line("INBOX"), line("Inbox"), line("Clients"), line("clients"), line("Clients")]
    assert [found.raw for found in once(listed)] == [b"INBOX", b"Clients", b"clients"]

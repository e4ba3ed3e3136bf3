"""What answers of a server mean, line by line."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailcrm.mail import answers
from mailcrm.mail.answers import Fields, arrival, fetched


@pytest.mark.parametrize(
    ("told", "received_at"),
    [
        (b"01-Jun-2026 09:00:00 +0000", datetime(2026, 6, 1, 9, tzinfo=UTC)),
        (b" 1-Jun-2026 09:00:00 +0900", datetime(2026, 6, 1, tzinfo=UTC)),
        (b"31-May-2026 19:30:00 -0430", datetime(2026, 6, 1, tzinfo=UTC)),
        (b"01-Jun-2026 09:00:00", datetime(2026, 6, 1, 9, tzinfo=UTC)),
        (b"01-Jan-0001 00:00:00 +0100", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"31-Dec-9999 00:00:00 -0100", datetime(2100, 12, 31, tzinfo=UTC)),
        (b"31-Feb-2026 00:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"01-Foo-2026 00:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"", datetime(1970, 1, 1, tzinfo=UTC)),
        (None, datetime(1970, 1, 1, tzinfo=UTC)),
        ((b"01-Jun-2026",), datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_internaldate_is_a_moment_in_utc_that_a_store_can_hold(
    told: object, received_at: datetime
) -> None:
    assert arrival(1, {b"INTERNALDATE": told}).received_at == received_at


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (
            [b"12 FETCH (UID 34 FLAGS (\\Seen $Junk[x] a]b) RFC822.SIZE 4)\r\n"],
            {b"UID": b"34", b"FLAGS": (b"\\Seen", b"$Junk[x]", b"a]b"), b"RFC822.SIZE": b"4"},
        ),
        (
            [b"1 FETCH (UID 2 BODY[HEADER.FIELDS (MESSAGE-ID DATE)] ", b"X: )(\r\n", b" FLAGS ())\r\n"],
            {b"UID": b"2", b"BODY[HEADER.FIELDS (MESSAGE-ID DATE)]": b"X: )(\r\n", b"FLAGS": ()},
        ),
        (
            [b'1 fetch (uid 2 body[]<0> "say \\"hi\\" \\\\")\r\n'],
            {b"UID": b"2", b"BODY[]<0>": b'say "hi" \\'},
        ),
        ([b"1 FETCH (UID 2 BODY[] NIL)"], {b"UID": b"2", b"BODY[]": None}),
        (
            [b'1 FETCH (BODYSTRUCTURE (("TEXT" ("A" (NIL)) 3) "MIXED") UID 2)'],
            {b"BODYSTRUCTURE": (b"TEXT", b"A", b"3", b"MIXED"), b"UID": b"2"},
        ),
        ([b"1 FETCH (UID 2 EMAILID (M6d99ac3))"], {b"UID": b"2", b"EMAILID": (b"M6d99ac3",)}),
        ([b"1 FETCH (UID"], {b"UID": None}),
        ([b'1 FETCH (UID 2 X "unended'], None),
        ([b"1 EXISTS"], None),
        ([b"OK [UIDNEXT 4] hello"], None),
    ],
)
def test_the_items_of_a_fetch_answer(answer: list[bytes], fields: Fields | None) -> None:
    assert fetched(answer) == fields


@given(st.lists(st.text('() []"\\{}<>aN19\t').map(str.encode), min_size=1, max_size=5))
@example([b"1 FETCH (" + b"[" * 50_000])
@example([b"1 FETCH (" + b'"\\' * 50_000])
@example([b"1 FETCH (" + b"(" * 50_000])
def test_no_answer_breaks_the_reader(answer: list[bytes]) -> None:
    found = fetched([b"1 FETCH (" + answer[0], *answer[1:]])
    assert found is None or all(isinstance(name, bytes) for name in found)


@pytest.mark.parametrize(
    ("lines", "uids"),
    [
        ([b"SEARCH 2 3 9"], [2, 3, 9]),
        ([b"SEARCH 2 3", b"SEARCH 9"], [2, 3, 9]),
        ([b"SEARCH"], []),
        ([b"SEARCH 2 3 (MODSEQ 917162500)"], [2, 3]),
        ([b'ESEARCH (TAG "m5") UID ALL 1:3,5'], [1, 2, 3, 5]),
        ([b'ESEARCH (TAG "m5") UID COUNT 3 ALL 7'], [7]),
        ([b'ESEARCH (TAG "m5") UID'], []),
        ([b'esearch (tag "ALL 9") uid all 5:3'], [3, 4, 5]),
        ([b"ESEARCH ALL 0,4294967296,x"], []),
        ([b"5 EXISTS", b"OK SEARCH 4"], None),
    ],
)
def test_the_uids_that_a_search_found(lines: list[bytes], uids: list[int] | None) -> None:
    assert answers.found([line] for line in lines) == (None if uids is None else set(uids))


def test_what_the_server_says_last_counts() -> None:
    told = [[b"3 EXISTS"], [b"OK [UIDNEXT 4] next"], [b"4 EXISTS"], [b"* OK [UIDVALIDITY 1]"]]
    assert answers.said(told, b"EXISTS", answers.LAST_UID) == 4
    assert answers.said(told, b"UIDNEXT", answers.LAST_UID) == 4
    assert answers.said(told, b"UIDVALIDITY", answers.LAST_UID) is None


def test_the_status_of_folders_by_their_names() -> None:
    told = [
        [b'STATUS "a \\"b\\"" (UIDNEXT 4 MESSAGES 3 UIDVALIDITY 1 HIGHESTMODSEQ 77)'],
        [b"STATUS ", b"lit", b" (MESSAGES 9)"],
        [b"STATUS broken"],
        [b"LIST () NIL x"],
    ]
    assert answers.statuses(told) == {
        b'a "b"': {b"UIDNEXT": 4, b"MESSAGES": 3, b"UIDVALIDITY": 1, b"HIGHESTMODSEQ": 77},
        b"lit": {b"MESSAGES": 9},
    }

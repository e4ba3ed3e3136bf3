"""What a subject says without its prefixes, and which thread it may tell."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.subjects import (
    FORWARD_PREFIXES,
    MIN_SUBJECT,
    REPLY_PREFIXES,
    SUBJECT_DAYS,
    SubjectCandidate,
    SubjectReply,
    base_subject,
    joins_by_subject,
    thread_by_subject,
)

pytestmark = pytest.mark.rule("thread-subject")


@pytest.mark.parametrize(
    ("subject", "base", "reply"),
    [
        ("Offer for the machine", "offer for the machine", False),
        ("Re: Offer", "offer", True),
        ("RE : Offer", "offer", True),
        ("re:re: RE:Offer", "offer", True),
        ("Re[2]: Offer", "offer", True),
        ("Re^3: Offer", "offer", True),
        ("Re(4): Offer", "offer", True),
        ("Re [5]: Offer", "offer", True),
        ("AW: Angebot für STRASSE", "angebot für strasse", True),
        ("AW: Angebot für Straße", "angebot für strasse", True),
        ("Antw.: Offerte", "offerte", True),
        ("SV: VS: Tarjous", "tarjous", True),
        ("R: RIF: Offerta", "offerta", True),
        ("Odp: Oferta", "oferta", True),
        ("YNT: İlt: Teklif", "teklif", True),
        ("ATB: Cynnig", "cynnig", True),
        ("Ответ: Предложение", "предложение", True),
        ("답장: 견적 요청", "견적 요청", True),
        ("회신 : 견적", "견적", True),
        ("返信：お見積り", "お見積り", True),
        ("回复: 报价", "报价", True),
        ("回覆：报价", "报价", True),
        ("答复：答覆：报价", "报价", True),
        # Forwards
        ("Fwd: Offer", "offer", False),
        ("WG: Angebot", "angebot", False),
        ("TR : Offre", "offre", False),
        ("RV: Oferta", "oferta", False),
        ("İLT: Teklif", "teklif", False),
        ("전달: 견적", "견적", False),
        ("转发：报价", "报价", False),
        ("轉寄：報價", "報價", False),
        ("Re: Fwd: Offer", "offer", True),
        ("Fwd: Re: Offer", "offer", False),
        ("[Fwd: Re: Offer]", "offer", False),
        ("Re: [Fwd: [Fwd: Offer]] (fwd)", "offer", True),
        ("Offer (fwd) (fwd)", "offer", False),
        # RFC 5256, 2.1: tags of lists, and that something is left
        ("[sales] Re: [sales] Offer", "offer", True),
        ("Re: [sales] [kr] Offer", "offer", True),
        ("[sales]", "[sales]", False),
        ("Re: [sales]", "[sales]", True),
        ("Re:", "", True),
        ("", "", False),
        ("  Re:\t Offer \r\n for   you ", "offer for you", True),
        # Two tickets are not one.
        ("Re: [Order 1234] Your order", "[order 1234] your order", True),
        ("[Order 1234] Re: Your order", "[order 1234] your order", True),
        ("[EXT] RE: [Ticket #7][shop] Your order", "[ticket #7] your order", True),
        # No prefixes
        ("Reply: Offer", "reply: offer", False),
        ("Regarding: Offer", "regarding: offer", False),
        ("Offer re: machine", "offer re: machine", False),
        ("Re Offer", "re offer", False),
        ("[Offer", "[offer", False),
        ("Re: \u1112\u1161\u11ab", "한", True),
    ],
)
def test_a_subject_is_read_without_its_prefixes(subject: str, base: str, *, reply: bool) -> None:
    assert base_subject(subject) == (base, reply)


PIECES = st.sampled_from(
    [
        "Re:",
        "re[2]:",
        "Fwd:",
        "[Fwd: ",
        "]",
        "[a]",
        "[b 1]",
        "[",
        "(fwd)",
        "(fw)",
        "：",
        " ",
        "회신",
        "İlt",
        "x",
        "R",
    ]
)
SUBJECTS = st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join)


@given(SUBJECTS)
def test_a_base_subject_is_its_own(subject: str) -> None:
    base, _ = base_subject(subject)
    assert base_subject(base) == (base, False)


PREFIXES = [word.replace("?", "") for word in f"{REPLY_PREFIXES}|{FORWARD_PREFIXES}".split("|")]


@given(
    SUBJECTS,
    st.sampled_from(PREFIXES),
    st.sampled_from([":", ": ", "：", " : "]),
    st.sampled_from(["", "upper"]),
)
def test_a_prefix_changes_only_whether_it_is_a_reply(
    subject: str, prefix: str, colon: str, upper: str
) -> None:
    written = (prefix.upper() if upper else prefix) + colon + subject
    assert base_subject(written) == (base_subject(subject)[0], prefix in REPLY_PREFIXES.split("|"))


@pytest.mark.parametrize("piece", ["[a]", "[1]", "[", "]", "re:", "[fwd:", "(fwd)", "re[", "re ", "(", " "])
def test_a_hostile_subject_is_read_in_one_go(piece: str) -> None:
    # Quadratic time would take minutes for this.
    base, _ = base_subject(piece * (500_000 // len(piece)))
    assert base_subject(base)[0] == base


# --- by subject ---------------------------------------------------------------------------------

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPLY = SubjectReply(
    base="offer for the machine",
    is_reply=True,
    names_ids=False,
    counterparts=frozenset({"kim@example.kr"}),
    at=AT,
)
CANDIDATE = SubjectCandidate(
    thread_id=1,
    base="offer for the machine",
    counterparts=frozenset({"kim@example.kr", "lee@example.kr"}),
    newest_at=AT - timedelta(days=3),
)


def test_a_reply_without_ids_joins_the_thread_with_its_subject_and_its_counterpart() -> None:
    assert joins_by_subject(REPLY, CANDIDATE)


@pytest.mark.parametrize(
    "reply",
    [
        replace(REPLY, is_reply=False),
        replace(REPLY, names_ids=True),
        replace(REPLY, base="offer for the machines"),
        replace(REPLY, counterparts=frozenset()),
        replace(REPLY, counterparts=frozenset({"park@example.kr"})),
        replace(REPLY, at=CANDIDATE.newest_at - timedelta(seconds=1)),
        replace(REPLY, at=CANDIDATE.newest_at + timedelta(days=SUBJECT_DAYS, seconds=1)),
    ],
)
def test_anything_less_does_not_join(reply: SubjectReply) -> None:
    assert not joins_by_subject(reply, CANDIDATE)


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=SUBJECT_DAYS)])
def test_the_first_and_the_last_moment_join(after: timedelta) -> None:
    assert joins_by_subject(replace(REPLY, at=CANDIDATE.newest_at + after), CANDIDATE)


@given(st.text("ab 견", max_size=MIN_SUBJECT + 3))
def test_a_short_subject_never_joins(base: str) -> None:
    joined = joins_by_subject(replace(REPLY, base=base), replace(CANDIDATE, base=base))
    assert joined == (len(base) >= MIN_SUBJECT)


@given(st.lists(st.tuples(st.integers(-3, 40), st.booleans()), max_size=8), st.randoms())
def test_the_thread_with_the_newest_email_is_chosen_in_whatever_order(
    threads: list[tuple[int, bool]], random: Random
) -> None:
    candidates = [
        replace(
            CANDIDATE,
            thread_id=number,
            newest_at=AT - timedelta(days=days),
            counterparts=REPLY.counterparts if same else frozenset({"x@example.org"}),
        )
        for number, (days, same) in enumerate(threads)
    ]
    chosen = thread_by_subject(REPLY, candidates)
    ages = [days for days, same in threads if same and 0 <= days <= SUBJECT_DAYS]
    assert (chosen and chosen.newest_at) == (AT - timedelta(days=min(ages)) if ages else None)
    random.shuffle(candidates)
    assert thread_by_subject(REPLY, candidates) == chosen

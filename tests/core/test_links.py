"""The automatic rule, row by row of the rules' section 6, and what must hold whatever the facts are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.links import LinkDecision, ThreadFacts, decide

KIM, LEE, PARK = 1, 2, 3
SMALL, BIG, OTHER = 11, 12, 13

NOTHING = ThreadFacts(
    contacts={}, linked=set(), has_deal=False, refused_contacts=set(), refused_deals=set(), open_deals={}
)


def facts(**known: object) -> ThreadFacts:
    """Return a thread with Kim in it, and nothing else but what is said."""
    return replace(NOTHING, contacts={KIM: True}, **known)  # type: ignore[arg-type] # fields by name


def decision(*contacts: int, deal: int | None = None, candidates: tuple[int, ...] = ()) -> LinkDecision:
    return LinkDecision(contacts=contacts, deal=deal, candidates=candidates)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(NOTHING, decision(), id="nobody known: nothing"),
        pytest.param(facts(), decision(KIM), id="0 open items, no item yet: contact link only"),
        pytest.param(facts(has_deal=True), decision(KIM), id="0 open items, has one: keep"),
        pytest.param(
            facts(open_deals={KIM: (BIG,)}), decision(KIM, deal=BIG), id="exactly 1, no item yet: link it"
        ),
        pytest.param(
            facts(open_deals={KIM: (BIG,)}, has_deal=True), decision(KIM), id="exactly 1, has one: keep"
        ),
        pytest.param(
            facts(open_deals={KIM: (BIG, SMALL)}),
            decision(KIM, candidates=(BIG, SMALL)),
            id="2 or more, no item yet: no link, all candidates, the most recent first",
        ),
        pytest.param(
            facts(open_deals={KIM: (BIG, SMALL)}, has_deal=True), decision(KIM), id="2 or more, has one: keep"
        ),
        pytest.param(
            replace(NOTHING, contacts={KIM: True, LEE: True}, open_deals={KIM: (BIG,), LEE: (BIG,)}),
            decision(KIM, LEE, deal=BIG),
            id="distinct items: one deal of two contacts counts once",
        ),
        pytest.param(
            replace(NOTHING, contacts={KIM: True, LEE: True}, open_deals={KIM: (SMALL,), LEE: (BIG,)}),
            decision(KIM, LEE, candidates=(BIG, SMALL)),
            id="of all linked contacts: one deal each is two",
        ),
        pytest.param(
            replace(NOTHING, contacts={KIM: True}, linked={LEE}, open_deals={LEE: (BIG,)}),
            decision(KIM, deal=BIG),
            id="of all linked contacts: also of one linked by hand",
        ),
        pytest.param(facts(linked={KIM}), decision(), id="linked already: nothing to do"),
        pytest.param(
            facts(linked={KIM}, open_deals={KIM: (BIG,)}),
            decision(deal=BIG),
            id="contact or deal created later: found when asked again",
        ),
        pytest.param(
            replace(NOTHING, contacts={KIM: False}, open_deals={KIM: (BIG,)}),
            decision(KIM),
            id="bounce, auto-reply, list or bulk mail: links to contacts",
        ),
        pytest.param(
            replace(NOTHING, contacts={KIM: False, LEE: True}, open_deals={KIM: (SMALL,), LEE: (BIG,)}),
            decision(KIM, LEE, deal=BIG),
            id="bounce beside a person's mail: the person's deal",
        ),
        pytest.param(facts(refused_contacts={KIM}), decision(), id="unlink by hand: not linked again"),
        pytest.param(
            facts(refused_contacts={KIM}, open_deals={KIM: (BIG,)}),
            decision(),
            id="unlink by hand: the deal of an unlinked contact does not come either",
        ),
        pytest.param(
            facts(refused_deals={BIG}, open_deals={KIM: (BIG,)}),
            decision(KIM),
            id="unlink by hand: the deal is not linked again, nor offered",
        ),
        pytest.param(
            facts(refused_deals={BIG}, open_deals={KIM: (OTHER, BIG, SMALL)}),
            decision(KIM, candidates=(OTHER, SMALL)),
            id="unlink by hand: not among the candidates",
        ),
        pytest.param(
            facts(refused_deals={OTHER}, open_deals={KIM: (BIG,)}),
            decision(KIM, deal=BIG),
            id="unlink by hand: another deal is free",
        ),
    ],
)
def test_the_rule_decides(known: ThreadFacts, expected: LinkDecision) -> None:
    assert decide(known) == expected


people = st.integers(1, 5)
deals = st.integers(11, 14)


@st.composite
def any_facts(draw: st.DrawFn) -> ThreadFacts:
    open_deals = draw(st.dictionaries(people, st.frozensets(deals, min_size=1), max_size=4))
    return ThreadFacts(
        contacts=draw(st.dictionaries(people, st.booleans(), max_size=4)),
        linked=draw(st.frozensets(people, max_size=3)),
        has_deal=draw(st.booleans()),
        refused_contacts=draw(st.frozensets(people, max_size=3)),
        refused_deals=draw(st.frozensets(deals, max_size=2)),
        open_deals={person: tuple(sorted(found, reverse=True)) for person, found in open_deals.items()},
    )


@given(any_facts())
def test_a_thread_never_gets_a_second_deal(known: ThreadFacts) -> None:
    made = decide(known)
    assert made.deal is None or not known.has_deal
    assert made.deal is None or made.candidates == ()


@given(any_facts())
def test_what_was_refused_never_comes_back(known: ThreadFacts) -> None:
    made = decide(known)
    assert not set(made.contacts) & known.refused_contacts
    assert not ({made.deal} | set(made.candidates)) & known.refused_deals


@given(any_facts())
def test_only_who_is_named_and_not_linked_yet_is_linked(known: ThreadFacts) -> None:
    made = decide(known)
    assert set(made.contacts) == known.contacts.keys() - known.linked - known.refused_contacts
    assert len(set(made.contacts)) == len(made.contacts)


@given(any_facts())
def test_a_deal_is_linked_only_when_no_other_open_one_could_be_meant(known: ThreadFacts) -> None:
    made = decide(known)
    if made.deal is None:
        return
    personal = {person for person, said in known.contacts.items() if said} - known.refused_contacts
    meant = personal | (set(known.linked) - known.contacts.keys())
    assert {deal for person in meant for deal in known.open_deals.get(person, ())} == {made.deal}


@given(any_facts(), st.data())
def test_the_order_of_the_facts_does_not_matter(known: ThreadFacts, data: st.DataObject) -> None:
    contacts = data.draw(st.permutations(list(known.contacts.items())))
    open_deals = data.draw(st.permutations(list(known.open_deals.items())))
    other = replace(
        known,
        contacts=dict(contacts),
        open_deals={person: tuple(reversed(found)) for person, found in open_deals},
    )
    assert decide(other) == decide(known)


@given(any_facts())
def test_deciding_again_after_the_links_were_made_changes_nothing(known: ThreadFacts) -> None:
    first = decide(known)
    after = replace(
        known,
        linked=set(known.linked) | set(first.contacts),
        has_deal=known.has_deal or first.deal is not None,
    )
    again = decide(after)
    assert (again.contacts, again.deal) == ((), None)
    assert again.candidates == first.candidates

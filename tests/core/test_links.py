"""The automatic rule, row by row of docs/rules.md, and what must hold whatever the facts are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.links import LinkDecision, LinkedItem, Named, Proposal, Reason, ThreadFacts, decide
from mailcrm.core.model import Item, ItemKind

KIM, LEE, PARK = 1, 2, 3
SMALL, BIG, OTHER = (Item(ItemKind.DEAL, number) for number in (11, 12, 13))
#: A lead may have the number of a deal.
HOPE = Item(ItemKind.LEAD, 11)

PERSON = Named(personal=True)
MACHINE = Named(personal=False)
UNCLEAR = Named(personal=False, doubt=Reason.AMBIGUOUS_FROM)
FORGED = Named(personal=False, doubt=Reason.FAILED_AUTHENTICATION)

HAS_BIG = (LinkedItem(item=BIG, open=True, overtaken=False),)
HAS_CLOSED = (LinkedItem(item=BIG, open=False, overtaken=False),)
HAS_OVERTAKEN = (LinkedItem(item=BIG, open=False, overtaken=True),)

NOTHING = ThreadFacts(
    named={}, linked=set(), chosen=set(), items=(), refused_contacts=set(), refused_items=set(), open_items={}
)


def facts(**known: object) -> ThreadFacts:
    """Return a thread in which Kim writes, and nothing else but what is said."""
    return replace(NOTHING, **{"named": {KIM: PERSON}, **known})  # type: ignore[arg-type] # fields by name


def decision(
    *contacts: int,
    item: Item | None = None,
    reason: Reason = Reason.NO_OPEN_ITEM,
    suggested: Proposal | None = None,
) -> LinkDecision:
    return LinkDecision(contacts=frozenset(contacts), item=item, reason=reason, proposal=suggested)


def linked(*contacts: int, item: Item) -> LinkDecision:
    return decision(*contacts, item=item, reason=Reason.ONLY_OPEN_ITEM)


def kept(*contacts: int) -> LinkDecision:
    return decision(*contacts, reason=Reason.HAS_ITEM)


def suggested(*contacts: int, reason: Reason, items: set[Item]) -> LinkDecision:
    offered = Proposal(reason=reason, contacts=frozenset(), items=frozenset(items))
    return decision(*contacts, reason=reason, suggested=offered)


def doubted(reason: Reason, contacts: set[int], items: set[Item]) -> Proposal:
    return Proposal(reason=reason, contacts=frozenset(contacts), items=frozenset(items))


def row(rule: str, known: ThreadFacts, expected: LinkDecision, what: str) -> object:
    return pytest.param(known, expected, id=what, marks=pytest.mark.rule(rule))


ROWS = [
    row("link-contacts", NOTHING, decision(), "nobody known: nothing"),
    row("link-none-open", facts(), decision(KIM), "0 open items, no item yet: contact link only"),
    row("link-none-open", facts(items=HAS_BIG), kept(KIM), "0 open items, has one: keep"),
    row("link-one-open", facts(open_items={KIM: {BIG}}), linked(KIM, item=BIG), "exactly 1: link it"),
    row(
        "link-one-open", facts(open_items={KIM: {HOPE}}), linked(KIM, item=HOPE), "exactly 1, a lead: link it"
    ),
    row(
        "link-one-open",
        facts(open_items={KIM: {BIG}}, items=HAS_BIG),
        kept(KIM),
        "exactly 1, has one: keep",
    ),
    row(
        "link-manual-stays",
        facts(open_items={KIM: {SMALL}}, items=HAS_BIG),
        kept(KIM),
        "exactly 1, has another one: keep",
    ),
    row(
        "link-several-open",
        facts(open_items={KIM: {BIG, SMALL}}),
        suggested(KIM, reason=Reason.SEVERAL_OPEN_ITEMS, items={BIG, SMALL}),
        "2 or more, no item yet: no link, all candidates",
    ),
    row(
        "link-several-open",
        facts(open_items={KIM: {SMALL, HOPE}}),
        suggested(KIM, reason=Reason.SEVERAL_OPEN_ITEMS, items={SMALL, HOPE}),
        "a deal and a lead of one number are two",
    ),
    row(
        "link-several-open",
        facts(open_items={KIM: {BIG, SMALL}}, items=HAS_BIG),
        kept(KIM),
        "2 or more, has one: keep",
    ),
    row(
        "link-one-open",
        facts(named={KIM: PERSON, LEE: PERSON}, open_items={KIM: {BIG}, LEE: {BIG}}),
        linked(KIM, LEE, item=BIG),
        "distinct items: one deal of two contacts counts once",
    ),
    row(
        "link-several-open",
        facts(named={KIM: PERSON, LEE: PERSON}, open_items={KIM: {SMALL}, LEE: {BIG}}),
        suggested(KIM, LEE, reason=Reason.SEVERAL_OPEN_ITEMS, items={SMALL, BIG}),
        "of all linked contacts: one deal each is two",
    ),
    row(
        "link-one-open",
        facts(linked={LEE}, chosen={LEE}, open_items={LEE: {BIG}}),
        linked(KIM, item=BIG),
        "of all linked contacts: also of one linked by hand",
    ),
    row("link-contacts", facts(linked={KIM}), decision(), "linked already: nothing to do"),
    row(
        "link-junk",
        facts(named={}, linked={KIM}, open_items={KIM: {BIG}}),
        decision(),
        "linked by the rule once, named by nothing that counts now: no deal",
    ),
    row(
        "trust-authentication",
        facts(named={KIM: FORGED}, linked={KIM}, open_items={KIM: {BIG}}),
        decision(),
        "linked by the rule before, named by a forged mail: no deal",
    ),
    row(
        "link-later",
        facts(linked={KIM}, open_items={KIM: {BIG}}),
        linked(item=BIG),
        "contact or deal created later: found when asked again",
    ),
    row(
        "link-automatic-mail",
        facts(named={KIM: MACHINE}, open_items={KIM: {BIG}}),
        decision(KIM),
        "bounce, auto-reply, list or bulk mail: links to contacts",
    ),
    row(
        "link-automatic-mail",
        facts(named={KIM: MACHINE, LEE: PERSON}, open_items={KIM: {SMALL}, LEE: {BIG}}),
        linked(KIM, LEE, item=BIG),
        "bounce beside a person's mail: the person's deal",
    ),
    row("link-refused", facts(refused_contacts={KIM}), decision(), "unlink by hand: not linked again"),
    row(
        "link-refused",
        facts(refused_contacts={KIM}, open_items={KIM: {BIG}}),
        decision(),
        "unlink by hand: the deal of an unlinked contact does not come either",
    ),
    row(
        "link-refused",
        facts(refused_items={BIG}, open_items={KIM: {BIG}}),
        decision(KIM, reason=Reason.REFUSED),
        "unlink by hand: the deal is not linked again, nor offered",
    ),
    row(
        "link-refused",
        facts(refused_items={BIG}, open_items={KIM: {OTHER, BIG, SMALL}}),
        suggested(KIM, reason=Reason.SEVERAL_OPEN_ITEMS, items={OTHER, SMALL}),
        "unlink by hand: not among the candidates",
    ),
    row(
        "link-refused",
        facts(refused_items={OTHER}, open_items={KIM: {BIG}}),
        linked(KIM, item=BIG),
        "unlink by hand: another deal is free",
    ),
    row(
        "link-dismissed",
        facts(refused_items={BIG, SMALL}, open_items={KIM: {BIG, SMALL}}),
        decision(KIM, reason=Reason.REFUSED),
        "dismissed: none of the candidates comes again",
    ),
    row(
        "link-closed-item",
        facts(items=HAS_CLOSED, open_items={KIM: {SMALL}}),
        kept(KIM),
        "deal closed, no mail since: keep",
    ),
    row(
        "link-closed-item",
        facts(items=HAS_OVERTAKEN, open_items={KIM: {SMALL}}),
        suggested(KIM, reason=Reason.ITEM_CLOSED, items={SMALL}),
        "new mail, deal closed, exactly one open: a suggestion to move",
    ),
    row(
        "link-closed-item",
        facts(items=HAS_OVERTAKEN, open_items={KIM: {SMALL, OTHER}}),
        kept(KIM),
        "new mail, deal closed, several open: keep",
    ),
    row(
        "link-closed-item",
        facts(items=HAS_OVERTAKEN, open_items={KIM: {SMALL}}, refused_items={SMALL}),
        kept(KIM),
        "new mail, deal closed, the open one refused: keep",
    ),
    row(
        "trust-authentication",
        facts(named={KIM: FORGED}, open_items={KIM: {BIG}}),
        decision(suggested=doubted(Reason.FAILED_AUTHENTICATION, {KIM}, {BIG})),
        "failed authentication: suggestion only",
    ),
    row(
        "trust-ambiguous-from",
        facts(named={KIM: UNCLEAR}, open_items={KIM: {BIG}}),
        decision(suggested=doubted(Reason.AMBIGUOUS_FROM, {KIM}, {BIG})),
        "ambiguous From: suggestion only",
    ),
    row(
        "trust-ambiguous-from",
        facts(named={KIM: PERSON, LEE: UNCLEAR}, open_items={KIM: {BIG}, LEE: {SMALL}}),
        decision(
            KIM,
            item=BIG,
            reason=Reason.ONLY_OPEN_ITEM,
            suggested=doubted(Reason.AMBIGUOUS_FROM, {LEE}, set()),
        ),
        "ambiguous From beside a sound one: the sound one links, the other is suggested",
    ),
    row(
        "trust-authentication",
        facts(named={KIM: UNCLEAR, LEE: FORGED}),
        decision(suggested=doubted(Reason.FAILED_AUTHENTICATION, {KIM, LEE}, set())),
        "the worse of two reasons is told",
    ),
    row(
        "trust-authentication",
        facts(named={KIM: FORGED}, refused_contacts={KIM}),
        decision(),
        "failed authentication, dismissed once: nothing",
    ),
    row(
        "link-one-open",
        facts(named={KIM: FORGED}, linked={KIM}, chosen={KIM}, open_items={KIM: {BIG}}),
        linked(item=BIG),
        "a person linked whom a doubtful mail names: their deal counts",
    ),
]


@pytest.mark.parametrize(("known", "expected"), ROWS)
def test_the_rule_decides(known: ThreadFacts, expected: LinkDecision) -> None:
    assert decide(known) == expected


people = st.integers(1, 5)
items = st.builds(Item, st.sampled_from(ItemKind), st.integers(11, 13))
ways = st.sampled_from([PERSON, MACHINE, UNCLEAR, FORGED])
holding = st.builds(LinkedItem, item=items, open=st.booleans(), overtaken=st.booleans())


@st.composite
def any_facts(draw: st.DrawFn) -> ThreadFacts:
    linked = draw(st.frozensets(people, max_size=3))
    return ThreadFacts(
        named=draw(st.dictionaries(people, ways, max_size=4)),
        linked=linked,
        chosen=draw(st.frozensets(st.sampled_from(sorted(linked)))) if linked else frozenset(),
        items=tuple(draw(st.lists(holding, max_size=2))),
        refused_contacts=draw(st.frozensets(people, max_size=3)),
        refused_items=draw(st.frozensets(items, max_size=2)),
        open_items=draw(st.dictionaries(people, st.frozensets(items, min_size=1), max_size=4)),
    )


@pytest.mark.rule("link-one-item")
@given(any_facts())
def test_a_thread_never_gets_a_second_item(known: ThreadFacts) -> None:
    made = decide(known)
    assert made.item is None or not known.items


@pytest.mark.rule("link-refused")
@given(any_facts())
def test_what_was_refused_never_comes_back(known: ThreadFacts) -> None:
    made = decide(known)
    offered = made.proposal or doubted(Reason.REFUSED, set(), set())
    assert not (made.contacts | offered.contacts) & known.refused_contacts
    assert not ({made.item} | offered.items) & known.refused_items


@pytest.mark.rule("link-contacts")
@given(any_facts())
def test_only_who_is_named_without_doubt_and_not_linked_yet_is_linked(known: ThreadFacts) -> None:
    sound = {contact for contact, named in known.named.items() if named.doubt is None}
    assert decide(known).contacts == sound - known.linked - known.refused_contacts


@pytest.mark.rule("link-one-open")
@given(any_facts())
def test_an_item_is_linked_only_when_it_is_open_for_somebody_and_the_only_one_of_all(
    known: ThreadFacts,
) -> None:
    made = decide(known)
    if made.item is not None:
        counting = {*known.chosen, *(who for who, named in known.named.items() if named.doubt is None)}
        sure = {
            who for who, named in known.named.items() if named == PERSON and who not in known.refused_contacts
        }
        assert any(made.item in known.open_items.get(who, ()) for who in counting)
        assert {item for who in sure for item in known.open_items.get(who, ())} <= {made.item}


@pytest.mark.rule("link-order")
@given(any_facts(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_facts_became_known_does_not_matter(
    known: ThreadFacts, random: object
) -> None:
    def shuffled(mapping: dict[int, object]) -> dict[int, object]:
        keys = list(mapping)
        random.shuffle(keys)  # type: ignore[attr-defined] # a random.Random
        return {key: mapping[key] for key in keys}

    other = replace(
        known,
        named=shuffled(dict(known.named)),  # type: ignore[arg-type] # the same values
        items=tuple(reversed(known.items)),
        open_items=shuffled(dict(known.open_items)),  # type: ignore[arg-type] # the same values
    )
    assert decide(other) == decide(known)


@pytest.mark.rule("link-again")
@given(any_facts())
def test_deciding_again_after_the_links_were_made_changes_nothing(known: ThreadFacts) -> None:
    first = decide(known)
    made = (LinkedItem(item=first.item, open=True, overtaken=False),) if first.item else ()
    again = decide(replace(known, linked={*known.linked, *first.contacts}, items=(*known.items, *made)))
    assert (again.contacts, again.item) == (frozenset(), None)
    if first.proposal is None or first.proposal.contacts or not first.proposal.items:
        return
    assert again.proposal == first.proposal

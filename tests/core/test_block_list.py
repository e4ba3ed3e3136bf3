"""Whom patterns block, and which emails rules screen out."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.block_list import BlockList, BlockMode, BlockRule, parse_pattern, screens
from mailcrm.core.errors import UsageError

OWN = frozenset({"ann@example.com"})


def rule(pattern: str, mode: BlockMode = BlockMode.ONLY) -> BlockRule:
    return BlockRule(pattern=parse_pattern(pattern), mode=mode)


@pytest.mark.rule("block-patterns")
@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("jane@example.com", "jane@example.com"),
        (" Jane@Example.COM ", "jane@example.com"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("jane@MÜNCHEN.example", "jane@xn--mnchen-3ya.example"),
        ("@Example.com", "@example.com"),
        ("@münchen.example", "@xn--mnchen-3ya.example"),
        ("root@localhost", "root@localhost"),
        ("*@*.ADS.example.com", "*@*.ads.example.com"),
        ("*@*.münchen.example", "*@*.xn--mnchen-3ya.example"),
        ("news**@example.com", "news*@example.com"),
        ("newsletter@*", "newsletter@*"),
        ("*-reply@*.example", "*-reply@*.example"),
        ("*@example.com", "*@example.com"),
    ],
)
def test_a_pattern_is_normalised_as_addresses_are(text: str, written: str) -> None:
    pattern = parse_pattern(text)
    assert str(pattern) == written
    assert parse_pattern(written) == pattern


@pytest.mark.rule("block-patterns")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "@",
        "*@*",
        "**@**",
        "@com",
        "@한국",
        "*@com",
        "*@*.com",
        "*@example.*",
        "a@*",
        "*a*@*.com",
        "@*",
        "@*.example.com",
        "jane",
        "example.com",
        "jane@",
        "a b@example.com",
        "a@b@example.com",
        "jane@exa mple.com",
        "*@*..example.com",
        "*@-*.-a.com",
        "*@m*ü.example.com",
        "j\0@example.com",
        "j\ud800*@example.com",
        "*@" + "a*." * 100 + "example.com",
        "<jane@example.com>",
        "*@*/example.com",
    ],
)
def test_nonsense_and_what_would_block_everybody_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_pattern(text)
    assert refused.value.hint


@pytest.mark.rule("block-patterns")
@pytest.mark.parametrize(
    ("pattern", "address", "blocked"),
    [
        ("jane@example.com", "jane@example.com", True),
        ("jane@example.com", "jane+shop@example.com", True),
        ("jane+shop@example.com", "jane+shop@example.com", True),
        ("jane+shop@example.com", "jane@example.com", False),
        ("jane@example.com", "jane@mail.example.com", False),
        ("jane@example.com", "mary.jane@example.com", False),
        ("@example.com", "jane@example.com", True),
        ("@example.com", "jane@mail.eu.example.com", True),
        ("@example.com", "jane@notexample.com", False),
        ("@example.com", "jane@example.com.example.org", False),
        ("@mail.example.com", "jane@example.com", False),
        ("news*@example.com", "news@example.com", True),
        ("news*@example.com", "newsletter.de@example.com", True),
        ("news*@example.com", "oldnews@example.com", False),
        ("news*@example.com", "news@mail.example.com", False),
        ("*@*.ads.example.com", "x@a.ads.example.com", True),
        ("*@*.ads.example.com", "x@a.b.ads.example.com", True),
        ("*@*.ads.example.com", "x@ads.example.com", False),
        ("*@*.ads.example.com", "x@badads.example.com", False),
        ("newsletter@*", "newsletter@example.org", True),
        ("newsletter@*", "newsletter+kim@example.org", True),
        ("*a*a*@example.com", "banana@example.com", True),
        ("*a*a*@example.com", "bank@example.com", False),
        ("n.ws*@example.com", "news@example.com", False),
        ('"a@b"@example.com', '"a@b"@example.com', True),
    ],
)
def test_a_pattern_blocks(pattern: str, address: str, *, blocked: bool) -> None:
    assert parse_pattern(pattern).matches(address) is blocked
    assert (BlockList([rule(pattern)]).blocking(address) is not None) is blocked


@pytest.mark.rule("block-only")
@pytest.mark.parametrize(
    ("participants", "screened"),
    [
        (["spam@example.org", "ann@example.com"], True),
        (["spam@example.org", "ann+list@example.com"], True),
        (["spam@example.org", "other@ads.example.org", "ann@example.com"], True),
        (["spam@example.org"], True),
        (["spam@example.org", "kim@example.kr", "ann@example.com"], False),
        (["kim@example.kr"], False),
        (["ann@example.com"], False),
        ([], False),
    ],
)
def test_only_screens_when_everybody_else_is_blocked(participants: list[str], *, screened: bool) -> None:
    rules = [rule("spam@example.org"), rule("@ads.example.org")]
    assert (screens(rules, participants, OWN) is not None) is screened


@pytest.mark.rule("block-only")
def test_a_rule_of_mode_any_blocks_for_mode_only_too() -> None:
    rules = [rule("spam@example.org"), rule("@ads.example.org", BlockMode.ANY)]
    assert screens(rules, ["spam@example.org", "x@ads.example.org"], OWN) == rules[1]


@pytest.mark.rule("block-any")
def test_one_participant_is_enough_for_any() -> None:
    one = rule("spam@example.org", BlockMode.ANY)
    assert screens([one], ["kim@example.kr", "spam@example.org", "ann@example.com"], OWN) == one
    assert screens([one], ["kim@example.kr", "ann@example.com"], OWN) is None


@pytest.mark.rule("block-any")
def test_own_addresses_are_not_blocked() -> None:
    one = rule("@example.com", BlockMode.ANY)
    assert screens([one], ["kim@example.kr", "ann@example.com"], OWN) is None
    assert screens([one], ["kim@example.kr", "bob@example.com"], OWN) == one


def test_the_stricter_of_two_rules_with_one_pattern_counts() -> None:
    rules = [rule("spam@example.org", mode) for mode in BlockMode]
    for both in (rules, rules[::-1]):
        assert screens(both, ["kim@example.kr", "spam@example.org"], OWN) == rule(
            "spam@example.org", BlockMode.ANY
        )


ADDRESSES = [
    "ann@example.com",
    "a@x.com",
    "a+t@x.com",
    "b@x.com",
    "ab@s.x.com",
    "a@t.s.x.com",
    "news@y.org",
    "c@z.net",
]
PATTERNS = [
    "a@x.com",
    "@x.com",
    "@s.x.com",
    "*@*.s.x.com",
    "a*@x.com",
    "news*@*",
    "@y.org",
    "@example.com",
    "a+t@x.com",
]
rules_of = st.lists(st.builds(rule, st.sampled_from(PATTERNS), st.sampled_from(BlockMode)), max_size=6)
people = st.lists(st.sampled_from(ADDRESSES), max_size=5)
own_addresses = st.frozensets(st.sampled_from(ADDRESSES), max_size=3)


def plainly(rules: Iterable[BlockRule], participants: Iterable[str], own: AbstractSet[str]) -> bool:
    """Say the same in the words of the rule, without looking anything up."""
    others = [each for each in participants if each not in own and each.replace("+t", "") not in own]
    if any(r.pattern.matches(each) for r in rules for each in others if r.mode is BlockMode.ANY):
        return True
    return bool(others) and all(any(r.pattern.matches(each) for r in rules) for each in others)


@pytest.mark.rule("block-only")
@pytest.mark.rule("block-any")
@given(rules_of, people, own_addresses)
def test_the_list_decides_as_the_rule_says(
    rules: list[BlockRule], participants: list[str], own: frozenset[str]
) -> None:
    found = screens(rules, participants, own)
    assert (found is not None) == plainly(rules, participants, own)
    assert found is None or any(found.pattern.matches(each) for each in participants)


@pytest.mark.rule("block-only")
@given(rules_of, people, own_addresses, st.integers(0, 5))
def test_without_a_rule_no_more_is_screened(
    rules: list[BlockRule], participants: list[str], own: frozenset[str], place: int
) -> None:
    fewer = rules[:place] + rules[place + 1 :]
    assert screens(rules, participants, own) or not screens(fewer, participants, own)


@given(rules_of, people, own_addresses, st.randoms())
def test_no_order_matters(
    rules: list[BlockRule], participants: list[str], own: frozenset[str], random: Random
) -> None:
    found = screens(rules, participants, own)
    random.shuffle(rules)
    random.shuffle(participants)
    assert screens(rules, participants, own) == found


@pytest.mark.rule("block-only")
@given(rules_of, people)
def test_own_addresses_alone_are_never_screened(rules: list[BlockRule], participants: list[str]) -> None:
    assert screens(rules, participants, frozenset(participants)) is None


@given(st.text(max_size=80) | st.text("*@.ax-", max_size=20))
def test_what_is_taken_for_a_pattern_stays_the_same_one(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except UsageError:
        return
    assert parse_pattern(str(pattern)) == pattern


def test_thousands_of_rules_and_participants_are_looked_up_in_one_go() -> None:
    # To compare each with each would take minutes.
    rules = [rule(f"spam{n}@example.org") for n in range(3_000)] + [
        rule(f"@d{n}.example.org") for n in range(3_000)
    ]
    rules += [rule(f"news*@w{n}.example.org") for n in range(3_000)]
    participants = [f"kim{n}@d{n % 3_000}.example.org" for n in range(10_000)]
    assert screens(rules, participants, OWN)
    assert screens(rules, [*participants, "kim@example.kr"], OWN) is None


def test_a_hostile_address_is_compared_in_one_go() -> None:
    pattern = parse_pattern("*a*a*a*a*a*a*a*a*a*a*a*b@example.com")
    assert not pattern.matches("a" * 100_000 + "@example.com")

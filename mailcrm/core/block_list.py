"""The block list: which emails are screened out because of who takes part (rules, section 8).

Whose list it is, and what happens to the emails, is left to others.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from mailcrm.core.addresses import DOMAIN_CHARACTERS, normalise, without_tag
from mailcrm.core.errors import UsageError

#: A wildcard pattern that names no domain names at least so much of the local part.
OPEN_LOCAL_CHARACTERS = 3
#: What is left of `*@*.example.com` has two labels: `*@*.com` would be half of the world.
DOMAIN_LABELS = 2

_HINT = "Write an address (jane@example.com), a domain (@example.com) or a wildcard (news*@example.com)."
_WILD_LABEL = re.compile(r"[a-z0-9_*-]{1,63}")


class BlockMode(StrEnum):
    """Whether an email is screened out when only blocked people take part in it, or when any of them does."""

    ONLY = "only"
    ANY = "any"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class BlockPattern:
    """Whom a rule blocks; both parts normalised as addresses are, `*` for any characters.

    An empty `local` is everybody at the domain and its sub-domains.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """Return the pattern as it is written and stored."""
        return f"{self.local}@{self.domain}"

    def is_wild(self) -> bool:
        """Say whether there is a wildcard in it."""
        return "*" in str(self)

    def matches(self, address: str) -> bool:
        """Say whether a normalised address is blocked, as it is or without its `+tag`."""
        return any(self._matches(form) for form in _forms(address))

    def _matches(self, address: str) -> bool:
        local, _, domain = address.rpartition("@")
        if not self.local:
            return domain == self.domain or domain.endswith(f".{self.domain}")
        if self.is_wild():
            return bool(_glob(self.local).fullmatch(local) and _glob(self.domain).fullmatch(domain))
        return (local, domain) == (self.local, self.domain)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class BlockRule:
    """A pattern, and when it screens an email out."""

    pattern: BlockPattern
    mode: BlockMode


def parse_pattern(text: str) -> BlockPattern:
    """Return the pattern that a person wrote; raises UsageError for none, and for one that blocks all.

    Lower case, NFC, the domain in IDNA ASCII. A wildcard stands for any characters of its side of the @.
    """
    written, mark, right = text.strip().rpartition("@")
    if not mark:
        raise UsageError(f"{text!r} is no address and no domain.", hint=_HINT)
    local = _local(written)
    domain = _domain(right)
    if local is None or domain is None or (not local and "*" in domain):
        raise UsageError(f"{text!r} is no address, no domain and no wildcard of one.", hint=_HINT)
    named = sum(bool(label.strip("*")) for label in domain.split("."))
    everybody = not local.strip("*")
    if everybody and named < DOMAIN_LABELS:
        raise UsageError(f"{text!r} would block everybody, or a whole top-level domain.", hint=_HINT)
    if "*" in domain and named < DOMAIN_LABELS and len(local.replace("*", "")) < OPEN_LOCAL_CHARACTERS:
        raise UsageError(f"{text!r} would block nearly everybody.", hint=_HINT)
    return BlockPattern(local=re.sub(r"\*+", "*", local), domain=re.sub(r"\*+", "*", domain))


def _local(written: str) -> str | None:
    """Return a local part as addresses are normalised; there a `*` is a character like others."""
    if not written:
        return ""
    address = normalise(f"{written}@example.com")
    return address.rpartition("@")[0] if address else None


def _domain(written: str) -> str | None:
    if "*" not in written:
        address = normalise(f"x@{written}")
        return address.rpartition("@")[2] if address else None
    if len(written) > DOMAIN_CHARACTERS:
        return None
    labels: list[str] = []
    for label in written.lower().split("."):
        if "*" not in label:
            address = normalise(f"x@{label}")
            if address is None:
                return None
            labels.append(address.rpartition("@")[2])
        elif _WILD_LABEL.fullmatch(label):
            labels.append(label)
        else:
            return None
    return ".".join(labels)


@lru_cache(maxsize=10_000)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return a pattern that never goes back on what a wildcard took, so that time stays linear."""
    first, *others = map(re.escape, pattern.split("*"))
    if not others:
        return re.compile(first)
    *between, last = others
    return re.compile(first + "".join(f"(?>.*?{each})" for each in between) + f".*{last}", re.DOTALL)


def _forms(address: str) -> Iterator[str]:
    yield address
    plain = without_tag(address)
    if plain != address:
        yield plain


class BlockList:
    """Rules that are looked up quickly: thousands of addresses and domains cost nothing more than one."""

    def __init__(self, rules: Iterable[BlockRule]) -> None:
        """Sort the rules by what they are found with; of equal patterns, the one of mode `any` counts."""
        self._addresses: dict[str, BlockRule] = {}
        self._domains: dict[str, BlockRule] = {}
        # By the domain that they name, or under an empty one.
        self._wild: defaultdict[str, list[BlockRule]] = defaultdict(list)
        # What comes last stays, and `any` sorts before `only`.
        for rule in sorted(rules, reverse=True):
            pattern = rule.pattern
            if not pattern.local:
                self._domains[pattern.domain] = rule
            elif pattern.is_wild():
                self._wild["" if "*" in pattern.domain else pattern.domain].append(rule)
            else:
                self._addresses[str(pattern)] = rule

    def blocking(self, address: str) -> BlockRule | None:
        """Return the rule that blocks a normalised address: one of mode `any` before others."""
        found = list(self._matching(address))
        return min(found, key=lambda rule: (rule.mode, rule.pattern), default=None)

    def _matching(self, address: str) -> Iterator[BlockRule]:
        for form in _forms(address):
            if form in self._addresses:
                yield self._addresses[form]
        domain = address.rpartition("@")[2]
        if self._domains:
            part = domain
            while part:
                if part in self._domains:
                    yield self._domains[part]
                part = part.partition(".")[2]
        for named in ("", domain):
            for rule in self._wild.get(named, ()):
                if rule.pattern.matches(address):
                    yield rule

    def screens(self, participants: Iterable[str], own: AbstractSet[str]) -> BlockRule | None:
        """Return a rule that screens out an email with these normalised addresses, or None when it stays.

        Own addresses are left out. One of mode `any` is enough; others screen an email out when everybody
        who is left is blocked. Among several rules the answer is always the same one.
        """
        others = {each for each in participants if own.isdisjoint(_forms(each))}
        found = [self.blocking(each) for each in others]
        rules = [rule for rule in found if rule]
        if rules and (len(rules) == len(found) or any(rule.mode is BlockMode.ANY for rule in rules)):
            return min(rules, key=lambda rule: (rule.mode, rule.pattern))
        return None


def screens(
    rules: Iterable[BlockRule], participants: Iterable[str], own: AbstractSet[str]
) -> BlockRule | None:
    """Return what `BlockList.screens` does, for one email; for many, make the list once."""
    return BlockList(rules).screens(participants, own)

"""The language of a search: words, quoted phrases, operators, `-`, OR and parentheses.

    query  = every *("OR" every)             every  = 1*item
    item   = ["-"] ("(" query ")" / term)    term   = [name ":"] (word / quoted)

What stands side by side must all hold, and OR binds weaker than that, as in GitHub's search and in
SQL: `a b OR c` is `(a b) OR c`. (Gmail's help does not say what Gmail does.) OR counts only in capital
letters and without quotes. A curly quote is a quote; a `-` before a blank is only a sign, and so is
every word without a letter or digit: both are passed over.

The name of an operator may be written in any case. Another word before a colon is a mere word, so that
`re:offer`, `12:30` and `https://example.com` are looked for as they stand, unless it is an operator of
Gmail that has another name here, or so near to one of ours that it is likely a slip: one letter away
(two, from five letters on) and no shorter than three.

Terms and their folding are left to `search_terms`, what is found to `mailcrm.store.search`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import TypeAlias

from mailcrm.core.errors import QueryError, UsageError
from mailcrm.core.search_terms import SearchPhrase, phrase

#: Bounds against hostile input; a database takes no statement of any depth either.
MOST_CHARACTERS = 2_000
MOST_TERMS = 100
MOST_DEPTH = 15


class Operator(StrEnum):
    """What stands before the colon of a condition that is no search for words."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    HAS = "has"
    FILENAME = "filename"
    CONTACT = "contact"
    ORG = "org"
    DEAL = "deal"
    LEAD = "lead"
    ACCOUNT = "account"
    FOLDER = "folder"
    LABEL = "label"
    IS = "is"
    AFTER = "after"
    BEFORE = "before"
    LARGER = "larger"
    SMALLER = "smaller"


class Part(StrEnum):
    """Where words may be looked for alone; with the body, quoted or not, go the names of attachments."""

    SUBJECT = "subject"
    BODY = "body"


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """Words side by side, in one part of the email or anywhere.

    `unfinished`: the last one may go on, because it may still be being typed.
    """

    text: str
    part: Part | None
    unfinished: bool

    @property
    def phrase(self) -> SearchPhrase:
        """The words as the index knows them; it is never empty."""
        found = phrase(self.text, unfinished=self.unfinished)
        if found is None:
            raise ValueError(f"{self.text!r} has no words")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """An operator with its value.

    An instant in UTC for `after` and `before`, bytes for `larger` and `smaller`, and for `contact`, `org`,
    `deal` and `lead` the number of one, or text that its name contains.
    """

    operator: Operator
    value: str | int | datetime


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; there are two or more, none of them an `And`."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts holds; there are two or more, none of them an `Or`."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Query"


Query: TypeAlias = Words | Condition | And | Or | Not

#: The values that an operator knows; all others take any text.
VALUES = MappingProxyType(
    {
        Operator.HAS: ("attachment",),
        Operator.IS: ("unread", "shared", "private", "linked", "unlinked", "archived"),
    }
)

_NUMBERED = frozenset({Operator.CONTACT, Operator.ORG, Operator.DEAL, Operator.LEAD})
_NAMES: tuple[str, ...] = (*Operator, *Part)

#: Operators of Gmail that mailcrm does not have, and what comes near to them.
_OF_GMAIL = MappingProxyType(
    {
        "bcc": "to",
        "category": "label",
        "deliveredto": "account",
        "in": "folder",
        "list": "from",
        "newer": "after",
        "newer_than": "after",
        "older": "before",
        "older_than": "before",
        "size": "larger",
    }
)

_CURLY_QUOTES = str.maketrans("“”„«»\0", '""""" ')
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(r"\s")
_OF_A_QUERY = re.compile('["()“”„«»]')
_BLANKS = re.compile(r"\s*")
_BARE = re.compile(r'[^\s"()]*')
_NAMED = re.compile(r"([A-Za-z_]+):(?!//)")
_MINUS = re.compile(r"-+(?=[^\s)-])")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*([kmg]?)b?", re.IGNORECASE)
_UNITS = MappingProxyType({"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000})


class _Kind(Enum):
    OPEN = auto()
    CLOSE = auto()
    OR = auto()
    TERM = auto()
    END = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    """`start` is its first character, `value_at` that of its value, which is `quoted` or not."""

    kind: _Kind
    start: int
    negated: bool = False
    name: str = ""
    value: str = ""
    value_at: int = 0
    quoted: bool = False


def parse_query(text: str, now: datetime) -> Query:
    """Return what `text` asks for, with days counted back from `now`.

    Raises QueryError, which names the character, and UsageError when there is nothing to look for.
    """
    text = _SURROGATE.sub("\ufffd", text)
    if len(text) > MOST_CHARACTERS:
        raise UsageError(
            f"A query has no more than {MOST_CHARACTERS:,} characters; this one has {len(text):,}.",
            hint="Ask for less at once.",
        )
    found = _Parser(text, now).query()
    if found is None or not (_any_condition(found) or _any_positive(found)):
        raise UsageError(
            "There is no word to look for.",
            hint="Name a word that must occur, too: mailcrm search 'invoice -draft'",
        )
    return found


def joined_words(words: Sequence[str]) -> str:
    """Return the words of a command line as one query, with the quotes that the shell took away.

    A word that has a blank was quoted; behind an operator, only its value was. What has a quote or a
    parenthesis of its own is part of a query already, and so is a single word.
    """
    return " ".join(words) if len(words) == 1 else " ".join(map(_quoted_again, words))


def _quoted_again(word: str) -> str:
    if not _BLANK.search(word) or _OF_A_QUERY.search(word):
        return word
    minus = word[: _end(_MINUS, word, 0)]
    rest = word[len(minus) :]
    name, colon, value = rest.partition(":")
    if colon and name.lower() in _NAMES:
        return f'{minus}{name}:"{value}"'
    return f'{minus}"{rest}"'


def written(query: Query) -> str:
    """Return a query as text that means the same."""
    match query:
        case Words(text=text, part=part, unfinished=unfinished):
            return (f"{part}:" if part else "") + (text if unfinished else f'"{text}"')
        case Condition(operator=operator, value=datetime() as moment):
            return f"{operator}:{moment.date().isoformat()}"
        case Condition(operator=operator, value=int(number)):
            return f"{operator}:{number}"
        case Condition(operator=operator, value=value):
            return f"{operator}:{value}" if operator in VALUES else f'{operator}:"{value}"'
        case Not(part=part):
            return "-" + _grouped(part, (And, Or, Not))
        case And(parts=parts):
            return " ".join(_grouped(part, (Or,)) for part in parts)
        case Or(parts=parts):
            return " OR ".join(map(written, parts))


def _grouped(query: Query, kinds: tuple[type, ...]) -> str:
    return f"({written(query)})" if isinstance(query, kinds) else written(query)


def _any_condition(query: Query) -> bool:
    match query:
        case And(parts=parts) | Or(parts=parts):
            return any(map(_any_condition, parts))
        case Not(part=part):
            return _any_condition(part)
        case _:
            return isinstance(query, Condition)


def _any_positive(query: Query, *, negated: bool = False) -> bool:
    match query:
        case And(parts=parts) | Or(parts=parts):
            return any(_any_positive(part, negated=negated) for part in parts)
        case Not(part=part):
            return _any_positive(part, negated=not negated)
        case _:
            return not negated


class _Parser:
    """Reads a query by recursive descent, one token ahead."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text = text
        self._now = now
        self._tokens = self._cut(text.translate(_CURLY_QUOTES))
        self._at = 0
        bare = [token for token in self._tokens if token.kind is _Kind.TERM and not token.quoted]
        # The last word without quotes, wherever it stands; only an operator's value is no word.
        words = [
            token for token in bare if token.name in ("", *Part) and phrase(token.value, unfinished=False)
        ]
        self._last_word = words[-1] if words else None

    def query(self) -> Query | None:
        found = self._either(0, negated=False)
        if self._next.kind is not _Kind.END:
            raise self._error("there is no open parenthesis for this one", self._next.start)
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _either(self, depth: int, *, negated: bool) -> Query | None:
        sides = [self._every(depth, negated=negated)]
        while self._next.kind is _Kind.OR:
            either = self._take()
            if sides[-1] is None:
                raise self._error("OR needs something to look for on its left", either.start)
            sides.append(self._every(depth, negated=negated))
            if sides[-1] is None:
                raise self._error("OR needs something to look for on its right", either.start)
        return _joined(Or, [side for side in sides if side is not None])

    def _every(self, depth: int, *, negated: bool) -> Query | None:
        parts: list[Query] = []
        while self._next.kind in (_Kind.OPEN, _Kind.TERM):
            token = self._take()
            negative = negated != token.negated
            if token.kind is _Kind.TERM:
                part = self._term(token, negated=negative)
            else:
                part = self._group(token, depth + 1, negated=negative)
            if part is not None:
                parts.append(Not(part) if token.negated else part)
        return _joined(And, parts)

    def _group(self, token: _Token, depth: int, *, negated: bool) -> Query:
        if depth > MOST_DEPTH:
            raise self._error(f"no more than {MOST_DEPTH} parentheses may be open at once", token.value_at)
        found = self._either(depth, negated=negated)
        if self._take().kind is not _Kind.CLOSE:
            raise self._error("this parenthesis is not closed", token.value_at)
        if found is None:
            raise self._error("nothing to look for is in this parenthesis", token.value_at)
        return found

    def _term(self, token: _Token, *, negated: bool) -> Query | None:
        if token.name and token.name not in Part.__members__.values():
            return self._condition(token)
        part = Part(token.name) if token.name else None
        if phrase(token.value, unfinished=False) is None:
            if part is not None:
                raise self._error(f"{part}: needs a word", token.value_at)
            return None
        return Words(text=token.value, part=part, unfinished=token is self._last_word and not negated)

    def _condition(self, token: _Token) -> Condition:
        operator, text = Operator(token.name), token.value
        value: str | int | datetime = text
        match operator:
            case Operator.AFTER | Operator.BEFORE:
                from mailcrm.core.dates import parse_when  # late: dateutil takes its time to import

                try:
                    value = parse_when(text, self._now)
                except UsageError as error:
                    raise self._error(str(error).removesuffix("."), token.value_at, error.hint) from error
            case Operator.LARGER | Operator.SMALLER:
                value = self._size(token)
            case Operator.HAS | Operator.IS:
                value = text.lower()
                if value not in VALUES[operator]:
                    raise self._error(
                        f"{operator}: knows no {text!r}",
                        token.value_at,
                        f"It knows: {_listed(VALUES[operator])}.",
                    )
            case _ if operator in _NUMBERED and not token.quoted and text.isascii() and text.isdecimal():
                if len(text) > 18:
                    raise self._error("this number is too long", token.value_at)
                value = int(text)
            case _:
                pass
        return Condition(operator=operator, value=value)

    def _size(self, token: _Token) -> int:
        found = _SIZE.fullmatch(token.value)
        if found is None or not token.value.isascii():
            raise self._error(
                f"{token.value!r} is no size", token.value_at, "Say it like 5MB, 500k, 1.5M or 20000."
            )
        whole, _, fraction = found[1].partition(".")
        thousandths = int(whole) * 1000 + int(fraction.ljust(3, "0"))
        return thousandths * _UNITS[found[2].lower()] // 1000

    def _cut(self, text: str) -> Sequence[_Token]:
        tokens: list[_Token] = []
        terms = at = 0
        while (at := _end(_BLANKS, text, at)) < len(text):
            start = at
            at = _end(_MINUS, text, at)
            token, at = self._token(text, start, at)
            tokens.append(token)
            terms += token.kind is _Kind.TERM
            if terms > MOST_TERMS:
                raise self._error(f"a query has no more than {MOST_TERMS} words and operators", start)
        return (*tokens, _Token(kind=_Kind.END, start=len(text)))

    def _token(self, text: str, start: int, at: int) -> tuple[_Token, int]:
        negated = at > start
        match text[at]:
            case "(":
                return _Token(kind=_Kind.OPEN, start=start, negated=negated, value_at=at), at + 1
            case ")":
                return _Token(kind=_Kind.CLOSE, start=start), at + 1
        name, value_at = self._name(text, at)
        quoted = text.startswith('"', value_at)
        if quoted:
            end = text.find('"', value_at + 1)
            if end < 0:
                raise self._error("this quote is not closed", value_at)
            value, after = text[value_at + 1 : end], end + 1
        else:
            after = _end(_BARE, text, value_at)
            value = text[value_at:after]
        if name and not value.strip():
            raise self._error(
                f"{name}: needs a value right behind it", at, 'Say it like from:kim or from:"Kim Minji".'
            )
        if value == "OR" and not (quoted or name or negated):
            return _Token(kind=_Kind.OR, start=start), after
        token = _Token(
            kind=_Kind.TERM,
            start=start,
            negated=negated,
            name=name,
            value=value.strip(),
            value_at=value_at,
            quoted=quoted,
        )
        return token, after

    def _name(self, text: str, at: int) -> tuple[str, int]:
        """Return the operator that begins at a place, if one does, and where what follows it begins."""
        found = _NAMED.match(text, at)
        if found is None:
            return "", at
        name = found[1].lower()
        if name in _NAMES:
            return name, found.end()
        meant = _OF_GMAIL.get(name) or _slip(name)
        if meant is None:
            return "", at
        raise self._error(
            f"there is no operator {found[1]}:, the nearest is {meant}:",
            at,
            f'To look for the words, quote them: "{found[1]}: …"',
        )

    def _error(self, sentence: str, start: int, hint: str = "") -> QueryError:
        return QueryError(sentence, text=self._text, position=start + 1, hint=hint)


def _joined(kind: type[And] | type[Or], parts: Sequence[Query]) -> Query | None:
    flat: list[Query] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else (part,)
    match flat:
        case []:
            return None
        case [one]:
            return one
        case _:
            return kind(tuple(flat))


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _slip(name: str) -> str | None:
    """Return the operator that a name was likely meant to be."""
    if not 3 <= len(name) <= 12:
        return None
    near = 1 if len(name) < 5 else 2
    distance, nearest = min((_distance(name, other), other) for other in _NAMES if len(other) > 2)
    return nearest if distance <= near else None


def _distance(one: str, other: str) -> int:
    """Return how many letters were put in, left out, changed, or swapped with the next one."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        two_above, above, row = above, row, [i]
        for j, wanted in enumerate(other, 1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                least = min(least, two_above[j - 2] + 1)
            row.append(least)
    return row[-1]

"""How text is cut into search terms, by one function for what is indexed and what is asked.

Runs of Han, Kana and Hangul have no blanks between words, so they become overlapping terms of two
characters. Matching and ranking is left to the databases behind `mailcrm.store`.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from operator import add

#: Characters of a text that are read for each term that is wanted, blanks included; a bound on the
#: size of the index entry as well, since a character has at most four bytes.
TEXT_PER_TERM = 10

#: Longer words are no words; the index needs a bound for every term.
TERM_CHARACTERS = 60

#: Between blanks; text that has more is in a script without blanks, where little comes again.
_CHARACTERS_PER_WORD = 8

# ASCII in lower case, and a blank for what is no letter and no digit.
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(0x80)}

# Blocks of Han (with its iteration mark and zero), Kana and Hangul after NFKC.
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3131-\u318e"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7a3\ud7b0-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_CJK_CHARACTER = re.compile(f"[{_CJK}]")

# Letters and signs that folding changes in nothing but their case; their marks are not among them.
_SIMPLE = re.compile(
    "[\0-\x7f\u2018-\u201d\u3001\u3002\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3"
    "\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f]*+"
)

# The accents of Latin, Greek and Cyrillic; those of other scripts are letters.
_ACCENTS = re.compile("[\u0300-\u036f]+")

# The blocks from Hebrew to Thai and beyond, where vowels and tones may be marks; Hangul is not in them.
_MARKED_SCRIPTS = re.compile("[\u0483-\u10ff\u1300-\u1cff\u3099\u309a\ua66f-\uabff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPhrase:
    """Terms that stand side by side.

    `prefix` lets the last one go on.
    """

    terms: tuple[str, ...]
    prefix: bool


def terms(text: str, most: int = 16_000) -> list[str]:
    """Return the first `most` terms of a text, in order, repeated as often as they occur.

    Case, width and accents are folded. A run of Han, Kana and Hangul yields its pairs of characters
    and then its last one, so that a phrase of pairs finds any part of it; any other run of letters
    and digits is one term of at most 60 characters.
    """
    return joined_terms(text, most).split()


def joined_terms(text: str, most: int) -> str:
    """Return the same terms with a space between them, as an index takes them."""
    text = text[: most * TEXT_PER_TERM]
    if text.isascii():
        return " ".join(_plain(text)[:most])
    words = text.split()
    if len(text) > _CHARACTERS_PER_WORD * len(words):
        joined = _cut(text)
    else:
        # Nothing is folded or cut across a blank, and the same words come again in this email and
        # in the next ones.
        joined = " ".join(filter(None, map(_cuts.__getitem__, words)))
    # So few characters hold no more terms; to count them takes longer.
    return joined if len(joined) <= 2 * most else " ".join(joined.split(" ", most)[:most])


def _plain(text: str) -> list[str]:
    """Return the terms of ASCII."""
    found = text.translate(_ASCII).split()
    if max(map(len, found), default=0) > TERM_CHARACTERS:
        return [word[:TERM_CHARACTERS] for word in found]
    return found


def _cut(text: str) -> str:
    if text.isascii():
        return " ".join(_plain(text))
    found: list[str] = []
    if _SIMPLE.fullmatch(text):
        runs = _runs(marked=False).findall(text.lower())
    else:
        folded = _fold(text)
        runs = _runs(marked=_MARKED_SCRIPTS.search(folded) is not None).findall(folded)
    for pairs, word in runs:
        if word:
            found.append(word[:TERM_CHARACTERS])
        else:
            found += map(add, pairs, pairs[1:])
            found.append(pairs[-1])
    return " ".join(found)


class _Cuts(dict[str, str]):
    """What words were cut into; a plain dictionary is looked up in half the time of an `lru_cache`."""

    def __missing__(self, word: str) -> str:
        cut = _cut(word)
        # Long words hardly ever come again, and would fill the memory.
        if len(word) <= TERM_CHARACTERS:
            if len(self) >= _WORDS:
                self.clear()
            self[word] = cut
        return cut


#: Some 10 MB.
_WORDS = 30_000
_cuts = _Cuts()


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))


@cache
def _runs(*, marked: bool) -> re.Pattern[str]:
    """Return the pattern of a run of Han, Kana and Hangul, or else of a word.

    Where a script has vowels and tones that are marks, they belong to the word; `re` does not count
    them to the letters, and looking for them costs time.
    """
    letter = rf"[^\W_{_CJK}]"
    if not marked:
        return re.compile(f"([{_CJK}]+)|({letter}+)")
    marks = "".join(
        chr(code) for code in range(0x483, 0xAC00) if unicodedata.category(chr(code)).startswith("M")
    )
    return re.compile(f"([{_CJK}]+)|({letter}(?:{letter}|[{marks}])*)")


def phrase(words: str, *, unfinished: bool) -> SearchPhrase | None:
    """Return words that stand side by side, or None when there is no letter and no digit.

    The last word may go on when it is `unfinished`, and so may a single Han, Kana or Hangul character,
    because the index holds pairs.
    """
    found = terms(words, 100)
    if not found:
        return None
    # A run of Han, Kana or Hangul may go on (계약서 in 계약서를), so its last character is not asked for.
    if len(found) > 1 and _is_cjk(found[-1]) and _is_cjk(found[-2]) and len(found[-2]) == 2:
        found.pop()
    prefix = len(found[-1]) == 1 if _is_cjk(found[-1]) else unfinished
    return SearchPhrase(terms=tuple(found), prefix=prefix)


def _is_cjk(term: str) -> bool:
    return _CJK_CHARACTER.match(term) is not None

"""Which charset bytes are in that say nothing of it, or the wrong thing.

A text is taken for the language whose everyday letters it decodes to; a library for this
(charset-normalizer 3.5) was right about one short Korean, Russian or Greek line in two to ten. What is
done with the answer is left to `core.charsets`.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable
from enum import Enum
from functools import cache
from typing import NamedTuple

#: Enough of a text to know its language; the damage that a cut does to the last character is passed over.
SAMPLE_BYTES = 8_000
#: Damage of a few characters is shown as such; more means another charset.
DAMAGED_SHARE = 0.1
#: What the characters of an alphabet must score at least, and what those of two bytes score before others.
LEAST = 0.2
PROOF = 0.3

_LOW = bytes(range(0x80))
_HIGH = re.compile(rb"[\x80-\xff]++")
_MIXED = re.compile(rb"[a-zA-Z](?=[\x80-\xff])|[\x80-\xff](?=[a-zA-Z])")
_WORDS = re.compile(r"[^\W\d_\x00-\x7f]+")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

# The most frequent syllables and characters of ordinary Korean and simplified Chinese letters.
_FREQUENT_HANGUL = (
    "이다는에의을가고한지하은로사기도를어서자시리대정해들과인일나수있아보제게라것적전주상안그원부동장만여오구스공조무경"
    "녕세요감합니견계약회첨문드립확요청드부탁내용업체처품금비방관련연락담당자신성소중발송위분개국선우생최김박민현재진행"
)
_FREQUENT_HAN = (
    "的一是不了在人有我他这中大来上国个到说们为和你地出也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然"
    "没日于起还发成事只作当想看文开用主行方如前所本见经面公同三已从动长知样现分将外但与高意进法此实回理点月明其全工者向"
    "部正名定问机给等几业最间新什位因重电您请谢合价格表单报产品订货客户联系附件收到司"
)
_FREQUENT_TRADITIONAL_HAN = (
    "的一是不了在人有我他這中大來上國個到說們為和你地出也時年得就那要下以生會自著去之過家學對可里後小麼心多天而能好都然"
    "沒日於起還發成事只作當想看文開用主行方如前所本見經面公同三已從動長知樣現分將外但與高意進法此實回理點月明其全工者向"
    "部正名定問機給等幾業最間新什位因重電您請謝合價格表單報產品訂貨客戶聯繫附件收到司"
)


# The commonest letters of each alphabet, and its codecs; the first of two that fit alike is meant.
_ALPHABETS = (
    ("оеаинтсрвлкмпд", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўђјљњћџ", ("cp1251", "koi8_u")),
    ("αοιετσνηυρπκλμς", "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", ("cp1253", "iso8859_7")),
    ("יוהלאתרמבש", "אבגדהוזחטיךכלםמןנסעףפץצקרשת", ("cp1255",)),
    ("الميونرتبعةد", "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگ", ("cp1256",)),
    ("านรอกเงมยลวดท", "".join(map(chr, range(0xE01, 0xE4F))), ("cp874",)),
)


class _Kind(Enum):
    """How a codec writes a letter: in one byte, in two beyond ASCII, or in two of which the first is."""

    ALPHABET = 1
    PAIRS = 2
    MIXED_PAIRS = 3


class _Script(NamedTuple):
    """A codec, the characters that are standard in it, the share of these that is needed, the frequent ones.

    `chance` is the share that the frequent ones have in noise.
    """

    codec: str
    standard: frozenset[str]
    share: float
    frequent: frozenset[str]
    chance: float
    kind: _Kind


@cache
def _scripts() -> tuple[_Script, ...]:
    """Return what there is to guess.

    Each decodes much text of the others, too, but not to the characters of everyday letters.
    """
    pairs = [bytes((lead, trail)) for lead in range(0xA4, 0xD8) for trail in range(0x40, 0xFF)]
    hangul = frozenset(map(chr, range(0xAC00, 0xD7A4))) & _decoded(pairs, "euc_kr")
    simplified = _decoded(pairs[12 * 0xBF :], "gb2312")
    traditional = _decoded(pairs[: 35 * 0xBF], "big5")
    kana = frozenset(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
    return (
        _Script("cp949", hangul, 0.7, frozenset(_FREQUENT_HANGUL), 0.05, _Kind.PAIRS),
        _Script("gb18030", simplified, 0.7, frozenset(_FREQUENT_HAN), 0.05, _Kind.PAIRS),
        _Script("cp950", traditional, 0.7, frozenset(_FREQUENT_TRADITIONAL_HAN), 0.05, _Kind.MIXED_PAIRS),
        _Script("cp932", kana, 0.25, kana, 0.05, _Kind.MIXED_PAIRS),
        _Script("euc_jp", kana, 0.25, kana, 0.05, _Kind.PAIRS),
        *(
            _Script(
                codec,
                frozenset(letters),
                0.95,
                frozenset(frequent),
                len(frequent) / len(letters),
                _Kind.ALPHABET,
            )
            for frequent, letters, codecs in _ALPHABETS
            for codec in codecs
        ),
    )


def _decoded(pairs: Iterable[bytes], codec: str) -> frozenset[str]:
    return frozenset(pair.decode(codec, "ignore") for pair in pairs) - {""}


def guess(data: bytes) -> str:
    """Return Python's codec for a text: UTF-8, a charset of escapes, UTF-16, a script's, else cp1252."""
    if data.isascii():
        return "iso2022_kr" if b"\x1b$)C" in data else "iso2022_jp" if b"\x1b$" in data else "utf-8"
    if data[:2] in _BYTE_ORDER_MARKS:
        return "utf-16"
    if is_utf_8(data):
        return "utf-8"
    return script(data) or "cp1252"


def is_utf_8(data: bytes) -> bool:
    """Say whether bytes that are not all ASCII are UTF-8, but for little damage."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        damage = data.decode("utf-8", "replace").count("\ufffd")
        return damage <= DAMAGED_SHARE * len(data.translate(None, _LOW))
    return True


def script(data: bytes) -> str | None:
    """Return the codec of a script other than the Latin one, when bytes are in one."""
    found = _HIGH.search(data)
    if found is None:
        return None
    sample = data[found.start() : found.start() + SAMPLE_BYTES]
    runs = _HIGH.findall(sample)
    # In Western Europe letters beyond ASCII stand alone, between letters of ASCII.
    apart = sum(len(run) for run in runs if len(run) == 1) > 0.2 * sum(map(len, runs))
    mixed = apart or len(_MIXED.findall(sample)) > 0.2 * len(runs)
    best, guessed = 0.0, None
    for each in _scripts():
        if (each.kind is _Kind.ALPHABET and mixed) or (each.kind is _Kind.PAIRS and apart):
            continue
        try:
            text = getincrementaldecoder(each.codec)().decode(sample)
        except UnicodeDecodeError:
            continue
        score = _score(text, each)
        if score > best:
            best, guessed = score, each.codec
    return guessed


def _score(text: str, script: _Script) -> float:
    """Return how much more often the frequent characters of a script occur than in noise; 0: no more."""
    words = _WORDS.findall(text)
    letters = "".join(words)
    if not letters or sum(map(script.standard.__contains__, letters.lower())) < script.share * len(letters):
        return 0.0
    if script.kind is not _Kind.ALPHABET:
        # The order of the bytes is proof of its own.
        frequent = sum(map(script.frequent.__contains__, letters)) / len(letters)
        return PROOF + max(0.0, frequent - script.chance)
    # The wrong codec gives signs between the letters, mixes small and capital ones, or gives capitals only.
    beyond = sum(character > "\x7f" for character in text)
    if sum(map(script.standard.__contains__, text.lower())) < 0.7 * beyond:
        return 0.0
    small = "".join(word for word in words if word == word.lower() or word[1:] == word[1:].lower())
    capital = "".join(word for word in words if word == word.upper() != word.lower())
    frequent = sum(map(script.frequent.__contains__, small.lower()))
    frequent += 0.6 * sum(map(script.frequent.__contains__, capital.lower()))
    score = (frequent / len(letters) - script.chance) / (1 - script.chance)
    return score if score > LEAST else 0.0

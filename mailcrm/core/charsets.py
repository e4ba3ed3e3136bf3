"""What the bytes of a text mean: charset labels as mail writes them, and what to read without a label.

Everything is in linear time and never raises. Which label belongs to which bytes is left to
`core.headers` and `core.parts`.
"""

import re
from functools import cache, lru_cache

# What mail programs write and what they mean by it: the Windows code pages contain the older
# sets, and senders use their additions under the older names.
_NAMES = {
    "utf-8": "utf8 utf8mb4 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 cp65001",
    "cp949": "ks-c-5601-1987 ks-c-5601-1989 ks-c-5601 ksc5601 ksc-5601 ksc5601-1987 korean iso-ir-149"
    " csksc56011987 euc-kr euckr cseuckr windows-949 x-windows-949 ms949 uhc x-uhc 949",
    "iso2022_kr": "iso-2022-kr csiso2022kr",
    "johab": "cp1361 ms1361",
    "gb18030": "gb2312 gb-2312 gb2312-80 gb-2312-80 gbk x-gbk cp936 ms936 windows-936 936 gb-18030 chinese"
    " csgb2312 iso-ir-58 csiso58gb231280 euc-cn x-euc-cn",
    "hz": "hz-gb-2312",
    "cp950": "big5 big-5 cn-big5 x-x-big5 csbig5 windows-950 big5-hkscs big5hkscs",
    "cp932": "shift-jis shiftjis sjis x-sjis csshiftjis ms-kanji ms932 windows-31j cswindows31j windows-932",
    "euc_jp": "euc-jp eucjp x-euc-jp cseucpkdfmtjapanese",
    "iso2022_jp": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms csiso2022jp"
    " cp50220 cp50221 cp50222 x-windows-iso2022jp jis",
    "cp1252": "iso-8859-1 iso8859-1 iso88591 iso-8859-1:1987 iso-ir-100 latin1 latin-1 l1 csisolatin1 cp819"
    " ibm819 windows-1252 x-cp1252 ansi x-ansi",
    "iso8859_2": "latin2 l2 csisolatin2 iso-ir-101 iso-8859-2:1987",
    "iso8859_3": "latin3 l3 csisolatin3 iso-ir-109 iso-8859-3:1988",
    "iso8859_4": "latin4 l4 csisolatin4 iso-ir-110 iso-8859-4:1988",
    "iso8859_5": "cyrillic csisolatincyrillic iso-ir-144 iso-8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i"
    " iso-ir-127 iso-8859-6:1987",
    "iso8859_7": "greek greek8 csisolatingreek ecma-118 elot-928 sun-eu-greek iso-ir-126 iso-8859-7:1987",
    "iso8859_8": "hebrew visual logical iso-8859-8-i iso-8859-8-e csiso88598e csiso88598i csisolatinhebrew"
    " iso-ir-138 iso-8859-8:1988",
    "cp1254": "iso-8859-9 iso8859-9 iso88599 latin5 l5 csisolatin5 iso-ir-148 iso-8859-9:1989 x-cp1254",
    "iso8859_10": "latin6 l6 csisolatin6 iso-ir-157",
    "iso8859_15": "latin9 latin-9 l9 csisolatin9",
    "cp874": "tis-620 tis620 windows-874 dos-874 iso-8859-11 iso8859-11 iso885911",
    "koi8_r": "koi8-r koi8 koi cskoi8r",
    "koi8_u": "koi8-u koi8-ru",
    "mac_roman": "macintosh mac x-mac-roman csmacintosh",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp866": "866 csibm866",
    "utf-16": "unicode ucs-2 iso-10646-ucs-2 csunicode unicodefeff",
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be unicodefffe",
    "utf-32-le": "utf-32le",
    "utf-32-be": "utf-32be",
}
_CODECS = {
    label: codec for codec, labels in _NAMES.items() for label in (codec.replace("_", "-"), *labels.split())
}
_CODECS["utf-32"] = "utf-32"
_NUMBERED = re.compile(
    r"(?:iso-?8859-?(?P<iso>[2-9]|1[03-6])|(?:cp|x-cp|windows|ibm|dos)-?(?P<page>437|737|775|85\d|86\d|125\d))"
)

#: Code pages of Windows that are called in another way elsewhere.
_CODE_PAGES = {
    0: "",
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "macintosh",
    20127: "",
    20866: "koi8-r",
    20932: "euc-jp",
    21866: "koi8-u",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    50222: "iso-2022-jp",
    50225: "iso-2022-kr",
    51932: "euc-jp",
    51936: "gb2312",
    51949: "euc-kr",
    52936: "hz-gb-2312",
    54936: "gb18030",
    65001: "utf-8",
} | {28590 + part: f"iso-8859-{part}" for part in range(1, 16)}

#: The first codec's subset of some labels is not all that is sent under them.
_SECOND = {"cp950": "big5hkscs", "euc_jp": "euc_jis_2004"}
_NOT_ASCII = {"hz", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}

#: Damage of a few characters is shown as such; more means that the label is wrong.
_DAMAGED_SHARE = 0.1
_LOW = bytes(range(0x80))


def decode_charset(data: bytes, label: str | None) -> tuple[str, str | None]:
    """Return `data` as text without NUL or lone surrogates, and the repair's name if one was needed.

    The label is trusted where the bytes allow it. UTF-7 never is: it hides characters from filters.
    Without a usable label: UTF-8, else the East Asian code page whose everyday characters the bytes
    are, else windows-1252. The repair is `charset:` and the label, or `charset:missing`.
    """
    if label is None and b"\x1b" not in data and data.isascii():
        return _clean(data.decode("ascii")), None
    name, codec = _charset((label or "")[:60])
    if codec not in _NOT_ASCII and b"\x1b" not in data and data.isascii():
        repair = f"charset:{name}" if name == "utf-7" and b"+" in data else None
        return _clean(data.decode("ascii")), repair
    repair = f"charset:{name or 'missing'}"
    if codec is None:
        text, guessed = _guess(data)
        return _clean(text), None if guessed == "utf-8" and not name else repair
    if codec == "iso2022_jp" and data.isascii():
        text = _decode_jis(data)
        return _clean(text), repair if "\ufffd" in text else None
    for candidate in (codec, _SECOND.get(codec, codec)):
        try:
            return _clean(data.decode(candidate)), None
        except UnicodeDecodeError:
            continue
    text = data.decode(codec, "replace")
    if codec in _NOT_ASCII or text.count("\ufffd") <= _DAMAGED_SHARE * len(data.translate(None, _LOW)):
        return _clean(text), repair
    return _clean(_guess(data)[0]), repair


def label_of_code_page(number: int) -> str:
    """Return a label for a code page of Windows; one that says ASCII or nothing is to be guessed."""
    return _CODE_PAGES.get(number, f"cp{number}")


def is_charset(label: str) -> bool:
    """Say whether a label is one that `decode_charset` does not have to guess."""
    return _charset(label)[1] is not None


def _clean(text: str) -> str:
    text = text.removeprefix("\ufeff")
    return text.replace("\0", "") if "\0" in text else text


@lru_cache(maxsize=256)
def _charset(label: str) -> tuple[str, str | None]:
    """Return a label in lower case and Python's codec for it.

    Left out are the language of RFC 2231, 5, and what cannot be in a label.
    """
    plain = label.partition("*")[0].strip(" \t\"'").lower().replace("_", "-")
    name = re.sub(r"[^a-z0-9.:+-]", "", plain)[:40]
    return name, _codec(name)


def _codec(name: str) -> str | None:
    """Return Python's codec for a label, None when it must be guessed.

    A fixed list, because Python knows codecs that are no charsets (`unicode_escape`, `punycode`).
    us-ascii is not in it: it comes here with bytes that are not ASCII.
    """
    if name in _CODECS:
        return _CODECS[name]
    if found := _NUMBERED.fullmatch(name):
        return f"iso8859_{found['iso']}" if found["iso"] else f"cp{found['page']}"
    return None


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


@cache
def _code_pages() -> tuple[tuple[str, float, frozenset[str], frozenset[str]], ...]:
    """Return the code pages to guess: codec, share of standard characters needed, these, the frequent ones.

    Each decodes much text of the others, too, but not to the characters of everyday letters.
    """
    pairs = [bytes((lead, trail)) for lead in range(0xA4, 0xD8) for trail in range(0x40, 0xFF)]
    hangul = frozenset(map(chr, range(0xAC00, 0xD7A4))) & _decoded(pairs, "euc_kr")
    simplified = _decoded(pairs[12 * 0xBF :], "gb2312")
    traditional = _decoded(pairs[: 35 * 0xBF], "big5")
    kana = frozenset(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
    return (
        ("cp949", 0.7, hangul, frozenset(_FREQUENT_HANGUL)),
        ("gb18030", 0.7, simplified, frozenset(_FREQUENT_HAN)),
        ("cp950", 0.7, traditional, frozenset(_FREQUENT_TRADITIONAL_HAN)),
        ("cp932", 0.25, kana, kana),
    )


def _decoded(pairs: list[bytes], codec: str) -> frozenset[str]:
    return frozenset(pair.decode(codec, "ignore") for pair in pairs) - {""}


def _guess(data: bytes) -> tuple[str, str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if b"\x1b$)C" in data:
            return data.decode("iso2022_kr", "replace"), "iso2022_kr"
        if b"\x1b$" in data and data.isascii():
            return _decode_jis(data), "iso2022_jp"
        return text, "utf-8"
    best, guessed = -1.0, (data.decode("cp1252", "replace"), "cp1252")
    for codec, share, standard, frequent in _code_pages():
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        letters = [character for character in text if character > "\x7f" and character.isalpha()][:4_000]
        plausible = letters and sum(map(standard.__contains__, letters)) >= share * len(letters)
        if plausible and (score := sum(map(frequent.__contains__, letters)) / len(letters)) > best:
            best, guessed = score, (text, codec)
    return guessed


_JIS_SHIFT = re.compile(rb"(\x1b(?:\$[@B]|\$\(D|\([BJIH]|&@\x1b\$B))")


def _decode_jis(data: bytes) -> str:
    """Decode ISO-2022-JP (RFC 1468) through Shift_JIS.

    Windows programs put the NEC and IBM characters of code page 932 into it; Python's codecs for
    ISO-2022-JP know none of them.
    """
    text, mode = [], b"\x1b(B"
    for index, piece in enumerate(_JIS_SHIFT.split(data)):
        if index % 2:
            mode = piece
        elif not piece:
            continue
        elif mode == b"\x1b$(D":
            text.append((mode + piece).decode("iso2022_jp_1", "replace"))
        elif mode == b"\x1b(I":
            half_width = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in piece)
            text.append(half_width.decode("cp932", "replace"))
        elif mode.startswith(b"\x1b("):
            roman = piece.decode("ascii", "replace").replace("\x1b", "\ufffd")
            # JIS X 0201 has a yen sign and an overline where ASCII has a backslash and a tilde.
            text.append(roman.replace("\\", "¥").replace("~", "‾") if mode == b"\x1b(J" else roman)
        else:
            pairs = _jis_pairs()
            text += [pairs.get(pair, "\ufffd") for pair in re.findall(rb"[!-~]{2}|[^\n!-~]|[!-~]|\n", piece)]
    return "".join(text)


@cache
def _jis_pairs() -> dict[bytes, str]:
    table = {bytes((byte,)): chr(byte) for byte in range(0x21)}
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            lead = ((row + 1) >> 1) + (0x70 if row < 0x5F else 0xB0)
            trail = cell + (0x7E if row % 2 == 0 else 0x1F if cell < 0x60 else 0x20)
            table[bytes((row, cell))] = bytes((lead, trail)).decode("cp932", "replace")
    return table

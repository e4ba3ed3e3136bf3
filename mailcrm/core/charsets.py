"""What the bytes of a text mean: charset labels as mail writes them.

Everything is in linear time and never raises. What to read without one is left to
`core.guessing`; which label belongs to which bytes, to `core.headers` and `core.parts`.
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
    r"iso-?8859-?(?P<iso>[2-9]|1[03-6])"
    r"|(?:cp|x-cp|windows|ibm|dos)-?(?P<page>437|737|775|85[025-8]|86[0-69]|125[0-8])"
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

#: Labels that programs write without knowing: what is sent under them is often in another charset.
_CARELESS = {"cp1252", "iso8859_15"}
#: So many bytes beyond ASCII are believed more than a label.
CERTAIN_BYTES = 12
#: Damage of a few characters is shown as such; more means that the label is wrong.
DAMAGED_SHARE = 0.1
_LOW = bytes(range(0x80))
_HIGH = bytes(range(0x80, 0x100))
_PAIR = re.compile(rb"[\x80-\xff]{2}")


def decode_charset(data: bytes, label: str | None) -> tuple[str, str | None]:
    """Return `data` as text without NUL or lone surrogates, and the repair's name if one was needed.

    The label is trusted where the bytes allow it. UTF-7 never is: it hides characters from filters; and
    Western European is not for what is UTF-8 or in letters of another script. Without a usable label see
    `core.guessing`. The repair is `charset:` and the label, or `charset:missing`.
    """
    if label is None and b"\x1b" not in data and data.isascii():
        return _clean(data.decode("ascii")), None
    name, codec = _charset((label or "")[:60])
    if codec not in _NOT_ASCII and b"\x1b" not in data and data.isascii():
        repair = f"charset:{name}" if name == "utf-7" and b"+" in data else None
        return _clean(data.decode("ascii")), repair
    repair = f"charset:{name or 'missing'}"
    if codec is None:
        guessed = _guess(data)
        text, damaged = _decoded(data, guessed)
        return text, None if guessed == "utf-8" and not name and not damaged else repair
    if codec in _CARELESS and (meant := _meant(data)):
        return _decoded(data, meant)[0], repair
    text, damaged = _decoded(data, codec)
    if not damaged:
        return text, None
    if damaged <= DAMAGED_SHARE * len(data.translate(None, _LOW)) or codec in _NOT_ASCII:
        return text, repair
    return _decoded(data, _guess(data))[0], repair


def _guess(data: bytes) -> str:
    from mailcrm.core.guessing import guess  # late: most mail says what it is

    return guess(data)


def _meant(data: bytes) -> str | None:
    """Return the codec of what says to be Western European and is not, if that is certain."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # The letters of these languages beyond ASCII stand alone, nearly all.
        beyond = len(data) - len(data.translate(None, _HIGH))
        if beyond < CERTAIN_BYTES or 2 * len(_PAIR.findall(data)) < 0.7 * beyond:
            return None
        from mailcrm.core.guessing import script  # late: most mail says what it is

        return script(data)
    return "utf-8"


def _decoded(data: bytes, codec: str) -> tuple[str, int]:
    """Return text, and how many characters could not be decoded."""
    if codec == "iso2022_jp" and data.isascii():
        text = _decode_jis(data)
        return _clean(text), text.count("\ufffd")
    for candidate in (codec, _SECOND.get(codec, codec)):
        try:
            return _clean(data.decode(candidate)), 0
        except UnicodeDecodeError:
            continue
    text = data.decode(codec, "replace")
    return _clean(text), text.count("\ufffd")


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

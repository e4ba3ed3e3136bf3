"""What a person would read in the body of an email: HTML as text, flowed lines, a one-line preview.

HTML is read tag by tag without building a tree: a tree of 35 KB of hostile HTML can take
gigabytes (the standard repeats unclosed formatting in every paragraph), a list of words cannot.
Which parts of an email are its text is left to `mailcrm.core.mime`.
"""

import re
from html import unescape

PREVIEW_CHARACTERS = 200

_LINE_TAGS = frozenset(
    re.findall(
        r"\w+",
        "address article aside caption center dd details dir div dl dt fieldset figcaption figure "
        "footer form header legend li main menu nav option section summary tr",
    )
)
_PARAGRAPH_TAGS = frozenset(re.findall(r"\w+", "blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul"))
_CELL_TAGS = frozenset(("td", "th"))

#: Their content is no markup (HTML, 13.1.2) and nothing to read.
_OPAQUE_TAGS = frozenset(("script", "style", "title", "iframe", "noembed", "noframes", "xmp", "textarea"))

#: Elements that mail hides, most often a preheader for the list of mails.
_HIDEABLE_TAGS = frozenset(
    re.findall(r"\w+", "a b center div font h1 h2 h3 li p section span table tbody td template tr ul")
)

_OPENING = re.compile("<(?=[a-zA-Z/!?])")
_TAG = re.compile(r"""<(/?)([a-zA-Z][a-zA-Z0-9]*+)((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
_TAG_WITH_OPEN_QUOTE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)([^>]*+)>")
_HIDDEN = re.compile(r"display\s*+:\s*+none", re.IGNORECASE)
_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")

# What stands for structure until the end, when the blanks of the source are taken out. All
# three are control characters (RFC 5322 forbids them in text), which are blanks anyhow.
_LINE = "\x1e"  # a line break
_EDGE = "\x1f"  # a line break, unless there is one already
_SPACE = "\x1d"  # a space that stays
_BLANKS = re.compile(r"[ \t\r\n\f\v\xa0]+")
_BREAKS = re.compile(f" ?[{_LINE}{_EDGE}][{_LINE}{_EDGE} ]*")


def html_to_text(html: str) -> str:
    """Return the readable text of an HTML document, in time linear in its length.

    Paragraphs are set apart by an empty line; list items, table rows and `<br>` begin a line.
    Links are their text. Scripts, styles, templates and elements with `display:none` are left out.
    """
    words: list[str] = []
    position = preformatted = 0
    tags = _Tags(html)
    while opening := _OPENING.search(html, position):
        words.append(_words(html[position : opening.start()], preformatted))
        name, closing, position = tags.read(opening.start())
        words.append(_layout(name, closing=closing))
        if name == "pre":
            preformatted = max(0, preformatted + (-1 if closing else 1))
    words.append(_words(html[position:], preformatted))
    text = _BLANKS.sub(" ", "".join(words))
    text = _BREAKS.sub(lambda run: "\n" * min(2, max(1, run[0].count(_LINE))), text)
    return text.strip("\n ").replace(_SPACE, " ")


def _layout(name: str, *, closing: bool) -> str:
    if name in _PARAGRAPH_TAGS:
        return _LINE + _LINE
    if name in _LINE_TAGS:
        return _EDGE + "- " if name == "li" and not closing else _EDGE
    if name in _CELL_TAGS:
        return " "
    return _LINE if name in ("br", "hr") else ""


def _words(source: str, preformatted: int) -> str:
    if "&" in source:
        # Python refuses to read numbers of thousands of digits.
        source = unescape(_OVERLONG_REFERENCE.sub("\ufffd", source)).replace("\0", "")
    if preformatted:
        source = source.replace("\r\n", "\n").replace("\n", _LINE).replace(" ", _SPACE)
    return source


class _Tags:
    """The tags of a document, read without going over any stretch of it twice.

    What was searched for to the end in vain (the end of a quotation, of a hidden element) is
    remembered and not searched for again.
    """

    def __init__(self, html: str) -> None:
        self._html = html
        self._tag = _TAG
        self._hideable = set(_HIDEABLE_TAGS if _HIDDEN.search(html) else ("template",))

    def read(self, start: int) -> tuple[str, bool, int]:
        """Return the name of the tag at `start`, whether it closes, and where reading goes on after it.

        Comments and declarations have no name.
        """
        html = self._html
        found = self._tag.match(html, start)
        if found is None and html[start + 1] not in "!?":
            self._tag = _TAG_WITH_OPEN_QUOTE
            found = self._tag.match(html, start)
        if found is not None:
            name = found[2].lower()
            return name, bool(found[1]), found.end() if found[1] else self._skip(name, found)
        if html.startswith("<!--", start):
            return "", False, self._after("-->", start + 2)
        return "", False, self._after(">", start)

    def _skip(self, name: str, tag: re.Match[str]) -> int:
        """Return the end of an opening tag, or of the whole element when nobody reads it."""
        if name in _OPAQUE_TAGS:
            found = re.compile(rf"</{name}", re.IGNORECASE).search(self._html, tag.end())
            return found.start() if found else len(self._html)
        if name not in self._hideable or (name != "template" and not _HIDDEN.search(tag[3])):
            return tag.end()
        depth = 1
        for found in re.compile(rf"<(/?){name}(?=[\s/>])", re.IGNORECASE).finditer(self._html, tag.end()):
            depth += -1 if found[1] else 1
            if depth == 0:
                return found.start()
        self._hideable.discard(name)
        return tag.end()

    def _after(self, mark: str, start: int) -> int:
        found = self._html.find(mark, start)
        return found + len(mark) if found >= 0 else len(self._html)


def unflow(text: str, *, delete_space: bool) -> str:
    """Return format=flowed text with its soft line breaks taken out (RFC 3676, 4.1 and 4.2)."""
    paragraphs: list[str] = []
    depth_before, flowing = 0, False
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        signature = content == "-- "
        soft = content.endswith(" ") and not signature
        if soft and delete_space:
            content = content[:-1]
        if flowing and depth == depth_before and not signature:
            paragraphs.append(content)
        else:
            quoting = ">" * depth + " " if depth else ""
            paragraphs.append(("\n" if paragraphs else "") + quoting + content)
        depth_before, flowing = depth, soft
    return "".join(paragraphs)


# Newsletters fill their preview with characters that take no room; control characters take none either.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)


def preview(text: str) -> str:
    """Return the first 200 characters of a text on one line; quoted lines at its beginning are left out."""
    lines = text[:10_000].split("\n")
    own = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith(">")), 0)
    beginning = _INVISIBLE.sub("", "\n".join(lines[own:])[: 10 * PREVIEW_CHARACTERS])
    return " ".join(beginning.split())[:PREVIEW_CHARACTERS].rstrip()

"""What a person would read in the body of an email: HTML as text, flowed lines, a one-line preview.

HTML is read tag by tag without building a tree: a tree of 35 KB of hostile HTML can take
gigabytes (the standard repeats unclosed formatting in every paragraph), a list of words cannot.
Which parts of an email are its text is left to `mailcrm.core.mime`.
"""

import re
from html import unescape

PREVIEW_CHARACTERS = 200

_LINE_TAGS = frozenset(
    [
        "address",
        "article",
        "aside",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "option",
        "section",
        "summary",
        "tr",
    ]
)
_PARAGRAPH_TAGS = frozenset(
    ["blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"]
)
_CELL_TAGS = frozenset(("td", "th"))

#: Their content is no markup (HTML, 13.1.2) and nothing to read.
_OPAQUE_TAGS = frozenset(("script", "style", "title", "iframe", "noembed", "noframes", "xmp", "textarea"))

#: Elements that mail hides, most often a preheader for the list of mails.
_HIDEABLE_TAGS = frozenset(
    [
        "a",
        "b",
        "center",
        "div",
        "font",
        "h1",
        "h2",
        "h3",
        "li",
        "p",
        "section",
        "span",
        "table",
        "tbody",
        "td",
        "template",
        "tr",
        "ul",
    ]
)

_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*+)")
_TAG_REST = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_HIDDEN = re.compile(r"display\s*+:\s*+none", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")
_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_MANY_LINES = re.compile(r"\n{3,}")


def html_to_text(html: str) -> str:
    """Return the readable text of an HTML document, in time linear in its length.

    Paragraphs are set apart by an empty line; list items, table rows and `<br>` begin a line.
    Links are their text. Scripts, styles, templates and elements with `display:none` are left out.
    """
    words: list[str] = []
    position = preformatted = 0
    reader = _Tags(html)
    while (start := html.find("<", position)) >= 0:
        words.append(_read(html[position:start], preformatted))
        name, closing, position = reader.tag(start)
        if name is None:
            if position == start + 1:
                words.append("<")
            continue
        if name == "pre":
            preformatted = max(0, preformatted + (-1 if closing else 1))
        if name in _PARAGRAPH_TAGS:
            words.append("\n\n")
        elif name in _LINE_TAGS:
            # Where one block ends and the next begins there is one line break, not two.
            words.append("\n" if name in ("br", "hr") else "\v")
            words.append("- " if name == "li" and not closing else "")
        elif name in _CELL_TAGS and not closing:
            words.append(" ")
        if not closing:
            position = reader.skip(name, start, position)
    words.append(_read(html[position:], preformatted))
    return _tidy("".join(words))


class _Tags:
    """Tags of a document, found without going over any stretch twice.

    What was searched for to the end in vain (the end of a quotation, of a hidden element) is
    remembered and not searched for again.
    """

    def __init__(self, html: str) -> None:
        self._html = html
        self._quotes_close = True
        self._never_closed: set[str] = set()

    def tag(self, start: int) -> tuple[str | None, bool, int]:
        """Return the name of the tag at `start`, whether it closes, and where it ends.

        A comment or declaration has no name; a `<` that begins nothing ends after itself.
        """
        html = self._html
        named = _NAME.match(html, start)
        if named is None:
            if html.startswith("<!--", start):
                return None, False, self._after("-->", start + 2)
            if html.startswith(("<!", "<?", "</"), start):
                return None, False, self._after(">", start)
            return None, False, start + 1
        rest = _TAG_REST.match(html, named.end()) if self._quotes_close else None
        if rest is None:
            self._quotes_close = False
        end = rest.end() if rest else self._after(">", named.end())
        return named[1].lower(), html[start + 1] == "/", end

    def skip(self, name: str, start: int, end: int) -> int:
        """Return where reading goes on after the opening tag from `start` to `end`."""
        if name in _OPAQUE_TAGS:
            found = re.compile(rf"</{name}", re.IGNORECASE).search(self._html, end)
            return found.start() if found else len(self._html)
        if name not in _HIDEABLE_TAGS or name in self._never_closed:
            return end
        if name != "template" and not _HIDDEN.search(self._html, start, end):
            return end
        depth = 1
        for found in re.compile(rf"<(/?){name}(?=[\s/>])", re.IGNORECASE).finditer(self._html, end):
            depth += -1 if found[1] else 1
            if depth == 0:
                return found.start()
        self._never_closed.add(name)
        return end

    def _after(self, mark: str, start: int) -> int:
        found = self._html.find(mark, start)
        return found + len(mark) if found >= 0 else len(self._html)


def _read(words: str, preformatted: int) -> str:
    if "&" in words:
        # Python refuses to read numbers of thousands of digits.
        words = unescape(_OVERLONG_REFERENCE.sub("\ufffd", words)).replace("\0", "")
    if preformatted:
        # A no-break space survives tidying up; it becomes a space there.
        return words.replace("\r\n", "\n").replace("\v", " ").replace(" ", "\xa0")
    return _BLANKS.sub(" ", words)


def _tidy(words: str) -> str:
    words = re.sub(r"[ \t]+", " ", words)
    words = re.sub(r" ?([\n\v]) ?", r"\1", words)
    words = re.sub(r"\v+(?=\n)|(?<=\n)\v+", "", words)
    words = re.sub(r"\v+", "\n", words)
    return _MANY_LINES.sub("\n\n", words).strip("\n ").replace("\xa0", " ")


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


# Newsletters fill their preview with characters that take no room.
_INVISIBLE = dict.fromkeys(
    (0xAD, 0x34F, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
)


def preview(text: str) -> str:
    """Return the first 200 characters of a text on one line; quoted lines at its beginning are left out."""
    beginning = text[:20_000]
    lines = beginning.split("\n")
    own = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith(">")), 0)
    words = " ".join(lines[own:]).translate(_INVISIBLE).split()
    return " ".join(words[:PREVIEW_CHARACTERS])[:PREVIEW_CHARACTERS].rstrip()

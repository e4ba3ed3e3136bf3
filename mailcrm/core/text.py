"""What a person would read in the body of an email: HTML as text, flowed lines, a one-line preview.

HTML is read tag by tag without building a tree: a tree of 35 KB of hostile HTML can take
gigabytes (the standard repeats unclosed formatting in every paragraph), a list of words cannot.
Which parts of an email are its text is left to `mailcrm.core.mime`.
"""

import re
from collections.abc import Iterator
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

#: Their content is no markup (HTML, 13.1.2) and nothing to read.
_OPAQUE_TAGS = frozenset(("script", "style", "title", "iframe", "noembed", "noframes", "xmp", "textarea"))

#: Elements that mail hides, most often a preheader for the list of mails.
_HIDEABLE_TAGS = frozenset(
    re.findall(r"\w+", "a b center div font h1 h2 h3 li p section span table tbody td template tr ul")
)

_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_HIDDEN = re.compile(r"display\s*+:\s*+none", re.IGNORECASE)

# A whole tag, its name with the slash of a closing one and its attributes; or where anything else
# begins that is no text. The second is for documents in which a quotation is never closed.
_TAG = re.compile(r"""<(?:(/?[a-zA-Z][a-zA-Z0-9]*+)((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>|(?=[a-zA-Z/!?]))""")
_TAG_WITH_OPEN_QUOTE = re.compile(r"<(?:(/?[a-zA-Z][a-zA-Z0-9]*+)([^>]*+)>|(?=[a-zA-Z/!?]))")

# What stands for structure until the end, when the blanks of the source are taken out. All
# three are control characters (RFC 5322 forbids them in text), which are blanks anyhow.
_LINE = "\x1e"  # a line break
_EDGE = "\x1f"  # a line break, unless there is one already
_SPACE = "\x1d"  # a space that stays
_BREAKS = re.compile(f"[{_LINE}{_EDGE}][{_LINE}{_EDGE} ]*+")
_SPACES = re.compile("  +")

_LAYOUT = {
    slash + name: layout
    for names, layout in (
        (_PARAGRAPH_TAGS, _LINE + _LINE),
        (_LINE_TAGS, _EDGE),
        (("td", "th"), " "),
        (("br", "hr"), _LINE),
    )
    for name in names
    for slash in ("", "/")
} | {"li": _EDGE + "- "}


def html_to_text(html: str) -> str:
    """Return the readable text of an HTML document, in time linear in its length.

    Paragraphs are set apart by an empty line; list items, table rows and `<br>` begin a line.
    Links are their text. Scripts, styles, templates and elements with `display:none` are left out.
    """
    words: list[str] = []
    position = preformatted = 0
    for start, name, end in _tags(html):
        words.append(_words(html[position:start], preformatted))
        words.append(_LAYOUT.get(name, ""))
        if name in ("pre", "/pre"):
            preformatted = max(0, preformatted + (1 if name == "pre" else -1))
        position = end
    words.append(_words(html[position:], preformatted))
    return _laid_out("".join(words))


def _words(source: str, preformatted: int) -> str:
    if "&" in source:
        # Python refuses to read numbers of thousands of digits.
        source = unescape(_OVERLONG_REFERENCE.sub("\ufffd", source)).replace("\0", "")
    if preformatted:
        source = source.replace("\r\n", "\n").replace("\n", _LINE).replace(" ", _SPACE)
    return source


def _laid_out(text: str) -> str:
    # Many times faster than one pattern for all of it, which would stop at every blank.
    for blank in "\t\r\n\f\v\xa0":
        text = text.replace(blank, " ")
    text = _SPACES.sub(" ", text).replace(" " + _LINE, _LINE).replace(" " + _EDGE, _EDGE)
    text = _BREAKS.sub(lambda run: "\n\n" if run[0].count(_LINE) > 1 else "\n", text)
    return text.strip("\n ").replace(_SPACE, " ")


def _tags(html: str) -> Iterator[tuple[int, str, int]]:
    """Yield the tags: where each begins, its name, after a slash if it closes, and where reading goes on.

    Comments and declarations have no name. No stretch of the document is gone over twice: what was
    searched for to the end in vain (the end of a quotation, of a hidden element) is not searched for
    again.
    """
    tag = _TAG
    hideable = set(_HIDEABLE_TAGS if _HIDDEN.search(html) else ("template",))
    position = 0
    while found := tag.search(html, position):
        start, position = found.span()
        if found[1] is not None:
            name = found[1].lower()
            if name in _OPAQUE_TAGS:
                closing = re.compile(rf"</{name}", re.IGNORECASE).search(html, position)
                position = closing.start() if closing else len(html)
            elif name in hideable and (name == "template" or _HIDDEN.search(found[2])):
                if hidden_until := _element_end(html, name, position):
                    position = hidden_until
                else:
                    hideable.discard(name)
            yield start, name, position
        elif tag is _TAG and html[start + 1] not in "!?":
            tag, position = _TAG_WITH_OPEN_QUOTE, start
        else:
            # HTML, 13.2.5.43: the dashes of `<!-->` both begin and end the comment.
            mark, begun = ("-->", start + 2) if html.startswith("<!--", start) else (">", start)
            end = html.find(mark, begun)
            position = end + len(mark) if end >= 0 else len(html)
            yield start, "", position


def _element_end(html: str, name: str, start: int) -> int | None:
    """Return where the closing tag of an element begins whose content begins at `start`."""
    depth = 1
    for found in re.compile(rf"<(/?){name}(?=[\s/>])", re.IGNORECASE).finditer(html, start):
        depth += -1 if found[1] else 1
        if depth == 0:
            return found.start()
    return None


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


#: The first line that is not quoted and not empty.
_OWN_LINE = re.compile(r"^(?!>)[^\S\n]*+\S", re.MULTILINE)


def preview(text: str) -> str:
    """Return the first 200 characters of a text on one line; quoted lines at its beginning are left out."""
    own = _OWN_LINE.search(text, 0, 10_000)
    start = own.start() if own else 0
    # Twice the length is enough for nearly all; many blanks and invisible characters take more.
    for end in (start + 2 * PREVIEW_CHARACTERS, start + 10 * PREVIEW_CHARACTERS):
        visible = " ".join(_INVISIBLE.sub("", text[start : min(end, 10_000)]).split())
        if len(visible) >= PREVIEW_CHARACTERS:
            break
    return visible[:PREVIEW_CHARACTERS].rstrip()

"""What a person would see of an HTML email, as lines for a terminal of 80 columns.

HTML is read tag by tag without building a tree: a tree of 35 KB of hostile HTML can take
gigabytes (the standard repeats unclosed formatting in every paragraph), a list of lines cannot.
Which parts of an email are HTML is left to `mailcrm.core.mime`; how cells are set beside each other, to
`mailcrm.core.html_tables`; what of the text is quoted, to whoever reads the lines that begin with `>`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from urllib.parse import unquote

from mailcrm.core.html_tables import MOST_CELLS, MOST_COLUMNS, TARGET, TARGET_END, Cell, set_table
from mailcrm.core.text import LOOSE_JOINERS

#: Deeper quotes and lists look like these; nobody reads so many levels.
QUOTE_LEVELS = 30
LIST_LEVELS = 8

#: An email written by hand has few links. One with more is a newsletter, in which nearly every word leads
#: through a counter of clicks: the addresses would bury the text.
MOST_LINKS = 30
#: Of a longer address only its host is shown: what is told by so many characters is for machines. Links to a
#: meeting or to a large file that a mail service keeps have some 200 to 400. The HTML is kept.
LINK_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class HtmlReading:
    """The readable `text` of an HTML document, and how many invisible images it loads from the network."""

    text: str
    trackers: int


def read_html(html: str) -> HtmlReading:
    """Return what a person would read in an HTML document, in time linear in its length; never raises.

    Paragraphs are set apart by an empty line, list items have a bullet or number, quotations the `>`
    of RFC 3676, 4.5, tables columns where they fit in 80, links their address after their text. What
    browsers do not show is left out.
    """
    names, attributes, texts = _tokens(html)
    trackers = _hide(names, attributes, texts)
    texts = _cleaned(texts)
    if "pre" in names or "+pre" in names:
        _preserve(names, texts)
    page = _Page(with_targets=not _has_many_links(names, attributes))
    words, actions, line = page.words, _ACTIONS, _Page.line
    words.append(texts[0])
    for name, attribute, text in zip(names, attributes, texts[1:], strict=True):
        if action := actions.get(name):
            # Most tags only end a line, and most of these one that is empty.
            if action is not line:
                action(page, attribute)
            elif words:
                line(page, attribute)
        # Blanks that begin a line are left out, but one that stays makes a line of its own.
        if text and (words or not text.isspace() or _BLANK in text):
            words.append(text)
    return HtmlReading(text=page.text(), trackers=trackers + page.trackers)


def _has_many_links(names: Sequence[str], attributes: Sequence[str]) -> bool:
    if names.count("a") <= MOST_LINKS:
        return False
    return len({each for name, each in zip(names, attributes, strict=True) if name == "a"}) > MOST_LINKS


# --- tags -------------------------------------------------------------------------------------

#: Their content is no markup (HTML, 13.1.2) and nothing to read; in `xml` Word talks to itself.
_OPAQUE = ("style", "script", "title", "xml", "textarea", "iframe", "noembed", "noframes", "xmp")
#: How these begin, and nearly no other: most tags need not be compared with every one.
_BEGINNING = "[sS](?:[tT][yY]|[cC])|[tT][iIeE]|[xX][mM]|[iI][fF]|[nN][oO][eEfF]"
_OPAQUE_NAME = rf"(?={_BEGINNING})(?i:{'|'.join(_OPAQUE)})[\s/>]"
_OPAQUE_ELEMENT = "|".join(rf"(?i:{name})(?=[\s/>])[^>]*+>(?:[^<]++|<(?!/(?i:{name})))*+" for name in _OPAQUE)
# HTML, 13.2.5.43: the dashes of `<!-->` both begin and end the comment. What is for Outlook alone
# is a comment; what is for all others stands between two of them.
_COMMENT = r"!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))"
_QUOTING = r"""[^>"']*+(?:(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))[^>"']*+)*+"""


def _markup(attributes: str) -> re.Pattern[str]:
    """Return the pattern of all that is no text; name and attributes of a tag are its groups."""
    return re.compile(
        rf"<(?:(?:(?![sStTxXiInN])|(?!{_OPAQUE_NAME}))(/?[a-zA-Z][^ \t\n\r\f/>]*+)({attributes})(?:>|\Z)"
        rf"|{_COMMENT}|[!?/][^>]*+(?:>|\Z)|{_OPAQUE_ELEMENT})"
    )


_MARKUP = _markup(_QUOTING)
#: For what follows a quotation that is never closed.
_BLIND_MARKUP = _markup("[^>]*+")

#: Between pieces that are gone over as one string, for speed; it is no part of any.
_SEPARATOR = "\x1f"


def _tokens(html: str) -> tuple[list[str], list[str], list[str]]:
    """Return the names of all tags (`/p` for a closing one), their attributes, and the texts around them.

    There is one text more than tags. What is markup and no tag has an empty name.
    """
    html = _without(html, "\0" + _SEPARATOR)
    pieces = _MARKUP.split(html)
    if len(pieces) == 1:
        return [], [], pieces
    name, attributes = pieces[-3] or "", pieces[-2] or ""
    if ('"' in attributes or "'" in attributes) and not pieces[-1] and not html.endswith(attributes + ">"):
        # A browser shows nothing of a document from a quotation on that never ends; a person wants it.
        start = len(html) - len(name) - len(attributes)
        pieces[-3:] = _BLIND_MARKUP.split("<" + html[start:])[1:]
    names, values = pieces[1::3], pieces[2::3]
    if None in names:
        names, values = [name or "" for name in names], [value or "" for value in values]
    if not "".join(names).islower():
        names = [name.lower() for name in names]
    return names, values, pieces[::3]


def _without(text: str, letters: str) -> str:
    # To look first is ten times faster where there are none.
    for letter in letters:
        if letter in text:
            text = text.replace(letter, "")
    return text


# The name of an attribute, and its value in one of three ways (HTML, 13.1.2.3).
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>]*+)))?+""")


def _values(attributes: str) -> dict[str, str]:
    """Return the values of the attributes of a tag; the first of a name counts."""
    found = reversed(_ATTRIBUTE.findall(attributes))
    values = {name.lower(): double or single or bare for name, double, single, bare in found}
    return {name: _unescaped(value) for name, value in values.items()} if "&" in attributes else values


# --- what is hidden ---------------------------------------------------------------------------

#: One of these is in the attributes of whatever is hidden, when blanks are taken out.
_HINTS = (
    "display:none",
    "hidden",
    "opacity:0",
    "height:0",
    "width:0",
    "mso-hide:all",
    "font-size:0",
    "font-size:1p",
    "white-space:pre",
)
_ZERO = r"[0.]++(?!\d)"
_INVISIBLE = re.compile(rf"(?<![-\w])(?:display:none|visibility:hidden|(?:opacity|max-height):{_ZERO})")
_NO_SIZE = re.compile(rf"(?<![-\w])(?:height|width):{_ZERO}")
_NO_FONT_SIZE = re.compile(rf"(?<![-\w])font-size:(?:{_ZERO}|1p[tx])")
#: So many tags are looked through for the end of what is too small to read: a preheader is short.
_SMALL_TAGS = 100
#: So many names of elements are searched for to the end in vain; no real email leaves as many open.
_UNCLOSED_NAMES = 100

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_TABLE_PARTS = frozenset(("table", "tbody", "thead", "tfoot", "tr", "td", "th"))
_TABLE_ENDS = frozenset("/" + name for name in _TABLE_PARTS)
_BLOCKS = _TABLE_PARTS | frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote center dd dir div dl dt fieldset figure footer form h1 h2 h3 h4 h5 "
        "h6 header hr li main menu nav ol p pre section ul",
    )
)
#: What ends an element that need not be closed (HTML, 13.1.2.4), outside of lists and tables in it.
_GROUP_ENDS = frozenset(("tbody", "/tbody", "thead", "/thead", "tfoot", "/tfoot", "/table"))
_ROW_ENDS = _GROUP_ENDS | {"tr", "/tr"}
_CELL_ENDS = _ROW_ENDS | {"td", "/td", "th", "/th"}
_ENDS = {
    "p": _BLOCKS | {"/" + name for name in _BLOCKS},
    "li": frozenset(("li", "/li", "/ul", "/ol")),
    "td": _CELL_ENDS,
    "th": _CELL_ENDS,
    "tr": _ROW_ENDS,
    "tbody": _GROUP_ENDS,
    "thead": _GROUP_ENDS,
    "tfoot": _GROUP_ENDS,
    "table": frozenset(("/table",)),
}


def _hide(names: list[str], attributes: list[str], texts: list[str]) -> int:
    """Empty what a browser does not show, and return how many images from the network are in it."""
    trackers = hidden_until = preserved_until = 0
    #: Nothing is searched for to the end in vain twice.
    unclosed = {"", "html", "body", "head", *_VOID}
    plain = _without(_SEPARATOR.join(attributes).lower(), " \n\r\t")
    styles: list[str] = []
    for start in _suspects(names, plain):
        name = names[start]
        if start < hidden_until or name in unclosed or len(unclosed) > _UNCLOSED_NAMES:
            continue
        display = _display(name, attributes[start])
        if display == "small":
            styles = styles or plain.split(_SEPARATOR)
            _hide_small(names, styles, texts, start)
        elif display == "none" or (display == "pre" and start >= preserved_until):
            end = _end(names, start, len(names))
            if end is None:
                unclosed.add(name)
            elif display == "none":
                hidden_until = end + (names[end] == "/" + name)
                hidden = range(start, hidden_until)
                trackers += sum(
                    names[index] == "img" and _is_remote(_values(attributes[index])) for index in hidden
                )
                names[start:hidden_until] = ["div" if name in _BLOCKS else ""] + [""] * (len(hidden) - 1)
                texts[start + 1 : end + 1] = [""] * (end - start)
            else:
                preserved_until = end
                if names[end] == "/" + name and name not in _TABLE_PARTS:
                    names[start] = "pre" if name in _BLOCKS else "+pre"
                    names[end] = "/" + names[start]
    return trackers


def _suspects(names: Sequence[str], attributes: str) -> list[int]:
    """Return the numbers of the tags that may hide what is in them, in order.

    The attributes of all are lower case without blanks, with a separator between tags.
    """
    found: set[int] = set()
    for hint in _HINTS:
        if hint in attributes:
            index = 0
            for before in attributes.split(hint)[:-1]:
                index += before.count(_SEPARATOR)
                found.add(index)
    if "template" in names:
        found.update(index for index, name in enumerate(names) if name == "template")
    return sorted(found)


def _display(name: str, attributes: str) -> str:
    """Say how an element is shown: `none`, `small` (text that cannot be read), `pre`, or empty as usual."""
    return (_display_once if len(attributes) <= 500 else _display_once.__wrapped__)(name, attributes)


@lru_cache(maxsize=1_000)
def _display_once(name: str, attributes: str) -> str:
    values = _values(attributes)
    style = "".join(values.get("style", "").lower().split())
    if (
        name == "template"
        or "hidden" in values
        or _INVISIBLE.search(style)
        # A cell is as large as what is in it.
        or (name not in _TABLE_PARTS and _NO_SIZE.search(style))
        # A link that only Outlook hides is a button: for Outlook it is drawn in a comment.
        or (name != "a" and "mso-hide:all" in style)
    ):
        return "none"
    if _NO_FONT_SIZE.search(style):
        return "small"
    return "pre" if "white-space:pre" in style else ""


def _end(names: Sequence[str], start: int, most: int) -> int | None:
    """Return the number of the tag that ends an element, if it is one of the next `most`.

    That need not be its own closing tag: a cell that ends, ends all that was left open in it.
    """
    name = names[start]
    closing, ends = "/" + name, _ENDS.get(name, _TABLE_ENDS)
    depth, inner, stray = 1, 0, 0
    for index in range(start + 1, min(len(names), start + most)):
        other = names[index]
        if not inner and other in ends:
            if not stray:
                return index
            stray -= 1
        if other in ("table", "ul", "ol"):
            inner += 1
        elif inner and other in ("/table", "/ul", "/ol"):
            inner -= 1
        if name not in _ENDS:
            # A row or cell without a table is none (HTML, 13.2.6.4.7), and neither is its end.
            stray += not inner and other in _TABLE_PARTS
            depth += (other == name) - (other == closing)
            if not depth:
                return index
    return None


def _sets_font_size(style: str) -> bool:
    return "font" in style and ("font-size:" in style or "font:" in style)


def _hide_small(names: Sequence[str], styles: Sequence[str], texts: list[str], start: int) -> None:
    """Empty the text of an element with a font size of 0 or 1, up to where another size is set in it.

    Its images are seen all the same, and newsletters set the size of all layout to 0.
    """
    stop = min(len(names), start + _SMALL_TAGS)
    until = start + 1
    while until < stop and names[until] != "font" and not _sets_font_size(styles[until]):
        until += 1
    if not any(map(str.strip, texts[start + 1 : until + 1])):
        return
    end = _end(names, start, until - start)
    if end is not None:
        until = end
    elif until == stop:
        return
    texts[start + 1 : until + 1] = [""] * (until - start)


# --- texts ------------------------------------------------------------------------------------

# Marks in the text until it is whole; it has no control characters of its own.
_LINE = "\x01"  # a line break that stays
_SPACE = "\x02"  # a space that stays
_BLANK = "\x1c"  # a no-break space: Python counts it as a blank, and it keeps a text in ASCII

_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
#: Characters that take no room, with which newsletters fill what the list of emails shows of them; and
#: those that turn the direction of what follows.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1d\x1e\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)


def _cleaned(texts: list[str]) -> list[str]:
    """Return the texts with their character references read and without what cannot be seen."""
    return _visible(_unescaped(_SEPARATOR.join(texts)).replace("\xa0", _BLANK)).split(_SEPARATOR)


_USUAL_REFERENCES = (("&nbsp;", _BLANK), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"))


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    # A few are nearly all, and read much faster at once; none of them makes another.
    for reference, letter in _USUAL_REFERENCES:
        text = text.replace(reference, letter)
    if text.count("&") == text.count("&amp;"):
        return text.replace("&amp;", "&")
    # Python refuses to read numbers of thousands of digits.
    return unescape(_OVERLONG_REFERENCE.sub("\ufffd", text) if "&#" in text else text)


_CONTROLS = bytes((*range(9), *range(14, 28), 29, 30, 127))


def _visible(text: str) -> str:
    # Nearly all texts are as they should be, and this is the fastest way to see that.
    if text.isascii():
        if len(text.encode().translate(None, _CONTROLS)) == len(text):
            return text
    elif not _UNSEEN.search(text):
        return LOOSE_JOINERS.sub("", text) if "\u200c" in text or "\u200d" in text else text
    return LOOSE_JOINERS.sub("", _UNSEEN.sub("", text))


def _preserve(names: list[str], texts: list[str]) -> None:
    """Mark the blanks inside of `pre`, which stay."""
    depth = 0
    for index, name in enumerate(names, 1):
        if name in ("pre", "+pre"):
            depth += 1
        elif name in ("/pre", "/+pre") and depth:
            depth -= 1
        if depth and texts[index]:
            text = texts[index].replace("\r\n", "\n").replace("\r", "\n").expandtabs()
            texts[index] = text.replace("\n", _LINE).replace(" ", _SPACE).replace(_BLANK, _SPACE)


# --- the page ---------------------------------------------------------------------------------


class _Page:
    """The lines of an email while its tags are gone through."""

    def __init__(self, *, with_targets: bool) -> None:
        self.trackers = 0
        #: The pieces of the line that is not ended yet.
        self.words: list[str] = []
        #: Each as in `html_tables.Line`, which takes longer to make.
        self._lines: list[tuple[bool, int, str, str]] = []
        self._blank = False
        self._paragraph = True
        #: For each blockquote whether it quotes, and how deep in lists it stands.
        self._blockquotes: list[tuple[bool, int]] = []
        self._depth = 0
        #: The number of the next item of each list, or None for bullets.
        self._lists: list[int | None] = []
        self._first_item = False
        self._marker = ""
        #: The rows of a table without tables inside, their cells each as in `Cell`.
        self._grid: list[list[tuple[int, int, bool]]] | None = None
        self._cells_left = MOST_CELLS
        self._with_targets = with_targets
        #: The targets that are written already, each with the text of its link.
        self._told: dict[str, str] = {}
        #: What an open link leads to, its image's text (None if it has words), and where its words begin.
        self._in_link = False
        self._target = ""
        self._alt: str | None = None
        self._link_start = 0

    def text(self) -> str:
        self.close_link("")
        self._end_line()
        written: list[str] = []
        before = 0
        for blank, depth, lead, text in self._lines:
            if blank and written:
                written.append(">" * min(before, depth))
            written.append(f"{'>' * depth} {lead}{text}" if depth else lead + text)
            before = depth
        whole = "\n".join(written)
        return whole.replace(_SPACE, " ").replace(TARGET, "").replace(TARGET_END, "")

    # Lines and paragraphs

    def _end_line(self) -> None:
        if not self.words:
            return
        if self._in_link:
            self._tell_target()
        source = "".join(self.words)
        self.words.clear()
        self._link_start = 0
        text = " ".join(source.split())
        if not text:
            # A paragraph with a blank that stays is how mail programs write an empty line.
            self._blank = self._blank or _BLANK in source
        elif _LINE in text:
            for line in text.split(_LINE):
                self._put(line.rstrip(f" {_SPACE}"))
        else:
            self._put(text)

    def _put(self, text: str) -> None:
        if text:
            lead = self._marker or ("  " * min(len(self._lists), LIST_LEVELS) if self._lists else "")
            self._lines.append((self._blank, self._depth, lead, text))
            self._marker = ""
        self._blank = not text

    def line(self, _: str) -> None:
        self._end_line()

    def paragraph(self, _: str) -> None:
        self._end_line()
        # Nothing stands apart from the bullet before it.
        self._blank = self._blank or not self._marker

    def open_p(self, attributes: str) -> None:
        self._end_line()
        self._paragraph = not attributes or _has_margin(attributes)
        if self._paragraph and not self._marker:
            self._blank = True

    def close_p(self, _: str) -> None:
        self._end_line()
        self._blank = self._blank or self._paragraph

    def line_break(self, _: str) -> None:
        written = len(self._lines)
        self._end_line()
        self._blank = self._blank or len(self._lines) == written

    def rule(self, _: str) -> None:
        self.paragraph("")
        # As Outlook writes it between an answer and what it answers.
        self._put("_" * 32)

    # Quotations and lists

    def open_blockquote(self, attributes: str) -> None:
        self.paragraph("")
        quotes = self._depth < QUOTE_LEVELS and (not attributes or _is_quotation(attributes))
        self._blockquotes.append((quotes, len(self._lists)))
        self._depth += quotes

    def close_blockquote(self, _: str) -> None:
        self.paragraph("")
        if self._blockquotes:
            quotes, lists = self._blockquotes.pop()
            del self._lists[lists:]
            self._depth -= quotes

    def open_list(self, _: str, number: int | None = None) -> None:
        self._end_line()
        self._blank = self._blank or not self._lists
        self._lists.append(number)
        self._first_item = True

    def open_numbered_list(self, attributes: str) -> None:
        self.open_list(attributes, _number(attributes, "start"))

    def close_list(self, _: str) -> None:
        self._end_line()
        self._marker = ""
        if self._lists:
            self._lists.pop()
        self._blank = self._blank or not self._lists

    def close_item(self, _: str) -> None:
        self._end_line()
        self._marker = ""

    def open_item(self, attributes: str) -> None:
        self._end_line()
        self._blank = self._blank and self._first_item
        self._first_item = False
        bullet = "-"
        if self._lists and (number := self._lists[-1]) is not None:
            number = _number(attributes, "value", number)
            self._lists[-1] = number + 1
            bullet = f"{number}."
        self._marker = "  " * (min(len(self._lists), LIST_LEVELS) - 1) + bullet + " "

    # Links and images

    def open_link(self, attributes: str) -> None:
        self.close_link("")
        self._in_link = True
        self._target = _target(attributes) if self._with_targets else ""
        self._alt = ""
        self._link_start = len(self.words)

    def close_link(self, _: str) -> None:
        if self._in_link:
            if self._alt and not self._label():
                self.words.append(self._alt)
            self._tell_target()
            self._in_link = False

    def _label(self) -> str:
        return "".join(self.words[self._link_start :]).strip()

    def _tell_target(self) -> None:
        """Write the address of the open link after its text, once it has some."""
        label = self._label()
        if not label:
            return
        target, self._target, self._alt = self._target, "", None
        if target and target not in self._told:
            self._told[target] = " ".join(label.replace(_LINE, " ").split())
            if not _says(label, target):
                self.words.append(f" {TARGET}<{target}>{TARGET_END}")

    def image(self, attributes: str) -> None:
        values = _values(attributes)
        if _display("img", attributes) == "none" or _is_pixel(values):
            self.trackers += _is_remote(values)
            return
        alt = _alt(values.get("alt", ""))
        if not alt:
            return
        if self._in_link:
            self._alt = alt if self._alt == "" else self._alt
        else:
            # An emoji as an image is one of the words.
            self.words.append(f" [{alt}] " if any(map(str.isalnum, alt)) else alt)

    # Tables

    def open_table(self, _: str) -> None:
        self.paragraph("")
        # A table in a cell shows that the outer one is there for the layout.
        self._grid = []

    def open_row(self, _: str) -> None:
        self._end_line()
        if self._grid is not None:
            self._grid.append([])

    def open_cell(self, attributes: str, *, heading: bool = False) -> None:
        self._end_line()
        if self._grid is not None:
            if not self._grid:
                self._grid.append([])
            span = min(max(1, _number(attributes, "colspan")), MOST_COLUMNS)
            self._grid[-1].append((len(self._lines), span, heading))

    def open_heading_cell(self, attributes: str) -> None:
        self.open_cell(attributes, heading=True)

    def close_table(self, _: str) -> None:
        self._end_line()
        if (rows := self._grid) and len(rows) < (cells := sum(map(len, rows))) <= self._cells_left:
            self._cells_left -= cells
            set_table(self._lines, [[Cell(*cell) for cell in row] for row in rows], self._told)
        self._grid = None
        self._blank = True


_ACTIONS: dict[str, Callable[[_Page, str], None]] = {
    slash + name: action
    for names, action in (
        (_BLOCKS | {"caption", "details", "figcaption", "legend", "option", "summary"}, _Page.line),
        (("h1", "h2", "h3", "h4", "h5", "h6", "pre"), _Page.paragraph),
        (("br",), _Page.line_break),
        (("hr",), _Page.rule),
    )
    for name in names
    for slash in ("", "/")
} | {
    "p": _Page.open_p,
    "/p": _Page.close_p,
    "blockquote": _Page.open_blockquote,
    "/blockquote": _Page.close_blockquote,
    "ul": _Page.open_list,
    "ol": _Page.open_numbered_list,
    "/ul": _Page.close_list,
    "/ol": _Page.close_list,
    "li": _Page.open_item,
    "/li": _Page.close_item,
    "a": _Page.open_link,
    "/a": _Page.close_link,
    "img": _Page.image,
    "table": _Page.open_table,
    "/table": _Page.close_table,
    "tr": _Page.open_row,
    "td": _Page.open_cell,
    "th": _Page.open_heading_cell,
}


# --- what attributes say ----------------------------------------------------------------------

_STYLED_MARGIN = re.compile(r"(?<![-\w])(?:mso-)?margin(-top|-bottom|)(?:-alt)?\s*+:\s*+([^;]*+)")
_LENGTH = re.compile(r"\d++(?:\.\d++)?|\.\d++")
_INTEGER = re.compile(r"\s*+(-?\d{1,9})(?!\d)")
_FILE_NAME = re.compile(r"\.(?:png|jpe?g|gif|bmp|svg|webp)\Z", re.IGNORECASE)
#: One of these is in the style of an image with a short side; the pattern is slower.
_SHORT_SIDES = ("width:0", "width:1p", "width:1;", "height:0", "height:1p", "height:1;")
_STYLED_SIZE = re.compile(r"(?<![-\w])(width|height):(\d++(?:\.\d++)?)(?:px)?(?![\w%.])")
_HREF = re.compile(r"""(?:\A|[\s"'/])href\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s>]*+))""", re.IGNORECASE)
_HOST = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]*+)", re.IGNORECASE)
_SAFE_LINK = re.compile(r"https://[^/]*+(?<=\.safelinks\.protection\.outlook\.com)/[^#]*?[?&]url=([^&#]++)")


def _number(attributes: str, name: str, usual: int = 1) -> int:
    if name not in attributes and name not in attributes.lower():
        return usual
    found = _INTEGER.match(_values(attributes).get(name, ""))
    return int(found[1]) if found else usual


def _has_margin(attributes: str) -> bool:
    """Say whether a paragraph stands apart from the next; Word and many editors write each line as one."""
    return (_has_margin_once if len(attributes) <= 500 else _has_margin_once.__wrapped__)(attributes)


@lru_cache(maxsize=1_000)
def _has_margin_once(attributes: str) -> bool:
    values = _values(attributes)
    usual = not values.get("class", "").lower().startswith("mso")
    margins = {"-top": usual, "-bottom": usual}
    for side, value in _STYLED_MARGIN.findall(values.get("style", "").lower()):
        lengths = [_is_length(length) for length in value.split()[:4]] or [usual]
        if side:
            margins[side] = lengths[0]
        else:
            margins = {"-top": lengths[0], "-bottom": lengths[2] if len(lengths) > 2 else lengths[0]}
    return any(margins.values())


def _is_length(value: str) -> bool:
    """Say whether a length can be seen; Word writes .0001pt for 0."""
    digits = _LENGTH.match(value)
    return value.startswith("auto") or bool(digits and float(digits[0]) > 0.01)


def _is_quotation(attributes: str) -> bool:
    """Say whether a blockquote quotes; the editors of Gmail and Apple Mail indent with one, too."""
    values = _values(attributes)
    style = "".join(values.get("style", "").lower().split())
    if values.keys() & {"type", "cite"} or "quote" in values.get("class", "").lower():
        return True
    # Their margins are "0 0 0 40px".
    return "border-left" in style or not any(mark in style for mark in ("border:none", "border:0", "00040px"))


def _is_remote(values: dict[str, str]) -> bool:
    return values.get("src", "").strip().lower().startswith(("http:", "https:", "//"))


def _is_pixel(values: dict[str, str]) -> bool:
    """Say whether an image has no side that is longer than a pixel, or one that is 0."""
    sizes = {
        side: length for side in ("width", "height") if (length := _pixels(values.get(side, ""))) is not None
    }
    style = "".join(values.get("style", "").lower().split())
    if (sizes and min(sizes.values()) <= 1) or any(mark in style for mark in _SHORT_SIDES):
        sizes |= {side: float(size) for side, size in _STYLED_SIZE.findall(style)}
    return bool(sizes) and (max(sizes.values()) <= 1 or min(sizes.values()) <= 0)


def _pixels(value: str) -> float | None:
    digits = value.strip().removesuffix("px")
    return float(digits) if digits.isdecimal() else None


def _alt(alt: str) -> str:
    """Return the text of an image, if it says anything but the name of a file."""
    alt = " ".join(_visible(alt.replace(_SEPARATOR, " ")).split())
    return "" if _FILE_NAME.search(alt) or alt.lower() in ("image", "img", "spacer") else alt[:200]


def _target(attributes: str) -> str:
    """Return where a link leads as it is shown: an address of mail, or of the web, a long one as its host."""
    found = _HREF.search(attributes)
    href = found[found.lastindex or 0] if found else ""
    if "&" in href:
        href = _unescaped(href)
    if not href.isprintable() or " " in href:
        # As a browser does (URL standard, 4.4): line breaks are left out, blanks written as %20.
        href = "%20".join(_visible(re.sub(r"[\t\r\n]", "", href)).split())
    if href[:7].lower() == "mailto:":
        address = _visible(unquote(href[7:].partition("?")[0])).strip()
        is_one = "@" in address and len(address.split()) == 1 and len(address) <= LINK_CHARACTERS
        return address if is_one else ""
    if "safelinks" in href and (wrapped := _SAFE_LINK.match(href)):
        # Outlook's check of a link stands before it.
        href = "%20".join(_visible(unquote(wrapped[1])).split())
    host = _HOST.match(href)
    if not host:
        return ""
    if len(href) > LINK_CHARACTERS:
        href = f"{host[1]}{host[2][:LINK_CHARACTERS]}/…"
    return href.replace("<", "%3C").replace(">", "%3E")


def _says(label: str, target: str) -> bool:
    """Say whether the text of a link is its address."""
    label = label.lower().removeprefix("mailto:")
    return _bare(label) == _bare(target.lower()) or ("//" not in target and target.lower() in label)


def _bare(address: str) -> str:
    return address.removeprefix("http://").removeprefix("https://").removeprefix("www.").rstrip("/")

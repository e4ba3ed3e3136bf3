"""What a person would read in the body of an email: flowed lines, a one-line preview.

HTML is left to `mailcrm.core.html`, which parts of an email are its text to `mailcrm.core.mime`.
"""

import re

PREVIEW_CHARACTERS = 200


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
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_JOINERS = "\u200c\u200d"
#: Between letters, or the parts of an emoji, these say how they are joined; elsewhere they say nothing.
LOOSE_JOINERS = re.compile(rf"(?<![{_JOINERS}])(?:(?<!\S)[{_JOINERS}]++|[{_JOINERS}]++(?!\S))")


#: An address behind the words that lead to it, whether `core.html` wrote it or a mail program.
_LINK = re.compile(r"(?<=\S)\s?<https?://[^\s<>]*+>?")

#: The first line that is not quoted and not empty.
_OWN_LINE = re.compile(r"^(?!>)[^\S\n]*+\S", re.MULTILINE)


def preview(text: str) -> str:
    """Return the first 200 characters of a text on one line.

    Quoted lines at its beginning are left out, and the addresses of links that have a text.
    """
    own = _OWN_LINE.search(text, 0, 10_000)
    start = own.start() if own else 0
    # Twice the length is enough for nearly all; many blanks and invisible characters take more.
    for end in (start + 2 * PREVIEW_CHARACTERS, start + 10 * PREVIEW_CHARACTERS):
        visible = _INVISIBLE.sub("", text[start : min(end, 10_000)])
        if "\u200c" in visible or "\u200d" in visible:
            visible = LOOSE_JOINERS.sub("", visible)
        if "<http" in visible:
            visible = _LINK.sub("", visible)
        visible = " ".join(visible.split())
        if len(visible) >= PREVIEW_CHARACTERS:
            break
    return visible[:PREVIEW_CHARACTERS].rstrip(" " + _JOINERS)

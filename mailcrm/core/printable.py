"""Texts of servers, fit to stand in a sentence of ours.

What a server's text means is left to those who ask the server.
"""

import unicodedata

#: More of a server's text than this tells nobody anything.
TEXT_LIMIT = 200


def printable(said: str | bytes) -> str:
    """Return a server's text fit for a terminal: one line, no control characters, 200 at most."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    seen = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * TEXT_LIMIT])
    return " ".join(seen.split())[:TEXT_LIMIT]

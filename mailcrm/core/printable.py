"""Texts of servers, fit to stand in a sentence of ours.

What a server's text means is left to those who ask the server.
"""

import itertools
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote_plus

#: More of a server's text than this tells nobody anything.
TEXT_LIMIT = 200
#: A secret of fewer characters stands in any text, and what is hidden would tell it.
_TOLD_APART = 4
#: So many characters of a secret in a row are of use to somebody.
_TELLING = 16


def printable(said: str | bytes) -> str:
    """Return a server's text fit for a terminal: one line, no control characters, 200 at most."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    seen = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * TEXT_LIMIT])
    return " ".join(seen.split())[:TEXT_LIMIT]


def masked(said: str | bytes, secret: str) -> str:
    """Return a server's text, cut to what is of use, with `…` for the secret, or a part of it, in any dress.

    A server may repeat the command that it refuses, as it was sent: quoted, in a form, or in Base64 after
    other bytes.
    """
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    text = text[: 4 * TEXT_LIMIT]
    hidden = [False] * len(text)
    for form in _dresses(secret):
        size = min(len(form), _TELLING)
        for start in range(len(text) - size + 1):
            if text[start : start + size] in form:
                hidden[start : start + size] = [True] * size
    runs = itertools.groupby(zip(hidden, text, strict=True), key=lambda pair: pair[0])
    return "".join("…" if secretive else "".join(c for _, c in run) for secretive, run in runs)


def _dresses(secret: str) -> Iterator[str]:
    if len(secret) < _TOLD_APART:
        return
    yield secret
    yield secret.replace("\\", "\\\\").replace('"', '\\"')
    # A form has its percent-encoding in either case (RFC 3986, 2.1).
    form = quote_plus(secret)
    yield form
    yield re.sub(r"%..", lambda found: found[0].lower(), form)
    data = secret.encode()
    for before, mixed in enumerate((0, 2, 3)):
        # The characters at both ends hold bits of the neighbours, too.
        inside = b64encode(bytes(before) + data).decode()[mixed : (before + len(data)) * 8 // 6]
        if len(inside) >= len(secret):
            yield inside

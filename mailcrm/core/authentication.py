"""What the own provider found out about who sent an email: the Authentication-Results (RFC 8601).

Only the topmost field can be trusted, since everybody writes what they like below it, and only when
its id is that of the account's provider. To say which id that is, and what follows, is left to others.
"""

import re
from dataclasses import dataclass

#: The fields of real servers have some 1,000 bytes; every signature of an email adds 150.
RESULTS_BYTES = 100_000
#: RFC 5322, 3.2.2: comments may stand in comments, which real servers never do.
NESTED_COMMENTS = 5

_QUOTED = r'\\.|"(?:[^"\\]++|\\.)*+"'
# What is never closed is no comment, or it would hide the rest of the field.
_COMMENT = re.compile(rf"({_QUOTED})|\((?:[^()\\]++|\\.)*+\)", re.DOTALL)
# Microsoft begins with the first result, without an id.
_ID = re.compile(r'\s*+(?:"([^"]{1,255}+)"|([^\s;=/"()]{1,255}+))(?=[\s;/]|\Z)(?!\s*+(?:/\s*+\d++\s*+)?=)')
_DMARC = re.compile(
    rf"{_QUOTED}|dmarc(?<![^\s;]dmarc)\s*+(?:/\s*+\d++\s*+)?=\s*+([a-z][a-z0-9-]{{0,30}}+)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Authentication:
    """Which server checked an email, and what it says of DMARC (RFC 7489); empty is what it does not say.

    `authserv_id` and `dmarc` (pass, fail, none, temperror …; RFC 8601, 2.7.7) are in lower case.
    """

    authserv_id: str
    dmarc: str


def authentication(value: bytes) -> Authentication | None:
    """Return what an Authentication-Results field says, of its raw unfolded value; None of an empty one.

    The results of servers that forget the id, or a semicolon, are read as well. Where one field tells
    several results of DMARC, a failure counts: the sender's words may have got into the field.
    """
    text = value[:RESULTS_BYTES].decode("utf-8", "replace").lower()
    if not text.strip():
        return None
    for _ in range(NESTED_COMMENTS):
        text, comments = _COMMENT.subn(r"\1 ", text)
        if not comments:
            break
    named = _ID.match(text)
    authserv_id = (named[1] or named[2]).strip() if named else ""
    results = list(filter(None, _DMARC.findall(text)))
    return Authentication(
        authserv_id=authserv_id if authserv_id.isprintable() else "",
        dmarc="fail" if "fail" in results else next(iter(results), ""),
    )

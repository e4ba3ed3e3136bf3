"""Names of hosts, and which registrable domain they belong to by the Public Suffix List.

Names are handled in ASCII (RFC 5891). Asking DNS for them is left to `dns`.
"""

import ipaddress
import re
from functools import cache
from typing import TYPE_CHECKING

import idna

if TYPE_CHECKING:  # read from disk when a domain is compared, which most commands never do
    from publicsuffixlist import PublicSuffixList

#: RFC 1035, 2.3.4.
_CHARACTERS = 253
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
#: A name under a top-level domain. One that ends in a number, also a hexadecimal one, is an IPv4 address to
#: the C library (inet_aton), and no top-level domain does (RFC 3696, 2).
_LABEL_ALONE = re.compile(_LABEL)
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!\d){_LABEL}")


def host_name(text: str) -> str | None:
    """Return the full name of a host or domain in ASCII and lower case, or None when it is none.

    An IP address is none, whatever its network: nobody can say whose it is, and hardly any certificate
    names one. Nor is a name without a dot, which leads to another computer in each network.
    """
    name = text.strip(" ").removesuffix(".")
    if not 0 < len(name) <= _CHARACTERS:
        return None
    try:
        name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        return None
    return name if len(name) <= _CHARACTERS and _NAME.fullmatch(name) else None


def host_of(text: str) -> str | None:
    """Return a host that a person named, in ASCII and lower case, or None when it is none.

    Unlike a `host_name` it may be an IP address or a name without a dot: the person knows their network.
    """
    name = text.strip().lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return host_name(name) or (name if _LABEL_ALONE.fullmatch(name) else None)


def registrable(name: str) -> str | None:
    """Return the part of a host name that somebody registered, such as example.co.uk, or None."""
    found: str | None = _suffixes().privatesuffix(name)
    return found


def same_registrable(one: str, other: str) -> bool:
    """Say whether two host names belong to one registrable domain."""
    domain = registrable(one)
    return domain is not None and domain == registrable(other)


@cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()

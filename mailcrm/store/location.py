"""Where a store is: what its URL says."""

import re
from pathlib import Path

from mailcrm.core.errors import ConfigError

_SQLITE = "sqlite:///"


def is_postgres(url: str) -> bool:
    """Say whether `url` names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def sqlite_path(url: str) -> Path:
    """Return the file of a `sqlite:///` URL or a plain path; raises ConfigError for another scheme."""
    if url.startswith(_SQLITE):
        return Path(url.removeprefix(_SQLITE)).expanduser()
    if "://" in url:
        raise ConfigError(
            "The store's address is neither sqlite:///FILE nor postgresql://….", hint="See `mailcrm --help`."
        )
    return Path(url).expanduser()


def shown(url: str) -> str:
    """Return `url` without its query and without anything that could be a piece of its password.

    A password may hold an @, a / or a ? that should have been escaped (RFC 3986, 3.2.1). Where it
    is then unclear what is the server's name, only the log-in name is shown.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or url.startswith(_SQLITE):
        return url
    place, _, query = rest.partition("?")
    login, at, server = place.rpartition("@")
    if "@" in query:
        return f"{scheme}://{re.split('[:@/?]', rest)[0]}@…"
    return f"{scheme}://{login.partition(':')[0]}{at}{server}"

"""Where a store is: what its URL says."""

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
    """Return `url` without its password."""
    scheme, separator, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    if not at:
        return url
    return f"{scheme}{separator}{login.partition(':')[0]}@{host}"

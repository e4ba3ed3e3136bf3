"""Write docs/providers.md from the presets: `python -m tools.providers_page`."""

from collections.abc import Iterator
from pathlib import Path

from mailcrm.core.model import Endpoint
from mailcrm.providers.presets import Preset, SignIn, presets

PAGE = Path(__file__).parent.parent / "docs" / "providers.md"

#: Those of the product that mailcrm replaces stand in the first table.
FIRST = (
    "gmail",
    "yahoo",
    "exchange",
    "outlook",
    "microsoft365",
    "icloud",
    "imap",
    "aol",
    "fastmail",
    "gandi",
    "gmx",
    "gmx_com",
    "mailru",
    "yandex",
    "godaddy",
    "hover",
    "namecheap",
    "bluehost",
    "soverin",
    "zimbra",
    "123reg",
    "126",
    "qq",
    "aliyun",
    "163",
    "yeah",
    "139",
)
#: Domains of a provider that its section names.
DOMAINS = 20

HEAD = """\
# Providers

Give mailcrm your address, and it knows the server of each provider on this page. Most want something of you
before a log-in works: the section of yours says what, and where. A company's own domain is found by its mail
servers, or with `--provider` and a name of the first column; any other server with `--imap-host`.

*App password*: a password for one program, made on the provider's website. *Authorization code*: what
providers in China call that. *OAuth2*: you sign in in a browser, and mailcrm gets a key in place of the
password.

A provider that is missing here, or wrong, is a table of your own in `config.toml`: see `config.example.toml`.

This page is made from `mailcrm/providers/presets.toml`, as are `mailcrm provider list` and
`mailcrm provider show`.
"""

NAMES = {"email": "whole address", "localpart": "before the @"}


def page() -> str:
    """Return the text of docs/providers.md."""
    rows = presets().rows
    first = [row for name in FIRST for row in rows if row.id == name]
    others = [row for row in rows if row.id not in FIRST]
    parts = [
        HEAD,
        "## The best known\n",
        *_table(first),
        "\n## Others\n",
        *_table(others),
        "\n## What each wants\n",
    ]
    for row in (*first, *others):
        parts += _section(row)
    return "\n".join(parts).rstrip("\n") + "\n"


def _table(rows: list[Preset]) -> Iterator[str]:
    yield "| `--provider` | address ends with | sign-in | IMAP | SMTP | user name |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        domains = ", ".join(row.domains[:2]) + (", …" if len(row.domains) > 2 else "")
        cells = [
            f"[{row.id}](#{row.id})",
            domains or "your own",
            ", ".join(row.sign_in) or "not possible",
            _place(row.imap),
            _place(row.smtp),
            NAMES[row.username] if row.imap is not None else "",
        ]
        yield f"| {' | '.join(cells)} |"


def _place(endpoint: Endpoint | None) -> str:
    if endpoint is None:
        return ""
    host = endpoint.host.replace("{host}", "HOST").replace("{domain}", "DOMAIN")
    return f"{host}:{endpoint.port} {endpoint.security.upper()}"


def _section(row: Preset) -> Iterator[str]:
    yield f"### {row.id}\n"
    yield f"**{row.name}.** {row.hint}\n"
    if row.steps:
        yield "\n".join(f"{number}. {step}" for number, step in enumerate(row.steps, start=1)) + "\n"
    remarks = list(_remarks(row))
    if remarks:
        yield "\n".join(f"* {remark}" for remark in remarks) + "\n"


def _remarks(row: Preset) -> Iterator[str]:
    if row.page:
        yield f"Its own page: <{row.page}>"
    if len(row.domains) > 2:
        more = len(row.domains) - DOMAINS
        yield f"Domains: {', '.join(row.domains[:DOMAINS])}{f' and {more} more' if more > 0 else ''}"
    if row.imap is not None and row.smtp_username != row.username:
        yield f"User name for SMTP: {NAMES[row.smtp_username]}."
    if row.oauth2 is not None and row.sign_in[0] != SignIn.OAUTH2:
        yield f"OAuth2 needs a client of your own, set under `[oauth2.{row.oauth2}]` in `config.toml`."
    if row.connections is not None:
        yield f"At most {row.connections} connections at a time, of all programs."
    if row.daily_bytes is not None:
        yield f"mailcrm downloads at most {row.daily_bytes // 1_000_000:,} MB a day."
    yield from row.quirks
    if row.resells:
        yield f"Sells mail of others, too: {', '.join(f'[{one}](#{one})' for one in row.resells)}."
    if row.departs:
        yield f"Other than in Thunderbird's ISPDB: {row.departs}"
    if row.doubt:
        yield f"{'Not sure' if row.confirmed else 'Not confirmed'}: {row.doubt}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

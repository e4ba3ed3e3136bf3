"""Which server an account is on: as a person names it, else as it is found by the address.

Where to look is left to `providers`.
"""

from typing import TYPE_CHECKING

import typer

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation
from mailcrm.core.model import Endpoint, Security

if TYPE_CHECKING:
    from mailcrm.providers.discovery import Discovery
    from mailcrm.providers.presets import Preset, Presets, Server


def found(
    invocation: Invocation, address: str, *, provider: str | None, imap: Endpoint | None, ask_network: bool
) -> "tuple[Server, Preset | None]":
    """Return the server `imap`, else that of the provider named, else the one found by the address.

    Beside it stands what is known of its provider. Raises ConfigError where mailcrm cannot work, NotFound
    or ConnectError where no server is known.
    """
    from dataclasses import replace

    discovery = detected(
        invocation,
        address,
        provider=provider,
        host="" if imap is None else imap.host,
        ask_network=ask_network,
    )
    if discovery.server is not None and imap is not None:
        discovery = replace(discovery, server=replace(discovery.server, imap=imap))
    return _accepted(invocation, address, discovery)


def detected(
    invocation: Invocation, address: str, *, provider: str | None, host: str, ask_network: bool
) -> "Discovery":
    """Return what is known of the server of an address; raises NotFound for an unknown provider."""
    from mailcrm.advising import presets_of
    from mailcrm.providers.discovery import discover, of_host, of_provider

    table = presets_of(invocation.config())
    if provider is None and host:
        return of_host(host, address, table)
    if provider is None:
        if ask_network and table.of_address(address) is None:
            invocation.display.note(f"Looking for the mail server of {address} …")
        return discover(address, table, network=ask_network)
    return of_provider(named(table, provider), address, table, network=ask_network, host=host)


def _accepted(invocation: Invocation, address: str, discovery: "Discovery") -> "tuple[Server, Preset | None]":
    """Return what was found, when it can be used and a person agrees where they have to."""
    from mailcrm.core.errors import ConfigError, NotFound

    preset, server = discovery.preset, discovery.server
    if preset is not None and preset.unsupported:
        raise ConfigError(preset.unsupported, hint=f"See: mailcrm provider show {preset.id}")
    if server is None:
        return _asked(invocation, address, discovery), preset
    if invocation.may_ask():
        _show(invocation, discovery, server)
    if discovery.elsewhere:
        # Who answers for the domain in the network chooses where the password goes.
        if not invocation.may_ask():
            raise NotFound(discovery.doubt(), hint=f"To use it: --imap-host {server.imap.host}")
        invocation.display.warn(discovery.doubt())
        if not typer.confirm("Is your mail there?", err=True):
            raise ConfigError("Nothing was connected.", hint="Name the right server: --imap-host HOST")
    return server, preset


def _asked(invocation: Invocation, address: str, discovery: "Discovery") -> "Server":
    """Ask a person for the server that nobody knows; raises NotFound or ConnectError without one."""
    from mailcrm.providers.presets import Server

    missing = discovery.missing()
    if not invocation.may_ask():
        missing.hint += f" What was asked: mailcrm provider detect {address}"
        raise missing
    invocation.display.note(str(missing))
    host = answers.asked(invocation, "IMAP server", answers.host)
    return Server(
        provider="imap",
        imap=Endpoint(host=host, port=993, security=Security.TLS),
        smtp=None,
        username=address,
        smtp_username=address,
    )


def _show(invocation: Invocation, discovery: "Discovery", server: "Server") -> None:
    """Say what was found, and by whom, to a person who is there to object."""
    from mailcrm.providers.discovery import Source

    imap = server.imap
    name = f"{discovery.preset.name}, " if discovery.preset is not None else ""
    source = "" if discovery.source in (None, Source.TABLE) else f", found by {discovery.source}"
    invocation.display.note(
        f"{discovery.address}: {name}{imap.host}:{imap.port} ({imap.security.value}){source}"
    )


def named(table: "Presets", text: str) -> "Preset":
    """Return the provider with this id, or with this domain; raises NotFound with the nearest id."""
    import difflib

    from mailcrm.core.errors import NotFound

    word = text.strip().lower()
    preset = table.named(word) or table.of_address(f"x@{word.rpartition('@')[2]}")
    if preset is None:
        near = difflib.get_close_matches(word, [row.id for row in table.rows], n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise NotFound(f"There is no provider {text!r}.", hint=f"{meant}See `mailcrm provider list`.")
    return preset

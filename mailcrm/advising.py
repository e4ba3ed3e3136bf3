"""What is known of providers on this machine: what a refused log-in needs at one, and what to run then.

What the server's text means is left to `mail.refusals`, what each provider wants to `providers`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailcrm.config import Config
from mailcrm.core.errors import AuthError, ConfigError, LogInBlocked, SignInNeeded, TokenRefused
from mailcrm.core.model import Endpoint

if TYPE_CHECKING:  # most syncs have no need of it
    from mailcrm.providers.presets import Preset, Presets


def presets_of(config: Config) -> "Presets":
    """Return the presets, the person's own first; raises ConfigError with all that is wrong in theirs."""
    from mailcrm.providers.presets import presets

    return presets(config.providers, issuers=config.oauth2)


@contextmanager
def advised(config: Config, imap: Endpoint, address: str, *, connected: bool) -> Iterator[None]:
    """Say in an AuthError what the provider at this endpoint wants, and as its hint which command to run.

    What it wants is the provider's own hint where the server asks for what the provider is known to want,
    or does not say what is wrong; else the hint that belongs to the text. It goes into the message, which
    is all that `status` shows later. `connected` says whether the address is of an account already.
    """
    try:
        yield
    except (TokenRefused, SignInNeeded) as error:  # they say what to run where there is an account
        if not connected:
            error.hint = f"Sign in as {address}, and allow mailcrm to read the mail there."
        raise
    except AuthError as error:
        preset = _preset(config, imap, address)
        wants = error.hint
        if preset is not None and (error.wanted in preset.sign_in[:1] or wants == AuthError.hint):
            wants = preset.hint or wants
        if connected:
            # What is blocked is opened at the provider; the password stays the same.
            command = "sync" if isinstance(error, LogInBlocked) else "account reauth"
            hint = f"Then run: mailcrm {command} {address}"
        elif preset is not None:
            hint = f"See: mailcrm provider show {preset.id}"
        else:
            raise
        raise type(error)(f"{error} {wants}", hint=hint, wanted=error.wanted) from error


def _preset(config: Config, imap: Endpoint, address: str) -> "Preset | None":
    from mailcrm.providers.presets import presets

    try:
        known = presets_of(config)
    except ConfigError:
        # A mistake in their own table must not hide that the password was refused.
        known = presets()
    # Some have a server in common, and on the loopback address the port alone tells Proton Mail Bridge.
    for preset in (known.of_address(address), *known.rows):
        if preset is not None and preset.imap is not None:
            there = preset.imap.host, preset.imap.port
            if there == (imap.host.lower(), imap.port):
                return preset
    return None

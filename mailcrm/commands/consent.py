"""A person signs in at the provider and lets mailcrm read the mailbox: in a browser here, or elsewhere.

What is asked of the provider and what its answers mean is left to `oauth2`.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from mailcrm.commands import answers
from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.oauth2.issuers import Issuer
    from mailcrm.oauth2.tokens import Tokens

#: How long a person may take at the provider's pages, in seconds.
_PATIENCE = 600


class Flow(StrEnum):
    """Where a person signs in: a browser here, any browser by a code, any browser whose address is pasted."""

    BROWSER = "browser"
    DEVICE = "device"
    PASTE = "paste"


def sign_in(invocation: Invocation, client: str, address: str, flow: Flow | None) -> "Tokens":
    """Let a person sign in with a client of config.toml; raises SignInFailed, ConfigError or MailError."""
    from mailcrm.core.errors import UsageError
    from mailcrm.signing_in import issuer_of

    issuer = issuer_of(invocation.config(), client)
    if flow is None and not invocation.may_ask():
        raise UsageError(
            "Signing in with OAuth2 needs a person.",
            hint="Run it in a terminal."
            if issuer.device_authorization_endpoint is None
            else "Run it in a terminal; or --flow device, which prints a code to type elsewhere.",
        )
    # The look for a browser starts programs, too.
    with _no_secrets_in_environment():
        usual = Flow.BROWSER if flow is None and _has_browser() else Flow.PASTE
    match flow or usual:
        case Flow.BROWSER:
            return _in_browser(invocation, issuer, address)
        case Flow.DEVICE:
            return _with_device_code(invocation, issuer)
        case Flow.PASTE:
            return _pasted(invocation, issuer, address)


def _in_browser(invocation: Invocation, issuer: "Issuer", address: str) -> "Tokens":
    import webbrowser

    from mailcrm.oauth2 import grants
    from mailcrm.oauth2.loopback import Listener

    with Listener(port=issuer.redirect_port or 0) as listener:
        asked = grants.begin(issuer, address, listener.port)
        instruct = invocation.display.instruct
        instruct(f"Sign in as {address} in the browser. If none opens, open this address on this machine:")
        invocation.display.url(asked.url)
        instruct(f"mailcrm waits {_PATIENCE // 60} minutes for it. On another machine: --flow paste")
        with _no_secrets_in_environment():
            webbrowser.open(asked.url)
        answer = listener.wait(asked.state, _PATIENCE)
    return grants.redeem(issuer, asked, answer, _now())


def _pasted(invocation: Invocation, issuer: "Issuer", address: str) -> "Tokens":
    from mailcrm.oauth2 import grants
    from mailcrm.oauth2.issuers import FIXED_PORT

    # Nobody listens: the address is only there to be pasted.
    asked = grants.begin(issuer, address, issuer.redirect_port or FIXED_PORT)
    instruct = invocation.display.instruct
    instruct(f"Open this address in a browser, on any machine, and sign in as {address}:")
    invocation.display.url(asked.url)
    instruct(f"At the end the browser fails to show a page of {_host(asked.redirect_uri)}. That is right:")
    instruct("copy the whole address of that page, and paste it here.")
    if invocation.may_ask():
        with suppress(ImportError):  # not every Python has it
            # Else the terminal cuts the line at 4,095 characters (termios(3)), and Microsoft's are longer.
            import readline  # noqa: F401
        return answers.asked(
            invocation, "Address of the page", lambda text: grants.redeem(issuer, asked, text, _now())
        )
    return grants.redeem(issuer, asked, answers.line(), _now())


def _with_device_code(invocation: Invocation, issuer: "Issuer") -> "Tokens":
    from mailcrm.oauth2 import grants

    code = grants.ask_device(issuer)
    invocation.display.instruct(
        f"Open {code.verification_uri} in a browser, on any machine, and type this code: {code.user_code}"
    )
    invocation.display.instruct(f"mailcrm waits; the code is good for {code.expires_in // 60} minutes.")
    return grants.wait_for_device(issuer, code, clock=_now, sleep=time.sleep)


@contextmanager
def _no_secrets_in_environment() -> Iterator[None]:
    """Keep passwords out of the environment that a browser inherits."""
    from mailcrm.keychain import without_secrets

    held = {key: os.environ.pop(key) for key in set(os.environ) - set(without_secrets(os.environ))}
    try:
        yield
    finally:
        os.environ.update(held)


def _has_browser() -> bool:
    """Say whether a browser with windows can be opened here; one in the terminal would not do."""
    if "SSH_CONNECTION" in os.environ:
        return False
    if sys.platform == "darwin" or "BROWSER" in os.environ:
        return True
    if "DISPLAY" not in os.environ and "WAYLAND_DISPLAY" not in os.environ:
        return False
    import webbrowser

    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or url


def _now() -> datetime:
    return datetime.now(UTC)

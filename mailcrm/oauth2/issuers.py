"""What is known of authorization servers: endpoints, scopes, redirect URIs (RFC 6749, RFC 8252).

No client id is among it: that is the person's own. Speaking to the servers is left to `grants`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit

from mailcrm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """One authorization server, and mailcrm as its client.

    `redirect_uri` has `{port}` where the port of the answer goes; `redirect_port` is the one that it has
    to be, or None. `parameters` are sent with the authorization request.
    """

    name: str
    client_id: str
    client_secret: str | None = field(repr=False)
    authorization_endpoint: str
    token_endpoint: str
    device_authorization_endpoint: str | None
    scopes: tuple[str, ...]
    redirect_uri: str
    redirect_port: int | None
    parameters: Mapping[str, str]
    ca_file: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of an issuer; `{tenant}` in an endpoint stands for Microsoft's.

    `client_secret` says that it gives a secret even to programs that cannot keep one. With a
    `redirect_port`, it compares the whole redirect URI with the registered one.
    """

    authorization_endpoint: str
    token_endpoint: str
    device_authorization_endpoint: str = ""
    scopes: tuple[str, ...]
    redirect_uri: str = "http://127.0.0.1:{port}/"
    redirect_port: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    client_secret: bool


#: For issuers that compare the whole redirect URI: any port would do, so it is the same one for all.
FIXED_PORT = 47_811

#: The endpoints agree with Thunderbird's mailnews/base/src/OAuth2Providers.sys.mjs where nothing else
#: is said.
KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        # developers.google.com/identity/protocols/oauth2/native-app: endpoints, loopback with any port,
        # a secret that is not confidential. Without `prompt` a second sign-in gives no refresh token.
        # The device flow does not take the scope of IMAP (…/oauth2/limited-input-device#allowedscopes).
        "google": Known(
            authorization_endpoint="https://accounts.google.com/o/oauth2/v2/auth",
            token_endpoint="https://oauth2.googleapis.com/token",  # noqa: S106 - no password but an address
            scopes=("https://mail.google.com/",),
            redirect_uri="http://127.0.0.1:{port}",
            parameters={"access_type": "offline", "prompt": "consent"},
            client_secret=True,
        ),
        # learn.microsoft.com/entra/identity-platform: v2-oauth2-auth-code-flow, v2-oauth2-device-code;
        # reply-url: the port is not compared for localhost, and http://127.0.0.1 cannot be entered in
        # the portal. The scopes are those of Exchange Online, not of Graph, which opens no IMAP.
        "microsoft": Known(
            authorization_endpoint="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
            token_endpoint="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106 - likewise
            device_authorization_endpoint="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
            scopes=(
                "https://outlook.office.com/IMAP.AccessAsUser.All",
                "https://outlook.office.com/SMTP.Send",
                "offline_access",
            ),
            redirect_uri="http://localhost:{port}",
            client_secret=False,
        ),
        # yandex.com/dev/id/doc/en/codes/code-url: the Redirect URI is the one of the registration; PKCE.
        # Its page on devices has another grant type than RFC 8628, so no device endpoint stands here.
        "yandex": Known(
            authorization_endpoint="https://oauth.yandex.com/authorize",
            token_endpoint="https://oauth.yandex.com/token",  # noqa: S106 - likewise
            scopes=("mail:imap_full", "mail:smtp"),
            redirect_port=FIXED_PORT,
            client_secret=True,
        ),
        # id.vk.com, "OAuth Mail": the redirect URI is compared to the last slash; mail.imap is asked for
        # together with userinfo.
        "mailru": Known(
            authorization_endpoint="https://o2.mail.ru/login",
            token_endpoint="https://o2.mail.ru/token",  # noqa: S106 - likewise
            scopes=("userinfo", "mail.imap"),
            redirect_port=FIXED_PORT,
            client_secret=True,
        ),
        # www.fastmail.com/for-developers/oauth: clients are registered by hand, without a secret, with
        # PKCE; the one endpoint gives and renews tokens.
        "fastmail": Known(
            authorization_endpoint="https://api.fastmail.com/oauth/authorize",
            token_endpoint="https://api.fastmail.com/oauth/refresh",  # noqa: S106 - likewise
            scopes=(
                "https://www.fastmail.com/dev/protocol-imap",
                "https://www.fastmail.com/dev/protocol-smtp",
            ),
            client_secret=False,
        ),
    }
)

#: Any other issuer: endpoints and scopes are the person's to say. RFC 8252, 8.3, prefers the address of
#: the loopback interface to the name localhost.
_UNKNOWN = Known(authorization_endpoint="", token_endpoint="", scopes=(), client_secret=False)

#: `common`, `consumers`, `organizations`, a tenant's id or one of its domains.
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
#: RFC 6749, 3.3.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class Client(Protocol):
    """What a person configured (`mailcrm.config.OAuth2Client`, which an edge does not know)."""

    @property
    def client_id(self) -> str: ...  # noqa: D102 - the names are those of config.toml
    @property
    def tenant(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def authorization_endpoint(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def token_endpoint(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def device_authorization_endpoint(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def scopes(self) -> tuple[str, ...] | None: ...  # noqa: D102 - likewise
    @property
    def redirect_port(self) -> int | None: ...  # noqa: D102 - likewise
    @property
    def ca_file(self) -> str | None: ...  # noqa: D102 - likewise


def issuer(name: str, client: Client, client_secret: str | None) -> Issuer:
    """Return an issuer with what the client says, and else with what is known of it.

    Raises ConfigError with all that is missing or wrong, by its key in config.toml.
    """
    known = KNOWN.get(name, _UNKNOWN)
    tenant = client.tenant or "common"
    made = Issuer(
        name=name,
        client_id=client.client_id,
        client_secret=client_secret or None,
        authorization_endpoint=client.authorization_endpoint
        or known.authorization_endpoint.replace("{tenant}", tenant),
        token_endpoint=client.token_endpoint or known.token_endpoint.replace("{tenant}", tenant),
        device_authorization_endpoint=client.device_authorization_endpoint
        or known.device_authorization_endpoint.replace("{tenant}", tenant)
        or None,
        scopes=client.scopes or known.scopes,
        redirect_uri=known.redirect_uri,
        redirect_port=client.redirect_port or known.redirect_port,
        parameters=known.parameters,
        ca_file=client.ca_file,
    )
    problems = [f"oauth2.{name}.{problem}" for problem in _problems(made, client)]
    if problems:
        raise ConfigError("; ".join(problems) + ".", hint="docs/oauth.md shows what each key is.")
    return made


def _problems(made: Issuer, client: Client) -> list[str]:
    if client.tenant is not None and not _TENANT.fullmatch(client.tenant):
        # It stands in the endpoints, which would be called wrong, too.
        return ["tenant is common, consumers, organizations or the id of a tenant"]
    found = []
    if not _VISIBLE.fullmatch(made.client_id):
        found.append("client_id is not one: it has no spaces, and letters of ASCII only")
    if client.tenant is not None and made.name != "microsoft":
        found.append("tenant is for microsoft only")
    for key, url in (
        ("authorization_endpoint", made.authorization_endpoint),
        ("token_endpoint", made.token_endpoint),
        ("device_authorization_endpoint", made.device_authorization_endpoint),
    ):
        if not url and key != "device_authorization_endpoint":
            found.append(f"{key} is missing")
        elif url and not _is_endpoint(url):
            found.append(f"{key} must be an address that begins with https://")
    if not made.scopes:
        found.append("scopes is missing")
    elif not all(_SCOPE.fullmatch(scope) for scope in made.scopes):
        found.append("scopes must be a list with one scope in each text")
    if client.redirect_port is not None and not 0 < client.redirect_port < 65_536:
        found.append("redirect_port must be from 1 to 65535")
    return found


def _is_endpoint(url: str) -> bool:
    """Tell whether a URL can be an endpoint: TLS, a host, no log-in, no fragment (RFC 6749, 3.1)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return bool(
        _VISIBLE.fullmatch(url)
        and parts.scheme == "https"
        and parts.hostname
        and port != 0
        and "@" not in parts.netloc
        and "#" not in url
    )

"""A local authorization server over TLS (RFC 6749, 7009, 7636, 7662, 8628), and a person's browser."""

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from mailcrm.config import OAuth2Client
from tests.servers.certificates import Authority

CLIENT_ID = "mailcrm-under-test"
SCOPE = "mail"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """What an endpoint answers in place of its own answer, after `wait` seconds."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    location: str | None = None
    endless: bool = False
    wait: float = 0


LOG_IN_PAGE = Raw(content_type="text/html", body=b"<html><title>Hotel WiFi: please log in</title></html>")


@dataclass(kw_only=True, slots=True)
class _Grant:
    """What one consent gave: all tokens that came of it are revoked together."""

    user: str
    revoked: bool = False


@dataclass(kw_only=True, slots=True)
class _Code:
    grant: _Grant
    redirect_uri: str
    challenge: str
    used: bool = False


@dataclass(kw_only=True, slots=True)
class _Access:
    grant: _Grant
    until: float


@dataclass(kw_only=True, slots=True)
class _Refresh:
    grant: _Grant
    used: bool = False


@dataclass(kw_only=True, slots=True)
class _Device:
    user_code: str
    until: float
    user: str | None = None
    denied: bool = False
    slow_downs: int = 0


@dataclass
class AuthorizationServer:
    """Endpoints at `base`; whoever opens the authorization URL is `user`, or denies when that is None.

    `lifetime` of access tokens in seconds, None to leave it out; `rotate` gives a new refresh token with
    each refresh, and the use of an old one revokes all (RFC 9700, 4.14). `extra` stands in every answer
    with a token. `instead` answers for a path ("/token") in place of the server. `asked` counts
    ("authorize", "authorization_code", "refresh_token", "device_code", "device", "introspect",
    "revoke"), `forms` holds what was posted to the token endpoint.
    """

    authority: Authority
    user: str | None = "ann@example.com"
    client_id: str = CLIENT_ID
    client_secret: str | None = None
    scope: str = SCOPE
    lifetime: int | None = 3600
    rotate: bool = False
    gives_refresh_token: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, Raw] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    forms: list[dict[str, str]] = field(default_factory=list)
    device_interval: int | None = None
    device_lifetime: int = 600
    slow_downs: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._devices: dict[str, _Device] = {}
        self._grants: list[_Grant] = []
        self._secure = _Web(self, self.authority.issue().context)
        # For Dovecot: introspection without TLS, on this machine only.
        self._plain = _Web(self, None)
        self.base = f"https://localhost:{self._secure.server_port}"
        self.authorization_endpoint = f"{self.base}/authorize"
        self.token_endpoint = f"{self.base}/token"
        self.device_authorization_endpoint = f"{self.base}/device_authorization"
        self.introspection_endpoint = f"{self.base}/introspect"
        self.plain_introspection_endpoint = f"http://127.0.0.1:{self._plain.server_port}/introspect"
        self.revocation_endpoint = f"{self.base}/revoke"
        self.ca_file = str(self.authority.ca_file)
        for web in (self._secure, self._plain):
            threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        for web in (self._secure, self._plain):
            web.shutdown()
            web.server_close()

    # What a test configures mailcrm with.

    def client(self, **changes: Any) -> OAuth2Client:
        """Return mailcrm's registration here, as config.toml would give it."""
        return OAuth2Client(
            **{
                "client_id": self.client_id,
                "authorization_endpoint": self.authorization_endpoint,
                "token_endpoint": self.token_endpoint,
                "device_authorization_endpoint": self.device_authorization_endpoint,
                "scopes": (self.scope,),
                "ca_file": self.ca_file,
                **changes,
            }
        )

    def toml(self, name: str) -> str:
        """Return the table of config.toml that says the same."""
        client = self.client()
        lines = [
            f"{key} = {json.dumps(getattr(client, key))}"
            for key in (
                "client_id",
                "authorization_endpoint",
                "token_endpoint",
                "device_authorization_endpoint",
                "scopes",
                "ca_file",
            )
        ]
        return "\n".join([f"[oauth2.{name}]", *lines, ""])

    # What people and administrators do.

    def consent(self, url: str) -> str:
        """Open an authorization URL in the person's browser and return where it is sent next."""
        parts = urlsplit(url)
        assert f"https://{parts.netloc}" == self.base
        context = ssl.create_default_context(cafile=self.ca_file)
        connection = HTTPSConnection("localhost", self._secure.server_port, context=context, timeout=10)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            response = connection.getresponse()
            page = response.read()
        finally:
            connection.close()
        location = response.getheader("Location")
        assert location is not None, f"no redirect but {response.status}: {page!r}"
        return location

    def browser(self, url: str) -> str:
        """Open an authorization URL, follow the redirect to mailcrm, and return the page that it shows."""
        parts = urlsplit(self.consent(url))
        assert parts.hostname is not None
        connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
        try:
            connection.request("GET", f"{parts.path or '/'}?{parts.query}")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def approve(self, user_code: str) -> None:
        """Let `user` type a device's code and agree, or deny when there is none."""
        with self._lock:
            device = next(one for one in self._devices.values() if one.user_code == user_code)
            device.user, device.denied = self.user, self.user is None

    def issue(self, user: str) -> tuple[str, str]:
        """Return a new access and refresh token of a user, without any ceremony."""
        with self._lock:
            given = self._tokens(_Grant(user=user))
        return given["access_token"], given.get("refresh_token", "")

    def revoke(self, user: str) -> None:
        """Take back all tokens of a user, as one does in the provider's security settings."""
        with self._lock:
            for grant in self._grants:
                if grant.user == user:
                    grant.revoked = True

    def expire(self, user: str) -> None:
        """End the access tokens of a user now; their refresh tokens stay good."""
        with self._lock:
            for one in self._access.values():
                if one.grant.user == user:
                    one.until = 0

    @property
    def secrets(self) -> list[str]:
        """All codes and tokens that were ever given out."""
        return [*self._codes, *self._access, *self._refresh, *self._devices]

    # The endpoints: each returns (status, JSON), or a redirect.

    def _authorize(self, query: dict[str, str]) -> Raw:
        self.asked["authorize"] += 1
        redirect = urlsplit(query.get("redirect_uri", ""))
        # RFC 6749, 4.1.2.1: without a good client and redirect URI, nothing is sent there.
        if (
            query.get("client_id") != self.client_id
            or redirect.scheme != "http"
            or redirect.hostname not in _LOOPBACK
        ):
            return Raw(status=400, content_type="text/html", body=b"unknown client or redirect URI")
        if self.user is None:
            answer = {"error": "access_denied", "error_description": "The user denied the request."}
        elif query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            answer = {"error": "invalid_request"}
        elif not set(query.get("scope", "").split()) <= set(self.scope.split()):
            answer = {"error": "invalid_scope"}
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = _Code(
                grant=_Grant(user=self.user),
                redirect_uri=query["redirect_uri"],
                challenge=query.get("code_challenge", ""),
            )
            answer = {"code": code}
        answer["state"] = query.get("state", "")
        return Raw(
            status=302,
            location=redirect._replace(path=redirect.path or "/", query=urlencode(answer)).geturl(),
        )

    def _token(self, form: dict[str, str]) -> Raw:
        kind = form.get("grant_type", "")
        self.asked[kind.rpartition(":")[2]] += 1
        self.forms.append(form)
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return _error("invalid_client", status=401)
        match kind:
            case "authorization_code":
                return self._redeem(form)
            case "refresh_token":
                return self._renew(form)
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self._poll(form)
            case _:
                return _error("unsupported_grant_type")

    def _redeem(self, form: dict[str, str]) -> Raw:
        code = self._codes.get(form.get("code", ""))
        if code is None:
            return _error("invalid_grant", "The code is unknown.")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code.used:
            code.grant.revoked = True
            return _error("invalid_grant", "The code was used already.")
        code.used = True
        if form.get("redirect_uri") != code.redirect_uri:
            return _error("invalid_grant", "The redirect URI is not that of the request.")
        if challenge != code.challenge:
            return _error("invalid_grant", "PKCE verification failed.")
        return _json(self._tokens(code.grant))

    def _renew(self, form: dict[str, str]) -> Raw:
        held = self._refresh.get(form.get("refresh_token", ""))
        if held is None or held.grant.revoked:
            return _error("invalid_grant", "Token has been expired or revoked.")
        if held.used:
            held.grant.revoked = True
            return _error("invalid_grant", "The refresh token was used already.")
        given = self._tokens(held.grant)
        if self.rotate:
            held.used = True
        else:
            self._refresh.pop(given.pop("refresh_token", ""), None)
        return _json(given)

    def _poll(self, form: dict[str, str]) -> Raw:
        device = self._devices.get(form.get("device_code", ""))
        if device is None:
            return _error("invalid_grant")
        if device.slow_downs:
            device.slow_downs -= 1
            return _error("slow_down")
        if time.monotonic() > device.until:
            return _error("expired_token")
        if device.denied:
            return _error("access_denied")
        if device.user is None:
            return _error("authorization_pending")
        return _json(self._tokens(_Grant(user=device.user)))

    def _device(self, form: dict[str, str]) -> Raw:
        self.asked["device"] += 1
        # RFC 8628, 3.1: clients prove who they are here, too.
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return _error("invalid_client", status=401)
        if not set(form.get("scope", "").split()) <= set(self.scope.split()):
            return _error("invalid_scope")
        code = secrets.token_urlsafe(24)
        device = _Device(
            user_code="-".join(secrets.token_hex(2).upper() for _ in range(2)),
            until=time.monotonic() + self.device_lifetime,
            slow_downs=self.slow_downs,
        )
        self._devices[code] = device
        answer: dict[str, Any] = {
            "device_code": code,
            "user_code": device.user_code,
            "verification_uri": f"{self.base}/device",
            "expires_in": self.device_lifetime,
        }
        if self.device_interval is not None:
            answer["interval"] = self.device_interval
        return _json(answer)

    def _introspect(self, form: dict[str, str]) -> Raw:
        self.asked["introspect"] += 1
        held = self._access.get(form.get("token", ""))
        if held is None or held.grant.revoked or time.monotonic() > held.until:
            return _json({"active": False})
        return _json(
            {
                "active": True,
                "username": held.grant.user,
                "client_id": self.client_id,
                "scope": self.scope,
                "token_type": "Bearer",
            }
        )

    def _revoke(self, form: dict[str, str]) -> Raw:
        self.asked["revoke"] += 1
        token = form.get("token", "")
        held = self._refresh.get(token) or self._access.get(token)
        if held is not None:
            held.grant.revoked = True
        return Raw()

    def _tokens(self, grant: _Grant) -> dict[str, Any]:
        self._grants.append(grant)
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._access[access] = _Access(
            grant=grant, until=time.monotonic() + (3600 if self.lifetime is None else self.lifetime)
        )
        given: dict[str, Any] = {"access_token": access, "token_type": "Bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        if self.gives_refresh_token:
            self._refresh[refresh] = _Refresh(grant=grant)
            given["refresh_token"] = refresh
        return given | self.extra

    def answer(self, method: str, target: str, body: str, *, secure: bool) -> Raw:
        """Return the answer to one request; the handler of a connection asks for it."""
        parts = urlsplit(target)
        form = dict(parse_qsl(body, keep_blank_values=True))
        with self._lock:
            if parts.path in self.instead:
                return self.instead[parts.path]
            match method, parts.path:
                case "POST", "/introspect":
                    return self._introspect(form)
                case _ if not secure:
                    return Raw(status=404)
                case "GET", "/authorize":
                    return self._authorize(dict(parse_qsl(parts.query)))
                case "POST", "/token":
                    return self._token(form)
                case "POST", "/device_authorization":
                    return self._device(form)
                case "POST", "/revoke":
                    return self._revoke(form)
                case _:
                    return Raw(status=404)


def _json(answer: dict[str, Any]) -> Raw:
    return Raw(body=json.dumps(answer).encode())


def _error(error: str, description: str = "", *, status: int = 400) -> Raw:
    answer = {"error": error} | ({"error_description": description} if description else {})
    return Raw(status=status, body=json.dumps(answer).encode())


class _Web(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server: AuthorizationServer, context: ssl.SSLContext | None) -> None:
        self.behind = server
        self.context = context
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self.context is None:
            return connection, address
        # The handshake happens in the thread of the connection, so that none holds up the others.
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def server_close(self) -> None:
        self.stopped.set()
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up, or do not trust us, are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Web
    timeout = 30

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        raw = self.server.behind.answer(self.command, self.path, body, secure=self.server.context is not None)
        self.server.stopped.wait(raw.wait)
        self.send_response(raw.status)
        self.send_header("Content-Type", raw.content_type)
        self.send_header("Cache-Control", "no-store")
        if raw.location is not None:
            self.send_header("Location", raw.location)
        if not raw.endless:
            self.send_header("Content-Length", str(len(raw.body)))
        self.end_headers()
        self.wfile.write(raw.body)
        while raw.endless and not self.server.stopped.is_set():
            self.wfile.write(b" " * 16_384)

    do_GET = do_POST = _respond  # noqa: N815 - the names are http.server's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Write nothing to standard error."""

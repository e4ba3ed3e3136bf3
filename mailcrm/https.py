"""Questions to a web server: over HTTPS only, with bounds on the size and the time of an answer.

What is asked, and what an answer means, is left to `providers` and `oauth2`.
"""

import socket
import ssl
import time
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from mailcrm.core.errors import ConfigError, ConnectError

#: The most that an answer may hold, in bytes; autoconfig files and tokens are some thousand long.
ANSWER_LIMIT = 256_000
_CHUNK = 16_384
_REDIRECTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a web server answered, whatever its status; `url` is where the last redirect led."""

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)


class _SecureRedirects(HTTPRedirectHandler):
    """Follow a redirect to HTTPS only: on another one somebody in between would answer."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            raise URLError("it redirects to an address without encryption")
        # A form is for the server that it was sent to (RFC 6749, 3.2).
        if req.data is not None:
            raise URLError("it redirects a form to another address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def get(url: str, *, seconds: float, ca_file: str | None = None) -> Answer:
    """Return the answer to a GET; raises ConnectError, and ConfigError for a URL that is not HTTPS.

    `seconds` hold for the whole of it. `ca_file` names a PEM file whose certificates are trusted in
    place of the computer's own.
    """
    return _ask(Request(url), seconds, ca_file)  # noqa: S310 - _ask refuses all but https


def post(url: str, form: str, *, seconds: float, ca_file: str | None = None) -> Answer:
    """Return the answer to a form, given in its URL encoding; like `get`, but a redirect is an error."""
    return _ask(Request(url, form.encode("ascii")), seconds, ca_file)  # noqa: S310 - likewise


def _ask(request: Request, seconds: float, ca_file: str | None) -> Answer:
    if request.type != "https" or not request.host:
        raise ConfigError(f"{request.full_url} is not an address that begins with https://.")
    until = time.monotonic() + seconds
    request.add_header("User-Agent", "mailcrm")
    request.add_header("Accept", "application/json, application/xml, text/xml")
    try:
        with _opener(ca_file).open(request, timeout=seconds) as response:
            return _answer(request, response, until)
    except HTTPError as error:
        with error:
            return _answer(request, error, until)
    except URLError as error:
        raise _failed(request, error.reason) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(request, error) from error


def _opener(ca_file: str | None) -> OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"The CA file {ca_file} cannot be used: {error}") from error
    opener = OpenerDirector()
    # No handler for http or files is there, so none can be reached by a redirect.
    for handler in (
        ProxyHandler(),
        HTTPSHandler(context=context),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
        _SecureRedirects(),
    ):
        opener.add_handler(handler)
    return opener


def _answer(request: Request, response: HTTPResponse | HTTPError, until: float) -> Answer:
    body = b""
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise _failed(request, OSError(f"it answers with more than {ANSWER_LIMIT:,} bytes"))
        if time.monotonic() > until:
            raise _failed(request, TimeoutError())
    return Answer(
        url=response.url,
        status=response.status or 0,
        content_type=response.headers.get_content_type(),
        body=body,
    )


def _failed(request: Request, reason: object) -> ConnectError:
    """Return the error for a question without an answer; a URL may carry a secret, a host does not."""
    host, check = request.host, "Check the network."
    match reason:
        case ssl.SSLCertVerificationError():
            return ConnectError(
                f"The certificate of {host} is not trusted: {reason.verify_message}.",
                hint="Check this computer's clock, and that no network (a hotel's) puts itself in between.",
            )
        case socket.gaierror():
            return ConnectError(f"The name {host} leads to no server.", hint=check)
        case TimeoutError():
            return ConnectError(f"{host} did not answer in time.", hint=check)
        case OSError():
            return ConnectError(f"{host} could not be asked: {reason.strerror or reason}.", hint=check)
        case _:
            return ConnectError(f"{host} could not be asked: {reason}.", hint=check)

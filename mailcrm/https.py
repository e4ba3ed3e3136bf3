"""Questions to a web server: over HTTPS only, with bounds on the size and the time of an answer.

What is asked, and what an answer means, is left to `providers` and `oauth2`.
"""

import queue
import socket
import ssl
import string
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from mailcrm.core.errors import ConfigError, ConnectError
from mailcrm.core.printable import printable

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


def get(url: str, *, seconds: float, ca_file: str | None = None) -> Answer:
    """Return the answer to a GET; raises ConnectError, and ConfigError for a URL that is not HTTPS.

    `seconds` hold for the whole of it. `ca_file` names a PEM file whose certificates are trusted in
    place of the computer's own.
    """
    return _ask(url, None, seconds, ca_file)


def post(url: str, form: str, *, seconds: float, ca_file: str | None = None) -> Answer:
    """Return the answer to a form, given in its URL encoding; like `get`, but a redirect is an error."""
    return _ask(url, form.encode("ascii"), seconds, ca_file)


def _ask(url: str, form: bytes | None, seconds: float, ca_file: str | None) -> Answer:
    if not _is_secure(url):
        raise ConfigError(f"{printable(url)} is not an address that begins with https://.")
    opener = _opener(ca_file)
    until = time.monotonic() + seconds
    heard: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            heard.put(_follow(opener, url, form, until))
        except BaseException as error:  # noqa: BLE001 - it is raised again, below, where somebody can catch it
            heard.put(error)

    # In a thread, because no time-out of a socket bounds the look-up of a name, a host with many
    # addresses, or headers that come byte by byte.
    threading.Thread(target=ask, daemon=True, name="https").start()
    try:
        answer = heard.get(timeout=seconds)
    except queue.Empty:
        raise _failed(url, TimeoutError()) from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _is_secure(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _opener(ca_file: str | None) -> OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"The CA file {ca_file} cannot be used: {error}") from error
    opener = OpenerDirector()
    # No handler for http or files is there, and none that follows redirects.
    for handler in (
        ProxyHandler(),
        HTTPSHandler(context=context),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _follow(opener: OpenerDirector, url: str, form: bytes | None, until: float) -> Answer:
    for _ in range(1 + _REDIRECTS):
        try:
            answer, location = _once(opener, url, form, until)
        except URLError as error:
            raise _failed(url, error.reason) from error
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(url, error) from error
        if location is None:
            return answer
        # A form is for the server that it was sent to (RFC 6749, 3.2).
        if form is not None:
            raise _failed(url, OSError("it redirects a form to another address"))
        try:
            onward = urljoin(url, quote(location, encoding="iso-8859-1", safe=string.punctuation))
        except ValueError as error:
            raise _failed(url, OSError("it redirects to what is no address")) from error
        # On one without encryption, somebody in between would answer.
        if not _is_secure(onward):
            raise _failed(url, OSError("it redirects to an address without encryption"))
        url = onward
    raise _failed(url, OSError("it redirects again and again"))


def _once(opener: OpenerDirector, url: str, form: bytes | None, until: float) -> tuple[Answer, str | None]:
    """Return the answer of one server, and where it redirects."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    request = Request(url, form)  # noqa: S310 - _is_secure refused all but https
    request.add_header("User-Agent", "mailcrm")
    request.add_header("Accept", "application/json, application/xml, text/xml")
    try:
        with opener.open(request, timeout=left) as response:
            return _answer(url, response, until)
    except HTTPError as error:
        with error:
            return _answer(url, error, until)


def _answer(url: str, response: HTTPResponse | HTTPError, until: float) -> tuple[Answer, str | None]:
    location = response.headers.get("Location") if response.status in {301, 302, 303, 307, 308} else None
    body = b""
    while location is None and (chunk := response.read1(_CHUNK)):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise OSError(f"it answers with more than {ANSWER_LIMIT:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError
    # What read1 does not tell: the length that the server promised and did not keep.
    if location is None and response.length:
        raise IncompleteRead(body, response.length)
    return Answer(
        url=url,
        status=response.status or 0,
        content_type=response.headers.get_content_type(),
        body=body,
    ), location


#: X509_V_ERR_* of OpenSSL, x509_vfy.h, in words.
_CERTIFICATE_ERRORS = {
    2: "its issuer is unknown to this computer",
    9: "it is not valid yet",
    10: "it has expired",
    18: "its issuer is unknown to this computer",
    19: "its issuer is unknown to this computer",
    20: "its issuer is unknown to this computer",
    21: "its issuer is unknown to this computer",
    62: "it is made for another host name",
    64: "it is made for another address",
}


def _failed(url: str, reason: object) -> ConnectError:
    """Return the error for a question without an answer; a URL may carry a secret, a host does not."""
    host, check = printable(urlsplit(url).hostname or ""), "Check the network."
    match reason:
        case ssl.SSLCertVerificationError():
            why = _CERTIFICATE_ERRORS.get(reason.verify_code, printable(reason.verify_message))
            return ConnectError(
                f"The certificate of {host} is not trusted: {why}.",
                hint="Check this computer's clock, and that no network (a hotel's) puts itself in between. "
                "Where the server is your own, ca_file beside its address in config.toml names its CA.",
            )
        case socket.gaierror():
            return ConnectError(f"The name {host} leads to no server.", hint=check)
        case TimeoutError():
            return ConnectError(f"{host} did not answer in time.", hint=check)
        case IncompleteRead():
            return ConnectError(f"{host} broke off its answer.", hint=check)
        case OSError():
            why = printable(reason.strerror or str(reason))
        case _:
            why = printable(str(reason))
    return ConnectError(f"{host} could not be asked: {why}.", hint=check)

"""Getting and renewing tokens: authorization code with PKCE, refresh, device code.

The questions are put together by oauthlib and sent by `mailcrm.https`. The answers are read here:
oauthlib takes a page for a form, raises a bare Warning when a scope was left out, and obeys variables of
the environment. The person's browser is left to `loopback` and the commands. No secret is in any error.
"""

import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from mailcrm import https
from mailcrm.core.errors import ConnectError, ProtocolError, SignInFailed, SignInNeeded, UsageError
from mailcrm.core.printable import masked, printable
from mailcrm.oauth2.issuers import Issuer
from mailcrm.oauth2.tokens import Tokens

#: Seconds that an issuer may take for one answer.
_SECONDS = 30
#: RFC 6749, appendix A: codes and tokens are printable ASCII. Anything else in a token would be read as
#: a separator by a mail server's XOAUTH2.
_CODE = re.compile(r"[\x20-\x7e]{1,8192}")
#: Characters of the shortest code that is taken alone: what is shorter is a word, typed by mistake.
_SHORTEST = 8
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
#: Ten years: Yandex has tokens for one, and a sum beyond the calendar is no time.
_LONGEST = 315_360_000

_START_AGAIN = "Start again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An authorization request: `url` is for the person's browser, the rest for the answer to it."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceCode:
    """What a person types where (RFC 8628, 3.2); `interval` and `expires_in` are in seconds."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    device_code: str = field(repr=False)
    interval: int
    expires_in: int


def begin(issuer: Issuer, login_hint: str, port: int) -> Asked:
    """Return an authorization request whose answer comes to `port` of this machine."""
    from oauthlib.oauth2 import WebApplicationClient

    client = WebApplicationClient(issuer.client_id)
    verifier = client.create_code_verifier(64)
    state = secrets.token_urlsafe(32)
    redirect_uri = issuer.redirect_uri.replace("{port}", str(port))
    url = client.prepare_request_uri(
        issuer.authorization_endpoint,
        redirect_uri=redirect_uri,
        scope=list(issuer.scopes),
        state=state,
        code_challenge=client.create_code_challenge(verifier, "S256"),
        code_challenge_method="S256",
        login_hint=login_hint,
        **issuer.parameters,
    )
    return Asked(url=url, state=state, verifier=verifier, redirect_uri=redirect_uri)


def redeem(issuer: Issuer, asked: Asked, answer_url: str, now: datetime) -> Tokens:
    """Return the tokens for an answer: the address where the browser ended, or the bare code in it.

    `answer_url` may be pasted by a person, with blanks and line breaks in it. Raises UsageError, before
    anybody is asked, for what is no answer; SignInFailed, ConnectError, ProtocolError, ConfigError.
    """
    from oauthlib.oauth2 import WebApplicationClient

    code = _code(issuer, asked, answer_url)
    body = WebApplicationClient(issuer.client_id).prepare_request_body(
        code=code,
        redirect_uri=asked.redirect_uri,
        code_verifier=asked.verifier,
        client_secret=issuer.client_secret,
    )
    answer = _ask(issuer, issuer.token_endpoint, body)
    if "error" in answer:
        raise _refused(issuer, answer, code, asked.verifier)
    return _tokens(issuer, answer, now)


def refresh(issuer: Issuer, tokens: Tokens, now: datetime) -> Tokens:
    """Return renewed tokens; they replace the old ones, whose refresh token may be void from then on.

    `tokens` are of this issuer and client. Raises SignInNeeded when the issuer refuses for a reason that
    a person has to see to: by a new sign-in alone, or first by what its own hint says; ConnectError, also
    for any other refusal; ProtocolError, ConfigError.
    """
    from oauthlib.oauth2 import WebApplicationClient

    if tokens.refresh_token is None:
        raise SignInNeeded(f"{_host(issuer)} gave no refresh token, and the access token has expired.")
    # RFC 6749, 6: without a scope the granted ones are meant.
    body = WebApplicationClient(issuer.client_id).prepare_refresh_body(
        refresh_token=tokens.refresh_token, client_id=issuer.client_id, client_secret=issuer.client_secret
    )
    answer = _ask(issuer, issuer.token_endpoint, body)
    if "error" in answer:
        raise _not_renewed(issuer, answer, tokens.refresh_token)
    return _tokens(issuer, answer, now, refresh_token=tokens.refresh_token)


def ask_device(issuer: Issuer) -> DeviceCode:
    """Return a code that the person types at another device (RFC 8628).

    Raises SignInFailed, also for an issuer that has no such thing; ConnectError, ProtocolError, ConfigError.
    """
    if issuer.device_authorization_endpoint is None:
        raise SignInFailed(
            f"{_host(issuer)} does not sign in by a code for another device.",
            hint="Sign in with a web browser.",
        )
    form = {"client_id": issuer.client_id, "scope": " ".join(issuer.scopes)}
    if issuer.client_secret is not None:
        form["client_secret"] = issuer.client_secret
    body = urlencode(form)
    answer = _ask(issuer, issuer.device_authorization_endpoint, body)
    if "error" in answer:
        raise _refused(issuer, answer)
    # Drafts of RFC 8628 said verification_url, and Google still does.
    uri = _url(answer.get("verification_uri", answer.get("verification_url")))
    device_code, user_code = answer.get("device_code"), answer.get("user_code")
    if (
        uri is None
        or not isinstance(user_code, str)
        or not printable(user_code)
        or not _is_token(device_code)
    ):
        raise ProtocolError(f"{_host(issuer)} answered without a code for the other device.")
    return DeviceCode(
        user_code=printable(user_code),
        verification_uri=uri,
        verification_uri_complete=_url(answer.get("verification_uri_complete")),
        device_code=device_code,
        # RFC 8628, 3.2: 5 where it is left out. The upper bounds are ours: nobody waits longer.
        interval=min(_seconds(answer.get("interval")) or 5, 60),
        expires_in=min(_seconds(answer.get("expires_in")) or 600, 3600),
    )


def wait_for_device(
    issuer: Issuer, code: DeviceCode, *, clock: Callable[[], datetime], sleep: Callable[[float], None]
) -> Tokens:
    """Ask until the person has typed the code, and return the tokens.

    `clock` tells the time with its zone, `sleep` takes seconds. Raises SignInFailed when the person
    denies or the code expires; ProtocolError, ConfigError.
    """
    from oauthlib.oauth2 import DeviceClient

    body = DeviceClient(issuer.client_id).prepare_request_body(
        device_code=code.device_code, include_client_id=True, client_secret=issuer.client_secret
    )
    until = clock() + timedelta(seconds=code.expires_in)
    interval = code.interval
    while clock() + timedelta(seconds=interval) <= until:
        sleep(interval)
        now = clock()
        try:
            answer = _ask(issuer, issuer.token_endpoint, body)
        except ConnectError:
            # RFC 8628, 3.5: ask less often then, and go on.
            interval *= 2
            continue
        match answer.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                interval += 5
            case _ if "error" in answer:
                raise _refused(issuer, answer, code.device_code)
            case _:
                return _tokens(issuer, answer, now)
    raise SignInFailed("The code was not used in time.", hint=_START_AGAIN)


def _code(issuer: Issuer, asked: Asked, pasted: str) -> str:
    """Return the code of an answer, after its state was compared (RFC 6749, 4.1.2 and 10.12)."""
    # A terminal breaks long lines, and an address has no blanks.
    text = "".join(pasted.split()).strip("\"'<>`")
    if not re.search(r"(?:^|[?&#])(?:code|state|error)=", text):
        return _bare_code(text)
    query = text.partition("?")[2] or text
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
    answer = dict(pairs)
    if "response_type" in answer:
        raise UsageError(
            "This is the address where the sign-in begins.",
            hint="Open it in a web browser; after you have agreed there, paste the address where it ends.",
        )
    # RFC 6749, 3.1: no parameter stands there twice.
    if len(answer) < len(pairs):
        raise _unreadable()
    state = answer.get("state", "")
    # Some leave it out of an error, which opens nothing.
    if "error" in answer and not state:
        raise _refused(issuer, answer)
    if asked.state.startswith(state) and state != asked.state:
        raise UsageError("The end of the address is missing.", hint="Copy all of it.")
    if not hmac.compare_digest(state.encode("utf-8", "replace"), asked.state.encode("ascii")):
        raise UsageError(
            "This is the answer to another sign-in.",
            hint="Open the address that is shown above, and paste the one where it ends.",
        )
    if "error" in answer:
        raise _refused(issuer, answer)
    code = answer.get("code", "")
    if not _CODE.fullmatch(code):
        raise _unreadable()
    return code


def _bare_code(text: str) -> str:
    """Return a code that was pasted alone: the verifier binds it to this sign-in (RFC 9700, 2.1.1)."""
    code = unquote(text.partition("&")[0])
    if len(code) < _SHORTEST or "://" in code or not _CODE.fullmatch(code):
        raise _unreadable()
    return code


def _unreadable() -> UsageError:
    return UsageError(
        "There is no code in what was pasted.",
        hint="Paste the whole address that the browser shows at the end, also when it shows an error page.",
    )


def _ask(issuer: Issuer, endpoint: str, body: str) -> Mapping[str, Any]:
    """Return the JSON object that an endpoint answers; an `error` in it is a text."""
    answer = https.post(endpoint, body, seconds=_SECONDS, ca_file=issuer.ca_file)
    host = urlsplit(endpoint).hostname
    if answer.status == 429 or answer.status >= 500:
        raise ConnectError(
            f"{host} cannot answer now (HTTP status {answer.status}).", hint="Try again in a while."
        )
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        # Not chained: the text of a JSON error can hold a piece of a token.
        said = None
    if not isinstance(said, dict):
        raise ProtocolError(
            f"{host} answered with a page instead of a token; a network that wants you to log in first?",
            hint="Log in to the network with a web browser, then try again.",
        )
    if "error" not in said and answer.status == 200:
        return said
    error = said.get("error")
    # What is no text is no answer of OAuth2 (RFC 6749, 5.2) but of what stands before it: Google's front
    # end says {"error": {"status": "RESOURCE_EXHAUSTED"}} with status 403.
    if not isinstance(error, str) or error in ("server_error", "temporarily_unavailable"):
        raise ConnectError(
            f"{host} cannot answer now (HTTP status {answer.status}).", hint="Try again in a while."
        )
    return said


def _tokens(
    issuer: Issuer, answer: Mapping[str, Any], now: datetime, *, refresh_token: str | None = None
) -> Tokens:
    access, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    renewed = answer.get("refresh_token") or None
    if not _is_token(access) or not (renewed is None or _is_token(renewed)):
        raise ProtocolError(f"{_host(issuer)} answered without a token.")
    # RFC 6749, 7.1: a client must not use a token whose type it does not understand. Mail.ru names none.
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProtocolError(f"{_host(issuer)} gave a token that is not of the type Bearer.")
    seconds = _seconds(answer.get("expires_in"))
    return Tokens(
        access_token=access,
        refresh_token=renewed or refresh_token,
        # Counted from our clock: that of the issuer may be another.
        expires_at=None if seconds is None else now + timedelta(seconds=seconds),
        token_endpoint=issuer.token_endpoint,
        client_id=issuer.client_id,
    )


def _seconds(said: object) -> int | None:
    """Return a time in seconds, which some issuers give as a text; None for what is none."""
    try:
        # A float may be NaN or infinite, a text may have thousands of digits.
        seconds = float(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return int(min(seconds, _LONGEST)) if seconds >= 0 else None


def _is_token(said: object) -> TypeGuard[str]:
    return isinstance(said, str) and _TOKEN.fullmatch(said) is not None


def _url(said: object) -> str | None:
    """Return an address that a person may be sent to, or None."""
    if not isinstance(said, str) or not re.fullmatch(r"https://[\x21-\x7e]{1,2000}", said):
        return None
    return said


def _host(issuer: Issuer) -> str:
    return urlsplit(issuer.token_endpoint).hostname or issuer.name


_OLD_SIGN_IN = "The sign-in is no longer good: it expired, was used twice, or somebody took it back."
_CLIENT = "Check client_id, and the secret if there is one, with what the provider shows for the client."
_DENIED = "Allow it when the provider asks, or ask the administrator of your organization whether you may."
_ADMIN = "Ask the administrator of your organization to allow the client with this client_id."

#: (what `error` or `error_description` contains, our sentence, hint); the first match wins, so the codes
#: of Microsoft (learn.microsoft.com/entra/identity-platform/reference-error-codes) stand first: its
#: `error` is often no more than invalid_grant. The others are of RFC 6749 4.1.2.1 and 5.2, RFC 8628 3.5,
#: OpenID Connect Core 3.1.2.6 and Google.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"AADSTS(65001|65004|9009[34]|900941)\b|consent_required|admin_policy_enforced|org_internal",
        "The client was not allowed to read your mail: you or an administrator must agree first.",
        _ADMIN,
    ),
    (
        r"AADSTS(50020|50034|90072|500208)\b",
        "This user does not belong to the organization where the sign-in was tried.",
        "Check the address, and `tenant`: common takes all, consumers Outlook.com, or the tenant's id.",
    ),
    (
        r"AADSTS(50194|9002331|9002346|9001023)\b",
        "The client is not made for this kind of account.",
        "Set `tenant` to consumers for Outlook.com alone, or to the tenant's id for one organization.",
    ),
    (
        r"AADSTS(53000|53001|53003|530\d{3})\b",
        "The organization's rules do not allow this sign-in (Conditional Access).",
        "Ask its administrator; a sign-in with a web browser on this machine may be allowed.",
    ),
    (r"AADSTS50105\b", "The organization allows the client for chosen people only.", _ADMIN),
    (r"AADSTS50057\b", "The user's account is switched off.", "Ask the administrator of your organization."),
    (
        r"AADSTS7000218\b",
        "The provider wants a client secret, because the client is not registered as a public one.",
        'Switch on "Allow public client flows" for the client, or give its client secret.',
    ),
    (
        r"client_secret\b.*\bmissing",
        "The provider wants the client secret, and this machine has none.",
        "Give it with `mailcrm account oauth-setup`; in a keyring, it is there while that is open.",
    ),
    (
        r"AADSTS700(016|0215|0222)\b|invalid_client|deleted_client",
        "The provider does not know the client.",
        _CLIENT,
    ),
    (
        r"AADSTS5001(1|12|13)\b|redirect_uri_mismatch|redirect.?uri",
        "The redirect URI is not the one that the client is registered with.",
        "Register the redirect URI that docs/oauth.md names, or set redirect_port to the registered one.",
    ),
    (
        r"AADSTS(70011|650053|65005)\b|invalid_scope",
        "The provider does not give mail programs the access that was asked for.",
        "Allow IMAP for the client at the provider, or set `scopes` in config.toml.",
    ),
    (
        r"AADSTS500(7[469]|58)\b|interaction_required|login_required|account_selection_required",
        "The provider wants to see you, for a second factor perhaps.",
        "",
    ),
    (
        r"unauthorized_client|unsupported_(grant|response)_type",
        "The client is not registered for this way to sign in.",
        "Register it as a desktop or native program; for a device code, allow public clients.",
    ),
    (r"access_denied|authorization_declined", "The provider says that the access was denied.", _DENIED),
    (r"expired_token|code_expired", "The code was not used in time.", _START_AGAIN),
)


def _refused(issuer: Issuer, answer: Mapping[str, Any], *secret: str) -> SignInFailed:
    """Return the error for a sign-in that was answered with `error`; it does not repeat what is `secret`."""
    text = _told(issuer, answer, secret)
    unknown = "The code was not accepted." if "invalid_grant" in text else "The sign-in was refused."
    sentence, hint = _known(text) or (unknown, _START_AGAIN)
    return SignInFailed(f"{sentence} {_host(issuer)} says: {text}", hint=hint)


def _not_renewed(issuer: Issuer, answer: Mapping[str, Any], *secret: str) -> SignInNeeded | ConnectError:
    """Return the error for a renewal that was answered with `error`: SignInNeeded where a person can help."""
    text = _told(issuer, answer, secret)
    known = _known(text) or ((_OLD_SIGN_IN, "") if "invalid_grant" in text else None)
    if known is None:
        return ConnectError(
            f"{_host(issuer)} did not renew the sign-in. It says: {text}", hint="Try again in a while."
        )
    sentence, hint = known
    return SignInNeeded(f"{sentence} {_host(issuer)} says: {text}", hint=hint)


def _known(text: str) -> tuple[str, str] | None:
    """Return our sentence and the hint for what an issuer said, or None."""
    for pattern, sentence, hint in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return sentence, hint
    return None


def _told(issuer: Issuer, answer: Mapping[str, Any], secret: Iterable[str]) -> str:
    """Return what an issuer says, without what nobody else may see."""
    said = ": ".join(
        said for key in ("error", "error_description") if isinstance(said := answer.get(key), str) and said
    )
    for one in (*secret, issuer.client_secret or ""):
        said = masked(said, one)
    return printable(said)

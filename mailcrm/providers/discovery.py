"""Which server an address's mail is on, and who says so: each source that was asked is kept with its answer.

The order is that of docs/decisions/0031-discovery.md. No question holds more of an address than its domain.
What is told to a person, and whether they are asked, is left to the commands.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from mailcrm.core.errors import ConnectError, MailcrmError, NotFound
from mailcrm.core.model import Endpoint, Security
from mailcrm.https import get
from mailcrm.providers import autoconfig, dns
from mailcrm.providers.domains import host_name, registrable, same_registrable
from mailcrm.providers.greeting import Greeting, greeting
from mailcrm.providers.presets import Preset, Presets, Server, SignIn

if TYPE_CHECKING:
    from dns.resolver import Resolver

#: The provider of a server that no preset names.
UNNAMED = "imap"
_ISPDB = "https://autoconfig.thunderbird.net/v1.1/"
#: RFC 6186, 3.1 and 3.2, RFC 8314, 5.1: those with implicit TLS come first.
_READING = (("_imaps._tcp", Security.TLS), ("_imap._tcp", Security.STARTTLS))
_SUBMISSION = (("_submissions._tcp", Security.TLS), ("_submission._tcp", Security.STARTTLS))
#: Seconds in which the DNS, and anybody else, is to answer. Those who do need a tenth of them.
_DNS_SECONDS = 3.0
_SECONDS = 4.0
_TLS_PORT = 993
_STARTTLS_PORT = 143


class Source(StrEnum):
    """From whom a server is known, in the order in which they are believed."""

    TABLE = "table"
    MX = "MX"
    AUTOCONFIG = "autoconfig"
    ISPDB = "ISPDB"
    SRV = "SRV"
    GUESS = "guess"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One question: what was asked and what came; `reached` says whether anybody answered at all.

    `found` is the server that the answer names, `hint` what a person can do about a question that failed.
    """

    source: Source
    asked: str
    answer: str
    found: Server | None = None
    reached: bool = True
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """What is known of the server of an address's mail.

    `server` is None when nobody knows it, and when the `preset` says that it cannot be used. `sign_in` are
    the kinds that the preset or the autoconfig file names. `elsewhere` says that the server is of another
    registrable domain than the address and that no preset vouches for it: a person has to confirm it before
    a password goes there.
    """

    address: str
    steps: tuple[Step, ...]
    server: Server | None = None
    preset: Preset | None = None
    source: Source | None = None
    sign_in: tuple[SignIn, ...] = ()
    elsewhere: bool = False

    def missing(self) -> MailcrmError:
        """Return the error of a command that needs a server, for when nobody knows it."""
        sentence = f"mailcrm does not know the mail server of {self.address}"
        name_it = "Name it: --imap-host HOST, or a provider: --provider P (mailcrm provider list)."
        if self.steps[-1].source is Source.MX:
            # It ended the search: a domain with a typing error is the usual reason.
            return NotFound(f"{sentence}: {self.steps[-1].answer}.", hint=f"Check its spelling. {name_it}")
        # The ISPDB is always there, and its certificate is good: what is wrong with it is wrong here.
        hint = next((step.hint for step in self.steps if step.source is Source.ISPDB), "")
        asked = [step for step in self.steps if step.source is not Source.TABLE]
        if asked and not any(step.reached for step in asked):
            return ConnectError(
                f"{sentence}. The network did not answer.", hint=f"{hint or 'Check the network.'} {name_it}"
            )
        return NotFound(f"{sentence}.", hint=f"{hint} {name_it}".strip())

    def doubt(self) -> str:
        """Return why a person has to confirm the server before a password goes there, or nothing."""
        if not self.elsewhere or self.server is None or self.source is None:
            return ""
        domain = self.address.rpartition("@")[2]
        hosts = [endpoint.host for endpoint in _endpoints(self.server)]
        other = next(host for host in hosts if not same_registrable(host, domain))
        return (
            f"{other} belongs to {registrable(other) or 'somebody else'}, not to {domain}; the source is "
            f"{self.source.value}, which proves nothing. Use it if you know that your mail is there."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """What came of one question."""

    text: str
    server: Server | None = None
    sign_in: tuple[SignIn, ...] = (SignIn.PASSWORD,)
    reached: bool = True
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """One question; `ask` takes the seconds that it has."""

    source: Source
    asked: str
    ask: Callable[[float], _Answer]


def discover(
    address: str,
    presets: Presets,
    *,
    network: bool,
    resolver: "Resolver | None" = None,
    seconds: float = 10.0,
) -> Discovery:
    """Return what the table and, with `network`, all others know of a normalised address.

    `resolver` asks the DNS in place of the computer's own; `seconds` hold for the whole of it.
    """
    until = time.monotonic() + seconds
    domain = address.rpartition("@")[2]
    preset = presets.of_address(address)
    if preset is not None:
        return _by_preset(address, preset, Source.TABLE, _step(Source.TABLE, domain, preset.name))
    if host_name(domain) != domain:
        return Discovery(
            address=address, steps=(_step(Source.TABLE, domain, "no domain that has mail servers"),)
        )
    unknown = _step(Source.TABLE, domain, "not in the table")
    if not network:
        return Discovery(address=address, steps=(unknown,))
    hosts, led, by_mx = _by_mx(domain, presets, resolver, seconds)
    steps = [unknown, by_mx]
    if led is not None:
        return _by_preset(address, led, Source.MX, *steps)
    # Nobody else has to be told of a domain that has no mail.
    if hosts in (dns.Absence.NO_DOMAIN, dns.Absence.NO_MAIL):
        return Discovery(address=address, steps=tuple(steps))
    questions = _questions(address, domain, hosts, resolver)
    for question, answer in _answers(questions, until):
        steps.append(
            Step(
                source=question.source,
                asked=question.asked,
                answer=answer.text,
                found=answer.server,
                reached=answer.reached,
                hint=answer.hint,
            )
        )
        if answer.server is not None:
            return _found(address, presets, steps, answer.server, answer.sign_in)
    return Discovery(address=address, steps=tuple(steps))


def of_provider(
    preset: Preset,
    address: str,
    presets: Presets,
    *,
    network: bool,
    host: str = "",
    resolver: "Resolver | None" = None,
    seconds: float = 10.0,
) -> Discovery:
    """Return what a provider that a person named means for an address; `host` is the server they named.

    The mail of a brand that resells others' is where the domain's MX leads, as far as the table knows it.
    Raises ConfigError when each customer of the provider has a server, and nobody named it.
    """
    named = _step(Source.TABLE, preset.id, preset.name)
    domain = address.rpartition("@")[2]
    if not preset.resells or host or host_name(domain) != domain:
        return _by_preset(address, preset, Source.TABLE, named, host=host)
    if not network:
        unasked = Step(
            source=Source.MX,
            asked=domain,
            answer=f"not asked: if {preset.name} resells another's mail here, this is not the server",
            reached=False,
        )
        return _by_preset(address, preset, Source.TABLE, named, unasked)
    _, led, by_mx = _by_mx(domain, presets, resolver, seconds)
    if led is None:
        return _by_preset(address, preset, Source.TABLE, named, by_mx)
    return _by_preset(address, led, Source.MX, named, by_mx)


def of_host(host: str, address: str, presets: Presets) -> Discovery:
    """Return what a server that a person named means for an address: TLS on its usual port."""
    preset = presets.of_host(host)
    if preset is not None:
        return _by_preset(address, preset, Source.TABLE, _step(Source.TABLE, host, preset.name))
    server = _server(address, Endpoint(host=host, port=_TLS_PORT, security=Security.TLS))
    return Discovery(
        address=address,
        steps=(_step(Source.TABLE, host, "not in the table; taken as it is named"),),
        server=server,
        sign_in=(SignIn.PASSWORD,),
    )


def _step(source: Source, asked: str, answer: str) -> Step:
    return Step(source=source, asked=asked, answer=answer)


def _server(address: str, imap: Endpoint, smtp: Endpoint | None = None) -> Server:
    return Server(provider=UNNAMED, imap=imap, smtp=smtp, username=address, smtp_username=address)


def _by_preset(address: str, preset: Preset, source: Source, *steps: Step, host: str = "") -> Discovery:
    return Discovery(
        address=address,
        steps=steps,
        server=None if preset.unsupported else preset.server(address, host),
        preset=preset,
        source=source,
        sign_in=preset.sign_in,
    )


def _by_mx(
    domain: str, presets: Presets, resolver: "Resolver | None", seconds: float
) -> tuple[tuple[str, ...] | dns.Absence, Preset | None, Step]:
    """Return the hosts that take a domain's mail, the preset that they lead to, and the step."""
    # Others may be reached through a proxy without the DNS: they get their share of the time.
    hosts = dns.exchangers(domain, resolver=resolver, seconds=min(_DNS_SECONDS, seconds / 3))
    if isinstance(hosts, dns.Absence):
        reached = hosts is not dns.Absence.SILENCE
        return hosts, None, Step(source=Source.MX, asked=domain, answer=hosts.value, reached=reached)
    # Before a provider's hosts there may be those of a filter.
    for host in hosts:
        if (preset := presets.of_mx(host)) is not None:
            return hosts, preset, _step(Source.MX, domain, f"{host}: {preset.name}")
    return hosts, None, _step(Source.MX, domain, f"{hosts[0]}: not in the table")


def _found(
    address: str, presets: Presets, steps: list[Step], server: Server, sign_in: tuple[SignIn, ...]
) -> Discovery:
    source, host = steps[-1].source, server.imap.host
    preset = presets.of_host(host)
    if preset is not None:
        # Whoever named it: the table knows this server better.
        return _by_preset(address, preset, source, *steps)
    domain = address.rpartition("@")[2]
    return Discovery(
        address=address,
        steps=tuple(steps),
        server=server,
        source=source,
        sign_in=sign_in,
        elsewhere=not all(same_registrable(endpoint.host, domain) for endpoint in _endpoints(server)),
    )


def _answers(questions: list[_Question], until: float) -> Iterator[tuple[_Question, _Answer]]:
    """Ask all at once, and yield the answers in the order of the questions, silence as one of them."""
    until = min(until, time.monotonic() + _SECONDS)
    asked = [(question, _begin(question, until - time.monotonic())) for question in questions]
    for question, coming in asked:
        try:
            answer = coming.result(max(0.0, until - time.monotonic()))
        except StillWaiting:
            answer = _Answer(text="no answer in time", reached=False, hint="Check the network.")
        yield question, answer


def _begin(question: _Question, seconds: float) -> "Future[_Answer]":
    """Ask in a thread that the end of the program does not wait for: a look-up of a name has no limit."""
    coming: Future[_Answer] = Future()

    def ask() -> None:
        try:
            coming.set_result(question.ask(seconds))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            coming.set_exception(error)

    threading.Thread(target=ask, daemon=True, name=f"discovery-{question.source}").start()
    return coming


def _questions(
    address: str, domain: str, hosts: tuple[str, ...] | dns.Absence, resolver: "Resolver | None"
) -> list[_Question]:
    """Return whom to ask besides the table and the MX, in the order in which they are believed."""
    own = [
        f"https://autoconfig.{domain}/mail/config-v1.1.xml",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    ]
    of_mx = None if isinstance(hosts, dns.Absence) else registrable(hosts[0])
    listed = [f"{_ISPDB}{name}" for name in dict.fromkeys([domain, of_mx or domain])]
    guesses = [
        Endpoint(host=host, port=port, security=security)
        for port, security in ((_TLS_PORT, Security.TLS), (_STARTTLS_PORT, Security.STARTTLS))
        for host in (f"imap.{domain}", f"mail.{domain}", domain)
    ]
    return [
        *(
            _Question(source=source, asked=url, ask=partial(_configured, url, address))
            for source, urls in ((Source.AUTOCONFIG, own), (Source.ISPDB, listed))
            for url in urls
        ),
        _Question(
            source=Source.SRV,
            asked=" ".join(f"{service}.{domain}" for service, _ in _READING),
            ask=partial(_by_srv, address, domain, resolver),
        ),
        *(
            _Question(source=Source.GUESS, asked=_told(guess), ask=partial(_guessed, guess, address))
            for guess in guesses
        ),
    ]


def _configured(url: str, address: str, seconds: float) -> _Answer:
    try:
        file = get(url, seconds=seconds)
    except ConnectError as error:
        return _Answer(text=str(error), reached=False, hint=error.hint)
    match file.status:
        case 200:
            named = autoconfig.parse(file.body, address)
        case 404 | 410:
            return _Answer(text="no such file")
        case status:
            return _Answer(text=f"HTTP {status}")
    if not named.imap:
        return _Answer(text="; ".join(named.refused) or "it names no IMAP server")
    imap, smtp = named.imap[0], next(iter(named.smtp), None)
    server = Server(
        provider=UNNAMED,
        imap=imap.endpoint,
        smtp=smtp.endpoint if smtp else None,
        username=imap.username,
        smtp_username=smtp.username if smtp else imap.username,
    )
    return _Answer(text=_told(imap.endpoint), server=server, sign_in=imap.sign_in)


def _by_srv(address: str, domain: str, resolver: "Resolver | None", seconds: float) -> _Answer:
    def first(kinds: tuple[tuple[str, Security], ...]) -> Endpoint | dns.Absence:
        absence = dns.Absence.NO_RECORD
        for service, security in kinds:
            # There are four questions, and the last two are not worth losing the answer to the others.
            match dns.services(service, domain, resolver=resolver, seconds=seconds / 5):
                case (dns.Service(host=host, port=port), *_):
                    return Endpoint(host=host, port=port, security=security)
                case dns.Absence() as told if absence is dns.Absence.NO_RECORD:
                    absence = told
        return absence

    imap = first(_READING)
    if isinstance(imap, dns.Absence):
        return _Answer(text=imap.value, reached=imap is not dns.Absence.SILENCE)
    smtp = first(_SUBMISSION)
    return _Answer(
        text=_told(imap), server=_server(address, imap, None if isinstance(smtp, dns.Absence) else smtp)
    )


def _guessed(endpoint: Endpoint, address: str, seconds: float) -> _Answer:
    told = greeting(endpoint, seconds=seconds)
    return _Answer(
        text=told.value,
        server=_server(address, endpoint) if told is Greeting.IMAP else None,
        reached=told not in (Greeting.NO_NAME, Greeting.SILENCE, Greeting.NO_CONNECTION),
    )


def _endpoints(server: Server) -> list[Endpoint]:
    return [endpoint for endpoint in (server.imap, server.smtp) if endpoint is not None]


def _told(endpoint: Endpoint) -> str:
    return f"{endpoint.host}:{endpoint.port} ({endpoint.security.value})"

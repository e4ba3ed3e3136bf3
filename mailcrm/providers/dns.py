"""Which mail servers the DNS names for a domain: MX (RFC 5321) and SRV (RFC 2782, 6186, 8314).

What is made of them is left to `discovery`. They prove nothing: whoever is in between can forge them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mailcrm.providers.domains import host_name

if TYPE_CHECKING:  # dnspython is loaded when the DNS is asked, which most commands never do
    from dns.resolver import NoNameservers, Resolver


class Absence(StrEnum):
    """Why there is no record, in words for a person."""

    NO_DOMAIN = "the domain does not exist"
    NO_RECORD = "no such record"
    NO_MAIL = "the domain takes no mail"
    NOT_OFFERED = "the domain says that it does not offer this"
    UNUSABLE = "what it names is no full host name"
    FAILURE = "the DNS server has no answer to give"
    SILENCE = "no DNS server answered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """Where a service is offered."""

    host: str
    port: int


def exchangers(domain: str, *, resolver: "Resolver | None", seconds: float) -> tuple[str, ...] | Absence:
    """Return the hosts that take a domain's mail, the preferred one first."""
    records = _records(domain, "MX", resolver, seconds)
    if isinstance(records, Absence):
        return records
    if len(records) == 1 and records[0].exchange.to_text() == ".":
        return Absence.NO_MAIL  # RFC 7505
    # Among equals RFC 5321, 5.1, wants chance, to spread the load; here the same answer each time is better.
    hosts = sorted((record.preference, record.exchange.to_text()) for record in records)
    names = [name for _, host in hosts if (name := host_name(host)) is not None]
    return tuple(dict.fromkeys(names)) or Absence.UNUSABLE


def services(
    service: str, domain: str, *, resolver: "Resolver | None", seconds: float
) -> tuple[Service, ...] | Absence:
    """Return where a domain offers a service such as `_imaps._tcp`, the preferred place first."""
    records = _records(f"{service}.{domain}", "SRV", resolver, seconds)
    if isinstance(records, Absence):
        # The name of a service that nobody entered does not exist either.
        return Absence.NO_RECORD if records is Absence.NO_DOMAIN else records
    if len(records) == 1 and records[0].target.to_text() == ".":
        return Absence.NOT_OFFERED  # RFC 2782; RFC 6186, 3.4
    # Weights share the load among many clients by chance; one that is kept for years goes by the largest.
    ordered = sorted(records, key=lambda r: (r.priority, -r.weight, r.target.to_text(), r.port))
    found = [
        Service(host=name, port=record.port)
        for record in ordered
        if record.port and (name := host_name(record.target.to_text())) is not None
    ]
    return tuple(dict.fromkeys(found)) or Absence.UNUSABLE


def _records(
    name: str, kind: str, resolver: "Resolver | None", seconds: float
) -> "list[Any] | Absence":  # a class of dnspython for each kind
    from dns.exception import DNSException
    from dns.resolver import (
        NXDOMAIN,
        LifetimeTimeout,
        NoAnswer,
        NoNameservers,
        NoResolverConfiguration,
        get_default_resolver,
    )

    try:
        asked = resolver or get_default_resolver()
        return list(asked.resolve(f"{name}.", kind, lifetime=seconds))
    except NXDOMAIN:
        return Absence.NO_DOMAIN
    except NoAnswer:
        return Absence.NO_RECORD
    except (LifetimeTimeout, NoResolverConfiguration):
        return Absence.SILENCE
    except NoNameservers as error:
        return Absence.FAILURE if _did_any_answer(error) else Absence.SILENCE
    except DNSException:  # an alias of an alias without end, a name that is too long
        return Absence.FAILURE


def _did_any_answer(error: "NoNameservers") -> bool:
    """Say whether a DNS server answered that it failed; without a network none is even asked."""
    return any(not isinstance(failure, OSError) for *_, failure, _ in error.kwargs["errors"])

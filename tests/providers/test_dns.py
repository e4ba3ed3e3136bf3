"""What the DNS names for a domain, whatever it sends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.providers.dns import Absence, Service, exchangers, services
from tests.servers.dns import FAILURE, SILENCE, DnsServer, Zone


def test_exchangers_come_in_the_order_of_their_preference() -> None:
    records = ["20 c.example.com.", "10 b.example.com.", "10 A.example.com.", "5 10.0.0.1.", "5 localhost."]
    with DnsServer({("example.com", "MX"): records}) as names:
        found = exchangers("example.com", resolver=names.resolver(), seconds=2)
    assert found == ("a.example.com", "b.example.com", "c.example.com")


def test_services_come_by_priority_and_then_by_weight() -> None:
    records = [
        "1 1 993 b.example.com.",
        "1 5 994 a.example.com.",
        "0 0 995 c.example.com.",
        "0 0 0 d.example.com.",
        "0 9 993 .",
    ]
    with DnsServer({("_imaps._tcp.example.com", "SRV"): records}) as names:
        found = services("_imaps._tcp", "example.com", resolver=names.resolver(), seconds=2)
    assert found == (
        Service(host="c.example.com", port=995),
        Service(host="a.example.com", port=994),
        Service(host="b.example.com", port=993),
    )


@pytest.mark.parametrize(
    ("name", "absence"),
    [
        ("example.com", Absence.NO_MAIL),
        ("www.example.com", Absence.NO_RECORD),
        ("none.example.com", Absence.NO_DOMAIN),
        ("broken.example.com", Absence.FAILURE),
        ("silent.example.com", Absence.SILENCE),
        ("circle.example.com", Absence.NO_RECORD),
        ("long." * 60 + "com", Absence.FAILURE),
    ],
)
def test_why_there_is_no_record_is_told_apart(name: str, absence: Absence) -> None:
    zone: Zone = {
        ("example.com", "MX"): ["0 ."],
        ("www.example.com", "A"): ["127.0.0.1"],
        ("broken.example.com", "MX"): FAILURE,
        ("silent.example.com", "MX"): SILENCE,
        ("circle.example.com", "CNAME"): ["circle.example.com."],
    }
    with DnsServer(zone) as names:
        assert exchangers(name, resolver=names.resolver(), seconds=0.5) is absence


def test_a_name_of_a_service_that_does_not_exist_is_no_missing_domain() -> None:
    with DnsServer({("example.com", "MX"): ["1 mx.example.com."]}) as names:
        found = services("_imaps._tcp", "example.com", resolver=names.resolver(), seconds=2)
    assert found is Absence.NO_RECORD


def test_a_computer_without_a_dns_server_is_as_good_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    monkeypatch.setattr(dns.resolver, "default_resolver", dns.resolver.Resolver(configure=False))
    assert exchangers("example.com", resolver=None, seconds=1) is Absence.SILENCE


@settings(max_examples=20)
@given(
    st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\x81\x80\0\x01\0\x01\0\0\0\0" + tail)
)
def test_whatever_a_dns_server_sends_is_an_answer_or_none(tail: bytes) -> None:
    with DnsServer({("example.com", "MX"): tail}) as names:
        found = exchangers("example.com", resolver=names.resolver(), seconds=0.1)
    assert isinstance(found, Absence)

"""Which server is found for an address, on a small internet over real sockets."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from mailcrm.core.errors import ConfigError, ConnectError, NotFound
from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.discovery import Source, of_host, of_provider
from mailcrm.providers.presets import SignIn
from tests.providers.internet import (
    AUTOCONFIG,
    ISPDB,
    KIM,
    MX,
    WELL_KNOWN,
    Internet,
    answer,
    config,
    guessing_at,
    imap_server,
    internet,
    own,
    table,
)
from tests.servers.certificates import Authority
from tests.servers.dns import FAILURE, SILENCE, Zone
from tests.servers.web import Page, Site, dripping, endless, page, redirect, silent

Connected = Callable[[Zone, Mapping[str, Site]], Internet]


@pytest.fixture
def connected(authority: Authority) -> Iterator[Connected]:
    """Make this process live in an internet of these names and sites until the test ends."""
    with ExitStack() as stack:
        yield lambda zone, sites: stack.enter_context(internet(authority, zone, sites))


def imap(host: str, port: int = 993, security: Security = Security.TLS) -> Endpoint:
    return Endpoint(host=host, port=port, security=security)


# --- the order ----------------------------------------------------------------------------------------


def test_a_domain_of_the_table_is_answered_without_asking_anybody(connected: Connected) -> None:
    there = connected({}, {})
    found = there.find("kim@big.example.net")
    assert found.source is Source.TABLE
    assert found.server is not None
    assert found.server.imap == imap("imap.big.example.net")
    assert found.sign_in == (SignIn.APP_PASSWORD,)
    assert (there.names.asked, there.web.asked) == ([], [])


def test_an_mx_that_leads_into_the_table_is_vouched_for_and_ends_the_search(connected: Connected) -> None:
    zone = {("example.com", "MX"): ["20 spam.example.org.", "10 mx2.big.example.net."]}
    there = connected(zone, own(page(config())))
    found = there.find()
    assert found.source is Source.MX
    assert found.preset is not None
    assert found.preset.id == "big"
    assert not found.elsewhere
    assert answer(found, Source.MX) == "mx2.big.example.net: Big Mail"
    assert there.web.asked == []


def test_a_filter_before_the_provider_does_not_hide_it(connected: Connected) -> None:
    zone = {("example.com", "MX"): ["10 spam.example.org.", "20 mx2.big.example.net."]}
    found = connected(zone, {}).find()
    assert found.preset is not None
    assert answer(found, Source.MX) == "mx2.big.example.net: Big Mail"


def test_an_mx_at_a_provider_without_imap_says_so(connected: Connected) -> None:
    found = connected({("example.com", "MX"): ["1 a.closed.example.net."]}, own(page(config()))).find()
    assert found.server is None
    assert found.preset is not None
    assert found.preset.unsupported == "Closed has no IMAP."


def test_an_mx_at_a_provider_that_takes_tokens_comes_before_the_domains_own_autoconfig(
    connected: Connected,
) -> None:
    found = connected({("example.com", "MX"): ["1 a.token.example.net."]}, own(page(config()))).find()
    assert found.sign_in == (SignIn.OAUTH2,)
    assert found.server is not None
    assert found.server.imap == imap("imap.token.example.net")


def test_autoconfig_of_the_domain_comes_before_the_ispdb_though_it_is_slower(connected: Connected) -> None:
    def late(connection: ssl.SSLSocket, stopped: threading.Event) -> None:
        stopped.wait(0.3)
        page(config("imap.example.com"))(connection, stopped)

    sites = own(late) | {ISPDB: Site(pages={"/v1.1/example.com": page(config("other.example.com"))})}
    found = connected(MX, sites).find()
    assert found.source is Source.AUTOCONFIG
    assert found.server is not None
    assert found.server.imap == imap("imap.example.com")
    assert not found.elsewhere


def test_the_well_known_place_is_asked_too(connected: Connected) -> None:
    found = connected(MX, {"example.com": Site(pages={WELL_KNOWN: page(config())})}).find()
    assert [step.source for step in found.steps][-1] is Source.AUTOCONFIG
    assert found.server is not None


def test_the_ispdb_is_asked_for_the_domain_and_for_that_of_the_mx(connected: Connected) -> None:
    zone = {("example.com", "MX"): ["10 mx1.mail.example.org."]}
    sites = {ISPDB: Site(pages={"/v1.1/example.org": page(config("imap.example.org"))})}
    found = connected(zone, sites).find()
    assert found.source is Source.ISPDB
    assert found.server is not None
    assert found.elsewhere
    assert found.doubt().startswith("imap.example.org belongs to example.org, not to example.com;")
    assert answer(found, Source.ISPDB) == "no such file"


def test_no_question_holds_the_local_part(connected: Connected) -> None:
    there = connected(MX, own(page("", status="404 Not Found")))
    there.find("hidden-name@example.com")
    assert len(there.web.asked) >= 3
    assert len(there.names.asked) >= 3
    assert "hidden" not in repr(there.web.asked) + repr(there.names.asked)


def test_srv_records_name_servers_and_the_preferred_one_is_taken(connected: Connected) -> None:
    zone = MX | {
        ("_imaps._tcp.example.com", "SRV"): [
            "10 0 993 later.example.com.",
            "1 1 993 light.example.com.",
            "1 9 9993 heavy.example.com.",
        ],
        ("_submission._tcp.example.com", "SRV"): ["0 1 587 smtp.example.com."],
    }
    found = connected(zone, {}).find()
    assert found.source is Source.SRV
    assert found.server is not None
    assert found.server.imap == imap("heavy.example.com", 9993)
    assert found.server.smtp == imap("smtp.example.com", 587, Security.STARTTLS)
    assert found.server.username == KIM
    assert not found.elsewhere


def test_a_srv_of_another_domain_has_to_be_confirmed(connected: Connected) -> None:
    zone = MX | {("_imap._tcp.example.com", "SRV"): ["1 1 143 mail.example.org."]}
    found = connected(zone, {}).find()
    assert found.server is not None
    assert found.server.imap == imap("mail.example.org", 143, Security.STARTTLS)
    assert found.elsewhere


def test_a_server_of_the_table_is_vouched_for_whoever_names_it(connected: Connected) -> None:
    zone = MX | {("_imaps._tcp.example.com", "SRV"): ["1 1 993 imap.big.example.net."]}
    found = connected(zone, {}).find()
    assert found.source is Source.SRV
    assert found.preset is not None
    assert found.sign_in == (SignIn.APP_PASSWORD,)
    assert not found.elsewhere


def test_a_guess_is_taken_when_it_greets_under_a_valid_certificate(
    connected: Connected, authority: Authority
) -> None:
    there = connected(MX | {("mail.example.com", "A"): ["127.0.0.1"]}, {})
    good = authority.issue("mail.example.com").context
    with imap_server(b"* OK ready\r\n", good) as port, guessing_at(tls=port):
        found = there.find()
    assert found.source is Source.GUESS
    assert found.server is not None
    assert found.server.imap == imap("mail.example.com", port)
    assert answer(found, Source.GUESS) == "the name leads to no server"
    assert not found.elsewhere


def test_starttls_is_guessed_last(connected: Connected, authority: Authority) -> None:
    there = connected(MX | {("imap.example.com", "A"): ["127.0.0.1"]}, {})
    good = authority.issue("imap.example.com").context
    with imap_server(b"* OK ready\r\n", good, answered=b"a OK go\r\n") as port, guessing_at(starttls=port):
        found = there.find()
    assert found.server is not None
    assert found.server.imap == imap("imap.example.com", port, Security.STARTTLS)
    assert answer(found, Source.GUESS) == "nothing listens there"


# --- names that lead nowhere --------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["kim", "kim@", "@", "", "kim@localhost", "kim@[127.0.0.1]", "kim@a..b"])
def test_an_address_without_a_domain_asks_nobody(address: str, connected: Connected) -> None:
    there = connected({}, {})
    found = there.find(address)
    assert found.server is None
    assert isinstance(found.missing(), NotFound)
    assert (there.names.asked, there.web.asked) == ([], [])


def test_an_international_domain_is_asked_in_ascii(connected: Connected) -> None:
    domain = "xn--3e0b707e.kr"
    sites = {f"autoconfig.{domain}": Site(pages={AUTOCONFIG: page(config("메일.한국.kr"))})}
    found = connected({(domain, "MX"): [f"1 mx.{domain}."]}, sites).find(f"kim@{domain}")
    assert found.server is not None
    assert found.server.imap == imap(f"xn--h32bq4v.{domain}")
    assert found.server.username == f"kim@{domain}"
    assert not found.elsewhere


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ({}, "the domain does not exist"),
        ({("example.com", "MX"): ["0 ."]}, "the domain takes no mail"),
    ],
)
def test_a_domain_without_mail_ends_the_search(zone: Zone, words: str, connected: Connected) -> None:
    there = connected(zone, own(page(config())))
    found = there.find()
    assert answer(found, Source.MX) == words
    assert found.server is None
    missing = found.missing()
    assert isinstance(missing, NotFound)
    assert str(missing) == f"mailcrm does not know the mail server of kim@example.com: {words}."
    assert missing.hint.startswith("Check its spelling.")
    assert there.web.asked == []


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ({("www.example.com", "A"): ["127.0.0.1"]}, "no such record"),
        ({("example.com", "MX"): FAILURE}, "the DNS server has no answer to give"),
        ({("example.com", "MX"): ["10 127.0.0.1."]}, "what it names is no full host name"),
    ],
)
def test_a_domain_without_a_usable_mx_is_searched_on(zone: Zone, words: str, connected: Connected) -> None:
    found = connected(zone, own(page(config()))).find()
    assert answer(found, Source.MX) == words
    assert found.server is not None


def test_dns_that_does_not_answer_still_lets_a_proxy_reach_the_autoconfig(connected: Connected) -> None:
    found = connected({("example.com", "MX"): SILENCE}, own(page(config()))).find(seconds=2)
    assert answer(found, Source.MX) == "no DNS server answered"
    assert found.server is not None


def test_without_a_network_the_search_ends_and_says_so(connected: Connected) -> None:
    there = connected({("example.com", "MX"): SILENCE}, {})
    for host in ("imap.example.com", "mail.example.com", "example.com"):
        there.names.zone |= {(host, "A"): SILENCE, (host, "AAAA"): SILENCE}
    for service in ("imaps", "imap"):
        there.names.zone[f"_{service}._tcp.example.com", "SRV"] = SILENCE
    # Its end must come before that of the small internet, whose proxy would be put back else.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        found = there.find(seconds=2)
    assert found.server is None
    missing = found.missing()
    assert isinstance(missing, ConnectError)
    assert str(missing).endswith("The network did not answer.")
    assert "--imap-host" in missing.hint


def test_when_nobody_may_be_asked_nobody_is(connected: Connected) -> None:
    there = connected(MX, own(page(config())))
    found = there.find(network=False)
    assert found.server is None
    assert [step.source for step in found.steps] == [Source.TABLE]
    assert isinstance(found.missing(), NotFound)
    assert (there.names.asked, there.web.asked) == ([], [])


# --- web servers that cannot be believed ----------------------------------------------------------------

_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
_OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (page("<clientConfig><emailProvider>"), "no well-formed XML"),
        (page(b"\xff\xfe\x00"), "no well-formed XML"),
        (page(config("&c;.example.com", head=_LAUGHS)), "declares a document type"),
        (page(config("&c;", head=_OUTSIDE)), "declares a document type"),
        (page("<!DOCTYPE html><html>Welcome to our hotel", kind="text/html"), "declares a document type"),
        (page("<html><body>Welcome</body></html>", kind="text/html"), "no autoconfig file"),
        (page(config(security="plain")), "imap.example.com:993 without encryption"),
        (page(config("10.0.0.1")), "no full host name"),
        (page(config("imap.\u202eexample.com")), "no full host name"),
        (page(config(authentication="client-IP-address")), "neither a password nor OAuth2"),
        (page("", status="503 Busy"), "HTTP 503"),
        (redirect("http://autoconfig.example.com/plain"), "without encryption"),
        (redirect(f"https://autoconfig.example.com{AUTOCONFIG}"), "it redirects again and again"),
        (endless, "more than 256,000 bytes"),
    ],
)
def test_a_bad_autoconfig_is_passed_over_and_the_ispdb_asked(
    what: Page, words: str, connected: Connected
) -> None:
    sites = own(what) | {ISPDB: Site(pages={"/v1.1/example.com": page(config("good.example.com"))})}
    found = connected(MX, sites).find()
    assert words in answer(found, Source.AUTOCONFIG)
    assert found.source is Source.ISPDB
    assert found.server is not None
    assert found.server.imap == imap("good.example.com")


@pytest.mark.parametrize("what", [dripping, silent])
def test_a_web_server_that_never_comes_to_an_end_is_left(what: Page, connected: Connected) -> None:
    sites = own(what) | {ISPDB: Site(pages={"/v1.1/example.com": page(config())})}
    found = connected(MX, sites).find(seconds=1.5)
    assert "in time" in answer(found, Source.AUTOCONFIG)
    assert found.source is Source.ISPDB


@pytest.mark.parametrize(
    "site",
    [
        Site(pages={AUTOCONFIG: page(config())}, certificate_for="hotel.example.org"),
        Site(pages={AUTOCONFIG: page(config())}, expired=True),
    ],
)
def test_a_certificate_for_another_name_or_time_is_not_believed(site: Site, connected: Connected) -> None:
    found = connected(MX, {"autoconfig.example.com": site}).find()
    assert "is not trusted" in answer(found, Source.AUTOCONFIG)
    assert found.server is None


def test_when_even_the_ispdb_is_not_trusted_the_clock_or_a_hotel_is_named(connected: Connected) -> None:
    found = connected(MX, {ISPDB: Site(pages={}, expired=True)}).find()
    assert "Check this computer's clock" in found.missing().hint


def test_autoconfig_that_points_to_another_domain_has_to_be_confirmed(connected: Connected) -> None:
    found = connected(MX, own(page(config("imap.example.org")))).find()
    assert found.elsewhere
    assert "not to example.com" in found.doubt()


def test_a_server_that_sends_mail_elsewhere_has_to_be_confirmed_too(connected: Connected) -> None:
    smtp = (
        '<outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>465</port>'
        "<socketType>SSL</socketType></outgoingServer>"
    )
    found = connected(MX, own(page(config(more=smtp)))).find()
    assert found.elsewhere
    assert found.doubt().startswith("smtp.example.org belongs to example.org")


def test_a_redirect_to_another_host_over_https_is_followed(connected: Connected) -> None:
    sites = own(redirect("https://files.example.org/c.xml")) | {
        "files.example.org": Site(pages={"/c.xml": page(config())})
    }
    found = connected(MX, sites).find()
    assert found.source is Source.AUTOCONFIG
    assert not found.elsewhere


# --- records and servers that cannot be believed ----------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("0 0 0 .", "the domain says that it does not offer this"),
        ("1 1 993 10.0.0.1.", "what it names is no full host name"),
        ("1 1 0 imap.example.com.", "what it names is no full host name"),
        ("1 1 993 \\027[31m.example.com.", "what it names is no full host name"),
        ("1 1 993 localhost.", "what it names is no full host name"),
    ],
)
def test_a_srv_that_cannot_be_used_is_passed_over(record: str, words: str, connected: Connected) -> None:
    found = connected(MX | {("_imaps._tcp.example.com", "SRV"): [record]}, {}).find()
    assert answer(found, Source.SRV) == words
    assert found.server is None


def test_an_answer_of_the_dns_that_is_too_long_for_udp_is_asked_for_again_over_tcp(
    connected: Connected,
) -> None:
    many = [f"{number + 2} mx{number}.example.org." for number in range(200)]
    found = connected({("example.com", "MX"): ["1 mx1.big.example.net.", *many]}, {}).find()
    assert found.preset is not None
    assert found.preset.id == "big"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"+OK POP3 ready\r\n", "it is no IMAP server"),
        (b"* PREAUTH welcome\r\n", "it is no IMAP server"),
        (b"* BYE busy\r\n", "it is no IMAP server"),
        (b"* OK" + b"x" * 20_000, "it is no IMAP server"),
        (b"", "no answer in time"),
    ],
)
def test_a_guess_that_does_not_greet_as_imap_is_passed_over(
    said: bytes, words: str, connected: Connected, authority: Authority
) -> None:
    there = connected(MX | {("imap.example.com", "A"): ["127.0.0.1"]}, {})
    good = authority.issue("imap.example.com").context
    with imap_server(said, good) as port, guessing_at(tls=port):
        found = there.find(seconds=1.5)
    assert answer(found, Source.GUESS) == words
    assert found.server is None


@pytest.mark.parametrize(
    ("issued", "words"),
    [
        ({"other.example.com": False}, "its certificate is not valid for this name now"),
        ({"imap.example.com": True}, "its certificate is not valid for this name now"),
        ({}, "it does not speak TLS"),
    ],
)
def test_a_guess_without_a_valid_certificate_is_passed_over(
    issued: dict[str, bool], words: str, connected: Connected, authority: Authority
) -> None:
    there = connected(MX | {("imap.example.com", "A"): ["127.0.0.1"]}, {})
    bad = next((authority.issue(name, expired=old).context for name, old in issued.items()), None)
    with imap_server(b"* OK ready\r\n", bad) as port, guessing_at(tls=port):
        found = there.find()
    assert answer(found, Source.GUESS) == words
    assert found.server is None


def test_a_guess_that_offers_no_starttls_is_passed_over(connected: Connected) -> None:
    there = connected(MX | {("imap.example.com", "A"): ["127.0.0.1"]}, {})
    with imap_server(b"* OK ready\r\n", None) as port, guessing_at(starttls=port):
        found = there.find()
    assert answer(found, Source.GUESS, 3) == "it offers no STARTTLS"
    assert found.server is None


# --- what a person named ----------------------------------------------------------------------------------


def test_a_brand_that_resells_is_where_the_mx_leads(connected: Connected) -> None:
    there = connected({("example.com", "MX"): ["1 mx.big.example.net."]}, {})
    brand = table().named("brand")
    assert brand is not None
    found = of_provider(brand, KIM, table(), network=True, resolver=there.names.resolver())
    assert found.source is Source.MX
    assert found.preset is not None
    assert found.preset.id == "big"


@pytest.mark.parametrize("zone", [{}, MX, {("example.com", "MX"): ["1 mx.brand.example.net."]}])
def test_a_brand_whose_mx_leads_nowhere_else_is_itself(zone: Zone, connected: Connected) -> None:
    there = connected(zone, {})
    brand = table().named("brand")
    assert brand is not None
    found = of_provider(brand, KIM, table(), network=True, resolver=there.names.resolver())
    assert found.server is not None
    assert found.server.imap == imap("imap.brand.example.net")


def test_a_brand_that_resells_is_itself_offline_and_says_what_was_not_asked(connected: Connected) -> None:
    there = connected(MX, {})
    brand = table().named("brand")
    assert brand is not None
    found = of_provider(brand, KIM, table(), network=False)
    assert found.server is not None
    assert answer(found, Source.MX).startswith("not asked")
    assert there.names.asked == []


def test_a_provider_with_a_server_for_each_customer_wants_it_named() -> None:
    from mailcrm.providers.presets import presets

    rows = presets({"each": {"name": "Each", "imap": "imaps://{host}", "hint": "x", "page": "https://a.b/"}})
    each = rows.named("each")
    assert each is not None
    with pytest.raises(ConfigError):
        of_provider(each, KIM, rows, network=False)
    found = of_provider(each, KIM, rows, network=False, host="imap.example.com")
    assert found.server is not None
    assert found.server.imap == imap("imap.example.com")


def test_a_host_that_a_person_named_is_taken_with_what_the_table_knows_of_it() -> None:
    known = of_host("imap.big.example.net", KIM, table())
    assert known.preset is not None
    assert known.preset.id == "big"
    other = of_host("imap.example.org", KIM, table())
    assert other.server is not None
    assert (other.server.imap, other.server.username) == (imap("imap.example.org"), KIM)
    assert not other.elsewhere

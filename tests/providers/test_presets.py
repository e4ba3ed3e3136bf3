"""The presets: what each row has to have, that they agree with the ISPDB, and how one is found."""

import dataclasses
import re
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from mailcrm.core.errors import ConfigError
from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.domains import host_of
from mailcrm.providers.presets import ISSUERS, Preset, Server, SignIn, presets, read

SHIPPED = presets()
ROWS = SHIPPED.rows
SUFFIXES = PublicSuffixList()
ISPDB: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("ispdb.toml").read_text("utf-8")
)

#: Rows that the provider itself confirms, and not the ISPDB.
CONFIRMED_BY_THE_PROVIDER = {"hover", "tuta", "hey"}

#: What the product that mailcrm replaces names, by what an address there ends with, or by the preset's name.
NAMED = {
    "gmail.com": "imap.gmail.com",
    "yahoo.com": "imap.mail.yahoo.com",
    "outlook.com": "outlook.office365.com",
    "hotmail.com": "outlook.office365.com",
    "onmicrosoft.com": "outlook.office365.com",
    "icloud.com": "imap.mail.me.com",
    "aol.com": "imap.aol.com",
    "fastmail.com": "imap.fastmail.com",
    "gandi.net": "mail.gandi.net",
    "gmx.com": "imap.gmx.com",
    "gmx.net": "imap.gmx.net",
    "gmx.de": "imap.gmx.net",
    "mail.ru": "imap.mail.ru",
    "yandex.ru": "imap.yandex.com",
    "secureserver.net": "imap.secureserver.net",
    "hover.com": "mail.hover.com",
    "privateemail.com": "mail.privateemail.com",
    "bluehost.com": "mail.bluehost.com",
    "soverin.net": "imap.soverin.net",
    "123-reg.co.uk": "imap.123-reg.co.uk",
    "126.com": "imap.126.com",
    "qq.com": "imap.qq.com",
    "aliyun.com": "imap.aliyun.com",
    "163.com": "imap.163.com",
    "yeah.net": "imap.yeah.net",
    "139.com": "imap.139.com",
}


def ids(row: Preset) -> str:
    return row.id


def preset(name: str) -> Preset:
    found = SHIPPED.named(name)
    assert found is not None
    return found


# The rows


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_a_hint_is_one_sentence_that_names_the_provider(row: Preset) -> None:
    assert row.hint.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", row.hint.replace("Yahoo! JAPAN", ""))
    assert "\n" not in row.hint
    names = {word.strip("(),").lower() for word in row.name.split()} - {
        "mail",
        "any",
        "own",
        "and",
        "enterprise",
    }
    assert any(name in row.hint.lower() for name in names)


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_whoever_wants_more_than_a_password_is_told_what_to_do_first(row: Preset) -> None:
    if set(row.sign_in) - {SignIn.PASSWORD}:
        assert row.steps
    assert all(step.endswith(".") for step in (*row.steps, *row.quirks))
    assert not row.doubt or row.doubt.endswith(".")


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_a_server_has_a_host_name_and_a_port_of_its_protocol(row: Preset) -> None:
    ports = {Security.TLS: {993, 465, 994}, Security.STARTTLS: {143, 587}}
    for endpoint in (row.imap, row.smtp):
        if endpoint is None or endpoint.host == "127.0.0.1":
            continue
        assert endpoint.port in ports[endpoint.security]
        host = endpoint.host.replace("{host}", "mail.example.com").replace("{domain}", "example.com")
        assert host == host_of(host)
        assert "." in host


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_only_microsoft_takes_nothing_but_oauth2(row: Preset) -> None:
    assert (row.sign_in == (SignIn.OAUTH2,)) == (row.id in {"outlook", "microsoft365"})
    if row.sign_in == (SignIn.OAUTH2,):
        assert "mailcrm account oauth-setup microsoft" in row.hint
    assert row.oauth2 is None or row.oauth2 in ISSUERS


@pytest.mark.parametrize("row", [row for row in ROWS if row.imap is None], ids=ids)
def test_a_provider_without_imap_says_so_and_has_no_server(row: Preset) -> None:
    assert "no IMAP" in row.hint
    assert not row.sign_in
    with pytest.raises(ConfigError, match="no IMAP"):
        row.server("me@example.com")


def test_the_rows_without_imap_are_those_that_are_known_to_have_none() -> None:
    assert {row.id for row in ROWS if row.imap is None} == {"hiworks", "tuta", "hey"}


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_no_domain_and_no_pattern_reaches_beyond_what_one_registrant_has(row: Preset) -> None:
    for domain in row.domains:
        assert SUFFIXES.privatesuffix(domain) is not None, domain
    for pattern in row.mx:
        assert SUFFIXES.privatesuffix(pattern.rsplit("]")[-1].rsplit("*")[-1].lstrip("?.")) is not None, (
            pattern
        )


def test_no_pattern_of_a_mail_server_stands_twice() -> None:
    patterns = [pattern for row in ROWS for pattern in row.mx]
    assert sorted(set(patterns)) == sorted(patterns)


def test_the_brands_that_sell_others_mail_are_those_that_are_known() -> None:
    assert {row.id for row in ROWS if row.resells} == {"godaddy", "bluehost", "123reg"}


def test_gmail_says_how_much_may_be_downloaded() -> None:
    assert preset("gmail").daily_bytes == 2_000_000_000
    assert preset("gmail").connections == 15


# The ISPDB


def says(endpoint: Endpoint, username: str) -> dict[str, object]:
    """Return a server as the ISPDB has it."""
    socket = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}[endpoint.security]
    return {"hostname": endpoint.host, "port": endpoint.port, "socketType": socket, "username": username}


def disagreements(row: Preset, entry: Mapping[str, Any]) -> list[str]:
    """Return in what a preset and the ISPDB disagree; where the ISPDB has several servers, any will do."""
    found = []
    if entry["imap"] and (row.imap is None or says(row.imap, row.username) not in entry["imap"]):
        found.append("imap")
    if entry["smtp"] and (row.smtp is None or says(row.smtp, row.smtp_username) not in entry["smtp"]):
        found.append("smtp")
    if "authentication" in entry and (entry["authentication"] == ["OAuth2"]) != (
        row.sign_in == (SignIn.OAUTH2,)
    ):
        found.append("authentication")
    return found


@pytest.mark.parametrize("file", ISPDB)
def test_a_preset_agrees_with_the_ispdb_or_says_why_not(file: str) -> None:
    row = preset(ISPDB[file]["preset"])
    assert bool(disagreements(row, ISPDB[file])) == bool(row.departs)


def test_only_a_row_that_the_ispdb_has_can_depart_from_it() -> None:
    assert {row.id for row in ROWS if row.departs} <= {entry["preset"] for entry in ISPDB.values()}


@pytest.mark.parametrize(
    "change",
    [
        {"imap": Endpoint(host="imap.example.com", port=993, security=Security.TLS)},
        {"imap": Endpoint(host="imap.mail.me.com", port=994, security=Security.TLS)},
        {"imap": Endpoint(host="imap.mail.me.com", port=993, security=Security.STARTTLS)},
        {"username": "email"},
        {"smtp_username": "localpart"},
        {"smtp": None},
        {"sign_in": (SignIn.OAUTH2,)},
    ],
)
def test_the_comparison_finds_a_difference(change: dict[str, Any]) -> None:
    row = preset("icloud")
    assert disagreements(row, ISPDB["me.com"]) == []
    assert len(disagreements(dataclasses.replace(row, **change), ISPDB["me.com"])) == 1


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_what_is_confirmed_is_confirmed_by_somebody(row: Preset) -> None:
    in_ispdb = any(entry["preset"] == row.id and entry["imap"] for entry in ISPDB.values())
    no_host = row.imap is not None and row.imap.host == "{host}"
    assert row.confirmed == (in_ispdb or no_host or row.id in CONFIRMED_BY_THE_PROVIDER)


# Finding


@pytest.mark.parametrize(("domain", "host"), NAMED.items())
def test_an_address_of_each_named_provider_is_found_offline(domain: str, host: str) -> None:
    address = f"me@{domain}"
    row = SHIPPED.of_address(address)
    assert row is not None
    server = row.server(address)
    assert server.imap.host == host
    assert server.smtp is not None


@pytest.mark.parametrize("name", ["exchange", "zimbra", "imap"])
def test_a_provider_without_one_server_wants_its_name(name: str) -> None:
    row = preset(name)
    with pytest.raises(ConfigError) as raised:
        row.server("me@example.com")
    assert "--imap-host" in raised.value.hint
    found = row.server("me@example.com", "Mail.Example.com.")
    assert found.imap == Endpoint(host="mail.example.com", port=993, security=Security.TLS)
    with pytest.raises(ConfigError, match="no host name"):
        row.server("me@example.com", "mail.example.com/x")


def test_a_provider_with_one_server_takes_no_other() -> None:
    with pytest.raises(ConfigError, match=r"imap\.gmail\.com"):
        preset("gmail").server("me@gmail.com", "imap.example.com")


def test_a_server_of_the_address_s_domain_may_be_named_all_the_same() -> None:
    row = preset("bluehost")
    assert row.server("me@example.com").imap.host == "mail.example.com"
    assert row.server("me@example.com", "box1.bluehost.com").imap.host == "box1.bluehost.com"


def test_the_log_in_names_of_reading_and_sending_may_differ() -> None:
    assert preset("icloud").server("me@icloud.com") == Server(
        provider="icloud",
        imap=Endpoint(host="imap.mail.me.com", port=993, security=Security.TLS),
        smtp=Endpoint(host="smtp.mail.me.com", port=587, security=Security.STARTTLS),
        username="me",
        smtp_username="me@icloud.com",
    )


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("aspmx.l.google.com", "gmail"),
        ("ASPMX.L.GOOGLE.COM.", "gmail"),
        ("outlook-com.olc.protection.outlook.com", "outlook"),
        ("example-com.mail.protection.outlook.com", "microsoft365"),
        ("mta7.am0.yahoodns.net", "yahoo"),
        ("mx-aol.mail.gm0.yahoodns.net", "aol"),
        ("in1-smtp.messagingengine.com", "fastmail"),
        ("mx.zoho.com", "zoho_pro"),
        ("mx2.zoho.eu", "zoho_eu"),
        ("smtp.secureserver.net", "godaddy"),
        ("smtp.europe.secureserver.net", "godaddy"),
        ("www1.your-server.de", "hetzner"),
        ("mx1.titan.email", "titan"),
        ("mx00.ionos.com", "ionos"),
        ("mx00.kundenserver.de", "1und1"),
        ("163mx01.mxmail.netease.com", "163"),
        ("126mx01.mxmail.netease.com", "126"),
        ("mx0.gmx.com", "mailcom"),
        ("mx1.naver.com", "naver"),
        ("mx.hiworks.co.kr", "hiworks"),
    ],
)
def test_a_mail_server_leads_to_the_provider(host: str, name: str) -> None:
    row = SHIPPED.of_mx(host)
    assert row is not None
    assert row.id == name


@pytest.mark.parametrize(
    "host",
    [
        "evilgoogle.com",
        "google.com.example.com",
        "aspmx.l.google.com.example.com",
        "google.com",
        "xmx1.privateemail.com.example.com",
        "mx3.privateemail.com",
        "static.1.2.0.192.clients.your-server.de",
        "ip-192-0-2-1.ip.secureserver.net",
        "",
        ".",
        "a b.google.com",
        "x\n.google.com",
        "*.google.com",
        "x" * 300 + ".google.com",
    ],
)
def test_a_mail_server_that_only_looks_like_a_providers_does_not(host: str) -> None:
    assert SHIPPED.of_mx(host) is None


LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)


def literal_end(pattern: str) -> str:
    """Return what a pattern for mail servers spells out at its end, from a dot on."""
    return re.split(r"[*?\]]", pattern)[-1].lstrip(".")


REGISTRABLE = sorted({SUFFIXES.privatesuffix(literal_end(p)) or "" for row in ROWS for p in row.mx})


@settings(max_examples=200)
@given(domain=st.sampled_from(REGISTRABLE), label=LABEL, other=LABEL)
def test_nobody_gets_a_preset_by_a_name_under_a_domain_of_their_own(
    domain: str, label: str, other: str
) -> None:
    assert SHIPPED.of_mx(f"{label}{domain}") is None or f"{label}{domain}" in REGISTRABLE
    assert SHIPPED.of_mx(f"mx.{label}-{domain}") is None
    assert SHIPPED.of_mx(f"{label}.{domain}.{other}.example") is None


@settings(max_examples=200)
@given(row=st.sampled_from([row for row in ROWS if row.domains]), local=LABEL, data=st.data())
def test_an_address_is_found_by_its_whole_domain_in_any_case(
    row: Preset, local: str, data: st.DataObject
) -> None:
    domain = data.draw(st.sampled_from(row.domains))
    spelled = "".join(data.draw(st.sampled_from((one.lower(), one.upper()))) for one in domain)
    assert SHIPPED.of_address(f"{local}@{spelled}") is row
    assert SHIPPED.of_address(f"{domain}@{local}.example") is None
    assert SHIPPED.of_address(f"{local}@{local}-{domain}") is None


@pytest.mark.parametrize(
    "address", ["", "me", "me@", "@gmail.com", "me@@gmail.com", "me@gmail.com@example.com"]
)
def test_what_is_no_address_of_a_provider_has_no_preset(address: str) -> None:
    assert SHIPPED.of_address(address) is None


def test_a_name_is_found_in_any_case() -> None:
    assert SHIPPED.named(" Gmail ") is SHIPPED.of_host("IMAP.gmail.com.")
    assert SHIPPED.named("nobody") is None
    assert SHIPPED.of_host("imap.example.com") is None
    assert SHIPPED.of_host("{host}") is None


# A person's own


OWN = tomllib.loads("""
[mycorp]
name = "My Corporation"
domains = ["mycorp.example", "Bücher.example", "gmail.com"]
mx = ["*.google.com", "mx.mycorp.example"]
imap = "imap://mail.mycorp.example"
smtp = "smtps://mail.mycorp.example:4650"
username = "localpart"
sign_in = ["OAuth2", "password"]
oauth2 = "corp"
daily_bytes = 1_000_000_000

[Gandi]
imap = "imaps://imap.example.com"
""")


def test_a_provider_of_ones_own_is_found_first() -> None:
    found = presets(OWN, issuers=["Corp"])
    mine = found.named("mycorp")
    assert mine is not None
    assert [row.id for row in found.rows[:2]] == ["mycorp", "gandi"]
    assert len(found.rows) == len(ROWS) + 1
    assert found.of_address("me@mycorp.example") is mine
    assert found.of_address("me@bücher.example") is found.of_address("me@xn--bcher-kva.example") is mine
    assert found.of_address("me@gmail.com") is mine
    assert found.of_address("me@googlemail.com") == preset("gmail")
    assert found.of_mx("aspmx.l.google.com") is mine
    assert found.of_host("mail.mycorp.example") is mine
    assert mine.imap == Endpoint(host="mail.mycorp.example", port=143, security=Security.STARTTLS)
    assert mine.smtp == Endpoint(host="mail.mycorp.example", port=4650, security=Security.TLS)
    assert mine.server("me@mycorp.example").smtp_username == "me"


def test_a_provider_of_ones_own_with_the_id_of_a_preset_takes_its_place() -> None:
    found = presets(OWN, issuers=["corp"])
    gandi = found.named("gandi")
    assert gandi is not None
    assert gandi.sign_in == (SignIn.PASSWORD,)
    assert found.of_address("me@gandi.net") is None
    assert found.of_host("mail.gandi.net") is None


def test_of_ones_own_a_pattern_comes_before_one_of_the_table_that_says_more() -> None:
    found = presets({"mycorp": {"imap": "imaps://imap.example.com", "mx": ["*.outlook.com"]}})
    row = found.of_mx("example-com.mail.protection.outlook.com")
    assert row is not None
    assert row.id == "mycorp"


#: A row that is wrong, and what is said of it.
MISTAKES = [
    ({"imapp": "imaps://imap.example.com"}, ".mine: unknown key imapp (did you mean imap?)"),
    ({"imapp": "imaps://imap.example.com"}, ".mine.imap is missing"),
    (
        {"imap": "imap.example.com"},
        ".mine.imap must be imaps://HOST:PORT (TLS) or imap://HOST:PORT (STARTTLS)",
    ),
    ({"imap": "http://imap.example.com"}, ".mine.imap must be imaps://"),
    ({"imap": "smtps://smtp.example.com"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://imap.example.com:0"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://imap.example.com:99999"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://me@imap.example.com"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://imap.example.com/INBOX"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://imap..example.com"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://x.{host}"}, ".mine.imap must be imaps://"),
    ({"imap": "imaps://{domain}{domain}!"}, ".mine.imap must be imaps://"),
    ({"imap": 993}, ".mine.imap must be a text"),
    ({"smtp": "imaps://imap.example.com"}, ".mine.smtp must be smtps://HOST:PORT (TLS) or smtp://HOST:PORT"),
    ({"page": "http://example.com/help"}, ".mine.page must be https://…"),
    ({"domains": ["example.com", "x y"]}, ".mine.domains: 'x y' is no domain"),
    ({"domains": ["me@example.com"]}, ".mine.domains: 'me@example.com' is no domain"),
    ({"domains": ["com"]}, ".mine.domains: 'com' is no domain"),
    ({"domains": "example.com"}, ".mine.domains must be a list of texts"),
    ({"domains": [1]}, ".mine.domains must be a list of texts"),
    ({"domains": ["taken.example"]}, ".mine.domains: taken.example is in providers.first.domains already"),
    ({"mx": ["*"]}, ".mine.mx: '*' must end with a domain"),
    ({"mx": ["*.com"]}, ".mine.mx: '*.com' must end with a domain"),
    ({"mx": ["*example.com"]}, ".mine.mx: '*example.com' must end with a domain"),
    ({"mx": ["mx.Example.com"]}, ".mine.mx: 'mx.Example.com' must end with a domain in lower case"),
    ({"username": "mail"}, ".mine.username: unknown 'mail' (did you mean email?)"),
    ({"smtp_username": "uid"}, ".mine.smtp_username: unknown 'uid' (there are email, localpart)"),
    ({"sign_in": ["app pasword"]}, ".mine.sign_in: unknown 'app pasword' (did you mean app password?)"),
    ({"sign_in": ["OAuth2"], "oauth2": "gogle"}, ".mine.oauth2: unknown 'gogle' (did you mean google?)"),
    ({"sign_in": ["OAuth2"]}, ".mine: sign_in has OAuth2 where oauth2 names the issuer, and only there"),
    ({"oauth2": "google"}, ".mine: sign_in has OAuth2 where oauth2 names the issuer, and only there"),
    ({"resells": ["gmial"]}, ".mine.resells: unknown 'gmial' (did you mean gmail?)"),
    ({"confirmed": 1}, ".mine.confirmed must be true or false"),
    ({"confirmed": False}, ".mine.doubt is missing: what is not confirmed?"),
    ({"daily_bytes": 0}, ".mine.daily_bytes must be a whole number above 0"),
    ({"connections": True}, ".mine.connections must be a whole number above 0"),
    ({"unsupported": "No."}, ".mine is unsupported, so it has no imap, sign_in and oauth2"),
]


@pytest.mark.parametrize(("wrong", "said"), MISTAKES)
def test_a_mistake_in_a_provider_of_ones_own_is_named(wrong: dict[str, Any], said: str) -> None:
    right = {} if "imapp" in wrong else {"imap": "imaps://imap.example.com"}
    first = {"imap": "imaps://imap.example.com", "domains": ["taken.example"]}
    with pytest.raises(ConfigError) as raised:
        presets({"first": first, "mine": {**right, **wrong}})
    assert f"providers{said}" in str(raised.value)


def test_all_mistakes_are_said_at_once() -> None:
    own: dict[str, Any] = {
        "a b": {"imap": "imaps://imap.example.com"},
        "text": "imaps://imap.example.com",
        "Twice": {"imap": "imaps://imap.example.com"},
        "twice": {"imap": "imaps://imap.example.com", "daily_bytes": "much", "page": "example.com"},
    }
    with pytest.raises(ConfigError) as raised:
        presets(own)
    assert str(raised.value) == (
        "config.toml: providers.a b: a name has letters, digits, - and _ only; "
        "providers.text is not a table; "
        "providers.twice.daily_bytes must be a whole number above 0; providers.twice.page must be https://…; "
        "providers.twice is providers.Twice again."
    )


VALUES = st.one_of(
    st.booleans(),
    st.integers(-2, 3),
    st.text(max_size=8),
    st.sampled_from(
        ["imaps://{host}", "imaps://x.example", "email", "OAuth2", "google", "https://example.com/"]
    ),
    st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from(["OAuth2", "password", "x.example"])), max_size=3
    ),
    st.none(),
)
KEYS = st.sampled_from(["imp", *(field.name for field in dataclasses.fields(Preset))])


@settings(max_examples=300)
@given(
    table=st.dictionaries(st.text(max_size=5), st.one_of(VALUES, st.dictionaries(KEYS, VALUES)), max_size=3)
)
def test_whatever_a_person_writes_is_a_preset_or_a_mistake_with_its_key(table: dict[str, Any]) -> None:
    rows, problems = read(table, "providers.")
    assert len(rows) + len(set(problems)) >= len(table)
    assert all(problem.startswith("providers.") for problem in problems)
    for row in rows:
        assert (row.imap is None) == bool(row.unsupported)


def test_a_provider_takes_the_name_of_its_own_server_and_no_other() -> None:
    gmail = SHIPPED.named("gmail")
    assert gmail is not None
    assert gmail.server("me@gmail.com", "IMAP.gmail.com") == gmail.server("me@gmail.com")
    with pytest.raises(ConfigError, match=r"of its own: imap\.gmail\.com"):
        gmail.server("me@gmail.com", "imap.example.com")


def test_a_server_on_this_machine_is_no_providers_unless_the_person_says_so() -> None:
    assert SHIPPED.of_host("127.0.0.1") is None
    found = presets({"bridge": {"name": "Bridge", "imap": "imap://127.0.0.1:1143"}}).of_host("127.0.0.1")
    assert found is not None
    assert found.id == "bridge"

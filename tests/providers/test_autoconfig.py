"""What an autoconfig file says, however it is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.model import Endpoint, Security
from mailcrm.providers.autoconfig import Autoconfig, parse
from mailcrm.providers.presets import SignIn
from tests.providers.internet import KIM, config


def server(
    *,
    kind: str = "imap",
    host: str = "imap.example.com",
    port: str = "993",
    security: str = "SSL",
    username: str = "%EMAILADDRESS%",
    authentication: tuple[str, ...] = ("password-cleartext",),
    tag: str = "incomingServer",
) -> str:
    kinds = "".join(f"<authentication>{name}</authentication>" for name in authentication)
    return (
        f'<{tag} type="{kind}"><hostname> {host}\n</hostname><port>{port}</port>'
        f"<socketType>{security}</socketType><username>{username}</username>{kinds}</{tag}>"
    )


def read(*servers: str, address: str = KIM) -> Autoconfig:
    document = f"<clientConfig version='1.1'><emailProvider id='x'>{''.join(servers)}</emailProvider>"
    return parse(f"{document}</clientConfig>".encode(), address)


def test_servers_come_in_the_order_of_the_file_and_others_are_passed_over() -> None:
    found = read(
        server(kind="pop3", port="995"),
        server(port="143", security="STARTTLS"),
        server(),
        server(kind="smtp", port="587", security="STARTTLS", tag="outgoingServer"),
        server(kind="exchange"),
    )
    assert [offer.endpoint for offer in found.imap] == [
        Endpoint(host="imap.example.com", port=143, security=Security.STARTTLS),
        Endpoint(host="imap.example.com", port=993, security=Security.TLS),
    ]
    assert [offer.endpoint.port for offer in found.smtp] == [587]
    assert found.refused == ("pop3 is not IMAP", "exchange is not IMAP")


def test_a_file_with_all_that_real_ones_have_is_read() -> None:
    document = """<?xml version="1.0" encoding="UTF-8"?>
        <clientConfig version="1.1"><!-- ours -->
          <emailProvider id="example.com">
            <domain>example.com</domain><displayName>Örtliche Post</displayName>
            <incomingServer type="imap">
              <hostname>mail.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
              <authentication>OAuth2</authentication><authentication>password-cleartext</authentication>
              <username>%EMAILLOCALPART%</username>
            </incomingServer>
            <documentation url="https://example.com/"><descr lang="de">Hilfe</descr></documentation>
          </emailProvider>
          <oAuth2><issuer>evil.example.org</issuer><tokenURL>https://evil.example.org/</tokenURL></oAuth2>
          <clientConfigUpdate url="https://example.com/c.xml"/>
        </clientConfig>"""
    (offer,) = parse(document.encode(), KIM).imap
    assert offer.endpoint.host == "mail.example.com"
    assert offer.username == "kim"
    assert offer.sign_in == (SignIn.OAUTH2, SignIn.PASSWORD)


def test_the_first_provider_of_a_file_is_the_one() -> None:
    document = f"<clientConfig><emailProvider>{server()}</emailProvider><emailProvider>"
    found = parse(f"{document}{server(host='b.example.com')}</emailProvider></clientConfig>".encode(), KIM)
    assert [offer.endpoint.host for offer in found.imap] == ["imap.example.com"]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("%EMAILADDRESS%", KIM),
        ("%EMAILLOCALPART%", "kim"),
        ("%EMAILLOCALPART%.%EMAILDOMAIN%", "kim.example.com"),
        ("%EMAILDOMAIN%\\%EMAILLOCALPART%", "example.com\\kim"),
        # What servers make of a question that does not say who asks, and of one that they decode badly.
        ("", KIM),
        ("@example.com", KIM),
        ("kim%40example.com", KIM),
        ("somebody@example.com", KIM),
        ("%EMAILDOMAIN%", KIM),
        # A typing error that the ISPDB has.
        ("%EMAILADDRESS", KIM),
        ("%EMAILADDRESS%\x85", KIM),
        ("%EMAILADDRESS%" * 100, KIM),
    ],
)
def test_the_log_in_name_is_the_files_only_when_it_can_be_ours(template: str, name: str) -> None:
    assert read(server(username=template)).imap[0].username == name


def test_what_stands_in_an_address_is_not_filled_in_again() -> None:
    address = "%EMAILDOMAIN%@example.com"
    assert read(server(), address=address).imap[0].username == address


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (server(security="plain"), "imap.example.com:993 without encryption"),
        (server(security=""), "imap.example.com:993 without encryption"),
        (server(port="0"), "imap.example.com: its port is none"),
        (server(port="65536"), "imap.example.com: its port is none"),
        (server(port="٩٩٣"), "imap.example.com: its port is none"),
        (server(port="9_93"), "imap.example.com: its port is none"),
        (server(port="-1"), "imap.example.com: its port is none"),
        (
            server(authentication=("GSSAPI", "NTLM")),
            "imap.example.com:993 takes neither a password nor OAuth2",
        ),
        (server(kind="\x85\u202e"), "another kind of server is not IMAP"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused_in_words(wrong: str, words: str) -> None:
    assert read(wrong) == Autoconfig(refused=(words,))


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "127.0.0.1", "8.8.8.8", "[::1]", "::1", "0x7f.1", "localhost", "router", ""),
        *("imap.example.com/x", "kim@example.com", "a b.example.com", "imap..example.com", "-a.example.com"),
        *("imap.\u202eexample.com", "imap.example.com\x7f", "%EMAILLOCALPART%"),
        *("x" * 64 + ".example.com", "a." * 200 + "com"),
    ],
)
def test_a_server_without_a_full_host_name_is_refused(host: str) -> None:
    assert read(server(host=host)).refused == ("IMAP: what stands for the server is no full host name",)


def test_an_international_host_name_is_read_in_ascii() -> None:
    assert read(server(host="IMAP.한국.kr")).imap[0].endpoint.host == "imap.xn--3e0b707e.kr"


def test_so_many_servers_are_no_autoconfig() -> None:
    assert read(server() * 21).refused == ("it names too many servers",)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "it is no well-formed XML"),
        (b"\xef\xbb\xbf", "it is no well-formed XML"),
        (b"<clientConfig>" * 1000, "it is no well-formed XML"),
        (b"<?xml version='1.0' encoding='utf-7'?><clientConfig/>", "it is no well-formed XML"),
        (b"<?xml version='1.0' encoding='none-such'?><clientConfig/>", "it is no well-formed XML"),
        (b"<?xml version='1.0' encoding='shift_jis'?><clientConfig/>", "it is no well-formed XML"),
        (b"<clientConfig>&lol;</clientConfig>", "it is no well-formed XML"),
        (
            b"<!DOCTYPE clientConfig><clientConfig/>",
            "it declares a document type, which no autoconfig file needs",
        ),
        (b"<x:clientConfig xmlns:x='y'/>", "it is no autoconfig file"),
    ],
)
def test_what_is_no_autoconfig_is_refused_in_words(document: bytes, words: str) -> None:
    assert parse(document, KIM) == Autoconfig(refused=(words,))


_SAFE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_pieces = st.lists(
    st.sampled_from(
        [
            *("<clientConfig>", "</clientConfig>", "<emailProvider>", "</emailProvider>", "<!DOCTYPE x>"),
            *('<incomingServer type="imap">', "</incomingServer>", "<hostname>", "</hostname>", "&amp;"),
            *(
                "<port>",
                "</port>",
                "993",
                "<socketType>SSL</socketType>",
                "imap.example.com",
                "&#133;",
                "&x;",
            ),
            *("<username>", "</username>", "%EMAILADDRESS%", "<?xml version='1.0' encoding='utf-16'?>"),
        ]
    )
    | st.text(max_size=8),
    max_size=40,
).map(lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=400) | _pieces)
def test_whatever_is_sent_comes_out_as_servers_or_words(document: bytes) -> None:
    found = parse(document, KIM)
    for offer in found.imap + found.smtp:
        assert offer.endpoint.security is not Security.NONE
        assert _SAFE.fullmatch(offer.username)
    assert all(_SAFE.fullmatch(words) and words.isascii() for words in found.refused)


@given(host=st.text(max_size=30), username=st.text(max_size=30))
def test_whatever_stands_in_a_server_comes_out_harmless(host: str, username: str) -> None:
    def cdata(text: str) -> str:
        return f"<![CDATA[{text.replace(']]>', '')}]]>"

    found = parse(config(cdata(host), username=cdata(username)).encode("utf-8", "surrogatepass"), KIM)
    for offer in found.imap:
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", offer.endpoint.host)
        assert _SAFE.fullmatch(offer.username)
    assert len(found.imap) + len(found.refused) == 1

"""What a user of each of the usual providers is shown before connecting, without a network."""

import json

import pytest
from typer.testing import CliRunner

from mailcrm.cli import program

#: Address, options, IMAP, SMTP, log-in name, first kind of sign-in, a word of the preparation.
PROVIDERS = (
    (
        "me@gmail.com",
        "",
        "imap.gmail.com:993",
        "smtp.gmail.com:465",
        "me@gmail.com",
        "app password",
        "2-Step",
    ),
    (
        "me@example.com",
        "--provider gmail",
        *("imap.gmail.com:993", "smtp.gmail.com:465", "me@example.com", "app password", "2-Step"),
    ),
    (
        "me@yahoo.com",
        "",
        "imap.mail.yahoo.com:993",
        "smtp.mail.yahoo.com:465",
        "me@yahoo.com",
        "app password",
        "",
    ),
    (
        "me@example.com",
        "--provider exchange --imap-host mail.example.com",
        *("mail.example.com:993", "mail.example.com:587", "me@example.com", "password", "IMAP"),
    ),
    (
        "me@hotmail.com",
        "",
        *(
            "outlook.office365.com:993",
            "smtp-mail.outlook.com:587",
            "me@hotmail.com",
            "OAuth2",
            "oauth-setup",
        ),
    ),
    (
        "me@example.com",
        "--provider microsoft365",
        *("outlook.office365.com:993", "smtp.office365.com:587", "me@example.com", "OAuth2", "oauth-setup"),
    ),
    (
        "me@icloud.com",
        "",
        "imap.mail.me.com:993",
        "smtp.mail.me.com:587",
        "me",
        "app password",
        "app-specific",
    ),
    (
        "me@example.com",
        "--provider imap --imap-host imap.example.com",
        *("imap.example.com:993", "", "me@example.com", "password", ""),
    ),
    ("me@aol.com", "", "imap.aol.com:993", "smtp.aol.com:465", "me@aol.com", "app password", "app password"),
    (
        "me@fastmail.com",
        "",
        *(
            "imap.fastmail.com:993",
            "smtp.fastmail.com:465",
            "me@fastmail.com",
            "app password",
            "app password",
        ),
    ),
    ("me@gandi.net", "", "mail.gandi.net:993", "mail.gandi.net:465", "me@gandi.net", "password", "Gandi"),
    ("me@gmx.de", "", "imap.gmx.net:993", "mail.gmx.net:465", "me@gmx.de", "password", "IMAP"),
    ("me@gmx.com", "", "imap.gmx.com:993", "mail.gmx.com:465", "me@gmx.com", "password", "IMAP"),
    ("me@mail.ru", "", "imap.mail.ru:993", "smtp.mail.ru:465", "me@mail.ru", "app password", "external"),
    (
        "me@yandex.ru",
        "",
        "imap.yandex.com:993",
        "smtp.yandex.com:465",
        "me@yandex.ru",
        "app password",
        "IMAP",
    ),
    (
        "me@example.com",
        "--provider godaddy",
        *(
            "imap.secureserver.net:993",
            "smtpout.secureserver.net:465",
            "me@example.com",
            "password",
            "GoDaddy",
        ),
    ),
    (
        "me@example.com",
        "--provider hover",
        *("mail.hover.com:993", "mail.hover.com:465", "me@example.com", "password", "Hover"),
    ),
    (
        "me@example.com",
        "--provider namecheap",
        *("mail.privateemail.com:993", "mail.privateemail.com:465", "me@example.com", "password", ""),
    ),
    (
        "me@example.com",
        "--provider bluehost",
        *("mail.example.com:993", "mail.example.com:465", "me@example.com", "password", "Bluehost"),
    ),
    ("me@soverin.net", "", "imap.soverin.net:993", "smtp.soverin.net:465", "me@soverin.net", "password", ""),
    (
        "me@example.com",
        "--provider zimbra --imap-host zimbra.example.com",
        *("zimbra.example.com:993", "zimbra.example.com:465", "me@example.com", "password", "Zimbra"),
    ),
    (
        "me@example.com",
        "--provider 123reg",
        *("imap.123-reg.co.uk:993", "smtp.123-reg.co.uk:465", "me@example.com", "password", "123"),
    ),
    ("me@126.com", "", "imap.126.com:993", "smtp.126.com:465", "me@126.com", "authorization code", "授权码"),
    ("me@qq.com", "", "imap.qq.com:993", "smtp.qq.com:465", "me@qq.com", "authorization code", "授权码"),
    ("me@aliyun.com", "", "imap.aliyun.com:993", "smtp.aliyun.com:465", "me@aliyun.com", "password", ""),
    ("me@163.com", "", "imap.163.com:993", "smtp.163.com:465", "me@163.com", "authorization code", "授权码"),
    (
        "me@yeah.net",
        "",
        "imap.yeah.net:993",
        "smtp.yeah.net:465",
        "me@yeah.net",
        "authorization code",
        "授权码",
    ),
    ("me@139.com", "", "imap.139.com:993", "smtp.139.com:465", "me@139.com", "authorization code", "授权码"),
    ("me@naver.com", "", "imap.naver.com:993", "smtp.naver.com:465", "me@naver.com", "app password", "2단계"),
    ("me@kakao.com", "", "imap.kakao.com:993", "smtp.kakao.com:465", "me", "app password", "Kakao"),
)


def place(endpoint: dict[str, object] | None) -> str:
    return "" if endpoint is None else f"{endpoint['host']}:{endpoint['port']}"


@pytest.mark.parametrize(
    ("address", "options", "imap", "smtp", "username", "sign_in", "preparation"),
    PROVIDERS,
    ids=[f"{address} {options}".strip() for address, options, *_ in PROVIDERS],
)
def test_servers_name_sign_in_and_preparation_are_shown(
    address: str, options: str, imap: str, smtp: str, username: str, sign_in: str, preparation: str
) -> None:
    words = ["provider", "detect", address, "--no-discovery", *options.split()]
    done = CliRunner().invoke(program(words), ["--json", *words])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert place(shown["imap"]) == imap
    assert place(shown["smtp"]) == smtp
    assert shown["username"] == username
    assert shown["sign_in"][0] == sign_in
    prepare = shown["preset"]
    told = " ".join([prepare["hint"], *prepare["steps"]])
    assert told
    assert preparation in told

"""The page docs/coming-from-pipedrive.md is carried out as it stands: imports, a sync, and the links."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.desk import ANN, YESTERDAY, Desk, letter
from tests.servers.dovecot import DovecotServer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "coming-from-pipedrive.md").read_text("utf-8")
FILES = ROOT / "tests" / "shapes" / "pipedrive"

USER = "pipedrive@example.com"
LETTERS = (
    ("Delivery of the sensors", "Minsu Kim <minsu@example.kr>"),
    ("When does the kit come?", "Orders <orders@lindqvist.example.org>"),
    ("Pallets without a label", "Elena <elena@sorin.example.com>"),
    ("Your stand at the fair", "seoyeon.park@hanbit.example.kr"),
    ("Lunch on Friday?", "Jo <jo@example.net>"),
)


def steps() -> list[tuple[list[list[str]], str | None]]:
    """Return the commands of each block, and what the block after it says that they say."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found: list[tuple[list[list[str]], str | None]] = []
    for language, block in blocks:
        if language == "text":
            commands, _ = found.pop()
            found.append((commands, block))
        else:
            found.append(([shlex.split(line) for line in block.splitlines()], None))
    return found


def table() -> list[tuple[str, str, str]]:
    """Return which conversation the page says is linked to what."""
    lines = re.findall(
        r"^\| (.+?) \| (.*?) ?\| (.*?) ?\|$", PAGE.partition("| conversation |")[2], re.MULTILINE
    )
    return [(subject, who, item) for subject, who, item in lines if subject != "---"]


@pytest.mark.rule("import-pipedrive")
def test_an_export_of_pipedrive_comes_in_and_the_mail_stands_on_its_deals(
    dovecot: DovecotServer, tmp_path: Path
) -> None:
    for number, (subject, sender) in enumerate(LETTERS, 1):
        raw = letter(f"{number}@pipedrive.example.org", subject, "Hello", sender=sender)
        dovecot.append(USER, "INBOX", raw, YESTERDAY)
    desk = Desk(tmp_path / "desk")
    desk.home.mkdir()
    files = {path.name: path for path in FILES.glob("*.csv")}
    assert len(files) == 4
    secret = tmp_path / "password"
    secret.write_text(f"{dovecot.password}\n")
    for commands, said in steps():
        told = ""
        for program, *words in commands:
            assert program == "mailcrm"
            if words[0] == "connect":
                words += ["--no-input", "--imap-host", "localhost", "--imap-port", str(dovecot.tls_port)]
                words += ["--username", USER, "--ca-file", str(dovecot.ca_file)]
                words += ["--password-command", f"cat {secret}"]
            if "import" in words:
                words.append("--yes")  # the page is for a terminal, where it asks
            done = desk.try_to(*(str(files.get(word, word)) for word in words))
            told += f"{done.err}{done.out}"
            if said is None:
                assert done.code == 0, done.err
        if said is not None:
            # Which of the two streams a line is on is left to the tests of the commands.
            assert sorted(told.splitlines()) == sorted(said.splitlines())
    rows = desk.run("inbox", "--json").json
    assert {
        (row["subject"], ", ".join(row["contacts"]), ", ".join((*row["deals"], *row["leads"])))
        for row in rows
    } == set(table())
    assert len(rows) == len(table()) == len(LETTERS)
    deal = desk.run("deal", "show", "120 sensors", "--json").json
    assert [email["subject"] for email in deal["emails"]] == ["Delivery of the sensors"]


@pytest.mark.rule("import-again")
def test_the_files_of_the_page_imported_again_change_nothing(new_home: Desk) -> None:
    orders = [("org", "organizations"), ("contact", "persons"), ("deal", "deals"), ("lead", "leads")]
    for _ in range(2):
        told = [
            new_home.try_to(noun, "import", str(FILES / f"{name}.csv"), "--yes", "--json").json
            for noun, name in orders
        ]
    assert [(each["made"], each["completed"]) for each in told] == [(0, 0)] * 4
    assert [each["unchanged"] for each in told] == [4, 4, 4, 2]


@pytest.fixture
def new_home(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.run("init", "--address", ANN, "--name", "Ann")
    return desk

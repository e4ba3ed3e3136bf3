"""Records that come in and go out as files, as a person and as cron run it."""

import json
from pathlib import Path

import pytest

from tests.cli.desk import ANN, HARMFUL, HOSTILE, Desk

TABLE = (
    "Name;E-Mail;Firma;Telefon\nKim Minsu;minsu@example.kr;Hanbit;+82 10\n"
    "Lee;lee at;;\nAnn;ann@example.com;;\n"
)


@pytest.fixture
def here(new_desk: Desk) -> Desk:
    new_desk.run("init", "--address", ANN, "--name", "Ann")
    return new_desk


def file(desk: Desk, name: str, content: str | bytes) -> str:
    path = desk.home / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.rule("import-good-rows")
def test_good_rows_go_in_bad_ones_are_listed_and_the_exit_code_says_so(here: Desk) -> None:
    table = file(here, "people.csv", TABLE.encode("utf-16"))
    done = here.try_to("contact", "import", table, "--yes")
    assert done.code == 1
    assert done.rows == [
        ["3", "'lee at' is no e-mail address"],
        ["4", "ann@example.com is one of our own: a member's or an account's"],
    ]
    assert "1 contact made, 2 rows left out. With them: organization Hanbit." in done.err
    assert here.run("contact", "list", "--json").json[0]["addresses"] == ["minsu@example.kr"]


def test_a_dry_run_writes_nothing(here: Desk) -> None:
    table = file(here, "people.csv", TABLE)
    report = here.try_to("contact", "import", table, "--dry-run", "--json").json
    assert (report["dry_run"], report["made"], len(report["bad_rows"])) == (True, 1, 2)
    assert here.run("contact", "list", "--json").json == []


def test_at_a_terminal_the_columns_are_shown_and_asked_about(here: Desk) -> None:
    table = file(here, "people.csv", "Name;E-Mail;Foo\nKim;kim@example.kr;x\n")
    code, told = here.talk("contact", "import", table, said=[("Import them?", "n\n")])
    assert code == 1
    assert "E-Mail" in told
    assert "(left out)" in told
    assert "Nothing was changed." in told
    code, told = here.talk("contact", "import", table, said=[("Import them?", "y\n")])
    assert code == 0
    assert "1 contact made." in told


def test_an_import_is_not_done_unasked_and_one_with_nothing_to_do_does_not_ask(here: Desk) -> None:
    table = file(here, "people.csv", "Name,E-mail\nKim,kim@example.kr\n")
    refused = here.try_to("contact", "import", table)
    assert refused.code == 2
    assert "An import needs --yes when nobody can be asked." in refused.err
    assert here.run("contact", "list", "--json").json == []
    here.run("contact", "import", table, "-y")
    code, told = here.talk("contact", "import", table, said=[])
    assert code == 0
    assert "There is nothing to import: 1 there already." in told
    assert "Import them?" not in told


def test_a_person_says_what_a_column_is(here: Desk) -> None:
    table = file(here, "people.csv", "Wer,Foo=Bar\nKim,kim@example.kr\n")
    refused = here.try_to("contact", "import", table)
    assert refused.code == 2
    assert "--column" in refused.err
    here.run("contact", "import", table, "--column", "wer=name", "--column", "Foo=Bar=address", "--yes")
    assert here.run("contact", "show", "kim@example.kr", "--json").json["contact"]["name"] == "Kim"


def test_what_a_file_says_does_not_reach_the_terminal_as_it_is(here: Desk) -> None:
    table = file(
        here, "people.csv", f'Name,E-mail,"{HOSTILE}"\nKim,"{HOSTILE}",x\nLee,lee@example.kr,"{HOSTILE}"\n'
    )
    code, told = here.talk("contact", "import", table, said=[("Import them?", "y\n")])
    assert code == 1
    assert not HARMFUL.search(told.replace("\n", ""))


@pytest.mark.rule("export-contacts")
@pytest.mark.parametrize(
    ("name", "words"),
    [("people.csv", ()), ("people.vcf", ()), ("people.txt", ("--format", "vcard3"))],
)
def test_what_is_exported_is_imported_into_another_store_as_it_was(
    here: Desk, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    table = (
        "Name,E-mail,Phone,Company,Job title,Notes\n"
        '=Kim,"minsu@example.kr, kim@example.com","+82 10 1, +82 2 2",한빛상사,부장,'
        '"one\ntwo; three, \\four"\n'
        "Lee,lee@example.kr,,,,\n"
    )
    here.run("contact", "import", file(here, "table.csv", table), "--yes")
    exported = str(here.home / name)
    here.run("contact", "export", exported, *words)
    other = Desk(tmp_path / "other")
    other.home.mkdir()
    other.run("init", "--address", ANN, "--name", "Ann")
    other.run("contact", "import", exported, "--yes")
    assert other.run("contact", "list", "--json").json == here.run("contact", "list", "--json").json
    refused = here.try_to("contact", "export", exported, *words)
    assert refused.code == 65
    assert "is there already" in refused.err
    assert "Name another file." in refused.err


def test_contacts_are_exported_to_standard_output_and_imported_from_standard_input(here: Desk) -> None:
    here.run("contact", "create", "Kim", "--address", "kim@example.kr")
    cards = here.run("contact", "export", "-", "--format", "vcard4").out
    assert cards.splitlines()[:2] == ["BEGIN:VCARD", "VERSION:4.0"]
    assert "kim@example.kr" in here.run("contact", "export", "-").out
    done = here.try_to("contact", "import", "-", "--json", said=cards)
    assert (done.code, done.json["unchanged"]) == (0, 1)


def test_a_vcard_is_no_deal_and_a_file_that_is_not_there_no_table(here: Desk) -> None:
    card = file(here, "kim.vcf", "BEGIN:VCARD\nFN:Kim\nEND:VCARD\n")
    assert here.try_to("deal", "import", card).code == 2
    assert here.try_to("contact", "import", card, "--column", "FN=name").code == 2
    assert here.try_to("deal", "import", str(here.home / "nothing.csv")).code == 66
    assert here.try_to("deal", "import", str(here.home)).code == 73
    assert here.try_to("contact", "export", str(here.home / "people")).code == 2


def test_an_item_is_read_as_a_person_says(here: Desk) -> None:
    table = file(here, "deals.csv", 'Title,Value,Stage,Close date\nPaper,"1,200",Offer,03/04/2026\n')
    assert here.try_to("deal", "import", table, "--yes").code == 1
    here.run(
        *("deal", "import", table, "--decimals", "comma", "--dates", "month-first", "--pipeline", "Sales"),
        "--yes",
    )
    deal = json.loads(here.run("deal", "list", "--json").out)[0]
    assert (deal["value"], deal["stage"], deal["expected_close"]) == ("1.200", "Offer", "2026-03-04")

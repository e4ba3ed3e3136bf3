"""The records at the command line: what is said when one is made, changed, merged and deleted."""

import json
import os
import pty
import select
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from mailcrm.core.model import ParticipantRole
from mailcrm.store import open_database
from tests.cli.desk import ANN, BOB, HARMFUL, HOSTILE, Desk
from tests.conftest import NOW
from tests.store.worlds import connect, folder, letter, save

FROM, TO = ParticipantRole.FROM, ParticipantRole.TO
KIM, LEE = "kim@example.kr", "lee@example.kr"


@pytest.fixture
def office(new_desk: Desk) -> Desk:
    """A desk with two conversations: one from Kim, number 1, and one from Lee and Park, number 2."""
    new_desk.run("init", "--name", "Ann", "--address", ANN)
    with closing(open_database(f"sqlite:///{new_desk.store}", viewer=None)) as db:
        account = connect(db, ANN)
        inbox = folder(db, account)
        for uid, sender, after in ((1, KIM, ()), (2, LEE, ()), (3, "park@example.kr", ("2@example.org",))):
            save(
                db,
                account,
                inbox,
                letter(
                    uid,
                    f"{uid}@example.org",
                    subject=f"Matter {uid}",
                    references=after,
                    people={FROM: sender, TO: ANN},
                    received_at=NOW + timedelta(hours=uid),
                ),
            )
    return new_desk


def said(desk: Desk, *words: str) -> str:
    """Return what a command said of what it did."""
    return desk.run(*words).err.rstrip("\n")


def refused(desk: Desk, *words: str, code: int = 2) -> str:
    """Return why a command did nothing."""
    done = desk.try_to(*words)
    assert (done.code, done.out) == (code, "")
    return done.err


def answering(desk: Desk, answer: str, *words: str) -> str:
    """Run a command at a terminal, answer its question, and return all that it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailcrm", *words],
        env=desk.environment | {"TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    told = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "nothing was said"
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        told += piece
    os.close(ours)
    process.wait(timeout=60)
    return told.decode()


@pytest.mark.rule("link-later")
def test_making_a_record_says_how_many_conversations_wait(office: Desk) -> None:
    waits = "1 stored conversation would be linked: mailcrm link auto"
    assert said(office, "contact", "create", "Kim", "--address", KIM) == f"Contact 1 Kim is made. {waits}"
    assert said(office, "contact", "create", "Old", "--address", "old@example.kr") == "Contact 2 Old is made."
    assert said(office, "contact", "edit", "Old", "--address", LEE) == (
        f"Contact 2 Old: old@example.kr, {LEE}. {waits}"
    )
    office.run("link", "auto")
    assert said(office, "deal", "create", "Pumps", "--contact", KIM) == f"Deal 1 Pumps is made. {waits}"
    assert said(office, "lead", "create", "Valves", "--contact", LEE) == f"Lead 1 Valves is made. {waits}"
    assert said(office, "deal", "create", "No people") == "Deal 2 No people is made."
    assert said(office, "contact", "edit", "Kim", "--title", "Buyer") == f"Contact 1 Kim, Buyer: {KIM}."


@pytest.mark.rule("record-create-from-thread")
def test_a_contact_is_made_from_a_conversation(office: Desk) -> None:
    assert said(office, "contact", "create", "--from", "1") == (
        f"Contact 1 {KIM} ({KIM}) is made. Linked thread 1 to it."
    )
    (row,) = [row for row in office.run("inbox", "--json").json if row["id"] == 1]
    assert row["contacts"] == [KIM]
    assert "Nobody in thread 1" in refused(office, "contact", "create", "--from", "1", code=66)
    choice = refused(office, "contact", "create", "--from", "2", code=65)
    assert LEE in choice
    assert "park@example.kr" in choice
    made = office.run("contact", "create", "Lee", "--from", "2", "--address", LEE, "--json").json
    assert (made["name"], made["addresses"]) == ("Lee", [LEE])
    assert "one of our own" in refused(office, "contact", "create", "--from", "2", "--address", ANN)
    office.run("contact", "create", "--from", "2")
    assert "Nobody in thread 2" in refused(office, "contact", "create", "--from", "2", code=66)
    assert "a name and an address" in refused(office, "contact", "create", "Kim")


@pytest.mark.rule("record-create-from-thread")
def test_a_colleagues_conversation_makes_no_contact(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("link", "contact", "2", "Kim")
    office.run("share", "2")
    office.run("member", "create", BOB, "--name", "Bob")
    refusal = refused(office, "contact", "create", "--from", "2", "--address", LEE, "--as", BOB, code=77)
    assert "belongs to a colleague" in refusal
    assert refused(office, "contact", "create", "--from", "1", "--as", BOB, code=66)
    assert len(office.run("contact", "list", "--as", ANN).rows) == 1


@pytest.mark.rule("record-organization-domain")
def test_a_contact_joins_an_organization_by_domain_and_leaves_it(office: Desk) -> None:
    assert said(office, "org", "create", "Acme", "--domain", "https://www.example.kr/about") == (
        "Organization 1 Acme with example.kr is made."
    )
    assert said(office, "contact", "create", "New", "--address", "n@example.kr") == (
        "Contact 1 New at Acme is made."
    )
    assert "Everybody" in refused(office, "org", "edit", "Acme", "--domain", "naver.com")
    assert "Acme (organization 1)" in refused(office, "org", "create", "B", "--domain", "example.kr", code=65)
    assert said(office, "deal", "create", "Pumps", "--contact", "New") == "Deal 1 Pumps with Acme is made."
    office.run("contact", "edit", "New", "--no-org")
    office.run("contact", "edit", "New", "--org", "example.kr", "--owner", "Ann")
    assert [row[:4] for row in office.run("contact", "list", "--org", "Acme").rows] == [
        ["1", "New", "n@example.kr", "Acme"]
    ]
    shown = office.run("org", "show", "Acme").out
    assert "contacts\t1 New\n" in shown
    assert "deals\t1 Pumps (open)\n" in shown
    assert said(office, "org", "edit", "1", "--remove-domain", "example.kr") == "Organization 1 Acme."
    assert "1 contact, 1 deal" in refused(office, "org", "delete", "Acme")
    assert said(office, "org", "delete", "Acme", "--yes") == (
        "1 contact, 1 deal will be of no organization.\nOrganization 1 Acme is deleted."
    )
    assert office.run("org", "list").out == ""
    assert [row[:4] for row in office.run("contact", "list").rows] == [["1", "New", "n@example.kr", ""]]


@pytest.mark.rule("record-contact")
def test_a_contact_is_edited_field_by_field(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM, "--address", "k@example.kr", "--phone", "1")
    office.run("contact", "edit", "Kim", "--primary", "k@example.kr", "--phone", "2", "--notes", "one\ntwo")
    office.run("contact", "edit", "Kim", "--remove-address", KIM, "--remove-phone", "1", "--name", "M. Kim")
    shown = office.run("contact", "show", "1").rows
    assert shown[:6] == [
        ["M. Kim"],
        ["contact", "1"],
        ["addresses", "k@example.kr"],
        ["phones", "2"],
        ["owner", "Ann"],
        ["notes", "one two"],
    ]
    assert "has no address" in refused(office, "contact", "edit", "1", "--remove-address", KIM)
    assert "not both" in refused(office, "contact", "edit", "1", "--org", "x", "--no-org")
    assert "no member" in refused(office, "contact", "edit", "1", "--owner", "who", code=66)
    assert "300 characters" in refused(office, "contact", "edit", "1", "--title", "x" * 301)


@pytest.mark.rule("record-merge")
def test_two_contacts_become_one(office: Desk) -> None:
    office.run("contact", "create", "--from", "1", "Kim")
    office.run("contact", "create", "--from", "2", "--address", LEE, "Lee")
    assert said(office, "contact", "merge", "Kim", "Lee") == (
        f"Contact 2 Lee is part of contact 1 Kim now: {KIM}, {LEE}."
    )
    assert {tuple(row["contacts"]) for row in office.run("inbox", "--json").json} == {("Kim",)}
    assert "not merged with itself" in refused(office, "contact", "merge", "2", "1")
    assert [row[:4] for row in office.run("contact", "list").rows] == [["1", "Kim", f"{KIM}, {LEE}", ""]]


@pytest.mark.rule("record-deal")
def test_a_deal_goes_through_the_stages_of_a_pipeline(office: Desk) -> None:
    office.run("pipeline", "create", "Partners", "--stage", "First", "--stage", "Second")
    office.run("deal", "create", "Pumps", "--stage", "meet", "--expected-close", "2026-09-30")
    assert said(office, "deal", "edit", "Pumps", "--stage", "Proposal") == "Deal 1 Pumps, Proposal."
    assert "has no stage 'Second'" in refused(office, "deal", "edit", "Pumps", "--stage", "Second")
    moved = office.run("deal", "edit", "Pumps", "--pipeline", "Partners", "--json").json
    assert (moved["pipeline"], moved["stage"], moved["expected_close"]) == ("Partners", "First", "2026-09-30")
    office.run("deal", "edit", "Pumps", "--stage", "Second", "--expected-close", "none")
    assert "stage\tSecond (Partners)\n" in office.run("deal", "show", "1").out
    assert "not a day" in refused(office, "deal", "edit", "1", "--expected-close", "soon")
    assert "not among its contacts" in (
        office.run("contact", "create", "Kim", "--address", KIM).err
        + refused(office, "deal", "edit", "1", "--remove-contact", "Kim")
    )
    assert office.run("deal", "won", "1", "--json").json["closed_at"]
    assert [row[3] for row in office.run("pipeline", "list").rows][-2:] == ["First", "Second"]


@pytest.mark.rule("record-contact")
def test_a_contact_is_shown_with_what_is_open(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("contact", "create", "Lee", "--address", LEE)
    for title in ("Pumps", "Gone"):
        office.run("deal", "create", title, "--contact", "Kim")
        office.run("lead", "create", f"{title} later", "--contact", "Kim")
    office.run("deal", "create", "Other", "--contact", "Lee")
    office.run("deal", "lost", "Gone")
    office.run("lead", "archive", "Gone later")
    shown = office.run("contact", "show", "Kim").out
    assert "open deals\t1 Pumps (open)\n" in shown
    assert "open leads\t1 Pumps later (open)\n" in shown
    told = office.run("contact", "show", "Kim", "--json").json
    assert [one["title"] for one in (*told["deals"], *told["leads"])] == ["Pumps", "Pumps later"]
    shown = office.run("contact", "show", "Lee").out
    assert "open deals\t3 Other (open)\n" in shown
    assert "open leads" not in shown


@pytest.mark.rule("record-deal")
def test_a_list_of_deals_is_narrowed_and_added_up(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("org", "create", "Acme")
    office.run("deal", "create", "Pumps", "--contact", "Kim", "--value", "12000", "--currency", "EUR")
    assert "EXPECTED" not in office.at_a_terminal("deal", "list")
    assert office.run("deal", "list").rows[0][5] == "Qualified"
    office.run("deal", "create", "Valves", "--value", "1200000", "--currency", "KRW", "--org", "Acme")
    office.run("pipeline", "create", "Partners", "--stage", "First", "--stage", "Qualified")
    office.run("deal", "create", "Pipes", "--value", "400", "--currency", "EUR", "--pipeline", "Partners")
    office.run("deal", "create", "Won", "--stage", "meet", "--expected-close", "2026-09-30")
    assert office.run("deal", "won", "Won").out == ""

    def listed(*words: str) -> list[str]:
        return [row[2] for row in office.run("deal", "list", *words).rows]

    assert [row[5] for row in office.run("deal", "list").rows] == [
        "Meeting (Sales)",
        "First (Partners)",
        "Qualified (Sales)",
        "Qualified (Sales)",
    ]
    assert office.run("deal", "list", "--pipeline", "Partners").rows[0][5] == "First"
    assert office.run("deal", "list", "--status", "won").rows[0][7] == "2026-09-30"
    assert "2026-09-30" in office.at_a_terminal("deal", "list", COLUMNS="80")
    assert listed("--org", "Acme") == ["Valves"]
    assert listed("--contact", KIM, "--owner", "Ann") == ["Pumps"]
    assert listed("--stage", "qual") == ["Valves", "Pumps"]
    assert listed("--pipeline", "Sales", "--stage", "Meeting", "--status", "won") == ["Won"]
    assert "has no stage" in refused(office, "deal", "list", "--pipeline", "Partners", "--stage", "Meeting")
    assert "pipeline list" in refused(office, "deal", "list", "--stage", "Nope", code=66)
    assert said(office, "deal", "list", "--contact", KIM, "--status", "lost") == "No such deals."
    assert "open deal" not in office.run("deal", "list").err
    _, told = office.talk("deal", "list", said=[])
    assert told.endswith("3 open deals: 12,400 EUR, 1,200,000 KRW\n")
    office.run("deal", "create", "New")
    _, told = office.talk("deal", "list", "--limit", "2", said=[])
    assert told.endswith("1 open deal\n")
    _, told = office.talk("deal", "list", "--limit", "3", said=[])
    assert told.endswith("2 open deals: 400 EUR, 1 without a value\n")


@pytest.mark.rule("record-lead")
def test_a_list_of_leads_is_narrowed(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("org", "create", "Acme")
    office.run("lead", "create", "Pumps", "--contact", "Kim", "--label", "hot")
    office.run("lead", "create", "Valves", "--org", "Acme")

    def listed(*words: str) -> list[str]:
        return [row[2] for row in office.run("lead", "list", *words).rows]

    assert listed("--org", "Acme", "--owner", "Ann") == ["Valves"]
    assert listed("--contact", KIM) == listed("--label", "HOT") == ["Pumps"]
    assert said(office, "lead", "list", "--org", "Acme", "--contact", KIM) == "No such leads."
    refused(office, "lead", "list", "--label", "cold", code=66)


@pytest.mark.rule("record-pipeline")
def test_a_stage_is_put_behind_another_or_first(office: Desk) -> None:
    office.run("pipeline", "create", "Partners", "--stage", "One", "--stage", "Three")
    office.run("pipeline", "add-stage", "Partners", "Two", "--after", "One")
    office.run("pipeline", "add-stage", "Partners", "Zero", "--first")
    assert said(office, "pipeline", "add-stage", "Partners", "Four", "--after", "Three") == (
        "Pipeline 2 Partners: Zero, One, Two, Three, Four."
    )
    assert "not both" in refused(office, "pipeline", "add-stage", "2", "X", "--first", "--after", "One")
    assert "has no stage" in refused(office, "pipeline", "add-stage", "2", "X", "--after", "Meeting")


@pytest.mark.rule("lead-convert")
def test_a_lead_becomes_a_deal_with_its_conversations(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    assert "a contact or an organization" in refused(office, "lead", "create", "Nobody")
    office.run("lead", "create", "Valves", "--contact", "Kim", "--label", "hot", "--value", "5")
    office.run("link", "auto")
    office.run("lead", "archive", "Valves")
    assert "lead unarchive 1" in refused(office, "lead", "convert", "Valves")
    office.run("lead", "unarchive", "Valves")
    assert said(office, "lead", "convert", "Valves", "--stage", "Meeting") == (
        "Lead 1 Valves is deal 1 now, in stage Meeting."
    )
    assert "deal 1 Valves" in refused(office, "lead", "convert", "Valves", code=65)
    (row,) = [row for row in office.run("inbox", "--json").json if row["id"] == 1]
    assert (row["deals"], row["leads"]) == (["Valves"], [])
    assert office.run("lead", "list", "--status", "converted").rows == [
        ["1", "converted", "Valves", "5", "Kim", "hot", ""]
    ]
    assert "is deal 1 now" in refused(office, "lead", "delete", "1", "--yes")


@pytest.mark.rule("record-lead")
def test_labels_are_put_on_leads_and_taken_off(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("lead", "create", "Valves", "--contact", "Kim", "--label", "hot")
    assert said(office, "lead", "edit", "1", "--label", "new", "--remove-label", "HOT") == (
        "Lead 1 Valves, Kim, new."
    )
    office.run("label", "rename", "new", "old")
    assert office.run("label", "list").rows == [["1", "hot"], ["2", "old"]]
    assert "on 1 lead" in refused(office, "label", "delete", "old")
    office.run("label", "delete", "old", "--yes")
    assert "labels" not in office.run("lead", "show", "1").out


@pytest.mark.rule("record-delete")
def test_deleting_says_what_is_linked_and_asks(office: Desk) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("link", "contact", "1", "2", "Kim")
    linked = "2 conversations are linked to it; the links go, the mail stays."
    refusal = refused(office, "contact", "delete", "Kim")
    assert linked in refusal
    assert "--yes" in refusal
    told = answering(office, "n\n", "contact", "delete", "Kim")
    assert linked in told
    assert "Nothing was changed." in told
    assert len(office.run("contact", "list").rows) == 1
    assert "Contact 1 Kim is deleted." in answering(office, "y\n", "contact", "delete", "Kim")
    assert office.run("contact", "list").out == ""
    assert len(office.run("inbox").rows) == 2


@pytest.mark.rule("record-delete")
@pytest.mark.parametrize("noun", ["contact", "org", "deal", "lead", "pipeline", "label"])
def test_a_no_ends_each_deletion_alike(office: Desk, noun: str) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("pipeline", "create", "Partners", "--stage", "First")
    office.run("label", "create", "hot")
    for words in (("org",), ("deal",), ("lead", "--contact", "Kim")):
        office.run(words[0], "create", "Mine", *words[1:])
    which = "2" if noun == "pipeline" else "1"
    before = office.run(noun, "list").out
    code, told = office.talk(noun, "delete", which, said=[("Delete ", "n\n")])
    assert code == 1
    assert told.endswith("Nothing was changed.\n")
    assert "needs --yes when nobody can be asked." in refused(office, noun, "delete", which)
    assert office.run(noun, "list").out == before
    office.run(noun, "delete", which, "-y")
    assert office.run(noun, "list").out != before


@pytest.mark.rule("record-pipeline")
def test_what_has_deals_is_refused_before_a_question(office: Desk) -> None:
    office.run("pipeline", "create", "Partners", "--stage", "First", "--stage", "Second")
    office.run("deal", "create", "Pumps", "--pipeline", "Partners")
    for words in (("pipeline", "delete", "Partners"), ("pipeline", "remove-stage", "Partners", "First")):
        code, told = office.talk(*words, said=[])
        assert code == 2
        assert "has a deal, so it stays." in told
        assert "mailcrm deal edit DEAL" in told
        assert "Delete" not in told
    office.run("deal", "delete", "Pumps", "--yes")
    office.run("pipeline", "delete", "Partners", "--yes")
    assert "pipeline create NAME" in refused(office, "pipeline", "delete", "Sales")
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("lead", "create", "Valves", "--contact", "Kim")
    office.run("lead", "convert", "Valves")
    code, told = office.talk("lead", "delete", "Valves", said=[])
    assert "is deal 2 now" in told
    assert code == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        *(
            (("deal", "create", "X", "--value", value), "Write it like 1500.50")
            for value in ("1.500,50", "1,000", "₩1000", "-5", "1" * 16)
        ),
        (("lead", "edit", "1", "--value", "many"), "Write it like 1500.50"),
        (("deal", "create", "X", "--value", "1", "--currency", "euros"), "Write it like EUR"),
        (("deal", "create", "X", "--currency", "EUR"), "Add: --value N"),
        (("deal", "create", "X", "--expected-close", "soon"), "Write it like 2026-09-30."),
        (("contact", "create", "X", "--address", "x"), "Write it like kim@example.com."),
        (("contact", "edit", "1", "--remove-phone", "5"), "See `mailcrm contact show 1`."),
        (("deal", "edit", "1", "--remove-contact", "1"), "See `mailcrm deal show 1`."),
        (("lead", "edit", "1", "--remove-contact", "2"), "See `mailcrm lead show 1`."),
        (("org", "create", " "), "An organization needs a name."),
    ],
)
def test_who_is_refused_reads_what_to_do(office: Desk, words: tuple[str, ...], hint: str) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    office.run("contact", "create", "Lee", "--address", LEE)
    office.run("deal", "create", "Pumps")
    office.run("lead", "create", "Valves", "--contact", "Kim")
    told = refused(office, *words)
    assert hint in told
    assert "mailcrm --help" not in told


@pytest.mark.rule("records-who")
@pytest.mark.rule("record-delete")
@pytest.mark.parametrize("noun", ["contact", "org", "deal", "lead"])
def test_a_colleague_does_not_delete_it(office: Desk, noun: str) -> None:
    office.run("contact", "create", "Kim", "--address", KIM)
    more = {"org": [], "deal": [], "lead": ["--contact", "Kim"]}
    if noun in more:
        office.run(noun, "create", "Mine", *more[noun])
    office.run("member", "create", BOB, "--name", "Bob")
    assert "Only the owner" in refused(office, noun, "delete", "1", "--yes", "--as", BOB, code=77)
    office.run(noun, "delete", "1", "--yes", "--as", ANN)


def test_hostile_names_are_harmless_in_every_list_and_view(office: Desk) -> None:
    office.run("org", "create", HOSTILE, "--domain", "example.kr")
    office.run("contact", "create", HOSTILE, "--address", KIM, "--title", HOSTILE, "--notes", HOSTILE)
    office.run("lead", "create", HOSTILE, "--contact", KIM, "--label", HOSTILE)
    office.run("pipeline", "create", HOSTILE, "--stage", HOSTILE)
    office.run("deal", "create", HOSTILE, "--contact", KIM, "--pipeline", "2")
    for noun in ("org", "contact", "lead", "deal"):
        for words in ((noun, "list"), (noun, "show", "1")):
            assert not HARMFUL.search(office.run(*words).out)
            assert not HARMFUL.search(office.run(*words, "--json").out)
            json.loads(office.run(*words, "--json").out)
        assert not HARMFUL.search(refused(office, noun, "delete", "1"))
    for noun in ("pipeline", "label"):
        assert not HARMFUL.search(office.run(noun, "list").out)


def test_the_timelines_of_a_lead_an_organization_and_a_contact_come_in_pages(office: Desk) -> None:
    office.run("org", "create", "Acme")
    office.run("contact", "create", "--from", "2", "--address", LEE, "--org", "Acme", "Lee")
    office.run("lead", "create", "Valves", "--contact", "Lee")
    office.run("link", "lead", "2", "Valves")
    for words in (("lead", "show", "Valves"), ("org", "show", "Acme"), ("contact", "show", "Lee")):
        first = office.run(*words, "--limit", "1", "--json").json
        assert [email["subject"] for email in first["emails"]] == ["Matter 3"]
        second = office.run(*words, "--limit", "1", "--json", "--before", first["next"]).json
        assert ([email["subject"] for email in second["emails"]], second["next"]) == (["Matter 2"], None)
        page = office.run(*words, "--limit", "1")
        assert page.err == f"… more: --before {first['next']}\n"
        assert "Matter 3" in page.out
    assert office.run("contact", "show", "Lee", "--json").json["last_contact"]["thread_id"] == 2
    assert "no place in a timeline" in refused(office, "lead", "show", "1", "--before", "x")

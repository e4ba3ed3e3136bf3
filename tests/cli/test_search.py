"""Searching at the command line, and sharing what a search finds."""

import json

import pytest

from tests.cli.desk import ANN, BOB, KIM, Desk

pytestmark = pytest.mark.rule("search-operators")


def test_a_search_takes_operators_and_quotes(desk: Desk) -> None:
    assert len(desk.run("search", "pump").rows) == 2
    assert len(desk.run("search", f"from:{KIM}", "pump").rows) == 1
    assert len(desk.run("search", "from:Kim", "-subject:Offer for", "OR", "deal:Pumps").rows) == 2
    assert desk.run("search", "larger:1GB").err == "Nothing found.\n"


def test_an_error_has_a_caret_under_the_character(desk: Desk) -> None:
    done = desk.try_to("search", "계약서", "form:kim")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "mailcrm: At character 5: there is no operator form:, the nearest is from:.",
        "  계약서 form:kim",
        "         ^",
        '  To look for the words, quote them: "form: …"',
    ]
    told = json.loads(desk.try_to("search", "offer (pump", "--json").err)["error"]
    assert (told["code"], told["position"]) == ("query", 7)


@pytest.mark.rule("visibility-bulk")
def test_what_a_search_finds_is_shared_after_a_question(shared_desk: Desk) -> None:
    pumps, mine, of_bob = (
        ("--query", "deal:Pumps"),
        ("--as", ANN),
        ("search", "deal:Pumps", "--json", "--as", BOB),
    )
    found = {row["thread_id"] for row in shared_desk.run("search", "deal:Pumps", "--json", *mine).json}
    assert shared_desk.run(*of_bob).json == []
    done = shared_desk.try_to("share", *pumps, *mine)
    assert done.code == 2
    assert done.err.startswith("mailcrm: This would make 1 conversation shared.")
    code, shown = shared_desk.talk("share", *pumps, *mine, said=[("1 conversation shared?", "n\n")])
    assert (code, "Nothing was changed." in shown) == (1, True)
    assert shared_desk.run(*of_bob).json == []
    told = shared_desk.run("share", *pumps, "--yes", "--json", *mine).json
    assert told == {"threads": sorted(found), "visibility": "shared", "already": 0}
    assert len(shared_desk.run(*of_bob).json) == 2
    again = shared_desk.run("share", *pumps, *mine)
    assert again.err == "0 conversations made shared (1 shared already).\n"
    shared_desk.run("privatize", *pumps, "--yes", *mine)
    assert shared_desk.run(*of_bob).json == []


@pytest.mark.rule("visibility-bulk")
def test_threads_and_a_query_are_not_said_at_once(desk: Desk) -> None:
    assert "not both" in desk.try_to("share", "1", "--query", "deal:Pumps").err
    assert "Name the threads" in desk.try_to("privatize").err

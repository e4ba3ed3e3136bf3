"""What the rule did not dare to link, at the command line."""

import pytest

from tests.cli.desk import Desk, thread_about


@pytest.fixture
def undecided(desk: Desk) -> str:
    """Give Lee two open deals, and return the thread of Lee."""
    desk.run("contact", "create", "Lee", "--address", "lee@example.kr")
    for title in ("Valves", "Spare parts"):
        desk.run("deal", "create", title, "--contact", "Lee")
    desk.run("link", "auto")
    return thread_about(desk, "견적 요청")


@pytest.mark.rule("link-several-open")
def test_the_inbox_and_the_thread_show_what_is_suggested(desk: Desk, undecided: str) -> None:
    (line,) = desk.run("inbox", "--suggested").out.splitlines()
    assert line.startswith(f"{undecided}\t")
    assert "? deal 3 Spare parts, deal 2 Valves · Lee" in line
    shown = desk.run("thread", "show", undecided)
    assert "suggested\tdeal 3 Spare parts, deal 2 Valves (several open)" in shown.out
    assert "mailcrm link accept 1 [DEAL]" in shown.err


@pytest.mark.rule("suggestion-accept")
def test_a_suggestion_is_accepted_by_number_or_title(desk: Desk, undecided: str) -> None:
    refused = desk.try_to("link", "accept", "1")
    assert refused.code == 65
    assert "deal 3 Spare parts" in refused.err
    assert desk.try_to("link", "accept", "1", "pumps").code == 66
    done = desk.run("link", "accept", "1", "val")
    assert done.err == f"Linked thread {undecided} to deal 2 Valves.\n"
    assert desk.run("link", "suggestions").out == ""


@pytest.mark.rule("link-dismissed")
def test_a_dismissed_suggestion_is_gone_for_good(desk: Desk, undecided: str) -> None:
    desk.run("link", "dismiss", "1")
    desk.run("link", "auto")
    assert desk.run("inbox", "--suggested").out == ""
    assert "dismissed" in desk.run("thread", "show", undecided, "--history").out


@pytest.mark.rule("link-later")
def test_a_dry_run_shows_each_thread_with_what_would_come_of_it(desk: Desk) -> None:
    desk.run("contact", "create", "Lee", "--address", "lee@example.kr")
    desk.run("deal", "create", "Valves", "--contact", "Lee")
    told = desk.run("link", "auto", "--dry-run")
    (line,) = told.out.splitlines()
    assert line.endswith("Lee\tdeal 2 Valves\t")
    assert "1 thread would be linked, 0 suggestions made." in told.err
    assert desk.run("link", "auto", "--since", "2000-01-01").err == "1 thread linked.\n"

"""`mailcrm thread merge`, `split`, `archive`, `label` and what was done, as people type them."""

import json
from datetime import timedelta

import pytest

from tests.cli.desk import BOB, Desk, OnModel, letter, thread_about
from tests.cli.desk import YESTERDAY as DAY

LATER = DAY + timedelta(minutes=1)


@pytest.fixture
def talk(on_model: OnModel) -> tuple[OnModel, str]:
    """A conversation of three emails, and its number."""
    for number, after in (("a", None), ("b", "a"), ("c", "b")):
        raw = letter(
            f"{number}@example.net", f"Pumps {number}", number, after=after and f"{after}@example.net"
        )
        on_model.server.append("INBOX", raw, DAY)
    on_model.desk.run("sync")
    return on_model, thread_about(on_model.desk, "Pumps a")


@pytest.mark.rule("thread-split")
@pytest.mark.rule("thread-merge")
def test_a_conversation_is_split_and_merged_again(talk: tuple[OnModel, str]) -> None:
    desk, thread = talk[0].desk, talk[1]
    shown = desk.run("thread", "show", thread).out
    assert [line for line in shown.splitlines() if line.startswith("email\t")] == [
        *("email\t1", "email\t2", "email\t3")
    ]
    done = desk.run("thread", "split", thread, "2", "--json").json
    new = str(done["new"]["id"])
    assert (done["moved"], done["thread"]["email_count"]) == (2, 1)
    assert "has one email only" in desk.try_to("thread", "split", thread, "1").err
    assert desk.try_to("thread", "split", thread).code == 2
    assert desk.run("thread", "merge", thread, new).err == f"Thread {new} is part of thread {thread} now.\n"
    assert desk.try_to("thread", "show", new).code != 0
    rows = desk.run("thread", "show", thread, "--history").rows
    assert [row[1:3] for row in rows] == [["ann", "split"], ["ann", "split"], ["ann", "merged"]]
    history = desk.run("thread", "show", thread, "--history", "--json").json
    assert [one["action"] for one in history["history"]] == ["split", "split", "merged"]


@pytest.mark.rule("thread-subject")
def test_an_email_that_joined_by_its_subject_is_marked_and_leaves(on_model: OnModel) -> None:
    desk = on_model.desk
    # Of two emails of one second chance says which is the newer one.
    for number, subject, moment in (("a", "Spring prices", DAY), ("b", "Re: Spring prices", LATER)):
        on_model.server.append("INBOX", letter(f"{number}@example.net", subject, number), moment)
    desk.run("sync")
    thread = thread_about(desk, "Spring prices")
    marked = (
        f"is here for its subject alone; if it is not of this conversation: mailcrm thread split {thread}"
    )
    assert marked in desk.run("thread", "show", thread).err
    shown = desk.run("thread", "show", thread, "--json").json
    assert len(shown["by_subject"]) == 1
    assert desk.run("thread", "split", thread, "--json").json["moved"] == 1
    desk.run("sync")
    again = desk.run("thread", "show", thread, "--json").json
    assert (len(again["emails"]), again["by_subject"]) == (1, [])


@pytest.mark.rule("thread-merge-items")
@pytest.mark.rule("thread-merge-visibility")
def test_a_merge_says_what_there_is_to_choose_and_who_sees_it(talk: tuple[OnModel, str]) -> None:
    desk, thread = talk[0].desk, talk[1]
    other = thread_about(desk, "Nr. 1")
    for title, linked in (("Small", thread), ("Big", other)):
        desk.run("deal", "create", title)
        desk.run("link", "deal", linked, title)
    desk.run("share", thread)
    done = desk.run("thread", "merge", thread, other)
    assert "It is private, as one of them was." in done.err
    choice = f"Thread {thread} is linked to two deals; choose: mailcrm link deal {thread} DEAL"
    assert choice in done.err
    assert choice in desk.run("thread", "show", thread).err
    (row,) = (one for one in desk.run("inbox", "--json").json if str(one["id"]) == thread)
    assert set(row["deals"]) == {"Small", "Big"}


@pytest.mark.rule("thread-archive")
@pytest.mark.rule("thread-label")
def test_conversations_are_archived_and_labelled(talk: tuple[OnModel, str]) -> None:
    desk, thread = talk[0].desk, talk[1]
    other = thread_about(desk, "Nr. 1")
    labelled = desk.run("thread", "label", thread, other, "--add", "hot", "--add", "견적")
    assert labelled.err == f"Thread {thread}: hot, 견적.\nThread {other}: hot, 견적.\n"
    desk.run("thread", "label", other, "--remove", "HOT")
    assert [row[0] for row in desk.run("inbox", "--label", "hot").rows] == [thread]
    assert desk.run("thread", "archive", thread).err == f"Archived thread {thread}.\n"
    assert desk.run("inbox", "--label", "hot").rows == []
    assert [row[0] for row in desk.run("inbox", "--archived").rows] == [thread]
    desk.run("thread", "unarchive", thread)
    assert desk.run("inbox", "--archived").rows == []
    assert desk.try_to("thread", "label", thread).code == 2
    assert desk.try_to("inbox", "--label", "nothing").code != 0


@pytest.mark.rule("history-thread")
@pytest.mark.rule("history-member")
def test_what_was_done_is_told(shared_desk: Desk) -> None:
    thread = thread_about(shared_desk, "Offer for pumps", "--as", "ann")
    shared_desk.run("share", thread, "--as", "ann")
    told = shared_desk.run("thread", "show", thread, "--history", "--as", "ann").rows
    assert [row[1:3] for row in told if row[2] == "shared"] == [["ann", "shared"]]
    assert ["ann", "linked by the rule"] in [row[1:3] for row in told]
    refused = shared_desk.try_to("thread", "show", thread, "--history", "--as", "bob")
    assert "belongs to a colleague" in refused.err
    assert refused.out == ""
    known = json.loads(shared_desk.run("member", "show", BOB, "--json", "--as", "bob").out)
    assert [(one["done_by"], one["action"]) for one in known["history"]] == [("ann", "created")]
    assert "created" in shared_desk.run("member", "show", BOB, "--as", "bob").out

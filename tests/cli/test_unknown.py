"""People who are no contacts: in the inbox, and in a thread where one of them answers."""

import pytest

from tests.cli.desk import ANN, BOB, HARMFUL, KIM, Desk, OnModel, letter, thread_about

STRANGE = "lee`id`@example.org"


@pytest.mark.rule("unknown-correspondents")
def test_the_inbox_lists_people_who_are_no_contacts(desk: Desk) -> None:
    done = desk.run("inbox", "--unknown")
    assert [row[3] for row in done.rows] == ["evil@example.net", "lee@example.kr"]
    assert not HARMFUL.search(done.out)
    assert "contact create --from THREAD" in done.err
    evil, lee = desk.run("inbox", "--unknown", "--json").json
    assert evil.keys() == {
        *("address", "name", "emails", "threads", "thread_id", "last_at", "direction", "role"),
    }
    assert (lee["name"], lee["emails"], lee["threads"], lee["direction"]) == ("이", 1, 1, "in")
    assert str(lee["thread_id"]) == thread_about(desk, "견적 요청")
    assert "… more: --limit" in desk.run("inbox", "--unknown", "--limit", "1", "--account", ANN).err
    for name, address in (("Lee", "lee@example.kr"), ("Evil", "evil@example.net")):
        desk.run("contact", "create", name, "--address", address)
    done = desk.run("inbox", "--unknown")
    assert (done.out, done.err) == ("", "Everybody in your conversations is a contact.\n")


@pytest.mark.rule("unknown-reply")
def test_a_thread_offers_to_make_a_contact_of_who_answers_and_is_unknown(on_model: OnModel) -> None:
    desk, server = on_model.desk, on_model.server
    desk.run("member", "create", BOB, "--name", "Bob")
    desk.run("contact", "create", "Kim", "--address", KIM, "--as", ANN)
    server.append("INBOX", letter("a@example.org", "Offer", "Hello"))
    server.append(
        "INBOX", letter("b@example.org", "Re: Offer", "Me, too", sender=STRANGE, after="a@example.org")
    )
    desk.run("sync", "--as", ANN)
    thread = thread_about(desk, "Offer", "--as", ANN)
    told = desk.run("thread", "show", thread, "--as", ANN).err
    # The address stands in a shell's quotation marks, because people paste commands.
    assert told == (
        f"{STRANGE} is unknown: mailcrm contact create --from {thread} --address '{STRANGE}',"
        f" or mailcrm contact edit CONTACT --address '{STRANGE}'\n"
    )
    assert desk.run("thread", "show", thread, "--as", ANN, "--quiet").err == ""
    desk.run("share", thread, "--as", ANN)
    assert desk.run("thread", "show", thread, "--as", BOB).err == ""

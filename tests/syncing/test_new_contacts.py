"""Who becomes a contact by itself: the policy of an account, from the bytes on the server to the contacts."""

from typing import Any

import pytest

from mailcrm.core.model import CreateContacts
from mailcrm.store import accounts, contacts
from tests.conftest import FIRST, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing.accounts import connect, days_ago, letter, stored, sync

pytestmark = pytest.mark.rule("contact-policy")

NEVER, SENT, BOTH = CreateContacts


def contacts_after(
    store: Store, server: ModelServer, policy: CreateContacts, folder: str = "INBOX", **about: Any
) -> dict[str, tuple[str, ...]]:
    """Return names and addresses of all contacts after a letter came."""
    db = store.as_member(FIRST)
    account = connect(db, ModelMailbox(server), folders=["INBOX", "Sent", "Junk"])
    accounts.set_create_contacts(db, account, policy)
    server.append(folder, letter("1@example.org", **about), days_ago(1))
    sync(db, ModelMailbox(server), accounts.account(db, FIRST))
    return {one.name: one.addresses for one in contacts.contacts(db, limit=10)}


def written_to(who: str) -> dict[str, str]:
    return {"sender": FIRST, "to": who}


KIM = {"Kim": ("kim@example.org",)}


@pytest.mark.parametrize(
    ("policy", "about", "expected"),
    [
        (NEVER, {"sender": "Kim <kim@example.org>"}, {}),
        (NEVER, written_to("Kim <kim@example.org>"), {}),
        (SENT, {"sender": "Kim <kim@example.org>"}, {}),
        (SENT, written_to("Kim <kim@example.org>"), KIM),
        (BOTH, {"sender": "Kim <kim@example.org>"}, KIM),
        (BOTH, written_to("Kim <kim@example.org>"), KIM),
        (BOTH, {"sender": "kim+crm@example.org"}, {"kim@example.org": ("kim@example.org",)}),
        (BOTH, {"sender": '"ceo@example.net" <kim@example.org>'}, {}),
    ],
)
def test_the_account_says_who_becomes_a_contact(
    store: Store,
    model: ModelServer,
    policy: CreateContacts,
    about: dict[str, str],
    expected: dict[str, tuple[str, ...]],
) -> None:
    assert contacts_after(store, model, policy, **about) == expected
    assert bool(stored(store.url).thread_of("offer").links) == bool(expected)


@pytest.mark.parametrize(
    "about",
    [
        {"sender": "no-reply@example.org"},
        {"sender": "news@example.org", "more": {"List-Unsubscribe": "<mailto:leave@example.org>"}},
        {"sender": "kim@example.org", "more": {"Auto-Submitted": "auto-replied"}},
        {"sender": "kim@example.org, lee@example.org"},
        {"sender": FIRST, "to": ", ".join(f"person{n}@example.org" for n in range(30))},
        {"sender": "Ann <ann+notes@example.com>"},
    ],
    ids=["role", "bulk", "auto-reply", "ambiguous", "many recipients", "own"],
)
def test_roles_programs_and_crowds_never_become_contacts(
    store: Store, model: ModelServer, about: dict[str, Any]
) -> None:
    assert contacts_after(store, model, BOTH, **about) == {}


def test_junk_never_makes_a_contact(store: Store, model: ModelServer) -> None:
    assert contacts_after(store, model, BOTH, folder="Junk") == {}


def test_who_is_a_contact_already_is_not_made_again(store: Store, model: ModelServer) -> None:
    contacts.create_contact(store.as_member(FIRST), name="Kim Minji", addresses=["kim@example.org"])
    assert contacts_after(store, model, BOTH, sender="Kim <kim@example.org>") == {
        "Kim Minji": ("kim@example.org",)
    }

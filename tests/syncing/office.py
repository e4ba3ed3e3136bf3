"""An office: a store with one account on the model server, to which mail comes, and its records."""

from typing import Any

from mailcrm.core.events import SyncEvent
from mailcrm.core.model import Account, Contact, Deal, Lead, Suggestion, ThreadRow
from mailcrm.store import Database, contacts, deals, leads, suggestions, threads
from tests.conftest import FIRST, Store
from tests.mail.conformance import ModelMailbox
from tests.servers.model_imap import ModelServer
from tests.syncing import accounts as mail
from tests.syncing.accounts import connect, days_ago, letter, stored

KIM = "kim@example.org"
LEE = "lee@example.kr"


class Office:
    """A store with one account on the model server, to which mail comes."""

    def __init__(self, store: Store, model: ModelServer, *folders: str) -> None:
        self.url = store.url
        self.db = store.as_member(FIRST)
        self.server = model
        self.account = connect(self.db, ModelMailbox(model), folders=folders or None)

    def contact(self, address: str = KIM, name: str = "Kim") -> Contact:
        return contacts.create_contact(self.db, name=name, addresses=[address])

    def deal(self, title: str, *contacts: Contact) -> Deal:
        ids = [contact.id for contact in contacts]
        return deals.create_deal(
            self.db, title=title, contact_ids=ids, value=None, currency=None, at=days_ago(20)
        )

    def lead(self, title: str, *people: Contact) -> Lead:
        ids = [contact.id for contact in people]
        return leads.create_lead(
            self.db, title=title, contact_ids=ids, value=None, currency=None, at=days_ago(20)
        )

    def receive(
        self, message_id: str = "1@example.org", *, folder: str = "INBOX", at: float = 1, **about: Any
    ) -> None:
        """Bring an email that came `at` days ago; `about` says what is special about the letter."""
        self.server.append(folder, letter(message_id, **about), days_ago(at))

    def sync(self, db: Database | None = None, account: Account | None = None) -> list[SyncEvent]:
        mailbox = ModelMailbox(self.server)
        return mail.sync(db or self.db, mailbox, account or self.account)

    def links(self, subject: str = "offer") -> set[str]:
        return set(stored(self.url).thread_of(subject).links)

    def thread(self) -> ThreadRow:
        return threads.thread(self.db, "last")

    def suggestion(self) -> Suggestion:
        """Return the one suggestion that there is."""
        (found,) = suggestions.suggestions(self.db, limit=99)
        return found

"""Making contacts of unknown correspondents, for accounts whose owner wants that.

Which senders are roles and not people is left to `core.role_addresses`.
"""

from collections.abc import Sequence
from contextlib import suppress

from mailcrm.core.errors import AlreadyExists
from mailcrm.core.model import Account, CreateContacts, called
from mailcrm.core.role_addresses import is_role
from mailcrm.store import contacts, links
from mailcrm.store.database import Database
from mailcrm.store.records import NAME_CHARACTERS

#: Who writes to more people at once knows few of them.
MOST_PEOPLE = 25


def create_contacts(db: Database, account: Account, thread_ids: Sequence[int]) -> int:
    """Make contacts of the unknown people in these threads as the account says, and return how many.

    Only from emails that a person wrote and that can be trusted, not out of junk, and with few enough people.
    """
    if account.create_contacts is CreateContacts.NEVER:
        return 0
    unknown = links.unknown_people(
        db,
        account,
        thread_ids,
        writers=account.create_contacts is CreateContacts.BOTH,
        most=MOST_PEOPLE,
    )
    made = 0
    for address, name in unknown.items():
        if is_role(address):
            continue
        # A colleague's sync may make the same one at the same time.
        with suppress(AlreadyExists), db.transaction():
            contacts.create_contact(db, name=called(name, address)[:NAME_CHARACTERS], addresses=[address])
            made += 1
    return made

r"""The forms of a user name that mail servers take, given to the server as they were typed.

Exchange takes DOMAIN\user, DOMAIN\user\alias for a mailbox that several share, and user@domain
(docs/decisions/0033-exchange-on-premises.md). What a user name may not hold is in `test_imap_hostile`.
"""

import pytest

from mailcrm.core.credentials import Password
from mailcrm.mail.imap import open_session
from tests.servers.dovecot import DovecotServer
from tests.servers.model_imap import ModelServer


@pytest.mark.parametrize(
    "name",
    [
        "kim@corp.example.com",
        r"CORP\kim",
        r"CORP\kim\sales",
        r"kim@corp.example.com\sales",
        "CORP/kim/sales",
        r"CORP\kim lee",
        "CORP\\k\"i'm",
        "CORP\\",
        r"\\kim",
        r"CORP\김철수",
    ],
)
def test_a_person_gets_the_mailbox_of_the_user_name_as_it_was_typed(
    dovecot: DovecotServer, name: str
) -> None:
    # Dovecot makes a folder for each user, whose name is in lower case (auth_username_format).
    mailbox = dovecot.folder / "mail" / name.lower() / "Maildir"
    assert not mailbox.exists()
    with open_session(
        dovecot.tls, username=name, credential=Password(dovecot.password), ca_file=str(dovecot.ca_file)
    ) as session:
        assert session.examine("INBOX").exists == 0
    assert mailbox.is_dir()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (r"CORP\kim", r'"CORP\\kim"'),
        (r"CORP\kim\sales", r'"CORP\\kim\\sales"'),
        (r"\\kim", r'"\\\\kim"'),
    ],
)
def test_each_backslash_is_doubled_in_the_quoted_string(model: ModelServer, name: str, said: str) -> None:
    with open_session(model.endpoint, username=name, credential=Password(model.password)):
        assert f'LOGIN {said} "{model.password}"' in model.commands

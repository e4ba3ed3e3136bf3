"""What opens an account on this machine: its password, or an access token that is renewed in time.

Where secrets are kept is left to `keychain`, how tokens are asked for to `oauth2`.
"""

import os

from mailcrm import keychain
from mailcrm.config import Config, data_folder
from mailcrm.core.credentials import Credential, Password
from mailcrm.core.model import Account


def credential(config: Config, account: Account) -> Credential:
    """Return what opens an account; raises CredentialMissing, ConfigError, or what a renewal raises."""
    here = config.account(account.address)
    # A command configured for one host must not hand its password to another.
    command = here.password_command if here.host in (None, account.imap.host) else None
    return Password(
        keychain.find_password(
            account.address,
            account.imap.host,
            command=command,
            environ=os.environ,
            secrets=data_folder() / "secrets",
        )
    )

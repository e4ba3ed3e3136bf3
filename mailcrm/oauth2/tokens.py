"""The tokens of one sign-in, and how they are kept: whose they are stands beside them.

Where they are kept is left to `keychain`.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime

from mailcrm.core.errors import CredentialMissing


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What a sign-in gave.

    They are good for the client and the token endpoint that they name, and are sent to no other.
    `expires_at` has a time zone; it is None when the issuer does not say how long a token lasts. `refusal`
    says why they are renewed no more: only a new sign-in helps.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime | None
    token_endpoint: str
    client_id: str
    refusal: str | None = None

    def to_json(self) -> str:
        """Return them as one line of JSON, with the secrets in it."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "expires_at": self.expires_at and self.expires_at.isoformat(),
                "token_endpoint": self.token_endpoint,
                "client_id": self.client_id,
                "refusal": self.refusal,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Tokens":
        """Return what `to_json` gave; raises CredentialMissing for anything else."""
        try:
            kept = json.loads(text)
            expires_at = kept["expires_at"]
            tokens = cls(
                access_token=kept["access_token"],
                refresh_token=kept["refresh_token"],
                expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
                token_endpoint=kept["token_endpoint"],
                client_id=kept["client_id"],
                refusal=kept.get("refusal"),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Not chained: the text of a JSON error can hold a piece of a token.
            raise _unreadable() from None
        if (
            not all(
                isinstance(one, str) for one in (tokens.access_token, tokens.token_endpoint, tokens.client_id)
            )
            or not all(isinstance(one, str | None) for one in (tokens.refresh_token, tokens.refusal))
            or (tokens.expires_at is not None and tokens.expires_at.tzinfo is None)
        ):
            raise _unreadable()
        return tokens


def _unreadable() -> CredentialMissing:
    return CredentialMissing(
        "What is kept of the sign-in on this machine cannot be read.",
        hint="Sign in again with `mailcrm account reauth`.",
    )

"""What is known of the providers of this machine's accounts."""

from typing import TYPE_CHECKING

from mailcrm.config import Config

if TYPE_CHECKING:  # most syncs have no need of it
    from mailcrm.providers.presets import Presets


def presets_of(config: Config) -> "Presets":
    """Return the presets, the person's own first; raises ConfigError with all that is wrong in theirs."""
    from mailcrm.providers.presets import presets

    return presets(config.providers, issuers=config.oauth2)

"""Inputs that raised or took too long: what is wrong with one, and where they are kept.

They lie in `found/` in a folder for each target, and `make test` replays them for ever.
"""

import hashlib
import traceback
from pathlib import Path

import mailcrm
from tests.fuzz.growth import SECONDS, cpu_seconds
from tests.fuzz.targets import Target

FOUND = Path(__file__).parent / "found"
SLOW = "slow"

_OURS = Path(mailcrm.__file__).parent


def fault(target: Target, data: bytes) -> str | None:
    """Return the error that an input raises and where, or `slow`; None for an input that is read."""
    try:
        seconds = cpu_seconds(target.read, data)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what is looked for)
        places = traceback.extract_tb(error.__traceback__)
        # One fault of ours may come up in many lines of a library.
        place = next(
            (each for each in reversed(places) if Path(each.filename).is_relative_to(_OURS)), places[-1]
        )
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    return SLOW if seconds > SECONDS else None


def keep(name: str, data: bytes) -> Path:
    """Write an input that has a fault to the folder of its target, once."""
    path = FOUND / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept(name: str) -> list[Path]:
    """Return the files with what was found for a target."""
    return sorted((FOUND / name).glob("*"))

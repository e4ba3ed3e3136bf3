"""Where a secret could be seen: in files, in texts, and in the command lines and environments of processes.

For a run of mailcrm: `with watched(process.pid) as seen: process.wait()`, then
`traces(secrets, folders=[home], texts={"stderr": …, **seen})` names every place that has one.
"""

import base64
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote_plus

_PROC = Path("/proc")

#: Seconds between two looks; a process that lives shorter can be missed.
_PAUSE = 0.005


def traces(
    secrets: Iterable[str],
    *,
    folders: Iterable[Path] = (),
    texts: Mapping[str, str | bytes] | None = None,
    apart: Iterable[Path] = (),
) -> list[str]:
    """Return each place that has a secret as it is, in a URL, or in Base64; files `apart` may have them."""
    places = {name: text.encode() if isinstance(text, str) else text for name, text in (texts or {}).items()}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not any(path.is_relative_to(one) for one in apart):
                places[str(path)] = path.read_bytes()
    return [
        f"{place} has {secret[:4]}…"
        for secret in secrets
        for place, held in places.items()
        if any(form in held for form in _forms(secret))
    ]


@contextmanager
def watched(pid: int) -> Iterator[dict[str, bytes]]:
    """Look at a process and its children until the end of the `with`; tell what `ps` can tell of them.

    By names such as `environ of sh -c …`. The environment of the process itself is left out: secrets
    come in by it.
    """
    seen: dict[str, bytes] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(_PAUSE):
            for one in _family(pid):
                with suppress(OSError):  # it has ended meanwhile
                    own = (_PROC / str(pid) / "cmdline").read_bytes()
                    command = (_PROC / str(one) / "cmdline").read_bytes()
                    words = command.replace(b"\0", b" ").decode(errors="replace")
                    seen[f"cmdline of {words}"] = command
                    # Until it runs a program of its own, a child shows the environment of its parent.
                    if command != own:
                        seen[f"environ of {words}"] = (_PROC / str(one) / "environ").read_bytes()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        done.set()
        looking.join()


def _family(pid: int) -> set[int]:
    parents = {}
    for path in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # proc(5): the name in parentheses may hold anything; then state and parent.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family, more = {pid}, {pid}
    while more:
        more = {one for one, parent in parents.items() if parent in more} - family
        family |= more
    return family


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode()
    forms = {raw, quote_plus(secret).encode()}
    for before in range(3):
        # Base64 depends on where in a group of three bytes the secret begins; the ends are shared
        # with its neighbours.
        encoded = base64.b64encode(b"\0" * before + raw).rstrip(b"=")
        forms.add(encoded[4 if before else 0 : len(encoded) // 4 * 4])
    return {form for form in forms if len(form) >= min(8, len(raw))}

"""The bare FETCH stream: what no sync of these folders can be faster than.

`python -m tests.bench.floor PORT CA_FILE FOLDER…` downloads every email of the folders of `OWNER` over
TLS and throws it away; the password is in the environment, as `PASSWORD`. It prints the bytes that came.
"""

import os
import socket
import ssl
import sys
from pathlib import Path

from tests.bench.letters import OWNER

_CHUNK = 2**20


class _Stream:
    """An IMAP connection that looks at nothing but the end of an answer."""

    def __init__(self, port: int, ca_file: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        self._socket = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
        )
        self._socket.recv(_CHUNK)
        # No email holds this, so that no literal looks like the end of an answer.
        self._tag = os.urandom(16).hex().encode()

    def ask(self, command: str) -> int:
        """Send a command and return the size of its answer; raises SystemExit when it is not OK."""
        self._socket.sendall(b"%b %b\r\n" % (self._tag, command.encode()))
        size = 0
        end = b""
        while not (end.endswith(b"\r\n") and (found := end.find(self._tag)) >= 0):
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise SystemExit("the server closed the connection")
            size += len(chunk)
            end = (end + chunk[-1024:])[-1024:]
        if not end[found:].startswith(self._tag + b" OK"):
            raise SystemExit(end[found:].decode())
        return size


def main(port: str, ca_file: str, *folders: str) -> None:
    """Download everything."""
    stream = _Stream(int(port), Path(ca_file))
    stream.ask(f'LOGIN {OWNER} "{os.environ["PASSWORD"]}"')
    size = 0
    for folder in folders:
        stream.ask(f'EXAMINE "{folder}"')
        size += stream.ask("UID FETCH 1:* (BODY.PEEK[])")
    print(size)


if __name__ == "__main__":
    main(*sys.argv[1:])

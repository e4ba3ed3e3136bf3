"""A private pymap for tests: a mail server in Python that keeps all in memory, gone afterwards.

It is the server of the demo, with more users. What a client makes of it is left to the tests.
"""

import contextlib
import imaplib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

from mailcrm.core.model import Endpoint, Security
from tests.servers import writing
from tests.servers.certificates import Authority

START_WITHIN = 30.0

#: pymap's own backend knows one user, and a log-in to it costs a tenth of a second of hashing.
_PROGRAM = """
import os
import pymap.backend.dict as memory
from pymap.backend import backends
from pymap.main import main
from pymap.user import UserMetadata
from pysasl.hashing import BuiltinHash

QUICK = BuiltinHash(rounds=1)
PASSWORD = QUICK.hash(os.environ["PYMAP_PASSWORD"])

class Identity(memory.Identity):
    async def get(self):
        return UserMetadata(self.config, self.name, password=PASSWORD)

class Backend(memory.DictBackend):
    @classmethod
    async def init(cls, args):
        return await super().init(args, hash_context=QUICK)

memory.Identity = Identity
backends.add("dict", Backend)
main()
"""


class PymapServer:
    """A running pymap; any user name is a mailbox of its own, all with one password.

    Every user has INBOX. `ca_file` is the certificate to trust.
    """

    def __init__(self) -> None:
        """Start it, in a quarter of a second."""
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="mailcrm-pymap-"))
        authority = Authority(self.folder)
        certificate = authority.issue()
        self.ca_file = authority.ca_file
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-P", "-c", _PROGRAM, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--cert", str(certificate.certificate), "--key", str(certificate.key)]
        # pymap's other services would listen on every address, if their libraries are installed.
        for service in ("admin", "managesieve", "swim"):
            command += ["--no-service", service]
        # FQDN spares the server a look-up of this machine's name, which can take seconds.
        environment = os.environ | {"FQDN": "localhost", "PYMAP_PASSWORD": self.password}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen([*command, "dict"], env=environment, stdout=log, stderr=log)
        self._wait()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(host="localhost", port=self.port, security=Security.STARTTLS)

    def stop(self) -> None:
        # A polite stop would wait for its last client to leave.
        self._process.kill()
        self._process.wait(START_WITHIN)
        shutil.rmtree(self.folder)

    def recreate(self, user: str, folder: str) -> None:
        """Put an empty folder with another UIDVALIDITY in the place of this one; not for INBOX."""
        name = writing.quoted(folder)
        with self.client(user) as client:
            assert client.delete(name)[0] == "OK"
            assert client.create(name)[0] == "OK"

    def client(self, user: str) -> AbstractContextManager[imaplib.IMAP4]:
        """Log in as a mail program that writes."""
        return writing.client(self.endpoint, self.ca_file, user, self.password)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), self.client("probe"):
                return
            time.sleep(0.02)
        said = (self.folder / "log").read_text()
        self.stop()
        raise RuntimeError(f"pymap did not start; it says: {said}")

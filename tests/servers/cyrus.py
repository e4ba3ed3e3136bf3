"""A private Cyrus for tests: started in a temporary folder on loopback, gone afterwards.

Mailboxes are made and filled by IMAP alone. What a client makes of it is left to the tests.
"""

import contextlib
import grp
import imaplib
import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from mailcrm.core.model import Endpoint, Security
from tests.servers import writing
from tests.servers.certificates import Authority

START_WITHIN = 30.0
#: Cyrus calls fsync five times for each email, which costs nothing here.
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own in it
ADMIN = "cyrus"
SPECIAL_USE = ("Sent", "Drafts", "Junk", "Trash")

#: Debian puts its programs in the first; the second is for an imapd unpacked beside Dovecot's, because
#: Debian's packages of the two exclude each other.
PROGRAMS = ("/usr/lib/cyrus/bin", "/usr/local/lib/cyrus/bin")

_IMAPD = """
configdirectory: {folder}/config
partition-default: {folder}/mail
defaultpartition: default
proc_path: {folder}/proc
mboxname_lockpath: {folder}/lock
lmtpsocket: {folder}/socket/lmtp
idlesocket: {folder}/socket/idle
notifysocket: {folder}/socket/notify
cyrus_user: {user}
cyrus_group: {group}
altnamespace: yes
unixhierarchysep: yes
autocreate_quota: 0
autocreate_inbox_folders: {folders}
{roles}
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {folder}/saslauthd
sasl_mech_list: PLAIN LOGIN
tls_server_cert: {certificate}
tls_server_key: {key}
tls_session_timeout: 0
admins: {admin}
expunge_mode: immediate
delete_mode: immediate
# An email stays as it was appended, and no refused password and no IDLE makes a test wait.
munge8bit: no
failedloginpause: 0
imapidlepoll: 1
"""

_CYRUS = """
START {{
  recover cmd="{ctl_cyrusdb} -C {imapd_conf} -r"
}}
SERVICES {{
  imaps cmd="{imapd} -C {imapd_conf} -s" listen="127.0.0.1:{port}" prefork=1
}}
EVENTS {{
}}
"""


def cyrus_available() -> bool:
    """Say whether Cyrus is on this machine."""
    return all(map(_program, ("master", "imapd", "ctl_cyrusdb")))


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join(PROGRAMS))


class CyrusServer:
    """A running Cyrus; any user name is a mailbox of its own, all with one password.

    Every user has INBOX and `SPECIAL_USE`. `ca_file` is the certificate to trust.
    """

    def __init__(self) -> None:
        """Start it, in about a second."""
        master = _program("master")
        if master is None:
            raise RuntimeError("Cyrus is not installed")
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="mailcrm-cyrus-", dir=MEMORY if MEMORY.is_dir() else None))
        # Cyrus refuses to run as root.
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        for name in ("config", "mail", "socket"):
            (self.folder / name).mkdir()
        authority = Authority(self.folder)
        certificate = authority.issue()
        self.ca_file = authority.ca_file
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        imapd_conf = self.folder / "imapd.conf"
        cyrus_conf = self.folder / "cyrus.conf"
        imapd_conf.write_text(
            _IMAPD.format(
                folder=self.folder,
                user=owner.pw_name,
                admin=ADMIN,
                group=grp.getgrgid(owner.pw_gid).gr_name,
                folders="|".join(SPECIAL_USE),
                roles="\n".join(f"xlist-{name.lower()}: {name}" for name in SPECIAL_USE),
                certificate=certificate.certificate,
                key=certificate.key,
            )
        )
        cyrus_conf.write_text(
            _CYRUS.format(
                imapd_conf=imapd_conf,
                imapd=_program("imapd"),
                ctl_cyrusdb=_program("ctl_cyrusdb"),
                port=self.port,
            )
        )
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self._saslauthd = _Saslauthd(self.folder / "saslauthd", self.password)
        root = os.geteuid() == 0
        self._process = subprocess.Popen(
            [master, "-C", imapd_conf, "-M", cyrus_conf, "-p", self.folder / "pid"],
            user=owner.pw_uid if root else None,
            group=owner.pw_gid if root else None,
            extra_groups=[] if root else None,
        )
        self._wait()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(host="localhost", port=self.port, security=Security.TLS)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_WITHIN)
        self._saslauthd.stop()
        shutil.rmtree(self.folder)

    def recreate(self, user: str, folder: str) -> None:
        """Put an empty folder in the place of this one; within a second, it may get the same UIDVALIDITY."""
        name = writing.quoted(f"user/{user}" if folder == "INBOX" else f"user/{user}/{folder}")
        with self.client(ADMIN) as admin:
            # DELETE would take an INBOX's subfolders along, and users cannot delete their INBOX.
            assert admin.xatom("LOCALDELETE", name)[0] == "OK"
            assert admin.create(name)[0] == "OK"

    def client(self, user: str) -> AbstractContextManager[imaplib.IMAP4]:
        """Log in as a mail program that writes."""
        return writing.client(self.endpoint, self.ca_file, user, self.password)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), self.client("probe"):
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError("Cyrus did not start; the system's log says why")


class _Saslauthd:
    """Tells Cyrus whether a password is right, as saslauthd(8) does: for any user with the one password.

    A question is four strings, user, password, service and realm, and the answer is one; each comes
    after its length in two bytes.
    """

    def __init__(self, path: Path, password: str) -> None:
        self._password = password.encode()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            with connection, connection.makefile("rb") as question:
                asked = [question.read(*struct.unpack("!H", question.read(2))) for _ in range(4)]
                answer = b"OK" if asked[1] == self._password else b"NO"
                connection.sendall(struct.pack("!H", len(answer)) + answer)

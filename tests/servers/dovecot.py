"""A private Dovecot for tests: started in a temporary folder on loopback, gone afterwards.

Emails are kept as Maildir, so that delivering one is writing a file. What a client makes of it is
left to the tests.
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
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

from imapclient.imap_utf7 import encode as mutf7

from mailcrm.core.model import Endpoint, Security
from tests.servers.certificates import Authority, Certificate

START_WITHIN = 30.0
FOLDERS = ("Sent", "Drafts", "Junk", "Trash", "Kunden 2026", "견적", "报价", "Entwürfe")
SPECIAL_USE = ("Sent", "Drafts", "Junk", "Trash")

#: Maildir's letters for the system flags.
_LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {uid}
last_valid_uid = 0
first_valid_gid = 0
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 0
auth_mechanisms = plain login {bearer}
auth_failure_delay = 0
auth_username_chars =
auth_cache_size = 0
{oauth2}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
{mailboxes}
}}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # Otherwise a wrong password makes all log-ins from this address wait.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

_OAUTH2 = """
passdb {{
  driver = oauth2
  mechanisms = {mechanisms}
  args = {settings}
}}
"""
#: Of a token that is inactive, or of another user, Dovecot says the same: `invalid_token` or 401.
_INTROSPECTION = """
introspection_mode = post
introspection_url = {url}
active_attribute = active
active_value = true
username_attribute = username
scope = mail
"""


def dovecot_available() -> bool:
    """Say whether Dovecot is on this machine."""
    return _program() is not None


def _program() -> str | None:
    return shutil.which("dovecot", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


class DovecotServer:
    """A running Dovecot; any user name is a mailbox of its own, all with one password.

    Every user has INBOX and `FOLDERS`. `ca_file` is the certificate to trust.
    """

    def __init__(
        self,
        *,
        certificate: Certificate | None = None,
        introspection: str | None = None,
        bearer: str = "xoauth2 oauthbearer",
    ) -> None:
        """Start it, in about half a second, with a good certificate or with this one.

        It takes access tokens, too, by these mechanisms, when it is told the URL where they are looked
        into (RFC 7662).
        """
        program = _program()
        if program is None:
            raise RuntimeError("Dovecot is not installed")
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="mailcrm-dovecot-"))
        # The mail processes run as another user when root starts them.
        self.folder.chmod(0o755)
        authority = Authority(self.folder)
        certificate = certificate or authority.issue()
        self.ca_file = authority.ca_file
        self.tls_port, self.plain_port = _free_ports()
        self._numbers = count(1)
        self._owner = _mail_owner()
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, self._owner.pw_uid, self._owner.pw_gid)
        oauth2 = ""
        if introspection is not None:
            settings = self.folder / "oauth2.conf"
            settings.write_text(_INTROSPECTION.format(url=introspection), encoding="ascii")
            oauth2 = _OAUTH2.format(mechanisms=bearer, settings=settings)
        config = self.folder / "dovecot.conf"
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid())
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                internal="dovecot" if root else me.pw_name,
                internal_group="dovecot" if root else grp.getgrgid(me.pw_gid).gr_name,
                login="dovenull" if root else me.pw_name,
                uid=self._owner.pw_uid,
                gid=self._owner.pw_gid,
                password=self.password,
                bearer=bearer if oauth2 else "",
                oauth2=oauth2,
                certificate=certificate.certificate,
                key=certificate.key,
                plain_port=self.plain_port,
                tls_port=self.tls_port,
                mailboxes="\n".join(_mailbox(name) for name in FOLDERS),
            ),
            encoding="utf-8",
        )
        self._process = subprocess.Popen([program, "-F", "-c", str(config)])
        self._wait()

    @property
    def tls(self) -> Endpoint:
        return Endpoint(host="localhost", port=self.tls_port, security=Security.TLS)

    @property
    def starttls(self) -> Endpoint:
        return Endpoint(host="localhost", port=self.plain_port, security=Security.STARTTLS)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_WITHIN)
        shutil.rmtree(self.folder)

    def deliver(
        self,
        user: str,
        folder: str,
        raw: bytes,
        internaldate: datetime | None = None,
        flags: Iterable[str] = (),
    ) -> None:
        """Write a file into the Maildir: fast, for emails that need not be told their UID.

        UIDs follow the order of delivery. Only system flags; `raw` has CRLF at the end of its lines.
        """
        cur = self._maildir(user, folder) / "cur"
        letters = "".join(sorted(_LETTERS[flag] for flag in flags))
        name = f"{next(self._numbers):010d}.M1P1.test,S={len(raw)},W={len(raw)}:2,{letters}"
        path = cur / name
        path.write_bytes(raw)
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        if internaldate is not None:
            os.utime(path, (internaldate.timestamp(), internaldate.timestamp()))

    def append(
        self,
        user: str,
        folder: str,
        raw: bytes,
        internaldate: datetime | None = None,
        flags: Iterable[str] = (),
    ) -> int:
        """Append by IMAP and return the UID."""
        with self.client(user) as client:
            when = imaplib.Time2Internaldate(internaldate) if internaldate else ""
            client.append(_quoted(folder), f"({' '.join(flags)})", when, raw)
            return int(client.response("APPENDUID")[1][0].split()[1])

    def flag(self, user: str, folder: str, uid: int, flags: Iterable[str]) -> None:
        with self.client(user, folder) as client:
            client.uid("STORE", str(uid), "FLAGS", f"({' '.join(flags)})")

    def expunge(self, user: str, folder: str, uids: Iterable[int]) -> None:
        with self.client(user, folder) as client:
            client.uid("STORE", ",".join(map(str, uids)), "+FLAGS", r"(\Deleted)")
            client.expunge()

    def move(self, user: str, folder: str, uids: Iterable[int], target: str) -> None:
        with self.client(user, folder) as client:
            client.uid("MOVE", ",".join(map(str, uids)), _quoted(target))

    def create(self, user: str, folder: str) -> None:
        with self.client(user) as client:
            client.create(_quoted(folder))

    def delete(self, user: str, folder: str) -> None:
        with self.client(user) as client:
            client.delete(_quoted(folder))

    def renumber(self, user: str, folder: str) -> None:
        """Give the folder another UIDVALIDITY, and its emails new UIDs, as a restored backup does."""
        # Dovecot takes the second of the day as UIDVALIDITY, unless it is no higher than the last one.
        maildir = self._maildir(user, folder)
        old = int((maildir / "dovecot-uidlist").read_text().split()[1].removeprefix("V"))
        for index in maildir.glob("dovecot.index*"):
            index.unlink()
        uidlist = maildir / "dovecot-uidlist"
        uidlist.write_text(f"3 V{old + 1000} N1 G{secrets.token_hex(16)}\n")

    @contextlib.contextmanager
    def client(self, user: str, folder: str | None = None) -> Iterator[imaplib.IMAP4]:
        """Log in as a mail program that writes."""
        client = imaplib.IMAP4("127.0.0.1", self.plain_port, timeout=START_WITHIN)
        try:
            client.starttls(ssl.create_default_context(cafile=str(self.ca_file)))
            client.login(user, self.password)
            if folder is not None:
                assert client.select(_quoted(folder))[0] == "OK"
            yield client
        finally:
            client.logout()

    def _maildir(self, user: str, folder: str) -> Path:
        root = self.folder / "mail" / user / "Maildir"
        if not root.exists():
            with self.client(user, "INBOX"):  # creates the user's folders
                pass
        if folder == "INBOX":
            return root
        return root / ("." + _path(folder).replace("/", "."))

    def _wait(self) -> None:
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                # No log-in: its certificate may be a bad one.
                imaplib.IMAP4("127.0.0.1", self.plain_port, timeout=START_WITHIN).logout()
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        log = self.folder / "dovecot.log"
        said = log.read_text() if log.exists() else "nothing, see above"
        self.stop()
        raise RuntimeError(f"Dovecot did not start; it says: {said}")


def _mail_owner() -> pwd.struct_passwd:
    """Return the user whose files the emails are; Dovecot refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _mailbox(name: str) -> str:
    special = f"    special_use = \\{name}\n" if name in SPECIAL_USE else ""
    return f'  mailbox "{name}" {{\n    auto = create\n{special}  }}'


def _path(folder: str) -> str:
    return str(mutf7(folder), "ascii")


def _quoted(folder: str) -> str:
    return f'"{_path(folder)}"'


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]

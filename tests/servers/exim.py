"""A private Exim for tests, which lets its one user in and takes no mail: on loopback, gone afterwards."""

import contextlib
import grp
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from mailcrm.core.model import Endpoint, Security
from tests.servers.certificates import Authority

START_WITHIN = 30.0
USER = "ann@example.com"

#: Exim's `plaintext` knows nothing of SASL but prompts and answers, so XOAUTH2 is taken here without
#: the challenge that tells of an error: some servers refuse like that.
_CONFIG = r"""
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = {tls_port} : {plain_port}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if def:tls_in_cipher{{*}}}}
host_lookup =
rfc1413_query_timeout = 0s
primary_hostname = localhost
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{name}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{name}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_prompts = :
  server_condition = ${{if eq{{$auth1}}{{user={name}\x01auth=Bearer {token}\x01\x01}}}}
"""


def exim_available() -> bool:
    """Say whether Exim is on this machine, with TLS."""
    return _program() is not None


def _program() -> str | None:
    return shutil.which("exim4", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


class EximServer:
    """A running Exim that knows `USER`, by `password` or by `token`."""

    def __init__(self) -> None:
        program = _program()
        if program is None:
            raise RuntimeError("Exim is not installed")
        self.password = secrets.token_hex(8)
        self.token = secrets.token_hex(200)  # too long for an initial response
        self.folder = Path(tempfile.mkdtemp(prefix="mailcrm-exim-"))
        authority = Authority(self.folder)
        certificate = authority.issue()
        self.ca_file = authority.ca_file
        tls_port, plain_port = _free_ports()
        self._ports = {Security.TLS: tls_port, Security.STARTTLS: plain_port}
        # Exim gives root away.
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        config = self.folder / "exim.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                user=owner.pw_name,
                group=grp.getgrgid(owner.pw_gid).gr_name,
                certificate=certificate.certificate,
                key=certificate.key,
                tls_port=tls_port,
                plain_port=plain_port,
                name=USER,
                password=self.password,
                token=self.token,
            ),
            encoding="ascii",
        )
        config.chmod(0o644)
        if os.geteuid() == 0:
            for path in (self.folder, certificate.certificate, certificate.key):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        # What it says at its end is of a file of process ids that it may not remove.
        with (self.folder / "said.log").open("wb") as said:
            self._process = subprocess.Popen([program, "-C", str(config), "-bdf"], stderr=said)
        self._wait(plain_port)

    def at(self, security: Security) -> Endpoint:
        return Endpoint(host="localhost", port=self._ports[security], security=security)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_WITHIN)
        shutil.rmtree(self.folder)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), START_WITHIN) as connected,
            ):
                connected.recv(100)
                connected.sendall(b"QUIT\r\n")
                return
            time.sleep(0.05)
        logs = "".join(path.read_text() for path in sorted(self.folder.glob("*log")))
        self.stop()
        raise RuntimeError(f"Exim did not start; it says: {logs}")


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]

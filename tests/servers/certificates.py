"""Certificates for the servers of the tests: good ones and each kind of bad one."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A server's certificate and key as PEM files, and its TLS context."""

    certificate: Path
    key: Path
    context: ssl.SSLContext


class Authority:
    """A certificate authority of its own; `ca_file` is what a client must trust."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, *hosts: str, expired: bool = False) -> Certificate:
        leaf = self._ca.issue_cert(
            *(hosts or HOSTS),
            not_before=datetime(2020, 1, 1, tzinfo=UTC) if expired else None,
            not_after=datetime(2021, 1, 1, tzinfo=UTC) if expired else None,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        stem = "-".join([*(hosts or HOSTS), "expired" if expired else "valid"])
        certificate, key = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return Certificate(certificate=certificate, key=key, context=context)

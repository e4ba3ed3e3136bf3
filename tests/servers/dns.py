"""A DNS server on loopback, over UDP and TCP, whose zone is given as a table."""

import socket
import socketserver
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

#: In place of records: the question is not answered, or answered with a failure.
SILENCE = "silence"
FAILURE = "failure"

#: Records, one of the words above, or what follows the id of the question, byte by byte, in the answer.
Zone = Mapping[tuple[str, str], list[str] | str | bytes]


class DnsServer:
    """Answers from `zone`: (name, type) -> records in the form of a zone file, SILENCE or FAILURE.

    A name that is not in it does not exist. `asked` holds each question.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = dict(zone)
        self.asked: list[tuple[str, str]] = []
        answer = self._answer

        class Datagrams(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, connection = self.request
                if (response := answer(data)) is not None:
                    connection.sendto(_at_most(response, 1232), self.client_address)

        class Streams(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                connection: socket.socket = self.request
                (length,) = struct.unpack("!H", connection.recv(2))
                if (response := answer(connection.recv(length))) is not None:
                    wire = _at_most(response, 65_535)
                    connection.sendall(struct.pack("!H", len(wire)) + wire)

        self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Streams)
        self.port: int = self._tcp.server_address[1]
        self._udp = socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Datagrams)

    def __enter__(self) -> Self:
        for server in (self._udp, self._tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone."""
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = ["127.0.0.1"]
        found.port = self.port
        return found

    def _answer(self, data: bytes) -> dns.message.Message | bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        records = self.zone.get((name, kind))
        if records == SILENCE:
            return None
        if isinstance(records, bytes):
            return data[:2] + records
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if records == FAILURE:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, _listed(records)))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


def _listed(records: Any) -> list[str]:
    assert isinstance(records, list)
    return records


def _at_most(response: dns.message.Message | bytes, size: int) -> bytes:
    """Return a response for UDP, or one that says that it is only whole over TCP (RFC 1035, 4.2.1)."""
    if isinstance(response, bytes):
        return response
    try:
        return response.to_wire(max_size=size)
    except dns.exception.TooBig:
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

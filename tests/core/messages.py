"""Emails made of parts, for the tests of how they are read."""

from mailcrm.core.parsed import Attachment


def part(kind: str, content: bytes, *more: str) -> bytes:
    return "\r\n".join((f"Content-Type: {kind}", *more)).encode() + b"\r\n\r\n" + content


def multipart(kind: str, *parts: bytes, boundary: str = "b1") -> bytes:
    edge = b"\r\n--" + boundary.encode()
    body = b"".join(edge + b"\r\n" + each for each in parts) + edge + b"--\r\n"
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n'.encode() + body


def mail(body: bytes, *fields: bytes) -> bytes:
    head = (b"From: Jane <jane@example.com>", b"To: kim@example.kr", *fields, b"MIME-Version: 1.0")
    return b"\r\n".join(head) + b"\r\n" + body


def attachment(part_id: str, name: str, kind: str, size: int, *, inline: bool = False) -> Attachment:
    return Attachment(part_id=part_id, name=name, type=kind, size=size, inline=inline)

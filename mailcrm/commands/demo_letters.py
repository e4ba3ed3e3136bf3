"""The letters of the demo, read from demo.toml and written as RFC 5322 messages.

Where they are delivered is left to `demo_server`; what they show to the demo command.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from importlib import resources
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One message as a mail server holds it; `received_at` is its INTERNALDATE (RFC 9051, 2.3.3)."""

    folder: str
    received_at: datetime
    seen: bool
    raw: bytes


def read_letters(now: datetime) -> tuple[Letter, ...]:
    """Return the letters of demo.toml, oldest first, dated back from `now`, which must know its time zone."""
    text = resources.files("mailcrm.commands").joinpath("demo.toml").read_text(encoding="utf-8")
    letters = [_letter(row, now) for row in tomllib.loads(text)["letter"]]
    return tuple(sorted(letters, key=lambda letter: letter.received_at))


def _letter(row: dict[str, Any], now: datetime) -> Letter:
    day = (now - timedelta(days=row["days_ago"])).date()
    sent_at = datetime.combine(day, row["time"], tzinfo=now.tzinfo)
    return Letter(
        folder=row["folder"],
        received_at=sent_at,
        seen=row["seen"],
        raw=_message(row, sent_at).as_bytes(),
    )


def _message(row: dict[str, Any], sent_at: datetime) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = row["from"]
    message["To"] = row["to"]
    if "cc" in row:
        message["Cc"] = row["cc"]
    message["Date"] = sent_at
    message["Subject"] = row["subject"]
    message["Message-ID"] = f"<{row['message_id']}>"
    if "references" in row:
        message["In-Reply-To"] = f"<{row['references'][-1]}>"
        message["References"] = " ".join(f"<{reference}>" for reference in row["references"])
    if "list_id" in row:
        message["List-Id"] = row["list_id"]
    message.set_content(row["body"], charset=row.get("charset", "utf-8"))
    if "attachment" in row:
        message.add_attachment(row["attachment"]["text"], filename=row["attachment"]["name"])
    return message

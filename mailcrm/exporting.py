"""All mail that somebody may see, written into files that other programs read: one for each account.

The mbox files keep the bytes of every email (docs/commands.md says how they come back). Making files is left
to `new_files`.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from mailcrm.core.file_names import numbered, safe_name
from mailcrm.core.parsed import EmailFull
from mailcrm.new_files import Folder
from mailcrm.store import Database, emails

#: A line that could be taken for the beginning of a message, quoted already or not: mboxrd, as mbox(5)
#: of qmail has it.
_FROM_LINE = re.compile(rb"^(?=>*+From )", re.MULTILINE)

#: What may stand in the line that separates messages (RFC 4155, appendix A).
_SENDER = re.compile(r"[!-~]{1,200}@[!-~]{1,200}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedFile:
    """A file of an account's emails, as far as it is written; `truncated` ones are stored in part only."""

    account: str
    file: str
    emails: int
    truncated: int


def export_mbox(db: Database, folder: Folder) -> Generator[ExportedFile, None, None]:
    """Write an mbox file for each account, and yield how far it is after each batch.

    Raises AlreadyExists, FileError.
    """
    yield from _export(db, folder, ".mbox", as_mbox)


def export_jsonl(
    db: Database, folder: Folder, as_line: Callable[[EmailFull], str]
) -> Generator[ExportedFile, None, None]:
    """Write a file of JSON for each account, one email a line, in the same way."""
    yield from _export(db, folder, ".jsonl", lambda email, _source: as_line(email).encode() + b"\n")


def _export(
    db: Database, folder: Folder, suffix: str, written: Callable[[EmailFull, bytes], bytes]
) -> Generator[ExportedFile, None, None]:
    accounts = list(emails.exported_accounts(db))
    names = _file_names([f"{address}{suffix}" for _, address in accounts])
    # All or none: a name that is taken is found before anything is written.
    with ExitStack() as made:
        files = [made.enter_context(folder.new(name)) for name in names]
        for (account_id, address), name, file in zip(accounts, names, files, strict=True):
            count = truncated = 0
            for batch in emails.exported_emails(db, account_id):
                for email, source in batch:
                    file.write(written(email, source))
                    truncated += email.row.truncated
                count += len(batch)
                yield ExportedFile(
                    account=address, file=str(folder.path / name), emails=count, truncated=truncated
                )


def _file_names(wanted: Sequence[str]) -> list[str]:
    """Return a name for each file, safe and all different: a/b@example.com and b@example.com are two."""
    names: list[str] = []
    for each in wanted:
        # What is before a slash would be taken for a folder.
        safe = safe_name(each.replace("/", "_"), media_type="", part_id="")
        taken = {name.casefold() for name in names}
        names.append(next(name for name in numbered(safe) if name.casefold() not in taken))
    return names


def as_mbox(email: EmailFull, source: bytes) -> bytes:
    """Return a message in mboxrd form: a From line, the source with `>` before its own ones, and a line feed.

    That line feed is always there and always one, so a source that does not end with one comes back, too.
    """
    sender = email.row.sender if _SENDER.fullmatch(email.row.sender) else "MAILER-DAEMON"
    date = time.asctime(email.row.received_at.utctimetuple())
    return b"From %s %s\n%s\n" % (sender.encode(), date.encode(), _FROM_LINE.sub(b">", source))

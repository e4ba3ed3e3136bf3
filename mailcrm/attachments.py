"""The attachments of a conversation: listed, and saved as files.

They are read out of the sources of the emails, where alone they are stored (docs/decisions/0022). Names and
kinds of files are left to `core`, writing to `new_files`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from mailcrm.core import mime
from mailcrm.core.file_kinds import disguise
from mailcrm.core.file_names import safe_name
from mailcrm.core.model import called
from mailcrm.core.parsed import Attachment
from mailcrm.new_files import Folder
from mailcrm.store import Database, emails


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachmentRow:
    """An attachment with the email that it came with; `number` counts those of the conversation from 1.

    `sha256` is that of its content; `disguise` says what it is when its name says something else.
    `saved_as` is the name of its file, once it has one; one with the same content has it, too.
    """

    number: int
    email_id: int
    sender: str
    received_at: datetime
    attachment: Attachment
    sha256: str
    disguise: str
    saved_as: str | None


def attachments(
    db: Database, thread_id: int, *, everything: bool, folder: Folder | None
) -> Iterator[AttachmentRow]:
    """Yield the attachments of a thread, oldest first, and write them into `folder` if there is one.

    Only files that a person attached, unless `everything` is wanted. One content is written once. Raises
    FileError.
    """
    number = 0
    names: dict[str, str] = {}
    for email in emails.thread_emails(db, thread_id):
        if not email.attachments:
            continue
        for attachment, content in mime.contents(emails.email_source(db, email.row.id)):
            number += 1
            if not (everything or attachment.is_file()):
                continue
            row = AttachmentRow(
                number=number,
                email_id=email.row.id,
                sender=called(email.row.sender_name, email.row.sender),
                received_at=email.row.received_at,
                attachment=attachment,
                sha256=hashlib.sha256(content).hexdigest(),
                disguise=disguise(attachment.name, content),
                saved_as=None,
            )
            if folder is not None:
                if row.sha256 not in names:
                    name = safe_name(attachment.name, media_type=attachment.type, part_id=attachment.part_id)
                    names[row.sha256] = folder.add(name, content)
                row = replace(row, saved_as=names[row.sha256])
            yield row

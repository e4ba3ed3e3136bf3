"""Names for files that come from strangers: what a mail calls an attachment, made safe for any file system.

Writing files, and keeping two of one name apart, is left to `mailcrm.new_files`.
"""

import re
import unicodedata
from collections.abc import Iterator
from types import MappingProxyType

#: File systems take 255 bytes; a number, a folder and a copy's own suffix must still fit.
NAME_BYTES = 150

#: More is no extension, but a name with a dot in it.
_EXTENSION_BYTES = 20

#: Controls, lone surrogates, line and paragraph separators, and what reverses or hides the letters
#: after it: "gpj.exe" written from right to left. The joiners of Indic scripts and of emoji stay.
_HIDDEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)

#: What Windows forbids in a name (and in it a colon begins a hidden stream).
_FORBIDDEN = re.compile(r'[<>:"|?*]')

#: Devices of Windows, with any extension (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)\s*(?:\.|$)",
    re.IGNORECASE,
)

#: For parts without a name; the usual ones of mail.
_EXTENSIONS = MappingProxyType(
    {
        "application/gzip": ".gz",
        "application/json": ".json",
        "application/ms-tnef": ".dat",
        "application/msword": ".doc",
        "application/pdf": ".pdf",
        "application/pgp-encrypted": ".txt",
        "application/pgp-signature": ".asc",
        "application/pkcs7-mime": ".p7m",
        "application/pkcs7-signature": ".p7s",
        "application/rtf": ".rtf",
        "application/vnd.ms-excel": ".xls",
        "application/vnd.ms-outlook": ".msg",
        "application/vnd.ms-powerpoint": ".ppt",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
        "application/x-hwp": ".hwp",
        "application/xml": ".xml",
        "application/zip": ".zip",
        "audio/mpeg": ".mp3",
        "audio/wav": ".wav",
        "image/bmp": ".bmp",
        "image/gif": ".gif",
        "image/heic": ".heic",
        "image/jpeg": ".jpg",
        "image/png": ".png",
        "image/svg+xml": ".svg",
        "image/tiff": ".tif",
        "image/webp": ".webp",
        "message/delivery-status": ".txt",
        "message/disposition-notification": ".txt",
        "message/rfc822": ".eml",
        "text/calendar": ".ics",
        "text/csv": ".csv",
        "text/html": ".html",
        "text/plain": ".txt",
        "text/rfc822-headers": ".txt",
        "text/vcard": ".vcf",
        "text/x-vcard": ".vcf",
        "text/xml": ".xml",
        "video/mp4": ".mp4",
    }
)


def safe_name(name: str, *, media_type: str, part_id: str) -> str:
    """Return a name for a file, of 1 to 150 bytes: no path, nothing hidden, nothing that means something.

    Without a usable one it is called after its part, with the extension of its type. An embedded
    message, which has a subject for a name, is called .eml.
    """
    name = unicodedata.normalize("NFC", _HIDDEN.sub(" ", name))
    name = name.replace("\\", "/").rstrip("/ .").rpartition("/")[2]
    # Windows loses blanks and dots at the end; a dot in front hides a file, a minus makes an option of it.
    name = " ".join(_FORBIDDEN.sub("_", name).split()).strip(" .")
    if name.startswith("-"):
        name = f"_{name}"
    if not name:
        return f"part-{part_id}{_EXTENSIONS.get(media_type, '.bin')}"
    if media_type == "message/rfc822" and not name.lower().endswith(".eml"):
        name = f"{name}.eml"
    if _DEVICE.match(name):
        name = f"_{name}"
    return _fitted(name, "")


def numbered(name: str) -> Iterator[str]:
    """Yield `report.pdf`, `report (2).pdf`, `report (3).pdf` and so on, each of 150 bytes at most."""
    yield name
    number = 2
    while True:
        yield _fitted(name, f" ({number})")
        number += 1


def _fitted(name: str, suffix: str) -> str:
    """Return a name with `suffix` before its extension, its stem cut to fit."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _EXTENSION_BYTES:
        stem, dot, extension = name, "", ""
    room = NAME_BYTES - len(f"{suffix}{dot}{extension}".encode())
    if len(stem.encode()) > room:
        # What is left of a character that was cut through is dropped.
        stem = stem.encode()[:room].decode(errors="ignore")
    return f"{stem.rstrip(' .') or '_'}{suffix}{dot}{extension}"

"""What a file is, told by its first bytes, and whether that is what its name says.

A small table in place of a library (docs/decisions/0022): it knows programs and the documents that people
send, and keeps silent about the rest. Looking for viruses is left to those who can.
"""

import re
from types import MappingProxyType

#: What is looked at; PDF may begin anywhere in the first 1,024 bytes (PDF 1.7, implementation note 13).
HEAD_BYTES = 1_024

_PROGRAM = "a program for Windows"
_LINUX_PROGRAM = "a program for Linux"
_MAC_PROGRAM = "a program for macOS"
_JAVA = "a program in Java"
_SCRIPT = "a script"
_SHORTCUT = "a shortcut of Windows"
_HELP = "a help file of Windows, which may run programs"
_OLE = "a document or installer of old Microsoft programs"
_PDF = "a PDF document"
_RTF = "an RTF document"
_ZIP = "a ZIP archive"
_ARCHIVE = "an archive"
_IMAGE = "a picture"
_WEB_PAGE = "a web page"

#: At the beginning of a file; the first that fits counts.
_SIGNATURES = (
    (b"\x7fELF", _LINUX_PROGRAM),
    (b"\xfe\xed\xfa\xce", _MAC_PROGRAM),
    (b"\xfe\xed\xfa\xcf", _MAC_PROGRAM),
    (b"\xce\xfa\xed\xfe", _MAC_PROGRAM),
    (b"\xcf\xfa\xed\xfe", _MAC_PROGRAM),
    # Also a program of macOS for several processors.
    (b"\xca\xfe\xba\xbe", _JAVA),
    (b"#!/", _SCRIPT),
    (b"#! /", _SCRIPT),
    (b"L\0\0\0\x01\x14\x02\0", _SHORTCUT),
    (b"ITSF", _HELP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (b"{\\rtf", _RTF),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"\x1f\x8b\x08", _ARCHIVE),
    (b"MSCF\0\0\0\0", _ARCHIVE),
    (b"\x89PNG\r\n\x1a\n", _IMAGE),
    (b"\xff\xd8\xff", _IMAGE),
    (b"GIF87a", _IMAGE),
    (b"GIF89a", _IMAGE),
    (b"II*\0", _IMAGE),
    (b"MM\0*", _IMAGE),
)

_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<!--.{0,200}?-->\s*+)?<(?:!doctype html|html|script|head|body|svg)\b",
    re.IGNORECASE | re.DOTALL,
)

_PROGRAMS = frozenset({_PROGRAM, _LINUX_PROGRAM, _MAC_PROGRAM, _JAVA, _SCRIPT, _SHORTCUT, _HELP})

#: Extensions, and what files that carry them are. A picture may have the extension of another kind of
#: picture, and a spreadsheet is often a web page: that happens, and harms nobody.
_EXPECTED = MappingProxyType(
    {
        extension: frozenset(kinds)
        for extensions, kinds in (
            ("exe dll scr com sys ocx cpl drv efi", {_PROGRAM}),
            ("lnk", {_SHORTCUT}),
            ("chm", {_HELP}),
            ("class dylib", {_JAVA, _MAC_PROGRAM}),
            ("so o elf run", {_LINUX_PROGRAM, _SCRIPT}),
            ("sh bash zsh py pl rb js php command", {_SCRIPT}),
            ("pdf ai", {_PDF}),
            ("docx xlsx pptx docm xlsm pptm dotx odt ods odp hwpx", {_ZIP, _OLE}),
            ("zip jar apk epub key pages numbers", {_ZIP}),
            ("doc dot", {_OLE, _RTF, _ZIP, _WEB_PAGE}),
            ("xls xlt", {_OLE, _ZIP, _WEB_PAGE}),
            ("ppt pps hwp msg msi", {_OLE, _ZIP}),
            ("rtf", {_RTF, _OLE, _ZIP}),
            ("rar 7z gz tgz cab", {_ARCHIVE, _ZIP}),
            ("png jpg jpeg gif bmp tif tiff webp heic ico", {_IMAGE}),
            ("htm html xhtml svg mht xml", {_WEB_PAGE}),
            ("txt csv md log ics vcf eml", {_WEB_PAGE}),
        )
        for extension in extensions.split()
    }
)


def disguise(name: str, content: bytes) -> str:
    """Return in words what a file is, such as `a program for Windows`, when its name says something else.

    Empty when the name tells, or when nobody can say: most kinds of files are not known here.
    """
    kind = _kind(content[:HEAD_BYTES])
    expected = _EXPECTED.get(name.rpartition(".")[2].lower() if "." in name else "")
    if kind is None or (expected is not None and kind in expected):
        return ""
    return kind if kind in _PROGRAMS or expected is not None else ""


def _kind(head: bytes) -> str | None:
    # Text may begin with these two letters, too, but holds no NUL.
    if head.startswith((b"MZ", b"ZM")) and b"\0" in head[:64]:
        return _PROGRAM
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if b"%PDF-" in head:
        return _PDF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _IMAGE
    return _WEB_PAGE if _HTML.match(head) else None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.file_kinds import disguise

PROGRAM = b"MZ\x90\0" + bytes(60) + b"PE\0\0"
PDF = b"%PDF-1.7\n%\xe2\xe3"
ZIP = b"PK\x03\x04\x14\0"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(8)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0"
PAGE = b"<!DOCTYPE html>\n<html><script>"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("invoice.pdf", PROGRAM, "a program for Windows"),
        ("invoice", PROGRAM, "a program for Windows"),
        ("invoice.xyz", PROGRAM, "a program for Windows"),
        ("invoice.PDF", b"\x7fELF\x02\x01", "a program for Linux"),
        ("invoice.pdf", b"\xcf\xfa\xed\xfe\x07", "a program for macOS"),
        ("invoice.pdf", b"#!/bin/sh\nrm -rf ~", "a script"),
        ("invoice.pdf", b"L\0\0\0\x01\x14\x02\0\0", "a shortcut of Windows"),
        ("invoice.pdf", ZIP, "a ZIP archive"),
        ("invoice.pdf", PAGE, "a web page"),
        ("photo.jpg", b"\n<svg onload=x>", "a web page"),
        ("photo.jpg", PDF, "a PDF document"),
        ("letter.docx", b"{\\rtf1", "an RTF document"),
        ("notes.txt", ZIP, "a ZIP archive"),
        ("table.xls", PROGRAM, "a program for Windows"),
        ("invoice.pdf", PDF, ""),
        ("invoice.pdf", b"\r\n" + PDF, ""),
        ("setup.exe", PROGRAM, ""),
        ("run.sh", b"#!/bin/sh", ""),
        ("letter.docx", ZIP, ""),
        ("letter.docx", OLE, ""),  # encrypted
        ("letter.doc", b"{\\rtf1", ""),
        ("table.xls", b"<html><table>", ""),
        ("photo.jpg", PNG, ""),
        ("photo.png", JPEG, ""),
        ("notes.txt", b"MZ is the name of a company", ""),
        ("notes.txt", b"#hashtags!", ""),
        ("notes.txt", "안녕하세요".encode("cp949"), ""),
        ("data.xyz", ZIP, ""),
        ("data", PDF, ""),
        ("invoice.pdf", b"encrypted beyond recognition", ""),
        ("invoice.pdf", b"", ""),
    ],
)
def test_a_name_that_says_something_else_is_told(name: str, content: bytes, told: str) -> None:
    assert disguise(name, content) == told


@given(name=st.text(max_size=20), content=st.binary(max_size=100))
def test_any_name_and_content_has_an_answer(name: str, content: bytes) -> None:
    assert isinstance(disguise(name, content), str)
    assert disguise(f"{name}.pdf", PROGRAM + content) == "a program for Windows"

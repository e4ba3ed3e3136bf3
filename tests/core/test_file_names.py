import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.file_names import NAME_BYTES, numbered, safe_name


def name_of(name: str, *, media_type: str = "application/octet-stream", part_id: str = "2") -> str:
    return safe_name(name, media_type=media_type, part_id=part_id)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("견적서 2026.pdf", "견적서 2026.pdf"),
        ("../../../.ssh/authorized_keys", "authorized_keys"),
        ("/etc/passwd", "passwd"),
        ("C:\\Temp\\a.pdf", "a.pdf"),
        ("C:evil.exe", "C_evil.exe"),
        ("a.txt:hidden.exe", "a.txt_hidden.exe"),
        ("folder/", "folder"),
        (".bashrc", "bashrc"),
        ("..", "part-2.bin"),
        (".", "part-2.bin"),
        ("", "part-2.bin"),
        (" \t\r\n ", "part-2.bin"),
        ("///", "part-2.bin"),
        ("-rf", "_-rf"),
        ("a\0b\x1b[31m.txt", "a b [31m.txt"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("a\u200b\ufeff\u3164.pdf", "a.pdf"),
        ("name. . .", "name"),
        ("name.pdf ", "name.pdf"),
        ("a\nb.pdf", "a b.pdf"),
        ("two   blanks.pdf", "two blanks.pdf"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("aux .txt", "_aux.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("LPT³", "_LPT³"),
        ("console.log", "console.log"),
        ('what? "this" <is>|*.pdf', "what_ _this_ _is___.pdf"),
        ("ga\u0308nse.pdf", "gänse.pdf"),
        ("क\u094d\u200dष.pdf", "क\u094d\u200dष.pdf"),
        ("👩\u200d🚀.png", "👩\u200d🚀.png"),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert name_of(name) == safe


@pytest.mark.parametrize(
    ("name", "media_type", "safe"),
    [
        ("", "application/pdf", "part-2.1.pdf"),
        ("", "message/rfc822", "part-2.1.eml"),
        ("", "text/html", "part-2.1.html"),
        ("Re: offer", "message/rfc822", "Re_ offer.eml"),
        ("offer v1.2", "message/rfc822", "offer v1.2.eml"),
        ("offer.EML", "message/rfc822", "offer.EML"),
        ("CON", "message/rfc822", "_CON.eml"),
        ("offer", "application/pdf", "offer"),
    ],
)
def test_a_type_gives_the_extension_that_is_missing(name: str, media_type: str, safe: str) -> None:
    assert name_of(name, media_type=media_type, part_id="2.1") == safe


def test_a_long_name_keeps_its_extension() -> None:
    made = name_of("견" * 100 + ".pdf")
    assert made.endswith("견.pdf")
    assert NAME_BYTES - 3 < len(made.encode()) <= NAME_BYTES
    assert name_of("a." + "b" * 300) == "a." + "b" * (NAME_BYTES - 2)
    assert name_of("견" * 100, media_type="message/rfc822").endswith("견.eml")


def test_names_are_numbered_before_the_extension() -> None:
    assert list(itertools.islice(numbered("report.pdf"), 3)) == [
        "report.pdf",
        "report (2).pdf",
        "report (3).pdf",
    ]
    assert list(itertools.islice(numbered("report"), 2))[1] == "report (2)"


ANY = st.text(max_size=200) | st.text(' ./\\-:"\0\u202e\ud800aCON견.', max_size=12)
TYPES = st.sampled_from(["application/pdf", "message/rfc822", "x/y", "text/plain"])


@given(name=ANY, media_type=TYPES)
def test_whatever_the_name_the_file_stays_in_its_folder(name: str, media_type: str) -> None:
    for made in itertools.islice(numbered(name_of(name, media_type=media_type)), 0, 12, 11):
        assert 0 < len(made.encode()) <= NAME_BYTES
        assert not set(made) & set('/\\<>:"|?*')
        assert made[0] not in ".- "
        assert made[-1] not in ". "
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in made)
        assert not any(
            unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
            for c in made
        )


@given(name=ANY, media_type=TYPES)
def test_a_safe_name_is_left_as_it_is(name: str, media_type: str) -> None:
    made = name_of(name, media_type=media_type)
    assert name_of(made, media_type=media_type) == made

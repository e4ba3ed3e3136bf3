"""JSON that may be shown at a terminal, and is still the same JSON."""

import json
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.errors import NeedsChoice
from mailcrm.core.events import FolderFailed
from mailcrm.progress import following
from mailcrm.render import Display, as_json

#: Formatting characters that change no direction and hide nothing: the joiners of Indic script and of emoji.
JOINERS = "\u200c\u200d"


def acts_on_a_terminal(character: str) -> bool:
    """Say so by the Unicode database: controls, separators of lines, direction, tags, lone surrogates."""
    name = unicodedata.name(character, "")
    return (
        unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}
        or unicodedata.bidirectional(character)
        in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        or name in {"LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK", "LANGUAGE TAG"}
        or re.match(r"TAG |CANCEL TAG", name) is not None
    )


EVERYTHING = [chr(code) for code in range(0x110000)]
HARMFUL = [character for character in EVERYTHING if acts_on_a_terminal(character)]


def test_every_character_that_acts_on_a_terminal_is_escaped_in_json() -> None:
    written = as_json(EVERYTHING)
    assert set(written) & set(HARMFUL) == set()
    assert json.loads(written) == EVERYTHING


def test_letters_of_all_scripts_stand_in_json_as_they_are() -> None:
    text = f"견적 Straße שלום 😀 a{JOINERS}b"
    assert as_json({text: [text]}) == f'{{"{text}": ["{text}"]}}'


def test_a_character_above_the_basic_plane_is_a_pair_of_surrogates() -> None:
    assert as_json("\x7f\x9b\u202e\U000e0041") == r'"\u007f\u009b\u202e\udb40\udc41"'


@given(st.dictionaries(st.text(), st.lists(st.text() | st.sampled_from(HARMFUL).map("<{}>".format))))
def test_what_is_read_back_from_json_is_what_was_written(value: dict[str, list[str]]) -> None:
    for written in (as_json(value), as_json(value, indent=2)):
        assert json.loads(written) == value
        assert not any(acts_on_a_terminal(character) for character in written if character != "\n")


def test_documents_lines_and_errors_are_all_written_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a\x1b[31m\x9b\u202e\U000e0041b"
    display = Display(as_json=True, quiet=False, color=True)
    display.document({"text": text, "at": datetime(2026, 6, 15, tzinfo=UTC)})
    display.error(NeedsChoice(text, hint=text, candidates=[text]))
    with following(display) as progress:
        progress.show(FolderFailed(account="ann@example.com", folder=text, error=text, hint=text))
    written = capsys.readouterr()
    for output in (written.out, written.err):
        assert not any(acts_on_a_terminal(character) for character in output if character != "\n")
    document, line = re.fullmatch(r"(\{\n.*?\n\}\n)(.*\n)", written.out, re.DOTALL).groups()  # type: ignore[union-attr] # a miss fails the test
    assert json.loads(document)["text"] == text
    assert json.loads(line)["folder"] == text
    error = json.loads(written.err)["error"]
    assert (error["message"], error["hint"], error["candidates"]) == (text, text, [text])

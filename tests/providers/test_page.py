"""docs/providers.md says what the presets say."""

from mailcrm.providers.presets import presets
from tools.providers_page import FIRST, PAGE, page


def test_the_page_is_made_from_the_presets() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tools.providers_page"


def test_each_provider_has_a_section_and_a_row() -> None:
    text = page()
    for row in presets().rows:
        assert text.count(f"\n### {row.id}\n") == 1
        assert text.count(f"\n| [{row.id}](#{row.id}) |") == 1
        assert row.hint in text
        assert all(step in text for step in row.steps)


def test_the_first_table_names_presets_only() -> None:
    assert {name for name in FIRST if presets().named(name) is None} == set()


def test_no_cell_of_a_table_breaks_it() -> None:
    lines = [line for line in page().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {7}

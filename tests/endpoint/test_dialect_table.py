"""The table of dialects: in Python, and in the documentation as it is."""

from __future__ import annotations

from pathlib import Path

from runpodkit.endpoint.dialects import built_in
from runpodkit.endpoint.dialects.table import as_markdown, dialects

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"


def test_every_dialect_has_a_row() -> None:
    table = dialects()

    assert list(table.index) == list(built_in())
    assert table.loc["sdxl", "default size"] == "1024×1024"
    assert table.loc["black-forest-labs-flux-1-schnell", "price"] == "$0.0024 per megapixel"


def test_the_documentation_shows_the_table_as_it_is() -> None:
    assert as_markdown() in PAGE.read_text("utf-8")

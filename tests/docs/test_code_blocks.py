"""Every code block of README and docs, executed as a reader would, on the stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import LANGUAGES, PAGES, blocks_of, name_of
from tests.docs.reader import Reader

NOT_RUN_AT_MOST = 15
"""Of all pages together.  A block that cannot run here is one that can rot."""
WITH_CODE = [
    page
    for page in PAGES
    if any(block.language != "text" for block in blocks_of(page))
    and page.parent.name != "ru"  # its blocks are those of the English page, another test says
]


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_blocks_of_a_page_do_what_it_says(page: Path, readers_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    reader = Reader(folder, readers_home)
    try:
        for block in blocks_of(page):
            reader.type(block)
    finally:
        reader.close()


def test_every_block_says_its_language() -> None:
    unknown = [f"{block}: {block.language!r}" for page in PAGES for block in blocks_of(page)
               if block.language not in LANGUAGES]  # fmt: skip

    assert unknown == []


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    left_out = {str(block): block.not_run for page in PAGES for block in blocks_of(page) if block.not_run}

    for place, reason in left_out.items():
        print(f"not run: {place}: {reason}")  # -rP shows them
    assert all(len(reason.split()) >= 3 for reason in left_out.values())
    assert len(left_out) <= NOT_RUN_AT_MOST


def test_marks_stand_right_above_a_block() -> None:
    """One that has lost its block would say something of nothing."""
    for page in PAGES:
        marks = sum(line.strip().startswith(("<!-- not run", "<!-- runs on")) for line in page.read_text().splitlines())
        marked = sum(bool(block.not_run or block.runs_on) for block in blocks_of(page))
        assert marks == marked, name_of(page)

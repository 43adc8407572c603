"""What is odd about pictures, as a person sees it: a mark in the cell, a remark beside the picture, a line above the grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import CONNECT, run_all, shoot, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# the stand-in takes "Euler A" as its own default, which is "normal": two words for one thing
RUN = (
    "sweep = rk.sweep('a lighthouse at dusk', scheduler=['Euler A', 'normal'], seed=[1, 2, 3], steps=6, "
    "width=256, height=256)\nrun = kit.submit(sweep, name='odd-pictures')\nrun"
)


def test_an_axis_without_effect_is_told_above_the_grid_and_marked_in_its_cells(
    lab: Lab, open_notebook: Callable[[str], Page], tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    page = open_notebook(write_notebook(lab, "odd.ipynb", CONNECT, RUN))
    run_all(page)
    view = page.locator(".rk-run")
    expect(view.locator(".rk-state")).to_have_text("DONE", timeout=60_000)

    expect(view.locator(".rk-remark")).to_contain_text("scheduler (2 values) made no difference")
    marks = view.locator(".rk-flag")
    expect(marks).to_have_count(3)
    expect(marks.first).to_have_attribute("title", "same pixels as trial 0")
    expect(view.locator(".rk-cell img")).to_have_count(6)
    shoot(page, "odd-pictures.png", tmp_path)
    view.locator(".rk-cell:has(.rk-flag)").last.click()
    expect(page.locator("dialog .rk-about")).to_contain_text("same pixels as trial 2")
    shoot(page, "odd-picture.png", tmp_path)
    assert page.errors == []  # type: ignore[attr-defined]

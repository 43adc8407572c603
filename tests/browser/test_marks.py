"""Stars and notes in the gallery of a live view: given by key and button, kept, and seen by the next cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import CONNECT, run_all, run_cell, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_star_and_a_note_are_given_in_the_gallery_and_are_columns(
    lab: Lab, open_notebook: Callable[[str], Page]
) -> None:
    from playwright.sync_api import expect

    sweep = "rk.sweep('a mill by the sea', width=128, height=128, steps=4, seed=[1, 2, 3])"
    asked = "[(record.trial, run.marks().notes.get(record.trial)) for record in run.where(starred=True)]"
    cells = [CONNECT, f"run = kit.submit({sweep}, name='starred-in-gallery')\nrun", asked]
    page = open_notebook(write_notebook(lab, "marks.ipynb", *cells))
    run_all(page)
    view, dialog = page.locator(".rk-run"), page.locator("dialog.rk-gallery")
    expect(view.locator(".rk-state")).to_have_text("DONE", timeout=60_000)

    view.locator(".rk-cell").nth(1).click()
    star = dialog.locator(".rk-star")
    expect(dialog.locator(".rk-pane img")).to_be_visible(timeout=10_000)
    page.keyboard.press("s")
    expect(star).to_have_text("★", timeout=10_000)

    # what is typed into the note is no key of the gallery
    words = dialog.get_by_role("textbox", name="note")
    words.fill("soft sails")
    words.press("s")
    words.press("Enter")
    expect(star).to_have_text("★")
    page.keyboard.press("Escape")
    expect(view.locator(".rk-cell").nth(1).locator(".rk-mark")).to_have_text("★✎", timeout=10_000)

    # the button gives one and takes it away
    view.locator(".rk-cell").nth(2).click()
    star.click()
    expect(star).to_have_text("★", timeout=10_000)
    star.click()
    expect(star).to_have_text("☆", timeout=10_000)
    page.keyboard.press("Escape")

    run_cell(page, 2)
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("[(1, 'soft sailss')]", timeout=10_000)
    assert page.errors == []  # type: ignore[attr-defined]

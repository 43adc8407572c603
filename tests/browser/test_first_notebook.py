"""What a person sees: notebook 01 run in a real JupyterLab, and the form used by hand, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import copy_notebook, run_all, shoot, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST = Path(__file__).parents[2] / "notebooks" / "01_first_sweep.ipynb"


def test_the_first_notebook_runs_from_top_to_bottom(
    lab: Lab, open_notebook: Callable[[str], Page], tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    page = open_notebook(copy_notebook(lab, FIRST))

    run_all(page)

    out = page.locator(".jp-OutputArea-output")
    expect(out.filter(has_text="13 lines: a header and a row per job")).to_be_visible(timeout=90_000)
    expect(out.filter(has_text="SIMULATOR (nothing is paid)")).to_have_count(1)
    expect(out.filter(has_text="first-sweep: 12 of 12 pictures")).to_have_count(1)
    expect(out.locator("progress")).to_have_count(0)  # the bar has become a sentence
    expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    pictures = out.locator("img")
    expect(pictures).to_have_count(2)
    assert [picture.evaluate("e => e.naturalWidth > 300 && e.complete") for picture in pictures.all()] == [True, True]
    pictures.last.scroll_into_view_if_needed()
    shoot(page, "first-sweep.png", tmp_path)
    assert page.errors == []  # type: ignore[attr-defined]


def test_the_form_is_filled_in_and_draws(lab: Lab, open_notebook: Callable[[str], Page], tmp_path: Path) -> None:
    from playwright.sync_api import expect

    lines = "import runpodkit as rk\nkit = rk.connect()\nform = kit.form()\nform"
    page = open_notebook(write_notebook(lab, "form.ipynb", lines))
    run_all(page)
    form = page.locator(".rk-form")
    expect(form).to_be_visible()
    generate, said = form.get_by_role("button", name="Generate"), form.locator(".rk-said")

    def fill(label: str, value: str) -> None:
        form.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Tab")

    # what is wrong is said at the field, and nothing is sent
    fill("Steps", "0")
    expect(form.get_by_text("Must be 1 or more")).to_be_visible()
    generate.click()
    expect(said).to_have_text("2 fields to mend.")
    expect(form.get_by_text("Say what to draw")).to_be_visible()
    shoot(form, "form-wrong.png", tmp_path)

    # mended, it draws
    fill("Steps", "12")
    fill("User prompt", "a lighthouse at dusk, sailing boats")
    fill("Sampler name", "DPM++ 2M")
    fill("Seed", "7")
    generate.click()
    image = form.locator("img.widget-image")
    expect(image).to_be_visible()
    expect(generate).to_be_enabled()
    assert image.evaluate("e => [e.naturalWidth, e.naturalHeight]") == [701, 1024]  # 832 × 1216 in 1024
    expect(form.locator(".rk-about")).to_contain_text("12, DPM++ 2M, scheduler Euler A, cfg scale 4")
    expect(form.get_by_text("Must be 1 or more")).to_have_count(0)
    shoot(form, "form.png", tmp_path)

    # hostile words are words
    fill("User prompt", "<img src=x onerror='window.taken=1'><script>window.taken=1</script>")
    fill("Height", "128")
    generate.click()
    expect(form.locator(".rk-about")).to_contain_text("<script>window.taken=1</script>")
    assert page.evaluate("window.taken") is None

    # the dice
    form.get_by_role("button", name="Draw").click()
    expect(form.get_by_label("Seed", exact=True)).not_to_have_value("7")

    # a long one can be cancelled
    for label, value in (("Width", "4096"), ("Height", "4096"), ("Steps", "150")):
        fill(label, value)
    generate.click()
    expect(form.get_by_role("button", name="Drawing…")).to_be_disabled()
    form.get_by_role("button", name="Cancel").click()
    expect(said).to_have_text("Cancelled, and its job with it.")
    expect(generate).to_be_enabled()
    expect(form.get_by_role("button", name="Cancel")).to_be_hidden()
    assert page.errors == []  # type: ignore[attr-defined]

"""A run as a person sees it go: it fills, is steered, outlives its kernel and its page, and is looked at closely."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import CONNECT, restart_kernel, run_all, run_cell, save, shoot, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Opened = Callable[[str], "Page"]
LONG = (
    "sweep = rk.sweep('a lighthouse at dusk', sampler_name=['Euler', 'Heun', 'DPM++ 2M', 'Euler a'], "
    "steps=[40, 80, 120, 150], seed=rk.seeds(60))\n"
    "run = kit.submit(sweep, name='{name}', window=8, reuse=False)\nrun"
)


def drawn(view: Locator) -> int:
    found = re.match(r"([\d,]+) of", view.locator(".rk-line").inner_text())
    assert found
    return int(found[1].replace(",", ""))


def test_the_grid_fills_and_is_steered_while_the_kernel_waits(lab: Lab, open_notebook: Opened, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = open_notebook(write_notebook(lab, "steer.ipynb", CONNECT, LONG.format(name="steer"), "_ = run.wait()"))
    run_all(page)
    view = page.locator(".rk-run")
    expect(view.locator(".rk-cell img").first).to_be_visible()
    expect(view).to_contain_text("SIMULATOR")
    shoot(page, "live-view.png", tmp_path)

    view.get_by_role("button", name="Pause").click()
    expect(view.locator(".rk-state")).to_have_text("PAUSED")
    expect(page.locator(".jp-CodeCell").nth(2).locator(".jp-InputPrompt")).not_to_have_text("[*]:")
    view.get_by_role("button", name="Resume").click()
    expect(view.locator(".rk-state")).to_have_text("RUNNING")

    run_cell(page, 2)  # the kernel is busy again
    page.wait_for_timeout(500)
    view.locator(".rk-cell:has(img)").first.click()
    expect(page.locator("dialog .rk-pane img")).to_be_visible()
    page.keyboard.press("Escape")
    view.get_by_role("button", name="Cancel").click()
    view.get_by_role("button", name="Really cancel?").click()
    expect(view.locator(".rk-state")).to_have_text("CANCELLED")
    expect(view.locator(".rk-s-cancelled").first).to_contain_text("the run was cancelled")
    expect(view.locator(".rk-banner")).to_be_hidden()
    assert page.errors == []  # type: ignore[attr-defined]


def test_two_views_outlive_their_page_and_their_kernel(lab: Lab, open_notebook: Opened) -> None:
    from playwright.sync_api import expect

    name = write_notebook(lab, "restart.ipynb", CONNECT, LONG.format(name="restart"), "run.live()")
    page = open_notebook(name)
    run_all(page)
    views = page.locator(".rk-run")
    view = views.first
    expect(view.locator(".rk-cell img").first).to_be_visible()
    expect(views).to_have_count(2)
    save(page, lab, name)
    before = drawn(view)

    page.reload()
    expect(view.locator(".rk-cell img").first).to_be_visible()
    assert drawn(view) >= before

    restart_kernel(page)
    expect(view.locator(".rk-banner")).to_contain_text("The run goes on in the Celery worker")
    run_all(page)
    expect(view.locator(".rk-banner")).to_be_hidden()
    expect(views).to_have_count(2)
    before = drawn(view)
    page.wait_for_function(f"parseInt(document.querySelector('.rk-line').textContent) > {before}")

    # what is done in one is seen in both
    view.get_by_role("button", name="Cancel").click()
    view.get_by_role("button", name="Really cancel?").click()
    expect(views.last.locator(".rk-state")).to_have_text("CANCELLED")


def test_a_saved_view_needs_no_kernel(lab: Lab, open_notebook: Opened, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    sweep = "run = kit.submit(rk.sweep('a fox', steps=[2, 4], seed=rk.seeds(3), width=128, height=128), name='kept')"
    name = write_notebook(lab, "kept.ipynb", CONNECT, f"{sweep}\nrun")
    page = open_notebook(name)
    run_all(page)
    expect(page.locator(".rk-state")).to_have_text("DONE")
    page.wait_for_timeout(6_000)  # the twin is drawn anew every five seconds
    kept = save(page, lab, name)
    (output,) = kept["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["data"]["text/plain"] == ["Run kept: DONE, 6 of 6 pictures, SIMULATOR"]
    assert set(kept["metadata"]) == {"kernelspec", "language_info"}

    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    (lab.folder.parent / "jupyter_data_dir" / "notebook_secret").unlink()  # as on another machine: not trusted
    page.reload()
    out = page.locator(".jp-OutputArea-output").last
    expect(out).to_contain_text("6 of 6 pictures")
    assert out.locator("img").evaluate("e => e.naturalWidth") > 300
    expect(page.locator(".rk-root")).to_have_count(0)
    shoot(page, "live-view-saved.png", tmp_path)
    assert page.errors == []  # type: ignore[attr-defined]


def test_a_front_end_that_keeps_outputs_apart_gets_a_widget_that_holds_the_place(
    lab: Lab, open_notebook: Opened
) -> None:
    from playwright.sync_api import expect

    sweep = "rk.sweep('a fox', steps=[2, 4], seed=range(3), width=128, height=128)"
    apart = f"import os\nos.environ['VSCODE_PID'] = '1'\n{CONNECT}"
    page = open_notebook(write_notebook(lab, "apart.ipynb", apart, f"kit.submit({sweep}, name='apart')", "kit.form()"))
    run_all(page)

    expect(page.locator(".rk-run .rk-state")).to_have_text("DONE")
    expect(page.locator(".rk-run .rk-cell img")).to_have_count(6)
    expect(page.locator(".rk-form")).to_be_visible()
    assert page.errors == []  # type: ignore[attr-defined]


def test_pictures_are_looked_at_compared_and_judged(lab: Lab, open_notebook: Opened, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    sweep = "rk.sweep('a lighthouse at dusk', sampler_name=['Euler', 'Heun'], steps=[4, 8], seed=rk.seeds(3))"
    cells = [CONNECT, f"run = kit.submit({sweep}, name='looked')\nrun", "run.preferences()"]
    page = open_notebook(write_notebook(lab, "looked.ipynb", *cells))
    run_all(page)
    view, dialog = page.locator(".rk-run"), page.locator("dialog.rk-gallery")
    expect(view.locator(".rk-state")).to_have_text("DONE", timeout=60_000)

    # one picture, with everything known of it
    view.locator(".rk-cell").first.click()
    image = dialog.locator(".rk-pane img")
    expect(image).to_be_visible()
    assert image.evaluate("e => [e.naturalWidth, e.naturalHeight]") == [832, 1216]
    expect(dialog.locator(".rk-about")).to_contain_text("a lighthouse at dusk, highly detailed")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("header b")).to_contain_text("steps 8")
    expect(dialog.locator(".rk-about")).to_contain_text("8, Euler")
    shoot(page, "gallery.png", tmp_path)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    # two of them under a slider
    cell = view.locator(".rk-cell")
    cell.nth(0).click(modifiers=["Control"])
    cell.nth(2).click(modifiers=["Control"])
    view.get_by_role("button", name="Compare 2").click()
    expect(dialog.locator(".rk-cut")).to_be_visible()
    knob, over = dialog.locator("input[type=range]"), dialog.locator(".rk-over")
    expect(over).to_have_attribute("style", re.compile(r"inset\(0p?x? 50% 0p?x? 0p?x?\)"))
    knob.fill("20")
    expect(over).to_have_attribute("style", re.compile("80%"))
    shoot(page, "compare-slider.png", tmp_path)

    # side by side, magnified together
    page.keyboard.press("2")
    panes = dialog.locator(".rk-pane > img")
    expect(panes).to_have_count(2)
    panes.first.dblclick()
    assert len({pane.get_attribute("style") for pane in panes.all()}) == 1
    expect(panes.last).to_have_attribute("style", re.compile(r"scale\(3\)"))

    page.keyboard.press("3")
    expect(dialog.locator(".rk-hint")).to_contain_text(re.compile(r"Mean pixel distance 0\.0\d+ of 1"))
    page.keyboard.press("Escape")

    # which is better, not knowing which is which
    view.get_by_role("button", name="Blind A/B").click()
    for number in range(1, 7):
        expect(dialog.locator(".rk-hint")).to_contain_text(f"{number} of 6")
        page.keyboard.press("0" if number == 6 else "1")
    expect(dialog.locator(".rk-result")).to_contain_text(re.compile("95% interval.*6 answers, 1 without a difference"))
    expect(dialog.locator(".rk-ranks .rk-span")).to_have_count(2)
    expect(dialog.locator(".rk-ranks")).to_contain_text(re.compile("Euler.*6 answers"))
    shoot(page, "blind-ranking.png", tmp_path)
    dialog.get_by_label("axis").select_option(label="seed")  # three values: all of them, in any order
    expect(dialog.get_by_label("first value")).to_contain_text("all values")
    expect(dialog.get_by_label("second value")).to_have_count(0)
    expect(dialog.locator(".rk-hint")).to_contain_text("1 of 12")
    page.keyboard.press("Escape")
    run_cell(page, 2)
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("sampler_name")
    assert page.errors == []  # type: ignore[attr-defined]


def test_a_thousand_cells_carry_pictures_only_where_they_are_in_sight(lab: Lab, open_notebook: Opened) -> None:
    from playwright.sync_api import expect

    hostile = "<img src=x onerror='window.taken=1'><script>window.taken=1</script> 🦊 \\u202eabc \" '"
    lines = [
        f"prompt = {hostile!r} + 'x' * 3000",
        "sweep = rk.sweep([prompt, 'a fox'], seed=range(500), width=64, height=64, steps=1, use_enhanced_prompts=False)",
        "run = kit.submit(sweep, name='many', window=200)\nrun",
    ]
    page = open_notebook(write_notebook(lab, "many.ipynb", CONNECT, "\n".join(lines)))
    run_all(page)
    view = page.locator(".rk-run")
    expect(view.locator(".rk-cell")).to_have_count(1000, timeout=40_000)
    expect(view.locator(".rk-state")).to_have_text("DONE", timeout=120_000)
    expect(view.locator(".rk-cell img").first).to_be_visible()
    assert 0 < view.locator(".rk-cell img").count() < 250

    last = view.locator(".rk-cell").last
    last.scroll_into_view_if_needed()
    expect(last.locator("img")).to_be_visible()
    # the page answers at once
    assert (
        page.evaluate(
            "new Promise(r => { const t = performance.now(); requestAnimationFrame(() => r(performance.now() - t)) })"
        )
        < 500
    )
    assert page.evaluate("window.taken") is None
    assert page.errors == []  # type: ignore[attr-defined]

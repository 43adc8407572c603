"""The sweep form used by mouse and keyboard, and a form in a notebook that is saved and opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import CONNECT, run_all, save, shoot, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_sweep_is_filled_in_run_and_steered(lab: Lab, open_notebook: Callable[[str], Page], tmp_path: Path) -> None:
    from playwright.sync_api import expect

    name = write_notebook(lab, "sweep-form.ipynb", CONNECT, "form = kit.sweep_form()\nform", "print(form.sweep)")
    page = open_notebook(name)
    run_all(page)
    form = page.locator(".rk-form")
    expect(form).to_be_visible()

    def axis(label: str) -> None:
        form.locator(".rk-axis", has=page.get_by_label(label, exact=True)).get_by_role("button", name="vary").click()

    form.get_by_label("User prompt").fill("a lighthouse at dusk, sailing boats")
    axis("Steps")
    steps = form.get_by_role("textbox", name="Steps")
    steps.fill("4-16 (+4")
    expect(form.get_by_text("is neither a number nor a range")).to_be_visible()
    expect(form.get_by_role("button", name="Run")).to_be_disabled()
    shoot(form, "sweep-form-wrong.png", tmp_path)
    steps.fill("4-16 (+4)")
    axis("Sampler name")
    form.get_by_role("textbox", name="Sampler name").fill("Euler, Heun, DPM++ 2M")
    page.keyboard.press("Tab")
    axis("Seed")
    form.get_by_role("textbox", name="Seed").fill("7, 8")
    expect(form.locator(".rk-count")).to_have_text("24 trials = 4 steps × 3 sampler_name × 2 seed")
    expect(form.locator(".rk-cost")).to_contain_text("24 trials, 0 reused")
    shoot(form, "sweep-form.png", tmp_path)

    form.get_by_role("button", name="Run").click()
    view = form.locator(".rk-run")
    expect(view.locator(".rk-cell img").first).to_be_visible()
    view.get_by_role("button", name="Pause").click()
    expect(view.locator(".rk-state")).to_have_text("PAUSED")
    view.get_by_role("button", name="Resume").click()
    expect(view.locator(".rk-state")).to_have_text("DONE", timeout=60_000)
    view.scroll_into_view_if_needed()
    shoot(view, "sweep-form-done.png", tmp_path)

    # a cell's parameters fill the form that was shown last
    view.locator(".rk-cell").nth(1).click()
    page.get_by_role("button", name="Use these").click()
    expect(page.locator(".rk-toast")).to_contain_text("The form has these parameters now")
    page.keyboard.press("Escape")
    expect(form.locator(".rk-count")).to_have_text("1 trial")
    assert page.errors == []  # type: ignore[attr-defined]


def test_a_saved_form_is_seen_without_a_kernel(lab: Lab, open_notebook: Callable[[str], Page]) -> None:
    from playwright.sync_api import expect

    name = write_notebook(lab, "kept-form.ipynb", CONNECT, "form = kit.form()\nform")
    page = open_notebook(name)
    run_all(page)
    form = page.locator(".rk-form")
    expect(form).to_be_visible()
    form.get_by_label("User prompt").fill("a fox in the snow")
    form.get_by_role("button", name="Copy as code").click()
    expect(form.locator(".rk-code")).to_have_text("kit.generate('a fox in the snow')")
    form.get_by_role("button", name="Generate").click()
    expect(form.locator("img.widget-image")).to_be_visible()
    expect(form.get_by_role("button", name="Generate")).to_be_enabled()
    page.wait_for_timeout(500)
    kept = save(page, lab, name)
    (output,) = kept["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert len("".join(output["data"]["text/html"])) < 150_000

    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.reload()
    out = page.locator(".jp-OutputArea-output").last
    expect(out).to_contain_text("a fox in the snow")
    expect(out).to_contain_text("SIMULATOR")
    assert out.locator("img").evaluate("e => e.naturalHeight") == 512
    assert page.errors == []  # type: ignore[attr-defined]

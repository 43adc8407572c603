"""Every notebook of the project opened in a browser and run from top to bottom, as a reader does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import copy_notebook, run_all, save, shoot

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
IDLE = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)  # 01 has a test of its own
def test_it_runs_from_top_to_bottom(path: Path, lab: Lab, open_notebook: Callable[[str], Page], tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = open_notebook(copy_notebook(lab, path))
    cells = page.locator(".jp-CodeCell")
    run_all(page)

    expect(cells.last.locator(".jp-InputPrompt")).to_have_text(f"[{cells.count()}]:", timeout=90_000)
    page.wait_for_function(IDLE)
    expect(page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    kept = save(page, lab, path.name)
    kinds = {kind for cell in kept["cells"] for output in cell.get("outputs", ()) for kind in output.get("data", ())}
    assert kinds <= {"text/plain", "text/html", "image/jpeg", "image/png"}
    pictures = page.locator(".rk-root, .jp-OutputArea-output img")
    if pictures.count():
        pictures.last.scroll_into_view_if_needed()
    shoot(page, f"{path.stem}.png", tmp_path)
    assert page.errors == []  # type: ignore[attr-defined]
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

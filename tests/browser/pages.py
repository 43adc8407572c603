"""What browser tests do with a notebook: write one, open it, run it, look at it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Lab

SHOTS = os.environ.get("SCREENSHOTS")
"""A folder that keeps the screenshots; default: the test's own, which pytest removes later."""
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CONNECT = "import runpodkit as rk\nkit = rk.connect()"


def write_notebook(lab: Lab, name: str, *cells: str) -> str:
    """A notebook of code cells in the lab's folder, none of them run; gives its name."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL)
    nbformat.write(made, lab.folder / name)
    return name


def copy_notebook(lab: Lab, path: Path) -> str:
    """A notebook of the project without its outputs: what is seen is not what was saved."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, lab.folder / path.name)
    return path.name


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def run_cell(page: Page, number: int) -> None:
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def restart_kernel(page: Page) -> None:
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")


def save(page: Page, lab: Lab, name: str) -> dict[str, Any]:
    """Save the notebook as a person does; gives what is in the file."""
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    return dict(json.loads((lab.folder / name).read_text()))


def shoot(thing: Page | Locator, name: str, folder: Path) -> None:
    path = Path(SHOTS or folder) / name
    thing.screenshot(path=path)
    assert path.stat().st_size > 10_000  # not an empty page

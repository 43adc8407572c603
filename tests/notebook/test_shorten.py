"""Notebooks for a live endpoint: the same cells, with short axes and a budget."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def shorten() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shorten", NOTEBOOKS / "shorten.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_copy_begins_with_short_axes_and_keeps_every_other_cell(shorten: ModuleType, tmp_path: Path) -> None:
    original = NOTEBOOKS / "03_seed_and_step_sweeps.ipynb"

    copy = nbformat.read(shorten.shorten(original, tmp_path), as_version=4)

    whole = nbformat.read(original, as_version=4)
    assert [cell.source for cell in copy.cells[1:]] == [cell.source for cell in whole.cells]
    assert copy.cells[0].source == shorten.SHORT.strip()
    assert not any(cell.get("outputs") for cell in copy.cells)


def test_each_axis_keeps_its_first_and_last_value(shorten: ModuleType) -> None:
    check = (
        "\nplan = rk.sweep('a fox', steps='2, 4, 8-24 (+8)', cfg_scale=[1, 2], seed='vary')"
        "\nprint(plan.axes, plan.seed_varies)"
    )
    done = subprocess.run([sys.executable, "-c", shorten.SHORT + check], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "{'steps': [2, 24], 'cfg_scale': [1.0, 2.0]} True"

"""Copies of notebooks for a live endpoint, with short axes: python notebooks/shorten.py FOLDER FILE …

Each axis keeps its first and its last value, and a budget holds every run.  Cells stay as they are,
so what a reader runs is what is tried; only their figures are no longer those that are printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

BUDGET_USD = 0.25
"""Of each run; RUNPODKIT_USD_PER_DAY caps all of them together."""
SHORT = f"""
import runpodkit as rk

_sweep, _submit = rk.sweep, rk.Kit.submit


def _short(prompt, /, **fields):
    whole = _sweep(prompt, **fields)
    axes = {{name: values if len(values) < 3 else [values[0], values[-1]] for name, values in whole.axes.items()}}
    if whole.seed_varies:
        axes["seed"] = "vary"
    return rk.Sweep(whole.base, axes, whole.mode)


def _within_budget(kit, plan, name=None, **about):
    return _submit(kit, plan, name, **{{"budget_usd": {BUDGET_USD}, **about}})


rk.sweep, rk.Kit.submit = _short, _within_budget
"""


def shorten(path: Path, folder: Path) -> Path:
    """A copy that begins with short axes; gives its path."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SHORT.strip(), id="short"))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    copy = folder / path.name
    nbformat.write(notebook, copy)
    return copy


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for name in sys.argv[2:]:
        print(shorten(Path(name), target))

"""A run's table for a paper: which columns it shows; the TeX itself is made by `tables.latex`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from runpodkit.runs.drafts import draft
from runpodkit.runs.tables import to_latex
from runpodkit.runs.tables.columns import PARAMS

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

_MEASURED = ("trials", "failure_rate", "execution_time_p50_s", "execution_time_p90_s", "cost_per_image_usd")

_MADE_UP = "% SIMULATOR: times and costs are made up\n"


def paper_table(
    results: Results,
    path: str | Path | None = None,
    *,
    by: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> str:
    """As `Results.to_latex`."""
    if by is None:
        frame, first = results.table(), [*results.sweep.axes] or ["trial"]
        names = [*first, "execution_time_s", "cost_usd"] if columns is None else [*columns]
        chosen = [*PARAMS, *first]
    else:
        told = results.summary(by)
        chosen = [str(name) for name in told.index.names]
        frame = told.reset_index()
        names = [*chosen, *(_MEASURED if columns is None else columns)]
    if unknown := [name for name in names if name not in frame.columns]:
        raise ValueError(f"{', '.join(unknown)} is no column; columns: {', '.join(map(str, frame.columns))}")
    shown = frame[list(dict.fromkeys(names))]
    if columns is None:
        shown = shown.dropna(axis="columns", how="all")
    tex = (_MADE_UP if results.simulated else "") + to_latex(pd.DataFrame(shown), exact=chosen)
    if path is not None:
        with draft(Path(path)) as hidden:
            hidden.write_text(tex, encoding="utf-8")
    return tex

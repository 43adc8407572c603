"""The table of scores: which a run has, and how their numbers spread."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import pandas as pd

from runpodkit.runs.records import Record
from runpodkit.runs.scores import Score


def score_table(scores: Mapping[str, Score], records: Sequence[Record]) -> pd.DataFrame:
    """See `Results.scores`."""
    rows = []
    for name, score in sorted(scores.items()):
        values = list(score.by_trial(records).values())
        spread = (statistics.fmean(values), min(values), max(values)) if values else (None, None, None)
        rows.append([name, str(score.measure), len(values), *spread, score.saved])
    frame = pd.DataFrame(rows, columns=["name", "measure", "trials", "mean", "low", "high", "saved"])
    kinds = {"trials": "Int64", "mean": "Float64", "low": "Float64", "high": "Float64", "saved": "boolean"}
    return frame.astype(kinds).set_index("name")

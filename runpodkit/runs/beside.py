"""Beside: what people and programs said of a run's trials after they were drawn, as columns of values by trial.

Answers of blind comparisons, and scores.  Records never change for it: it lies in files of its own beside them in the
store.  Tables, CSV, pages, grids and filters take it from here under the names of its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runpodkit.runs.preferences import read_preferences, tally
from runpodkit.runs.records import Record
from runpodkit.runs.scores import read_scores, score_columns
from runpodkit.storage import Store

Beside = Mapping[str, Mapping[int, Any]]
"""Values by trial under the name of their column; a trial that has none is missing, and so is a column without any."""

ANSWERS = ("wins", "losses", "ties")
"""Of blind comparisons."""


def read_beside(store: Store, run: str, records: Iterable[Record]) -> dict[str, dict[int, Any]]:
    """All columns that are kept beside a run, for these records.

    Raises:
        StoreError: the store does not answer.
    """
    there = list(records)
    trials = [record.trial for record in there]
    return {**_answers(store, run, trials), **score_columns(read_scores(store, run), there)}


def _answers(store: Store, run: str, trials: Iterable[int]) -> dict[str, dict[int, Any]]:
    """Once somebody compared, a trial that was not shown has no win, loss or tie: 0."""
    counted = tally(read_preferences(store, run))
    if not counted:
        return {}
    return {name: {trial: counted.get(trial, (0, 0, 0))[at] for trial in trials} for at, name in enumerate(ANSWERS)}

"""Measures: the numbers of trials by name, and trials that are equal in all but some axes.

A measure is execution time, cost, or any column of numbers that was said of the trials since; answers of blind
comparisons and marks of people are none.  Opens no picture.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runpodkit.runs.beside import ANSWERS
from runpodkit.runs.items import key_of
from runpodkit.runs.layout import value_of
from runpodkit.runs.pairing import Rest, rest_of
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState

DISTANCE, TIME, COST = "pixel_distance", "execution_time_s", "cost_usd"
REPEAT = "repeat"
"""The axis of a repeated sweep: its values are not told apart but averaged."""
NO_MEASURES = frozenset({*ANSWERS, "starred", "note"})
"""Columns beside a run that measure nothing."""

Numbers = Mapping[int, float]
"""By trial; a trial without one is missing."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Trials that are equal in all values but `repeat`."""

    values: Mapping[str, Any]
    records: list[Record] = field(default_factory=list)

    def numbers(self, measure: Numbers) -> list[float]:
        """Those of its repeats that have one."""
        return [measure[record.trial] for record in self.records if record.trial in measure]

    def mean(self, measure: Numbers) -> float | None:
        known = self.numbers(measure)
        return sum(known) / len(known) if known else None


def cells_of(records: Iterable[Record], apart: Iterable[str] = (REPEAT,)) -> dict[Rest, Cell]:
    """Trials by all values but those of the axes `apart`, in order of their first trial."""
    left_out = set(apart)
    cells: dict[Rest, Cell] = {}
    for record in sorted(records, key=lambda each: each.trial):
        values = {name: value for name, value in record.values.items() if name not in left_out}
        cells.setdefault(rest_of(record.values, left_out), Cell(values)).records.append(record)
    return cells


def measures_of(
    records: Sequence[Record],
    beside: Mapping[str, Mapping[int, Any]],
    scores: str | Sequence[str] | Mapping[str, Mapping[int, float]] | None = None,
    *,
    reused_times: bool = False,
) -> dict[str, Numbers]:
    """Time, cost and scores of these trials.

    Args:
        beside: Columns of values by trial, as `Results.beside` gives them.
        scores: Names of columns that are wanted, or own scores by trial under their names; default: all there are.
        reused_times: Also times and costs of pictures that were reused: those of the trial that drew them, and 0.

    Raises:
        ValueError: a name that is no column of numbers.
    """
    there = {
        name: numbers
        for name, column in beside.items()
        if name not in NO_MEASURES and (numbers := _numbers(column)) is not None
    }
    if isinstance(scores, Mapping):
        wanted = {name: _numbers(column) for name, column in scores.items()}
        if bad := [name for name, numbers in wanted.items() if numbers is None]:
            raise ValueError(f"scores: {', '.join(bad)} has no numbers by trial, such as {{0: 0.7, 1: 0.4}}")
        there = {name: numbers for name, numbers in wanted.items() if numbers is not None}
    elif scores is not None:
        names = [scores] if isinstance(scores, str) else list(scores)
        if unknown := [name for name in names if name not in there]:
            known = ", ".join(there) or "none yet; run.score(…) makes one"
            raise ValueError(f"scores: {', '.join(map(str, unknown))} is no score of this run; its scores: {known}")
        there = {name: there[name] for name in names}
    drawn = [record for record in records if reused_times or not is_reused(record)]
    times = {record.trial: record.execution_time_s for record in drawn if record.execution_time_s is not None}
    costs = {record.trial: record.cost_usd for record in drawn if record.cost_usd is not None}
    return {TIME: times, COST: costs, **there}


def is_reused(record: Record) -> bool:
    """Whether its picture was drawn for another trial."""
    return record.state is TrialState.REUSED or record.reused_from is not None


def values_along(records: Sequence[Record], axis: str) -> list[Any]:
    """The values of an axis, in the order of their first trials.

    Raises:
        ValueError: no such axis.
    """
    names = dict.fromkeys(name for record in records for name in record.values)
    if axis not in names:
        raise ValueError(f"{axis} is no axis of this run; its axes: {', '.join(names) or 'none'}")
    there: dict[Hashable, Any] = {}
    for record in records:
        there.setdefault(key_of(value_of(record, axis)), value_of(record, axis))
    return list(there.values())


def _numbers(column: Mapping[int, Any]) -> dict[int, float] | None:
    """Finite numbers by trial; None if the column has other things in it, or nothing."""
    known = {trial: value for trial, value in column.items() if value is not None}
    if not known or any(isinstance(value, bool) or not hasattr(value, "__float__") for value in known.values()):
        return None
    numbers = {trial: float(value) for trial, value in known.items()}
    return {trial: value for trial, value in numbers.items() if math.isfinite(value)}

"""Measuring: scores of cells, and how far pictures of neighbouring values are apart.

Opens pictures and runs what a caller gives as a score; decides nothing.  What was measured is not measured again
as long as its `Measures` lives.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runpodkit.images import differences
from runpodkit.images.differences import COMPARED_PX
from runpodkit.images.thumbnails import shrink
from runpodkit.runs.pairing import rest_of
from runpodkit.runs.records import Record
from runpodkit.runs.refining import Number
from runpodkit.runs.scorers import Function, Scorer, built_ins, name_of
from runpodkit.sweeps.axes import canonical

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

Score = Function | Scorer
"""What gives pictures their numbers."""
Cells = list[tuple[Number, Hashable, float]]
"""Value, everything else of the cell, and its score."""

FACTS = ("execution_time_s", "queue_delay_s", "cost_usd")
"""What a record itself says in numbers."""
_OPEN_THUMBS = 32


class Measures:
    """Scores and distances of the pictures of one run, each taken once."""

    def __init__(self, progress: bool = False) -> None:
        self._progress = progress
        self._distances: dict[tuple[str, str], float] = {}

    async def cells(self, run: Results, axis: str, values: Collection[Number], by: str | Score) -> Cells:
        """The score of each trial that has one, of these values of the axis.

        Args:
            by: A score or a column of numbers of the run, one of `FACTS`, or what `Results.score` takes.

        Raises:
            ValueError: nothing of that name is known, or what scores is wrong; see `Results.score`.
            StoreError: a picture cannot be read.
        """
        records = [record for record in await run.arecords() if record.values.get(axis) in values]
        scored = await self._scored(run, records, axis, values, by)
        return [
            (record.values[axis], rest_of(record.values, (axis,)), score)
            for record in records
            if (score := scored.get(record.trial)) is not None and math.isfinite(score)
        ]

    async def _scored(
        self, run: Results, records: Sequence[Record], axis: str, values: Collection[Number], by: str | Score
    ) -> dict[int, float]:
        if isinstance(by, str) and by in FACTS:
            told = {record.trial: getattr(record, by) for record in records if record.images}
            return {trial: float(value) for trial, value in told.items() if value is not None}
        name, beside = score_name(by), await asyncio.to_thread(run.beside, records)
        measured = name in built_ins() or not isinstance(by, str)
        if not measured and name not in beside:
            known = ", ".join(dict.fromkeys([*FACTS, *built_ins(), *beside]))
            raise ValueError(f"by={by!r}: no score of run {run.name} is called so; known: {known}, change")
        if measured:
            where = {axis: [record.values[axis] for record in records]}
            scores = (await run.ascore(by, name, where=where, progress=self._progress)).dropna()
            return dict(zip(scores.index.tolist(), map(float, scores), strict=True))
        return {trial: float(value) for trial, value in beside[name].items() if isinstance(value, int | float)}

    async def changes(
        self, run: Results, axis: str, values: Collection[Number], among: Callable[[Record], bool] = lambda record: True
    ) -> dict[tuple[Number, Number], float]:
        """Mean distance of the pictures of neighbouring values, over all that both values have: in [0, 1].

        Args:
            among: Which records count.

        Raises:
            StoreError: a picture cannot be read.
        """
        records = [
            each for each in await run.arecords() if each.images and each.values.get(axis) in values and among(each)
        ]
        return await asyncio.to_thread(self._changes, records, axis, run.bytes_of)

    def _changes(
        self, records: Sequence[Record], axis: str, read: Callable[[str], bytes]
    ) -> dict[tuple[Number, Number], float]:
        small = lru_cache(maxsize=_OPEN_THUMBS)(
            lambda key: shrink(read(key), (COMPARED_PX, COMPARED_PX), enlarge=False)
        )
        by_value: dict[Number, dict[Hashable, str]] = {}
        for record in records:
            by_value.setdefault(record.values[axis], {})[rest_of(record.values, (axis,))] = record.images[0].key
        order = sorted(by_value)
        found = {}
        for low, high in pairwise(order):
            pairs = [(key, by_value[high][rest]) for rest, key in by_value[low].items() if rest in by_value[high]]
            for pair in pairs:
                if pair not in self._distances:
                    self._distances[pair] = differences.distance(small(pair[0]), small(pair[1]))
            if pairs:
                found[low, high] = sum(self._distances[pair] for pair in pairs) / len(pairs)
        return found


def score_name(by: str | Score) -> str:
    """What a score is called: its column of the run."""
    return by if isinstance(by, str) else name_of(by) or "score"


def group_of(values: dict[str, Any], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What a trial has on some axes, as what can be looked up."""
    return tuple((name, canonical(values[name])) for name in names)

"""Comparison: what one axis changes, over pairs of trials that are equal in everything else.

Numbers and pictures of the difference; whether it is better is not known here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from PIL import Image

from runpodkit.images import differences
from runpodkit.images.differences import COMPARED_PX, STRENGTH
from runpodkit.images.grids import Cell, Grid, grid
from runpodkit.images.thumbnails import shrink
from runpodkit.runs.layout import shown, value_of
from runpodkit.runs.records import Record

SHOWN_PX = 320


@dataclass(frozen=True, slots=True)
class Pair:
    """Two trials that differ in one axis, and by how much."""

    record: Record
    baseline: Record
    distance: float
    """Mean absolute difference of the thumbnails, in [0, 1]."""


class Comparison:
    """Values of an axis against one of them: `table` has the numbers, `picture` what differs most."""

    def __init__(
        self, axis: str, baseline: Any, pairs: dict[Any, list[Pair]], read: Callable[[str], bytes], simulated: bool
    ) -> None:
        self.axis, self.baseline = axis, baseline
        self._pairs, self._read, self._simulated = pairs, read, simulated

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per value: number of pairs, mean pixel distance in [0, 1], mean execution time in s and cost in USD."""
        rows = [
            {
                self.axis: value,
                "pairs": len(pairs),
                "pixel_distance": _mean([pair.distance for pair in pairs]),
                "execution_time_s": _mean([pair.record.execution_time_s for pair in pairs]),
                "cost_usd": _mean([pair.record.cost_usd for pair in pairs]),
            }
            for value, pairs in self._pairs.items()
        ]
        return pd.DataFrame(rows).set_index(self.axis)

    @cached_property
    def picture(self) -> Grid:
        """For each value the pair that differs most: the baseline, the value, and their difference, four times as strong.

        Raises:
            ValueError: no value has a pair to compare.
        """
        cells: dict[tuple[tuple[str, ...], tuple[str, ...]], Cell] = {}
        cols = [(f"{self.baseline}",), ("the value",), (f"difference × {STRENGTH}",)]
        rows = []
        for value, pairs in self._pairs.items():
            if value == self.baseline or not pairs:
                continue
            most = max(pairs, key=lambda pair: pair.distance)
            one, other = (_small(self._read, record, SHOWN_PX) for record in (most.baseline, most.record))
            strong = differences.difference(one, other)
            rest = ", ".join(f"{name} {shown(at)}" for name, at in most.record.values.items() if name != self.axis)
            row = (shown(value),)
            rows.append(row)
            for col, image, note in zip(cols, (one, other, strong), ("", rest, f"{most.distance:.3f}"), strict=True):
                cells[row, col] = Cell(image=image, note=note)
        if not rows:
            raise ValueError(f"no two finished pictures differ in {self.axis} alone")
        badge = "SIMULATOR" if self._simulated else None
        return grid(
            cells,
            rows=rows,
            cols=cols,
            row_title=self.axis,
            title=f"{self.axis} against {shown(self.baseline)}",
            badge=badge,
        )

    def __repr__(self) -> str:
        return f"{self.axis} against {shown(self.baseline)}\n{self.table}"

    def _repr_html_(self) -> str:
        table = self.table.to_html(float_format="{:.4g}".format, border=0)
        try:
            shot = base64.b64encode(self.picture.jpeg(900, 150_000)).decode()
        except ValueError:
            return f"<div>{table}</div>"
        return f'<div>{table}<img alt="what differs most" style="max-width:100%" src="data:image/jpeg;base64,{shot}"></div>'


def compare(records: Sequence[Record], read: Callable[[str], bytes], axis: str, baseline: Any = None) -> Comparison:
    """See `Run.compare`.

    Args:
        read: Gives a picture's bytes by its key in the store.

    Raises:
        ValueError: `axis` is no axis of the run, or `baseline` none of its values.
    """
    if not records or axis not in records[0].values:
        axes = ", ".join(records[0].values) if records else "none"
        raise ValueError(f"{axis} is no axis of this run; its axes: {axes}")
    values = list(dict.fromkeys(value_of(record, axis) for record in records))
    baseline = values[0] if baseline is None else baseline
    if baseline not in values:
        raise ValueError(f"baseline={baseline!r} is no value of {axis}; its values: {', '.join(map(str, values))}")
    whole = [record for record in records if record.images]
    against = {_rest(record, axis): record for record in whole if value_of(record, axis) == baseline}
    pairs: dict[Any, list[Pair]] = {value: [] for value in values}
    for record in whole:
        other = against.get(_rest(record, axis))
        if other:
            distance = 0.0 if record is other else _distance(read, record, other)
            pairs[value_of(record, axis)].append(Pair(record, other, distance))
    return Comparison(axis, baseline, pairs, read, all(record.simulated for record in records))


def _rest(record: Record, axis: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in record.values.items() if name != axis)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _distance(read: Callable[[str], bytes], one: Record, other: Record) -> float:
    """Mean absolute difference of two pictures' thumbnails, in [0, 1]."""
    return differences.distance(*(_small(read, record, COMPARED_PX) for record in (one, other)))


def _small(read: Callable[[str], bytes], record: Record, px: int) -> Image.Image:
    return shrink(read(record.images[0].key), (px, px), enlarge=False)

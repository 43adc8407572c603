"""The axes of a page: what tells its pictures apart, and which of them run down, across and through the pages.

Knows neither HTML nor how a cell looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runpodkit.params import ImageParams
from runpodkit.runs.exports.page_values import as_json, label, plain, portable
from runpodkit.runs.layout import place_axes
from runpodkit.runs.records import Record
from runpodkit.sweeps.axes import EXTRA, canonical
from runpodkit.sweeps.sweep import Sweep

PICTURE, TRIAL = "picture", "trial"
"""Axes that no sweep has: the pictures of one job, and trials that nothing else tells apart."""

MOST_COLUMNS = 48
"""A grid that would open wider shows its last column axis one value at a time."""


@dataclass(slots=True)
class Axis:
    """One thing that pictures are told apart by, and the values that the page has of it."""

    name: str
    values: dict[str, Any]
    """By canonical JSON, in the sweep's order."""
    labelled: bool = False
    """Whether its values are labels, though it may have the name of a parameter."""

    @property
    def labels(self) -> list[str]:
        """As the grid writes them; where that would make two look the same, in full."""
        words = [label(value) for value in self.values.values()]
        return [
            repr(value) if words.count(word) > 1 else word
            for word, value in zip(words, self.values.values(), strict=True)
        ]


def axes_of(sweep: Sweep, places: Sequence[tuple[Record, int]]) -> list[Axis]:
    """The axes that tell these pictures apart, in the sweep's order."""
    names = list(dict.fromkeys([*sweep.axes, *(name for record, _ in places for name in record.values)]))
    found = []
    composite = sweep.composite()
    for name in names:
        given = {canonical(value): value for record, number in places for value in [value_on(record, number, name)]}
        planned = [key for key in map(canonical, sweep.axes.get(name, [])) if key in given]
        ordered = dict.fromkeys([*planned, *given])
        found.append(Axis(name, {key: given[key] for key in ordered}, name in composite))
    if any(number for _, number in places):
        numbers = range(1, 2 + max(number for _, number in places))
        found.append(Axis(PICTURE, {canonical(number): number for number in numbers}))
    found = [axis for axis in found if len(axis.values) > 1]
    where = [tuple(canonical(value_on(record, number, axis.name)) for axis in found) for record, number in places]
    if len(set(where)) < len(where):
        trials = dict.fromkeys(record.trial for record, _ in places)
        found.append(Axis(TRIAL, {canonical(trial): trial for trial in trials}))
    return found


def value_on(record: Record, number: int, name: str) -> Any:
    """Where a picture stands on an axis."""
    if name == PICTURE and name not in record.values:
        return number + 1
    if name == TRIAL and name not in record.values:
        return record.trial
    return portable(name, record.values.get(name, getattr(record.params, name, None)))


def axis_data(axis: Axis) -> dict[str, Any]:
    """As the page's script reads it: labels, JSON texts, and numbers where all are."""
    values = list(axis.values.values())
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    data: dict[str, Any] = {"name": axis.name, "labels": axis.labels, "json": [as_json(value) for value in values]}
    inner = axis.name.removeprefix(EXTRA)
    parameter = axis.name in ImageParams.model_fields or (inner != axis.name and "." not in inner)
    if axis.labelled or axis.name in (PICTURE, TRIAL) or not parameter:
        data["about"] = True  # no parameter
    return {**data, "numbers": [plain(value) for value in values]} if numbers else data


def placed(
    sweep: Sweep,
    axes: Sequence[Axis],
    rows: str | Sequence[str] | None,
    cols: str | Sequence[str] | None,
    pages: str | Sequence[str] | None,
) -> dict[str, list[int]]:
    """Which axes, by place, run down, across and through the pages, outer first.

    Raises:
        ValueError: an axis that the page does not have, or one placed twice.
    """
    names = [axis.name for axis in axes]
    if unknown := [name for given in (rows, cols, pages) for name in _names(given) if name not in names]:
        alone = [name for name in unknown if name in sweep.axes]
        why = f"{alone[0]} has one value in this page" if alone else f"{', '.join(unknown)} is no axis of this page"
        raise ValueError(f"{why}; its axes: {', '.join(names) or 'none'}")
    through = _names(pages)
    placed = [name for given in (rows, cols, pages) for name in _names(given)]
    if twice := sorted({name for name in placed if placed.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} cannot be placed twice in rows, cols and pages")
    down, across, _ = place_axes([name for name in names if name not in through], rows, cols, units=sweep.units)
    sizes = {axis.name: len(axis.values) for axis in axes}
    free = pages is None and cols is None
    while free and len(across) > 1 and math.prod(sizes[name] for name in across) > MOST_COLUMNS:
        across, through = across[:-1], [across[-1], *through]
    return {
        "rows": [names.index(name) for name in down],
        "cols": [names.index(name) for name in across],
        "pages": [names.index(name) for name in through],
    }


def _names(given: str | Sequence[str] | None) -> list[str]:
    return [] if given is None else [given] if isinstance(given, str) else list(given)

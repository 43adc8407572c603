"""Plots of a run: a number of its trials along one axis, a line for each value of another, with its band over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpodkit.images.charts import Chart, Line, Point, chart
from runpodkit.runs.comparing.measures import COST, DISTANCE, REPEAT, TIME
from runpodkit.runs.comparing.pivot import gathered, in_order
from runpodkit.runs.items import key_of, plain
from runpodkit.runs.layout import shown
from runpodkit.stats.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.runs.results import Results

SEED_AXIS = "seed"


def plot(
    run: Results,
    x: str | None = None,
    y: str = TIME,
    hue: str | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
    **look: Any,
) -> Chart:
    """See `Results.plot`."""
    axes = [name for name in run.sweep.axes if name not in (SEED_AXIS, REPEAT)]
    if x is None:
        numeric = [name for name in axes if all(_is_number(value) for value in run.sweep.axes[name])]
        x = next(iter([*numeric, *axes, *run.sweep.axes]), None)
        if x is None:
            raise ValueError("x: this run varies nothing; name a column of its table, such as x='worker_id'")
        hue = hue or next((name for name in axes if name != x), None)
    names = list(dict.fromkeys([x, *([hue] if hue else []), *([SEED_AXIS])]))
    frame = gathered(run, y, names, where=where, baseline=baseline)
    if y == DISTANCE and baseline:  # the baseline is at no distance from itself, which says nothing
        axis, wanted = next(iter(baseline.items()))
        frame = frame[[not itself for itself in _equal(frame, axis, wanted)]]
    if frame.empty:
        raise ValueError(f"there is nothing to plot: no finished trial has {y}")
    groups = (
        [(shown(value), frame[_equal(frame, hue, value)]) for value in in_order(run, frame, hue)]
        if hue
        else [("", frame)]
    )
    values = in_order(run, frame, x)
    numeric_x = all(_is_number(value) for value in values)
    lines, over = [], set()
    for name, part in groups:
        points = []
        for value in values:
            numbers, unit = _replicates(part[_equal(part, x, value)], y)
            if not numbers:
                continue
            over.add((unit, len(numbers)))
            interval = mean_interval(numbers)
            mean = sum(numbers) / len(numbers)
            place = float(value) if numeric_x else shown(value)
            points.append(Point(place, mean, interval.low, interval.high) if interval else Point(place, mean))
        if points:
            lines.append(Line(name, points))
    averaged = [name for name in axes if name not in (x, hue) and frame[name].nunique() > 1]
    return chart(
        lines,
        x_title=titled(x),
        y_title=titled(y, baseline),
        hue_title=titled(hue) if hue else "",
        note=_note(over, averaged),
        badge="simulated"
        if bool(frame["simulated"].all())
        else "partly simulated"
        if bool(frame["simulated"].any())
        else "",
        text=f"Plot of {y} by {x}" + (f", {len(lines)} line{'' if len(lines) == 1 else 's'} by {hue}" if hue else ""),
        **look,
    )


def titled(name: str, baseline: Mapping[str, Any] | None = None) -> str:
    """A column's name as an axis of a plot has it, with its unit."""
    if name == DISTANCE:
        against = next(iter((baseline or {}).items()), None)
        return "picture distance" + (f" to {value_title(*against)}" if against else "") + " (0 to 1)"
    if name == COST:
        return "cost (USD)"
    for end, unit in (("_usd", "USD"), ("_s", "s")):
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} ({unit})"
    if name in ("width", "height"):
        return f"{name} (pixels)"
    return name.removesuffix("_name").replace("_", " ")


def value_title(axis: str, value: Any) -> str:
    """A value where it stands alone: words as they are, numbers with what they are of."""
    return value if isinstance(value, str) else f"{shown(value)} {titled(axis)}"


def _replicates(part: pd.DataFrame, y: str) -> tuple[list[float], str]:
    """Numbers that are resampled: a mean per seed where there are several, else each trial's."""
    seeds = part[SEED_AXIS].nunique()
    if seeds > 1:
        return [float(value) for value in part.groupby(SEED_AXIS)[y].mean()], "seeds"
    return [float(value) for value in part[y]], "trials"


def _note(over: set[tuple[str, int]], averaged: Sequence[str]) -> str:
    units = {unit for unit, count in over if count > 1}
    counts = sorted({count for _, count in over})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    said = f"mean and 95 % interval over {many} {'seeds' if units == {'seeds'} else 'trials'}" if units else ""
    return said + (f", {', '.join(map(titled, averaged))} averaged" if averaged else "")


def _equal(frame: pd.DataFrame, name: str | None, value: Any) -> list[bool]:
    wanted = key_of(value)
    return [key_of(plain(each)) == wanted for each in frame[str(name)]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

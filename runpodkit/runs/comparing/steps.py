"""Enough steps: from how many on a picture hardly changes any more, for each sampler or other group.

Says how much pictures still change; whether that can be seen, and whether it is better, is for people.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from runpodkit.images.charts import Chart, Line, Point, chart
from runpodkit.runs.comparing.measures import REPEAT, Cell, cells_of
from runpodkit.runs.comparing.pairs import distance, distances_within, usual_distance
from runpodkit.runs.comparing.plots import titled
from runpodkit.runs.comparing.smalls import LATE_S, smalls
from runpodkit.runs.comparing.words import listed
from runpodkit.runs.items import key_of
from runpodkit.runs.layout import shown
from runpodkit.runs.pairing import rest_of
from runpodkit.runs.refining import EPSILON
from runpodkit.runs.watch import progress
from runpodkit.stats.intervals import FEW, Interval, mean_interval

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

STEPS, SEED, SAMPLER = "steps", "seed", "sampler_name"
LARGEST, NEXT = "largest", "next"


@dataclass(frozen=True, slots=True)
class Change:
    """How far the pictures of one group at some steps are from those at more."""

    group: Any
    steps: int
    against: int
    series: int
    """Pictures with a partner: one for each seed and whatever else varies."""
    mean: float
    interval: Interval | None
    """95 %, over the series; None of one."""
    share: float
    """Of the series that change less than epsilon."""

    def below(self, epsilon: float) -> bool:
        """Whether all of the interval is; of one series, whether that is."""
        return (self.interval.high if self.interval else self.mean) < epsilon


class EnoughSteps:
    """`table`: a row per group; `changes`: per group and steps; `steps`: how many are enough, None if not within those tried."""

    def __init__(
        self, by: str | None, against: str, epsilon: float, reason: str, tried: Mapping[Any, Sequence[int]],
        changes: Sequence[Change], *, left_out: int = 0, simulated: bool,
    ) -> None:  # fmt: skip
        self.by, self.against, self.epsilon, self.left_out = by, against, epsilon, left_out
        self._reason, self._tried, self._changes, self._simulated = reason, tried, changes, simulated

    @cached_property
    def steps(self) -> dict[Any, int | None]:
        """By group the smallest steps from which on no more of those tried change the picture by epsilon or more."""
        found: dict[Any, int | None] = {}
        for group in self._tried:
            enough: int | None = None
            for change in reversed([one for one in self._changes if one.group == group]):
                if not change.below(self.epsilon):
                    break
                enough = change.steps
            found[group] = enough
        return found

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per group.

        `enough`: steps, missing if not within those tried; `change`, `low`, `high`: picture distance in [0, 1] there (at the
        most steps but one where none are enough) with its 95 % interval; `share`: of series below epsilon there; `series`;
        `tried`: the most steps.
        """
        rows = []
        for group, enough in self.steps.items():
            own = [one for one in self._changes if one.group == group]
            at = next((one for one in own if one.steps == enough), own[-1] if own else None)
            ends = at.interval if at else None
            rows.append(
                {
                    self.by or "all": shown(group) if group is None else group,
                    "enough": enough,
                    "change": at.mean if at else None,
                    "low": ends.low if ends else None,
                    "high": ends.high if ends else None,
                    "share": at.share if at else None,
                    "series": at.series if at else 0,
                    "tried": max(self._tried[group]),
                }
            )
        frame = pd.DataFrame(rows).astype(
            {"enough": "Int64", **dict.fromkeys(("change", "low", "high", "share"), "float64")}
        )
        return frame.set_index(self.by or "all")

    @cached_property
    def changes(self) -> pd.DataFrame:
        """A row per group and steps: `against`, `series`, `change` with `low` and `high`, `share` below epsilon."""
        rows = [
            {
                self.by or "all": one.group,
                "steps": one.steps,
                "against": one.against,
                "series": one.series,
                "change": one.mean,
                "low": one.interval.low if one.interval else None,
                "high": one.interval.high if one.interval else None,
                "share": one.share,
            }
            for one in self._changes
        ]
        names = [self.by or "all", "steps", "against", "series", "change", "low", "high", "share"]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype(dict.fromkeys(("change", "low", "high", "share"), "float64"))

    @property
    def words(self) -> list[str]:
        """A sentence per group, then what epsilon is."""
        lines = []
        for group, enough in self.steps.items():
            own = [one for one in self._changes if one.group == group]
            name = (
                "Pictures" if group is None else shown(group) if isinstance(group, str) else f"{self.by} {shown(group)}"
            )
            if not own:
                lines.append(f"{name}: no two step counts to compare.")
                continue
            if enough is None:
                last = own[-1]
                lines.append(
                    f"{name}: not within the steps tried; {last.steps} and {last.against} still differ by "
                    f"{last.mean:.3f}{_ends(last)}."
                )
                continue
            at = next(one for one in own if one.steps == enough)
            change = f"{at.against} steps change the picture by {at.mean:.3f}{_ends(at)}"
            lines.append(f"{name}: {enough} steps are enough; {change}.")
        least = min((one.series for one in self._changes), default=FEW)
        if least < FEW:
            lines.append(f"{least} pair{' is' if least == 1 else 's are'} too few to be sure: {FEW} or more tell.")
        if self.left_out:
            have = "picture is" if self.left_out == 1 else "pictures are"
            than = "next more" if self.against == NEXT else "most"
            lines.append(f"{self.left_out} {have} left out, because theirs of the {than} steps is missing.")
        return [*lines, f"Enough means a change under {self.epsilon:g} of the full range, {self._reason}."]

    def plot(self, **look: Any) -> Chart:
        """Change by steps, a line per group, with epsilon marked.

        Args:
            look: As in `Results.plot`: `width_mm`, `height_mm`, `title`, `log_x`, `log_y`.

        Raises:
            ConfigError: matplotlib is not installed.
        """
        lines = []
        for group in self._tried:
            own = [one for one in self._changes if one.group == group]
            points = [
                Point(one.steps, one.mean, one.interval.low, one.interval.high)
                if one.interval
                else Point(one.steps, one.mean)
                for one in own
            ]
            if points:
                lines.append(Line("" if group is None else shown(group), points))
        series = sorted({one.series for one in self._changes})
        many = f"{series[0]}" if len(series) == 1 else f"{series[0]} to {series[-1]}" if series else "0"
        than = "next more steps" if self.against == NEXT else "the most steps"
        return chart(
            lines,
            x_title="steps",
            y_title=f"picture distance to {than} (0 to 1)",
            hue_title=titled(self.by) if self.by else "",
            note=f"mean and 95 % interval over {many} pairs" if max(series, default=0) > 1 else "",
            badge="simulated" if self._simulated else "",
            level=(self.epsilon, f"enough below {self.epsilon:g}"),
            text=f"Plot of change by steps, {len(lines)} line{'' if len(lines) == 1 else 's'}",
            **look,
        )

    def __repr__(self) -> str:
        return "\n".join(self.words)

    def _repr_html_(self) -> str:
        return f"<div>{listed(self.words)}</div>"


def enough_steps(
    run: Results,
    epsilon: float | None = None,
    *,
    by: str | None = None,
    against: str = LARGEST,
    where: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> EnoughSteps:
    """See `Results.enough_steps`."""
    if epsilon is not None and not 0 < epsilon < 1:
        raise ValueError(f"epsilon={epsilon!r}: a picture distance above 0 and under 1, such as {EPSILON}")
    if against not in (LARGEST, NEXT):
        raise ValueError(f"against={against!r}: 'largest' or 'next'")
    chosen = run.where(**where or {})
    names = list(dict.fromkeys(name for record in chosen for name in record.values))
    if STEPS not in names:
        raise ValueError(f"this run does not vary steps; its axes: {', '.join(names) or 'none'}")
    if by is None and SAMPLER in names:
        by = SAMPLER
    if by is not None and (by not in names or by == STEPS):
        raise ValueError(f"by={by!r} is no other axis of this run; its axes: {', '.join(names)}")
    records = [record for record in chosen if record.images]
    if not records:
        raise ValueError(f"none of these {len(chosen)} trials has a picture yet")
    cells = list(cells_of(records, (REPEAT,)).values())
    series = _series(cells)
    with progress("steps", len(records), shown=not quiet, late_s=LATE_S) as step:
        measured, repeats = _measured(run, series, by, against, step)
    noise = usual_distance(repeats)
    told = f"as two repeats of one picture differ by {noise:.3f}" if noise is not None and noise > EPSILON else (
        "which can hardly be seen"
    )  # fmt: skip
    if epsilon is None:
        epsilon = max(EPSILON, noise or 0.0)
    else:
        told = "as asked"
    groups = _groups(cells, by)
    tried = {
        group: sorted(
            {int(cell.values[STEPS]) for cell in cells if by is None or key_of(cell.values.get(by)) == key_of(group)}
        )
        for group in groups
    }
    left_out = sum(_one_partner(of_group, against) for of_group in measured.values())
    changes = [
        Change(
            group, steps, more, len(numbers), sum(numbers) / len(numbers), mean_interval(numbers),
            sum(number < epsilon for number in numbers) / len(numbers),
        )
        for group in groups
        for (steps, more), numbers in sorted(measured.get(key_of(group), {}).items())
    ]  # fmt: skip
    simulated = all(record.simulated for record in records)
    return EnoughSteps(by, against, epsilon, told, tried, changes, left_out=left_out, simulated=simulated)


def _series(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that differ in steps alone, most steps first."""
    found: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        found.setdefault(rest_of(cell.values, (STEPS,)), []).append(cell)
    return [sorted(each, key=lambda cell: -int(cell.values[STEPS])) for each in found.values()]


def _measured(
    run: Results, series: Sequence[Sequence[Cell]], by: str | None, against: str, advance: Any
) -> tuple[dict[Hashable, dict[tuple[int, int], list[float]]], list[float]]:
    """Changes by group, steps and more steps; and how far repeats are from each other.

    Of a series two cells are held at a time.
    """
    order = [record for cells in series for cell in cells for record in cell.records]
    pictures = smalls(run.bytes_of, order, advance=advance)
    found: dict[Hashable, dict[tuple[int, int], list[float]]] = {}
    repeats: list[float] = []
    for cells in series:
        last: tuple[int, list[Image.Image]] | None = None
        for cell in cells:
            made = [image for image in (next(pictures)[1] for _ in cell.records) if image is not None]
            repeats += distances_within(made)
            steps = int(cell.values[STEPS])
            if last:
                apart = [far for one in made for other in last[1] if (far := distance(other, one)) is not None]
                if apart:
                    group = key_of(cell.values.get(by) if by else None)
                    numbers = found.setdefault(group, {}).setdefault((steps, last[0]), [])
                    numbers.append(sum(apart) / len(apart))
            if made and (last is None or against == NEXT):
                last = (steps, made)
    return found, repeats


def _one_partner(found: dict[tuple[int, int], list[float]], against: str) -> int:
    """Keep of each step count the changes to one other alone, or a line would mix two; returns how many go.

    A series that lost its picture of the most steps, or the next, was set against fewer steps, or more.
    """
    most = max((more for _, more in found), default=0)
    nearest = {steps: min(more for each, more in found if each == steps) for steps, _ in found}
    gone = [(steps, more) for steps, more in found if more != (most if against == LARGEST else nearest[steps])]
    return sum(len(found.pop(each)) for each in gone)


def _groups(cells: Sequence[Cell], by: str | None) -> list[Any]:
    if by is None:
        return [None]
    there: dict[Hashable, Any] = {}
    for cell in cells:
        there.setdefault(key_of(cell.values.get(by)), cell.values.get(by))
    return list(there.values())


def _ends(change: Change) -> str:
    ends = change.interval
    count = f"{change.series} pair{'' if change.series == 1 else 's'}"
    return f" ({ends.low:.3f} to {ends.high:.3f}, {count})" if ends else f" ({count})"

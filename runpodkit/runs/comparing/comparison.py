"""Comparison: what one axis changes, over pairs of trials that are equal in everything else.

Numbers with their intervals, sentences, and pictures of the difference; whether it is better is not known here.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from html import escape
from typing import Any

import pandas as pd

from runpodkit.images import differences
from runpodkit.images.differences import STRENGTH
from runpodkit.images.grids import Cell as GridCell
from runpodkit.images.grids import Grid, grid
from runpodkit.runs.comparing.measures import (
    COST,
    DISTANCE,
    REPEAT,
    TIME,
    Cell,
    Numbers,
    cells_of,
    is_reused,
    measures_of,
    values_along,
)
from runpodkit.runs.comparing.pairs import Matched, Pair, matched, measured, usual_distance
from runpodkit.runs.comparing.smalls import LATE_S, Read, small
from runpodkit.runs.comparing.starts import slow_starts
from runpodkit.runs.comparing.words import Difference, listed, sentence, spread, with_unit
from runpodkit.runs.items import key_of
from runpodkit.runs.layout import shown
from runpodkit.runs.records import Record
from runpodkit.runs.watch import progress
from runpodkit.stats.intervals import FEW, mean_interval
from runpodkit.stats.noise import usual_difference

SHOWN_PX = 320


class Comparison:
    """Values of an axis against one of them.

    `table` has the numbers, `words` says each value's in a sentence, `picture` shows what differs most,
    `noise` has what two repeats of one cell differ by, of each measure; empty where nothing was repeated.
    """

    def __init__(
        self,
        axis: str,
        baseline: Any,
        values: Sequence[Any],
        pairs: Mapping[Hashable, Sequence[Pair]],
        measures: Mapping[str, Numbers],
        noise: Mapping[str, float],
        read: Read,
        *,
        simulated: bool,
        reused_times: bool,
        remark: str = "",
    ) -> None:
        self.axis, self.baseline, self.values, self.noise = axis, baseline, list(values), dict(noise)
        self._pairs = {key_of(value): list(pairs.get(key_of(value), ())) for value in values}
        self._measures, self._read, self._simulated, self._reused_times = measures, read, simulated, reused_times
        self._remark = remark

    @cached_property
    def differences(self) -> dict[Any, list[Difference]]:
        """By value: picture distance, time, cost and each score against the baseline, over pairs."""
        names = [TIME, COST, *(name for name in self._measures if name not in (TIME, COST))]
        return {
            value if isinstance(value, Hashable) else repr(value): [
                self._distance(pairs),
                *(self._difference(name, pairs) for name in names),
            ]
            for value, pairs in zip(self.values, self._pairs.values(), strict=True)
        }

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per value, over its pairs with the baseline.

        `pairs`; `pixel_distance`, mean over the pairs, in [0, 1]; `execution_time_s` in s, `cost_usd` in USD and each score: the mean
        of the value, then `…_difference` to the baseline; `…_low` and `…_high` bound the 95 % interval of
        the difference (of the distance).  `reused`: pictures, of the value and of the baseline, whose times and costs are left out.  `within_noise`, where
        the run has repeats: the measures that differ no more than repeats of one cell do.
        """
        rows = []
        for (value, found), pairs in zip(self.differences.items(), self._pairs.values(), strict=True):
            row: dict[str, Any] = {self.axis: value, "pairs": len(pairs)}
            for one in found:
                row[one.measure] = one.mean
                if one.measure != DISTANCE:
                    row[f"{one.measure}_difference"] = one.difference
                row[f"{one.measure}_low"] = one.interval.low if one.interval else None
                row[f"{one.measure}_high"] = one.interval.high if one.interval else None
            row["reused"] = self._left_out(pairs)
            if self.noise:
                row["within_noise"] = ", ".join(one.measure for one in found if self._greyed(value, one))
            rows.append(row)
        frame = pd.DataFrame(rows).set_index(self.axis)
        numbers = [name for name in frame.columns if name not in ("pairs", "reused", "within_noise")]
        return frame.astype(dict.fromkeys(numbers, "float64"))

    @property
    def words(self) -> list[str]:
        """A sentence per value but the baseline, then what is to be known of all."""
        against = shown(self.baseline)
        lines = []
        for (value, found), pairs in zip(self.differences.items(), self._pairs.values(), strict=True):
            if not self._is_baseline(value):
                subject = shown(value) if isinstance(value, str) else f"{self.axis} {shown(value)}"
                lines.append(sentence(subject, against, found, pairs=len(pairs), reused=self._left_out(pairs)))
        every = [pair for pairs in self._pairs.values() for pair in pairs]
        if other := sum(not pair.same_seed for pair in every):
            have = "pair has" if other == 1 else "pairs have"
            lines.append(f"{other} {have} different seeds, so part of the difference is that of the seeds.")
        if unread := sum(pair.distance is None for pair in every):
            have = "pair has" if unread == 1 else "pairs have"
            lines.append(f"{unread} {have} no picture distance: unreadable, or of another proportion.")
        if few := self._few_seeds():
            lines.append(few)
        if self._remark and any(
            one.pairs for found in self.differences.values() for one in found if one.measure == TIME
        ):
            lines.append(self._remark)
        if self.noise:
            said = ", ".join(f"{name} {with_unit(name, value)}" for name, value in self.noise.items())
            lines.append(f"Two repeats of one cell differ by: {said}; smaller differences are grey.")
        return lines

    @cached_property
    def picture(self) -> Grid:
        """For each value the pair that differs most: the baseline, the value, and their difference, four times as strong.

        Raises:
            ValueError: no value has a pair to compare.
        """
        cells: dict[tuple[tuple[str, ...], tuple[str, ...]], GridCell] = {}
        cols = [(f"{self.baseline}",), ("the value",), (f"difference × {STRENGTH}",)]
        rows = []
        for value, pairs in zip(self.values, self._pairs.values(), strict=True):
            known = [(pair.distance, pair) for pair in pairs if pair.distance is not None]
            if self._is_baseline(value) or not known:
                continue
            far, most = max(known, key=lambda each: each[0])
            one, other = (small(self._read, cell.records[0], SHOWN_PX) for cell in (most.against, most.cell))
            if one is None or other is None:
                continue
            strong = differences.difference(one, other)
            rest = ", ".join(f"{name} {shown(at)}" for name, at in most.cell.values.items() if name != self.axis)
            row = (shown(value),)
            rows.append(row)
            for col, image, note in zip(cols, (one, other, strong), ("", rest, f"{far:.3f}"), strict=True):
                cells[row, col] = GridCell(image=image, note=note)
        if not rows:
            raise ValueError(f"no two finished pictures of one proportion differ in {self.axis} alone")
        return grid(
            cells,
            rows=rows,
            cols=cols,
            row_title=self.axis,
            title=f"{self.axis} against {shown(self.baseline)}",
            badge="SIMULATOR" if self._simulated else None,
        )

    def __repr__(self) -> str:
        return "\n".join([f"{self.axis} against {shown(self.baseline)}", *self.words])

    def _repr_html_(self) -> str:
        words = listed(self.words)
        try:
            shot = base64.b64encode(self.picture.jpeg(900, 150_000)).decode()
        except ValueError:
            return f"<div>{self._html_table()}{words}</div>"
        picture = f'<img alt="what differs most" style="max-width:100%" src="data:image/jpeg;base64,{shot}">'
        return f"<div>{self._html_table()}{words}{picture}</div>"

    def _html_table(self) -> str:
        found = list(self.differences.items())
        names = [one.measure for one in found[0][1]] if found else []
        kept = [at for at, _ in enumerate(names) if any(of[at].mean is not None for _, of in found)]
        heads = "".join(f"<th>{escape(text)}</th>" for text in (self.axis, "pairs", *(_head(names[at]) for at in kept)))
        rows = ""
        for (value, of), pairs in zip(found, self._pairs.values(), strict=True):
            cells = "".join(self._html_cell(value, of[at]) for at in kept)
            rows += f"<tr><th>{escape(shown(value))}</th><td>{len(pairs)}</td>{cells}</tr>"
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"

    def _html_cell(self, value: Any, one: Difference) -> str:
        if one.mean is None:
            return "<td>–</td>"
        if one.measure == DISTANCE:
            known = None if self._is_baseline(value) else one.interval
            text = spread(DISTANCE, one.mean, known)
        else:
            text = with_unit(one.measure, one.mean)
            if one.difference is not None and not self._is_baseline(value):
                sign = "+" if one.difference > 0 else ""
                text += f"<br>{sign}{escape(spread(one.measure, one.difference, one.interval))}"
        text = text.replace(" (", '<br><span style="font-size:85%">(') + "</span>" if " (" in text else text
        if self._greyed(value, one):
            return f'<td style="white-space:nowrap;opacity:.45">{text}</td>'
        return f'<td style="white-space:nowrap">{text}</td>'

    def _few_seeds(self) -> str:
        """Said where many pairs are of few seeds: they are not as independent as their number makes believe."""
        pairs = [pair for value, of in zip(self.values, self._pairs.values(), strict=True)
                 if not self._is_baseline(value) for pair in of]  # fmt: skip
        most = max(map(len, self._pairs.values()), default=0)
        seeds = {record.params.seed for pair in pairs for record in pair.cell.records}
        if self.axis == "seed" or most < FEW or not 0 < len(seeds) < FEW:
            return ""
        many = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
        return f"All pairs are of {many}, so their intervals tell little of other seeds."

    def _is_baseline(self, value: Any) -> bool:
        return key_of(value) == key_of(self.baseline)

    def _greyed(self, value: Any, one: Difference) -> bool:
        return one.within_noise and not self._is_baseline(value)

    def _left_out(self, pairs: Sequence[Pair]) -> int:
        if self._reused_times:
            return 0
        return len(
            {one.trial for pair in pairs for one in (*pair.cell.records, *pair.against.records) if is_reused(one)}
        )

    def _distance(self, pairs: Sequence[Pair]) -> Difference:
        known = [pair.distance for pair in pairs if pair.distance is not None]
        mean = sum(known) / len(known) if known else None
        return Difference(DISTANCE, len(known), mean, mean, mean_interval(known), self.noise.get(DISTANCE))

    def _difference(self, name: str, pairs: Sequence[Pair]) -> Difference:
        numbers = self._measures[name]
        means = [(pair.cell.mean(numbers), pair.against.mean(numbers)) for pair in pairs]
        own = [one for one, _ in means if one is not None]
        apart = [one - other for one, other in means if one is not None and other is not None]
        return Difference(
            name,
            len(apart),
            sum(own) / len(own) if own else None,
            sum(apart) / len(apart) if apart else None,
            mean_interval(apart),
            self.noise.get(name),
        )


def compare(
    records: Sequence[Record],
    read: Read,
    axis: str,
    baseline: Any = None,
    *,
    beside: Mapping[str, Mapping[int, Any]] | None = None,
    scores: str | Sequence[str] | Mapping[str, Mapping[int, float]] | None = None,
    reused_times: bool = False,
    quiet: bool = False,
) -> Comparison:
    """See `Results.compare`.

    Args:
        read: Gives a picture's bytes by its key in the store.
        beside: Columns of values by trial.
        quiet: Show no bar.

    Raises:
        ValueError: `axis` is no axis of the run, `baseline` none of its values, or a score that is not there.
    """
    values = values_along(records, axis)
    baseline = baseline_of(values, axis, baseline)
    measures = measures_of(records, beside or {}, scores, reused_times=reused_times)
    found: Matched = matched(records, axis, baseline)
    with progress("compare", found.pictures, shown=not quiet, late_s=LATE_S) as step:
        pairs, repeats = measured(found, axis, read, advance=step)
    return Comparison(
        axis,
        baseline,
        values,
        pairs,
        measures,
        {} if axis == REPEAT else _noise(records, measures, repeats),
        read,
        simulated=all(record.simulated for record in records),
        reused_times=reused_times,
        remark=slow_starts(records),
    )


def baseline_of(values: Sequence[Any], axis: str, given: Any) -> Any:
    """The value that is meant: itself, or how it reads."""
    if given is None:
        return values[0]
    found = [value for value in values if key_of(value) == key_of(given)]
    found = found or [value for value in values if isinstance(given, str) and given in (shown(value), str(value))]
    if not found:
        raise ValueError(f"baseline={given!r} is no value of {axis}; its values: {', '.join(map(str, values))}")
    return found[0]


def _noise(records: Sequence[Record], measures: Mapping[str, Numbers], repeats: Sequence[float]) -> dict[str, float]:
    """What repeats of one cell differ by, for each measure that they tell of."""
    cells: Sequence[Cell] = list(cells_of(record for record in records if record.images).values())
    told = {DISTANCE: usual_distance(repeats)}
    told |= {name: usual_difference([cell.numbers(numbers) for cell in cells]) for name, numbers in measures.items()}
    return {name: value for name, value in told.items() if value is not None}


def _head(name: str) -> str:
    return {DISTANCE: "picture distance", TIME: "execution time", COST: "cost"}.get(name, name)

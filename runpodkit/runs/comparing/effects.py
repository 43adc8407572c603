"""Axis effects: which axis matters most, as its share of the variance of pictures or of a score.

Seeds are the replicates: how sure a share is follows from how much it changes with them.  What a sweep cannot tell
apart is said in words.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from runpodkit.images import differences
from runpodkit.images.charts import Chart, Line, Point, chart
from runpodkit.runs.comparing.measures import DISTANCE, REPEAT, Cell, cells_of, measures_of
from runpodkit.runs.comparing.plots import titled
from runpodkit.runs.comparing.smalls import LATE_S, smalls
from runpodkit.runs.comparing.words import listed
from runpodkit.runs.items import key_of
from runpodkit.runs.records import Record
from runpodkit.runs.watch import progress
from runpodkit.stats.effects import LEAST_REPLICATES, Effects, Share, follows, inner_products, main_effects, together

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

SEED, INTERACTIONS, REST, BOTH = "seed", "interactions", "rest", "interactions and rest"
EFFECT_PX = 128
"""Longest side at which pictures are taken apart."""
MOST_PICTURES = 2_000
"""Every two of them are set against each other."""


class AxisEffects:
    """Shares of a variance by axis; `table` has them, `words` say them, `plot()` draws them."""

    def __init__(self, of: str, effects: Effects | None, levels: Mapping[str, int], said: Sequence[str], *, seeds: int,
                 trials: int, simulated: bool) -> None:  # fmt: skip
        self.of, self.seeds, self.trials = of, seeds, trials
        self._effects, self._levels, self._said, self._simulated = effects, dict(levels), list(said), simulated

    @property
    def shares(self) -> dict[str, Share]:
        """By axis, then `seed`, `interactions` and `rest`; of one seed the last two are one.  Together they are 1."""
        if self._effects is None:
            return {}
        named = dict(self._effects.factors)
        if self._effects.replicates and self._effects.interactions:
            named |= {
                SEED: self._effects.replicates,
                INTERACTIONS: self._effects.interactions,
                REST: self._effects.rest,
            }
        else:
            named[BOTH] = self._effects.rest
        return named

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per axis, then what is left: `share` of the variance in [0, 1] with its 95 % interval `low` to `high`,
        `by_chance`, the share that an axis of as many values has that does nothing, and `values`."""
        rows = [
            {
                "axis": name,
                "share": one.share,
                "low": one.interval.low if one.interval else None,
                "high": one.interval.high if one.interval else None,
                "by_chance": one.by_chance,
                "values": self._levels.get(name),
            }
            for name, one in self.shares.items()
        ]
        frame = pd.DataFrame(rows, columns=["axis", "share", "low", "high", "by_chance", "values"])
        frame = frame.astype({**dict.fromkeys(("share", "low", "high", "by_chance"), "float64"), "values": "Int64"})
        return frame.set_index("axis")

    @property
    def words(self) -> list[str]:
        """A sentence per share, the largest axis first, then what cannot be told apart and why."""
        thing = "the pictures" if self.of == DISTANCE else self.of
        lines = (
            [f"Nothing varies: {thing} {'are' if self.of == DISTANCE else 'is'} the same everywhere."]
            if self._effects is None
            else []
        )
        axes = sorted(
            (item for item in self.shares.items() if item[0] in self._levels), key=lambda item: -item[1].share
        )
        for name, one in [*axes, *((name, one) for name, one in self.shares.items() if name not in self._levels)]:
            ends = f" ({one.interval.low:.0%} to {one.interval.high:.0%})" if one.interval else ""
            least = one.interval.low if one.interval else one.share
            doubt = ""
            if one.by_chance is not None and least <= one.by_chance:
                doubt = f", not surely more than of an axis that does nothing ({one.by_chance:.0%} on average)"
            lines.append(f"{name}: {one.share:.0%} of the variance of {thing}{ends}{doubt}.")
        return [*lines, *self._said]

    def plot(self, **look: Any) -> Chart:
        """Shares as points with whiskers.

        Raises:
            ConfigError: matplotlib is not installed.
            ValueError: nothing varies.
        """
        points = [
            Point(titled(name), one.share, *((one.interval.low, one.interval.high) if one.interval else ()))
            for name, one in self.shares.items()
        ]
        return chart(
            [Line("", points)],
            x_title="",
            y_title=f"share of the variance of {'pictures' if self.of == DISTANCE else self.of}",
            note=f"95 % interval over {self.seeds} seeds" if self.seeds >= LEAST_REPLICATES else "",
            badge="simulated" if self._simulated else "",
            text=f"Plot of the variance of {self.of} by axis",
            **look,
        )

    def __repr__(self) -> str:
        return "\n".join(self.words)

    def _repr_html_(self) -> str:
        rows = ""
        for name, one in self.shares.items():
            ends = f"{one.interval.low:.0%} to {one.interval.high:.0%}" if one.interval else "–"
            bar = f'<div style="width:{one.share * 12:.2f}em;height:.7em;background:#0072B2"></div>'
            rows += f"<tr><th>{escape(name)}</th><td>{one.share:.1%}</td><td>{ends}</td><td>{bar}</td></tr>"
        head = "<tr><th>axis</th><th>share</th><th>95 %</th><th></th></tr>"
        return f"<div><table><thead>{head}</thead><tbody>{rows}</tbody></table>{listed(self._said)}</div>"


@dataclass(frozen=True, slots=True)
class _Block:
    """Cells that every replicate has: `rows[replicate][cell]` says which of the outcomes it is."""

    rows: Sequence[Sequence[int]]
    values: Sequence[Mapping[str, Any]]
    left_out: int
    by_seed: bool


def axis_effects(
    run: Results,
    of: str = DISTANCE,
    *,
    axes: str | Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> AxisEffects:
    """See `Results.axis_effects`."""
    chosen = run.where(**where or {})
    records = [record for record in chosen if record.images]
    if not records:
        raise ValueError(f"none of these {len(chosen)} trials has a picture yet")
    names = list(dict.fromkeys(name for record in records for name in record.values))
    wanted = _wanted(names, axes)
    cells = list(cells_of(records).values())
    said: list[str] = []
    if of == DISTANCE:
        kept, products = _of_pictures(run, cells, said, quiet=quiet)
    else:
        kept, products = _of_numbers(run, records, cells, of)
    one_value = [name for name in wanted if len({key_of(cell.values.get(name)) for cell in kept}) < 2]
    said += [f"{name} has one value here, so nothing can be said of it." for name in one_value]
    varied = [name for name in wanted if name not in one_value and name != SEED]
    block = _block(kept, varied)
    if not block.by_seed and SEED in wanted and SEED not in one_value:
        varied.append(SEED)
    if not varied:
        raise ValueError(f"axes: none of {', '.join(wanted) or 'none'} has several values among finished trials")
    codes = {name: _codes(values.get(name) for values in block.values) for name in varied}
    groups = together(codes)
    for group in groups:
        if len(group) > 1:
            said.append(f"{' and '.join(group)} go together in this sweep, so their shares cannot be told apart.")
    levels = {" + ".join(group): codes[group[0]] for group in groups}
    said += [
        f"{one} follows from {other}, so part of their shares cannot be told apart." for one, other in follows(levels)
    ]
    order = np.array(block.rows)
    count, width = order.shape
    taken = products[np.ix_(order.ravel(), order.ravel())].reshape(count, width, count, width)
    effects = main_effects(taken, levels)
    said += _about(block, count)
    return AxisEffects(
        of,
        effects,
        {name: len(set(each)) for name, each in levels.items()},
        said,
        seeds=count if block.by_seed else 1,
        trials=sum(len(kept[at].records) for row in block.rows for at in row),
        simulated=all(record.simulated for record in records),
    )


def _about(block: _Block, count: int) -> list[str]:
    said = []
    if block.left_out:
        said.append(f"{block.left_out} trials are left out, because their seed or cell lacks others.")
    if not block.by_seed:
        said.append("Seeds are no replicates here, so shares have no intervals, and interactions stand with the rest.")
    elif count < LEAST_REPLICATES:
        said.append(f"{count} seeds are too few for intervals: at least {LEAST_REPLICATES}.")
    return said


def _wanted(names: Sequence[str], axes: str | Sequence[str] | None) -> list[str]:
    there = [name for name in names if name != REPEAT]
    if axes is None:
        return there
    given = [axes] if isinstance(axes, str) else list(axes)
    if unknown := [name for name in given if name not in there]:
        raise ValueError(f"axes: {', '.join(unknown)} is no axis of this run; its axes: {', '.join(there) or 'none'}")
    return [*given, *([SEED] if SEED in there and SEED not in given else [])]


def _of_numbers(
    run: Results, records: Sequence[Record], cells: Sequence[Cell], of: str
) -> tuple[list[Cell], np.ndarray[Any, np.dtype[np.float64]]]:
    """Cells that have the number, and the inner products of their means."""
    measures = measures_of(records, run.beside(records))
    if of not in measures:
        raise ValueError(f"of={of!r} is no measure of this run; measures: {', '.join((DISTANCE, *measures))}")
    means = [(cell, mean) for cell in cells if (mean := cell.mean(measures[of])) is not None]
    if not means:
        raise ValueError(f"of={of!r}: no finished trial has it")
    return [cell for cell, _ in means], inner_products(np.array([[mean] for _, mean in means]))


def _of_pictures(
    run: Results, cells: Sequence[Cell], said: list[str], *, quiet: bool
) -> tuple[list[Cell], np.ndarray[Any, np.dtype[np.float64]]]:
    """Cells whose picture can be read and has the first one's proportion, and the inner products of their pixels."""
    total = sum(len(cell.records) for cell in cells)
    if len(cells) > MOST_PICTURES:
        raise ValueError(f"{len(cells)} pictures: at most {MOST_PICTURES:,} at once; choose some with where=")
    kept: list[Cell] = []
    rows: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    size: tuple[int, int] | None = None
    strange = 0
    with progress("axis effects", total, shown=not quiet, late_s=LATE_S) as step:
        pictures = smalls(run.bytes_of, (record for cell in cells for record in cell.records), EFFECT_PX, advance=step)
        for cell in cells:
            made = [image for image in (next(pictures)[1] for _ in cell.records) if image is not None]
            size = size or (made[0].size if made else None)
            fit = [image for image in made if size and differences.comparable(image.size, size)]
            strange += len(cell.records) - len(fit)
            if fit and size:
                arrays = [np.asarray(image if image.size == size else image.resize(size)) for image in fit]
                rows.append(
                    np.mean(arrays, axis=0).round().astype(np.uint8).ravel() if len(arrays) > 1 else arrays[0].ravel()
                )
                kept.append(cell)
    if not kept:
        raise ValueError("no picture of these trials can be read")
    if strange:
        said.append(f"{strange} pictures are left out: unreadable, or of another proportion.")
    return kept, inner_products(np.stack(rows))


def _block(cells: Sequence[Cell], varied: Sequence[str]) -> _Block:
    """All cells for the seeds that have every cell, so that the grid stays whole; else the cells that have every seed.

    Where neither keeps half of the trials, or there is one seed, all trials are one replicate.
    """
    others = sorted({name for cell in cells for name in cell.values} - {SEED})
    by_place: dict[tuple[Hashable, Hashable], int] = {}
    seeds: dict[Hashable, None] = {}
    places: dict[Hashable, int] = {}
    for at, cell in enumerate(cells):
        place: Hashable = tuple(key_of(cell.values.get(name)) for name in others)
        seed = key_of(cell.values.get(SEED))
        by_place[place, seed] = at
        seeds[seed] = None
        places.setdefault(place, at)
    whole_seeds = [seed for seed in seeds if all((place, seed) in by_place for place in places)]
    whole_places = [place for place in places if all((place, seed) in by_place for seed in seeds)]
    for kept_seeds, kept_places in ((whole_seeds, list(places)), (list(seeds), whole_places)):
        trials = len(kept_seeds) * len(kept_places)
        if len(kept_seeds) > 1 and len(kept_places) > 1 and trials >= len(cells) / 2 and varied:
            break
    else:
        return _Block([list(range(len(cells)))], [cell.values for cell in cells], 0, False)
    rows = [[by_place[place, seed] for place in kept_places] for seed in kept_seeds]
    return _Block(rows, [cells[places[place]].values for place in kept_places], len(cells) - trials, True)


def _codes(values: Iterable[Any]) -> list[int]:
    seen: dict[Hashable, int] = {}
    return [seen.setdefault(key_of(value), len(seen)) for value in values]

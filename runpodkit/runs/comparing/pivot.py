"""Pivot: a column of the table, gathered by two others; and the numbers of a plot, gathered the same way."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpodkit.runs.comparing.measures import DISTANCE
from runpodkit.runs.comparing.pairs import matched, measured
from runpodkit.runs.comparing.smalls import LATE_S
from runpodkit.runs.items import key_of, plain
from runpodkit.runs.watch import progress

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.runs.results import Results

Names = str | Sequence[str]


def pivot(
    run: Results,
    value: str,
    rows: Names,
    cols: Names | None = None,
    *,
    agg: str | Callable[[Any], Any] = "mean",
    where: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """See `Results.pivot`."""
    down, across = _names(rows), _names(cols)
    if not down:
        raise ValueError("rows: name at least one column whose values run down")
    if twice := sorted({name for name in (*down, *across) if (*down, *across).count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} stands twice in rows and cols")
    frame = gathered(run, value, [*down, *across], where=where, baseline=baseline)
    groups = frame.groupby([*down, *across], sort=False, dropna=False)[value]
    try:
        made: Any = groups.agg(agg)
    except AttributeError:
        raise ValueError(f"agg={agg!r}: a function, or one of mean, median, std, min, max, sum, count") from None
    if not across:
        alone: pd.DataFrame = made.to_frame().reindex(_index(run, frame, down))
        return alone
    # unstacking sorts, so the order of the axes is put back
    spread: pd.DataFrame = made.unstack(across)
    return spread.reindex(index=_index(run, frame, down), columns=_index(run, frame, across))


def gathered(
    run: Results,
    value: str,
    names: Sequence[str],
    *,
    where: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """These columns of the table, a row per trial that has the value.

    Args:
        value: A column of numbers; `pixel_distance` is the distance to the trial with the baseline's value.

    Raises:
        ValueError: an unknown column, one without numbers, or `pixel_distance` without a baseline.
    """
    import pandas as pd

    records = run.where(**where or {})
    frame = run.table(records)
    if value == DISTANCE and DISTANCE not in frame.columns:
        far = _distances(run, records, baseline)
        frame[DISTANCE] = pd.array([far.get(trial) for trial in frame["trial"]], "Float64")
    if unknown := [name for name in (value, *names) if name not in frame.columns]:
        near = difflib.get_close_matches(unknown[0], [*map(str, frame.columns), DISTANCE], n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; columns: {', '.join(map(str, frame.columns))}"
        raise ValueError(f"{', '.join(unknown)} is no column of this run's table{hint}")
    if not pd.api.types.is_numeric_dtype(frame[value]) and not pd.api.types.is_bool_dtype(frame[value]):
        raise ValueError(f"{value} has no numbers; columns that do: {', '.join(_numeric(frame))}")
    kept = frame[frame["state"].isin(["COLLECTED", "REUSED"])].dropna(subset=[value]).copy()
    kept[value] = kept[value].astype("float64")
    return kept


def in_order(run: Results, frame: pd.DataFrame, name: str) -> list[Any]:
    """The values of a column: as the axis has them; numbers ascending and others as they come where it is no axis."""
    there = {key_of(value): value for value in map(plain, frame[name])}
    planned = [there[key] for value in run.sweep.axes.get(name, ()) if (key := key_of(value)) in there]
    rest = [value for value in there.values() if key_of(value) not in {key_of(each) for each in planned}]
    if all(isinstance(value, int | float) for value in rest):
        rest.sort()
    return [*planned, *rest]


def _distances(run: Results, records: Sequence[Any], baseline: Mapping[str, Any] | None) -> dict[int, float]:
    """Of each trial's picture to that of the trial which has the baseline's value and all else alike."""
    if not isinstance(baseline, Mapping) or len(baseline) != 1:
        raise ValueError(f"{DISTANCE} is the distance to something: add baseline={{axis: value}}")
    axis, wanted = next(iter(baseline.items()))
    from runpodkit.runs.comparing.comparison import baseline_of
    from runpodkit.runs.comparing.measures import values_along

    found = matched(records, axis, baseline_of(values_along(records, axis), axis, wanted))
    with progress("compare", found.pictures, late_s=LATE_S) as step:
        pairs, _ = measured(found, axis, run.bytes_of, advance=step)
    every = [pair for of_value in pairs.values() for pair in of_value if pair.distance is not None]
    return {record.trial: pair.distance for pair in every for record in pair.cell.records if pair.distance is not None}


def _index(run: Results, frame: pd.DataFrame, names: Sequence[str]) -> Any:
    """The combinations of these columns' values that are there, outer first, each column in its order."""
    import pandas as pd

    ranks = {name: {key_of(value): at for at, value in enumerate(in_order(run, frame, name))} for name in names}
    there = frame[list(names)].drop_duplicates()
    rows = sorted(
        there.itertuples(index=False, name=None),
        key=lambda row: [ranks[name][key_of(plain(value))] for name, value in zip(names, row, strict=True)],
    )
    if len(names) == 1:
        return pd.Index([row[0] for row in rows], dtype=there.dtypes.iloc[0], name=names[0])
    return pd.MultiIndex.from_frame(pd.DataFrame(rows, columns=list(names)).astype(dict(there.dtypes)))


def _names(given: Names | None) -> list[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


def _numeric(frame: pd.DataFrame) -> list[str]:
    from pandas.api.types import is_numeric_dtype

    return [str(name) for name in frame.columns if is_numeric_dtype(frame[name]) and frame[name].notna().any()]

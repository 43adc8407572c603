"""Heat maps of a run: the mean of a score, or of any number that is known of its trials, by two axes.

Chooses and averages; the drawing is done by `images.heatmaps`.
"""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpodkit.images import heatmaps
from runpodkit.images.heatmaps import Mean
from runpodkit.runs.items import key_of, plain
from runpodkit.runs.layout import matching, place_axes
from runpodkit.runs.naming import Label, Labels, Naming, Place, shown

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.images.grids import Grid
    from runpodkit.runs.records import Record
    from runpodkit.runs.results import Results


def heatmap(
    results: Results,
    score: str,
    rows: str | None = None,
    cols: str | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    span: tuple[float, float] | None = None,
    title: str | None = None,
    labels: Mapping[Any, Any] | None = None,
    cell_px: int | None = None,
    width_mm: float | None = None,
    dpi: float | None = None,
) -> Grid:
    """See `Results.heatmap`."""
    records = matching(results.records(), where or {})
    if not records:
        raise ValueError(f"no trial of {results.name} matches {dict(where or {})}")
    frame = results.table(records)
    numbers = _numbers(frame, score)
    axes = results.sweep.axes
    down, across = _placed(rows, cols, [name for name, values in axes.items() if len(values) > 1] or list(axes))
    columns = {name: _values(records, frame, name) for name in (down, across) if name}
    order = {name: _ordered(values, axes.get(name, ())) for name, values in columns.items()}
    naming = Naming(order, labels or {})
    keys = {name: {key_of(value): _label(naming, name, value) for value in values} for name, values in order.items()}
    gathered: dict[Place, list[float]] = {}
    for at, number in enumerate(numbers):
        place = _place(at, down, columns, keys), _place(at, across, columns, keys)
        gathered.setdefault(place, []).extend([] if number is None else [number])
    means = {place: Mean(statistics.fmean(them), len(them)) for place, them in gathered.items() if them}
    if not means:
        raise ValueError(f"{score}: not one of these {len(records)} trials has it yet")
    row_keys, col_keys = (list(keys[name].values()) if name else [_ONE] for name in (down, across))
    every = {(row, col) for row in row_keys for col in col_keys}
    return heatmaps.heatmap(
        means,
        rows=row_keys,
        cols=col_keys,
        blank=frozenset(every - gathered.keys()),
        span=span,
        scale_title=score,
        row_title=naming.title(down) if down else "",
        col_title=naming.title(across) if across else "",
        title=results.name if title is None else title,
        subtitle=_subtitle(
            score, [name for name, values in axes.items() if len(values) > 1], (down, across), where, means
        ),
        badge="SIMULATOR" if results.simulated else "",
        cell_px=cell_px,
        width_mm=width_mm,
        dpi=dpi,
    )


_ONE: Labels = ("",)


def _numbers(frame: pd.DataFrame, score: str) -> list[float | None]:
    import pandas as pd

    if score not in frame.columns:
        known = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
        raise ValueError(f"{score!r} is no column of this run's table; its numbers: {', '.join(known)}")
    if not pd.api.types.is_numeric_dtype(frame[score]):
        raise ValueError(f"{score} holds no numbers, so it has no mean: choose a score, a time or a cost")
    return [None if (value := plain(each)) is None else float(value) for each in frame[score].tolist()]


def _placed(rows: str | None, cols: str | None, axes: Sequence[str]) -> tuple[str | None, str | None]:
    """Which name runs down and which across; without any said, the first axis down and the second across."""
    for name, given in (("rows", rows), ("cols", cols)):
        if given is not None and not isinstance(given, str):
            raise ValueError(f"{name}={given!r}: a heat map has one name down and one across; give a name")
    if rows is not None and rows == cols:
        raise ValueError(f"{rows} cannot run down and across")
    down, across, _ = place_axes(axes, rows, cols)
    return (rows or (down[0] if down and cols is None else None)), (
        cols or (across[0] if across and rows is None else None)
    )


def _values(records: Sequence[Record], frame: pd.DataFrame, name: str) -> list[Any]:
    """What each trial has under a name: of an axis the value that the sweep gave it, else what the table says."""
    if any(name in record.values for record in records):
        return [record.values.get(name) for record in records]
    if name not in frame.columns:
        axes = ", ".join(dict.fromkeys(axis for record in records for axis in record.values)) or "none"
        raise ValueError(f"{name} is no axis and no column of this run's table; its axes: {axes}")
    return [plain(value) for value in frame[name].tolist()]


def _ordered(values: Sequence[Any], planned: Sequence[Any]) -> list[Any]:
    """Each value once: as the axis has them, numbers ascending, or as they come."""
    there: dict[Hashable, Any] = {}
    for value in values:
        there.setdefault(key_of(value), value)
    found = list(there.values())
    if not planned and all(isinstance(value, int | float) for value in found):
        return sorted(found)
    first = [there[key_of(value)] for value in planned if key_of(value) in there]
    return list({key_of(value): value for value in (*first, *found)}.values())


def _label(naming: Naming, name: str, value: Any) -> Labels:
    return (Label(naming.text(name, value, nested=False), key_of(value)),)


def _place(
    at: int, name: str | None, columns: Mapping[str, Sequence[Any]], keys: Mapping[str, Mapping[Hashable, Labels]]
) -> Labels:
    return keys[name][key_of(columns[name][at])] if name else _ONE


def _subtitle(
    score: str,
    axes: Sequence[str],
    placed: tuple[str | None, ...],
    where: Mapping[str, Any] | None,
    means: Mapping[Place, Mean],
) -> str:
    """Over what the mean goes, of how many trials it is, and what was chosen."""
    over = [name for name in axes if name not in placed and name not in (where or {})]
    counts = {mean.count for mean in means.values()}
    each = (
        f"{next(iter(counts))} trial{'' if counts == {1} else 's'} in each cell"
        if len(counts) == 1
        else "n trials in a cell"
    )
    words = [f"{score if counts == {1} else 'mean ' + score}{' over ' + ', '.join(over) if over else ''}, {each}"]
    chosen = []
    for name, wanted in (where or {}).items():
        values = list(wanted) if isinstance(wanted, list | tuple | range | set) else [wanted]
        chosen.append(f"{name} {', '.join(map(shown, values))}")
    return "\n".join([*words, *([" · ".join(chosen)] if chosen else [])])

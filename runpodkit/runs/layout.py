"""How a run's records become the cells of a grid: which axes run down, which across.

Chooses cells and words; the drawing is done by `images.grids`, which knows no runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from runpodkit.images.grids import Cell, Grid, grid
from runpodkit.runs.records import Record
from runpodkit.runs.rows import RunHead, TrialState
from runpodkit.sweeps.sweep import Sweep


def grid_of(
    head: RunHead,
    sweep: Sweep,
    records: Sequence[Record],
    read: Callable[[str], bytes],
    rows: str | Sequence[str] | None,
    cols: str | Sequence[str] | None,
    *,
    under: str | None = None,
    cell_px: int | None = None,
    title: str | None = None,
) -> Grid:
    """The grid of a run.

    Args:
        read: Gives a picture's bytes by its key in the store.

    Raises:
        ValueError: an axis that the sweep does not have, or one placed twice.
    """
    row_axes, col_axes = place_axes(list(sweep.axes), rows, cols)
    if sweep.mode == "zip" and rows is None and cols is None:
        row_axes, col_axes = (), tuple(sweep.axes)
    cells: dict[tuple[tuple[str, ...], tuple[str, ...]], Cell] = {}
    for record in records:
        place = _labels(record, row_axes), _labels(record, col_axes)
        cells[place] = _cell(record, read, under)
    return grid(
        cells,
        rows=list(dict.fromkeys(place[0] for place in cells)),
        cols=list(dict.fromkeys(place[1] for place in cells)),
        row_title=row_axes[0] if len(row_axes) == 1 else "",
        col_title=col_axes[0] if len(col_axes) == 1 else "",
        title=title if title is not None else _title(sweep),
        subtitle=_subtitle(sweep, records),
        badge="SIMULATOR" if head.simulated else None,
        cell_px=cell_px or None,
    )


def place_axes(
    axes: Sequence[str], rows: str | Sequence[str] | None, cols: str | Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Row and column axes, outer first; what nobody placed goes to the columns, the first axis to the rows."""
    down, across = _names(rows), _names(cols)
    unknown = [name for name in (*down, *across) if name not in axes]
    if unknown:
        known = ", ".join(axes) or "none"
        raise ValueError(f"{', '.join(unknown)} is no axis of this run; its axes: {known}")
    twice = [name for name in down if name in across]
    if twice:
        raise ValueError(f"{', '.join(twice)} cannot be both in rows and in cols")
    rest = [name for name in axes if name not in down and name not in across]
    if rows is None and len(rest) > 1:
        down, rest = (rest[0],), rest[1:]
    elif rows is None and across:
        down, rest = tuple(rest), []
    return down, (*across, *rest)


def matching(records: Sequence[Record], where: Mapping[str, Any]) -> list[Record]:
    """Records whose parameters have these values; a list means any of them.

    Raises:
        ValueError: a name that is no parameter.
    """
    chosen = list(records)
    for name, wanted in where.items():
        values = list(wanted) if isinstance(wanted, list | tuple | range | set) else [wanted]
        if records and not hasattr(records[0].params, name) and name not in records[0].values:
            raise ValueError(f"{name} is no parameter of this run")
        chosen = [record for record in chosen if value_of(record, name) in values]
    return chosen


def value_of(record: Record, name: str) -> Any:
    """The value of a parameter or nested axis in a record."""
    return record.values[name] if name in record.values else getattr(record.params, name, None)


def shown(value: Any) -> str:
    """A value as a label: floats without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _labels(record: Record, axes: Sequence[str]) -> tuple[str, ...]:
    if len(axes) == 1:
        return (shown(value_of(record, axes[0])),)
    return tuple(f"{axis} {shown(value_of(record, axis))}" for axis in axes) or ("",)


def _cell(record: Record, read: Callable[[str], bytes], under: str | None) -> Cell:
    note = ""
    if under:
        value = getattr(record, under) if hasattr(record, under) else value_of(record, under)
        note = "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
    if record.images:
        return Cell(image=partial(read, record.images[0].key), note=note)
    if record.state is TrialState.PLANNED or record.state.is_in_flight or record.state is TrialState.WAITING:
        return Cell(image=None, note=note)
    return Cell(image=None, note=note, problem=record.reason or str(record.state))


def _title(sweep: Sweep) -> str:
    return "" if "user_prompt" in sweep.axes else sweep.base.user_prompt


def _subtitle(sweep: Sweep, records: Sequence[Record]) -> str:
    """What is the same in every cell and matters for the picture."""
    if not records:
        return ""
    params = records[0].params
    words = []
    if not {"width", "height"} & set(sweep.axes):
        words.append(f"{params.width}×{params.height}")
    for name, word in (("sampler_name", ""), ("steps", "steps "), ("cfg_scale", "cfg scale "), ("seed", "seed ")):
        if name == "seed" and sweep.seed_varies:
            words.append("another seed each")
        elif name not in sweep.axes:
            words.append(f"{word}{shown(getattr(params, name))}")
    return " · ".join(words)

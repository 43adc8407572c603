"""The table itself: records become typed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

from runpodkit.params import ImageParams
from runpodkit.runs.beside import Beside
from runpodkit.runs.records import Record
from runpodkit.runs.tables.columns import FACTS, HIDDEN, INT, JOINT, KNOWN, PARAMS, TEXT, TIME, column
from runpodkit.runs.tables.open_columns import text, typed
from runpodkit.sweeps.axes import ENDPOINT, EXTRA


def table(
    records: Iterable[Record],
    beside: Beside | None = None,
    link: Callable[[str], str] | None = None,
) -> pd.DataFrame:
    """One row per trial, typed; `image` is the key of its first picture in the store, `images` has all.

    Worker-specific inputs stand under `extra.NAME`: those that were swept, by themselves or behind a label, and
    plain values.  A nested value is its JSON; one that is the same in all rows, such as a workflow, has no column.

    Args:
        beside: More columns, of values by trial.
        link: Gives a picture's address by its key; adds `url`, and `urls` where a trial has several pictures.
    """
    rows = list(records)
    axes = list(dict.fromkeys(name for record in rows for name in record.values))
    columns: dict[str, ExtensionArray] = {
        "trial": column([record.trial for record in rows], INT),
        "state": text([record.state.value for record in rows]),
    }
    for name, kind in PARAMS.items():
        values = [getattr(record.params, name) for record in rows]
        if name not in HIDDEN or name in axes or _differs(name, values):
            columns[name] = _filled(values, kind)
    for name, values in _open_values(rows, axes):
        columns[name] = typed(values)
    for name, kind in FACTS.items():
        if name not in columns:
            columns[name] = _filled(_fact(rows, name), kind)
    for name, values_by_trial in (beside or {}).items():
        if name in columns:  # files of others may say anything; they hide nothing that a record says
            continue
        columns[name] = typed([values_by_trial.get(record.trial) for record in rows])
    frame = pd.DataFrame(columns)
    return frame if link is None else _linked(frame, rows, link)


def _filled(values: Sequence[Any], kind: str) -> ExtensionArray:
    if kind == TEXT:
        return text(values)
    if kind == TIME:
        times = pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601", utc=True, errors="coerce")
        return times.dt.as_unit("ms").array
    return column(values, kind)


def _differs(name: str, values: Sequence[Any]) -> bool:
    default = ImageParams.model_fields[name].default
    return any(value != default for value in values)


def _open_values(rows: Sequence[Record], axes: Sequence[str]) -> Iterable[tuple[str, list[Any]]]:
    """Axes that are no parameters, and plain worker-specific inputs that nobody swept."""
    for name in axes:
        if name not in KNOWN:
            inner = name.removeprefix(EXTRA)
            yield name, [record.values.get(name, record.params.extra.get(inner)) for record in rows]
        elif name == ENDPOINT:
            yield name, [record.endpoint for record in rows]
    given = dict.fromkeys(
        name
        for record in rows
        for name, value in record.params.extra.items()
        if isinstance(value, str | int | float) and EXTRA + name not in axes
    )
    for name in given:
        yield EXTRA + name, [record.params.extra.get(name) for record in rows]
    for name in dict.fromkeys(name for record in rows for name in record.params.extra):
        if name not in given and EXTRA + name not in axes:
            yield from _differing(EXTRA + name, [record.params.extra.get(name) for record in rows], axes)


def _differing(name: str, values: list[Any], axes: Sequence[str]) -> Iterable[tuple[str, list[Any]]]:
    """What of a nested input is not the same in all rows, each under its own name; axes have columns already."""
    if name in axes or all(value == values[0] for value in values):
        return
    tables = [{} if value is None else value for value in values]
    if not all(isinstance(table, Mapping) for table in tables):
        yield name, values
        return
    for inner in dict.fromkeys(inner for table in tables for inner in table):
        yield from _differing(f"{name}.{inner}", [table.get(inner) for table in tables], axes)


def _fact(rows: Sequence[Record], name: str) -> list[Any]:
    match name:
        case "image":
            return [record.images[0].key if record.images else None for record in rows]
        case "images":
            return [JOINT.join(file.key for file in record.images) or None for record in rows]
        case "flags":
            return [JOINT.join(record.flags) or None for record in rows]
        case "sent_negative_prompt":
            return [record.negative_prompt for record in rows]
        case _:
            return [getattr(record, name) for record in rows]


def _linked(frame: pd.DataFrame, rows: Sequence[Record], link: Callable[[str], str]) -> pd.DataFrame:
    links = [[link(file.key) for file in record.images] for record in rows]
    frame["url"] = text([some[0] if some else None for some in links])
    if any(len(some) > 1 for some in links):
        frame["urls"] = text([JOINT.join(some) or None for some in links])
    return frame

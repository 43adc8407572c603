"""Comparison: what one axis changes, over pairs of trials that are equal in everything else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pandas as pd
from PIL import Image, ImageChops, ImageStat

from runpodkit.images.grids import thumbnail
from runpodkit.runs.layout import value_of
from runpodkit.runs.records import Record
from runpodkit.storage import Store

COMPARED_PX = 256


def compare(records: Sequence[Record], store: Store, axis: str, baseline: Any = None) -> pd.DataFrame:
    """See `Run.compare`.

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
    rows = []
    for value in values:
        mine = [record for record in whole if value_of(record, axis) == value]
        pairs = [(record, against[_rest(record, axis)]) for record in mine if _rest(record, axis) in against]
        distances = [0.0 if value == baseline else _distance(store, *pair) for pair in pairs]
        rows.append(
            {
                axis: value,
                "pairs": len(pairs),
                "pixel_distance": _mean(distances),
                "execution_time_s": _mean([r.execution_time_s for r, _ in pairs]),
                "cost_usd": _mean([r.cost_usd for r, _ in pairs]),
            }
        )
    return pd.DataFrame(rows).set_index(axis)


def _rest(record: Record, axis: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in record.values.items() if name != axis)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _distance(store: Store, one: Record, other: Record) -> float:
    """Mean absolute difference of two pictures' thumbnails, in [0, 1]."""
    a, b = (_small(store, record) for record in (one, other))
    if a.size != b.size:
        b = b.resize(a.size)
    return sum(ImageStat.Stat(ImageChops.difference(a, b)).mean) / 3 / 255


def _small(store: Store, record: Record) -> Image.Image:
    with Image.open(io.BytesIO(thumbnail(store.get(record.images[0].key), COMPARED_PX))) as image:
        return image.convert("RGB")

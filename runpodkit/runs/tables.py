"""Tables: one row per trial, one column per field, under the field's name (so the unit is in it).

Integers stay integers where values are missing.  A table read back from its CSV equals
the table written; cells that a spreadsheet would run as formulas are neutralised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record

_ABOUT = {
    "queue_delay_s": "Float64",
    "execution_time_s": "Float64",
    "cost_usd": "Float64",
    "cost_is_estimate": "boolean",
    "attempts": "Int64",
    "maybe_paid_twice": "boolean",
    "simulated": "boolean",
    "image": "string",
    "prompt": "string",
    "negative_prompt": "string",
    "job_id": "string",
    "worker_id": "string",
    "submitted_at": "string",
    "ended_at": "string",
    "reused_from": "string",
    "reason": "string",
    "flags": "string",
    "endpoint": "string",
    "key": "string",
}
_ANSWERS = ("wins", "losses", "ties")
_KINDS = {int: "Int64", float: "Float64", bool: "boolean"}
_HIDDEN = ("extra", "num_images", "input_image", "strength", "timeout", "negative_prompt")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _kinds(axes: Iterable[str]) -> dict[str, str]:
    kinds = {"trial": "Int64", "state": "string"}
    for name, field in ImageParams.model_fields.items():
        if name not in _HIDDEN or name in axes:
            kinds[name] = _KINDS.get(field.annotation, "string") if field.annotation in _KINDS else "string"
    for name in axes:
        kinds.setdefault(name, "object")
    return {**kinds, **{name: kind for name, kind in _ABOUT.items() if name not in kinds}}


def table(records: Iterable[Record], answers: Mapping[int, tuple[int, int, int]] | None = None) -> pd.DataFrame:
    """One row per trial, typed; `image` is the key of its first picture in the store.

    Args:
        answers: Wins, losses and ties of each trial in blind comparisons; adds those columns if there are any.
    """
    rows = list(records)
    axes = list(dict.fromkeys(name for record in rows for name in record.values))
    kinds = _kinds(axes)
    frame = pd.DataFrame([_cells(record, kinds) for record in rows], columns=list(kinds))
    for place, name in enumerate(_ANSWERS if answers else ()):
        frame[name] = [answers[record.trial][place] if answers and record.trial in answers else 0 for record in rows]
        kinds[name] = "Int64"
    return frame.astype({name: kind for name, kind in kinds.items() if kind != "object"})


def _cells(record: Record, kinds: dict[str, str]) -> dict[str, Any]:
    params = record.params.model_dump()
    cells: dict[str, Any] = {name: params[name] for name in kinds if name in params}
    cells |= {name: value for name, value in record.values.items() if name not in params}
    about = {name: getattr(record, name) for name in _ABOUT if hasattr(record, name) and name not in record.values}
    cells |= {**about, "trial": record.trial, "state": str(record.state)}
    cells["image"] = record.images[0].key if record.images else None
    cells["flags"] = "; ".join(record.flags) or None
    return cells


def summary(records: Iterable[Record], by: Sequence[str]) -> pd.DataFrame:
    """One row per combination of values: how many trials, how long, and what they cost together.

    Returns:
        Indexed by `by`: `trials`, `collected`, `failed`, `execution_time_s` and `queue_delay_s` (means),
        `cost_usd` (sum; missing where nothing is known).

    Raises:
        ValueError: a name that is no column of the table.
    """
    frame = table(records)
    if unknown := [name for name in by if name not in frame.columns]:
        raise ValueError(f"{', '.join(unknown)} is no column; columns: {', '.join(frame.columns)}")
    frame["collected"] = frame["state"].isin(["COLLECTED", "REUSED"])
    frame["failed"] = frame["state"].isin(["FAILED", "EXPIRED", "CANCELLED"])
    groups = frame.groupby(list(by), sort=False, dropna=False)
    return pd.DataFrame(
        {
            "trials": groups.size(),
            "collected": groups["collected"].sum(),
            "failed": groups["failed"].sum(),
            "execution_time_s": groups["execution_time_s"].mean(),
            "queue_delay_s": groups["queue_delay_s"].mean(),
            "cost_usd": groups["cost_usd"].sum(min_count=1),
        }
    )


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table for people, spreadsheets and `read_csv`; UTF-8 with a mark, so that Excel reads it."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_bool_dtype(safe[name]):
            safe[name] = safe[name].map(_neutral, na_action="ignore")
    path.parent.mkdir(parents=True, exist_ok=True)
    safe.to_csv(path, index=False, encoding="utf-8-sig")


def read_csv(path: Path) -> pd.DataFrame:
    """A table as it was before `to_csv`."""
    names = list(pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns)
    kinds = _kinds([name for name in names if name in ImageParams.model_fields])
    kinds |= dict.fromkeys(_ANSWERS, "Int64")
    known = {name: kinds[name] for name in names if name in kinds}
    frame = pd.read_csv(path, encoding="utf-8-sig", dtype=known, keep_default_na=False, na_values=[""])
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = frame[name].map(_restored, na_action="ignore").astype("string")
    return frame


def _neutral(value: Any) -> Any:
    """A leading quote keeps a spreadsheet from running the cell; one that stood there already is doubled.

    Empty text becomes a quote as well, since an empty cell means that there is no value.
    """
    return f"'{value}" if isinstance(value, str) and (not value or value.startswith((*_FORMULA, "'"))) else value


def _restored(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith("'") else value

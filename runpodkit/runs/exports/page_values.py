"""Values as a page may hold them: JSON, labels, columns; without files, NaN, or what gives access to a link."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from runpodkit.runs.layout import shown

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Mapping[int, Any]]
"""Values by trial, under the name they are shown by."""

_LONG = 1000
"""Characters from which a text in the parameters is taken for a file."""
_PROMPTS = ("user_prompt", "negative_prompt")


def columns_of(given: pd.DataFrame | Columns | None) -> dict[str, dict[int, Any]]:
    """Columns by trial, from a table with a `trial` column (or index) or from a mapping.

    Raises:
        ValueError: a table without `trial`, or one that has a trial twice.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(name): dict(column) for name, column in given.items()}
    frame = given.reset_index() if given.index.name == "trial" else given
    if "trial" not in frame.columns:
        raise ValueError(f"columns: the table has no 'trial' column, so nobody knows whose its values are; "
                         f"it has {', '.join(map(str, frame.columns)) or 'none'}")  # fmt: skip
    trials = [int(trial) for trial in frame["trial"]]
    if len(set(trials)) < len(trials):
        twice = next(trial for trial in trials if trials.count(trial) > 1)
        raise ValueError(f"columns: trial {twice} stands in the table twice")
    return {
        str(name): dict(zip(trials, frame[name].tolist(), strict=True)) for name in frame.columns if name != "trial"
    }


def portable(name: str, value: Any) -> Any:
    """A value without what must not travel in a page: files inside it, and what gives access to a link."""
    if isinstance(value, Mapping):
        return {str(key): portable(name, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [portable(name, inner) for inner in value]
    if not isinstance(value, str) or name in _PROMPTS:
        return value
    if len(value) > _LONG and (name == "input_image" or value[:5].lower() == "data:"):
        return f"{value[:40].partition(',')[0]}, {len(value):,} characters"
    if value[:8].lower().startswith(("http://", "https://")) and not any(mark.isspace() for mark in value):
        scheme, host, path, _, _ = urlsplit(value)
        return urlunsplit((scheme, host.rpartition("@")[2], path, "", ""))
    return value


def as_json(value: Any) -> str:
    """One value of a parameter, exactly."""
    return json.dumps(value, ensure_ascii=False, default=str)


def label(value: Any) -> str:
    """One value of a parameter, for people."""
    if value is None:
        return "none"
    return shown(value) if isinstance(value, str | int | float) else as_json(value)


def plain(value: Any) -> int | float | str | None:
    """A value of a column as JSON can hold it: a number, a text, or nothing."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if value is None or str(value) in ("<NA>", "NaT"):
        return None
    return str(value)

"""Open columns: values of worker-specific inputs, whose type nobody declared.

A column takes the narrowest type that holds all of its values: whole numbers, numbers, true
and false, text.  What fits none of them (a list, or text beside numbers) becomes text that
tells all of them apart.  In a CSV the type follows from the cells, so there a text that reads
like a number carries the mark `'` that spreadsheets know.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

from runpodkit.runs.tables.columns import BOOL, FLOAT, INT, TEXT, column

MARK = "'"
"""Before a text in a CSV that would read as something else."""

NUL = "\x00"
"""Ends a text in the middle for what is written in C: pandas 2 reads no further in a CSV, spreadsheets neither."""

_WHOLE = r"-?[0-9]+"
_NUMBER = r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?inf"
_TRUTH = r"[Tt]rue|[Ff]alse|TRUE|FALSE"
LOOKALIKE = f"{_NUMBER}|{_TRUTH}"
"""Cells that a reader takes for a number, true or false."""

_EXACT = 2**53
"""Whole numbers up to here are exact as floats."""


def typed(values: Iterable[Any]) -> ExtensionArray:
    """A column of these values; None and NaN are missing."""
    plain = [_plain(value) for value in values]
    there = [value for value in plain if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {int} and (kind := _whole_kind(there)):
        return column(plain, kind)
    if kinds == {float} or (kinds == {int, float} and all(type(one) is float or abs(one) <= _EXACT for one in there)):
        return column([None if value is None else float(value) for value in plain], FLOAT)
    if kinds == {bool}:
        return column(plain, BOOL)
    if kinds <= {str}:
        return text(plain)
    return text([None if value is None else _label(value) for value in plain])


def read(cells: Sequence[str]) -> ExtensionArray:
    """A column from the cells of a CSV; an empty one is missing."""
    there = [cell for cell in cells if cell]
    if there and all(re.fullmatch(_WHOLE, cell) for cell in there) and (kind := _whole_kind([*map(int, there)])):
        return column([int(cell) if cell else None for cell in cells], kind)
    if there and all(re.fullmatch(_NUMBER, cell) for cell in there):
        return column([float(cell) if cell else None for cell in cells], FLOAT)
    if there and all(re.fullmatch(_TRUTH, cell) for cell in there):
        return column([cell.lower() == "true" if cell else None for cell in cells], BOOL)
    return text([cell.removeprefix(MARK) if cell else None for cell in cells])


def text(values: Sequence[Any]) -> ExtensionArray:
    """A column of text; what files cannot hold, NUL and halves of characters, becomes U+FFFD."""
    if not all(value is None or (type(value) is str and value.isascii() and NUL not in value) for value in values):
        values = [None if value is None else well_formed(str(value)).replace(NUL, "\ufffd") for value in values]
    return column(values, TEXT)


def well_formed(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, and those that come in pairs joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _whole_kind(values: Sequence[int]) -> str | None:
    low, high = min(values), max(values)
    if low >= -(2**63) and high < 2**63:
        return INT
    return "UInt64" if low >= 0 and high < 2**64 else None


def _plain(value: Any) -> Any:
    """A value as one of Python's own types, None where there is none."""
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return str(value)
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def _label(value: Any) -> str:
    """JSON, but text that cannot be taken for any as it is."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    if isinstance(value, str | bool | int | float | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)

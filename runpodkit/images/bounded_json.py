"""JSON out of files that strangers made: bounded in size and depth, or a ValueError.

What comes back is as deep as anybody writes by hand and holds finite numbers only, so
whoever walks, prints or dumps it again needs no bounds of their own.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_CHARS = 4 * 2**20
MAX_DEPTH = 100


def read_json(text: str) -> Any:
    """The value of a JSON text; NaN and what is too large for a float come as the words they were.

    Raises:
        ValueError: not JSON, longer than `MAX_CHARS` characters or nested deeper than `MAX_DEPTH`.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"JSON of {len(text):,} characters, over {MAX_CHARS:,}")
    try:
        value = json.loads(text, parse_constant=str, parse_float=_finite)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if is_deep(value):
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")
    return value


def is_deep(value: Any) -> bool:
    """Whether lists and objects lie within each other more than `MAX_DEPTH` deep; asks without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return True
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return False


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None where there is none, broken or beyond the bounds."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = read_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text

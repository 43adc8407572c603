"""A trial's key: what decides whether two trials ask for the same picture.

No version of this package is in it: an upgrade must not make people pay again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def trial_key(model_identity: str, input: Mapping[str, Any], repeat: int = 0) -> str:
    """64 hex digits: sha256 over model identity, canonical input and repeat number.

    The canonical input is JSON with sorted keys, no blanks, and whole floats as integers,
    so 4.0 equals 4 and the order of names does not matter.

    Raises:
        ValueError: the input holds NaN or infinity, or something JSON has no word for.
    """
    try:
        text = json.dumps(
            [model_identity, _canonical(input), repeat],
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
    except TypeError as exc:
        raise ValueError(f"input holds what JSON cannot: {exc}") from exc
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"input holds {value}, which is no number that can be sent")
        return int(value) if value.is_integer() else value
    return value

"""Columns: which names a table has, and what each of them holds.

The one home of both: the table, its CSV reader and the summary look here.  A name that is
not known here is an open column, whose type follows from its values; see `open_columns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args

import pandas as pd
from pandas.api.extensions import ExtensionArray

from runpodkit.params import ImageParams

INT, FLOAT, BOOL, TEXT = "Int64", "Float64", "boolean", "string"
TIME = "datetime64[ms, UTC]"
"""Records know times to the millisecond."""

FACTS: Mapping[str, str] = {
    "queue_delay_s": FLOAT,
    "execution_time_s": FLOAT,
    "cost_usd": FLOAT,
    "cost_is_estimate": BOOL,
    "attempts": INT,
    "maybe_paid_twice": BOOL,
    "simulated": BOOL,
    "image": TEXT,
    "images": TEXT,
    "prompt": TEXT,
    "sent_negative_prompt": TEXT,
    "job_id": TEXT,
    "worker_id": TEXT,
    "submitted_at": TIME,
    "ended_at": TIME,
    "reused_from": TIME,
    "reason": TEXT,
    "flags": TEXT,
    "endpoint": TEXT,
    "key": TEXT,
}
"""What is known of a trial besides its parameters, in the order of the columns."""

HIDDEN = ("negative_prompt", "num_images", "input_image", "strength", "timeout")
"""Parameters that have a column only where one of them was swept or is not the default."""

JOINT = "; "
"""Between the keys of several pictures, and between flags, in one cell."""

_KINDS: Mapping[type, str] = {int: INT, float: FLOAT, bool: BOOL}


def _kind(annotation: Any) -> str:
    inner = [arg for arg in get_args(annotation) if arg is not NoneType] or [annotation]
    return _KINDS.get(inner[0], TEXT)


PARAMS: Mapping[str, str] = {
    name: _kind(field.annotation) for name, field in ImageParams.model_fields.items() if name != "extra"
}
"""Parameters and what their columns hold; `extra` has a column per input in it instead."""

KNOWN: Mapping[str, str] = {
    "trial": INT,
    "state": TEXT,
    **PARAMS,
    **FACTS,
    "url": TEXT,
    "urls": TEXT,
}
"""Every column whose type is fixed, and that type as pandas spells it."""


def column(values: Sequence[Any], kind: str) -> ExtensionArray:
    """Values as a column of one of these kinds; None is missing."""
    make: Any = pd.array  # the stubs of pandas take kinds as literals only
    made: ExtensionArray = make(values, dtype=kind)
    return made

"""What a form says: a rejected value in words, and what is known of a picture.  Knows no widget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpodkit.runs.picture import Picture


def in_words(problem: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """One of pydantic's problems for somebody who fills in a form; `schema` is the field's."""
    bounds, given = problem.get("ctx", {}), problem.get("input")
    kind = problem["type"]
    if kind in ("greater_than_equal", "greater_than"):
        return f"must be {_number(bounds['ge'])} or more" if "ge" in bounds else f"must be over {_number(bounds['gt'])}"
    if kind in ("less_than_equal", "less_than"):
        return (
            f"must be {_number(bounds['le'])} or less" if "le" in bounds else f"must be under {_number(bounds['lt'])}"
        )
    if kind == "multiple_of" and isinstance(given, int | float):
        part = bounds["multiple_of"]
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        near = {min(max(value, low), high): None for value in (given // part * part, (given // part + 1) * part)}
        return f"must be a multiple of {_number(part)}, such as {' or '.join(map(_number, near))}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"is too long: {len(str(given)):,} letters, {bounds['max_length']:,} at most"
    return str(problem["msg"])[:1].lower() + str(problem["msg"])[1:]


def caption(picture: Picture) -> str:
    """What is known of a picture, as HTML; everything that a person or an endpoint wrote is escaped."""
    params, record = picture.params, picture.record
    about = {
        "size": f"{params.width} × {params.height}",
        "steps": f"{params.steps}, {params.sampler_name}, scheduler {params.scheduler}, cfg scale {params.cfg_scale:g}",
        "seed": str(params.seed),
        "sent": picture.prompt,
        "keep out": record.negative_prompt or "nothing",
        "time": _times(picture),
        "cost": _cost(picture),
        "in code": f"kit.generate({_call(picture)})",
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in about.items())
    return f'<dl class="rk-about">{lines}</dl>'


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _times(picture: Picture) -> str:
    parts = [(picture.execution_time_s, "s of work"), (picture.queue_delay_s, "s in the queue")]
    return ", ".join(f"{seconds:.2f} {what}" for seconds, what in parts if seconds is not None) or "unknown"


def _cost(picture: Picture) -> str:
    if picture.cost_usd is None:
        return "unknown"
    if picture.simulated:
        return f"nothing; ${picture.cost_usd:.5f} if it were a GPU"
    return f"{'about ' if picture.record.cost_is_estimate else ''}${picture.cost_usd:.5f}"


def _call(picture: Picture) -> str:
    params = picture.params
    asked = {name: getattr(params, name) for name in type(params).model_fields if name in params.model_fields_set}
    return ", ".join([repr(asked.pop("user_prompt")), *(f"{name}={value!r}" for name, value in asked.items())])

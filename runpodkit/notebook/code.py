"""Code that makes the same thing again: a picture's parameters and a sweep as lines for a cell.

Knows no widget and no run.  What is written here evaluates to what it was made from.
"""

from __future__ import annotations

from typing import Any

from runpodkit.params import ImageParams
from runpodkit.sweeps.prompting import alternatives, literal
from runpodkit.sweeps.sweep import VARY, Sweep, sweep

WIDE = 110
"""Letters in a line; longer calls get a line per argument."""


def picture_code(params: ImageParams) -> str:
    """A call that draws the picture that these parameters ask for."""
    asked = _asked(params)
    return _call(
        "kit.generate", [repr(asked.pop("user_prompt")), *(f"{name}={value!r}" for name, value in asked.items())]
    )


def sweep_code(plan: Sweep) -> str:
    """A call that makes this sweep: the short form where that means the same, else the plan itself."""
    if plan.composite() or not plan.is_short:
        return _written(plan)
    base, axes = _asked(plan.base), plan.axes
    prompt = axes.pop("user_prompt", None) or base.pop("user_prompt")
    prompt = [_unbraced(each) for each in prompt] if isinstance(prompt, list) else _unbraced(prompt)
    base.pop("user_prompt", None)
    fields: dict[str, Any] = {**base, **axes}
    if plan.seed_varies:
        fields["seed"] = VARY
    if plan.mode != "grid":
        fields["mode"] = plan.mode
    try:
        again = sweep(prompt, **fields)
        short = again == plan and again.to_plan() == plan.to_plan()  # the order of trials is in the plan alone
    except ValueError:
        short = False
    if not short:
        return _written(plan)
    words = [
        f"{name}={_values(value)}" if name.isidentifier() else f"**{{{name!r}: {_values(value)}}}"
        for name, value in fields.items()
    ]
    return _call("rk.sweep", [repr(prompt), *words])


def _unbraced(prompt: str) -> str:
    """A prompt as `rk.sweep` takes it: braces that it would read as alternatives are escaped."""
    try:
        template = alternatives(prompt)
    except ValueError:
        return literal(prompt)
    return prompt if not template.choices and template.render({}) == prompt else literal(prompt)


def _written(plan: Sweep) -> str:
    """The plan itself."""
    return f"rk.Sweep.from_plan({plan.to_plan()!r})"


def _asked(params: ImageParams) -> dict[str, Any]:
    given = {name: getattr(params, name) for name in type(params).model_fields if name in params.model_fields_set}
    return {name: dict(value) if name == "extra" else value for name, value in given.items()}


def _values(value: Any) -> str:
    """An evenly spaced list of whole numbers as a range."""
    if isinstance(value, list) and len(value) > 3 and all(type(item) is int for item in value):
        step = value[1] - value[0]
        if step and value == list(range(value[0], value[-1] + (1 if step > 0 else -1), step)):
            end = value[-1] + (1 if step > 0 else -1)
            start = "" if value[0] == 0 and step == 1 else f"{value[0]}, "
            return f"range({start}{end}{'' if step == 1 else f', {step}'})"
    return repr(value)


def _call(name: str, words: list[str]) -> str:
    line = f"{name}({', '.join(words)})"
    return line if len(line) <= WIDE else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + ")"

"""Sweeps in one call, as people type them: `rk.sweep("a pier", steps=[5, 10])`, and seeds for them.

Decides which of what was given is an axis; what an axis is, and how axes make trials, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Literal

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, as_list, is_number
from runpodkit.sweeps.kinds import put, written
from runpodkit.sweeps.plan import Part, Sweep, make
from runpodkit.sweeps.prompting import Order, Replace, alternatives
from runpodkit.sweeps.reading import MAX_TRIALS, VARY, Asked, Where
from runpodkit.sweeps.sampling import Sample
from runpodkit.sweeps.trials import Trial

__all__ = ["MAX_TRIALS", "VARY", "Part", "Sweep", "Trial", "seeds", "single", "sweep"]

_LISTED_TEXT = ("sampler_name", "scheduler", "use_enhanced_prompts")


def sweep(
    prompt: str | Sequence[str],
    /,
    *,
    axes: Mapping[Any, Any] | None = None,
    mode: Literal["grid", "zip"] = "grid",
    together: Sequence[Sequence[str]] = (),
    where: Where = None,
    sample: Sample | None = None,
    repeats: int = 1,
    by_cost: bool = True,
    **fields: Any,
) -> Sweep:
    """A sweep in one call: a field given several values is an axis, any other is in the base.

    Args:
        prompt: One prompt, or several as the first axis.  In it `{red|blue}` stands for either text and makes an axis
            of its own; a backslash before a brace or bar takes it as it is.
        axes: Further axes, after the others: coupled fields `{("width", "height"): [(832, 1216), (1216, 832)]}`,
            labelled values `{"size": {"portrait": {"width": 832, "height": 1216}, …}}`, and all that a sweep takes.
        mode, together, where, sample, repeats, by_cost: As for `Sweep`.
        **fields: Fields of `ImageParams`.  An axis is a list, range, tuple, array or Series, labelled values
            (`cfg_scale={"low": 2, "high": 9}`), or grammar text: any text for a number (`steps="5-20 (+5)"`), text with
            a comma for `sampler_name`, `scheduler` and `use_enhanced_prompts`.  The last axis varies fastest.
            `seed="vary"` draws one seed per trial.  Any other name is an axis too where it is given labelled values,
            `rk.replace(…)` or `rk.permutations(…)`.

    Raises:
        ValueError: one line with every problem.
    """
    prompt, choices = _chosen(prompt)
    return _asked(
        {"user_prompt": prompt, **choices}, fields, axes or {}, Asked(mode, together, where, sample, repeats, by_cost)
    )


def single(prompt: str, /, **fields: Any) -> Sweep:
    """A sweep for one picture: braces in the prompt are braces."""
    return _asked({"user_prompt": prompt}, fields, {}, Asked())


def _asked(prompts: Mapping[str, Any], fields: Mapping[str, Any], axes: Mapping[Any, Any], asked: Asked) -> Sweep:
    if "user_prompt" in fields:
        raise ValueError("user_prompt: the prompt is the first argument, give it once")
    base: dict[str, Any] = {}
    varied: dict[Any, Any] = {}
    for name, given in {**prompts, **fields}.items():
        value = as_list(given)
        (varied if _is_axis(name, value) else base)[name] = value
    for name in [name for name in base if name.startswith(EXTRA)]:
        base["extra"] = put(base.get("extra", {}), name.removeprefix(EXTRA).split("."), base.pop(name))
    given_twice = [written(name) for name in axes if written(name) in map(written, varied)]
    if given_twice:
        raise ValueError(f"axes: {', '.join(given_twice)} is given outside of axes= too; give it once")
    return make(base, {**varied, **axes}, asked)


def _chosen(prompt: Any) -> tuple[Any, dict[str, Replace]]:
    """A prompt with a mark for each group of alternatives, and axes that put texts in their places.

    Of several prompts each is written out.
    """
    if not isinstance(prompt, str):
        given = as_list(prompt)
        if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
            return prompt, {}
        return [text for each in given for text in _written_out(each)], {}
    template = alternatives(prompt)
    marks = template.marks()
    if not marks:
        return template.render({}), {}
    marked = template.fill(marks)
    return marked, {choice.name: Replace(marks[choice.name], choice.values, keep=False) for choice in template.choices}


def _written_out(prompt: str) -> list[str]:
    template = alternatives(prompt)
    names = [choice.name for choice in template.choices]
    every = product(*(choice.labels for choice in template.choices))
    return [template.render(dict(zip(names, labels, strict=True))) for labels in every]


def seeds(n: int) -> list[int]:
    """The first `n` of one fixed order of distinct seeds, below a million so that a person can type them.

    Raises:
        ValueError: `n` is not within 1..100,000.
    """
    if not 1 <= n <= MAX_TRIALS:
        raise ValueError(f"seeds: n={n} is not within 1 to {MAX_TRIALS:,}")
    return [(271_828 + 618_033 * i) % 1_000_000 for i in range(n)]  # 618,033 shares no factor with a million


def _is_axis(name: str, value: object) -> bool:
    if isinstance(value, str):
        if (name == "seed" and value == VARY) or name == ENDPOINT:
            return True
        if name not in ImageParams.model_fields:
            return "+" in name
        return is_number(name) or (name in _LISTED_TEXT and "," in value)
    if isinstance(value, Mapping):
        return name != "extra" and not name.startswith(EXTRA)
    return isinstance(value, Iterable | Replace | Order) and not isinstance(value, bytes | bytearray)

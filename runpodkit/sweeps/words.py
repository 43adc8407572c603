"""Words: what a sweep is, where its trials come from, and how two of them differ; for people."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from runpodkit.params import ImageParams
from runpodkit.reprs import cut, facts_html
from runpodkit.sweeps.reading import Combined, len_of

_VALUES = 70
"""Characters of an axis' values in a line."""


def default_name(prompt: str, axes: Sequence[str], hash: str) -> str:
    """Prompt and axes as a slug of at most 40 characters, then 6 hex digits of the hash."""
    told = _slug(" ".join(name.removesuffix("_name") for name in axes if name != "user_prompt"), 24)
    prompt = _slug(prompt, 39 - len(told))
    return "-".join([*filter(None, (prompt, told))] or ["sweep"]) + f"-{hash[:6]}"


def one_line(base: ImageParams, made: Combined) -> str:
    """`<Sweep 'a pier': 36 trials = 3 sampler_name × 4 steps × 3 repeats>`."""
    sizes, left = origin(made), _left_out(made)
    told = f" = {sizes}" if sizes else ""
    return f"<Sweep {cut(base.user_prompt, 40)!r}: {_trials(made)}{told}{f', {left}' if left else ''}>"


def in_full(base: ImageParams, made: Combined) -> str:
    """Several lines: the trials and what they come from, each rule and what it left out, and the values of each axis."""
    lines = [f"Sweep {cut(base.user_prompt, 60)!r}: {_trials(made)}"]
    sizes = _product(made)
    if sizes:
        lines.append(f"  {sizes}{f' = {_cells(made.cells.sizes)} cells' if len(made.cells.sizes) > 1 else ''}")
    lines += [f"  {count:,} left out by the rule {rule}" for rule, count in made.skipped.items()]
    if made.keep is not None and not made.skipped:
        lines.append(f"  {len(made.cells):,} cells of them, which the plan lists")
    if made.sample:
        lines.append(f"  {_sampled(made)}")
    if made.repeats > 1:
        lines.append(f"  {len(made.cells):,} cells × {made.repeats} repeats")
    if made.varies:
        lines.append("  another seed for each")
    width = max((len(name) for name in made.axes), default=0)
    lines += [f"  {name:{width}}  {values_in(axis.values)}" for name, axis in made.axes.items()]
    if not made.cells.as_laid_out:
        names = [" with ".join(made.dimensions[at]) for at in made.cells.order]
        lines.append(f"  drawn by cost: {', '.join(names)}, the first changes least often")
    return "\n".join(lines)


def html(base: ImageParams, own: Mapping[str, Any], made: Combined) -> str:
    """The same as a small table."""
    shared = {name: cut(str(value), 200) for name, value in own.items()}
    axes = {name: cut(", ".join(map(str, axis.values)), 200) for name, axis in made.axes.items()}
    rules = {f"where {rule}": f"leaves out {count:,}" for rule, count in made.skipped.items()}
    sample = {"sample": _sampled(made)} if made.sample else {}
    counts = [str(size) for size in made.cells.sizes]
    counts += [f"{made.repeats} repeats"] if made.repeats > 1 else []
    how = ", zipped" if made.mode == "zip" and made.axes else ""
    product = f" = {' × '.join(counts)}" if len(counts) > 1 and made.cells.kept is None else ""
    if made.cells.kept is not None:
        product = f", {len(made.cells):,} of {_cells(made.cells.sizes)} cells"
        product += f" × {made.repeats} repeats" if made.repeats > 1 else ""
    return facts_html(f"Sweep, {_trials(made)}{how or product}", {**shared, **axes, **rules, **sample})


def _sampled(made: Combined) -> str:
    sample = made.sample
    how = "" if sample is None else "a Latin hypercube" if sample.method == "latin" else "at random"
    return f"{len(made.cells):,} of them, {how}, seed {sample.seed if sample else 0}"


def values_in(values: Sequence[Any]) -> str:
    """The first of some values, and how many there are if not all are told."""
    told = ", ".join(cut(str(value), 40) for value in values[:20])
    if len(values) <= 20 and len(told) <= _VALUES:
        return told
    return f"{cut(told, _VALUES)} ({len(values):,} values)"


def difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What differs between two plans that are not equal, in one line."""
    here, there = _parts(mine), _parts(theirs)
    found = [
        f"{name} {here.get(name, 'not set')} here, {there.get(name, 'not set')} there"
        for name in dict.fromkeys([*here, *there])
        if here.get(name) != there.get(name)
    ]
    if not found:
        found = [f"axes ordered {', '.join(mine['axes'])} here, {', '.join(theirs['axes'])} there"]
    return "; ".join(found[:4]) + (f"; {len(found) - 4} more" if len(found) > 4 else "")


def origin(made: Combined) -> str:
    """`3 sampler_name × (4 steps with 4 cfg_scale) × 2 repeats`; empty where there are no axes."""
    repeats = [f"{made.repeats} repeats"] if made.repeats > 1 else []
    return " × ".join([*filter(None, [_product(made)]), *repeats])


def _product(made: Combined) -> str:
    def size(name: str) -> str:
        return f"{len(made.axes[name].values)} {name}"

    groups = [" with ".join(map(size, names)) for names in made.dimensions]
    many = len(groups) > 1 or made.repeats > 1
    return " × ".join(f"({each})" if many and " with " in each else each for each in groups)


def _left_out(made: Combined) -> str:
    """What is missing of the product."""
    if made.cells.kept is None:
        return ""
    if made.sample:
        return f"a sample of {_cells(made.cells.sizes)} cells"
    return f"{math.prod(made.cells.sizes) - len(made.cells):,} of {_cells(made.cells.sizes)} cells left out"


def _cells(sizes: Sequence[int]) -> str:
    """A number of cells; of very many the order."""
    count = math.prod(sizes)
    return f"{count:,}" if count < 10**15 else f"about 10^{len(str(count)) - 1}"


def _trials(made: Combined) -> str:
    count = len_of(made)
    return f"{count:,} trial{'' if count == 1 else 's'}"


def _parts(plan: Mapping[str, Any]) -> dict[str, str]:
    parts = {name: cut(repr(value), 60) for name, value in plan["base"].items()}
    for axis, values in plan["axes"].items():
        shown = ", ".join(repr(value) for value in values) if isinstance(values, list) else repr(values)
        if isinstance(values, list):
            parts[axis] = f"[{shown}]" if len(shown) <= 80 else f"[{len(values)} values: {shown[:60]}…]"
        else:
            parts[axis] = cut(shown, 80)
    rest = {name: cut(repr(value), 60) for name, value in plan.items() if name not in ("base", "axes", "mode", "order")}
    return {**parts, "mode": plan["mode"], **rest}


def _slug(text: str, length: int) -> str:
    """Lower-case ASCII words joined by dashes, whole words where possible; other scripts are left out."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) <= length:
        return slug
    return (slug[: length + 1].rpartition("-")[0] or slug[:length]).strip("-")

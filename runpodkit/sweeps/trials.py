"""Trials: the points of a sweep, each with full parameters.

Every value was validated when its axis was read, so that 100,000 trials need not be again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import EXTRA
from runpodkit.sweeps.kinds import REPEAT, Axis, put
from runpodkit.sweeps.reading import Combined

_STRIDE = 2_654_435_769  # odd, so multiples of it walk all 2^32 seeds before one comes back
_SEED_COUNT = 2**32


class Trial(NamedTuple):
    """One point of a sweep with full parameters; becomes one job."""

    number: int
    """From 0, in the order in which trials are drawn."""
    values: dict[str, Any]
    """The value of each axis at this point, under the axis' name; of several fields at once its label."""
    params: ImageParams
    """With a real seed, never -1."""
    repeat: int = 0
    """From 0: which of several equal trials it is.  It is in the trial's key, not in what is sent."""


class _Effect(NamedTuple):
    """What one place of a dimension does."""

    values: dict[str, Any]
    sets: dict[str, Any]
    extras: Sequence[tuple[list[str], Any]]
    """Ways into `extra`, and what stands at their ends."""


def trials_of(base: ImageParams, made: Combined, first_seed: int) -> list[Trial]:
    """All trials in order.

    Args:
        first_seed: Where neither base nor axes have a seed: the one of all, or of the first cell of the layout if
            seeds vary.  However trials are numbered, a cell keeps its seed.
    """
    effects = [_effects([made.axes[name] for name in names]) for names in made.dimensions]
    names = list(made.axes)
    in_order = names == [name for dimension in made.dimensions for name in dimension]
    has_seed = "seed" in base.model_fields_set or "seed" in made.whole
    has_extra = "extra" in base.model_fields_set
    base_extra = base.extra
    repeats, varies, prompted = made.repeats, made.varies, made.prompted
    shared, set_there, new = base.__dict__, base.model_fields_set, tuple.__new__
    trials: list[Trial] = []
    with _collector_at_rest():
        for rank, places in made.cells.walk():
            values: dict[str, Any] = {}
            own: dict[str, Any] = {}
            if not has_seed:
                own["seed"] = _spread(first_seed, rank) if varies else first_seed
            extra = base_extra
            for effect, place in zip(effects, places, strict=True):
                there, sets, ways = effect[place]
                values |= there
                own |= sets
                for way, value in ways:
                    extra = put(extra, way, value)
            if prompted:
                own |= prompted.fields(places)
            marked = set_there | own.keys()
            if has_extra or extra is not base_extra:
                marked.add("extra")
            if not in_order:
                values = {name: values[name] for name in names}
            for repeat in range(repeats):
                own["extra"] = {**extra}  # for each its own, as it is no frozen thing
                params = _parameters({**shared, **own}, marked)
                told = values if repeats == 1 else {**values, REPEAT: repeat + 1}
                trials.append(new(Trial, (len(trials), told, params, repeat)))
    return trials


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """No garbage is looked for: none is made here, and looking through all trials again and again takes half the time."""
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


def _parameters(values: dict[str, Any], marked: set[str]) -> ImageParams:
    """What `ImageParams.model_construct` makes of values that are all there, in a third of its time."""
    params = ImageParams.__new__(ImageParams)
    _set(params, "__dict__", values)
    _set(params, "__pydantic_fields_set__", {*marked})
    _set(params, "__pydantic_extra__", None)
    _set(params, "__pydantic_private__", None)
    return params


_set = object.__setattr__  # pydantic's own refuses, as parameters are frozen


def _effects(axes: Sequence[Axis]) -> list[_Effect]:
    """By place of one dimension."""
    setting = [axis for axis in axes if axis.fields]
    if all(axis.plain and not axis.name.startswith(EXTRA) for axis in setting):
        values = _rows(axes)
        sets = values if len(setting) == len(axes) else _rows(setting) or [{} for _ in values]
        return [_Effect(*pair, ()) for pair in zip(values, sets, strict=True)]
    effects = []
    for place in range(min(len(axis.values) for axis in axes)):
        there: dict[str, Any] = {}
        own: dict[str, Any] = {}
        ways: list[tuple[list[str], Any]] = []
        for axis in axes:
            there[axis.name] = axis.values[place]
            for name, value in axis.sets[place].items():
                if name.startswith(EXTRA):
                    ways.append((name.removeprefix(EXTRA).split("."), value))
                else:
                    own[name] = value
        effects.append(_Effect(there, own, ways))
    return effects


def _rows(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    names = [axis.name for axis in axes]
    return [dict(zip(names, row, strict=True)) for row in zip(*(axis.values for axis in axes), strict=True)]


def _spread(first: int, number: int) -> int:
    """Seed `number` of a walk that starts at `first` and repeats none."""
    return (first + number * _STRIDE) % _SEED_COUNT

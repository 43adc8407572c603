"""Rules and samples: which cells of a space stay.

A rule is text in the grammar of `conditions`, or a function whose parameters are named like axes or like parameters of
the picture.  It is asked once for every combination of the values that it names, however many cells there are.  A space
that is sampled may be of any size: it is never listed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from runpodkit.params import RANDOM_SEED, ImageParams
from runpodkit.sweeps.axes import EXTRA
from runpodkit.sweeps.cells import Cells
from runpodkit.sweeps.conditions import read_rule
from runpodkit.sweeps.kinds import Axis
from runpodkit.sweeps.prompted import edited_fields
from runpodkit.sweeps.sampling import Sample

MOST_CELLS = 1_000_000
"""Of a space that rules go through; a larger one has to be sampled."""

_PARAMETERS = tuple(name for name in ImageParams.model_fields if name not in ("extra", "timeout"))

Rule = str | Callable[..., Any]


@dataclass(slots=True)
class Skipped:
    """What rules and a sample made of a space."""

    cells: Cells
    by_rule: dict[str, int] = field(default_factory=dict)
    """Cells that each rule left out, the first that does counts; of a sample, of those that were drawn."""
    problems: list[str] = field(default_factory=list)


class Known:
    """The values that rules may ask for, by name, at the places of a cell.

    A prompt that axes edit is known as they leave it.
    """

    def __init__(
        self, base: ImageParams, axes: Mapping[str, Axis], dimension: Mapping[str, int], *, varies: bool
    ) -> None:
        self._base, self._axes, self._dimension, self._varies = base, axes, dimension, varies
        self._setter = {name: axis for axis in axes.values() for name in axis.fields}
        self._extra = {
            name: value
            for name, value in _in_tables(base.extra)
            if not any(f"{name}.".startswith(f"{set_}.") or set_.startswith(f"{name}.") for set_ in self._setter)
            or name in self._setter
        }
        self._edits: dict[str, list[Axis]] = {}
        for axis in axes.values():
            for name in edited_fields(axis):
                self._edits.setdefault(name, []).append(axis)

    @property
    def names(self) -> list[str]:
        """All that rules may ask for, axes first."""
        return list(dict.fromkeys([*self._axes, *self._setter, *_PARAMETERS, *self._extra]))

    def dimensions(self, name: str) -> set[int]:
        """Where the value of this name changes."""
        axis = self._setter.get(name) or self._axes.get(name)
        return {self._dimension[each.name] for each in (axis, *self._edits.get(name, ())) if each}

    def value(self, name: str, places: Mapping[int, int]) -> Any:
        """The value of this name.

        Raises:
            ValueError: nobody knows it yet, or an edit of a prompt cannot be made.
        """
        value = self._unedited(name, places)
        for axis in self._edits.get(name, ()):
            if axis.edit and value is not None:
                value = axis.edit.apply(value, axis.values[places[self._dimension[axis.name]]])
        return value

    def _unedited(self, name: str, places: Mapping[int, int]) -> Any:
        axis = self._setter.get(name)
        if axis is not None:
            sets = axis.sets[places[self._dimension[axis.name]]]
            return sets[name] if name in sets else self._shared(name)
        if name in self._axes:
            return self._axes[name].values[places[self._dimension[name]]]
        return self._shared(name)

    def _shared(self, name: str) -> Any:
        if name == "seed" and (self._varies or self._base.seed == RANDOM_SEED):
            raise ValueError(
                "where: seed is drawn when the run starts, so no rule can ask for it; use seed=rk.seeds(n)"
            )
        return self._extra.get(name) if name.startswith(EXTRA) else getattr(self._base, name)


def _in_tables(extra: Mapping[str, Any], before: str = EXTRA) -> Iterator[tuple[str, Any]]:
    """By `extra.NAME`, each value, in tables too."""
    for name, value in extra.items():
        yield f"{before}{name}", value
        if isinstance(value, Mapping):
            yield from _in_tables(value, f"{before}{name}.")


class Asked:
    """One rule over one space; remembers its answers."""

    def __init__(self, rule: Rule, known: Known) -> None:
        self._known = known
        self.text, self._names, self._test = _read(rule, known.names)
        self._at = sorted({at for name in self._names for at in known.dimensions(name)})
        self._answers: dict[tuple[int, ...], bool] = {}

    def keeps(self, places: Sequence[int]) -> bool:
        """Whether a cell stays.

        Raises:
            ValueError: the rule cannot be worked out for its values.
        """
        key = tuple([places[at] for at in self._at])
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._ask(dict(zip(self._at, key, strict=True)))
        return answer

    def _ask(self, places: Mapping[int, int]) -> bool:
        return self._test({name: self._known.value(name, places) for name in self._names})


def unreadable(rules: Sequence[Rule], names: Collection[str]) -> list[str]:
    """What can be told to be wrong with rules where axes or base are not good.

    Args:
        names: Of axes as they were given, and of the fields that they set.
    """
    problems = []
    for rule in rules:
        try:
            _read(rule, list(dict.fromkeys([*names, *_PARAMETERS])))
        except ValueError as exc:
            problems.append(str(exc))
    return problems


def skip(
    cells: Cells,
    known: Known,
    where: Sequence[Rule],
    sample: Sample | None,
) -> Skipped:
    """The cells that stay of a space, in the order of the layout."""
    made = Skipped(cells)
    rules: list[Asked] = []
    for rule in where:
        try:
            rules.append(Asked(rule, known))
        except ValueError as exc:
            made.problems.append(str(exc))
    made.by_rule.update({rule.text: 0 for rule in rules})
    if made.problems:
        return made

    def stays(places: Sequence[int]) -> bool:
        for rule in rules:
            if not rule.keeps(places):
                made.by_rule[rule.text] += 1
                return False
        return True

    try:
        if sample is not None:
            kept = [cells.number(places) for places in sample.pick(cells.sizes, stays if rules else None)]
        elif math.prod(cells.sizes) > MOST_CELLS:
            made.problems.append(
                f"where: {math.prod(cells.sizes):,} cells are more than {MOST_CELLS:,} to go through: "
                "use fewer values, or take a sample (sample=rk.random(1000))"
            )
            return made
        else:
            kept = [number for number, places in enumerate(product(*map(range, cells.sizes))) if stays(places)]
    except ValueError as exc:
        made.problems.append(str(exc))
        return made
    if not kept:
        made.problems.append("where: no cell is left; loosen " + " or ".join(made.by_rule))
    made.cells = Cells(cells.sizes, cells.order, tuple(kept))
    return made


def _read(rule: Rule, known: Collection[str]) -> tuple[str, Sequence[str], Callable[[Mapping[str, Any]], bool]]:
    """How a rule is told, the names it asks for, and the question.

    Raises:
        ValueError: it is no rule, or asks for what nobody knows.
    """
    if isinstance(rule, str):
        read = read_rule(rule, known)
        return rule, sorted(read.names), read.holds
    if not callable(rule):
        raise ValueError(f"where={rule!r:.60}: give text such as 'steps > 5', or a function of axes")
    try:
        parameters = list(inspect.signature(rule).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    told = f"{getattr(rule, '__name__', 'function')}({', '.join(named)})"
    if not named or len(named) < len(parameters):
        raise ValueError(
            f"where {told}: name its parameters like the axes it asks for, such as lambda steps: steps > 5"
        )
    if unknown := [name for name in named if name not in known]:
        raise ValueError(f"where {told}: {', '.join(unknown)} is neither an axis nor a parameter")

    def test(values: Mapping[str, Any]) -> bool:
        try:
            return bool(rule(**values))
        except Exception as exc:  # a rule is somebody else's code
            said = ", ".join(f"{name}={value!r:.60}" for name, value in values.items())
            raise ValueError(f"where {told}: {type(exc).__name__} at {said}: {exc}") from exc

    return told, named, test

"""Reading: what somebody wrote about a sweep becomes axes and cells, or a list of everything wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, MAX_VALUES, repeated
from runpodkit.sweeps.cells import Cells, by_cost
from runpodkit.sweeps.kinds import REPEAT, Axis, kind_of, read, written
from runpodkit.sweeps.prompted import Prompted
from runpodkit.sweeps.rules import Known, Rule, skip, unreadable
from runpodkit.sweeps.sampling import Sample

MAX_TRIALS = 100_000
"""Trials that one sweep may have."""

VARY = "vary"
"""As a seed: every trial draws its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How axes are combined, as somebody asked for it; nothing is checked yet."""

    mode: Any = "grid"
    together: Any = ()
    where: Any = ()
    sample: Any = None
    repeats: Any = 1
    by_cost: bool = True
    keep: Any = None
    """First and last numbers of runs of cells that stay, as a plan has them."""


@dataclass(frozen=True, slots=True)
class Combined:
    """Axes that were read, and the cells that they make."""

    axes: dict[str, Axis]
    """As written."""
    dimensions: tuple[tuple[str, ...], ...]
    """Names of axes; those of one dimension are walked along together."""
    cells: Cells
    varies: bool = False
    """Whether every trial draws a seed of its own."""
    mode: Any = "grid"
    together: tuple[tuple[str, ...], ...] = ()
    where: tuple[str, ...] = ()
    sample: Sample | None = None
    repeats: int = 1
    by_cost: bool = True
    keep: tuple[tuple[int, int], ...] | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    """By rule, the cells that it left out."""
    prompted: Prompted | None = None
    """Prompts that axes edit."""

    @property
    def fields(self) -> dict[str, Axis]:
        """By name of a field, the axis that sets it."""
        return {name: axis for axis in self.axes.values() for name in axis.fields}

    @property
    def whole(self) -> frozenset[str]:
        """Fields that are set in every trial by some axis."""
        return frozenset(name for axis in self.axes.values() for name in axis.whole)

    @property
    def dimension(self) -> dict[str, int]:
        """By name of an axis, its dimension."""
        return {name: at for at, names in enumerate(self.dimensions) for name in names}

    @property
    def asked(self) -> Asked:
        """How it was asked for."""
        return Asked(self.mode, self.together, self.where, self.sample, self.repeats, self.by_cost, self.keep)


def combine(
    base_of: Callable[[Combined], ImageParams | None], axes: Mapping[Any, Any], asked: Asked
) -> tuple[Combined, list[str]]:
    """Axes and cells, and every problem in words; the first is good only if there is no problem.

    Args:
        base_of: The base to these axes; None where something is wrong with it: then nothing is asked that needs it.
    """
    problems = [] if asked.mode in ("grid", "zip") else [f"mode={asked.mode!r} is neither 'grid' nor 'zip'"]
    flat = flattened(axes)
    groups, wrong = _groups(asked, flat)
    problems += wrong
    grouped = {name for group in groups for name in group}
    zipped = asked.mode == "zip"
    made: dict[str, Axis] = {}
    varies = False
    for given_name, given in flat.items():
        if given_name == "seed" and isinstance(given, str) and given.strip() == VARY:
            varies = True
            continue
        name = written(given_name)
        apart = not zipped and name not in grouped
        axis, wrong = read(given_name, given, unique=apart, most=MAX_TRIALS if zipped else MAX_VALUES)
        if name in made:
            wrong = [*wrong, "given twice"]
        problems += [f"axis {name}: {problem}" for problem in wrong]
        if axis is not None and not wrong:
            made[name] = axis
    problems += _twice_set(made, varies)
    dimensions = _dimensions(made, groups, zipped)
    problems += [
        f"axis {name}: an edit of a prompt cannot go together with endpoints; let it multiply"
        for names in dimensions
        if ENDPOINT in names
        for name in names
        if made[name].edit
    ]
    problems += _unequal(made, groups, zipped)
    sizes = tuple(min(len(made[name].values) for name in names) for names in dimensions)
    costs = [[(name, made[name].fields) for name in names] for names in dimensions]
    cells = Cells(sizes, by_cost(costs) if asked.by_cost else tuple(range(len(sizes))))
    repeats, wrong = _repeats(asked.repeats)
    problems += wrong
    combined = Combined(made, dimensions, cells, varies, asked.mode, groups, repeats=repeats, by_cost=asked.by_cost)
    base = base_of(combined)
    if base is None or problems:
        rules, wrong = _rules(asked)
        wrong += unreadable(rules, [*map(written, flat), *combined.fields])
        return combined, [*problems, *wrong, *([] if asked.sample else _too_many(combined))]
    combined, wrong = _skip(base, combined, asked)
    wrong += _too_many(combined)
    if wrong:
        return combined, wrong
    prompted, wrong = Prompted.of(base, made, combined.dimension, combined.cells)
    return replace(combined, prompted=prompted), wrong


def flattened(axes: Mapping[Any, Any]) -> dict[Any, Any]:
    """TOML reads `extra.lora.scale = …` as tables in a table."""
    flat: dict[Any, Any] = {}
    for name, given in axes.items():
        if name == "extra" and isinstance(given, Mapping):
            flat.update(_leaves(EXTRA, given))
        else:
            flat[name] = given
    return flat


def _leaves(before: str, table: Mapping[Any, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, given in table.items():
        flat.update(_leaves(f"{before}{name}.", given) if isinstance(given, Mapping) else {f"{before}{name}": given})
    return flat


def _groups(asked: Asked, axes: Mapping[Any, Any]) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Names of axes that are walked along together, by group."""
    given = asked.together
    if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
        return (), [f"together={given!r:.60}: give groups of axes, such as [('steps', 'cfg_scale')]"]
    listed = list(given)
    if listed and all(isinstance(each, str) for each in listed):
        listed = [listed]
    names = {written(name) for name in axes}
    problems: list[str] = []
    groups: list[tuple[str, ...]] = []
    for each in listed:
        if not isinstance(each, Sequence) or isinstance(each, str) or len(each) < 2:
            problems.append(f"together={each!r:.60}: a group has two axes or more, such as ('steps', 'cfg_scale')")
            continue
        group = tuple(written(name) for name in each)
        problems += [
            f"together: {name} is no axis; axes: {', '.join(sorted(names)) or 'none'}"
            for name in group
            if name not in names
        ]
        groups.append(group)
    problems += [
        f"together: {name} stands in two places" for name in repeated(name for group in groups for name in group)
    ]
    if groups and asked.mode == "zip":
        problems.append("together: with mode='zip' all axes go together already")
    return tuple(groups) if not problems else (), problems


def _dimensions(
    axes: Mapping[str, Axis], groups: Sequence[tuple[str, ...]], zipped: bool
) -> tuple[tuple[str, ...], ...]:
    """Axes by dimension, each where its first axis was written."""
    if zipped:
        return (tuple(axes),) if axes else ()
    group_of = {name: group for group in groups for name in group}
    made: dict[tuple[str, ...], None] = {}
    for name in axes:
        made[tuple(each for each in group_of.get(name, (name,)) if each in axes)] = None
    return tuple(made)


def _unequal(axes: Mapping[str, Axis], groups: Sequence[tuple[str, ...]], zipped: bool) -> list[str]:
    problems = []
    for group in [tuple(axes)] if zipped else groups:
        there = [name for name in group if name in axes]
        word = "zip" if zipped else f"together {', '.join(group)}"
        lengths = {name: len(axes[name].values) for name in there}
        if len(set(lengths.values())) > 1:
            sizes = ", ".join(f"{name} has {length:,}" for name, length in lengths.items())
            problems.append(
                f"zip needs axes of equal length: {sizes}"
                if zipped
                else f"{word}: axes of equal length are needed: {sizes}"
            )
        elif len(there) == len(group) and (twice := _same_rows([axes[name] for name in there])):
            problems.append(
                f"{word} gives the same trial twice: {', '.join(map(repr, twice[:3]))}; give it once, or use repeats="
            )
    return problems


def _same_rows(axes: Sequence[Axis]) -> list[tuple[Any, ...]]:
    """Rows of values that come more than once, each once; values that are equal share a number first, as text is slow."""
    columns = []
    for axis in axes:
        numbers: dict[tuple[type, Any], int] = {}
        try:
            columns.append([numbers.setdefault((kind_of(value), value), len(numbers)) for value in axis.values])
        except TypeError:  # lists and tables
            return repeated(zip(*(axis.values for axis in axes), strict=True))
    rows = list(zip(*columns, strict=True))
    if len(set(rows)) == len(rows):
        return []
    seen: dict[tuple[int, ...], int] = {}
    twice = []
    for at, row in enumerate(rows):
        seen[row] = seen.get(row, 0) + 1
        if seen[row] == 2:
            twice.append(tuple(axis.values[at] for axis in axes))
    return twice


def _twice_set(axes: Mapping[str, Axis], varies: bool) -> list[str]:
    """Fields that two axes set; and a table that another axis sets a part of."""
    setters: dict[str, str] = {"seed": "seed"} if varies else {}
    problems = []
    for axis in axes.values():
        for name in sorted(axis.fields):
            if name in setters:
                problems.append(f"axis {axis.name}: {name} is set by axis {setters[name]} already; use one of the two")
            setters.setdefault(name, axis.name)
    for name in setters:
        above = [name.rsplit(".", depth)[0] for depth in range(1, name.count("."))]
        problems += [
            f"axis {setters[name]}: {name} lies in {each}, which is an axis too" for each in above if each in setters
        ]
    return problems


def _repeats(given: Any) -> tuple[int, list[str]]:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= 1000:
        return 1, [f"repeats={given!r:.60} is not within 1 to 1,000: say how often each cell is drawn"]
    return given, []


def _rules(asked: Asked) -> tuple[list[Rule], list[str]]:
    """The rules in a list, and what of them and of a sample can be told to be wrong without a base."""
    given = () if asked.where is None else asked.where
    rules: list[Any] = [given] if isinstance(given, str) or callable(given) else list(given) if _is_list(given) else []
    problems = (
        [] if rules or _is_list(given) else [f"where={given!r:.60}: give text such as 'steps > 5', or a list of such"]
    )
    if asked.sample is not None and not isinstance(asked.sample, Sample):
        problems.append(f"sample={asked.sample!r:.60}: give rk.random(n) or rk.latin(n)")
    return rules, problems


def _is_list(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, Mapping | str)


def _skip(base: ImageParams, combined: Combined, asked: Asked) -> tuple[Combined, list[str]]:
    """Only the cells that rules, sample and list leave."""
    rules, problems = _rules(asked)
    if problems:
        return combined, problems
    cells = combined.cells
    if asked.keep is not None:
        if rules or asked.sample:
            return combined, ["keep: cells that are listed take neither where nor sample"]
        keep, problems = _kept(asked.keep, len(cells))
        if problems:
            return combined, problems
        numbers = tuple(number for first, last in keep for number in range(first, last + 1))
        return replace(combined, cells=Cells(cells.sizes, cells.order, numbers), keep=keep), []
    if not rules and asked.sample is None:
        return combined, []
    skipped = skip(cells, Known(base, combined.axes, combined.dimension, varies=combined.varies), rules, asked.sample)
    if skipped.problems:
        return combined, skipped.problems
    texts = tuple(rule for rule in rules if isinstance(rule, str))
    combined = replace(combined, cells=skipped.cells, skipped=skipped.by_rule)
    if len(texts) == len(rules):
        return replace(combined, where=texts, sample=asked.sample), []
    return replace(combined, keep=runs_of(skipped.cells.kept or ())), []


def runs_of(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as first and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


def _kept(given: Any, count: int) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    words = "keep: give runs of cells by their first and last number, ascending, such as [[0, 5], [9, 9]]"
    if not _is_list(given):
        return (), [words]
    runs = []
    end = -1
    for each in given:
        pair = tuple(each) if _is_list(each) else ()
        if len(pair) != 2 or not all(type(number) is int for number in pair) or not end < pair[0] <= pair[1]:
            return (), [words]
        end = pair[1]
        runs.append((pair[0], pair[1]))
    if not runs or end >= count:
        return (), [f"keep: there are {count:,} cells, from 0; {end} is none of them" if runs else words]
    if sum(last - first + 1 for first, last in runs) > MAX_TRIALS:
        return (), [f"keep: more than {MAX_TRIALS:,} cells"]
    return tuple(runs), []


def _too_many(combined: Combined) -> list[str]:
    count = len_of(combined)
    if count <= MAX_TRIALS:
        return []
    return [f"{count:,} trials are more than {MAX_TRIALS:,}: use fewer values, several sweeps, or sample=rk.random(n)"]


def len_of(combined: Combined) -> int:
    """Trials."""
    cells = combined.cells
    size = 1
    for each in cells.sizes:  # len() of a space may be too large for Python
        size *= each
    return (size if cells.kept is None else len(cells.kept)) * combined.repeats


def repeat_values(combined: Combined) -> dict[str, list[int]]:
    """The axis of a repeated sweep."""
    return {REPEAT: list(range(1, combined.repeats + 1))} if combined.repeats > 1 else {}


Where = str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None

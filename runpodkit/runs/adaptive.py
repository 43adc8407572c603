"""Adaptive runs: what is drawn next follows from what was drawn, under a budget, and is told in words.

`refine` looks nearer and nearer around the best or the fastest-changing values of an axis; `enough` draws an axis in
ascending order and stops a group once its picture no longer changes.  Both decide by `refining` alone, from pictures
that lie in the store: called again, with the same arguments, they decide the same and pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpodkit.errors import RunHeldError
from runpodkit.params import ImageParams
from runpodkit.reprs import facts_html
from runpodkit.runs.measuring import Measures, Score, group_of, score_name
from runpodkit.runs.money import dollars
from runpodkit.runs.records import Record
from runpodkit.runs.refining import (
    EPSILON,
    Decision,
    Goal,
    Number,
    Scale,
    by_change,
    by_score,
    enough_of,
    listed,
    means_of,
    scale_of,
    shown,
)
from runpodkit.runs.rounds import Desk, Rounds, exactly, pinned, pinned_as, refuse, with_axis
from runpodkit.runs.run import Run
from runpodkit.sweeps.axes import ENDPOINT, canonical
from runpodkit.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

CHANGE = "change"
ROUNDS = 6
"""Of a refinement, if nobody says: each halves what lies around the best value."""


@dataclass(frozen=True, slots=True)
class Step:
    """One look of a search, and what followed."""

    said: str
    """What was seen."""
    tried: tuple[Number, ...] = ()
    """Values that were drawn then."""
    best: Number | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Search:
    """What an adaptive run came to."""

    axis: str
    run: Run
    """With everything that was drawn."""
    steps: tuple[Step, ...]
    stopped: str
    """Why it ended."""
    trials: int
    """New ones, over all rounds."""
    spent_usd: float | None
    """Over all rounds; None where a picture's cost is not known."""

    @property
    def table(self) -> pd.DataFrame:
        """A row per look: `seen`, the values `tried` then, and the `best` so far."""
        import pandas as pd

        rows = [[step.said, listed(step.tried) if step.tried else "", step.best] for step in self.steps]
        return pd.DataFrame(rows, columns=["seen", "tried", "best"])

    def _money(self) -> str:
        trials = f"{self.trials} new trial{'' if self.trials == 1 else 's'}"
        if self.spent_usd is None:
            return f"{trials}, cost unknown"
        return f"{trials}, ${dollars(self.spent_usd)}{' if it were a GPU' if self.run.simulated else ''}"

    def _words(self) -> list[str]:
        looks = [f"{step.said}; tried {listed(step.tried)}" if step.tried else step.said for step in self.steps]
        return [*looks, self._money(), f"stopped: {self.stopped}"]

    def __repr__(self) -> str:
        return f"{self._title()}: {'; '.join(self._words())}"

    def _title(self) -> str:
        return f"{self.axis} of run {self.run.name}"

    def _repr_html_(self) -> str:
        facts = {f"look {number}": words for number, words in enumerate(self._words()[:-2], start=1)}
        return facts_html(self._title(), {**facts, "cost": self._money(), "stopped": self.stopped}, self.run.simulated)


@dataclass(frozen=True, slots=True, repr=False)
class Refined(Search):
    """A search from coarse to fine: every decision in words, `.best`, `.run` with all values, `.table`."""

    by: str = CHANGE
    best: Number | None = None
    """The best value, of a search by score."""
    means: dict[Number, float] = field(default_factory=dict)
    """Mean score by value, of a search by score; mean distance to the next value, by change."""

    def _title(self) -> str:
        return f"Refined {self.axis} by {self.by}" + (f": best {shown(self.best)}" if self.best is not None else "")


@dataclass(frozen=True, slots=True, repr=False)
class Enough(Search):
    """An axis that was drawn as far as it changes the picture: `.values` says how far, by group."""

    epsilon: float = EPSILON
    values: dict[str, Number | None] = field(default_factory=dict)
    """By group (`Euler`; `Euler, cfg_scale 7`; `all`): the value that is enough; None if none was."""
    saved: int = 0
    """Trials of the whole sweep that were never drawn."""

    def _title(self) -> str:
        told = [f"{group} {'not reached' if value is None else shown(value)}" for group, value in self.values.items()]
        return f"Enough {self.axis} (change below {self.epsilon:g}): {', '.join(told)}"

    def _words(self) -> list[str]:
        words = Search._words(self)
        return [*words[:-1], f"{self.saved} trial{'' if self.saved == 1 else 's'} of the sweep not drawn", words[-1]]


async def refine(
    desk: Desk,
    run: Run,
    axis: str,
    by: str | Score,
    *,
    goal: Goal,
    rounds: int,
    points: int,
    resolution: Number | None,
    epsilon: float,
    budget_usd: float | None,
    max_trials: int | None,
    name: str | None,
    progress: bool,
    how: dict[str, Any],
) -> Refined:
    """See `Kit.refine`."""
    odd = "" if goal in ("max", "min") else f"goal={goal!r}: 'max' or 'min'"
    refuse(how, budget_usd=budget_usd, epsilon=epsilon, more=odd, rounds=rounds, points=points, max_trials=max_trials)
    plan, scale = _refinable(run, axis, resolution)
    await run.await_(progress=progress)
    status = await run.astatus()
    if not status.is_over:
        raise RunHeldError(run.name, status.reason or str(status.state))
    search = Rounds(
        desk,
        name or f"{run.name}-{axis.replace('_', '-').replace('.', '-')}"[:80],
        budget_usd,
        max_trials,
        how,
        progress,
        there=plan,
        old=run,
    )
    await search.begin(plan, [axis])
    measures, label = Measures(progress), score_name(by)
    values: list[Number] = sorted(plan.axes[axis])
    steps: list[Step] = []
    at = run

    def wider(values: Iterable[Number]) -> Sweep:
        return with_axis(plan, axis, sorted({*values, *search.kept(axis)}))

    while True:
        means, decision = await _look(measures, at, scale, values, by, label, goal, points, epsilon)
        stop, tried = decision.stop, decision.proposals
        if not stop and len(steps) >= rounds:
            stop = f"rounds={rounds} are done"
        if not stop:
            tried, stop = await _affordable(search, wider, values, decision)
            if tried and await search.guard(wider([*values, *tried])):
                tried, stop = await _affordable(search, wider, values, decision)
        if stop:
            break
        steps.append(Step(decision.said, tried, decision.best))
        values = sorted({*values, *tried})
        stop = await search.draw(wider(values))
        at = search.run or run
        if stop:
            break
    steps.append(Step(decision.said, best=decision.best))
    return Refined(axis, at, tuple(steps), stop, search.trials, search.spent, label, decision.best, means)


async def _look(
    measures: Measures,
    run: Run,
    scale: Scale,
    values: Sequence[Number],
    by: str | Score,
    label: str,
    goal: Goal,
    points: int,
    epsilon: float,
) -> tuple[dict[Number, float], Decision]:
    if by == CHANGE:
        changes = await measures.changes(run, scale.axis, values)
        return {low: far for (low, _), far in changes.items()}, by_change(
            changes, scale, points=points, epsilon=epsilon
        )
    means = means_of(await measures.cells(run, scale.axis, values, by))
    return means, by_score(means, scale, goal=goal, points=points, score=label)


async def _affordable(
    search: Rounds, wider: Callable[[Iterable[Number]], Sweep], values: Sequence[Number], decision: Decision
) -> tuple[tuple[Number, ...], str | None]:
    """As many of the proposals as budget and trials allow; the reason if that is none."""
    tried, stop = decision.proposals, None
    while tried:
        stop = await search.unaffordable(wider([*values, *tried]))
        if stop is None:
            return tried, None
        tried = tried[:-1]
    return (), stop


def _refinable(run: Run, axis: str, resolution: Number | None) -> tuple[Sweep, Scale]:
    plan = pinned(run)
    if axis not in plan.axes:
        raise ValueError(f"{axis} is no axis of run {run.name}; its axes: {', '.join(plan.axes) or 'none'}")
    if plan.mode != "grid":
        raise ValueError(f"run {run.name} is zipped: a value of {axis} has no place of its own among the others")
    return plan, scale_of(axis, plan.axes[axis], resolution)


async def enough(
    desk: Desk,
    plan: Sweep,
    axis: str,
    *,
    by: str | Sequence[str] | None,
    epsilon: float,
    budget_usd: float | None,
    max_trials: int | None,
    name: str,
    progress: bool,
    how: dict[str, Any],
) -> Enough:
    """See `Kit.enough`."""
    refuse(how, budget_usd=budget_usd, epsilon=epsilon, max_trials=max_trials)
    names = _checked_groups(plan, axis, by)
    plan = pinned_as(await desk.stored(plan), name)
    cells = [trial.values for trial in plan.trials(name)]
    order: list[Number] = sorted(plan.axes[axis])
    groups = {group: _named(cell, names) for cell in cells if (group := group_of(cell, names)) is not None}
    search = Rounds(desk, name, budget_usd, max_trials, how, progress)
    await search.begin(exactly(plan, cells[:1]), list(plan.axes))
    measures = Measures(progress)
    going, found, steps = list(groups), dict.fromkeys(groups.values()), list[Step]()
    drawn: list[dict[str, Any]] = []
    unseen: list[Number] = []
    stop: str | None = None
    for place, value in enumerate(order):
        more = [cell for cell in cells if cell[axis] == value and group_of(cell, names) in going]
        sweep = search.beside(exactly(plan, [*drawn, *more]))
        stop = await search.unaffordable(sweep)
        if not stop and await search.guard(sweep):
            stop = await search.unaffordable(sweep)
        stop = stop or await search.draw(sweep)
        if stop:
            break
        drawn += more
        unseen.append(value)
        if place == 0 or search.run is None:
            continue
        said = []
        for group in list(going):
            changes = await measures.changes(search.run, axis, order[: place + 1], _in(group, names))
            known, change = enough_of(changes, epsilon)
            who = groups[group]
            if known is not None:
                going.remove(group)
                found[who] = known
                said.append(
                    f"{who} changes by {change:.3g} from {axis} {shown(known)} to {shown(value)}: {shown(known)} is enough"
                )
            elif change is not None:
                said.append(f"{who} still changes by {change:.3g} at {axis} {shown(value)}")
        steps.append(Step("; ".join(said) or f"nothing to compare at {axis} {shown(value)}", tuple(unseen)))
        unseen.clear()
        if not going:
            stop = "every group has enough"
            break
    if search.run is None:
        raise ValueError(f"nothing was drawn: {stop}")
    stop = stop or f"{axis} has no value above {shown(order[-1])}"
    there = {canonical(trial.values) for trial in search.run.sweep.trials("-")}
    saved = sum(canonical(cell) not in there for cell in cells)
    return Enough(axis, search.run, tuple(steps), stop, search.trials, search.spent, epsilon, found, saved)


def _checked_groups(plan: Sweep, axis: str, by: str | Sequence[str] | None) -> tuple[str, ...]:
    """The axes whose values are judged apart."""
    axes = plan.axes
    problems = []
    if axis not in axes:
        problems.append(f"{axis} is no axis of this sweep; its axes: {', '.join(axes) or 'none'}")
    else:
        scale_of(axis, axes[axis])
    if plan.seed_varies:
        problems.append("seed='vary': every trial has a seed of its own, so two values cannot be compared")
    if ENDPOINT in axes:
        problems.append("a sweep over endpoints cannot be drawn step by step: give each its own")
    told = plan.to_plan()["axes"]
    if odd := [
        each
        for each in axes
        if each != ENDPOINT
        and not (isinstance(told.get(each), list) and (each in ImageParams.model_fields or each.startswith("extra.")))
    ]:
        problems.append(f"{', '.join(odd)}: only axes of plain parameters can be drawn step by step")
    names = (
        [each for each in ("sampler_name",) if each in axes]
        if by is None
        else [by]
        if isinstance(by, str)
        else list(by)
    )
    if wrong := [each for each in names if each not in axes or each == axis]:
        problems.append(f"by={', '.join(wrong)}: name other axes of the sweep")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(names)


def _named(cell: dict[str, Any], names: Sequence[str]) -> str:
    """`Euler`; `Euler, cfg_scale 7`; `all`."""
    told = [f"{cell[name]}" if isinstance(cell[name], str) else f"{name} {cell[name]}" for name in names]
    return ", ".join(told) or "all"


def _in(group: tuple[tuple[str, str], ...], names: Sequence[str]) -> Any:
    def belongs(record: Record) -> bool:
        return group_of(dict(record.values), names) == group

    return belongs

"""Rounds: one run that grows under a budget, so that what was drawn is never paid for again.

What each round cost is kept in the store beside the run (`runs/<name>/rounds.json`), so a search that is begun again,
after its kernel died or a week later, knows what it spent.  Which cells a round has is somebody else's business.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Protocol

from runpodkit.errors import RunConflictError, StoreError
from runpodkit.runs.drift import Drift, due
from runpodkit.runs.money import Estimate, dollars
from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.records import Record
from runpodkit.runs.run import Run
from runpodkit.storage import Store
from runpodkit.sweeps.axes import ENDPOINT, canonical
from runpodkit.sweeps.sweep import Sweep

_ANCHORS = "anchors"
_OURS = ("extend", "fresh", "reuse")
"""Arguments of `submit` that a search has to give itself: with others it would pay for its own pictures again."""
_THEIRS = ("anchors", "empty_cells", "confirm", "tags", "note", "notify")
"""Arguments of `submit` that are no policy."""


class Submit(Protocol):
    def __call__(self, plan: Sweep, name: str | None = None, **how: Any) -> Awaitable[Run]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What a search asks of a kit."""

    submit: Submit
    estimate: Callable[[Sweep], Awaitable[Estimate]]
    existing: Callable[[str], Awaitable[Run | None]]
    """The run of a name, if there is one."""
    check_drift: Callable[[Run, int | None], Awaitable[Drift]]
    """Sees whether the endpoint still draws what an old run has."""
    stored: Callable[[Sweep], Awaitable[Sweep]]
    """A sweep as `submit` keeps it, its input image in the store."""


@dataclass(slots=True)
class Rounds:
    """A run of one name, and what it may still cost."""

    desk: Desk
    name: str
    budget_usd: float | None
    max_trials: int | None
    how: Mapping[str, Any]
    """Further arguments of `submit`."""
    progress: bool
    there: Sweep | None = None
    """What was drawn before under another name: its cells are no new ones."""
    old: Run | None = None
    """Whose pictures these are."""
    run: Run | None = None
    trials: int = 0
    """New cells so far."""
    _guarded: bool = False
    _spent: dict[str, float | None] = field(default_factory=dict)
    """USD by hash of the sweep of each round; None where it is not known."""

    async def begin(self, plan: Sweep, grows: Collection[str]) -> None:
        """Find what an earlier call left under this name.

        Args:
            plan: As the run of this search has it.
            grows: The axes on which that run may have other values.

        Raises:
            RunConflictError: the name belongs to a run of something else.
        """
        self.run = await self.desk.existing(self.name)
        if self.run is not None:
            theirs = pinned_as(self.run.sweep, self.name)
            if _frame(plan, grows) != _frame(theirs, grows):
                raise RunConflictError(self.name, plan.difference(theirs))
        if (there := self.run or self.old) is not None:
            self._spent = await asyncio.to_thread(_read, there.store, self.name)

    def kept(self, axis: str) -> list[Any]:
        """Values of an axis that the run has already, also by a call that asked for more: it never shrinks."""
        return list(self.run.sweep.axes.get(axis, [])) if self.run else []

    def beside(self, plan: Sweep) -> Sweep:
        """A sweep of exactly some cells, with those that the run has besides."""
        if self.run is None:
            return plan
        cells = {
            canonical(trial.values): dict(trial.values) for each in (plan, self.run.sweep) for trial in each.trials("-")
        }
        return exactly(plan, list(cells.values()))

    @property
    def spent(self) -> float | None:
        """USD over all rounds; None if a round's is not known."""
        known = [usd for usd in self._spent.values() if usd is not None]
        return sum(known) if len(known) == len(self._spent) else None

    async def unaffordable(self, plan: Sweep) -> str | None:
        """Why a plan cannot be drawn within budget and trials; None if it can, or is drawn already."""
        new = self._new(plan)
        adds = len(new - (_cells(self.run.sweep) if self.run else set()))
        if adds == 0:
            return None
        if self.max_trials is not None and len(new) > self.max_trials:
            more = len(new) - self.trials
            return f"max_trials={self.max_trials}: {self.trials} were drawn, and the next round has {more}"
        if self.budget_usd is None:
            return None
        if self.spent is None:
            return "what was drawn has no known cost, so budget_usd cannot be kept: set RUNPODKIT_GPU, or leave it out"
        about = await self.desk.estimate(plan)
        if about.usd is None:
            return "what a picture costs is not known, so budget_usd cannot be kept: set RUNPODKIT_GPU, or leave it out"
        rest = self.budget_usd - self.spent
        again, drawn = await self._due(), about.trials - about.reused
        high = about.usd[2] * (1 + again / drawn) if drawn else 0.0
        if high > rest:
            left = f"${dollars(max(rest, 0))} of ${dollars(self.budget_usd)}"
            besides = f" and {again} cells of the old run, drawn again to compare," if again else ""
            return f"budget: the next {adds} trials{besides} may cost ${dollars(high)}, and {left} is left"
        return None

    async def _due(self) -> int:
        """How many cells would be made again before anything is added."""
        there = self.run or self.old
        if self._guarded or there is None:
            return 0
        return len(due(await there.arecords(), self.how.get("anchors"), time.time()))

    async def guard(self, plan: Sweep) -> bool:
        """See once that old pictures and new ones may stand side by side; tells whether that was paid for.

        Args:
            plan: What is to be drawn; if all of it is there, nothing is looked at.

        Raises:
            DriftError: the endpoint's model changed since.
        """
        there = self.run or self.old
        if self._guarded or there is None or (self.run and not _cells(plan) - _cells(self.run.sweep)):
            return False
        self._guarded = True
        drift = await self.desk.check_drift(there, self.how.get("anchors"))
        if drift.anchors:
            before, cost = self._spent.get(_ANCHORS, 0.0), drift.cost_usd
            self._spent[_ANCHORS] = None if before is None or cost is None else before + cost
            await self._keep(there)
        drift.raise_if_found()
        return bool(drift.anchors)

    async def draw(self, plan: Sweep) -> str | None:
        """Draw what a plan adds, and wait for it; gives why the search cannot go on, None if it can.

        Raises:
            RunConflictError: the name belongs to a run of another sweep.
            DriftError: the endpoint's model changed since the run was drawn.
        """
        if self.run is None or _cells(plan) - _cells(self.run.sweep):
            policy = {**self.how, "anchors": 0}  # `guard` has looked
            if self.budget_usd is not None:
                policy["budget_usd"] = max(self.budget_usd - (self.spent or 0.0), 1e-6)
            await self._note()
            self.run = await self.desk.submit(plan, self.name, extend=True, **policy)
        await self.run.await_(progress=self.progress)
        status = await self.run.astatus()
        self.trials = len(self._new(plan))
        await self._note()
        if not status.is_over:
            return f"run {self.name} is {status.state}: {status.reason or 'run.resume() goes on'}"
        return None

    def _new(self, plan: Sweep) -> set[str]:
        return _cells(plan) - (_cells(self.there) if self.there else set())

    async def _note(self) -> None:
        """Keep what the run as it stands has cost: its next round will not show it any more."""
        if self.run is None or not self._new(self.run.sweep):
            return
        self._spent[self.run.sweep.hash] = _cost(await self.run.arecords())
        await self._keep(self.run)

    async def _keep(self, run: Run) -> None:
        text = json.dumps({"spent_usd": self._spent}).encode()
        await asyncio.to_thread(run.store.put, _key(self.name), text, "application/json")


def refuse(
    how: Mapping[str, Any], *, budget_usd: float | None, epsilon: float, more: str = "", **whole: int | None
) -> None:
    """Raise ValueError with everything that a search cannot mean, before it looks at anything.

    Args:
        how: Further arguments of `submit`.
        more: What is wrong besides; empty: nothing.
        whole: Numbers of something, by name.
    """
    problems = [
        f"{name}: a search extends a run of its own and reuses it, under a name= of its own"
        for name in _OURS
        if name in how
    ]
    known = (*_OURS, *_THEIRS, *RunPolicy.model_fields)
    problems += [f"{name}: submit takes no such argument" for name in how if name not in known]
    problems += [
        f"{name}={number!r}: a whole number of at least 1"
        for name, number in whole.items()
        if number is not None and (isinstance(number, bool) or not isinstance(number, Integral) or number < 1)
    ]
    if not _is_number(epsilon) or not 0 <= epsilon <= 1:
        problems.append(f"epsilon={epsilon!r}: a number from 0 to 1")
    if budget_usd is not None and (not _is_number(budget_usd) or not 0 < budget_usd < math.inf):
        problems.append(f"budget_usd={budget_usd!r}: an amount above 0, or leave it out")
    if problems := [*filter(None, [more]), *problems]:
        raise ValueError("; ".join(problems))


def pinned(run: Run) -> Sweep:
    """A run's sweep with the seed that it drew, so that cells drawn later share it.

    Raises:
        ValueError: its trials cannot be told apart by their axes alone, or draw seeds of their own.
    """
    plan = run.sweep
    if plan.seed_varies:
        raise ValueError("seed='vary': every trial has a seed of its own, so values of an axis cannot be compared")
    if ENDPOINT in plan.axes:
        raise ValueError("a sweep over endpoints cannot be extended: give a run of one endpoint")
    return pinned_as(plan, run.name)


def pinned_as(plan: Sweep, name: str) -> Sweep:
    """A sweep with the seed that it draws under a name, where nobody gave one."""
    if "seed" in plan.axes or "seed" in plan.base.model_fields_set:
        return plan
    told = plan.to_plan()
    return Sweep.from_plan({**told, "base": {**told["base"], "seed": plan.trials(name)[0].params.seed}})


def with_axis(plan: Sweep, axis: str, values: list[Any]) -> Sweep:
    """A sweep with more values of one axis.

    Raises:
        ValueError: it would lose cells that it has.
    """
    told = plan.to_plan()
    wider = Sweep.from_plan({**told, "axes": {**told["axes"], axis: values}})
    if not _cells(plan) <= _cells(wider):
        raise ValueError(
            f"axis {axis}: with other values this sweep would lose some of its cells; refine one that draws all"
        )
    return wider


def exactly(plan: Sweep, cells: Sequence[Mapping[str, Any]]) -> Sweep:
    """A sweep of these cells and no others, over the same base."""
    axes = {axis: [cell[axis] for cell in cells] for axis in plan.axes}
    return Sweep.from_plan({"base": plan.to_plan()["base"], "axes": axes, "mode": "zip"})


def _is_number(given: object) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _frame(plan: Sweep, grows: Collection[str]) -> dict[str, Any]:
    """What stays as it is while a run grows."""
    told = plan.to_plan()
    return {**told, "axes": {name: None if name in grows else given for name, given in told["axes"].items()}}


def _cells(plan: Sweep) -> set[str]:
    return {canonical(trial.values) for trial in plan.trials("-")}


def _cost(records: list[Record]) -> float | None:
    """None if a picture's cost is not known."""
    if any(record.cost_usd is None for record in records if record.images):
        return None
    return sum(record.cost_usd or 0.0 for record in records)


def _key(run: str) -> str:
    return f"runs/{run}/rounds.json"


def _read(store: Store, name: str) -> dict[str, float | None]:
    """What earlier rounds of a run cost; nothing where nobody wrote it."""
    try:
        told = json.loads(store.get(_key(name)))["spent_usd"]
        return {str(mark): None if usd is None else float(usd) for mark, usd in told.items()}
    except (StoreError, ValueError, KeyError, TypeError, AttributeError):
        return {}

"""Searching: what a kit offers for runs whose next cells follow from the last ones.

The calls a person writes; `adaptive` has what they do.  Knows of a kit what stands in the abstract methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from runpodkit.blocking import both_ways
from runpodkit.runs.adaptive import CHANGE, ROUNDS, Enough, Refined, enough, refine
from runpodkit.runs.drift import ANCHORS, Drift
from runpodkit.runs.measuring import Score
from runpodkit.runs.money import Estimate
from runpodkit.runs.refining import EPSILON, Goal, Number
from runpodkit.runs.rounds import Desk
from runpodkit.runs.run import Run
from runpodkit.sweeps.sweep import Sweep


class Searching(ABC):
    """Adaptive runs, for whoever can submit and estimate."""

    @abstractmethod
    async def _submit(self, /, plan: Sweep, name: str | None = None, **how: Any) -> Run: ...

    @abstractmethod
    async def _estimate(self, plan: Sweep) -> Estimate: ...

    @abstractmethod
    async def _run_of(self, name: str) -> Run | None: ...

    @abstractmethod
    async def _open_run(self, name: str) -> Run: ...

    @abstractmethod
    async def _check_drift(self, run: Run, anchors: int | None = ANCHORS) -> Drift: ...

    @abstractmethod
    async def _stored(self, plan: Sweep) -> Sweep: ...

    def _desk(self) -> Desk:
        return Desk(self._submit, self._estimate, self._run_of, self._check_drift, self._stored)

    async def _refine(
        self,
        /,
        run: Run | str,
        axis: str,
        by: str | Score = CHANGE,
        *,
        goal: Goal = "max",
        rounds: int = ROUNDS,
        points: int = 1,
        resolution: Number | None = None,
        epsilon: float = EPSILON,
        budget_usd: float | None = None,
        max_trials: int | None = None,
        name: str | None = None,
        progress: bool = True,
        **how: Any,
    ) -> Refined:
        """Look nearer and nearer at an axis of a run, where it is best or where the picture changes fastest.

        Each round draws values between those that were tried, all else as in the run, and looks again.  What was
        drawn is never paid for again, also when the call is repeated after its kernel died.

        Args:
            run: A finished run, or its name; it stays as it is.
            axis: One of numbers.  The search stays between its lowest and its highest value.
            by: `"change"`: divide the gaps where the picture changes most.  Else the best mean is looked for: a score of the
                run, a measure that `run.score` knows ("sharpness"), `execution_time_s`, `queue_delay_s` or `cost_usd`,
                or what `run.score` takes: a function `(picture, parameters) -> number`, or a `Scorer`.
            goal: Whether the largest or the smallest mean is best.
            rounds: At most so many.
            points: New values in each gap.
            resolution: Values nearer to each other are not told apart; default: as fine as whole numbers go, for
                others a fiftieth of the axis or a little less.
            epsilon: By change: a gap that changes less is not divided; mean absolute pixel difference, in [0, 1].
            budget_usd: For what the search adds, all rounds together; what the run has cost already is not counted.
                A round that may cost more than is left is made smaller, or not drawn.
            max_trials: The same in trials.
            name: Of the run that has everything; default: that of `run` and the axis.
            how: As `submit` takes it, such as `window=40` or `anchors=0`.

        Returns:
            Its text tells every decision; `.best`, `.run`, `.steps`, `.table`, `.means`, `.spent_usd`.

        Raises:
            ValueError: the axis has no numbers in order, the sweep cannot be extended, or a score is not known.
            RunHeldError: the run needs a person.
            DriftError: the run is old, and its endpoint draws something else by now.
        """
        return await refine(
            self._desk(),
            await self._open_run(run) if isinstance(run, str) else run,
            axis,
            by,
            goal=goal,
            rounds=rounds,
            points=points,
            resolution=resolution,
            epsilon=epsilon,
            budget_usd=budget_usd,
            max_trials=max_trials,
            name=name,
            progress=progress,
            how=how,
        )

    refine, arefine = both_ways(_refine)

    async def _enough(
        self,
        /,
        plan: Sweep,
        axis: str = "steps",
        *,
        by: str | Sequence[str] | None = None,
        epsilon: float = EPSILON,
        budget_usd: float | None = None,
        max_trials: int | None = None,
        name: str | None = None,
        progress: bool = True,
        **how: Any,
    ) -> Enough:
        """Draw a sweep along an axis, lowest value first, and stop each group once its picture no longer changes.

        What lies above is never paid for.  Called again, it goes on where it was and pays for nothing twice.

        Args:
            axis: One of numbers, such as `steps`.
            by: The axes whose values are judged apart; default: `sampler_name`, if that is one.
            epsilon: A picture changes no more if it differs from the one at the next value by less: mean absolute
                pixel difference of small versions, in [0, 1], mean over everything else; the measure of
                `run.enough_steps(against="next")`, which looks at a whole sweep afterwards.
            budget_usd, max_trials, name, how: As in `refine`.

        Returns:
            `.values`: by group the value that is enough, None where none was; `.saved`: trials never drawn; `.run`
            has what was drawn; its text tells every look.

        Raises:
            ValueError: the axis has no numbers in order, or nothing could be drawn within the budget.
        """
        return await enough(
            self._desk(),
            plan,
            axis,
            by=by,
            epsilon=epsilon,
            budget_usd=budget_usd,
            max_trials=max_trials,
            name=name or f"{plan.default_name}-enough",
            progress=progress,
            how=how,
        )

    enough, aenough = both_ways(_enough)

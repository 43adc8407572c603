"""Intervals: how far the mean of some numbers may be from the mean of all that could have been drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000
"""Enough for the tails of a 95 % interval: Efron and Tibshirani (1993), chapter 14, ask for 1,000 or more."""
SEED = 8
FEW = 6
"""With fewer numbers even all of one sign come by chance more often than in 5 % of cases: 2 × ½⁵ = 6 %."""
_DRAWN_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both within."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def mean_interval(
    values: Iterable[float], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval | None:
    """Bootstrap interval of the mean, bias-corrected, accelerated and widened for few numbers; None for fewer than two.

    It lies within the numbers, holds their mean, and is the same in whatever order they come.  Of few numbers
    (under `FEW`) it is too narrow, as every interval of resampling is: it cannot reach beyond what was drawn.

    Args:
        values: n finite numbers of one unit.
        level: Share of such intervals that are to hold the true mean, in (0, 1).

    Raises:
        ValueError: a number that is not finite, or a level outside (0, 1).

    Source: Efron (1987), Better bootstrap confidence intervals, JASA 82, equations 2.3 and 6.6; `_widened`.
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: a share between 0 and 1, such as 0.95")
    given = np.sort(np.fromiter(values, np.float64))
    if not np.isfinite(given).all():
        raise ValueError("an interval needs finite numbers")
    if given.size < 2:
        return None
    mean = float(given.mean())
    if given[0] == given[-1]:
        return Interval(float(given[0]), float(given[-1]))
    means = np.sort(_means(given, resamples, seed))
    normal = NormalDist()
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / 2 / resamples
    bias = normal.inv_cdf(min(max(below, 1 / resamples), 1 - 1 / resamples))
    off = given - mean
    acceleration = float((off**3).sum() / (6 * (off**2).sum() ** 1.5))
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        moved = bias + _widened(tail, given.size)
        ends.append(normal.cdf(bias + moved / max(1 - acceleration * moved, 1e-9)))
    low, high = np.quantile(means, ends)
    return Interval(min(float(low), mean), max(float(high), mean))


@cache
def student(share: float, degrees: int) -> float:
    """Quantile of Student's t: what lies below it with this probability, in (0, 1).

    By the rule of trapezoids: for x = √ν tan θ the density is that of cos^(ν − 1) θ.
    """
    angle = np.linspace(-math.pi / 2, math.pi / 2, 20_001)
    density = np.cos(angle).clip(0.0) ** (degrees - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(degrees) * math.tan(float(np.interp(share * below[-1], below, angle)))


def _widened(tail: float, count: int) -> float:
    """A standard normal quantile, farther out the fewer numbers there are, as Student's t is.

    Resampled means spread by the standard deviation of the numbers given, which is that of the sample and not of
    what it was drawn from: too little by √((n − 1) / n), and not known exactly either.

    Source: Hesterberg (2015), What teachers should know about the bootstrap, The American Statistician 69, section 3.3.
    """
    return math.sqrt(count / (count - 1)) * student(tail, count - 1)


def _means(given: Floats, resamples: int, seed: int) -> Floats:
    """Means of samples as large as the one given, drawn from it with replacement."""
    chance = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // given.size)
    parts = [
        given[chance.integers(0, given.size, (min(step, resamples - start), given.size))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    made: Floats = np.concatenate(parts)
    return made

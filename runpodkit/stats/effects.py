"""Effects: the share of a variance that each of several factors explains, over replicates.

Works on inner products alone, so a number (products of two deviations) and a picture (products of all
their pixels) are taken apart by the same rule.  A cell is a combination of the factors' levels; every
replicate has each cell once, and not every combination need be a cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runpodkit.stats.intervals import LEVEL, Floats, Interval, student

LEAST_REPLICATES = 4
"""Of fewer an interval would be most of what there is between 0 and 1."""
_NUMBERS_AT_ONCE = 4_000_000
MOST_FACTORS = 8
"""Each one more doubles the work."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a variance."""

    share: float
    """In [0, 1]."""
    interval: Interval | None
    """95 %, over replicates; None with fewer than `LEAST_REPLICATES`."""
    by_chance: float | None = None
    """What it would be on average of a factor that does nothing: its degrees of freedom over all."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Shares of one variance; together they are 1."""

    factors: Mapping[str, Share]
    replicates: Share | None
    """What one replicate has more than another in all cells; None of a single one."""
    interactions: Share | None
    """What cells differ by beyond the sum of their factors; None of a single replicate: it is in the rest then."""
    rest: Share
    total: float
    """The variance, in squares of the outcome's unit: the mean over all outcomes."""


def main_effects(products: Floats, levels: Mapping[str, Sequence[int]]) -> Effects | None:
    """Share of the variance by factor; None where nothing varies.

    In a full grid these are the main effects of an analysis of variance, and for pictures those of a
    permutational one.  Where not every combination is a cell, factors overlap; then each has the mean of what it
    adds to those before it, over all orders in which they may come.

    Args:
        products: Inner products of the outcomes' deviations from any common point, shape (r, c, r, c): replicates, cells.
        levels: Of each factor the level at each cell, c integers.

    Raises:
        ValueError: more than `MOST_FACTORS` factors.

    Sources: Anderson (2001), A new method for non-parametric multivariate analysis of variance, Austral Ecology 26;
    Lindeman, Merenda and Gold (1980), Introduction to bivariate and multivariate analysis, for the mean over orders.
    Intervals: each replicate is left out in turn (`_jackknifed`).
    """
    if len(levels) > MOST_FACTORS:
        raise ValueError(f"{len(levels)} axes at once: at most {MOST_FACTORS}; leave some out with axes=[…]")
    count, cells = products.shape[:2]
    left_out = 1 - np.eye(count) if count >= LEAST_REPLICATES else np.empty((0, count))
    weights = np.concatenate([np.ones((1, count)), left_out])
    sizes = weights.sum(axis=1)

    def between(projection: Floats) -> Floats:
        """Sum of squares of the cells' means in this direction, for each row of weights."""
        inner = np.einsum("scud,cd->su", products, projection, optimize=True)
        made: Floats = np.einsum("bs,su,bu->b", weights, inner, weights, optimize=True) / sizes
        return made

    constant = np.full((cells, cells), 1 / cells)
    mean = between(constant)
    alone = np.einsum("scsc->s", products)
    of_replicates = np.einsum("scsd->s", products) / cells
    total = weights @ alone - mean
    if not total[0] > 1e-12 * max(float(alone.sum()), 1e-300):
        return None
    explained = {
        chosen: between(_projection([levels[name] for name in chosen], cells)) - mean
        for size in range(1, len(levels) + 1)
        for chosen in combinations(levels, size)
    }
    explained[()] = np.zeros_like(mean)
    safe = np.where(total > 0, total, 1.0)

    def share(part: Floats, degrees: int | None = None) -> Share:
        parts = np.clip(part / safe, 0.0, 1.0)
        return Share(
            float(parts[0]),
            _jackknifed(float(parts[0]), parts[1:]) if len(parts) > 1 else None,
            None if degrees is None else degrees / (count * cells - 1),
        )

    factors = {name: _added(name, explained, tuple(levels)) for name in levels}
    main = explained[tuple(levels)]
    every = between(np.eye(cells)) - mean
    apart = weights @ of_replicates - mean
    return Effects(
        {name: share(part, len(set(levels[name])) - 1) for name, part in factors.items()},
        share(apart, count - 1) if count > 1 else None,
        share(every - main) if count > 1 else None,
        share(total - apart - every if count > 1 else total - main),
        float(total[0]) / (count * cells),
    )


def together(levels: Mapping[str, Sequence[int]]) -> list[list[str]]:
    """Factors by groups of which each tells the others: such as go together can never be told apart."""
    groups: list[list[str]] = []
    for name, own in levels.items():
        for group in groups:
            first = levels[group[0]]
            if len(set(zip(own, first, strict=True))) == len(set(own)) == len(set(first)):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def follows(levels: Mapping[str, Sequence[int]]) -> list[tuple[str, str]]:
    """Pairs of factors of which the first is known wherever the second is, and not the other way round."""
    return [
        (one, other)
        for one in levels
        for other in levels
        if one != other
        and len(set(zip(levels[one], levels[other], strict=True))) == len(set(levels[other])) > len(set(levels[one]))
    ]


def inner_products(outcomes: NDArray[np.number[Any]]) -> Floats:
    """Inner products of n outcomes' deviations from their mean, shape (n, n).

    Args:
        outcomes: Shape (n, p): p numbers each, of any type; no copy of them all is made.
    """
    count, size = outcomes.shape
    made = np.zeros((count, count))
    step = max(1, _NUMBERS_AT_ONCE // max(1, count))
    for start in range(0, size, step):
        block: NDArray[np.floating[Any]] = outcomes[:, start : start + step].astype(
            np.float64 if size == 1 else np.float32
        )
        block -= block.mean(axis=0, keepdims=True)
        made += block @ block.T
    return made


def _jackknifed(share: float, without: Floats) -> Interval:
    """95 % interval of a share, from what it is without each of the replicates in turn.

    On the scale of arcsin √share, where a share near 0 or 1 spreads as others do; freed of the bias that few replicates
    have, which resampling would double; as wide as Student's t asks.  It always holds the share itself.

    Args:
        without: n shares.

    Sources: Tukey (1958), Bias and confidence in not quite large samples; Miller (1974), The jackknife: a review,
    Biometrika 61; the scale: Anscombe (1948), Biometrika 35.
    """
    count = without.size
    angles = np.arcsin(np.sqrt(without))
    middle = count * math.asin(math.sqrt(share)) - (count - 1) * float(angles.mean())
    half = student((1 + LEVEL) / 2, count - 1) * math.sqrt((count - 1) * float(angles.var()))
    low, high = (math.sin(min(max(end, 0.0), math.pi / 2)) ** 2 for end in (middle - half, middle + half))
    return Interval(min(low, share), max(high, share))


def _projection(factors: Sequence[Sequence[int]], cells: int) -> Floats:
    """Onto all that is a constant and a sum of these factors' effects, shape (c, c)."""
    columns = [np.ones((cells, 1))]
    for codes in factors:
        columns.append((np.asarray(codes)[:, None] == np.unique(codes)).astype(np.float64))
    left, sizes, _ = np.linalg.svd(np.hstack(columns), full_matrices=False)
    basis = left[:, sizes > 1e-9 * sizes[0]]
    made: Floats = basis @ basis.T
    return made


def _added(name: str, explained: Mapping[tuple[str, ...], Floats], names: tuple[str, ...]) -> Floats:
    """The mean of what a factor adds to those before it, over all orders of the factors."""
    others = [each for each in names if each != name]
    made = np.zeros_like(explained[()])
    for size in range(len(names)):
        orders = math.factorial(size) * math.factorial(len(names) - size - 1) / math.factorial(len(names))
        for before in combinations(others, size):
            with_it = tuple(each for each in names if each in (*before, name))
            made += orders * (explained[with_it] - explained[before])
    return made

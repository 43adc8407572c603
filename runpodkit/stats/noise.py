"""Noise: how far apart two numbers are that should be equal, as repeats of one thing show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def usual_difference(repeats: Iterable[Sequence[float]]) -> float | None:
    """Mean absolute difference of two repeats of the same thing; None if nothing was repeated.

    Every pair of repeats counts once, whichever thing it belongs to.

    Args:
        repeats: Of each thing the numbers that its repeats gave, in one unit; those of fewer than two say nothing.

    Source: Gini (1912), Variabilità e mutabilità: the mean difference without repetition.
    """
    total, pairs = 0.0, 0
    for each in repeats:
        ordered = np.sort(np.asarray(each, np.float64))
        count = ordered.size
        # the i-th of n sorted numbers is added by those before it and taken by those after it
        total += float((ordered * (2 * np.arange(count) - count + 1)).sum())
        pairs += count * (count - 1) // 2
    return total / pairs if pairs else None

"""Ranking: how strong values are, by which of two was preferred each time they met.

Pure numbers: no store, no records, no words.  What the values are and who answered is the
caller's; here they are rows and columns of a matrix.

The model: value i is preferred to j with probability 1 / (1 + exp(s_j − s_i)), s being strengths
(Bradley & Terry, 1952; Zermelo, 1929).  The strengths given are those under which the answers are
most probable.

- **No difference** is half an answer for each of the two, as in the score w + t/2 of Davidson (1970),
  which orders the values of a balanced design alike; so two values that nobody can tell apart meet in the middle.
- **Values that never lost, or never met**, have no such strengths (Ford, 1957; Hunter, 2004).  Every value
  therefore has one answer more than was given, spread evenly over all others, half won and half lost.  For
  two values this is the interval of Jeffreys' prior for a share.
- **Intervals** are a Bayesian bootstrap (Rubin, 1981): each answer, those added included, gets a random
  weight, and the strengths are found anew.  For two values this gives exactly the Beta distribution of Jeffreys'
  interval, whose cover is close to what it says also for few answers (Brown, Cai & DasGupta, 2001).

Sources: Bradley & Terry (1952), Rank analysis of incomplete block designs I.  Davidson (1970), On extending
the Bradley-Terry model to accommodate ties in paired comparison experiments.  Hunter (2004), MM algorithms for
generalized Bradley-Terry models.  Rubin (1981), The Bayesian bootstrap.  Brown, Cai & DasGupta (2001),
Interval estimation for a binomial proportion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]

DRAWS = 2_000
"""Of the bootstrap; the ends of a 95 % interval then move by about a tenth of its width from seed to seed."""
MIN_RATERS = 8
"""From so many on, raters are drawn instead of answers: fewer tell too little of how people differ."""
LEAST = 1e-6
"""Of a drawn weight; smaller ones would make a strength no number can hold."""
STEPS = 100
CLOSE = 1e-6
STRIDE = 2.0
"""Of a strength, in one step at most: from far away Newton's step is too long."""


def strengths(won: Array) -> Array:
    """Log odds of each value, their mean 0.

    Newton's method, as the likelihood is concave in them; the iterations of Zermelo and of Hunter (2004) end in
    the same place, but creep where a value never lost.

    Args:
        won: Weight of the answers in which the row was preferred to the column, shape (…, k, k), k >= 2, all
            within reach of each other both ways; `with_prior` makes any answers so.

    Returns:
        Shape (…, k).
    """
    met = won + np.swapaxes(won, -1, -2)
    values = won.shape[-1]
    found: Array = np.zeros(won.shape[:-1])
    for _ in range(STEPS):
        chances = against(found)
        slope = (won - met * chances).sum(-1)
        bend = met * chances * (1 - chances)
        # a part for the mean, which the answers leave open: without it there is no one solution
        level = bend.sum((-1, -2), keepdims=True) / values**2
        curve = np.eye(values) * bend.sum(-1)[..., None] - bend + level
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        longest = np.abs(step).max(-1, keepdims=True)
        found = found + step * np.minimum(1.0, STRIDE / np.maximum(longest, CLOSE))
        if longest.max() < CLOSE:
            break
    centred: Array = found - found.mean(-1, keepdims=True)
    return centred


def against(found: Array) -> Array:
    """Probability that the row is preferred to the column, shape (…, k, k); 0.5 on the diagonal."""
    apart = found[..., :, None] - found[..., None, :]
    # 1 / (1 + exp(-x)) in a form that does not overflow
    half: Array = 0.5 + 0.5 * np.tanh(apart / 2)
    return half


def against_others(found: Array) -> Array:
    """Probability of each value to be preferred to one of the others picked at random, shape (…, k)."""
    chances = against(found)
    mean: Array = (chances.sum(-1) - 0.5) / (found.shape[-1] - 1)
    return mean


def with_prior(won: Array, ties: Array) -> Array:
    """What was won, with half of each tie and with the answers that make every value comparable.

    Args:
        won: Answers in which the row was preferred to the column, shape (k, k).
        ties: Answers without a difference, symmetric, shape (k, k).
    """
    total: Array = won + ties / 2 + _prior(won.shape[-1])
    return total


def drawn(won: Array, ties: Array, *, draws: int = DRAWS, seed: int = 0) -> Array:
    """Strengths under random weights of the answers: how far other answers might have led.

    Args:
        won, ties: As in `with_prior`, of each rater, shape (raters, k, k).  `MIN_RATERS` or more are weighted
            as a whole, as answers of one person are alike; of fewer each answer is weighted by itself.

    Returns:
        Shape (draws, k).
    """
    chance = np.random.default_rng(seed)
    raters, values = won.shape[0], won.shape[-1]
    if raters >= MIN_RATERS:
        weights = chance.standard_exponential((draws, raters))
        total = np.einsum("dr,rij->dij", weights, won + ties / 2)
    else:
        # the sum of n exponential weights is a gamma variable of shape n
        total = chance.standard_gamma(np.broadcast_to(won.sum(0), (draws, values, values)))
        once = chance.standard_gamma(np.broadcast_to(np.triu(ties.sum(0)), (draws, values, values)))
        total = total + (once + np.swapaxes(once, -1, -2)) / 2
    added = chance.standard_gamma(np.broadcast_to(_prior(values), (draws, values, values)))
    return strengths(total + np.maximum(added, LEAST) * (1 - np.eye(values)))


def ranks(found: Array) -> Places:
    """Place of each value, 1 for the strongest, shape (…, k); equal ones in their order."""
    order = np.argsort(-found, axis=-1, kind="stable")
    return np.argsort(order, axis=-1, kind="stable") + 1


def regrouped(
    one: Places, two: Places, shares: Array, groups: Places, values: int, *, draws: int = 500, seed: int = 0
) -> float:
    """Share of random regroupings of the answers whose groups differ at least as much as these: a permutation test.

    How much groups differ is how much more probable the answers are under strengths of each group's own.

    Args:
        one, two: Values that met, as places, shape (n,).
        shares: 1 where `one` was preferred, 0 where `two` was, 0.5 for no difference, shape (n,).
        groups: Of each answer, 0 … g − 1, shape (n,).

    Returns:
        In (0, 1]; these groups are counted among the random ones.

    Source: Phipson & Smyth (2010), Permutation p-values should never be zero.
    """
    chance = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    found = []
    for draw in range(draws + 1):
        at = groups if draw == 0 else chance.permutation(groups)
        won: Array = np.zeros((count, values, values))
        np.add.at(won, (at, one, two), shares)
        np.add.at(won, (at, two, one), 1 - shares)
        found.append(won)
    told = np.array(found) + _prior(values)
    likely = (told * np.log(against(strengths(told)))).sum((-1, -2, -3))
    return float((likely[1:] >= likely[0] - CLOSE).sum() + 1) / (draws + 1)


def islands(met: Array) -> list[list[int]]:
    """Values that comparisons connect, directly or over others, by the first of them.

    Args:
        met: How often row and column met, shape (k, k).
    """
    left, found = list(range(met.shape[-1])), []
    while left:
        island, fresh = {left[0]}, [left[0]]
        while fresh:
            at = fresh.pop()
            new = {int(other) for other in np.flatnonzero(met[at] + met[:, at])} - island
            island |= new
            fresh += new
        found.append(sorted(island))
        left = [value for value in left if value not in island]
    return found


def _prior(values: int) -> Array:
    """One answer for each value, spread over all others, half won and half lost."""
    added: Array = (1 - np.eye(values)) / (2 * (values - 1))
    return added

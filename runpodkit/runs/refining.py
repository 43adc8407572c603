"""Refining: which values of an axis to try next, by what the ones there are have shown.  Pure.

Values and means in, proposals and words out; no run, no picture, no clock, no chance, so a
search that is begun again decides the same again.  Proposals lie strictly between values that were tried, never
nearer to one than the resolution: every search ends.  Numbers are reckoned as decimals, so 0.1 is 0.1.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import Any, Literal

from runpodkit.params import ImageParams

Number = int | float
Goal = Literal["max", "min"]

FLAT = 0.01
"""Scores that differ by less than this share of their whole spread are alike."""
EPSILON = 0.01
"""Pictures that differ by less are alike: mean absolute difference of their small versions in [0, 1], about 2.5 of 255
levels over all pixels."""
STEEP = 0.5
"""A gap counts as one of the fastest if its change is at least this share of the largest."""
_GAPS = 2
_SHARES = 50
"""A resolution that nobody gave is at most this part of what the first values span."""
_MAX_STEPS = 40
_NO_ORDER = ("seed", "repeat")


@dataclass(frozen=True, slots=True)
class Scale:
    """What the values of an axis can be."""

    axis: str
    whole: bool
    resolution: Number
    """Values nearer to each other are not told apart; new ones are multiples of it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look came to."""

    said: str
    """What was seen, in words."""
    proposals: tuple[Number, ...] = ()
    """Ascending; none if the search is over."""
    stop: str | None = None
    """Why it is over."""
    best: Number | None = None


def scale_of(axis: str, values: Sequence[Any], resolution: Number | None = None) -> Scale:
    """How finely an axis can be divided.

    Args:
        values: That the axis has already, in any order.
        resolution: Default: the field's own step for whole numbers (1; 8 for a size), for others a round
            number of at most a fiftieth of what the values span.

    Raises:
        ValueError: the axis is no row of numbers, has fewer than two, or the resolution is none.
    """
    if axis in _NO_ORDER:
        raise ValueError(f"axis {axis}: its numbers are names, nothing lies between two of them")
    info = ImageParams.model_fields.get(axis)
    odd = [value for value in values if isinstance(value, bool) or not isinstance(value, int | float)]
    if odd or (info is None and not axis.startswith("extra.")):
        shown = f"{odd[0]!r} is no number" if odd else "it is no parameter with numbers"
        raise ValueError(f"axis {axis}: only an axis of numbers can be refined, and {shown}")
    if len({float(value) for value in values}) < 2:
        raise ValueError(f"axis {axis} has {len(values)} value: give at least two, their ends bound the search")
    step, whole = _step(info), all(isinstance(value, int) for value in values)
    if resolution is None:
        resolution = step if whole else _round_share(max(values) - min(values))
    if isinstance(resolution, bool) or not resolution > 0:
        raise ValueError(f"resolution={resolution!r} is not above 0")
    if whole and _exact(resolution) % step:
        raise ValueError(f"resolution={resolution!r}: {axis} takes multiples of {step}")
    return Scale(axis, whole, resolution)


def between(low: Number, high: Number, points: int, scale: Scale) -> tuple[Number, ...]:
    """At most `points` values strictly between two, evenly spread and as round as that allows, ascending.

    Each is a multiple of the resolution and at least a resolution away from both ends and from each other.
    """
    unit, bottom, top = _exact(scale.resolution), _exact(low), _exact(high)
    found: list[Decimal] = []
    for number in range(1, points + 1):
        ideal = bottom + (top - bottom) * number / (points + 1)
        reach = (top - bottom) / (points + 1) / 4
        floor = (found[-1] if found else bottom) + unit
        one = _roundest(ideal, reach, floor, top - unit, unit)
        if one is not None:
            found.append(one)
    return tuple(int(one) if scale.whole else float(one) for one in found)


def by_score(
    means: Mapping[Number, float], scale: Scale, *, goal: Goal = "max", points: int = 1, score: str = "score"
) -> Decision:
    """Look around the best value: between it and its neighbours on either side.

    Args:
        means: Mean score by value, of values that have one.
        points: New values in each of the two gaps.
        score: What the score is called.
    """
    if not means:
        return Decision(f"no value of {scale.axis} has a {score} yet", stop=f"no picture has a {score}")
    order = sorted(means)
    sign = 1 if goal == "max" else -1
    best = max(order, key=lambda value: (sign * means[value], -order.index(value)))
    at = order.index(best)
    around = order[max(0, at - 1) : at + 2]
    ends = [value for value in around if value != best]
    said = f"{scale.axis} {shown(best)} is best ({score} {means[best]:.3g})"
    if not ends:
        return Decision(said, stop="no other value has a score", best=best)
    said += (
        f", between {' and '.join(shown(value) for value in ends)}" if len(ends) == 2 else ", at the end of the axis"
    )
    spread = max(means.values()) - min(means.values())
    if max(means[value] for value in around) - min(means[value] for value in around) <= FLAT * spread:
        return Decision(
            said, stop=f"{score} no longer changes between {shown(around[0])} and {shown(around[-1])}", best=best
        )
    proposals = tuple(value for low, high in pairwise(around) for value in between(low, high, points, scale))
    if not proposals:
        return Decision(said, stop=_too_near(scale), best=best)
    return Decision(said, proposals, best=best)


def by_change(
    changes: Mapping[tuple[Number, Number], float], scale: Scale, *, points: int = 1, epsilon: float = EPSILON
) -> Decision:
    """Look where the picture changes fastest: in the one or two gaps between neighbours that differ most.

    Args:
        changes: Picture distance in [0, 1] by pair of neighbouring values, the smaller one first.
        points: New values in each gap.
        epsilon: A gap that changes less is not divided.
    """
    if not changes:
        return Decision(f"no two neighbours of {scale.axis} have pictures", stop="nothing can be compared")
    order = sorted(changes, key=lambda pair: (-changes[pair], pair))
    low, high = order[0]
    most = changes[order[0]]
    said = f"the picture changes most between {scale.axis} {shown(low)} and {shown(high)} ({most:.3g})"
    if most < epsilon:
        return Decision(said, stop=f"no gap changes by {epsilon:g} any more")
    steep = [pair for pair in order if changes[pair] >= max(epsilon, STEEP * most)]
    divided = [made for pair in steep if (made := between(*pair, points, scale))][:_GAPS]
    if not divided:
        return Decision(said, stop=_too_near(scale))
    return Decision(said, tuple(sorted(value for made in divided for value in made)))


def enough_of(changes: Mapping[tuple[Number, Number], float], epsilon: float) -> tuple[Number | None, float | None]:
    """The smallest value after which the picture changes by less than `epsilon`, and the last change that was seen.

    Args:
        changes: Picture distance in [0, 1] by pair of neighbouring values, the smaller one first.
    """
    order = sorted(changes)
    if not order:
        return None, None
    last = changes[order[-1]]
    known = None
    for pair in reversed(order):
        if changes[pair] >= epsilon:
            break
        known = pair[0]
    return known, last


def means_of(cells: Iterable[tuple[Number, Hashable, float]]) -> dict[Number, float]:
    """Mean score by value, over the same conditions for each: those that every value has, if there are any.

    Args:
        cells: Value, everything else of the cell, and its score.
    """
    found: dict[Number, dict[Hashable, float]] = {}
    for value, rest, score in cells:
        found.setdefault(value, {})[rest] = score
    common = set.intersection(*(set(scores) for scores in found.values())) if found else set()
    means = {}
    for value, scores in sorted(found.items()):
        taken = [score for rest, score in scores.items() if rest in common or not common]
        means[value] = sum(taken) / len(taken)
    return means


def shown(value: Number) -> str:
    """A number as a person writes it."""
    return f"{value:.10g}"


def listed(values: Sequence[Number]) -> str:
    """Numbers in a row: `5`; `5 and 6`; `4, 5 and 6`."""
    texts = [shown(value) for value in values]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]])) if texts else "none"


def _too_near(scale: Scale) -> str:
    return f"neighbours differ by less than {shown(2 * scale.resolution)}, so nothing {shown(scale.resolution)} away lies between"


def _step(info: Any) -> int:
    steps = [limit for each in (info.metadata if info else ()) if (limit := getattr(each, "multiple_of", None))]
    return int(steps[0]) if steps else 1


def _round_share(span: Number) -> float:
    """The largest of 1, 2, 5 × 10^n that is at most a fiftieth of `span`."""
    share = _exact(span) / _SHARES
    unit = Decimal(10) ** share.adjusted()
    return float(max(unit * factor for factor in (1, 2, 5) if unit * factor <= share))


def _roundest(ideal: Decimal, reach: Decimal, floor: Decimal, ceiling: Decimal, unit: Decimal) -> Decimal | None:
    """The roundest multiple of `unit` within `reach` of `ideal`; failing that the nearest from `floor` to `ceiling`."""
    if floor > ceiling:
        return None
    for factor in reversed(_factors(unit)):
        step = unit * factor
        one = round(ideal / step) * step
        if abs(one - ideal) <= reach and floor <= one <= ceiling:
            return one
    lowest = (floor / unit).to_integral_value(ROUND_CEILING) * unit
    nearest = max(lowest, round(ideal / unit) * unit)
    while nearest > ceiling:
        nearest -= unit
    return nearest if floor <= nearest <= ceiling else None


def _factors(unit: Decimal) -> list[int]:
    """By what a step may be coarser than the resolution: sizes go by doubling, other numbers by 1, 2, 5."""
    if unit % 8 == 0:
        return [2**power for power in range(12)]
    return [factor * 10**power for power in range(_MAX_STEPS // 4) for factor in (1, 2, 5)]


def _exact(value: Number) -> Decimal:
    return Decimal(repr(value))

"""Words: what a difference comes to, in a sentence that claims no more than its pairs allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from runpodkit.runs.comparing.measures import COST, DISTANCE, TIME
from runpodkit.runs.facts import fact
from runpodkit.stats.intervals import FEW, Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one measure between a value of an axis and the baseline, over pairs."""

    measure: str
    pairs: int
    """That have the measure on both sides."""
    mean: float | None
    """Of the value, over its pairs; of picture distance the mean distance itself."""
    difference: float | None
    interval: Interval | None
    """95 %; None for fewer than two pairs."""
    noise: float | None
    """What two repeats of one cell differ by, usually; None where nothing was repeated."""

    @property
    def within_noise(self) -> bool:
        """Whether repeats of one cell differ as much."""
        return self.noise is not None and self.difference is not None and abs(self.difference) <= self.noise

    @property
    def apart(self) -> bool:
        """Whether the interval lies on one side of no difference."""
        return self.interval is not None and not self.interval.holds(0.0)

    @property
    def measurable(self) -> bool:
        """Whether there is a difference as far as these pairs tell: enough of them, on one side, beyond the noise."""
        return self.apart and self.pairs >= FEW and not self.within_noise


def sentence(value: str, baseline: str, given: Sequence[Difference], *, pairs: int, reused: int = 0) -> str:
    """What a value does, compared with the baseline: time, cost, pictures, scores.

    Args:
        pairs: That it has; a measure that fewer of them have says so.
        reused: Pictures whose times and costs are left out.
    """
    if not pairs:
        return f"{value}: no finished trial is equal to one of {baseline} in everything else."
    known = [each for each in given if each.difference is not None and each.pairs]
    known.sort(key=lambda one: _ORDER.get(one.measure, len(_ORDER)))
    noisy = [each for each in known if each.within_noise]
    open_still = [each for each in known if not each.within_noise and _unclear(each)]
    parts = [_claim(each, pairs) for each in known if each not in noisy and each not in open_still]
    parts += _together(open_still, pairs, "do not differ measurably", "does not differ measurably")
    parts += _together(noisy, pairs, "differ no more than repeats do", "differs no more than repeats do")
    if reused:
        parts.append(f"times and costs of {reused} reused picture{'' if reused == 1 else 's'} are left out")
    few = f", under {FEW} too few to be sure" if 1 < pairs < FEW else ""
    return f"{value} ({pairs} pair{'' if pairs == 1 else 's'}{few}): {'; '.join(parts)}."


_ORDER = {TIME: 0, COST: 1, DISTANCE: 2}


def _unclear(one: Difference) -> bool:
    """Whether its interval has both signs in it; one pair has no interval, and its difference is told as it is."""
    return one.interval is not None and one.interval.holds(0.0) and bool(one.difference or one.measure != DISTANCE)


def _together(given: Sequence[Difference], pairs: int, several: str, one: str) -> list[str]:
    words = [_THINGS.get(each.measure, each.measure) + _fewer(each, pairs, " in {}") for each in given]
    if not words:
        return []
    plural = len(words) > 1 or words[0].startswith("pictures")
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return [f"{listed} {several if plural else one}"]


def spread(name: str, mean: float, interval: Interval | None) -> str:
    """A number and its interval, with their unit: "1.90 s (1.70 to 2.10 s)"."""
    return with_unit(name, mean) + (f" ({_ends(name, interval)})" if interval else "")


def listed(lines: Sequence[str]) -> str:
    """Sentences as HTML, each in a line of its own."""
    return "".join(f'<div style="margin:.2em 0">{escape(line)}</div>' for line in lines)


def with_unit(name: str, value: float) -> str:
    return f"{value:.3f}" if name == DISTANCE else fact(name, float(value))


def _claim(given: Difference, pairs: int) -> str:
    name, amount = given.measure, given.difference or 0.0
    if not amount and name == DISTANCE:
        return "the same pictures"
    interval = given.interval
    if interval and amount < 0:
        interval = Interval(-interval.high, -interval.low)
    within = ", ".join(filter(None, (_ends(name, interval), _fewer(given, pairs, "{}"))))
    within = f" ({within})" if within else ""
    size = with_unit(name, abs(amount))
    match name:
        case "execution_time_s":
            return f"takes {size} {'longer' if amount > 0 else 'less'}{within}"
        case "cost_usd":
            return f"costs {size} {'more' if amount > 0 else 'less'}{within}"
        case "pixel_distance":
            return f"pictures differ by {size}{within}"
        case _:
            return f"{name} is {'higher' if amount > 0 else 'lower'} by {size}{within}"


_THINGS = {TIME: "time", COST: "cost", DISTANCE: "pictures"}


def _fewer(given: Difference, pairs: int, form: str) -> str:
    """How many pairs have it, where not all do."""
    return "" if given.pairs == pairs else form.format(f"{given.pairs} pair{'' if given.pairs == 1 else 's'}")


def _ends(name: str, interval: Interval | None) -> str:
    if interval is None:
        return ""
    if name == DISTANCE or name.endswith(("_s", "_usd")):
        low, high = with_unit(name, interval.low), with_unit(name, interval.high)
    else:
        largest = max(abs(interval.low), abs(interval.high))
        low, high = _decimals(interval.low, largest), _decimals(interval.high, largest)
    return f"{low.removesuffix(' s') if name.endswith('_s') else low} to {high}"


def _decimals(value: float, largest: float) -> str:
    """With the decimals of three digits of the larger end, or one digit of its own; never with an exponent of ten."""
    if not value:
        return "0"
    places = max(0, 2 - math.floor(math.log10(largest)))
    if not round(value, places):
        places = -math.floor(math.log10(abs(value)))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Colours for numbers: one scale from low to high that prints in grey and that colour-blind people read as well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from runpodkit.images.lettering import Colour

VIRIDIS: Sequence[Colour] = (
    (68, 1, 84),
    (72, 36, 117),
    (65, 68, 135),
    (53, 95, 141),
    (42, 120, 142),
    (33, 145, 140),
    (34, 168, 132),
    (68, 191, 112),
    (122, 209, 81),
    (189, 223, 38),
    (253, 231, 37),
)
"""At every tenth from low to high.  Source: Smith & van der Walt (2015), matplotlib's "viridis" (CC0)."""
DARK: Colour = (24, 24, 27)
LIGHT: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` as colours; what lies beyond has the colour of the end."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where a number lies, in [0, 1]; in the middle of a scale without length."""
        if self.high <= self.low:
            return 0.5
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def colour(self, value: float) -> Colour:
        return at(self.share(value))

    def ticks(self, most: int = 5) -> list[float]:
        """At most so many round numbers on the scale, evenly apart; of one without length its number."""
        if self.high <= self.low:
            return [self.low]
        size = (self.high - self.low) / max(1, most - 1)
        power: float = 10.0 ** math.floor(math.log10(size))
        step = next(power * mark for mark in (1.0, 2.0, 2.5, 5.0, 10.0) if power * mark >= size * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def at(share: float) -> Colour:
    """The colour at a share of the scale, in [0, 1], linear between the two nearest."""
    place = share * (len(VIRIDIS) - 1)
    before = min(int(place), len(VIRIDIS) - 2)
    part = place - before
    red, green, blue = (
        round(one + (other - one) * part) for one, other in zip(VIRIDIS[before], VIRIDIS[before + 1], strict=True)
    )
    return red, green, blue


def ink_on(paper: Colour) -> Colour:
    """Dark or light, whichever is read more easily on this colour.

    Source: WCAG 2.2, contrast ratio of relative luminances.
    """
    own = _luminance(paper)
    dark, light = (abs(math.log((own + 0.05) / (_luminance(ink) + 0.05))) for ink in (DARK, LIGHT))
    return DARK if dark >= light else LIGHT


def bar(width: int, height: int) -> Image.Image:
    """The whole scale from left to right."""
    line = Image.new("RGB", (width, 1))
    line.putdata([at(x / max(1, width - 1)) for x in range(width)])
    return line.resize((width, height), Image.Resampling.NEAREST)


def _luminance(colour: Colour) -> float:
    """Source: IEC 61966-2-1 (sRGB)."""
    linear = [
        level / 255 / 12.92 if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4  # 0.04045 is level 10.3
        for level in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

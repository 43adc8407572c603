"""Heat pictures: numbers over a picture's pixels as colours, with their legend, and the region where most of them lie.

Gets an array and gives back an image; what the numbers are is known to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from runpodkit.images.insets import framed
from runpodkit.images.typeface import font

ANCHORS = (
    (0, 34, 78), (26, 56, 111), (67, 78, 108), (97, 101, 111), (125, 124, 120),
    (155, 148, 118), (188, 174, 108), (222, 201, 88), (254, 232, 56),
)  # fmt: skip
"""Dark blue to yellow, evenly spaced; grows lighter all the way, so it also reads in print and without colour vision.
Source: Nuñez, Anderton and Renslow (2018), Optimizing colormaps with consideration for color vision deficiency: cividis."""
PAPER, INK, QUIET = (255, 255, 255), (26, 26, 26), (107, 107, 107)
TICKS = 4
Fractions = tuple[float, float, float, float]
"""x, y, width, height of a region, in fractions of its picture."""


def heat(values: NDArray[np.floating], top: float) -> Image.Image:
    """A picture of as many pixels as there are values, shape (h, w): dark at 0, bright from `top` on."""
    level = np.clip(np.asarray(values, np.float64) / top if top > 0 else np.zeros_like(values, np.float64), 0, 1)
    at = np.linspace(0, 1, len(ANCHORS))
    channels = [np.interp(level, at, [colour[channel] for colour in ANCHORS]) for channel in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8), "RGB")


def legend(width: int, top: float, px: int) -> Image.Image:
    """The colours from 0 to `top` with ticks, on paper, `width` pixels wide; letters of `px` pixels."""
    letters = font(px)
    texts = [f"{top * at / TICKS:.2g}" for at in range(TICKS + 1)]
    edge = round(max(letters.getlength(texts[0]), letters.getlength(texts[-1])) / 2) + 1
    bar = max(6, round(px * 0.7))
    made = Image.new("RGB", (width, bar + round(px * 1.7)), PAPER)
    inner = max(TICKS, width - 2 * edge)
    made.paste(heat(np.tile(np.linspace(0, 1, inner), (bar, 1)), 1.0), (edge, 0))
    draw = ImageDraw.Draw(made)
    for at, text in enumerate(texts):
        x = edge + round((inner - 1) * at / TICKS)
        draw.line((x, bar, x, bar + max(2, px // 5)), QUIET)
        draw.text((x, bar + px * 0.4), text, INK, letters, anchor="ma")
    return made


def densest(values: NDArray[np.floating], share: float) -> Fractions:
    """The region with the largest sum of values among those of `share` of the picture's width and height.

    Args:
        values: Shape (h, w), none below 0.
        share: In (0, 1].

    Raises:
        ValueError: a share outside of its bounds.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share!r}: a part of the picture's width and height, above 0 and at most 1")
    high, wide = values.shape
    rows, cols = max(1, round(share * high)), max(1, round(share * wide))
    sums = np.zeros((high + 1, wide + 1))
    sums[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=np.float64), axis=1)
    inside = sums[rows:, cols:] - sums[:-rows, cols:] - sums[rows:, :-cols] + sums[:-rows, :-cols]
    top, left = divmod(int(np.argmax(inside)), inside.shape[1])
    # rounded down, so that the region never leaves the picture
    x, y, width, height = (int(1000 * each) / 1000 for each in (left / wide, top / high, cols / wide, rows / high))
    return x, y, width, height


def beside(
    panels: Sequence[tuple[str, Image.Image]], frame: Fractions, bar: tuple[str, float], badge: str = ""
) -> Image.Image:
    """Pictures of one size side by side under their names, a region of each framed; the legend under the last.

    Args:
        bar: What the colours mean, and the value of the brightest.
        badge: Small print in the lower left corner.
    """
    wide, high = panels[0][1].size
    px = max(11, round(wide / 24))
    gap, head, letters = px, round(px * 1.8), font(px)
    strip = legend(wide, bar[1], px)
    under = round(px * 1.6)
    made = Image.new("RGB", (len(panels) * (wide + gap) + gap, head + high + gap + under + strip.height), PAPER)
    draw = ImageDraw.Draw(made)
    x0, y0, width, height = frame
    for at, (name, picture) in enumerate(panels):
        left = gap + at * (wide + gap)
        made.paste(framed(picture, (x0, y0, x0 + width, y0 + height)), (left, head))
        draw.text((left, head - px * 0.45), name, INK, letters, anchor="ls")
    below = head + high + gap // 2
    draw.text((made.width - gap - wide, below), bar[0], QUIET, letters, anchor="la")
    made.paste(strip, (made.width - gap - wide, below + under))
    if badge:
        draw.text((gap, below), badge, QUIET, letters, anchor="la")
    return made

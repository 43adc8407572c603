"""Heat pictures: numbers over a picture's pixels as colours, with their legend, and the region where most of them lie.

Gets an array and gives back an image; what the numbers are is known to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runpodkit.images.colours import VIRIDIS, Scale
from runpodkit.images.insets import framed
from runpodkit.images.lettering import block
from runpodkit.images.raster import Raster

INK, QUIET = (26, 26, 26), (107, 107, 107)
MOST_TICKS = 6
Fractions = tuple[float, float, float, float]
"""x, y, width, height of a region, in fractions of its picture."""


def heat(values: NDArray[np.floating], top: float) -> Image.Image:
    """A picture of as many pixels as there are values, shape (h, w): dark at 0, bright from `top` on."""
    level = np.clip(np.asarray(values, np.float64) / top if top > 0 else np.zeros_like(values, np.float64), 0, 1)
    at = np.linspace(0, 1, len(VIRIDIS))
    channels = [np.interp(level, at, [colour[channel] for colour in VIRIDIS]) for channel in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8), "RGB")


def legend(width: int, top: float, px: int) -> Image.Image:
    """The colours from 0 to `top` with round numbers under them, on paper, `width` pixels wide; letters of `px` pixels."""
    marks = Scale(0.0, top).ticks(MOST_TICKS)
    texts = [block(f"{mark:g}", px) for mark in marks]
    edge = max(each.width for each in texts) // 2 + 1
    bar, tick = max(6, round(px * 0.7)), max(2, px // 5)
    inner = max(2, width - 2 * edge)
    canvas = Raster((width, bar + 2 * tick + texts[0].height))
    canvas.picture(heat(np.tile(np.linspace(0, 1, inner), (bar, 1)), 1.0), edge, 0)
    for mark, text in zip(marks, texts, strict=True):
        x = edge + round((inner - 1) * mark / top)
        canvas.line(x, bar, tick, QUIET, 1, down=True)
        canvas.text(text, x, bar + 2 * tick, INK, "centre")
    return canvas.image


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
    gap, strip = px, legend(wide, bar[1], px)
    heads = [block(name, px, width=wide) for name, _ in panels]
    words, small = block(bar[0], px, width=wide), block(badge, px, width=wide)
    head = gap // 2 + max(each.height for each in heads)
    below = head + high + gap // 2
    foot = words.height + gap // 3 + strip.height
    canvas = Raster((len(panels) * (wide + gap) + gap, below + foot + gap // 2))
    x0, y0, width, height = frame
    for at, (_, picture) in enumerate(panels):
        left = gap + at * (wide + gap)
        canvas.picture(framed(picture, (x0, y0, x0 + width, y0 + height)), left, head)
        canvas.text(heads[at], left, head - heads[at].height - gap // 4, INK)
    last = canvas.image.width - gap - wide
    canvas.text(words, last, below, QUIET)
    canvas.picture(strip, last, below + words.height + gap // 3)
    canvas.text(small, gap, below, QUIET)
    return canvas.image

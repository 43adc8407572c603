"""A sheet to draw a scene on: shapes, gradients, glows, noise and reflections, all antialiased.

Coordinates are shares: x of the width, y of the height, counted from the top left; lengths are in
`unit`s, the shorter side, so one description fits every size.  The sheet is drawn a few times
larger than it is wanted and shrunk at the end.  Pillow's integer arithmetic does the painting,
which gives the same pixels on every platform.  Knows no prompts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from runpodkit.simulator.chance import Chance, Floats
from runpodkit.simulator.vocabulary import Colour

Point = tuple[float, float]
Fill = Colour | Sequence[Colour]

_FULL_SUPERSAMPLE = 4
_LARGE = 1_200_000  # pixels of the enlarged sheet beyond which it is enlarged less


class Canvas:
    """A sheet of `width` x `height` pixels; `image` is it enlarged."""

    def __init__(self, width: int, height: int) -> None:
        times = _FULL_SUPERSAMPLE
        while times > 2 and width * height * times * times > _LARGE:
            times -= 1
        self._size = (width, height)
        self.width, self.height = width * times, height * times
        self.unit = float(min(self.width, self.height))
        self.image = Image.new("RGB", (self.width, self.height))

    @property
    def tall(self) -> float:
        """Height in units."""
        return self.height / self.unit

    @property
    def wide(self) -> float:
        """Width in units."""
        return self.width / self.unit

    def finished(self) -> Floats:
        """The sheet at its true size, shape (height, width, 3), values in [-1, 1]."""
        small = self.image.resize(self._size, Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float64) / 127.5 - 1.0

    def at(
        self, x: float, y: float, points: Sequence[Point], scale: float = 1.0, mirrored: bool = False
    ) -> list[Point]:
        """`points` in units around the place (x, y), which is in shares, as shares."""
        across, down = scale / self.wide * (-1 if mirrored else 1), scale / self.tall
        return [(x + px * across, y + py * down) for px, py in points]

    def shape(self, points: Sequence[Point], fill: Fill, alpha: float = 1.0, soft: float = 0.0) -> None:
        """A filled polygon; `fill` is a colour or colours from its top to its bottom; `soft` blurs its edge, in units."""
        corners = [(x * self.width, y * self.height) for x, y in points]
        margin = 3 * soft * self.unit + 2
        box = self._inside(
            min(x for x, _ in corners) - margin,
            min(y for _, y in corners) - margin,
            max(x for x, _ in corners) + margin,
            max(y for _, y in corners) + margin,
        )
        if box is None:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(mask).polygon([(x - box[0], y - box[1]) for x, y in corners], fill=round(255 * alpha))
        self._paint(mask, box, fill, soft)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Fill, alpha: float = 1.0, soft: float = 0.0) -> None:
        """A filled ellipse around (x, y), radii in units."""
        cx, cy, rx, ry = x * self.width, y * self.height, rx * self.unit, ry * self.unit
        margin = 3 * soft * self.unit + 2
        box = self._inside(cx - rx - margin, cy - ry - margin, cx + rx + margin, cy + ry + margin)
        if box is None:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        left, top = cx - box[0], cy - box[1]
        ImageDraw.Draw(mask).ellipse([left - rx, top - ry, left + rx, top + ry], fill=round(255 * alpha))
        self._paint(mask, box, fill, soft)

    def line(self, points: Sequence[Point], thickness: float, colour: Colour, alpha: float = 1.0) -> None:
        """A line of `thickness` units with round joints and ends."""
        corners = [(x * self.width, y * self.height) for x, y in points]
        broad = max(1.0, thickness * self.unit)
        box = self._inside(
            min(x for x, _ in corners) - broad,
            min(y for _, y in corners) - broad,
            max(x for x, _ in corners) + broad,
            max(y for _, y in corners) + broad,
        )
        if box is None:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        draw = ImageDraw.Draw(mask)
        moved = [(x - box[0], y - box[1]) for x, y in corners]
        draw.line(moved, fill=round(255 * alpha), width=max(1, round(broad)), joint="curve")
        if broad >= 3:
            for x, y in (moved[0], moved[-1]):
                draw.ellipse([x - broad / 2, y - broad / 2, x + broad / 2, y + broad / 2], fill=round(255 * alpha))
        self._paint(mask, box, colour, 0.0)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Light around (x, y), falling to nothing at `radius` units; it only ever brightens."""
        reach = max(2, round(radius * self.unit))
        centre = (round(x * self.width), round(y * self.height))
        box = self._inside(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
        if box is None:
            return
        falloff = Image.radial_gradient("L").point(
            [round(255 * strength * max(0.0, 1 - v / 181) ** 2) for v in range(256)]
        )
        falloff = falloff.resize((2 * reach, 2 * reach), Image.Resampling.BICUBIC)
        left, top = box[0] - centre[0] + reach, box[1] - centre[1] + reach
        mask = falloff.crop((left, top, left + box[2] - box[0], top + box[3] - box[1]))
        under = self.image.crop(box)
        light = Image.composite(Image.new("RGB", mask.size, colour), Image.new("RGB", mask.size), mask)
        self.image.paste(ImageChops.screen(under, light), box)

    def wash(self, top: float, bottom: float, fill: Fill, start: float = 1.0, end: float = 1.0) -> None:
        """A horizontal band of colour between two heights, its opacity going from `start` to `end`."""
        box = self._inside(0, top * self.height, self.width, bottom * self.height)
        if box is None:
            return
        rows = box[3] - box[1]
        shares = start + (end - start) * (np.arange(rows) + 0.5) / rows
        column = Image.fromarray(np.floor(255 * shares + 0.5).astype(np.uint8)[:, None])
        self.image.paste(_gradient((box[2] - box[0], rows), fill), box, column.resize((box[2] - box[0], rows)))

    def veil(self, mask: Image.Image, fill: Fill) -> None:
        """Colour through a mask the size of the enlarged sheet."""
        self.image.paste(_gradient((self.width, self.height), fill), (0, 0), mask)

    def noise(self, chance: Chance, cells: float, stretch: float = 1.0, octaves: int = 4) -> Image.Image:
        """Cloudy noise the size of the enlarged sheet, values about 128; `cells` patches per unit, drawn out sideways."""
        total = np.zeros((self.height // 2 + 1, self.width // 2 + 1))
        weight, sum_of_weights = 1.0, 0.0
        for _ in range(octaves):
            columns = max(2, math.ceil(cells * self.wide / stretch)) + 1
            rows = max(2, math.ceil(cells * self.tall)) + 1
            grid = np.floor(chance.units(rows * columns) * 256).astype(np.uint8).reshape(rows, columns)
            grown = Image.fromarray(grid).resize(total.shape[::-1], Image.Resampling.BICUBIC)
            total += weight * np.asarray(grown, dtype=np.float64)
            sum_of_weights += weight
            weight *= 0.5
            cells *= 2
        flat = np.floor(total / sum_of_weights).astype(np.uint8)
        return Image.fromarray(flat).resize((self.width, self.height), Image.Resampling.BILINEAR)

    def mirror_down(self, horizon: float, chance: Chance, waves: float) -> None:
        """Fill everything below `horizon` with a rippled mirror image of what stands above it."""
        edge = round(horizon * self.height)
        depth = self.height - edge
        if depth <= 0 or edge <= 0:
            return
        above = self.image.crop((0, max(0, edge - depth), self.width, edge)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        pixels = np.asarray(above.resize((self.width, depth), Image.Resampling.BILINEAR))
        rows = np.arange(depth)
        near = (rows + 1) / depth
        phases = chance.units(3) * 2 * math.pi
        ripple = np.zeros(depth)
        for phase, count, size in zip(phases, (9.0, 23.0, 57.0), (1.0, 0.7, 0.5), strict=True):
            ripple += size * np.sin(phase + count * 2 * math.pi * np.sqrt(near))
        shift = np.floor(ripple * (0.15 + near) * waves * self.unit * 0.02).astype(np.int64)
        columns = np.clip(np.arange(self.width)[None, :] + shift[:, None], 0, self.width - 1)
        self.image.paste(Image.fromarray(pixels[rows[:, None], columns]), (0, edge))

    def soften(self, radius: float) -> None:
        """Blur all that is drawn so far, by `radius` units."""
        self.image = self.image.filter(ImageFilter.GaussianBlur(radius * self.unit))

    def _paint(self, mask: Image.Image, box: tuple[int, int, int, int], fill: Fill, soft: float) -> None:
        if soft > 0:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * self.unit))
        self.image.paste(_gradient(mask.size, fill), box, mask)

    def _inside(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int] | None:
        box = (
            max(0, math.floor(left)),
            max(0, math.floor(top)),
            min(self.width, math.ceil(right)),
            min(self.height, math.ceil(bottom)),
        )
        return box if box[0] < box[2] and box[1] < box[3] else None


def _gradient(size: tuple[int, int], fill: Fill) -> Image.Image:
    """An image of one colour, or of colours running evenly from top to bottom."""
    if isinstance(fill[0], int):
        return Image.new("RGB", size, (fill[0], fill[1], fill[2]))  # type: ignore[arg-type]
    stops = np.array(list(fill), dtype=np.float64)
    places = (np.arange(size[1]) + 0.5) / size[1] * (len(stops) - 1)
    rows = [np.interp(places, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    column = np.floor(np.stack(rows, axis=-1) + 0.5).astype(np.uint8)[:, None, :]
    return Image.fromarray(column).resize(size, Image.Resampling.NEAREST)


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 8) -> list[Point]:
    """A curve through `points` (Catmull and Rom, 1974), as a polygon with `steps` corners per stretch."""
    count = len(points)
    out: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[max(0, min(count - 1, index + shift))] for shift in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            out.append((_through(a[0], b[0], c[0], d[0], t), _through(a[1], b[1], c[1], d[1], t)))
    return out if closed else [*out, points[-1]]


def _through(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)


def ridge(chance: Chance, roughness: float, depth: int = 7) -> list[float]:
    """A fractal skyline of 2**depth + 1 heights about 0, mostly within [-1, 1] (midpoint displacement)."""
    heights = [float(chance.between(-0.6, 0.6)), float(chance.between(-0.6, 0.6))]
    swing = 0.9
    for _ in range(depth):
        shifts = chance.units(len(heights) - 1) * 2 - 1
        grown: list[float] = []
        for left, right, shift in zip(heights, heights[1:], shifts, strict=False):
            grown += [left, (left + right) / 2 + float(shift) * swing]
        heights = [*grown, heights[-1]]
        swing *= roughness
    return heights


def under(heights: Sequence[float], base: float, swing: float, floor: float = 1.02) -> list[Point]:
    """The land under a skyline, as shares: `base` is its mean height on the sheet, `swing` what 1 is in shares."""
    last = len(heights) - 1
    top = [(index / last, base - height * swing) for index, height in enumerate(heights)]
    return [(-0.01, floor), (-0.01, top[0][1]), *top, (1.01, top[-1][1]), (1.01, floor)]

"""Regions of pictures: which part of each a grid shows, and which part it shows enlarged.

Arithmetic only; what is drawn around an enlarged part is the business of `insets`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of one picture."""

INSET_SHARE = 0.46
"""Of a cell's width and height, what an enlarged part takes at most."""
LEAST_ENLARGED = 1.25
"""Times; less than this would show nothing that the picture does not."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle within a picture: in fractions of its width and height, or in its pixels."""

    name: str
    """What it is for, in messages: `crop` or `inset`."""
    x: float
    y: float
    width: float
    height: float
    in_pixels: bool

    @classmethod
    def read(cls, name: str, given: Sequence[float]) -> Region:
        """`(x, y, width, height)`: fractions if none is above 1, else pixels.

        Raises:
            ValueError: not four numbers, an empty region, or one that leaves the picture.
        """
        try:
            numbers = [float(number) for number in given]
        except (TypeError, ValueError):
            numbers = []
        words = f"{name}={given!r}"
        if len(numbers) != 4 or isinstance(given, str) or not all(math.isfinite(number) for number in numbers):
            raise ValueError(
                f"{words}: a region is (x, y, width, height), in fractions of the picture such as (0.4, 0.3, 0.2, 0.2), "
                "or in its pixels"
            )
        x, y, width, height = numbers
        if x < 0 or y < 0 or width <= 0 or height <= 0:
            raise ValueError(f"{words}: x and y are 0 or more, width and height are above 0")
        in_pixels = max(numbers) > 1
        if in_pixels and any(number % 1 for number in numbers):
            raise ValueError(f"{words}: fractions are at most 1 and pixels are whole numbers, not both in one region")
        if not in_pixels and (x + width > 1 + 1e-9 or y + height > 1 + 1e-9):
            raise ValueError(f"{words}: it leaves the picture, x + width and y + height are at most 1")
        return cls(name, x, y, width, height, in_pixels)

    def box(self, size: tuple[int, int]) -> Box:
        """Where it lies in a picture of `size` pixels.

        Raises:
            ValueError: in pixels, it leaves this picture.
        """
        wide, high = (1, 1) if self.in_pixels else size
        left, top, width, height = self.x * wide, self.y * high, self.width * wide, self.height * high
        if not self.in_pixels:  # a fraction of a small picture is at least one pixel of it
            width, height = max(1.0, width), max(1.0, height)
            left, top = min(left, size[0] - width), min(top, size[1] - height)
        if left + width > size[0] or top + height > size[1]:
            shown = tuple(round(number) for number in (self.x, self.y, self.width, self.height))
            raise ValueError(f"{self.name}={shown} leaves the picture of {size[0]}×{size[1]} pixels")
        return left, top, left + width, top + height


@dataclass(frozen=True, slots=True)
class View:
    """Which part of its picture each cell shows, and which part it shows enlarged."""

    crop: Region | None = None
    inset: Region | None = None

    @classmethod
    def read(cls, crop: Sequence[float] | None, inset: Sequence[float] | None) -> View:
        """Raises ValueError for what is no region, and for an inset that would not be enlarged."""
        view = cls(
            None if crop is None else Region.read("crop", crop), None if inset is None else Region.read("inset", inset)
        )
        # in fractions all of it is known before any picture is; in pixels each picture tells
        if not any(region and region.in_pixels for region in (view.crop, view.inset)):
            view.frame((1_000_000, 1_000_000))
        return view

    def shown(self, size: tuple[int, int]) -> Box:
        """The part of a picture that a cell shows."""
        return self.crop.box(size) if self.crop else (0.0, 0.0, float(size[0]), float(size[1]))

    def frame(self, size: tuple[int, int]) -> Box | None:
        """The enlarged part, in fractions of what the cell shows.

        Raises:
            ValueError: it leaves what is shown, or is so large that it would not be enlarged.
        """
        if self.inset is None:
            return None
        left, top, right, bottom = self.shown(size)
        box = self.inset.box(size)
        if box[0] < left - 1 or box[1] < top - 1 or box[2] > right + 1 or box[3] > bottom + 1:
            raise ValueError("inset: its region lies outside of what crop leaves; both are parts of the whole picture")
        wide, high = right - left, bottom - top
        frame = (box[0] - left) / wide, (box[1] - top) / high, (box[2] - left) / wide, (box[3] - top) / high
        share = max(frame[2] - frame[0], frame[3] - frame[1])
        if share * LEAST_ENLARGED > INSET_SHARE:
            raise ValueError(
                f"inset: its region takes {share:.0%} of what the cell shows and would not be enlarged: "
                f"choose one of at most {INSET_SHARE / LEAST_ENLARGED:.0%}, or use crop="
            )
        return frame

    def enlarged(self, cell: tuple[int, int], frame: Box) -> tuple[int, int]:
        """Width and height in pixels of the enlarged part in a cell of that size."""
        wide, high = (frame[2] - frame[0]) * cell[0], (frame[3] - frame[1]) * cell[1]
        times = min(INSET_SHARE * cell[0] / wide, INSET_SHARE * cell[1] / high)
        return max(1, round(wide * times)), max(1, round(high * times))

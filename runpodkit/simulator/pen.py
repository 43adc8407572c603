"""A pen for one thing: draws in the thing's own coordinates, wherever and however large it stands on the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runpodkit.simulator.canvas import Canvas, Fill, Point, smooth
from runpodkit.simulator.vocabulary import Colour


@dataclass(frozen=True)
class Pen:
    """The thing's origin is at (x, y) in shares of the sheet; its 1 is `size` units; y grows downwards.

    Attributes:
        flip: Mirrored left to right.
        lean: How far a point one above the origin moves sideways.
    """

    canvas: Canvas
    x: float
    y: float
    size: float
    flip: bool = False
    lean: float = 0.0

    def at(self, points: Sequence[Point]) -> list[Point]:
        leaning = [(px - py * self.lean, py) for px, py in points]
        return self.canvas.at(self.x, self.y, leaning, self.size, self.flip)

    def shape(self, points: Sequence[Point], fill: Fill, alpha: float = 1.0, soft: float = 0.0) -> None:
        """A polygon."""
        self.canvas.shape(self.at(points), fill, alpha, soft * self.size)

    def blob(self, points: Sequence[Point], fill: Fill, alpha: float = 1.0, soft: float = 0.0) -> None:
        """A closed curve through the points."""
        self.shape(smooth(points), fill, alpha, soft)

    def line(self, points: Sequence[Point], thickness: float, colour: Colour, alpha: float = 1.0) -> None:
        """Straight from point to point."""
        self.canvas.line(self.at(points), thickness * self.size, colour, alpha)

    def stroke(self, points: Sequence[Point], thickness: float, colour: Colour, alpha: float = 1.0) -> None:
        """An open curve through the points."""
        self.line(smooth(points, closed=False), thickness, colour, alpha)

    def dab(self, x: float, y: float, rx: float, ry: float, fill: Fill, alpha: float = 1.0, soft: float = 0.0) -> None:
        """An ellipse."""
        ((px, py),) = self.at([(x, y)])
        self.canvas.oval(px, py, rx * self.size, ry * self.size, fill, alpha, soft * self.size)

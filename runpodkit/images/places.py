"""What stands in the places of a sheet: a picture with a hairline around it, a number, the mark of what is missing, a reason.

All lengths are pixels.  Knows where a place is, not which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from runpodkit.images import lettering
from runpodkit.images.canvas import Canvas
from runpodkit.images.headline import GREY
from runpodkit.images.lettering import Block, Colour

EDGE: Colour = (226, 227, 230)
HATCH: Colour = (219, 221, 226)
PALE: Colour = (250, 250, 251)
FAILED: tuple[Colour, Colour, Colour] = ((253, 245, 243), (236, 200, 194), (150, 48, 38))
"""Its paper, edge and ink."""

Bounds = tuple[int, int, int, int]
"""Left, top, width, height."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is written where a picture should be."""

    reason: str


NOTHING = Problem("")
"""In a place that stays empty, because no picture was to be there."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A colour that stands for a number, and what is written on it."""

    paper: Colour
    ink: Colour
    number: Block
    note: Block
    """Below the number, smaller."""


Content = Image.Image | Problem | Tile


@dataclass(frozen=True, slots=True)
class Places:
    """Draws what stands in them."""

    px: int
    """Size of the labels."""
    small: int
    """Size of what is written in a place."""
    least_px: int
    """The smallest type that print allows; 0 on a screen."""
    stroke: int
    """Width of an edge."""
    hairline: int
    """Width of the line around a picture; 0 where there is no room for one."""

    def draw(self, canvas: Canvas, place: Bounds, content: Content | None) -> None:
        """A picture in the middle of its place, a number on its colour, a reason, or the mark of a missing picture."""
        if content is NOTHING:
            return
        if content is None:
            self._missing(canvas, place)
        elif isinstance(content, Problem):
            self._problem(canvas, place, content.reason)
        elif isinstance(content, Tile):
            self._tile(canvas, place, content)
        else:
            self._picture(canvas, place, content)

    def _picture(self, canvas: Canvas, place: Bounds, image: Image.Image) -> None:
        x, y, width, height = place
        left, top, line = x + (width - image.width) // 2, y + (height - image.height) // 2, self.hairline
        if line:  # it lies outside the picture and keeps a white one apart from the paper
            wide, high = image.width + 2 * line, image.height + 2 * line
            canvas.rectangle(left - line, top - line, wide, high, edge=EDGE, stroke=line)
        canvas.picture(image, left, top)

    def _tile(self, canvas: Canvas, place: Bounds, tile: Tile) -> None:
        x, y, width, height = place
        canvas.rectangle(*place, fill=tile.paper)
        between = round(self.small * 0.1) if tile.note.lines else 0
        top = y + (height - tile.number.height - between - tile.note.height) / 2
        canvas.text(tile.number, x + width / 2, top, tile.ink, "centre")
        canvas.text(tile.note, x + width / 2, top + tile.number.height + between, tile.ink, "centre")

    def _missing(self, canvas: Canvas, place: Bounds) -> None:
        x, y, width, height = place
        canvas.hatch(*place, max(7, round(self.px * 0.75)), PALE, HATCH)
        text = lettering.fitting("missing", width - 6, height - 6, px=self.small, least_px=self._least(8, width))
        middle, top, pad = x + width / 2, y + (height - text.height) // 2, self.small // 2
        wide, high = text.width + 2 * pad, text.height + pad // 2
        if wide < width and high < height:
            canvas.rectangle(round(middle - wide / 2), top - pad // 4, wide, high, fill=PALE)
        canvas.text(text, middle, top, GREY, "centre")
        canvas.rectangle(*place, edge=EDGE, stroke=self.stroke)

    def _problem(self, canvas: Canvas, place: Bounds, reason: str) -> None:
        x, y, width, height = place
        paper, edge, ink = FAILED
        canvas.rectangle(*place, fill=paper, edge=edge, stroke=self.stroke)
        pad, between = max(4, round(width * 0.06)), round(self.small * 0.25)
        room = (width - 2 * pad, height - 2 * pad)
        head = lettering.fitting("failed", *room, px=self.small, least_px=self._least(8, width), bold=True)
        left = room[1] - head.height - between
        least = self._least(9, width)
        body = lettering.fitting(reason, room[0], left, px=self.small, least_px=least) if left > 12 else None
        total = head.height + (between + body.height if body else 0)
        top = y + (height - total) / 2
        canvas.text(head, x + width / 2, top, ink, "centre")
        if body:
            canvas.text(body, x + width / 2, top + head.height + between, ink, "centre")

    def _least(self, on_screen: int, width: int) -> int:
        """The smallest type in a place: as small as print allows, unless the place is too narrow for a word in that."""
        return max(on_screen, min(self.least_px, width // 5))

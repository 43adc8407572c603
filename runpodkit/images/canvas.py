"""The canvas: the few things a sheet draws, whatever they are drawn on.

A sheet is laid out once, in pixels, and drawn onto a canvas: `raster` makes a Pillow image of it,
`svg` and `pdf` a page whose text stays text.  What they must agree on (where the letters of a
block stand, how a character without a glyph looks) is done here; they only put ink down.

All lengths are pixels of the sheet, from the upper left corner.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod

from PIL import Image

from runpodkit.images import lettering
from runpodkit.images.lettering import Align, Block, Colour, Piece

WHITE: Colour = (255, 255, 255)
JPEG_QUALITY = 92
MOST_FLAT_COLOURS = 256
"""A picture of no more colours is kept exactly, as PNG: that is smaller too."""


class Canvas(ABC):
    """Something that a sheet can be drawn on."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def text(self, block: Block, x: float, y: float, ink: Colour, align: Align = "left") -> None:
        """Put the block's top at `y`, its left edge, centre or right edge (as `align` says) at `x`."""
        for piece, left, baseline in block.placed(x, y, align):
            if piece.boxed:
                self.boxed(piece, round(left), baseline, block.px, ink)
            else:
                self.letters(piece, left, baseline, block.px, ink)

    def boxed(self, piece: Piece, left: int, baseline: int, px: int, ink: Colour) -> None:
        """A character without a glyph, as a box with the digits of its code point."""
        box = lettering.box_for(piece.text, px)
        x, y, width, height = box.frame
        self.rectangle(left + x, baseline + y, width, height, edge=ink, stroke=box.stroke)
        for digits, row_x, row_y, row_width in box.rows:
            row = Piece(digits, digits, 0, row_width, False)
            self.letters(row, left + row_x, baseline + row_y, box.digits_px, ink)

    @abstractmethod
    def letters(self, piece: Piece, x: float, baseline: int, px: int, ink: Colour) -> None:
        """Letters of one direction and weight, none of which lacks a glyph."""

    @abstractmethod
    def upright(self, block: Block, x: int, y: int, ink: Colour, align: Align = "centre") -> None:
        """The block turned a quarter to the left, as the title of a vertical axis is read.

        `x` and `y` are its upper left corner once turned; `align` is as seen by who reads it.
        """

    @abstractmethod
    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: Colour | None = None,
        edge: Colour | None = None,
        stroke: int = 1,
    ) -> None:
        """A rectangle whose edge lies inside its bounds."""

    @abstractmethod
    def line(self, x: int, y: int, length: int, ink: Colour, stroke: int, *, down: bool = False) -> None:
        """A line from a point to the right, or down."""

    @abstractmethod
    def picture(self, image: Image.Image, x: int, y: int) -> None:
        """A picture, a pixel of it being a pixel of the sheet."""

    @abstractmethod
    def hatch(self, x: int, y: int, width: int, height: int, step: int, paper: Colour, ink: Colour) -> None:
        """A rectangle filled with diagonals, `step` apart along its lower edge."""

    @abstractmethod
    def pill(self, x: int, y: int, width: int, height: int, fill: Colour, edge: Colour) -> None:
        """A rectangle with round ends."""


def encoded(image: Image.Image) -> tuple[str, bytes]:
    """A picture as it is embedded: its media type and its bytes.

    JPEG without colour subsampling, unless it has few colours.
    """
    out = io.BytesIO()
    if image.getcolors(MOST_FLAT_COLOURS) is not None:
        image.save(out, "PNG")
        return "image/png", out.getvalue()
    image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "image/jpeg", out.getvalue()


def diagonals(width: float, height: float, step: float) -> list[tuple[float, float, float, float]]:
    """The lines of a hatch as x0, y0, x1, y1 within a rectangle, rising to the right."""
    lines = []
    start = -height
    while start < width:
        low, high = max(start, 0.0), min(start + height, width)
        if high > low:
            lines.append((low, height - (low - start), high, height - (high - start)))
        start += step
    return lines

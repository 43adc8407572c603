"""A canvas of pixels: a Pillow image."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from runpodkit.images.canvas import WHITE, Canvas
from runpodkit.images.lettering import Align, Block, Colour, Piece
from runpodkit.images.typeface import font


class Raster(Canvas):
    """Draws on `image`."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self.image = Image.new("RGB", size, WHITE)
        self._draw = ImageDraw.Draw(self.image)

    def letters(self, piece: Piece, x: float, baseline: int, px: int, ink: Colour) -> None:
        self._draw.text((x, baseline), piece.text, ink, font(px, piece.bold), anchor="ls")

    def upright(self, block: Block, x: int, y: int, ink: Colour, align: Align = "centre") -> None:
        flat = Raster((max(1, block.width), max(1, block.height)))
        across = {"left": 0.0, "centre": block.width / 2, "right": float(block.width)}[align]
        flat.text(block, across, 0, ink, align)
        self.image.paste(flat.image.transpose(Image.Transpose.ROTATE_90), (x, y))

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
        if width > 0 and height > 0:
            self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=fill, outline=edge, width=stroke)

    def line(self, x: int, y: int, length: int, ink: Colour, stroke: int, *, down: bool = False) -> None:
        end = (x, y + length - 1) if down else (x + length - 1, y)
        self._draw.line((x, y, *end), ink, stroke)

    def picture(self, image: Image.Image, x: int, y: int) -> None:
        self.image.paste(image, (x, y))

    def hatch(self, x: int, y: int, width: int, height: int, step: int, paper: Colour, ink: Colour) -> None:
        place = Image.new("RGB", (width, height), paper)
        tile = _diagonals(step, paper, ink)
        for top in range(0, height, tile.height):
            for left in range(0, width, tile.width):
                place.paste(tile, (left, top))
        self.image.paste(place, (x, y))

    def pill(self, x: int, y: int, width: int, height: int, fill: Colour, edge: Colour) -> None:
        fine = Image.new("RGB", (width * 4, height * 4), WHITE)  # drawn fourfold and reduced: round ends
        shape = (2, 2, width * 4 - 3, height * 4 - 3)
        ImageDraw.Draw(fine).rounded_rectangle(shape, radius=height * 2, fill=fill, outline=edge, width=5)
        self.image.paste(fine.reduce(4), (x, y))


@lru_cache(maxsize=8)
def _diagonals(step: int, paper: Colour, ink: Colour) -> Image.Image:
    """A tile of lines rising to the right, drawn double and reduced so that they are smooth; its sides fit each other."""
    side = step * max(1, 120 // step)
    fine = Image.new("RGB", (2 * side, 2 * side), paper)
    draw = ImageDraw.Draw(fine)
    for start in range(-2 * side, 2 * side + 2 * step, 2 * step):
        draw.line((start - 9, 2 * side + 9, start + 2 * side + 9, -9), ink, 2)
    return fine.reduce(2)

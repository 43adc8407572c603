"""What is drawn onto a picture in a cell: an enlarged part of it in a corner, and a mark that it is odd.

Gets pictures that are already as large as their cells.  Lengths are pixels.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from runpodkit.images.lettering import Colour
from runpodkit.images.regions import Box
from runpodkit.images.typeface import font

LINE: Colour = (255, 214, 10)
CASING: Colour = (20, 20, 22)
"""Around the line: one of the two is seen on any picture."""
MARK: tuple[Colour, Colour] = ((255, 176, 32), (60, 36, 0))
"""Its disc and its ink."""


def with_inset(picture: Image.Image, closeup: Image.Image, frame: Box) -> Image.Image:
    """The picture with a frame around a part of it, and that part enlarged in the corner that is farthest from it.

    Args:
        closeup: The enlarged part, as large as it shall be.
        frame: Where the part lies, in fractions of the picture.
    """
    made = framed(picture, frame)
    thick = _thickness(picture)
    x, y = _corner(picture.size, closeup.size, _in_pixels(picture, frame), 3 * thick + 2)
    made.paste(closeup, (x, y))
    _framed(ImageDraw.Draw(made), (x, y, x + closeup.width, y + closeup.height), thick)
    return made


def framed(picture: Image.Image, frame: Box) -> Image.Image:
    """The picture with a frame around a part of it, given in fractions of it."""
    made = picture.copy()
    left, top, right, bottom = _in_pixels(picture, frame)
    _framed(ImageDraw.Draw(made), (left, top, max(right, left + 1), max(bottom, top + 1)), _thickness(picture))
    return made


def _thickness(picture: Image.Image) -> int:
    return max(1, round(min(picture.size) / 130))


def _in_pixels(picture: Image.Image, frame: Box) -> tuple[int, int, int, int]:
    wide, high = picture.size
    return round(frame[0] * wide), round(frame[1] * high), round(frame[2] * wide), round(frame[3] * high)


def with_mark(picture: Image.Image) -> Image.Image:
    """The picture with an exclamation mark in its upper left corner: something about it is odd."""
    side = max(11, round(min(picture.size) * 0.11))
    fine = Image.new("L", (side * 4, side * 4))
    ImageDraw.Draw(fine).ellipse((0, 0, side * 4 - 1, side * 4 - 1), fill=255)
    disc = Image.new("RGB", (side, side), MARK[0])
    sign = font(max(8, round(side * 0.78)), bold=True)
    ImageDraw.Draw(disc).text((side / 2, side / 2), "!", MARK[1], sign, anchor="mm")
    made = picture.copy()
    gap = max(2, side // 4)
    # a ring of casing keeps the disc apart from a picture of its own colour
    made.paste(CASING, (gap - 1, gap - 1), fine.resize((side + 2, side + 2), Image.Resampling.BOX))
    made.paste(disc, (gap, gap), fine.reduce(4))
    return made


def _framed(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], thick: int) -> None:
    """A line just outside of the box (right and bottom excluded), between two casings."""
    left, top, right, bottom = box
    for out, colour in ((thick + 2, CASING), (thick + 1, LINE), (1, CASING)):
        width = out if colour == CASING and out > 1 else max(1, out - 1) if colour == LINE else 1
        draw.rectangle((left - out, top - out, right + out - 1, bottom + out - 1), outline=colour, width=width)


def _corner(
    size: tuple[int, int], inset: tuple[int, int], frame: tuple[int, int, int, int], gap: int
) -> tuple[int, int]:
    """The upper left point of an inset in the corner where it hides least of the frame; lower right where all are alike."""
    right, bottom = max(0, size[0] - inset[0] - gap), max(0, size[1] - inset[1] - gap)
    corners = [(right, bottom), (gap, bottom), (right, gap), (gap, gap)]

    def hidden(corner: tuple[int, int]) -> int:
        wide = min(corner[0] + inset[0], frame[2]) - max(corner[0], frame[0])
        high = min(corner[1] + inset[1], frame[3]) - max(corner[1], frame[1])
        return max(0, wide) * max(0, high)

    return min(corners, key=hidden)

"""Text for pictures: measured before it is drawn, wrapped where it is too wide, never cut.

The typeface comes with the package (DejaVu Sans: Latin, Greek, Cyrillic, Arabic and more), so a
label looks alike on every machine.  A character it has no glyph for shows as a box.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Align = Literal["left", "centre", "right"]

_FOLDER = Path(__file__).parent / "fonts"
_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
_LINE = 1.32
"""Distance of baselines, in sizes of the type."""


@lru_cache(maxsize=64)
def font(px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface at `px` pixels."""
    return ImageFont.truetype(str(_FOLDER / _FILES[bold]), px)


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of text, measured.  `width` and `height` are pixels."""

    lines: tuple[str, ...]
    px: int
    bold: bool
    width: int
    height: int

    def draw(self, draw: ImageDraw.ImageDraw, x: float, y: float, fill: Colour, align: Align = "left") -> None:
        """Put the block's top at `y`, its left edge, centre or right edge (as `align` says) at `x`."""
        anchor = {"left": "ls", "centre": "ms", "right": "rs"}[align]
        step = self.px * _LINE
        # the baseline sits where the capitals of a line are centred in it
        first = y + (step + self.px * 0.73) / 2
        for number, line in enumerate(self.lines):
            draw.text((x, round(first + number * step)), line, fill, font(self.px, self.bold), anchor=anchor)


def block(text: str, px: int, *, width: float | None = None, bold: bool = False) -> Block:
    """`text` at `px` pixels, wrapped into `width` pixels if given; an empty text has no height."""
    face = font(px, bold)
    lines = [line for part in clean(text).split("\n") for line in _wrapped(part, face, width)] if text.strip() else []
    widest = max((face.getlength(line) for line in lines), default=0.0)
    return Block(tuple(lines), px, bold, round(widest + 0.5), round(len(lines) * px * _LINE))


def fitting(text: str, width: int, height: int, *, px: int, least_px: int, bold: bool = False) -> Block:
    """`text` at the largest size from `px` down to `least_px` that fits; what still does not ends in "…"."""
    size = px
    while True:
        made = block(text, size, width=width, bold=bold)
        if made.height <= height or not made.lines:
            return made
        if size <= least_px:
            break
        size = max(least_px, size - max(1, size // 8))
    fits = max(1, int(height / (size * _LINE)))
    lines = [*made.lines[: fits - 1], _ended(made.lines[fits - 1], font(size, bold), width)]
    return Block(tuple(lines), size, bold, made.width, round(len(lines) * size * _LINE))


def upright(text: Block, fill: Colour, background: Colour) -> Image.Image:
    """The block turned a quarter to the left, as the title of a vertical axis is read."""
    image = Image.new("RGB", (max(1, text.width), max(1, text.height)), background)
    text.draw(ImageDraw.Draw(image), text.width / 2, 0, fill, "centre")
    return image.transpose(Image.Transpose.ROTATE_90)


def clean(text: str) -> str:
    """`text` with what cannot be drawn, or would reorder what is around it, shown as a mark."""
    text = text.replace("\r\n", "\n").replace("\t", " ")
    return "".join("\ufffd" if char != "\n" and _unprintable(char) else char for char in text)


def _unprintable(char: str) -> bool:
    category = unicodedata.category(char)
    # joiners and variation selectors belong to ordinary text and emoji
    return category in ("Cc", "Cs") or (category == "Cf" and char not in "\u200c\u200d\u00ad\u2060\ufeff")


def _wrapped(text: str, face: ImageFont.FreeTypeFont, width: float | None) -> list[str]:
    if width is None or face.getlength(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if face.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, face, width)
        lines += full
    return [*lines, line]


def _broken(word: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """A word in pieces no wider than `width` (a single character may be): behind punctuation, if that is near the end."""
    pieces: list[str] = []
    most = int(width) + 2  # letters are wider than a pixel, so no more fit; measuring all the rest each time is slow
    while len(word) > most or (len(word) > 1 and face.getlength(word) > width):
        low, high = 1, min(len(word) - 1, most)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            low, high = (middle, high) if face.getlength(word[:middle]) <= width else (low, middle - 1)
        at = max((word.rfind(mark, low // 2, low) + 1 for mark in "-_/.,:;="), default=0) or low
        while at > 1 and unicodedata.combining(word[at]):  # an accent stays with its letter
            at -= 1
        pieces.append(word[:at])
        word = word[at:]
    return [*pieces, word]


def _ended(line: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    while line and face.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"

"""Text for pictures: measured before it is drawn, wrapped where it is too wide, never cut.

What is drawn of a line are its pieces: letters of the package's own typeface (so a label looks alike
on every machine), and for a character that has no glyph in it a small box with the digits of its
code point.  Lengths are pixels.  Knows no paper: a `Canvas` draws what is laid out here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from runpodkit.images.typeface import coverage, font
from runpodkit.images.writing import Sign, holds_on, in_visual_order, takes_no_room

Colour = tuple[int, int, int]
Align = Literal["left", "centre", "right"]

CAPITAL = 0.73
"""Height of capitals and digits, in sizes of the type."""
HAIR = "\u200a"
"""Between letters that are set apart; a space in the drawing only, not in the text."""
_LINE = 1.32
"""Distance of baselines, in sizes of the type."""
_PLAIN = re.compile("[\x20-\x7e\xa0-\xac\xae-\u024f\u0400-\u0481\u048a-\u04ff\u2010-\u2027]*")
"""What the typeface has as it stands, all from left to right; a test holds it against the typeface."""
_BREAKS_AFTER = "-_/.,:;="


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line that is drawn in one go, `x` pixels from the line's left end."""

    text: str
    """In the order and the shapes in which it is drawn."""
    source: str
    """As it was written, without hair spaces."""
    x: float
    width: float
    bold: bool
    rtl: bool = False
    boxed: bool = False
    """One character without a glyph: drawn as a box with its code point."""

    @property
    def spaced(self) -> bool:
        """Whether its letters are set apart."""
        return HAIR in self.text


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of text, measured.  `width` and `height` are pixels."""

    lines: tuple[str, ...]
    px: int
    bold: bool
    width: int
    height: int

    def placed(self, x: float, y: float, align: Align = "left") -> Iterator[tuple[Piece, float, int]]:
        """Each piece with its left end and its baseline, the block's top being `y` and its left edge, centre or right edge `x`."""
        step = self.px * _LINE
        # the baseline sits where the capitals of a line are centred in it
        first = y + (step + self.px * CAPITAL) / 2
        share = {"left": 0.0, "centre": 0.5, "right": 1.0}[align]
        for number, line in enumerate(self.lines):
            made = pieces(line, self.px, self.bold)
            left = x - share * _end(made)
            for piece in made:
                yield piece, left + piece.x, round(first + number * step)


@dataclass(frozen=True, slots=True)
class Box:
    """What stands for a character without a glyph, placed from the left end of its baseline.

    `frame` is x, y, width and height; `rows` are digits, the left end of their baseline, and their width.
    """

    frame: tuple[int, int, int, int]
    stroke: int
    digits_px: int
    rows: tuple[tuple[str, float, int, float], ...]


def block(text: str, px: int, *, width: float | None = None, bold: bool = False) -> Block:
    """`text` at `px` pixels, wrapped into `width` pixels if given; an empty text has no height."""
    lines = (
        [line for part in clean(text).split("\n") for line in _wrapped(part, px, bold, width)] if text.strip() else []
    )
    widest = max((measure(line, px, bold) for line in lines), default=0.0)
    return Block(tuple(lines), px, bold, round(widest + 0.5), round(len(lines) * px * _LINE))


def fitting(text: str, width: int, height: int, *, px: int, least_px: int, bold: bool = False) -> Block:
    """`text` at the largest size from `px` down to `least_px` that fits; what still does not ends in "…"."""
    size = px
    # far more than fits, in letters a fifth as wide as they are high: what goes beyond is not worth measuring
    text = text[: int(width * height / (0.2 * least_px) / (_LINE * least_px)) + 100]
    while True:
        made = block(text, size, width=width, bold=bold)
        if made.height <= height or not made.lines:
            return made
        if size <= least_px:
            break
        size = max(least_px, size - max(1, size // 8))
    fits = max(1, int(height / (size * _LINE)))
    lines = [*made.lines[: fits - 1], _ended(made.lines[fits - 1], size, bold, width)]
    return Block(tuple(lines), size, bold, made.width, round(len(lines) * size * _LINE))


def least_width(text: str, px: int, *, bold: bool = False) -> float:
    """How wide a block of this text must be for no word to be broken where it has no mark to break at."""
    parts = re.split(rf"(?<=[{re.escape(_BREAKS_AFTER)}])|\s+", clean(text))
    return max(measure(part, px, bold) for part in parts)


def measure(line: str, px: int, bold: bool = False) -> float:
    """Width of one line."""
    if _PLAIN.fullmatch(line):
        return font(px, bold).getlength(line)
    return _end(pieces(line, px, bold))


@lru_cache(maxsize=2048)
def pieces(line: str, px: int, bold: bool = False) -> tuple[Piece, ...]:
    """What one line is drawn from, from left to right."""
    line = line.replace("\u00a0", " ")  # once the lines are broken it is a space like any other, also to a search
    if line and _PLAIN.fullmatch(line) and " " not in (line[0], line[-1]):
        return (Piece(line, line, 0.0, font(px, bold).getlength(line), bold),)
    made: list[Piece] = []
    x = 0.0
    signs = [part for sign in in_visual_order(line) for part in _drawable(sign, bold)]
    for (kind, rtl), group in groupby(signs, key=lambda part: (part[1], part[0].rtl)):
        run = [sign for sign, _ in group]
        if kind == "box":
            for sign in run:
                made.append(Piece(sign.drawn, sign.source, x, _box_width(sign.drawn, px), False, rtl, boxed=True))
                x += made[-1].width
            continue
        face = font(px, kind == "bold")
        text = "".join(sign.drawn for sign in run)
        source = "".join(sign.source for sign in (reversed(run) if rtl else run)).replace(HAIR, "")
        inked = text.strip(" ")  # spaces at the ends of a text are dropped by some viewers: they are only room
        if inked:
            before = face.getlength(text[: len(text) - len(text.lstrip(" "))])
            made.append(Piece(inked, source.strip(" "), x + before, face.getlength(inked), kind == "bold", rtl))
        x += face.getlength(text)
    return tuple(made)


def box_for(char: str, px: int) -> Box:
    """How the box of a character is drawn beside letters of `px` pixels."""
    first, second = _digits(char)
    size, pad, stroke, side = _box_measures(px)
    widths = [font(size).getlength(row) for row in (first, second)]
    high = round(CAPITAL * size)
    width, height = round(max(widths) + 2 * pad), 2 * high + 3 * pad
    top = -round((CAPITAL * px + height) / 2)
    base, step = top + pad + high, high + pad
    rows = tuple(
        (row, side + (width - wide) / 2, base + number * step, wide)
        for number, (row, wide) in enumerate(zip((first, second), widths, strict=True))
    )
    return Box((side, top, width, height), stroke, size, rows)


def clean(text: str) -> str:
    """`text` in composed letters, with what cannot be drawn, or would reorder what is around it, shown as a mark."""
    text = re.sub("\r\n|[\u2028\u2029]", "\n", text).replace("\t", " ")
    text = "".join("\ufffd" if char != "\n" and _unprintable(char) else char for char in text)
    return unicodedata.normalize("NFC", text)


def _unprintable(char: str) -> bool:
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    # joiners and variation selectors belong to ordinary text and emoji
    return category in ("Cc", "Cs") or (category == "Cf" and not takes_no_room(char))


def _drawable(sign: Sign, bold: bool) -> list[tuple[Sign, str]]:
    """A sign, or its parts, each with how it is drawn: bold, plain or box."""
    if not sign.drawn:
        return []
    for shape in (sign.drawn, sign.source):  # where a joined form has no glyph, the letter by itself may have
        for heavy in (True, False) if bold else (False,):
            if all(ord(char) in coverage(heavy) for char in shape):
                return [(Sign(sign.source, shape, sign.rtl), "bold" if heavy else "plain")]
    if len(sign.drawn) > 1:
        parts = [_drawable(Sign(char, char, sign.rtl), bold) for char in sign.drawn]
        return [part for of_char in parts for part in of_char]
    if unicodedata.category(sign.drawn) == "Zs":
        return [(Sign(sign.source, " ", sign.rtl), "bold" if bold else "plain")]
    return [(sign, "box")]


def _end(made: tuple[Piece, ...]) -> float:
    return made[-1].x + made[-1].width if made else 0.0


def _digits(char: str) -> tuple[str, str]:
    code = f"{ord(char):04X}"
    code = code.zfill(len(code) + len(code) % 2)
    return code[: len(code) // 2], code[len(code) // 2 :]


def _box_measures(px: int) -> tuple[int, int, int, int]:
    """Size of the digits, space inside the frame, its stroke, and space beside it."""
    return (
        max(5, round(px * 0.5)),
        max(1 if px < 10 else 2, round(px * 0.11)),
        max(1, round(px / 20)),
        max(1, round(px * 0.07)),
    )


def _box_width(char: str, px: int) -> int:
    side, _, width, _ = box_for(char, px).frame
    return width + 2 * side


def _wrapped(text: str, px: int, bold: bool, width: float | None) -> list[str]:
    if width is None or measure(text, px, bold) <= width:
        return [text]
    lines: list[str] = []
    line, so_far = "", 0.0
    plain = _PLAIN.fullmatch(text) is not None  # a plain line is as wide as its words and spaces together
    space = _advance(" ", px, bold)
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        wide = (so_far + space if line else 0.0) + _advance(word, px, bold) if plain else measure(joined, px, bold)
        if wide <= width:
            line, so_far = joined, wide
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, px, bold, width)
        so_far = measure(line, px, bold)
        lines += full
    return [*lines, line]


def _broken(word: str, px: int, bold: bool, width: float) -> list[str]:
    """A word in pieces no wider than `width` (a single character may be): behind punctuation, if that is near the end."""
    parts: list[str] = []
    while len(word) > 1 and (fits := _fitting_letters(word, px, bold, width)) < len(word):
        at = max((word.rfind(mark, fits // 2, fits) + 1 for mark in _BREAKS_AFTER), default=0) or fits
        while at > 1 and holds_on(word, at):  # an accent stays with its letter
            at -= 1
        parts.append(word[:at])
        word = word[at:]
    return [*parts, word]


def _fitting_letters(word: str, px: int, bold: bool, width: float) -> int:
    """How many letters fit, at least one: guessed from each by itself, then measured together."""
    so_far, fits = 0.0, 0
    for char in word:
        so_far += _advance(char, px, bold)
        if so_far > width:
            break
        fits += 1
    fits = max(1, fits)
    while fits > 1 and measure(word[:fits], px, bold) > width:
        fits -= 1
    if _PLAIN.fullmatch(word[: fits + 1]):  # together they are no narrower than by themselves, but for a kern or two
        return fits
    while fits < len(word) and measure(word[: fits + 1], px, bold) <= width:
        fits += 1
    return fits


@lru_cache(maxsize=4096)
def _advance(char: str, px: int, bold: bool) -> float:
    return measure(char, px, bold)


def _ended(line: str, px: int, bold: bool, width: float) -> str:
    while line and measure(line + "…", px, bold) > width:
        line = line[:-1]
    return line.rstrip() + "…"

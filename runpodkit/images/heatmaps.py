"""Heat maps: numbers in rows and columns as colours, each with its number, and the scale below.

A view: gets numbers and labels, laid out and drawn as a grid is.  All lengths are pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runpodkit.images import colours, lettering
from runpodkit.images.canvas import Canvas
from runpodkit.images.cells import Labels, Place
from runpodkit.images.colours import Scale
from runpodkit.images.figures import Figure
from runpodkit.images.grids import MAX_PIXELS, Grid
from runpodkit.images.headline import GREY, INK
from runpodkit.images.lettering import Block
from runpodkit.images.places import NOTHING, Content, Tile
from runpodkit.images.sheet import Sheet, Words
from runpodkit.images.style import Style

WIDEST_CELL, NARROWEST_CELL = 132, 84
SHEET_PX = 1500
"""Cells are as wide as lets them stay within this together, if they can."""
TALL = 0.62
"""Height of a cell, in widths."""
LEAST_PX = 9
"""The smallest type on a screen."""
_BAR_SIZES, _BAR_HEIGHT = 26.0, 1.0
"""Of the scale, in sizes of the type: how wide at most, and how high."""


@dataclass(frozen=True, slots=True)
class Mean:
    """What stands in a cell."""

    value: float
    count: int
    """Of the numbers whose mean it is."""


def heatmap(
    means: Mapping[Place, Mean],
    *,
    rows: Sequence[Labels],
    cols: Sequence[Labels],
    blank: frozenset[Place] = frozenset(),
    span: tuple[float, float] | None = None,
    scale_title: str = "",
    row_title: str = "",
    col_title: str = "",
    title: str = "",
    subtitle: str = "",
    badge: str = "",
    cell_px: int | None = None,
    width_mm: float | None = None,
    dpi: float | None = None,
) -> Grid:
    """Draw numbers by row and column; how many each is the mean of stands below it, unless that is the same everywhere.

    Args:
        means: By (row, column); a place that is absent is drawn as missing.
        rows, cols: Labels, top to bottom and left to right, n >= 1 each.
        blank: Places that stay empty, because nothing was to be there.
        span: The numbers at the ends of the scale; default: the least and the greatest there are.
        scale_title: What the numbers are, beside the scale.
        cell_px, width_mm, dpi: As of a grid; the text of a cell decides how narrow it can be.

    Raises:
        ValueError: no number; `span` the wrong way round; or cells, or `width_mm`, too narrow for their numbers.
    """
    if not means:
        raise ValueError("there is no number to draw")
    style = Style(width_mm=width_mm, dpi=dpi)
    values = [mean.value for mean in means.values()]
    scale = Scale(min(values), max(values)) if span is None else _checked(span)
    texts = {place: number_text(mean.value, values) for place, mean in means.items()}
    alike = len({mean.count for mean in means.values()}) == 1
    counts = {place: "" if alike else f"n = {mean.count}" for place, mean in means.items()}
    words = Words(title, subtitle, row_title, col_title, badge)

    def lay(width: int) -> HeatSheet:
        heights = [max(1, round(width * TALL))] * len(rows)
        made = HeatSheet(rows, cols, [width] * len(cols), heights, words, style, scale, scale_title)
        spans = [end - start for start, end in made.row_spans]
        if spans == heights:
            return made
        # a label higher than its row makes the row as high
        return HeatSheet(rows, cols, [width] * len(cols), spans, words, style, scale, scale_title)

    if width_mm is not None:
        width = style.fitting_cell_px(lay, len(cols))
        sheet = lay(width)
        least = _least_width(sheet, texts.values(), counts.values(), style.least_px)
        if least > width:
            raise ValueError(
                f"width_mm={width_mm:g}: {len(cols)} columns leave {width} pixels a cell and its number needs {least}: "
                "choose a larger width_mm or fewer columns"
            )
    else:
        width = cell_px or max(NARROWEST_CELL, min(WIDEST_CELL, SHEET_PX // len(cols)))
        sheet = lay(width)
        least = _least_width(sheet, texts.values(), counts.values(), LEAST_PX)
        if cell_px is None and least > width:
            width = least
            sheet = lay(width)
        elif least > width:
            raise ValueError(f"cell_px={cell_px}: the numbers need cells of {least} pixels")
    if sheet.size[0] * sheet.size[1] > MAX_PIXELS:
        raise ValueError(
            f"{len(rows)} × {len(cols)} cells would make {sheet.size[0]:,}×{sheet.size[1]:,} pixels, more than "
            f"{MAX_PIXELS / 1e6:.0f} million: choose fewer rows or columns, or a lower dpi"
        )
    tiles = _tiles(means, texts, counts, scale, sheet, width)
    content: dict[Place, Content] = {**tiles, **dict.fromkeys(blank, NOTHING)}
    figure = Figure(sheet, content)
    missing = len(rows) * len(cols) - len(content)
    text = f"Heat map {len(rows)} × {len(cols)}, {len(means)} cells" + (f", {missing} missing" if missing else "")
    return Grid(figure.image(), text, title, subtitle, figure)


class HeatSheet(Sheet):
    """A sheet with the scale of its colours at the foot."""

    def __init__(
        self,
        rows: Sequence[Labels],
        cols: Sequence[Labels],
        widths: Sequence[int],
        heights: Sequence[int],
        words: Words,
        style: Style,
        scale: Scale,
        scale_title: str,
    ) -> None:
        super().__init__(rows, cols, widths, heights, words, {}, style)
        self._scale = scale
        self._scale_title = lettering.block(scale_title, self._small)
        self._bar_height = round(self.px * _BAR_HEIGHT)

    @property
    def small_px(self) -> int:
        """Size of what is written small."""
        return self._small

    @property
    def size(self) -> tuple[int, int]:
        width, height = super().size
        if self.style.width_px is None:
            width = max(width, self._least_foot + 2 * self._margin)
        return width, height + self._foot_height

    @property
    def needed_width(self) -> int:
        return max(super().needed_width, self._least_foot + 2 * self._margin)

    def draw_on(self, canvas: Canvas, pictures: Mapping[tuple[Labels, Labels], Content]) -> None:
        super().draw_on(canvas, pictures)
        room = canvas.size[0] - 2 * self._margin
        wide = min(room, max(self._least_foot, min(round(_BAR_SIZES * self.px), self._span_x(0, len(self._cols) - 1))))
        x = max(self._margin, min(self._left, canvas.size[0] - self._margin - wide))
        y = canvas.size[1] - self._margin - self._foot_height + self._above
        canvas.text(self._scale_title, x, y, INK)
        y += self._scale_title.height + self._between
        canvas.picture(colours.bar(wide, self._bar_height), x, y)
        line = y + self._bar_height
        for value, label in self._labels(wide):
            at = x + round(self._scale.share(value) * (wide - 1))
            canvas.line(at, line, max(2, self._small // 4), GREY, self._hairline, down=True)
            half = label.width / 2
            middle = min(max(at, self._margin + half), canvas.size[0] - self._margin - half)
            canvas.text(label, middle, line + max(2, self._small // 4), GREY, "centre")

    def _label_room(self, first: int, last: int) -> int:
        """Tiles stand closer than pictures, and labels must not touch."""
        return max(1, super()._label_room(first, last) - self.px // 2)

    def _labels(self, wide: int) -> list[tuple[float, Block]]:
        """Ticks of a scale so wide, as many as do not touch each other."""
        for most in (6, 5, 4, 3):
            made = self._ticks(most)
            places = []
            for value, label in made:
                middle = min(max(self._scale.share(value) * wide, label.width / 2), wide - label.width / 2)
                places.append((middle - label.width / 2, middle + label.width / 2))
            if all(right + self._small <= left for (_, right), (left, _) in itertools.pairwise(places)):
                return made
        return self._ticks(2)

    def _ticks(self, most: int) -> list[tuple[float, Block]]:
        values = self._scale.ticks(most)
        values = (
            values if len(values) > 1 or self._scale.high <= self._scale.low else [self._scale.low, self._scale.high]
        )
        return [
            (value, lettering.block(text, self._small))
            for value, text in zip(values, _round_texts(values), strict=True)
        ]

    @cached_property
    def _least_foot(self) -> int:
        """The foot's least width."""
        ticks = self._ticks(2)
        return max(self._scale_title.width, sum(label.width for _, label in ticks) + 2 * self._small)

    @property
    def _above(self) -> int:
        return round(self.px * 1.3)

    @property
    def _between(self) -> int:
        return round(self._small * 0.3)

    @property
    def _foot_height(self) -> int:
        ticks = max(2, self._small // 4) + max(label.height for _, label in self._ticks(2))
        return self._above + self._scale_title.height + self._between + self._bar_height + ticks


def number_text(value: float, among: Sequence[float]) -> str:
    """A number with as many decimals as tell it from the others: a fiftieth of what they spread over."""
    spread = max(among) - min(among)
    size = spread / 50 if spread else max(abs(value), 1e-300) / 100
    if size <= 0 or not math.isfinite(size):
        return f"{value:.3g}"
    decimals = max(0, math.ceil(-math.log10(size) - 1e-9))
    if decimals > 6 or max(map(abs, among)) >= 1e7:
        return f"{value:.3g}"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def _round_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks with as few decimals as still tell each exactly; ends that are no round numbers as `number_text` has them."""
    step = abs(ticks[-1] - ticks[0]) / max(1, len(ticks) - 1)
    for decimals in range(5):
        if step and all(abs(round(tick, decimals) - tick) < 1e-6 * step for tick in ticks):
            return [f"{tick:.{decimals}f}" for tick in ticks]
    return [number_text(tick, ticks) for tick in ticks]


def _checked(span: Any) -> Scale:
    try:
        low, high = (float(end) for end in span)
    except (TypeError, ValueError):
        raise ValueError(f"span={span!r}: give the numbers at both ends of the scale, such as (0, 1)") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"span={span!r}: its first number must be less than its second, and both finite")
    return Scale(low, high)


def _least_width(sheet: HeatSheet, texts: Any, counts: Any, least_px: int) -> int:
    """The narrowest cell whose text still fits in the smallest type."""
    widest = max(lettering.measure(text, max(least_px, 1), True) for text in texts)
    widest = max(widest, *(lettering.measure(text, max(least_px, 1)) for text in counts))
    tall = (lettering.block("0", least_px, bold=True).height + lettering.block("n", least_px).height) / TALL
    return math.ceil(max(widest, tall) * 1.12) + 4


def _tiles(
    means: Mapping[Place, Mean],
    texts: Mapping[Place, str],
    counts: Mapping[Place, str],
    scale: Scale,
    sheet: HeatSheet,
    width: int,
) -> dict[Place, Tile]:
    """All in one size of type: the largest in which every number fits."""
    room, height = (width - 4) / 1.12, width * TALL
    px, small = round(sheet.px * 1.15), sheet.small_px
    least = sheet.style.least_px or LEAST_PX
    while px > least and (
        max(lettering.measure(text, px, True) for text in texts.values()) > room
        or lettering.block("0", px).height + lettering.block("n", min(small, px)).height > height
    ):
        px -= 1
    small = min(small, px)
    while small > least and max(lettering.measure(text, small) for text in counts.values()) > room:
        small -= 1
    tiles = {}
    for place, mean in means.items():
        paper = scale.colour(mean.value)
        number = lettering.block(texts[place], px, bold=True)
        tiles[place] = Tile(paper, colours.ink_on(paper), number, lettering.block(counts[place], small))
    return tiles

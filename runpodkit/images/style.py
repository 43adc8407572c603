"""How a grid looks beside its pictures: with or without words, gaps, and how large it is in print.

A sheet is laid out in pixels.  Print says how many millimetres those are: a figure of `width_mm` at
`dpi` dots per inch is `width_mm / 25.4 * dpi` pixels wide, and its type is sized in points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

MM_PER_INCH, POINTS_PER_INCH = 25.4, 72.0
SCREEN_DPI, PRINT_DPI = 96.0, 300.0
WIDTHS_MM = (10.0, 2000.0)
DPIS = (30.0, 1200.0)
LEAST_POINTS = 6.0
"""The smallest type that journals take."""
LABEL_POINTS = (6.5, 8.0)
NARROWEST_PX, NARROWEST_MM = 16, 2.0
"""A cell's least width."""


class Wide(Protocol):
    """Something laid out that knows how wide it has to be, in pixels."""

    @property
    def needed_width(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Style:
    """What a caller may choose about the looks of a sheet; None leaves it to the sheet.

    Raises:
        ValueError: a gap or padding under 0 or over 2,000 pixels, `width_mm` outside 10 to 2,000, `dpi`
            outside 30 to 1,200.
    """

    legend: bool = True
    """Whether there are labels, titles and notes.  A badge stays either way."""
    gap_px: int | None = None
    padding_px: int | None = None
    width_mm: float | None = None
    dpi: float | None = None
    height_mm: float | None = None
    """Of a page that is not as tall as what is on it; with `width_mm` only."""

    def __post_init__(self) -> None:
        for name in ("gap_px", "padding_px"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2000):
                raise ValueError(f"{name}={value!r}: whole pixels from 0 to 2,000")
        _check_within("width_mm", self.width_mm, WIDTHS_MM, "millimetres")
        _check_within("dpi", self.dpi, DPIS, "dots per inch")

    @property
    def dots_per_inch(self) -> float:
        """How many pixels are an inch: what was asked, else 300 in print and 96 on a screen."""
        return self.dpi or (PRINT_DPI if self.width_mm else SCREEN_DPI)

    @property
    def width_px(self) -> int | None:
        """The whole sheet's width, where it is fixed."""
        return round(self.width_mm / MM_PER_INCH * self.dots_per_inch) if self.width_mm else None

    @property
    def height_px(self) -> int:
        """The least height of the whole sheet."""
        return round(self.height_mm / MM_PER_INCH * self.dots_per_inch) if self.height_mm else 0

    @property
    def least_px(self) -> int:
        """No type is smaller, but for a reason in a cell that is itself hardly larger; 0 on a screen."""
        return math.ceil(self._point_px * LEAST_POINTS) if self.width_mm else 0

    def type_sizes(self, widest: int, total: int) -> tuple[int, int]:
        """Sizes of labels and of small print, given the widest column and all columns together."""
        if self.width_mm:
            low, high = (points * self._point_px for points in LABEL_POINTS)
            px = round(min(high, max(low, widest / 8)))
        else:
            px = max(11, round(min(30, widest / 8, max(13, total / 100))))
        return px, max(10, round(px * 0.82), self.least_px)

    def most_cell_px(self, cols: int) -> int:
        """No cell of a sheet of fixed width can be wider, so pictures are decoded no larger.

        Raises:
            ValueError: so many columns do not fit into `width_mm`, whatever is beside them.
        """
        most = (self.width_px or 0) // cols
        if most < self._least_cell_px:
            raise ValueError(self._too_narrow(cols))
        return most

    def fitting_cell_px(self, lay: Callable[[int], Wide], cols: int) -> int:
        """The widest cells, in pixels, with which what `lay` makes of them is no wider than `width_px`.

        Raises:
            ValueError: the columns and their labels do not fit into `width_mm`.
        """
        width, high, low = self.width_px or 0, self.most_cell_px(cols) + 1, self._least_cell_px
        needed = lay(low).needed_width
        if needed > width:
            raise ValueError(self._too_narrow(cols))
        guessing = True
        while high - low > 1:
            # what is left over, shared by the columns, is nearly always it; laying out long labels is what takes time
            step = max(1, (width - needed) // cols) if guessing else (high - low) // 2
            tried = min(high - 1, low + step)
            wide = lay(tried).needed_width
            guessing = wide <= width
            if guessing:
                low, needed = tried, wide
            else:
                high = tried
        return low

    @property
    def _least_cell_px(self) -> int:
        return max(NARROWEST_PX, math.ceil(NARROWEST_MM / MM_PER_INCH * self.dots_per_inch))

    @property
    def _point_px(self) -> float:
        return self.dots_per_inch / POINTS_PER_INCH

    def _too_narrow(self, cols: int) -> str:
        least = self._least_cell_px
        needs = least / self.dots_per_inch * MM_PER_INCH
        columns = f"{cols} column{'' if cols == 1 else 's'}"
        return (
            f"width_mm={self.width_mm:g}: {columns} and the words beside them leave no {needs:.1f} mm a picture"
            f" ({least} pixels at {self.dots_per_inch:g} dpi): choose a larger width_mm or fewer columns"
        )


def _check_within(name: str, value: float | None, bounds: tuple[float, float], unit: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name}={value!r}: {unit} from {bounds[0]:,.0f} to {bounds[1]:,.0f}")

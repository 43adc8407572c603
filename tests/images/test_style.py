"""Style: what may be asked of a sheet's looks, and how wide its cells then are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.images.style import Style


@dataclass
class Laid:
    """Cells side by side, a label of 100 pixels before them, 10 between them."""

    cell_px: int
    cols: int

    @property
    def needed_width(self) -> int:
        return 100 + self.cols * self.cell_px + (self.cols - 1) * 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width_mm", 0), ("width_mm", -85), ("width_mm", 9.9), ("width_mm", 2001), ("width_mm", math.nan),
        ("width_mm", math.inf), ("width_mm", "85"), ("width_mm", True),
        ("dpi", 0), ("dpi", 29), ("dpi", 10_000), ("dpi", math.nan), ("dpi", "300"),
        ("gap_px", -1), ("gap_px", 2001), ("gap_px", 1.5), ("gap_px", True), ("gap_px", "3"),
        ("padding_px", -1), ("padding_px", 10**9),
    ],
)  # fmt: skip
def test_a_value_outside_its_bounds_is_named_with_them(name, value):
    with pytest.raises(ValueError, match=rf"{name}={value!r}: .* to ") as caught:
        Style(**{name: value})
    assert "\n" not in str(caught.value)


def test_a_column_of_85_mm_at_300_dpi_is_1004_pixels():
    assert Style(width_mm=85).width_px == 1004  # 85 / 25.4 * 300 = 1003.9
    assert Style(width_mm=85, dpi=600).width_px == 2008
    assert Style().width_px is None and Style(dpi=600).width_px is None


def test_type_is_six_points_at_least_in_print():
    for dpi in (72, 150, 300, 600):
        style = Style(width_mm=85, dpi=dpi)
        for widest in (16, 100, 1000):
            px, small = style.type_sizes(widest, widest * 5)
            assert min(px, small) >= 6 * dpi / 72, "a point is a 72nd of an inch"
            assert px <= max(8 * dpi / 72 + 1, 11)


def test_cells_are_as_wide_as_the_width_allows():
    style = Style(width_mm=85)  # 1004 pixels, of which 4 cells, 3 gaps and the label leave (1004 - 130) / 4 = 218.5

    assert style.fitting_cell_px(lambda cell_px: Laid(cell_px, 4), 4) == 218


@given(st.integers(1, 40), st.floats(40, 400), st.sampled_from([72, 150, 300, 600]))
def test_the_widest_cell_that_fits_is_found_or_said_to_be_none(cols, width_mm, dpi):
    style = Style(width_mm=width_mm, dpi=dpi)
    try:
        cell_px = style.fitting_cell_px(lambda px: Laid(px, cols), cols)
    except ValueError:
        least = max(16, math.ceil(2 / 25.4 * dpi))
        assert Laid(least, cols).needed_width > style.width_px
    else:
        assert Laid(cell_px, cols).needed_width <= style.width_px < Laid(cell_px + 1, cols).needed_width


def test_columns_that_do_not_fit_are_counted_in_the_refusal():
    with pytest.raises(
        ValueError, match=r"width_mm=85: 200 columns .* leave no 2\.0 mm a picture .* larger width_mm or fewer"
    ):
        Style(width_mm=85).most_cell_px(200)
    with pytest.raises(ValueError, match=r"1 column "):
        Style(width_mm=10).fitting_cell_px(lambda px: Laid(px, 1), 1)  # 118 pixels, of which the label takes 100

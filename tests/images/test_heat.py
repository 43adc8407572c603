"""Heat pictures: colours, legend and the region with most in it, by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.images import heat
from runpodkit.images.colours import VIRIDIS


def test_nought_is_dark_the_top_is_bright_and_beyond_it_no_brighter() -> None:
    made = heat.heat(np.array([[0.0, 0.5, 1.0, 9.0]]), 1.0)

    assert [made.getpixel((x, 0)) for x in range(4)] == [VIRIDIS[0], VIRIDIS[5], VIRIDIS[10], VIRIDIS[10]]
    assert heat.heat(np.zeros((2, 2)), 0.0).getpixel((0, 0)) == VIRIDIS[0]


def test_more_is_lighter_all_the_way() -> None:
    """Luminance after ITU-R BT.709: who sees no colour reads the same order."""
    shades = np.asarray(heat.heat(np.linspace(0, 1, 64)[None], 1.0), float)[0] @ [0.2126, 0.7152, 0.0722]

    assert all(low < high for low, high in pairwise(shades))


def test_the_region_is_where_most_is() -> None:
    values = np.zeros((10, 20))
    values[6:9, 4:10] = 1.0

    x, y, width, height = heat.densest(values, 0.3)
    assert (x, y, width, height) == (0.2, 0.6, 0.3, 0.3)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 1), st.integers(0, 99))
def test_the_region_never_leaves_the_picture(wide: int, high: int, share: float, seed: int) -> None:
    x, y, width, height = heat.densest(np.random.default_rng(seed).random((high, wide)), share)

    assert min(x, y) >= 0
    assert min(width, height) > 0
    assert x + width <= 1
    assert y + height <= 1


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_is_a_part(share: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        heat.densest(np.ones((4, 4)), share)


@pytest.mark.parametrize("top", [0.004, 0.16, 0.25, 1.0, 37.0])
def test_a_legend_is_as_wide_as_asked_and_has_all_colours(top: float) -> None:
    made = heat.legend(200, top, 12)

    assert made.width == 200
    row = [made.getpixel((x, 2)) for x in range(200)]
    assert VIRIDIS[0] in row
    assert VIRIDIS[10] in row


def test_pictures_stand_side_by_side_with_the_region_framed_in_each() -> None:
    one = Image.new("RGB", (60, 90), (200, 0, 0))
    made = heat.beside(
        [("one", one), ("a name that is much longer than its picture is wide", one)],
        (0.2, 0.2, 0.5, 0.5),
        ("words", 1.0),
    )

    assert made.width > 120
    colours = {colour for _, colour in made.getcolors(1 << 20) or ()}
    assert (255, 214, 10) in colours  # the frame

"""Regions: fractions or pixels of a picture, what is refused, and how much larger an inset is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runpodkit.images.regions import Region, View


def test_fractions_and_pixels_of_the_same_part_are_the_same_box():
    assert Region.read("crop", (0.25, 0.5, 0.5, 0.25)).box((400, 800)) == (100, 400, 300, 600)
    assert Region.read("crop", (100, 400, 200, 200)).box((400, 800)) == (100, 400, 300, 600)


def test_all_of_a_picture_is_a_fraction_not_a_pixel():
    assert Region.read("crop", (0, 0, 1, 1)).box((400, 800)) == (0, 0, 400, 800)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0, 0, 1), "a region is"),
        ("0,0,1,1", "a region is"),
        (("a", 0, 1, 1), "a region is"),
        (5, "a region is"),
        ((0, 0, math.nan, 1), "a region is"),
        ((0, 0, math.inf, 1), "a region is"),
        ((-0.1, 0, 0.5, 0.5), "0 or more"),
        ((0, 0, 0, 0.5), "above 0"),
        ((0.6, 0, 0.5, 0.5), "leaves the picture"),
        ((0.5, 0, 200, 200), "not both"),
    ],
)
def test_what_is_no_region_is_named(given: Any, words: str):
    with pytest.raises(ValueError, match=f"crop=.*{words}"):
        Region.read("crop", given)


def test_pixels_beyond_one_picture_are_told_with_its_size():
    with pytest.raises(ValueError, match=r"crop=\(300, 0, 200, 200\) leaves the picture of 400×800 pixels"):
        Region.read("crop", (300, 0, 200, 200)).box((400, 800))


@settings(deadline=None)
@given(
    st.tuples(*[st.floats(0, 1) for _ in range(4)]),
    st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
)
def test_a_fraction_is_always_inside_and_never_empty(region: tuple[float, ...], size: tuple[int, int]):
    x, y, width, height = region
    assume(width > 1e-9 and height > 1e-9 and x + width <= 1 and y + height <= 1)
    left, top, right, bottom = Region.read("inset", region).box(size)

    assert 0 <= left < right <= size[0] + 1e-6 and 0 <= top < bottom <= size[1] + 1e-6
    assert right - left >= 1 - 1e-9 and bottom - top >= 1 - 1e-9


def test_an_inset_is_found_within_what_the_crop_leaves():
    view = View.read((0.5, 0.5, 0.5, 0.5), (0.5, 0.75, 0.125, 0.125))

    assert view.frame((800, 800)) == (0, 0.5, 0.25, 0.75)
    # 46 % of the cell at most, the longer way: 0.25 of 200 is 50, 92 is 1.84 times that
    assert view.enlarged((200, 200), (0, 0.5, 0.25, 0.75)) == (92, 92)


@pytest.mark.parametrize(
    ("crop", "inset", "words"),
    [
        (None, (0.1, 0.1, 0.5, 0.1), "takes 50% of what the cell shows.*at most 37%"),
        ((0, 0, 0.5, 0.5), (0.6, 0.6, 0.1, 0.1), "outside of what crop leaves"),
        ((0, 0, 0.2, 1), (0, 0, 0.1, 0.1), "takes 50%"),
    ],
)
def test_an_inset_that_would_show_nothing_more_is_refused_before_any_picture_is_read(crop: Any, inset: Any, words: str):
    with pytest.raises(ValueError, match=words):
        View.read(crop, inset)


@settings(deadline=None)
@given(st.floats(0.01, 0.36), st.floats(0.01, 0.36), st.integers(16, 1000), st.integers(16, 1000))
def test_an_inset_is_larger_than_its_part_and_leaves_half_of_the_cell(share_x, share_y, wide, high):
    frame = View.read(None, (0.3, 0.3, share_x, share_y)).frame((10_000, 10_000))
    assert frame is not None
    width, height = View().enlarged((wide, high), frame)

    assert width <= 0.46 * wide + 1 and height <= 0.46 * high + 1
    assert width >= 1.25 * share_x * wide - 1 and height >= 1.25 * share_y * high - 1

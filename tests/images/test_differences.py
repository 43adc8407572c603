"""Differences: the number and the picture, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.images import differences
from tests.images.test_grids import patch


def test_the_distance_is_the_mean_over_pixels_and_channels():
    one, other = patch((10, 20, 30), (10, 10)), patch((10, 20, 30), (10, 10))
    other.paste((61, 20, 30), (0, 0, 5, 10))  # half of the pixels, one channel of three, 51 of 255

    assert differences.distance(one, other) == pytest.approx(0.2 / 6)
    assert differences.distance(one, one) == 0
    assert differences.distance(patch((0, 0, 0)), patch((255, 255, 255))) == 1


def test_a_difference_is_four_times_as_strong_and_never_over_white():
    made = differences.difference(patch((10, 100, 0), (4, 4)), patch((20, 90, 200), (4, 4)))

    assert made.getcolors() == [(16, (40, 40, 255))]


@settings(deadline=None)
@given(st.binary(min_size=48, max_size=48), st.binary(min_size=48, max_size=48))
def test_the_order_of_the_two_does_not_matter(one, other):
    a, b = Image.frombytes("RGB", (4, 4), one), Image.frombytes("RGB", (4, 4), other)

    assert differences.distance(a, b) == differences.distance(b, a)
    assert differences.difference(a, b).tobytes() == differences.difference(b, a).tobytes()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((832, 1216), (416, 608), True),
        ((832, 1216), (840, 1216), True),
        ((832, 1216), (1216, 832), False),
        ((512, 512), (512, 544), False),
        ((1, 1), (4096, 4096), True),
    ],
)
def test_only_pictures_of_one_proportion_are_laid_on_each_other(one, other, alike):
    assert differences.comparable(one, other) is alike
